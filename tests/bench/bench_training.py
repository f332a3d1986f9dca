"""What the loop of `lilllm train` costs beside its bare step: tokens a second of both, in one run.

    python tests/bench/bench_training.py                     liltown 8 x 256 and lillm-39m 1 x 512, on one thread
    python tests/bench/bench_training.py --device cuda [--compile]     lillm-39m and lillm-300m too, with MFU
    python tests/bench/bench_training.py --optimizer         torch's fused AdamW beside lilllm.optim's

The bare step is that of bench_models: forward, backward, torch's fused AdamW, on one batch that lies there. The loop
adds the loader, the schedule, clipping, the look for NaN, metrics.jsonl and the bar. Both train the same model on the
same shapes, by turns; a ratio is the median over rounds of one round's times, on the CPU the time of the process (with
its prefetching thread) without that in which others had the core.
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
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from lilllm.data import Loader, TokenArray
from lilllm.models import Decoder, preset
from lilllm.training import TrainConfig, Trainer

LOST = 0.05  # of the bare step's tokens a second, at most


class Bare:
    """A step on one batch, as in bench_models."""

    def __init__(self, name: str, batch: tuple[int, int], options: argparse.Namespace) -> None:
        self.device, self.cuda = options.device, options.device.startswith("cuda")
        config = preset(name)
        self.model = Decoder(config, generator=torch.Generator().manual_seed(0)).to(self.device).train()
        drawn = torch.randint(config.vocab_size, (batch[0], batch[1] + 1), generator=torch.Generator().manual_seed(1))
        self.tokens, self.targets = drawn[:, :-1].to(self.device), drawn[:, 1:].contiguous().to(self.device)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-4, fused=True)
        self.loss: Callable[..., Any] = torch.compile(self.model.loss) if options.compile else self.model.loss

    def steps(self, count: int) -> None:
        for _ in range(count):
            with torch.autocast(self.device.split(":")[0], torch.bfloat16, enabled=self.cuda):
                loss = self.loss(self.tokens, self.targets)
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
            loss.item()  # waits for the device


class Loop:
    """The same through a Trainer, with a run folder."""

    def __init__(self, name: str, batch: tuple[int, int], options: argparse.Namespace, folder: Path) -> None:
        config = preset(name)
        drawn = torch.Generator().manual_seed(2)
        tokens = torch.randint(config.vocab_size, (2_000_000,), generator=drawn).numpy()
        cuda = options.device.startswith("cuda")
        self.trainer = Trainer(
            Decoder(config, generator=torch.Generator().manual_seed(0)),
            TrainConfig(
                steps=10**6,
                batch_size=batch[0],
                lr=1e-4,
                schedule="constant",
                precision="bf16" if cuda else "fp32",
                compile=options.compile,
                eval_every=None,
                sample_every=None,
                save_every=None,
            ),
            Loader(
                TokenArray(tokens, vocab_size=config.vocab_size, eos=0),
                batch_size=batch[0],
                context_len=batch[1],
                pin_memory=cuda,
            ),
            folder=folder,
            device=options.device,
            progress=True,
        )

    def steps(self, count: int) -> None:
        self.trainer.run(until=self.trainer.step + count)


def timed(work: Callable[[int], None], count: int, cuda: bool) -> float:
    clock = time.perf_counter if cuda else time.process_time
    began = clock()
    work(count)
    if cuda:
        torch.cuda.synchronize()
    return clock() - began


def table(name: str, batch: tuple[int, int], count: int, rounds: int, options: argparse.Namespace) -> None:
    cuda = options.device.startswith("cuda")
    with tempfile.TemporaryDirectory() as folder:
        bare, loop = Bare(name, batch, options), Loop(name, batch, options, Path(folder) / "run")
        for work in (bare.steps, loop.steps):
            work(3)
        pairs = [(timed(bare.steps, count, cuda), timed(loop.steps, count, cuda)) for _ in range(rounds)]
        ratio = statistics.median(a / b for a, b in pairs)
        tokens = batch[0] * batch[1] * count
        plain, whole = (tokens / statistics.median(column) for column in zip(*pairs, strict=True))
        said = "met" if ratio >= 1 - LOST else "MISSED"
        print(f"{name:12}{batch[0]:>4} x {batch[1]:<6}{plain:>12,.0f}{whole:>12,.0f}{ratio:>8.3f}   {said}", flush=True)
        share = loop.trainer._mfu(whole)
        if share is not None:
            each = loop.trainer._mfu.flops_per_token
            print(f"{'':12}MFU {share:.1%} = {each:.4g} FLOPs a token x {whole:,.0f} / {loop.trainer._mfu.peak:.4g}")


def optimizers(name: str, rounds: int) -> None:
    """The update alone, on gradients that lie there."""
    from lilllm.optim import AdamW, Muon

    model = Decoder(preset(name), generator=torch.Generator().manual_seed(0))
    for p in model.parameters():
        p.grad = torch.randn_like(p) * 1e-3
    every = list(model.parameters())
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "blocks." in n]
    made = {
        "torch fused": torch.optim.AdamW(every, lr=1e-4, fused=True),
        "torch foreach": torch.optim.AdamW(every, lr=1e-4, foreach=True),
        "lilllm": AdamW(every, lr=1e-4),
        "lilllm Muon": Muon(matrices, lr=1e-4, ns_dtype=torch.float32),
    }
    for one in made.values():
        one.step()
    rows = []
    for _ in range(rounds):
        row = {}
        for kind, one in made.items():
            began = time.process_time()
            one.step()
            row[kind] = time.process_time() - began
        rows.append(row)
    for kind in made:
        ratio = statistics.median(row[kind] / row["torch fused"] for row in rows)
        print(f"{name:12}{kind:16}{1000 * statistics.median(row[kind] for row in rows):9.2f} ms{ratio:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--optimizer", action="store_true", help="the update alone instead")
    parser.add_argument("--only", help="one table: liltown, lillm-39m, lillm-300m")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.optimizer:
        print(f"{'':12}{'update of':16}{'':12}{'/ fused':>8}")
        for name in ("liltown", "lillm-39m"):
            optimizers(name, options.rounds or 9)
        return
    cuda = options.device.startswith("cuda")
    if cuda:
        torch.set_float32_matmul_precision("high")
    tables = [("liltown", (64 if cuda else 8, 256), 4, 9), ("lillm-39m", (32, 1024) if cuda else (1, 512), 1, 7)]
    if cuda:
        tables = [(name, batch, 20, 5) for name, batch, _, _ in [*tables, ("lillm-300m", (16, 1024), 0, 0)]]
    print(f"{'tokens a second':12}{'':9}{'bare step':>12}{'loop':>12}{'ratio':>8}   aim at least {1 - LOST}")
    for name, batch, count, rounds in tables:
        if options.only in (None, name):
            table(name, batch, count, options.rounds or rounds, options)


if __name__ == "__main__":
    main()
