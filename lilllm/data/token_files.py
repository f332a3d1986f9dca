"""Token ids on the disk, memory-mapped: a corpus of any size in a folder.

    files = TokenFiles("runs/town/tokens")
    files.read(0, 10)              ten ids, wherever shards begin and end

Read in order:  TokenFiles.read, then what opening checks, then verify.
Written by:     write_tokens (token_writer.py); the files' form stands in token_index.py.
Memory:         the disk's pages are mapped, not copied; those already read are handed back to the system now and then,
                so that a pass over a corpus takes no more memory than a part of it.
"""

from __future__ import annotations

import hashlib
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm.auto import tqdm

from lilllm.data.token_index import INDEX, JOURNAL, read_index, shard_name
from lilllm.data.token_journal import is_being_written, read_journal
from lilllm.data.tokens import TokenArray, check_range

_HAND_BACK = 64 * 2**20  # bytes that may be mapped before all are handed back
_AROUND = 512 * 2**10  # the system maps what lies around a read too: so much, measured on Linux 6.18
_BLOCK = 8 * 2**20


class TokenFiles:
    """The finished token files of a folder.

    Opening reads the index and the sizes of the shards, not their contents: `verify` does that.

    Attributes:
        vocab_size: every id is in ``range(vocab_size)``.
        eos: the id that ends each document; None where documents are not told apart.
        dtype: uint16 or uint32, little-endian.
        n_documents: how many documents.
        n_bytes: bytes of their text in UTF-8.
        digest: a name of exactly these tokens.
        tokenizer_digest: a name of the tokenizer that made them (`tokenizer_digest`).
        about: what the writer said of them.
    Raises:
        FileNotFoundError: no such folder.
        ValueError: no token files in it, or unfinished ones, or a damaged index, or a shard missing or cut short.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        _refuse_unfinished(self.folder)
        index = read_index(self.folder)
        self.vocab_size = index.header.vocab_size
        self.eos = index.header.eos
        self.dtype = np.dtype(index.header.dtype)
        self.n_documents = index.documents
        self.n_bytes = index.bytes
        self.digest = index.digest
        self.tokenizer_digest = index.header.tokenizer
        self.about: dict[str, Any] = index.header.about
        self._length = index.tokens
        self._shard_tokens = index.header.shard_tokens
        self._shards = index.shards
        self._open: dict[int, tuple[mmap.mmap, np.ndarray]] = {}
        self._since = 0
        for number, shard in enumerate(index.shards):
            _check_size(self.folder / shard_name(number), shard.tokens * self.dtype.itemsize)

    @staticmethod
    def from_tokens(
        tokens: Sequence[int] | np.ndarray, vocab_size: int, eos: int | None, n_bytes: int | None = None
    ) -> TokenArray:
        """The same in memory, without a folder."""
        return TokenArray(tokens, vocab_size=vocab_size, eos=eos, n_bytes=n_bytes)

    def __len__(self) -> int:
        return self._length

    def __repr__(self) -> str:
        return f"TokenFiles({str(self.folder)!r}: {len(self):,} tokens, {self.n_documents:,} documents)"

    def __reduce__(self) -> tuple[Any, ...]:
        return TokenFiles, (self.folder.absolute(),)  # another process maps the files itself

    def read(self, start: int, stop: int) -> np.ndarray:
        """Tokens ``start`` to ``stop`` - 1, as an array of its own, of `dtype`.

        Raises:
            IndexError: not ``0 <= start <= stop <= len``.
        """
        check_range(start, stop, self._length)
        parts = []
        at = start
        while at < stop:
            number, within = divmod(at, self._shard_tokens)
            upto = min(self._shard_tokens, within + stop - at)
            parts.append(self._map(number)[within:upto])
            at += upto - within
        found = np.concatenate(parts) if parts else np.empty(0, self.dtype)
        self._since += found.nbytes + _AROUND
        if self._since > _HAND_BACK:
            self._hand_back()
        return found

    def verify(self, *, progress: bool = False) -> None:
        """Read every shard and compare its checksum.

        Raises:
            ValueError: names the shard that is not what was written.
        """
        total = self._length * self.dtype.itemsize
        with tqdm(total=total, desc="verify", unit="B", unit_scale=True, disable=not progress) as bar:
            for number, shard in enumerate(self._shards):
                path = self.folder / shard_name(number)
                checksum = hashlib.sha256()
                with path.open("rb") as file:
                    while block := file.read(_BLOCK):
                        checksum.update(block)
                        bar.update(len(block))
                if checksum.hexdigest() != shard.sha256:
                    raise ValueError(
                        f"{path} is damaged: its checksum is not the one in {INDEX}; delete the folder and write the "
                        "tokens again, or copy the shard again from where it is whole"
                    )

    def _map(self, number: int) -> np.ndarray:
        if number not in self._open:
            path = self.folder / shard_name(number)
            with path.open("rb") as file:
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._open[number] = mapped, np.frombuffer(mapped, self.dtype)
        return self._open[number][1]

    def _hand_back(self) -> None:
        """Mapped pages count as this process's memory until they are handed back; the disk's cache keeps them."""
        self._since = 0
        if hasattr(mmap, "MADV_DONTNEED"):
            for mapped, _ in self._open.values():
                mapped.madvise(mmap.MADV_DONTNEED)


def _refuse_unfinished(folder: Path) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}; write_tokens makes one")
    if (folder / INDEX).exists():
        return
    if (folder / JOURNAL).exists():
        _, marks, _ = read_journal(folder / JOURNAL)
        tokens = marks[-1].tokens if marks else 0
        what = "writing was cut off; call write_tokens again as before, and it goes on from there"
        if is_being_written(folder):
            what = "a process is still writing them; wait for it"
        raise ValueError(f"the token files in {folder} are not finished ({tokens:,} tokens are safe): {what}")
    raise ValueError(f"{folder} holds no token files (there is no {INDEX}); write_tokens makes them")


def _check_size(path: Path, expected: int) -> None:
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        raise ValueError(f"{path} is missing; copy it again, or delete the folder and write the tokens again") from None
    if found != expected:
        raise ValueError(
            f"{path} has {found:,} bytes, but {expected:,} were written; copy it again, or delete the folder and write "
            "the tokens again"
        )
