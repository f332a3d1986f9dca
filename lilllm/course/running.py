"""Who serves a working copy right now: one small file, so that a second start can say so and tidy up after a crash.

Processes are known by id and start time; an id alone may have gone to another program since.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import msgspec
import psutil

from lilllm.course.notebook import write_whole
from lilllm.course.server import stop_processes


class Child(msgspec.Struct, frozen=True):
    """A process: its id and the time it started, in seconds since 1970."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> Child:
        """The process that has ``pid`` now."""
        return cls(pid, psutil.Process(pid).create_time())

    def alive(self) -> bool:
        """Whether that very process still runs."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


class Running(msgspec.Struct):
    """The process that runs ``lilllm course start``, its servers, and their addresses once they answer."""

    owner: Child
    servers: list[Child] = []
    lab: str = ""
    viewer: str = ""


class Record:
    """The file ``running.json`` in a working copy's ``.lilllm``: held by one start at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Running | None:
        """What it says, or None: no file, or not one of ours."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Running)
        except (OSError, msgspec.DecodeError):
            return None

    def claim(self) -> Running | None:
        """Take the working copy for this process, or tell who has it.

        What a start that was killed left running is stopped first.
        """
        mine = Running(Child.of(os.getpid()))
        for _ in range(2):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                other = self.read()
                if other and other.owner.alive():
                    return other
                if other is None and self._is_fresh():  # another start made it this moment and has yet to write
                    return Running(Child(0, 0.0))
                stop_processes([child.pid for child in (other.servers if other else []) if child.alive()])
                self.path.unlink(missing_ok=True)
                continue
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(mine))
            return None
        return self.read()

    def _is_fresh(self) -> bool:
        try:
            return abs(time.time() - self.path.stat().st_mtime) < 5
        except OSError:
            return False

    def write(self, running: Running) -> None:
        """Say more about this start; only its owner may read the file, which holds the lab's token."""
        write_whole(self.path, msgspec.json.encode(running), private=True)

    def release(self) -> None:
        """Give the working copy free, if this process has it."""
        mine = self.read()
        if mine and mine.owner.pid == os.getpid():
            with contextlib.suppress(OSError):
                self.path.unlink()
