"""Ctrl-C and SIGTERM while a run goes on: noted, so that the step ends and a checkpoint is written.

The first is a request. The second Ctrl-C stops at once, as Ctrl-C does elsewhere; what was saved before it stays. Where
torchrun passes on what the terminal has sent already, two that follow at once are one.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any


class Signals:
    """While it is entered, ``by`` is the number of the signal that asks to stop, 0 before. Elsewhere than in the main
    thread, where Python delivers no signals, it does nothing. ``apart``: a second one within so many seconds is the
    first again."""

    def __init__(self, say: Callable[[str], None] = lambda _: None, *, apart: float = 0.0) -> None:
        self.by = 0
        self._say, self._apart, self._first = say, apart, 0.0
        self._before: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.by:
            if time.monotonic() - self._first < self._apart:
                return
            raise KeyboardInterrupt
        self.by, self._first = number, time.monotonic()
        self._say("stopping after this step; once more to stop at once, without saving")

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)
        self._before.clear()
