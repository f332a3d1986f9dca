"""A ModelConfig to the config.json of a family of transformers that has such models.

Read in order: family_of (the first family that can hold the model, or why none can), write (its config.json).

What a family cannot say but that changes no number beyond rounding is let go: RMSNorm's order of casting
(`norm_cast_first`), and all of `init`.
"""

from __future__ import annotations

from typing import Any

import torch

from lilllm.layers.rope import LinearScaling, Llama3Scaling
from lilllm.models.config import ModelConfig
from lilllm.models.families import FAMILIES, Family

_UNGATED = {"gelu": "gelu", "gelu_tanh": "gelu_new", "relu": "relu"}
_GATED = {"swiglu": "silu", "geglu": "gelu"}


def family_of(config: ModelConfig) -> Family:
    """The family of transformers whose models can be this one; the plainest, where several can.

    Raises:
        ValueError: none can; the message says what stands in the way of the nearest.

    >>> family_of(ModelConfig(vocab_size=8, n_layers=1, d_model=8, n_heads=2, context_len=8)).model_type
    'llama'
    """
    against = {name: _against(name, config) for name in FAMILIES}
    best = min(against, key=lambda name: len(against[name]))
    if against[best]:
        raise ValueError(
            f"no family of transformers that is written here ({', '.join(FAMILIES)}) can hold this model; against the "
            f"nearest, {best}: {'; '.join(against[best])}"
        )
    return FAMILIES[best]


def _against(name: str, config: ModelConfig) -> list[str]:
    c = config
    biases = (c.qkv_bias, c.out_bias, c.ffn_bias)
    rules = [
        (c.norm_place == "pre", f"norm_place is {c.norm_place!r}, not 'pre'"),
        (not c.scale_embedding, "scale_embedding is on"),
        (c.qk_norm == (name == "qwen3"), "qk_norm is on" if c.qk_norm else "qk_norm is off"),
    ]
    if name == "gpt2":
        rules += [
            (c.norm == "layer", f"norm is {c.norm!r}, not 'layer'"),
            (not c.gated, f"the feed-forward is gated ({c.activation!r})"),
            (c.positions == "learned", f"positions are {c.positions!r}, not 'learned'"),
            (all(biases), "a bias is left out (qkv_bias, out_bias, ffn_bias)"),
            (c.window is None, "there is a window"),
            (c.n_kv_heads == c.n_heads, f"{c.n_heads} query heads share {c.n_kv_heads} key-value heads"),
            (c.n_heads * c.d_head == c.d_model, f"{c.n_heads} heads of {c.d_head} are not d_model, {c.d_model}"),
        ]
        return [text for holds, text in rules if not holds]
    rules += [
        (c.norm == "rms", f"norm is {c.norm!r}, not 'rms'"),
        (c.gated, f"the feed-forward is not gated ({c.activation!r})"),
        (c.positions == "rope", f"positions are {c.positions!r}, not 'rope'"),
    ]
    if name == "llama":
        rules += [
            (c.qkv_bias == c.out_bias, "of qkv_bias and out_bias only one is on"),
            (c.window is None, "there is a window"),
            (c.d_model % c.n_heads == 0, f"d_model {c.d_model} is not divisible by {c.n_heads} heads"),
        ]
    else:
        expected = {"qwen3": (c.qkv_bias, c.qkv_bias, False), "qwen2": (True, False, False), "mistral": (False,) * 3}
        names = ("qkv_bias", "out_bias", "ffn_bias")
        for option, given, wanted in zip(names, biases, expected[name], strict=True):
            rules.append((given == wanted, f"{option} is {'on' if given else 'off'}"))
    return [text for holds, text in rules if not holds]


def write(
    config: ModelConfig,
    family: Family,
    dtype: torch.dtype,
    *,
    bos_token_id: int | None = None,
    eos_token_id: int | None = None,
) -> dict[str, Any]:
    """The config.json of a model that ``family`` can hold.

    The ids are stated even where they are None: left out, transformers takes 1 and 2 for Llama, 50256 for GPT-2, and
    would stop at tokens that mean something else here.
    """
    c = config
    values: dict[str, Any] = {
        "architectures": [family.architecture],
        "model_type": family.model_type,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "vocab_size": c.vocab_size,
        "tie_word_embeddings": c.tied,
        "bos_token_id": bos_token_id,
        "eos_token_id": eos_token_id,
        "pad_token_id": None,
    }
    if family.model_type == "gpt2":
        return values | {
            "n_embd": c.d_model,
            "n_layer": c.n_layers,
            "n_head": c.n_heads,
            "n_inner": c.d_ff,
            "n_positions": c.context_len,
            "activation_function": _UNGATED[c.activation],
            "layer_norm_epsilon": c.norm_eps,
            "attn_pdrop": c.dropout,
            "embd_pdrop": c.dropout,
            "resid_pdrop": c.dropout,
        }
    values |= {
        "hidden_size": c.d_model,
        "num_hidden_layers": c.n_layers,
        "num_attention_heads": c.n_heads,
        "num_key_value_heads": c.n_kv_heads,
        "head_dim": c.d_head,
        "intermediate_size": c.d_ff,
        "max_position_embeddings": c.context_len,
        "hidden_act": _GATED[c.activation],
        "rms_norm_eps": c.norm_eps,
        "attention_dropout": c.dropout,
    }
    values |= _rope(c)
    if family.model_type == "llama":
        values |= {"attention_bias": c.qkv_bias, "mlp_bias": c.ffn_bias}
    if family.model_type == "qwen3":
        values |= {"attention_bias": c.qkv_bias}
    if family.model_type in ("qwen2", "qwen3"):
        kind = "full_attention" if c.window is None else "sliding_attention"
        values |= {"use_sliding_window": c.window is not None, "max_window_layers": 0 if c.window else c.n_layers}
        values |= {"layer_types": [kind] * c.n_layers}
    if family.model_type != "llama":
        values |= {"sliding_window": c.window}
    return values


def _rope(config: ModelConfig) -> dict[str, Any]:
    """Both spellings: readers of before transformers 5 know the first two names, those since also the third."""
    scaling: dict[str, Any] = {}
    if isinstance(config.rope_scaling, LinearScaling):
        scaling = {"rope_type": "linear", "factor": config.rope_scaling.factor}
    elif isinstance(config.rope_scaling, Llama3Scaling):
        scaling = {
            "rope_type": "llama3",
            "factor": config.rope_scaling.factor,
            "low_freq_factor": config.rope_scaling.low,
            "high_freq_factor": config.rope_scaling.high,
            "original_max_position_embeddings": config.rope_scaling.original_len,
        }
    return {
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling or None,
        "rope_parameters": {"rope_type": "default", **scaling, "rope_theta": config.rope_theta},
    }
