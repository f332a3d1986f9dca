"""What happens to a text before it is split: Unicode forms, case, accents.

Each class is both the JSON object that Hugging Face writes for the component (`type` is its name) and the function that
it stands for. Where Hugging Face's Rust tables know another version of Unicode than Python's, newly added characters
may be treated otherwise; everything else is the same, character by character.

Left out: `Precompiled` (SentencePiece's compiled NFKC map), `Nmt`, `ByteLevel` as a normalizer. A file that has one is
refused by name.
"""

from __future__ import annotations

import unicodedata

import msgspec
import regex

WHITE_SPACE = regex.compile(r"\p{White_Space}")
# Chinese characters that BERT sets apart, as its authors listed them; Hangul and Kana are written with spaces enough.
_CJK = regex.compile(
    "[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002a6df\U0002a700-\U0002b81f\U0002b920-\U0002ceaf"
    "\U0002f800-\U0002fa1f]"
)


class _Component(msgspec.Struct, tag_field="type", frozen=True, forbid_unknown_fields=True):
    """A component of a tokenizer.json: unknown names and fields are errors, never ignored."""


class NFC(_Component, frozen=True, tag="NFC"):
    def apply(self, text: str) -> str:
        return unicodedata.normalize("NFC", text)


class NFD(_Component, frozen=True, tag="NFD"):
    def apply(self, text: str) -> str:
        return unicodedata.normalize("NFD", text)


class NFKC(_Component, frozen=True, tag="NFKC"):
    def apply(self, text: str) -> str:
        return unicodedata.normalize("NFKC", text)


class NFKD(_Component, frozen=True, tag="NFKD"):
    def apply(self, text: str) -> str:
        return unicodedata.normalize("NFKD", text)


class Lowercase(_Component, frozen=True, tag="Lowercase"):
    def apply(self, text: str) -> str:
        # One character at a time: str.lower() of a whole word would write a Greek sigma at its end another way.
        return "".join(character.lower() for character in text)


class StripAccents(_Component, frozen=True, tag="StripAccents"):
    """Drop combining marks (category M); put NFD before it, or composed letters keep theirs."""

    def apply(self, text: str) -> str:
        return "".join(character for character in text if not unicodedata.category(character).startswith("M"))


class Strip(_Component, frozen=True, tag="Strip"):
    strip_left: bool = True
    strip_right: bool = True

    def apply(self, text: str) -> str:
        start, end = 0, len(text)
        while self.strip_left and start < end and WHITE_SPACE.match(text[start]):
            start += 1
        while self.strip_right and start < end and WHITE_SPACE.match(text[end - 1]):
            end -= 1
        return text[start:end]


class Prepend(_Component, frozen=True, tag="Prepend"):
    prepend: str

    def apply(self, text: str) -> str:
        return self.prepend + text if text else text


class Literal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fixed text to look for; a pattern (`Regex`) from a file is refused, since it could run for ever."""

    String: str


class Replace(_Component, frozen=True, tag="Replace"):
    pattern: Literal
    content: str

    def apply(self, text: str) -> str:
        return text.replace(self.pattern.String, self.content) if self.pattern.String else text


class BertNormalizer(_Component, frozen=True, tag="BertNormalizer"):
    """BERT's cleaning: control characters out, Chinese characters apart, accents and case away.

    ``strip_accents=None`` means: as ``lowercase`` says.

    >>> BertNormalizer().apply("Héllo\\t中文")
    'hello  中  文 '
    """

    clean_text: bool = True
    handle_chinese_chars: bool = True
    strip_accents: bool | None = None
    lowercase: bool = True

    def apply(self, text: str) -> str:
        if self.clean_text:
            text = "".join(_clean(character) for character in text)
        if self.handle_chinese_chars:
            text = _CJK.sub(r" \g<0> ", text)
        if self.lowercase if self.strip_accents is None else self.strip_accents:
            text = "".join(c for c in unicodedata.normalize("NFD", text) if unicodedata.category(c) != "Mn")
        return Lowercase().apply(text) if self.lowercase else text


def _clean(character: str) -> str:
    if character in "\t\n\r":
        return " "
    if character == "\ufffd" or unicodedata.category(character) in ("Cc", "Cf", "Co"):
        return ""  # also U+000B, U+000C and U+0085, which are white space to others
    return " " if WHITE_SPACE.match(character) else character


class Sequence(_Component, frozen=True, tag="Sequence"):
    normalizers: list[Normalizer]

    def apply(self, text: str) -> str:
        for normalizer in self.normalizers:
            text = normalizer.apply(text)
        return text


Normalizer = NFC | NFD | NFKC | NFKD | Lowercase | StripAccents | Strip | Prepend | Replace | BertNormalizer | Sequence
