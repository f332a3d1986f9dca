"""Where a lecture's files are, and how they are written.

lectures/05_attention.py -> lectures/05_attention.ipynb and traces/05_attention.trace.jsonl.gz
"""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lilllm.lectures.header import NAME


@dataclass(frozen=True)
class Lecture:
    """A lecture by its source file; ``root`` is the checkout."""

    root: Path
    name: str

    @property
    def number(self) -> str:
        return self.name[:2]

    @property
    def source(self) -> Path:
        return self.root / "lectures" / f"{self.name}.py"

    @property
    def notebook(self) -> Path:
        return self.root / "lectures" / f"{self.name}.ipynb"

    @property
    def trace(self) -> Path:
        return self.root / "traces" / f"{self.name}.trace.jsonl.gz"


def find_lectures(root: Path, numbers: tuple[str, ...] = ()) -> list[Lecture]:
    """The lectures of the checkout in order; with ``numbers`` (``5``, ``05`` or ``05_attention``) only those.

    Raises:
        ValueError: a number that no lecture has, or two lectures with one number.
    """
    names = sorted(path.stem for path in (root / "lectures").glob("*.py") if NAME.fullmatch(path.stem))
    by_number = {name[:2]: name for name in names}
    if len(by_number) < len(names):
        twice = [name for name in names if by_number[name[:2]] != name]
        raise ValueError(
            f"two lectures have one number: {', '.join(twice)} and {', '.join(by_number[n[:2]] for n in twice)}"
        )
    if not numbers:
        return [Lecture(root, name) for name in names]
    chosen = []
    for asked in numbers:
        stem = Path(asked).name.removesuffix(".py").removesuffix(".ipynb")
        name = stem if stem in names else by_number.get(stem.zfill(2))
        if name is None:
            known = ", ".join(names) or "none yet"
            raise ValueError(f"there is no lecture {asked!r}: give a number such as 01 or a name of: {known}")
        chosen.append(Lecture(root, name))
    return sorted(set(chosen), key=lambda lecture: lecture.name)


def write_atomically(path: Path, data: str | bytes) -> None:
    """Write beside ``path`` under a temporary name, then rename: a stop in between leaves the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        temporary.chmod(0o644)  # mkstemp gives 0600, which a shared checkout could not read
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
