"""Reading checkpoints: what is read, what is refused and how that is said, and how much memory it takes.

The numbers are compared with transformers' in test_parity.py; here no transformers is imported.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from lilllm.layers.rope import LinearScaling, Llama3Scaling
from lilllm.models import config_read
from lilllm.models.config import ModelConfig
from lilllm.models.decoder import Decoder
from lilllm.models.export_hf import export
from lilllm.models.presets import preset
from lilllm.models.pretrained import from_pretrained
from lilllm.models.shards import INDEX, SINGLE, contents, rows

pytestmark = pytest.mark.bad_input
SMALL = {"vocab_size": 40, "n_layers": 2, "d_model": 16, "n_heads": 4, "n_kv_heads": 2, "context_len": 24}
LLAMA = ModelConfig(**SMALL)
GPT2 = ModelConfig(
    **{**SMALL, "n_kv_heads": 4},
    norm="layer",
    activation="gelu_tanh",
    positions="learned",
    qkv_bias=True,
    out_bias=True,
    ffn_bias=True,
)


def _model(config: ModelConfig = LLAMA, dtype: torch.dtype = torch.float32) -> Decoder:
    generator = torch.Generator().manual_seed(7)
    model = Decoder(config).to(dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return model


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return export(_model(), tmp_path / "llama")


@pytest.fixture
def sharded(tmp_path: Path) -> Path:
    return export(_model(), tmp_path / "sharded", shard_size=6_000)


def _same(one: Decoder, other: Decoder) -> None:
    left, right = dict(one.named_parameters()), dict(other.named_parameters())
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)


def _change(path: Path, **values: Any) -> None:
    """Values of a JSON file set anew; Ellipsis takes one out."""
    whole = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in whole.items() if value is not ...}))


# --- what is read


@pytest.mark.parametrize("config", [LLAMA, GPT2], ids=["llama", "gpt2"])
def test_a_folder_gives_the_model(config: ModelConfig, tmp_path: Path) -> None:
    model = _model(config)
    read = from_pretrained(str(export(model, tmp_path / "x")), progress=False)
    _same(read, model)
    assert not read.training
    assert all(parameter.requires_grad and not parameter.is_meta for parameter in read.parameters())


def test_shards_give_the_same(folder: Path, sharded: Path) -> None:
    assert len(list(sharded.glob("model-*.safetensors"))) > 2
    _same(from_pretrained(sharded, progress=False), from_pretrained(folder, progress=False))


def test_dtypes(tmp_path: Path) -> None:
    wide, narrow = _model(), _model(dtype=torch.bfloat16)
    at = export(narrow, tmp_path / "narrow")
    assert json.loads((at / "config.json").read_text())["torch_dtype"] == "bfloat16"
    _same(from_pretrained(at, progress=False), narrow)  # as stored
    _same(from_pretrained(at, dtype=torch.float32, progress=False), narrow.float())
    at = export(wide, tmp_path / "wide")
    _same(from_pretrained(at, dtype=torch.float16, progress=False), wide.half())
    with pytest.raises(ValueError, match=r"dtype is torch\.int8"):
        from_pretrained(at, dtype=torch.int8)


def test_a_file_of_mixed_dtypes_is_read_in_that_of_most_bytes(folder: Path) -> None:
    weights = load_file(folder / SINGLE)
    mixed = {name: tensor.bfloat16() if tensor.ndim == 2 else tensor for name, tensor in weights.items()}
    save_file(mixed, folder / SINGLE)
    model = from_pretrained(folder, progress=False)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
    assert torch.equal(model.norm.weight, weights["model.norm.weight"].bfloat16())


def test_the_device_is_the_one_asked_for_or_the_default(folder: Path) -> None:
    assert next(from_pretrained(folder, device="cpu", progress=False).parameters()).device.type == "cpu"
    with torch.device("meta"):  # stands in for a GPU that is the default
        assert next(from_pretrained(folder, progress=False).parameters()).device.type == "meta"
        model = from_pretrained(folder, device="cpu", progress=False)
    _same(model, _model())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_straight_to_the_gpu(folder: Path) -> None:
    model = from_pretrained(folder, device="cuda", dtype=torch.bfloat16, progress=False)
    assert all(parameter.is_cuda for parameter in model.parameters())
    _same(model.cpu(), _model().bfloat16())


def test_gpt2_as_openai_community_has_it(tmp_path: Path) -> None:
    """Names without `transformer.`, causal masks saved as tensors, and a head beside the embedding it is tied to."""
    model = _model(GPT2)
    at = export(model, tmp_path / "gpt2")
    weights = {name.removeprefix("transformer."): tensor for name, tensor in load_file(at / SINGLE).items()}
    assert "h.1.attn.c_attn.bias" in weights
    for i in range(2):
        weights[f"h.{i}.attn.bias"] = torch.ones(1, 1, 24, 24).tril()
        weights[f"h.{i}.attn.masked_bias"] = torch.tensor(-1e4)
    save_file(weights, at / SINGLE)
    _change(at / "config.json", tie_word_embeddings=..., n_inner=None, n_ctx=24, summary_type="cls_index")
    _same(from_pretrained(at, progress=False), model)
    save_file({**weights, "lm_head.weight": weights["wte.weight"].clone()}, at / SINGLE)
    _same(from_pretrained(at, progress=False), model)


def test_llama_2_with_rotary_rates_saved(folder: Path) -> None:
    weights = load_file(folder / SINGLE)
    save_file({**weights, "model.layers.0.self_attn.rotary_emb.inv_freq": torch.ones(2)}, folder / SINGLE)
    _same(from_pretrained(folder, progress=False), _model())


def test_a_tied_model_whose_file_has_another_head_is_refused(folder: Path) -> None:
    weights = load_file(folder / SINGLE)
    head = weights["model.embed_tokens.weight"].clone()
    head[-1, -1] += 1
    for wrong in (head, head[:-1].clone()):
        save_file({**weights, "lm_head.weight": wrong}, folder / SINGLE)
        with pytest.raises(ValueError, match=r"tie_word_embeddings is on .* lm_head\.weight is not the embedding"):
            from_pretrained(folder, progress=False)
    save_file({**weights, "lm_head.weight": head}, folder / SINGLE)
    _change(folder / "config.json", tie_word_embeddings=False)
    assert torch.equal(from_pretrained(folder, progress=False).head.weight, head)


def test_rows_come_in_runs_and_are_all_there(folder: Path) -> None:
    stored = contents(folder)["model.embed_tokens.weight"]
    assert (stored.shape, stored.dtype, stored.n_bytes) == ((40, 16), torch.float32, 2560)
    whole = load_file(folder / SINGLE)[stored.name]
    for chunk, runs in ((1, 40), (64 * 7, 6), (10**6, 1)):
        found = [(run, numbers.clone()) for run, numbers in rows(stored, chunk=chunk)]
        assert len(found) == runs
        assert torch.equal(torch.cat([numbers for _, numbers in found]), whole)
        assert all(torch.equal(whole[run], numbers) for run, numbers in found)


def test_the_bar(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from_pretrained(folder)
    bar = capsys.readouterr().err
    assert "weights: 100%" in bar
    assert f"{sum(each.n_bytes for each in contents(folder).values()) / 1000:.1f}k" in bar
    from_pretrained(folder, progress=False)
    assert capsys.readouterr().err == ""


# --- config.json


READ = {
    "SmolLM2-135M": (
        {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": 576,
            "intermediate_size": 1536,
            "num_hidden_layers": 30,
            "num_attention_heads": 9,
            "num_key_value_heads": 3,
            "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-05,
            "rope_interleaved": False,
            "rope_scaling": None,
            "rope_theta": 100000,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "vocab_size": 49152,
        },
        {"d_head": 64, "n_kv_heads": 3, "rope_theta": 1e5, "norm_eps": 1e-5, "tied": True, "qkv_bias": False},
    ),
    "Llama-3.2-1B": (
        {
            "model_type": "llama",
            "attention_bias": False,
            "head_dim": 64,
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 131072,
            "rope_theta": 500000.0,
            "rope_scaling": {
                "factor": 32.0,
                "high_freq_factor": 4.0,
                "low_freq_factor": 1.0,
                "original_max_position_embeddings": 8192,
                "rope_type": "llama3",
            },
            "tie_word_embeddings": True,
            "vocab_size": 128256,
        },
        {"rope_scaling": Llama3Scaling(factor=32.0, low=1.0, high=4.0, original_len=8192), "window": None},
    ),
    "Meta-Llama-3-8B": (
        {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "attention_bias": False,
            "hidden_act": "silu",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 8192,
            "rms_norm_eps": 1e-05,
            "rope_scaling": None,
            "rope_theta": 500000.0,
            "tie_word_embeddings": False,
            "vocab_size": 128256,
        },
        {"rope_theta": 5e5, "d_head": 128, "tied": False},
    ),
    "Qwen2.5-0.5B": (
        {
            "model_type": "qwen2",
            "hidden_size": 896,
            "intermediate_size": 4864,
            "num_hidden_layers": 24,
            "num_attention_heads": 14,
            "num_key_value_heads": 2,
            "max_position_embeddings": 32768,
            "max_window_layers": 24,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000.0,
            "sliding_window": 32768,
            "use_sliding_window": False,
            "tie_word_embeddings": True,
            "use_mrope": False,
            "vocab_size": 151936,
        },
        {"qkv_bias": True, "out_bias": False, "ffn_bias": False, "qk_norm": False, "window": None, "d_head": 64},
    ),
    "Qwen3-0.6B": (
        {
            "model_type": "qwen3",
            "hidden_size": 1024,
            "intermediate_size": 3072,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "max_position_embeddings": 40960,
            "max_window_layers": 28,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000,
            "sliding_window": None,
            "use_sliding_window": False,
            "tie_word_embeddings": True,
            "vocab_size": 151936,
        },
        {"qk_norm": True, "d_head": 128, "qkv_bias": False, "tied": True, "norm_cast_first": True},
    ),
    "Mistral-7B-v0.1": (
        {
            "model_type": "mistral",
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 8,
            "max_position_embeddings": 32768,
            "rms_norm_eps": 1e-05,
            "rope_theta": 10000.0,
            "sliding_window": 4096,
            "tie_word_embeddings": False,
            "vocab_size": 32000,
        },
        {"window": 4096, "d_head": 128, "tied": False, "rope_theta": 1e4},
    ),
    "gpt2": (
        {
            "model_type": "gpt2",
            "architectures": ["GPT2LMHeadModel"],
            "activation_function": "gelu_new",
            "attn_pdrop": 0.1,
            "layer_norm_epsilon": 1e-05,
            "n_ctx": 1024,
            "n_embd": 768,
            "n_head": 12,
            "n_layer": 12,
            "n_positions": 1024,
            "vocab_size": 50257,
        },
        {
            "d_ff": 3072,
            "activation": "gelu_tanh",
            "positions": "learned",
            "tied": True,
            "norm": "layer",
            "dropout": 0.0,
        },
    ),
}


@pytest.mark.parametrize("name", READ)
def test_config_json_as_the_hub_has_it(name: str) -> None:
    values, expected = READ[name]
    _, config = config_read.read(values, "config.json")
    assert {key: getattr(config, key) for key in expected} == expected


@pytest.mark.parametrize(
    ("published", "name"),
    [
        ("gpt2", "gpt2"),
        ("Meta-Llama-3-8B", "llama3-8b"),
        ("SmolLM2-135M", "smollm2-135m"),
        ("Qwen3-0.6B", "qwen3-0.6b"),
    ],
)
def test_a_preset_is_the_config_json_of_that_name(published: str, name: str) -> None:
    assert config_read.read(READ[published][0], "")[1] == preset(name)


_LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("llama", {"model_type": "gemma"}, "model_type is 'gemma'; .* gpt2, llama, qwen3, qwen2, mistral"),
    ("llama", {"model_type": ...}, "model_type is left out"),
    ("llama", {"model_type": ["llama"]}, "model_type is"),
    ("llama", {"architectures": ["LlamaForSequenceClassification"]}, "architectures is .*LlamaForCausalLM"),
    ("llama", {"architectures": "LlamaForCausalLM"}, "architectures is"),
    ("llama", {"quantization_config": {"quant_method": "gptq"}}, "quantization_config is .*gptq.*quantised"),
    ("llama", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}, "rope_parameters": ...}, "rope_type is 'yarn'"),
    ("llama", {"rope_scaling": {"type": "dynamic", "factor": 4.0}}, "type is 'dynamic'"),
    ("llama", {"rope_parameters": {"rope_type": "longrope"}}, "rope_type is 'longrope'"),
    ("llama", {"rope_scaling": {"type": "linear"}}, "factor is left out"),
    ("llama", {"rope_scaling": {"type": "linear", "factor": 0}}, "factor is 0"),
    ("llama", {"rope_scaling": {**_LLAMA3, "high_freq_factor": 1.0}}, "high_freq_factor is 1.0; .*above low_freq"),
    ("llama", {"rope_scaling": {**_LLAMA3, "factor": "8"}}, "factor is '8'"),
    ("llama", {"rope_scaling": "linear"}, "rope_scaling is 'linear'"),
    ("llama", {"rope_parameters": {"full_attention": {"rope_theta": 1.0}}}, "one RoPE for all layers"),
    ("llama", {"rope_parameters": {"partial_rotary_factor": 0.5}}, "partial_rotary_factor is 0.5"),
    ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor is 0.5"),
    ("llama", {"rope_interleaved": True}, "rope_interleaved is True"),
    ("llama", {"rope_theta": float("inf"), "rope_parameters": ...}, "rope_theta is inf"),
    ("llama", {"hidden_act": "relu2"}, "hidden_act is 'relu2'; .*silu"),
    ("llama", {"hidden_size": "16"}, "hidden_size is '16'"),
    ("llama", {"hidden_size": 16.0}, "hidden_size is 16.0"),
    ("llama", {"hidden_size": True}, "hidden_size is True"),
    ("llama", {"hidden_size": 2**40}, "hidden_size is 1099511627776"),
    ("llama", {"hidden_size": ...}, "hidden_size is left out"),
    ("llama", {"num_hidden_layers": 0}, "num_hidden_layers is 0"),
    ("llama", {"num_key_value_heads": 3}, "num_key_value_heads is 3; .*num_attention_heads, which is 4"),
    ("llama", {"head_dim": 3}, "d_head is 3"),
    ("llama", {"attention_bias": "yes"}, "attention_bias is 'yes'"),
    ("llama", {"rms_norm_eps": -1}, "rms_norm_eps is -1"),
    ("llama", {"tie_word_embeddings": 1}, "tie_word_embeddings is 1"),
    ("llama", {"layer_types": ["sliding_attention"] * 2}, "layer_types is"),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1}, "max_window_layers is 1"),
    ("qwen2", {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": -1}, "max_window_layers is -1"),
    ("qwen3", {"layer_types": ["full_attention", "sliding_attention"]}, "layer_types is .*one kind"),
    ("qwen3", {"layer_types": ["full_attention"]}, "layer_types is .*list of 2"),
    ("qwen3", {"layer_types": ["linear_attention"] * 2}, "layer_types is"),
    ("mistral", {"sliding_window": 0}, "sliding_window is 0"),
    ("mistral", {"sliding_window": 8, "layer_types": ["full_attention"] * 2}, "layer_types is"),
    ("gpt2", {"scale_attn_weights": False}, "scale_attn_weights is False"),
    ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
    ("gpt2", {"add_cross_attention": True}, "add_cross_attention is True"),
    ("gpt2", {"activation_function": "quick_gelu"}, "activation_function is 'quick_gelu'; .*gelu_new"),
    ("gpt2", {"n_head": 3}, "n_head is 3; .*n_embd, which is 16"),
]
_CONFIG_JSON: dict[str, dict[str, Any]] = {
    "gpt2": {"model_type": "gpt2", "vocab_size": 40, "n_embd": 16, "n_head": 4, "n_layer": 2, "n_positions": 24},
    "llama": {
        "vocab_size": 40,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 24,
    },
}


@pytest.mark.parametrize(("kind", "change", "said"), REFUSED, ids=[f"{kind}-{text}" for kind, _, text in REFUSED])
def test_what_is_not_known_is_refused_by_name(kind: str, change: dict[str, Any], said: str) -> None:
    values = {"model_type": kind, **_CONFIG_JSON.get(kind, _CONFIG_JSON["llama"])}
    config_read.read(values, "here/config.json")
    changed = {name: value for name, value in {**values, **change}.items() if value is not ...}
    with pytest.raises(ValueError, match=f"^here/config.json.*{said}"):
        config_read.read(changed, "here/config.json")


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_activations_by_their_names(kind: str) -> None:
    names = {
        "gpt2": {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"},
        "llama": {"silu": "swiglu", "swish": "swiglu", "gelu": "geglu"},
    }[kind]
    field = {"gpt2": "activation_function", "llama": "hidden_act"}[kind]
    for theirs, ours in names.items():
        values = {"model_type": kind, **_CONFIG_JSON[kind], field: theirs}
        assert config_read.read(values, "")[1].activation == ours


@pytest.mark.parametrize(("since", "window"), [(0, 8), (2, None), (28, None)])
def test_the_window_of_qwen_holds_from_a_layer_on(since: int, window: int | None) -> None:
    values = {"model_type": "qwen2", **_CONFIG_JSON["llama"], "use_sliding_window": True, "sliding_window": 8}
    assert config_read.read({**values, "max_window_layers": since}, "")[1].window == window


def test_linear_scaling_is_read() -> None:
    values = {"model_type": "llama", **_CONFIG_JSON["llama"], "rope_scaling": {"type": "linear", "factor": 2}}
    assert config_read.read(values, "")[1].rope_scaling == LinearScaling(factor=2.0)


@given(
    st.dictionaries(
        st.sampled_from(sorted({key for _, change, _ in REFUSED for key in change})),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from([*_LLAMA3, "type", "rope_theta", "full_attention"]), inner, max_size=4
                )
            ),
            max_leaves=5,
        ),
        max_size=4,
    ),
    st.sampled_from(["llama", "qwen2", "qwen3", "mistral", "gpt2"]),
)
@settings(max_examples=300, deadline=None)
def test_any_config_json_is_read_or_refused(change: dict[str, Any], kind: str) -> None:
    """Whatever the values are, the answer is a config or a ValueError, never another error from deeper down."""
    values = {"model_type": kind, **_CONFIG_JSON.get(kind, _CONFIG_JSON["llama"]), **change}
    try:
        config_read.read(values, "config.json")
    except ValueError as error:
        assert "config.json" in str(error)  # noqa: PT017, it may be read as well


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "it is not JSON"),
        ("{", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "it holds a list"),
        ("\udcff", "it is not JSON"),
    ],
)
def test_a_damaged_config_json(text: str, said: str, folder: Path) -> None:
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ValueError, match=f"config.json: {said}"):
        from_pretrained(folder)


# --- files


def test_what_does_not_fit_is_listed(folder: Path) -> None:
    weights = load_file(folder / SINGLE)
    for name in [name for name in weights if "layers.1.mlp" in name]:
        del weights[name]
    weights["model.norm.weight"] = torch.ones(15)
    weights["model.layers.0.self_attn.q_proj.bias"] = torch.ones(16)
    save_file(weights, folder / SINGLE)
    with pytest.raises(ValueError, match="not the weights that config") as caught:
        from_pretrained(folder)
    said = str(caught.value)
    assert "3 of 20 tensors are missing: model.layers.1.mlp.gate_proj.weight, model.layers.1.mlp.up_proj.weight" in said
    assert "1 are left over: model.layers.0.self_attn.q_proj.bias" in said
    assert "1 have another shape than config.json gives: model.norm.weight is (15,) and should be (16,)" in said


def test_of_many_a_few_are_named(folder: Path) -> None:
    weights = load_file(folder / SINGLE)
    save_file(
        {"model.norm.weight": weights["model.norm.weight"], "other": torch.ones(1), "one": torch.ones(())},
        folder / SINGLE,
    )
    with pytest.raises(ValueError, match=r"19 of 20 tensors are missing: (\S+, ){3}\S+ and 15 more; 2 are left over"):
        from_pretrained(folder)


@pytest.mark.parametrize("layers", [3, 4000])
def test_more_layers_than_the_files_have(layers: int, folder: Path) -> None:
    _change(folder / "config.json", num_hidden_layers=layers)
    with pytest.raises(ValueError, match=r"9 of 29 tensors are missing|4000 layers and the files only 20 tensors"):
        from_pretrained(folder)


def test_sizes_that_no_memory_could_hold_take_none(folder: Path) -> None:
    large = 2**31 - 1
    _change(folder / "config.json", hidden_size=large, intermediate_size=large, head_dim=large - 1, vocab_size=large)
    with pytest.raises(ValueError, match=r"no model has the sizes|have another shape"):
        from_pretrained(folder)


def test_a_file_cut_short_anywhere(folder: Path) -> None:
    whole = (folder / SINGLE).read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    for length in (0, 1, 7, 8, 9, start - 1, start, start + 1, len(whole) // 2, len(whole) - 1):
        (folder / SINGLE).write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"model.safetensors: its {length:,} bytes are no whole safetensors file"):
            from_pretrained(folder)
    (folder / SINGLE).write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match="no whole safetensors file"):
        from_pretrained(folder)


@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_a_damaged_header_is_told_or_does_no_harm(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Some bytes of the header changed: the model is read, or a ValueError says why not."""
    folder = tmp_path_factory.getbasetemp() / "damaged"
    if not folder.exists():
        export(_model(), folder)
        (folder / "whole").write_bytes((folder / SINGLE).read_bytes())
    whole = bytearray((folder / "whole").read_bytes())
    end = 8 + int.from_bytes(whole[:8], "little")
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
    (folder / SINGLE).write_bytes(whole)
    try:
        from_pretrained(folder, progress=False)
    except ValueError as error:
        assert str(folder) in str(error)  # noqa: PT017, it may be read as well


def test_git_lfs_left_its_note(folder: Path) -> None:
    (folder / SINGLE).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    with pytest.raises(ValueError, match="run `git lfs pull`"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ([], "it holds no weights"),
        (["pytorch_model.bin"], r"its weights are pickles \(pytorch_model.bin\), which run code"),
        (["adapter_model.safetensors"], "it holds an adapter"),
        (["weights.safetensors"], r"neither model.safetensors nor .* \(it holds weights.safetensors\)"),
    ],
)
def test_no_weights(files: list[str], said: str, folder: Path) -> None:
    (folder / SINGLE).unlink()
    for file in files:
        (folder / file).write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=said):
        from_pretrained(folder)


def test_quantised_weights_are_refused(folder: Path) -> None:
    weights = load_file(folder / SINGLE)
    save_file({**weights, "model.norm.weight": torch.ones(16, dtype=torch.int8)}, folder / SINGLE)
    with pytest.raises(ValueError, match=r"model.norm.weight is stored as I8; .* no quantised"):
        from_pretrained(folder)


@pytest.mark.parametrize(
    "name",
    [
        "../sharded/model-00001-of-00005.safetensors",
        "..",
        "/etc/passwd",
        "/tmp/x.safetensors",
        "sub/model.safetensors",
        "sub\\model.safetensors",
        "C:model.safetensors",
        ".hidden.safetensors",
        "pytorch_model.bin",
        "model.safetensors\n",
        "model.safetensors\0",
        "",
        3,
        None,
        ["model.safetensors"],
    ],
)
def test_an_index_names_no_file_elsewhere(name: Any, sharded: Path) -> None:
    places = json.loads((sharded / INDEX).read_text())["weight_map"]
    _change(sharded / INDEX, weight_map={**places, "model.norm.weight": name})
    with pytest.raises(ValueError, match="a shard is a plain name"):
        from_pretrained(sharded)


def test_a_shard_that_is_missing(sharded: Path) -> None:
    shards = sorted(sharded.glob("model-*.safetensors"))
    shards[1].unlink()
    with pytest.raises(FileNotFoundError, match=f"1 of {len(shards)} shards .* missing: {re.escape(shards[1].name)}"):
        from_pretrained(sharded)


def test_shards_of_two_checkpoints(sharded: Path) -> None:
    first, second = sorted(sharded.glob("model-*.safetensors"))[:2]
    weights = load_file(second)
    second.write_bytes(first.read_bytes())
    with pytest.raises(ValueError, match=f"is in both {re.escape(first.name)} and {re.escape(second.name)}"):
        from_pretrained(sharded)
    gone = sorted(weights)[0]
    save_file({name: tensor for name, tensor in weights.items() if name != gone}, second)
    with pytest.raises(ValueError, match=rf"1 of 20 tensors are not in the shard .* \({re.escape(gone)}\)"):
        from_pretrained(sharded)


@pytest.mark.parametrize("weight_map", [..., None, [], {}, "x"])
def test_an_index_of_nothing(weight_map: Any, sharded: Path) -> None:
    _change(sharded / INDEX, weight_map=weight_map)
    with pytest.raises(ValueError, match="no weight_map"):
        from_pretrained(sharded)


# --- where from


def test_paths_that_are_not_there(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for missing in (tmp_path / "no", str(tmp_path / "no"), "./no", "~/no/such/folder", Path("gpt2")):
        with pytest.raises(FileNotFoundError, match="there is no folder"):
            from_pretrained(missing)
    with pytest.raises(ValueError, match="is a file; give the folder"):
        from_pretrained(folder / SINGLE)
    with pytest.raises(ValueError, match="for models on the hub"):
        from_pretrained(folder, revision="main")
    with pytest.raises(FileNotFoundError, match=r"config.json does not exist"):
        from_pretrained(tmp_path)
    _same(from_pretrained("llama", progress=False), _model())  # a folder here comes before a name on the hub


# --- memory

_MEASURE = """
import sys, torch
from pathlib import Path
from lilllm.models.pretrained import from_pretrained

def status(name):
    line = next(line for line in open("/proc/self/status") if line.startswith(name))
    return int(line.split()[1]) * 1024

tiny, *folders = sys.argv[1:]
from_pretrained(tiny, progress=False)  # what is imported or set up once is no part of loading
assert not {"transformers", "huggingface_hub"} & set(sys.modules)
for folder in folders:
    for dtype in (None, torch.bfloat16, torch.float64):
        before = status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
        model = from_pretrained(folder, dtype=dtype, progress=False)
        peak = status("VmHWM") - before
        size = sum(parameter.nbytes for parameter in model.parameters())
        print(size, peak / size, flush=True)
        del model
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux tells the peak of a process's memory")
def test_memory_peaks_at_the_weights(tmp_path: Path) -> None:
    """At most 1.2 times the weights: all resident memory of a process of its own, mapped pages of the file included.

    About 110 MB of float32 in shards, read as they are, narrower and wider; a Llama and, for what is turned, a GPT-2.
    The head is a third of them and read last: mapped whole beside the rest it would be too much.
    """
    large = {"vocab_size": 20_000, "d_model": 512, "d_ff": 2048, "n_layers": 2, "d_head": 128, "tied": False}
    models = [Decoder(ModelConfig.from_dict({**config.to_dict(), **large})) for config in (LLAMA, GPT2)]
    folders = [export(model, tmp_path / str(i), shard_size=40_000_000) for i, model in enumerate(models)]
    out = subprocess.run(
        [sys.executable, "-c", _MEASURE, str(export(_model(), tmp_path / "tiny")), *map(str, folders)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "100000"},  # what is freed goes back, and is there no more
        timeout=120,
    )
    assert out.returncode == 0, out.stderr
    lines = [line.split() for line in out.stdout.splitlines()]
    sizes = [sum(parameter.nbytes for parameter in model.parameters()) for model in models]
    assert [int(size) for size, _ in lines] == [part for size in sizes for part in (size, size // 2, size * 2)]
    assert all(0.9 < float(ratio) <= 1.2 for _, ratio in lines), out.stdout
