"""A lecture's ``.py`` as cells that know their lines.

Jupytext reads the cells; it does not say where they stand, so we look for each cell's first line after its ``# %%``.
Steps of the trace are then lines of the file that a reader has open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilllm.tracing.format import Cell

_MARKER = re.compile(r"^# ?%%(?!%)")
_HEADER_END = re.compile(r"^# ---\s*$")


@dataclass(frozen=True)
class Lecture:
    """``notebook`` (nbformat, not run), its text as ``.py``, and one ``Cell`` for each of its cells."""

    notebook: Any
    text: str
    cells: list[Cell]


def is_percent(text: str) -> bool:
    """Whether a ``.py`` is a lecture: it has cell markers."""
    return any(_MARKER.match(line) for line in text.splitlines())


def read_lecture(path: Path) -> Lecture:
    """Read a ``.py`` with cell markers, or an ``.ipynb``, whose text is then what jupytext makes of it.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a notebook, or the cells that jupytext reads are not those of the file.
    """
    import jupytext

    if path.suffix == ".ipynb":
        import nbformat

        try:
            notebook = nbformat.reads(path.read_text(encoding="utf-8"), as_version=4)
        except Exception as error:  # nbformat raises whatever its parsers do
            raise ValueError(f"{path.name} is not a notebook: {str(error)[:200]}") from None
        for cell in notebook.cells:  # outputs of an earlier run are not of this one
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        text = jupytext.writes(notebook, fmt="py:percent")
    else:
        text = path.read_text(encoding="utf-8")
        notebook = jupytext.reads(text, fmt="py:percent")
    return Lecture(notebook, text, locate(notebook.cells, text))


def locate(cells: list[Any], text: str) -> list[Cell]:
    """Where each cell of a notebook stands in its ``.py``. Raises: ValueError, one is not found."""
    lines = text.split("\n")
    start = _after_header(lines)
    markers = [number for number in range(start, len(lines)) if _MARKER.match(lines[number])]
    if any(line.strip() for line in lines[start : markers[0] if markers else len(lines)]):
        markers.insert(0, start - 1)  # text before the first marker is a cell without one
    if len(markers) != len(cells):
        raise ValueError(
            f"the file has {len(markers)} cells, jupytext reads {len(cells)}: write each with its own # %%"
        )
    located = []
    for number, (cell, marker, after) in enumerate(zip(cells, markers, [*markers[1:], len(lines)], strict=True)):
        inside = [at for at in range(marker + 1, after) if lines[at].strip()]
        first, last = (inside[0], inside[-1]) if inside else (max(marker, 0), max(marker, 0))
        prose = cell.cell_type != "code"
        if not prose and inside and (last - first) != cell.source.strip("\n").count("\n"):
            raise ValueError(f"cell {number + 1} at line {first + 1} is not what jupytext reads of it")
        tags = [str(tag) for tag in cell.metadata.get("tags", [])]
        kind: Any = "markdown" if prose else "code"
        located.append(Cell(kind=kind, first=first + 1, last=last + 1, text=cell.source if prose else "", tags=tags))
    return located


def _after_header(lines: list[str]) -> int:
    """The line after jupytext's YAML header, which is no cell."""
    if not lines or not _HEADER_END.match(lines[0]):
        return 0
    return next((number + 1 for number in range(1, len(lines)) if _HEADER_END.match(lines[number])), 0)
