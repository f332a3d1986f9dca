"""How far apart neighbours lie in memory."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from itertools import accumulate

import torch

from lilllm.course.exercise import Case, Exercise, Mistake, Property

Sizes = tuple[int, ...]


def solution(shape: Sizes) -> Sizes:
    """The last axis is contiguous; one step along any other skips all that lies behind it."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.insert(0, step)
        step *= size
    return tuple(strides)


def products_of_the_rest(shape: Sizes) -> Sizes:
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def by_asking_torch(shape: Sizes) -> Sizes:
    return torch.empty(shape, device="meta").stride()


def first_axis_contiguous(shape: Sizes) -> Sizes:
    return tuple(math.prod(shape[:i]) for i in range(len(shape)))


def in_bytes(shape: Sizes) -> Sizes:
    return tuple(4 * step for step in solution(shape))


def own_size_too(shape: Sizes) -> Sizes:
    return tuple(math.prod(shape[i:]) for i in range(len(shape)))


def size_behind(shape: Sizes) -> Sizes:
    return (*shape[1:], 1) if shape else ()


def not_turned_back(shape: Sizes) -> Sizes:
    return tuple(accumulate([1, *shape[:0:-1]], lambda a, b: a * b)) if shape else ()


def sums_of_the_rest(shape: Sizes) -> Sizes:
    return tuple(sum(shape[i + 1 :]) or 1 for i in range(len(shape)))


def cases() -> Iterator[Case]:
    yield Case(((3,),), (1,))
    yield Case(((2, 3),), (3, 1))
    yield Case(((3, 2),), (2, 1))
    yield Case(((),), ())
    yield Case(((2, 3, 4),), (12, 4, 1))
    yield Case(((5, 1, 7),), (7, 7, 1))
    yield Case(((8, 16, 64, 32),), (32768, 2048, 32, 1))
    draw = random.Random(7)
    for n in (3, 4, 5, 6):
        shape = tuple(draw.choice((1, 2, 3, 5)) for _ in range(n))
        yield Case((shape,), torch.empty(shape).stride())


EXERCISE = Exercise(
    task="Return the strides of a contiguous tensor of `shape` (every size at least 1), in elements, as a tuple.",
    call="strides(shape)",
    hints=(
        "The elements of the last axis lie side by side: its stride is 1. What does a step along the axis before skip?",
        "One step along an axis skips everything behind it: the product of the sizes to its right.",
        "`math.prod(shape[i + 1:])` is the stride of axis i; the product of no sizes is 1.",
    ),
    solution=solution,
    also_right=(products_of_the_rest, by_asking_torch),
    mistakes=(
        Mistake(
            first_axis_contiguous,
            "These are the strides of Fortran's order, first axis contiguous. In torch the last axis is.",
        ),
        Mistake(in_bytes, "You count bytes, as NumPy's `strides` does: torch's `stride()` counts elements."),
        Mistake(own_size_too, "Each stride has its own axis's size in it too: a step skips only what lies behind it."),
        Mistake(
            size_behind,
            "You take the size of the next axis alone: a step skips the product of all the axes to its right.",
        ),
        Mistake(not_turned_back, "The right strides in reverse: the last axis has the stride 1."),
        Mistake(sums_of_the_rest, "You add the sizes to the right: blocks inside blocks multiply."),
    ),
    cases=cases,
    properties=(
        Property(lambda arguments, answer: len(answer) == len(arguments[0]), "There is one stride for each axis."),
        Property(
            lambda arguments, answer: not answer or answer[-1] == 1,
            "The elements of the last axis lie side by side: its stride is 1.",
        ),
    ),
)
