"""Build a lecture again under other conditions, and want the same notebook and the same trace.

Another hash seed, another thread count asked for from outside, and the processor's AVX2 code instead of its best: what
of these shows in an output would show on a reader's machine too.

Of a lecture that uses torch, the sums themselves come out differently then, and training makes much of it. Its outputs
must be the same to the letter and its figures to the eye, since they are what it claims; its trace must take the same
steps with values of the same kinds, shapes and sizes, but the numbers in them may be others.
"""

from __future__ import annotations

import gzip
import re
import tempfile
from collections.abc import Iterator
from copy import deepcopy
from functools import cache, partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import nbformat

from lilllm.lectures.build import build_lecture, environment
from lilllm.lectures.files import Lecture
from lilllm.lectures.pictures import compare_pictures, pictures
from lilllm.lectures.stamp import read_notebook, why_build
from lilllm.tracing.format import Instance, Mapping, Rich, Scalar, Sequence, Tensor, Text
from lilllm.tracing.reader import Trace, load

HASH_SEED, THREADS, CAPABILITY = "4242", 2, "avx2"


def check_twice(lecture: Lecture) -> list[str]:
    """How a second build differs from the committed one; empty if it does not."""
    if why := why_build(lecture):
        return [f"it has to be built first: {why}"]
    with tempfile.TemporaryDirectory(prefix="lilllm-twice-") as folder:
        again = Lecture(Path(folder), lecture.name)
        ipython = Path(folder) / "ipython"
        variables = environment(ipython, hash_seed=HASH_SEED, threads=THREADS) | {"ATEN_CPU_CAPABILITY": CAPABILITY}
        built = build_lecture(lecture, into=again, variables=variables, count=False)
        if built.error:
            return [f"the second build fails: {built.error}"]
        return [
            *_notebooks(read_notebook(lecture.notebook), read_notebook(again.notebook)),
            *_traces(lecture.trace, again.trace),
        ]


def _notebooks(first: nbformat.NotebookNode, second: nbformat.NotebookNode) -> Iterator[str]:
    for at, (one, two) in enumerate(zip_longest(first.cells, second.cells), start=1):
        if one == two:
            continue
        if one and two and (before := pictures(one.get("outputs", []))):
            after = pictures(two.get("outputs", []))
            if problem := compare_pictures(before, after, name=f"cell{at}", keep=Path("artifacts") / "twice"):
                yield f"cell {at}: {problem}"
            one, two = _without_pictures(one), _without_pictures(two)
        if one != two:
            a, b = (str(cell.get("outputs", cell.source)) if cell else "no cell" for cell in (one, two))
            start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            left, right = (text[max(0, start - 20) : start + 40] for text in (a, b))
            yield f"cell {at} has another output in a second build: {left!r} became {right!r}"
    if first.metadata.get("widgets") != second.metadata.get("widgets"):
        yield "a widget has another state in a second build"


def _without_pictures(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    cell = deepcopy(cell)
    for output in cell.outputs:
        output.get("data", {}).pop("image/png", None)
    return cell


def _traces(first: Path, second: Path) -> Iterator[str]:
    before = load(first)
    if "torch" in before.head.packages:
        yield from _outlines(before, load(second))
        return
    one, two = (gzip.decompress(path.read_bytes()).splitlines() for path in (first, second))
    for at, (a, b) in enumerate(zip_longest(one, two, fillvalue=b""), start=1):
        if a != b:
            start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            left, right = (text[max(0, start - 40) : start + 60].decode(errors="replace") for text in (a, b))
            yield f"the trace differs in a second build, first in line {at}: {left!r} became {right!r}"
            return


def _outlines(first: Trace, second: Trace) -> Iterator[str]:
    """Where two traces differ in more than numbers; the first place alone."""
    one, two = first.steps, second.steps
    columns = zip_longest(zip(one.op, one.line, one.depth, strict=True), zip(two.op, two.line, two.depth, strict=True))
    for step, (a, b) in enumerate(columns):
        if a != b:
            yield f"the trace takes another step in a second build: step {step} is {a}, and {b}"
            return
    kinds = [cache(partial(_kind, trace)) for trace in (first, second)]
    changed = dict(two.changes)
    for step, changes in one.changes:
        there = {two.names[name]: value for name, value in changed.get(step, [])}
        for name, value in ((one.names[name], value) for name, value in changes):
            if name not in there:  # the same to all digits that are shown, in one of the two
                continue
            a, b = ("gone" if at < 0 else kind(at) for at, kind in zip((value, there[name]), kinds, strict=True))
            if a != b:
                yield f"{name} is of another kind in a second build, at step {step}: {str(a)[:200]}, and {str(b)[:200]}"
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
