"""Adam, and AdamW, which takes weight decay out of the gradient.

Read in order: Adam (reference, the paper's algorithm 1), AdamW (decay apart; and the same with one call for all
tensors).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from lilllm.optim.base import Params, Rule, refuse_not_finite


class Adam(Rule):
    """Adaptive moments.

        m = b1 m + (1 - b1) g          m_hat = m / (1 - b1^t)
        v = b2 v + (1 - b2) g^2        v_hat = v / (1 - b2^t)
        w = w - lr * m_hat / (sqrt(v_hat) + eps)

    ``eps`` is added after the bias correction, as in the paper's algorithm 1 and in torch. TensorFlow adds its "eps
    hat" before it: torch's eps equals eps_hat / sqrt(1 - b2^t). ``weight_decay`` here is L2, added to g: the adaptive
    scale then weakens it where gradients are large, which is what AdamW mends.

    Source: Kingma & Ba 2015, arXiv:1412.6980.
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if group["weight_decay"]:
            grad = grad.add(p, alpha=group["weight_decay"])
        _adam(p, grad, state, group)


class AdamW(Rule):
    """Adam with decoupled weight decay: ``w = w - lr * weight_decay * w`` first, then Adam's step on the bare gradient.

    ``foreach`` runs each operation once over all tensors of a group instead of once a tensor: the same numbers, fewer
    calls.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101. As in torch, the decay is multiplied by lr (the paper's by the
    schedule alone).
    """

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        foreach: bool = True,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach)

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        p.mul_(1 - group["lr"] * group["weight_decay"])
        _adam(p, grad, state, group)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        if not all(group["foreach"] for group in self.param_groups):
            return super().step(closure)
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        work = [(group, [p for p in group["params"] if p.grad is not None]) for group in self.param_groups]
        refuse_not_finite([p.grad for _, params in work for p in params])
        for group, params in work:
            if params:
                self._update_all(params, group)
        return loss

    def _update_all(self, params: list[Tensor], group: dict[str, Any]) -> None:
        (b1, b2), lr = group["betas"], group["lr"]
        grads = [p.grad for p in params if p.grad is not None]
        states = [self.state[p] for p in params]
        for p, state in zip(params, states, strict=True):
            if not state:
                state.update(step=0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
            state["step"] += 1
        ms, vs = [s["exp_avg"] for s in states], [s["exp_avg_sq"] for s in states]
        if group["weight_decay"]:
            torch._foreach_mul_(params, 1 - lr * group["weight_decay"])
        torch._foreach_lerp_(ms, grads, 1 - b1)
        torch._foreach_mul_(vs, b2)
        torch._foreach_addcmul_(vs, grads, grads, 1 - b2)
        roots = torch._foreach_sqrt(vs)
        torch._foreach_div_(roots, [math.sqrt(1 - b2 ** s["step"]) for s in states])
        torch._foreach_add_(roots, group["eps"])
        torch._foreach_addcdiv_(params, ms, roots, [-lr / (1 - b1 ** s["step"]) for s in states])


def _adam(p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state.update(step=0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
    state["step"] += 1
    t, (b1, b2) = state["step"], group["betas"]
    m = state["exp_avg"].lerp_(grad, 1 - b1)
    v = state["exp_avg_sq"].mul_(b2).addcmul_(grad, grad, value=1 - b2)
    root = v.sqrt().div_(math.sqrt(1 - b2**t)).add_(group["eps"])
    p.addcdiv_(m, root, value=-group["lr"] / (1 - b1**t))
