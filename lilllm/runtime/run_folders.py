"""What lies in a folder of runs: which runs there are, their checkpoints, the best of them, and the newest run.

    runs/NAME/run.json, metrics.jsonl           what was asked for, and what has happened so far
    runs/NAME/checkpoints/step-000500/          written by `lilllm.training.checkpoint`; whole, as it has its name
    runs/NAME/checkpoints/best.json             which of them had the lowest loss

Training, inference and the viewer all ask here, so they mean the same.

Newest run:     the one whose metrics.jsonl was written last, which training does at every step; where there is none,
                run.json tells, and without that the newest checkpoint. The time is the file's (mtime): a run that is
                renamed or copied with its times (cp -a, rsync -a) keeps its place, one copied without them is as new as
                the copy. Of equal times the first by name.
Speaking:       a checkpoint that text can be made with has config.json, weights and tokenizer.json. One that lacks
                some (another program may be copying it, or it was trained without a tokenizer) is passed over.
Safety:         a folder may be anybody's. What the caller names may be a link; below it no link is followed, nothing is
                opened but regular files, and no more is read than a bound. A file's words only select from what was
                found here.
Read in order:  find_runs, last_written (the clock), checkpoints, latest, best, lacking, open_regular, read_json
Leaves out:     writing, and whether a checkpoint's bytes are those that were written (`lilllm.training.checkpoint`)
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

RUNS = Path("runs")
RUN, METRICS, CHECKPOINTS, BEST = "run.json", "metrics.jsonl", "checkpoints", "best.json"
CONFIG, TOKENIZER = "config.json", "tokenizer.json"
WEIGHTS = ("model.safetensors", "model.safetensors.index.json")  # one file, or the index of many
_STEP = re.compile(r"step-([0-9]{6,15})")
_DEEPEST = 3  # runs/NAME, and a folder or two of a sweep between
_MOST_RUNS = 500
_MOST_FOLDERS = 20_000  # looked into: below a root that holds something else than runs
_MOST_BYTES = 1 << 20  # of a JSON file


def find_runs(root: Path) -> dict[str, Path]:
    """The run folders below ``root`` by their names, paths from there; the newest first."""
    found: list[tuple[int, str, Path]] = []
    looked = 0
    waiting = [(root, 0)]
    while waiting and len(found) < _MOST_RUNS and looked < _MOST_FOLDERS:
        folder, depth = waiting.pop(0)
        for name in _folders(folder):
            looked += 1
            path = folder / name
            written = last_written(path)
            if written is not None:
                found.append((written, path.relative_to(root).as_posix(), path))
            elif depth + 1 < _DEEPEST:
                waiting.append((path, depth + 1))
    return {name: path for _, name, path in sorted(found, key=lambda one: (-one[0], one[1]))[:_MOST_RUNS]}


def last_written(run: Path) -> int | None:
    """When a run was last written to, in nanoseconds of the clock that the top tells of; None: this is no run."""
    for name in (METRICS, RUN):
        about = _stat(run / name)
        if about is not None and stat.S_ISREG(about.st_mode):
            return about.st_mtime_ns
    newest = latest(run)
    about = None if newest is None else _stat(newest)
    return None if about is None else about.st_mtime_ns


def checkpoints(run: str | os.PathLike[str], *, speaking: bool = False) -> list[Path]:
    """The checkpoints of a run folder, the oldest first; ``speaking``: only those that text can be made with."""
    folder = Path(run) / CHECKPOINTS
    about = _stat(folder)
    if about is None or not stat.S_ISDIR(about.st_mode):
        return []
    there = [(step, folder / name) for name in _folders(folder) if (step := step_of(name)) is not None]
    return [path for _, path in sorted(there) if not (speaking and lacking(path))]


def latest(run: str | os.PathLike[str], *, speaking: bool = False) -> Path | None:
    """The newest checkpoint of a run folder."""
    return next(reversed(checkpoints(run, speaking=speaking)), None)


def best(run: str | os.PathLike[str], *, speaking: bool = False) -> Path | None:
    """The checkpoint with the lowest loss in evaluation; of a run that never evaluated, the newest.

    The newest also where best.json names none that is there.

    Raises:
        ValueError: best.json is damaged.
        OSError: it cannot be read, or is no regular file.
    """
    there = checkpoints(run, speaking=speaking)
    if not there:
        return None
    try:
        named = read_json(there[0].with_name(BEST)).get("checkpoint")
    except FileNotFoundError:
        named = None
    except ValueError as error:
        raise ValueError(f"{error}; delete it, and the newest checkpoint is taken for the best") from None
    return next((path for path in there if path.name == named), there[-1])


def lacking(checkpoint: Path) -> str | None:
    """The first file that a checkpoint would need to speak and has not; None: it has all."""
    for names in ((CONFIG,), WEIGHTS, (TOKENIZER,)):
        found = [_stat(checkpoint / name) for name in names]
        if not any(about is not None and stat.S_ISREG(about.st_mode) for about in found):
            return names[0]
    return None


def name_of(step: int) -> str:
    """The name of the checkpoint after so many steps.

    >>> name_of(500), step_of("step-000500"), step_of("step-5")
    ('step-000500', 500, None)
    """
    return f"step-{step:06}"


def step_of(name: str) -> int | None:
    """After how many steps a checkpoint of this name was made; None: it is no checkpoint's name."""
    match = _STEP.fullmatch(name)
    return None if match is None else int(match[1])


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


def read_json(path: Path, *, most: int = _MOST_BYTES) -> dict[str, Any]:
    """The object in a JSON file of a run, of at most so many bytes.

    Raises:
        ValueError: it holds something else, or more.
        OSError: it is not there, cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{path} is damaged (more than {most:,} bytes)")
    try:
        values = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is damaged: it holds no JSON object")
    return values


def _folders(folder: Path) -> Iterator[str]:
    """Names of the folders in a folder, without links, hidden ones and what cannot be shown."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False) and entry.name.isprintable():
                    yield entry.name
    except OSError:  # not there, or not ours to read: it holds nothing for us
        return


def _stat(path: Path) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None
