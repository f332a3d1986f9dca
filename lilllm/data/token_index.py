"""The index of a folder of token files: what its shards are.

A folder holds `shard-00000.bin`, `shard-00001.bin`, ... (raw little-endian ids, all but the last of one length) and
`index.json`. While it is written there is a journal instead (token_journal.py), and the last shard ends in `.partial`.

Read in order:  Header   what the ids mean: two corpora with one header can be read alike
                Index    header, totals, checksum of each shard
                read_index, write_index
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from lilllm.data.tokens import check_eos, id_dtype, tokens_digest

INDEX, JOURNAL, PARTIAL = "index.json", "journal.jsonl", ".partial"
FORMAT = "lilllm tokens 1"
_LARGEST_INDEX = 64 * 2**20  # a trillion tokens are 7,451 shards of 100 bytes each


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """What the ids mean, and where shards are cut."""

    format: str
    dtype: str
    vocab_size: int
    eos: int | None
    shard_tokens: int
    tokenizer: str
    about: dict[str, Any]

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    tokens: int
    sha256: str


class Index(msgspec.Struct, frozen=True, kw_only=True):
    header: Header
    tokens: int
    documents: int
    bytes: int
    last: str
    shards: list[Shard]
    digest: str


def shard_name(number: int) -> str:
    """File of shard ``number``: derived, never read from a file that somebody else may have written."""
    return f"shard-{number:05d}.bin"


def index_digest(header: Header, shards: list[Shard]) -> str:
    """The name of exactly these tokens."""
    dtype = np.dtype(header.dtype)
    return tokens_digest(dtype, header.vocab_size, header.eos, [f"{s.tokens} {s.sha256}" for s in shards])


def write_index(folder: Path, index: Index) -> None:
    """Write ``index.json``, readable by people too: beside it, then renamed, so that it is whole or not there.

    The name beside it is always the same: a writer that is killed leaves nothing that the next one does not take away.
    """
    beside = folder / (INDEX + PARTIAL)
    with beside.open("wb") as file:
        file.write(json.dumps(msgspec.to_builtins(index), indent=1, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(folder / INDEX)


def read_index(folder: Path) -> Index:
    """The index of a finished folder.

    Raises:
        ValueError: it is cut off, of another program, or contradicts itself.
        OSError: it is missing or cannot be read.
    """
    path = folder / INDEX
    with path.open("rb") as file:
        data = file.read(_LARGEST_INDEX + 1)
    if len(data) > _LARGEST_INDEX:
        raise ValueError(f"{path} is larger than {_LARGEST_INDEX:,} bytes: no index of token files")
    try:
        found = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}); {AGAIN}") from None
    if not isinstance(found, dict) or _format(found.get("header")) != FORMAT:
        raise ValueError(
            f"{path} is no index of token files that this version reads ({FORMAT!r}); give a folder that write_tokens "
            "made, or another folder to write to"
        )
    try:
        index = msgspec.convert(found, Index)
        check_header(index.header)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise ValueError(f"{path} is damaged ({error}); {AGAIN}") from None
    full, rest = divmod(index.tokens, index.header.shard_tokens)
    lengths = [index.header.shard_tokens] * full + [rest] * (rest > 0)
    if [shard.tokens for shard in index.shards] != lengths or index_digest(index.header, index.shards) != index.digest:
        raise ValueError(f"{path} is damaged (its numbers contradict each other); {AGAIN}")
    return index


def check_same(found: Header, wanted: Header, folder: Path) -> None:
    """ValueError that tells the difference, if the tokens in ``folder`` are not those which are to be written."""
    differ = [name for name in Header.__struct_fields__ if getattr(found, name) != getattr(wanted, name)]
    if differ:
        told = "; ".join(
            f"{name} is {getattr(found, name)!r} there and {getattr(wanted, name)!r} here" for name in differ
        )
        raise ValueError(f"{folder} holds other tokens ({told}); give another folder, or delete this one")


def _format(header: Any) -> Any:
    return header.get("format") if isinstance(header, dict) else None


def check_header(header: Header) -> None:
    if np.dtype(header.dtype) != id_dtype(header.vocab_size):
        raise ValueError(f"dtype {header.dtype!r} does not fit vocab_size {header.vocab_size}")
    check_eos(header.eos, header.vocab_size)
    if header.shard_tokens < 1:
        raise ValueError(f"shard_tokens is {header.shard_tokens}")


AGAIN = "delete the folder and write the tokens again"
