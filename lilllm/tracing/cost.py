"""What each line costs: how often it ran, its own time, the floating-point operations and bytes of its torch calls.

Times differ from run to run, so they are recorded apart from the trace, in a file of their own; the same program
still gives the same trace. Own time is the time in which the line was the innermost one of the watched files: what it
spends in other code (torch, the standard library) counts, what it spends in watched functions counts there. So shares
add up to 1.

Read in order: LineCost and Cost (the file), Meter (the clock), _Operations (FLOPs and bytes).

Numerics: the clock's own cost a line, measured before each run on an empty loop, is subtracted; a line of less than a
microsecond is still only good to a factor of two. FLOPs are counted by torch's own formulas (a multiply-add is 2),
bytes as the size of the tensors that an operation reads and writes; an operation without a formula counts 0 FLOPs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import CodeType, FrameType
from typing import Any

import msgspec

VERSION = 1
_BOOKKEEPING = {"empty", "empty_like", "detach", "view", "_unsafe_view", "t", "transpose", "permute", "expand", "alias"}


class LineCost(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """``line`` of ``file`` (an index of Cost.files): times run, own seconds, FLOPs and bytes of torch operations."""

    file: int
    line: int
    hits: int
    seconds: float
    flops: int = 0
    bytes: int = 0


class Cost(msgspec.Struct, forbid_unknown_fields=True, tag="cost", tag_field="type"):
    """All lines that ran, by file and line. ``seconds`` is the sum of their own times."""

    files: list[str]
    lines: list[LineCost]
    seconds: float
    version: int = VERSION

    def to_json(self) -> bytes:
        return msgspec.json.encode(self) + b"\n"


class Meter:
    """Measures the lines of some files while it runs.

        meter = Meter(lambda filename: "model.py" if filename.endswith("/model.py") else None)
        with meter.running():
            train()
        meter.cost().lines

    ``name_of`` gives the name under which a code object's file is shown, or None for files that are not watched. Only
    the thread that starts it is measured.

    Raises:
        RuntimeError: another trace function (a debugger, coverage, the recorder) is active: two clocks would time
        each other.
    """

    def __init__(self, name_of: Callable[[str], str | None], *, operations: bool = True) -> None:
        self._name_of = name_of
        self._operations = operations
        self._watched: dict[CodeType, str | None] = {}
        self._found: dict[tuple[str, int], list[float]] = {}  # hits, seconds, flops, bytes
        self._stack: list[list[float] | None] = []
        self._now: list[float] | None = None
        self._since = 0.0
        self._tick = 0.0

    @contextmanager
    def running(self) -> Iterator[Meter]:
        if sys.gettrace() is not None:
            raise RuntimeError(
                "another trace function is active; stop the debugger, coverage or recorder before measuring"
            )
        self._tick = _seconds_per_event()
        with self._count_operations():
            self._since = time.perf_counter()
            sys.settrace(self._call)
            try:
                yield self
            finally:
                sys.settrace(None)
                self._now, self._stack = None, []

    def cost(self) -> Cost:
        files = sorted({name for name, _ in self._found})
        number = {name: i for i, name in enumerate(files)}
        lines = [
            LineCost(number[name], line, int(hits), seconds, int(flops), int(size))
            for (name, line), (hits, seconds, flops, size) in sorted(self._found.items())
        ]
        return Cost(files, lines, sum(line.seconds for line in lines))

    # ------------------------------------------------------------------------------------------------- the clock

    def _call(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        code = frame.f_code
        try:
            name = self._watched[code]
        except KeyError:
            name = self._watched[code] = self._name_of(code.co_filename)
        if name is None:
            return None
        self._lap()
        self._stack.append(self._now)  # the caller's line goes on when this returns
        self._since = time.perf_counter()
        return self._line

    def _line(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        self._lap()
        if event == "line":
            key = (self._watched[frame.f_code] or "", frame.f_lineno)
            entry = self._found.get(key)
            if entry is None:
                entry = self._found[key] = [0, 0.0, 0, 0]
            entry[0] += 1
            self._now = entry
        elif event == "return":  # also of an exception that leaves the frame, and of a generator that pauses
            self._now = self._stack.pop() if self._stack else None
        self._since = time.perf_counter()
        return self._line

    def _lap(self) -> None:
        if self._now is not None:
            self._now[1] += max(0.0, time.perf_counter() - self._since - self._tick)

    def add(self, flops: int, size: int) -> None:
        """Book operations on the line that is running."""
        if self._now is not None:
            self._now[2] += flops
            self._now[3] += size

    def _count_operations(self) -> AbstractContextManager[Any]:
        return _operations(self) if self._operations and "torch" in sys.modules else nullcontext()


def _seconds_per_event(events: int = 2000) -> float:
    """What one line event adds to the time of the line before it: an empty clock, timed on a loop of nothing."""
    times = []
    for _ in range(events):
        start = time.perf_counter()
        times.append(time.perf_counter() - start)
    return sorted(times)[events // 2]


def _operations(meter: Meter) -> AbstractContextManager[Any]:
    """A torch dispatch mode that books every operation's FLOPs and bytes on ``meter``."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves
    from torch.utils.flop_counter import flop_registry

    class Operations(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            out = func(*args, **kwargs)
            packet = func.overloadpacket
            if packet.__name__.rstrip("_") not in _BOOKKEEPING:
                formula = flop_registry.get(packet)
                flops = formula(*args, **kwargs, out_val=out) if formula else 0
                touched = (x for x in tree_leaves((args, kwargs, out)) if isinstance(x, torch.Tensor))
                meter.add(int(flops), sum(x.numel() * x.element_size() for x in touched))
            return out

    mode: AbstractContextManager[Any] = Operations()
    return mode
