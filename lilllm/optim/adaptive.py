"""Step sizes of its own for each weight: Adagrad, RMSProp, Adadelta, in the order in which each cured the last.

Adagrad divides by all squared gradients so far, so its steps only shrink. RMSProp forgets: a moving average. Adadelta
replaces the learning rate by the size of its own past updates, so that units agree.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lilllm.optim.base import Params, Rule


class Adagrad(Rule):
    """``s = s + g^2;  w = w - lr / (1 + (t - 1) lr_decay) * g / (sqrt(s) + eps)``

    Source: Duchi, Hazan, Singer 2011 (JMLR 12). ``eps`` is outside of the root, as in torch.
    """

    keeps = ("sum",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        *,
        lr_decay: float = 0.0,
        weight_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
    ) -> None:
        super().__init__(
            params,
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            eps=eps,
        )

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state["step"] = 0
            state["sum"] = torch.full_like(p, group["initial_accumulator_value"])
        if group["weight_decay"]:
            grad = grad.add(p, alpha=group["weight_decay"])
        rate = group["lr"] / (1 + state["step"] * group["lr_decay"])
        state["step"] += 1
        state["sum"].addcmul_(grad, grad)
        p.addcdiv_(grad, state["sum"].sqrt().add_(group["eps"]), value=-rate)


class RMSProp(Rule):
    """``s = alpha s + (1 - alpha) g^2;  w = w - lr * g / (sqrt(s) + eps)``; ``centered`` subtracts the square of g's
    mean.

    Source: Tieleman & Hinton 2012, Coursera lecture 6.5; centered: Graves 2013, arXiv:1308.0850. TensorFlow puts eps
    inside the root.
    """

    keeps = ("square_avg",)

    def __init__(
        self,
        params: Params,
        lr: float = 1e-2,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        super().__init__(
            params, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered
        )

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        alpha = group["alpha"]
        needed = {"square_avg": True, "grad_avg": group["centered"], "momentum_buffer": group["momentum"]}
        for name in needed:
            if needed[name] and name not in state:
                state[name] = torch.zeros_like(p)
        if group["weight_decay"]:
            grad = grad.add(p, alpha=group["weight_decay"])
        square = state["square_avg"].mul_(alpha).addcmul_(grad, grad, value=1 - alpha)
        if group["centered"]:
            mean = state["grad_avg"].lerp_(grad, 1 - alpha)
            square = square.addcmul(mean, mean, value=-1)
        root = square.sqrt().add_(group["eps"])
        if group["momentum"]:
            state["momentum_buffer"].mul_(group["momentum"]).addcdiv_(grad, root)
            p.add_(state["momentum_buffer"], alpha=-group["lr"])
        else:
            p.addcdiv_(grad, root, value=-group["lr"])


class Adadelta(Rule):
    """``s = rho s + (1 - rho) g^2;  d = sqrt(u + eps) / sqrt(s + eps) * g;  u = rho u + (1 - rho) d^2;  w = w - lr d``

    Source: Zeiler 2012, arXiv:1212.5701 (which has lr = 1).
    """

    keeps = ("square_avg", "acc_delta")

    def __init__(
        self, params: Params, lr: float = 1.0, *, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state["square_avg"] = torch.zeros_like(p)
            state["acc_delta"] = torch.zeros_like(p)
        if group["weight_decay"]:
            grad = grad.add(p, alpha=group["weight_decay"])
        rho, eps = group["rho"], group["eps"]
        square, acc = state["square_avg"], state["acc_delta"]
        square.mul_(rho).addcmul_(grad, grad, value=1 - rho)
        delta = acc.add(eps).sqrt_().div_(square.add(eps).sqrt_()).mul_(grad)
        acc.mul_(rho).addcmul_(delta, delta, value=1 - rho)
        p.add_(delta, alpha=-group["lr"])
