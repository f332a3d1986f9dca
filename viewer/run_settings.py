"""What a run was asked for: ``run.json``, whoever wrote it, as rows of text.

Read in order:  read_about, steps_of
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from lilllm.runtime.run_folders import RUN, open_regular

_MOST_BYTES = 1 << 20  # of run.json
_MOST_ROWS, _LONGEST = 300, 200  # of the table made of it, and of a value


def read_about(folder: Path) -> dict[str, str]:
    """``run.json`` as names with dots and values as text; empty where there is none that can be read."""
    try:
        with open_regular(folder / RUN) as file:
            data = file.read(_MOST_BYTES + 1)
        content = msgspec.json.decode(data) if len(data) <= _MOST_BYTES else None
        return dict(_rows(content, "", 0))
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors
        return {}


def _rows(value: Any, name: str, depth: int) -> list[tuple[str, str]]:
    """Rows of a nested value, at most ``_MOST_ROWS``."""
    if isinstance(value, Mapping) and depth < 8 and value:
        rows: list[tuple[str, str]] = []
        for key, inner in value.items():
            rows += _rows(inner, f"{name}.{key}" if name else str(key), depth + 1)
            if len(rows) >= _MOST_ROWS:
                break
        return rows[:_MOST_ROWS]
    if not name:
        return []
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return [(name[:_LONGEST], text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")]


def steps_of(about: Mapping[str, str]) -> int | None:
    """How many steps a run was asked for, if its run.json says so: the value of a name that ends in ``steps``."""
    for name in sorted(about, key=len):
        if name.rpartition(".")[2] == "steps" and about[name].isdecimal() and len(about[name]) < 16:
            return int(about[name])
    return None
