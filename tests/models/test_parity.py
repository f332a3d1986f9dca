"""Our Decoder against transformers' models: the same numbers, whichever of the two the weights come from.

Each checkpoint is made here by transformers, small and random. Weights are large enough (standard deviation about 0.2)
that attention is far from uniform: with transformers' own 0.02, wrong positions would hide below the tolerance.

Tolerance: 1e-5 absolute in float32, on logits of about 1. Both sum the same products, each in its own order.
"""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers import GPT2Config, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

from lilllm.layers.rope import angles
from lilllm.models import config_read
from lilllm.models.config import ModelConfig
from lilllm.models.decoder import Decoder
from lilllm.models.export_hf import export
from lilllm.models.families import FAMILIES, pieces
from lilllm.models.presets import preset
from lilllm.models.pretrained import from_pretrained

TOLERANCE = 1e-5
WINDOW = 8
LENGTHS = (1, 2, 17, 40)  # the last two are past the window, and past Llama 3's original context of 32
_PLAIN = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": None,
    "eos_token_id": None,
}
_GROUPED = {**_PLAIN, "num_key_value_heads": 2}
_NINE = {**_PLAIN, "hidden_size": 36, "num_attention_heads": 9, "num_key_value_heads": 3}
_LLAMA3 = {"factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
_SLIDING = {"use_sliding_window": True, "sliding_window": WINDOW, "max_window_layers": 0}
_GPT2 = {"vocab_size": 97, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}
_GPT2 |= {"bos_token_id": None, "eos_token_id": None}

CONFIGS = {
    "gpt2": lambda: GPT2Config(**_GPT2),
    "gpt2-untied": lambda: GPT2Config(**_GPT2, tie_word_embeddings=False, n_inner=40, activation_function="gelu"),
    "llama2": lambda: LlamaConfig(**_PLAIN),
    "llama3": lambda: LlamaConfig(
        **_GROUPED, head_dim=16, rope_parameters={"rope_type": "llama3", "rope_theta": 500.0, **_LLAMA3}
    ),
    "llama-linear": lambda: LlamaConfig(**_GROUPED, rope_parameters={"rope_type": "linear", "factor": 2.0}),
    "llama-biases": lambda: LlamaConfig(**_GROUPED, attention_bias=True, mlp_bias=True, hidden_act="gelu"),
    "smollm2": lambda: LlamaConfig(
        **_NINE, tie_word_embeddings=True, rms_norm_eps=1e-5, rope_parameters={"rope_theta": 100_000.0}
    ),
    "qwen2": lambda: Qwen2Config(**_GROUPED, tie_word_embeddings=True, rope_parameters={"rope_theta": 1e6}),
    "qwen2-window": lambda: Qwen2Config(**_GROUPED, **_SLIDING),
    "qwen3": lambda: Qwen3Config(**_GROUPED, head_dim=16, tie_word_embeddings=True),
    "qwen3-biases": lambda: Qwen3Config(**_GROUPED, **_SLIDING, head_dim=8, attention_bias=True),
    "mistral": lambda: MistralConfig(**_GROUPED, sliding_window=WINDOW),
    "mistral-full": lambda: MistralConfig(**_GROUPED, sliding_window=None, head_dim=16),
}
every_family = pytest.mark.parametrize("name", CONFIGS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("checkpoints")


@cache
def _theirs(name: str) -> Any:
    torch.manual_seed(sum(map(ord, name)))
    model = transformers.AutoModelForCausalLM.from_config(CONFIGS[name]()).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            gain = parameter.ndim == 1 and not key.endswith("bias")
            parameter.copy_(torch.randn_like(parameter) * 0.2 + (1.0 if gain else 0.0))
    return model


@pytest.fixture
def pair(name: str, folders: Path) -> tuple[Any, Decoder]:
    """Theirs, and ours read from the folder that theirs was saved to."""
    theirs = _theirs(name)
    if not (folders / name).exists():
        theirs.save_pretrained(folders / name)
    return theirs, from_pretrained(folders / name, progress=False)


def _tokens(batch: int, length: int) -> Tensor:
    return torch.randint(97, (batch, length), generator=torch.Generator().manual_seed(length))


def _equal(ours: Tensor, theirs: Tensor) -> None:
    torch.testing.assert_close(ours, theirs, rtol=0.0, atol=TOLERANCE)


@every_family
@torch.no_grad()
def test_logits_equal(pair: tuple[Any, Decoder]) -> None:
    theirs, ours = pair
    for length in LENGTHS:
        tokens = _tokens(2, length)
        logits = theirs(tokens).logits
        assert logits.std() > 0.3, "weights too small to tell a bug"
        _equal(ours(tokens), logits)


@every_family
@torch.no_grad()
def test_padding_on_either_side(pair: tuple[Any, Decoder]) -> None:
    theirs, ours = pair
    tokens, lengths = _tokens(3, 17), (17, 11, 2)
    for side in ("left", "right"):
        mask = torch.zeros(3, 17, dtype=torch.long)
        for row, n in enumerate(lengths):
            mask[row, slice(17 - n, 17) if side == "left" else slice(n)] = 1
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        real = mask.bool()
        logits = ours(tokens, attention_mask=mask)
        _equal(logits[real], theirs(tokens, attention_mask=mask, position_ids=positions).logits[real])
        for row in range(3):
            _equal(logits[row, real[row]], ours(tokens[row : row + 1, real[row]])[0])


@every_family
@torch.no_grad()
def test_a_cache_step_by_step(pair: tuple[Any, Decoder]) -> None:
    theirs, ours = pair
    tokens = _tokens(2, 24)
    mask = torch.ones(2, 24, dtype=torch.long)
    mask[1, :3] = 0  # padded on the left
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    whole = ours(tokens, attention_mask=mask)
    cache_here, cache_there = ours.new_cache(2, 24), None
    start = 0
    for stop in (5, 8, *range(9, 25)):
        step = tokens[:, start:stop]
        logits = ours(step, attention_mask=mask[:, :stop], cache=cache_here)
        out = theirs(
            step,
            attention_mask=mask[:, :stop],
            position_ids=positions[:, start:stop],
            past_key_values=cache_there,
            use_cache=True,
        )
        cache_there = out.past_key_values
        real = mask[:, start:stop].bool()
        _equal(logits[real], out.logits[real])
        _equal(logits[real], whole[:, start:stop][real])
        start = stop


@every_family
@torch.no_grad()
def test_greedy_generation_token_for_token(pair: tuple[Any, Decoder]) -> None:
    theirs, ours = pair
    tokens, mask = _tokens(3, 6), torch.ones(3, 6, dtype=torch.long)
    for padding in (0, 3):
        mask[1, :padding] = 0
        expected = theirs.generate(tokens, attention_mask=mask, max_new_tokens=20, do_sample=False, pad_token_id=0)
        assert torch.equal(ours.greedy(tokens, 20, attention_mask=mask), expected)


@pytest.mark.parametrize("name", ["gpt2", "llama3", "qwen2", "qwen3", "mistral"])
def test_gradients_equal(pair: tuple[Any, Decoder]) -> None:
    theirs, ours = pair
    tokens = _tokens(2, 17)
    targets = tokens.roll(-1, 1)
    targets[0, -4:] = -100
    ours.train()
    loss = ours.loss(tokens, targets)
    loss.backward()
    theirs.zero_grad()
    logits = theirs(tokens).logits
    expected = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
    expected.backward()
    torch.testing.assert_close(loss, expected)
    parameters = dict(ours.named_parameters())
    wanted = dict(theirs.named_parameters())
    found = pieces(FAMILIES[theirs.config.model_type], ours.config, parameters)
    assert {piece.theirs for piece in found} == set(wanted)
    for piece in found:
        grad = parameters[piece.ours].grad
        assert grad is not None
        torch.testing.assert_close(piece.of(grad), wanted[piece.theirs].grad, rtol=1e-4, atol=1e-6)  # sums of 32 tokens


@every_family
@torch.no_grad()
def test_exported_and_loaded_by_transformers(pair: tuple[Any, Decoder], tmp_path: Path) -> None:
    theirs, ours = pair
    folder = export(ours, tmp_path / "out", shard_size=20_000)
    assert len(list(folder.glob("*.safetensors"))) > 1
    back, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, output_loading_info=True, trust_remote_code=False
    )
    assert not any(info.values()), info
    assert back.config.model_type == theirs.config.model_type or name_of(ours.config) == back.config.model_type
    assert back.dtype == torch.float32
    tokens = _tokens(2, 40)
    _equal(back(tokens).logits, theirs(tokens).logits)
    _equal(back(tokens).logits, ours(tokens))


def name_of(config: ModelConfig) -> str:
    """The family that an export takes where two can hold a model: a Mistral without a window is a Llama."""
    return "llama" if config.window is None and not config.qk_norm else ""


OWN = {
    "liltown": preset("liltown"),
    "odd heads": ModelConfig(vocab_size=97, n_layers=2, d_model=36, n_heads=8, d_head=10, context_len=64, tied=False),
    "a window": ModelConfig(vocab_size=97, n_layers=2, d_model=32, n_heads=4, context_len=64, window=WINDOW, d_head=6),
    "qk-norm and a window": ModelConfig(
        vocab_size=97, n_layers=2, d_model=32, n_heads=4, n_kv_heads=2, context_len=64, window=WINDOW, qk_norm=True
    ),
    "qkv biases, other heads": ModelConfig(
        vocab_size=97, n_layers=2, d_model=32, n_heads=4, context_len=64, qkv_bias=True, d_head=6, activation="geglu"
    ),
    "GPT-2 with ReLU": ModelConfig(
        vocab_size=97,
        n_layers=2,
        d_model=32,
        n_heads=4,
        context_len=64,
        norm="layer",
        activation="relu",
        positions="learned",
        qkv_bias=True,
        out_bias=True,
        ffn_bias=True,
        norm_eps=1e-3,
    ),
}


@pytest.mark.parametrize("name", OWN)
@torch.no_grad()
def test_a_model_of_ours_in_transformers(name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    ours = Decoder(OWN[name]).eval()
    for parameter in ours.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.6 / ours.config.d_model**0.5)
    folder = export(ours, tmp_path / "out")
    back, info = transformers.AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    assert not any(info.values()), info
    tokens = _tokens(2, 40)
    _equal(back(tokens).logits, ours(tokens))
    start = tokens[:, :5]
    expected = back.generate(start, attention_mask=start.clamp(1, 1), max_new_tokens=10, do_sample=False)
    assert torch.equal(ours.greedy(start, 10), expected)  # no end-of-text token stops it


@every_family
def test_old_and_new_spellings_of_config_json(name: str) -> None:
    """What transformers writes now; what it wrote before (`rope_theta`, `rope_scaling`); and what it left out."""
    new = json.loads(CONFIGS[name]().to_json_string())
    new["architectures"] = [FAMILIES[new["model_type"]].architecture]
    _, expected = config_read.read(new, "new")
    if rope := new.pop("rope_parameters", None):
        old = {**new, "rope_theta": rope.pop("rope_theta")}
        kind = rope.pop("rope_type")
        for key in ("rope_type", "type"):
            old["rope_scaling"] = {key: kind, **rope} if kind != "default" else None
            _, config = config_read.read(old, "old")
            assert config == expected


# Config by config, without one key: both must take the same thing for it. Sizes are refused here, where transformers
# would guess those of its largest model.
_SIZES = {"vocab_size", "n_embd", "n_layer", "n_head", "n_positions"}
_SIZES |= {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "max_position_embeddings"}


@every_family
def test_what_is_left_out_means_what_it_means_to_transformers(name: str) -> None:
    made = CONFIGS[name]()
    whole = json.loads(made.to_json_string())
    for key in whole:
        if key in {"model_type", "transformers_version"}:
            continue
        part = {other: value for other, value in whole.items() if other != key}
        if key in _SIZES:
            with pytest.raises(ValueError, match=key):
                config_read.read(part, "part")
            continue
        try:
            theirs = type(made).from_dict(part)
        except ValueError:  # such as a number of heads that no longer divides
            with pytest.raises(ValueError):  # noqa: PT011
                config_read.read(part, "part")
            continue
        stated = json.loads(theirs.to_json_string())
        try:
            _, expected = config_read.read(stated, "stated")
        except ValueError:
            with pytest.raises(ValueError):  # noqa: PT011
                config_read.read(part, "part")
            continue
        assert config_read.read(part, "part")[1] == expected, key


@pytest.mark.parametrize("above", [None, 64])
def test_where_a_file_states_rope_twice_the_same_one_holds(above: int | None) -> None:
    """`rope_scaling` before `rope_parameters`, and the original length beside them before the one in them."""
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
    values = {
        **json.loads(CONFIGS["llama3"]().to_json_string()),
        "rope_scaling": {**scaling, "original_max_position_embeddings": 32},
        "rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 77.0},
        "rope_theta": 5000.0,
    }
    if above is not None:
        values["original_max_position_embeddings"] = above
    values["architectures"] = None
    theirs = LlamaRotaryEmbedding(LlamaConfig.from_dict(deepcopy(values))).inv_freq  # it writes into them
    config = config_read.read(values, "config.json")[1]
    ours = angles(torch.tensor([1]), config.d_head, config.rope_theta, config.rope_scaling)[0]
    torch.testing.assert_close(ours, theirs)
