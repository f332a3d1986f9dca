"""Make things ahead of who takes them, in a thread that ends by itself.

The thread makes until ``depth`` things wait. Then it waits for room, but not for long: after a fifth of a second in
which nobody took anything it is over, and the next `take` starts another. So if whoever takes goes away, by an
exception, by a break, or because it was forgotten, there is nothing to close.

To start a thread for every thing would be simpler still. But who starts a thread hands it the interpreter, and gets it
back when the thread lets go of it, which may be when the thing is made: then nothing was made in the meantime.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

PATIENCE = 0.2  # seconds; a program that ends waits as long at most


class Ahead(Generic[T]):
    """`take` gives make(start), make(start + 1) and so on, of which at most ``depth`` are made before they are asked.

    What ``make`` raises, `take` raises in its place, with the traceback of the thread; the next `take` tries the same
    number again. Depth 0 makes when asked, without a thread. ``number`` is the one that comes next.
    """

    def __init__(self, make: Callable[[int], T], start: int, depth: int) -> None:
        self._make = make
        self._depth = depth
        self._changed = threading.Condition()  # guards all below
        self._made: deque[tuple[T, None] | tuple[None, BaseException]] = deque()
        self._thread: threading.Thread | None = None
        self._making = start
        self.number = start

    def take(self) -> T:
        if self._depth == 0:
            thing: T | None = self._make(self.number)
            self.number += 1
            return thing  # type: ignore[return-value]
        with self._changed:
            while not self._made:
                self._start()
                self._changed.wait()
            thing, error = self._made.popleft()
            self._changed.notify_all()  # there is room
            if error is None:
                self.number += 1
                self._start()
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame, which would hold it
        return thing  # type: ignore[return-value]

    def _start(self) -> None:
        # A process that was forked off has the attribute, and not the thread.
        if not (self._thread and self._thread.is_alive()):
            thread = threading.Thread(target=self._work, name="lilllm-prefetch")
            thread.start()
            self._thread = thread

    def _work(self) -> None:
        while self._make_one() and self._room():
            pass

    def _make_one(self) -> bool:
        try:
            thing = self._make(self._making)
        except BaseException as error:  # whatever it is, who waits must hear of it
            self._hand_over(None, error)
            return False
        self._hand_over(thing, None)
        return True

    def _hand_over(self, thing: T | None, error: BaseException | None) -> None:
        with self._changed:
            self._made.append((thing, error))  # type: ignore[arg-type]
            self._changed.notify_all()
            if error is None:
                self._making += 1
            else:
                self._thread = None

    def _room(self) -> bool:
        with self._changed:
            if self._changed.wait_for(lambda: len(self._made) < self._depth, PATIENCE):
                return True
            self._thread = None
            return False
