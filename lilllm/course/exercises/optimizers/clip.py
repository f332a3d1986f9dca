"""Clipping gradients by the norm of them all."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    """One norm, one factor for all."""
    norm = sum(g.square().sum() for g in grads) ** 0.5
    return [g * (max_norm / norm) for g in grads] if norm > max_norm else list(grads)


def as_one_vector(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    flat = torch.cat([g.flatten() for g in grads])
    factor = min(1.0, max_norm / (flat.norm().item() + 1e-6))
    return [g * factor for g in grads]


def by_torch(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    params = [torch.zeros_like(g) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = g.clone()
    torch.nn.utils.clip_grad_norm_(params, max_norm)
    return [p.grad for p in params if p.grad is not None]


def each_alone(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    return [solution([g], max_norm)[0] for g in grads]


def by_value(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    return [g.clamp(-max_norm, max_norm) for g in grads]


def always(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = sum(g.square().sum() for g in grads) ** 0.5
    return [g * (max_norm / norm) for g in grads]


def norms_added(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = sum(g.norm() for g in grads)
    return [g * (max_norm / norm) for g in grads] if norm > max_norm else list(grads)


def no_root(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = sum(g.square().sum() for g in grads)
    return [g * (max_norm / norm) for g in grads] if norm > max_norm else list(grads)


def to_length_one(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = sum(g.square().sum() for g in grads) ** 0.5
    return [g / norm for g in grads] if norm > max_norm else list(grads)


def largest(grads: list[Tensor], max_norm: float) -> list[Tensor]:
    norm = max(g.norm() for g in grads)
    return [g * (max_norm / norm) for g in grads] if norm > max_norm else list(grads)


def cases() -> Iterator[Case]:
    one = torch.tensor
    yield Case(([one([3.0, 4.0])], 1.0), [one([0.6, 0.8])])  # norm 5
    yield Case(([one([3.0, 4.0])], 10.0), [one([3.0, 4.0])])  # short enough: as it is
    yield Case(([one([3.0]), one([4.0])], 2.5), [one([1.5]), one([2.0])])  # norm 5 only together
    yield Case(([one([0.0, 0.0])], 1.0), [one([0.0, 0.0])])
    yield Case(([one([2.0]), one([[1.0, 2.0]])], 3.0), [one([2.0]), one([[1.0, 2.0]])])  # norm 3, just at the limit
    generator = torch.Generator().manual_seed(0)
    for shapes, max_norm in ((((2,), (2, 2)), 0.5), (((3, 2), (), (4,)), 2.0), (((5,), (2, 3)), 20.0)):
        grads = [2 * torch.randn(shape, generator=generator) for shape in shapes]
        yield Case((grads, max_norm), solution(grads, max_norm))


EXERCISE = Exercise(
    task=(
        "Return the gradients, a list of tensors, with the norm of them all together at most `max_norm`: if it is "
        "longer, every tensor is multiplied by the same factor. Leave the tensors you were given as they are."
    ),
    call="clip(grads, max_norm)",
    hints=(
        "Think of all the tensors as one long vector. What is its norm?",
        "The squares add up over all tensors, and the root comes last: one number, and so one factor for all.",
        "The factor is `max_norm / norm` where the norm is above `max_norm`, and 1 where it is not.",
    ),
    solution=solution,
    also_right=(as_one_vector, by_torch),
    mistakes=(
        Mistake(
            each_alone,
            "You clip each tensor by a norm of its own, which changes the direction of the step: take one norm over "
            "all of them.",
        ),
        Mistake(by_value, "You cut each element: that is clipping by value, and it changes the direction."),
        Mistake(always, "You scale short gradients too: below `max_norm` they stay as they are."),
        Mistake(norms_added, "You add the norms of the tensors: add their squares, and take the root of the sum."),
        Mistake(no_root, "You compare the squared norm: take the root of the sum of squares."),
        Mistake(to_length_one, "You scale to length 1: scale to length `max_norm`."),
        Mistake(largest, "You take the largest of the tensors' norms: take the norm of them all together."),
    ),
    cases=cases,
)
