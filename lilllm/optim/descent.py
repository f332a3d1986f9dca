"""Gradient descent and its momenta.

Read in order: SGD (one line), its momentum, Nesterov's look ahead. Weight decay here is L2: it is added to the
gradient. For plain SGD that equals decoupled decay; with momentum or an adaptive rule it does not (see adam.AdamW).
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from lilllm.optim.base import Params, Rule


class SGD(Rule):
    """Stochastic gradient descent, with momentum when asked.

        m = momentum * m + g        (m = g at the first step)
        w = w - lr * m              nesterov: w = w - lr * (g + momentum * m)

    The learning rate is outside of the average, as in torch; Polyak's and Sutskever's forms put it inside, which
    differs when the rate changes.

    Source: Polyak 1964; Sutskever et al. 2013 (ICML) for the Nesterov form.
    """

    keeps = ("momentum_buffer",)  # a state without momentum is empty

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        momentum: float = 0.0,
        nesterov: bool = False,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, lr=lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if group["weight_decay"]:
            grad = grad.add(p, alpha=group["weight_decay"])
        momentum = group["momentum"]
        if momentum:
            if state.get("momentum_buffer") is None:
                state["momentum_buffer"] = grad.clone()
            else:
                state["momentum_buffer"].mul_(momentum).add_(grad)
            m = state["momentum_buffer"]
            grad = grad.add(m, alpha=momentum) if group["nesterov"] else m
        p.add_(grad, alpha=-group["lr"])

    def check_group(self, group: dict[str, Any]) -> None:
        super().check_group(group)
        if group["nesterov"] and not group["momentum"]:
            raise ValueError(f"SGD: nesterov needs a momentum above 0, got {group['momentum']}")
