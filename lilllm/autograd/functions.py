"""What networks need, on `Array`: softmax and cross-entropy, each as one node with its derivative worked out by hand.

One node instead of many is not only faster: log(softmax(x)) taken apart overflows, together it does not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lilllm.autograd.array import Array, as_array
from lilllm.autograd.numbers import Numbers


def softmax(x: Array | ArrayLike, axis: int = -1) -> Array:
    """``p_i = exp(x_i) / sum_j exp(x_j)`` along ``axis``.

    Its Jacobian is diag(p) - p p^T, so the gradient is ``p * (g - sum(g * p))``: no matrix is formed. The maximum is
    subtracted first, which changes nothing and keeps exp from overflowing.
    """
    x = as_array(x)
    p = np.exp(_below_zero("softmax", x, axis))
    p /= p.sum(axis=axis, keepdims=True)
    return Array(p, (x,), (lambda g: p * (g - (g * p).sum(axis=axis, keepdims=True)),))


def log_softmax(x: Array | ArrayLike, axis: int = -1) -> Array:
    """``x - log sum exp(x)``; the gradient is ``g - softmax(x) * sum(g)``."""
    x = as_array(x)
    y = _below_zero("log_softmax", x, axis)
    y -= np.log(np.exp(y).sum(axis=axis, keepdims=True))
    return Array(y, (x,), (lambda g: g - np.exp(y) * g.sum(axis=axis, keepdims=True),))


def cross_entropy(logits: Array | ArrayLike, targets: NDArray[np.integer]) -> Array:
    """Mean of ``-log softmax(logits)[target]`` over all rows; the gradient is ``(softmax(logits) - onehot) / rows``.

    Args:
        logits: (..., V). targets: (...), integers in [0, V). torch wants (N, V, ...), with V second.
    Raises:
        ValueError: shapes that do not agree, or a target outside of [0, V).

    >>> x = Array([[0.0, 0.0]])
    >>> loss = cross_entropy(x, np.array([0])); loss.backward()
    >>> round(float(loss.data), 4), x.grad.tolist()
    (0.6931, [[-0.5, 0.5]])
    """
    logits = as_array(logits)
    targets = np.array(targets)
    if not logits.shape or targets.shape != logits.shape[:-1]:
        raise ValueError(
            f"logits of shape {logits.shape} need targets of shape {logits.shape[:-1]}, got {targets.shape}"
        )
    if not np.issubdtype(targets.dtype, np.integer):
        raise ValueError(f"targets are class numbers (integers), got {targets.dtype}")
    classes = logits.shape[-1]
    if targets.size == 0 or targets.min() < 0 or targets.max() >= classes:
        raise ValueError(f"targets must be in 0..{classes - 1} and not empty, got {targets.tolist()!r:.60}")
    logp = _below_zero("cross_entropy", logits, -1)
    logp -= np.log(np.exp(logp).sum(axis=-1, keepdims=True))
    picked = np.take_along_axis(logp, targets[..., None], axis=-1)

    def pull(g: Numbers) -> Numbers:
        slope = np.exp(logp)
        np.put_along_axis(slope, targets[..., None], np.exp(picked) - 1.0, axis=-1)
        slope *= g / targets.size
        return slope

    return Array(-picked.mean(), (logits,), (pull,))


def _below_zero(what: str, x: Array, axis: int) -> Numbers:
    """x minus its maximum along ``axis``, so that no exponential overflows."""
    if not x.data.size:
        raise ValueError(f"{what} of an empty array of shape {x.shape}")
    return x.data - x.data.max(axis=axis, keepdims=True)
