"""The optimizers of a run, and their state as names, tensors and numbers.

    make(model, config)        one of AdamW, or Muon for the matrices inside blocks and AdamW for the rest
    state(optimizers)          everything they keep, to go into a file
    load(optimizers, ...)      and back, to the bit

Weight decay is for matrices: gains and biases are few, and pulling a gain to 0 takes its channel away.

Read in order: Named, make, state, load.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lilllm.optim import Muon
from lilllm.training.config import TrainConfig


@dataclass(frozen=True)
class Named:
    """An optimizer, and the names of its parameters in its own order."""

    kind: str
    optimizer: torch.optim.Optimizer
    names: tuple[str, ...]

    def set_rate(self, lr: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = lr


def make(model: nn.Module, config: TrainConfig) -> list[Named]:
    """The optimizers of all parameters that require a gradient.

    AdamW is torch's fused one: on the CPU it steps ``liltown`` in 0.4 of the time of `lilllm.optim.AdamW`
    (tests/bench/bench_training.py --optimizer), and it knows a gradient scaler. They agree to rounding (tests/optim).
    """
    wanted = {name: p for name, p in model.named_parameters() if p.requires_grad}
    if not wanted:
        raise ValueError("no parameter of the model requires a gradient; call requires_grad_(True) on some")
    inside = {name for name, p in wanted.items() if p.ndim == 2 and "blocks." in name}
    by_muon = inside if config.optimizer == "muon" else set()
    matrices = [name for name, p in wanted.items() if p.ndim >= 2 and name not in by_muon]
    others = [name for name, p in wanted.items() if p.ndim < 2]
    made = []
    if by_muon:
        names = tuple(name for name in wanted if name in by_muon)
        muon = Muon(
            [wanted[name] for name in names],
            lr=config.lr,
            weight_decay=config.weight_decay,
            match_rms_adamw=True,
            ns_dtype=torch.float32 if next(iter(wanted.values())).device.type == "cpu" else torch.bfloat16,
        )
        made.append(Named("muon", muon, names))
    groups = [(matrices, config.weight_decay), (others, 0.0)]
    adamw = torch.optim.AdamW(
        [{"params": [wanted[name] for name in names], "weight_decay": decay} for names, decay in groups if names],
        lr=config.lr,
        betas=config.betas,
        eps=config.eps,
        fused=True,
    )
    return [*made, Named("adamw", adamw, (*matrices, *others))]


def state(optimizers: list[Named]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and plain numbers of all states, as "adamw/embed.weight/exp_avg"."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for one in optimizers:
        for index, values in one.optimizer.state_dict()["state"].items():
            for name, value in values.items():
                key = f"{one.kind}/{one.names[index]}/{name}"
                (tensors if isinstance(value, Tensor) else numbers)[key] = value
    return tensors, numbers


def load(optimizers: list[Named], tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    """Take over what `state` gave.

    Raises:
        ValueError: a state of other optimizers, or of another model's parameters.
    """
    kept = {**tensors, **numbers}
    for one in optimizers:
        states: dict[int, dict[str, Any]] = {}
        for index, name in enumerate(one.names):
            prefix = f"{one.kind}/{name}/"
            of_it = {key.removeprefix(prefix): kept.pop(key) for key in [k for k in kept if k.startswith(prefix)]}
            if of_it:
                states[index] = of_it
        _check_shapes(one, states)
        groups = one.optimizer.state_dict()["param_groups"]
        one.optimizer.load_state_dict({"state": states, "param_groups": groups})
    if kept:
        raise ValueError(f"the optimizer's state has {next(iter(kept))!r}, which none of this run's optimizers keeps")


def _check_shapes(one: Named, states: dict[int, dict[str, Any]]) -> None:
    parameters = [p for group in one.optimizer.param_groups for p in group["params"]]
    for index, values in states.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.ndim and value.shape != parameters[index].shape:
                raise ValueError(
                    f"the optimizer's {name} of {one.names[index]} has shape {tuple(value.shape)}, the parameter "
                    f"{tuple(parameters[index].shape)}"
                )
