"""Attention: each query takes a mean of the values, weighted by how well it matches their keys.

    weights = softmax(q k^T * scale + bias),   scale = 1 / sqrt(D)
    out     = weights v

Read in order:  attention_reference (the formula as written), attention (the same, the weights never whole in memory),
                additive_attention (the older score), flex (masks as code, where a compiler makes a kernel of them)
Shapes:         q (B, H, T, D), k (B, K, S, D), v (B, K, S, E). H is a multiple of K: query head h uses kv head
                h // G, G = H / K, as torch and Hugging Face's repeat_kv have it. K = H is multi-head, K = 1 multi-query
Conventions:    a boolean mask, True = may attend, (T, S) or four axes that broadcast to (B, H, T, S). ``causal``: the
                queries are the last T of the S keys, so that a piece after a cache is masked rightly (torch's is_causal
                counts from the first key). What may attend to nothing gives 0 and has zero gradients
Sources:        Vaswani et al. 2017, arXiv:1706.03762, section 3.2; Bahdanau et al. 2015, arXiv:1409.0473 (additive);
                Shazeer 2019, arXiv:1911.02150 (multi-query); Ainslie et al. 2023, arXiv:2305.13245 (grouped-query)
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

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
    """The formula as written. Gives the output, in q's dtype, and the weights, in float32.

    Args:
        mask: True where a query may attend; None: everywhere.
        causal: each query up to its own place only, the queries being the last of the keys; with ``mask``, both.
        bias: added to the scores after they are scaled: (T, S), (H, T, S), or four axes. -inf shuts out as a mask does.
        scale: of the products, 1 / sqrt(D) unless given.
    Numerics: all in float32 (float64 stays).
    Raises: ValueError: shapes that do not belong together; a mask that is not bool.
    Holds: weights are at least 0 and sum to 1 in each row that may attend to something; an output lies among the
        values; without a mask, the order of the keys (with their values) is nothing to it.

    >>> q, k = torch.tensor([[[[2.0]]]]), torch.tensor([[[[0.0], [math.log(3) / 2]]]])
    >>> out, weights = attention_reference(q, k, torch.tensor([[[[0.0], [4.0]]]]))
    >>> out.flatten(), weights.flatten()  # scores 0 and log 3: weights 1 to 3
    (tensor([3.0000]), tensor([0.2500, 0.7500]))
    """
    _check(q, k, v, mask, bias, causal)
    (B, H, T, D), (K, S), G = q.shape, k.shape[1:3], q.shape[1] // k.shape[1]
    wide, dtype = torch.promote_types(q.dtype, torch.float32), q.dtype
    q, k, v = q.to(wide), k.to(wide), v.to(wide)
    scale = 1 / math.sqrt(D) if scale is None else scale
    # The queries of the G heads that share a kv head stand one below the other: one product, and no key is repeated.
    scores = q.reshape(B, K, G * T, D) @ k.mT * scale  # (B, K, G T, S)
    scores = scores.view(B, H, T, S)
    if causal:
        mask = _and(mask, causal_mask(T, S, device=q.device))
    if bias is not None:
        scores = scores + bias
        mask = _and(mask, bias > -math.inf)
    if mask is not None:  # finite, not -inf: in a row of nothing but -inf softmax is NaN, and so its gradient
        scores = scores.masked_fill(~mask, torch.finfo(wide).min)
    weights = scores.softmax(-1)
    if mask is not None:  # they are 0 already, but for rows that may attend to nothing
        weights = weights.masked_fill(~mask, 0.0)
    out = weights.view(B, K, G * T, S) @ v  # (B, K, G T, E)
    return out.view(B, H, T, v.shape[-1]).to(dtype), weights


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
    """The same output as `attention_reference`, through torch's ``scaled_dot_product_attention``.

    Its kernels go over the keys in blocks with a running softmax, so that the (T, S) weights never stand in memory, and
    with ``causal`` skip the blocks that no query sees. So no mask is made where a flag will do: none for one query (the
    last token sees all keys), none where only ``causal`` is asked for and T = S. Shared keys are not repeated, unless
    no such kernel takes them shared (see `_shared`).

    Args:
        dropout: the chance with which a weight is dropped, drawn from torch's global generator; for training only.
        the others: as in `attention_reference`.
    Raises: ValueError: as in `attention_reference`.
    Numerics: a weight of 0 times NaN or infinity is NaN: a value that is one may show in rows that must not see it.
    Leaves out: second gradients, which the blocks' kernels have not; within ``sdpa_kernel(SDPBackend.MATH)`` of
        torch.nn.attention there are.
    Holds: equal to the reference, to the rounding of sums taken in another order.
    """
    _check(q, k, v, mask, bias, causal)
    (B, H, T, D), (K, S) = q.shape, k.shape[1:3]
    causal = causal and T > 1
    if causal and (mask is not None or bias is not None or T != S):
        mask, causal = _and(mask, causal_mask(T, S, device=q.device)), False
    given: Tensor | None = mask
    if bias is not None:
        given = bias.to(q.dtype) if mask is None else bias.to(q.dtype).masked_fill(~mask, -math.inf)
    if given is not None and given.dim() == 3:
        given = given[None]  # (1, H, T, S)
    run = functools.partial(F.scaled_dot_product_attention, is_causal=causal, dropout_p=dropout, scale=scale)
    if K == H:
        return run(q, k, v, attn_mask=given)
    if T != 1 and not _shared(q, given):
        return run(q, k.repeat_interleave(H // K, 1), v.repeat_interleave(H // K, 1), attn_mask=given)
    if T != 1:
        return run(q, k, v, attn_mask=given, enable_gqa=True)
    # One query a head: the G heads of a kv head as if they were places. A view, and each key is read once for all G.
    if given is not None and given.dim() == 4 and given.shape[1] == H:
        given = given.reshape(given.shape[0], K, H // K, given.shape[-1])
    return run(q.reshape(B, K, H // K, D), k, v, attn_mask=given).reshape(B, H, 1, v.shape[-1])


def additive_attention(
    q: Float[Tensor, "*B T D"],
    k: Float[Tensor, "*B S E"],
    v: Float[Tensor, "*B S M"],
    w_q: Float[Tensor, "D A"],
    w_k: Float[Tensor, "E A"],
    w_v: Float[Tensor, "A"],
    mask: Bool[Tensor, "..."] | None = None,
) -> tuple[Float[Tensor, "*B T M"], Float[Tensor, "*B T S"]]:
    """Scores from a small network instead of a product; the first attention of translation. Gives output and weights.

        score = w_v . tanh(q w_q + k w_k)

    Needs (T, S, A) numbers where the product needs (T, S), and queries and keys may be of different sizes. No division
    by a square root: tanh and ``w_v`` keep scores in bounds.

    Raises: ValueError: a mask that is not bool.

    >>> one = torch.ones(1, 1)
    >>> k = v = torch.tensor([[0.0], [9.0]])  # tanh 0 = 0, tanh 9 = 1 almost: weights 1 to e
    >>> additive_attention(torch.zeros(1, 1), k, v, one, one, torch.ones(1))[1]
    tensor([[0.2689, 0.7311]])
    """
    if mask is not None and mask.dtype != torch.bool:
        raise ValueError(f"mask must be bool (True = may attend), not {mask.dtype}")
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
    mask_mod: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] | None = None,
    block_mask: Any = None,
    scale: float | None = None,
) -> Float[Tensor, "B H T E"]:
    """Attention with a mask given as code, through torch's ``flex_attention``.

    ``mask_mod(b, h, i, j)`` says whether query i may attend to key j. On CUDA a kernel is compiled from it that skips
    blocks without a single pair: a window costs T w, not T^2, and documents the sum of their squares, where `attention`
    with a mask reads all T S of it. Elsewhere it runs uncompiled, all scores in memory: right, and slower than
    `attention`.

    A window of w:  ``lambda b, h, i, j: (j <= i) & (i - j < w)``
    Documents:      ``lambda b, h, i, j: (j <= i) & (ids[b, i] == ids[b, j])``

    Args:
        mask_mod: places are counted from the first query and the first key: where T < S, shift i by S - T yourself.
        block_mask: of ``torch.nn.attention.flex_attention.create_block_mask``, instead of ``mask_mod``: making one
            takes as long as attention, so make it once for all layers.
    Raises: ValueError: neither ``mask_mod`` nor ``block_mask``, or both; shapes that do not belong together.
    Source: Dong et al. 2024, arXiv:2412.05496.
    """
    from torch.nn.attention.flex_attention import create_block_mask

    _check(q, k, v, None, None, False)
    if (mask_mod is None) == (block_mask is None):
        raise ValueError("give mask_mod (code) or block_mask (made of it once), one of them")
    (B, H, T, _), (K, S) = q.shape, k.shape[1:3]
    if mask_mod is not None:
        block_mask = create_block_mask(mask_mod, B, None, T, S, device=str(q.device))
    return _flex_on(q.device.type)(q, k, v, block_mask=block_mask, scale=scale, enable_gqa=K < H)


@functools.cache
def _flex_on(device: str) -> Any:
    from torch.nn.attention.flex_attention import flex_attention

    return torch.compile(flex_attention) if device == "cuda" else flex_attention


def _shared(q: Tensor, given: Tensor | None) -> bool:
    """Whether a kernel that goes over the keys in blocks takes fewer heads of them than of queries. On CUDA that is
    the flash kernel, which takes no mask and no float32, and is for GPUs that have bfloat16 (its float16 is left to
    older ones, whose kernel does not share). For all else torch would put the whole (T, S) in memory, and not say so.
    """
    return q.device.type != "cuda" or (given is None and q.dtype == torch.bfloat16)


def _and(mask: Tensor | None, other: Tensor) -> Tensor:
    return other if mask is None else mask & other


def _check(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, bias: Tensor | None, causal: bool) -> None:
    if not q.dim() == k.dim() == v.dim() == 4:
        shapes = f"{tuple(q.shape)}, {tuple(k.shape)}, {tuple(v.shape)}"
        raise ValueError(f"q, k and v must have four axes (batch, heads, length, channels), not {shapes}")
    (B, H, T, D), (_, K, S, _) = q.shape, k.shape
    if k.shape[0] != B or k.shape[3] != D or v.shape[:3] != k.shape[:3]:
        raise ValueError(
            f"q (B, H, T, D), k (B, K, S, D) and v (B, K, S, E) must share B, D, K and S; "
            f"given {tuple(q.shape)}, {tuple(k.shape)}, {tuple(v.shape)}"
        )
    if H % K:
        raise ValueError(
            f"{H} query heads cannot share {K} kv heads evenly: the first must be a multiple of the second"
        )
    if causal and T > S:
        raise ValueError(f"causal: {T} queries cannot be the last of {S} keys")
    if mask is not None and (mask.dtype != torch.bool or not _fits(mask, (B, H, T, S), (2, 4))):
        raise ValueError(
            f"mask must be bool (True = may attend) and (T, S) or four axes that broadcast to (B, H, T, S) = "
            f"{(B, H, T, S)}, not {mask.dtype} {tuple(mask.shape)}"
        )
    if bias is not None and not _fits(bias, (B, H, T, S), (2, 3, 4)):
        raise ValueError(
            f"bias must be (T, S), (H, T, S) or four axes that broadcast to (B, H, T, S) = {(B, H, T, S)}, "
            f"not {tuple(bias.shape)}"
        )


def _fits(x: Tensor, whole: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether x broadcasts. Three axes of a mask are refused: (B, T, S) would be read as (H, T, S)."""
    last = whole[len(whole) - x.dim() :]
    return x.dim() in axes and all(given in (1, full) for given, full in zip(x.shape, last, strict=True))
