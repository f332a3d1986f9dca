"""What a name held, as a value of the trace: encoded within caps, interned, never running the program's own code.

``Values.encode(obj)`` gives the number of a value. Equal numbers mean that the same is shown, so the recorder compares
numbers to see what a statement changed: in a list only the first and last elements are shown and only they count.

Read in order:  Values.encode (atoms), _containers, _instance, _other (how a type finds its encoder)

No ``__repr__``, ``__len__``, ``__iter__``, ``__eq__`` or property of the program is called: objects are read through
their ``__dict__`` (objects.py) and containers through the methods of their built-in base. The one exception is
``_trace_repr_``, which exists to be called. Whatever goes wrong while reading becomes a ``Cut``.
"""

from __future__ import annotations

import enum
import hashlib
import re
import sys
import types
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any

import msgspec

from lilllm.tracing import arrays, views
from lilllm.tracing.format import Cut, Instance, Mapping, Rich, Scalar, Sequence, Text, Value
from lilllm.tracing.objects import LONG_INT, attributes, integer, is_library, message
from lilllm.tracing.recognise import recogniser
from lilllm.tracing.rich import Shown, shown, whole_characters
from lilllm.tracing.writer import Full

_HEADS = (32, 12, 6, 4)  # elements shown at the start of a container, by depth; deeper ones are cut
_TAILS = (8, 4, 2, 1)
_NODES = 200  # containers shown within one value
_TEXT = 1000  # characters of a text by itself; of one in a container a fifth
_PLAIN = frozenset({int, str})
_SORTED_SET = 64  # sets up to this size are shown in order, so that a hash seed does not show
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_CODE_TYPES = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType, type, types.MethodWrapperType,
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType, staticmethod, classmethod,
    property,
)  # fmt: skip
_REPR_MODULES = frozenset({"datetime", "decimal", "fractions", "uuid", "re", "_decimal", "zoneinfo", "ipaddress"})

Encoder = Callable[[Any, int], int]


def _digest(obj: Any, depth: int) -> int:
    """A number made of what is shown of ``obj``: the same in every run."""
    return Values(_number, lambda png: str(_number(png))).encode(obj, depth)


def _number(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=6).digest(), "big")


class Values:
    """Encodes and interns; ``emit`` takes the bytes of a new value and returns its number, ``picture`` those of a PNG
    and returns its hash."""

    def __init__(self, emit: Callable[[bytes], int], picture: Callable[[bytes], str]) -> None:
        self._emit = emit
        self._picture = picture
        self._to_json = msgspec.json.Encoder().encode
        self._table: dict[Any, int] = {}
        self._atoms: dict[int | str, int] = {}
        self._tuples: dict[int, tuple[Any, int]] = {}
        self._open: set[int] = set()
        self._nodes = 0
        self._arrays: dict[int, tuple[Any, Any, int]] = {}
        self._encoders: dict[type, Encoder] = {
            int: self._int, str: self._str, float: self._float, bool: self._scalar, type(None): self._scalar,
            bytes: self._bytes, bytearray: self._bytes, complex: self._scalar, type(...): self._scalar,
            slice: self._slice, list: self._list, tuple: self._tuple, range: self._sequence,
            deque: self._sequence, set: self._set, frozenset: self._set, dict: self._mapping,
            types.MappingProxyType: self._mapping, type({}.keys()): self._iterable, type({}.values()): self._iterable,
            type({}.items()): self._iterable, types.GeneratorType: self._named, types.CoroutineType: self._named,
            types.AsyncGeneratorType: self._named,
        }  # fmt: skip
        self._encoders.update(dict.fromkeys(_CODE_TYPES, self._named))

    def encode(self, obj: Any, depth: int = 0) -> int:
        """The number of the value that shows ``obj``."""
        kind = type(obj)
        if depth == 0:
            if kind is int:
                number = self._atoms.get(obj)
                if number is not None:
                    return number
            self._nodes = 0
        encoder = self._encoders.get(kind) or self._other(kind)
        try:
            return encoder(obj, depth)
        except (Full, KeyboardInterrupt):
            raise
        except BaseException as error:  # what the program raises while it is read is not the program's error
            self._open.discard(id(obj))
            return self.cut(kind.__name__, f"could not be read: {type(error).__name__}")

    def exception(self, kind: type[BaseException], error: BaseException | None) -> int:
        """A Text of kind = the class; the message where it is built of plain values."""
        return self._text(kind.__name__, message(error))

    def cut(self, kind: str, text: str) -> int:
        return self._intern(Cut(kind=kind, text=text))

    def _intern(self, value: Value) -> int:
        data = self._to_json(value)
        number = self._table.get(data)
        if number is None:
            number = self._table[data] = self._emit(data)
        return number

    # --------------------------------------------------------------------------------------------------------- atoms

    def _int(self, obj: int, depth: int) -> int:
        number = self._atoms.get(obj)
        if number is None:
            text = integer(obj)
            number = self._intern(Scalar(kind="int", text=text))
            if obj.bit_length() <= LONG_INT:
                self._atoms[obj] = number
        return number

    def _float(self, obj: float, depth: int) -> int:
        return self._intern(Scalar(kind="float", text=float.__repr__(obj)))

    def _scalar(self, obj: Any, depth: int) -> int:
        return self._intern(Scalar(kind=type(obj).__name__, text=repr(obj)))

    def _slice(self, obj: slice, depth: int) -> int:
        plain = all(type(part) in (int, type(None)) for part in (obj.start, obj.stop, obj.step))
        return self._intern(Scalar(kind="slice", text=repr(obj) if plain else "slice(...)"))

    def _repr(self, obj: Any, depth: int) -> int:
        """Only for types known to have a plain one."""
        return self._intern(Scalar(kind=type(obj).__name__, text=_ADDRESS.sub("", repr(obj))[:_TEXT]))

    def _enum(self, obj: enum.Enum, depth: int) -> int:
        kind = type(obj).__name__
        name = obj.__dict__.get("_name_")
        return self._intern(Scalar(kind=kind, text=f"{kind}.{name}"))

    def _error(self, obj: BaseException, depth: int) -> int:
        return self.exception(type(obj), obj)

    def _numpy_scalar(self, obj: Any, depth: int) -> int:
        return self._intern(Scalar(kind=type(obj).__name__, text=str(obj.item())[:_TEXT]))

    def _str(self, obj: str, depth: int) -> int:
        if type(obj) is str:  # tokens and characters come again and again
            number = self._atoms.get(obj)
            if number is None:
                number = self._text("str", obj, _TEXT // 5 if depth else _TEXT)
                if len(obj) <= _TEXT // 5:
                    self._atoms[obj] = number
            return number
        return self._text(type(obj).__name__, str.__str__(obj), _TEXT // 5 if depth else _TEXT)

    def _text(self, kind: str, text: str, most: int = _TEXT) -> int:
        return self._intern(Text(kind=kind, text=whole_characters(text[:most]), size=len(text)))

    def _bytes(self, obj: bytes | bytearray, depth: int) -> int:
        most = _TEXT // 5 if depth else _TEXT // 2
        shown = bytes(memoryview(obj)[:most])
        text = repr(shown)[2:-1]
        size = len(obj) if type(obj) is bytes else len(memoryview(obj))
        return self._intern(Text(kind=type(obj).__name__, text=text, size=size))

    # ---------------------------------------------------------------------------------------------------- containers

    def _list(self, obj: list[Any], depth: int) -> int:
        size = len(obj)
        head, tail = self._ends(depth, size)
        return self._elements(obj, depth, size, obj[:head] + obj[size - tail :] if tail else obj[:head], head)

    def _tuple(self, obj: tuple[Any, ...], depth: int) -> int:
        """A tuple of numbers and texts cannot change, so the object itself is remembered."""
        known = self._tuples.get(id(obj))
        if known is not None:
            return known[1]
        size = len(obj)
        head, tail = self._ends(depth, size)
        number = self._elements(
            obj, depth, size, [*obj[:head], *obj[size - tail :]] if tail else list(obj[:head]), head
        )
        if size <= 8 and depth < len(_HEADS) - 1 and all(type(item) in _PLAIN for item in obj):
            if len(self._tuples) >= 10_000:
                self._tuples.clear()
            self._tuples[id(obj)] = (obj, number)
        return number

    def _sequence(self, obj: Any, depth: int) -> int:
        base: Any = next(base for base in (list, tuple, deque, range) if isinstance(obj, base))
        size = base.__len__(obj)
        head, tail = self._ends(depth, size)
        items: list[Any] = list(islice(base.__iter__(obj), head))
        if tail:
            items += [base.__getitem__(obj, at) for at in range(size - tail, size)]
        return self._elements(obj, depth, size, items, head)

    def _set(self, obj: Any, depth: int) -> int:
        base: Any = set if isinstance(obj, set) else frozenset
        size = base.__len__(obj)
        items: Iterable[Any] = base.__iter__(obj)
        if size <= _SORTED_SET:
            items = list(items)
            kinds = {type(item) for item in items}
            if len(kinds) == 1 and kinds <= {int, str, bytes, float}:
                items = sorted(items)
            else:  # the hash may be an address, which differs from run to run: by what is shown of each
                items = sorted(items, key=lambda item: _digest(item, depth + 1))
        head, _ = self._ends(depth, size)
        return self._elements(obj, depth, size, list(islice(items, head)), head)

    def _iterable(self, obj: Any, depth: int) -> int:
        head, _ = self._ends(depth, len(obj))
        return self._elements(obj, depth, len(obj), list(islice(obj, head)), head)

    def _ends(self, depth: int, size: int) -> tuple[int, int]:
        """How many elements to show at each end; all of them where that is as short."""
        if depth >= len(_HEADS):
            return 0, 0
        head, tail = _HEADS[depth], _TAILS[depth]
        return (size, 0) if size <= head + tail else (head, tail)

    def _elements(self, obj: Any, depth: int, size: int, items: list[Any], head: int) -> int:
        kind = type(obj).__name__
        if stop := self._enter(obj, depth, size):
            return self.cut(kind, stop)
        encode, atoms, below = self.encode, self._atoms, depth + 1
        numbers = [atoms[item] if type(item) in _PLAIN and item in atoms else encode(item, below) for item in items]
        self._open.discard(id(obj))
        key = (kind, size, head, *numbers)
        number = self._table.get(key)
        if number is None:
            value = Sequence(kind=kind, size=size, head=numbers[:head], tail=numbers[head:])
            number = self._table[key] = self._emit(self._to_json(value))
        return number

    def _mapping(self, obj: Any, depth: int) -> int:
        kind = type(obj).__name__
        base: Any = dict if isinstance(obj, dict) else types.MappingProxyType
        size = base.__len__(obj)
        if stop := self._enter(obj, depth, size):
            return self.cut(kind, stop)
        head, tail = self._ends(depth, size)
        items = list(islice(base.items(obj), head))
        if tail:
            items += list(islice(reversed(base.items(obj)), tail))[::-1]
        pairs = [(self.encode(key, depth + 1), self.encode(value, depth + 1)) for key, value in items]
        self._open.discard(id(obj))
        key = ("map", kind, size, head, *pairs)
        number = self._table.get(key)
        if number is None:
            shown = Mapping(kind=kind, size=size, head=pairs[:head], tail=pairs[head:])
            number = self._table[key] = self._emit(self._to_json(shown))
        return number

    def _enter(self, obj: Any, depth: int, size: int) -> str:
        """Why ``obj`` is not gone into, or an empty string."""
        if id(obj) in self._open:
            return "a cycle"
        self._nodes += 1
        if size and (depth >= len(_HEADS) or self._nodes > _NODES):
            return f"{size:,} inside"
        self._open.add(id(obj))
        return ""

    # ------------------------------------------------------------------------------------------------------- objects

    def _named(self, obj: Any, depth: int) -> int:
        """A function, class or module: its name is what there is to see. Names are of the program, so only if text."""
        name = getattr(obj, "__name__", "") if not isinstance(obj, types.ModuleType) else obj.__dict__.get("__name__")
        qualified = (
            obj.__dict__.get("__qualname__", name) if isinstance(obj, type) else getattr(obj, "__qualname__", name)
        )
        text = qualified if isinstance(qualified, str) else ""
        return self._intern(Instance(kind=type(obj).__name__, text=whole_characters(text[:200])))

    def _opaque(self, obj: Any, depth: int) -> int:
        """A file or a lock: its inside is the machine's, its class says enough."""
        return self._intern(Instance(kind=type(obj).__name__))

    def _instance(self, obj: Any, depth: int) -> int:
        fields = attributes(obj)
        return self._fields(obj, depth, fields)

    def _named_tuple(self, obj: Any, depth: int) -> int:
        names = type(obj)._fields
        return self._fields(obj, depth, list(zip(names, tuple.__iter__(obj), strict=False)))

    def _fields(self, obj: Any, depth: int, fields: list[tuple[str, Any]]) -> int:
        kind = type(obj).__name__
        if stop := self._enter(obj, depth, len(fields)):
            return self.cut(kind, stop)
        most = _HEADS[min(depth, len(_HEADS) - 1)]
        head = [(whole_characters(name[:200]), self.encode(value, depth + 1)) for name, value in fields[:most]]
        self._open.discard(id(obj))
        key = ("object", kind, len(fields), *head)
        number = self._table.get(key)
        if number is None:
            value = Instance(kind=kind, size=len(fields), head=head)
            number = self._table[key] = self._emit(self._to_json(value))
        return number

    def _own(self, obj: Any) -> tuple[str, Shown] | int:
        """What the object's own ``_trace_repr_()`` gives: ``(view, data)``."""
        view, data = obj._trace_repr_()
        if view == "tensor":
            return self._intern(msgspec.structs.replace(arrays.summarise(data), kind=type(obj).__name__))
        return str(view)[:40], shown(str(view), data)

    def _rich(self, make: Callable[[Any], tuple[str, Shown] | int], plain: Encoder) -> Encoder:
        """An encoder that shows the view that ``make`` finds; where there is none, the object as it is."""

        def encoder(obj: Any, depth: int) -> int:
            try:
                made = make(obj)
                return made if isinstance(made, int) else self._view(obj, depth, *made)
            except (Full, KeyboardInterrupt):
                raise
            except BaseException:  # of the program, or of a library that is not as we know it
                return plain(obj, depth)

        return encoder

    def _view(self, obj: Any, depth: int, view: str, made: Shown) -> int:
        kind = type(obj).__name__
        if made.picture:
            made.data.hash = self._picture(made.picture)
        raw = made.data if isinstance(made.data, msgspec.Raw) else msgspec.Raw(self._to_json(made.data))
        if (size := len(memoryview(raw))) > views.MAX_BYTES:
            raise ValueError(f"{size:,} bytes are more than {views.MAX_BYTES:,}")
        numbers = []
        if made.values:
            if stop := self._enter(obj, depth, len(made.values)):
                return self.cut(kind, stop)
            try:
                numbers = [self.encode(value, depth + 1) for value in made.values]
            finally:
                self._open.discard(id(obj))
        return self._intern(Rich(kind=kind, view=view, text=made.text, data=raw, values=numbers))

    def _array(self, obj: Any, depth: int) -> int:
        return self._watched(obj, arrays.watch_array(obj) if obj.dtype.kind in "biufc" else None)

    def _tensor(self, obj: Any, depth: int) -> int:
        try:
            mark = arrays.watch_tensor(obj, inside=depth > 0)
        except Exception:  # fake, nested, under vmap: summarise knows what can be said
            mark = None
        return self._watched(obj, mark)

    def _watched(self, obj: Any, mark: Any) -> int:
        """A summary, made again only where the mark has changed; the weak reference tells the object from another that
        was given the same address."""
        known = self._arrays.get(id(obj))
        if known is not None and mark is not None and known[1] == mark and known[0]() is obj:
            return known[2]
        number = self._intern(arrays.summarise(obj))
        if len(self._arrays) > 4096:
            self._arrays.clear()
        self._arrays[id(obj)] = (weakref.ref(obj), mark, number)
        return number

    def _other(self, kind: type) -> Encoder:
        """The encoder of a type that was not met before, remembered."""
        encoder = self._choose(kind)
        if len(self._encoders) < 10_000:
            self._encoders[kind] = encoder
        return encoder

    def _choose(self, kind: type) -> Encoder:
        plain = self._plain(kind)
        if any("_trace_repr_" in base.__dict__ for base in kind.__mro__):
            return self._rich(self._own, plain)
        known = recogniser(kind)
        return self._rich(known, plain) if known else plain

    def _plain(self, kind: type) -> Encoder:
        numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
        if numpy is not None and hasattr(numpy, "ndarray") and issubclass(kind, numpy.ndarray):
            return self._array
        if numpy is not None and hasattr(numpy, "generic") and issubclass(kind, numpy.generic):
            return self._numpy_scalar
        if torch is not None and hasattr(torch, "Tensor") and issubclass(kind, torch.Tensor):
            return self._tensor
        if torch is not None and kind.__module__ == "torch" and kind.__name__ in ("dtype", "device", "layout"):
            return self._repr
        if issubclass(kind, enum.Enum):
            return self._enum
        if issubclass(kind, BaseException):
            return self._error
        if issubclass(kind, tuple) and isinstance(kind.__dict__.get("_fields"), tuple):
            return self._named_tuple
        bases: list[tuple[Any, Encoder]] = [
            (type, self._named), (types.ModuleType, self._named), (str, self._str), (bytes, self._bytes),
            (bytearray, self._bytes), ((list, tuple, deque), self._sequence), ((set, frozenset), self._set),
            (dict, self._mapping),
        ]  # fmt: skip
        for base, encoder in bases:
            if issubclass(kind, base):
                return encoder
        if kind.__module__ in _REPR_MODULES or (kind.__module__ == "numpy" and kind.__name__.endswith("DType")):
            return self._repr
        return self._opaque if is_library(kind) else self._instance
