"""The shape that two shapes broadcast to."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import zip_longest

import torch

from lilllm.course.exercise import Case, Exercise, Mistake, Property

Sizes = tuple[int, ...]


def solution(a: Sizes, b: Sizes) -> Sizes | None:
    """Line the sizes up from the right; a 1, or nothing, gives way to the other size."""
    out: list[int] = []
    for size_a, size_b in zip_longest(reversed(a), reversed(b), fillvalue=1):
        if size_a != size_b and 1 not in (size_a, size_b):
            return None
        out.append(size_b if size_a == 1 else size_a)
    return tuple(reversed(out))


def padded_with_ones(a: Sizes, b: Sizes) -> Sizes | None:
    n = max(len(a), len(b))
    a, b = (1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b
    pairs = [set(pair) - {1} for pair in zip(a, b, strict=True)]
    return None if any(len(sizes) > 1 for sizes in pairs) else tuple(next(iter(sizes), 1) for sizes in pairs)


def by_asking_torch(a: Sizes, b: Sizes) -> Sizes | None:
    try:
        return tuple(torch.broadcast_shapes(a, b))
    except RuntimeError:
        return None


def from_the_left(a: Sizes, b: Sizes) -> Sizes | None:
    got = solution(a[::-1], b[::-1])
    return None if got is None else got[::-1]


def the_larger_of_two(a: Sizes, b: Sizes) -> Sizes | None:
    pairs = list(zip_longest(reversed(a), reversed(b), fillvalue=1))
    if any(x != y and 1 not in (x, y) for x, y in pairs):
        return None
    return tuple(max(pair) for pair in reversed(pairs))


def never_refused(a: Sizes, b: Sizes) -> Sizes | None:
    pairs = zip_longest(reversed(a), reversed(b), fillvalue=1)
    return tuple(reversed([max(pair) for pair in pairs]))


def equal_only(a: Sizes, b: Sizes) -> Sizes | None:
    short, long = sorted((a, b), key=len)
    return long if not short or long[-len(short) :] == short else None


def same_length_only(a: Sizes, b: Sizes) -> Sizes | None:
    return solution(a, b) if len(a) == len(b) else None


def longer_part_lost(a: Sizes, b: Sizes) -> Sizes | None:
    n = min(len(a), len(b))
    return solution(a[len(a) - n :], b[len(b) - n :])


def not_turned_back(a: Sizes, b: Sizes) -> Sizes | None:
    got = solution(a, b)
    return None if got is None else got[::-1]


def cases() -> Iterator[Case]:
    yield Case(((3,), (3,)), (3,))
    yield Case(((3,), (1,)), (3,))
    yield Case(((2,), (3,)), None)
    yield Case(((), (4,)), (4,))
    yield Case(((2, 3), (3,)), (2, 3))
    yield Case(((2, 3), (2,)), None)
    yield Case(((4, 1), (3,)), (4, 3))
    yield Case(((4, 1), (4,)), (4, 4))
    yield Case(((0,), (1,)), (0,))
    yield Case(((8, 1, 6, 1), (7, 1, 5)), (8, 7, 6, 5))
    yield Case(((2, 1, 3), (2, 4)), None)
    draw = random.Random(6)
    for n in (3, 4, 5, 6):
        full = [draw.choice((1, 2, 3, 5)) for _ in range(n)]
        a = tuple(draw.choice((1, size)) for size in full)
        b = tuple(draw.choice((1, size)) for size in full)[draw.randrange(n) :]
        yield Case((a, b), tuple(torch.broadcast_shapes(a, b)))


EXERCISE = Exercise(
    task="Return the shape (a tuple) that shapes `a` and `b` broadcast to, or `None` if they do not.",
    call="broadcast_shape(a, b)",
    hints=(
        "Write the two shapes under each other, lined up at the right. Where one is shorter, think of it as 1.",
        "Two sizes agree if they are equal or if one of them is 1. Then the other one is the answer's.",
        "`zip_longest(reversed(a), reversed(b), fillvalue=1)` gives the pairs from the right; turn the result back.",
    ),
    solution=solution,
    also_right=(padded_with_ones, by_asking_torch),
    mistakes=(
        Mistake(from_the_left, "You line the shapes up from the left: broadcasting compares the last sizes first."),
        Mistake(
            never_refused,
            "You take the larger size whatever the smaller one is: 2 and 3 do not broadcast, only 1 gives way.",
        ),
        Mistake(
            the_larger_of_two,
            "You take the larger of two sizes. Against a size of 0 a 1 gives way too: the answer has 0 there.",
        ),
        Mistake(equal_only, "You ask for equal sizes: a size of 1 goes with any other, and is stretched to it."),
        Mistake(same_length_only, "Shapes of different length broadcast too: the shorter one gets 1s on its left."),
        Mistake(longer_part_lost, "The sizes that only the longer shape has are lost: `zip` stops at the shorter one."),
        Mistake(not_turned_back, "The right sizes in reverse: you went from the right, so turn them back at the end."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: answer is not None or solution(*arguments) is None,
            "These two do broadcast, and your answer is None: a size of 1 gives way, and so does a missing one.",
        ),
        Property(
            lambda arguments, answer: answer is None or solution(*arguments) is not None,
            "These two do not broadcast: two sizes differ, and neither is 1. The answer is None.",
        ),
        Property(
            lambda arguments, answer: answer is None or len(answer) == max(map(len, arguments)),
            "The result has as many sizes as the longer of the two shapes.",
        ),
    ),
)
