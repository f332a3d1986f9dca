"""Values as edtrace and CS336's ``execute.py`` write them.

edtrace: {"type", "contents", "dtype", "shape"}, nested. Older traces of ``execute.py``: the bare JSON value, a tensor
as nested lists. The type is the class with its module, builtins without one.
"""

from __future__ import annotations

import re
from typing import Any

from lilllm.tracing.format import Instance, Mapping, Scalar, Sequence, Text, Value
from lilllm.tracing.importers import limits
from lilllm.tracing.importers.build import Interner
from lilllm.tracing.importers.tensors import tensor

_MAPPINGS = {"dict", "collections.OrderedDict", "collections.defaultdict", "collections.Counter"}


def clip(text: str, size: int = limits.SCALAR) -> str:
    return text if len(text) <= size else text[: size - 3] + "..."


def string(text: str, kind: str = "str") -> Text:
    return Text(kind=kind, text=text[: limits.TEXT], size=len(text))


def is_typed(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str) and "contents" in value


def bare(value: Any) -> Scalar:
    """A JSON scalar that is no text."""
    if value is None:
        return Scalar(kind="NoneType", text="None")
    return Scalar(kind=type(value).__name__, text=clip(repr(value)))


def ends(items: list[Any]) -> tuple[list[Any], list[Any]]:
    """The first and the last elements that are kept."""
    first, last = limits.ELEMENTS
    return (items, []) if len(items) <= first + last else (items[:first], items[-last:])


def _left_out(item: Any) -> int:
    """How many elements ``item`` stands for, where ``export_edtrace`` left some out; else 0."""
    found = re.fullmatch(r"\.\.\. (\d{1,15}) more \.\.\.", item["contents"]) if _is_gap(item) else None
    return int(found[1]) if found else 0


def _is_gap(item: Any) -> bool:
    return is_typed(item) and item["type"] == "..." and isinstance(item["contents"], str)


def _ends(items: list[Any]) -> tuple[tuple[list[Any], list[Any]], int]:
    """As ``ends``, at the gap where there is one already; and how many more there were than ``items``."""
    first = limits.ELEMENTS[0]
    for at, item in enumerate(items[: first + 1]):
        if left := _left_out(item):
            return (items[:at], items[at + 1 :][-limits.ELEMENTS[1] :]), left - 1
    return ends(items), 0


def value(raw: Any, values: Interner, nesting: int = 0) -> int:
    """The number of the value ``raw``; anything at all is some value."""
    typed = is_typed(raw)
    kind = clip(raw["type"]) if typed else ""
    contents = raw["contents"] if typed else raw
    if nesting > limits.NESTING:
        return values.cut(kind or "...", "nested deeper than is kept")
    if typed and isinstance(raw.get("shape"), list):
        shape = raw["shape"]
        if all(isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 2**53 for size in shape):
            result = tensor(kind, clip(str(raw.get("dtype") or "")), shape, contents)
            if result is not None:
                return values.add(result)
    if isinstance(contents, list):
        parts, more = _ends(contents)
        head, tail = ([value(item, values, nesting + 1) for item in part] for part in parts)
        return values.add(Sequence(kind=kind or "list", size=len(contents) + more, head=head, tail=tail))
    if isinstance(contents, dict):
        return values.add(_pairs(kind or "dict", contents, values, nesting))
    return values.add(_leaf(kind, contents))


def _pairs(kind: str, contents: dict[str, Any], values: Interner, nesting: int) -> Value:
    parts = ends(list(contents.items()))
    if kind in _MAPPINGS:
        # JSON made text of every key: shown as edtrace does, without quotes that may not belong to it.
        head, tail = (
            [(values.add(Scalar(kind="key", text=clip(key))), value(item, values, nesting + 1)) for key, item in part]
            for part in parts
        )
        return Mapping(kind=kind, size=len(contents), head=head, tail=tail)
    fields = [(clip(key), value(item, values, nesting + 1)) for part in parts for key, item in part]
    return Instance(kind=kind, size=len(contents), head=fields)


def _leaf(kind: str, contents: Any) -> Value:
    if isinstance(contents, str):
        if kind in ("", "str"):
            return string(contents)
        if kind in ("float", "int", "bool", "complex", "NoneType", "bytes") or kind.startswith("numpy."):
            return Scalar(kind=kind, text=clip(contents))
        return Instance(kind=kind, text=clip(contents, limits.TEXT))
    scalar = bare(contents)
    return Scalar(kind=kind or scalar.kind, text=scalar.text)
