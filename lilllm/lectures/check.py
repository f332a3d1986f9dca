"""What must hold of a lecture's built files, found without running it again (that is nbval's part, and ``twice``'s).

Read in order: check_lecture (all of it), then one function a concern; check_folder for what belongs to no lecture.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat

from lilllm.lectures.files import Lecture
from lilllm.lectures.header import NAME, Header, HeaderError, read_header
from lilllm.lectures.measured import Measured
from lilllm.lectures.outputs import MOST_ESCAPED, escapes, unstable, unstable_values
from lilllm.lectures.source import changed_by_conversion, read_cells
from lilllm.lectures.stamp import cells_hash, file_hash, package_folder, read_notebook, read_stamp


def check_lecture(lecture: Lecture, measured: Measured | None) -> list[str]:
    """All that is wrong with a lecture, each in a sentence that says where and what to do; empty if nothing is."""
    problems: list[str] = []
    header: Header | None = None
    try:
        header = read_header(lecture.source)
    except HeaderError as error:
        problems.append(f"header: {error}")
    source = read_cells(lecture.source)
    problems += changed_by_conversion(lecture.source, source)
    problems += _napkin(source)
    problems += _formulas(source)
    if not lecture.notebook.exists():
        return [*problems, f"there is no {lecture.notebook.name}: build it"]
    try:
        notebook = read_notebook(lecture.notebook)
    except ValueError as error:
        return [*problems, str(error)]
    problems += _pair(lecture, source, notebook)
    problems += _outputs(notebook)
    if header is not None:
        problems += _budget(header, measured)
    return problems


def _napkin(source: nbformat.NotebookNode) -> Iterator[str]:
    """A question is asked before the first code, and a later section answers it with a computed number."""
    kinds = [cell.cell_type for cell in source.cells]
    first = kinds.index("code") if "code" in kinds else len(kinds)
    for what, cells in (("question", source.cells[:first]), ("answer", source.cells[first:])):
        pattern = re.compile(rf"^\s*(?:#+\s+|[-*]\s+)?[*_]*Napkin {what}", re.IGNORECASE | re.MULTILINE)
        if not any(pattern.search(cell.source) for cell in cells if cell.cell_type == "markdown"):
            place = "before the first code cell" if what == "question" else "in a later section"
            yield f"there is no *Napkin {what}* {place} (a heading or bold words that start so)"


def _formulas(source: nbformat.NotebookNode) -> Iterator[str]:
    from lilllm.tracing.prepare import unconverted_formulas

    for at, cell in enumerate(source.cells, start=1):
        if cell.cell_type == "markdown":
            for formula in unconverted_formulas(cell.source):
                yield f"cell {at}: the formula `{formula}` does not convert to MathML: the player would show its source"


def _pair(lecture: Lecture, source: nbformat.NotebookNode, notebook: nbformat.NotebookNode) -> Iterator[str]:
    """The source, the notebook and the trace are of one run."""
    again = f"run `lilllm lectures build {lecture.number}`"
    mine = [(cell.cell_type, cell.source) for cell in source.cells]
    built = [(cell.cell_type, cell.source) for cell in notebook.cells]
    stamp = read_stamp(notebook)
    if mine != built:
        at = next(
            (n for n, (a, b) in enumerate(zip(mine, built, strict=False), start=1) if a != b),
            min(len(mine), len(built)) + 1,
        )
        yield f"{lecture.notebook.name} is not of {lecture.source.name}: they differ from cell {at} on; {again}"
    elif stamp is None:
        yield f"{lecture.notebook.name} was not made by this build; {again}"
    elif stamp.cells != cells_hash(notebook):
        yield f"{lecture.notebook.name} was edited after it was built; put edits into {lecture.source.name} and {again}"
    if "jupytext" in notebook.metadata:
        yield f"{lecture.notebook.name} holds pairing metadata: saving it overwrites {lecture.source.name}; {again}"
    if not lecture.trace.exists():
        yield f"there is no {lecture.trace.name}; {again}"
    elif stamp is not None and stamp.trace != file_hash(lecture.trace):
        yield f"{lecture.trace.name} is not of the run that made {lecture.notebook.name}; {again}"
    else:
        yield from _trace(lecture, again)


def _trace(lecture: Lecture, again: str) -> Iterator[str]:
    """The trace loads, is whole, and shows the files as they are now."""
    from lilllm.tracing.reader import TraceError, load

    try:
        trace = load(lecture.trace)
    except TraceError as error:
        yield f"{lecture.trace.name} does not load: {error}"
        return
    if not trace.complete:
        yield f"{lecture.trace.name} is not whole: {trace.stopped}"
    yield from dict.fromkeys(f"{lecture.trace.name} {what}" for what in unstable_values(trace.values))
    for file in trace.head.files:
        path = lecture.root / file.name if not file.name.startswith("lilllm/") else package_folder().parent / file.name
        if path.is_file() and path.read_text(encoding="utf-8") != file.text:
            yield f"{lecture.trace.name} shows {file.name} as it was before it changed; {again}"


def _outputs(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Every code cell ran, to its end, and nearly all have outputs that can be compared."""
    code = [(at, cell) for at, cell in enumerate(notebook.cells, start=1) if cell.cell_type == "code"]
    escaped = 0
    for at, cell in code:
        if cell.execution_count is None:
            yield f"cell {at} was not run, so nothing in it would be compared"
        is_escaped, reason = escapes(cell)
        escaped += is_escaped
        if is_escaped and not reason:
            yield f"cell {at}: its output is not compared, and no line `# Reason: ...` in it says why"
        if not is_escaped or any(output.output_type == "error" for output in cell.outputs):
            yield from (f"cell {at} {what}" for what in unstable(cell))
    if escaped > MOST_ESCAPED * len(code):
        yield f"the outputs of {escaped} of {len(code)} code cells are not compared; at most {MOST_ESCAPED:.0%} may be"


def _budget(header: Header, measured: Measured | None) -> Iterator[str]:
    if measured is None:
        yield f"measured.json has no figures of it; run `lilllm lectures build {header.name[:2]}`"
        return
    figures = {"seconds": measured.seconds, "memory": measured.peak_mb * 1e6}
    for problem in header.budget.exceeded(**figures, flops=measured.flops, moved=measured.moved):
        yield f"{problem} ({measured.machine})"


def check_folder(root: Path) -> list[str]:
    """What lies in ``lectures/`` and ``traces/`` and belongs to no lecture."""
    sources = {path.stem for path in (root / "lectures").glob("*.py")}
    problems = [f"lectures/{stem}.py: a lecture is named NN_topic.py" for stem in sources if not NAME.fullmatch(stem)]
    for path in (root / "lectures").glob("*.ipynb"):
        if path.stem not in sources:
            problems.append(f"lectures/{path.name}: there is no {path.stem}.py; delete it or bring the source back")
    for path in (root / "traces").glob("*.trace.jsonl.gz"):
        if path.name.removesuffix(".trace.jsonl.gz") not in sources:
            problems.append(f"traces/{path.name}: there is no lecture of this name; delete it or bring the source back")
    return sorted(problems)
