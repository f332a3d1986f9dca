"""Split text into pre-tokens: the pieces that no merge ever crosses.

BPE learns and applies merges inside a pre-token only. The pattern decides what a pre-token is: here GPT-2's and GPT-4's.
Every character belongs to exactly one pre-token, so that joining them gives the text back.

Read in order:  GPT2_PATTERN, GPT4_PATTERN (as published)
                compile_pattern (checks what the user gave)
                pretokens (a text's pre-tokens), split_special (special tokens cut out first)
                safe_cut (where a stream may be cut without changing any pre-token)
Leaves out:     counting pre-tokens of large files (pretoken_counts.py)
Source:         GPT-2: Radford et al. 2019 and its released encoder; GPT-4: tiktoken's cl100k_base
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import lru_cache

import regex

GPT2_PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
GPT4_PATTERN = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)

# In both patterns a letter or a digit ends its pre-token before anything that is neither, and what follows is split
# without looking back.
_SAFE_PATTERNS = (GPT2_PATTERN, GPT4_PATTERN)
_SAFE_CUT = regex.compile(r"(?r)(?<=[\p{L}\p{N}])(?=[^\p{L}\p{N}])")


@lru_cache(maxsize=32)
def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """Compile a split pattern.

    Raises:
        ValueError: not a pattern that the `regex` package reads.
    """
    try:
        return regex.compile(pattern, regex.V0)
    except regex.error as error:
        raise ValueError(f"the split pattern {pattern!r} does not compile: {error}") from None


def pretokens(text: str, pattern: str | None = GPT2_PATTERN) -> list[str]:
    """Split ``text``; ``pattern=None`` keeps it whole. What a pattern leaves unmatched is dropped, as in GPT-2's encoder.

    Holds: with GPT2_PATTERN and GPT4_PATTERN, ``"".join(pretokens(text)) == text``.

    >>> pretokens("I've 12 cats")
    ['I', "'ve", ' 12', ' cats']
    """
    if pattern is None:
        return [text] if text else []
    compiled = compile_pattern(pattern)
    if not compiled.groups:
        return compiled.findall(text)
    return [match[0] for match in compiled.finditer(text)]


@lru_cache(maxsize=32)
def _special_pattern(special: tuple[str, ...]) -> regex.Pattern[str]:
    longest_first = sorted(special, key=len, reverse=True)
    return regex.compile("(" + "|".join(regex.escape(token) for token in longest_first) + ")")


def split_special(text: str, special: Collection[str]) -> Iterator[tuple[bool, str]]:
    """Cut ``text`` at special tokens, leftmost first and the longest where two begin together.

    Yields ``(is_special, piece)``; empty pieces are left out.

    >>> list(split_special("a<|end|>b", ["<|end|>"]))
    [(False, 'a'), (True, '<|end|>'), (False, 'b')]
    """
    if not special:
        if text:
            yield False, text
        return
    for index, piece in enumerate(_special_pattern(tuple(special)).split(text)):
        if piece:
            yield index % 2 == 1, piece


def safe_cut(text: str, pattern: str | None) -> int:
    """The last place where ``text`` may be cut so that both sides, split apart, give the pre-tokens of the whole.

    0 where there is none, which is always so for a pattern that is not one of the two here: nothing is known about it.

    >>> safe_cut("one two thr", GPT2_PATTERN)
    7
    """
    if pattern not in _SAFE_PATTERNS:
        return 0
    match = _SAFE_CUT.search(text)
    return match.start() if match else 0
