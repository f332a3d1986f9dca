"""The recorder: what the program does, statement by statement, through ``sys.settrace``.

Read in order:  Recorder.on_call (what is traced at all), frame.py (line, return, exception), Recorder.step (one step),
                changes.py (what differs), rest.py (where tracing is off for a while)

The recorder keeps its own stack of frames, for CPython's holds many that are not traced. A step is written when a
statement is about to run, with the names of its frame whose shown value differs from what was shown last: what the
statement before it changed. Untraced code costs one look-up of its file's name a call. Functions are entered
``function_calls`` times a cell.

An exception that leaves a trace function would reach the program and end tracing, so none does; only Ctrl-C and its
kind pass, for they are meant for the program. Other threads are not traced.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from lilllm.tracing.changes import Hidden, changed
from lilllm.tracing.dynamo import keep_dynamo_out
from lilllm.tracing.format import Budgets, Code, File
from lilllm.tracing.frame import Frame, Source
from lilllm.tracing.rest import Rest
from lilllm.tracing.showing import Outputs
from lilllm.tracing.source import Plan
from lilllm.tracing.values import Values
from lilllm.tracing.writer import Full, Writer


class Recorder:
    """Records one program. ``begin`` and ``end`` bracket each cell (a script is one); ``finish`` after the last."""

    def __init__(
        self,
        writer: Writer,
        *,
        hidden: frozenset[str] = frozenset(),
        history: bool = False,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        self.writer = writer
        self.checkpoint = checkpoint
        self.values = Values(writer.add_value, lambda png: writer.add_picture(png, "image/png"))
        budgets: Budgets = writer.head.budgets
        self.line_hits = budgets.line_hits
        self.function_calls = budgets.function_calls
        self.sources: dict[str, Source] = {}
        self.module = Frame(self, Source(0, Plan()), None)
        self.stack: list[Frame] = [self.module]
        self.stopped = ""
        self.step_into: dict[str, None] = {}
        self._hidden = Hidden(hidden, history)
        self._line = 0
        self._ran = False  # in this cell the module's frame was met
        self._globals: dict[str, Any] = {}
        self.trace_function = self.on_call  # one object, to know it by
        self.rest = Rest(self)
        self._thread_hook: Any = None
        self.outputs = Outputs(self)
        writer.add_code(Code(name="<module>", file=0, line=1))

    # ------------------------------------------------------------------------------------------------------ a program

    def begin(self) -> None:
        """Switch recording on for a cell: the counts of lines and calls begin anew."""
        self.module.begin_again()
        for source in self.sources.values():
            for info in source.codes.values():
                if info is not None:
                    info.calls = 0
        del self.stack[1:]
        self._ran = False
        if self.stopped:
            return
        keep_dynamo_out(Recorder, Frame, Rest, Outputs, Values, Writer)
        self.rest.install()
        self._thread_hook = threading.gettrace()
        threading.settrace(self.on_thread)
        sys.settrace(self.trace_function)

    def end(self, error: BaseException | None = None) -> None:
        """Switch recording off after a cell; ``error`` is what ended it, if anything did."""
        lost = self.lost_at()
        sys.settrace(None)
        if not self.stopped:
            threading.settrace(self._thread_hook)
        self.rest.remove()
        if self.stopped:
            return
        try:
            if self.module.folded is not None:
                self.module.unfold()
            if lost:
                self.note(
                    f"the trace function was replaced or dropped after {lost}: the rest of the cell is not recorded"
                )
            del self.stack[1:]
            if not self._ran and error is None:
                return
            line = self.module.line
            if error is not None and id(error) != self.module.error:
                self.step(self.module, None, "x", line, self.values.exception(type(error), error))
            self.step(self.module, None, "e", line, 0)
        except Full as full:
            self.stop(str(full))
        except Exception as problem:
            self.fail(problem)

    def lost_at(self) -> str:
        """Where the program switched tracing off, or an empty string; asked before ``end``."""
        lost = sys.gettrace() != self.trace_function and not self.rest.on and not self.stopped and self._ran
        return self.where() if lost else ""

    def where(self) -> str:
        """The last step, for a sentence."""
        if self._line == 0:
            return "its beginning"
        top = self.stack[-1]
        file = self.writer.head.files[top.source.file].name
        return f"line {self._line} of {file}"

    def stop(self, why: str) -> None:
        """End recording for good; the program runs on."""
        self.stopped = f"{why}: recording ended at {self.where()}"
        sys.settrace(None)
        threading.settrace(self._thread_hook)

    def fail(self, error: BaseException) -> None:
        """An error of the recorder's own: never the program's."""
        if isinstance(error, RecursionError):
            return  # the program is at its limit, and is about to be told so
        self.stop(f"the recorder failed with {type(error).__name__}: {str(error)[:200]}")

    def note(self, text: str) -> None:
        if text not in self.writer.notes and len(self.writer.notes) < 20:
            self.writer.notes.append(text)

    # ------------------------------------------------------------------------------------------------ trace functions

    def on_call(self, frame: FrameType, event: str, arg: Any) -> Any:
        """The global trace function: the local one for a frame that is traced, None for all others."""
        source = self.sources.get(frame.f_code.co_filename)
        if source is None:
            return None
        try:
            return self._enter(source, frame)
        except Full as full:
            self.stop(str(full))
        except Exception as error:
            self.fail(error)
        return None

    def _enter(self, source: Source, frame: FrameType) -> Any:
        code = frame.f_code
        if code.co_name == "<module>":
            return self._enter_module(source, frame)
        stack = self.stack
        if stack[-1].closed:
            return None
        try:
            info = source.codes[id(code)]
        except KeyError:
            info = source.learn(code, self.writer)
        if info is None:
            return None
        if info.suspends and frame.f_trace is not None:
            known = getattr(frame.f_trace, "__self__", None)
            if isinstance(known, Frame):
                if known.folded is not None:
                    stack.append(known)  # still folded: it goes on without a step
                else:
                    self.back(known, frame)
                return frame.f_trace
        info.calls += 1
        if info.calls > self.function_calls:
            return None
        entered = Frame(self, source, info)
        stack.append(entered)
        entered.call_step = entered.step = self.step(entered, frame, "c", info.line, info.number)
        return entered.on_event

    def _enter_module(self, source: Source, frame: FrameType) -> Any:
        """A top-level statement: under IPython each has a frame of its own, and all of them are the module's."""
        if len(self.stack) > 1:
            return None
        self._ran = True
        module = self.module
        module.source = source
        self._globals = frame.f_globals
        return module.on_event

    def on_thread(self, frame: FrameType, event: str, arg: Any) -> None:
        """The first call in a new thread."""
        sys.settrace(None)
        self.note("other threads ran: they are not traced")

    # ---------------------------------------------------------------------------------------------------------- steps

    def step(self, top: Frame, frame: FrameType | None, op: str, line: int, arg: int) -> int:
        """Write a step of the frame ``top``, with what changed in it; its number."""
        stack = self.stack
        if stack[-1] is not top:
            self.back(top, frame)
        elif not top.on_stack:
            self._resumed(top)
        if self.step_into:
            self._step_into()
        if top.info is None:
            changes = changed(top, self._globals, self.values, self._hidden)
        else:
            changes = [] if frame is None else changed(top, frame.f_locals, self.values, None)
        line += top.source.offset
        step = self.writer.add_step(op, line - self._line, len(stack), arg, changes)
        self._line = line
        if step % 256 == 255:
            self.checkpoint()
        if op == "l" and self.outputs.early:
            self.outputs.attach_early(step)
        return step

    def back(self, frame: Frame, at: FrameType | None) -> None:
        """Make ``frame`` the top: what is above it ended without a word, or it is a generator that goes on."""
        stack = self.stack
        if frame in stack:
            del stack[stack.index(frame) + 1 :]
        else:
            stack.append(frame)
            self._resumed(frame)

    def _resumed(self, frame: Frame) -> None:
        frame.on_stack = True
        line = frame.line + frame.source.offset
        frame.step = self.writer.add_step("s", line - self._line, len(self.stack), frame.call_step, [])
        self._line = line

    # ---------------------------------------------------------------------------------------------------- other files

    def _step_into(self) -> None:
        """Start tracing modules named by ``@stepinto`` that have been imported meanwhile."""
        from lilllm.tracing.modules import module_source

        for name in list(self.step_into):
            if name in sys.modules:
                del self.step_into[name]
                found = module_source(name)
                if found is None:
                    self.note(f"@stepinto {name}: it has no Python source")
                    continue
                filename, shown, text, plan = found
                self.sources[filename] = Source(self.writer.add_file(File(name=shown, text=text)), plan)
