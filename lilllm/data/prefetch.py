"""Make things ahead of who takes them, in a thread that ends by itself.

The thread makes until ``depth`` things wait, and then it is over; the next `take` starts another. So no thread ever
waits for somebody: if whoever takes goes away, by an exception, by a break, or because it was forgotten, there is
nothing to close. A thread costs some 50 microseconds to start, and does so only where using is slower than making.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


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
            self._start()
            while not self._made:
                self._changed.wait()
            thing, error = self._made.popleft()
            if error is None:
                self.number += 1
                self._start()  # there is room for one more
        if error is not None:
            try:
                raise error
            finally:
                del error  # its traceback holds this frame, which would hold it
        return thing  # type: ignore[return-value]

    def _start(self) -> None:
        # A process that was forked off has the attribute, and not the thread.
        if len(self._made) < self._depth and not (self._thread and self._thread.is_alive()):
            thread = threading.Thread(target=self._work, name="lilllm-prefetch")
            thread.start()
            self._thread = thread

    def _work(self) -> None:
        while True:
            try:
                thing: T = self._make(self._making)
            except BaseException as error:  # whatever it is, who waits must hear of it
                self._done(None, error)
                return
            if self._done(thing, None):
                return

    def _done(self, thing: T | None, error: BaseException | None) -> bool:
        """Hand it over; whether that was the last for now."""
        with self._changed:
            self._made.append((thing, error))  # type: ignore[arg-type]
            self._making += error is None
            self._changed.notify()
            over = error is not None or len(self._made) >= self._depth
            if over:
                self._thread = None
            return over
