"""Masks: which key a query may attend to. Boolean, True = may; combine with ``&``.

Shapes broadcast to (B, H, T, S): a mask is (T, S), or has four axes. The T queries are the last T of the S keys, as
when keys of earlier tokens come from a cache.

Read in order:  causal, sliding, padding, documents
Convention:     True lets through, as in scaled_dot_product_attention; torch.nn.MultiheadAttention means the opposite
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def causal(T: int, S: int | None = None, *, device: torch.device | str | None = None) -> Bool[Tensor, "T S"]:
    """Each query sees the keys up to its own place.

    >>> causal(2, 3).int().tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    S = T if S is None else S
    _check_lengths(T, S)
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)


def sliding(T: int, S: int | None, window: int, *, device: torch.device | str | None = None) -> Bool[Tensor, "T S"]:
    """Each query sees the last ``window`` keys up to its own place, itself among them.

    >>> sliding(3, None, 2).int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    S = T if S is None else S
    _check_lengths(T, S)
    if window < 1:
        raise ValueError(f"window must be at least 1 (a token sees itself), not {window}")
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T).triu(S - T - window + 1)


def padding(
    keep: Bool[Tensor, "B S"] | Int[Tensor, "B S"] | Int[Tensor, "B"] | Sequence[int], *, S: int | None = None
) -> Bool[Tensor, "B 1 1 S"]:
    """Nobody sees padding: ``keep`` (B, S) says which keys are real, or (B,) how many at the start are.

    >>> padding([1, 3]).int().flatten(1).tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    keep = torch.as_tensor(keep)
    if keep.dim() == 1:
        if S is None:
            S = int(keep.max())
        keep = torch.arange(S, device=keep.device) < keep[:, None]
    return keep.bool()[:, None, None, :]


def documents(ids: Int[Tensor, "B T"] | Int[Tensor, "T"]) -> Bool[Tensor, "..."]:
    """Each query sees the keys of its own document only (block-diagonal when documents are packed one after another).

    >>> documents(torch.tensor([7, 7, 9])).int().tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    same = ids[..., :, None] == ids[..., None, :]
    return same if ids.dim() == 1 else same[:, None]  # (T, T) or (B, 1, T, T)


def _check_lengths(T: int, S: int) -> None:
    if T < 1 or S < T:
        raise ValueError(f"T queries are the last of S keys, so 1 <= T <= S; given T = {T}, S = {S}")
