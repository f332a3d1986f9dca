"""Layers against the plain way to write them, and against torch's: ``python tests/bench/bench_layers.py``.

Ratios of ours to theirs, the best of several rounds of each, taken in turn, forward and backward, float32. Shapes are
those of lillm-39m (8 x 512 tokens, 16 query heads, 8 kv heads of 32, d_model 512); a decode step is one token against
512 kept. Aims: attention at most 0.5 of the plain formula and 1.1 of repeated keys; one token at most 0.5 of repeated
keys; RMSNorm at most 0.7 of torch's own. Times are of the processor, on one thread: what else runs is not counted.
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

os.environ["OMP_NUM_THREADS"] = "1"
sys.path.insert(0, str(Path(__file__).parents[2]))

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from lilllm.layers import RMSNorm, rope
from lilllm.layers.attention import attention, attention_reference

Case = tuple[str, Callable[[], object], dict[str, tuple[Callable[[], object], float | None]]]


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def trained(f: Callable[..., Tensor], inputs: list[Tensor]) -> Callable[[], object]:
    """One pass forward and one back."""
    inputs = [x.detach().requires_grad_() for x in inputs]
    g = torch.ones_like(f(*inputs))
    return lambda: torch.autograd.grad(f(*inputs), inputs, g)


def generating(f: Callable[..., Tensor], inputs: list[Tensor]) -> Callable[[], object]:
    def run() -> Tensor:
        with torch.no_grad():
            return f(*inputs)

    return run


def cases(B: int, T: int) -> list[Case]:
    H, K, D, C = 16, 8, 32, 512
    heads = list(drawn(B, T, (H + 2 * K), D).transpose(1, 2).split((H, K, K), 1))  # views, as a layer has them

    def repeated(q: Tensor, k: Tensor, v: Tensor, causal: bool = True) -> Tensor:
        k, v = (x.repeat_interleave(H // K, 1) for x in (k, v))
        return F.scaled_dot_product_attention(q, k, v, is_causal=causal)

    def masked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        k, v = (x.repeat_interleave(H // K, 1) for x in (k, v))
        return F.scaled_dot_product_attention(q, k, v, attn_mask=torch.ones(T, T, dtype=torch.bool).tril())

    def ours(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attention(q, k, v, causal=True)

    def naive(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attention_reference(q, k, v, causal=True)[0]

    room = drawn(2, B, K, 2 * T, D)  # as a cache with room for more
    step = [drawn(B, H, 1, D), room[0, :, :, :T], room[1, :, :, :T]]
    norm, torchs = RMSNorm(C), nn.RMSNorm(C, eps=1e-5)
    x, turn = drawn(B, T, C), rope.angles(torch.arange(T), D)
    cos, sin = turn.cos(), turn.sin()
    cos2, sin2 = torch.cat((cos, cos), -1), torch.cat((sin, sin), -1)

    def turned(q: Tensor, k: Tensor) -> Tensor:
        return rope.rotate(torch.cat((q, k), 1), cos, sin)

    def as_transformers(q: Tensor, k: Tensor) -> Tensor:
        x = torch.cat((q, k), 1)
        a, b = x.chunk(2, -1)
        return x * cos2 + torch.cat((-b, a), -1) * sin2

    return [
        (
            "attention, causal",
            trained(ours, heads),
            {
                "the formula": (trained(naive, heads), 0.5),
                "SDPA, keys repeated": (trained(repeated, heads), 1.1),
                "SDPA, repeated, with a mask": (trained(masked, heads), 1.1),
            },
        ),
        (
            "attention, one token",
            generating(ours, step),
            {
                "the formula": (generating(naive, step), None),
                "SDPA, keys repeated": (generating(lambda *a: repeated(*a, causal=False), step), 0.5),
            },
        ),
        (
            "RMSNorm",
            trained(lambda x, w: torch.func.functional_call(norm, {"weight": w}, x), [x, drawn(C)]),
            {
                "torch.nn.RMSNorm": (
                    trained(lambda x, w: torch.func.functional_call(torchs, {"weight": w}, x), [x, drawn(C)]),
                    0.7,
                ),
                "F.layer_norm": (trained(lambda x, w: F.layer_norm(x, (C,), w), [x, drawn(C)]), None),
            },
        ),
        (
            "RoPE, half-split",
            trained(turned, heads[:2]),
            {"as transformers": (trained(as_transformers, heads[:2]), None)},
        ),
    ]


def timed(run: Callable[[], Any]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--small", action="store_true", help="a few tokens, two rounds: whether it works, no figures")
    options = parser.parse_args()
    rounds = 2 if options.small else 10
    print(f"{'layer':22} {'against':30} {'ours ms':>9} {'theirs ms':>10} {'ratio':>6}   aim")
    for name, ours, others in cases(2, 16) if options.small else cases(8, 512):
        runs = [ours, *(run for run, _ in others.values())]
        for run in runs:
            run()
        gc.disable()  # what it collects would be counted to whoever comes next
        times = [min(column) for column in zip(*([timed(run) for run in runs] for _ in range(rounds)), strict=True)]
        gc.enable()
        for (other, (_, aim)), theirs in zip(others.items(), times[1:], strict=True):
            met = "-" if aim is None else f"at most {aim}: {'met' if times[0] <= aim * theirs else 'MISSED'}"
            print(f"{name:22} {other:30} {1000 * times[0]:9.2f} {1000 * theirs:10.2f} {times[0] / theirs:6.2f}   {met}")


if __name__ == "__main__":
    main()
