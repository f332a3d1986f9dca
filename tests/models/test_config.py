"""Configs check themselves, survive JSON, and cost what accounting says; presets are accounting's."""

from __future__ import annotations

import doctest
import importlib
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given, settings

from lilllm import accounting
from lilllm.layers.feed_forward import swiglu_d_ff
from lilllm.layers.rope import LinearScaling, Llama3Scaling
from lilllm.models import PRESETS, ModelConfig, preset
from tests.models.configs import LEAST, configs


@pytest.mark.parametrize("name", ["config", "presets", "block", "decoder", "encoder", "encoder_decoder"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"lilllm.models.{name}"))
    assert result.failed == 0
    assert result.attempted > 0


def test_what_is_left_out_follows_and_is_lillms() -> None:
    config = ModelConfig(**LEAST)
    assert (config.n_kv_heads, config.d_head) == (4, 8)
    assert (config.norm, config.norm_place, config.activation, config.positions) == ("rms", "pre", "swiglu", "rope")
    assert config.tied
    off = ("qkv_bias", "out_bias", "ffn_bias", "qk_norm", "norm_cast_first", "scale_embedding")
    assert not any(getattr(config, name) for name in off)
    assert replace(config, d_ff=0, activation="gelu").d_ff == 4 * 32
    assert replace(config, d_head=24).d_head == 24


@pytest.mark.parametrize("d_model", [8, 48, 128, 512, 768, 1024, 4096])
def test_the_width_of_a_gated_feed_forward_is_the_rule_of_the_layer(d_model: int) -> None:
    config = ModelConfig(**{**LEAST, "d_model": d_model})
    assert config.d_ff == swiglu_d_ff(d_model, 32)
    assert 8 * d_model <= 3 * config.d_ff < 8 * d_model + 3 * 32


def test_a_config_is_a_value() -> None:
    config = ModelConfig(**LEAST)
    assert config == ModelConfig(**LEAST)
    assert hash(config) == hash(ModelConfig(**LEAST))
    with pytest.raises(FrozenInstanceError):
        config.d_model = 3  # type: ignore[misc]


@settings(max_examples=60, deadline=None)
@given(configs())
def test_round_trip_through_json(config: ModelConfig) -> None:
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert ModelConfig.from_dict(config.to_dict()) == config


@pytest.mark.parametrize(
    "scaling", [LinearScaling(factor=4.0), Llama3Scaling(factor=8.0, low=1.0, high=4.0, original_len=8192)]
)
def test_round_trip_of_a_scaling(scaling: Any) -> None:
    config = ModelConfig(**LEAST, rope_scaling=scaling)
    told = json.loads(json.dumps(config.to_dict()))
    assert told["rope_scaling"]["kind"] in ("linear", "llama3")
    assert ModelConfig.from_dict(told) == config


BAD: list[tuple[dict[str, Any], str]] = [
    ({"n_layers": 0}, "n_layers is 0; give a whole number of at least 1"),
    ({"vocab_size": True}, "vocab_size is True; give a whole number"),
    ({"d_model": 32.0}, "d_model is 32.0; give a whole number"),
    ({"d_ff": -1}, "d_ff is -1; give a whole number of at least 1"),
    ({"tied": 1}, "tied is 1; give True or False"),
    ({"norm": "batch"}, "norm is 'batch'; give one of: rms, layer"),
    ({"norm_place": "mid"}, "norm_place is 'mid'; give one of: pre, post"),
    ({"activation": "swish"}, "activation is 'swish'; give one of: relu, gelu, gelu_tanh, swiglu, geglu"),
    ({"positions": "rotary"}, "positions is 'rotary'; give one of: none, learned, sinusoidal, rope, alibi"),
    ({"init": None}, "init is None; give one of: gpt2, normal, fan_in, glorot"),
    ({"norm_eps": 0}, "norm_eps is 0; give a number above 0"),
    ({"norm_eps": float("inf")}, "norm_eps is inf; give a number above 0"),
    ({"rope_theta": "1e4"}, "rope_theta is '1e4'; give a number above 0"),
    ({"rope_theta": 10**400}, "rope_theta is 10+; give a number above 0"),
    ({"norm_eps": float("nan")}, "norm_eps is nan; give a number above 0"),
    ({"dropout": 1.0}, "dropout is 1.0; give a probability of at least 0 and below 1"),
    ({"dropout": -0.1}, "dropout is -0.1; give a probability"),
    ({"window": 0}, "window is 0; give a whole number of at least 1, or None"),
    ({"rope_scaling": {"factor": 2}}, "give a Llama3Scaling, a LinearScaling or None"),
    ({"n_heads": 5}, "d_model 32 is not divisible by 5 heads; give d_head"),
    ({"n_kv_heads": 3}, "4 heads cannot share 3 key-value heads evenly; give n_kv_heads that divides n_heads"),
    ({"d_head": 7}, "d_head is 7; give an even d_head"),
    ({"d_model": 33, "d_head": 8, "positions": "sinusoidal"}, "d_model is 33; give an even"),
    ({"positions": "alibi", "rope_scaling": LinearScaling(factor=2.0)}, "rope_scaling stretches RoPE, and positions"),
    ({"norm": "layer", "norm_cast_first": True}, "norm_cast_first is a matter of RMSNorm"),
]


@pytest.mark.parametrize(("wrong", "said"), BAD)
def test_bad_input_config(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        ModelConfig(**{**LEAST, **wrong})


def test_bad_input_dict() -> None:
    with pytest.raises(
        ValueError, match=r"a model has no field 'n_head'; did you mean 'n_heads'\? the fields are: voc"
    ):
        ModelConfig.from_dict({**LEAST, "n_head": 4})
    with pytest.raises(ValueError, match="the config lacks n_heads, context_len; give all of them"):
        ModelConfig.from_dict({name: LEAST[name] for name in ("vocab_size", "n_layers", "d_model")})
    with pytest.raises(ValueError, match="the kind of rope_scaling is 'yarn'; give one of: llama3, linear"):
        ModelConfig.from_dict({**LEAST, "rope_scaling": {"kind": "yarn"}})
    with pytest.raises(ValueError, match="factor must be a number above 0, not None"):
        ModelConfig.from_dict({**LEAST, "rope_scaling": {"kind": "linear", "factor": None}})
    with pytest.raises(ValueError, match="rope_scaling lacks factor; give factor"):
        ModelConfig.from_dict({**LEAST, "rope_scaling": {"kind": "linear"}})
    with pytest.raises(ValueError, match="linear scaling has no field 'fator'; did you mean 'factor'"):
        ModelConfig.from_dict({**LEAST, "rope_scaling": {"kind": "linear", "fator": 2.0}})


def test_bad_input_shapes_that_the_closed_forms_do_not_know() -> None:
    config = ModelConfig(**LEAST)
    with pytest.raises(ValueError, match="biases on all layers or on none; count the model itself"):
        replace(config, qkv_bias=True).shape()
    with pytest.raises(ValueError, match="which post-norm lacks; count the model itself"):
        replace(config, norm_place="post").shape()


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_those_of_accounting(name: str) -> None:
    assert preset(name).shape() == accounting.preset(name)


def test_the_names_of_the_issue() -> None:
    assert list(PRESETS) == [
        *("liltown", "lillm-39m", "lillm-300m", "gpt2", "gpt2-medium", "gpt2-large", "gpt2-xl"),
        *("llama3-8b", "smollm2-135m", "qwen3-0.6b"),
    ]


def test_our_own_follow_their_rules() -> None:
    for name, d_model, n_layers in (("liltown", 128, 6), ("lillm-39m", 512, 12), ("lillm-300m", 1024, 24)):
        config = preset(name)
        assert (config.d_model, config.n_layers, config.n_heads // config.n_kv_heads) == (d_model, n_layers, 2)
        assert config.d_ff == replace(config, d_ff=0).d_ff
        assert config.tied
    assert (preset("lillm-39m").n_heads, preset("lillm-300m").n_heads) == (16, 16)
    assert preset("lillm-39m").vocab_size == preset("lillm-300m").vocab_size == 8192


def test_bad_input_preset() -> None:
    with pytest.raises(ValueError, match=r"no preset 'gtp2'; did you mean 'gpt2'\? choose one of: liltown, "):
        preset("gtp2")


def test_the_package_opens_without_torch() -> None:
    code = "import sys, lilllm.models; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
