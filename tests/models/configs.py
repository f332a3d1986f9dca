"""Small random configs."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from lilllm.models.config import ModelConfig

LEAST: dict[str, Any] = {"vocab_size": 40, "n_layers": 2, "d_model": 32, "n_heads": 4, "context_len": 24}


@st.composite
def configs(draw: st.DrawFn, **fixed: Any) -> ModelConfig:
    """Any that is allowed, with ``fixed`` fields as they are given."""
    n_kv_heads = draw(st.integers(1, 2))
    biases = draw(st.booleans())
    norm = draw(st.sampled_from(["rms", "layer"]))
    free: dict[str, Any] = {
        "vocab_size": draw(st.integers(2, 40)),
        "n_layers": draw(st.integers(1, 3)),
        "d_model": 2 * draw(st.integers(1, 12)),
        "n_heads": n_kv_heads * draw(st.integers(1, 3)),
        "n_kv_heads": n_kv_heads,
        "d_head": 2 * draw(st.integers(1, 5)),
        "d_ff": draw(st.integers(1, 40)),
        "context_len": 16,
        "norm": norm,
        "norm_place": draw(st.sampled_from(["pre", "post"])),
        "norm_cast_first": norm == "rms" and draw(st.booleans()),
        "activation": draw(st.sampled_from(["relu", "gelu", "gelu_tanh", "swiglu", "geglu"])),
        "positions": draw(st.sampled_from(["none", "learned", "sinusoidal", "rope", "alibi"])),
        "scale_embedding": draw(st.booleans()),
        "tied": draw(st.booleans()),
        "qkv_bias": biases,
        "out_bias": biases,
        "ffn_bias": biases,
        "qk_norm": draw(st.booleans()),
        "window": draw(st.sampled_from([None, 1, 3])),
        "init": draw(st.sampled_from(["gpt2", "normal", "fan_in", "glorot"])),
    }
    return ModelConfig(**{**free, **fixed})
