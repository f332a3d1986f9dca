"""Models by name: our own, and well-known ones whose weights `lilllm.models.pretrained` reads.

Sizes are those of `lilllm.accounting`'s presets, which state their sources; what does not change the cost is here.
``norm_eps``, ``rope_theta``, activations and context: the config.json of the checkpoints. LilLM's own take a vocabulary
of 8192 (LilTown's 1024: it tells its stories with about 800 words), 2 query heads to a key-value head, and d_ff of 8/3
d_model rounded up to a multiple of 32.
"""

from __future__ import annotations

import difflib
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

from lilllm.accounting.shape import PRESETS as SHAPES
from lilllm.models.config import ModelConfig

_SIZES = ("vocab_size", "n_layers", "d_model", "n_heads", "n_kv_heads", "d_head", "d_ff", "context_len")
_GPT2: dict[str, Any] = {
    "norm": "layer",
    "activation": "gelu_tanh",
    "positions": "learned",
    "qkv_bias": True,
    "out_bias": True,
    "ffn_bias": True,
}
_CHOICES: dict[str, dict[str, Any]] = {
    "liltown": {},
    "lillm-39m": {},
    "lillm-300m": {},
    "gpt2": _GPT2,
    "gpt2-medium": _GPT2,
    "gpt2-large": _GPT2,
    "gpt2-xl": _GPT2,
    "llama3-8b": {"rope_theta": 500_000.0, "norm_cast_first": True},
    "smollm2-135m": {"rope_theta": 100_000.0, "norm_cast_first": True},
    "qwen3-0.6b": {"rope_theta": 1_000_000.0, "norm_eps": 1e-6, "norm_cast_first": True, "qk_norm": True},
}


def _config(name: str) -> ModelConfig:
    shape = asdict(SHAPES[name])
    return ModelConfig(**{size: shape[size] for size in _SIZES}, tied=shape["tied"], **_CHOICES[name])


PRESETS = MappingProxyType({name: _config(name) for name in _CHOICES})


def preset(name: str) -> ModelConfig:
    """The config of a model by name.

    Raises:
        ValueError: there is none of that name.
    Holds: preset(name).shape() is accounting's preset of that name.

    >>> preset("lillm-39m").d_ff
    1376
    """
    if name in PRESETS:
        return PRESETS[name]
    close = difflib.get_close_matches(str(name), PRESETS, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(f"there is no preset {name!r}; {hint}choose one of: {', '.join(PRESETS)}")
