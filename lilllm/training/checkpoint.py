"""Checkpoints of a run: folders that are whole or not there.

    runs/NAME/checkpoints/step-000500/    config.json, model.safetensors, tokenizer.json    the model, for anyone
                                          trainer.safetensors, trainer.json                 all else, to go on
                                          sharded/...    instead of trainer.safetensors, where ranks hold parts (FSDP)
    runs/NAME/checkpoints/best.json       which of them had the lowest loss

A checkpoint is written under a hidden name, brought to the disk and then renamed; one that goes is renamed before it is
deleted. So kill -9, a full disk or a power cut leave every checkpoint that has a name whole. trainer.json comes with
the SHA-256 of each file beside it: a file that was damaged later, or swapped, is found out before it is used. Nothing
that is read can run code: safetensors and JSON only.

Read in order: write (the renaming), remove_old, read_state (what is checked), sweep. Which checkpoints there are, and
which is the best and the newest: `lilllm.runtime.run_folders`, where inference and the viewer ask too.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from lilllm.runtime import run_folders
from lilllm.runtime.run_folders import BEST, CHECKPOINTS, best, checkpoints, latest, name_of

STATE = "trainer.json"
FORMAT = 1
_REST = re.compile(r"\.+(step-\d{6,}-|(best\.json|run\.json|metrics\.jsonl)\.).*")
_LARGEST = 64 * 2**20  # bytes of a JSON file of ours


class Together(Protocol):
    """Ranks that write one checkpoint; see `lilllm.training.alone`."""

    writes: bool

    def any(self, flag: bool) -> bool: ...

    def mean(self, numbers: list[float]) -> list[float]: ...


class CheckpointError(ValueError):
    """A checkpoint that is damaged, or of something else."""


def agreed_on(path: Path | None, parallel: Together) -> Path | None:
    """``path``, where all ranks mean the same one.

    Raises:
        CheckpointError: they do not.
    """
    step = -1.0 if path is None else float(step_of(path))
    if parallel.any(parallel.mean([step])[0] != step):
        raise CheckpointError(f"ranks see other checkpoints, this one {path}; give a folder on a disk that all share")
    return path


def step_of(path: Path) -> int:
    if (step := run_folders.step_of(path.name)) is None:
        raise CheckpointError(f"{path} is no checkpoint of a run; their names are like {name_of(500)}")
    return step


def write(folder: Path, step: int, fill: Callable[[Path], dict[str, Any]], parallel: Together) -> Path:
    """Make the checkpoint of ``step``: ``fill`` writes files into a folder and gives what trainer.json is to hold.

    All ranks call it, and each writes its own files; the one that writes makes the folder and gives it its name.

    Raises:
        OSError: the disk is full or cannot be written to; what is there stays as it is, and nothing half stays.
    """
    home = folder / CHECKPOINTS
    target, beside = home / name_of(step), home / f".{name_of(step)}-partial"
    try:
        with agreed(parallel):
            if parallel.writes:
                shutil.rmtree(beside, ignore_errors=True)
                beside.mkdir(parents=True)
        with agreed(parallel):
            state = fill(beside)
        with agreed(parallel):
            if parallel.writes:
                _name(beside, target, {"format": FORMAT, "step": step, **state})
    except BaseException as error:  # Ctrl-C too
        if parallel.writes:
            shutil.rmtree(beside, ignore_errors=True)
        if isinstance(error, OSError):
            raise _told(error, folder, step) from error
        raise
    return target


@contextmanager
def agreed(parallel: Together) -> Iterator[None]:
    """All ranks go on, or none does: one that waits for another that failed would wait for ever."""
    try:
        yield
    except Exception:
        parallel.any(True)
        raise
    if parallel.any(False):
        raise OSError("another rank failed at it")


def _name(beside: Path, target: Path, state: dict[str, Any]) -> None:
    paths = sorted(path for path in beside.rglob("*") if path.is_file())
    write_json(
        beside / STATE, {**state, "files": {path.relative_to(beside).as_posix(): digest(path) for path in paths}}
    )
    mode = (beside / STATE).stat().st_mode
    for path in paths:
        path.chmod(mode)  # safetensors are written for their owner alone
    for path in (*paths, *(path for path in beside.rglob("*") if path.is_dir()), beside):
        to_disk(path)
    if target.exists():  # of the same step in a run that was resumed from before it
        _remove(target)
    beside.rename(target)
    to_disk(target.parent)


def mark_best(folder: Path, path: Path, loss: float) -> None:
    write_json(folder / CHECKPOINTS / BEST, {"checkpoint": path.name, "step": step_of(path), "loss": loss})


def remove_old(folder: Path, keep: int) -> None:
    """All but the ``keep`` newest and the best."""
    chosen = best(folder)
    for path in checkpoints(folder)[:-keep]:
        if path != chosen:
            _remove(path)


def read_state(path: Path, *, verify: bool = True) -> dict[str, Any]:
    """What trainer.json of a checkpoint holds, once every file beside it is what it was when it was written.

    Raises:
        CheckpointError: something is missing, damaged or of a format that is not known.
    """
    state = read_json(path / STATE)
    if state.get("format") != FORMAT or not isinstance(state.get("files"), dict):
        raise CheckpointError(f"{path / STATE} is of format {state.get('format')!r}; this reads {FORMAT}")
    if state.get("step") != step_of(path):
        raise CheckpointError(
            f"{path / STATE} says step {state.get('step')!r}, and its folder another; {_before(path)}"
        )
    for name, expected in state["files"].items():
        file = path / str(name)
        if not file.resolve().is_relative_to(path.resolve()):
            raise CheckpointError(f"{path / STATE} names {name!r}, which is outside of its folder")
        if not file.is_file():
            raise CheckpointError(f"{path} lacks {name}; {_before(path)}")
        if verify and digest(file) != expected:
            raise CheckpointError(f"{file} is damaged: its SHA-256 is not the one it was written with; {_before(path)}")
    return state


def sweep(folder: Path) -> None:
    """Delete what a killed process left half written or half deleted."""
    for path in (*folder.glob(".*"), *(folder / CHECKPOINTS).glob(".*")):
        if _REST.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Beside ``path`` first, and then renamed."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("x", encoding="utf-8") as file:
            file.write(json.dumps(values, indent=1, allow_nan=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def read_json(path: Path) -> dict[str, Any]:
    """An object from a JSON file of ours.

    Raises:
        CheckpointError: it is missing, no JSON, or far too large.
    """
    try:
        return run_folders.read_json(path, most=_LARGEST)
    except FileNotFoundError:
        raise CheckpointError(f"{path} is not there; {_before(path.parent)}") from None
    except ValueError as error:
        raise CheckpointError(f"{error}; {_before(path.parent)}") from None


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def to_disk(path: Path) -> None:
    """So that a rename after it never shows an empty file, whenever power fails."""
    if path.is_dir() and os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY if os.name != "nt" else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove(path: Path) -> None:
    hidden = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    path.rename(hidden)
    shutil.rmtree(hidden, ignore_errors=True)


def _before(path: Path) -> str:
    if run_folders.step_of(path.name) is not None:
        return f"delete the folder {path} to go on from the checkpoint before it"
    return "restore it, or begin another run"


def _told(error: OSError, folder: Path, step: int) -> OSError:
    last = latest(folder)
    rest = "there is none yet" if last is None else f"{last} is whole"
    full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) or "No space" in str(error)
    what = "the disk is full" if full else str(error.strerror or error)
    message = (
        f"the checkpoint of step {step} could not be written to {folder}: {what}. Of the checkpoints before it, "
        f"{rest}. {'Make room' if full else 'Mend that'}, then go on with --resume"
    )
    return OSError(message) if error.errno is None else OSError(error.errno, message)
