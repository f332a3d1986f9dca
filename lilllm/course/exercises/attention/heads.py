"""Heads: a part of the channels each."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(x: Tensor, n_heads: int) -> Tensor:
    """Channels are cut into heads, then the heads come before the tokens."""
    B, T, C = x.shape
    return x.view(B, T, n_heads, C // n_heads).transpose(1, 2)  # (B, T, H, D) -> (B, H, T, D)


def by_chunks(x: Tensor, n_heads: int) -> Tensor:
    return torch.stack(x.chunk(n_heads, dim=-1), dim=1)


def by_unflatten(x: Tensor, n_heads: int) -> Tensor:
    return x.unflatten(-1, (n_heads, -1)).movedim(2, 1)


def by_slices(x: Tensor, n_heads: int) -> Tensor:
    D = x.shape[-1] // n_heads
    return torch.cat([x[:, None, :, h * D : (h + 1) * D] for h in range(n_heads)], dim=1)


def view_alone(x: Tensor, n_heads: int) -> Tensor:
    B, T, C = x.shape
    return x.reshape(B, n_heads, T, C // n_heads)


def not_turned(x: Tensor, n_heads: int) -> Tensor:
    B, T, C = x.shape
    return x.reshape(B, T, n_heads, C // n_heads)


def channels_first(x: Tensor, n_heads: int) -> Tensor:
    B, T, C = x.shape
    return x.reshape(B, T, C // n_heads, n_heads).permute(0, 3, 1, 2)


def sizes_exchanged(x: Tensor, n_heads: int) -> Tensor:
    B, T, C = x.shape
    return x.reshape(B, T, C // n_heads, n_heads).transpose(1, 2)


def channels_before_tokens(x: Tensor, n_heads: int) -> Tensor:
    return solution(x, n_heads).transpose(-2, -1)


def heads_in_the_batch(x: Tensor, n_heads: int) -> Tensor:
    return solution(x, n_heads).flatten(0, 1)


def cases() -> Iterator[Case]:
    yield Case((torch.tensor([[[1.0, 2.0]]]), 1), torch.tensor([[[[1.0, 2.0]]]]))
    yield Case((torch.tensor([[[1.0, 2.0]]]), 2), torch.tensor([[[[1.0]], [[2.0]]]]))
    # Two tokens, two heads of two channels: the first head holds the first two channels of both tokens.
    two = torch.tensor([[[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]]])
    yield Case((two, 2), torch.tensor([[[[1.0, 2.0], [5.0, 6.0]], [[3.0, 4.0], [7.0, 8.0]]]]))
    for B, T, C, H in ((1, 3, 4, 2), (2, 2, 6, 3), (2, 5, 12, 4), (3, 4, 8, 1)):
        x = torch.arange(float(B * T * C)).view(B, T, C)
        yield Case((x, H), by_slices(x, H))


EXERCISE = Exercise(
    task=(
        "Cut `x` (B, T, C) into heads: return (B, H, T, D) with H = `n_heads` and D = C / H, where head h has the "
        "channels h * D to (h + 1) * D of every token."
    ),
    call="split_heads(x, n_heads)",
    hints=(
        "The channels of one token lie side by side. Which shape cuts only the last axis, and moves nothing?",
        "(B, T, H, D) does. Now exchange the axes of tokens and heads.",
        "`x.view(B, T, n_heads, C // n_heads).transpose(1, 2)`: a view first, then a transpose.",
    ),
    solution=solution,
    also_right=(by_chunks, by_unflatten, by_slices),
    mistakes=(
        Mistake(
            view_alone,
            "You reshape to (B, H, T, D) in one go: that has the right shape and mixes tokens, since it reads on "
            "across them. Cut the channels into (B, T, H, D) first, then transpose.",
        ),
        Mistake(not_turned, "This is (B, T, H, D): exchange the axes 1 and 2, so that each head has its tokens."),
        Mistake(
            channels_first,
            "A head takes every H-th channel here: heads are blocks of channels side by side, so H comes before D.",
        ),
        Mistake(sizes_exchanged, "The sizes of heads and channels are exchanged: (B, T, H, D), then transpose(1, 2)."),
        Mistake(channels_before_tokens, "Within a head, tokens come before channels: (B, H, T, D), not (B, H, D, T)."),
        Mistake(heads_in_the_batch, "The heads have been joined with the batch: keep an axis of their own for them."),
    ),
    cases=cases,
)
