"""Tokens as coloured HTML: each byte of a text is seen, also blanks, ends of lines and halves of characters.

What has no shape of its own stands as a mark: a blank as a dot, an end of line as an arrow, bytes that are no character
by themselves in hexadecimal, an invisible character by its code point.

Read in order:  Piece and pieces (a text under a tokenizer), visible (bytes to what is shown), marked (HTML)
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import NamedTuple, Protocol

COLOURS = 6
_NAMED = {" ": "·", "\n": "↵", "\t": "⇥", "\r": "␍", "\xa0": "⍽"}


class Encodes(Protocol):
    """What is asked of a tokenizer here."""

    @property
    def special_tokens(self) -> dict[str, int]: ...

    def encode(self, text: str) -> list[int]: ...

    def token_bytes(self, token_id: int) -> bytes: ...


class Piece(NamedTuple):
    """One token: its id, the bytes that it stands for, and whether it is one of the special ones."""

    id: int
    data: bytes
    special: bool = False


def pieces(tokenizer: Encodes, ids: Iterable[int]) -> list[Piece]:
    special = set(tokenizer.special_tokens.values())
    return [Piece(one, tokenizer.token_bytes(one), one in special) for one in ids]


def visible(data: bytes) -> list[tuple[str, bool]]:
    """What is shown of bytes, in parts; True: a mark that stands for what cannot be seen.

    >>> visible("a b".encode()), visible(b"\\xf0\\x9f")
    ([('a', False), ('·', True), ('b', False)], [('F0 9F', True)])
    """
    parts: list[tuple[str, bool]] = []
    for text, is_mark in _each(data):
        joins = parts and parts[-1][1] == is_mark is False
        if joins:
            parts[-1] = (parts[-1][0] + text, False)
        else:
            parts.append((text, is_mark))
    return parts


def _each(data: bytes) -> Iterator[tuple[str, bool]]:
    at = 0
    while at < len(data):
        try:
            good, bad = data[at:].decode("utf-8"), b""
            at = len(data)
        except UnicodeDecodeError as error:
            good, bad = data[at : at + error.start].decode("utf-8"), data[at + error.start : at + error.end]
            at += error.end
        for character in good:
            yield _shown(character)
        if bad:
            # UnicodeDecodeError tells of the bytes of one broken character; those that follow make one more mark.
            yield bad.hex(" ").upper(), True


def _shown(character: str) -> tuple[str, bool]:
    if character in _NAMED:
        return _NAMED[character], True
    kind = unicodedata.category(character)
    if kind in ("Mn", "Me") and not 0xFE00 <= ord(character) <= 0xFE0F:
        return f"\N{DOTTED CIRCLE}{character}", False  # an accent by itself
    if kind[0] == "C" or kind[0] == "Z" or kind == "Mn":
        return f"U+{ord(character):04X}", True
    return character, False


def label(data: bytes, most: int = 24) -> str:
    """The same as plain text, for buttons and axes.

    >>> label(b" the")
    '·the'
    """
    text = "".join(part for part, _ in visible(data)) or "(nothing)"
    return text if len(text) <= most else text[: most - 1] + "…"


def marked(given: Sequence[Piece], *, numbers: bool = True, most: int = 1500, new_from: int | None = None) -> str:
    """HTML of tokens: a colour each, in turn; below it its id and how many bytes it has.

    Args:
        numbers: write id and bytes below; else they are in the tooltip only.
        new_from: tokens from this one on are told apart from those before.
    """
    parts = []
    for at, piece in enumerate(given[:most]):
        text = "".join(f"<i>{escape(part)}</i>" if mark else escape(part) for part, mark in visible(piece.data))
        below = f"<small>{piece.id}<span> · {len(piece.data)} B</span></small>" if numbers else ""
        classes = f"token t{at % COLOURS}"
        classes += " special" if piece.special else ""
        classes += " new" if new_from is not None and at >= new_from else ""
        plural = "byte" if len(piece.data) == 1 else "bytes"
        about = f"token {piece.id}: {len(piece.data)} {plural}, {piece.data[:32].hex(' ').upper()}"
        parts.append(f'<span class="{classes}" title="{escape(about)}"><b>{text or "&nbsp;"}</b>{below}</span>')
        if b"\n" in piece.data and not piece.special:
            parts.append("<br>")
    if len(given) > most:
        parts.append(f'<p class="note">{len(given) - most:,} more tokens are not shown.</p>')
    return f'<div class="tokens{"" if numbers else " bare"}">{"".join(parts)}</div>'
