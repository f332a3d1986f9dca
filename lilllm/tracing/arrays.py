"""Tensors and arrays as a trace shows them: a summary that costs the same whatever the size.

Read in order:  summarise (what is shown), _elements (all of it, or a sample), _statistics, corner (a part as it is),
                watch_array, watch_tensor (has it changed since?); grids.py for the grids of large ones

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
from typing import Any

from lilllm.tracing.format import Tensor
from lilllm.tracing.grids import fill_grids, finite_or_none, rounded, short, slices

_FULL = 64  # elements shown as they are
EXACT = 1 << 18  # elements up to which statistics are exact
_SAMPLE = 1 << 13
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
        short: list[Any] = rounded(flat.astype(np.float64), 7) if kind == "f" else [None]
        summary.data = [_plain(item) for item in flat.tolist()] if None in short else short
    if kind != "c":
        _statistics(summary, array)
        if size > _FULL and len(shape) >= 2:
            lead = slices(shape)
            part = array[tuple(slice(size) for size in lead)]
            if summary.approximate and math.prod(lead) > 1:  # the sample has only one matrix
                steps = [1] * len(lead) + [max(1, size // 32) for size in shape[-2:]]
                part = corner(value, [*lead, *shape[-2:]], steps=steps)
            fill_grids(summary, part, lead)


def _quiet() -> Any:
    """No warning of numpy's: it would stand in a lecture's output."""
    import numpy as np

    return np.errstate(invalid="ignore", over="ignore")


def _statistics(summary: Tensor, array: Any) -> None:
    import numpy as np

    flat = array.ravel()
    numbers = flat.astype(np.float64, copy=False)
    with _quiet():  # both infinities: the sum is NaN, and found below
        total = float(np.add.reduce(numbers))
    if total - total != 0:  # something is not finite, or the sum is too large
        finite = np.isfinite(numbers)
        summary.nan = int(np.isnan(numbers).sum())
        summary.inf = int(numbers.size - finite.sum()) - summary.nan
        numbers = numbers[finite]
        with _quiet():
            total = float(np.add.reduce(numbers)) if numbers.size else 0.0
    if numbers.size:
        held = numbers if array.dtype.kind == "f" else flat  # exact for large integers
        summary.min, summary.max = _bound(np.minimum.reduce(held)), _bound(np.maximum.reduce(held))
        mean = total / numbers.size
        with _quiet():  # memory that nothing was written to yet may hold numbers whose squares are too large
            away = numbers - mean
            squares = float(np.dot(away, away))
        summary.mean, summary.std = finite_or_none(mean), finite_or_none(math.sqrt(squares / numbers.size))


def _elements(value: Any, shape: list[int], size: int, is_torch: bool) -> Any:
    """A numpy array of the elements of ``value``, or of a sample strided along each axis."""
    take: tuple[slice, ...] | None = None
    if size > EXACT:
        take = tuple(slice(None, None, stride) for stride in _strides(shape, size))
    return _taken(value, take, is_torch)


def corner(value: Any, lengths: list[int], *, steps: list[int] | None = None) -> Any:
    """The first elements of ``value`` along each axis, as a numpy array: for whoever shows a part of a tensor."""
    torch = sys.modules.get("torch")
    steps = steps or [1] * len(lengths)
    take = tuple(slice(0, length, step) for length, step in zip(lengths, steps, strict=True))[: len(value.shape)]
    return _taken(value, take, torch is not None and isinstance(value, torch.Tensor))


def _taken(value: Any, take: tuple[slice, ...] | None, is_torch: bool) -> Any:
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


def _plain(item: Any) -> bool | int | float | str:
    if isinstance(item, bool):
        return item
    if isinstance(item, int):
        return item if abs(item) <= _EXACT_FLOAT else str(item)
    if isinstance(item, float):
        return short(item) if item - item == 0 else str(item)
    return str(item)


def _bound(item: Any) -> float | str:
    value = item.item()
    return str(int(value)) if isinstance(value, int) and abs(value) > _EXACT_FLOAT else short(float(value))


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
