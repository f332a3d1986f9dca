"""What all optimizers here share: checked options, checked gradients, one update a parameter.

A rule is a subclass of `Rule` with one method, ``update(p, grad, state, group)``, that reads like the paper. Groups,
``state_dict`` and hooks are torch's own: `torch.optim.Optimizer`.

Read in order: Rule, refuse_bad (what a gradient may not be); options.py says what an option may be.

Numerics: the state has the parameter's dtype and device, as torch's has; step counts are Python ints, so that bias
corrections are computed in double precision. States are torch's by name: a ``state_dict`` of torch's SGD, Adagrad,
Adam, AdamW, Adafactor or Muon loads here; one from here loads there (the groups of torch's SGD, Adafactor and Muon have
options that ours do not: keep torch's ``param_groups`` and take our ``state``).

Left out of torch's options: ``maximize`` (negate the loss), ``amsgrad``, ``dampening``, ``differentiable``,
``capturable``, ``fused``, learning rates that are tensors; sparse gradients and complex parameters.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor

from lilllm.optim.options import ALLOWED, Allowed, check_option

Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


class Rule(torch.optim.Optimizer):
    """An optimizer that updates each parameter by itself.

    Parameters without a gradient, and frozen ones, stay as they are.

    Raises:
        ValueError: an option out of its range, no parameters, an empty group, complex parameters, or none that
            requires a gradient, an eps that the parameters' dtype takes for 0; in ``step`` a sparse gradient or a
            learning rate that is none; in ``load_state_dict`` a state of other shapes or of another rule.
        FloatingPointError: (in ``step``) a gradient holds NaN or infinity; nothing has been changed then.
    """

    allowed: ClassVar[Allowed] = ALLOWED
    keeps: ClassVar[tuple[str, ...]] = ()  # tensors of the parameter's shape that every state has

    def __init__(self, params: Params, **defaults: Any) -> None:
        if not isinstance(params, Iterable) or isinstance(params, Tensor | dict | str):
            what = f"tensor of shape {tuple(params.shape)}" if isinstance(params, Tensor) else type(params).__name__
            how = "put it in a list" if isinstance(params, Tensor | dict) else "give model.parameters()"
            raise ValueError(f"{self._who} takes a list of parameters or of groups, got one {what}; {how}")
        for name, value in defaults.items():
            self._check(name, value)
        params = list(params)  # type: ignore[assignment]
        if not params:
            raise ValueError(f"{self._who} got no parameters; pass those of a model that has some")
        super().__init__(params, defaults)
        if not any(p.requires_grad for group in self.param_groups for p in group["params"]):
            raise ValueError(
                f"{self._who}: no parameter requires a gradient (all are frozen); call requires_grad_(True) on some"
            )

    @property
    def _who(self) -> str:
        return type(self).__name__

    def _check(self, name: str, value: Any) -> None:
        check_option(self._who, name, value, self.allowed)

    def update(self, p: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """Change ``p`` in place by one step. ``state`` is empty at the first."""
        raise NotImplementedError

    def shapes(self, p: Tensor, group: dict[str, Any]) -> dict[str, tuple[int, ...]]:
        """The tensors that a state of ``p`` must hold, and their shapes."""
        return dict.fromkeys(self.keeps, tuple(p.shape))

    def update_group(self, params: list[Tensor], group: dict[str, Any]) -> None:
        """One step for the parameters of a group, all of which have a gradient."""
        for p in params:
            assert p.grad is not None
            self.update(p, p.grad, self.state[p], group)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step over every parameter that has a gradient; gives the closure's loss if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        work = [(_moving(group["params"]), group) for group in self.param_groups]
        refuse_bad([p.grad for params, _ in work for p in params if p.grad is not None])
        for _, group in work:
            self._check("lr", group["lr"])  # a schedule may have set it
        for params, group in work:
            if params:
                try:
                    self.update_group(params, group)
                except RuntimeError as error:
                    self._explain(params, group, error)
                    raise
        return loss

    def _explain(self, params: list[Tensor], group: dict[str, Any], error: RuntimeError) -> None:
        """Raise ValueError if an update failed because a state is of another shape than its parameter."""
        for p in params:
            for name, shape in self.shapes(p, group).items():
                known = self.state[p].get(name)
                if known is not None and known.shape != shape:
                    raise ValueError(
                        f"{self._who}: {name} has shape {tuple(known.shape)}, its parameter {tuple(p.shape)}; a "
                        "parameter that was given another shape needs a new optimizer"
                    ) from error

    def check_group(self, group: dict[str, Any]) -> None:
        """Raise ValueError unless a complete group is one that this rule can follow."""
        for name, value in group.items():
            self._check(name, value)
        for p in group["params"]:
            if p.is_complex():
                raise ValueError(f"{self._who} takes real parameters, got {p.dtype}; give it torch.view_as_real of it")
            eps = self.least_eps(group)
            if eps and p.is_floating_point() and not torch.tensor(eps, dtype=p.dtype):
                raise ValueError(
                    f"{self._who}: eps {group['eps']} is 0 in {p.dtype}, and a gradient of 0 would give 0 / 0; give a "
                    "larger one such as 1e-4, or keep the parameters in float32 (torch.autocast casts what may be cast)"
                )

    def least_eps(self, group: dict[str, Any]) -> float:
        """The smallest number that stands for ``eps`` in an update; 0: there is none, or 0 does no harm."""
        eps = group.get("eps")
        return eps if isinstance(eps, float) else 0.0

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group with options of its own; those it does not name are the optimizer's."""
        number = len(self.param_groups)
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise ValueError(f"{self._who}: a group is a dict with its parameters under 'params', got {param_group!r}")
        for name in param_group.keys() - self.defaults.keys() - {"params"}:
            near = difflib.get_close_matches(str(name), self.defaults, n=1, cutoff=0.85)
            if name == "learning_rate":
                near = ["lr"]
            if near:
                raise ValueError(f"{self._who}: parameter group {number} has {name!r}; did you mean {near[0]!r}?")
        super().add_param_group(param_group)
        try:
            if not self.param_groups[-1]["params"]:
                raise ValueError(f"parameter group {number} is empty; leave it out or give it parameters")
            self.check_group(self.param_groups[-1])
        except ValueError:
            self.param_groups.pop()
            raise

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The end of ``load_state_dict``, ``pickle`` and ``copy.deepcopy``; checked before anything is taken over."""
        defaults = state.get("defaults") or self.defaults
        for group in state["param_groups"]:
            for name, value in defaults.items():
                group.setdefault(name, value)
            self.check_group(group)
            for p in group["params"]:
                if values := state["state"].get(p):
                    self.check_state(p, values, group)
        for values in state["state"].values():
            if isinstance(values, dict) and isinstance(values.get("step"), Tensor):
                values["step"] = int(values["step"].item())
        super().__setstate__(state)

    def check_state(self, p: Tensor, values: Any, group: dict[str, Any]) -> None:
        """Raise ValueError unless ``values`` are a state that this rule can go on from."""
        if not isinstance(values, dict):
            raise ValueError(f"{self._who}: the saved state of a parameter is a dict, got a {type(values).__name__}")
        needed = self.shapes(p, group)
        if missing := [name for name in needed if name not in values]:
            raise ValueError(
                f"{self._who}: the saved state lacks {', '.join(missing)} and holds {', '.join(map(str, values))}; "
                "load it into the optimizer that it was saved from"
            )
        for name, shape in {**dict.fromkeys(OPTIONAL, tuple(p.shape)), **needed}.items():
            value = values.get(name)
            if value is not None and getattr(value, "shape", None) != shape:
                found = f"has shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"is {value!r:.40}"
                raise ValueError(
                    f"{self._who}: the saved {name} {found}, its parameter {tuple(p.shape)}; load the state of the "
                    "same model, its parameters in the same order"
                )


OPTIONAL = ("momentum_buffer", "grad_avg")  # tensors of the parameter's shape that some options want


def _moving(params: list[Tensor]) -> list[Tensor]:
    return [p for p in params if p.grad is not None and p.requires_grad and p.numel()]


def refuse_bad(grads: list[Tensor]) -> None:
    """Raise if any gradient is sparse, or holds NaN or infinity, before anything is changed.

    The sum of squares is what a machine reads fastest, and NaN and infinity show in it. It may be infinite for finite
    gradients too (above 1e19 in float32), so that only the largest element convicts.
    """
    if not grads:
        return
    refuse_sparse(grads)
    sums = [n.to(grads[0].device) for n in torch._foreach_norm(grads)]
    if math.isfinite(torch.stack(sums).sum(dtype=torch.float64).item()):
        return
    worst = torch._foreach_norm(grads, torch.inf)
    bad = [tuple(g.shape) for g, n in zip(grads, worst, strict=True) if not torch.isfinite(n)]
    if bad:
        raise FloatingPointError(
            f"{len(bad)} of {len(grads)} gradients hold NaN or infinity (the first has shape {bad[0]}); nothing was "
            "updated. Look at the loss of this batch, lower the learning rate or clip the gradient"
        )


def refuse_sparse(grads: list[Tensor]) -> None:
    """Raise ValueError if any gradient is sparse."""
    for g in grads:
        if g.layout is not torch.strided:
            raise ValueError(
                f"a gradient of shape {tuple(g.shape)} is sparse ({g.layout}); make the layer dense "
                "(nn.Embedding(..., sparse=False)) or use torch.optim.SparseAdam for its parameter"
            )
