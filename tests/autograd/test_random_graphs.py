"""Gradients of random graphs equal torch.autograd's: every operation of `Array`, in any order, on any shapes.

A program is a list of operations with choices that are made when it runs, by the shapes that are there: which axis,
which permutation, which index, which small shape to broadcast with. Both libraries make the same choices, as these
depend on shapes and a seed alone. What was drawn is counted, so that no operation is left out in silence.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm.autograd import Array, batch_norm, cross_entropy, layer_norm, log_softmax, softmax

# Both sides are float64 and run the same formulas in another order; numbers are kept near 1, so that 1e-9 of the
# largest gradient leaves room for some hundred operations.
TOLERANCE = 1e-9
SHAPES = [(), (1,), (3,), (2, 3), (1, 3), (2, 1), (3, 2), (2, 1, 3), (2, 3, 2), (1, 2, 2, 3)]
F = torch.nn.functional


class Ours:
    """The operations that the two libraries call differently, as ours calls them."""

    name = "ours"
    constant = staticmethod(np.array)
    softmax, log_softmax = staticmethod(softmax), staticmethod(log_softmax)

    @staticmethod
    def leaf(x: np.ndarray) -> Array:
        return Array(x)

    @staticmethod
    def transpose(x: Array, order: list[int]) -> Array:
        return x.transpose(*order)

    @staticmethod
    def swap(x: Array) -> Array:
        return x.transpose()

    @staticmethod
    def layer_norm(x: Array, gain: Array, bias: Array) -> Array:
        return layer_norm(x, gain, bias)

    @staticmethod
    def batch_norm(x: Array, gain: Array, bias: Array) -> Array:
        return batch_norm(x, gain, bias)

    @staticmethod
    def cross_entropy(x: Array, targets: np.ndarray) -> Array:
        return cross_entropy(x, targets)

    @staticmethod
    def total(x: Array, axis: Any, keepdims: bool) -> Array:
        return x.sum(axis, keepdims=keepdims)

    @staticmethod
    def mean(x: Array, axis: Any, keepdims: bool) -> Array:
        return x.mean(axis, keepdims=keepdims)


class Theirs(Ours):
    """The same, as torch calls them."""

    name = "torch"
    constant = staticmethod(torch.tensor)
    softmax, log_softmax = staticmethod(torch.softmax), staticmethod(torch.log_softmax)

    @staticmethod
    def leaf(x):
        return torch.tensor(x, requires_grad=True)

    @staticmethod
    def transpose(x, order):
        return x.permute(*order)

    @staticmethod
    def swap(x):
        return x.mT

    @staticmethod
    def layer_norm(x, gain, bias):
        return F.layer_norm(x, x.shape[-1:], gain, bias)

    @staticmethod
    def batch_norm(x, gain, bias):
        return F.batch_norm(x, None, None, gain, bias, training=True)

    @staticmethod
    def cross_entropy(x, targets):
        return F.cross_entropy(x.reshape(-1, x.shape[-1]), torch.tensor(targets).reshape(-1))

    @staticmethod
    def total(x, axis, keepdims):
        return x.sum(axis, keepdim=keepdims) if axis is not None else x.sum()

    @staticmethod
    def mean(x, axis, keepdims):
        return x.mean(axis, keepdim=keepdims) if axis is not None else x.mean()


def fitting(shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, ...]:
    """A shape that broadcasts with ``shape``: axes become 1, or are left out in front, or are put in front."""
    other = [n if rng.random() < 0.6 else 1 for n in shape]
    if rng.random() < 0.3:
        return (2, *other) if len(shape) < 4 else tuple(other)
    return tuple(other[int(rng.integers(0, len(shape) + 1)) :])


def step(name: str, values: list, lib: type[Ours], rng: np.random.Generator) -> Any:
    """One operation on one or two of ``values``; None where no operand fits. All choices come from ``rng``."""
    x = values[int(rng.integers(0, len(values)))]
    shape = tuple(x.shape)
    if name in ("add", "sub", "mul", "div"):
        same = [v for v in values if broadcasts(tuple(v.shape), shape)]
        y = same[int(rng.integers(0, len(same)))]
        return {"add": lambda: x + y, "sub": lambda: x - y, "mul": lambda: x * y, "div": lambda: x / (y * y + 1.0)}[
            name
        ]()
    if name == "constant":
        c = lib.constant(rng.normal(size=fitting(shape, rng)))
        return [lambda: x + c, lambda: c - x, lambda: x * c, lambda: c / (x * x + 1.0)][int(rng.integers(0, 4))]()
    if name == "leaf":
        y = lib.leaf(rng.normal(size=fitting(shape, rng)))
        values.append(y)
        return [lambda: x * y, lambda: y - x, lambda: y / (x * x + 0.5)][int(rng.integers(0, 3))]()
    if name == "square":
        return x * x  # the same array on both sides
    if name in ("tanh", "relu", "sigmoid"):
        return getattr(x, name)()
    if name == "exp":
        return x.tanh().exp()
    if name == "log":
        return (x * x + 0.5).log()
    if name == "pow":
        return (x * x + 0.5) ** float(rng.choice([2.0, 3.0, 0.5, -0.5, -1.0, 0.0]))
    if name in ("sum", "mean"):
        axes: list[Any] = [None, *range(-len(shape), len(shape))]
        if len(shape) > 1:
            axes += [(0, 1), (0, -1)]
        axis, keepdims = axes[int(rng.integers(0, len(axes)))], bool(rng.integers(0, 2))
        keepdims = keepdims and axis is not None
        return lib.total(x, axis, keepdims) if name == "sum" else lib.mean(x, axis, keepdims)
    if name == "matmul":
        return matmul(x, shape, lib, values, rng)
    if name == "reshape":
        size = math.prod(shape)
        return x.reshape(
            *[(size,), (1, size), (size, 1), (1, *shape)][int(rng.integers(0, 4 if len(shape) < 4 else 3))]
        )
    if not shape:
        return None
    if name == "transpose":
        order = rng.permutation(len(shape))
        return lib.transpose(x, [int(i) - len(shape) * int(rng.integers(0, 2)) for i in order])
    if name == "swap":
        return lib.swap(x) if len(shape) > 1 else None
    if name == "index":
        n = shape[0]
        rows = rng.integers(-n, n, size=4)
        mask = rng.random(shape) < 0.7
        choices = [
            int(rng.integers(-n, n)),
            slice(None, None, 2),
            rows,
            (Ellipsis, 0),
            rng.integers(0, n, size=(2, 2)),
            mask,
        ]
        choices += [(None, slice(1)), list(map(int, rows))]
        if len(shape) > 1:
            columns = rng.integers(0, shape[1], size=4)
            choices += [(rows, columns), (slice(None), columns), (rows[:, None], columns[None, :2])]
        index = choices[int(rng.integers(0, len(choices)))]
        if lib is Theirs:
            index = (
                tuple(torch.tensor(i) if isinstance(i, np.ndarray) else i for i in index)
                if isinstance(index, tuple)
                else index
            )
            index = torch.tensor(index) if isinstance(index, np.ndarray | list) else index
        y = x[index]
        return y if math.prod(y.shape) else None
    axis = int(rng.integers(-len(shape), len(shape)))
    if name in ("softmax", "log_softmax"):
        return getattr(lib, name)(x, axis)
    if name == "cross_entropy":
        return lib.cross_entropy(x, rng.integers(0, shape[-1], size=shape[:-1]))
    if name == "layer_norm":
        gain, bias = (lib.leaf(rng.normal(size=shape[-1])) for _ in range(2))
        values += [gain, bias]
        return lib.layer_norm(x, gain, bias)
    assert name == "batch_norm", name
    if len(shape) < 2 or math.prod(shape) == shape[1]:
        return None
    gain, bias = (lib.leaf(rng.normal(size=shape[1])) for _ in range(2))
    values += [gain, bias]
    return lib.batch_norm(x, gain, bias)


def matmul(x: Any, shape: tuple[int, ...], lib: type[Ours], values: list, rng: np.random.Generator) -> Any:
    """With a new leaf on one side: a vector, a matrix, a stack of matrices, one that broadcasts against the other."""
    if not shape:
        return None
    left = bool(rng.integers(0, 2))
    inner = shape[-1] if left or len(shape) == 1 else shape[-2]
    other = [(inner,), (inner, 2) if left else (2, inner), (3, inner, 2) if left else (3, 2, inner)]
    if len(shape) == 3:
        other[2] = (shape[0] if rng.random() < 0.5 else 1, *other[2][1:])
    elif len(shape) > 3:
        other[2] = (shape[1] if rng.random() < 0.5 else 1, *other[2][1:])
    y = lib.leaf(rng.normal(size=other[int(rng.integers(0, 3))]) * 0.5)
    values.append(y)
    return x @ y if left else y @ x


def broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return all(m == n or 1 in (m, n) for m, n in zip(a[::-1], b[::-1], strict=False))


NAMES = [
    *("add", "sub", "mul", "div", "constant", "leaf", "square", "tanh", "relu", "sigmoid", "exp", "log", "pow", "sum"),
    *(
        "mean",
        "matmul",
        "reshape",
        "transpose",
        "swap",
        "index",
        "softmax",
        "log_softmax",
        "cross_entropy",
        "layer_norm",
    ),
    "batch_norm",
]


def run(names: list[str], shapes: list[tuple[int, ...]], seed: int, lib: type[Ours]) -> tuple[Any, list, list[str]]:
    """The sum over everything the program made, weighted so that no two elements count alike, and all of its arrays."""
    rng = np.random.default_rng(seed)
    values = [lib.leaf(rng.normal(size=shape)) for shape in shapes]
    done = []
    for name in names:
        y = step(name, values, lib, rng)
        if y is not None and math.prod(y.shape) <= 200:
            values.append(y.tanh() if name not in ("index", "reshape", "transpose", "sum") else y)
            done.append(name)
    total: Any = None
    for value in values:
        part = (value * lib.constant(rng.normal(size=tuple(value.shape)))).sum()
        total = part if total is None else total + part
    return total, values, done


def compare(names: list[str], shapes: list[tuple[int, ...]], seed: int) -> list[str]:
    a, ours, done = run(names, shapes, seed, Ours)
    b, theirs, same = run(names, shapes, seed, Theirs)
    assert done == same
    np.testing.assert_allclose(a.data, b.item(), rtol=TOLERANCE, atol=TOLERANCE)
    a.backward()
    b.backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.shape == tuple(other.shape)
        np.testing.assert_allclose(mine.data, other.detach().numpy(), rtol=TOLERANCE, atol=TOLERANCE)
        if other.is_leaf:
            scale = max(1.0, float(other.grad.abs().max()))
            np.testing.assert_allclose(mine.grad, other.grad.numpy(), rtol=TOLERANCE, atol=TOLERANCE * scale)
    return done


def test_random_graphs() -> None:
    drawn: Counter[str] = Counter()

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(st.sampled_from(NAMES), min_size=8, max_size=20),
        st.lists(st.sampled_from(SHAPES), min_size=2, max_size=4),
        st.integers(0, 2**31),
    )
    def graphs(names: list[str], shapes: list[tuple[int, ...]], seed: int) -> None:
        drawn.update(compare(names, shapes, seed))

    graphs()
    assert min(drawn[name] for name in NAMES) >= 3, drawn  # about 100 of each are usual
