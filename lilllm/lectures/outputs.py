"""What a committed output may not hold: whatever another run, machine or hour would print differently.

Heuristics, on the plain text of outputs and on SVG and HTML; pictures are compared elsewhere.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from typing import Any

from lilllm.lectures.source import comments
from lilllm.tracing.format import Instance, Rich, Text, Value

# nbval's marks: with one of these a cell is not run, or its output not compared.
ESCAPES = {"NBVAL_IGNORE_OUTPUT", "NBVAL_SKIP", "NBVAL_RAISES_EXCEPTION", "PYTEST_VALIDATE_IGNORE_OUTPUT"}
ESCAPE_TAGS = {name.lower().replace("_", "-") for name in ESCAPES} | {"raises-exception"}
MOST_ESCAPED = 0.05

_TEXT = ("text/plain", "text/html", "text/markdown", "text/latex", "image/svg+xml")
_UNSTABLE = {
    "a memory address": re.compile(r"\b0x[0-9a-fA-F]{7,16}\b"),
    "a path of the machine": re.compile(
        r"(?<![\w/.:-])/(?:home|root|tmp|usr|opt|work|var|private|Users|mnt)/[\w.+-]+|\b[A-Z]:\\\\?\w+|site-packages|/tmp/ipykernel_\d+"
    ),
    "a time of day": re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d|(?<![\d:])[0-2]\d:[0-5]\d:[0-5]\d(?![\d:])"),
    "a measured time": re.compile(r"Wall time:|CPU times:|\d ?(?:it/s|s/it)\b|± \d[\d.]* ?[mµun]?s\b"),
}
_SET = re.compile(r"""\{(?:b?'[^'\n]*'|b?"[^"\n]*")(?:, (?:b?'[^'\n]*'|b?"[^"\n]*"))+\}""")


def unstable(cell: dict[str, Any]) -> Iterator[str]:
    """What in a code cell's outputs would not be the same twice, each as a phrase with the text found."""
    for output in cell["outputs"]:
        if output["output_type"] == "error":
            yield f"ends in {output['ename']}: {output['evalue']} (catch an intended exception and print it)"
        elif output["output_type"] == "stream" and output["name"] == "stderr":
            yield f"writes to stderr: {output['text'].strip().splitlines()[0][:80]!r}"
        elif output["output_type"] == "stream":
            yield from _in_text(output["text"])
        else:
            for mime, data in output["data"].items():
                if mime in _TEXT:
                    yield from _in_text("".join(data))


def unstable_values(values: Iterable[Value]) -> Iterator[str]:
    """The same of the values of a trace, which holds more than the outputs: a path in the message of an exception, say.

    Numbers are no addresses: 0x and sixteen digits is how a trace begins a large one.
    """
    for value in values:
        if isinstance(value, Text | Instance | Rich):
            yield from _in_text(value.text)
        if isinstance(value, Rich):
            yield from _in_text(bytes(value.data).decode())


def _in_text(text: str) -> Iterator[str]:
    for what, pattern in _UNSTABLE.items():
        if found := pattern.search(text):
            yield f"shows {what}: {found.group()!r}"
    for found in _SET.finditer(text):
        try:
            value = ast.literal_eval(found.group())
        except (ValueError, SyntaxError):
            continue
        if isinstance(value, set) and len(value) > 1:
            yield f"shows a set, whose order varies with the hash seed: {found.group()[:60]!r} (print sorted(...))"


def escapes(cell: dict[str, Any]) -> tuple[bool, str]:
    """Whether nbval leaves the cell's output uncompared, and the reason that stands in it (`# Reason: ...`), if any."""
    said = comments(cell["source"])
    tags = set(cell["metadata"].get("tags", []))
    escaped = bool(ESCAPES.intersection(said) or ESCAPE_TAGS.intersection(tags))
    reasons = [comment.partition(":")[2].strip() for comment in said if comment.lower().startswith("reason:")]
    return escaped, next((reason for reason in reasons if reason), "")
