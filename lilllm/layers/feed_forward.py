"""Feed-forward: each token on its own, up to F channels, through a bend, and back down to C.

    FeedForward:       y = down(act(up(x)))
    GatedFeedForward:  y = down(act(gate(x)) * up(x))      act = silu: SwiGLU; gelu: GEGLU; relu: ReGLU

Read in order:  relu, gelu, gelu_tanh, silu (written out; the modules call torch's own), FeedForward, GatedFeedForward,
                swiglu_d_ff (how wide a gated one is, for as many weights)
Conventions:    "gelu" is the exact one, "gelu_tanh" the approximation that GPT-2 was trained with ("gelu_new"). They
                differ by up to 0.0005, enough to be seen in logits. silu is also called swish
Sources:        Hendrycks & Gimpel 2016, arXiv:1606.08415 (GELU); Ramachandran et al. 2017, arXiv:1710.05941 (swish);
                Shazeer 2020, arXiv:2002.05202 (SwiGLU, GEGLU)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lilllm.layers import written_out


def relu(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """max(x, 0).

    >>> relu(torch.tensor([-2.0, 3.0]))
    tensor([0., 3.])
    """
    return x.clamp(min=0)


def gelu(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """x Phi(x): x times the chance that a number drawn from N(0, 1) is below x.

    >>> gelu(torch.tensor([-1.0, 0.0, 1.0]))  # Phi(1) = 0.8413
    tensor([-0.1587,  0.0000,  0.8413])
    """
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def gelu_tanh(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2: Phi by a tanh.

    >>> gelu_tanh(torch.tensor([-1.0, 0.0, 1.0]))
    tensor([-0.1588,  0.0000,  0.8412])
    """
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """x sigmoid(x).

    >>> silu(torch.tensor([0.0, math.log(3)])) / math.log(3)  # the sigmoid of log 3 is 3/4
    tensor([0.0000, 0.7500])
    """
    return x / (1 + torch.exp(-x))


def _gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


def _activation(name: str) -> Callable[[Tensor], Tensor]:
    known: dict[str, Callable[[Tensor], Tensor]]
    known = {"relu": F.relu, "gelu": F.gelu, "gelu_tanh": _gelu_tanh, "silu": F.silu}
    if name not in known:
        raise ValueError(f"activation must be one of {', '.join(known)}, not {name!r}")
    return known[name]


class FeedForward(nn.Module):
    """Two matrices and a bend: ``down(act(up(x)))``.

    Args:
        activation: "relu", "gelu", "gelu_tanh" or "silu".
        bias: of both matrices.
    Raises: ValueError: another activation; a size below 1.

    >>> FeedForward(4, 16)(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 3, 4])
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        *,
        activation: str = "gelu",
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _check_sizes(d_model, d_ff)
        self.activation, self.act = activation, _activation(activation)
        self.up = nn.Linear(d_model, d_ff, bias=bias, device=device, dtype=dtype)
        self.down = nn.Linear(d_ff, d_model, bias=bias, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "*any C"]) -> Float[Tensor, "*any C"]:
        return self.down(self.act(self.up(x)))  # (..., F) between

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


class GatedFeedForward(nn.Module):
    """Three matrices: what ``up`` brings is let through as far as ``act(gate(x))`` says.

    Args: as in `FeedForward`; "silu" makes it SwiGLU, "gelu" or "gelu_tanh" GEGLU.
    Raises: ValueError: another activation; a size below 1.

    >>> sum(p.numel() for p in GatedFeedForward(4, 16).parameters())
    192
    """

    def __init__(
        self,
        d_model: int,
        d_ff: int,
        *,
        activation: str = "silu",
        bias: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        _check_sizes(d_model, d_ff)
        self.activation, self.act = activation, _activation(activation)
        self.gate = nn.Linear(d_model, d_ff, bias=bias, device=device, dtype=dtype)
        self.up = nn.Linear(d_model, d_ff, bias=bias, device=device, dtype=dtype)
        self.down = nn.Linear(d_ff, d_model, bias=bias, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "*any C"]) -> Float[Tensor, "*any C"]:
        gate, up = self.gate(x), self.up(x)  # (..., F) each
        if self.activation == "silu" and written_out.serves():
            return self.down(_SiluTimes.apply(gate, up))
        return self.down(self.act(gate) * up)

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


class _SiluTimes(torch.autograd.Function):
    """silu(gate) * up, which keeps those two for the backward pass and works silu out again: a third less to keep."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, up: Tensor) -> Tensor:
        ctx.save_for_backward(gate, up)
        return F.silu(gate).mul_(up)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor]:
        gate, up = ctx.saved_tensors
        if torch.is_grad_enabled():  # someone wants the gradient of the gradient
            s = torch.sigmoid(gate)
            return g * up * s * (1 + gate * (1 - s)), g * gate * s
        of_act = g * up
        d_gate = torch.ops.aten.silu_backward.grad_input(of_act, gate, grad_input=of_act)
        return d_gate, F.silu(gate).mul_(g)


def swiglu_d_ff(d_model: int, multiple_of: int = 1) -> int:
    """Two thirds of 4 d_model, rounded up to a multiple: three matrices then weigh as much as two of 4 d_model.

    Rounded as in Meta's Llama: first down to an integer, then up to the multiple.

    Raises: ValueError: a number below 1.

    >>> swiglu_d_ff(4096, 256)  # 8/3 x 4096 = 10922.67
    11008
    """
    if d_model < 1 or multiple_of < 1:
        raise ValueError(f"d_model and multiple_of must be at least 1, not {d_model} and {multiple_of}")
    return -(-(8 * d_model // 3) // multiple_of) * multiple_of


def _check_sizes(d_model: int, d_ff: int) -> None:
    if d_model < 1 or d_ff < 1:
        raise ValueError(f"d_model and d_ff must be at least 1, not {d_model} and {d_ff}")
