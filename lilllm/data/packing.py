"""Documents to rows of equal length: put one after the other, with a token between, and cut.

    documents   [5, 6, 7], [8], [9, 4]      EOS = 0, T = 3
    stream      5 6 7 0 8 0 9 4 0
    rows        5 6 7 0 | 0 8 0 9           T + 1 tokens each: T inputs and, one to the right, T targets

A row's last token is the next row's first: it is a target here and an input there, so every token but the first is
predicted once. No token is padding. A row holds parts of several documents; `document_ids` tells which, for a mask
that keeps them apart (`lilllm.layers.mask.documents`).

Read in order:  pack (teaching form; a loader reads windows of files instead), document_ids
Shapes:         B rows, T tokens a row
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


def pack(documents: Iterable[Sequence[int]], T: int, eos: int) -> Tensor:
    """Rows of T + 1 tokens, (B, T + 1) int64: each document, ``eos`` after it, cut every T tokens.

    Row i is stream[i T : i T + T + 1]. What is left over at the end and fills no row is dropped.

    Raises:
        ValueError: T is below 1.

    >>> pack([[5, 6, 7], [8], [9, 4]], T=3, eos=0).tolist()
    [[5, 6, 7, 0], [0, 8, 0, 9]]
    """
    if T < 1:
        raise ValueError(f"rows of T = {T} tokens; give 1 or more")
    stream: list[int] = []
    for document in documents:
        stream.extend(document)
        stream.append(eos)
    n_rows = max(0, len(stream) - 1) // T
    rows = [stream[i * T : i * T + T + 1] for i in range(n_rows)]
    return torch.tensor(rows, dtype=torch.int64).reshape(n_rows, T + 1)


def document_ids(tokens: Tensor, eos: int) -> Tensor:
    """Which document of its row each token belongs to, counted from 0; an EOS belongs to the document that it ends.

    Args:
        tokens: (T,) or (B, T), any integers.
        eos: the token that ends a document.
    Returns:
        int64 of the same shape.

    >>> document_ids(torch.tensor([6, 7, 0, 8, 0, 9]), eos=0).tolist()
    [0, 0, 0, 1, 1, 2]
    """
    ended = (tokens == eos).long()
    return ended.cumsum(-1) - ended
