"""Measure a program that has been recorded: it is run again for its times, and once more for its torch operations.

    measure(trace, run) -> Cost        run(kind, into): the caller's way to run the program as ``open_session`` has it

Each run is for one thing, so that none disturbs another: the recording is what it would be without measuring; the timed
run (kind ``time``) has the clock and nothing else; the counted run (kind ``operations``), made if the program imported
torch, is recorded again, in memory, for the numbers of the steps. If it has other steps than the trace, because the
program draws at random or asks the time, steps get no numbers, and a note says so.

Read in order: measure (the caller's side), then Timed and Counted: what stands in for Session in the program's process.
"""

from __future__ import annotations

import ast
import os
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any

import msgspec

from lilllm.tracing.clock import Clock, Place
from lilllm.tracing.cost import VERSION, Cost, CostError, LineCost, load_cost, steps_digest
from lilllm.tracing.operations import Operations, statement_of
from lilllm.tracing.script import Kind
from lilllm.tracing.session import Session
from lilllm.tracing.source import plan

if TYPE_CHECKING:
    from lilllm.tracing.reader import Trace


class Measured(msgspec.Struct, kw_only=True):
    """What one run hands to the caller. ``digest``: of the steps, in a counted run."""

    files: list[str]
    lines: list[LineCost]
    steps: list[tuple[int, int, int]] = []
    digest: str = ""
    notes: list[str] = []


def measure(trace: Trace, run: Callable[[Kind, Path], str | None]) -> Cost:
    """The cost of the program of ``trace``. ``run`` gives why a run did not come to the program's end, or None.

    Raises:
        CostError: the program could not be run again, or is another than the trace's.
        OSError: there is nowhere to write.
    """
    notes: list[str] = []
    timed = _run_again(run, "time", notes)
    if timed is None:
        raise CostError("the program was ended before anything was measured")
    counted = _run_again(run, "operations", notes) if "torch" in trace.head.packages else None
    found: dict[tuple[str, int], LineCost] = {}
    for measured in (timed, counted):
        for one in measured.lines if measured else ():
            name = measured.files[one.file]  # type: ignore[union-attr]
            line = found.setdefault((name, one.line), LineCost(file=0, line=one.line))
            for number in ("hits", "seconds", "total", "flops", "bytes"):
                setattr(line, number, getattr(line, number) + getattr(one, number))
        notes += [note for note in (measured.notes if measured else ()) if note not in notes]
    files = [file.name for file in trace.head.files if any(name == file.name for name, _ in found)]
    for (name, _), line in found.items():
        line.file = files.index(name)
    steps = counted.steps if counted else []
    if counted is not None and counted.digest != steps_digest(trace):
        steps = []
        notes.append("operations are given by line only: the program took other steps when it ran again")
    lines = sorted(found.values(), key=lambda line: (line.file, line.line))
    cost = Cost(
        version=VERSION, trace=trace.digest, machine=machine(), seconds=sum(line.seconds for line in lines),
        files=files, lines=lines, steps=steps, notes=notes,
    )  # fmt: skip
    return load_cost(cost.to_json(), trace)  # what is written can be read


def _run_again(run: Callable[[Kind, Path], str | None], kind: Kind, notes: list[str]) -> Measured | None:
    with tempfile.TemporaryDirectory(prefix="lilllm-") as folder:
        into = Path(folder) / "measured.json"
        problem = run(kind, into)
        if problem:
            what = "timed" if kind == "time" else "counted"
            notes.append(f"the run that was {what} did not come to its end: {problem}"[:500])
        return msgspec.json.decode(into.read_bytes(), type=Measured) if into.is_file() else None


def machine() -> str:
    """Whose times these are, without anything that names its owner.

    >>> machine()                                                            # doctest: +SKIP
    'Linux x86_64, 2 cores, Python 3.11.7'
    """
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


# -------------------------------------------------------------------------------------------- in the program's process


def open_session(kind: Kind, path: Path, **about: Any) -> Any:
    """A Session that records into ``path``, or what stands in for it and writes ``Measured`` there."""
    if kind == "time":
        return Timed(path, **about)
    return Counted(path, **about) if kind == "operations" else Session(path, **about)


class Timed:
    """Takes what Session takes, and times."""

    def __init__(self, path: Path, *, name: str, **_: Any) -> None:
        self._path = path
        self._files = [name]
        self._step_into: set[str] = set()
        self._ignored: set[str] = set()
        self.clock = Clock(find=self._find)
        self.stopped = ""

    def add_source(self, filename: str, tree: ast.Module, text: str, offset: int = 0) -> ast.Module:
        made = plan(tree, text)
        self.clock.places[filename] = Place(0, made.statement, offset)
        self._step_into.update(made.step_into)
        self._ignored.clear()
        return tree

    def _find(self, code: CodeType) -> Place | None:
        """The place of a module named by ``@stepinto``, once it is imported."""
        from lilllm.tracing.modules import module_source

        filename = code.co_filename
        if not self._step_into or filename in self._ignored:
            return None
        for name in sorted(self._step_into):
            module = sys.modules.get(name)
            if module is not None and getattr(module, "__file__", None) == filename:
                if code.co_name == "<module>":
                    return None  # it is imported just now, which is not recorded either
                found = module_source(name)
                if found is not None:
                    self._files.append(found[1])
                    place = Place(len(self._files) - 1, found[3].statement)
                    self.clock.places[filename] = place
                    return place
        self._ignored.add(filename)
        return None

    def add_broken(self, line: int, offset: int) -> None:
        """Nothing ran."""

    def begin_cell(self) -> None:
        if sys.gettrace() is None:
            self.clock.start()

    def end_cell(self, error: BaseException | None = None, *, last: bool = False) -> None:
        self.clock.stop()

    def watch_streams(self) -> None:
        """What the program prints is of the recording."""

    leave_streams = watch_streams

    def display(self, name: str, bundle: Any) -> None:
        """What the program shows is of the recording."""

    def finish(self) -> bytes:
        lines = [
            LineCost(file=file, line=line, hits=one.hits, seconds=round(one.own, 8), total=round(one.total, 8))
            for (file, line), one in sorted(self.clock.lines.items())
        ]
        lost = "the program, or its recursion limit, took the clock away: what ran after that is not timed"
        data = msgspec.json.encode(Measured(files=self._files, lines=lines, notes=[lost] if self.clock.lost else []))
        self._path.write_bytes(data)
        return data


class Counted(Session):
    """Records in memory, and books torch operations on the lines and on the steps that outputs would attach to."""

    def __init__(self, path: Path, **about: Any) -> None:
        super().__init__(None, **about)
        self._into = path
        self._lines: dict[tuple[int, int], LineCost] = {}
        self._steps: dict[int, tuple[int, int]] = {}
        self._operations = Operations(self._book, imagined=False)
        self._mode: Any = None
        self.recorder.values = _Unseen(self.recorder.values, self._operations)  # type: ignore[assignment]

    def begin_cell(self) -> None:
        self._mode = self._operations.running()
        self._mode.__enter__()
        super().begin_cell()

    def end_cell(self, error: BaseException | None = None, *, last: bool = False) -> None:
        super().end_cell(error, last=last)
        if self._mode is not None:
            self._mode.__exit__(None, None, None)
            self._mode = None

    def _book(self, flops: int, size: int, frame: FrameType) -> None:
        where = statement_of(frame, self.recorder.sources)
        if where is None:
            return
        line = self._lines.setdefault(where, LineCost(file=where[0], line=where[1]))
        line.flops += flops
        line.bytes += size
        step = self.recorder.stack[-1].step
        if step >= 0 and not self.recorder.stopped:
            before = self._steps.get(step, (0, 0))
            self._steps[step] = before[0] + flops, before[1] + size

    def finish(self) -> bytes:
        from lilllm.tracing.reader import load

        trace = load(super().finish())
        measured = Measured(
            files=[file.name for file in trace.head.files],
            lines=[line for _, line in sorted(self._lines.items())],
            steps=[(step, *sums) for step, sums in sorted(self._steps.items())],
            digest=steps_digest(trace),
        )
        self._into.write_bytes(msgspec.json.encode(measured))
        return self.data


class _Unseen:
    """The recorder's look at values, whose torch operations are not the program's."""

    def __init__(self, values: Any, operations: Operations) -> None:
        self._values = values
        self._operations = operations

    def encode(self, value: Any) -> int:
        with self._operations.paused():
            number: int = self._values.encode(value)
            return number

    def exception(self, kind: type[BaseException], error: BaseException | None) -> int:
        with self._operations.paused():
            number: int = self._values.exception(kind, error)
            return number
