"""The time of a step of each rule against torch's own foreach: ``python tests/bench/bench_optim.py``.

Ratios of ours to theirs, the best of many steps of each, taken in turn. Ours reads every gradient once more than torch
does, because it refuses NaN before anything changes. AdamW's aim is at most 1.1 of torch's time. Where torch has no
foreach path (Muon) it is its only one, and where it does not have the rule there is a time and no ratio.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch

from lilllm import optim

SHAPES = {"100 x (64, 64)": (100, (64, 64)), "4 x (1024, 1024)": (4, (1024, 1024))}
AIM = 1.1
RULES: dict[str, tuple[Any, Any, dict[str, Any], dict[str, Any]]] = {
    "SGD": (optim.SGD, torch.optim.SGD, {}, {"foreach": True}),
    "momentum": (optim.SGD, torch.optim.SGD, {"momentum": 0.9}, {"foreach": True}),
    "Adagrad": (optim.Adagrad, torch.optim.Adagrad, {}, {"foreach": True}),
    "RMSProp": (optim.RMSProp, torch.optim.RMSprop, {}, {"foreach": True}),
    "Adadelta": (optim.Adadelta, torch.optim.Adadelta, {}, {"foreach": True}),
    "Adam": (optim.Adam, torch.optim.Adam, {}, {"foreach": True}),
    "AdamW": (optim.AdamW, torch.optim.AdamW, {"weight_decay": 0.1}, {"foreach": True}),
    "AdamW, plain": (optim.AdamW, torch.optim.AdamW, {"weight_decay": 0.1, "foreach": False}, {"foreach": True}),
    "Adafactor": (optim.Adafactor, torch.optim.Adafactor, {}, {"foreach": True}),
    "Muon": (optim.Muon, torch.optim.Muon, {}, {}),
    "Shampoo": (optim.Shampoo, None, {"every": 10}, {}),
}


def parameters(count: int, shape: tuple[int, ...]) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    params = [torch.randn(shape, generator=generator).requires_grad_() for _ in range(count)]
    for p in params:
        p.grad = 1e-3 * torch.randn(shape, generator=generator)
    return params


def timed(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="three steps each: whether it works, no figures")
    parser.add_argument("rules", nargs="*", help=f"of {', '.join(RULES)}; all if none is named")
    options = parser.parse_args()
    print(f"{'a step of':16} {'parameters':20} {'ours ms':>9} {'torch ms':>9} {'ours/torch':>11}   aim")
    for name in options.rules or RULES:
        ours, theirs, shared, extra = RULES[name]
        for size, (count, shape) in SHAPES.items():
            rounds = 3 if options.small else 10 if name in ("Muon", "Shampoo") else 300 if count == 100 else 60
            steps = [ours(parameters(count, shape), lr=1e-4, **shared).step]
            if theirs is not None:
                steps.append(theirs(parameters(count, shape), lr=1e-4, **shared | extra).step)
            gc.disable()  # what it collects would be counted to whoever comes next
            times = [[timed(step) for step in steps] for _ in range(rounds)]
            gc.enable()
            show(name, size, *[min(column) for column in zip(*times, strict=True)])


def show(name: str, size: str, ours: float, theirs: float | None = None) -> None:
    aim = "-"
    if name == "AdamW" and theirs is not None:
        aim = f"at most {AIM}: {'met' if ours <= AIM * theirs else 'MISSED'}"
    other = f"{1000 * theirs:9.2f} {ours / theirs:11.2f}" if theirs is not None else f"{'-':>9} {'-':>11}"
    print(f"{name:16} {size:20} {1000 * ours:9.2f} {other}   {aim}", flush=True)


if __name__ == "__main__":
    main()
