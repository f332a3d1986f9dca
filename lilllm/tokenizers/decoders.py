"""How tokens become text again: continuation marks, blanks, bytes.

Each class is both the JSON object that Hugging Face writes under `decoder` and the function that it stands for:
``apply(tokens)`` returns new tokens, which are joined without blanks at the end. Without a decoder, Hugging Face joins
the tokens with blanks.

One difference on purpose: bytes that are not UTF-8 become U+FFFD as in ``bytes.decode(errors="replace")``; Hugging
Face writes one U+FFFD a byte.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import regex

from lilllm.tokenizers.normalizers import Literal as LiteralPattern
from lilllm.tokenizers.splitters import BLANK

BYTE_TOKEN = regex.compile(r"<0x([0-9A-Fa-f]{2})>")


class _Component(msgspec.Struct, tag_field="type", frozen=True, forbid_unknown_fields=True):
    """A component of a tokenizer.json: unknown names and fields are errors, never ignored."""


class WordPiece(_Component, frozen=True, tag="WordPiece"):
    """Glue `##` tokens to the word before; with ``cleanup``, also take out blanks that English does not write.

    >>> WordPiece().apply(["hug", "##s", "."]), WordPiece(cleanup=False).apply(["hug", "."])
    (['hug', 's', '.'], ['hug', ' .'])
    """

    prefix: str = "##"
    cleanup: bool = True

    def apply(self, tokens: list[str], errors: str = "replace") -> list[str]:
        out = []
        for i, token in enumerate(tokens):
            if i > 0:
                token = token[len(self.prefix) :] if token.startswith(self.prefix) else " " + token
            out.append(_clean_up(token) if self.cleanup else token)
        return out


def _clean_up(token: str) -> str:
    # In this order, since it is the order in which Hugging Face replaces.
    for spaced, glued in (
        (" .", "."), (" ?", "?"), (" !", "!"), (" ,", ","), (" ' ", "'"), (" n't", "n't"), (" 'm", "'m"),
        (" do not", " don't"), (" 's", "'s"), (" 've", "'ve"), (" 're", "'re"),
    ):  # fmt: skip
        token = token.replace(spaced, glued)
    return token


class Metaspace(_Component, frozen=True, tag="Metaspace"):
    """Blank marks back to blanks; marks of the first token were put there, unless ``prepend_scheme`` is "never"."""

    replacement: str = BLANK
    prepend_scheme: Literal["always", "first", "never"] = "always"
    split: bool = True

    def apply(self, tokens: list[str], errors: str = "replace") -> list[str]:
        first = "" if self.prepend_scheme != "never" else " "
        return [token.replace(self.replacement, first if i == 0 else " ") for i, token in enumerate(tokens)]


class ByteFallback(_Component, frozen=True, tag="ByteFallback"):
    """Runs of `<0xNN>` tokens to the text that those bytes are.

    >>> ByteFallback().apply(["a", "<0xC3>", "<0xA9>"])
    ['a', 'é']
    """

    def apply(self, tokens: list[str], errors: str = "replace") -> list[str]:
        out: list[str] = []
        run = bytearray()
        for token in [*tokens, ""]:
            match = BYTE_TOKEN.fullmatch(token)
            if match:
                run.append(int(match[1], 16))
                continue
            if run:
                out.append(run.decode("utf-8", errors=errors))
                run.clear()
            out.append(token)
        return out[:-1]


class Fuse(_Component, frozen=True, tag="Fuse"):
    def apply(self, tokens: list[str], errors: str = "replace") -> list[str]:
        return ["".join(tokens)]


class Replace(_Component, frozen=True, tag="Replace"):
    pattern: LiteralPattern
    content: str

    def apply(self, tokens: list[str], errors: str = "replace") -> list[str]:
        old = self.pattern.String
        return [token.replace(old, self.content) for token in tokens] if old else tokens


class Strip(_Component, frozen=True, tag="Strip"):
    """Take up to ``start`` characters ``content`` from the start of each token and up to ``stop`` from its end."""

    content: str
    start: int
    stop: int

    def apply(self, tokens: list[str], errors: str = "replace") -> list[str]:
        return [self._one(token) for token in tokens]

    def _one(self, token: str) -> str:
        for _ in range(self.start):
            token = token.removeprefix(self.content)
        for _ in range(self.stop):
            token = token.removesuffix(self.content)
        return token


class Sequence(_Component, frozen=True, tag="Sequence"):
    decoders: list[Decoder]

    def apply(self, tokens: list[str], errors: str = "replace") -> list[str]:
        for decoder in self.decoders:
            tokens = decoder.apply(tokens, errors)
        return tokens


Decoder = WordPiece | Metaspace | ByteFallback | Fuse | Replace | Strip | Sequence


def join(decoder: Decoder | None, tokens: list[str], errors: str = "replace") -> str:
    """Text of the tokens, as Hugging Face joins them."""
    return " ".join(tokens) if decoder is None else "".join(decoder.apply(tokens, errors))
