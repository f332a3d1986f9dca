"""FLOPs and bytes of torch operations, by the statement that runs them.

    operations = Operations(lambda flops, size, frame: ...)
    with operations.running():
        model(x)

A dispatch mode sees every operation after autograd has taken it apart, so a backward pass is counted as what it runs.
In which statement that is, the Python stack tells: ``statement_of``.

FLOPs are torch's own formulas (torch.utils.flop_counter: matrix products, convolutions, attention); what has none
counts 0. For the CPU's fused attention torch has none: it counts as on a GPU. Bytes are a model, not a measurement:
each tensor is read or written once, views and shapes are free, a gather reads what it returns, an overwritten tensor is
not read. Caches may make it less, a kernel's own scratch more.

Holds: the FLOPs are those of FlopCounterMode over the same program, with ``cpu_attention`` as its custom mapping.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from types import FrameType
from typing import Any

from lilllm.tracing.clock import PART_OF_STATEMENT

_GATHERS = frozenset({"embedding", "gather", "index", "index_select", "take"})
_OVERWRITES = frozenset({"bernoulli_", "copy_", "exponential_", "fill_", "normal_", "random_", "uniform_", "zero_"})
_NOT_FILLED = frozenset({"_unsafe_view", "empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"})


class Operations:
    """Calls ``book(flops, bytes, frame)`` for each operation while it runs and is not paused.

    ``frame`` is the Python frame in which it was asked for. Without ``imagined``, operations on tensors that have a
    shape and no memory (meta, fake) are not counted: nothing is computed in them.
    """

    def __init__(self, book: Callable[[int, int, FrameType], None], *, imagined: bool = True) -> None:
        self._book = book
        self._imagined = imagined
        self._paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What runs inside is not the program's: the recorder looks at tensors with torch too."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    def count(self, func: Any, args: Any, kwargs: Any, out: Any) -> None:
        if self._paused:
            return
        self._paused = True
        try:
            if not self._imagined and is_imagined(out):
                return
            flops, size = flops_of(func, args, kwargs, out), bytes_of(func, args, kwargs, out)
        finally:
            self._paused = False
        if flops or size:
            self._book(flops, size, sys._getframe(2))

    def running(self) -> AbstractContextManager[Any]:
        import torch
        from torch.utils._python_dispatch import TorchDispatchMode
        from torch.utils.flop_counter import flop_registry

        count, known = self.count, {*flop_registry, *cpu_attention(), torch.ops.prim.device}

        class Counting(TorchDispatchMode):
            def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
                kwargs = kwargs or {}
                if func.overloadpacket not in known:
                    with self:  # in inference mode operations come undivided
                        out = func.decompose(*args, **kwargs)
                    if out is not NotImplemented:
                        return out
                out = func(*args, **kwargs)
                count(func, args, kwargs, out)
                return out

        mode: AbstractContextManager[Any] = Counting()
        return mode


def is_imagined(out: Any) -> bool:
    """Whether an operation gave tensors without memory."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensor
    from torch.utils._pytree import tree_leaves

    return any(isinstance(x, torch.Tensor) and (x.is_meta or isinstance(x, FakeTensor)) for x in tree_leaves(out))


def flops_of(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    from torch.utils.flop_counter import flop_registry

    try:
        if own := cpu_attention().get(func.overloadpacket):
            return own(*args, **kwargs)
        formula = flop_registry.get(func.overloadpacket)
        return int(formula(*args, **kwargs, out_val=out)) if formula else 0
    except Exception:  # a formula that does not know this case must not end the program
        return 0


@cache
def cpu_attention() -> dict[Any, Callable[..., int]]:
    """FLOPs of the CPU's fused attention by operation, forward and backward, as torch counts them on a GPU."""
    import torch
    from torch.utils.flop_counter import sdpa_backward_flop_count, sdpa_flop_count

    def forward(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return int(sdpa_flop_count(shape_of(query), shape_of(key), shape_of(value)))

    def backward(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
        return int(sdpa_backward_flop_count(*map(shape_of, (gradient, query, key, value))))

    def shape_of(x: Any) -> Any:  # FlopCounterMode hands over shapes, a dispatch mode tensors
        return getattr(x, "shape", x)

    aten = torch.ops.aten
    return {
        aten._scaled_dot_product_flash_attention_for_cpu: forward,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: backward,
    }


def bytes_of(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    """The bytes of the tensors that an operation reads and writes.

    >>> import torch
    >>> x = torch.ones(4, 8)
    >>> bytes_of(torch.ops.aten.add.Tensor, (x, x), {}, x + x)
    384
    >>> bytes_of(torch.ops.aten.view.default, (x, [32]), {}, x.view(32))
    0
    """
    from torch.utils._pytree import tree_leaves

    schema, name = func._schema, func.overloadpacket.__name__
    views = [one.alias_info is not None and not one.alias_info.is_write for one in schema.returns]
    if name in _NOT_FILLED or (views and all(views)):
        return 0
    written = sum(_size(x) for x in tree_leaves(out))
    given = {one.name: value for one, value in zip(schema.arguments, args, strict=False)} | kwargs
    overwritten = {
        one.name for one in schema.arguments
        if one.alias_info is not None and one.alias_info.is_write and (one.kwarg_only or name in _OVERWRITES)
    }  # fmt: skip
    read = [_size(x) for key, value in given.items() if key not in overwritten for x in tree_leaves(value)]
    if name in _GATHERS and read:
        read[0] = min(read[0], written)
    return written + sum(read)


def _size(x: Any) -> int:
    """Bytes of a tensor in memory: an expanded one holds its elements once."""
    import torch

    if not isinstance(x, torch.Tensor):
        return 0
    size = x.numel() * x.element_size()
    try:
        return min(size, x.untyped_storage().nbytes())
    except (RuntimeError, NotImplementedError):  # a sparse one has none
        return size


def statement_of(frame: FrameType | None, sources: Mapping[str, Any]) -> tuple[int, int] | None:
    """(file, line) of the innermost statement of ``sources`` (file, plan and offset by filename), or None."""
    found = _innermost(frame, sources)
    if found is None and threading.current_thread() is not threading.main_thread():
        # A backward pass on a GPU runs on a thread of torch's, for which the main one waits.
        found = _innermost(sys._current_frames().get(threading.main_thread().ident or 0), sources)
    return found


def _innermost(frame: FrameType | None, sources: Mapping[str, Any]) -> tuple[int, int] | None:
    while frame is not None:
        source = sources.get(frame.f_code.co_filename)
        if source is not None and frame.f_code.co_name not in PART_OF_STATEMENT:
            statement = source.plan.statement.get(frame.f_lineno)
            if statement is not None:
                return source.file, statement + source.offset
        frame = frame.f_back
    return None
