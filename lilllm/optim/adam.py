"""Adam, and AdamW, which takes weight decay out of the gradient.

Read in order: Adam (reference, the paper's algorithm 1), AdamW (decay apart; and the same with one call for all
tensors).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from lilllm.optim.base import Params, Rule


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

    keeps = ("exp_avg", "exp_avg_sq")

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

    def check_group(self, group: dict[str, Any]) -> None:
        super().check_group(group)
        if group.get("decoupled_weight_decay"):  # an option of torch's Adam, in a state that is loaded
            raise ValueError("Adam adds the decay to the gradient; for decoupled_weight_decay use AdamW")


class AdamW(Rule):
    """Adam with decoupled weight decay: ``w = w - lr * weight_decay * w`` first, then Adam's step on the bare gradient.

    ``foreach`` runs each operation once over many tensors of a group instead of once a tensor: the same numbers, fewer
    calls; and on a processor over as much at a time as its cache holds.

    Source: Loshchilov & Hutter 2019, arXiv:1711.05101. As in torch, the decay is multiplied by lr (the paper's by the
    schedule alone).
    """

    keeps = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        params: Params,
        lr: float = 1e-3,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        foreach: bool | None = True,
    ) -> None:
        super().__init__(params, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, foreach=foreach)

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        p.mul_(1 - group["lr"] * group["weight_decay"])
        _adam(p, grad, state, group)

    def least_eps(self, group: dict[str, Any]) -> float:
        return super().least_eps(group) * math.sqrt(1 - group["betas"][1])  # _update_all multiplies v's correction in

    def update_group(self, params: list[Tensor], group: dict[str, Any]) -> None:
        if group["foreach"] is False:
            super().update_group(params, group)
        else:
            self._update_all(params, group)

    def _update_all(self, params: list[Tensor], group: dict[str, Any]) -> None:
        (b1, b2), lr = group["betas"], group["lr"]
        work = []
        for p in params:
            state = self.state[p]
            if not state:
                state.update(step=0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
            state["step"] += 1
            # v's correction c goes into the numbers around it: m / (root / c + eps) = c m / (root + c eps).
            c = math.sqrt(1 - b2 ** state["step"])
            numbers = (c * group["eps"], -lr * c / (1 - b1 ** state["step"]))
            work += [(*piece, *numbers) for piece in _pieces((p, p.grad, state["exp_avg"], state["exp_avg_sq"]))]
        for ws, grads, ms, vs, eps, rates in _batches(work):
            if group["weight_decay"]:
                torch._foreach_mul_(ws, 1 - lr * group["weight_decay"])
            torch._foreach_lerp_(ms, grads, 1 - b1)
            torch._foreach_mul_(vs, b2)
            torch._foreach_addcmul_(vs, grads, grads, 1 - b2)
            roots = torch._foreach_sqrt(vs)
            torch._foreach_add_(roots, eps)
            torch._foreach_addcdiv_(ws, ms, roots, rates)


IN_CACHE = 2**16  # elements of a weight whose four tensors and root (1.3 MB in float32) stay in a processor's cache


def _pieces(tensors: tuple[Any, ...]) -> Iterable[tuple[Any, ...]]:
    """Views of the same places in each tensor, small enough for a processor's cache."""
    w = tensors[0]
    if w.numel() <= IN_CACHE or w.device.type != "cpu" or not all(t.is_contiguous() for t in tensors):
        return [tensors]
    return zip(*(t.view(-1).split(IN_CACHE) for t in tensors), strict=True)


def _batches(work: list[tuple[Any, ...]]) -> Iterable[list[list[Any]]]:
    """The columns of some rows at a time, so that the tensors that one operation leaves in the cache meet the next.

    On an accelerator all rows at once: there a call costs more than a trip to memory.
    """
    some: list[tuple[Any, ...]] = []
    held = 0
    for row in work:
        if some and row[0].device.type == "cpu" and held + row[0].numel() > IN_CACHE:
            yield [list(column) for column in zip(*some, strict=True)]
            some, held = [], 0
        some.append(row)
        held += row[0].numel()
    yield [list(column) for column in zip(*some, strict=True)]


def _adam(p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
    if not state:
        state.update(step=0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
    state["step"] += 1
    t, (b1, b2) = state["step"], group["betas"]
    m = state["exp_avg"].lerp_(grad, 1 - b1)
    v = state["exp_avg_sq"].mul_(b2).addcmul_(grad, grad, value=1 - b2)
    root = v.sqrt().div_(math.sqrt(1 - b2**t)).add_(group["eps"])
    p.addcdiv_(m, root, value=-group["lr"] / (1 - b1**t))
