"""RoPE: turn every pair of channels of queries and keys by an angle that grows with the position.

    angle[t, i] = t * theta^(-2i / D),    i = 0 .. D/2 - 1

Source: Su et al. 2021, arXiv:2104.09864.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class LinearScaling:
    """Positions divided by ``factor``."""

    factor: float

    def __call__(self, rates: Tensor) -> Tensor:
        return rates / self.factor


@dataclass(frozen=True, kw_only=True)
class Llama3Scaling:
    """Llama 3.1's: slow pairs by ``factor``, fast ones not, between them a blend."""

    factor: float
    low: float
    high: float
    original_len: int

    def __call__(self, rates: Tensor) -> Tensor:
        turns = self.original_len * rates / (2 * math.pi)  # in the original context
        blend = ((turns - self.low) / (self.high - self.low)).clamp(0, 1)  # 0: divided by factor, 1: left alone
        return (1 - blend) * rates / self.factor + blend * rates


def angles(
    positions: Int[Tensor, "*any"],
    d_head: int,
    theta: float = 10000.0,
    scaling: LinearScaling | Llama3Scaling | None = None,
) -> Float[Tensor, "*any P"]:
    if d_head % 2:
        raise ValueError(f"d_head must be even (channels turn in pairs), not {d_head}")
    rates = 1.0 / theta ** (torch.arange(0, d_head, 2, device=positions.device, dtype=torch.float32) / d_head)
    if scaling is not None:
        rates = scaling(rates)
    return positions[..., None].float() * rates


def rotate(
    x: Float[Tensor, "B H T D"], cos: Float[Tensor, "... T P"], sin: Float[Tensor, "... T P"]
) -> Float[Tensor, "B H T D"]:
    """Half-split: channel i turns with channel i + D/2."""
    if cos.dim() == 3:
        cos, sin = cos[:, None], sin[:, None]
    a, b = x.chunk(2, -1)
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


def rotate_pairs(
    x: Float[Tensor, "B H T D"], cos: Float[Tensor, "... T P"], sin: Float[Tensor, "... T P"]
) -> Float[Tensor, "B H T D"]:
    """Interleaved: channel 2i turns with channel 2i + 1."""
    if cos.dim() == 3:
        cos, sin = cos[:, None], sin[:, None]
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2).to(x.dtype)


def to_half(weight: Float[Tensor, "R *C"], n_heads: int) -> Float[Tensor, "R *C"]:
    """Rows of a projection (or its bias) made for interleaved pairs, in the order for half-split ones."""
    return weight.unflatten(0, (n_heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def to_pairs(weight: Float[Tensor, "R *C"], n_heads: int) -> Float[Tensor, "R *C"]:
    """The way back."""
    return weight.unflatten(0, (n_heads, 2, -1)).transpose(1, 2).flatten(0, 2)
