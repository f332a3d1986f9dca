"""Tensors and arrays as a trace shows them: a summary that costs the same whatever the size.

Read in order:  summarise (what is shown), _elements (all of it, or a sample), _grid (block means),
                fingerprint (has it changed since?)

Everything is computed with numpy, on memory shared with the tensor where that is possible: no operation of torch runs
that a mode, a hook or autograd of the traced program could see, and torch is not imported here, only looked up.
A tensor that cannot be read (fake, meta, nested, under vmap) keeps its shape and dtype and has no numbers.

Numerics:  statistics in float64 over the finite elements; over 2**13 elements of a sample when there are more than
           2**18, marked approximate (a strided read of 16.7M floats is one cache miss an element).
"""

from __future__ import annotations

import sys
import zlib
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
    try:
        _fill(summary, value, shape, is_torch)
    except Exception:  # a fake, nested, sparse or batched tensor: its shape is all there is to say
        pass
    return summary


def _fill(summary: Tensor, value: Any, shape: list[int], is_torch: bool) -> None:
    import numpy as np

    size = 1
    for length in shape:
        size *= length
    if size == 0:
        return
    array = _elements(value, shape, size, is_torch)
    if array.dtype.kind not in "biufc":
        if array.dtype.kind in "USmM" and size <= _FULL:
            summary.data = [str(item)[:200] for item in array.ravel().tolist()]
        return
    summary.approximate = array.size < size
    if size <= _FULL:
        summary.data = [_plain(item) for item in array.ravel().tolist()]
    if array.dtype.kind == "c":
        return
    numbers = array.astype(np.float64, copy=False)
    finite = np.isfinite(numbers) if array.dtype.kind == "f" else None
    if finite is not None and not finite.all():
        summary.nan = int(np.isnan(numbers).sum())
        summary.inf = int(np.isinf(numbers).sum())
        seen = numbers[finite]
    else:
        seen, finite = numbers, None
    if seen.size:
        low, high = (seen.min(), seen.max()) if array.dtype.kind == "f" else (array.min(), array.max())
        summary.min, summary.max = _bound(low), _bound(high)
        summary.mean, summary.std = _finite(seen.mean()), _finite(seen.std())
    if size > _FULL and len(shape) >= 2:
        summary.grid = _grid(numbers, finite)


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


def _grid(numbers: Any, finite: Any) -> list[list[float | None]]:
    """Means over at most 16 x 16 blocks of the first matrix; None for a block without a finite element."""
    import numpy as np

    first = (0,) * (numbers.ndim - 2)
    matrix = numbers[first]
    known = np.ones(matrix.shape) if finite is None else finite[first].astype(np.float64)
    matrix = matrix if finite is None else np.where(finite[first], matrix, 0.0)
    for axis in (0, 1):
        length = matrix.shape[axis]
        edges = np.arange(min(_GRID, length)) * length // min(_GRID, length)
        matrix, known = np.add.reduceat(matrix, edges, axis=axis), np.add.reduceat(known, edges, axis=axis)
    with np.errstate(all="ignore"):
        means = matrix / known
    return [[_finite(item) for item in row] for row in means.tolist()]


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


def fingerprint(value: Any) -> tuple[Any, ...]:
    """Equal fingerprints of one object: it shows the same. Raises where the elements cannot be read.

    Up to 4 KiB every byte counts. Beyond, the version counter of torch and a sample of 16 elements: fused optimizers
    and writes through ``.data`` do not bump the counter, and numpy has none.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        if value.device.type != "cpu" or value.layout is not torch.strided:
            return (value._version, value.data_ptr(), value.requires_grad)
        with _unseen():
            tensor = value.detach()
            if tensor.dtype.itemsize == 2 and tensor.is_floating_point():
                tensor = tensor.view(torch.int16)
            array = tensor.numpy()
        version = 0 if value.is_inference() else value._version
        return (version, value.data_ptr(), value.requires_grad, array.shape, _sample(array))
    return (value.shape, value.dtype, _sample(value))


def _sample(array: Any) -> int | bytes:
    if array.nbytes <= _WATCHED:
        return bytes(array.tobytes())
    if array.flags.c_contiguous and array.nbytes <= 16 * _WATCHED:
        return zlib.crc32(array.view("u1") if array.ndim else array.tobytes())
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
