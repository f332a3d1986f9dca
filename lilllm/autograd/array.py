"""Backpropagation on n-d arrays: the same walk as in scalar.py, one node an operation on whole arrays.

An `Array` holds a NumPy array, the arrays it was made from, and for each of these a function from the result's
gradient to its own (a vector-Jacobian product: the Jacobian itself is never formed). Read in order: unbroadcast in
numbers.py (the one subtle rule), Array, matmul.py, backward and walk.py, then functions.py for what is made from these.

Left out: views that share memory, changes in place, gradients of gradients. All arrays are float64, so that a
gradient check is sharp.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import EllipsisType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lilllm.autograd.finite import check_gradient, check_result, check_seed
from lilllm.autograd.live import WATCHERS
from lilllm.autograd.matmul import matmul
from lilllm.autograd.numbers import Numbers, Pullback, broadcast, frozen, numbers, unbroadcast
from lilllm.autograd.order import topological
from lilllm.autograd.scalar import check_power
from lilllm.autograd.walk import gradients


class Array:
    """Numbers (float64) in a graph. ``grad`` is None until ``backward`` reaches it.

    ``data`` cannot be written to, since a graph may still need it: to take a step give the array new data,
    ``w.data = w.data - 0.1 * w.grad``. A plain number or NumPy array in an operation is a constant: it is copied, is no
    part of the graph and has no gradient.

    Raises: ValueError: shapes that do not broadcast or multiply, naming both; numbers that no real result comes from.
        TypeError: data that are not real numbers.

    >>> w = Array([[1.0, 2.0], [3.0, 4.0]]); x = Array([1.0, -1.0])
    >>> y = (w @ x).sum()
    >>> y.backward(); x.grad.tolist(), w.grad.tolist()
    ([4.0, 6.0], [[1.0, -1.0], [1.0, -1.0]])
    """

    __array_ufunc__ = None  # ndarray + Array asks Array, and np.exp(Array) is refused
    __slots__ = ("__weakref__", "_data", "grad", "parents", "pullbacks")

    def __init__(self, data: ArrayLike, parents: Sequence[Array] = (), pullbacks: Sequence[Pullback] = ()) -> None:
        self.parents = tuple(parents)
        self.pullbacks = tuple(pullbacks)
        if len(self.parents) != len(self.pullbacks):
            raise ValueError(f"{len(self.parents)} parents need as many pullbacks, got {len(self.pullbacks)}")
        # What an operation made is its own; what comes from outside may be written to there.
        self._data = frozen(np.asarray(data, dtype=np.float64) if parents else numbers(data))
        self.grad: Numbers | None = None
        for watch in WATCHERS.get():
            watch(self)

    @classmethod
    def made(cls, data: ArrayLike, *links: tuple[Array | Numbers, Pullback]) -> Array:
        """The result of an operation: of each operand its pullback; operands that are no `Array` are constants."""
        kept = [(x, pull) for x, pull in links if isinstance(x, Array)]
        return cls(data, [x for x, _ in kept], [pull for _, pull in kept])

    @property
    def data(self) -> Numbers:
        return self._data

    @data.setter
    def data(self, data: ArrayLike) -> None:
        new = numbers(data)
        if new.shape != self.shape:
            raise ValueError(f"an array of shape {self.shape} cannot be given data of shape {new.shape}")
        self._data = frozen(new)

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def made_by(self) -> str:
        """The operation that made this array: "add", "matmul", "softmax"; "source" if none did."""
        if not self.pullbacks:
            return "source"
        return self.pullbacks[0].__qualname__.partition(".<locals>")[0].rpartition(".")[2].strip("_")

    def __repr__(self) -> str:
        return f"Array({np.array2string(self.data, precision=4, threshold=20)}, shape={self.shape})"

    # ------------------------------------------------------------------------------------------------ elementwise

    def __add__(self, other: Array | ArrayLike) -> Array:
        a, b, x, y = _operands(self, other)
        z = broadcast(np.add, x, y)
        return Array.made(z, (a, lambda g: unbroadcast(g, x.shape)), (b, lambda g: unbroadcast(g, y.shape)))

    def __sub__(self, other: Array | ArrayLike) -> Array:
        a, b, x, y = _operands(self, other)
        z = broadcast(np.subtract, x, y)
        return Array.made(z, (a, lambda g: unbroadcast(g, x.shape)), (b, lambda g: unbroadcast(-g, y.shape)))

    def __mul__(self, other: Array | ArrayLike) -> Array:
        a, b, x, y = _operands(self, other)
        z = broadcast(np.multiply, x, y)
        return Array.made(z, (a, lambda g: unbroadcast(g * y, x.shape)), (b, lambda g: unbroadcast(g * x, y.shape)))

    def __truediv__(self, other: Array | ArrayLike) -> Array:
        a, b, x, y = _operands(self, other)
        if not y.all():
            raise ZeroDivisionError(f"division by 0: of {y.size} numbers below the line {y.size - np.count_nonzero(y)}")
        z = broadcast(np.divide, x, y)
        return Array.made(
            z, (a, lambda g: unbroadcast(g / y, x.shape)), (b, lambda g: unbroadcast(-g * z / y, y.shape))
        )

    def __pow__(self, power: float) -> Array:
        check_power(power)
        x = self.data
        if power != int(power) and (x < 0).any():
            raise ValueError(f"a number below 0 has no real power {power}; the smallest is {x.min()}")
        if power < 0 and not x.all():
            raise ZeroDivisionError(f"0 has no power {power}")
        return Array.made(x**power, (self, lambda g: g * (power * x ** (power - 1)) if power else np.zeros_like(x)))

    def __neg__(self) -> Array:
        return Array.made(-self.data, (self, lambda g: -g))

    def exp(self) -> Array:
        y = np.exp(self.data)
        return Array.made(y, (self, lambda g: g * y))

    def log(self) -> Array:
        x = self.data
        if (x <= 0).any():
            raise ValueError(f"log needs numbers above 0, the smallest is {x.min()}")
        return Array.made(np.log(x), (self, lambda g: g / x))

    def tanh(self) -> Array:
        y = np.tanh(self.data)
        return Array.made(y, (self, lambda g: g * (1 - y * y)))

    def sigmoid(self) -> Array:
        """1 / (1 + e^-x), written so that no exponential overflows."""
        y = 0.5 * (np.tanh(0.5 * self.data) + 1)
        return Array.made(y, (self, lambda g: g * y * (1 - y)))

    def relu(self) -> Array:
        """max(0, x); the derivative at 0 is taken to be 0, as torch takes it."""
        x = self.data
        return Array.made(np.maximum(x, 0.0), (self, lambda g: g * (x > 0)))

    def __radd__(self, other: ArrayLike) -> Array:
        return self + other

    def __rmul__(self, other: ArrayLike) -> Array:
        return self * other

    def __rsub__(self, other: ArrayLike) -> Array:
        return -self + other

    def __rtruediv__(self, other: ArrayLike) -> Array:
        return self**-1 * other

    # ------------------------------------------------------------------------------------ sums, shapes, products

    def sum(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Array:
        shape = self.shape

        def pull(g: Numbers) -> Numbers:
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return np.broadcast_to(g, shape).copy()

        return Array.made(self.data.sum(axis=axis, keepdims=keepdims), (self, pull))

    def mean(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Array:
        if not self.data.size:
            raise ValueError(f"an array of shape {self.shape} is empty and has no mean")
        total = self.sum(axis, keepdims=keepdims)
        return total * (total.data.size / self.data.size)

    def reshape(self, *shape: int | tuple[int, ...]) -> Array:
        old = self.shape
        return Array.made(self.data.reshape(*shape), (self, lambda g: g.reshape(old)))

    def transpose(self, *axes: int) -> Array:
        """Permute the axes; without arguments swap the last two."""
        n = self.data.ndim
        if not axes and n < 2:
            raise ValueError(f"transpose swaps the last two axes, and an array of shape {self.shape} has not two")
        order = axes or (*range(n - 2), n - 1, n - 2)
        y = self.data.transpose(order)
        back = np.argsort([i % n for i in order])
        return Array.made(y, (self, lambda g: g.transpose(back)))

    def __getitem__(self, index: Any) -> Array:
        parts = index if isinstance(index, tuple) else (index,)
        if any(isinstance(part, Array) for part in parts):
            raise TypeError("an index is made of integers, slices or NumPy arrays of these, not of an Array of floats")
        once = all(part is None or isinstance(part, int | slice | EllipsisType) for part in parts)
        shape = self.shape
        if not once:  # the caller may write to an array of indices before backward
            index = tuple(np.array(part) if isinstance(part, list | np.ndarray) else part for part in parts)

        def pull(g: Numbers) -> Numbers:
            out = np.zeros(shape)
            if once:
                out[index] = g
            else:
                np.add.at(out, index, g)  # an element taken twice gets both gradients
            return out

        return Array.made(self.data[index], (self, pull))

    def __matmul__(self, other: Array | ArrayLike) -> Array:
        a, b, x, y = _operands(self, other)
        z, pull_a, pull_b = matmul(x, y)
        return Array.made(z, (a, pull_a), (b, pull_b))

    def __rmatmul__(self, other: ArrayLike) -> Array:
        b, a, y, x = _operands(self, other)
        z, pull_a, pull_b = matmul(x, y)
        return Array.made(z, (a, pull_a), (b, pull_b))

    # --------------------------------------------------------------------------------------------------- backward

    def backward(self, seed: ArrayLike | None = None) -> None:
        """Set ``grad`` of all this depends on, from ``seed``, the gradient of this array (1 for a single number).

        Sources (arrays made from no other) add to the gradient of earlier calls; set ``grad = None`` between steps.
        Others hold the gradient of the last call.

        Raises:
            ValueError: the array has more than one element and no ``seed``, or the seed or a pullback's answer has
                another shape.
            FloatingPointError: the result or a gradient is NaN or infinite; says which operation made it so first. No
                source's gradient has been changed then.
        """
        if seed is None:
            if self.data.size != 1:
                raise ValueError(
                    f"backward starts from a single number; this has shape {self.shape}: reduce it or pass a seed"
                )
            seed = np.ones(self.shape)
        start = numbers(seed)
        if start.shape != self.shape:
            raise ValueError(f"the seed has shape {start.shape}, the array {self.shape}; they must be the same")
        order = topological(self)
        check_result(order)
        check_seed(start)
        found = gradients(order, start)
        for _, g in found:
            check_gradient(g, order)
        for source, g in found:  # two sources may share one gradient here: each gets its own
            source.grad = np.array(g) if source.grad is None else source.grad + g


def as_array(x: Array | ArrayLike) -> Array:
    """``x`` itself, or a source of its numbers."""
    return x if isinstance(x, Array) else Array(x)


def _operands(a: Array, b: Array | ArrayLike) -> tuple[Array, Array | Numbers, Numbers, Numbers]:
    """Both operands, and the numbers of both as they are now."""
    if isinstance(b, Array):
        return a, b, a.data, b.data
    y = numbers(b)
    return a, y, a.data, y
