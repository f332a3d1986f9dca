"""Ids into shards, so that a writer that is killed at any moment loses a few seconds and no more.

    append ids -> the last shard, whose name ends in .partial; a full one is followed by the next
    mark       -> shards to the disk, then one line in the journal, then full shards get their names
    finish     -> mark, the index, no journal any more

What a restart finds is therefore at least as long as the last mark says, and is cut to that length. Marks stand between
documents, and the file does not depend on where they fell.

Read in order:  ShardWriter.append, mark, finish, then _restore
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from lilllm.data.token_encoding import Encoded
from lilllm.data.token_index import (
    JOURNAL,
    PARTIAL,
    Header,
    Index,
    Shard,
    check_same,
    index_digest,
    shard_name,
    write_index,
)
from lilllm.data.token_journal import Mark, open_journal, read_journal

MARK_TOKENS = 1 << 22  # tokens between two marks: a few seconds of encoding
_BLOCK = 1 << 23


class ShardWriter:
    """The token files of ``folder`` while they are written, from where the journal says.

    Attributes:
        tokens, documents: written, those after the last mark included.
        mark: what is safe.
    Raises:
        ValueError: the folder holds other things, or the beginning of a corpus with another header; another process
            writes there.
        OSError: the disk is full, or the folder cannot be written to; the message says that nothing is lost.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        self.folder = folder
        self.header = header
        self.mark = Mark()
        self._now = Mark()
        self._file: IO[bytes] | None = None
        self._hash = hashlib.sha256()
        self._in_shard = 0
        self._done: list[Shard] = []
        self._filled: list[Shard] = []  # full since the last mark; their names still end in .partial
        self._journal = open_journal(folder)
        try:
            with self._explained():
                self._restore()
        except BaseException:
            self.close()
            raise

    @property
    def tokens(self) -> int:
        return self._now.tokens

    @property
    def documents(self) -> int:
        return self._now.documents

    def append(self, encoded: Encoded) -> None:
        """Write the ids of whole documents."""
        data = memoryview(encoded.ids.tobytes())
        itemsize = self.header.itemsize
        with self._explained():
            while data:
                room = (self.header.shard_tokens - self._in_shard) * itemsize
                part = data[:room]
                _write(self._shard(), part)
                self._hash.update(part)
                self._in_shard += len(part) // itemsize
                data = data[room:]
                if self._in_shard == self.header.shard_tokens:
                    self._end_shard()
            before = self._now
            self._now = Mark(
                tokens=before.tokens + len(encoded.ids),
                documents=before.documents + encoded.documents,
                bytes=before.bytes + encoded.n_bytes,
                last=encoded.last,
            )
            if self._filled or self._now.tokens - self.mark.tokens >= MARK_TOKENS:
                self._write_mark()

    def finish(self) -> None:
        """Name the last shard, write the index, remove the journal."""
        with self._explained():
            if self._in_shard:
                self._end_shard()
            self._write_mark()
            shards = self._done
            index = Index(
                header=self.header,
                tokens=self.mark.tokens,
                documents=self.mark.documents,
                bytes=self.mark.bytes,
                last=self.mark.last,
                shards=shards,
                digest=index_digest(self.header, shards),
            )
            write_index(self.folder, index)
        (self.folder / JOURNAL).unlink()

    def close(self) -> None:
        """Let go of the files; what is not marked is written again next time."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._journal.close()

    def _shard(self) -> IO[bytes]:
        if self._file is None:
            name = shard_name(len(self._done) + len(self._filled)) + PARTIAL
            # Unbuffered: what a full disk refuses is refused by the write that asked.
            self._file = (self.folder / name).open("ab", buffering=0)
            self._hash = hashlib.sha256()
            self._in_shard = 0
        return self._file

    def _end_shard(self) -> None:
        assert self._file is not None
        os.fsync(self._file.fileno())
        self._file.close()
        self._file = None
        self._filled.append(Shard(tokens=self._in_shard, sha256=self._hash.hexdigest()))
        self._in_shard = 0

    def _write_mark(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
        mark = msgspec.structs.replace(self._now, shards=self._filled)
        self._write_line(msgspec.json.encode(mark))
        self.mark = self._now
        for shard in self._filled:
            path = self.folder / shard_name(len(self._done))
            path.with_name(path.name + PARTIAL).replace(path)
            self._done.append(shard)
        self._filled = []

    def _write_line(self, line: bytes) -> None:
        _write(self._journal, memoryview(line + b"\n"))
        os.fsync(self._journal.fileno())

    def _restore(self) -> None:
        header, marks, whole = read_journal(self.folder / JOURNAL)
        self._journal.truncate(whole)  # a torn last line said nothing yet
        if header is None:
            self._write_line(msgspec.json.encode(self.header))
            return
        check_same(header, self.header, self.folder)
        done: list[Shard] = []
        for mark in marks:
            # The last mark of all names the last shard too; a restart after it goes on in that shard.
            done = done[: self.mark.tokens // header.shard_tokens] + mark.shards
            self.mark = msgspec.structs.replace(mark, shards=[])
        self._now = self.mark
        full, rest = divmod(self.mark.tokens, header.shard_tokens)
        self._done = done[:full]
        for number in range(full):
            path = self.folder / shard_name(number)
            partial = path.with_name(path.name + PARTIAL)
            if partial.exists() and not path.exists():
                partial.replace(path)
            self._check(path, header.shard_tokens, exactly=True)
        self._cut(full, rest)

    def _cut(self, number: int, tokens: int) -> None:
        """Cut shard ``number`` to ``tokens``, and take it up there; what follows was never marked."""
        for later in self.folder.glob(f"shard-*.bin{PARTIAL}"):
            if later.name > shard_name(number) + PARTIAL or (later.name == shard_name(number) + PARTIAL and not tokens):
                later.unlink()
        if not tokens:
            return
        path = self.folder / shard_name(number)
        partial = path.with_name(path.name + PARTIAL)
        if path.exists() and not partial.exists():
            path.replace(partial)
        self._check(partial, tokens, exactly=False)
        os.truncate(partial, tokens * self.header.itemsize)
        with partial.open("rb") as file:
            checksum = hashlib.sha256()
            while block := file.read(_BLOCK):
                checksum.update(block)
        self._file = partial.open("ab", buffering=0)
        self._hash, self._in_shard = checksum, tokens

    def _check(self, path: Path, tokens: int, *, exactly: bool) -> None:
        size = path.stat().st_size if path.exists() else 0
        expected = tokens * self.header.itemsize
        if size < expected or (exactly and size > expected):
            raise ValueError(
                f"{path} has {size:,} bytes where the journal says {expected:,}: the folder is damaged; delete it and "
                "write the tokens again"
            )

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            raise OSError(
                error.errno,
                f"there is no room for the tokens ({os.strerror(error.errno)}). {self.mark.documents:,} documents "
                f"({self.mark.tokens:,} tokens) are safe: make room and write again as before; it goes on from there",
                str(self.folder),
            ) from None


def _write(file: IO[bytes], data: memoryview) -> None:
    while data:
        data = data[file.write(data) :]
