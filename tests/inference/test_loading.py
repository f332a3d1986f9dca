"""Speakers from folders, whoever made them."""

from __future__ import annotations

import json
import math
import os
import shutil
from pathlib import Path

import pytest
import torch

from lilllm import inference
from lilllm.inference import sources
from lilllm.models import export, hub
from lilllm.tokenizers import ByteTokenizer
from tests.inference.decoding import decoder


def checkpoint(folder: Path, seed: int = 0, *, names: list[str] | None = None, **ids: int) -> Path:
    export(decoder(vocab_size=260, seed=seed), folder, **ids)
    ByteTokenizer(["<|endoftext|>"] if names is None else names).save(folder / "tokenizer.json")
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of three checkpoints, the second of which is the best; a part of a fourth."""
    folder = tmp_path / "runs" / "mine"
    for step in (100, 200, 1_000_000):
        checkpoint(folder / "checkpoints" / f"step-{step:06d}", seed=step)
    (folder / "checkpoints" / ".step-1000200-abc").mkdir()
    (folder / "checkpoints" / "step-1000100").mkdir()
    (folder / "run.json").write_text("{}")
    (folder / "checkpoints" / "best.json").write_text(json.dumps({"checkpoint": "step-000200", "step": 200, "loss": 1}))
    return folder


def weights_of(seed: int) -> torch.Tensor:
    return decoder(vocab_size=260, seed=seed).embed.weight


def test_a_runs_best_checkpoint_else_its_newest(run: Path) -> None:
    speaker = inference.load(run)
    assert speaker.name == "mine"
    assert torch.equal(speaker.model.embed.weight, weights_of(200))
    assert speaker.ends == (256,)
    (run / "checkpoints" / "best.json").unlink()
    assert torch.equal(inference.load(run).model.embed.weight, weights_of(1_000_000))
    one = inference.load(run / "checkpoints" / "step-000100")
    assert (one.name, torch.equal(one.model.embed.weight, weights_of(100))) == ("mine step-000100", True)


@pytest.mark.parametrize("said", ["../../../outside", "/etc", "step-000100/../../../outside", None, 7, ["step-000100"]])
def test_what_best_json_says_reaches_no_other_folder(run: Path, tmp_path: Path, said: object) -> None:
    checkpoint(tmp_path / "outside", seed=5)
    (run / "checkpoints" / "best.json").write_text(json.dumps({"checkpoint": said}))
    assert torch.equal(inference.load(run).model.embed.weight, weights_of(1_000_000))


def test_without_a_name_the_newest_run_else_liltown(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    other = tmp_path / "runs" / "other"
    checkpoint(other / "checkpoints" / "step-000001", seed=1)
    os.utime(other / "checkpoints" / "step-000001", (1, 1))
    (tmp_path / "runs" / "empty").mkdir()
    assert inference.load().name == "mine"
    os.utime(other / "checkpoints" / "step-000001", (2**33, 2**33))
    assert inference.load().name == "other"
    shutil.rmtree(tmp_path / "runs")
    monkeypatch.setattr(sources, "LILTOWN", checkpoint(tmp_path / "town", seed=3))
    assert inference.load().name == inference.load("liltown").name == "liltown"
    monkeypatch.setattr(sources, "LILTOWN", tmp_path / "gone")
    with pytest.raises(FileNotFoundError, match="make checkpoint"):
        inference.load()


def test_a_checkpoints_files_say_what_ends_and_begins_a_text(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "a", names=["<s>", "</s>", "<|im_end|>"], bos_token_id=256, eos_token_id=257)
    speaker = inference.load(folder)
    assert (speaker.ends, speaker.start) == ((257, 258), 256)
    (folder / "generation_config.json").write_text(
        json.dumps({"eos_token_id": [258, "x", -1, 10**9, True], "bos_token_id": 1})
    )
    speaker = inference.load(folder)
    assert (speaker.ends, speaker.start) == ((258, 257), 1)  # what is for generation comes first


def test_a_speaker_that_was_saved_speaks_alike(tmp_path: Path) -> None:
    speaker = inference.load(checkpoint(tmp_path / "a"))
    model = decoder(vocab_size=260)
    assert speaker.write("a", max_new=10, temperature=0) == inference.Speaker(
        model, ByteTokenizer(["<|endoftext|>"])
    ).write("a", max_new=10, temperature=0)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_bad_input_weights_that_are_no_numbers(tmp_path: Path, value: float, dtype: torch.dtype) -> None:
    """torch's fused attention hides a row of NaN in the queries: without a look at the weights, this model speaks."""
    model = decoder(vocab_size=260).to(dtype)
    weights = dict(model.named_parameters())
    name = next(name for name in weights if "blocks.1" in name and weights[name].dim() == 2)
    with torch.no_grad():
        weights[name][-1, -1] = value
    export(model, tmp_path / "a")
    ByteTokenizer(["<|endoftext|>"]).save(tmp_path / "a" / "tokenizer.json")
    with pytest.raises(ValueError, match=f"1 of {len(weights)} tensors hold NaN or infinity: {name}"):
        inference.load(tmp_path / "a")


def test_bad_input_is_said_in_words(tmp_path: Path, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(hub, "fetch", lambda *_, **__: pytest.fail("the hub was asked"))
    folder = checkpoint(tmp_path / "a")
    shutil.copytree(folder, tmp_path / "b")
    (tmp_path / "b" / "tokenizer.json").unlink()
    shutil.copytree(folder, tmp_path / "c")
    ByteTokenizer([f"<{i}>" for i in range(9)]).save(tmp_path / "c" / "tokenizer.json")
    shutil.copytree(folder, tmp_path / "d")
    (tmp_path / "d" / "tokenizer.json").write_text("{")
    shutil.copytree(folder, tmp_path / "e")
    (tmp_path / "e" / "model.safetensors").write_bytes(b"12345")
    (tmp_path / "empty").mkdir()
    (tmp_path / "begun" / "checkpoints").mkdir(parents=True)
    (tmp_path / "file").write_text("x")
    (run / "checkpoints" / "best.json").write_text("[")
    for source, words in [
        (tmp_path / "b", "has no tokenizer.json"),
        (tmp_path / "c", "the tokenizer has 265 tokens and the model 260"),
        (tmp_path / "d", "tokenizer.json"),
        (tmp_path / "e", "no whole safetensors file"),
        (tmp_path / "empty", "neither a run"),
        (tmp_path / "begun", "no checkpoint yet"),
        (tmp_path / "file", "is a file"),
        (tmp_path / "nowhere", "there is no folder"),
        (str(tmp_path / "nowhere"), "there is no folder"),
        ("./nowhere", "there is no folder"),
        ("a/b/c", "there is no folder"),
        ("what is\x1b[31m this", "neither a folder here nor a name on the hub"),
        ("nope", "there is no folder 'nope'; give liltown"),
        ("liltwon", "did you mean 'liltown'"),
        ("mien", "did you mean 'runs/mine'"),
        ("runs/mien", "did you mean 'runs/mine'"),
        (run, r"best\.json is damaged .*delete it"),
    ]:
        with pytest.raises((ValueError, OSError), match=words):
            inference.load(source)
    with pytest.raises(ValueError, match="a revision"):
        inference.load(folder, revision="main")
