"""Scaled dot-product attention."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Scores, scaled; what may not be seen gets no weight; a weighted mean of the values."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (B, T, S)
    return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ v  # (B, T, D)


def by_torch(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def by_einsum(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    weights = torch.exp(torch.einsum("btd,bsd->bts", q, k) * q.shape[-1] ** -0.5) * mask
    return torch.einsum("bts,bsd->btd", weights / weights.sum(-1, keepdim=True), v)


def token_by_token(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    out = torch.empty(*q.shape[:-1], v.shape[-1], dtype=v.dtype)
    for b in range(q.shape[0]):
        for t in range(q.shape[1]):
            seen = mask[t].nonzero()[:, 0]
            weights = (k[b, seen] @ q[b, t] / math.sqrt(q.shape[-1])).softmax(0)
            out[b, t] = weights @ v[b, seen]
    return out


def not_scaled(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1)).masked_fill(~mask, -torch.inf).softmax(-1) @ v


def by_d(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1) / q.shape[-1]).masked_fill(~mask, -torch.inf).softmax(-1) @ v


def times_root(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = q @ k.transpose(-2, -1) * math.sqrt(q.shape[-1])
    return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ v


def by_length(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(k.shape[1])
    return scores.masked_fill(~mask, -torch.inf).softmax(-1) @ v


def after_the_softmax(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)
    return weights.masked_fill(~mask, 0.0) @ v


def not_masked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v


def thrown_away(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = q @ k.transpose(-2, -1)
    scores.masked_fill(~mask, -torch.inf)
    return scores.softmax(-1) @ v


def mask_turned_around(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).masked_fill(mask, -torch.inf).softmax(-1) @ v


def torch_turned_around(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=~mask)


def zero_scores(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) * mask).softmax(-1) @ v


def over_queries(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return scores.masked_fill(~mask, -torch.inf).softmax(-2).nan_to_num() @ v


def no_softmax(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1]) * mask) @ v


def weights_alone(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).masked_fill(~mask, -torch.inf).softmax(-1)


def cases() -> Iterator[Case]:
    def case(q: object, k: object, v: object, mask: object, expected: object) -> Case:
        numbers = [torch.tensor(x, dtype=torch.float64) for x in (q, k, v)]
        return Case((*numbers, torch.tensor(mask)), torch.tensor(expected, dtype=torch.float64))

    # One key: all the weight is on it, whatever its score.
    yield case([[[3.0]]], [[[2.0]]], [[[7.0]]], [[True]], [[[7.0]]])
    # Equal scores: the mean of the values.
    yield case([[[0.0, 0.0]]], [[[1.0, 2.0], [3.0, 4.0]]], [[[2.0], [6.0]]], [[True, True]], [[[4.0]]])
    # Scores 0 and ln 3 after the division by sqrt(4) = 2: weights 1/4 and 3/4.
    ln3 = math.log(3.0)
    yield case(
        [[[2.0, 0.0, 0.0, 0.0]]],
        [[[0.0, 0.0, 0.0, 0.0], [ln3, 0.0, 0.0, 0.0]]],
        [[[0.0], [4.0]]],
        [[True, True]],
        [[[3.0]]],
    )
    # The second key is hidden from the first query, and what it holds is lost there.
    yield case(
        [[[1.0], [0.0]]],
        [[[0.0], [9.0]]],
        [[[1.0, 10.0], [3.0, 30.0]]],
        [[True, False], [True, True]],
        [[[1.0, 10.0], [2.0, 20.0]]],
    )
    draw = torch.Generator().manual_seed(5)
    for B, T, S, D in ((1, 3, 3, 2), (2, 4, 4, 3), (2, 3, 5, 4), (3, 5, 5, 8)):
        q, k, v = (torch.randn(B, n, D, generator=draw, dtype=torch.float64) for n in (T, S, S))
        mask = torch.ones(T, S, dtype=torch.bool).tril(S - T)
        yield Case((q, k, v, mask), token_by_token(q, k, v, mask))


def _between(arguments: tuple[Tensor, ...], answer: Tensor) -> bool:
    v = arguments[2]
    low, high = v.amin(1, keepdim=True), v.amax(1, keepdim=True)
    return bool(((answer >= low - 1e-9) & (answer <= high + 1e-9)).all())


EXERCISE = Exercise(
    task=(
        "Attention: for `q` (B, T, D), `k` and `v` (B, S, D) and `mask` (T, S), True where a query may look, return "
        "the mean of the values (B, T, D) under the softmax of the scaled scores. Every query may look somewhere."
    ),
    call="attention(q, k, v, mask)",
    hints=(
        "Scores first: every query with every key, (B, T, S). `k.transpose(-2, -1)` puts the channels where `@` wants "
        "them. By what are they divided?",
        "What may not be seen has to have weight 0 after the softmax, and the other weights have to add up to 1. Which "
        "score does that?",
        "`scores.masked_fill(~mask, -torch.inf).softmax(-1) @ v`; and `masked_fill` returns a new tensor.",
    ),
    solution=solution,
    also_right=(by_torch, by_einsum, token_by_token),
    mistakes=(
        Mistake(not_scaled, "You forgot to divide the scores by sqrt(D): the softmax is too sharp."),
        Mistake(by_d, "You divide by D: the variance of a score is D, so its root, sqrt(D), brings it to 1."),
        Mistake(times_root, "You multiply the scores by sqrt(D): they are to be divided by it."),
        Mistake(
            by_length, "You divide by the root of the number of keys: it is the number of channels, D, that counts."
        ),
        Mistake(
            after_the_softmax,
            "Your mask is applied after the softmax: rows no longer sum to one, and what is hidden still takes its "
            "share of the weight. Put -inf into the scores before it.",
        ),
        Mistake(not_masked, "The mask is not used: every query sees every key."),
        Mistake(
            thrown_away,
            "The result of `masked_fill` is thrown away (`masked_fill_`, with the underscore, works in place); nor are "
            "the scores divided by sqrt(D).",
        ),
        Mistake(mask_turned_around, "The mask is turned around: True is where a query may look."),
        Mistake(
            torch_turned_around,
            "You hand torch the mask turned around: `scaled_dot_product_attention` takes True where a query may look, "
            "as here (`nn.MultiheadAttention` has it the other way).",
        ),
        Mistake(
            zero_scores,
            "You give what is hidden the score 0: e^0 is 1, so it still gets weight. A score of -inf gets none.",
        ),
        Mistake(
            over_queries,
            "Your softmax runs over the queries (axis -2): the weights of a query over the keys sum to one, axis -1.",
        ),
        Mistake(no_softmax, "There is no softmax: the weights of a query do not sum to one, and can be negative."),
        Mistake(weights_alone, "These are the weights (B, T, S): multiply them with the values."),
    ),
    cases=cases,
    properties=(
        Property(
            _between,
            "An answer of yours lies outside of all values: a mean with weights that sum to one cannot.",
        ),
    ),
)
