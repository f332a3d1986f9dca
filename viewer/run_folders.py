"""The run folders below one root, and ``run.json`` of each. What lies there is taken as anybody's.

Read in order:  runs_root, find_runs (names and folders), open_regular, read_about (run.json as rows of a table),
                steps_of
Safety:         no link is followed below the root, nothing is opened but regular files, and a name from an address only
                selects from what `find_runs` found
"""

from __future__ import annotations

import argparse
import os
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

ABOUT, METRICS = "run.json", "metrics.jsonl"
VARIABLE = "LILLLM_RUNS"
_DEEPEST = 3  # runs/NAME, and a folder or two of a sweep between
_MOST_RUNS = 500
_MOST_FOLDERS = 20_000  # looked into: below a root that holds something else than runs
_MOST_BYTES = 1 << 20  # of run.json
_MOST_ROWS, _LONGEST = 300, 200  # of the table made of it, and of a value


def runs_root() -> Path:
    """``streamlit run viewer -- --runs FOLDER``, or LILLLM_RUNS, or ``runs`` where the viewer was started."""
    parser = argparse.ArgumentParser(add_help=False, exit_on_error=False)
    parser.add_argument("--runs")
    given: str | None = None
    try:
        given = parser.parse_known_args(sys.argv[1:])[0].runs
    except argparse.ArgumentError:  # --runs without a folder: as if it were not there
        given = None
    return Path(given or os.environ.get(VARIABLE) or "runs").expanduser()


def find_runs(root: Path) -> dict[str, Path]:
    """The run folders below ``root`` by their names, paths from there; the one written to last comes first."""
    found: list[tuple[float, str, Path]] = []
    looked = 0
    waiting = [(root, 0)]
    while waiting and len(found) < _MOST_RUNS and looked < _MOST_FOLDERS:
        folder, depth = waiting.pop(0)
        for entry in _folders(folder):
            looked += 1
            path = folder / entry.name
            changed = _changed(path)
            if changed is not None:
                found.append((changed, path.relative_to(root).as_posix(), path))
            elif depth + 1 < _DEEPEST:
                waiting.append((path, depth + 1))
    return {name: path for _, name, path in sorted(found, key=lambda one: (-one[0], one[1]))[:_MOST_RUNS]}


def _folders(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False) and _printable(entry.name):
                    yield entry
    except OSError:  # not there, or not ours to read: it holds no runs for us
        return


def _printable(name: str) -> bool:
    return name.isprintable() and all(not 0xD800 <= ord(c) <= 0xDFFF for c in name)


def _changed(folder: Path) -> float | None:
    """When a run was last written to; None: this is no run folder."""
    times = []
    for name in (METRICS, ABOUT):
        try:
            about = os.lstat(folder / name)
        except OSError:
            continue
        if stat.S_ISREG(about.st_mode):
            times.append(about.st_mtime)
    return times[0] if times else None


def open_regular(path: Path) -> BinaryIO:
    """Open a file that is a file: no link, no pipe, no device.

    Raises:
        OSError: it is not there, cannot be read, or is something else.
    """
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    if stat.S_ISLNK(os.lstat(path).st_mode):  # where the system has no O_NOFOLLOW
        raise OSError(f"{path.name} is a link, and links are not followed here")
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path.name} is no regular file")
    return os.fdopen(descriptor, "rb")


def read_about(folder: Path) -> dict[str, str]:
    """``run.json`` as names with dots and values as text; empty where there is none that can be read."""
    try:
        with open_regular(folder / ABOUT) as file:
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
