"""Small models that have opinions: random ones, but far from uniform."""

from __future__ import annotations

from typing import Any

import torch

from lilllm.models import Decoder, ModelConfig

LEAST: dict[str, Any] = {"vocab_size": 40, "n_layers": 3, "d_model": 32, "n_heads": 4, "n_kv_heads": 2}
GPT2: dict[str, Any] = {
    "n_kv_heads": 4,
    "norm": "layer",
    "activation": "gelu_tanh",
    "positions": "learned",
    "qkv_bias": True,
    "out_bias": True,
    "ffn_bias": True,
}
KINDS: dict[str, dict[str, Any]] = {
    "lillm": {},
    "gpt2": GPT2,
    "alibi": {"positions": "alibi"},
    "sinusoidal": {"positions": "sinusoidal", "norm_place": "post"},
    "none": {"positions": "none", "activation": "geglu"},
    "qwen3": {"qk_norm": True, "norm_eps": 1e-6, "tied": False},
    "window": {"window": 4},
    "untied": {"tied": False, "d_head": 6, "norm_eps": 1e-3},
}


def decoder(kind: str = "lillm", seed: int = 0, **changed: Any) -> Decoder:
    """A model of ``kind`` whose weights are larger than one begins with, so that no two logits are near."""
    config = ModelConfig(**{**LEAST, "context_len": 24, **KINDS[kind], **changed})
    model = Decoder(config, generator=torch.Generator().manual_seed(seed)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(8)
    return model
