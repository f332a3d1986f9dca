"""What networks need, on `Array`: softmax, cross-entropy, layer norm; each as one node with its derivative worked out
by hand.

One node instead of many is not only faster: log(softmax(x)) taken apart overflows, together it does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lilllm.autograd.array import Array, Numbers


def softmax(x: Array, axis: int = -1) -> Array:
    """``p_i = exp(x_i) / sum_j exp(x_j)`` along ``axis``.

    Its Jacobian is diag(p) - p p^T, so the gradient is ``p * (g - sum(g * p))``: no matrix is formed. The maximum is
    subtracted first, which changes nothing and keeps exp from overflowing.
    """
    e = np.exp(x.data - x.data.max(axis=axis, keepdims=True))
    p = e / e.sum(axis=axis, keepdims=True)
    return Array(p, (x,), (lambda g: p * (g - (g * p).sum(axis=axis, keepdims=True)),))


def log_softmax(x: Array, axis: int = -1) -> Array:
    """``x - log sum exp(x)``; the gradient is ``g - softmax(x) * sum(g)``."""
    shifted = x.data - x.data.max(axis=axis, keepdims=True)
    y = shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))
    return Array(y, (x,), (lambda g: g - np.exp(y) * g.sum(axis=axis, keepdims=True),))


def cross_entropy(logits: Array, targets: NDArray[np.integer]) -> Array:
    """Mean of ``-log softmax(logits)[target]`` over all rows; the gradient is ``(softmax(logits) - onehot) / rows``.

    Args:
        logits: (..., V). targets: (...), integers in [0, V).
    Raises:
        ValueError: shapes that do not agree, or a target outside of [0, V).

    >>> x = Array([[0.0, 0.0]])
    >>> loss = cross_entropy(x, np.array([0])); loss.backward()
    >>> round(float(loss.data), 4), x.grad.tolist()
    (0.6931, [[-0.5, 0.5]])
    """
    targets = np.asarray(targets)
    if targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"logits of shape {logits.shape} need targets of shape {logits.shape[:-1]}, got {targets.shape}"
        )
    if not np.issubdtype(targets.dtype, np.integer):
        raise ValueError(f"targets are class numbers (integers), got {targets.dtype}")
    classes = logits.shape[-1]
    if targets.size == 0 or targets.min() < 0 or targets.max() >= classes:
        raise ValueError(f"targets must be in 0..{classes - 1} and not empty, got {targets.tolist()!r:.60}")
    shifted = logits.data - logits.data.max(axis=-1, keepdims=True)
    logp = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(logp, targets[..., None], axis=-1)

    def pull(g: Numbers) -> Numbers:
        slope = np.exp(logp)
        np.put_along_axis(slope, targets[..., None], np.exp(picked) - 1.0, axis=-1)
        return g * slope / targets.size

    return Array(-picked.mean(), (logits,), (pull,))


def layer_norm(x: Array, gain: Array, bias: Array, *, eps: float = 1e-5) -> Array:
    """``gain * (x - mean) / sqrt(var + eps) + bias`` over the last axis; var divides by C, not C - 1.

    With n = (x - mean) / s: dx = (h - mean(h) - n * mean(h * n)) / s where h = g * gain: what is left of the gradient
    after its mean and its part along n are taken out, since moving x by those changes nothing.

    Source: Ba, Kiros, Hinton 2016, arXiv:1607.06450.
    """
    size = x.shape[-1]
    if gain.shape != (size,) or bias.shape != (size,):
        raise ValueError(f"gain and bias must have shape ({size},), got {gain.shape} and {bias.shape}")
    mean = x.data.mean(axis=-1, keepdims=True)
    s = np.sqrt(x.data.var(axis=-1, keepdims=True) + eps)
    n = (x.data - mean) / s
    rows = tuple(range(x.data.ndim - 1))

    def pull_x(g: Numbers) -> Numbers:
        h = g * gain.data
        return (h - h.mean(axis=-1, keepdims=True) - n * (h * n).mean(axis=-1, keepdims=True)) / s

    return Array(
        gain.data * n + bias.data,
        (x, gain, bias),
        (pull_x, lambda g: (g * n).sum(axis=rows), lambda g: g.sum(axis=rows)),
    )
