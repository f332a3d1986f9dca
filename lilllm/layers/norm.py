"""Normalisation: layer norm, root-mean-square norm, batch norm.

    layer_norm:  y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias
    rms_norm:    y = x / sqrt(mean(x^2) + eps) * weight

Both look at one token at a time, over its C channels. Batch norm looks at one channel at a time, over all tokens of
the batch, which lets tokens see each other: why language models do not use it.

Read in order:  layer_norm, rms_norm (references, the formulas as written)
                LayerNorm, RMSNorm (own the weights; call torch's operation), BatchNorm
Numerics:       statistics, gain and bias in float32, one cast back at the end. Llama's code, and so Hugging Face's,
                casts to the input's dtype before the gain (``cast_first``); the two differ in bfloat16 only.
Sources:        Ba, Kiros & Hinton 2016, arXiv:1607.06450; Zhang & Sennrich 2019, arXiv:1910.07467;
                Ioffe & Szegedy 2015, arXiv:1502.03167
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def layer_norm(
    x: Float[Tensor, "*any C"],
    weight: Float[Tensor, "C"] | None = None,
    bias: Float[Tensor, "C"] | None = None,
    *,
    eps: float = 1e-5,
) -> Float[Tensor, "*any C"]:
    """Shift each row to mean 0 and scale it to variance 1, then stretch and shift each channel."""
    wide = _wide(x)
    centred = wide - wide.mean(-1, keepdim=True)
    y = centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + eps)
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y.to(x.dtype)


def rms_norm(
    x: Float[Tensor, "*any C"],
    weight: Float[Tensor, "C"] | None = None,
    *,
    eps: float = 1e-5,
    cast_first: bool = False,
) -> Float[Tensor, "*any C"]:
    """Keep a row's direction, scale it to root mean square 1, then stretch each channel."""
    wide = _wide(x)
    y = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    if cast_first:
        y = y.to(x.dtype)
    if weight is not None:
        y = y * weight
    return y.to(x.dtype)


def _wide(x: Tensor) -> Tensor:
    """float32 of anything narrower; float64 as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


class LayerNorm(nn.Module):
    def __init__(
        self,
        d: int,
        *,
        eps: float = 1e-5,
        bias: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.empty(d, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(d, device=device, dtype=dtype)) if bias else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        if self.bias is not None:
            nn.init.zeros_(self.bias)

    def forward(self, x: Float[Tensor, "*any C"]) -> Float[Tensor, "*any C"]:
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}, bias={self.bias is not None}"


class RMSNorm(nn.Module):
    def __init__(
        self,
        d: int,
        *,
        eps: float = 1e-5,
        cast_first: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.eps, self.cast_first = eps, cast_first
        self.weight = nn.Parameter(torch.empty(d, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)

    def forward(self, x: Float[Tensor, "*any C"]) -> Float[Tensor, "*any C"]:
        return rms_norm(x, self.weight, eps=self.eps, cast_first=self.cast_first)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}" + (", cast_first=True" if self.cast_first else "")


class BatchNorm(nn.Module):
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        d: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.eps, self.momentum = eps, momentum
        self.weight = nn.Parameter(torch.empty(d, device=device, dtype=dtype))
        self.bias = nn.Parameter(torch.empty(d, device=device, dtype=dtype))
        self.register_buffer("running_mean", torch.empty(d, device=device, dtype=dtype))
        self.register_buffer("running_var", torch.empty(d, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)
        nn.init.zeros_(self.bias)
        self.running_mean.zero_()
        self.running_var.fill_(1.0)

    def forward(self, x: Float[Tensor, "*any C"]) -> Float[Tensor, "*any C"]:
        rows = _wide(x).reshape(-1, x.shape[-1])  # (N, C)
        if self.training:
            if len(rows) < 2:
                raise ValueError("batch norm in training needs at least two rows: one row's variance is 0")
            mean, var = rows.mean(0), rows.var(0, correction=0)
            with torch.no_grad():
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
                unbiased = var * len(rows) / (len(rows) - 1)
                self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        else:
            mean, var = self.running_mean, self.running_var
        y = (rows - mean) * torch.rsqrt(var + self.eps) * self.weight + self.bias
        return y.view(x.shape).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}, momentum={self.momentum}"
