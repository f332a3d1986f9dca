"""Run a function that may do anything: not return, print without end, raise, change what it was given.

    run(function, arguments, seconds)  ->  Outcome: a value, an exception, or out of time

The time limit works in every thread and on every platform, Windows too: a second thread asks the interpreter to raise
`OutOfTime` in the one that runs the function, and asks again until it has stopped (code that catches everything would
swallow the first). It takes effect between two steps of Python, so a call into C that never returns is not stopped:
that needs a process of its own, which a notebook's function cannot be sent to.

What the function prints is kept, up to a limit, and shown only if it fails.
"""

from __future__ import annotations

import contextlib
import copy
import ctypes
import io
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lilllm.course.exercise import same

PRINTED = 2_000  # characters kept
AGAIN = 0.05  # seconds between two requests to stop


class OutOfTime(BaseException):
    """Raised in the function that took too long. Not an `Exception`, so that ``except Exception`` lets it pass."""


@dataclass
class Outcome:
    """What became of one call.

    ``error`` is None where it returned ``value``. ``changed``: an argument is not what it was before the call.
    """

    value: Any = None
    error: BaseException | None = None
    out_of_time: bool = False
    changed: bool = False
    printed: str = ""

    @property
    def returned(self) -> bool:
        return self.error is None and not self.out_of_time


class _Bounded(io.TextIOBase):
    """A stream that keeps the first characters and forgets the rest."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.room = PRINTED

    def write(self, text: str) -> int:
        if self.room > 0:
            self.parts.append(text[: self.room])
            self.room -= len(text)
        return len(text)

    def writable(self) -> bool:
        return True

    def text(self) -> str:
        return "".join(self.parts) + ("\n(and more)" if self.room < 0 else "")


class _Limit:
    """Between `start` and `stop`, raise `OutOfTime` in this thread when the time is up."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.target = threading.get_ident()
        self.done = threading.Event()
        self.lock = threading.Lock()
        self.asked = False
        self.watch = threading.Thread(target=self._watch, daemon=True)

    def _ask(self) -> None:
        self.asked = True
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.target), ctypes.py_object(OutOfTime))

    def _watch(self) -> None:
        wait = self.seconds
        while not self.done.wait(wait):
            with self.lock:
                if not self.done.is_set():
                    self._ask()
            wait = AGAIN

    def start(self) -> None:
        self.watch.start()

    def stop(self) -> None:
        """No request is made after this; one that was made but not yet met is met here.

        It is not taken back with a null request: that leaves CPython's flag for pending requests up for good, and in
        3.11 the next trace function (a debugger, the recorder) then hangs the interpreter.
        """
        with self.lock:
            self.done.set()
        if self.asked:
            with contextlib.suppress(OutOfTime):
                for _ in range(100):  # a request is met where a loop jumps back
                    pass


def run(function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float) -> Outcome:
    """Call ``function`` on copies of ``arguments``. Ctrl-C goes through; everything else becomes an `Outcome`."""
    given = copy.deepcopy(arguments)
    printed = _Bounded()
    outcome = Outcome()
    limit = _Limit(seconds)
    # `OutOfTime` may come at any step, also while a block is being left. It comes again only after a pause, so one more
    # block around the first is enough.
    try:
        try:
            with contextlib.redirect_stdout(printed):
                limit.start()
                outcome.value = function(*given)
        except KeyboardInterrupt:
            raise
        except OutOfTime:
            outcome.out_of_time = True
        except BaseException as error:  # SystemExit too: a reader's exit() must not end the kernel
            outcome.error = error
        finally:
            limit.stop()
    except OutOfTime:
        limit.stop()
        outcome.out_of_time = True
    outcome.printed = printed.text()
    with contextlib.suppress(Exception):  # a strange __eq__: then nothing is known of a change
        outcome.changed = not same(given, arguments, nan=True)
    return outcome
