"""Multi-head attention: the layer with weights, around `attention`.

Read in order:  MultiHeadAttention (self-attention; grouped queries, window, QK-norm, cache), CrossAttention
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from lilllm.layers.attention import attention
from lilllm.layers.cache import KVCache
from lilllm.layers.mask import sliding
from lilllm.layers.norm import RMSNorm
from lilllm.layers.rope import rotate


class MultiHeadAttention(nn.Module):
    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        n_kv_heads: int | None = None,
        d_head: int | None = None,
        causal: bool = False,
        bias: bool = False,
        out_bias: bool = False,
        qk_norm: float | None = None,
        qk_norm_cast_first: bool = False,
        window: int | None = None,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
        if d_head is None and d_model % n_heads:
            raise ValueError(f"d_model {d_model} is no multiple of n_heads {n_heads}: give d_head")
        d_head = d_model // n_heads if d_head is None else d_head
        if n_heads % n_kv_heads:
            raise ValueError(f"n_heads {n_heads} is no multiple of n_kv_heads {n_kv_heads}")
        if window is not None and not causal:
            raise ValueError("a window looks back only: give causal=True with it")
        self.n_heads, self.n_kv_heads, self.d_head = n_heads, n_kv_heads, d_head
        self.causal, self.window, self.dropout = causal, window, dropout
        rows = (n_heads + 2 * n_kv_heads) * d_head
        self.qkv = nn.Linear(d_model, rows, bias=bias, device=device, dtype=dtype)
        self.out = nn.Linear(n_heads * d_head, d_model, bias=out_bias, device=device, dtype=dtype)
        self.q_norm: RMSNorm | None = None
        self.k_norm: RMSNorm | None = None
        if qk_norm is not None:
            self.q_norm = RMSNorm(d_head, eps=qk_norm, cast_first=qk_norm_cast_first, device=device, dtype=dtype)
            self.k_norm = RMSNorm(d_head, eps=qk_norm, cast_first=qk_norm_cast_first, device=device, dtype=dtype)

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        *,
        mask: Bool[Tensor, "..."] | None = None,
        rope: tuple[Tensor, Tensor] | None = None,
        bias: Float[Tensor, "..."] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B T C"]:
        B, T, _ = x.shape
        H, K, D = self.n_heads, self.n_kv_heads, self.d_head
        heads = self.qkv(x).view(B, T, H + 2 * K, D).transpose(1, 2)  # (B, H + 2K, T, D)
        if self.q_norm is not None and self.k_norm is not None:
            q, k, v = heads.split((H, K, K), 1)
            q, k = self.q_norm(q), self.k_norm(k)
            if rope is not None:
                q, k = rotate(q, *rope), rotate(k, *rope)
        elif rope is not None:
            qk, v = heads.split((H + K, K), 1)
            q, k = rotate(qk, *rope).split((H, K), 1)
        else:
            q, k, v = heads.split((H, K, K), 1)
        if cache is not None:
            k, v = cache.update(layer, k, v)
        S = k.shape[2]
        if self.window is not None and self.window < S:
            first = max(0, S - T - self.window + 1)  # keys before it no query of these sees
            k, v, S = k[:, :, first:], v[:, :, first:], S - first
            if mask is not None:
                mask = mask[..., first:]
            if bias is not None:
                bias = bias[..., first:]
            if T > 1:
                window = sliding(T, S, self.window, device=x.device)
                mask = window if mask is None else mask & window
        causal = self.causal and (self.window is None or self.window >= S)
        y = attention(q, k, v, mask=mask, causal=causal, bias=bias, dropout=self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(B, T, H * D))


class CrossAttention(nn.Module):
    def __init__(
        self,
        d_model: int,
        n_heads: int,
        *,
        d_memory: int | None = None,
        n_kv_heads: int | None = None,
        d_head: int | None = None,
        bias: bool = False,
        out_bias: bool = False,
        dropout: float = 0.0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
        d_head = d_model // n_heads if d_head is None else d_head
        d_memory = d_model if d_memory is None else d_memory
        self.n_heads, self.n_kv_heads, self.d_head, self.dropout = n_heads, n_kv_heads, d_head, dropout
        self.q = nn.Linear(d_model, n_heads * d_head, bias=bias, device=device, dtype=dtype)
        self.kv = nn.Linear(d_memory, 2 * n_kv_heads * d_head, bias=bias, device=device, dtype=dtype)
        self.out = nn.Linear(n_heads * d_head, d_model, bias=out_bias, device=device, dtype=dtype)

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        memory: Float[Tensor, "B S M"],
        *,
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "B T C"]:
        (B, T, _), S = x.shape, memory.shape[1]
        H, K, D = self.n_heads, self.n_kv_heads, self.d_head
        q = self.q(x).view(B, T, H, D).transpose(1, 2)
        k, v = self.kv(memory).view(B, S, 2 * K, D).transpose(1, 2).split((K, K), 1)
        y = attention(q, k, v, mask=mask, dropout=self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(B, T, H * D))
