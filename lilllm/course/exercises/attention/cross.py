"""Cross-attention: one text asks another."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    """Queries from one, keys and values from the other; nobody is in anybody's future."""
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v  # (B, T, D), (B, S, D), (B, S, D)
    weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1)  # (B, T, S)
    return weights @ v


def by_torch(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(x @ w_q, memory @ w_k, memory @ w_v)


def one_by_one(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    rows = []
    for text, other in zip(x, memory, strict=True):
        asked = [torch.stack([(t @ w_q) @ (s @ w_k) for s in other]) / math.sqrt(w_q.shape[1]) for t in text]
        rows.append(torch.stack([score.softmax(0) @ (other @ w_v) for score in asked]))
    return torch.stack(rows)


def by_einsum(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    scores = torch.einsum("btc,cd,ed,bse->bts", x, w_q, w_k, memory) / w_q.shape[1] ** 0.5
    return torch.einsum("bts,bse,ed->btd", scores.softmax(-1), memory, w_v)


def values_of_x(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    q, k, v = x @ w_q, memory @ w_k, x @ w_v
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ v


def itself(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return solution(x, x, w_q, w_k, w_v)


def other_way(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return solution(memory, x, w_q, w_k, w_v)


def causal(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return functional.scaled_dot_product_attention(x @ w_q, memory @ w_k, memory @ w_v, is_causal=True)


def not_scaled(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return ((x @ w_q) @ (memory @ w_k).transpose(-2, -1)).softmax(-1) @ (memory @ w_v)


def scaled_by_width(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    scores = (x @ w_q) @ (memory @ w_k).transpose(-2, -1)
    return (scores / math.sqrt(x.shape[-1])).softmax(-1) @ (memory @ w_v)


def over_queries(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(1) @ v


def memory_itself(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    q, k = x @ w_q, memory @ w_k
    return (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(-1) @ memory


def keys_as_values(x: Tensor, memory: Tensor, w_q: Tensor, w_k: Tensor, w_v: Tensor) -> Tensor:
    return solution(x, memory, w_q, w_k, w_k)


def cases() -> Iterator[Case]:
    def case(x: object, memory: object, w_q: object, w_k: object, w_v: object, expected: object) -> Case:
        numbers = [torch.tensor(one, dtype=torch.float64) for one in (x, memory, w_q, w_k, w_v)]
        return Case(tuple(numbers), torch.tensor(expected, dtype=torch.float64))

    ln3 = math.log(3.0)
    # One token of memory: its value, whatever is asked.
    yield case([[[5.0]]], [[[2.0]]], [[1.0]], [[1.0]], [[3.0]], [[[6.0]]])
    # A query of zero asks nothing: the mean of the values, 2 and 4 times 10.
    yield case([[[0.0]]], [[[2.0], [4.0]]], [[1.0]], [[1.0]], [[10.0]], [[[30.0]]])
    # Scores 0 and ln 3: weights 1/4 and 3/4 on the values 0 and 4.
    yield case([[[1.0]]], [[[0.0], [4.0]]], [[ln3]], [[0.25]], [[1.0]], [[[3.0]]])
    draw = torch.Generator().manual_seed(7)
    for B, T, S, C, D in ((1, 2, 3, 2, 2), (2, 3, 3, 4, 2), (2, 3, 5, 3, 4), (1, 4, 2, 2, 3)):
        shapes = ((B, T, C), (B, S, C), (C, D), (C, D), (C, D))
        x, memory, w_q, w_k, w_v = (torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes)
        yield Case((x, memory, w_q, w_k, w_v), one_by_one(x, memory, w_q, w_k, w_v))


EXERCISE = Exercise(
    task=(
        "Cross-attention: the tokens of `x` (B, T, C) look at those of `memory` (B, S, C), all of them. The weights "
        "`w_q`, `w_k` and `w_v` are (C, D); return (B, T, D)."
    ),
    call="cross_attention(x, memory, w_q, w_k, w_v)",
    hints=(
        "Who asks, and who is asked? The one gives the queries, the other both the keys and the values.",
        "Scores are (B, T, S): a row for each token of `x`. They are divided by the root of a query's width.",
        "`q, k, v = x @ w_q, memory @ w_k, memory @ w_v`, then as in self-attention, without a causal mask.",
    ),
    solution=solution,
    also_right=(by_torch, one_by_one, by_einsum),
    mistakes=(
        Mistake(values_of_x, "Your values come from `x`: both keys and values are the memory's."),
        Mistake(itself, "This is self-attention of `x`: the memory is not used."),
        Mistake(other_way, "It is the wrong way round: the memory asks `x`. The queries are those of `x`."),
        Mistake(
            causal, "You use a causal mask: the memory is all there from the start, so every token sees all of it."
        ),
        Mistake(not_scaled, "You forgot to divide the scores by sqrt(D)."),
        Mistake(scaled_by_width, "You divide by sqrt(C), the width of the input: queries and keys have D channels."),
        Mistake(
            over_queries, "Your softmax runs over the queries: the weights of each query over the memory sum to one."
        ),
        Mistake(memory_itself, "You take the mean of the memory itself: its values are `memory @ w_v`."),
        Mistake(keys_as_values, "You take the keys for values: `w_v` is not used."),
    ),
    cases=cases,
)
