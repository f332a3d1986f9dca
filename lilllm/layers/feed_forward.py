"""Feed-forward: each token on its own, up to F channels, through a bend, and back.

    FeedForward:       y = down(act(up(x)))
    GatedFeedForward:  y = down(act(gate(x)) * up(x))

Sources: Hendrycks & Gimpel 2016, arXiv:1606.08415 (GELU); Shazeer 2020, arXiv:2002.05202 (SwiGLU, GEGLU).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def relu(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    return torch.where(x > 0, x, 0.0)


def gelu(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """x times the chance that a standard normal number is below x."""
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def gelu_tanh(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def silu(x: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    return x / (1 + torch.exp(-x))


def _torch_gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


FAST: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": _torch_gelu_tanh,
    "silu": F.silu,
}


def _activation(name: str) -> Callable[[Tensor], Tensor]:
    if name not in FAST:
        raise ValueError(f"activation must be one of {', '.join(FAST)}, not {name!r}")
    return FAST[name]


class FeedForward(nn.Module):
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
        self.activation = activation
        self.act = _activation(activation)
        self.up = nn.Linear(d_model, d_ff, bias=bias, device=device, dtype=dtype)
        self.down = nn.Linear(d_ff, d_model, bias=bias, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "*any C"]) -> Float[Tensor, "*any C"]:
        return self.down(self.act(self.up(x)))

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


class GatedFeedForward(nn.Module):
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
        self.activation = activation
        self.act = _activation(activation)
        self.gate = nn.Linear(d_model, d_ff, bias=bias, device=device, dtype=dtype)
        self.up = nn.Linear(d_model, d_ff, bias=bias, device=device, dtype=dtype)
        self.down = nn.Linear(d_ff, d_model, bias=bias, device=device, dtype=dtype)

    def forward(self, x: Float[Tensor, "*any C"]) -> Float[Tensor, "*any C"]:
        return self.down(self.act(self.gate(x)) * self.up(x))

    def extra_repr(self) -> str:
        return f"activation={self.activation}"


def swiglu_d_ff(d_model: int, multiple_of: int) -> int:
    """Two thirds of 4 d_model, rounded up to a multiple: three matrices then weigh as much as two of 4 d_model.

    >>> swiglu_d_ff(4096, 256)
    11008
    """
    two_thirds = 8 * d_model // 3
    return -(-two_thirds // multiple_of) * multiple_of
