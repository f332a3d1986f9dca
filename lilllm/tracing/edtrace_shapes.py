"""Our values and outputs in the shapes that edtrace's viewer draws: typed contents, and renderings."""

from __future__ import annotations

from typing import Any

import msgspec

from lilllm.tracing.format import (
    GRAPH_MIME,
    MEDIA_MIMES,
    MISSING_MIME,
    REFERENCE_MIME,
    VEGALITE_MIME,
    Blob,
    Cut,
    Instance,
    Mapping,
    Output,
    Rich,
    Scalar,
    Sequence,
    Tensor,
    Text,
    Value,
)

_MOST_NODES = 3_000_000  # of all values together: values are shared in a trace, and repeated in JSON
_NODES = 5_000  # of one value
_SAFE_INTEGER = 2**53
_VERBATIM = {"fontFamily": "monospace", "whiteSpace": "pre"}


def has_directive(line: str, directive: str) -> bool:
    """Whether the comment of ``line`` asks for ``directive``, as edtrace reads it."""
    return directive in line.split("#")[1].split() if "#" in line else False


# ------------------------------------------------------------------------------------------------------------ values


class Values:
    """Values of a trace as edtrace's, made once each."""

    def __init__(self, values: list[Value]) -> None:
        self._values = values
        self._made: dict[int, tuple[dict[str, Any], int]] = {}
        self._spent = 0

    def json(self, number: int) -> dict[str, Any]:
        shape, size = self._of(number)
        self._spent += size
        return shape if self._spent <= _MOST_NODES else _value("...", "(left out: the trace is too large)")

    def _of(self, number: int) -> tuple[dict[str, Any], int]:
        """The value, and its weight: about how many elements are drawn. Children are made first, without recursion."""
        wanted = [number]
        while wanted:
            current = wanted[-1]
            missing = [child for child in _children(self._values[current]) if child not in self._made]
            if missing:
                wanted.extend(dict.fromkeys(missing))
                continue
            wanted.pop()
            if current not in self._made:
                value = self._values[current]
                size = _weight(value) + sum(self._made[child][1] for child in _children(value))
                shape = self._shape(value) if size <= _NODES else _value(value.kind, "(left out: too many elements)")
                self._made[current] = shape, min(size, _NODES + 1)
        return self._made[number]

    def _shape(self, value: Value) -> dict[str, Any]:
        if isinstance(value, Scalar):
            return _value(value.kind, _number(value))
        if isinstance(value, Text):
            return _value(
                value.kind, value.text + (f"... ({value.size} in all)" if value.size > len(value.text) else "")
            )
        if isinstance(value, Sequence):
            left = value.size - len(value.head) - len(value.tail)
            between = [_value("...", f"... {left} more ...")] if left > 0 else []
            head, tail = ([self._made[item][0] for item in part] for part in (value.head, value.tail))
            return _value(value.kind, [*head, *between, *tail])
        if isinstance(value, Mapping):
            pairs = {self._key(key): self._made[item][0] for key, item in (*value.head, *value.tail)}
            left = value.size - len(value.head) - len(value.tail)
            return _value(value.kind, pairs | ({"...": _value("...", f"{left} more")} if left > 0 else {}))
        if isinstance(value, Instance):
            if not value.head:
                return _value(value.kind, value.text)
            text = {"": _value("str", value.text)} if value.text else {}
            return _value(value.kind, text | {name: self._made[item][0] for name, item in value.head})
        return _tensor(value) if isinstance(value, Tensor) else _value(value.kind, value.text)

    def _key(self, number: int) -> str:
        key = self._values[number]
        return key.text if isinstance(key, Scalar | Text | Cut | Rich) else str(self._made[number][0]["contents"])[:200]


def _children(value: Value) -> list[int]:
    if isinstance(value, Sequence):
        return [*value.head, *value.tail]
    if isinstance(value, Mapping):
        return [number for pair in (*value.head, *value.tail) for number in pair]
    return [number for _, number in value.head] if isinstance(value, Instance) else []


def _weight(value: Value) -> int:
    if isinstance(value, Tensor):
        return 1 + len(value.data)
    text = "" if isinstance(value, Sequence | Mapping) else value.text
    return 1 + len(text) // 40


def _value(kind: str, contents: Any) -> dict[str, Any]:
    return {"type": kind, "contents": contents, "dtype": None, "shape": None}


def _number(value: Scalar) -> Any:
    """A JSON number where it is the same number, else text."""
    if value.kind == "bool" and value.text in ("True", "False"):
        return value.text == "True"
    try:
        number: int | float = int(value.text) if value.text.lstrip("-").isdecimal() else float(value.text)
    except ValueError:
        return value.text
    numeric = value.kind in ("int", "float", "numpy.int64", "numpy.float64") or value.kind.startswith("sympy.")
    return number if numeric and repr(number) == value.text and abs(number) <= _SAFE_INTEGER else value.text


def _tensor(value: Tensor) -> dict[str, Any]:
    if not value.data and 0 not in value.shape:
        stated = {"min": value.min, "mean": value.mean, "max": value.max, "std": value.std}
        text = ", ".join(f"{name} {number}" for name, number in stated.items() if number is not None)
        # Not one of the types that its viewer draws as a table: there are no elements to draw.
        return _value("tensor", text) | {"dtype": value.dtype, "shape": value.shape}
    known = {"ndarray": "numpy.ndarray", "Parameter": "torch.nn.parameter.Parameter", "Tensor": "torch.Tensor"}
    kind = known.get(value.kind.rpartition(".")[2], "torch.Tensor")
    dtype = value.dtype if kind == "numpy.ndarray" or "." in value.dtype else f"torch.{value.dtype}"
    contents: list[Any] = list(value.data)
    for size in reversed(value.shape[1:]):
        contents = [contents[start : start + size] for start in range(0, len(contents), max(size, 1))]
    shaped = contents if value.shape else contents[0]
    if 0 in value.shape:
        shaped = _empty(value.shape)
    return _value(kind, shaped) | {"dtype": dtype, "shape": value.shape}


def _empty(shape: list[int]) -> list[Any]:
    """Nested lists of a shape without elements, as ``tolist()`` gives them."""
    before = shape[: shape.index(0)]
    rows: list[Any] = []
    for size in reversed(before):
        rows = [rows] * min(size, _NODES)
    return rows


# ----------------------------------------------------------------------------------------------------------- outputs


def rendering(kind: str, data: Any, **fields: Any) -> dict[str, Any]:
    empty: dict[str, Any] = {"style": {}, "external_link": None, "internal_link": None, "animate": False}
    return {"type": kind, "data": data} | empty | fields


def renderings(outputs: list[Output], blobs: dict[str, Blob], *, animate: bool) -> list[dict[str, Any]]:
    """What its viewer shows for ``outputs``; verbatim text line by line, as ``text(..., verbatim=True)`` gives it."""
    made: list[dict[str, Any]] = []
    for output in outputs:
        if output.mime == "text/plain":
            made += [rendering("markdown", line, style=_VERBATIM) for line in output.data.split("\n")]
        else:
            made.append(_rendering(output, blobs))
    return [item | {"animate": animate} for item in made]


def _rendering(output: Output, blobs: dict[str, Blob]) -> dict[str, Any]:
    if output.mime in MEDIA_MIMES:
        style = {"width": output.width} if output.width else {}
        address = f"data:{output.mime};base64,{blobs[output.data].data}"
        return rendering("video" if output.mime.startswith("video/") else "image", address, style=style)
    if output.mime == "text/x-note":
        return rendering("note", output.data)
    if output.mime == "text/latex":
        return rendering("markdown", f"$${output.data.strip().strip('$')}$$")
    if output.mime == "text/html":
        return rendering("markdown", _sanitised(output.data))
    if output.mime == "text/markdown":
        return rendering("markdown", output.data)
    data = msgspec.json.decode(output.data)
    if output.mime == VEGALITE_MIME:
        return rendering("plot", data)
    if output.mime == GRAPH_MIME:
        return rendering("graph", _graph(data))
    if output.mime == MISSING_MIME:
        return rendering("video" if data.get("kind") == "video" else "image", data.get("name", ""))
    return _link(data) if output.mime == REFERENCE_MIME else rendering("text", output.data)


def _sanitised(html: str) -> str:
    try:
        from lilllm.tracing.prose import sanitise_html
    except ImportError:  # without the extra `player`
        return "(HTML, left out: it takes lilllm[player] to make it safe)"
    return sanitise_html(html)


def _link(card: dict[str, Any]) -> dict[str, Any]:
    if "path" in card:
        place = {"path": card["path"], "line_number": card.get("line", 1)}
        return rendering("link", card.get("text"), internal_link=place)
    keys = ("title", "authors", "organization", "date", "url", "description", "notes")
    return rendering("link", card.get("text"), external_link={key: card.get(key) for key in keys})


def _graph(spec: dict[str, Any]) -> dict[str, Any]:
    nodes = []
    for node in _objects(spec.get("nodes")):
        element: dict[str, Any] = {"data": {"id": node.get("id"), "label": node.get("label")}}
        if "x" in node and "y" in node:
            element["position"] = {"x": node["x"], "y": node["y"]}
        nodes.append(element)
    return {
        "nodes": nodes,
        "edges": [{"data": edge} for edge in _objects(spec.get("edges"))],
        "layout": {"name": spec.get("layout") or "preset"},
        "stylesheet": [],
        "width": spec.get("width", 500),
        "height": spec.get("height", 200),
    }


def _objects(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
