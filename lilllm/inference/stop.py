"""Tokens to text as they come: never half a character, never a part of what ends the text.

    stream = TextStream(tokenizer, stops=["\\n\\n"])
    stream.push(token)      the text that may be shown now; "" while a character or a stop string may still be coming
    stream.finish()         what was held back

Read in order:  visible (the rule for stop strings), TextStream
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from typing import Protocol

from lilllm.tokenizers import BPETokenizer, ByteTokenizer


class Speech(Protocol):
    """What is needed of a tokenizer."""

    def decode(self, ids: list[int], *, errors: str = "replace") -> str: ...

    def token_bytes(self, token_id: int) -> bytes: ...


def visible(text: str, stops: Sequence[str]) -> str:
    """As much of ``text`` as may be shown while more is coming.

    Up to the stop string that is whole first; else without the longest end that is the beginning of one.

    >>> visible("one. STO", ["STOP"]), visible("one. STOP two", ["STOP"]), visible("one. STORY", ["STOP"])
    ('one. ', 'one. ', 'one. STORY')
    """
    cut = find_stop(text, stops)
    if cut is not None:
        return text[:cut]
    for start in range(max(0, len(text) - max(map(len, stops), default=0) + 1), len(text)):
        if any(stop.startswith(text[start:]) for stop in stops):
            return text[:start]
    return text


def find_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the first stop string begins: that which is whole first, so that it is the same however text arrives.

    >>> find_stop("a b c", ["c", " b"]), find_stop("a", ["b"])
    (1, None)
    """
    found = [(at + len(stop), at) for stop in stops if (at := text.find(stop)) >= 0]
    return min(found)[1] if found else None


class TextStream:
    """Text of tokens that arrive one by one.

    Raises: ValueError: an empty stop string.
    Holds: what is given, put together, is the text of all tokens, up to the first stop string; no part of it is given
        that a later token could take back.

    >>> from lilllm.tokenizers import ByteTokenizer
    >>> stream = TextStream(ByteTokenizer(), stops=["END"])
    >>> [stream.push(byte) for byte in "\\u00e9 END".encode()], stream.stopped
    (['', 'é', ' ', '', '', ''], True)
    """

    def __init__(self, tokenizer: Speech, stops: Sequence[str] = ()) -> None:
        self.stops = check_stops(stops)
        self.stopped = False
        self._tokenizer = tokenizer
        # Byte-level tokens are pieces of UTF-8, and each byte is decoded once. Of others the text may depend on the
        # tokens before: all are decoded again.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace") if _is_bytes(tokenizer) else None
        self._ids: list[int] = []
        self._shown = self._text = ""

    def push(self, token: int) -> str:
        """The text that this token makes certain."""
        if self.stopped:
            return ""
        if self._decoder is not None:
            self._text += self._decoder.decode(self._tokenizer.token_bytes(token))
            return self._show(self._text)
        self._ids.append(token)
        self._text = self._tokenizer.decode(self._ids)
        return self._show(self._text.rstrip("\ufffd"))  # it may be the beginning of a character

    def finish(self) -> str:
        """What was held back; nothing more comes."""
        if self.stopped:
            return ""
        if self._decoder is not None:
            self._text += self._decoder.decode(b"", final=True)
        cut = find_stop(self._text, self.stops)
        return self._more(self._text if cut is None else self._text[:cut])

    def _show(self, text: str) -> str:
        self.stopped = find_stop(text, self.stops) is not None
        return self._more(visible(text, self.stops))

    def _more(self, text: str) -> str:
        if not text.startswith(self._shown):  # a decoder that changed its mind: nothing until it has caught up
            return ""
        more = text[len(self._shown) :]
        self._shown = text
        return more


def check_stops(stops: Sequence[str]) -> tuple[str, ...]:
    """The stop strings as a tuple; ValueError where one is empty, or where they are one string and no list."""
    if isinstance(stops, str):
        raise ValueError(f"stop is the string {stops!r}; give a list of strings: [{stops!r}]")
    if not isinstance(stops, list | tuple) or not all(isinstance(stop, str) for stop in stops):
        raise ValueError(f"stop is {stops!r}; give a list of strings, such as ['.']")
    if "" in stops:
        raise ValueError("a stop string is empty, which would stop everything; leave it out")
    return tuple(stops)


def _is_bytes(tokenizer: Speech) -> bool:
    return isinstance(tokenizer, BPETokenizer | ByteTokenizer)
