"""A gradient by differences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lilllm import autograd
from lilllm.autograd.numbers import Numbers
from lilllm.course.exercise import Case, Exercise, Mistake, Property

Function = Callable[[Numbers], float]


@dataclass(frozen=True)
class Formula:
    """A function of an array that shows its formula."""

    text: str
    compute: Callable[[Numbers], Any] = field(compare=False)

    def __call__(self, x: Numbers) -> float:
        return float(self.compute(x))

    def __repr__(self) -> str:
        return f"({self.text})"


def solution(f: Function, x: Numbers) -> Numbers:
    """A step to each side of every element, and nothing but that element moved."""
    h = 1e-5
    grad = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        grad[i] = (f(up) - f(down)) / (2 * h)
    return grad


def with_unit_vectors(f: Function, x: Numbers) -> Numbers:
    steps = 1e-4 * np.eye(x.size).reshape(-1, *x.shape)
    return np.array([(f(x + step) - f(x - step)) / 2e-4 for step in steps]).reshape(x.shape)


def four_points(f: Function, x: Numbers) -> Numbers:
    h = 1e-3
    grad = np.zeros(x.size)
    for i in range(x.size):
        step = (h * (np.arange(x.size) == i)).reshape(x.shape)
        grad[i] = (8 * (f(x + step) - f(x - step)) - (f(x + 2 * step) - f(x - 2 * step))) / (12 * h)
    return grad.reshape(x.shape)


def ours(f: Function, x: Numbers) -> Numbers:
    return autograd.numeric_gradient(f, x)


def one_sided(f: Function, x: Numbers) -> Numbers:
    grad = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up = x.copy()
        up[i] += 1e-5
        grad[i] = (f(up) - f(x)) / 1e-5
    return grad


def too_small(f: Function, x: Numbers) -> Numbers:
    h = 1e-12
    grad = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        grad[i] = (f(up) - f(down)) / (2 * h)
    return grad


def too_large(f: Function, x: Numbers) -> Numbers:
    h = 0.1
    grad = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        grad[i] = (f(up) - f(down)) / (2 * h)
    return grad


def by_h(f: Function, x: Numbers) -> Numbers:
    return 2 * solution(f, x)


def not_put_back(f: Function, x: Numbers) -> Numbers:
    x = x.copy()
    grad = np.zeros_like(x)
    for i in np.ndindex(*x.shape):
        x[i] += 1e-5
        up = f(x)
        x[i] -= 2e-5
        grad[i] = (up - f(x)) / 2e-5
    return grad


def all_at_once(f: Function, x: Numbers) -> Numbers:
    return np.full_like(x, (f(x + 1e-5) - f(x - 1e-5)) / 2e-5)


def row_by_row(f: Function, x: Numbers) -> Numbers:
    grad = np.zeros_like(x)
    for i in range(len(x)):
        up, down = x.copy(), x.copy()
        up[i] += 1e-5
        down[i] -= 1e-5
        grad[i] = (f(up) - f(down)) / 2e-5
    return grad


def equal(got: Any, expected: Any) -> bool:
    """To 1e-6 of the largest element, or of 1: differences are no better than that for every fair step."""
    if not isinstance(got, np.ndarray) or got.shape != expected.shape or got.dtype != expected.dtype:
        return False
    return bool((np.abs(got - expected) <= 1e-6 * max(1.0, np.abs(expected).max(initial=0.0))).all())


def cases() -> Iterator[Case]:
    def case(text: str, compute: Callable[[Numbers], Any], x: object, expected: object) -> Case:
        return Case((Formula(text, compute), np.array(x)), np.array(expected))

    yield case("x -> 3 * x[0]", lambda x: 3 * x[0], [2.0], [3.0])
    yield case("x -> x[0] * x[1]", lambda x: x[0] * x[1], [2.0, 5.0], [5.0, 2.0])
    yield case("x -> x ** 2", lambda x: x**2, 1.5, 3.0)  # a single number: shape ()
    # The lowest point: a step to one side only goes up.
    yield case(BOWL, lambda x: 50 * (x * x).sum(), [0.0, 0.0], [0.0, 0.0])
    # A large constant changes no slope, but it takes digits.
    yield case(
        "x -> 1000 + 50 * sum(x * x)", lambda x: 1000 + 50 * (x * x).sum(), [0.0, 1.0, -0.5], [0.0, 100.0, -50.0]
    )
    # An element whose slope depends on its neighbour, after both have been moved.
    yield case("x -> 1e4 * x[0] * x[1] * x[2]", lambda x: 1e4 * x[0] * x[1] * x[2], [1.0, 1.0, 1.0], [1e4, 1e4, 1e4])
    weights = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    yield case("x -> sum([[1, 2, 3], [4, 5, 6]] * x)", lambda x: (weights * x).sum(), np.ones((2, 3)), weights)
    x = np.random.default_rng(3).normal(size=(3, 2, 2))
    yield Case((Formula("x -> sum(tanh(x))", lambda x: np.tanh(x).sum()), x), 1 - np.tanh(x) ** 2)


ONE_SIDED = "You step to one side only: the error is h times the curvature. Steps to both sides cancel it."
BOWL = "x -> 50 * sum(x * x)"


def level_at_the_bottom(arguments: tuple[Any, ...], answer: Numbers) -> bool:
    """Whatever h is: at the bottom of a bowl every step to one side goes up."""
    f, x = arguments
    return f.text != BOWL or bool(x.any()) or not (answer.min() > 1e-6 or answer.max() < -1e-6)


EXERCISE = Exercise(
    task=(
        "Return the gradient of `f` at `x` by central differences, of the shape of `x`: for each element the slope "
        "between a small step up and a small step down. `f` takes an array and gives a number; `x` may have any shape, "
        "and has to come out unchanged."
    ),
    call="numeric_gradient(f, x)",
    hints=(
        "`for i in np.ndindex(*x.shape)` visits every element of an array of any shape; `x[i]` is that element.",
        "Make two copies of `x`, move the element by h up in one and by h down in the other, and divide the difference "
        "of `f` by the distance between them.",
        "That distance is 2 * h. The error of the formula falls as h^2, rounding grows as 1 / h: 1e-5 is good.",
    ),
    solution=solution,
    also_right=(with_unit_vectors, four_points, ours),
    mistakes=(
        Mistake(one_sided, ONE_SIDED),
        Mistake(
            too_small,
            "Your step is too small: f(x + h) and f(x - h) agree in nearly all digits, and what is left of their "
            "difference is rounding. Take h near 1e-5.",
        ),
        Mistake(too_large, "Your step is too large: the slope between two distant points is not the slope here."),
        Mistake(by_h, "You divide by h: the two points are 2 h apart."),
        Mistake(
            not_put_back,
            "An element stays moved while the next ones are tried: put it back, or work on a fresh copy.",
        ),
        Mistake(all_at_once, "You move all elements at once, which gives the sum of the gradient: move one at a time."),
        Mistake(
            row_by_row,
            "`x[i]` is a whole row where `x` has two axes or more: move single elements, with np.ndindex(*x.shape).",
        ),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: np.shape(answer) == arguments[1].shape,
            "The gradient has the shape of `x`: one number for each of its elements.",
        ),
        Property(level_at_the_bottom, ONE_SIDED),
    ),
    equal=equal,
)
