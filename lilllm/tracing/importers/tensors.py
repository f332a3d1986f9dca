"""A tensor that another tool wrote as nested lists: given in full when small, else by its statistics and a grid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lilllm.tracing.format import Tensor
from lilllm.tracing.importers import limits

_SIDE = 16  # rows and columns of a grid
_AXES = 16
# As the recorder names them.
_KINDS = {"torch.Tensor": "Tensor", "torch.nn.parameter.Parameter": "Parameter", "numpy.ndarray": "ndarray"}


def tensor(kind: str, dtype: str, shape: list[int], contents: Any) -> Tensor | None:
    """The tensor, or None where ``contents`` is not ``shape``'s nesting of numbers (or of "nan", "inf", "-inf").

    >>> tensor("torch.Tensor", "torch.float32", [2, 2], [[1.0, "nan"], [3.0, 5.0]]).mean
    3.0
    """
    if len(shape) > _AXES:
        return None
    level = [contents]
    for size in shape:
        if any(not isinstance(item, list) or len(item) != size for item in level):
            return None
        level = [child for item in level for child in item]
    flat = [_number(item) for item in level]
    if any(item is None for item in flat):
        return None
    numbers = np.array(flat, dtype=np.float64)
    finite = numbers[np.isfinite(numbers)]
    small = len(level) <= limits.TENSOR
    result = Tensor(
        kind=_KINDS.get(kind, kind),
        shape=shape,
        dtype=dtype.removeprefix("torch."),
        nan=int(np.isnan(numbers).sum()),
        inf=int(np.isinf(numbers).sum()),
        data=[_plain(item) for item in level] if small else [],
    )
    if finite.size:
        result.min, result.max = float(finite.min()), float(finite.max())
        with np.errstate(all="ignore"):
            mean, std = float(finite.mean()), float(finite.std())
        result.mean, result.std = (value if math.isfinite(value) else None for value in (mean, std))
    if not small and numbers.size:
        result.grid = _grid(numbers, shape)
    return result


def _number(item: Any) -> float | None:
    """A float, also of a bool, a big integer, a complex number's text (its absolute value is not shown: NaN)."""
    if isinstance(item, bool | int | float):
        try:
            return float(item)
        except OverflowError:
            return math.inf
    if isinstance(item, str) and len(item) <= limits.SCALAR:
        try:
            return float(item)
        except ValueError:
            return math.nan
    return None


def _plain(item: Any) -> bool | int | float | str:
    if isinstance(item, int) and not isinstance(item, bool) and abs(item) > 2**53:
        return str(item)
    plain: bool | int | float | str = item
    return plain


def _grid(numbers: np.ndarray[Any, np.dtype[np.float64]], shape: list[int]) -> list[list[float | None]]:
    """Means over blocks of the first matrix, at most 16x16."""
    rows, columns = (shape[-2], shape[-1]) if len(shape) > 1 else (1, shape[-1])
    matrix = numbers[: rows * columns].reshape(rows, columns)
    with np.errstate(all="ignore"):
        return [
            [
                (value if math.isfinite(value := float(block.mean())) else None)
                for block in np.array_split(band, min(columns, _SIDE), axis=1)
            ]
            for band in np.array_split(matrix, min(rows, _SIDE), axis=0)
        ]
