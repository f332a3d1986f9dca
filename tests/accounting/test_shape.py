"""Shapes check themselves; presets are found by name; examples in docstrings hold."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import subprocess
import sys

import pytest

from lilllm.accounting import PRESETS, Shape, preset

LLAMA = dataclasses.asdict(PRESETS["llama3-8b"])


@pytest.mark.parametrize(
    "name", ["shape", "params", "flops", "memory", "gpus", "roofline", "plan", "formats", "config"]
)
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"lilllm.accounting.{name}"))
    assert result.failed == 0
    assert result.attempted > 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n_layers": 0}, "n_layers is 0; give a whole number of at least 1"),
        ({"d_model": 1.5}, "d_model is 1.5; give a whole number"),
        ({"d_ff": True}, "d_ff is True; give a whole number"),
        ({"vocab_size": "many"}, "vocab_size is 'many'"),
        ({"n_kv_heads": 5}, "32 heads cannot share 5 key-value heads evenly; give n_kv_heads that divides n_heads"),
        ({"gated": "yes"}, "gated is 'yes'; give true or false"),
        ({"tied": 1}, "tied is 1; give true or false"),
        ({"norm": "batch"}, "norm is 'batch'; give one of: layer, rms"),
        ({"positions": "alibi"}, "positions is 'alibi'; give one of: learned, rotary, relative"),
    ],
)
def test_bad_input_shape(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Shape(**{**LLAMA, **wrong})  # type: ignore[arg-type]


def test_bad_input_preset() -> None:
    with pytest.raises(ValueError, match=r"no preset 'lama3-8b'; did you mean 'llama3-8b'\? choose one of: gpt2, "):
        preset("lama3-8b")
    with pytest.raises(ValueError, match=r"no preset '!'; choose one of: gpt2, "):
        preset("!")
    for name in (5, []):
        with pytest.raises(ValueError, match="no preset"):
            preset(name)  # type: ignore[arg-type]


@pytest.mark.parametrize(("batch", "seq"), [(0, 8), (1, -1), (1.5, 8), (1, "8"), (None, 8)])
def test_bad_input_batch_and_length(batch, seq) -> None:
    with pytest.raises(ValueError, match="give whole numbers of at least 1"):
        preset("gpt2").check(batch=batch, seq=seq)


def test_shapes_and_gpus_are_known_without_torch() -> None:
    code = "import sys, lilllm.commands.accounting; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
