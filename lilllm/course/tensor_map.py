"""What a tensor holds, in a line of words and as a small map: the summary that traces show, as HTML.

Read in order: described, map_of (an image without scripts), _grid (which numbers), _png (which colours)
"""

from __future__ import annotations

import base64
import io
import math
from typing import Any

import numpy as np

from lilllm.tracing.format import Tensor as Summary

SIDE = 96  # pixels of a map
_LEVELS = 7  # of colour on either side of 0


def described(holds: Summary) -> str:
    """What a tensor holds, in words and as a map."""
    if holds.mean is None or holds.std is None:
        return f"<div>{holds.dtype}</div>"
    words = f"{holds.dtype}, from {_number(holds.min)} to {_number(holds.max)}"
    if holds.dtype != "bool":
        words += f", mean {_number(holds.mean)}, deviation {_number(holds.std)}"
    return f"<div>{words}</div>{map_of(holds, SIDE)}"


def _number(value: Any) -> str:
    """Two digits: what is stable from machine to machine. A rounding error is shown as 0."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return str(value)
    if isinstance(value, int) or abs(value) < 1e-9:
        return f"{value:.0f}"
    return f"{value:.0f}" if 10 <= abs(value) < 1e5 else f"{value:.2g}"


def map_of(holds: Summary | None, side: int) -> str:
    """The first matrix of a tensor as an image of coloured squares; nothing where it has no numbers."""
    grid = _grid(holds)
    if grid is None:
        return ""
    rows, columns = grid.shape
    height = max(4, round(side * rows / max(rows, columns)))
    width = max(4, round(side * columns / max(rows, columns)))
    alt = "" if side < SIDE else "a map of the numbers"
    style = "image-rendering:pixelated"
    return (
        f'<img src="data:image/png;base64,{_png(grid)}" width="{width}" height="{height}" alt="{alt}" style="{style}"> '
    )


def _grid(holds: Summary | None) -> np.ndarray | None:
    if holds is None or not holds.shape:
        return None
    if holds.grid:
        rows: list[list[Any]] = [list(row) for row in holds.grid]
    elif holds.data:
        columns = holds.shape[-1] if len(holds.shape) > 1 else 16
        flat = list(holds.data)
        first = flat[: math.prod(holds.shape[-2:])]
        rows = [first[at : at + columns] for at in range(0, len(first), columns)]
        rows[-1] += [0.0] * (columns - len(rows[-1]))
    else:
        return None
    return np.array([[float(x) if isinstance(x, int | float) else np.nan for x in row] for row in rows])


def _png(grid: np.ndarray) -> str:
    """A square a number: orange above 0, blue below, the stronger the further; what is not finite is black."""
    from PIL import Image

    largest = np.nanmax(np.abs(grid), initial=0.0) or 1.0
    level = np.round(np.nan_to_num(grid) / largest * _LEVELS).astype(int)
    pixels = np.zeros((*grid.shape, 4), dtype=np.uint8)
    pixels[..., :3] = np.where((level > 0)[..., None], (213, 94, 0), (0, 114, 178))
    pixels[..., 3] = np.abs(level) * 255 // _LEVELS
    pixels[np.isnan(grid)] = (0, 0, 0, 255)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode("ascii")
