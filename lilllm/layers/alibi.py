"""ALiBi: no positions at all, but a penalty on the score that grows with the distance.

    score[h, i, j] += -slope[h] * |i - j|

Source: Press, Smith & Lewis 2022, arXiv:2108.12409.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def slopes(n_heads: int, *, device: torch.device | str | None = None) -> Float[Tensor, "H"]:
    """Of n a power of two: 2^(-8/n), 2^(-16/n), ... Otherwise those of the power below, then every other one of the
    power above, as the paper's code does.
    """
    if n_heads < 1:
        raise ValueError(f"n_heads must be at least 1, not {n_heads}")
    power = 2 ** (n_heads.bit_length() - 1)  # the greatest power of two that is not above
    exponents = [8 * (h + 1) / power for h in range(power)]
    exponents += [8 * (2 * h + 1) / (2 * power) for h in range(n_heads - power)]
    return torch.tensor([2.0**-e for e in exponents], device=device)


def bias(T: int, S: int | None, slopes: Float[Tensor, "H"]) -> Float[Tensor, "H T S"]:
    S = T if S is None else S
    keys = torch.arange(S, device=slopes.device)
    distance = (keys[S - T :, None] - keys).abs()  # (T, S)
    return -slopes[:, None, None] * distance
