"""Encoders of functions, classes and objects, with a view of their own or attribute by attribute, and of arrays.

Read in order: named, instance and _fields, with_view, array and tensor. See values.py.
"""

from __future__ import annotations

import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from lilllm.tracing import arrays, views
from lilllm.tracing.containers import HEADS
from lilllm.tracing.format import Instance, Rich
from lilllm.tracing.objects import attributes
from lilllm.tracing.rich import Shown, shown, whole_characters
from lilllm.tracing.writer import Full

if TYPE_CHECKING:
    from lilllm.tracing.values import Encoder, Values

_NAMED = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, type, types.MethodWrapperType,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType, staticmethod, classmethod,
    property, types.GeneratorType, types.CoroutineType, types.AsyncGeneratorType,
)  # fmt: skip


def named(values: Values, obj: Any, depth: int) -> int:
    """A function, class or module: its name is what there is to see. Names are of the program, so only if text."""
    name = getattr(obj, "__name__", "") if not isinstance(obj, types.ModuleType) else obj.__dict__.get("__name__")
    qualified = obj.__dict__.get("__qualname__", name) if isinstance(obj, type) else getattr(obj, "__qualname__", name)
    text = qualified if isinstance(qualified, str) else ""
    return values.intern(Instance(kind=type(obj).__name__, text=whole_characters(text[:200])))


def opaque(values: Values, obj: Any, depth: int) -> int:
    """A file or a lock: its inside is the machine's, its class says enough."""
    return values.intern(Instance(kind=type(obj).__name__))


def instance(values: Values, obj: Any, depth: int) -> int:
    return _fields(values, obj, depth, attributes(obj))


def named_tuple(values: Values, obj: Any, depth: int) -> int:
    names = type(obj)._fields
    return _fields(values, obj, depth, list(zip(names, tuple.__iter__(obj), strict=False)))


def _fields(values: Values, obj: Any, depth: int, fields: list[tuple[str, Any]]) -> int:
    kind = type(obj).__name__
    if stop := values.enter(obj, depth, len(fields)):
        return values.cut(kind, stop)
    most = HEADS[min(depth, len(HEADS) - 1)]
    head = [(whole_characters(name[:200]), values.encode(value, depth + 1)) for name, value in fields[:most]]
    values.leave(obj)
    key = ("object", kind, len(fields), *head)
    number = values.known.get(key)
    if number is None:
        number = values.add(key, Instance(kind=kind, size=len(fields), head=head))
    return number


# ---------------------------------------------------------------------------------------------------- a view of its own


def with_view(make: Callable[[Values, Any], tuple[str, Shown] | int], plain: Encoder) -> Encoder:
    """An encoder that shows the view that ``make`` finds; where there is none, the object as it is."""

    def encoder(values: Values, obj: Any, depth: int) -> int:
        try:
            made = make(values, obj)
            return made if isinstance(made, int) else _view(values, obj, depth, *made)
        except (Full, KeyboardInterrupt):
            raise
        except BaseException:  # of the program, or of a library that is not as we know it
            return plain(values, obj, depth)

    return encoder


def own(values: Values, obj: Any) -> tuple[str, Shown] | int:
    """What the object's own ``_trace_repr_()`` gives: ``(view, data)``."""
    view, data = obj._trace_repr_()
    if view == "tensor":
        return values.intern(msgspec.structs.replace(arrays.summarise(data), kind=type(obj).__name__))
    return str(view)[:40], shown(str(view), data)


def _view(values: Values, obj: Any, depth: int, view: str, made: Shown) -> int:
    kind = type(obj).__name__
    if made.picture:
        made.data.hash = values.picture(made.picture)
    raw = made.data if isinstance(made.data, msgspec.Raw) else msgspec.Raw(values.to_json(made.data))
    if (size := len(memoryview(raw))) > views.MAX_BYTES:
        raise ValueError(f"{size:,} bytes are more than {views.MAX_BYTES:,}")
    numbers = []
    if made.values:
        if stop := values.enter(obj, depth, len(made.values)):
            return values.cut(kind, stop)
        try:
            numbers = [values.encode(value, depth + 1) for value in made.values]
        finally:
            values.leave(obj)
    return values.intern(Rich(kind=kind, view=view, text=made.text, data=raw, values=numbers))


# --------------------------------------------------------------------------------------------------------------- arrays


def array(values: Values, obj: Any, depth: int) -> int:
    return _watched(values, obj, arrays.watch_array(obj) if obj.dtype.kind in "biufc" else None)


def tensor(values: Values, obj: Any, depth: int) -> int:
    try:
        mark = arrays.watch_tensor(obj, inside=depth > 0)
    except Exception:  # fake, nested, under vmap: summarise knows what can be said
        mark = None
    return _watched(values, obj, mark)


def _watched(values: Values, obj: Any, mark: Any) -> int:
    """A summary, made again only where the mark has changed; the weak reference tells the object from another that
    was given the same address."""
    known = values.arrays.get(id(obj))
    if known is not None and mark is not None and known[1] == mark and known[0]() is obj:
        return known[2]
    number = values.intern(arrays.summarise(obj))
    if len(values.arrays) > 4096:
        values.arrays.clear()
    values.arrays[id(obj)] = (weakref.ref(obj), mark, number)
    return number


ENCODERS: dict[type, Encoder] = dict.fromkeys(_NAMED, named)
