"""Layer norm and batch norm, on `Array`: mean 0 and variance 1, over a row or over a channel of the batch.

Read in order: layer_norm, batch_norm (other axes, and other rows in every result), BatchNorm (what it remembers for
evaluation), _normalise (the one derivative of both, worked out by hand).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from lilllm.autograd.array import Array, as_array
from lilllm.autograd.numbers import Numbers, numbers


def layer_norm(x: Array | ArrayLike, gain: Array | ArrayLike, bias: Array | ArrayLike, *, eps: float = 1e-5) -> Array:
    """``gain * (x - mean) / sqrt(var + eps) + bias`` over the last axis; var divides by C, not C - 1.

    With n = (x - mean) / s: dx = (h - mean(h) - n * mean(h * n)) / s where h = g * gain: what is left of the gradient
    after its mean and its part along n are taken out, since moving x by those changes nothing (but for eps).

    Source: Ba, Kiros, Hinton 2016, arXiv:1607.06450.
    """
    x, gain, bias = as_array(x), as_array(gain), as_array(bias)
    if not x.shape or gain.shape != x.shape[-1:] or bias.shape != x.shape[-1:]:
        raise ValueError(f"gain and bias must have shape {x.shape[-1:]}, got {gain.shape} and {bias.shape}")
    _check_eps(eps)
    return _normalise(x, gain, bias, (x.data.ndim - 1,), eps=eps)


def batch_norm(
    x: Array | ArrayLike,
    gain: Array | ArrayLike,
    bias: Array | ArrayLike,
    *,
    fixed: tuple[ArrayLike, ArrayLike] | None = None,
    eps: float = 1e-5,
) -> Array:
    """``gain * (x - mean) / sqrt(var + eps) + bias``, a mean and a variance (by N, not N - 1) for each channel.

    The channel is axis 1, as in torch: (N, C) or (N, C, L, ...); all other axes are averaged over. So each row's output
    depends on the other rows, and in training a row's gradient goes through the statistics into all of them.

    Args:
        fixed: (mean, variance), each (C,), to use instead of the batch's, as in evaluation: they are constants.
    Raises:
        ValueError: shapes that do not agree, or a batch with one value a channel, which would become 0 whatever it is.

    Source: Ioffe & Szegedy 2015, arXiv:1502.03167, algorithms 1 and 2. `BatchNorm` keeps the running statistics.
    """
    x, gain, bias = as_array(x), as_array(gain), as_array(bias)
    channels = x.shape[1:2]
    if x.data.ndim < 2 or gain.shape != channels or bias.shape != channels:
        raise ValueError(
            f"x must be (N, C) or (N, C, L, ...), gain and bias (C,), got {x.shape}, {gain.shape} and {bias.shape}"
        )
    others = (0, *range(2, x.data.ndim))
    _check_eps(eps)
    if fixed is None:
        if x.data.size == channels[0]:
            raise ValueError(f"the statistics of a batch need two values a channel, and shape {x.shape} has one")
        return _normalise(x, gain, bias, others, eps=eps)
    mean, var = (numbers(value) for value in fixed)
    if mean.shape != channels or var.shape != channels or (var < 0).any():
        raise ValueError(
            f"fixed is a mean and a variance (none below 0) of shape {channels}, got {mean.shape}, {var.shape}"
        )
    along = (-1,) + (1,) * (x.data.ndim - 2)
    scale = gain.reshape(along) * (1 / np.sqrt(var + eps)).reshape(along)
    return (x - mean.reshape(along)) * scale + bias.reshape(along)


class BatchNorm:
    """`batch_norm` of C channels with its parameters ``gain`` and ``bias``, and statistics for evaluation.

        mean <- (1 - momentum) * mean + momentum * mean of the batch       and the same for var

    The running variance divides by N - 1, though the batch is normalised with N: torch does so, and the paper. Many
    others' momentum (TensorFlow's) is one minus this one.

    Raises: ValueError: no channels, or a momentum outside of [0, 1].
    Holds: in evaluation a row's output does not depend on the other rows, and nothing is remembered.

    >>> norm = BatchNorm(1); y = norm(Array([[1.0], [3.0]]))
    >>> norm.mean.tolist(), norm.var.tolist()
    ([0.2], [1.1])
    """

    def __init__(self, channels: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        if not isinstance(channels, int | np.integer) or channels < 1:
            raise ValueError(f"a batch norm needs a whole number of channels, at least one channel, got {channels!r}")
        if not 0 <= momentum <= 1:
            raise ValueError(f"momentum is the weight of the new batch, in 0..1, got {momentum}")
        self.gain, self.bias = Array(np.ones(channels)), Array(np.zeros(channels))
        self.mean, self.var = np.zeros(channels), np.ones(channels)
        self.momentum, self.eps = momentum, eps
        self.training = True

    def __call__(self, x: Array | ArrayLike) -> Array:
        x = as_array(x)
        if not self.training:
            return batch_norm(x, self.gain, self.bias, fixed=(self.mean, self.var), eps=self.eps)
        y = batch_norm(x, self.gain, self.bias, eps=self.eps)
        others = (0, *range(2, x.data.ndim))
        self.mean = self.mean + self.momentum * (x.data.mean(axis=others) - self.mean)
        self.var = self.var + self.momentum * (x.data.var(axis=others, ddof=1) - self.var)
        return y


def _check_eps(eps: float) -> None:
    if not 0 < eps < math.inf:
        raise ValueError(f"eps must be above 0 and finite, got {eps}: it is what a row of equal numbers is divided by")


def _normalise(x: Array, gain: Array, bias: Array, over: tuple[int, ...], *, eps: float) -> Array:
    """Mean 0 and variance 1 over the axes ``over``, then gain and bias, which run along the one axis C.

    The derivative is the same for layer and for batch norm: only the axes differ.
    """
    layer = over == (x.data.ndim - 1,)
    along = (-1,) if layer else (-1,) + (1,) * (x.data.ndim - 2)  # how (C,) lies beside x
    rows = tuple(range(x.data.ndim - 1)) if layer else over
    centred = x.data - x.data.mean(axis=over, keepdims=True)
    s = np.sqrt((centred * centred).mean(axis=over, keepdims=True) + eps)
    n = centred / s
    stretch = gain.data.reshape(along)

    def pull_x(g: Numbers) -> Numbers:
        h = g * stretch
        return (h - h.mean(axis=over, keepdims=True) - n * (h * n).mean(axis=over, keepdims=True)) / s

    return Array(
        stretch * n + bias.data.reshape(along),
        (x, gain, bias),
        (pull_x, lambda g: (g * n).sum(axis=rows), lambda g: g.sum(axis=rows)),
    )
