"""Who is told of each new array: how the memory of a graph is counted, and what a function made is known.

with LiveBytes() as memory:
    loss = network(x)
    loss.backward()
memory.peak
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any

import numpy as np

Watch = Callable[[Any], None]
WATCHERS: ContextVar[tuple[Watch, ...]] = ContextVar("WATCHERS", default=())


@contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """``watch`` is called with every array made in the block."""
    token = WATCHERS.set((*WATCHERS.get(), watch))
    try:
        yield
    finally:
        WATCHERS.reset(token)


class LiveBytes:
    """Bytes of the numbers that arrays made in the block hold: ``now``, and ``peak``, the most there were at once.

    Counted: the data of each array, and what its pullbacks keep besides (layer norm keeps its normalised rows). A
    buffer that several share, as a reshaped array does with its source, counts once. Not counted: gradients, what is
    needed for a moment inside of an operation, and arrays made before the block, such as weights.

    >>> from lilllm.autograd import Array
    >>> x = Array([1.0, 2.0, 3.0, 4.0])
    >>> with LiveBytes() as memory:
    ...     y = x.tanh().tanh()
    >>> memory.now, memory.peak
    (64, 64)
    """

    def __init__(self) -> None:
        self.now = 0
        self.peak = 0
        self._users: dict[int, int] = {}  # of each buffer, by its address
        self._watched: dict[int, weakref.ref[Any]] = {}
        self._token: Token[tuple[Watch, ...]] | None = None

    def __enter__(self) -> LiveBytes:
        self._token = WATCHERS.set((*WATCHERS.get(), self._add))
        return self

    def __exit__(self, *_: object) -> None:
        if self._token is not None:
            WATCHERS.reset(self._token)

    def _add(self, array: Any) -> None:
        parents = {id(buffer_of(parent.data)) for parent in array.parents if id(parent) not in self._watched}
        buffers = {id(b): b.nbytes for b in map(buffer_of, held_by(array)) if id(b) not in parents}
        for key, size in buffers.items():
            self._users[key] = self._users.get(key, 0) + 1
            if self._users[key] == 1:
                self.now += size
        self.peak = max(self.peak, self.now)
        number = id(array)
        self._watched[number] = weakref.ref(array, lambda _: self._free(number, buffers))

    def _free(self, number: int, buffers: dict[int, int]) -> None:
        del self._watched[number]
        for key, size in buffers.items():
            self._users[key] -= 1
            if not self._users[key]:
                del self._users[key]
                self.now -= size


def held_by(array: Any) -> list[np.ndarray]:
    """The NumPy arrays that an `Array` keeps alive by itself: its data, and what its pullbacks close over."""
    cells = [cell for pull in array.pullbacks for cell in getattr(pull, "__closure__", None) or ()]
    kept = [cell.cell_contents for cell in cells if _filled(cell)]
    return [array.data, *(value for value in kept if isinstance(value, np.ndarray))]


def buffer_of(x: np.ndarray) -> np.ndarray:
    """The array that owns the memory ``x`` shows."""
    while isinstance(x.base, np.ndarray):
        x = x.base
    return x


def _filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - asks whether there are any
    except ValueError:
        return False
    return True
