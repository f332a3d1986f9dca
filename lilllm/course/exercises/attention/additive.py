"""Bahdanau's scores: a small network for every pair."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    """Each query is added to each key in the hidden layer: (T, 1, A) + (1, S, A)."""
    hidden = torch.tanh((q @ w_q)[:, None] + (k @ w_k)[None])  # (T, S, A)
    return hidden @ v  # (T, S)


def pair_by_pair(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    return torch.stack([torch.stack([(a @ w_q + b @ w_k).tanh() @ v for b in k]) for a in q])


def joined(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    T, S = len(q), len(k)
    pairs = torch.cat((q[:, None].expand(T, S, -1), k.expand(T, S, -1)), -1)  # (T, S, D_q + D_k)
    return torch.tanh(pairs @ torch.cat((w_q, w_k))) @ v


def by_einsum(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    hidden = torch.einsum("td,da->ta", q, w_q).unsqueeze(1) + torch.einsum("sd,da->sa", k, w_k)
    return torch.einsum("tsa,a->ts", hidden.tanh(), v)


def without_tanh(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    return ((q @ w_q)[:, None] + (k @ w_k)) @ v


def tanh_apart(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    return ((q @ w_q).tanh()[:, None] + (k @ w_k).tanh()) @ v


def tanh_last(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    return (((q @ w_q)[:, None] + (k @ w_k)) @ v).tanh()


def product(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    return torch.tanh((q @ w_q)[:, None] * (k @ w_k)) @ v


def turned(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    return solution(q, k, w_q, w_k, v).T


def weights(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    return solution(q, k, w_q, w_k, v).softmax(-1)


def scaled(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    return solution(q, k, w_q, w_k, v) / q.shape[-1] ** 0.5


def summed(q: Tensor, k: Tensor, w_q: Tensor, w_k: Tensor, v: Tensor) -> Tensor:
    return torch.tanh((q @ w_q)[:, None] + (k @ w_k)).sum(-1)


def cases() -> Iterator[Case]:
    def case(q: object, k: object, w_q: object, w_k: object, v: object, expected: object) -> Case:
        numbers = [torch.tensor(x, dtype=torch.float64) for x in (q, k, w_q, w_k, v)]
        return Case(tuple(numbers), torch.tensor(expected, dtype=torch.float64))

    tanh1 = 0.7615941559557649
    # 1 * 1 + 0 * 1 = 1, and v doubles its tanh.
    yield case([[1.0]], [[0.0]], [[1.0]], [[1.0]], [2.0], [[2 * tanh1]])
    # What query and key cancel scores 0.
    yield case([[2.0]], [[-1.0]], [[1.0]], [[2.0]], [5.0], [[0.0]])
    # One query, two keys: sums 1 and 0.
    yield case([[1.0]], [[0.0], [-1.0]], [[1.0]], [[1.0]], [1.0], [[tanh1, 0.0]])
    draw = torch.Generator().manual_seed(3)
    for T, S, D_q, D_k, A in ((2, 2, 2, 2, 2), (3, 2, 2, 3, 4), (2, 5, 4, 2, 3), (4, 4, 3, 3, 6)):
        shapes = ((T, D_q), (S, D_k), (D_q, A), (D_k, A), (A,))
        numbers = [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes]
        q, k, w_q, w_k, v = numbers
        yield Case((q, k, w_q, w_k, v), pair_by_pair(q, k, w_q, w_k, v))


EXERCISE = Exercise(
    task=(
        "Return the additive scores (T, S) of `q` (T, D_q) and `k` (S, D_k): for every pair, "
        "tanh(q_t W_q + k_s W_k) . v, with `w_q` (D_q, A), `w_k` (D_k, A) and `v` (A,). Nothing is scaled or masked."
    ),
    call="additive_scores(q, k, w_q, w_k, v)",
    hints=(
        "Project all queries at once, (T, A), and all keys, (S, A). How do you add every one to every other?",
        "(T, 1, A) + (S, A) broadcasts to (T, S, A).",
        "`torch.tanh(...)` of the sum, then `@ v` sums over A.",
    ),
    solution=solution,
    also_right=(pair_by_pair, joined, by_einsum),
    mistakes=(
        Mistake(
            without_tanh,
            "There is no tanh: without it the query adds the same to all scores of its row, which softmax ignores.",
        ),
        Mistake(
            tanh_apart,
            "You take the tanh of query and key apart: then the query again adds the same to all scores of its row. "
            "Add first.",
        ),
        Mistake(tanh_last, "The tanh comes before the product with v, not after it: the scores may exceed 1."),
        Mistake(product, "You multiply query and key: additive attention adds their projections."),
        Mistake(turned, "This is (S, T): a row for each query, a column for each key."),
        Mistake(weights, "These are weights: return the scores, before the softmax."),
        Mistake(scaled, "You divide by sqrt(D_q): dot products need that, additive scores do not."),
        Mistake(summed, "You sum the hidden units: each counts with its weight in v."),
    ),
    cases=cases,
)
