"""Attention: each query takes a mean of the values, weighted by how well it matches their keys.

    weights = softmax(q k^T * scale + bias)       scale = 1 / sqrt(D)
    out     = weights v

Read in order:  attention_reference (the formula as written), attention (the same through torch's fused kernels),
                additive_attention (the older score), flex (masks as code, where a compiler makes a kernel of them)
Shapes:         q (B, H, T, D), k (B, K, S, D), v (B, K, S, E); H is a multiple of K: query head h uses kv head h // G
Sources:        Vaswani et al. 2017, arXiv:1706.03762; Bahdanau et al. 2015, arXiv:1409.0473;
                Ainslie et al. 2023, arXiv:2305.13245 (grouped queries)
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from lilllm.layers.mask import causal as causal_mask


def attention_reference(
    q: Float[Tensor, "B H T D"],
    k: Float[Tensor, "B K S D"],
    v: Float[Tensor, "B K S E"],
    *,
    mask: Bool[Tensor, "..."] | None = None,
    causal: bool = False,
    bias: Float[Tensor, "..."] | None = None,
    scale: float | None = None,
) -> tuple[Float[Tensor, "B H T E"], Float[Tensor, "B H T S"]]:
    """The formula as written; gives the weights too."""
    _check(q, k, v, mask, bias, causal)
    (B, H, T, D), (K, S) = q.shape, k.shape[1:3]
    wide = torch.promote_types(q.dtype, torch.float32)
    q, k, v, dtype = q.to(wide), k.to(wide), v.to(wide), q.dtype
    scale = 1 / math.sqrt(D) if scale is None else scale
    # The G query heads of a kv head stand one below the other: one product, and no key is copied.
    scores = q.reshape(B, K, -1, D) @ k.mT * scale  # (B, K, G T, S)
    scores = scores.view(B, H, T, S)
    if bias is not None:
        scores = scores + bias
    if causal:
        mask = _and(mask, causal_mask(T, S, device=q.device))
    if mask is not None:  # finite, not -inf: a row of nothing but -inf would be NaN
        scores = scores.masked_fill(~mask, torch.finfo(wide).min)
    weights = scores.softmax(-1)
    if mask is not None:  # already 0, but for rows that may attend to nothing
        weights = weights.masked_fill(~mask, 0.0)
    out = weights.view(B, K, -1, S) @ v  # (B, K, G T, E)
    return out.view(B, H, T, -1).to(dtype), weights


def attention(
    q: Float[Tensor, "B H T D"],
    k: Float[Tensor, "B K S D"],
    v: Float[Tensor, "B K S E"],
    *,
    mask: Bool[Tensor, "..."] | None = None,
    causal: bool = False,
    bias: Float[Tensor, "..."] | None = None,
    scale: float | None = None,
    dropout: float = 0.0,
) -> Float[Tensor, "B H T E"]:
    """The same through ``scaled_dot_product_attention``: the weights never stand in memory."""
    _check(q, k, v, mask, bias, causal)
    (B, H, T, _), (K, S) = q.shape, k.shape[1:3]
    causal = causal and T > 1  # the last token sees all
    if causal and (mask is not None or bias is not None or T != S):
        mask, causal = _and(mask, causal_mask(T, S, device=q.device)), False
    given: Tensor | None = mask
    if bias is not None:
        given = bias.to(q.dtype)
        if mask is not None:
            given = given.masked_fill(~mask, -math.inf)
    if given is not None and given.dim() == 3:
        given = given[None]
    if T == 1 and K < H and given is None:  # the queries of a group as if they were places: a view, no key is copied
        out = F.scaled_dot_product_attention(q.reshape(B, K, -1, q.shape[-1]), k, v, dropout_p=dropout, scale=scale)
        return out.reshape(B, H, 1, -1)
    return F.scaled_dot_product_attention(
        q, k, v, attn_mask=given, dropout_p=dropout, is_causal=causal, scale=scale, enable_gqa=K < H
    )


def additive_attention(
    q: Float[Tensor, "*B T D"],
    k: Float[Tensor, "*B S E"],
    v: Float[Tensor, "*B S M"],
    w_q: Float[Tensor, "D A"],
    w_k: Float[Tensor, "E A"],
    w_v: Float[Tensor, "A"],
    mask: Bool[Tensor, "..."] | None = None,
) -> tuple[Float[Tensor, "*B T M"], Float[Tensor, "*B T S"]]:
    """Scores from a small network instead of a product: ``w_v . tanh(q w_q + k w_k)``."""
    hidden = torch.tanh((q @ w_q)[..., :, None, :] + (k @ w_k)[..., None, :, :])  # (..., T, S, A)
    scores = hidden @ w_v  # (..., T, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    return weights @ v, weights


def flex(
    q: Float[Tensor, "B H T D"],
    k: Float[Tensor, "B K S D"],
    v: Float[Tensor, "B K S E"],
    *,
    mask_mod,
    scale: float | None = None,
) -> Float[Tensor, "B H T E"]:
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    (B, H, T, _), (K, S) = q.shape, k.shape[1:3]
    blocks = create_block_mask(mask_mod, B, None, T, S, device=q.device)
    return flex_attention(q, k, v, block_mask=blocks, scale=scale, enable_gqa=K < H)


def _and(mask: Tensor | None, other: Tensor) -> Tensor:
    return other if mask is None else mask & other


def _check(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None, causal: bool) -> None:
    if q.dim() != 4 or k.dim() != 4 or v.dim() != 4:
        raise ValueError(
            f"q, k and v must be (B, heads, length, depth), not {tuple(q.shape)}, {tuple(k.shape)}, {tuple(v.shape)}"
        )
    if k.shape[:3] != v.shape[:3] or q.shape[0] != k.shape[0] or q.shape[-1] != k.shape[-1]:
        raise ValueError(f"q {tuple(q.shape)}, k {tuple(k.shape)} and v {tuple(v.shape)} do not belong together")
    if q.shape[1] % k.shape[1]:
        raise ValueError(f"{q.shape[1]} query heads cannot share {k.shape[1]} kv heads evenly")
    if causal and q.shape[2] > k.shape[2]:
        raise ValueError(f"causal: {q.shape[2]} queries cannot be the last of {k.shape[2]} keys")
    if mask is not None and (mask.dtype != torch.bool or mask.dim() not in (2, 4)):
        raise ValueError(
            f"mask must be bool, (T, S) or with four axes that broadcast to (B, H, T, S), "
            f"not {mask.dtype} {tuple(mask.shape)}"
        )
