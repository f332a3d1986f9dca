"""Positions that are added to the embeddings: sinusoidal and learned.

    PE[t, 2i]     = sin(t / 10000^(2i / C))
    PE[t, 2i + 1] = cos(t / 10000^(2i / C))

Source: Vaswani et al. 2017, arXiv:1706.03762, section 3.5.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


def sinusoidal(T: int, C: int, *, device: torch.device | str | None = None) -> Float[Tensor, "T C"]:
    if C % 2:
        raise ValueError(f"C must be even (sines and cosines in pairs), not {C}")
    place = torch.arange(T, dtype=torch.float64, device=device)
    rate = 10000.0 ** (-torch.arange(0, C, 2, dtype=torch.float64, device=device) / C)
    angle = place[:, None] * rate  # (T, C/2)
    return torch.stack((angle.sin(), angle.cos()), -1).flatten(1).float()


class LearnedPositions(nn.Module):
    """A row a position, learned; there is none past ``context_len``."""

    def __init__(
        self,
        context_len: int,
        d_model: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(context_len, d_model, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, positions: Int[Tensor, "*any"]) -> Float[Tensor, "*any C"]:
        return F.embedding(positions, self.weight)

    def extra_repr(self) -> str:
        return f"{self.weight.shape[0]}, {self.weight.shape[1]}"
