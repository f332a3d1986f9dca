"""The loss of the next token: who predicts whom."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(logits: Tensor, tokens: Tensor) -> Tensor:
    """The logits at t are about token t + 1; the last have nothing to be compared with."""
    ahead = logits[:, :-1].log_softmax(-1)  # (B, T-1, V)
    return -ahead.gather(-1, tokens[:, 1:, None]).mean()


def by_cross_entropy(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())


def by_transpose(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits.transpose(1, 2)[..., :-1], tokens[:, 1:])


def by_loops(logits: Tensor, tokens: Tensor) -> Tensor:
    B, T, _ = logits.shape
    each = [logits[b, t].logsumexp(0) - logits[b, t, tokens[b, t + 1]] for b in range(B) for t in range(T - 1)]
    return torch.stack(each).sum() / len(each)


def by_ignoring(logits: Tensor, tokens: Tensor) -> Tensor:
    targets = torch.full_like(tokens, -100)
    targets[:, :-1] = tokens[:, 1:]
    return functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)


def not_shifted(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits.flatten(0, 1), tokens.flatten())


def shifted_backwards(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits[:, 1:].flatten(0, 1), tokens[:, :-1].flatten())


def shifted_twice(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits[:, :-2].flatten(0, 1), tokens[:, 2:].flatten())


def rolled(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits.flatten(0, 1), tokens.roll(-1, dims=1).flatten())


def cut_across_texts(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits.flatten(0, 1)[:-1], tokens.flatten()[1:])


def over_all_places(logits: Tensor, tokens: Tensor) -> Tensor:
    return by_ignoring(logits, tokens) * (tokens.shape[1] - 1) / tokens.shape[1]


def summed(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten(), reduction="sum")


def of_probabilities(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits[:, :-1].softmax(-1).flatten(0, 1), tokens[:, 1:].flatten())


def last_token_alone(logits: Tensor, tokens: Tensor) -> Tensor:
    return functional.cross_entropy(logits[:, -2], tokens[:, -1])


def cases() -> Iterator[Case]:
    def case(logits: object, tokens: object, expected: float) -> Case:
        return Case(
            (torch.tensor(logits, dtype=torch.float64), torch.tensor(tokens)),
            torch.tensor(expected, dtype=torch.float64),
        )

    ln2, ln3 = math.log(2.0), math.log(3.0)
    # Two tokens, one guess: the first logits say 1/4 and 3/4, and token 1 follows.
    yield case([[[0.0, ln3], [9.0, 0.0]]], [[0, 1]], math.log(4 / 3))
    # Knows nothing: ln V.
    yield case([[[0.0, 0.0], [0.0, 0.0], [0.0, 0.0]]], [[1, 0, 1]], ln2)
    # Two guesses: 3/4 right, then 1/4.
    yield case([[[0.0, ln3], [0.0, ln3], [5.0, 0.0]]], [[0, 1, 0]], (math.log(4 / 3) + math.log(4.0)) / 2)
    draw = torch.Generator().manual_seed(9)
    for B, T, V in ((2, 3, 3), (1, 5, 4), (3, 4, 6)):
        logits = 2 * torch.randn(B, T, V, generator=draw, dtype=torch.float64)
        tokens = torch.randint(V, (B, T), generator=draw)
        yield Case((logits, tokens), by_loops(logits, tokens))


EXERCISE = Exercise(
    task=(
        "Return the mean loss of predicting the next token (a tensor with no axes): the logits (B, T, V) at each place "
        "were computed from `tokens` (B, T) up to and including that place. The last place has nothing to predict."
    ),
    call="loss(logits, tokens)",
    hints=(
        "The logits at place t have seen token t. Which token are they about?",
        "Compare `logits[:, :-1]` with `tokens[:, 1:]`: T - 1 guesses a text.",
        "`torch.nn.functional.cross_entropy` wants (N, V) and (N,): flatten batch and time.",
    ),
    solution=solution,
    also_right=(by_cross_entropy, by_transpose, by_loops, by_ignoring),
    mistakes=(
        Mistake(
            not_shifted,
            "Nothing is shifted: each place is asked for the token it has just seen. Training on that, a model learns "
            "to copy: its loss falls to 0, and it speaks nonsense.",
        ),
        Mistake(shifted_backwards, "You shift the wrong way: place t is asked for token t - 1, which it has seen."),
        Mistake(shifted_twice, "You shift by two: one of the logits and one of the tokens is enough."),
        Mistake(
            rolled, "`roll` brings the first token round to the end, as the target of the last place: drop that place."
        ),
        Mistake(
            cut_across_texts,
            "You shift after flattening: the end of each text is asked for the start of the next. Shift first.",
        ),
        Mistake(over_all_places, "You divide by T places: only T - 1 of them predict."),
        Mistake(summed, "This is the sum: return the mean over all guesses."),
        Mistake(of_probabilities, "A softmax is taken twice: `cross_entropy` wants logits."),
        Mistake(last_token_alone, "You look at the last token only: every place but the last one predicts."),
    ),
    cases=cases,
)
