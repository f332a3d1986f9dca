"""Gradient clipping, by the norm of all gradients together or by value."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from lilllm.optim.base import refuse_bad, refuse_sparse


@torch.no_grad()
def clip_by_norm(params: Tensor | Iterable[Tensor], max_norm: float, *, eps: float = 1e-6) -> float:
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
    grads = _gradients(params, "max_norm", max_norm)
    norms = torch._foreach_norm([g.float() if g.dtype in (torch.float16, torch.bfloat16) else g for g in grads])
    total = torch.stack([n.to(norms[0].device) for n in norms]).norm().item()
    if not math.isfinite(total):
        raise FloatingPointError(f"the gradient's norm is {total}; look at the loss of this batch first")
    scale = max_norm / (total + eps)
    if scale < 1:
        torch._foreach_mul_(grads, scale)
    return total


@torch.no_grad()
def clip_by_value(params: Tensor | Iterable[Tensor], limit: float) -> None:
    """Cut each element of each gradient to [-limit, limit]; this changes the direction.

    Raises:
        ValueError: ``limit`` is not above 0, or no parameter has a gradient.
        FloatingPointError: a gradient holds NaN or infinity, which would be cut to the limit and hidden.

    >>> w = torch.zeros(2, requires_grad=True); w.grad = torch.tensor([3.0, 0.1])
    >>> clip_by_value([w], 1.0); w.grad
    tensor([1.0000, 0.1000])
    """
    grads = _gradients(params, "limit", limit)
    refuse_bad(grads)
    torch._foreach_clamp_min_(grads, -limit)
    torch._foreach_clamp_max_(grads, limit)


def _gradients(params: Tensor | Iterable[Tensor], name: str, limit: Any) -> list[Tensor]:
    """The gradients there are, none of them sparse, under a limit that is one."""
    if not isinstance(limit, Real) or not float(limit) > 0:
        raise ValueError(f"{name} must be a number above 0, got {limit!r}; 1.0 is usual")
    if not isinstance(params, Iterable):
        raise ValueError(f"clipping takes parameters, got a {type(params).__name__}; give model.parameters()")
    grads = [p.grad for p in ([params] if isinstance(params, Tensor) else params) if p.grad is not None]
    if not grads:
        raise ValueError("no parameter has a gradient; call backward() first")
    refuse_sparse(grads)
    return grads
