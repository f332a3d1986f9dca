"""Backward through a softmax, without its Jacobian."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lilllm import autograd
from lilllm.autograd.numbers import Numbers
from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(p: Numbers, g: Numbers) -> Numbers:
    """Each probability's own share, minus what all of them together push on the sum."""
    return p * (g - (g * p).sum(axis=-1, keepdims=True))


def by_jacobian(p: Numbers, g: Numbers) -> Numbers:
    rows = p.reshape(-1, p.shape[-1])
    slopes = [(np.diag(row) - np.outer(row, row)) @ up for row, up in zip(rows, g.reshape(rows.shape), strict=True)]
    return np.array(slopes).reshape(p.shape)


def by_einsum(p: Numbers, g: Numbers) -> Numbers:
    return p * g - np.einsum("...i,...j,...j->...i", p, p, g)


def by_engine(p: Numbers, g: Numbers) -> Numbers:
    with np.errstate(divide="ignore"):
        x = autograd.Array(np.log(p))  # logits that give these probabilities
    autograd.softmax(x).backward(g)
    return np.array(x.grad)


def diagonal_alone(p: Numbers, g: Numbers) -> Numbers:
    return g * p * (1 - p)


def times_p(p: Numbers, g: Numbers) -> Numbers:
    return g * p


def of_the_log(p: Numbers, g: Numbers) -> Numbers:
    return g - p * g.sum(axis=-1, keepdims=True)


def one_sum_for_all(p: Numbers, g: Numbers) -> Numbers:
    return p * (g - (g * p).sum())


def along_the_first_axis(p: Numbers, g: Numbers) -> Numbers:
    return p * (g - (g * p).sum(axis=0, keepdims=True))


def axis_lost(p: Numbers, g: Numbers) -> Numbers:
    return p * (g - (g * p).sum(axis=-1))


def averaged(p: Numbers, g: Numbers) -> Numbers:
    return p * (g - (g * p).mean(axis=-1, keepdims=True))


def not_weighted(p: Numbers, g: Numbers) -> Numbers:
    return p * (g - g.sum(axis=-1, keepdims=True))


def other_sign(p: Numbers, g: Numbers) -> Numbers:
    return -solution(p, g)


def cases() -> Iterator[Case]:
    def case(p: object, g: object, expected: object) -> Case:
        return Case((np.array(p), np.array(g)), np.array(expected))

    # By hand: sum(g * p) = 0.5, so 0.5 * (1 - 0.5) and 0.5 * (0 - 0.5).
    yield case([0.5, 0.5], [1.0, 0.0], [0.25, -0.25])
    # The same push on every probability moves nothing: they have to add up to 1.
    yield case([0.25, 0.75], [2.0, 2.0], [0.0, 0.0])
    # sum(g * p) = 0.25 * 4 = 1.
    yield case([0.25, 0.25, 0.5], [4.0, 0.0, 0.0], [0.75, -0.25, -0.5])
    # A certain row has no slope left.
    yield case([0.0, 1.0], [5.0, -3.0], [0.0, 0.0])
    # Two rows, each by itself.
    yield case([[0.5, 0.5], [0.25, 0.75]], [[1.0, 0.0], [0.0, 4.0]], [[0.25, -0.25], [-0.75, 0.75]])
    rng = np.random.default_rng(0)
    for shape in ((3, 3), (2, 5), (2, 3, 4)):
        p = np.exp(rng.normal(size=shape))
        p /= p.sum(axis=-1, keepdims=True)
        g = rng.normal(size=shape)
        yield Case((p, g), by_jacobian(p, g))


EXERCISE = Exercise(
    task=(
        "`p` holds probabilities that a softmax made along the last axis, `g` the gradient of the loss for each of "
        "them. Return the gradient for the logits, of the same shape, without forming a Jacobian."
    ),
    call="softmax_backward(p, g)",
    hints=(
        "A logit moves every probability of its row: d p_i / d x_j = p_i (1 - p_i) where i = j, else - p_i p_j. Write "
        "down the sum over i of g_i times that.",
        "Take p_j out of it. What is left in the bracket is g_j minus one number, the same for the whole row.",
        "That number is the sum of g * p along the last axis; `keepdims=True` lets it lie beside its row.",
    ),
    solution=solution,
    also_right=(by_jacobian, by_einsum, by_engine),
    mistakes=(
        Mistake(
            diagonal_alone,
            "You count each logit's effect on its own probability and not on the others: raising one takes from all. "
            "What you have is right for a sigmoid.",
        ),
        Mistake(times_p, "p * g is the first half: subtract what the row as a whole takes back."),
        Mistake(
            of_the_log,
            "This is backward through log_softmax: right if `g` were the gradient for the logarithms of `p`.",
        ),
        Mistake(one_sum_for_all, "You sum over the whole array: each row is a softmax of its own, so name the axis."),
        Mistake(along_the_first_axis, "You sum over the rows: the softmax was taken along the last axis."),
        Mistake(
            axis_lost,
            "The sum has lost its axis, so it lies along the row instead of beside it: `keepdims=True` keeps it.",
        ),
        Mistake(averaged, "You take the mean of g * p: it is a sum, weighted by probabilities that add up to 1."),
        Mistake(not_weighted, "You subtract the plain sum of `g`: each term has to be weighted by its probability."),
        Mistake(other_sign, "The sign is turned around: more of p_i where g_i is above the row's average."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: bool(np.allclose(answer.sum(axis=-1), 0.0, atol=1e-9)),
            "Each row of the answer has to add up to 0: the same number added to all logits of a row changes nothing.",
        ),
    ),
)
