"""Texts that are hard to split: every script, blanks of all kinds, contractions in odd cases, pieces of specials."""

from __future__ import annotations

import unicodedata
from pydoc_data.topics import topics

from hypothesis import strategies as st

FRAGMENTS = (
    "the", " of", "'s", "'LL", "'ve", "'\u017f", "I'd", "''", " ", "  ", "\t", "\n", "\r\n", "\n \n",
    "\u3000", "\xa0", "\u2028", "\x1c", "12", "1234567", "\u0663\u0664", "\u2167", "\xbd", "abc", "aaaa",
    "ab", "caf\xe9", "cafe\u0301", "\u4e2d\u6587", "\u0939\u093f\u0928\u094d\u0926\u0940",
    "\u0e44\u0e17\u0e22", "\ud55c\uad6d", "\U0001f30d", "\u200d", "\U0001f469\u200d\U0001f4bb", "\ufeff",
    "\x00", "...", " --", "!?\n", "def f(x):\n    return x\n", "<|end|>", "<|end", "<|", "|>", "end",
)  # fmt: skip

pieces = st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=3))
texts = st.lists(pieces, max_size=30).map("".join)
# Few letters, so that the same pairs come again and again: ties, overlaps and runs.
narrow_texts = st.text("aab b", max_size=60)


def assigned(text: str) -> bool:
    """Whether Python's Unicode tables know every character; libraries differ on those that came later."""
    return all(unicodedata.category(char) != "Cn" for char in text)


PROSE = (
    "It wasn't the first time that they'd tried: in 1984, then 2001, and again. "
    "The theory of the thing is that the other things gather there. Na\u00efve caf\u00e9s don't. "
    "\u4e2d\u6587\u5206\u8bcd\u5f88\u96be\uff0c\u4e2d\u6587\u5f88\u7f8e\u3002 "
    "\u0939\u093f\u0928\u094d\u0926\u0940 \U0001f30d\U0001f30d\n"
    "def merge(ids, pair):\n    return [x for x in ids if x not in pair]\n\n"
) * 3

# Real text; it differs between versions of Python, which no test minds.
DOCS = "\n".join(topics[name] for name in sorted(topics))
