"""What a built notebook says of its own making: ``metadata.lilllm``, from which the build sees what changed.

    source    of the .py            package   of the components it imports      versions  Python and libraries
    cells     of the cells with their outputs                                   trace     of the trace file's bytes

``cells`` and ``trace`` tie the pair together: both were written by one execution, and neither was edited since.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import msgspec
import nbformat

from lilllm.lectures.depends import package_hash, source_hash, versions
from lilllm.lectures.files import Lecture


class Stamp(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """All hashes are SHA-256 in hex."""

    source: str
    package: str
    versions: dict[str, str]
    cells: str
    trace: str


def package_folder() -> Path:
    """The folder of the ``lilllm`` that is imported here, which is the one that lectures import."""
    return Path(__file__).parent.parent


def cells_hash(notebook: nbformat.NotebookNode) -> str:
    return hashlib.sha256(json.dumps(notebook.cells, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def file_hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def make_stamp(lecture: Lecture, notebook: nbformat.NotebookNode, trace: Path) -> Stamp:
    """The stamp of a notebook in normal form and its trace, just built from ``lecture``."""
    return Stamp(
        source=source_hash(lecture.source),
        package=package_hash(lecture.source, package_folder()),
        versions=versions(),
        cells=cells_hash(notebook),
        trace=file_hash(trace),
    )


def put_stamp(notebook: nbformat.NotebookNode, stamp: Stamp) -> None:
    notebook.metadata["lilllm"] = nbformat.from_dict(msgspec.to_builtins(stamp))


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """A built notebook.

    Raises:
        ValueError: it is not a notebook of version 4.
        OSError: it cannot be read.
    """
    try:
        raw: Any = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(raw, dict) or raw.get("nbformat") != 4:
            raise ValueError("it is not a notebook of version 4")
        return nbformat.reads(json.dumps(raw), as_version=4)
    except (ValueError, nbformat.ValidationError) as error:
        raise ValueError(f"{path.name} cannot be read ({str(error).splitlines()[0]}): build it again") from error


def read_stamp(notebook: nbformat.NotebookNode) -> Stamp | None:
    """The stamp, or None if this build did not make the notebook."""
    try:
        return msgspec.convert(json.loads(json.dumps(notebook.metadata.get("lilllm"))), Stamp)
    except msgspec.ValidationError:
        return None


def why_build(lecture: Lecture) -> str:
    """Why the lecture has to be built; empty if its notebook and trace are of today's source, package and versions."""
    missing = [path.name for path in (lecture.notebook, lecture.trace) if not path.exists()]
    if missing:
        return f"there is no {' and no '.join(missing)}"
    try:
        notebook = read_notebook(lecture.notebook)
    except ValueError as error:
        return str(error)
    stamp = read_stamp(notebook)
    if stamp is None:
        return "the notebook was not made by this build"
    if stamp.source != source_hash(lecture.source):
        return "the source changed"
    if stamp.cells != cells_hash(notebook):
        return "the notebook was edited"
    if stamp.trace != file_hash(lecture.trace):
        return "the trace is not of the notebook's run"
    if stamp.package != package_hash(lecture.source, package_folder()):
        return "what it imports of lilllm changed"
    if stamp.versions != versions():
        now = versions()
        other = [
            name for name in sorted(stamp.versions.keys() | now.keys()) if stamp.versions.get(name) != now.get(name)
        ]
        changes = ", ".join(
            f"{name} {stamp.versions.get(name, 'none')} -> {now.get(name, 'none')}" for name in other[:3]
        )
        return f"versions changed: {changes}"
    return ""
