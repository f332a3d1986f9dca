"""Weights of the one layout of RoPE made ready for the other."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(weight: Tensor, n_heads: int) -> Tensor:
    """Within each head, the first channels of all pairs, then the second ones."""
    rows, C = weight.shape
    pairs = weight.view(n_heads, rows // n_heads // 2, 2, C)  # (H, D/2, 2, C)
    return pairs.transpose(1, 2).reshape(rows, C)


def by_slices(weight: Tensor, n_heads: int) -> Tensor:
    return torch.cat([torch.cat((head[0::2], head[1::2])) for head in weight.chunk(n_heads)])


def by_index(weight: Tensor, n_heads: int) -> Tensor:
    D = weight.shape[0] // n_heads
    order = torch.arange(D).view(D // 2, 2).T.flatten()
    return weight[(torch.arange(n_heads)[:, None] * D + order).flatten()]


def by_permute(weight: Tensor, n_heads: int) -> Tensor:
    return weight.unflatten(0, (n_heads, -1, 2)).permute(0, 2, 1, 3).flatten(0, 2)


def across_heads(weight: Tensor, n_heads: int) -> Tensor:
    return torch.cat((weight[0::2], weight[1::2]))


def back(weight: Tensor, n_heads: int) -> Tensor:
    rows, C = weight.shape
    return weight.reshape(n_heads, 2, rows // n_heads // 2, C).transpose(1, 2).reshape(rows, C)


def columns(weight: Tensor, n_heads: int) -> Tensor:
    return solution(weight.T, n_heads).T


def columns_of_all(weight: Tensor, n_heads: int) -> Tensor:
    return torch.cat((weight[:, 0::2], weight[:, 1::2]), 1)


def no_transpose(weight: Tensor, n_heads: int) -> Tensor:
    return weight.clone()


def second_first(weight: Tensor, n_heads: int) -> Tensor:
    return torch.cat([torch.cat((head[1::2], head[0::2])) for head in weight.chunk(n_heads)])


def pairs_turned(weight: Tensor, n_heads: int) -> Tensor:
    return weight.unflatten(0, (n_heads, -1, 2)).flip(2).flatten(0, 2)


def cases() -> Iterator[Case]:
    def rows(*names: float) -> Tensor:
        return torch.tensor(names, dtype=torch.float64)[:, None] * torch.tensor([1.0, 10.0, 100.0, 1000.0]).double()

    # One pair: nothing to move.
    yield Case((rows(1, 2), 1), rows(1, 2))
    # Two pairs (1, 2) and (3, 4): the first ones 1 and 3, then 2 and 4.
    yield Case((rows(1, 2, 3, 4), 1), rows(1, 3, 2, 4))
    # Two heads of one pair each, again nothing to move.
    yield Case((rows(1, 2, 3, 4), 2), rows(1, 2, 3, 4))
    yield Case((rows(1, 2, 3, 4, 5, 6), 1), rows(1, 3, 5, 2, 4, 6))
    yield Case((rows(1, 2, 3, 4, 5, 6, 7, 8), 2), rows(1, 3, 2, 4, 5, 7, 6, 8))
    for H, D, C in ((1, 4, 4), (2, 6, 12), (4, 8, 32)):
        weight = torch.arange(float(H * D * C), dtype=torch.float64).view(H * D, C)
        yield Case((weight, H), by_slices(weight, H))


EXERCISE = Exercise(
    task=(
        "`weight` (H * D, C) projects to the queries of H = `n_heads` heads, and was trained with RoPE on the pairs "
        "(2i, 2i + 1) of each head. Order its rows so that the same model works with the pairs (i, i + D/2)."
    ),
    call="to_half(weight, n_heads)",
    hints=(
        "Take one head of 4 rows: its pairs are (0, 1) and (2, 3). Where do they have to stand, so that (0, 2) and "
        "(1, 3) are pairs?",
        "The first ones of all pairs, then the second ones: rows 0, 2, 1, 3. In every head by itself.",
        "See the rows as (H, D/2, 2), exchange the last two of these axes, and flatten again.",
    ),
    solution=solution,
    also_right=(by_slices, by_index, by_permute),
    mistakes=(
        Mistake(across_heads, "You order the rows of all heads together: a head's channels have to stay in that head."),
        Mistake(
            back,
            "This is the way back, from half-split to interleaved. See the rows as (H, D/2, 2) and not as (H, 2, D/2).",
        ),
        Mistake(columns, "You order the columns, which are the channels of the input: the rows make the queries."),
        Mistake(
            columns_of_all,
            "It is the columns that you order, all at once: leave them, and order the rows of each head.",
        ),
        Mistake(
            no_transpose, "Nothing has moved: reshaping there and back changes no order without a transpose between."
        ),
        Mistake(second_first, "The second channels of the pairs come first: a pair that is exchanged turns backwards."),
        Mistake(
            pairs_turned, "You exchange the two rows within each pair: bring the first ones of all pairs together."
        ),
    ),
    cases=cases,
)
