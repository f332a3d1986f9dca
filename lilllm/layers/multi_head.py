"""Multi-head attention: several attentions side by side, each on its own few channels, then mixed.

    q, k, v = split(qkv(x))        norm and turn q and k, if asked
    y       = out(concat over heads of attention(q_h, k_h, v_h))

Read in order:  MultiHeadAttention (of a sequence on itself), CrossAttention (of a sequence on another)
Shapes:         C d_model, H heads, K kv heads, D d_head; H D need not be C
Conventions:    one matrix for queries, keys and values: its rows are all q heads, then all k heads, then all v heads.
                Order: QK-norm (over each head's D channels), then RoPE, as in Qwen3
Sources:        Vaswani et al. 2017, arXiv:1706.03762, section 3.2.2; Ainslie et al. 2023, arXiv:2305.13245 (K < H);
                Henry et al. 2020, arXiv:2010.04245 (QK-norm; here as root-mean-square norm with a gain)
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
    """Self-attention with weights: queries, keys and values of the same tokens.

    Args:
        n_kv_heads: K, how many heads of keys and values; each is shared by H / K query heads. None: H.
        d_head: D; None: d_model / n_heads.
        causal: tokens see themselves and what is before them only. False unless given: a decoder asks for it.
        bias, out_bias: of the projection to queries, keys and values, and of the one back.
        qk_norm: eps of a norm on each head's queries and keys, or None for none; qk_norm_cast_first as in `rms_norm`.
        window: how many keys a token sees, itself the last of them; None: all. Needs ``causal``.
        dropout: of attention weights, while training.
    Raises: ValueError: sizes that do not divide, or below 1; a window without ``causal``.
    Holds: without positions or ``causal``, tokens in another order give the same outputs in that order; with
        ``causal``, a token changes no output before it; with a cache, pieces give what the whole gives.

    >>> layer = MultiHeadAttention(8, 4, n_kv_heads=2, causal=True)
    >>> layer.qkv.weight.shape, layer(torch.zeros(1, 3, 8)).shape
    (torch.Size([16, 8]), torch.Size([1, 3, 8]))
    """

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
        self.n_heads, self.n_kv_heads, self.d_head = _heads(d_model, n_heads, n_kv_heads, d_head, dropout)
        if window is not None and window < 1:
            raise ValueError(f"window must be at least 1 (a token sees itself), not {window}")
        if window is not None and not causal:
            raise ValueError("a window looks back only: give causal=True with it")
        self.causal, self.window, self.dropout = causal, window, dropout
        rows = (self.n_heads + 2 * self.n_kv_heads) * self.d_head
        self.qkv = nn.Linear(d_model, rows, bias=bias, device=device, dtype=dtype)
        self.out = nn.Linear(self.n_heads * self.d_head, d_model, bias=out_bias, device=device, dtype=dtype)
        self.q_norm: RMSNorm | None = None
        self.k_norm: RMSNorm | None = None
        if qk_norm is not None:
            first = qk_norm_cast_first
            self.q_norm = RMSNorm(self.d_head, eps=qk_norm, cast_first=first, device=device, dtype=dtype)
            self.k_norm = RMSNorm(self.d_head, eps=qk_norm, cast_first=first, device=device, dtype=dtype)

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        *,
        mask: Bool[Tensor, "..."] | None = None,
        rope: tuple[Float[Tensor, "... T P"], Float[Tensor, "... T P"]] | None = None,
        bias: Float[Tensor, "..."] | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Float[Tensor, "B T C"]:
        """
        Args:
            mask: which keys are seen besides what ``causal`` and ``window`` say; over all S keys if there is a cache.
            rope: cosines and sines of the angles of these T tokens, (T, D/2) or (B, T, D/2) each.
            bias: added to scores, as that of `alibi.bias`; over all S keys.
            cache: keys and values of the tokens before these; this layer's are number ``layer`` in it. Under
                ``torch.no_grad()``; whoever calls the layers calls ``cache.advance(T)`` after the last.
        """
        _check_axes(x=x)
        B, T, _ = x.shape
        H, K, D = self.n_heads, self.n_kv_heads, self.d_head
        heads = self.qkv(x).view(B, T, H + 2 * K, D).transpose(1, 2)  # (B, H + 2K, T, D)
        qk, v = heads.split((H + K, K), 1)
        if self.q_norm is not None and self.k_norm is not None:
            q, k = qk.split((H, K), 1)
            qk = torch.cat((self.q_norm(q), self.k_norm(k)), 1)
        if rope is not None:
            qk = rotate(qk, *rope)  # queries and keys at once
        q, k = qk.split((H, K), 1)
        if cache is not None:
            k, v = cache.update(layer, k, v)
        causal = self.causal
        if self.window is not None and k.shape[2] > self.window:
            causal = False  # the window is
            first = max(0, k.shape[2] - T - self.window + 1)  # no query here sees a key before it
            k, v = k[:, :, first:], v[:, :, first:]
            mask, bias = _from(mask, first), _from(bias, first)
            if T > 1:
                within = sliding(T, k.shape[2], self.window, device=x.device)
                mask = within if mask is None else mask & within
        y = attention(q, k, v, mask=mask, causal=causal, bias=bias, dropout=self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(B, T, H * D))

    def extra_repr(self) -> str:
        text = f"n_heads={self.n_heads}, n_kv_heads={self.n_kv_heads}, d_head={self.d_head}, causal={self.causal}"
        return text + (f", window={self.window}" if self.window else "")


class CrossAttention(nn.Module):
    """Attention from one sequence to another: queries of ``x``, keys and values of ``memory``.

    Args:
        d_memory: channels of the memory; None: d_model.
        the others: as in `MultiHeadAttention`.
    Raises: ValueError: sizes that do not divide, or below 1.
    Holds: no output depends on the order of the memory's tokens (unless they carry positions).

    >>> CrossAttention(8, 2)(torch.zeros(1, 3, 8), torch.zeros(1, 5, 8)).shape
    torch.Size([1, 3, 8])
    """

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
        self.n_heads, self.n_kv_heads, self.d_head = _heads(d_model, n_heads, n_kv_heads, d_head, dropout)
        self.dropout = dropout
        d_memory = d_model if d_memory is None else d_memory
        self.q = nn.Linear(d_model, self.n_heads * self.d_head, bias=bias, device=device, dtype=dtype)
        self.kv = nn.Linear(d_memory, 2 * self.n_kv_heads * self.d_head, bias=bias, device=device, dtype=dtype)
        self.out = nn.Linear(self.n_heads * self.d_head, d_model, bias=out_bias, device=device, dtype=dtype)

    def forward(
        self,
        x: Float[Tensor, "B T C"],
        memory: Float[Tensor, "B S M"],
        *,
        mask: Bool[Tensor, "..."] | None = None,
    ) -> Float[Tensor, "B T C"]:
        _check_axes(x=x, memory=memory)
        (B, T, _), S = x.shape, memory.shape[1]
        if memory.shape[0] != B:
            raise ValueError(f"x has {B} rows and memory {memory.shape[0]}: each row of x looks at its own")
        H, K, D = self.n_heads, self.n_kv_heads, self.d_head
        q = self.q(x).view(B, T, H, D).transpose(1, 2)  # (B, H, T, D)
        k, v = self.kv(memory).view(B, S, 2 * K, D).transpose(1, 2).split((K, K), 1)  # (B, K, S, D) each
        y = attention(q, k, v, mask=mask, dropout=self.dropout if self.training else 0.0)
        return self.out(y.transpose(1, 2).reshape(B, T, H * D))

    def extra_repr(self) -> str:
        return f"n_heads={self.n_heads}, n_kv_heads={self.n_kv_heads}, d_head={self.d_head}"


def _heads(
    d_model: int, n_heads: int, n_kv_heads: int | None, d_head: int | None, dropout: float
) -> tuple[int, int, int]:
    n_kv_heads = n_heads if n_kv_heads is None else n_kv_heads
    if min(d_model, n_heads, n_kv_heads) < 1 or (d_head is not None and d_head < 1):
        raise ValueError(f"sizes must be at least 1: d_model {d_model}, heads {n_heads}, {n_kv_heads}, d_head {d_head}")
    if d_head is None and d_model % n_heads:
        raise ValueError(f"d_model {d_model} is no multiple of n_heads {n_heads}: give d_head, or other sizes")
    if n_heads % n_kv_heads:
        raise ValueError(f"n_heads {n_heads} is no multiple of n_kv_heads {n_kv_heads}: kv heads are shared evenly")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be from 0 up to, not including, 1, not {dropout}")
    return n_heads, n_kv_heads, d_model // n_heads if d_head is None else d_head


def _check_axes(**given: Tensor) -> None:
    for name, tensor in given.items():
        if tensor.dim() != 3:
            raise ValueError(f"{name} must be (batch, tokens, channels), not {tuple(tensor.shape)}")


def _from(x: Tensor | None, first: int) -> Tensor | None:
    """The keys from ``first`` on; one number for all keys stays."""
    return x if x is None or x.shape[-1] == 1 else x[..., first:]
