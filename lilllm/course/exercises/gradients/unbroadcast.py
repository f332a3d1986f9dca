"""The gradient of an array that was broadcast."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from lilllm.autograd.numbers import Numbers
from lilllm.course.exercise import Case, Exercise, Mistake, Property, same

Shape = tuple[int, ...]


def solution(g: Numbers, shape: Shape) -> Numbers:
    """Sum over the axes that broadcasting put in front, then over those it stretched from 1."""
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    stretched = tuple(i for i, n in enumerate(shape) if n == 1)
    return np.array(g.sum(axis=stretched, keepdims=True))


def axis_by_axis(g: Numbers, shape: Shape) -> Numbers:
    while g.ndim > len(shape):
        g = g.sum(axis=0)
    for i, n in enumerate(shape):
        if n == 1:
            g = np.sum(g, axis=i, keepdims=True)
    return np.asarray(g)


def by_places(g: Numbers, shape: Shape) -> Numbers:
    out = np.zeros(shape)
    places = np.broadcast_to(np.arange(out.size).reshape(shape), g.shape)  # which element each copy came from
    np.add.at(out.reshape(-1), places, g)
    return out


def by_reshape(g: Numbers, shape: Shape) -> Numbers:
    padded = (1,) * (g.ndim - len(shape)) + shape
    return np.array(g.sum(axis=tuple(i for i, n in enumerate(padded) if n == 1))).reshape(shape)


def front_alone(g: Numbers, shape: Shape) -> Numbers:
    return g.sum(axis=tuple(range(g.ndim - len(shape))))


def ones_alone(g: Numbers, shape: Shape) -> Numbers:
    for i in range(1, len(shape) + 1):
        if shape[-i] == 1:
            g = g.sum(axis=-i, keepdims=True)
    return g


def axis_lost(g: Numbers, shape: Shape) -> Numbers:
    padded = (1,) * (g.ndim - len(shape)) + shape
    return np.asarray(g.sum(axis=tuple(i for i, n in enumerate(padded) if n == 1)))


def averaged(g: Numbers, shape: Shape) -> Numbers:
    return solution(g, shape) * (np.prod(shape) / g.size)


def one_copy(g: Numbers, shape: Shape) -> Numbers:
    g = g[(0,) * (g.ndim - len(shape))]
    return np.array(g[tuple(slice(0, 1) if n == 1 else slice(None) for n in shape)])


def from_the_left(g: Numbers, shape: Shape) -> Numbers:
    padded = shape + (1,) * (g.ndim - len(shape))
    return np.asarray(g.sum(axis=tuple(i for i, n in enumerate(padded) if n == 1))).reshape(shape)


def back_alone(g: Numbers, shape: Shape) -> Numbers:
    while g.ndim > len(shape):
        g = g.sum(axis=-1)
    for i, n in enumerate(shape):
        if n == 1:
            g = np.sum(g, axis=i, keepdims=True)
    return np.asarray(g)


def all_in_one(g: Numbers, shape: Shape) -> Numbers:
    return g if g.shape == shape else np.full(shape, g.sum())


def equal(got: Any, expected: Any) -> bool:
    """`sum` gives a NumPy number where nothing is left of the shape: as good as an array of shape ()."""
    return same(np.asarray(got) if isinstance(got, np.generic) else got, expected)


def cases() -> Iterator[Case]:
    def case(g: object, shape: Shape, expected: object) -> Case:
        return Case((np.array(g), shape), np.array(expected))

    yield case([5.0, 7.0], (2,), [5.0, 7.0])  # nothing was broadcast
    yield case([1.0, 2.0], (1,), [3.0])  # one number, used twice
    yield case([[1.0, 2.0], [3.0, 4.0]], (2,), [4.0, 6.0])  # a row, beside every row
    yield case([[1.0, 2.0], [3.0, 4.0]], (2, 1), [[3.0], [7.0]])  # a column
    yield case([[1.0, 2.0], [3.0, 4.0]], (1, 2), [[4.0, 6.0]])
    yield case([1.0, 2.0, 3.0], (), 6.0)
    yield case([[1.0, 2.0, 3.0]], (1, 1), [[6.0]])
    yield case([[[1.0], [2.0]], [[3.0], [4.0]]], (2, 1), [[4.0], [6.0]])  # both at once; the last axis was 1 before
    rng = np.random.default_rng(2)
    for large, small in (((4, 2, 3), (1, 3)), ((2, 3, 4), (3, 1)), ((2, 3, 2, 2), (1, 2, 1)), ((3, 3), (3,))):
        g = rng.normal(size=large)
        yield Case((g, small), by_places(g, small))


EXERCISE = Exercise(
    task=(
        "An array of `shape` was broadcast, and the gradient `g` has the broadcast shape. Return the gradient of the "
        "array itself, of `shape`: each element gets the sum over all of its copies."
    ),
    call="unbroadcast(g, shape)",
    hints=(
        "Broadcasting does two things: it puts axes in front until the shapes are equally long, and it stretches axes "
        "of length 1. Both are undone by a sum.",
        "`g.ndim - len(shape)` axes were put in front: sum over these first. Then the axes of `g` and `shape` match.",
        "For each i with `shape[i] == 1`: `g = g.sum(axis=i, keepdims=True)`, so that the axis stays, with length 1.",
    ),
    solution=solution,
    also_right=(axis_by_axis, by_places, by_reshape),
    mistakes=(
        Mistake(front_alone, "You sum over the axes in front. An axis of length 1 was stretched too: sum over it."),
        Mistake(ones_alone, "You sum over stretched axes of length 1. Axes that were put in front have to go as well."),
        Mistake(
            axis_lost, "The sums are right and an axis of length 1 is gone: `keepdims=True`, or `reshape` at the end."
        ),
        Mistake(averaged, "You average over the copies: each of them has its effect on the loss, and effects add up."),
        Mistake(one_copy, "You keep the gradient of one copy: the element stood in many places, and all count."),
        Mistake(from_the_left, "You line the shapes up from the left: broadcasting lines them up from the right."),
        Mistake(back_alone, "You sum over the last axes: broadcasting put the new ones in front."),
        Mistake(all_in_one, "You sum over everything: only over the axes that were repeated."),
    ),
    cases=cases,
    equal=equal,
    properties=(
        Property(
            lambda arguments, answer: np.shape(answer) == arguments[1],
            "The gradient of an array has the shape of the array.",
        ),
        Property(
            lambda arguments, answer: bool(np.isclose(np.sum(answer), arguments[0].sum())),
            "All elements of `g` have to be in the answer once: both must have the same sum.",
        ),
    ),
)
