"""RoPE: every pair of channels turned by the angle of its position."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def _angles(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    half = x.shape[-1] // 2
    return positions[:, None] * theta ** (-torch.arange(half, dtype=x.dtype) / half)  # (T, D/2)


def solution(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    """Channel i and channel i + D/2 are one arrow in the plane."""
    angle = _angles(x, positions, theta)
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), dim=-1)


def by_complex(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    half = x.shape[-1] // 2
    arrow = torch.complex(x[:, :half].contiguous(), x[:, half:].contiguous())
    angle = _angles(x, positions, theta)
    turned = arrow * torch.polar(torch.ones_like(angle), angle)
    return torch.cat((turned.real, turned.imag), dim=-1)


def by_rotate_half(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    angle = _angles(x, positions, theta).repeat(1, 2)
    a, b = x.chunk(2, dim=-1)
    return x * angle.cos() + torch.cat((-b, a), dim=-1) * angle.sin()


def by_matrix(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    out, half = x.clone(), x.shape[-1] // 2
    for t, angles in enumerate(_angles(x, positions, theta)):
        for i, angle in enumerate(angles):
            c, s = angle.cos(), angle.sin()
            pair = [i, i + half]
            out[t, pair] = torch.stack((torch.stack((c, -s)), torch.stack((s, c)))) @ x[t, pair]
    return out


def interleaved(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    angle = _angles(x, positions, theta)
    a, b = x[:, 0::2], x[:, 1::2]
    return torch.stack((a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()), dim=-1).flatten(-2)


def other_way(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    return solution(x, -positions, theta)


def same_sign(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    angle = _angles(x, positions, theta)
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * angle.cos() + b * angle.sin(), b * angle.cos() + a * angle.sin()), dim=-1)


def overwritten(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    angle = _angles(x, positions, theta)
    a, b = x.chunk(2, dim=-1)
    a = a * angle.cos() - b * angle.sin()
    b = b * angle.cos() + a * angle.sin()
    return torch.cat((a, b), dim=-1)


def counted_from_zero(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    return solution(x, torch.arange(len(positions), dtype=positions.dtype), theta)


def fixed_theta(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    return solution(x, positions, 10000.0)


def half_the_exponent(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    return solution(x, positions, theta**0.5)


def added(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    angle = _angles(x, positions, theta)
    return x + torch.cat((angle.sin(), angle.cos()), dim=-1)


def stretched(x: Tensor, positions: Tensor, theta: float) -> Tensor:
    angle = _angles(x, positions, theta)
    return x * torch.cat((angle.cos(), angle.sin()), dim=-1)


def cases() -> Iterator[Case]:
    def case(x: object, positions: object, theta: float, expected: object) -> Case:
        numbers = [torch.tensor(one, dtype=torch.float64) for one in (x, positions)]
        return Case((*numbers, theta), torch.tensor(expected, dtype=torch.float64))

    right = torch.pi / 2
    # A quarter turn: what points along the first channel points along the second.
    yield case([[1.0, 0.0]], [right], 10000.0, [[0.0, 1.0]])
    # Position 0 turns nothing.
    yield case([[3.0, 4.0]], [0.0], 10000.0, [[3.0, 4.0]])
    # Four channels are the pairs (0, 2) and (1, 3); with theta 4 the second turns by 1/2 a position.
    yield case([[1.0, 1.0, 0.0, 0.0]], [2 * right], 4.0, [[-1.0, 0.0, 0.0, 1.0]])
    # The same token at two positions.
    yield case([[2.0, 0.0], [2.0, 0.0]], [right, 2 * right], 10000.0, [[0.0, 2.0], [-2.0, 0.0]])
    draw = torch.Generator().manual_seed(6)
    for T, D, first, theta in ((3, 2, 0, 10000.0), (3, 4, 0, 100.0), (4, 6, 5, 10000.0), (5, 8, 100, 500000.0)):
        x = torch.randn(T, D, generator=draw, dtype=torch.float64)
        positions = torch.arange(first, first + T, dtype=torch.float64)
        yield Case((x, positions, theta), by_matrix(x, positions, theta))


EXERCISE = Exercise(
    task=(
        "RoPE for one head: turn the tokens of `x` (T, D) by their `positions` (T,), half-split: channel i and channel "
        "i + D/2 are a pair, turned counter-clockwise by position * theta^(-2i/D). Return (T, D)."
    ),
    call="rotate(x, positions, theta)",
    hints=(
        "The angles are (T, D/2): positions times rates. With half = D/2 they are theta ** (-arange(half) / half).",
        "An arrow (a, b) turned by an angle is (a cos - b sin, b cos + a sin). Which channels are all the a?",
        "`a, b = x.chunk(2, dim=-1)`, and `torch.cat` of the two results in the same order.",
    ),
    solution=solution,
    also_right=(by_complex, by_rotate_half, by_matrix),
    mistakes=(
        Mistake(
            interleaved,
            "You pair the channels (2i, 2i + 1): the interleaved layout, of the paper and Meta's Llama. Here it is "
            "half-split, (i, i + D/2). Weights trained under one layout do not work under the other.",
        ),
        Mistake(other_way, "You turn clockwise: the minus belongs to a cos - b sin, the plus to b cos + a sin."),
        Mistake(same_sign, "Both signs are plus: that is no rotation, and lengths change. It is a cos - b sin."),
        Mistake(
            overwritten,
            "The second half is computed from the first after that was turned: keep the old one until both are done.",
        ),
        Mistake(
            counted_from_zero,
            "You count positions from 0 whatever was given: with a cache, the new token stands where the text goes on.",
        ),
        Mistake(fixed_theta, "You use 10000 whatever theta is given."),
        Mistake(half_the_exponent, "Your exponent is i / D: it is 2i / D, or i over half of D."),
        Mistake(added, "You add sines and cosines, as the sinusoidal table does: RoPE turns what is there."),
        Mistake(stretched, "You multiply channel by channel: a turned pair takes something of both its channels."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: bool(torch.allclose(answer.norm(dim=-1), arguments[0].norm(dim=-1))),
            "A rotation keeps lengths, and the tokens of your answer have others than those of `x`.",
        ),
    ),
)
