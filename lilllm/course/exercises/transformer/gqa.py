"""Grouped-query attention: several query heads share keys and values."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Query heads 0 to G-1 read key-value head 0, the next G head 1: cut the heads into groups, and copy nothing."""
    B, H, T, D = q.shape
    groups = q.view(B, k.shape[1], -1, T, D)  # (B, K, G, T, D)
    scores = groups @ k[:, :, None].transpose(-2, -1) / math.sqrt(D)  # (B, K, G, T, T)
    hidden = torch.ones(T, T, dtype=torch.bool).triu(1)
    out = scores.masked_fill(hidden, -torch.inf).softmax(-1) @ v[:, :, None]  # (B, K, G, T, D)
    return out.reshape(B, H, T, D)


def by_torch(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)


def by_repeat(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    G = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(G, dim=1), v.repeat_interleave(G, dim=1)
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def head_by_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    G, (T, D) = q.shape[1] // k.shape[1], q.shape[2:]
    out = []
    for h in range(q.shape[1]):
        scores = torch.einsum("btd,bsd->bts", q[:, h], k[:, h // G]) / math.sqrt(D)
        scores = scores + torch.full((T, T), -torch.inf, dtype=q.dtype).triu(1)
        out.append(scores.softmax(-1) @ v[:, h // G])
    return torch.stack(out, dim=1)


def tiled(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    G = q.shape[1] // k.shape[1]
    return functional.scaled_dot_product_attention(q, k.repeat(1, G, 1, 1), v.repeat(1, G, 1, 1), is_causal=True)


def first_head(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k[:, :1], v[:, :1], is_causal=True)


def not_causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)


def not_scaled(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True, scale=1.0)


def queries_averaged(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    groups = q.unflatten(1, (k.shape[1], -1)).mean(2)
    return functional.scaled_dot_product_attention(groups, k, v, is_causal=True)


def not_joined(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return by_repeat(q, k, v).unflatten(1, (k.shape[1], -1))


def values_tiled(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    G = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(G, dim=1), v.repeat(1, G, 1, 1)
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True)


def cases() -> Iterator[Case]:
    def case(*given: object) -> Case:
        *arguments, expected = (torch.tensor(one, dtype=torch.float64) for one in given)
        return Case(tuple(arguments), expected)

    # One token sees itself: its value, for both heads of the group.
    yield case([[[[3.0]], [[5.0]]]], [[[[1.0]]]], [[[[7.0]]]], [[[[7.0]], [[7.0]]]])
    # Four query heads, two of keys and values: the first two read the first.
    yield case(
        [[[[1.0]], [[1.0]], [[1.0]], [[1.0]]]],
        [[[[1.0]], [[1.0]]]],
        [[[[2.0]], [[9.0]]]],
        [[[[2.0]], [[2.0]], [[9.0]], [[9.0]]]],
    )
    # Two tokens, scores 0 and ln 3 for the second: weights 1/4 and 3/4.
    ln3 = math.log(3.0)
    yield case([[[[1.0], [1.0]]]], [[[[0.0], [ln3]]]], [[[[4.0], [8.0]]]], [[[[4.0], [7.0]]]])
    draw = torch.Generator().manual_seed(1)
    for B, H, K, T, D in ((1, 4, 2, 2, 2), (1, 2, 2, 3, 2), (2, 6, 2, 3, 4), (2, 4, 1, 5, 3), (1, 6, 3, 4, 2)):
        shapes = ((B, H, T, D), (B, K, T, D), (B, K, T, D))
        q, k, v = (torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes)
        yield Case((q, k, v), head_by_head(q, k, v))


EXERCISE = Exercise(
    task=(
        "Causal grouped-query attention: `q` (B, H, T, D) with H heads, `k` and `v` (B, K, T, D) with K; H / K "
        "neighbouring query heads share a key-value head, and all are scaled. Return (B, H, T, D)."
    ),
    call="attention_gqa(q, k, v)",
    hints=(
        "With 4 query heads and 2 key-value heads, the query heads 0 and 1 read head 0, and 2 and 3 read head 1.",
        "Either repeat each key-value head H / K times, side by side; or see the queries as (B, K, H / K, T, D).",
        "`repeat_interleave` gives 0, 0, 1, 1; `repeat` gives 0, 1, 0, 1. Then attention as ever, causal.",
    ),
    solution=solution,
    also_right=(by_torch, by_repeat, head_by_head),
    mistakes=(
        Mistake(
            tiled,
            "Your heads are 0, 1, 0, 1 (`repeat`): neighbours share a head, 0, 0, 1, 1, as `repeat_interleave` gives. "
            "Both run; loaded weights work with the one only.",
        ),
        Mistake(first_head, "All queries read the first key-value head: that is multi-query attention, K = 1."),
        Mistake(not_causal, "There is no causal mask: tokens see the future."),
        Mistake(not_scaled, "You forgot to divide the scores by sqrt(D)."),
        Mistake(
            queries_averaged,
            "You return K heads: it is keys and values that are shared; each query head keeps its own.",
        ),
        Mistake(not_joined, "Your groups are still apart, (B, K, G, T, D): join them into (B, H, T, D)."),
        Mistake(values_tiled, "Keys and values are repeated in different orders: both as 0, 0, 1, 1."),
    ),
    cases=cases,
)
