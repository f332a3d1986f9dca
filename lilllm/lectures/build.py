"""Build a lecture: run it once, and write its notebook and its trace from that one run.

Read in order: environment (of the kernel), build_lecture (one), then schedule.py (many, in parallel).
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat

from lilllm.lectures.files import Lecture, write_atomically
from lilllm.lectures.header import HeaderError, read_header
from lilllm.lectures.measured import Measured, this_machine
from lilllm.lectures.normalise import dump, normalise
from lilllm.lectures.stamp import make_stamp, put_stamp

TIMEOUT = 600.0  # seconds; the budget is checked from what was measured, this only ends a run that hangs
_FRAME = re.compile(r"Cell In\[\d+\], line (\d+)")
_COLOUR = re.compile(r"\x1b\[[\d;]*m")


@dataclass(frozen=True)
class Built:
    """What came of one lecture: ``measured`` if it was built, else ``error`` says where it failed."""

    name: str
    measured: Measured | None = None
    error: str = ""


class CountError(RuntimeError):
    """The run that counts torch's operations did not come to its end."""


def environment(ipython: Path, *, hash_seed: str = "0", threads: int = 1) -> dict[str, str]:
    """The variables of a lecture's kernel: one thread, no network of its own, and nobody's IPython start-up files.

    One thread because sums differ with the number of threads, and lectures that run side by side are faster so.
    """
    count = str(threads)
    return {
        "OMP_NUM_THREADS": count,
        "OPENBLAS_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "PYTHONHASHSEED": hash_seed,
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "IPYTHONDIR": str(ipython),
        "LILLLM_HOME": "",  # a build is nobody's progress, and nobody's guesses show in it
    }


def build_lecture(
    lecture: Lecture,
    *,
    into: Lecture | None = None,
    on_cell: Callable[[], None] | None = None,
    variables: dict[str, str] | None = None,
    count: bool = True,
) -> Built:
    """Run the lecture in a kernel; replace its notebook and trace if every cell ran. Then count what torch does in it.

    Args:
        into: where to write, by default beside the source; the second build of a check writes elsewhere.
        on_cell: called after each code cell of both runs.
        variables: of the kernel, over those of ``environment``.
        count: whether to count torch's operations, which takes a second run.
    """
    from lilllm.tracing.drive import run_notebook
    from lilllm.tracing.reader import load

    into = into or lecture
    try:
        title = read_header(lecture.source).title
    except HeaderError:
        title = lecture.name  # the check lists what the header lacks; the lecture can be built meanwhile
    into.root.mkdir(parents=True, exist_ok=True)
    folder = Path(
        tempfile.mkdtemp(prefix=".building-", dir=into.root)
    )  # beside the targets: a rename does not cross disks
    try:
        trace = folder / lecture.trace.name
        env = environment(folder / "ipython") | (variables or {})
        executed = run_notebook(
            lecture.source,
            trace,
            title=title,
            name=f"lectures/{lecture.source.name}",
            timeout=TIMEOUT,
            env=env,
            cwd=lecture.source.parent,
            on_cell=(lambda *_: on_cell()) if on_cell else None,
        )
        if executed.error is not None:
            return Built(lecture.name, error=where_it_failed(lecture, executed.notebook) or executed.error)
        notebook = normalise(executed.notebook)
        put_stamp(notebook, make_stamp(lecture, notebook, trace))
        flops, moved = 0, 0
        if count:
            if "torch" in load(trace).head.packages:
                flops, moved = count_operations(lecture, folder, env, on_cell)
            elif on_cell:
                for _ in (cell for cell in notebook.cells if cell.cell_type == "code"):
                    on_cell()  # nothing to count: this half is done
        # The trace first: without the second write the old notebook's stamp does not fit, and it is built again.
        write_atomically(into.trace, trace.read_bytes())
        write_atomically(into.notebook, dump(notebook))
    except CountError as error:
        return Built(lecture.name, error=str(error))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    peak = round((executed.peak_bytes or 0) / 1e6)
    return Built(lecture.name, Measured(round(executed.seconds, 1), peak, this_machine(), flops, moved))


def count_operations(
    lecture: Lecture, folder: Path, env: dict[str, str], on_cell: Callable[[], None] | None
) -> tuple[int, int]:
    """FLOPs and bytes moved by torch's operations in the lecture, which is run once more for it.

    Raises:
        CountError: this run did not come to its end.
    """
    import msgspec

    from lilllm.tracing.drive import run_notebook
    from lilllm.tracing.measure import Measured as Counted

    into = folder / "operations.json"
    executed = run_notebook(
        lecture.source, into, name=f"lectures/{lecture.source.name}", timeout=TIMEOUT, env=env, measure="operations",
        cwd=lecture.source.parent, on_cell=(lambda *_: on_cell()) if on_cell else None,
    )  # fmt: skip
    if executed.error is not None:
        raise CountError(f"it ran, but not when its operations were counted: {executed.error}")
    lines = msgspec.json.decode(into.read_bytes(), type=Counted).lines
    return sum(line.flops for line in lines), sum(line.bytes for line in lines)


def where_it_failed(lecture: Lecture, notebook: nbformat.NotebookNode) -> str:
    """The cell, the line of the ``.py`` and the error at which a run ended; empty if no cell holds an error."""
    from lilllm.tracing.percent import locate

    text = lecture.source.read_text(encoding="utf-8")
    for at, cell in enumerate(notebook.cells):
        for output in cell.get("outputs", []):
            if output["output_type"] != "error":
                continue
            line = locate(notebook.cells, text)[at].first
            # IPython's traceback opens with the statement of this cell that did not come back.
            if frame := _FRAME.search(_COLOUR.sub("", "\n".join(output["traceback"]))):
                line += int(frame.group(1)) - 1
            message = " ".join(f"{output['ename']}: {output['evalue']}".split())
            return f"cell {at + 1}, lectures/{lecture.source.name} line {line}: {message}"
    return ""
