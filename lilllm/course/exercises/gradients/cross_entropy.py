"""The gradient of softmax and cross-entropy together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lilllm import autograd
from lilllm.autograd.numbers import Numbers
from lilllm.course.exercise import Case, Exercise, Mistake, Property

Targets = NDArray[np.integer[Any]]


def solution(logits: Numbers, targets: Targets) -> Numbers:
    """What the model said minus what was right, a row's share of the mean."""
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    p /= p.sum(axis=-1, keepdims=True)
    p[np.arange(len(targets)), targets] -= 1
    return p / len(targets)


def with_one_hot(logits: Numbers, targets: Targets) -> Numbers:
    e = np.exp(logits - np.max(logits, axis=1)[:, None])
    return (e / e.sum(1)[:, None] - np.eye(logits.shape[1])[targets]) / logits.shape[0]


def by_torch(logits: Numbers, targets: Targets) -> Numbers:
    x = torch.tensor(logits, requires_grad=True)
    torch.nn.functional.cross_entropy(x, torch.tensor(targets)).backward()
    assert x.grad is not None
    return x.grad.numpy()


def by_engine(logits: Numbers, targets: Targets) -> Numbers:
    x = autograd.Array(logits)
    autograd.cross_entropy(x, targets).backward()
    return np.array(x.grad)


def not_averaged(logits: Numbers, targets: Targets) -> Numbers:
    return solution(logits, targets) * len(targets)


def averaged_over_all(logits: Numbers, targets: Targets) -> Numbers:
    return solution(logits, targets) / logits.shape[-1]


def softmax_alone(logits: Numbers, targets: Targets) -> Numbers:
    p = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return p / p.sum(axis=-1, keepdims=True) / len(targets)


def other_sign(logits: Numbers, targets: Targets) -> Numbers:
    return -solution(logits, targets)


def overflows(logits: Numbers, targets: Targets) -> Numbers:
    with np.errstate(all="ignore"):
        p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    p[np.arange(len(targets)), targets] -= 1
    return p / len(targets)


def in_every_row(logits: Numbers, targets: Targets) -> Numbers:
    p = softmax_alone(logits, targets) * len(targets)
    p[:, targets] -= 1
    return p / len(targets)


def along_the_first_axis(logits: Numbers, targets: Targets) -> Numbers:
    p = np.exp(logits - logits.max(axis=0, keepdims=True))
    p /= p.sum(axis=0, keepdims=True)
    p[np.arange(len(targets)), targets] -= 1
    return p / len(targets)


def minus_the_number(logits: Numbers, targets: Targets) -> Numbers:
    p = softmax_alone(logits, targets) * len(targets)
    return (p - targets[:, None]) / len(targets)


def for_the_probabilities(logits: Numbers, targets: Targets) -> Numbers:
    p = softmax_alone(logits, targets) * len(targets)
    rows = np.arange(len(targets))
    out = np.zeros_like(p)
    with np.errstate(divide="ignore"):
        out[rows, targets] = -1 / p[rows, targets]
    return out / len(targets)


def cases() -> Iterator[Case]:
    def case(logits: object, targets: object, expected: object) -> Case:
        return Case((np.array(logits), np.array(targets)), np.array(expected))

    # By hand: both probabilities are 1/2, and 1 is taken off the right one.
    yield case([[0.0, 0.0]], [0], [[-0.5, 0.5]])
    # Probabilities 1/4 and 3/4.
    yield case([[0.0, math.log(3)]], [1], [[0.25, -0.25]])
    # Two rows: half of each.
    yield case([[0.0, 0.0], [0.0, math.log(3)]], [1, 0], [[0.25, -0.25], [-0.375, 0.375]])
    # A model that is sure, once rightly and once wrongly.
    yield case([[1000.0, 0.0], [1000.0, 0.0]], [0, 1], [[0.0, 0.0], [0.5, -0.5]])
    # Two rows with the same target.
    yield case([[0.0, 0.0, 0.0]] * 2, [2, 2], [[1 / 6, 1 / 6, -1 / 3]] * 2)
    rng = np.random.default_rng(1)
    for rows, classes in ((3, 3), (2, 4), (5, 7)):
        logits, targets = 3 * rng.normal(size=(rows, classes)), rng.integers(0, classes, size=rows)
        yield Case((logits, targets), with_one_hot(logits, targets))


EXERCISE = Exercise(
    task=(
        "`logits` is (N, V), `targets` holds N class numbers. The loss is the mean over rows of -log softmax(logits) "
        "at the target. Return its gradient for the logits, (N, V); logits of 1000 are no reason for NaN."
    ),
    call="cross_entropy_backward(logits, targets)",
    hints=(
        "For one row the loss is -x_t + log sum exp(x). What is the derivative of each of the two parts for x_j?",
        "The second part gives the softmax. The first gives -1, at the target only: so take 1 off `p[row, target]`, of "
        "each row its own.",
        "`p[np.arange(N), targets] -= 1`; the mean makes it a N-th; subtract each row's maximum before `exp`.",
    ),
    solution=solution,
    also_right=(with_one_hot, by_torch, by_engine),
    mistakes=(
        Mistake(
            not_averaged,
            "This is the gradient of the sum over rows. The loss is their mean: divide by the number of rows.",
        ),
        Mistake(averaged_over_all, "You divide by the number of all logits: the mean is over the N rows."),
        Mistake(softmax_alone, "Nothing says what was right: take 1 off the probability of each row's target."),
        Mistake(
            other_sign,
            "The sign is turned around: where the model says too much, above 0, the gradient is positive, and a step "
            "against it lowers the logit.",
        ),
        Mistake(
            overflows,
            "exp(1000) is more than a float holds, and inf / inf is NaN: subtract each row's maximum first, which "
            "changes no probability.",
        ),
        Mistake(
            in_every_row,
            "`p[:, targets]` takes 1 off in every row, at the targets of all rows: pair each row with its own target, "
            "`p[np.arange(N), targets]`.",
        ),
        Mistake(along_the_first_axis, "Your softmax runs down the batch: the classes lie along the last axis."),
        Mistake(
            minus_the_number,
            "You subtract the number of the class. Subtract a 1 at that place: the number is only a name.",
        ),
        Mistake(
            for_the_probabilities,
            "-1 / p is the gradient for the probabilities. Go on through the softmax, to the logits: the division "
            "cancels.",
        ),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: bool(np.allclose(answer.sum(axis=-1), 0.0, atol=1e-9)),
            "Each row of the answer has to add up to 0: the same number added to all logits of a row changes nothing.",
        ),
    ),
)
