"""Where the repository is.

The wheel holds the package with the player; lectures, viewer and traces come with a clone. Whoever needs one of
them asks here, and a reader without a clone is told in one sentence.
"""

from __future__ import annotations

from pathlib import Path

import lilllm


class NotACloneError(ValueError):
    """There is no clone of the repository around."""


def is_clone(folder: Path) -> bool:
    """Whether ``folder`` is the root of a clone: the package, the lectures and the viewer lie in it."""
    return (
        (folder / "lilllm" / "__init__.py").is_file()
        and (folder / "lectures").is_dir()
        and (folder / "viewer").is_dir()
    )


def find_clone(start: Path | None = None) -> Path:
    """The root of the clone that ``start`` (default: the working directory) lies in, else that of the package itself.

    With ``pip install -e .`` the package lies in its clone, so the command works from every folder.

    Raises:
        NotACloneError: neither lies in a clone.
    """
    here = (start or Path.cwd()).resolve()
    package = Path(lilllm.__file__).resolve().parent
    for folder in (here, *here.parents, package.parent):
        if is_clone(folder):
            return folder
    raise NotACloneError(
        f"{here} is not in a clone of the repository; lectures, viewer and traces come with a clone, the installed "
        "package does not hold them: git clone the repository, go into it and run `make course`"
    )
