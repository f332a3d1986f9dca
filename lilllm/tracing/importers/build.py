"""Make a trace from the steps of another tool.

``Builder`` keeps the stack of frames and writes what a debugger shows: a statement is about to run, and what it changed
is seen at the next step of its frame. Another tool's steps are told to it in order of time:

    push(code, line)       a frame is entered                     -> c
    line(line)             a statement of the top frame           -> l
    leave(op, value)       the top frame is left                  -> r (x)
    put / clear            what the top frame's statement changed, told after it: shown at the frame's next step
    output(step, Output)   what a step showed
    finish()               the checked Trace

Read in order: Interner, Frame, Builder.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from lilllm.tracing.format import AnyRecord, Blob, Cell, Code, Cut, End, File, Head, Output, Steps, Vals, Value
from lilllm.tracing.importers import limits
from lilllm.tracing.reader import Trace, TraceError
from lilllm.tracing.verify import Verify


class Interner:
    """Values by number, each written once."""

    def __init__(self) -> None:
        self.items: list[Value] = []
        self._numbers: dict[bytes, int] = {}

    def add(self, value: Value) -> int:
        if len(self.items) >= limits.VALUES:
            value = Cut(kind="...", text="more values than a trace holds")
        key = msgspec.json.encode(value)
        if len(key) > 64:
            key = hashlib.sha256(key).digest()
        number = self._numbers.setdefault(key, len(self.items))
        if number == len(self.items):
            self.items.append(value)
        return number

    def cut(self, kind: str, text: str) -> int:
        return self.add(Cut(kind=kind, text=text))


@dataclass(kw_only=True)
class Frame:
    """``step``: the last statement of the frame (or its call). ``pending``: changes to show at its next step."""

    code: int
    line: int
    step: int
    seen: dict[int, int] = field(default_factory=dict)
    pending: dict[int, int] = field(default_factory=dict)
    pins: dict[str, None] = field(default_factory=dict)
    clears: dict[str, None] = field(default_factory=dict)


def safe_name(path: str) -> str:
    """A relative posix path with nothing that leads elsewhere.

    >>> safe_name("../../usr/lib/python3.12/x.py"), safe_name("C:\\\\a\\\\b.py"), safe_name("")
    ('usr/lib/python3.12/x.py', 'C_/a/b.py', 'unnamed')
    """
    parts = [part for part in path[: limits.NAME].replace("\\", "/").split("/") if part not in ("", ".", "..")]
    return re.sub(r"[:\x00-\x1f\x7f]", "_", "/".join(parts)) or "unnamed"


class Builder:
    def __init__(self, title: str) -> None:
        self.title = title[: limits.NAME]
        self.files: list[File] = []
        self.codes: list[Code] = []
        self.cells: list[Cell] = []
        self.values = Interner()
        self.blobs: dict[str, Blob] = {}
        self.notes: list[str] = []
        self.stopped = ""
        self.stack: list[Frame] = [Frame(code=0, line=1, step=-1)]
        self._paths: dict[str, int] = {}
        self._codes: dict[tuple[str, int, int], int] = {}
        self._names: dict[str, int] = {}
        self._steps = Steps(start=0, op="", line=[], depth=[], arg=[])
        self._ops: list[str] = []
        self._line = 0
        self._outputs: dict[int, list[Output]] = {}
        self._shown = 0
        self._source = 0

    # ------------------------------------------------------------------------------------------ files and codes

    def file(self, path: str, text: str) -> int:
        """The number of the file ``path``; the first one added is the main file."""
        if path not in self._paths:
            self._source += len(text)
            if self._source > limits.SOURCE:
                raise TraceError(f"more than {limits.SOURCE:,} characters of source")
            name, taken = safe_name(path), {file.name for file in self.files}
            while name in taken:
                name += "_"
            self._paths[path] = len(self.files)
            self.files.append(File(name=name, text=text))
            if not self.codes:
                self.code("<module>", 0, 1)
        return self._paths[path]

    def known(self, path: str) -> int | None:
        return self._paths.get(path)

    def code(self, name: str, file: int, line: int) -> int:
        key = (name[: limits.NAME], file, line)
        if key not in self._codes:
            self._codes[key] = len(self.codes)
            self.codes.append(Code(name=key[0], file=file, line=line))
        return self._codes[key]

    # -------------------------------------------------------------------------------------------------- stepping

    @property
    def top(self) -> Frame:
        return self.stack[-1]

    def push(self, code: int, line: int) -> int:
        if len(self.stack) >= limits.DEPTH:
            raise TraceError(f"more than {limits.DEPTH:,} frames on the stack")
        self.stack.append(Frame(code=code, line=line, step=-1))
        return self._emit("c", line, code)

    def line(self, line: int) -> int:
        return self._emit("l", line)

    def leave(self, op: str, value: int) -> int:
        """The top frame returns (``r``) or an exception passes through it (``x``), and it is gone."""
        step = self._emit(op, self.top.line, value)
        if len(self.stack) > 1:
            self.stack.pop()
        return step

    def mark(self, op: str, line: int, arg: int = 0) -> int:
        """A step of another kind in the top frame: ``x`` that stays in it, ``e``."""
        return self._emit(op, line, arg)

    def put(self, name: str, value: int, *, pin: bool = False, frame: Frame | None = None) -> None:
        frame = frame or self.top
        name = name[: limits.NAME]
        frame.pending[self._names.setdefault(name, len(self._names))] = value
        if pin:
            frame.pins[name] = None
            frame.clears.pop(name, None)

    def forget(self, frame: Frame, kept: Iterable[str]) -> None:
        """All names of the frame but ``kept`` are gone."""
        numbers = {self._names[name[: limits.NAME]] for name in kept}
        for name in [name for name in (*frame.seen, *frame.pending) if name not in numbers]:
            frame.pending[name] = -1

    def clear(self, name: str) -> None:
        name = name[: limits.NAME]
        self.top.clears[name] = None
        self.top.pins.pop(name, None)

    @property
    def stepped(self) -> bool:
        return bool(self._ops)

    def land(self, step: int) -> None:
        """Show what is pending for the top frame at ``step``, its own latest: the arguments of a call."""
        frame, steps = self.top, self._steps
        changes = [(name, value) for name, value in frame.pending.items() if frame.seen.get(name, -1) != value]
        frame.seen.update(frame.pending)
        if changes:
            steps.changes.append((step, changes))
        if frame.pins:
            steps.pins.append((step, list(frame.pins)))
        if frame.clears:
            steps.clears.append((step, list(frame.clears)))
        frame.pending, frame.pins, frame.clears = {}, {}, {}

    def output(self, step: int, output: Output) -> None:
        if step < 0:
            return
        self._shown += len(output.data)
        if len(output.data) > limits.OUTPUT or self._shown > limits.OUTPUTS:
            output = Output(name=output.name, mime="text/plain", data="(an output too large to keep)")
        self._outputs.setdefault(step, []).append(output)

    def _emit(self, op: str, line: int, arg: int = 0) -> int:
        step, steps, frame = len(self._ops), self._steps, self.top
        if step >= limits.STEPS:
            raise TraceError(f"more than {limits.STEPS:,} steps")
        self._ops.append(op)
        steps.line.append(line - self._line)
        steps.depth.append(len(self.stack))
        steps.arg.append(arg)
        self._line = frame.line = line
        if op in "lc":
            frame.step = step
        self.land(step)
        return step

    # ------------------------------------------------------------------------------------------------------- end

    def finish(self) -> Trace:
        """The trace, checked as if it had come from a file.

        Raises:
            TraceError: a line lies outside its file, or the like.
        """
        steps = self._steps
        steps.op = "".join(self._ops)
        steps.names = list(self._names)
        steps.outputs = sorted(self._outputs.items())
        lines = self.files[0].text.count("\n") + 1
        head = Head(
            title=self.title,
            python="",
            files=self.files,
            codes=self.codes,
            cells=self.cells or [Cell(kind="code", first=1, last=lines)],
        )
        end = End(steps=len(self._ops), values=len(self.values.items), stopped=self.stopped, notes=self.notes)
        verify = Verify(head)
        records: list[AnyRecord] = [head, Vals(start=0, items=self.values.items), *self.blobs.values(), steps, end]
        for record in records:
            if problem := verify.record(record):
                raise TraceError(f"this trace cannot be shown: {problem}")
        return Trace(head=head, values=self.values.items, blobs=self.blobs, steps=steps, end=end)
