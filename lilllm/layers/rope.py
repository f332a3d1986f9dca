"""RoPE, rotary positions: turn every pair of channels of queries and keys by an angle that grows with the position.

    angle[t, i] = t * theta^(-2i / D),   i = 0 .. D/2 - 1
    (a, b)  ->  (a cos - b sin, b cos + a sin)

Two vectors turned by m and by n have the product that one of them has turned by m - n: scores see distances only.

Read in order:  angles, rotate (half-split pairs), rotate_pairs (interleaved pairs), to_half and to_pairs (weights from
                one to the other), LinearScaling and Llama3Scaling (longer contexts)
Conventions:    which channels are a pair. Half-split: i and i + D/2 (GPT-NeoX, Hugging Face's Llama, Qwen, Mistral).
                Interleaved: 2i and 2i + 1 (the paper, Meta's Llama, GPT-J). Weights trained with one are wrong with the
                other, and nothing but the loss tells.
Numerics:       angles in float32: in bfloat16 a position above 256 is rounded. The rotation is in the wider of x's
                dtype and that of cos and sin, then cast back to x's: give float32 ones, or ones cast to x's dtype as
                transformers does
Sources:        Su et al. 2021, arXiv:2104.09864, sections 3.2.2 and 3.4.2; Chen et al. 2023, arXiv:2306.15595
                (linear scaling); Llama 3's scaling is that of Meta's published code for Llama 3.1
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from lilllm.layers import written_out


@dataclass(frozen=True, kw_only=True)
class LinearScaling:
    """All angles divided by ``factor``: positions are squeezed into the length of training.

    >>> LinearScaling(factor=4.0)(torch.tensor([1.0, 0.5]))
    tensor([0.2500, 0.1250])
    """

    factor: float | int

    def __post_init__(self) -> None:
        if not _above_0(self.factor):
            raise ValueError(f"factor must be a number above 0, not {self.factor!r}")

    def __call__(self, rates: Float[Tensor, "P"]) -> Float[Tensor, "P"]:
        return rates / self.factor


@dataclass(frozen=True, kw_only=True)
class Llama3Scaling:
    """Slow pairs are divided by ``factor``, fast ones left alone, those between a blend of both.

    A pair is fast if it turns more than ``high`` times in ``original_len`` tokens, slow if fewer than ``low`` times.
    Llama 3.1: factor 8, low 1, high 4, original_len 8192. transformers calls them factor, low_freq_factor,
    high_freq_factor and original_max_position_embeddings.

    >>> turns = torch.tensor([4.0, 2.5, 1.0])  # fast, half-way, slow
    >>> Llama3Scaling(factor=8, low=1, high=4, original_len=100)(2 * math.pi * turns / 100) * 100 / (2 * math.pi)
    tensor([4.0000, 1.4062, 0.1250])
    """

    factor: float | int
    low: float | int
    high: float | int
    original_len: int

    def __post_init__(self) -> None:
        numbers = (self.factor, self.low, self.high, self.original_len)
        if not all(map(_above_0, numbers)) or not self.low < self.high:
            raise ValueError(f"factor and original_len must be numbers above 0, and 0 < low < high: {self}")

    def __call__(self, rates: Float[Tensor, "P"]) -> Float[Tensor, "P"]:
        turns = self.original_len * rates / (2 * math.pi)
        alone = ((turns - self.low) / (self.high - self.low)).clamp(0, 1)  # 0 for slow pairs, 1 for fast ones
        return (1 - alone) * rates / self.factor + alone * rates


def angles(
    positions: Int[Tensor, "*any"],
    d_head: int,
    theta: float | int = 10000.0,
    scaling: LinearScaling | Llama3Scaling | None = None,
) -> Float[Tensor, "*any P"]:
    """Radians by which pair i turns at each position: float32, P = D/2 of them.

    Positions may be any integers, (T,) for all rows of a batch or (B, T) for each its own (padding on the left).

    Raises: ValueError: ``d_head`` is odd or below 2, ``theta`` is not above 0.

    >>> angles(torch.tensor([0, 1, 2]), 4, theta=100.0)
    tensor([[0.0000, 0.0000],
            [1.0000, 0.1000],
            [2.0000, 0.2000]])
    """
    if d_head < 2 or d_head % 2:
        raise ValueError(f"d_head must be even (channels turn in pairs), not {d_head}")
    if not theta > 0:
        raise ValueError(f"theta must be above 0, not {theta}")
    rates = 1.0 / theta ** (torch.arange(0, d_head, 2, device=positions.device, dtype=torch.float32) / d_head)
    if scaling is not None:
        rates = scaling(rates)
    return positions[..., None].float() * rates


def rotate(
    x: Float[Tensor, "B H T D"], cos: Float[Tensor, "... T P"], sin: Float[Tensor, "... T P"]
) -> Float[Tensor, "B H T D"]:
    """Turn channel i together with channel i + D/2: the half-split layout.

    Args:
        x: queries or keys, before their product; any float dtype.
        cos, sin: of `angles`, (T, D/2), or (B, T, D/2) where rows have their own positions.
    Raises: ValueError: cos and sin do not belong to x.
    Holds: angle 0 changes nothing; norms are kept; <R_m q, R_n k> depends on m - n only.

    >>> turn = torch.tensor([[torch.pi / 3]])
    >>> rotate(torch.tensor([1.0, 0.0]).view(1, 1, 1, 2), turn.cos(), turn.sin()).flatten()
    tensor([0.5000, 0.8660])
    """
    cos, sin = _fitted(x, cos, sin)
    learned = cos.requires_grad or sin.requires_grad
    if x.dtype == cos.dtype == sin.dtype and not learned and written_out.serves():
        return _Rotate.apply(x, cos, sin)
    a, b = x.chunk(2, -1)  # (B, H, T, D/2) each
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1).to(x.dtype)


class _Rotate(torch.autograd.Function):
    """The same without temporaries, a third less time; its gradient is the gradient turned back, by minus the angle.

    Angles have no gradient here: where they are learned, the formula runs.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        ctx.save_for_backward(cos, sin)
        out = torch.empty_like(x)
        (a, b), (first, second) = x.chunk(2, -1), out.chunk(2, -1)
        torch.mul(a, cos, out=first).addcmul_(b, sin, value=-1)
        torch.mul(b, cos, out=second).addcmul_(a, sin)
        return out

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor, None, None]:
        cos, sin = ctx.saved_tensors
        return _Rotate.apply(g, cos, -sin), None, None


def rotate_pairs(
    x: Float[Tensor, "B H T D"], cos: Float[Tensor, "... T P"], sin: Float[Tensor, "... T P"]
) -> Float[Tensor, "B H T D"]:
    """Turn channel 2i together with channel 2i + 1: the interleaved layout. Else as `rotate`.

    >>> cos, sin = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])  # a quarter turn, and none
    >>> rotate_pairs(torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4), cos, sin).flatten()
    tensor([-2.,  1.,  3.,  4.])
    """
    cos, sin = _fitted(x, cos, sin)
    a, b = x[..., 0::2], x[..., 1::2]  # (B, H, T, D/2) each
    return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2).to(x.dtype)


def to_half(weight: Float[Tensor, "R ..."], n_heads: int) -> Float[Tensor, "R ..."]:
    """The rows of a projection of queries or of keys (or of its bias) from the interleaved order to the half-split one.

    Holds: ``rotate`` after the new weight is ``rotate_pairs`` after the old one, with channels in another order, the
    same for queries and keys: so scores are equal. Values are not turned: leave their rows alone.
    Raises: ValueError: rows are not ``n_heads`` heads of an even number of channels.

    >>> to_half(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), n_heads=2)
    tensor([0., 2., 1., 3., 4., 6., 5., 7.])
    """
    _check_rows(weight, n_heads)
    return weight.unflatten(0, (n_heads, -1, 2)).transpose(1, 2).flatten(0, 2)


def to_pairs(weight: Float[Tensor, "R ..."], n_heads: int) -> Float[Tensor, "R ..."]:
    """The way back from `to_half`.

    >>> to_pairs(torch.tensor([0.0, 2.0, 1.0, 3.0]), n_heads=1)
    tensor([0., 1., 2., 3.])
    """
    _check_rows(weight, n_heads)
    return weight.unflatten(0, (n_heads, 2, -1)).transpose(1, 2).flatten(0, 2)


def _fitted(x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """cos and sin with an axis for heads."""
    if x.dim() != 4:
        raise ValueError(f"x must be (B, H, T, D), not {tuple(x.shape)}")
    B, _, T, D = x.shape
    if cos.shape != sin.shape or cos.shape not in ((T, D // 2), (1, T, D // 2), (B, T, D // 2)) or D % 2:
        raise ValueError(
            f"cos and sin must be (T, D/2) or (B, T, D/2) of x (B, H, T, D) = {tuple(x.shape)}, "
            f"not {tuple(cos.shape)} and {tuple(sin.shape)}"
        )
    return (cos[:, None], sin[:, None]) if cos.dim() == 3 else (cos, sin)


def _above_0(number: object) -> bool:
    """Whether it is a number that float32 has, and above 0."""
    if isinstance(number, bool) or not isinstance(number, int | float):
        return False
    return 0 < number <= torch.finfo(torch.float32).max


def _check_rows(weight: Tensor, n_heads: int) -> None:
    if n_heads < 1 or weight.shape[0] % (2 * n_heads):
        raise ValueError(f"{weight.shape[0]} rows are not {n_heads} heads of an even number of channels")
