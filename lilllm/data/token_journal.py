"""The journal of a token folder that is being written: how much of it is safe.

Its first line is the header, each further one a mark. The last line may be torn, and says nothing then.

Read in order:  Mark, read_journal, open_journal, is_being_written
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import IO

import msgspec

from lilllm.data.token_index import AGAIN, FORMAT, JOURNAL, Header, Shard, check_header


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """So much is safe: whole documents only.

    Attributes:
        last: checksum of the last document's text, by which a restart sees that it reads the same documents.
        shards: those that were filled since the mark before.
    """

    tokens: int = 0
    documents: int = 0
    bytes: int = 0
    last: str = ""
    shards: list[Shard] = []


def read_journal(path: Path) -> tuple[Header | None, list[Mark], int]:
    """Header and marks of a journal, and how many of its bytes are whole lines: the last line may be torn.

    Raises:
        ValueError: it is no journal of token files.
    """
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    lines = data[:whole].splitlines()
    if not lines:
        return None, [], 0
    try:
        header = msgspec.json.decode(lines[0], type=Header)
        check_header(header)
        if header.format != FORMAT:
            raise ValueError(f"its format is {header.format!r}, this version writes {FORMAT!r}")
        marks = [msgspec.json.decode(line, type=Mark) for line in lines[1:]]
    except (msgspec.DecodeError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is no journal of token files ({error}); {AGAIN}") from None
    return header, marks, whole


def open_journal(folder: Path) -> IO[bytes]:
    """The journal, locked: the lock goes with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / JOURNAL
    if not path.exists():
        others = sorted(found.name for found in folder.iterdir() if not found.name.startswith("."))
        if others:
            raise ValueError(
                f"{folder} holds other things ({', '.join(others[:3])}{', ...' if len(others) > 3 else ''}) and no "
                "token files; give a folder that is empty or not there yet"
            )
    journal = path.open("ab", buffering=0)
    if not _lock(journal, alone=True):
        journal.close()
        raise ValueError(f"another process is writing the token files in {folder}; wait for it, or end it")
    return journal


def is_being_written(folder: Path) -> bool:
    """Whether a process writes there now."""
    with (folder / JOURNAL).open("rb") as journal:
        return not _lock(journal, alone=False)


def _lock(file: IO[bytes], *, alone: bool) -> bool:
    """Whether this process may write the file (``alone``), or nobody writes it. Where there are no locks: yes."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in (errno.EWOULDBLOCK, errno.EACCES)  # others: a file system without locks
    return True
