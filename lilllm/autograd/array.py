"""Backpropagation on n-d arrays: the same walk as in scalar.py, one node an operation on whole arrays.

An `Array` holds a NumPy array, the arrays it was made from, and for each of these a function from the result's
gradient to its own (a vector-Jacobian product: the Jacobian itself is never formed). Read in order: unbroadcast (the
one subtle rule), Array, matmul, then functions.py for what is made from these.

Left out: views that share memory, in-place changes, gradients of gradients. All arrays are float64, so that a
gradient check is sharp.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lilllm.autograd.order import topological

Numbers = NDArray[np.float64]
Pullback = Callable[[Numbers], Numbers]


def unbroadcast(grad: Numbers, shape: tuple[int, ...]) -> Numbers:
    """Gradient of an array of ``shape`` that was broadcast to ``grad.shape``: sum over every axis that was repeated.

    >>> unbroadcast(np.ones((2, 3)), (3,)).tolist(), unbroadcast(np.ones((2, 3)), (2, 1)).tolist()
    ([2.0, 2.0, 2.0], [[3.0], [3.0]])
    """
    grad = grad.sum(axis=tuple(range(grad.ndim - len(shape))))
    repeated = tuple(i for i, n in enumerate(shape) if n == 1 and grad.shape[i] != 1)
    return grad.sum(axis=repeated, keepdims=True) if repeated else grad


class Array:
    """A float64 array in a graph. ``grad`` is None until ``backward`` reaches it.

    Raises: ValueError: shapes that do not broadcast or multiply, naming both.

    >>> w = Array([[1.0, 2.0], [3.0, 4.0]]); x = Array([1.0, -1.0])
    >>> y = (w @ x).sum()
    >>> y.backward(); x.grad.tolist(), w.grad.tolist()
    ([4.0, 6.0], [[1.0, -1.0], [1.0, -1.0]])
    """

    __array_priority__ = 100.0  # ndarray + Array asks Array
    __slots__ = ("data", "grad", "parents", "pullbacks")

    def __init__(self, data: ArrayLike, parents: Sequence[Array] = (), pullbacks: Sequence[Pullback] = ()) -> None:
        self.data: Numbers = np.asarray(data, dtype=np.float64)
        self.grad: Numbers | None = None
        self.parents = tuple(parents)
        self.pullbacks = tuple(pullbacks)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape

    def __repr__(self) -> str:
        return f"Array({np.array2string(self.data, precision=4, threshold=20)}, shape={self.shape})"

    # ------------------------------------------------------------------------------------------------ elementwise

    def __add__(self, other: Array | ArrayLike) -> Array:
        a, b = _broadcast("add", self, other)
        return Array(
            a.data + b.data,
            (a, b),
            (lambda g: unbroadcast(g, a.shape), lambda g: unbroadcast(g, b.shape)),
        )

    def __mul__(self, other: Array | ArrayLike) -> Array:
        a, b = _broadcast("multiply", self, other)
        return Array(
            a.data * b.data,
            (a, b),
            (lambda g: unbroadcast(g * b.data, a.shape), lambda g: unbroadcast(g * a.data, b.shape)),
        )

    def __pow__(self, power: float) -> Array:
        return Array(self.data**power, (self,), (lambda g: g * power * self.data ** (power - 1),))

    def exp(self) -> Array:
        y = np.exp(self.data)
        return Array(y, (self,), (lambda g: g * y,))

    def log(self) -> Array:
        if not (self.data > 0).all():
            raise ValueError(f"log needs numbers above 0, the smallest is {self.data.min()}")
        return Array(np.log(self.data), (self,), (lambda g: g / self.data,))

    def tanh(self) -> Array:
        y = np.tanh(self.data)
        return Array(y, (self,), (lambda g: g * (1 - y * y),))

    def relu(self) -> Array:
        return Array(np.maximum(self.data, 0.0), (self,), (lambda g: g * (self.data > 0),))

    def __neg__(self) -> Array:
        return self * -1.0

    def __sub__(self, other: Array | ArrayLike) -> Array:
        return self + -_array(other)

    def __truediv__(self, other: Array | ArrayLike) -> Array:
        return self * _array(other) ** -1.0

    def __radd__(self, other: ArrayLike) -> Array:
        return self + other

    def __rmul__(self, other: ArrayLike) -> Array:
        return self * other

    def __rsub__(self, other: ArrayLike) -> Array:
        return -self + other

    def __rtruediv__(self, other: ArrayLike) -> Array:
        return _array(other) / self

    # ------------------------------------------------------------------------------------ sums, shapes, products

    def sum(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Array:
        def pull(g: Numbers) -> Numbers:
            if axis is not None and not keepdims:
                g = np.expand_dims(g, axis)
            return np.broadcast_to(g, self.shape).copy()

        return Array(self.data.sum(axis=axis, keepdims=keepdims), (self,), (pull,))

    def mean(self, axis: int | tuple[int, ...] | None = None, *, keepdims: bool = False) -> Array:
        total = self.sum(axis, keepdims=keepdims)
        return total * (total.data.size / self.data.size)

    def reshape(self, *shape: int) -> Array:
        return Array(self.data.reshape(shape), (self,), (lambda g: g.reshape(self.shape),))

    def transpose(self, *axes: int) -> Array:
        """Permute the axes; without arguments swap the last two."""
        order = axes or (*range(self.data.ndim - 2), self.data.ndim - 1, self.data.ndim - 2)
        back = tuple(int(i) for i in np.argsort(order))
        return Array(self.data.transpose(order), (self,), (lambda g: g.transpose(back),))

    def __getitem__(self, index: Any) -> Array:
        def pull(g: Numbers) -> Numbers:
            out = np.zeros_like(self.data)
            np.add.at(out, index, g)  # an element taken twice gets both gradients
            return out

        return Array(self.data[index], (self,), (pull,))

    def __matmul__(self, other: Array | ArrayLike) -> Array:
        """Matrix product with NumPy's rules: vectors, matrices and stacks of matrices.

        For Y = A B: dA = dY B^T and dB = A^T dY, each summed over broadcast axes.
        """
        a, b = self, _array(other)
        try:
            y = a.data @ b.data
        except ValueError:
            raise ValueError(f"cannot multiply shapes {a.shape} and {b.shape}: inner sizes must agree") from None
        # Vectors as matrices of one row or one column, so that one formula serves.
        row, column = a.data.ndim == 1, b.data.ndim == 1
        am = a.data[None, :] if row else a.data
        bm = b.data[:, None] if column else b.data

        def widen(g: Numbers) -> Numbers:
            g = np.expand_dims(g, -1) if column else g
            return np.expand_dims(g, -2) if row else g

        def pull_a(g: Numbers) -> Numbers:
            return unbroadcast(widen(g) @ np.swapaxes(bm, -1, -2), am.shape).reshape(a.shape)

        def pull_b(g: Numbers) -> Numbers:
            return unbroadcast(np.swapaxes(am, -1, -2) @ widen(g), bm.shape).reshape(b.shape)

        return Array(y, (a, b), (pull_a, pull_b))

    # --------------------------------------------------------------------------------------------------- backward

    def backward(self, seed: ArrayLike | None = None) -> None:
        """Set ``grad`` of all this depends on, from ``seed``, the gradient of this array (1 for a single number).

        Sources (arrays made from no other) add to the gradient of earlier calls; set ``grad = None`` between steps.

        Raises: ValueError: the array has more than one element and no ``seed``, or the seed has another shape.
        """
        if seed is None:
            if self.data.size != 1:
                raise ValueError(
                    f"backward starts from a single number; this has shape {self.shape}: reduce it or pass a seed"
                )
            seed = np.ones(self.shape)
        start = np.asarray(seed, dtype=np.float64)
        if start.shape != self.shape:
            raise ValueError(f"the seed has shape {start.shape}, the array {self.shape}; they must be the same")
        grads: dict[int, Numbers] = {id(self): start}
        for node in reversed(topological(self)):
            g = grads.pop(id(node), None)
            if g is None:
                continue
            node.grad = g if node.parents or node.grad is None else node.grad + g
            for parent, pull in zip(node.parents, node.pullbacks, strict=True):
                share = pull(g)
                known = grads.get(id(parent))
                grads[id(parent)] = share if known is None else known + share


def _array(x: Array | ArrayLike) -> Array:
    return x if isinstance(x, Array) else Array(x)


def _broadcast(what: str, a: Array | ArrayLike, b: Array | ArrayLike) -> tuple[Array, Array]:
    a, b = _array(a), _array(b)
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(
            f"cannot {what} shapes {a.shape} and {b.shape}: sizes must be equal or 1, from the right"
        ) from None
    return a, b
