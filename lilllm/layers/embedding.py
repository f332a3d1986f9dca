"""Embedding: one row of numbers for each token, looked up by its id.

    y[b, t] = weight[tokens[b, t]]

The same as a one-hot vector times the weight, without the zeros. The weight is (V, C), the shape of an output head, so
that the two can be one tensor (tied).

Read in order:  Embedding
Leaves out:     padding rows that get no gradient; a loss that ignores padding does the same
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F


class Embedding(nn.Module):
    """A table of ``vocab_size`` rows of ``d_model`` numbers, drawn from N(0, 1) as torch's.

    Shapes: tokens (...) of int32 or int64 -> (..., C).
    Raises: ValueError: ``vocab_size`` or ``d_model`` is below 1.

    >>> table = Embedding(3, 2)
    >>> _ = table.weight.data.copy_(torch.tensor([[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]))
    >>> table(torch.tensor([2, 0])).tolist()
    [[4.0, 5.0], [0.0, 1.0]]
    """

    def __init__(
        self,
        vocab_size: int,
        d_model: int,
        *,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if vocab_size < 1 or d_model < 1:
            raise ValueError(f"vocab_size and d_model must be at least 1, not {vocab_size} and {d_model}")
        self.weight = nn.Parameter(torch.empty(vocab_size, d_model, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight)

    def forward(self, tokens: Int[Tensor, "*any"]) -> Float[Tensor, "*any C"]:
        return F.embedding(tokens, self.weight)

    def extra_repr(self) -> str:
        vocab_size, d_model = self.weight.shape
        return f"{vocab_size}, {d_model}"
