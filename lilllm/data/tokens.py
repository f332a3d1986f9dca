"""A corpus as one long row of token ids, wherever it lies.

Read in order:  Tokens      what a loader needs of a corpus: its length, any part of it, and who it is
                TokenArray  the corpus in memory, for lectures and small texts
                TokenFiles  the same on the disk, of any size (token_files.py)
Convention:     an EOS token ends every document, the last one too; ids are uint16 where the vocabulary has at most
                65,536 tokens, else uint32.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

UINT16_VOCAB = 1 << 16  # ids 0 to 65,535 fit into two bytes


@runtime_checkable
class Tokens(Protocol):
    """A corpus of ``len(tokens)`` token ids."""

    @property
    def vocab_size(self) -> int:
        """Every id is in ``range(vocab_size)``."""
        ...

    @property
    def eos(self) -> int | None:
        """The id that ends each document; None where documents are not told apart."""
        ...

    @property
    def n_bytes(self) -> int | None:
        """Bytes of the text in UTF-8, for bits per byte; None if nobody counted them."""
        ...

    @property
    def digest(self) -> str:
        """A name of exactly these tokens, so that a resumed run knows its corpus again."""
        ...

    def __len__(self) -> int:
        """How many tokens there are."""
        ...

    def read(self, start: int, stop: int) -> np.ndarray:
        """Tokens ``start`` to ``stop`` - 1, as an array of its own.

        Raises:
            IndexError: not ``0 <= start <= stop <= len``.
        """
        ...


def id_dtype(vocab_size: int) -> np.dtype[Any]:
    """The smallest type that holds every id, little-endian: two bytes up to 65,536 ids, else four.

    >>> id_dtype(50_257), id_dtype(65_536), id_dtype(65_537)
    (dtype('uint16'), dtype('uint16'), dtype('uint32'))
    """
    if isinstance(vocab_size, bool) or not isinstance(vocab_size, int) or not 1 <= vocab_size <= 1 << 32:
        raise ValueError(f"vocab_size is {vocab_size!r}; give a whole number from 1 to 2**32")
    return np.dtype("<u2" if vocab_size <= UINT16_VOCAB else "<u4")


def check_eos(eos: int | None, vocab_size: int) -> None:
    """ValueError unless ``eos`` is None or an id of the vocabulary."""
    if eos is not None and (isinstance(eos, bool) or not isinstance(eos, int) or not 0 <= eos < vocab_size):
        raise ValueError(f"eos is {eos!r}; give an id from 0 to {vocab_size - 1}, or None for no end between documents")


def check_range(start: int, stop: int, length: int) -> None:
    """IndexError unless ``start`` to ``stop`` lies in a corpus of ``length`` tokens; ValueError for 1.5."""
    if not (hasattr(start, "__index__") and hasattr(stop, "__index__")):
        raise ValueError(f"tokens {start!r} to {stop!r} of a corpus; give whole numbers")
    if not 0 <= start <= stop <= length:
        raise IndexError(
            f"tokens {start} to {stop} of a corpus that has {length:,}; give 0 <= start <= stop <= {length}"
        )


def tokens_digest(dtype: np.dtype[Any], vocab_size: int, eos: int | None, parts: Iterable[str]) -> str:
    """SHA-256 over what the ids mean to a reader and the checksums of their ``parts``."""
    said = "\n".join(["lilllm tokens", dtype.str, str(vocab_size), str(eos), *parts])
    return hashlib.sha256(said.encode()).hexdigest()


class TokenArray:
    """A corpus in memory.

    Args:
        tokens: the ids, one row; an EOS after each document is the caller's to put there.
        vocab_size: how many ids there are; larger ones are refused.
        eos: the id that ends each document, or None.
        n_bytes: bytes of the text in UTF-8, if known.
    Raises:
        ValueError: more than one axis, no integers, an id that is not in ``range(vocab_size)``; ``n_bytes`` below 0.

    >>> corpus = TokenArray([5, 6, 0, 7, 0], vocab_size=8, eos=0)
    >>> len(corpus), corpus.n_documents, corpus.read(1, 4).tolist()
    (5, 2, [6, 0, 7])
    """

    def __init__(
        self, tokens: Sequence[int] | np.ndarray, *, vocab_size: int, eos: int | None, n_bytes: int | None = None
    ) -> None:
        self.dtype = id_dtype(vocab_size)
        check_eos(eos, vocab_size)
        if n_bytes is not None and not (hasattr(n_bytes, "__index__") and n_bytes >= 0):
            raise ValueError(
                f"n_bytes is {n_bytes!r}; give how many bytes the text has, or None if nobody counted them"
            )
        given = np.asarray(tokens)
        if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
            raise ValueError(
                f"tokens are an array of shape {given.shape} and type {given.dtype}; give one row of whole numbers"
            )
        if given.size and not (int(given.min()) >= 0 and int(given.max()) < vocab_size):
            raise ValueError(
                f"the ids run from {given.min()} to {given.max()}, but vocab_size is {vocab_size}; were they made by "
                "another tokenizer?"
            )
        self._tokens = given.astype(self.dtype)
        self.vocab_size = vocab_size
        self.eos = eos
        self.n_bytes = n_bytes
        checksum = hashlib.sha256(self._tokens.tobytes()).hexdigest()
        self.digest = tokens_digest(self.dtype, vocab_size, eos, [checksum])

    @property
    def n_documents(self) -> int | None:
        """How many documents end here; None without an EOS."""
        return None if self.eos is None else int((self._tokens == self.eos).sum())

    def __len__(self) -> int:
        return len(self._tokens)

    def __repr__(self) -> str:
        return f"TokenArray({len(self):,} tokens, vocab_size={self.vocab_size}, eos={self.eos})"

    def read(self, start: int, stop: int) -> np.ndarray:
        """Tokens ``start`` to ``stop`` - 1, as an array of its own."""
        check_range(start, stop, len(self))
        return self._tokens[start:stop].copy()
