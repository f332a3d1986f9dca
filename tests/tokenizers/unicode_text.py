"""Text for parity tests: many scripts, and characters whose properties have not changed since Unicode 3.2.

Python, the `regex` package and Hugging Face's Rust crates each carry another version of Unicode; a character that was
added or moved since may be treated differently, and only such characters may.
"""

from __future__ import annotations

import unicodedata

from hypothesis import strategies as st

MANY_SCRIPTS = (
    "Hello, world!  Don't stop...  It's 3.14 (or 1,234,567) e-mail@example.org\n\n"
    "\tdef f(x):\n\t\treturn x**2  # no\r\n"
    "Ångström naïve Straße ÆØÅ İstanbul ΣΊΣΥΦΟΣ Σας Привет, мир! Ελληνικά עברית العربية हिन्दी ไทย "
    "中文分词。日本語のテキスト、カタカナ 한국어 텍스트 𝒳𝔘 👍🏽👨‍👩‍👧🇩🇪 ½ ² ① e\u0301 \u00a0\u2003\u200b\ufeff "
    "▁ ▁▁x x▁y [UNK] [CLS] foo[SEP]bar ## ##x _under_score a\u00adb \x00\x07 ﬁ ｆｕｌｌ"
)

# Long runs of characters of one kind, of which the first and last are enough.
_RUNS = [
    (0x3440, 0x4DA0),
    (0x4E40, 0x9F80),
    (0xAC40, 0xD780),
    (0xE040, 0xF8C0),
    (0x20040, 0x2A6A0),
    (0xF0040, 0x10FFA0),
]


def _settled(c: int) -> bool:
    kind = unicodedata.category(chr(c))
    in_run = any(first <= c < last for first, last in _RUNS)
    return not in_run and kind not in ("Cn", "Cs") and unicodedata.ucd_3_2_0.category(chr(c)) == kind


STABLE = [chr(c) for c in range(0x110000) if _settled(c)]

# Texts that mix letters of a training text, blanks and anything else.
texts = st.text(st.one_of(st.sampled_from("abcdehilnorstu    .,'\n▁"), st.sampled_from(STABLE)), max_size=60)
