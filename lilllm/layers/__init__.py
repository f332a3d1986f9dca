"""The parts of a transformer: each the formula as it reads, then the fast form, equal to it.

Read in order: embedding (rows for tokens), mask (who may look at whom), attention (the formula, then the fast path),
multi_head (the layer with weights; cross-attention), position (sinusoidal, learned), rope, alibi, norm, feed_forward,
cache (keys and values kept while generating), loss (from the last states to one number).

One legend for shapes: B batch, T query length, S key length, C d_model, H heads, K kv heads, G = H / K queries a kv
head, D d_head, F d_ff, V vocabulary. Names are handed on when they are asked for: importing this loads no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lilllm.layers.attention import additive_attention, attention_reference, flex
    from lilllm.layers.cache import KVCache
    from lilllm.layers.embedding import Embedding
    from lilllm.layers.feed_forward import FeedForward, GatedFeedForward, swiglu_d_ff
    from lilllm.layers.multi_head import CrossAttention, MultiHeadAttention
    from lilllm.layers.norm import BatchNorm, LayerNorm, RMSNorm, layer_norm, rms_norm
    from lilllm.layers.position import LearnedPositions, sinusoidal
    from lilllm.layers.rope import LinearScaling, Llama3Scaling

# `attention`, the function, is not among them: `lilllm.layers.attention` is its module.
_HOMES = {
    "BatchNorm": "norm",
    "CrossAttention": "multi_head",
    "Embedding": "embedding",
    "FeedForward": "feed_forward",
    "GatedFeedForward": "feed_forward",
    "KVCache": "cache",
    "LayerNorm": "norm",
    "LearnedPositions": "position",
    "LinearScaling": "rope",
    "Llama3Scaling": "rope",
    "MultiHeadAttention": "multi_head",
    "RMSNorm": "norm",
    "additive_attention": "attention",
    "attention_reference": "attention",
    "flex": "attention",
    "layer_norm": "norm",
    "rms_norm": "norm",
    "sinusoidal": "position",
    "swiglu_d_ff": "feed_forward",
}

__all__ = [
    "BatchNorm",
    "CrossAttention",
    "Embedding",
    "FeedForward",
    "GatedFeedForward",
    "KVCache",
    "LayerNorm",
    "LearnedPositions",
    "LinearScaling",
    "Llama3Scaling",
    "MultiHeadAttention",
    "RMSNorm",
    "additive_attention",
    "attention_reference",
    "flex",
    "layer_norm",
    "rms_norm",
    "sinusoidal",
    "swiglu_d_ff",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
