"""Encoders of what has nothing inside: numbers, texts, bytes, members of enums, exceptions. See values.py."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any

from lilllm.tracing.format import Scalar, Text
from lilllm.tracing.objects import LONG_INT, integer
from lilllm.tracing.rich import whole_characters

if TYPE_CHECKING:
    from lilllm.tracing.values import Encoder, Values

_TEXT = 1000  # characters of a text by itself; of one in a container a fifth
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def whole_number(values: Values, obj: int, depth: int) -> int:
    number = values.atoms.get(obj)
    if number is None:
        number = values.intern(Scalar(kind="int", text=integer(obj)))
        if obj.bit_length() <= LONG_INT:
            values.atoms[obj] = number
    return number


def decimal(values: Values, obj: float, depth: int) -> int:
    return values.intern(Scalar(kind="float", text=float.__repr__(obj)))


def scalar(values: Values, obj: Any, depth: int) -> int:
    return values.intern(Scalar(kind=type(obj).__name__, text=repr(obj)))


def some_slice(values: Values, obj: slice, depth: int) -> int:
    plain = all(type(part) in (int, type(None)) for part in (obj.start, obj.stop, obj.step))
    return values.intern(Scalar(kind="slice", text=repr(obj) if plain else "slice(...)"))


def by_repr(values: Values, obj: Any, depth: int) -> int:
    """Only for types known to have a plain one."""
    return values.intern(Scalar(kind=type(obj).__name__, text=_ADDRESS.sub("", repr(obj))[:_TEXT]))


def member(values: Values, obj: enum.Enum, depth: int) -> int:
    kind = type(obj).__name__
    name = obj.__dict__.get("_name_")
    return values.intern(Scalar(kind=kind, text=f"{kind}.{name}"))


def error(values: Values, obj: BaseException, depth: int) -> int:
    return values.exception(type(obj), obj)


def numpy_scalar(values: Values, obj: Any, depth: int) -> int:
    return values.intern(Scalar(kind=type(obj).__name__, text=str(obj.item())[:_TEXT]))


def string(values: Values, obj: str, depth: int) -> int:
    if type(obj) is str:  # tokens and characters come again and again
        number = values.atoms.get(obj)
        if number is None:
            number = text(values, "str", obj, _TEXT // 5 if depth else _TEXT)
            if len(obj) <= _TEXT // 5:
                values.atoms[obj] = number
        return number
    return text(values, type(obj).__name__, str.__str__(obj), _TEXT // 5 if depth else _TEXT)


def text(values: Values, kind: str, whole: str, most: int = _TEXT) -> int:
    return values.intern(Text(kind=kind, text=whole_characters(whole[:most]), size=len(whole)))


def some_bytes(values: Values, obj: bytes | bytearray, depth: int) -> int:
    most = _TEXT // 5 if depth else _TEXT // 2
    shown = bytes(memoryview(obj)[:most])
    size = len(obj) if type(obj) is bytes else len(memoryview(obj))
    return values.intern(Text(kind=type(obj).__name__, text=repr(shown)[2:-1], size=size))


ENCODERS: dict[type, Encoder] = {
    int: whole_number, str: string, float: decimal, bool: scalar, type(None): scalar, bytes: some_bytes,
    bytearray: some_bytes, complex: scalar, type(...): scalar, slice: some_slice,
}  # fmt: skip
