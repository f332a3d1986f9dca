"""Gradient checking: a derivative by hand against a difference quotient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from lilllm.autograd.array import Array
from lilllm.autograd.numbers import Numbers


def numeric_gradient(f: Callable[[Numbers], float], x: Numbers, *, h: float = 1e-5) -> Numbers:
    """Central differences ``(f(x + h e_i) - f(x - h e_i)) / 2h`` for each element.

    The error is O(h^2) from the formula and O(eps / h) from rounding; in float64 the sum is least near h = 1e-5.

    Raises:
        ValueError: h is not above 0.
        TypeError: ``f`` returns something else than one number.
    """
    if not h > 0:
        raise ValueError(f"h must be above 0, got {h}")
    x = np.array(x, dtype=np.float64)
    grad = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        keep = x[i]
        x[i] = keep + h
        up = _single(f(x))
        x[i] = keep - h
        down = _single(f(x))
        x[i] = keep
        grad[i] = (up - down) / (2 * h)
    return grad


def _single(y: Any) -> float:
    try:
        return float(y)
    except (TypeError, ValueError):
        what = f"an array of shape {y.shape}" if hasattr(y, "shape") else f"a {type(y).__name__}"
        raise TypeError(f"a gradient is that of one number, and the function returned {what}") from None


def gradient_error(f: Callable[..., Array], *inputs: Numbers, h: float = 1e-5) -> float:
    """Largest relative error of ``f``'s gradients against central differences, over all ``inputs``.

    ``|a - n| / max(1e-8, |a| + |n|)`` by the largest element of each input. Below 1e-7 a gradient is right; above
    1e-3 it is wrong; between, look for a kink (relu at 0) or too large an h.

    Raises:
        ValueError: ``f`` returns more than one number.
        TypeError: it returns no `Array`.
        FloatingPointError: a NaN or an infinity on either side.
    """
    arrays = [Array(x) for x in inputs]
    result = f(*arrays)
    if not isinstance(result, Array):
        raise TypeError(f"the function must return an Array, and returned a {type(result).__name__}")
    result.backward()
    worst = 0.0
    for i, array in enumerate(arrays):

        def at(x: Numbers, i: int = i) -> float:
            return f(*(Array(x) if j == i else Array(a.data) for j, a in enumerate(arrays))).data.item()

        numeric = numeric_gradient(at, array.data, h=h)
        if not np.isfinite(numeric).all():
            raise FloatingPointError(f"within {h} of input {i} the function is not finite: no gradient to compare with")
        if not numeric.size:
            continue
        analytic = array.grad if array.grad is not None else np.zeros_like(numeric)
        scale = max(1e-8, np.abs(analytic).max() + np.abs(numeric).max())
        worst = max(worst, float(np.abs(analytic - numeric).max() / scale))
    return worst
