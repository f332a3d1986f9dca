"""Where a working copy may live and what its lectures are called: both come from users, and neither is believed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

LECTURE = re.compile(r"\d\d_[a-z0-9_]+")  # the stem of a lecture's files


class WorkspaceError(ValueError):
    """What was asked for cannot be done to this working copy; nothing was changed."""


def check_folder(folder: Path, clone: Path) -> Path:
    """``folder`` made absolute, if a working copy may live there.

    Raises:
        WorkspaceError: it is a file, a part of the repository, or holds something else.
    """
    folder = Path(folder).expanduser().resolve()
    use = "name a new folder, or leave --dir out for my-course"
    if folder.exists() and not folder.is_dir():
        raise WorkspaceError(f"{folder} is a file, not a folder: {use}")
    if clone.is_relative_to(folder):
        raise WorkspaceError(f"{folder} holds the repository itself: {use}")
    if folder.is_relative_to(clone):
        top = clone / folder.relative_to(clone).parts[0]
        tracked = {"lectures", "lilllm", "viewer", "traces", "tests", ".git", ".github", ".ci", ".venv"}
        if top.name in tracked:
            raise WorkspaceError(f"{folder} is inside {top.name}/ of the repository: {use}")
    if folder.is_dir() and not (folder / ".lilllm").is_dir():
        found = sorted(entry.name for entry in folder.iterdir())
        if found and not any(LECTURE.fullmatch(Path(name).stem) and name.endswith(".ipynb") for name in found):
            raise WorkspaceError(f"{folder} holds other things ({', '.join(found[:3])} ...): {use}")
    return folder


def match_name(given: str, names: Sequence[str]) -> str:
    """The lecture of ``names`` that ``1``, ``01`` or ``01_tokenization`` means.

    Raises:
        WorkspaceError: none has that name; the message lists those that there are.

    >>> match_name("2", ["01_tokenization", "02_tensors"])
    '02_tensors'
    """
    wanted = given.strip().removesuffix(".ipynb")
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 4:
        matches = [name for name in names if int(name[:2]) == int(wanted)]
    else:
        matches = [name for name in names if name == wanted]
    if len(matches) == 1:
        return matches[0]
    allowed = ", ".join(names) or "none is built yet (`make lectures` builds them)"
    raise WorkspaceError(f"no lecture {given!r}; there are: {allowed}")
