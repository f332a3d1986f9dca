"""Build a lecture again under other conditions, and want the same notebook and the same trace.

Another hash seed, another thread count asked for from outside, and the processor's AVX2 code instead of its best: what
of these shows in an output would show on a reader's machine too.

Of a lecture that uses torch, the sums themselves come out differently then, and training makes much of it. Its outputs
must be the same to the letter and its figures to the eye, since they are what it claims; its trace must take the same
steps with values of the same kinds, shapes and sizes, but the numbers in them may be others. So it is built once more
under the same conditions, where every number must be the same: what is drawn without a seed shows there, and time, and
memory that nothing was written to.

Read in order: check_twice, _as_it_was (the build under the same conditions), _notebooks; same_trace.py for the traces
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from copy import deepcopy
from itertools import zip_longest
from pathlib import Path
from typing import Any

import nbformat

from lilllm.lectures.build import build_lecture, environment
from lilllm.lectures.files import Lecture
from lilllm.lectures.outputs import escapes
from lilllm.lectures.pictures import compare_pictures, pictures
from lilllm.lectures.same_trace import differences, outlines
from lilllm.lectures.stamp import read_notebook, why_build
from lilllm.tracing.reader import load

HASH_SEED, THREADS, CAPABILITY = "4242", 2, "avx2"


def check_twice(lecture: Lecture) -> list[str]:
    """How a second build differs from the committed one; empty if it does not."""
    if why := why_build(lecture):
        return [f"it has to be built first: {why}"]
    with tempfile.TemporaryDirectory(prefix="lilllm-twice-") as folder:
        variables = environment(Path(folder) / "ipython", hash_seed=HASH_SEED, threads=THREADS)
        again = Lecture(Path(folder) / "other", lecture.name)
        built = build_lecture(
            lecture, into=again, variables=variables | {"ATEN_CPU_CAPABILITY": CAPABILITY}, count=False
        )
        if built.error:
            return [f"the second build fails: {built.error}"]
        problems = list(_notebooks(read_notebook(lecture.notebook), read_notebook(again.notebook)))
        if "torch" not in load(lecture.trace).head.packages:
            return [*problems, *differences(lecture.trace, again.trace)]
        return [*problems, *outlines(lecture.trace, again.trace), *_as_it_was(lecture, Path(folder))]


def _as_it_was(lecture: Lecture, folder: Path) -> list[str]:
    """How the trace of a build under the same conditions differs from the committed one.

    That may be of another processor, with other sums. So where they differ, today's is compared with one more of today.
    """
    before = lecture.trace
    problems: list[str] = []
    for name in ("same", "once-more"):
        again = Lecture(folder / name, lecture.name)
        built = build_lecture(lecture, into=again, count=False)
        if built.error:
            return [f"another build fails: {built.error}"]
        problems = list(differences(before, again.trace))
        if not problems:
            break
        before = again.trace
    return problems


def _notebooks(first: nbformat.NotebookNode, second: nbformat.NotebookNode) -> Iterator[str]:
    for at, (one, two) in enumerate(zip_longest(first.cells, second.cells), start=1):
        if one == two or (one and two and _but_for_outputs(one) == _but_for_outputs(two)):
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


def _but_for_outputs(cell: nbformat.NotebookNode) -> dict[str, Any]:
    """The cell, without its outputs if it asks that they not be compared."""
    return {**cell, "outputs": []} if escapes(cell)[0] else dict(cell)
