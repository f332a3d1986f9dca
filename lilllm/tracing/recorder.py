"""The recorder: what the program does, statement by statement, through ``sys.settrace``.

Read in order:  Recorder.on_call (what is traced at all), frame.py (line, return, exception), Recorder.step (one step),
                Recorder.changes (what differs), Recorder.fold, rest and resume (loops beyond their budget)

The recorder keeps its own stack of frames, for CPython's holds many that are not traced. A step is written when a
statement is about to run, with the names of its frame whose shown value differs from what was shown last: what the
statement before it changed. Untraced code costs one look-up of its file's name a call.

When a line was run ``line_hits`` times in one run of its frame, its innermost loop is folded: a step ``f``, then
nothing until the loop is left; the step after it carries the state. Functions are entered ``function_calls`` times a
cell.

An exception that leaves a trace function would reach the program and end tracing, so none does; only Ctrl-C and its
kind pass, for they are meant for the program. Other threads are not traced.
"""

from __future__ import annotations

import builtins
import re
import sys
import threading
from collections.abc import Callable
from types import CodeType, FrameType
from typing import Any, Literal

from lilllm.tracing.format import Budgets, Code, File, Output
from lilllm.tracing.frame import NO_DIRECTIVES, CodeInfo, Frame, Source
from lilllm.tracing.rich import whole_characters
from lilllm.tracing.source import CAUGHT, FOLD, RESUME, Directives, Loop, Plan
from lilllm.tracing.values import Values
from lilllm.tracing.writer import Full, Writer

_UNSEEN = object()
_MUTABLE = object()
_ATOMS = frozenset({int, float, bool, str, type(None), complex, type, type(sys), type(lambda: 0), type(len)})
_PART_OF_STATEMENT = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>"})
_HISTORY = re.compile(r"_|__|___|_\d+|_i{1,3}|_i\d+|_(ih|oh|dh|exit_code)|In|Out")


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
        self._checkpoint = checkpoint
        self.values = Values(writer.add_value, lambda png: writer.add_picture(png, "image/png"))
        budgets: Budgets = writer.head.budgets
        self.line_hits = budgets.line_hits
        self.function_calls = budgets.function_calls
        self.sources: dict[str, Source] = {}
        self.module = Frame(self, Source(0, Plan()), None)
        self.stack: list[Frame] = [self.module]
        self.stopped = ""
        self.step_into: dict[str, None] = {}
        self._hidden = set(hidden)
        self._history = history
        self._line = 0
        self._off: tuple[FrameType, Frame, int] | None = None
        self._ran = False  # in this cell the module's frame was met
        self._globals: dict[str, Any] = {}
        self._call = self.on_call
        self._thread_hook: Any = None
        self._held: list[Output] = []
        writer.add_code(Code(name="<module>", file=0, line=1))

    # ------------------------------------------------------------------------------------------------------ a program

    def begin(self) -> None:
        """Switch recording on for a cell: the counts of lines and calls begin anew."""
        self.module.hits = {}
        self.module.statement = -1
        self.module.closed = False
        self.module.folded = None
        self.module.passing = None
        for source in self.sources.values():
            for info in source.codes.values():
                if info is not None:
                    info.calls = 0
        del self.stack[1:]
        self._ran = False
        if self.stopped:
            return
        self._keep_dynamo_out()
        setattr(builtins, FOLD, 0)
        setattr(builtins, RESUME, self.resume)
        setattr(builtins, CAUGHT, self.caught)
        self._thread_hook = threading.gettrace()
        threading.settrace(self.on_thread)
        sys.settrace(self._call)

    def end(self, error: BaseException | None = None) -> None:
        """Switch recording off after a cell; ``error`` is what ended it, if anything did."""
        lost = sys.gettrace() != self._call and self._off is None and not self.stopped and self._ran
        sys.settrace(None)
        if not self.stopped:
            threading.settrace(self._thread_hook)
        self._off = None
        for name in (FOLD, RESUME, CAUGHT):
            setattr(builtins, name, 0 if name == FOLD else _nothing)
        if self.stopped:
            return
        where = self.where()
        try:
            if self.module.folded is not None:
                self.module.unfold()
            if lost:
                self.note(
                    f"the trace function was replaced or dropped after {where}: the rest of the cell is not recorded"
                )
            del self.stack[1:]
            if not self._ran and error is None:
                return
            line = self.line_of(self.module)
            if error is not None and id(error) != self.module.error:
                self.step(self.module, None, "x", line, self.values.exception(type(error), error))
            self.step(self.module, None, "e", line, 0)
        except Full as full:
            self.stop(str(full), None)
        except Exception as problem:
            self.fail(problem, None)

    def lost_at(self) -> str:
        """Where the program switched tracing off, or an empty string; asked before ``end``."""
        lost = sys.gettrace() != self._call and self._off is None and not self.stopped and self._ran
        return self.where() if lost else ""

    def where(self) -> str:
        """The last step, for a sentence."""
        if self._line == 0:
            return "its beginning"
        top = self.stack[-1]
        file = self.writer.head.files[top.source.file].name
        return f"line {self._line} of {file}"

    def stop(self, why: str, frame: FrameType | None) -> None:
        """End recording for good; the program runs on."""
        self.stopped = f"{why}: recording ended at {self.where()}"
        sys.settrace(None)
        threading.settrace(self._thread_hook)

    def fail(self, error: BaseException, frame: FrameType | None) -> None:
        """An error of the recorder's own: never the program's."""
        if isinstance(error, RecursionError):
            return  # the program is at its limit, and is about to be told so
        self.stop(f"the recorder failed with {type(error).__name__}: {str(error)[:200]}", frame)

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
            self.stop(str(full), frame)
        except Exception as error:
            self.fail(error, frame)
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
            info = self._learn(source, code)
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

    def _learn(self, source: Source, code: CodeType) -> CodeInfo | None:
        """A code object met for the first time; None if it is part of a statement, or made by torch.compile."""
        name = code.co_name
        info = None
        if name not in _PART_OF_STATEMENT and not name.startswith(("torch_dynamo_", "__compiled_", "__resume_")):
            line = source.plan.definition.get(code.co_firstlineno, code.co_firstlineno)
            qualified = code.co_qualname.replace("<locals>.", "")
            number = self.writer.add_code(Code(name=qualified, file=source.file, line=line + source.offset))
            info = CodeInfo(code, number, line)
        source.codes[id(code)] = info
        if info is None:
            source.codes[-id(code)] = CodeInfo(code, -1, 0)  # keeps it alive
        return info

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
        changes = self.changes(top, frame)
        line += top.source.offset
        step = self.writer.add_step(op, line - self._line, len(stack), arg, changes)
        self._line = line
        if step % 256 == 255:
            self._checkpoint()
        if self._held and op == "l":
            for output in self._held:
                self.writer.add_output(step, output)
            self._held = []
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
        line = self.line_of(frame) + frame.source.offset
        frame.step = self.writer.add_step("s", line - self._line, len(self.stack), frame.call_step, [])
        self._line = line

    def line_of(self, frame: Frame) -> int:
        if frame.statement > 0:
            return frame.statement
        return frame.info.line if frame.info is not None else 1

    def changes(self, top: Frame, frame: FrameType | None) -> list[tuple[str, int]]:
        """The names of ``top`` whose shown value differs from what was shown last."""
        module = top.info is None
        if module:
            held: dict[str, Any] = self._globals
        elif frame is None:
            return []
        else:
            held = frame.f_locals
        found: list[tuple[str, int]] = []
        last, shown = top.last, top.shown
        count = 0
        for name, value in list(held.items()) if module else held.items():
            before = last.get(name, _UNSEEN)
            if before is value:
                count += 1
                continue
            if before is _UNSEEN and (name.startswith("__") or (module and self._is_hidden(name))):
                continue
            count += 1
            number = self.values.encode(value)
            last[name] = value if type(value) in _ATOMS else _MUTABLE
            if shown.get(name) != number:
                shown[name] = number
                found.append((whole_characters(name), number))
        if count != len(shown):
            for name in [name for name in shown if name not in held]:
                del shown[name], last[name]
                found.append((whole_characters(name), -1))
        return found

    def _is_hidden(self, name: str) -> bool:
        """A global that is not the program's own: one that was there before it, or IPython's history."""
        if name not in self._hidden and self._history and _HISTORY.fullmatch(name):
            self._hidden.add(name)
        return name in self._hidden

    def direct(self, step: int, directives: Directives) -> None:
        if directives.inspect:
            self.writer.add_pins(step, directives.inspect)
        if directives.clear:
            self.writer.add_pins(step, directives.clear, clear=True)

    def output(self, output: Output) -> None:
        """Attach an output to the statement that runs now."""
        if self.stopped:
            return
        try:
            output.data = whole_characters(output.data)
            top = self.stack[-1]
            if top.step < 0:
                self._held.append(output)
                return
            animate = top.source.plan.directives.get(top.statement, NO_DIRECTIVES).animate
            self.writer.add_output(top.step, output, join=not animate)
        except Full as full:
            self.stop(str(full), None)

    def picture(self, data: bytes, mime: Literal["image/png", "image/svg+xml"]) -> str:
        """Take a picture; its hash, or "" when recording has ended. Raises: ValueError, it is too large."""
        if self.stopped:
            return ""
        try:
            return self.writer.add_picture(data, mime)
        except Full as full:
            self.stop(str(full), None)
            return ""

    # ---------------------------------------------------------------------------------------------------------- folds

    def fold(self, top: Frame, frame: FrameType, loop: Loop) -> None:
        """The loop has used its budget: one step that says so, then nothing until it is left."""
        top.step = self.step(top, frame, "f", loop.first, 0)
        self._checkpoint()
        if loop.woven:
            self.rest(top, frame, loop.number)
        else:
            top.folded = loop
            top.folded_count = 1
            top.folded_step = top.step
            top.closed = True

    def rest(self, top: Frame, frame: FrameType, number: int) -> None:
        """Tracing is off until what is woven with this number, a loop or a statement, is left."""
        setattr(builtins, FOLD, number)
        self._off = (frame, top, id(sys.exc_info()[1]))
        sys.settrace(None)

    def resume(self) -> None:
        """Called by a folded loop, or a statement stepped over, when it is left, in whatever way."""
        if self._off is None or sys._getframe(1) is not self._off[0]:
            return  # the same loop in another call of the function
        frame, top, before = self._off
        self._off = None
        number = getattr(builtins, FOLD)
        setattr(builtins, FOLD, 0)
        if self.stopped:
            return
        error = sys.exc_info()[1]
        if error is not None and id(error) != before:
            self._left_by(error, top, frame, number)
        if not self.stopped:
            sys.settrace(self._call)

    def _left_by(self, error: BaseException, top: Frame, frame: FrameType, number: int) -> None:
        """A loop or statement that was not traced is left by an exception: of a statement, that is a step."""
        try:
            value = self.values.exception(type(error), error)
            if number == top.source.plan.stepped_over.get(top.statement):
                top.error = id(error)
                self.step(top, frame, "x", self.line_of(top), value)
            else:
                top.passing = value
        except Full as full:
            self.stop(str(full), frame)
        except Exception as problem:
            self.fail(problem, frame)

    def caught(self) -> None:
        """Called by a handler that may have caught a RecursionError, for which CPython drops the trace function."""
        dropped = self._off is None and not self.stopped and sys.gettrace() is None
        if dropped and isinstance(sys.exc_info()[1], RecursionError):
            self.note(f"the recursion limit was reached: what ran from {self.where()} to its handler is not recorded")
            sys.settrace(self._call)

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

    def _keep_dynamo_out(self) -> None:
        """Tell torch.compile, where it is loaded, not to compile the trace functions."""
        dynamo = sys.modules.get("torch._C._dynamo.eval_frame")
        skip = getattr(dynamo, "skip_code", None)
        if skip is not None:
            for kind in (Recorder, Frame, Values, Writer):
                for member in vars(kind).values():
                    if hasattr(member, "__code__"):
                        skip(member.__code__)


def _nothing() -> None:
    """What woven code calls when nothing is recorded any more."""
