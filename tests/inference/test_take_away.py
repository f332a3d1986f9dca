"""A model taken away is read by transformers, weights and tokenizer, and says the same."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from lilllm.commands.export import command
from lilllm.inference import load, take_away
from lilllm.models import Decoder, ModelConfig, export
from lilllm.tokenizers import BPETokenizer

TEXT = "Olga went to the mill. Dan went to the inn. Olga met Dan at the mill."


@pytest.fixture
def source(tmp_path: Path) -> Path:
    tokenizer = BPETokenizer.train([TEXT], vocab_size=280, special_tokens=["<|endoftext|>"])
    config = ModelConfig(vocab_size=280, n_layers=1, d_model=16, n_heads=2, context_len=64)
    folder = export(Decoder(config, generator=torch.Generator().manual_seed(0)), tmp_path / "trained")
    tokenizer.save(folder / "tokenizer.json")
    return folder


def test_transformers_says_the_same(source: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = take_away(source, tmp_path / "mine")
    ours, tokenizer = load(source), AutoTokenizer.from_pretrained(folder)
    ids = ours.tokenizer.encode(TEXT)
    assert tokenizer(TEXT)["input_ids"] == ids
    assert tokenizer.eos_token == tokenizer.bos_token == "<|endoftext|>"
    assert tokenizer.model_max_length == 64
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    assert theirs.config.bos_token_id == ours.start
    assert theirs.config.eos_token_id == ours.tokenizer.special_tokens["<|endoftext|>"]
    torch.testing.assert_close(theirs(torch.tensor([ids])).logits, ours.model(torch.tensor([ids])), atol=1e-5, rtol=0)


def test_another_dtype_and_readable_by_all(source: Path, tmp_path: Path) -> None:
    folder = take_away(source, tmp_path / "half", dtype=torch.bfloat16)
    assert load(folder).model.embed.weight.dtype == torch.bfloat16
    weights, config = folder / "model.safetensors", folder / "config.json"
    assert stat.S_IMODE(weights.stat().st_mode) == stat.S_IMODE(config.stat().st_mode)
    assert weights.stat().st_size < (source / "model.safetensors").stat().st_size * 0.6


def test_the_command_keeps_what_is_there(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "mine"
    said = CliRunner().invoke(command, [str(source), str(target)])
    assert said.exit_code == 0, said.output
    assert "AutoModelForCausalLM" in said.output
    before = (target / "model.safetensors").stat().st_mtime_ns
    again = CliRunner().invoke(command, [str(source), str(target)])
    assert again.exit_code == 1
    assert "--overwrite" in again.output
    assert (target / "model.safetensors").stat().st_mtime_ns == before
    assert CliRunner().invoke(command, [str(source), str(target), "--overwrite"]).exit_code == 0
    assert json.loads((target / "tokenizer_config.json").read_text())["eos_token"] == "<|endoftext|>"
    missing = CliRunner().invoke(command, [str(tmp_path / "none"), str(tmp_path / "x")])
    assert missing.exit_code == 1
    assert "there is no folder" in missing.output
