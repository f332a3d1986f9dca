"""What is written of a run, and where else it goes."""

import json
import math
import sys
from types import SimpleNamespace

import pytest

from lilllm.training import metrics
from lilllm.training.corpus import Part, held_out_from
from lilllm.training.mfu import Mfu
from tests.training import tiny


def test_lines_are_json_whatever_the_numbers(tmp_path):
    one = metrics.Metrics(tmp_path)
    one.write("train", 1, 10, loss=math.inf, grad_norm=math.nan, lr=0.1)
    one.write("sample", 1, 10, text="a\nb\u2028c\udfff?")
    lines = (tmp_path / "metrics.jsonl").read_bytes().split(b"\n")
    assert len(lines) == 3
    assert json.loads(lines[0]) | {"seconds": 0} == {
        "kind": "train", "step": 1, "tokens": 10, "seconds": 0, "loss": None, "grad_norm": None, "lr": 0.1
    }  # fmt: skip
    assert metrics.read(tmp_path) == one.history


def test_a_torn_line_is_skipped_and_going_back_mends_it(tmp_path):
    one = metrics.Metrics(tmp_path)
    for step in (1, 2, 3):
        one.write("train", step, step, loss=1.0)
    one.write("event", 3, 3, event="nan", message="")
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(path.read_bytes() + b'{"kind": "train", "st')
    assert len(metrics.read(path)) == 4
    other = metrics.Metrics(tmp_path)
    other.go_back(2)
    assert [(r["kind"], r["step"]) for r in other.history] == [("train", 1), ("train", 2), ("event", 3)]
    assert metrics.read(path) == other.history
    assert all(json.loads(line) for line in path.read_text().splitlines())
    assert metrics.read(tmp_path / "none") == []


def test_seconds_go_on_over_resumes():
    one = metrics.Metrics(None)
    one.set_seconds(100.0)
    one.write("train", 1, 1)
    assert 100 <= one.history[0]["seconds"] < 101


def test_wandb_where_it_is_there(monkeypatch, tmp_path):
    told = []
    run = SimpleNamespace(log=lambda values, step: told.append((step, values)), finish=lambda: told.append("end"))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **options: told.append(options) or run))
    one = tiny.trainer(tmp_path / "run", log=["wandb"], about={"x": 1}, changes={"steps": 1, "warmup": 0})
    one.run()
    assert told[0]["project"] == "lilllm"
    assert told[0]["config"] == {"x": 1}
    values = dict(values for values in told[1:] if values != "end" and "train/loss" in values[1])
    assert set(values[1]) == {
        f"train/{n}" for n in ("tokens", "seconds", "loss", "lr", "grad_norm", "tokens_per_second", "memory_bytes")
    }


def test_tensorboard_needs_a_folder_or_its_package(tmp_path):
    with pytest.raises(ValueError, match=r"there is none; give folder|install it: pip install tensorboard"):
        tiny.trainer(log=["tensorboard"])


def test_mfu_by_hand():
    """6 N + 12 L H D T model FLOPs a token, N = 6,144 + 512 in products."""
    import torch

    config = tiny.model().config
    mfu = Mfu(config, 16, torch.device("cpu"), 1e9, 2)
    matrices = 2 * (16 * 16 * 4 + 3 * 16 * 64) + 32 * 16
    assert mfu.flops_per_token == 6 * matrices + 12 * 2 * 16 * 16
    assert Mfu(config, 8, torch.device("cpu"), 1e9, 2).flops_per_token == 6 * matrices + 12 * 2 * 16 * 8
    assert mfu(1000.0) == pytest.approx(mfu.flops_per_token * 1000 / 2e9)
    assert Mfu(config, 16, torch.device("cpu"), None, 1)(1000.0) is None


def test_a_part_of_a_corpus_is_a_corpus():
    tokens = tiny.corpus(size=1000)
    cut = held_out_from(tokens)
    assert 950 - 25 <= cut <= 950
    assert int(tokens.read(cut - 1, cut)[0]) == 0  # what is held out begins with a document
    a, b = Part(tokens, 0, cut), Part(tokens, cut, 1000)
    assert len(a) + len(b) == 1000
    assert a.digest != b.digest
    assert a.n_bytes == 2 * cut
    assert b.read(0, 5).tolist() == tokens.read(cut, cut + 5).tolist()
    with pytest.raises(IndexError):
        a.read(0, cut + 1)
