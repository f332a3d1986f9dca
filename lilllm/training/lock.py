"""One process at a time in a run folder; the system lets go of the lock however the process ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(folder: Path | None) -> Iterator[None]:
    """Hold ``folder``; nothing is held where the system has no such locks (Windows, some network disks).

    Raises:
        ValueError: another process holds it.
    """
    try:
        import fcntl
    except ModuleNotFoundError:
        folder = None
    if folder is None:
        yield
        return
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"another process trains in {folder}; wait for it, or give another folder (--out)"
            ) from None
        except OSError:
            pass
        yield
