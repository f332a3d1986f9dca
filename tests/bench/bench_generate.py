"""The time of generating, ours against transformers' ``generate`` with its cache, on the same weights.

    python tests/bench/bench_generate.py                    liltown and lillm-39m, batch 1 and 8, on one thread
    python tests/bench/bench_generate.py liltown            one of them
    python tests/bench/bench_generate.py --device cuda      on a GPU (--bf16: in bfloat16)

Both go on greedily with the same prompts of 16 tokens and must say the same. They take turns, and a ratio is the median
over rounds of one round's times; on the CPU that of the one thread, without that in which others had the core. A
call's time is all of it: the prompt, and the tokens that follow.
Then what the cache saves, as the same call without it, and what lists of tokens and samplers cost.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
import transformers

from lilllm.inference import GREEDY, Sampler, generate
from lilllm.models import Decoder, export, preset

AIMS = {"liltown": 2.0, "lillm-39m": 1.2}  # tokens a second, ours over theirs
NEW = {"liltown": 128, "lillm-39m": 96}
PROMPT, ROUNDS = 16, 5


def seconds(call: Callable[[], Any], device: str) -> float:
    if device == "cpu":
        began = time.process_time()
        call()
        return time.process_time() - began
    torch.cuda.synchronize()
    began = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def compare(name: str, batch: int, device: str, dtype: torch.dtype) -> None:
    model = Decoder(preset(name), generator=torch.Generator().manual_seed(0)).eval()
    with tempfile.TemporaryDirectory() as folder:
        export(model, Path(folder) / "hf")
        theirs = transformers.AutoModelForCausalLM.from_pretrained(Path(folder) / "hf", dtype=dtype)
    theirs, model = theirs.eval().to(device), model.to(device, dtype)
    prompts = torch.randint(model.config.vocab_size, (batch, PROMPT), generator=torch.Generator().manual_seed(1))
    rows, new = prompts.tolist(), NEW[name]
    given = {"attention_mask": torch.ones_like(prompts, device=device), "pad_token_id": 0, "eos_token_id": None}

    def ours(sampler: Sampler = GREEDY, cache: bool = True) -> list[list[int]]:
        return [each.tokens for each in generate(model, rows, max_new=new, sampler=sampler, cache=cache)]

    def them() -> list[list[int]]:
        made = theirs.generate(prompts.to(device), max_new_tokens=new, do_sample=False, **given)
        return made[:, PROMPT:].tolist()

    if ours() != them() and dtype == torch.float32:
        raise SystemExit(f"{name}: the two do not say the same")
    times = [(seconds(ours, device), seconds(them, device)) for _ in range(ROUNDS)]
    ratio = statistics.median(b / a for a, b in times)
    a, b = (statistics.median(each) * 1e3 / new for each in zip(*times, strict=True))
    verdict = "" if device != "cpu" else f", aim {AIMS[name]}: {'reached' if ratio >= AIMS[name] else 'MISSED'}"
    print(
        f"{name:10s} batch {batch}: {a:7.2f} ms a step, transformers {b:7.2f}; {batch * 1e3 / a:6.0f} tokens/s; "
        f"{ratio:.2f} times as fast{verdict}",
        flush=True,
    )
    if batch == 1:
        everything = Sampler(temperature=0.8, top_k=50, top_p=0.9, min_p=0.01, repetition_penalty=1.1)
        whole, plain = seconds(lambda: ours(cache=False), device), seconds(ours, device)
        print(f"{'':10s} without a cache {whole / plain:.1f} times as long; ", end="")
        print(f"with every sampler {seconds(lambda: ours(everything), device) / plain:.2f} times", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(AIMS)}")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true")
    args = parser.parse_args()
    if unknown := set(args.names) - set(AIMS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose from {', '.join(AIMS)}")
    torch.set_num_threads(1)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    for name in args.names or AIMS:
        for batch in (1, 8):
            compare(name, batch, args.device, torch.bfloat16 if args.bf16 else torch.float32)


if __name__ == "__main__":
    main()
