"""Ctrl-C and SIGTERM while a run goes on: noted, so that the step ends and a checkpoint is written.

The first is a request. The second Ctrl-C stops at once, as Ctrl-C does elsewhere; what was saved before it stays.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any


class Signals:
    """While it is entered, ``by`` is the number of the signal that asks to stop, 0 before. Elsewhere than in the main
    thread, where Python delivers no signals, it does nothing."""

    def __init__(self, say: Callable[[str], None] = lambda _: None) -> None:
        self.by = 0
        self._say = say
        self._before: dict[int, Any] = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.by:
            raise KeyboardInterrupt
        self.by = number
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
