"""Pictures and videos that lie beside an imported trace.

A trace names them by path; ``beside`` gives the bytes of a path below the trace's folder, or None. A path that is
absolute, leads upwards or is an address is never asked for. What comes back is what its first bytes say, not its name.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Literal

import msgspec

from lilllm.tracing.format import MISSING_MIME, Blob, Output
from lilllm.tracing.importers import limits
from lilllm.tracing.importers.build import Builder

Beside = Callable[[str], bytes | None]
_Mime = Literal["image/png", "image/svg+xml", "image/jpeg", "video/mp4", "video/webm"]


def relative(name: str) -> str | None:
    """``name`` as a path below a folder, or None.

    >>> relative("./images/a.png"), relative("../a.png"), relative("https://x.org/a.png"), relative("C:\\\\a.png")
    ('images/a.png', None, None, None)
    """
    path = PurePosixPath(name)
    bad = (
        not name or len(name) > 1_000 or path.is_absolute() or ".." in path.parts or re.search(r"[\\:\x00-\x1f]", name)
    )
    return None if bad or not path.parts else str(path)


def folder(root: Path) -> Beside:
    """The ``beside`` of a folder: files in it and below, no link that leads out, nothing larger than is kept."""
    root = root.resolve()

    def beside(name: str) -> bytes | None:
        inside = relative(name)
        if inside is None:
            return None
        try:
            path = (root / inside).resolve()
            if not path.is_relative_to(root) or not path.is_file() or path.stat().st_size > limits.PICTURE:
                return None
            return path.read_bytes()
        except (OSError, ValueError, RuntimeError):  # unreadable, no valid name, a loop of links
            return None

    return beside


def mime(data: bytes) -> _Mime | None:
    """What ``data`` is by its first bytes, if it is something that a trace may hold."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[4:8] == b"ftyp":
        return "video/mp4"
    if data.startswith(b"\x1a\x45\xdf\xa3"):
        return "video/webm"
    start = data[:1_000].removeprefix(b"\xef\xbb\xbf").lstrip()
    if re.match(rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*(<!DOCTYPE svg[^>\[]*>\s*)?<svg[\s>]", start, re.DOTALL):
        return "image/svg+xml"
    return None


class Pictures:
    """Turns a name into an output: the picture if it is found, else its name."""

    def __init__(self, builder: Builder, beside: Beside | None) -> None:
        self._builder = builder
        self._beside = beside
        self._kept = 0
        self._found: dict[str, tuple[_Mime, str] | None] = {}

    def output(self, kind: Literal["image", "video"], name: str, width: int = 0) -> Output:
        if name not in self._found:
            self._found[name] = self._fetch(name)
        found = self._found[name]
        if found is None:
            missing = {"kind": kind, "name": name[:2_000]}
            return Output(name="display", mime=MISSING_MIME, data=msgspec.json.encode(missing).decode())
        alt = "" if name.startswith("data:") else name[: limits.NAME]
        return Output(name="display", mime=found[0], data=found[1], alt=alt, width=width)

    @property
    def missing(self) -> int:
        return sum(found is None for found in self._found.values())

    def _fetch(self, name: str) -> tuple[_Mime, str] | None:
        data = self._bytes(name)
        if data is None or len(data) > limits.PICTURE or self._kept + len(data) > limits.PICTURES:
            return None
        kind = mime(data)
        if kind is None:
            return None
        self._kept += len(data)
        digest = hashlib.sha256(data).hexdigest()
        self._builder.blobs[digest] = Blob(hash=digest, mime=kind, data=base64.b64encode(data).decode())
        return kind, digest

    def _bytes(self, name: str) -> bytes | None:
        inline = re.match(r"data:(?:image|video)/[\w.+-]+;base64,", name[:100])
        if inline:
            try:
                return base64.b64decode(name[inline.end() :], validate=True)
            except ValueError:
                return None
        inside = relative(name)
        return self._beside(inside) if inside and self._beside else None
