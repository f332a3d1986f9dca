"""How far the teaching engine is from torch: ``python tests/bench/bench_autograd.py``.

Forward and backward of one step, in float64 on one thread, as a ratio to torch on the CPU; the least of many runs, the
two taken in turn. Nobody trains with this engine, but a lecture waits for it: the aim is twice torch's time or less.

`Value` is compared with the same engine written the short way: a closure for each operation, a set and recursion for
the order, as in Karpathy's micrograd (2020), in our own words. That one refuses nothing and fails on deep graphs; the
aim is to pay at most half as much again for what it leaves out.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from itertools import pairwise

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from lilllm.autograd import Array, Value, cross_entropy, layer_norm

torch.set_num_threads(1)
F = torch.nn.functional
REPEATS = 40


def fastest(*runs: Callable[[], object]) -> list[float]:
    """Least seconds of each, in turn, so that a busy moment of the machine meets all of them."""
    for run in runs:
        run()
    found = [math.inf] * len(runs)
    for _ in range(REPEATS):
        for i, run in enumerate(runs):
            start = time.perf_counter()
            run()
            found[i] = min(found[i], time.perf_counter() - start)
    return found


def mlp(batch: int, width: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """Two layers with ReLU and cross-entropy; the input is a constant on both sides."""
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(batch, width)), rng.integers(0, 10, size=batch)
    data = [rng.normal(size=s) / math.sqrt(width) for s in ((width, width), (width,), (width, 10), (10,))]
    ours, theirs = [Array(w) for w in data], [torch.tensor(w, requires_grad=True) for w in data]
    tx, tl = torch.tensor(x), torch.tensor(labels)

    def mine() -> float:
        w1, b1, w2, b2 = ours
        loss = cross_entropy((x @ w1 + b1).relu() @ w2 + b2, labels)
        for w in ours:
            w.grad = None
        loss.backward()
        return float(loss.data)

    def torchs() -> float:
        w1, b1, w2, b2 = theirs
        loss = F.cross_entropy((tx @ w1 + b1).relu() @ w2 + b2, tl)
        for w in theirs:
            w.grad = None
        loss.backward()
        return loss.item()

    assert abs(mine() - torchs()) < 1e-9
    return mine, torchs


def norm_block(batch: int, width: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """x + tanh(layer_norm(x) @ w1) @ w2, squared and averaged; gradients for x too."""
    rng = np.random.default_rng(1)
    data = [rng.normal(size=s) / math.sqrt(width) for s in ((batch, width), (width, width), (width, width))]
    data += [np.ones(width), np.zeros(width)]
    ours, theirs = [Array(w) for w in data], [torch.tensor(w, requires_grad=True) for w in data]

    def mine() -> float:
        x, w1, w2, gain, bias = ours
        y = x + (layer_norm(x, gain, bias) @ w1).tanh() @ w2
        for w in ours:
            w.grad = None
        loss = (y * y).mean()
        loss.backward()
        return float(loss.data)

    def torchs() -> float:
        x, w1, w2, gain, bias = theirs
        y = x + (F.layer_norm(x, (width,), gain, bias) @ w1).tanh() @ w2
        for w in theirs:
            w.grad = None
        loss = (y * y).mean()
        loss.backward()
        return loss.item()

    assert abs(mine() - torchs()) < 1e-9
    return mine, torchs


class Naive:
    """The shortest scalar engine: each result knows, as a closure, how to pass its gradient on."""

    def __init__(self, data: float, parents: tuple[Naive, ...] = ()) -> None:
        self.data, self.grad, self.parents = data, 0.0, set(parents)
        self.step: Callable[[], None] = lambda: None

    def __add__(self, other: Naive) -> Naive:
        out = Naive(self.data + other.data, (self, other))

        def step() -> None:
            self.grad += out.grad
            other.grad += out.grad

        out.step = step
        return out

    def __mul__(self, other: Naive) -> Naive:
        out = Naive(self.data * other.data, (self, other))

        def step() -> None:
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad

        out.step = step
        return out

    def tanh(self) -> Naive:
        y = math.tanh(self.data)
        out = Naive(y, (self,))

        def step() -> None:
            self.grad += (1 - y * y) * out.grad

        out.step = step
        return out

    def backward(self) -> None:
        order: list[Naive] = []
        seen: set[Naive] = set()

        def visit(node: Naive) -> None:
            if node not in seen:
                seen.add(node)
                for parent in node.parents:
                    visit(parent)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node.step()


def scalars(kind: type[Value] | type[Naive]) -> Callable[[], list[float]]:
    """A network of 3-8-8-1 on single numbers, four rows."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(4, 3)).tolist()
    sizes = [3, 8, 8, 1]
    start = [rng.normal(size=(n + 1, m)).tolist() for n, m in pairwise(sizes)]

    def run() -> list[float]:
        layers = [[[kind(w) for w in row] for row in layer] for layer in start]
        total = kind(0.0)
        for row in rows:
            x = [kind(v) for v in row]
            for layer in layers:
                new = []
                for j in range(len(layer[0])):
                    y = layer[-1][j]
                    for i, v in enumerate(x):
                        y = y + v * layer[i][j]
                    new.append(y.tanh())
                x = new
            total = total + x[0] * x[0]
        total.backward()
        return [w.grad for layer in layers for row in layer for w in row]

    return run


def main() -> None:
    print(f"{'step':<34}{'ours ms':>10}{'torch ms':>10}{'ratio':>8}{'aim':>6}")
    for name, pair, aim in (
        ("MLP, 16 rows of 16", mlp(16, 16), 2.0),
        ("MLP, 64 rows of 64", mlp(64, 64), 2.0),
        ("MLP, 256 rows of 512", mlp(256, 512), 2.0),
        ("layer norm block, 16 rows of 16", norm_block(16, 16), 2.0),
        ("layer norm block, 256 rows of 256", norm_block(256, 256), 2.0),
    ):
        ours, theirs = fastest(*pair)
        print(f"{name:<34}{1e3 * ours:10.3f}{1e3 * theirs:10.3f}{ours / theirs:8.1f}{aim:6.1f}")
    value, naive = scalars(Value), scalars(Naive)
    assert np.allclose(value(), naive())
    ours, theirs = fastest(value, naive)
    print(f"\n{'scalars':<34}{'ours ms':>10}{'naive ms':>10}{'ratio':>8}{'aim':>6}")
    print(f"{'network 3-8-8-1, four rows':<34}{1e3 * ours:10.3f}{1e3 * theirs:10.3f}{ours / theirs:8.1f}{1.5:6.1f}")


if __name__ == "__main__":
    main()
