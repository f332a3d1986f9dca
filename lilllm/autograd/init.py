"""How to draw the weights that training begins with: so large that signals neither die out nor blow up.

A layer adds up n_in products of weight and input, so its outputs' variance is n_in * Var(w) times the mean square of
its inputs. To keep signals going forward, Var(w) is 1 / n_in; to keep gradients going backward, 1 / n_out.

    xavier   Var(w) = 2 / (n_in + n_out): between the two, for a layer followed by something like the identity (tanh)
    he       Var(w) = 2 / n_in: ReLU sets half of the signal to zero, which halves its mean square

A uniform weight in [-a, a] has the variance a^2 / 3, so a = sqrt(3 Var(w)).

The arrays here are (n_in, n_out), for ``x @ w``. torch's Linear keeps (n_out, n_in), and its own start is neither of
the two: uniform with a = 1 / sqrt(n_in), so Var(w) = 1 / (3 n_in).

Sources: Glorot & Bengio 2010 (AISTATS), eq. 16; He et al. 2015, arXiv:1502.01852, eq. 10.
"""

from __future__ import annotations

import math

import numpy as np

from lilllm.autograd.numbers import Numbers


def xavier_normal(n_in: int, n_out: int, generator: np.random.Generator, *, gain: float = 1.0) -> Numbers:
    """(n_in, n_out) weights of standard deviation ``gain * sqrt(2 / (n_in + n_out))``; torch: ``xavier_normal_``."""
    size = _checked(n_in, n_out, generator, gain)
    return generator.normal(size=size) * (gain * math.sqrt(2 / (n_in + n_out)))


def xavier_uniform(n_in: int, n_out: int, generator: np.random.Generator, *, gain: float = 1.0) -> Numbers:
    """The same variance, from the interval of half width ``gain * sqrt(6 / (n_in + n_out))``."""
    size = _checked(n_in, n_out, generator, gain)
    return generator.uniform(-1, 1, size=size) * (gain * math.sqrt(6 / (n_in + n_out)))


def he_normal(n_in: int, n_out: int, generator: np.random.Generator, *, gain: float = math.sqrt(2)) -> Numbers:
    """(n_in, n_out) weights of standard deviation ``gain / sqrt(n_in)``; torch: ``kaiming_normal_`` for relu.

    The gain sqrt(2) is ReLU's; with gain 1 this is LeCun's start, for an activation that keeps the variance.
    """
    size = _checked(n_in, n_out, generator, gain)
    return generator.normal(size=size) * (gain / math.sqrt(n_in))


def he_uniform(n_in: int, n_out: int, generator: np.random.Generator, *, gain: float = math.sqrt(2)) -> Numbers:
    """The same variance, from the interval of half width ``gain * sqrt(3 / n_in)``."""
    size = _checked(n_in, n_out, generator, gain)
    return generator.uniform(-1, 1, size=size) * (gain * math.sqrt(3 / n_in))


def _checked(n_in: int, n_out: int, generator: np.random.Generator, gain: float) -> tuple[int, int]:
    if not all(isinstance(n, int | np.integer) and n > 0 for n in (n_in, n_out)):
        raise ValueError(f"a layer has at least one input and one output, whole numbers, got {n_in!r} and {n_out!r}")
    if not isinstance(generator, np.random.Generator):
        raise TypeError(f"weights are drawn from numpy.random.default_rng(seed), got a {type(generator).__name__}")
    if not 0 < gain < math.inf:
        raise ValueError(f"the gain must be above 0 and finite, got {gain}: weights of 0 would all learn the same")
    return n_in, n_out
