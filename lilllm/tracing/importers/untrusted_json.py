"""Read JSON that a stranger wrote, within a bound on memory, and with what Python's ``json`` writes but JSON has not.

``json.dump`` writes ``NaN`` and ``Infinity`` as bare words, and lone surrogates as ``\\ud800``; strict parsers refuse
both. Here they become the texts "nan", "inf", "-inf" and ``\\ud800``, as in a trace.

Holds: whatever the bytes, ``parse`` gives plain Python objects or raises ``TraceError``. The objects take at most about
``MAX_COST`` bytes: text of a few megabytes can otherwise make a gigabyte of empty lists.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from lilllm.tracing.reader import TraceError

MAX_BYTES = 32_000_000
MAX_COST = 150_000_000  # bytes

# What one sign can at most stand for in memory (CPython 3.11, 64 bit): a dict with a first entry, a list, a key's
# entry, and an element with its slot. Signs inside strings are counted too: an estimate from above.
_COST = {b"{": 184, b"[": 72, b":": 60, b",": 64}

# A string (unterminated ones end with the input: no quadratic search), a bare word, or an integer that is too long.
_STRANGE = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|-?Infinity|NaN|(?<![\d.eE+-])-?\d{300,}+(?![\d.eE])', re.DOTALL)
_SURROGATE = re.compile(
    rb"\\u(?:"
    rb"[dD][89abAB][0-9a-fA-F]{2}(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})?"  # a pair is well
    rb"|(?P<lone>[dD][c-fC-F][0-9a-fA-F]{2}))"
    rb"|\\(?:[^u]|u(?![dD][89a-fA-F]))",  # any other escape, so that \\ud800 is seen as a backslash and text
    re.DOTALL,
)
_WORDS = {b"NaN": b'"nan"', b"Infinity": b'"inf"', b"-Infinity": b'"-inf"'}


def parse(data: bytes) -> Any:
    """The value that ``data`` holds.

    Raises:
        TraceError: it is too large, or no JSON even by Python's lax rules.

    >>> parse(b'{"loss": [NaN, 1.5, -Infinity]}')
    {'loss': ['nan', 1.5, '-inf']}
    """
    if len(data) > MAX_BYTES:
        raise TraceError(f"{len(data):,} bytes of JSON; at most {MAX_BYTES:,} are opened")
    if sum(weight * data.count(sign) for sign, weight in _COST.items()) > MAX_COST:
        raise TraceError("the JSON holds more values than fit into memory; record fewer steps or smaller values")
    data = data.removeprefix(b"\xef\xbb\xbf")
    try:
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return msgspec.json.decode(_made_plain(data))
    except RecursionError:
        raise TraceError("the JSON is nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TraceError(f"not JSON: {str(error)[:200]}") from None


def _made_plain(data: bytes) -> bytearray:
    """``data`` as strict JSON; piece by piece, since a substitution keeps all pieces until its end."""
    plain, start = bytearray(), 0
    for match in _STRANGE.finditer(data):
        token = _plain(match)
        if token is not None:
            plain += data[start : match.start()]
            plain += token
            start = match.end()
    plain += data[start:]
    return plain


def _plain(match: re.Match[bytes]) -> bytes | None:
    """What to write instead; None for what may stay."""
    token = match[0]
    if token.startswith(b'"'):
        return _SURROGATE.sub(_escaped, token) if b"\\u" in token else None
    return _WORDS.get(token) or b'"%b... (%d digits)"' % (token[:40], len(token))


def _escaped(match: re.Match[bytes]) -> bytes:
    token = match[0]
    lone = match["lone"] is not None or (token[:3].lower() == b"\\ud" and match["low"] is None)
    return b"\\" + token if lone else token
