"""Masks: which key a query may attend to. Boolean, True = may; combine them with ``&``.

    causal & padding & documents:  a key is seen if all of them let it through

Read in order:  causal, sliding, padding, documents
Shapes:         (T, S), or four axes that broadcast to (B, H, T, S). The T queries are the last T of the S keys, as when
                keys of earlier tokens come from a cache.
Conventions:    True lets through, as in scaled_dot_product_attention; torch.nn.MultiheadAttention means the opposite.
                A window of w is a token and the w - 1 before it, as in Mistral's code in transformers.
Leaves out:     a query with no key at all: attention gives it 0
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def causal(T: int, S: int | None = None, *, device: torch.device | str | None = None) -> Bool[Tensor, "T S"]:
    """Each query sees the keys up to its own place; S is T unless given.

    Raises: ValueError: not 1 <= T <= S.

    >>> causal(2, 3).int().tolist()
    [[1, 1, 0], [1, 1, 1]]
    """
    S = _keys(T, S)
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T)


def sliding(T: int, S: int | None, window: int, *, device: torch.device | str | None = None) -> Bool[Tensor, "T S"]:
    """Each query sees the last ``window`` keys up to its own place, itself among them: causal already.

    Source: Beltagy, Peters & Cohan 2020, arXiv:2004.05150, section 3.1 (there to both sides).
    Raises: ValueError: not 1 <= T <= S, or ``window`` below 1.

    >>> sliding(3, None, 2).int().tolist()
    [[1, 0, 0], [1, 1, 0], [0, 1, 1]]
    """
    S = _keys(T, S)
    if window < 1:
        raise ValueError(f"window must be at least 1 (a token sees itself), not {window}")
    return torch.ones(T, S, dtype=torch.bool, device=device).tril(S - T).triu(S - T - window + 1)


def padding(
    keep: Bool[Tensor, "B S"] | Int[Tensor, "B S"] | Int[Tensor, "B"] | Sequence[int], *, S: int | None = None
) -> Bool[Tensor, "B 1 1 S"]:
    """Nobody sees padding.

    ``keep`` (B, S) says which keys are real (True or 1; padding may be on either side), or (B,) how many at the start
    are: then S is the longest unless given.

    Raises: ValueError: neither (B,) nor (B, S); a length that does not fit in S; floats, or (on a CPU, where looking
        costs nothing) integers but 0 and 1.

    >>> padding([1, 3]).int().flatten(1).tolist()
    [[1, 0, 0], [1, 1, 1]]
    """
    keep = torch.as_tensor(keep)
    if keep.is_floating_point():
        raise ValueError(f"keep holds lengths or True and False, not {keep.dtype}")
    if keep.dim() == 1 and keep.dtype != torch.bool:
        S = int(keep.max()) if S is None else S
        if int(keep.min()) < 0 or int(keep.max()) > S:
            raise ValueError(f"lengths must be from 0 to S = {S}, not {keep.tolist()}")
        keep = torch.arange(S, device=keep.device) < keep[:, None]  # (B, S)
    elif keep.dim() != 2 or S not in (None, keep.shape[1]):
        raise ValueError(f"keep must be lengths (B,) or (B, S{f' = {S}' if S else ''}), not {tuple(keep.shape)}")
    elif keep.dtype != torch.bool and _readable(keep) and bool(((keep != 0) & (keep != 1)).any()):
        raise ValueError("keep (B, S) holds 0 and 1, or False and True; lengths are (B,), and ids go to `documents`")
    return keep.bool()[:, None, None, :]


def documents(ids: Int[Tensor, "B T"] | Int[Tensor, "T"]) -> Bool[Tensor, "..."]:
    """Each query sees the keys of its own document only: blocks on the diagonal where documents are in a row.

    Shapes: ids (T,) -> (T, T); ids (B, T) -> (B, 1, T, T).
    Raises: ValueError: ``ids`` has other axes.

    >>> documents(torch.tensor([7, 7, 9])).int().tolist()
    [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    """
    if ids.dim() not in (1, 2):
        raise ValueError(f"ids must be (T,) or (B, T), not {tuple(ids.shape)}")
    same = ids[..., :, None] == ids[..., None, :]
    return same if ids.dim() == 1 else same[:, None]


def _readable(x: Tensor) -> bool:
    """Whether its numbers can be looked at without waiting for a GPU, or breaking what is being compiled."""
    return (
        x.device.type == "cpu" and not torch.compiler.is_compiling() and not torch._C._are_functorch_transforms_active()
    )


def _keys(T: int, S: int | None) -> int:
    S = T if S is None else S
    if T < 1 or S < T:
        raise ValueError(f"the T queries are the last of the S keys, so 1 <= T <= S; given T = {T}, S = {S}")
    return S
