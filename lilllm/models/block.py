"""One layer of a transformer: attention, then a feed-forward, each added to the stream that runs through.

    pre-norm:   x = x + attention(norm1(x));   x = x + ffn(norm2(x))
    post-norm:  x = norm1(x + attention(x));   x = norm2(x + ffn(x))

With "post" the gradient of an early layer passes every norm after it. With "pre" the stream itself is never normed: it
is the sum of what all layers wrote, and the gradient at its end reaches each of them. A decoder of an encoder-decoder
has a third part between the two, which attends to the encoder's memory.

Read in order:  Block, then what it is made of: make_norm, make_attention, make_feed_forward
Sources:        Vaswani et al. 2017, arXiv:1706.03762, section 3.1 (post-norm);
                Xiong et al. 2020, arXiv:2002.04745 (pre-norm: why it trains without warm-up)
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from lilllm.layers.cache import KVCache
from lilllm.layers.feed_forward import FeedForward, GatedFeedForward
from lilllm.layers.multi_head import CrossAttention, MultiHeadAttention
from lilllm.layers.norm import LayerNorm, RMSNorm
from lilllm.models.config import ModelConfig

_GATES = {"swiglu": "silu", "geglu": "gelu"}


class Block(nn.Module):
    """A layer as ``config`` says: (B, T, C) in, (B, T, C) out.

    Args:
        causal: a token attends to those before it and itself; without it, to all.
        cross: it attends to a memory as well, between the other two.
    Holds: equal to nn.TransformerEncoderLayer and, with ``cross``, nn.TransformerDecoderLayer of the same weights.

    >>> config = ModelConfig(vocab_size=9, n_layers=1, d_model=8, n_heads=2, context_len=4, positions="none")
    >>> [name for name, _ in Block(config).named_parameters()]  # doctest: +NORMALIZE_WHITESPACE
    ['norm1.weight', 'attention.qkv.weight', 'attention.out.weight',
     'norm2.weight', 'ffn.gate.weight', 'ffn.up.weight', 'ffn.down.weight']
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        causal: bool = True,
        cross: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        place = {"device": device, "dtype": dtype}
        self.pre = config.norm_place == "pre"
        self.dropout = config.dropout
        self.norm1 = make_norm(config, **place)
        self.attention = make_attention(config, causal=causal, **place)
        if cross:
            self.norm_cross = make_norm(config, **place)
            self.cross = make_cross(config, **place)
        self.norm2 = make_norm(config, **place)
        self.ffn = make_feed_forward(config, **place)

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        *,
        mask: Bool[Tensor, "..."] | None = None,
        rope: tuple[Tensor, Tensor] | None = None,
        bias: Float[Tensor, "..."] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
        memory: Float[Tensor, "B S C"] | None = None,
        memory_mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "B T C"]:
        where: dict[str, Any] = {"mask": mask, "rope": rope, "bias": bias, "cache": cache, "layer": layer}
        if self.pre:
            x = x + self._drop(self.attention(self.norm1(x), **where))
            if memory is not None:
                x = x + self._drop(self.cross(self.norm_cross(x), memory, mask=memory_mask))
            return x + self._drop(self.ffn(self.norm2(x)))
        x = self.norm1(x + self._drop(self.attention(x, **where)))
        if memory is not None:
            x = self.norm_cross(x + self._drop(self.cross(x, memory, mask=memory_mask)))
        return self.norm2(x + self._drop(self.ffn(x)))

    def _drop(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout) if self.training and self.dropout else x


def make_norm(config: ModelConfig, **place: Any) -> nn.Module:
    """The norm of C channels that the config asks for."""
    if config.norm == "layer":
        return LayerNorm(config.d_model, eps=config.norm_eps, **place)
    return RMSNorm(config.d_model, eps=config.norm_eps, cast_first=config.norm_cast_first, **place)


def make_attention(config: ModelConfig, *, causal: bool, **place: Any) -> MultiHeadAttention:
    return MultiHeadAttention(
        config.d_model,
        config.n_heads,
        n_kv_heads=config.n_kv_heads,
        d_head=config.d_head,
        causal=causal,
        bias=config.qkv_bias,
        out_bias=config.out_bias,
        qk_norm=config.norm_eps if config.qk_norm else None,
        qk_norm_cast_first=config.norm_cast_first,
        window=config.window,
        dropout=config.dropout,
        **place,
    )


def make_cross(config: ModelConfig, **place: Any) -> CrossAttention:
    return CrossAttention(
        config.d_model,
        config.n_heads,
        n_kv_heads=config.n_kv_heads,
        d_head=config.d_head,
        bias=config.qkv_bias,
        out_bias=config.out_bias,
        dropout=config.dropout,
        **place,
    )


def make_feed_forward(config: ModelConfig, **place: Any) -> FeedForward | GatedFeedForward:
    sizes = (config.d_model, config.d_ff)
    if config.gated:
        return GatedFeedForward(*sizes, activation=_GATES[config.activation], bias=config.ffn_bias, **place)
    return FeedForward(*sizes, activation=config.activation, bias=config.ffn_bias, **place)
