"""Build a lecture again under other conditions, and want the same notebook and the same trace.

Another hash seed, another thread count asked for from outside, and the processor's AVX2 code instead of its best: what
of these shows in an output would show on a reader's machine too.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import nbformat

from lilllm.lectures.build import build_lecture, environment
from lilllm.lectures.files import Lecture
from lilllm.lectures.stamp import read_notebook, why_build

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
        if one != two:
            a, b = (str(cell.get("outputs", cell.source)) if cell else "no cell" for cell in (one, two))
            start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            left, right = (text[max(0, start - 20) : start + 40] for text in (a, b))
            yield f"cell {at} has another output in a second build: {left!r} became {right!r}"
    if first.metadata.get("widgets") != second.metadata.get("widgets"):
        yield "a widget has another state in a second build"


def _traces(first: Path, second: Path) -> Iterator[str]:
    one, two = (gzip.decompress(path.read_bytes()).splitlines() for path in (first, second))
    for at, (a, b) in enumerate(zip_longest(one, two, fillvalue=b""), start=1):
        if a != b:
            start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
            left, right = (text[max(0, start - 40) : start + 60].decode(errors="replace") for text in (a, b))
            yield f"the trace differs in a second build, first in line {at}: {left!r} became {right!r}"
            return
