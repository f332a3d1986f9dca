"""The logit of each target: one number of each row."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(logits: Tensor, targets: Tensor) -> Tensor:
    """`gather` takes along one axis, and wants an index with as many axes as what it takes from."""
    return logits.gather(-1, targets[..., None])[..., 0]  # (B, T, V), (B, T, 1) -> (B, T, 1) -> (B, T)


def with_three_indices(logits: Tensor, targets: Tensor) -> Tensor:
    B, T, _ = logits.shape
    return logits[torch.arange(B)[:, None], torch.arange(T), targets]  # (B, 1), (T,), (B, T) broadcast to (B, T)


def with_one_hot(logits: Tensor, targets: Tensor) -> Tensor:
    # `where`, not a product: -inf * 0 is NaN
    chosen = functional.one_hot(targets, logits.shape[-1]).bool()
    return torch.where(chosen, logits, torch.zeros_like(logits)).sum(-1)


def with_two_loops(logits: Tensor, targets: Tensor) -> Tensor:
    out = torch.empty_like(logits[..., 0])
    for b in range(targets.shape[0]):
        for t in range(targets.shape[1]):
            out[b, t] = logits[b, t, targets[b, t]]
    return out


def every_pair(logits: Tensor, targets: Tensor) -> Tensor:
    return logits[..., targets]


def axis_left(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.gather(-1, targets.unsqueeze(-1))


def flat(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.flatten(0, 1)[torch.arange(targets.numel()), targets.flatten()]


def product_with_one_hot(logits: Tensor, targets: Tensor) -> Tensor:
    return (logits * functional.one_hot(targets, logits.shape[-1])).sum(-1)


def largest(logits: Tensor, targets: Tensor) -> Tensor:
    return logits.amax(-1)


def log_probability(logits: Tensor, targets: Tensor) -> Tensor:
    return solution(logits.log_softmax(-1), targets)


def loss(logits: Tensor, targets: Tensor) -> Tensor:
    return -log_probability(logits, targets)


def targets_of_the_first(logits: Tensor, targets: Tensor) -> Tensor:
    return logits[:, torch.arange(targets.shape[1]), targets[0]]


def cases() -> Iterator[Case]:
    yield Case((torch.tensor([[[5.0, 7.0]]]), torch.tensor([[1]])), torch.tensor([[7.0]]))
    yield Case((torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]), torch.tensor([[1, 0]])), torch.tensor([[2.0, 3.0]]))
    yield Case(
        (
            torch.tensor([[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], [[7.0, 8.0, 9.0], [0.0, -1.0, -2.0]]]),
            torch.tensor([[0, 2], [1, 2]]),
        ),
        torch.tensor([[1.0, 6.0], [8.0, -2.0]]),
    )
    yield Case(
        (torch.tensor([[[0.0, -torch.inf]], [[1.0, -torch.inf]]]), torch.tensor([[1], [0]])),
        torch.tensor([[-torch.inf], [1.0]]),
    )
    draw = torch.Generator().manual_seed(8)
    for B, T, V in ((1, 4, 3), (3, 3, 3), (4, 5, 11)):
        logits = torch.randint(-40, 40, (B, T, V), generator=draw) / 4
        targets = torch.randint(V, (B, T), generator=draw)
        yield Case((logits, targets), with_two_loops(logits, targets))


EXERCISE = Exercise(
    task="Return the logit of each target: from `logits` (B, T, V) and `targets` (B, T) make (B, T).",
    call="pick(logits, targets)",
    hints=(
        "`logits[b, t, targets[b, t]]` for every b and t. Which function of torch takes along one axis by an index?",
        "`logits.gather(-1, index)` wants an index with as many axes as the logits: (B, T, 1).",
        "`targets.unsqueeze(-1)` has that shape, and so has the answer of `gather`: drop the last axis again.",
    ),
    solution=solution,
    also_right=(with_three_indices, with_one_hot, with_two_loops),
    mistakes=(
        Mistake(
            every_pair,
            "`logits[..., targets]` takes all the targets at every place, (B, T, B, T): each place has one of its own.",
        ),
        Mistake(axis_left, "The last axis, of size 1, is left over: drop it with `squeeze(-1)` or `[..., 0]`."),
        Mistake(flat, "The right numbers in one row: give them back the shape (B, T)."),
        Mistake(
            product_with_one_hot,
            "A logit that is masked, -inf, times the 0 of the one-hot is NaN, and spoils its row's sum: pick, with "
            "`gather`, or use `where` in place of the product.",
        ),
        Mistake(largest, "You return the largest logit of each row: the target's is asked for, whatever it is."),
        Mistake(log_probability, "These are log-probabilities: take the logits as they are, without a softmax."),
        Mistake(loss, "This is the loss, minus the log-probability: return the logits themselves."),
        Mistake(targets_of_the_first, "Every row of the batch gets the targets of the first one: each has its own."),
    ),
    cases=cases,
)
