"""What an `Array` may be made of, and how operands of two shapes come together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[np.float64]
Pullback = Callable[[Numbers], Numbers]  # from a result's gradient to an operand's


def numbers(x: ArrayLike) -> Numbers:
    """``x`` as float64, a copy of its own: whoever gave it may write to theirs.

    Raises: TypeError: text, complex numbers, objects.

    >>> numbers([1, 2]), numbers(True)
    (array([1., 2.]), array(1.))
    """
    if isinstance(x, float | int):
        try:
            return np.array(x, dtype=np.float64)
        except OverflowError:
            raise OverflowError("an Array holds float64, and this whole number is above 1.8e308") from None
    try:
        given = np.asarray(x)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of several lengths, a tensor that NumPy cannot read
        raise TypeError(
            f"an Array holds real numbers, and NumPy makes none of this {type(x).__name__}: {error}"
        ) from None
    if given.dtype.kind not in "fiub":
        raise TypeError(f"an Array holds real numbers, not {given.dtype}; got a {type(x).__name__}")
    return np.array(given, dtype=np.float64)


def frozen(x: Numbers) -> Numbers:
    """``x``, which NumPy lets nobody write to from now on."""
    x.flags.writeable = False
    return x


def broadcast(operation: Callable[[Any, Any], Any], x: Numbers, y: Numbers) -> Numbers:
    """``operation(x, y)``, one of NumPy's; shapes that do not fit are named."""
    try:
        return operation(x, y)
    except ValueError:
        raise ValueError(
            f"cannot {getattr(operation, '__name__', 'combine')} shapes {x.shape} and {y.shape}: "
            "sizes must be equal or 1, from the right"
        ) from None


def unbroadcast(grad: Numbers, shape: tuple[int, ...]) -> Numbers:
    """Gradient of an array of ``shape`` that was broadcast to ``grad.shape``: sum over every axis that was repeated.

    Raises: ValueError: ``shape`` does not broadcast to ``grad.shape``.

    >>> unbroadcast(np.ones((2, 3)), (3,)).tolist(), unbroadcast(np.ones((2, 3)), (2, 1)).tolist()
    ([2.0, 2.0, 2.0], [[3.0], [3.0]])
    """
    if grad.shape == shape:
        return grad
    added = grad.ndim - len(shape)
    if added < 0 or any(n not in (1, m) for n, m in zip(shape, grad.shape[added:], strict=True)):
        raise ValueError(f"shape {shape} does not broadcast to {grad.shape}, so no gradient comes back from there")
    repeated = (i + added for i, n in enumerate(shape) if n == 1)
    return grad.sum(axis=(*range(added), *repeated)).reshape(shape)
