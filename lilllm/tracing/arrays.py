"""Tensors and arrays as a trace shows them: a summary that costs the same whatever the size.

Read in order:  summarise (what is shown), _elements (all of it, or a sample), _statistics, _grid (block means),
                watch_array, watch_tensor (has it changed since?)

Everything is computed with numpy, on memory shared with the tensor where that is possible: no operation of torch runs
that a mode, a hook or autograd of the traced program could see, and torch is not imported here, only looked up.
A tensor that cannot be read (fake, meta, nested, under vmap) keeps its shape and dtype and has no numbers.

Numerics:  statistics in float64 over the finite elements; over 2**13 elements of a sample when there are more than
           2**18, marked approximate (a strided read of 16.7M floats is one cache miss an element).
"""

from __future__ import annotations

import math
import sys
import zlib
from contextlib import suppress
from functools import cache
from typing import Any

from lilllm.tracing.format import Tensor

_FULL = 64  # elements shown as they are
_EXACT = 1 << 18  # elements up to which statistics are exact
_SAMPLE = 1 << 13
_GRID = 16
_WATCHED = 4096  # bytes up to which every one is compared; beyond, a sample of 16 elements
_EXACT_FLOAT = 1 << 53  # integers beyond this are not numbers to a browser


def summarise(value: Any) -> Tensor:
    """What a trace shows of a torch tensor or a numpy array. Never raises; never changes ``value``."""
    shape = [int(size) for size in value.shape]
    torch = sys.modules.get("torch")
    is_torch = torch is not None and isinstance(value, torch.Tensor)
    summary = Tensor(
        kind=type(value).__name__,
        shape=shape,
        dtype=str(value.dtype).removeprefix("torch."),
        device=str(value.device) if is_torch else "",
        requires_grad=bool(value.requires_grad) if is_torch else False,
    )
    with suppress(Exception):  # a fake, nested, sparse or batched tensor: its shape is all there is to say
        _fill(summary, value, shape, is_torch)
    return summary


def _fill(summary: Tensor, value: Any, shape: list[int], is_torch: bool) -> None:
    import numpy as np

    size = math.prod(shape)
    if size == 0:
        return
    array = _elements(value, shape, size, is_torch)
    kind = array.dtype.kind
    if kind not in "biufc":
        if kind in "USmM" and size <= _FULL:
            summary.data = [str(item)[:200] for item in array.ravel().tolist()]
        return
    summary.approximate = array.size < size
    if size <= _FULL:
        flat = array.ravel()
        rounded: list[Any] = _rounded(flat.astype(np.float64), 7) if kind == "f" else [None]
        summary.data = [_plain(item) for item in flat.tolist()] if None in rounded else rounded
    if kind != "c":
        _statistics(summary, array, grid=size > _FULL and len(shape) >= 2)


def _statistics(summary: Tensor, array: Any, *, grid: bool) -> None:
    import numpy as np

    flat = array.ravel()
    numbers = flat.astype(np.float64, copy=False)
    total = float(np.add.reduce(numbers))
    finite = None
    if total - total != 0:  # something is not finite, or the sum is too large
        finite = np.isfinite(numbers)
        summary.nan = int(np.isnan(numbers).sum())
        summary.inf = int(numbers.size - finite.sum()) - summary.nan
        numbers = numbers[finite]
        total = float(np.add.reduce(numbers)) if numbers.size else 0.0
    if numbers.size:
        held = numbers if array.dtype.kind == "f" else flat  # exact for large integers
        summary.min, summary.max = _bound(np.minimum.reduce(held)), _bound(np.maximum.reduce(held))
        mean = total / numbers.size
        away = numbers - mean
        summary.mean, summary.std = _finite(mean), _finite(math.sqrt(float(np.dot(away, away)) / numbers.size))
    if grid:
        summary.grid = _grid(array, finite)


def _elements(value: Any, shape: list[int], size: int, is_torch: bool) -> Any:
    """A numpy array of the elements of ``value``, or of a sample strided along each axis."""
    take: tuple[slice, ...] | None = None
    if size > _EXACT:
        take = tuple(slice(None, None, stride) for stride in _strides(shape, size))
    if not is_torch:
        return value if take is None else value[take]
    with _unseen():
        tensor = value.detach()
        if take is not None:
            tensor = tensor[take]
        if tensor.device.type != "cpu":
            tensor = tensor.cpu()
        if not tensor.dtype.is_complex and tensor.is_floating_point() and tensor.element_size() != 8:
            tensor = tensor.float()  # bfloat16 and float8 are unknown to numpy
        return tensor.resolve_conj().resolve_neg().numpy()


def _strides(shape: list[int], size: int) -> list[int]:
    """Steps along each axis that leave about ``_SAMPLE`` elements; the last two axes keep the most."""
    strides = [1] * len(shape)
    left = size
    for axis, length in enumerate(shape):
        floor = 128 if axis >= len(shape) - 2 else 1  # of leading axes (batch, heads) one is enough
        if axis == len(shape) - 1:
            floor = 1
        strides[axis] = max(1, min(length // floor, -(-left // _SAMPLE)))
        left = left // length * -(-length // strides[axis])
    return strides


def _grid(array: Any, finite: Any) -> list[list[float | None]]:
    """Means over at most 16 x 16 blocks of the first matrix; None for a block without a finite element."""
    import numpy as np

    first = (0,) * (array.ndim - 2)
    matrix = array[first].astype(np.float64, copy=False)
    known = None
    if finite is not None:
        known = finite.reshape(array.shape)[first].astype(np.float64)
        matrix = np.where(known > 0, matrix, 0.0)
    area = 1
    for axis in (0, 1):
        edges, sizes = _blocks(matrix.shape[axis])
        matrix = np.add.reduceat(matrix, edges, axis=axis)
        area = area * (sizes[:, None] if axis == 0 else sizes)
        if known is not None:
            known = np.add.reduceat(known, edges, axis=axis)
    if known is None:
        means = matrix / area
    else:
        with np.errstate(all="ignore"):
            means = matrix / known
    columns = means.shape[1]
    items = _rounded(means.ravel(), 4)
    return [items[at : at + columns] for at in range(0, len(items), columns)]


def _rounded(numbers: Any, digits: int) -> list[Any]:
    """Numbers with so many significant digits, None where not finite: float32 has seven, and a trace is half as long.

    A whole number divided by an exact power of ten is the float nearest to that decimal, so it is written short.

    >>> import numpy as np
    >>> _rounded(np.array([1 / 3, float("nan"), 123456.0, 0.0]), 4)
    [0.3333, None, 123500.0, 0.0]
    """
    import numpy as np

    powers = _powers()
    with np.errstate(all="ignore"):
        exponent = np.floor(np.log10(np.abs(numbers)))
        usual = np.abs(exponent) < 15
        if not usual.all():
            exponent = np.where(usual, exponent, 0)
        shift = (digits - 1 - exponent).astype(np.int64)
        up, down = powers[np.maximum(shift, 0)], powers[np.maximum(-shift, 0)]
        rounded = np.rint(numbers * up / down) * down / up
    items: list[Any] = rounded.tolist()
    if usual.all():
        return items
    return [
        item if fine else _finite(raw) for item, fine, raw in zip(items, usual.tolist(), numbers.tolist(), strict=True)
    ]


@cache
def _blocks(length: int) -> tuple[Any, Any]:
    """Where at most 16 blocks of an axis begin, and how long they are."""
    import numpy as np

    edges = np.arange(min(_GRID, length)) * length // min(_GRID, length)
    return edges, np.diff(edges, append=length)


@cache
def _powers() -> Any:
    """Powers of ten that float64 holds exactly."""
    import numpy as np

    return np.array([float(10**k) for k in range(23)])


def _plain(item: Any) -> bool | int | float | str:
    if isinstance(item, bool):
        return item
    if isinstance(item, int):
        return item if abs(item) <= _EXACT_FLOAT else str(item)
    if isinstance(item, float):
        return _round(item) if item - item == 0 else str(item)
    return str(item)


def _bound(item: Any) -> float | str:
    value = item.item()
    return str(int(value)) if isinstance(value, int) and abs(value) > _EXACT_FLOAT else _round(float(value))


def _finite(value: Any) -> float | None:
    number = float(value)
    return _round(number) if number - number == 0 else None


def _round(number: float) -> float:
    """Seven significant digits: float32 has no more, and a trace is half as long."""
    return float(f"{number:.7g}")


def watch_array(array: Any) -> tuple[Any, ...]:
    """Equal marks of one numpy array: it shows the same. Up to 4 KiB every byte counts, to 64 KiB a checksum."""
    return (array.shape, array.dtype, _sample(array))


def watch_tensor(tensor: Any, *, inside: bool) -> tuple[Any, ...]:
    """Equal marks of one torch tensor: it shows the same. Raises where it cannot be read.

    The version counter of torch, and the elements as in ``watch_array``: fused optimizers and writes through ``.data``
    do not bump the counter. ``inside`` a container the elements count only where gradients are asked for (a parameter);
    others are so many that they would cost more than the program.
    """
    torch = sys.modules["torch"]
    learns = tensor.requires_grad
    mark = (0 if tensor.is_inference() else tensor._version, tensor.data_ptr(), learns)
    if (inside and not learns) or tensor.layout is not torch.strided or tensor.device.type != "cpu":
        return mark
    with _unseen():
        bare = tensor.detach()
        if bare.is_floating_point() and bare.element_size() < 4:  # float16, bfloat16, float8
            bare = bare.view(torch.int16 if bare.element_size() == 2 else torch.uint8)
        array = bare.numpy()
    return (*mark, array.shape, _sample(array))


def _sample(array: Any) -> int | bytes:
    size = array.nbytes
    if size <= _WATCHED:
        return bytes(array.tobytes())
    if array.flags.c_contiguous and size <= 16 * _WATCHED:
        return zlib.crc32(array.data.cast("B"))
    flat = array.reshape(-1) if array.flags.c_contiguous else array[(0,) * (array.ndim - 1)]
    return bytes(flat[:: max(1, flat.size // 16)].tobytes()) + bytes(flat[-1:].tobytes())


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *error: object) -> None: ...


def _unseen() -> Any:
    """A context in which modes of the traced program (FLOP counters, fake tensors) do not see our reads."""
    torch = sys.modules["torch"]
    if torch._C._len_torch_dispatch_stack() or torch._C._len_torch_function_stack():
        from torch.utils._python_dispatch import _disable_current_modes

        return _disable_current_modes()
    return _Nothing()
