"""Positions that are added to the embeddings: sinusoidal (fixed) and learned.

    PE[t, 2i]     = sin(t / 10000^(2i / C))
    PE[t, 2i + 1] = cos(t / 10000^(2i / C))

Read in order:  sinusoidal, LearnedPositions
Conventions:    sine and cosine take turns, as in the paper. Some code (tensor2tensor, fairseq) puts all sines first and
                spaces the rates a little differently
Source:         Vaswani et al. 2017, arXiv:1706.03762, section 3.5
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


def sinusoidal(T: int, C: int, *, device: torch.device | str | None = None) -> Float[Tensor, "T C"]:
    """Row t is position t: float32, worked out in float64.

    Holds: row t + k is row t turned, pair by pair, by an angle that depends on k only: linear, the same for all t.
    Raises: ValueError: ``C`` is odd, or ``T`` or ``C`` below 1.

    >>> sinusoidal(2, 4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    if T < 1 or C < 1 or C % 2:
        raise ValueError(f"T must be at least 1 and C even (sines and cosines in pairs), not {T} and {C}")
    place = torch.arange(T, dtype=torch.float64, device=device)
    rate = 10000.0 ** (-torch.arange(0, C, 2, dtype=torch.float64, device=device) / C)
    angle = place[:, None] * rate  # (T, C/2)
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1).float()  # (T, C)


class LearnedPositions(nn.Module):
    """A row of numbers a position, learned, drawn from N(0, 0.02^2); there is none at ``context_len`` or past it.

    Raises: ValueError: ``context_len`` or ``d_model`` is below 1. A position past the end is torch's IndexError.

    >>> LearnedPositions(10, 4)(torch.arange(3)).shape
    torch.Size([3, 4])
    """

    def __init__(
        self,
        context_len: int,
        d_model: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if context_len < 1 or d_model < 1:
            raise ValueError(f"context_len and d_model must be at least 1, not {context_len} and {d_model}")
        self.weight = nn.Parameter(torch.empty(context_len, d_model, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, positions: Int[Tensor, "*any"]) -> Float[Tensor, "*any C"]:
        return F.embedding(positions, self.weight)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"
