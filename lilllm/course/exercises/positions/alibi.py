"""ALiBi: a penalty for distance, another slope for each head."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(n_heads: int, T: int) -> Tensor:
    """Slopes 2^(-8/H), 2^(-16/H), ... 2^-8, times how far back the key is."""
    slope = 2.0 ** (-8.0 * torch.arange(1, n_heads + 1, dtype=torch.float64) / n_heads)  # (H,)
    place = torch.arange(T, dtype=torch.float64)
    back = place[:, None] - place  # (T, T): query minus key
    return torch.where(back < 0, -torch.inf, -slope[:, None, None] * back)


def by_loops(n_heads: int, T: int) -> Tensor:
    out = torch.full((n_heads, T, T), -torch.inf, dtype=torch.float64)
    for h in range(n_heads):
        for t in range(T):
            for s in range(t + 1):
                out[h, t, s] = (s - t) * 2.0 ** (-8.0 * (h + 1) / n_heads)
    return out


def by_cumulated_ones(n_heads: int, T: int) -> Tensor:
    start = 2.0 ** (-8.0 / n_heads)
    slope = torch.tensor([start ** (h + 1) for h in range(n_heads)], dtype=torch.float64)
    back = torch.ones(T, T, dtype=torch.float64).tril(-1).flip(-1).cumsum(-1).flip(-1)
    return (-slope.view(-1, 1, 1) * back).masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -torch.inf)


def by_outer(n_heads: int, T: int) -> Tensor:
    slope = torch.logspace(-8 / n_heads, -8, n_heads, base=2.0, dtype=torch.float64)
    ahead = torch.arange(T, dtype=torch.float64)[None] - torch.arange(T, dtype=torch.float64)[:, None]
    future = torch.full((T, T), -torch.inf, dtype=torch.float64).triu(1)
    return torch.einsum("h,ts->hts", slope, ahead.clamp(max=0.0)) + future


def bonus(n_heads: int, T: int) -> Tensor:
    return solution(n_heads, T).abs().where(~torch.isinf(solution(n_heads, T)), -torch.inf)


def not_causal(n_heads: int, T: int) -> Tensor:
    slope = 2.0 ** (-8.0 * torch.arange(1, n_heads + 1, dtype=torch.float64) / n_heads)
    place = torch.arange(T, dtype=torch.float64)
    return -slope[:, None, None] * (place[:, None] - place).abs()


def rewarding_the_future(n_heads: int, T: int) -> Tensor:
    slope = 2.0 ** (-8.0 * torch.arange(1, n_heads + 1, dtype=torch.float64) / n_heads)
    place = torch.arange(T, dtype=torch.float64)
    return -slope[:, None, None] * (place[:, None] - place)


def future_at_zero(n_heads: int, T: int) -> Tensor:
    return rewarding_the_future(n_heads, T).tril()


def slopes_from_one(n_heads: int, T: int) -> Tensor:
    return solution(n_heads, T) * 2.0 ** (8.0 / n_heads)


def eight_whatever(n_heads: int, T: int) -> Tensor:
    slope = 0.5 ** torch.arange(1, n_heads + 1, dtype=torch.float64)
    place = torch.arange(T, dtype=torch.float64)
    back = place[:, None] - place
    return torch.where(back < 0, -torch.inf, -slope[:, None, None] * back)


def one_slope(n_heads: int, T: int) -> Tensor:
    return solution(n_heads, T)[:1].expand(n_heads, T, T).clone()


def backwards(n_heads: int, T: int) -> Tensor:
    return solution(n_heads, T).flip(0)


def turned(n_heads: int, T: int) -> Tensor:
    return solution(n_heads, T).transpose(-2, -1).contiguous()


def off_by_one(n_heads: int, T: int) -> Tensor:
    slope = 2.0 ** (-8.0 * torch.arange(1, n_heads + 1, dtype=torch.float64) / n_heads)
    return solution(n_heads, T) - slope[:, None, None]


def single(n_heads: int, T: int) -> Tensor:
    return solution(n_heads, T).float()


def cases() -> Iterator[Case]:
    def case(n_heads: int, T: int, expected: object) -> Case:
        return Case((n_heads, T), torch.tensor(expected, dtype=torch.float64))

    inf = float("inf")
    # A token's distance to itself is 0.
    yield case(1, 1, [[[0.0]]])
    # One head: slope 2^-8 = 1/256.
    yield case(1, 2, [[[0.0, -inf], [-1 / 256, 0.0]]])
    # Two heads: slopes 1/16 and 1/256.
    yield case(2, 2, [[[0.0, -inf], [-1 / 16, 0.0]], [[0.0, -inf], [-1 / 256, 0.0]]])
    for n_heads, T in ((2, 3), (4, 3), (8, 5), (16, 4)):
        yield Case((n_heads, T), by_loops(n_heads, T))


EXERCISE = Exercise(
    task=(
        "Return ALiBi's bias (H, T, T), float64, to add to the scores of H = `n_heads` heads (a power of two): "
        "- slope_h * (t - s) where the key s is not after the query t, else -inf; the slopes are 2^(-8/H), "
        "2^(-16/H), ... 2^-8."
    ),
    call="alibi_bias(n_heads, T)",
    hints=(
        "Begin with distances (T, T): positions as a column minus positions as a row. Which sign has the past?",
        "The slopes are `2.0 ** (-8.0 * torch.arange(1, n_heads + 1) / n_heads)`: (H,). Give them two more axes.",
        "`torch.where(back < 0, -torch.inf, -slope[:, None, None] * back)`; make the numbers float64.",
    ),
    solution=solution,
    also_right=(by_loops, by_cumulated_ones, by_outer),
    mistakes=(
        Mistake(bonus, "Your bias grows with distance: what is far away loses, so it is -slope times the distance."),
        Mistake(
            rewarding_the_future,
            "Keys of the future get a bonus: they are behind the query, so their distance is negative. They need -inf.",
        ),
        Mistake(not_causal, "The future is penalised like the past: it may not be seen at all, -inf."),
        Mistake(
            future_at_zero, "The future has a bias of 0, as if it stood nearest: it may not be seen, so it needs -inf."
        ),
        Mistake(slopes_from_one, "Your first slope is 1: the first is 2^(-8/H), and the last 2^-8."),
        Mistake(
            eight_whatever,
            "Your slopes are 1/2, 1/4, ..., which is right for 8 heads: in general the ratio is 2^(-8/H).",
        ),
        Mistake(one_slope, "All heads have one slope: each has its own, so that some look near and some far."),
        Mistake(backwards, "The slopes are in the opposite order: the first head has the steepest."),
        Mistake(turned, "Queries and keys are exchanged: rows are queries, so the -inf stand to the right."),
        Mistake(off_by_one, "A token is at distance 0 from itself: your distances are one too large."),
        Mistake(single, "The right numbers in float32: float64 is asked for."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: bool((answer.diagonal(dim1=-2, dim2=-1) == 0).all()),
            "A token is at no distance from itself, so the diagonal is 0.",
        ),
    ),
)
