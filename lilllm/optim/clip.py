"""Gradient clipping, by the norm of all gradients together or by value."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor


@torch.no_grad()
def clip_by_norm(params: Iterable[Tensor], max_norm: float, *, eps: float = 1e-6) -> float:
    """Scale all gradients by ``min(1, max_norm / (norm + eps))``; gives the norm before.

    The direction is kept. The norm is over all tensors as one long vector, in float32.

    Raises:
        ValueError: ``max_norm`` is not above 0, or no parameter has a gradient.
        FloatingPointError: the norm is NaN or infinite; the gradients are left as they are.

    Source: Pascanu, Mikolov, Bengio 2013, arXiv:1211.5063.

    >>> w = torch.zeros(2, requires_grad=True); w.grad = torch.tensor([3.0, 4.0])
    >>> clip_by_norm([w], 1.0), w.grad
    (5.0, tensor([0.6000, 0.8000]))
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm must be above 0, got {max_norm}")
    grads = [p.grad for p in params if p.grad is not None]
    if not grads:
        raise ValueError("no parameter has a gradient; call backward() first")
    norms = torch._foreach_norm([g.float() if g.dtype in (torch.float16, torch.bfloat16) else g for g in grads])
    total = torch.stack([n.to(norms[0].device) for n in norms]).norm().item()
    if not math.isfinite(total):
        raise FloatingPointError(f"the gradient's norm is {total}; look at the loss of this batch first")
    scale = max_norm / (total + eps)
    if scale < 1:
        torch._foreach_mul_(grads, scale)
    return total


@torch.no_grad()
def clip_by_value(params: Iterable[Tensor], limit: float) -> None:
    """Cut each element of each gradient to [-limit, limit]; this changes the direction."""
    if not limit > 0:
        raise ValueError(f"limit must be above 0, got {limit}")
    for p in params:
        if p.grad is not None:
            p.grad.clamp_(-limit, limit)
