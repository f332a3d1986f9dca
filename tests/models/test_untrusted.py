"""Checkpoints of people one does not know: what they hold costs neither time nor memory, and steers no terminal.

What an index may name, and what a damaged header does, is in test_pretrained.py.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from lilllm.models import Decoder, EncoderDecoder, ModelConfig, export, from_pretrained
from lilllm.models.config_read import read
from lilllm.models.shards import SINGLE

pytestmark = pytest.mark.bad_input
LLAMA = ModelConfig(vocab_size=40, n_layers=2, d_model=16, n_heads=4, n_kv_heads=2, context_len=24)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return export(Decoder(LLAMA, generator=torch.Generator().manual_seed(0)), tmp_path / "llama")


def change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def refused(folder: Path, error: type[Exception] = ValueError, **options: Any) -> str:
    with pytest.raises(error) as caught:
        from_pretrained(folder, progress=False, **options)
    said = str(caught.value)
    assert len(said) < 1500
    assert said.isprintable()
    return said


@pytest.mark.parametrize("field", ["rope_theta", "rms_norm_eps", "hidden_size"])
def test_a_number_that_no_float_has(field: str, folder: Path) -> None:
    change(folder / "config.json", rope_parameters=None, **{field: 10**400})
    assert f"{field} is 1000" in refused(folder)


@pytest.mark.parametrize(
    "architectures", [["x" * 100_000], [["x"] * 100] * 1000, {str(n): n for n in range(10_000)}, "\x1b[2J\n" * 9999]
)
def test_what_is_refused_is_shown_in_short(architectures: Any, folder: Path) -> None:
    change(folder / "config.json", architectures=architectures)
    assert "architectures is" in refused(folder)


def test_what_is_nested_deep_is_refused_in_short() -> None:
    deep: Any = []
    for _ in range(100_000):  # deeper than repr goes
        deep = [deep]
    with pytest.raises(ValueError, match=r"architectures is \[\[.{,50}\]\]; what"):
        read({"model_type": "llama", "architectures": deep}, "config.json")


def test_names_in_a_header_do_not_steer_the_terminal_nor_fill_it(folder: Path) -> None:
    weights = load_file(folder / SINGLE)
    names = ["\x1b[2J\x1b[1;1Hall is well\n", "n" * 100_000]
    save_file({**weights, **{name: torch.ones(2) for name in names}}, folder / SINGLE)
    said = refused(folder)
    assert "2 are left over" in said
    assert "'\\x1b[2J\\x1b[1;1Hall is well\\n'" in said


def test_more_layers_than_any_model_has(folder: Path) -> None:
    """Each with a tensor of a name of its own: without a limit, building them took two minutes."""
    weights = load_file(folder / SINGLE)
    tiny = {f"model.layers.{i}.input_layernorm.weight": torch.ones(1) for i in range(20_000)}
    save_file({**tiny, **weights}, folder / SINGLE)
    change(folder / "config.json", num_hidden_layers=20_000)
    start = time.perf_counter()
    assert "num_hidden_layers is 20000; what can be read here: a whole number of at least 1" in refused(folder)
    assert time.perf_counter() - start < 5


def test_files_that_are_none(folder: Path) -> None:
    """A folder, a link to itself, a device without end: config.json is read to its end only where it has a near one."""
    config, held = folder / "config.json", (folder / "config.json").read_bytes()
    config.unlink()
    config.mkdir()
    assert "config.json is no file" in refused(folder, FileNotFoundError)
    config.rmdir()
    for target, said in (("config.json", "does not exist"), ("/dev/zero", "is no file"), ("gone", "does not exist")):
        config.symlink_to(target)
        assert said in refused(folder, FileNotFoundError)
        config.unlink()
    with config.open("wb") as file:
        file.truncate(2 * 10**8)
    assert "200,000,000 bytes are too many" in refused(folder)
    config.write_bytes(held)
    (folder / SINGLE).unlink()
    (folder / SINGLE).symlink_to("gone")
    assert "model.safetensors is no file, or a link to none; fetch it again" in refused(folder, FileNotFoundError)
    (folder / SINGLE).unlink()
    (folder / SINGLE).mkdir()
    assert "model.safetensors is no file, or a link to none" in refused(folder, FileNotFoundError)


def test_causal_masks_of_truth_values_are_passed_over_and_other_tensors_of_them_not(tmp_path: Path) -> None:
    """transformers saved GPT-2's masks as uint8, then as bool, until it no longer saved them."""
    config = ModelConfig(
        **{**LLAMA.to_dict(), "n_kv_heads": 4, "norm": "layer", "positions": "learned", "activation": "gelu_tanh"}
        | {"qkv_bias": True, "out_bias": True, "ffn_bias": True, "d_ff": 64}
    )
    model = Decoder(config, generator=torch.Generator().manual_seed(0))
    at = export(model, tmp_path / "gpt2")
    weights = load_file(at / SINGLE)
    for dtype in (torch.bool, torch.uint8):
        masks = {f"transformer.h.{i}.attn.bias": torch.ones(1, 1, 24, 24, dtype=dtype).tril() for i in range(2)}
        for prefix in ("transformer.", ""):
            kept = {
                name.removeprefix("transformer." if not prefix else " "): x for name, x in (weights | masks).items()
            }
            assert any(name.endswith("h.1.attn.bias") for name in kept)
            save_file(kept, at / SINGLE)
            read = from_pretrained(at, progress=False)
            assert all(torch.equal(a, b) for a, b in zip(read.parameters(), model.parameters(), strict=True))
    save_file(weights | {"transformer.h.0.mlp.mask": torch.ones(2, dtype=torch.bool)}, at / SINGLE)
    assert "transformer.h.0.mlp.mask is stored as BOOL; only F64" in refused(at)


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float8_e4m3fn, torch.complex64, 16])
def test_dtypes_that_a_model_cannot_have(dtype: Any, folder: Path) -> None:
    assert f"dtype is {dtype!r}; give one of: torch.float64, torch.float32," in refused(folder, dtype=dtype)


def test_half_of_a_translator_is_not_written_as_a_whole(tmp_path: Path) -> None:
    half = EncoderDecoder(LLAMA).decoder
    with pytest.raises(ValueError, match="a decoder with cross-attention is half of a model"):
        export(half, tmp_path / "x")
    assert not list(tmp_path.iterdir())
