"""GPT-2's printable stand-ins for bytes, as vocab.json, merges.txt and tokenizer.json write them.

A byte that is a printable, non-blank Latin-1 character stands for itself; the other 68 take U+0100, U+0101, ... in
order, so that a blank becomes U+0120. The order of these characters by code point is also the order in which GPT-2 and
Hugging Face's ByteLevel trainers number the 256 bytes.

Read in order:  BYTE_TO_CHAR, CHAR_TO_BYTE, BYTE_ORDER (the tables)
                to_chars, from_chars (whole tokens)
Source:         Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.2, and the files
                released with it
"""

from __future__ import annotations

_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]

BYTE_TO_CHAR: tuple[str, ...] = tuple(
    chr(byte) if byte in _PRINTABLE else chr(0x100 + sum(b not in _PRINTABLE for b in range(byte)))
    for byte in range(256)
)
CHAR_TO_BYTE: dict[str, int] = {char: byte for byte, char in enumerate(BYTE_TO_CHAR)}

# Byte values in the order of their characters: GPT-2's ids 0 to 255.
BYTE_ORDER: tuple[int, ...] = tuple(sorted(range(256), key=lambda byte: BYTE_TO_CHAR[byte]))


def to_chars(token: bytes) -> str:
    """Write a token as GPT-2's files do.

    >>> to_chars(b" low")
    'Ġlow'
    """
    return "".join([BYTE_TO_CHAR[byte] for byte in token])


def from_chars(chars: str) -> bytes:
    """Read a token as GPT-2's files write it.

    Raises:
        ValueError: a character that stands for no byte.

    >>> from_chars("Ġlow")
    b' low'
    """
    try:
        return bytes([CHAR_TO_BYTE[char] for char in chars])
    except KeyError as error:
        raise ValueError(
            f"{chars!r} holds {error.args[0]!r}, which stands for no byte in GPT-2's alphabet: is the file byte-level?"
        ) from None
