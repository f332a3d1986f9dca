"""Tracing switched off inside a loop that is folded, or a statement that is stepped over, and on again after it.

What is woven into the program (source.py) calls ``resume`` when the loop or statement is left, however it is left, and
``caught`` in a handler of a RecursionError. Both are found among the builtins while a cell runs, and so is the number
of the loop or statement in which tracing rests, 0 if it does not.
"""

from __future__ import annotations

import builtins
import sys
from types import FrameType
from typing import TYPE_CHECKING

from lilllm.tracing.frame import Frame
from lilllm.tracing.source import CAUGHT, FOLD, RESUME
from lilllm.tracing.writer import Full

if TYPE_CHECKING:
    from lilllm.tracing.recorder import Recorder


class Rest:
    """Of one recorder; ``on`` if its tracing rests now."""

    def __init__(self, rec: Recorder) -> None:
        self._rec = rec
        self._where: tuple[FrameType, Frame, int] | None = None

    @property
    def on(self) -> bool:
        return self._where is not None

    def install(self) -> None:
        setattr(builtins, FOLD, 0)
        setattr(builtins, RESUME, self.resume)
        setattr(builtins, CAUGHT, self.caught)

    def remove(self) -> None:
        """Woven code may still run, in a thread or when it is called later: it then does nothing."""
        self._where = None
        setattr(builtins, FOLD, 0)
        setattr(builtins, RESUME, _nothing)
        setattr(builtins, CAUGHT, _nothing)

    def begin(self, top: Frame, frame: FrameType, number: int) -> None:
        """Tracing is off until what is woven with this number, a loop or a statement, is left."""
        setattr(builtins, FOLD, number)
        self._where = (frame, top, id(sys.exc_info()[1]))
        sys.settrace(None)

    def resume(self) -> None:
        """Called by a folded loop, or a statement stepped over, when it is left, in whatever way."""
        if self._where is None or sys._getframe(1) is not self._where[0]:
            return  # the same loop in another call of the function
        frame, top, before = self._where
        self._where = None
        number = getattr(builtins, FOLD)
        setattr(builtins, FOLD, 0)
        if self._rec.stopped:
            return
        error = sys.exc_info()[1]
        if error is not None and id(error) != before:
            self._left_by(error, top, frame, number)
        if not self._rec.stopped:
            sys.settrace(self._rec.trace_function)

    def _left_by(self, error: BaseException, top: Frame, frame: FrameType, number: int) -> None:
        """A loop or statement that was not traced is left by an exception: of a statement, that is a step."""
        rec = self._rec
        try:
            value = rec.values.exception(type(error), error)
            if number == top.source.plan.stepped_over.get(top.statement):
                top.error = id(error)
                rec.step(top, frame, "x", top.line, value)
            else:
                top.passing = value
        except Full as full:
            rec.stop(str(full))
        except Exception as problem:
            rec.fail(problem)

    def caught(self) -> None:
        """Called by a handler that may have caught a RecursionError, for which CPython drops the trace function."""
        rec = self._rec
        dropped = self._where is None and not rec.stopped and sys.gettrace() is None
        if dropped and isinstance(sys.exc_info()[1], RecursionError):
            rec.note(f"the recursion limit was reached: what ran from {rec.where()} to its handler is not recorded")
            sys.settrace(rec.trace_function)


def _nothing() -> None:
    """What woven code calls when nothing is recorded any more."""
