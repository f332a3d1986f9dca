"""ALiBi, attention with linear biases: no positions at all, but a penalty on scores that grows with the distance.

    score[h, i, j] = q_i . k_j / sqrt(D)  -  slope[h] * |i - j|

Read in order:  slopes (one a head, fixed), bias (what is added to scores)
Conventions:    the penalty is added after the division by sqrt(D). The distance is |i - j| to both sides; the paper's
                models are causal, so only j <= i is left of it
Source:         Press, Smith & Lewis 2022, arXiv:2108.12409, section 3
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def slopes(n_heads: int, *, device: torch.device | str | None = None) -> Float[Tensor, "H"]:
    """Powers of two from steep to gentle: 2^(-8/n), 2^(-16/n), ... 2^-8 for n heads, n a power of two.

    For another n, as the paper's code: those of the power of two below n, then the first, third, fifth ... of the power
    above it, until there are n. So the last heads are not the gentlest.

    Raises: ValueError: ``n_heads`` is below 1.

    >>> slopes(8).tolist() == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    True
    >>> slopes(3).tolist() == [1 / 16, 1 / 256, 1 / 4]  # two heads', then the first of four heads'
    True
    """
    if n_heads < 1:
        raise ValueError(f"n_heads must be at least 1, not {n_heads}")
    below = 2 ** (n_heads.bit_length() - 1)  # the greatest power of two that is not above n_heads
    exponents = [8 * h / below for h in range(1, below + 1)]
    exponents += [8 * h / (2 * below) for h in range(1, 2 * (n_heads - below), 2)]
    return torch.tensor([2.0**-e for e in exponents], device=device)


def bias(T: int, S: int | None, slopes: Float[Tensor, "H"]) -> Float[Tensor, "H T S"]:
    """What is added to the scores; the T queries are the last of the S keys (S is T unless given).

    Raises: ValueError: not 1 <= T <= S.

    >>> bias(2, 3, torch.tensor([0.5]))
    tensor([[[-0.5000, -0.0000, -0.5000],
             [-1.0000, -0.5000, -0.0000]]])
    """
    S = T if S is None else S
    if T < 1 or S < T:
        raise ValueError(f"the T queries are the last of the S keys, so 1 <= T <= S; given T = {T}, S = {S}")
    keys = torch.arange(S, device=slopes.device)
    distance = (keys[S - T :, None] - keys).abs()  # (T, S)
    return -slopes[:, None, None] * distance
