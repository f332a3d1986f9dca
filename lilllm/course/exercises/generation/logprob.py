"""How likely is this answer, after this prompt?"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    """The logits one place before each token of the answer are those it was drawn from."""
    log_p = logits[n_prompt - 1 : -1].log_softmax(-1)
    return log_p.gather(-1, tokens[n_prompt:, None]).sum()


def by_cross_entropy(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return -functional.cross_entropy(logits[n_prompt - 1 : -1], tokens[n_prompt:], reduction="sum")


def by_loop(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    total = logits.new_zeros(())
    for t in range(n_prompt, len(tokens)):
        total = total + logits[t - 1, tokens[t]] - logits[t - 1].logsumexp(0)
    return total


def by_targets(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    targets = tokens.roll(-1)
    targets[: n_prompt - 1] = targets[-1] = -100
    return -functional.cross_entropy(logits, targets, reduction="sum")


def not_shifted(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt:].log_softmax(-1).gather(-1, tokens[n_prompt:, None]).sum()


def of_all(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return solution(logits, tokens, 1)


def first_missing(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt:-1].log_softmax(-1).gather(-1, tokens[n_prompt + 1 :, None]).sum()


def one_of_the_prompt(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return solution(logits, tokens, max(1, n_prompt - 1))


def of_the_prompt(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return solution(logits[:n_prompt], tokens[:n_prompt], 1)


def mean(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt - 1 : -1].log_softmax(-1).gather(-1, tokens[n_prompt:, None]).mean()


def without_softmax(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt - 1 : -1].gather(-1, tokens[n_prompt:, None]).sum()


def probability(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return solution(logits, tokens, n_prompt).exp()


def sum_of_probabilities(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt - 1 : -1].softmax(-1).gather(-1, tokens[n_prompt:, None]).sum()


def minus(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return -solution(logits, tokens, n_prompt)


def log_of_softmax(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt - 1 : -1].softmax(-1).gather(-1, tokens[n_prompt:, None]).log().sum()


def log_of_product(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt - 1 : -1].softmax(-1).gather(-1, tokens[n_prompt:, None]).prod().log()


def over_positions(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt - 1 : -1].log_softmax(0).gather(-1, tokens[n_prompt:, None]).sum()


def each(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt - 1 : -1].log_softmax(-1).gather(-1, tokens[n_prompt:, None])[:, 0]


def best(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits[n_prompt - 1 : -1].log_softmax(-1).amax(-1).sum()


def every_pair(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return logits.log_softmax(-1)[n_prompt - 1 : -1, tokens[n_prompt:]].sum()


def mean_loss(logits: Tensor, tokens: Tensor, n_prompt: int) -> Tensor:
    return functional.cross_entropy(logits[n_prompt - 1 : -1], tokens[n_prompt:])


def cases() -> Iterator[Case]:
    def case(logits: object, tokens: list[int], n_prompt: int, expected: float) -> Case:
        numbers = torch.tensor(logits, dtype=torch.float64)
        return Case((numbers, torch.tensor(tokens), n_prompt), torch.tensor(expected, dtype=torch.float64))

    ln3 = math.log(3.0)
    # Behind the prompt 0 the model says 1/4 and 3/4, and the answer is 1.
    yield case([[0.0, ln3], [5.0, 0.0]], [0, 1], 1, math.log(0.75))
    # Prompt 0, 1; the answer 0, 1 has 1/4 and then 1/2. The last logits are about what comes next.
    yield case([[0.0, ln3], [0.0, ln3], [2.0, 2.0], [0.0, 9.0]], [0, 1, 0, 1], 2, math.log(0.25) + math.log(0.5))
    # No answer at all: the logarithm of 1.
    yield case([[0.0, ln3], [1.0, 0.0]], [0, 1], 2, 0.0)
    # A token that is all but impossible: exp(-800) cannot be written down, its logarithm can.
    yield case([[0.0, 800.0], [0.0, 0.0]], [1, 0], 1, -800.0)
    # Two tokens that can be written down, whose product cannot.
    yield case([[0.0, 500.0], [0.0, 500.0], [0.0, 0.0]], [1, 0, 0], 1, -1000.0)
    draw = torch.Generator().manual_seed(9)
    for T, V, n_prompt in ((4, 3, 2), (6, 5, 3), (9, 8, 4)):
        logits = 2 * torch.randn(T, V, generator=draw, dtype=torch.float64)
        tokens = torch.randint(V, (T,), generator=draw)
        yield Case((logits, tokens, n_prompt), by_loop(logits, tokens, n_prompt))


EXERCISE = Exercise(
    task=(
        "Return the log-probability of an answer after its prompt: the first `n_prompt` (at least 1) of `tokens` (T,) "
        "are the prompt, the others the answer; `logits` (T, V) are the model's at each place, after it has read that "
        "token. Add up the log-probabilities of the answer's tokens: a tensor with no axes."
    ),
    call="logprob(logits, tokens, n_prompt)",
    hints=(
        "From which row of `logits` was token t drawn? And from which the first token of the answer?",
        "Token t was drawn from logits[t - 1]: the rows n_prompt - 1 to T - 2 go with the tokens n_prompt to T - 1.",
        "`logits[n_prompt - 1 : -1].log_softmax(-1)`, and `gather` at `tokens[n_prompt:, None]`.",
    ),
    solution=solution,
    also_right=(by_cross_entropy, by_loop, by_targets),
    mistakes=(
        Mistake(
            not_shifted,
            "You take for each token the logits after it was read: those before it, one place earlier, predict it.",
        ),
        Mistake(of_all, "The prompt's tokens are counted too: it was given, only the answer counts."),
        Mistake(first_missing, "The first token of the answer is missing: the last place of the prompt predicts it."),
        Mistake(one_of_the_prompt, "The last token of the prompt is counted too: begin one later."),
        Mistake(of_the_prompt, "This is the log-probability of the prompt: the tokens behind it are the answer."),
        Mistake(mean, "This is the mean a token: add them up."),
        Mistake(without_softmax, "You add up logits: they become log-probabilities by `log_softmax`."),
        Mistake(probability, "This is the probability: a long answer's is soon too small to be written down. Its log."),
        Mistake(sum_of_probabilities, "You add up probabilities: it is their logarithms that are added up."),
        Mistake(minus, "This is the loss: a log-probability is 0 or less."),
        Mistake(
            log_of_softmax,
            "The logarithm is taken of a probability that is too small to be written down, 0: use `log_softmax`.",
        ),
        Mistake(
            log_of_product,
            "You multiply probabilities and then take the logarithm: the product is too small to be written down, 0. "
            "Add logarithms from `log_softmax`.",
        ),
        Mistake(over_positions, "Your softmax runs over the places: it runs over the vocabulary, the last axis."),
        Mistake(each, "These are the log-probabilities of the tokens, one by one: add them up."),
        Mistake(best, "You take the likeliest token at each place: take the one that is in the answer."),
        Mistake(
            every_pair,
            "`log_p[rows, tokens]` with a slice takes all the tokens in each row: `gather` takes one in each.",
        ),
        Mistake(mean_loss, "This is the mean loss a token: add up, and turn the sign."),
    ),
    cases=cases,
    properties=(
        Property(lambda arguments, answer: bool((answer <= 0).all()), "A log-probability is 0 or less: yours is more."),
    ),
)
