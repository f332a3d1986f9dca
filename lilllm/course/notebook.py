"""A notebook file in the learner's working copy: read it with care, write it whole or not at all, know its exercises.

The learner's notebooks may be half-written, of another program or of another person: reading names what is wrong and
changes nothing. Trust is Jupyter's own (`jupyter trust`): a signature in the learner's data folder, not in the file.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbformat.notebooknode import NotebookNode
from nbformat.sign import NotebookNotary

_CHECK = re.compile(r"""\bcheck\(\s*(?:["']([^"'\n]+)["']|([A-Za-z_][\w.]*))""")


class NotebookError(ValueError):
    """The file is not a notebook that can be worked with."""


def parse(data: bytes, name: str) -> NotebookNode:
    """The notebook in ``data``, as nbformat 4; ``name`` is what the error calls it.

    Raises:
        NotebookError: no JSON, no notebook, or one that breaks the format's rules.
    """
    try:
        notebook = nbformat.reads(data.decode("utf-8"), as_version=4)
        nbformat.validate(notebook)
    except UnicodeDecodeError as error:
        raise NotebookError(f"{name} is not UTF-8 text (byte {error.start})") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, nbformat.ValidationError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise NotebookError(
            f"{name} is not a whole Jupyter notebook ({type(error).__name__}: {first[:120]})"
        ) from error
    return notebook


def read(path: Path) -> NotebookNode:
    """The notebook at ``path``; see :func:`parse`.

    Raises:
        NotebookError: also when the file cannot be opened.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotebookError(f"{path.name} cannot be read ({error.strerror})") from error
    return parse(data, path.name)


def to_bytes(notebook: NotebookNode) -> bytes:
    """The file of a notebook, one newline at its end."""
    text: str = nbformat.writes(notebook)
    return text.rstrip("\n").encode("utf-8") + b"\n"


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write ``data`` to ``path`` by a temporary file beside it: a crash leaves the old file or the new one.

    The mode of an existing file is kept; a ``private`` one is for its owner only.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if not private:
            Path(temporary).chmod(path.stat().st_mode & 0o777 if path.exists() else _default_mode())
        Path(temporary).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
        raise


def _default_mode() -> int:
    umask = os.umask(0o022)  # the only way to read it is to set it
    os.umask(umask)
    return 0o666 & ~umask


def is_exercise(cell: Any) -> bool:
    """Whether a cell is for the learner to write in."""
    return cell.get("cell_type") == "code" and "exercise" in cell.get("metadata", {}).get("tags", [])


def check_name(cell: Any) -> str | None:
    """The exercise that a cell is: the name in its metadata, else what it hands to ``check(...)`` first, or None.

    >>> check_name({"source": "def f(x):\\n    return x\\n\\ncheck('bpe.merge', f)"})
    'bpe.merge'
    """
    named = cell.get("metadata", {}).get("exercise")
    if isinstance(named, str):
        return named
    found = _CHECK.search(cell["source"])
    return (found[1] or found[2]) if found else None


def trust(notebook: NotebookNode) -> bool:
    """Sign ``notebook`` as `jupyter trust` does, so that JupyterLab shows its HTML and widgets; False if it cannot.

    The signature goes into Jupyter's data folder, which may not be writable; a lecture then runs all the same.
    """
    try:
        NotebookNotary().sign(notebook)
    except (OSError, sqlite3.Error):
        return False
    return True


def is_trusted(notebook: NotebookNode) -> bool:
    """Whether its present content was signed on this machine."""
    try:
        trusted: bool = NotebookNotary().check_signature(notebook)
    except (OSError, sqlite3.Error):
        return False
    return trusted
