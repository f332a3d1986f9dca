"""Split text into pre-tokens: the pieces that no merge ever crosses.

BPE learns and applies merges inside a pre-token only. The pattern says what a pre-token is: here GPT-2's and GPT-4's.
Every character belongs to exactly one pre-token, so that joining them gives the text back.

Read in order:  GPT2_PATTERN, GPT4_PATTERN (as published)
                pretokens (a text's pre-tokens)
                split_special (special tokens cut out first)
                safe_cut, pieces (where a long text may be cut without changing any pre-token)
Leaves out:     counting the pre-tokens of large files (pretoken_counts.py)
Source:         GPT-2: Radford et al. 2019 and its released encoder; GPT-4: tiktoken's cl100k_base as first published.
                Later releases of tiktoken keep white space at the very end of a text whole where it holds a line break;
                `BPETokenizer.from_tiktoken` takes the pattern that the encoding has.
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
_SAFE_CUT = regex.compile(r"(?<=[\p{L}\p{N}])(?=[^\p{L}\p{N}])")
_LAST_SAFE_CUT = regex.compile(_SAFE_CUT.pattern, regex.REVERSE)

# Texts go to the encoder in pieces of at most this many characters: tiktoken's regex engine gives up on a run of white
# space that is longer than about a million.
PIECE = 1 << 18


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
    """Split ``text``; ``pattern=None`` keeps it whole.

    What a pattern of your own leaves unmatched becomes pre-tokens too, as with Hugging Face's "Isolated" split
    (tiktoken drops it).

    Holds: ``"".join(pretokens(text, pattern)) == text``.

    >>> pretokens("I've 12 cats")
    ['I', "'ve", ' 12', ' cats']
    >>> pretokens("a1b", "[0-9]")
    ['a', '1', 'b']
    """
    if pattern is None:
        return [text] if text else []
    compiled = compile_pattern(pattern)
    if is_known(pattern):
        return compiled.findall(text)
    found = []
    at = 0
    for match in compiled.finditer(text):
        found += [text[at : match.start()], match[0]]
        at = match.end()
    return [piece for piece in [*found, text[at:]] if piece]


def is_known(pattern: str | None) -> bool:
    """Whether ``pattern`` is one of the two here, of which it is known that they match every character."""
    return pattern in _SAFE_PATTERNS


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
    at = 0
    for match in _special_pattern(tuple(special)).finditer(text):
        if match.start() > at:
            yield False, text[at : match.start()]
        yield True, match[0]
        at = match.end()
    if at < len(text):
        yield False, text[at:]


def safe_cut(text: str, pattern: str | None, start: int = 0, end: int | None = None) -> int:
    """The last place in ``text[start:end]`` where it may be cut so that both sides, split apart, give the pre-tokens of
    the whole.

    ``start`` where there is none, which is always so for a pattern that is not one of the two here: nothing is known
    about it.

    >>> safe_cut("one two thr", GPT2_PATTERN)
    7
    """
    if not is_known(pattern):
        return start
    match = _LAST_SAFE_CUT.search(text, start, len(text) if end is None else end)
    return match.start() if match else start


def safe_cuts(text: str) -> Iterator[int]:
    """All such places, in order, for GPT2_PATTERN and GPT4_PATTERN."""
    return (match.start() for match in _SAFE_CUT.finditer(text))


def pieces(text: str, pattern: str | None, size: int = PIECE) -> Iterator[str]:
    """``text`` in pieces of at most ``size`` characters, cut where it is safe; longer where it is safe nowhere.

    Holds: the pre-tokens of the pieces, one after the other, are the pre-tokens of the text.
    """
    start = 0
    while len(text) - start > size:
        window = size
        cut = safe_cut(text, pattern, start, start + window)
        while cut == start and start + window < len(text):
            window *= 2
            cut = safe_cut(text, pattern, start, min(start + window, len(text)))
        if cut == start:
            break
        yield text[start:cut]
        start = cut
    if start < len(text):
        yield text[start:]
