"""How fast a file of 50 MB becomes token files, beside tiktoken with the same vocabulary, in one run.

    python tests/bench/bench_token_files.py [--small] [--megabytes 50] [--runs 2]

Ours is the whole way: reading the file, encoding, checking every id, an EOS after each document, writing the shards and
their checksums. tiktoken's is encoding alone, of the same documents that lie in memory already: the faster of
`encode_ordinary_batch(num_threads=1)` and `encode_ordinary` in a loop. Both on one core; times are CPU seconds of this
process, the least of several interleaved runs. The last row is time on the clock, of two processes and of one.

The text is Python's help topics and standard library (bench_tokenizers), repeated up to the size; neither side
remembers a text. As one text file it is cut into documents of 4 MB, as JSONL into parts of 2 kB.
"""

from __future__ import annotations

import argparse
import functools
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench_tokenizers import VOCAB_SIZE, best, corpus, show

END = "<|endoftext|>"


def files(folder: Path, n_bytes: int) -> dict[str, Path]:
    """The text as one file, and as JSONL."""
    once = corpus(min(n_bytes, 10_000_000))
    text = once * max(1, n_bytes // 10_000_000)
    plain, lines = folder / "text.txt", folder / "text.jsonl"
    plain.write_text(text, encoding="utf-8", newline="")
    with lines.open("w", encoding="utf-8") as file:
        for at in range(0, len(text), 2000):
            file.write(json.dumps({"text": text[at : at + 2000]}) + "\n")
    return {"text file": plain, "JSONL, 2 kB each": lines}


def rows(folder: Path, n_bytes: int, runs: int) -> Iterator[tuple[str, float, float, str, bool]]:
    import numpy as np
    import tiktoken
    from tiktoken_ext.openai_public import r50k_pat_str

    from lilllm.data import documents, write_tokens
    from lilllm.tokenizers import BPETokenizer

    tokenizer = BPETokenizer.train(corpus(min(n_bytes, 1_000_000)), vocab_size=VOCAB_SIZE, special_tokens=[END])
    tik = tiktoken.Encoding("bench", pat_str=r50k_pat_str, mergeable_ranks=tokenizer.vocab, special_tokens={})
    eos = tokenizer.special_tokens[END]
    written = iter(range(10**9))

    def write(path: Path, workers: int = 1) -> Any:
        name = folder / f"tokens-{next(written)}"
        return write_tokens(documents(path), tokenizer, name, eos=eos, workers=workers, progress=False)

    for form, path in files(folder, n_bytes).items():
        texts = list(documents(path))
        some = texts[: 1 if len(texts) < 500 else 500]
        ids = [token_id for text in some for token_id in (*tik.encode_ordinary(text), eos)]
        ours = write(path)
        if not np.array_equal(ours.read(0, len(ids)), ids):
            raise SystemExit("the ids are not tiktoken's: the times mean nothing")
        seconds = best(
            runs,
            ours=functools.partial(write, path),
            batch=functools.partial(tik.encode_ordinary_batch, texts, num_threads=1),
            loop=lambda texts=texts: [tik.encode_ordinary(text) for text in texts],  # type: ignore[misc]
        )
        theirs = min(seconds["batch"], seconds["loop"])
        name = f"{n_bytes / 1e6:g} MB {form}: tiktoken"
        yield name, seconds["ours"], theirs, "0.8 of its speed", seconds["ours"] * 0.8 <= theirs
    path = folder / "text.txt"
    one, two = clock(functools.partial(write, path)), clock(functools.partial(write, path, 2))
    yield "two processes: one (clock)", two, one, "", True


def clock(call: Callable[[], Any]) -> float:
    start = time.monotonic()
    call()
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="1 MB and one run: whether it works, no figures")
    parser.add_argument("--megabytes", type=int, default=50, help="of text (50)")
    parser.add_argument("--runs", type=int, default=2, help="of each side (2)")
    given = parser.parse_args()
    n_bytes, runs = (1_000_000, 1) if given.small else (given.megabytes * 1_000_000, given.runs)
    sys.path.insert(0, str(Path(__file__).parents[2]))
    print(f"{'ours against':40} {'ours s':>9} {'theirs s':>9} {'ours/theirs':>12}   aim")
    with tempfile.TemporaryDirectory() as folder:
        for row in rows(Path(folder), n_bytes, runs):
            show([row])


if __name__ == "__main__":
    main()
