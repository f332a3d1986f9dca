"""Encoders of what holds other values: lists, tuples, sets, dicts. The first and the last elements are shown.

Read in order: elements (all but dicts), ends (how many), one_list and its kind, mapping. See values.py.
"""

from __future__ import annotations

import types
from collections import deque
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from lilllm.tracing.format import Mapping, Sequence

if TYPE_CHECKING:
    from lilllm.tracing.values import Encoder, Values

HEADS = (32, 12, 6, 4)  # elements shown at the start of a container, by depth; deeper ones are cut
_TAILS = (8, 4, 2, 1)
_PLAIN = frozenset({int, str})
_SORTED_SET = 64  # sets up to this size are shown in order, so that a hash seed does not show


def elements(values: Values, obj: Any, depth: int, size: int, items: list[Any], head: int) -> int:
    """A container by those of its elements that are shown, of which ``head`` are the first."""
    kind = type(obj).__name__
    if stop := values.enter(obj, depth, size):
        return values.cut(kind, stop)
    encode, atoms, below = values.encode, values.atoms, depth + 1
    numbers = [atoms[item] if type(item) in _PLAIN and item in atoms else encode(item, below) for item in items]
    values.leave(obj)
    key = (kind, size, head, *numbers)
    number = values.known.get(key)
    if number is None:
        number = values.add(key, Sequence(kind=kind, size=size, head=numbers[:head], tail=numbers[head:]))
    return number


def ends(depth: int, size: int) -> tuple[int, int]:
    """How many elements to show at each end; all of them where that is as short."""
    if depth >= len(HEADS):
        return 0, 0
    head, tail = HEADS[depth], _TAILS[depth]
    return (size, 0) if size <= head + tail else (head, tail)


def some_list(values: Values, obj: list[Any], depth: int) -> int:
    size = len(obj)
    head, tail = ends(depth, size)
    return elements(values, obj, depth, size, obj[:head] + obj[size - tail :] if tail else obj[:head], head)


def some_tuple(values: Values, obj: tuple[Any, ...], depth: int) -> int:
    """A tuple of numbers and texts cannot change, so the object itself is remembered."""
    known = values.tuples.get(id(obj))
    if known is not None:
        return known[1]
    size = len(obj)
    head, tail = ends(depth, size)
    items = [*obj[:head], *obj[size - tail :]] if tail else list(obj[:head])
    number = elements(values, obj, depth, size, items, head)
    if size <= 8 and depth < len(HEADS) - 1 and all(type(item) in _PLAIN for item in obj):
        if len(values.tuples) >= 10_000:
            values.tuples.clear()
        values.tuples[id(obj)] = (obj, number)
    return number


def sequence(values: Values, obj: Any, depth: int) -> int:
    base: Any = next(base for base in (list, tuple, deque, range) if isinstance(obj, base))
    size = base.__len__(obj)
    head, tail = ends(depth, size)
    items: list[Any] = list(islice(base.__iter__(obj), head))
    if tail:
        items += [base.__getitem__(obj, at) for at in range(size - tail, size)]
    return elements(values, obj, depth, size, items, head)


def some_set(values: Values, obj: Any, depth: int) -> int:
    base: Any = set if isinstance(obj, set) else frozenset
    size = base.__len__(obj)
    items: Iterable[Any] = base.__iter__(obj)
    if size <= _SORTED_SET:
        items = list(items)
        kinds = {type(item) for item in items}
        if len(kinds) == 1 and kinds <= {int, str, bytes, float}:
            items = sorted(items)
        else:  # the hash may be an address, which differs from run to run: by what is shown of each
            items = sorted(items, key=lambda item: values.digest(item, depth + 1))
    head, _ = ends(depth, size)
    return elements(values, obj, depth, size, list(islice(items, head)), head)


def view(values: Values, obj: Any, depth: int) -> int:
    """Keys, values or items of a dict."""
    head, _ = ends(depth, len(obj))
    return elements(values, obj, depth, len(obj), list(islice(obj, head)), head)


def mapping(values: Values, obj: Any, depth: int) -> int:
    kind = type(obj).__name__
    base: Any = dict if isinstance(obj, dict) else types.MappingProxyType
    size = base.__len__(obj)
    if stop := values.enter(obj, depth, size):
        return values.cut(kind, stop)
    head, tail = ends(depth, size)
    items = list(islice(base.items(obj), head))
    if tail:
        items += list(islice(reversed(base.items(obj)), tail))[::-1]
    pairs = [(values.encode(key, depth + 1), values.encode(value, depth + 1)) for key, value in items]
    values.leave(obj)
    key = ("map", kind, size, head, *pairs)
    number = values.known.get(key)
    if number is None:
        number = values.add(key, Mapping(kind=kind, size=size, head=pairs[:head], tail=pairs[head:]))
    return number


ENCODERS: dict[type, Encoder] = {
    list: some_list, tuple: some_tuple, range: sequence, deque: sequence, set: some_set, frozenset: some_set,
    dict: mapping, types.MappingProxyType: mapping, type({}.keys()): view, type({}.values()): view,
    type({}.items()): view,
}  # fmt: skip
