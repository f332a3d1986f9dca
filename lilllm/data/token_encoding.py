"""Documents to ids, a chunk at a time, in this process or in several.

Read in order:  Chunk, chunks     whole documents, about a megabyte together
                Encoder           a chunk's ids in one array, an EOS after each document, every id checked
                tokenizer_digest  a name of a tokenizer, by what it does
Holds:          the ids do not depend on how documents fall into chunks.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Protocol

import numpy as np

from lilllm.data.tokens import id_dtype

CHUNK_CHARACTERS = 1 << 20
CHUNK_DOCUMENTS = 1 << 14


class BatchEncoder(Protocol):
    """What is asked of a tokenizer: `lilllm.tokenizers.Tokenizer` has it, and so may an object of one's own."""

    @property
    def vocab_size(self) -> int:
        """Every id is in ``range(vocab_size)``."""
        ...

    def encode_batch(self, texts: list[str], /) -> list[list[int]]:
        """The ids of each text, in which nothing is a special token."""
        ...


class Chunk(NamedTuple):
    """Some documents in a row; ``first`` is the number of the first one."""

    first: int
    texts: list[str]


class Encoded(NamedTuple):
    """The ids of a chunk; ``last`` is the checksum of its last document's text."""

    ids: np.ndarray
    documents: int
    n_bytes: int
    last: str


def chunks(documents: Iterable[Any], first: int) -> Iterator[Chunk]:
    """``documents`` in chunks of about a megabyte; number ``first`` is the first.

    Raises:
        TypeError: a document that is no text.
    """
    texts: list[str] = []
    characters = 0
    for number, text in enumerate(documents, first):
        if not isinstance(text, str):
            raise TypeError(f"document {number:,} is a {type(text).__name__}, not a str: {text!r:.60}")
        texts.append(text)
        characters += len(text)
        if characters >= CHUNK_CHARACTERS or len(texts) >= CHUNK_DOCUMENTS:
            yield Chunk(number + 1 - len(texts), texts)
            texts, characters = [], 0
    if texts:
        yield Chunk(number + 1 - len(texts), texts)


def text_checksum(text: str) -> str:
    """A name of a document's text, by which a restart knows it again."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


class Encoder:
    """``encoder(chunk)`` is the chunk's ids.

    Raises:
        ValueError: names the document that cannot be encoded, whose ids are not in ``range(vocab_size)``, or whose text
            was taken for the EOS token.
    """

    def __init__(self, tokenizer: BatchEncoder, eos: int | None) -> None:
        self.tokenizer = tokenizer
        self.vocab_size = tokenizer.vocab_size
        self.eos = eos

    def __call__(self, chunk: Chunk) -> Encoded:
        rows = self._rows(chunk)
        flat = array("H" if id_dtype(self.vocab_size).itemsize == 2 else "I")
        try:
            for row in rows:
                flat.fromlist(row)
                if self.eos is not None:
                    flat.append(self.eos)
        except OverflowError:
            self._blame(chunk, rows)
        ids = np.frombuffer(flat, dtype=f"=u{flat.itemsize}").astype(id_dtype(self.vocab_size), copy=False)
        if ids.size and ids.max() >= self.vocab_size:
            self._blame(chunk, rows)
        if self.eos is not None and np.count_nonzero(ids == self.eos) != len(rows):
            self._blame(chunk, rows)
        n_bytes = sum([len(text) if text.isascii() else len(text.encode()) for text in chunk.texts])
        return Encoded(ids, len(rows), n_bytes, text_checksum(chunk.texts[-1]))

    def _rows(self, chunk: Chunk) -> list[list[int]]:
        try:
            rows = self.tokenizer.encode_batch(chunk.texts)
        except (ValueError, TypeError) as error:
            for number, text in enumerate(chunk.texts, chunk.first):
                try:
                    self.tokenizer.encode_batch([text])
                except (ValueError, TypeError) as reason:
                    raise ValueError(f"document {number:,}: {reason}") from None
            raise ValueError(f"documents {chunk.first:,} and {len(chunk.texts) - 1:,} more: {error}") from None
        if len(rows) != len(chunk.texts):
            raise ValueError(
                f"the tokenizer gave {len(rows)} rows of ids for {len(chunk.texts)} texts; one each is needed"
            )
        return [row if isinstance(row, list) else np.asarray(row).tolist() for row in rows]

    def _blame(self, chunk: Chunk, rows: list[list[int]]) -> None:
        """Name the document and the id that cannot be."""
        for number, row in enumerate(rows, chunk.first):
            for token_id in row:
                if not 0 <= token_id < self.vocab_size:
                    raise ValueError(
                        f"document {number:,} has the id {token_id}, but the tokenizer's vocab_size is "
                        f"{self.vocab_size}: it must be larger than every id"
                    )
                if token_id == self.eos:
                    raise ValueError(
                        f"document {number:,} holds the EOS token ({self.eos}) before its end: the tokenizer takes "
                        "text for a special token; encode with no special token allowed, or give another eos"
                    )


def tokenizer_digest(tokenizer: Any) -> str:
    """A name of ``tokenizer``: its ids' bytes, its special tokens, and what becomes of a text that has everything.

    Another list of merges, another split or another order of the ids gives another name.
    """
    told = hashlib.sha256(f"{tokenizer.vocab_size}\n".encode())
    special = getattr(tokenizer, "special_tokens", {})
    if isinstance(special, dict):
        told.update(repr(sorted(special.items())).encode())
    known = hasattr(tokenizer, "token_bytes")
    for token_id in range(tokenizer.vocab_size if known else 0):
        try:
            token = tokenizer.token_bytes(token_id)
        except ValueError:  # an id that no token has
            token = b""
        told.update(len(token).to_bytes(4, "little") + token)
    try:
        rows = tokenizer.encode_batch([_PROBE])
    except ValueError:  # a character that this vocabulary lacks
        rows = []
    told.update(repr([list(map(int, row)) for row in rows]).encode())
    return told.hexdigest()


_PROBE = (
    "The quick brown foxes' den: 1234567 x 89 = 109,999,999.63!\n\n\tif (x_1 >= 2) { return \"don't\"; }  // ok\r\n"
    "Ünïcödé Straße, Ελλάδα, Москва, हिन्दी, 日本語, 한국어, עברית, \U0001f600\U0001f469\u200d\U0001f680   trailing  "
)
