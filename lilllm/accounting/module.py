"""What any module costs to train on one batch, measured: parameters, bytes and FLOPs, in one call.

    print(account(model, ids, optimizer=torch.optim.AdamW))

Read in order: account, Account, optimizer_state (of any torch optimizer).

The closed forms of params, flops and memory say the same of a decoder before there is one; here the module is run. On
the meta device that takes no memory and no time, whatever its size, as long as no value steers it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from lilllm.accounting.flops import measure
from lilllm.accounting.memory import saved_by

Make = Callable[[list[nn.Parameter]], Optimizer]


@dataclass(frozen=True, kw_only=True)
class Account:
    """What one training step of a module takes.

    Attributes:
        parameters: how many numbers; one shared by two layers counts once.
        weights, buffers, gradients, optimizer: bytes that stay from step to step. Frozen parameters have neither a
            gradient nor a state.
        activations: bytes that autograd keeps from the forward pass for the backward pass.
        forward, backward: FLOPs.
    """

    parameters: int
    weights: int
    buffers: int
    gradients: int
    optimizer: int
    activations: int
    forward: int
    backward: int

    @property
    def state(self) -> int:
        """Bytes whatever the batch."""
        return self.weights + self.buffers + self.gradients + self.optimizer

    @property
    def memory(self) -> int:
        """Bytes when the forward pass ends: state and activations. Temporaries of single operations come on top."""
        return self.state + self.activations

    @property
    def flops(self) -> int:
        """FLOPs of the step; the optimizer's own are no products and count nothing."""
        return self.forward + self.backward

    def __str__(self) -> str:
        sizes = ("weights", "buffers", "gradients", "optimizer", "activations", "memory")
        rows = [("parameters", f"{self.parameters:,}")]
        rows += [(name, f"{getattr(self, name):,} bytes") for name in sizes]
        rows += [(name, f"{getattr(self, name):,} FLOPs") for name in ("forward", "backward")]
        widest = max(len(value.split()[0]) for _, value in rows)
        return "\n".join(
            f"{name:12}{value.split()[0]:>{widest}} {value.partition(' ')[2]}".rstrip() for name, value in rows
        )


def account(module: nn.Module, *inputs: Any, optimizer: Make | None = None, **named: Any) -> Account:
    """Run ``module`` on ``inputs``, forward and backward from the sum of its outputs, and count.

    Args:
        optimizer: what makes one of a list of parameters: ``torch.optim.AdamW``, or a lambda with its options. None: no
            state, as of plain SGD.
    Raises:
        ValueError: nothing in the module can be trained.
        TypeError: it is no module, or ``optimizer`` makes none; what the module itself says of its inputs.
    Holds: parameters, gradients, buffers and the random state are afterwards what they were before.

    >>> print(account(nn.Linear(3, 5), torch.ones(2, 3), optimizer=torch.optim.Adagrad))
    parameters   20
    weights      80 bytes
    buffers       0 bytes
    gradients    80 bytes
    optimizer    88 bytes
    activations  24 bytes
    memory      272 bytes
    forward      60 FLOPs
    backward     60 FLOPs
    """
    if not isinstance(module, nn.Module):
        raise TypeError(f"an account is that of an nn.Module, got a {type(module).__name__}; for a function: count()")
    parameters = list(module.parameters())
    trained = [one for one in parameters if one.requires_grad]
    if not trained:
        raise ValueError("no parameter of the module has requires_grad; unfreeze some, or use flops.measure")
    flops = measure(module, *inputs, **named)
    return Account(
        parameters=sum(one.numel() for one in parameters),
        weights=_bytes(parameters),
        buffers=_bytes(module.buffers()),
        gradients=_bytes(trained),
        optimizer=optimizer_state(trained, optimizer) if optimizer else 0,
        activations=saved_by(module, *inputs, **named),
        forward=flops["forward"],
        backward=flops["backward"],
    )


def optimizer_state(parameters: Iterable[nn.Parameter], make: Make) -> int:
    """Bytes that an optimizer keeps of ``parameters`` from step to step, by taking one step with stand-ins of theirs.

    The stand-ins have no memory where the optimizer looks at shapes alone, as most of torch's do; one that reads values
    takes its step on zeros. Counters of steps count too, so Adam keeps 8 bytes a parameter and 4 a tensor in fp32.

    Raises:
        ValueError: the optimizer wants a closure (LBFGS).

    >>> weight = nn.Parameter(torch.zeros(10, 10))
    >>> optimizer_state([weight], torch.optim.AdamW), optimizer_state([weight], torch.optim.SGD)
    (804, 0)
    """
    parameters = list(parameters)
    if not callable(make):
        raise TypeError(
            f"the optimizer is a class or a function that makes one, such as torch.optim.AdamW; got {make!r:.80}"
        )
    try:
        return _after_a_step(parameters, make, "meta")
    except (RuntimeError, NotImplementedError):  # it asked a tensor without memory for its value
        return _after_a_step(parameters, make, "cpu")


def _after_a_step(parameters: list[nn.Parameter], make: Make, device: str) -> int:
    stand_ins = [nn.Parameter(torch.zeros_like(one, device=device)) for one in parameters]
    for one in stand_ins:
        one.grad = torch.zeros_like(one)
    made = make(stand_ins)
    if not isinstance(made, Optimizer):
        raise TypeError(f"{make!r:.80} made a {type(made).__name__}, and not a torch.optim.Optimizer")
    try:
        made.step()
    except TypeError as error:
        if "closure" not in str(error):
            raise
        raise ValueError(
            f"{type(made).__name__} wants a closure, and keeps what that one needs: step it yourself"
        ) from None
    return _bytes(_tensors(made.state))


def _bytes(tensors: Iterable[Tensor]) -> int:
    """Of all storages, each once."""
    storages = {one.untyped_storage()._cdata: one.untyped_storage() for one in tensors}
    return sum(storage.nbytes() for storage in storages.values())


def _tensors(state: Any) -> Iterator[Tensor]:
    """All tensors in an optimizer's state, however it nests them; not its keys, which are the parameters."""
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict):
        yield from _tensors(list(state.values()))
    elif isinstance(state, list | tuple):
        for one in state:
            yield from _tensors(one)
