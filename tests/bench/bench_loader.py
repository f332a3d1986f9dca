"""Batches a second of the loader and of what one would write instead: ``python tests/bench/bench_loader.py``.

The corpus is a file of 25 million uint16 tokens, memory-mapped, a batch 8 rows of 512. Against it:

    memmap        random windows of np.memmap, stacked in the training loop as nanoGPT does: no epochs, no resuming
    DataLoader    the same windows as a map-style dataset in torch's DataLoader, shuffled, with 0 and with 2 workers

Of each, the best of several rounds taken in turn, but for the last:

    batches/s     when nothing else is done; CPU us: what one costs this process (workers are others)
    waited        for a batch, by a loop whose step takes 5 ms on another device (it sleeps): what training loses
    resume        time until batch 2000 comes from a new loader; DataLoader has to be run up to there

On a busy machine batches/s say more of the system's scheduler than of the loader, and the CPU's time is the figure.
The aim: no more of it than DataLoader without workers takes, and under 2 % of the 5 ms waited.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import numpy as np
import torch

from lilllm.data import Loader, TokenFiles, write_tokens

B, T, VOCAB = 8, 512, 50_257
STEP = 0.005
Make = Callable[[int], Iterator[Any]]  # from the number of the first batch


class RandomIds:
    """A tokenizer whose every document is 100,000 ids by chance."""

    vocab_size = VOCAB

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        return [np.random.default_rng(len(text)).integers(1, VOCAB, 100_000).tolist() for text in texts]


class Windows(torch.utils.data.Dataset):
    """Window i of a memory-mapped file, as (inputs, targets)."""

    def __init__(self, path: Path) -> None:
        self.data = np.memmap(path, dtype=np.uint16, mode="r")

    def __len__(self) -> int:
        return (len(self.data) - 1) // T

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor]:
        window = torch.from_numpy(self.data[i * T : i * T + T + 1].astype(np.int64))
        return window[:-1], window[1:]


def random_windows(path: Path) -> Iterator[Any]:
    data = np.memmap(path, dtype=np.uint16, mode="r")
    generator = torch.Generator().manual_seed(0)
    while True:
        starts = torch.randint(len(data) - T, (B,), generator=generator)
        inputs = torch.stack([torch.from_numpy(data[i : i + T].astype(np.int64)) for i in starts])
        targets = torch.stack([torch.from_numpy(data[i + 1 : i + 1 + T].astype(np.int64)) for i in starts])
        yield inputs, targets


def data_loader(path: Path, workers: int, start: int) -> Iterator[Any]:
    generator = torch.Generator().manual_seed(0)
    loader = torch.utils.data.DataLoader(
        Windows(path), batch_size=B, shuffle=True, num_workers=workers, drop_last=True, generator=generator
    )
    return itertools.islice(itertools.chain.from_iterable(itertools.repeat(loader)), start, None)


def rate(make: Make, seconds: float) -> tuple[float, float]:
    """Batches a second, and seconds of this process a batch."""
    batches = make(0)
    next(batches)
    n, began, cpu = 0, time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - began) < seconds:
        next(batches)
        n += 1
    return n / passed, (time.process_time() - cpu) / n


def waited(make: Make, n: int) -> float:
    batches, waits = make(0), []
    next(batches)
    for _ in range(n):
        time.sleep(STEP)
        began = time.perf_counter()
        next(batches)
        waits.append(time.perf_counter() - began)
    return statistics.median(waits)  # the mean is that of the machine's other work


def resumed(make: Make, at: int) -> float:
    began = time.perf_counter()
    next(make(at))
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a few batches each: whether it works, no figures")
    small = parser.parse_args().small
    with tempfile.TemporaryDirectory() as folder:
        documents = ["x" * (i + 1) for i in range(5 if small else 250)]
        corpus = write_tokens(documents, RandomIds(), folder + "/tokens", eos=0, workers=1, progress=False)
        measure(corpus, Path(folder) / "tokens" / "shard-00000.bin", small)


def measure(corpus: TokenFiles, path: Path, small: bool) -> None:
    ways: dict[str, Make] = {
        "lilllm": lambda start: Loader(corpus, batch_size=B, context_len=T, start=start),
        "lilllm, prefetch 0": lambda start: Loader(corpus, batch_size=B, context_len=T, start=start, prefetch=0),
        "memmap": lambda start: random_windows(path),
        "DataLoader": lambda start: data_loader(path, 0, start),
        "DataLoader, 2 workers": lambda start: data_loader(path, 2, start),
    }
    seconds, steps, at, rounds = (0.02, 3, 10, 1) if small else (0.5, 50, 2000, 5)
    rates: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    waits: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, make in ways.items():
            rates[name].append(rate(make, seconds))
            waits[name].append(waited(make, steps))
    print(f"{B} x {T} tokens{'':11} {'batches/s':>9} {'CPU us':>7} {'of ours':>8} {'waited us':>10} {'resume ms':>10}")
    best = {name: max(rates[name])[0] for name in ways}
    cost = {name: 1e6 * min(cpu for _, cpu in rates[name]) for name in ways}
    for name in ways:
        resume = "-" if name == "memmap" else f"{1000 * resumed(ways[name], at):.1f}"
        share = cost[name] / cost["lilllm"]
        figures = f"{best[name]:9.0f} {cost[name]:7.0f} {share:8.2f} {1e6 * min(waits[name]):10.0f} {resume:>10}"
        print(f"{name:24} {figures}")
    share = min(waits["lilllm"]) / STEP
    print(f"aim: at most the CPU of DataLoader: {'met' if cost['lilllm'] <= cost['DataLoader'] else 'MISSED'}")
    print(f"aim: waited under 2 % of {1000 * STEP:.0f} ms: {100 * share:.1f} %, {'met' if share < 0.02 else 'MISSED'}")


if __name__ == "__main__":
    main()
