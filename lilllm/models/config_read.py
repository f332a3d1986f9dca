"""config.json of well-known models to a ModelConfig.

    {"model_type": "llama", "hidden_size": 576, ...}  ->  ModelConfig(d_model=576, ...)

What a file leaves out is what transformers takes it to be. Old files have `rope_theta` and `rope_scaling`, new ones
`rope_parameters`: both are read. What would change the model's numbers and is not known here is refused by name, never
passed over. Dropout and initialisation, matters of training, are not taken over.

Read in order: read, Fields (a value of the right kind, or an error that names it), _gpt2, _llama_like, _rope, _window.
The way back is `lilllm.models.config_write`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lilllm.layers.rope import LinearScaling, Llama3Scaling
from lilllm.models.config import ModelConfig
from lilllm.models.families import FAMILIES, Family
from lilllm.models.shards import SHORT

_UNGATED = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu"}
_GATED = {"silu": "swiglu", "swish": "swiglu", "gelu": "geglu"}
_LARGEST = 2**31  # of a size: what is above is no model
_DEEPEST = 4096  # of layers: to build more takes a minute and longer, before a file could show that they are not there


def read(values: Mapping[str, Any], where: str) -> tuple[Family, ModelConfig]:
    """The family and the config that a config.json states; ``where`` is its path, for errors.

    Raises:
        ValueError: a family, an option or a value that is not known here; the message names it.
    """
    fields = Fields(values, where)
    kind = fields.get("model_type")
    if not isinstance(kind, str) or kind not in FAMILIES:
        raise fields.refused("model_type", f"one of: {', '.join(FAMILIES)}")
    family = FAMILIES[kind]
    named = fields.get("architectures")
    if named is not None and named != [family.architecture]:
        raise fields.refused("architectures", f"[{family.architecture!r}], the language model of {kind}")
    for option in ("quantization_config", "compression_config"):
        if fields.get(option) is not None:
            raise fields.refused(option, "none: quantised weights are not read, take those they were made from")
    options = _gpt2(fields) if kind == "gpt2" else _llama_like(kind, fields)
    try:
        return family, ModelConfig(**options)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


@dataclass(frozen=True)
class Fields:
    """The values of a config.json, each asked for by name and kind. null and left out are alike, unless told."""

    values: Mapping[str, Any]
    where: str

    def get(self, name: str, default: Any = None) -> Any:
        """The value as it is, ``default`` for null and where it is left out."""
        value = self.values.get(name)
        return default if value is None else value

    def whole(self, name: str, default: int | None = None, *, below: int = _LARGEST) -> int:
        """A size. Without a default it must be there."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < below:
            raise self.refused(name, f"a whole number of at least 1 and below {below}")
        return value

    def number(self, name: str, default: float | None = None) -> float:
        """A number above 0."""
        value = self.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= sys.float_info.max:
            raise self.refused(name, "a number above 0")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        """true or false."""
        value = self.get(name, default)
        if not isinstance(value, bool):
            raise self.refused(name, "true or false")
        return value

    def one_of(self, name: str, default: str, allowed: Mapping[str, str]) -> str:
        """What ``allowed`` has for the value."""
        value = self.get(name, default)
        if not isinstance(value, str) or value not in allowed:
            raise self.refused(name, f"one of: {', '.join(allowed)}")
        return allowed[value]

    def part(self, name: str) -> Fields:
        """The values inside one; none if it is null, empty or left out."""
        value = self.get(name, {})
        if not isinstance(value, dict):
            raise self.refused(name, "an object of names and values, or null")
        return Fields(value, f"{self.where}, {name}")

    def only(self, name: str, value: Any) -> None:
        """Refuse any value but this one, which is also what is meant where it is left out."""
        if self.get(name, value) != value:
            raise self.refused(name, f"{value!r}")

    def refused(self, name: str, allowed: str) -> ValueError:
        """The error that says which value cannot be read."""
        given = f"is {SHORT.repr(self.values[name])}" if name in self.values else "is left out"
        return ValueError(f"{self.where}: {name} {given}; what can be read here: {allowed}")


def _gpt2(fields: Fields) -> dict[str, Any]:
    fields.only("scale_attn_weights", True)
    fields.only("scale_attn_by_inverse_layer_idx", False)
    fields.only("add_cross_attention", False)
    d_model, n_heads = fields.whole("n_embd"), fields.whole("n_head")
    if d_model % n_heads:
        raise fields.refused("n_head", f"a divisor of n_embd, which is {d_model}")
    return {
        "vocab_size": fields.whole("vocab_size"),
        "n_layers": fields.whole("n_layer", below=_DEEPEST),
        "d_model": d_model,
        "n_heads": n_heads,
        "d_ff": fields.whole("n_inner", 4 * d_model),
        "context_len": fields.whole("n_positions"),
        "norm": "layer",
        "norm_eps": fields.number("layer_norm_epsilon", 1e-5),
        "activation": fields.one_of("activation_function", "gelu_new", _UNGATED),
        "positions": "learned",
        "tied": fields.flag("tie_word_embeddings", True),
        "qkv_bias": True,
        "out_bias": True,
        "ffn_bias": True,
    }


def _llama_like(kind: str, fields: Fields) -> dict[str, Any]:
    fields.only("rope_interleaved", False)  # SmolLM2 states it
    n_layers = fields.whole("num_hidden_layers", below=_DEEPEST)
    n_heads = fields.whole("num_attention_heads")
    d_model, context_len = fields.whole("hidden_size"), fields.whole("max_position_embeddings")
    n_kv_heads = fields.whole("num_key_value_heads", _KV_HEADS.get(kind, n_heads) if _left_out(fields) else n_heads)
    if n_heads % n_kv_heads:
        raise fields.refused("num_key_value_heads", f"a divisor of num_attention_heads, which is {n_heads}")
    d_head = fields.whole("head_dim", 128 if kind == "qwen3" else d_model // n_heads)
    theta, scaling = _rope(fields, context_len)
    biases = fields.flag("attention_bias", False) if kind in ("llama", "qwen3") else False
    return {
        "vocab_size": fields.whole("vocab_size"),
        "n_layers": n_layers,
        "d_model": d_model,
        "n_heads": n_heads,
        "n_kv_heads": n_kv_heads,
        "d_head": d_head,
        "d_ff": fields.whole("intermediate_size"),
        "context_len": context_len,
        "norm": "rms",
        "norm_eps": fields.number("rms_norm_eps", 1e-6),
        "norm_cast_first": True,
        "activation": fields.one_of("hidden_act", "silu", _GATED),
        "positions": "rope",
        "rope_theta": theta,
        "rope_scaling": scaling,
        "tied": fields.flag("tie_word_embeddings", False),
        "qkv_bias": True if kind == "qwen2" else biases,
        "out_bias": biases,
        "ffn_bias": fields.flag("mlp_bias", False) if kind == "llama" else False,
        "qk_norm": kind == "qwen3",
        "window": _window(kind, fields, n_layers),
    }


# What transformers takes a file to mean that leaves the number out; null means as many as query heads.
_KV_HEADS = {"mistral": 8, "qwen2": 32, "qwen3": 32}


def _left_out(fields: Fields) -> bool:
    return "num_key_value_heads" not in fields.values


def _rope(fields: Fields, context_len: int) -> tuple[float, LinearScaling | Llama3Scaling | None]:
    """RoPE's base and scaling, from `rope_scaling` and `rope_theta` (until 2025) or `rope_parameters` (since)."""
    old, new = fields.part("rope_scaling"), fields.part("rope_parameters")
    rope = old if old.values else new
    for name, value in rope.values.items():
        if isinstance(value, dict):
            raise rope.refused(name, "one RoPE for all layers")
    theta = rope.number("rope_theta", fields.number("rope_theta", 10_000.0))
    for part in (rope, fields):
        part.only("partial_rotary_factor", 1.0)
    name = "rope_type" if rope.get("rope_type") is not None else "type"
    kind = rope.one_of(name, "default", {"default": "", "linear": "linear", "llama3": "llama3"})
    make: dict[str, Callable[[], LinearScaling | Llama3Scaling | None]] = {
        "": lambda: None,
        "linear": lambda: LinearScaling(factor=rope.number("factor")),
        "llama3": lambda: Llama3Scaling(
            factor=rope.number("factor"),
            low=rope.number("low_freq_factor"),
            high=_high(rope),
            original_len=_original_len(fields, rope, context_len),
        ),
    }
    return theta, make[kind]()


def _high(rope: Fields) -> float:
    high, low = rope.number("high_freq_factor"), rope.number("low_freq_factor")
    if high <= low:
        raise rope.refused("high_freq_factor", f"a number above low_freq_factor, which is {low:g}")
    return high


def _original_len(fields: Fields, rope: Fields, context_len: int) -> int:
    name = "original_max_position_embeddings"
    return fields.whole(name) if name in fields.values else rope.whole(name, context_len)


def _window(kind: str, fields: Fields, n_layers: int) -> int | None:
    """Mistral's window holds for all layers; Qwen's, if it is on, for those from `max_window_layers` on."""
    since = 0
    on = kind == "mistral" or (kind != "llama" and fields.flag("use_sliding_window", False))
    window = None
    if on and fields.values.get("sliding_window", 4096) is not None:
        window = fields.whole("sliding_window", 4096)
    if kind.startswith("qwen") and window is not None:
        since = fields.values.get("max_window_layers", 28)
        if isinstance(since, bool) or not isinstance(since, int) or since < 0:
            raise fields.refused("max_window_layers", "a whole number of at least 0")
    one_kind = "one kind of attention for all layers: a window on all of them, or on none"
    types = fields.get("layer_types")
    if types is None:
        if 0 < since < n_layers:
            raise fields.refused("max_window_layers", one_kind)
        return window if since == 0 else None
    if not isinstance(types, list) or len(types) != n_layers:
        raise fields.refused("layer_types", f"a list of {n_layers} kinds of attention")
    if all(each == "full_attention" for each in types) and (window is None or kind.startswith("qwen")):
        return None
    if all(each == "sliding_attention" for each in types) and window is not None:
        return window
    raise fields.refused("layer_types", one_kind)
