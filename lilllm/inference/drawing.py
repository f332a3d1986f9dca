"""From scores to a token: one uniform number a row.

Read in order:  draw, odd (what is wrong where nothing can be drawn)
Shapes:         logits (..., V) of any float dtype; ids (...)
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Generator, Tensor

_BELOW_1 = 1 - 2.0**-40


def draw(
    logits: Float[Tensor, "*any V"], generator: Generator | Sequence[Generator] | None = None
) -> Int[Tensor, "*any"]:
    """One token of each row, with the probabilities softmax(logits).

    A row takes one uniform number u: its token is the first where the running sum of probabilities, in float64, is
    above u. So a row's token depends on no other row when each has a generator of its own.

    Args:
        generator: one for all rows, or a sequence, one for each of (B, V); None: torch's own.
    Raises: ValueError: a row holds NaN or infinity, or nothing but -inf.

    >>> draw(torch.tensor([[0.0, -math.inf], [-math.inf, 5.0]])).tolist()
    [0, 1]
    """
    mass = logits.softmax(-1, dtype=torch.float64).cumsum(-1)
    total = mass[..., -1:]
    if not torch.isfinite(total).all():
        raise ValueError(odd(logits))
    u = _uniform(total, generator).clamp_(max=_BELOW_1) * total
    return torch.searchsorted(mass, u, right=True).squeeze(-1)


def odd(logits: Tensor) -> str:
    """What is wrong with logits that are no scores of a choice."""
    if logits.isnan().any():
        return "the logits hold NaN; the model's weights, or what it was trained with, are broken"
    if (logits == math.inf).any():
        return "the logits hold infinity; the model's weights, or their precision, are broken"
    return "every logit of a row is -inf, so there is no token to draw; leave one at least"


def _uniform(total: Tensor, generator: Generator | Sequence[Generator] | None) -> Tensor:
    if isinstance(generator, Sequence):
        if total.dim() != 2 or len(generator) != len(total):
            raise ValueError(
                f"{len(generator)} generators for logits with leading axes {tuple(total.shape[:-1])}; "
                "give one for all, or one for each row of (B, V)"
            )
        return torch.cat([_uniform(row, each)[None] for row, each in zip(total, generator, strict=True)])
    device = total.device if generator is None else generator.device
    return torch.rand(total.shape, generator=generator, device=device, dtype=total.dtype).to(total.device)
