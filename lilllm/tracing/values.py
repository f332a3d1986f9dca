"""What a name held, as a value of the trace: encoded within caps, interned, never running the program's own code.

``Values.encode(obj)`` gives the number of a value. Equal numbers mean that the same is shown, so the recorder compares
numbers to see what a statement changed: in a list only the first and last elements are shown and only they count.

Read in order:  Values.encode, Values.add (interning), Values.enter (caps), Values._other (how a type finds its
                encoder); then the encoders: atoms.py, containers.py, instances.py

No ``__repr__``, ``__len__``, ``__iter__``, ``__eq__`` or property of the program is called: objects are read through
their ``__dict__`` (objects.py) and containers through the methods of their built-in base. The one exception is
``_trace_repr_``, which exists to be called. Whatever goes wrong while reading becomes a ``Cut``.
"""

from __future__ import annotations

import enum
import hashlib
import sys
import types
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from lilllm.tracing import atoms, containers, instances
from lilllm.tracing.containers import HEADS
from lilllm.tracing.format import Cut, Value
from lilllm.tracing.objects import is_library, message
from lilllm.tracing.recognise import recogniser
from lilllm.tracing.writer import Full

Encoder = Callable[["Values", Any, int], int]

_NODES = 200  # containers shown within one value
_REPR_MODULES = frozenset({"datetime", "decimal", "fractions", "uuid", "re", "_decimal", "zoneinfo", "ipaddress"})
_BASES: list[tuple[Any, Encoder]] = [
    (type, instances.named), (types.ModuleType, instances.named), (str, atoms.string), (bytes, atoms.some_bytes),
    (bytearray, atoms.some_bytes), ((list, tuple, deque), containers.sequence),
    ((set, frozenset), containers.some_set), (dict, containers.mapping),
]  # fmt: skip


class Values:
    """Encodes and interns; ``emit`` takes the bytes of a new value and returns its number, ``picture`` those of a PNG
    and returns its hash.

    The encoders, functions of (values, obj, depth), use ``known`` (numbers by the bytes or the key of what is shown)
    and what is remembered of objects met before: ``atoms`` (ints and short texts), ``tuples`` and ``arrays`` (by id).
    """

    def __init__(self, emit: Callable[[bytes], int], picture: Callable[[bytes], str]) -> None:
        self._emit = emit
        self.picture = picture
        self.to_json = msgspec.json.Encoder().encode
        self.known: dict[Any, int] = {}
        self.atoms: dict[int | str, int] = {}
        self.tuples: dict[int, tuple[Any, int]] = {}
        self.arrays: dict[int, tuple[Any, Any, int]] = {}
        self._open: set[int] = set()
        self._nodes = 0
        self._encoders: dict[type, Encoder] = {**atoms.ENCODERS, **containers.ENCODERS, **instances.ENCODERS}

    def encode(self, obj: Any, depth: int = 0) -> int:
        """The number of the value that shows ``obj``."""
        kind = type(obj)
        if depth == 0:
            if kind is int:
                number = self.atoms.get(obj)
                if number is not None:
                    return number
            self._nodes = 0
        encoder = self._encoders.get(kind) or self._other(kind)
        try:
            return encoder(self, obj, depth)
        except (Full, KeyboardInterrupt):
            raise
        except BaseException as error:  # what the program raises while it is read is not the program's error
            self.leave(obj)
            return self.cut(kind.__name__, f"could not be read: {type(error).__name__}")

    def exception(self, kind: type[BaseException], error: BaseException | None) -> int:
        """A Text of kind = the class; the message where it is built of plain values."""
        return atoms.text(self, kind.__name__, message(error))

    def cut(self, kind: str, text: str) -> int:
        return self.intern(Cut(kind=kind, text=text))

    # ----------------------------------------------------------------------------------------------- for the encoders

    def intern(self, value: Value) -> int:
        """The number of a value, by its bytes."""
        data = self.to_json(value)
        number = self.known.get(data)
        if number is None:
            number = self.known[data] = self._emit(data)
        return number

    def add(self, key: Any, value: Value) -> int:
        """The number of a value that is not ``known`` yet, by a key that says as much and is sooner made."""
        number = self.known[key] = self._emit(self.to_json(value))
        return number

    def enter(self, obj: Any, depth: int, size: int) -> str:
        """Why ``obj`` is not gone into, or an empty string; then ``leave`` it."""
        if id(obj) in self._open:
            return "a cycle"
        self._nodes += 1
        if size and (depth >= len(HEADS) or self._nodes > _NODES):
            return f"{size:,} inside"
        self._open.add(id(obj))
        return ""

    def leave(self, obj: Any) -> None:
        self._open.discard(id(obj))

    def digest(self, obj: Any, depth: int) -> int:
        """A number made of what is shown of ``obj``: the same in every run."""
        return Values(_number, lambda png: str(_number(png))).encode(obj, depth)

    # -------------------------------------------------------------------------------------------------------- by type

    def _other(self, kind: type) -> Encoder:
        """The encoder of a type that was not met before, remembered."""
        encoder = _choose(kind)
        if len(self._encoders) < 10_000:
            self._encoders[kind] = encoder
        return encoder


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=6).digest(), "big")


def _choose(kind: type) -> Encoder:
    plain = _plain(kind)
    if any("_trace_repr_" in base.__dict__ for base in kind.__mro__):
        return instances.with_view(instances.own, plain)
    known = recogniser(kind)
    return instances.with_view(lambda values, obj: known(obj), plain) if known else plain


def _plain(kind: type) -> Encoder:
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    if numpy is not None and hasattr(numpy, "ndarray") and issubclass(kind, numpy.ndarray):
        return instances.array
    if numpy is not None and hasattr(numpy, "generic") and issubclass(kind, numpy.generic):
        return atoms.numpy_scalar
    if torch is not None and hasattr(torch, "Tensor") and issubclass(kind, torch.Tensor):
        return instances.tensor
    if torch is not None and kind.__module__ == "torch" and kind.__name__ in ("dtype", "device", "layout"):
        return atoms.by_repr
    if issubclass(kind, enum.Enum):
        return atoms.member
    if issubclass(kind, BaseException):
        return atoms.error
    if issubclass(kind, tuple) and isinstance(kind.__dict__.get("_fields"), tuple):
        return instances.named_tuple
    for base, encoder in _BASES:
        if issubclass(kind, base):
            return encoder
    if kind.__module__ in _REPR_MODULES or (kind.__module__ == "numpy" and kind.__name__.endswith("DType")):
        return atoms.by_repr
    return instances.opaque if is_library(kind) else instances.instance
