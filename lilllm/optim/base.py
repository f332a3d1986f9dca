"""What all optimizers here share: checked hyperparameters, checked gradients, one update a parameter.

A rule is a subclass of `Rule` with one method, ``update(p, grad, state, group)``, that reads like the paper. Groups,
``state_dict`` and hooks are torch's own: `torch.optim.Optimizer`.

Numerics: the state has the parameter's dtype and device, as torch's has; step counts are Python ints, so that bias
corrections are computed in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

Params = Iterable[Tensor] | Iterable[dict[str, Any]]


class Rule(torch.optim.Optimizer):
    """An optimizer that updates each parameter by itself.

    Raises:
        ValueError: a hyperparameter out of its range, no parameters, or none that requires a gradient.
        FloatingPointError: (in ``step``) a gradient holds NaN or infinity; nothing has been changed then.
    """

    def __init__(self, params: Params, **defaults: Any) -> None:
        for name, value in defaults.items():
            check_range(type(self).__name__, name, value)
        params = list(params)  # type: ignore[assignment]
        if not params:
            raise ValueError(f"{type(self).__name__} got no parameters; pass those of a model that has some")
        super().__init__(params, defaults)
        for number, group in enumerate(self.param_groups):
            for name in defaults:
                check_range(type(self).__name__, name, group[name])
            if not group["params"]:
                raise ValueError(f"parameter group {number} is empty; leave it out or give it parameters")
        if not any(p.requires_grad for group in self.param_groups for p in group["params"]):
            raise ValueError("no parameter requires a gradient (all are frozen); call requires_grad_(True) on some")

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change ``p`` in place by one step. ``state`` is empty at the first."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step over every parameter that has a gradient; gives the closure's loss if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        todo = [(p, group) for group in self.param_groups for p in group["params"] if p.grad is not None]
        refuse_not_finite([p.grad for p, _ in todo])
        for p, group in todo:
            self.update(p, p.grad, self.state[p], group)
        return loss


def refuse_not_finite(grads: list[Tensor]) -> None:
    """Raise FloatingPointError if any gradient holds NaN or infinity, before anything is changed."""
    if not grads:
        return
    norms = torch._foreach_norm(grads, torch.inf)
    worst = torch.stack([n.to(norms[0].device, torch.float32) for n in norms])
    if not torch.isfinite(worst).all():
        bad = [tuple(g.shape) for g, n in zip(grads, worst, strict=True) if not torch.isfinite(n)]
        raise FloatingPointError(
            f"{len(bad)} of {len(grads)} gradients hold NaN or infinity (the first has shape {bad[0]}); nothing was "
            "updated. Look at the loss of this batch, lower the learning rate or clip the gradient"
        )


def check_range(who: str, name: str, value: Any) -> None:
    """Raise ValueError unless ``value`` is allowed for the hyperparameter ``name``."""
    if isinstance(value, bool) or value is None:
        return
    if name == "betas":
        if len(value) != 2 or not all(0.0 <= b < 1.0 for b in value):
            raise ValueError(f"{who}: betas must be two numbers in [0, 1), got {value}")
    elif name in ("momentum", "rho", "alpha", "beta2", "decay"):
        if not 0.0 <= value < 1.0:
            raise ValueError(f"{who}: {name} must be in [0, 1), got {value}")
    elif isinstance(value, int | float) and name != "beta2_decay" and not 0.0 <= value < float("inf"):
        raise ValueError(f"{who}: {name} must be a finite number >= 0, got {value}")
