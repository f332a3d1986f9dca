"""One run of a code object under the recorder: what of it was shown, and what its trace function does.

Read in order:  Source (a traced file), CodeInfo (a function of it), Frame.on_event (line, return, exception),
                Frame.fold (a loop beyond its budget)

When a line was run ``line_hits`` times in one run of its frame, its innermost loop is folded: a step ``f``, then
nothing until the loop is left; the step after it carries the state.
"""

from __future__ import annotations

from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

from lilllm.tracing.format import Code
from lilllm.tracing.opcodes import ends_by_exception, ends_by_yield, is_end_of_iteration
from lilllm.tracing.source import Directives, Loop, Plan
from lilllm.tracing.writer import Full, Writer

if TYPE_CHECKING:
    from lilllm.tracing.recorder import Recorder

NO_DIRECTIVES = Directives()
_PART_OF_STATEMENT = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>", "<lambda>"})
_GENERATOR_LIKE = 0x20 | 0x80 | 0x200  # CO_GENERATOR, CO_COROUTINE, CO_ASYNC_GENERATOR


class Source:
    """A traced file, or a cell of one. ``offset``: what to add to its lines to get those of the file in the head."""

    def __init__(self, file: int, plan: Plan, offset: int = 0) -> None:
        self.file = file
        self.plan = plan
        self.offset = offset
        self.codes: dict[int, CodeInfo | None] = {}

    def learn(self, code: CodeType, writer: Writer) -> CodeInfo | None:
        """A code object met for the first time; None if it is part of a statement, or made by torch.compile."""
        name = code.co_name
        info = None
        if name not in _PART_OF_STATEMENT and not name.startswith(("torch_dynamo_", "__compiled_", "__resume_")):
            line = self.plan.definition.get(code.co_firstlineno, code.co_firstlineno)
            qualified = code.co_qualname.replace("<locals>.", "")
            number = writer.add_code(Code(name=qualified, file=self.file, line=line + self.offset))
            info = CodeInfo(code, number, line)
        self.codes[id(code)] = info
        if info is None:
            self.codes[-id(code)] = CodeInfo(code, -1, 0)  # keeps it alive
        return info


class CodeInfo:
    """A code object of a traced file, kept alive so that its id stays its own."""

    __slots__ = ("calls", "code", "line", "number", "suspends")

    def __init__(self, code: CodeType, number: int, line: int) -> None:
        self.code = code
        self.number = number
        self.line = line
        self.calls = 0
        self.suspends = bool(code.co_flags & _GENERATOR_LIKE)


class Frame:
    """One run of a code object: what of it was shown, and where it is. Reached from the frame by its ``f_trace``."""

    __slots__ = (
        "call_step", "closed", "error", "folded", "folded_count", "folded_step", "hits", "info", "last", "lasti",
        "on_stack", "passing", "rec", "shown", "source", "statement", "step", "thrown_at",
    )  # fmt: skip

    def __init__(self, rec: Recorder, source: Source, info: CodeInfo | None) -> None:
        self.rec = rec
        self.source = source
        self.info = info
        self.call_step = -1
        self.step = -1  # the last step of this frame to which outputs attach
        self.statement = -1
        self.lasti = -1
        self.hits: dict[int, int] = {}
        self.shown: dict[str, int] = {}
        self.last: dict[str, Any] = {}
        self.closed = False  # calls from here are not entered
        self.on_stack = True  # as the reader of the trace sees it
        self.folded: Loop | None = None
        self.folded_count = 0
        self.folded_step = -1
        self.thrown_at = -1  # the instruction at which the last exception came
        self.error = 0  # id of the exception last recorded here
        self.passing: int | None = None  # value of an exception that left a fold and has no step yet

    def begin_again(self) -> None:
        """Of the module's frame, which stays: another cell begins."""
        self.hits = {}
        self.statement = -1
        self.closed = False
        self.folded = None
        self.passing = None

    @property
    def line(self) -> int:
        """Of the statement that runs, or of the function if none has begun."""
        if self.statement > 0:
            return self.statement
        return self.info.line if self.info is not None else 1

    def on_event(self, frame: FrameType, event: str, arg: Any) -> Any:
        """The local trace function. Returning None keeps it installed."""
        try:
            if event == "line":
                line = frame.f_lineno
                statement = self.source.plan.statement.get(line)
                if statement is None:
                    return None
                if statement == self.statement and frame.f_lasti > self.lasti and self.folded is None:
                    return None  # the same statement goes on, on another of its lines
                self._on_line(frame, line, statement)
            elif event == "return":
                self._on_return(frame, arg)
            elif event == "exception":
                self._on_exception(frame, arg)
        except Full as full:
            self.rec.stop(str(full))
        except Exception as error:
            self.rec.fail(error)
        except BaseException as error:
            self.rec.stop(f"{type(error).__name__} came while a step was recorded")
            raise
        return None

    def _on_line(self, frame: FrameType, line: int, statement: int) -> None:
        rec = self.rec
        folded = self.folded
        if folded is not None:
            if folded.first <= line <= folded.last:
                self.folded_count += 1
                return
            self.unfold()
        self.statement = statement
        self.lasti = frame.f_lasti
        self.thrown_at = -1
        self.passing = None
        if self.info is not None and statement == self.info.line:
            return  # the call is the step: a body that begins on the line of `def` or `class`
        hits = self.hits.get(statement, 0) + 1
        self.hits[statement] = hits
        if hits > rec.line_hits:
            loop = self.source.plan.loop.get(statement)
            if loop is not None:
                self.fold(frame, loop)
            return
        directives = self.source.plan.directives.get(statement, NO_DIRECTIVES)
        self.closed = directives.stepover
        if directives.hide:
            return
        self.step = rec.step(self, frame, "l", statement, 0)
        if directives is not NO_DIRECTIVES:
            if directives.inspect:
                rec.writer.add_pins(self.step, directives.inspect)
            if directives.clear:
                rec.writer.add_pins(self.step, directives.clear, clear=True)
            number = self.source.plan.stepped_over.get(statement)
            if number is not None:
                rec.rest.begin(self, frame, number)

    def fold(self, frame: FrameType, loop: Loop) -> None:
        """The loop has used its budget: one step that says so, then nothing until it is left."""
        rec = self.rec
        self.step = rec.step(self, frame, "f", loop.first, 0)
        rec.checkpoint()
        if loop.woven:
            rec.rest.begin(self, frame, loop.number)
        else:
            self.folded = loop
            self.folded_count = 1
            self.folded_step = self.step
            self.closed = True

    def unfold(self) -> None:
        self.rec.writer.count_folded(self.folded_step, self.folded_count)
        self.folded = None
        self.closed = False

    def _on_return(self, frame: FrameType, arg: Any) -> None:
        rec = self.rec
        stack = rec.stack
        info = self.info
        if info is None:  # the module's frame stays
            return
        suspended = False
        if arg is None and (frame.f_lasti == self.thrown_at or ends_by_exception(frame)):
            if self.passing is not None:
                rec.step(self, frame, "x", self.line, self.passing)
        elif info.suspends and ends_by_yield(frame):
            suspended = True
            if self.folded is None:
                rec.step(self, frame, "y", self.line, rec.values.encode(arg))
        else:
            if self.folded is not None:
                self.unfold()
            self.step = rec.step(self, frame, "r", self.line, rec.values.encode(arg))
        if self in stack:
            del stack[stack.index(self) :]
        self.on_stack = False
        self.thrown_at = -1
        if not suspended:
            self.shown, self.last, self.hits = {}, {}, {}

    def _on_exception(self, frame: FrameType, arg: Any) -> None:
        kind, error, _ = arg
        self.thrown_at = frame.f_lasti
        if kind is GeneratorExit or (
            issubclass(kind, (StopIteration, StopAsyncIteration)) and is_end_of_iteration(frame)
        ):
            return
        if self.folded is not None and self.info is not None and not self.info.suspends:
            self.passing = self.rec.values.exception(kind, error)
        if self.folded is not None or id(error) == self.error:
            return
        self.error = id(error)
        self.rec.step(self, frame, "x", self.line, self.rec.values.exception(kind, error))
