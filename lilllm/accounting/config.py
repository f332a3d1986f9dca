"""A shape of the user's own: from a JSON file, from fields by name, or from a preset with some of them changed.

    {"vocab_size": 32000, "n_layers": 12, "d_model": 768, "n_heads": 12, "d_ff": 2048, "context_len": 2048}

The fields are those of `Shape`. Left out, ``n_kv_heads`` is ``n_heads`` and ``d_head`` is ``d_model / n_heads``; the
others are as in a Llama. A name that is no field is refused: a misspelt one would be ignored, and the account wrong.

Read in order: shape_from, read_shape, parse_field.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from lilllm.accounting.shape import Shape

LARGEST = 10**9  # of a whole number: no model comes near, and the products stay within a float

_FIELDS = {field.name: field for field in fields(Shape)}
_DERIVED = ("n_kv_heads", "d_head")


def shape_from(given: Mapping[str, Any], base: Shape | None = None) -> Shape:
    """The shape with these fields, the others from ``base`` or else their defaults.

    Raises:
        ValueError: a name is no field, one that is needed is missing, or a value is none that it can have.

    >>> shape = shape_from({"vocab_size": 9, "n_layers": 1, "d_model": 8, "n_heads": 2, "d_ff": 32, "context_len": 4})
    >>> shape.d_head, shape.n_kv_heads, shape.gated
    (4, 2, True)
    >>> shape_from({"gated": False}, shape).gated
    False
    """
    if not isinstance(given, Mapping):
        raise ValueError(
            f"a shape is made of fields by name, got a {type(given).__name__}; give {{'n_layers': 12, ...}}"
        )
    for name in given:
        if name not in _FIELDS:
            close = difflib.get_close_matches(str(name), _FIELDS, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise ValueError(f"a shape has no field {name!r}; {hint}the fields are: {', '.join(_FIELDS)}")
    values = {**(asdict(base) if base else {}), **given}
    needed = [name for name, field in _FIELDS.items() if field.default is MISSING and name not in _DERIVED]
    if missing := [name for name in needed if name not in values]:
        raise ValueError(f"the shape lacks {', '.join(missing)}; give {', '.join(needed)}")
    for name, value in values.items():
        if isinstance(value, int) and value > LARGEST:
            raise ValueError(f"{name} is {value}; give {LARGEST} at most")
    values.setdefault("n_kv_heads", values["n_heads"])
    if "d_head" not in values:
        values["d_head"] = _d_head(values["d_model"], values["n_heads"])
    return Shape(**values)


def _d_head(d_model: Any, n_heads: Any) -> int:
    if not isinstance(d_model, int) or not isinstance(n_heads, int) or n_heads < 1:
        return 1  # Shape refuses those two by name
    if d_model % n_heads:
        raise ValueError(f"d_model {d_model} is not divisible by {n_heads} heads; give d_head, or another of the two")
    return d_model // n_heads


def read_shape(path: str | Path, changes: Mapping[str, Any] | None = None) -> Shape:
    """The shape in a JSON file, with ``changes`` in place of its fields.

    Raises:
        ValueError: the file is no JSON object, or none of a shape; the message names the file.
        OSError: it cannot be read.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors put a mark at the beginning
        given = json.loads(text, object_pairs_hook=_once, parse_int=_whole)
        if not isinstance(given, dict):
            raise ValueError(f"it holds {type(given).__name__}; give an object of a shape's fields")
        return shape_from({**given, **(changes or {})})
    except RecursionError:
        raise ValueError(f"{path.name}: it is nested too deep for a shape") from None
    except ValueError as error:  # JSON's and UTF-8's own errors are among these
        raise ValueError(f"{path.name}: {error}") from None


def _whole(text: str) -> int:
    if len(text) > 100:  # Python refuses to read a number of thousands of digits
        raise ValueError(f"a number has {len(text)} digits; give {LARGEST} at most")
    return int(text)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"{twice!r} is given twice; give it once")
    return dict(pairs)


def parse_field(text: str) -> tuple[str, Any]:
    """``d_ff=14_336``, ``gated=false`` or ``norm=rms`` as a name and a value.

    >>> parse_field("d_ff=14_336"), parse_field("gated=false"), parse_field("norm=rms")
    (('d_ff', 14336), ('gated', False), ('norm', 'rms'))
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not name or not value:
        raise ValueError(f"{text!r} sets nothing; give FIELD=VALUE, such as n_layers=24")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    if len(value) > 100:  # Python refuses to read a number of thousands of digits
        raise ValueError(f"the value of {name} has {len(value)} characters; give a number, true, false or a word")
    try:
        return name, int(value)
    except ValueError:
        return name, value
