"""References, missing files and other JSON outputs of a trace, as a card: a title, perhaps a link, lines of text.

Nothing of the JSON reaches the browser by its own keys: what is not text of a known field is left out.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from .format import MISSING_MIME, REFERENCE_MIME

_LINK = re.compile(r"https?://[^\s\x00-\x1f]+", re.IGNORECASE)
_LONGEST = 2_000  # characters of one field


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value[:50] if isinstance(item, str))
    return value[:_LONGEST] if isinstance(value, str) else ""


def card(mime: str, data: str) -> dict[str, Any]:
    """``{"title", "url", "lines", "note"}`` of a JSON output; a type that is not known shows its text or name.

    >>> card(REFERENCE_MIME, '{"text": "RoPE", "url": "javascript:x", "authors": ["Su", "Lu"], "date": "2021"}')
    {'title': 'RoPE', 'url': '', 'lines': ['Su, Lu', '2021'], 'note': ''}
    """
    try:
        fields = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return {"title": "an output that cannot be read", "url": "", "lines": [], "note": ""}
    if mime == MISSING_MIME:
        what = fields.get("kind") if fields.get("kind") in ("image", "video") else "file"
        return {"title": _text(fields.get("name")), "url": "", "lines": [f"this {what} was not found"], "note": ""}
    if mime != REFERENCE_MIME:
        kind = mime.removeprefix("application/vnd.").split("+")[0]
        title = _text(fields.get("text")) or _text(fields.get("name")) or f"a {kind} output, not drawn here"
        return {"title": title, "url": "", "lines": [], "note": ""}
    url = _text(fields.get("url"))
    names = ("authors", "organization", "date", "description")
    lines = [text for name in names if (text := _text(fields.get(name)))]
    if fields.get("title"):
        lines.insert(0, _text(fields["title"]))
    if path := _text(fields.get("path")):
        line = fields.get("line")
        lines.append(f"{path}:{line}" if isinstance(line, int) else path)
    return {
        "title": _text(fields.get("text")) or url,
        "url": url if _LINK.fullmatch(url) else "",
        "lines": lines,
        "note": _text(fields.get("notes")),
    }
