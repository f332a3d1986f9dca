"""A lecture's source as cells, and the traps between a ``.py`` file and a notebook."""

from __future__ import annotations

import tokenize
from io import StringIO
from pathlib import Path

import jupytext
import nbformat
from IPython.core.inputtransformer2 import TransformerManager


def read_cells(path: Path) -> nbformat.NotebookNode:
    """The notebook, not run, that jupytext makes of the lecture."""
    return jupytext.reads(path.read_text(encoding="utf-8"), fmt="py:percent")


def changed_by_conversion(path: Path, notebook: nbformat.NotebookNode) -> list[str]:
    """Where ``notebook``, made of the lecture ``path``, has code that the ``.py`` does not have, or that is a command.

    Jupytext turns a comment such as ``# ls`` into a magic unless ``comment_magics: false`` stands in the header.
    """
    lines = {line.rstrip() for line in path.read_text(encoding="utf-8").splitlines()}
    problems = []
    for at, cell in enumerate(notebook.cells, start=1):
        if cell.cell_type != "code":
            continue
        for line in cell.source.splitlines():
            if line.rstrip() not in lines:
                problems.append(
                    f"cell {at}: `{line.strip()}` is not a line of {path.name}: a comment was turned into a magic"
                )
        if magic := _first_magic(cell.source):
            problems.append(f"cell {at}: `{magic}` is a magic, which {path.name} as plain Python cannot hold")
    return problems


def _first_magic(source: str) -> str:
    """The first line that IPython would rewrite; empty if the cell is plain Python."""
    try:
        transformed = TransformerManager().transform_cell(source)
    except SyntaxError:
        return ""  # running the cell tells of it
    if transformed.split() == source.split():
        return ""
    new = {line.strip() for line in transformed.splitlines()}
    return next((line.strip() for line in source.splitlines() if line.strip() not in new), source.splitlines()[0])


def comments(source: str) -> list[str]:
    """The comments of a code cell, without their marks, in order; none if it is not Python."""
    try:
        tokens = list(tokenize.generate_tokens(StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return []
    return [token.string.lstrip("#").strip() for token in tokens if token.type == tokenize.COMMENT]
