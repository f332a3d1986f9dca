"""Keep only the paragraphs of a text that are on a frozen list, in the list's order.

Every Python carries its documentation and its own source, but they change from one patch release to the next. A list of
hashes that were alike in many releases, committed here, makes one text of all of them: what is on the list is taken,
what is not is left out, and the order is the list's. The text itself need not be shipped.

A later release can still lose a paragraph (its authors improve it). Then the text is that much shorter, and a warning
says so; nothing fails, because one paragraph in a thousand changes no lesson. Who must have the
exact text asks for `strict`.

Leaves out: how the lists were made (`freeze.py`).
"""

from __future__ import annotations

import hashlib
import platform
import warnings
from collections.abc import Iterable
from importlib import resources

HEX_DIGITS = 16  # 64 bits: no accident among some thousand paragraphs


def fingerprint(paragraph: str) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of a paragraph's UTF-8 bytes.

    >>> fingerprint("abc")
    'ba7816bf8f01cfea'
    """
    return hashlib.sha256(paragraph.encode("utf-8")).hexdigest()[:HEX_DIGITS]


def read_list(name: str) -> list[str]:
    """Lines of a list in this folder, without comments (``#``) and blank lines."""
    text = (resources.files("lilllm.data") / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def pick(paragraphs: Iterable[str], wanted: list[str], *, what: str, strict: bool = False) -> list[str]:
    """The paragraphs whose fingerprints are ``wanted``, in that order, each once.

    Raises:
        RuntimeError: ``strict``, and some are not there.
    Warns:
        RuntimeWarning: not ``strict``, and some are not there.

    >>> pick(["b", "a", "c"], [fingerprint("a"), fingerprint("b")], what="letters")
    ['a', 'b']
    """
    have = {fingerprint(paragraph): paragraph for paragraph in paragraphs}
    missing = sum(key not in have for key in wanted)
    if missing:
        message = (
            f"{what}: {missing} of {len(wanted)} frozen paragraphs are not in Python {platform.python_version()}; "
            f"the text is shorter by them, and numbers computed from it may differ a little"
        )
        if strict:
            raise RuntimeError(message + ". Use a release of Python 3.11 to 3.14 that has them, or strict=False.")
        warnings.warn(message, RuntimeWarning, stacklevel=3)
    return [have[key] for key in wanted if key in have]
