"""What a run may be told."""

import doctest
import importlib
import json
import math

import pytest

from lilllm.models import preset
from lilllm.training import TrainConfig, price
from lilllm.training.config import FREE
from lilllm.training.recipes import LEARNED, RECIPES, recipe


@pytest.mark.parametrize("name", ["config", "evaluation", "corpus", "mfu"])
def test_doctests(name):
    assert doctest.testmod(importlib.import_module(f"lilllm.training.{name}")).failed == 0


@pytest.mark.parametrize("schedule", ["cosine", "wsd", "constant"])
def test_rates(schedule):
    config = TrainConfig(steps=100, batch_size=1, lr=2.0, warmup=10, schedule=schedule, floor=0.25, decay=0.2)
    assert [config.rate(step) for step in (0, 4, 9)] == pytest.approx([0.2, 1.0, 2.0])
    at = {"cosine": (55, 1.25), "wsd": (80, 2.0), "constant": (99, 2.0)}[schedule]
    assert config.rate(at[0]) == pytest.approx(at[1])
    assert config.rate(99) == pytest.approx({"cosine": 0.5, "wsd": 0.538, "constant": 2.0}[schedule], abs=1e-3)


def test_through_json_and_back():
    config = TrainConfig(steps=7, batch_size=4, micro_batch=2, skip=(3, 4), clip=None, save_every=None)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert TrainConfig(steps=1000, batch_size=1).warmup == 50
    assert TrainConfig(steps=1, batch_size=1).rate(0) == 1e-3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"steps": 0}, "steps is 0; give a whole number of at least 1"),
        ({"steps": True}, "steps is True"),
        ({"batch_size": 2.0}, "batch_size is 2.0"),
        ({"micro_batch": 3}, "batch_size 8 is no multiple of micro_batch 3"),
        ({"lr": 0}, "lr is 0; give a number above 0"),
        ({"lr": math.nan}, "lr is nan"),
        ({"schedule": "linear"}, "schedule is 'linear'; give cosine or wsd or constant"),
        ({"optimizer": "sgd"}, "give adamw or muon"),
        ({"precision": "int8"}, "give fp32 or bf16 or fp16"),
        ({"warmup": 10}, "warmup is 10; give a whole number from 0, below the 10 steps"),
        ({"schedule": "wsd", "warmup": 9}, "warmup of 9 steps reaches into the last"),
        ({"floor": 2}, "floor is 2; give a share from 0 to 1"),
        ({"clip": -1.0}, "or None for no clipping"),
        ({"label_smoothing": 1.0}, "a share from 0, below 1"),
        ({"betas": (0.9,)}, "betas"),
        ({"betas": (0.9, 1.0)}, "betas"),
        ({"weight_decay": -0.1}, "at least 0"),
        ({"seed": -1}, "seed is -1"),
        ({"eval_every": 0}, "eval_every is 0; give a whole number of at least 1, or None"),
        ({"compile": 1}, "compile is 1; give True or False"),
        ({"skip": 3}, "skip is 3; give numbers of batches"),
    ],
)
def test_bad_input_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        TrainConfig(**{"steps": 10, "batch_size": 8, **given})


def test_bad_input_fields():
    with pytest.raises(ValueError, match="no field 'step'; did you mean 'steps'"):
        TrainConfig.from_dict({"step": 3})
    with pytest.raises(ValueError, match="lacks batch_size"):
        TrainConfig.from_dict({"steps": 3})


def test_what_changes_another_training():
    config = TrainConfig(steps=100, batch_size=8, schedule="wsd", decay=0.2)
    for name, value in {"keep": 9, "micro_batch": 2, "save_every": 7, "skip": (3,)}.items():
        assert name in FREE
        assert not TrainConfig.from_dict({**config.to_dict(), name: value}).changed(config, done=50)
    longer = TrainConfig.from_dict({**config.to_dict(), "steps": 200})
    assert not longer.changed(config, done=80)  # it has not begun to fall
    assert longer.changed(config, done=90) == ["steps 100 -> 200"]
    shorter = TrainConfig.from_dict({**config.to_dict(), "steps": 50})
    assert shorter.changed(config, done=60) == ["steps 100 -> 50"]
    assert TrainConfig.from_dict({**config.to_dict(), "lr": 0.5}).changed(config, done=0) == ["lr 0.001 -> 0.5"]


def test_recipes_fit_every_device():
    import torch

    for name in (*RECIPES, "gpt2"):
        config = recipe(name, torch.device("cpu"))
        assert config.precision == "fp32"
        assert name == LEARNED or preset(name)
    assert recipe("lillm-39m", torch.device("cpu")).micro_batch == 4
    assert recipe("lillm-39m", torch.device("cpu"), batch_size=2).micro_batch is None
    rows = [one.eval_batches * one.batch_size for one in (recipe("liltown", "cpu", batch_size=b) for b in (4, 8, 32))]
    assert rows == [96, 96, 96]  # of an evaluation, whatever the batch
    tokens = recipe("lillm-39m", torch.device("cpu")).steps * 512 * 1024
    assert 8e9 < tokens < 9e9  # what the course says of it


def test_the_price_by_hand():
    """39M parameters at 16 bytes are 0.62 GB; 8.4e9 tokens at 3.1e8 FLOPs over 0.4 of 989.4 TFLOP/s take 1.8 hours."""
    config = TrainConfig(steps=16_000, batch_size=512, micro_batch=32, precision="bf16")
    found = price(preset("lillm-39m"), config, dollars_per_hour=2.0)
    assert found.tokens == 16_000 * 512 * 1024
    assert found.state == pytest.approx(16 * 39e6, rel=0.02)
    assert found.hours == pytest.approx(found.flops / (0.4 * 989.4e12) / 3600)
    assert found.dollars == pytest.approx(2.0 * found.hours)
    assert found.fits
    eight = price(preset("lillm-39m"), config, gpus=8, dollars_per_hour=2.0)
    assert eight.hours == pytest.approx(found.hours / 8)
    assert eight.dollars == pytest.approx(found.dollars)
    small = price(preset("lillm-300m"), TrainConfig(steps=1, batch_size=512), gpu="t4-16gb")
    assert small.fits is False
    assert "does NOT fit" in str(small)
    muon = price(preset("lillm-39m"), TrainConfig(steps=1, batch_size=8, optimizer="muon"))
    assert 0.6 * found.state < muon.state < found.state


def test_the_price_here_is_measured():
    from lilllm.models import ModelConfig
    from lilllm.training.pricing import price_here

    small = ModelConfig(vocab_size=64, n_layers=1, d_model=16, n_heads=2, context_len=16)
    one, two = (price_here(small, TrainConfig(steps=steps, batch_size=4)) for steps in (100, 10_000))
    assert one.hours > 0
    assert 10 < two.hours / one.hours < 1000  # 100, of times of milliseconds
    assert "tried on this CPU" in str(one)
