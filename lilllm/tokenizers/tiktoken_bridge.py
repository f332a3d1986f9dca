"""tiktoken does our encoding: the same merges, in Rust.

tiktoken knows tokens and their ranks, not merges: two neighbours merge if their bytes together are a token, the lowest
rank first. That is BPE with a list of merges whenever each token, encoded with the merges before its own, comes to just
the two parts of its merge. Trained merges are always like that; those of a file are checked.

Read in order:  apply_merges (BPE on one pre-token, as the algorithm reads)
                first_ranks (the check), merges_of_ranks (the way back: ranks to merges)
                read_ranks (of a file), build_encoding, FastPath
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from math import inf
from pathlib import Path

import regex
import tiktoken

from lilllm.tokenizers.bpe_train import merge
from lilllm.tokenizers.bpe_vocab import ONE_BYTE
from lilllm.tokenizers.files import read_limited
from lilllm.tokenizers.pretokenize import GPT2_PATTERN, PIECE, is_known, pieces, pretokens

BytePair = tuple[bytes, bytes]

WHOLE = r"(?s:.+)"
# The same splits as GPT2_PATTERN, written so that tiktoken's engine never goes back.
_GPT2_IN_TIKTOKEN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""


def apply_merges(word: bytes, rank: Mapping[BytePair, int], *, below: float = inf) -> list[bytes]:
    """Merge the neighbours with the lowest rank, everywhere in ``word``, until no neighbours have a rank.

    >>> apply_merges(b"banana", {(b"a", b"n"): 0, (b"an", b"a"): 1})
    [b'b', b'an', b'ana']
    """
    parts = [word[i : i + 1] for i in range(len(word))]
    while len(parts) > 1:
        best = min(pairwise(parts), key=lambda pair: rank.get(pair, inf))
        if rank.get(best, inf) >= below:
            break
        parts = merge(parts, best, best[0] + best[1])
    return parts


def first_ranks(merges: Sequence[BytePair]) -> dict[bytes, int] | None:
    """The rank of each token if ranks say as much as ``merges`` do, else None.

    A token may have several merges in a row, as files that were made from ranks have: only the one that happens counts.
    """
    rank: dict[BytePair, int] = {}
    first: dict[bytes, int] = {}
    last: dict[bytes, int] = {}
    for index, pair in enumerate(merges):
        token = pair[0] + pair[1]
        rank[pair] = index
        if token not in first or last[token] == index - 1:
            last[token] = index
            first.setdefault(token, index)
    for token, index in first.items():
        parts = apply_merges(token, rank, below=index)
        if len(parts) != 2 or not index <= rank.get((parts[0], parts[1]), -1) <= last[token]:
            return None
    return first


def merges_of_ranks(ranks: Mapping[bytes, int]) -> list[BytePair]:
    """The merges that ``ranks`` stand for, in order.

    Raises:
        ValueError: a byte without a rank, or a token that its own ranks never make.

    >>> byte = {bytes([b]): b for b in range(256)}
    >>> merges_of_ranks({**byte, b"ab": 256, b"abc": 257})
    [(b'a', b'b'), (b'ab', b'c')]
    """
    rank: dict[BytePair, int] = {}
    for token, index in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) == 1:
            continue
        parts = apply_merges(token, rank)
        if len(parts) != 2:
            raise ValueError(f"token {token!r} (rank {index}) is never made by the tokens of lower rank: not BPE")
        rank[parts[0], parts[1]] = index
    return list(rank)


def read_ranks(path: str | Path) -> dict[bytes, int]:
    """The ranks in a ``.tiktoken`` file: on each line a token in base64, a blank and its rank.

    Raises:
        ValueError: names the file, the line and what is wrong in it.
        OSError: the file is missing or cannot be read.
    """
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(read_limited(path).splitlines(), start=1):
        if not line:
            continue
        token, _, rank = line.partition(b" ")
        if not rank.isdigit() or len(rank) > 9:
            raise ValueError(f"{path}, line {number}: {line!r:.60} is not a token in base64, a blank and a rank")
        try:
            decoded = base64.b64decode(token, validate=True)
        except binascii.Error as error:
            raise ValueError(f"{path}, line {number}: {token!r:.60} is not base64: {error}") from None
        if decoded in ranks or not decoded:
            raise ValueError(
                f"{path}, line {number}: the token {decoded!r:.60} is {'there twice' if decoded else 'empty'}"
            )
        ranks[decoded] = int(rank)
    return ranks


@lru_cache(maxsize=1)
def _unicode_ranges() -> dict[str, str]:
    r"""What \p{L} and \p{N} hold in the `regex` package, as ranges: Rust's tables may be of another Unicode version."""
    every = "".join([chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000])
    ranges = {}
    for name in (r"\p{L}", r"\p{N}"):
        runs = [match[0] for match in regex.finditer(f"{name}+", every)]
        ranges[name] = "[" + "".join([rf"\x{{{ord(run[0]):x}}}-\x{{{ord(run[-1]):x}}}" for run in runs]) + "]"
    return ranges


def _rust_pattern(pattern: str) -> str:
    # Rust reads brackets inside brackets as a union, so one replacement serves inside and outside of a class.
    return re.sub(r"\\p\{[LN]\}", lambda match: _unicode_ranges()[match[0]], pattern)


def python_pattern(rust: str) -> str | None:
    """The pattern for `pretokens` that splits as ``rust`` does in tiktoken."""
    if rust == WHOLE:
        return None
    for name, ranges in _unicode_ranges().items():
        rust = rust.replace(ranges, name)
    return GPT2_PATTERN if rust == _GPT2_IN_TIKTOKEN else rust


def build_encoding(
    name: str, pattern: str | None, ranks: Mapping[bytes, int], special_tokens: Mapping[str, int]
) -> tiktoken.Encoding:
    """A tiktoken encoding that splits as `pretokens` does.

    Raises:
        ValueError: tiktoken cannot read the pattern.
    """
    rust = WHOLE if pattern is None else _rust_pattern(_GPT2_IN_TIKTOKEN if pattern == GPT2_PATTERN else pattern)
    try:
        return tiktoken.Encoding(name, pat_str=rust, mergeable_ranks=dict(ranks), special_tokens=dict(special_tokens))
    except ValueError as error:
        raise ValueError(f"tiktoken cannot read the split pattern {pattern!r}: {error}") from None


class FastPath:
    """`encode` for plain text: tiktoken where ranks say as much as the merges, else Python with a memory for words.

    Attributes:
        ranks: what tiktoken was given; None where the merges are more than ranks can say.
        id_of: id of each rank, where the ids do not rise in the order of the merges; None where ids are ranks.
    """

    def __init__(self, merges: Sequence[BytePair], pattern: str | None, vocab: Mapping[bytes, int]) -> None:
        self.pattern = pattern
        self.ranks: dict[bytes, int] | None = None
        self.id_of: list[int] | None = None
        self._word: Callable[[str], list[int]]
        self._by_text = False
        first = first_ranks(merges)
        if first is None:
            rank = {pair: index for index, pair in enumerate(merges)}
            self._word = lru_cache(1 << 16)(lambda word: [vocab[token] for token in apply_merges(word.encode(), rank)])
            return
        tokens = [*ONE_BYTE, *first]
        ids = [vocab[token] for token in tokens]
        if ids[256:] == sorted(ids[256:]):
            self.ranks = dict(zip(tokens, ids, strict=True))
        else:
            self.ranks = {token: index for index, token in enumerate(tokens)}
            self.id_of = ids
        # Rust's engine splits only by patterns that it is known to read as Python's does.
        self._by_text = is_known(pattern)
        self._encoding = build_encoding("lilllm", pattern if self._by_text else None, self.ranks, {})
        self._word = self._encoding._encode_single_piece

    def encode(self, text: str) -> list[int]:
        """Ids of ``text``, in which nothing is a special token."""
        if self._by_text and self.id_of is None and len(text) <= PIECE:  # short texts: nothing but the call
            return self._encoding.encode_ordinary(text)
        ids: list[int] = []
        for piece in pieces(text, self.pattern):
            if self._by_text and len(piece) <= PIECE:
                ids += self._encoding.encode_ordinary(piece)
            else:
                for word in pretokens(piece, self.pattern):
                    ids += self._word(word)
        if self.id_of is not None and ids:
            return [self.id_of[index] for index in ids]
        return ids
