"""What a run writes down of itself: one JSON object a line, and the same as a list.

    {"kind": "train", "step": 12, "tokens": 98304, "seconds": 9.1, "loss": 4.2, "lr": 0.001, "grad_norm": 1.3, ...}

A line is written by one call, after the step it tells of: kill -9 leaves whole lines, a full disk at most one that is
torn, which readers skip. Numbers that are not finite are null, so that every reader of JSON can read them.

Read in order: Metrics (the file and the list), read (of any run), Outlet (wandb, TensorBoard; in `outlets`).
"""

from __future__ import annotations

import json
import math
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from lilllm.runtime.run_folders import METRICS


class Outlet(Protocol):
    """Somewhere else that metrics go to."""

    def write(self, record: dict[str, Any]) -> None: ...

    def close(self) -> None: ...


class Metrics:
    """The records of a run, in ``history`` and, with a folder, in its file."""

    def __init__(self, folder: Path | None, outlets: Iterable[Outlet] = ()) -> None:
        self.path = None if folder is None else folder / METRICS
        self.history: list[dict[str, Any]] = []
        self._outlets = list(outlets)
        self.set_seconds(0.0)

    @property
    def seconds(self) -> float:
        """Of training so far, evaluation and saving with it, over all resumes."""
        return self._before + time.perf_counter() - self._since

    def set_seconds(self, seconds: float) -> None:
        """Count on from so many."""
        self._before, self._since = seconds, time.perf_counter()

    def write(self, kind: str, step: int, tokens: int, **values: Any) -> None:
        """Add a record.

        Raises:
            OSError: the disk is full; the file then ends where it did before.
        """
        record = {"kind": kind, "step": step, "tokens": tokens, "seconds": round(self.seconds, 3), **values}
        record = {name: _finite(value) for name, value in record.items()}
        self.history.append(record)
        if self.path is not None:
            _append(self.path, (json.dumps(record, allow_nan=False) + "\n").encode())
        for outlet in self._outlets:
            outlet.write(record)

    def go_back(self, step: int) -> None:
        """Forget what came after ``step``, which will come again; what went wrong stays."""
        self.history = [r for r in self.history if _stays(r, step)]
        if self.path is None or not self.path.exists():
            return
        self.history = [r for r in read(self.path) if _stays(r, step)]
        text = "".join(json.dumps(r, allow_nan=False) + "\n" for r in self.history)
        beside = self.path.with_name(f".{METRICS}.{secrets.token_hex(4)}")
        try:
            with beside.open("xb") as file:
                file.write(text.encode())
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        finally:
            beside.unlink(missing_ok=True)

    def close(self) -> None:
        for outlet in self._outlets:
            outlet.close()


def read(path: Path) -> list[dict[str, Any]]:
    """The records of a file, those of a run folder too; lines that are torn are skipped, and no file is none."""
    path = path / METRICS if path.is_dir() else path
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    records = []
    for line in lines:
        try:
            record = json.loads(line)
        except ValueError:
            continue
        if isinstance(record, dict) and isinstance(record.get("step"), int) and "kind" in record:
            records.append(record)
    return records


def _stays(record: dict[str, Any], step: int) -> bool:
    return record["step"] <= step or record.get("event") == "nan"


def _append(path: Path, line: bytes) -> None:
    """One call to the system a line; one that could not be written whole is taken back."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o644)
    try:
        size = os.fstat(handle).st_size
        try:
            written = os.write(handle, line)
            if written < len(line):
                os.write(handle, line[written:])
        except OSError:
            os.ftruncate(handle, size)
            raise
    except OSError as error:
        raise OSError(error.errno, f"{path} could not be written: {error.strerror or error}") from error
    finally:
        os.close(handle)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
