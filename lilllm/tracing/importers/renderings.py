"""What a step of edtrace shows: {"type", "data", "style", "external_link", "internal_link", "animate"} -> outputs.

``@animate`` and ``@hide`` need nothing here: they stand in the source, as in a lecture of ours. Of ``style`` the width
of a picture and the monospaced type of verbatim text are kept; colours and sizes are the player's.
"""

from __future__ import annotations

from typing import Any

import msgspec

from lilllm.tracing.format import GRAPH_MIME, REFERENCE_MIME, VEGALITE_MIME, Output
from lilllm.tracing.importers import limits
from lilllm.tracing.importers.build import safe_name
from lilllm.tracing.importers.pictures import Pictures

_CARD = ("url", "title", "organization", "date", "description", "notes")
_MOST_NODES = 2_000


def outputs(renderings: Any, pictures: Pictures) -> list[Output]:
    """The outputs of one step. Lines of one verbatim text, which edtrace writes one by one, are joined again."""
    result: list[Output] = []
    verbatim = False
    for raw in renderings if isinstance(renderings, list) else []:
        if not isinstance(raw, dict):
            continue
        style = raw["style"] if isinstance(raw.get("style"), dict) else {}
        joins, verbatim = verbatim, raw.get("type") == "markdown" and style.get("whiteSpace") == "pre"
        if verbatim and joins:
            result[-1].data += "\n" + _text(raw.get("data"))
        elif verbatim:
            result.append(_shown("text/plain", _text(raw.get("data"))))
        else:
            result.append(_output(raw, style, pictures))
    return result


def _output(raw: dict[str, Any], style: dict[str, Any], pictures: Pictures) -> Output:
    kind, data = raw.get("type"), raw.get("data")
    if kind == "markdown":
        return _shown("text/markdown", _text(data))
    if kind == "note":
        return _shown("text/x-note", _text(data))
    if kind == "image" or kind == "video":
        return pictures.output("image" if kind == "image" else "video", _text(data), _pixels(style.get("width")))
    if kind == "link":
        return _json(REFERENCE_MIME, _reference(raw))
    if kind == "plot":
        spec = _decoded(data)
        return _json(VEGALITE_MIME, spec) if isinstance(spec, dict) else _shown("text/plain", _text(data))
    if kind == "graph" and isinstance(data, dict):
        return _json(GRAPH_MIME, _graph(data))
    return _shown("text/plain", _text(data))  # as edtrace's viewer does with a type that it does not know


def _shown(mime: str, data: str) -> Output:
    return Output(name="display", mime=mime, data=data)


def _json(mime: str, data: dict[str, Any]) -> Output:
    return _shown(mime, msgspec.json.encode(data, order="deterministic").decode())


def _text(data: Any) -> str:
    if isinstance(data, str):
        return data
    return "" if data is None else msgspec.json.encode(data).decode()


def _decoded(data: Any) -> Any:
    """altair's ``to_json()`` is a text that holds JSON."""
    if isinstance(data, str) and len(data) <= limits.OUTPUT:
        try:
            return msgspec.json.decode(data)
        except (msgspec.DecodeError, RecursionError):
            return None
    return data


def _pixels(width: Any) -> int:
    if isinstance(width, str):
        width = width.strip().removesuffix("px")
        width = int(width) if width.isascii() and width.isdigit() and len(width) < 6 else 0
    return int(width) if isinstance(width, int | float) and not isinstance(width, bool) and 0 < width < 10_000 else 0


def _reference(raw: dict[str, Any]) -> dict[str, Any]:
    inside, outside = raw.get("internal_link"), raw.get("external_link")
    text = _text(raw.get("data"))
    if isinstance(inside, dict):
        path, line = inside.get("path"), inside.get("line_number")
        path = path if isinstance(path, str) else ""
        line = line if isinstance(line, int) and 0 < line < 10_000_000 else 1
        return {"text": text or f"{path}:{line}", "path": safe_name(path), "line": line}
    card: dict[str, Any] = {}
    if isinstance(outside, dict):
        card = {key: outside[key] for key in _CARD if isinstance(outside.get(key), str)}
        authors = outside.get("authors")
        if isinstance(authors, list):
            card["authors"] = [author for author in authors if isinstance(author, str)]
    return {"text": text or _label(card), **card}


def _label(card: dict[str, Any]) -> str:
    """A link without a text of its own: [Author+ year], the title or the address."""
    authors = card.get("authors")
    if authors:
        name = authors[0] if "Team" in authors[0].split() else (authors[0].split() or ["?"])[-1]
        return f"[{name}{'+' if len(authors) > 1 else ''} {card.get('date', '?')[:4]}]"
    label: str = card.get("title") or card.get("url") or "?"
    return label


def _graph(spec: dict[str, Any]) -> dict[str, Any]:
    """Cytoscape's elements without their style: {"data": {...}, "position": {"x", "y"}}."""
    nodes, edges = [], []
    for element in _dicts(spec.get("nodes")):
        data, position = _part(element, "data"), _part(element, "position")
        node = {"id": _text(data.get("id")), "label": _text(data.get("label", data.get("id")))}
        nodes.append(node | {axis: float(position[axis]) for axis in ("x", "y") if _is_number(position.get(axis))})
    for element in _dicts(spec.get("edges")):
        data = _part(element, "data")
        edges.append({key: _text(data[key]) for key in ("source", "target", "label") if key in data})
    layout = _part(spec, "layout").get("name")
    size = {key: int(spec[key]) for key in ("width", "height") if _is_number(spec.get(key)) and 0 < spec[key] < 10_000}
    return {"nodes": nodes, "edges": edges, "layout": layout if isinstance(layout, str) else "", **size}


def _dicts(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)][:_MOST_NODES] if isinstance(items, list) else []


def _part(element: dict[str, Any], key: str) -> dict[str, Any]:
    part = element.get(key)
    return part if isinstance(part, dict) else {}


def _is_number(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and abs(number) < 1e9
