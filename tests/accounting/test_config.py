"""Shapes from fields: what follows from what, and what is refused."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from lilllm.accounting import PRESETS, read_shape, shape_from
from lilllm.accounting.config import parse_field

LEAST = {"vocab_size": 1000, "n_layers": 2, "d_model": 64, "n_heads": 4, "d_ff": 256, "context_len": 128}


def test_what_is_left_out_follows_or_is_as_in_a_llama() -> None:
    shape = shape_from(LEAST)
    assert (shape.n_kv_heads, shape.d_head) == (4, 16)
    usual = {
        name: getattr(PRESETS["llama2-7b"], name)
        for name in ("gated", "tied", "norm", "biases", "positions", "qk_norm")
    }
    assert {name: getattr(shape, name) for name in usual} == usual
    assert shape_from({**LEAST, "n_kv_heads": 2, "d_head": 32}).d_kv == 64


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_a_file(name: str, tmp_path: Path) -> None:
    path = tmp_path / "shape.json"
    path.write_text(json.dumps(asdict(PRESETS[name])), encoding="utf-8")
    assert read_shape(path) == PRESETS[name]


def test_changes_go_before_the_file_and_what_follows_follows_from_them(tmp_path: Path) -> None:
    path = tmp_path / "shape.json"
    path.write_text(json.dumps(LEAST), encoding="utf-8")
    assert read_shape(path, {"n_heads": 8}) == shape_from({**LEAST, "n_heads": 8})
    assert read_shape(path, {"n_heads": 8}).d_head == 8


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", ("a", 1)),
        (" a = TRUE ", ("a", True)),
        ("a=b=c", ("a", "b=c")),
        ("a=-3", ("a", -3)),
        ("a=1.5", ("a", "1.5")),
    ],
)
def test_fields_in_text(text: str, expected: tuple[str, object]) -> None:
    got = parse_field(text)
    assert got == expected
    assert type(got[1]) is type(expected[1])


@pytest.mark.parametrize("text", ["", "=", "a=", "=1", "a"])
def test_bad_input_field(text: str) -> None:
    with pytest.raises(ValueError, match="sets nothing; give FIELD=VALUE"):
        parse_field(text)


@pytest.mark.parametrize("given", [None, 5, "gpt2", {1: 2}])
def test_bad_input_fields(given) -> None:
    with pytest.raises(ValueError, match=r"a shape is made of fields by name, got a|no field 1"):
        shape_from(given)


def test_a_file_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "shape.json"
    path.write_text(json.dumps(LEAST), encoding="utf-8")
    assert read_shape(str(path)) == shape_from(LEAST)


def test_bad_input_field_of_a_million_digits() -> None:
    with pytest.raises(ValueError, match="the value of a has 1000000 characters"):
        parse_field("a=" + "9" * 1_000_000)
