"""What a lecture asks of its reader: its exercises, and its questions to answer before the cell that reveals.

Read from ``lectures/NAME.py``, the source of truth, as text: nothing is run, and neither jupytext nor torch is needed.
A clone that has only the notebook is read from that.

Read in order: Asked, asked, _cells, _questions.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

_CELL = re.compile(r"^# %%(.*)$", re.MULTILINE)
_TAGS = re.compile(r"tags=\[([^\]]*)\]")
_NAMED = re.compile(r"""\bexercise=["']([\w.]+)["']""")


class Asked(NamedTuple):
    """``exercises``: as `check` names them; ``questions``: patterns that the texts of its predictions match whole."""

    exercises: tuple[str, ...] = ()
    questions: tuple[str, ...] = ()


def asked(clone: Path, name: str) -> Asked:
    """What the lecture ``name`` asks; nothing where it is not there or cannot be read."""
    for path in (clone / "lectures" / f"{name}.py", clone / "lectures" / f"{name}.ipynb"):
        try:
            about = path.stat()
            return _asked(path, about.st_mtime_ns, about.st_size)
        except (OSError, ValueError, TypeError, AttributeError):  # missing, no UTF-8, no notebook: lists tell of those
            continue
    return Asked()


@lru_cache(maxsize=64)
def _asked(path: Path, _changed: int, _size: int) -> Asked:
    exercises: list[str] = []
    questions: list[str] = []
    for cell in _cells(path):
        if "exercise" in cell["metadata"].get("tags", []):
            name = cell["metadata"].get("exercise") or _checked(cell)
            if isinstance(name, str) and name not in exercises:
                exercises.append(name)
        elif "predict(" in cell["source"]:
            questions += _questions(cell["source"])
    return Asked(tuple(exercises), tuple(questions))


def _cells(path: Path) -> Iterator[dict[str, Any]]:
    """The code cells of a py:percent file or a notebook, with what of their metadata is of use here."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        found = json.loads(text)
        cells = found.get("cells", []) if isinstance(found, dict) else []
        for cell in cells:
            if cell.get("cell_type") == "code":
                yield {"metadata": cell.get("metadata", {}), "source": "".join(cell.get("source", ""))}
        return
    heads = list(_CELL.finditer(text))
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        if "[markdown]" in head[1]:
            continue
        tags, named = _TAGS.search(head[1]), _NAMED.search(head[1])
        metadata: dict[str, Any] = {"tags": re.findall(r"\w+", tags[1])} if tags else {}
        if named:
            metadata["exercise"] = named[1]
        yield {"metadata": metadata, "source": text[head.end() : following.start() if following else len(text)]}


def _checked(cell: dict[str, Any]) -> str | None:
    from lilllm.course.notebook import check_name  # loads nbformat, which a viewer alone may lack

    return check_name(cell)


def _questions(source: str) -> list[str]:
    """A pattern for the first argument of each call of ``predict``; what is filled in may be anything.

    >>> _questions("q = predict(f'How many of {n:,}?', guess=1)")
    ['How\\\\ many\\\\ of\\\\ .+\\\\?']
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a cell with a magic
        return []
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "predict" and node.args:
            parts = node.args[0].values if isinstance(node.args[0], ast.JoinedStr) else [node.args[0]]
            constants = [part.value if isinstance(part, ast.Constant) else None for part in parts]
            if any(constants):  # all of it filled in: nothing to know it by
                found.append("".join(".+" if text is None else re.escape(str(text)) for text in constants))
    return found
