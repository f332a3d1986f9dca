"""RMSNorm."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    """Each token by the root of the mean of its squares."""
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gain


def by_torch(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return functional.rms_norm(x, gain.shape, gain, eps)


def by_norm(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    C = x.shape[-1]
    return gain * x / (x.norm(dim=-1, keepdim=True) ** 2 / C + eps).sqrt()


def by_einsum(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    mean = torch.einsum("...c,...c->...", x, x) / x.shape[-1]
    return torch.einsum("...c,...,c->...c", x, (mean + eps) ** -0.5, gain)


def layer_norm(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return functional.layer_norm(x, gain.shape, gain, None, eps)


def by_deviation(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return x / (x.var(-1, keepdim=True, correction=0) + eps).sqrt() * gain


def by_length(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return x / (x.square().sum(-1, keepdim=True) + eps).sqrt() * gain


def without_root(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True) + eps) * gain


def eps_outside(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return x / (x.square().mean(-1, keepdim=True).sqrt() + eps) * gain


def over_all(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean() + eps) * gain


def over_tokens(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(0, keepdim=True) + eps) * gain


def no_gain(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def gain_before(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    x = x * gain
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)


def one_plus_gain(x: Tensor, gain: Tensor, eps: float) -> Tensor:
    return solution(x, 1 + gain, eps)


def cases() -> Iterator[Case]:
    def case(x: object, gain: object, eps: float, expected: object) -> Case:
        numbers = [torch.tensor(one, dtype=torch.float64) for one in (x, gain)]
        return Case((*numbers, eps), torch.tensor(expected, dtype=torch.float64))

    # The root of the mean of 2^2 and 2^2 is 2.
    yield case([[2.0, 2.0]], [1.0, 1.0], 0.0, [[1.0, 1.0]])
    # Of 1, 1, 1 and 5: (1 + 1 + 1 + 25) / 4 = 7, and 2 more for eps make 9, whose root is 3.
    yield case([[1.0, 1.0, 1.0, 5.0]], [3.0, 3.0, 6.0, 3.0], 2.0, [[1.0, 1.0, 2.0, 5.0]])
    # Two tokens, each by itself: 3 and 30 are told apart by their sign alone.
    yield case([[3.0, -3.0], [30.0, 30.0]], [1.0, 2.0], 0.0, [[1.0, -2.0], [1.0, 2.0]])
    # Nothing but zeros stays so.
    yield case([[0.0, 0.0]], [1.0, 1.0], 1e-5, [[0.0, 0.0]])
    draw = torch.Generator().manual_seed(4)
    for shape, eps in (((3, 4), 1e-5), ((2, 3, 5), 1e-2), ((2, 2, 8), 0.5)):
        x = torch.randn(shape, generator=draw, dtype=torch.float64) + 0.5
        gain = torch.randn(shape[-1], generator=draw, dtype=torch.float64)
        yield Case((x, gain, eps), by_torch(x, gain, eps))


EXERCISE = Exercise(
    task=(
        "RMSNorm: divide each token of `x` (..., C) by the root of the mean of its squares plus `eps`, then multiply "
        "by `gain` (C,)."
    ),
    call="rms_norm(x, gain, eps)",
    hints=(
        "One number a token: the mean over the last axis of x squared. With `keepdim=True` it lies beside its token.",
        "`eps` goes to the mean, under the root, so that a token of zeros divides by more than 0.",
        "`x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps) * gain`.",
    ),
    solution=solution,
    also_right=(by_torch, by_norm, by_einsum),
    mistakes=(
        Mistake(layer_norm, "This is LayerNorm without its bias: RMSNorm does not subtract the mean."),
        Mistake(
            by_deviation,
            "You divide by the standard deviation, which is of x minus its mean: RMSNorm takes the squares of x.",
        ),
        Mistake(
            by_length, "You divide by the length: it is the mean of the squares, not their sum. You are off by sqrt(C)."
        ),
        Mistake(without_root, "You divide by the mean of the squares: take its root."),
        Mistake(eps_outside, "`eps` is added after the root: it belongs to the mean, under the root."),
        Mistake(
            over_all, "You take the mean over the whole tensor: every token is normalised by itself, over axis -1."
        ),
        Mistake(over_tokens, "You take the mean over the first axis: a token's own channels are the last one."),
        Mistake(no_gain, "The gain is missing."),
        Mistake(gain_before, "The gain comes last: before the norm, it changes what is divided by."),
        Mistake(one_plus_gain, "You multiply by 1 + gain, as Gemma does: here it is the gain itself."),
    ),
    cases=cases,
)
