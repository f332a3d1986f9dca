"""Backward through layer norm."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from lilllm import autograd
from lilllm.autograd.numbers import Numbers
from lilllm.course.exercise import Case, Exercise, Mistake, Property

EPS = 1e-5


def solution(x: Numbers, g: Numbers) -> Numbers:
    """What is left of the gradient without its mean and without its part along the normalised row."""
    s = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5)
    n = (x - x.mean(axis=-1, keepdims=True)) / s
    return (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True)) / s


def by_jacobian(x: Numbers, g: Numbers) -> Numbers:
    size = x.shape[-1]
    rows = []
    for row, up in zip(x.reshape(-1, size), g.reshape(-1, size), strict=True):
        s = np.sqrt(row.var() + EPS)
        n = (row - row.mean()) / s
        rows.append((np.eye(size) - 1 / size - np.outer(n, n) / size) / s @ up)
    return np.array(rows).reshape(x.shape)


def step_by_step(x: Numbers, g: Numbers) -> Numbers:
    """Each line of the forward pass, backward: the variance first, then the mean."""
    size = x.shape[-1]
    centred = x - x.mean(axis=-1, keepdims=True)
    s = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + EPS)
    d_s = -(g * centred).sum(axis=-1, keepdims=True) / s**2
    d_var = d_s / (2 * s)
    d_centred = g / s + d_var * 2 * centred / size
    return d_centred - d_centred.sum(axis=-1, keepdims=True) / size


def by_torch(x: Numbers, g: Numbers) -> Numbers:
    leaf = torch.tensor(x, requires_grad=True)
    torch.nn.functional.layer_norm(leaf, leaf.shape[-1:], eps=EPS).backward(torch.tensor(g))
    assert leaf.grad is not None
    return leaf.grad.numpy()


def by_engine(x: Numbers, g: Numbers) -> Numbers:
    leaf = autograd.Array(x)
    autograd.layer_norm(leaf, np.ones(x.shape[-1]), np.zeros(x.shape[-1]), eps=EPS).backward(g)
    return np.array(leaf.grad)


def _parts(x: Numbers, *, axis: int = -1, ddof: int = 0) -> tuple[Numbers, Numbers]:
    s = np.sqrt(x.var(axis=axis, keepdims=True, ddof=ddof) + EPS)
    return (x - x.mean(axis=axis, keepdims=True)) / s, s


def statistics_fixed(x: Numbers, g: Numbers) -> Numbers:
    return g / _parts(x)[1]


def variance_fixed(x: Numbers, g: Numbers) -> Numbers:
    return (g - g.mean(axis=-1, keepdims=True)) / _parts(x)[1]


def mean_fixed(x: Numbers, g: Numbers) -> Numbers:
    n, s = _parts(x)
    return (g - n * (g * n).mean(axis=-1, keepdims=True)) / s


def summed(x: Numbers, g: Numbers) -> Numbers:
    n, s = _parts(x)
    return (g - g.sum(axis=-1, keepdims=True) - n * (g * n).sum(axis=-1, keepdims=True)) / s


def one_less(x: Numbers, g: Numbers) -> Numbers:
    with np.errstate(all="ignore"):
        n, s = _parts(x, ddof=1)
    return (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True)) / s


def eps_outside(x: Numbers, g: Numbers) -> Numbers:
    s = x.std(axis=-1, keepdims=True) + EPS
    n = (x - x.mean(axis=-1, keepdims=True)) / s
    return (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True)) / s


def no_eps(x: Numbers, g: Numbers) -> Numbers:
    with np.errstate(all="ignore"):
        s = x.std(axis=-1, keepdims=True)
        n = (x - x.mean(axis=-1, keepdims=True)) / s
        return (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True)) / s


def down_the_batch(x: Numbers, g: Numbers) -> Numbers:
    n, s = _parts(x, axis=0)
    return (g - g.mean(axis=0, keepdims=True) - n * (g * n).mean(axis=0, keepdims=True)) / s


def not_divided(x: Numbers, g: Numbers) -> Numbers:
    n, _ = _parts(x)
    return g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True)


def variance_for_s(x: Numbers, g: Numbers) -> Numbers:
    s = x.var(axis=-1, keepdims=True) + EPS
    n = (x - x.mean(axis=-1, keepdims=True)) / s
    return (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True)) / s


def x_for_n(x: Numbers, g: Numbers) -> Numbers:
    _, s = _parts(x)
    return (g - g.mean(axis=-1, keepdims=True) - x * (g * x).mean(axis=-1, keepdims=True)) / s


def cases() -> Iterator[Case]:
    # By hand, and without eps: [-1, 0, 1] has the variance 2/3, so s = sqrt(2/3) and n = [-1, 0, 1] / s. The gradient
    # [0, 1, 0] has the mean 1/3 and nothing along n: what is left is [-1/3, 2/3, -1/3] / s.
    s = np.sqrt(2 / 3 + EPS)
    yield Case((np.array([-1.0, 0.0, 1.0]), np.array([0.0, 1.0, 0.0])), np.array([-1.0, 2.0, -1.0]) / (3 * s))
    # A gradient that is the same everywhere moves nothing: the mean is taken out again.
    yield Case((np.array([-1.0, 0.0, 1.0]), np.array([2.0, 2.0, 2.0])), np.zeros(3))
    # One along the row itself asks for a larger row, and its length is fixed, but for eps: it comes to s^2 - var = eps.
    n = np.array([-1.0, 0.0, 1.0])
    yield Case((n, n), n * EPS / s**3)
    # A row of equal numbers: only eps keeps the division in bounds.
    yield Case((np.full((1, 2), 3.0), np.array([[1.0, 0.0]])), np.array([[0.5, -0.5]]) / np.sqrt(EPS))
    # Two rows, far from 0: each has a mean and a variance of its own.
    x, g = np.array([[10.0, 12.0, 17.0], [0.0, 0.5, 1.5]]), np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    yield Case((x, g), by_jacobian(x, g))
    rng = np.random.default_rng(4)
    for shape in ((4, 4), (3, 5), (2, 3, 6)):
        x, g = 2 * rng.normal(size=shape) + 1, rng.normal(size=shape)
        yield Case((x, g), by_jacobian(x, g))


EXERCISE = Exercise(
    task=(
        "Layer norm makes `n = (x - mean) / s` of each row (the last axis), with `s = sqrt(var + 1e-5)` and `var` the "
        "mean of the squared distances. `g` is the gradient of the loss for `n`. Return the gradient for `x`, of the "
        "same shape."
    ),
    call="layer_norm_backward(x, g)",
    hints=(
        "Compute `s` and `n` again, of each row, with `keepdims=True`. Were mean and s constants, the answer would be "
        "`g / s`; what is missing is how `x` moves them.",
        "Adding a constant to a row changes nothing, so the gradient has no mean: `g - g.mean(...)`. And stretching a "
        "row changes (nearly) nothing either, so it has no part along n.",
        "The part along n is `n * (g * n).mean(axis=-1, keepdims=True)`. Take both off `g`, then divide by `s`.",
    ),
    solution=solution,
    also_right=(by_jacobian, step_by_step, by_torch, by_engine),
    mistakes=(
        Mistake(
            statistics_fixed,
            "You take mean and variance for constants. Both depend on every element of the row, and pass on gradient.",
        ),
        Mistake(variance_fixed, "You let the mean move and not the variance: take the part along n off as well."),
        Mistake(mean_fixed, "You let the variance move and not the mean: take the mean of `g` off as well."),
        Mistake(summed, "You subtract sums over the row: both are means, by the length of the row."),
        Mistake(one_less, "Your variance divides by C - 1: layer norm divides by C, as `x.var()` does by itself."),
        Mistake(eps_outside, "Your eps is outside of the root: s is sqrt(var + eps), not sqrt(var) + eps."),
        Mistake(no_eps, "There is no eps in your `s`: a row of equal numbers then divides 0 by 0."),
        Mistake(down_the_batch, "You normalise down the batch, as batch norm does: each row has its own statistics."),
        Mistake(not_divided, "The bracket is right: it remains to divide by `s`, as the forward pass did."),
        Mistake(variance_for_s, "You divide by the variance: `s` is its root."),
        Mistake(x_for_n, "The part to be taken off lies along the normalised row `n`, not along `x`."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: bool(np.allclose(answer.sum(axis=-1), 0.0, atol=1e-9 * np.abs(answer).max())),
            "Each row of the answer has to add up to 0: adding a constant to a row of `x` changes nothing.",
        ),
    ),
)
