"""The table of sines and cosines."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(T: int, C: int) -> Tensor:
    """Pair i turns by 10000^(-2i/C) a position; its sine and cosine lie side by side."""
    place = torch.arange(T, dtype=torch.float64)[:, None]  # (T, 1)
    angle = place * 10000.0 ** (-torch.arange(0, C, 2, dtype=torch.float64) / C)  # (T, C/2)
    table = torch.empty(T, C, dtype=torch.float64)
    table[:, 0::2], table[:, 1::2] = angle.sin(), angle.cos()
    return table


def by_stack(T: int, C: int) -> Tensor:
    rate = torch.exp(torch.arange(0, C, 2, dtype=torch.float64) * (-math.log(10000.0) / C))
    angle = torch.outer(torch.arange(T, dtype=torch.float64), rate)
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)


def by_loops(T: int, C: int) -> Tensor:
    table = torch.zeros(T, C, dtype=torch.float64)
    for t in range(T):
        for c in range(C):
            angle = t / 10000.0 ** ((c - c % 2) / C)
            table[t, c] = math.cos(angle) if c % 2 else math.sin(angle)
    return table


def by_complex_powers(T: int, C: int) -> Tensor:
    angle = torch.arange(T, dtype=torch.float64)[:, None] * torch.pow(
        10000.0, -torch.arange(C // 2, dtype=torch.float64) / (C // 2)
    )
    turn = torch.polar(torch.ones_like(angle), angle)
    return torch.view_as_real(turn).flip(-1).reshape(T, C)


def halves(T: int, C: int) -> Tensor:
    table = solution(T, C)
    return torch.cat((table[:, 0::2], table[:, 1::2]), dim=-1)


def cosine_first(T: int, C: int) -> Tensor:
    return solution(T, C).view(T, C // 2, 2).flip(-1).reshape(T, C)


def channel_for_pair(T: int, C: int) -> Tensor:
    angle = torch.arange(T, dtype=torch.float64)[:, None] * 10000.0 ** (-torch.arange(C, dtype=torch.float64) / C)
    table = angle.sin()
    table[:, 1::2] = angle[:, 1::2].cos()
    return table


def pair_without_two(T: int, C: int) -> Tensor:
    rate = 10000.0 ** (-torch.arange(C // 2, dtype=torch.float64) / C)
    angle = torch.arange(T, dtype=torch.float64)[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)


def from_one(T: int, C: int) -> Tensor:
    return solution(T + 1, C)[1:]


def growing(T: int, C: int) -> Tensor:
    rate = 10000.0 ** (torch.arange(0, C, 2, dtype=torch.float64) / C)
    angle = torch.arange(T, dtype=torch.float64)[:, None] * rate
    return torch.stack((angle.sin(), angle.cos()), dim=-1).flatten(-2)


def sine_alone(T: int, C: int) -> Tensor:
    angle = torch.arange(T, dtype=torch.float64)[:, None] * 10000.0 ** (-torch.arange(C, dtype=torch.float64) / C)
    return angle.sin()


def turned(T: int, C: int) -> Tensor:
    return solution(T, C).T


def single(T: int, C: int) -> Tensor:
    return solution(T, C).float()


def cases() -> Iterator[Case]:
    # Position 0: every sine is 0, every cosine 1.
    yield Case((1, 2), torch.tensor([[0.0, 1.0]], dtype=torch.float64))
    # One pair alone turns by 1 a position.
    yield Case((2, 2), torch.tensor([[0.0, 1.0], [math.sin(1.0), math.cos(1.0)]], dtype=torch.float64))
    # The second of two pairs turns a hundredth as fast: 10000^(-2/4) = 1/100.
    yield Case(
        (2, 4),
        torch.tensor(
            [[0.0, 1.0, 0.0, 1.0], [math.sin(1.0), math.cos(1.0), math.sin(0.01), math.cos(0.01)]], dtype=torch.float64
        ),
    )
    for T, C in ((3, 6), (5, 8), (12, 16)):
        yield Case((T, C), by_loops(T, C))


EXERCISE = Exercise(
    task=(
        "Return the sinusoidal table (`T`, `C`), float64, C even: at position t (from 0) channel 2i holds "
        "sin(t / 10000^(2i/C)) and channel 2i + 1 the cosine of the same angle."
    ),
    call="sinusoidal(T, C)",
    hints=(
        "There are C / 2 angles a position. Make them first, (T, C / 2): an outer product of positions and rates.",
        "`torch.arange(0, C, 2)` is 2i for every pair, so the rates are `10000.0 ** (-torch.arange(0, C, 2) / C)`.",
        "Fill `table[:, 0::2]` with the sines and `table[:, 1::2]` with the cosines. Which dtype has your arange?",
    ),
    solution=solution,
    also_right=(by_stack, by_loops, by_complex_powers),
    mistakes=(
        Mistake(
            halves,
            "All sines lie before all cosines in yours. Code often does that, and a model cannot tell; but here sine "
            "and cosine of an angle are to lie side by side, as in the paper.",
        ),
        Mistake(cosine_first, "Cosines stand where sines belong: the even channels hold the sines."),
        Mistake(
            channel_for_pair,
            "Every channel has an angle of its own in yours: the channels 2i and 2i + 1 share one, or no rotation "
            "takes one position to the next.",
        ),
        Mistake(pair_without_two, "The exponent lacks its 2: it is 2i / C, and runs from 0 to nearly 1."),
        Mistake(from_one, "Your positions start at 1: the first is 0, whose sines are all 0."),
        Mistake(growing, "You multiply by 10000^(2i/C): the angle is divided by it, so later pairs turn slower."),
        Mistake(sine_alone, "There are only sines: a sine alone does not say where on the circle one is."),
        Mistake(turned, "This is (C, T): a row for each position."),
        Mistake(single, "The right numbers in float32: make the positions and rates float64."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: bool(
                torch.allclose(answer.square().sum(-1), torch.full((arguments[0],), arguments[1] / 2).double())
            ),
            "Each sine and its cosine are on a circle, so the squares of a row have to add up to C / 2.",
        ),
    ),
)
