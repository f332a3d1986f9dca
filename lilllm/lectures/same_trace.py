"""Whether two traces of one lecture are the same: to the byte, or but for measured numbers.

Read in order: differences (nothing may differ), outlines (numbers may), _kind (what of a value is not a number)

What happens in a cell whose outputs are not compared, being times of the machine, say, may differ in either.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from itertools import accumulate, zip_longest
from pathlib import Path
from typing import Any

from lilllm.lectures.outputs import escapes
from lilllm.tracing.comparison import compare
from lilllm.tracing.format import Instance, Mapping, Rich, Scalar, Sequence, Tensor, Text
from lilllm.tracing.pair import told
from lilllm.tracing.reader import Trace, load


def differences(first: Path, second: Path) -> Iterator[str]:
    """Where two traces come to differ; the first place alone."""
    one, two = (gzip.decompress(path.read_bytes()) for path in (first, second))
    if one == two:
        return
    a, b = load(first), load(second)
    free = _not_compared(a)
    found = compare(a, b)
    found = replace(found, differences=[each for each in found.differences if not free[found.pairs[each.pair][0]]])
    if not found.same:
        yield "the trace differs in a second build: " + "; ".join(line.strip() for line in told(found)[2:])
        return
    shown = [{step: outputs for step, outputs in trace.steps.outputs if not free[step]} for trace in (a, b)]
    for step in sorted(shown[0].keys() | shown[1].keys()):
        if shown[0].get(step) != shown[1].get(step):
            yield f"the trace shows other outputs in a second build, at step {step + 1:,}"
            return
    if not any(free):
        lines = zip_longest(one.splitlines(), two.splitlines(), fillvalue=b"")
        at, left, right = next((at, x, y) for at, (x, y) in enumerate(lines, start=1) if x != y)
        start = next((i for i, (x, y) in enumerate(zip(left, right, strict=False)) if x != y), 0)
        parts = [line[max(0, start - 40) : start + 60].decode(errors="replace") for line in (left, right)]
        yield f"the trace differs in a second build, in line {at} of the file: {parts[0]!r} became {parts[1]!r}"


def _not_compared(trace: Trace) -> list[bool]:
    """Of each step, whether the cell that it belongs to asks that its outputs not be compared."""
    lines = trace.head.files[0].text.splitlines()
    free: set[int] = set()
    for cell in trace.head.cells:
        text = "\n".join(lines[cell.first - 1 : cell.last])
        if cell.kind == "code" and escapes({"source": text, "metadata": {"tags": cell.tags}})[0]:
            free.update(range(cell.first, cell.last + 1))
    found = []
    of_module = 0
    for line, depth in zip(accumulate(trace.steps.line), trace.steps.depth, strict=True):
        of_module = line if depth == 1 else of_module
        found.append(of_module in free)
    return found


def outlines(first: Path, second: Path) -> Iterator[str]:
    """Where two traces differ in more than numbers; the first place alone."""
    a, b = load(first), load(second)
    one, two = a.steps, b.steps
    columns = zip_longest(zip(one.op, one.line, one.depth, strict=True), zip(two.op, two.line, two.depth, strict=True))
    for step, (left, right) in enumerate(columns):
        if left != right:
            yield f"the trace takes another step in a second build: step {step} is {left}, and {right}"
            return
    kinds = [cache(partial(_kind, trace)) for trace in (a, b)]
    changed, free = dict(two.changes), _not_compared(a)
    for step, changes in one.changes:
        there = {two.names[name]: value for name, value in changed.get(step, [])}
        for name, value in ((one.names[name], value) for name, value in changes):
            if name not in there or free[step]:  # the same to all digits that are shown, in one of the two
                continue
            left, right = ("gone" if at < 0 else kind(at) for at, kind in zip((value, there[name]), kinds, strict=True))
            if left != right:
                what = f"{str(left)[:200]}, and {str(right)[:200]}"
                yield f"{name} is of another kind in a second build, at step {step}: {what}"
                return


def _kind(trace: Trace, number: int) -> Any:
    """All of a value that is not a measured number: kinds, sizes, shapes, texts, whole numbers."""
    value, of = trace.values[number], partial(_kind, trace)
    if isinstance(value, Scalar):
        return value.kind, "" if re.search(r"float|complex", value.kind) else value.text
    if isinstance(value, Text):
        return value.kind, re.sub(r"[-+]?\d+\.\d+(e[-+]?\d+)?|nan|inf", "#", value.text)
    if isinstance(value, Sequence):
        return value.kind, value.size, [of(at) for at in value.head + value.tail]
    if isinstance(value, Mapping):
        return value.kind, value.size, [(of(key), of(at)) for key, at in value.head + value.tail]
    if isinstance(value, Instance):
        return value.kind, value.size, [(name, of(at)) for name, at in value.head]
    if isinstance(value, Tensor):
        return value.kind, value.dtype, value.shape, value.requires_grad
    return (value.kind, value.view) if isinstance(value, Rich) else (value.kind, value.text)
