"""Normalisation: layer norm, root-mean-square norm, batch norm.

    layer_norm:  y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias
    rms_norm:    y = x / sqrt(mean(x^2) + eps) * weight

Both look at one token at a time, over its C channels. Batch norm looks at one channel at a time, over all tokens of
the batch, so tokens see each other, later ones too: no use to a model that predicts the next.

Read in order:  layer_norm, rms_norm (references, the formulas as written)
                LayerNorm, RMSNorm (own the weights, and are fast), BatchNorm
Shapes:         C channels last; any leading axes
Numerics:       all in float32 (float64 stays), one cast back at the end. Llama's code, and so Hugging Face's, casts to
                the input's dtype before the gain (``cast_first``): the same in float32, not in bfloat16
Conventions:    eps 1e-5 as torch's layer norm; Llama 1 and Qwen take 1e-6; torch.nn.RMSNorm by itself the dtype's eps
Sources:        Ba, Kiros & Hinton 2016, arXiv:1607.06450; Zhang & Sennrich 2019, arXiv:1910.07467;
                Ioffe & Szegedy 2015, arXiv:1502.03167
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from lilllm.layers import written_out


def layer_norm(
    x: Float[Tensor, "*any C"],
    weight: Float[Tensor, "C"] | None = None,
    bias: Float[Tensor, "C"] | None = None,
    *,
    eps: float = 1e-5,
) -> Float[Tensor, "*any C"]:
    """Shift each row to mean 0 and scale it to variance 1, then stretch and shift each channel.

    Holds: adding a number to a whole row changes nothing; nor does scaling it, but for eps.

    >>> layer_norm(torch.tensor([1.0, 3.0]), eps=0.0)  # mean 2, deviation 1
    tensor([-1.,  1.])
    """
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
    """Keep a row's direction, scale it to root mean square 1, then stretch each channel.

    Holds: scaling a row changes nothing, but for eps; the mean is kept, not taken away.

    >>> rms_norm(torch.tensor([1.0, 7.0]), eps=0.0)  # the mean square is 25
    tensor([0.2000, 1.4000])
    """
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


def _check(d: int, eps: float) -> None:
    if d < 1:
        raise ValueError(f"a norm is over at least 1 channel, not {d}")
    if not eps >= 0:
        raise ValueError(f"eps must be at least 0, not {eps}")


class LayerNorm(nn.Module):
    """`layer_norm` with a gain that begins at 1 and, with ``bias``, a shift that begins at 0; torch's fused kernel.

    Raises: ValueError: ``d`` is below 1 or ``eps`` below 0.
    """

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
        _check(d, eps)
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
    """`rms_norm` with a gain that begins at 1.

    Fast where all is of one dtype and the order of the cast makes no difference: torch's kernel on an accelerator; on a
    processor, where torch has none, one with its gradient written out.

    Raises: ValueError: ``d`` is below 1 or ``eps`` below 0.
    """

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
        _check(d, eps)
        self.eps, self.cast_first = eps, cast_first
        self.weight = nn.Parameter(torch.empty(d, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.ones_(self.weight)

    def forward(self, x: Float[Tensor, "*any C"]) -> Float[Tensor, "*any C"]:
        same = x.dtype == self.weight.dtype
        if same and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and written_out.serves():
            return _RMSNormCPU.apply(x, self.weight, self.eps)
        if same and x.device.type != "cpu" and (x.dtype == torch.float32 or not self.cast_first):
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return rms_norm(x, self.weight, eps=self.eps, cast_first=self.cast_first)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, eps={self.eps}" + (", cast_first=True" if self.cast_first else "")


class _RMSNormCPU(torch.autograd.Function):
    """With r = 1 / sqrt(mean(x^2) + eps) and g the gradient of y = x r w:

    dw = sum over rows of g x r        dx = g w r - x r^3 mean(g x w)

    Both sums are products of g x with a vector, which read it once. Less than half the time of the reference, and x is
    all that is kept for it.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, eps: float) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        r = (norm.square() / x.shape[-1] + eps).rsqrt()  # (..., 1)
        ctx.save_for_backward(x, weight, r)
        ctx.eps = eps
        return (x * r).mul_(weight)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight, r = ctx.saved_tensors
        if torch.is_grad_enabled():  # someone wants the gradient of the gradient
            r = torch.rsqrt(x.square().mean(-1, keepdim=True) + ctx.eps)  # as a function of x
            gw = g * weight
            dx = gw * r - x * r**3 * (gw * x).mean(-1, keepdim=True)
            return dx, (g * x * r).reshape(-1, x.shape[-1]).sum(0), None
        gx = g * x
        rows, scale = gx.reshape(-1, x.shape[-1]), r.reshape(-1)
        with torch.autocast("cpu", enabled=False):  # which would take these products in bfloat16
            d_weight = scale @ rows  # (C,)
            pull = (rows @ weight) * scale**3 / x.shape[-1]  # (N,)
        dx = (g * weight).mul_(r).addcmul_(x, pull.view(r.shape), value=-1)
        return dx, d_weight, None


class BatchNorm(nn.Module):
    """Each channel to mean 0 and variance 1 over all rows of the batch, then stretched and shifted; as BatchNorm1d.

    In training the batch's own statistics; the running ones, which evaluation uses, move towards them by ``momentum``
    (towards the unbiased variance, while the batch is divided by the biased one: torch's convention).

    Shapes: x (..., C): all leading axes are rows. torch's BatchNorm1d wants channels second: (N, C) or (N, C, T).
    Raises: ValueError: fewer than two rows in training; ``d`` below 1, ``eps`` below 0.
    """

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
        _check(d, eps)
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
                raise ValueError(f"batch norm in training needs at least two rows to vary, not {len(rows)}")
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
