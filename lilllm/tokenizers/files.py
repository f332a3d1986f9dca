"""Tokenizer files on disk: read with a limit, written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

MAX_BYTES = 256 * 2**20  # the largest published tokenizer.json is about 35 MB


def read_limited(path: str | Path, *, limit: int = MAX_BYTES) -> bytes:
    """The bytes of a file of at most ``limit`` bytes.

    Raises:
        ValueError: the file is larger; nothing beyond the limit is read.
        OSError: the file is missing or cannot be read.
    """
    with Path(path).open("rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise ValueError(f"{path}: larger than {limit:,} bytes, the most that a tokenizer file may have here")
    return data


def write_whole(path: str | Path, data: bytes) -> None:
    """Write ``data`` beside ``path`` and rename it there: a reader sees the old file or the new one, never a part.

    Raises:
        OSError: the folder is missing or cannot be written to; the old file is untouched.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
