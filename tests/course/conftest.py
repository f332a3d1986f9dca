"""A toy clone with one lecture, and Jupyter's own files kept out of the reader's home."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.notebooknode import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

Cells = list[tuple[str, str]]  # (id, source); an id "e..." is an exercise, "m..." is prose

LECTURE: Cells = [
    ("m1", "# One"),
    ("c1", "import sys\nprint(sys.executable)"),
    ("m2", "Now you."),
    ("e1", "def f(x):\n    ...\n\ncheck('one.f', f)"),
    ("e2", "def g(x):\n    ...\n\ncheck('one.g', g)"),
]


def make_notebook(cells: Cells) -> NotebookNode:
    """A notebook of these cells."""
    made = []
    for cell_id, source in cells:
        cell = new_markdown_cell(source) if cell_id.startswith("m") else new_code_cell(source)
        cell.id = cell_id
        if cell_id.startswith("e"):
            cell.metadata["tags"] = ["exercise"]
        made.append(cell)
    python = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return new_notebook(cells=made, metadata={"kernelspec": python})


@pytest.fixture(autouse=True)
def own_jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures, settings and runtime files go to the test's own folder."""
    for name in ("DATA", "CONFIG", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / f"jupyter-{name.lower()}"))


@pytest.fixture
def publish(tmp_path: Path) -> Callable[..., None]:
    """Write a lecture of the toy clone: publish(cells, name="01_one")."""

    def write(cells: Cells, name: str = "01_one") -> None:
        nbformat.write(make_notebook(cells), tmp_path / "clone" / "lectures" / f"{name}.ipynb")

    return write


@pytest.fixture
def clone(tmp_path: Path, publish: Callable[..., None]) -> Path:
    """The toy clone."""
    root = tmp_path / "clone"
    for folder in ("lectures", "viewer", "lilllm"):
        (root / folder).mkdir(parents=True)
    (root / "lilllm" / "__init__.py").touch()
    (root / "viewer" / "streamlit_app.py").write_text("import streamlit\n\nstreamlit.title('Toy viewer')\n")
    publish(LECTURE)
    return root
