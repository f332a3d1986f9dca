"""Min-p: who is too unlikely beside the likeliest is not drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake, Property
from lilllm.course.exercises.generation.top_k import OTHER_NUMBERS, in_order, left_or_out


def solution(logits: Tensor, p: float) -> Tensor:
    """The bar is p times the largest probability of the row."""
    each = logits.softmax(-1)
    return logits.masked_fill(each < p * each.amax(-1, keepdim=True), -torch.inf)


def by_logits(logits: Tensor, p: float) -> Tensor:
    bar = logits.amax(-1, keepdim=True) + (math.log(p) if p else -math.inf)
    return torch.where(logits >= bar, logits, -torch.inf)


def by_ratio(logits: Tensor, p: float) -> Tensor:
    ratio = (logits - logits.amax(-1, keepdim=True)).exp()
    return torch.where(ratio < p, -torch.inf, logits)


def absolute(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(-1) < p, -torch.inf)


def of_the_logit(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits < p * logits.amax(-1, keepdim=True), -torch.inf)


def probability_against_logit(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(-1) < p * logits.amax(-1, keepdim=True), -torch.inf)


def logit_against_probability(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits < p * logits.softmax(-1).amax(-1, keepdim=True), -torch.inf)


def strict(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1)
    return logits.masked_fill(each <= p * each.amax(-1, keepdim=True), -torch.inf)


def of_all_rows(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1)
    return logits.masked_fill(each < p * each.max(), -torch.inf)


def likelier_dropped(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1)
    return logits.masked_fill(each >= p * each.amax(-1, keepdim=True), -torch.inf)


def one_minus(logits: Tensor, p: float) -> Tensor:
    return solution(logits, 1 - p)


def distance(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1)
    return logits.masked_fill(each < each.amax(-1, keepdim=True) - p, -torch.inf)


def of_the_mean(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1)
    return logits.masked_fill(each < p * each.mean(-1, keepdim=True), -torch.inf)


def nucleus(logits: Tensor, p: float) -> Tensor:
    ranked, order = logits.sort(dim=-1, descending=True)
    each = ranked.softmax(-1)
    ranked = ranked.masked_fill(each.cumsum(-1) - each >= p, -torch.inf)
    return torch.empty_like(logits).scatter(-1, order, ranked)


def with_zeros(logits: Tensor, p: float) -> Tensor:
    return torch.where(solution(logits, p) == logits, logits, 0.0)


def probabilities(logits: Tensor, p: float) -> Tensor:
    return solution(logits, p).softmax(-1)


def result_dropped(logits: Tensor, p: float) -> Tensor:
    return logits.clone()


def logit_minus_p(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) - p, -torch.inf)


def log_of_zero(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits < logits.amax(-1, keepdim=True) + math.log(p), -torch.inf)


def lost_axis(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1)
    return logits.masked_fill(each < p * each.amax(-1), -torch.inf)


def cases() -> Iterator[Case]:
    def case(probabilities: object, p: float, stay: object) -> Case:
        logits = torch.tensor(probabilities, dtype=torch.float64).log() + 3.0
        return Case((logits, p), torch.where(torch.tensor(stay, dtype=torch.bool), logits, -torch.inf))

    # A third of 0.6 is 0.2: 0.3 stays, 0.1 does not.
    yield case([0.3, 0.6, 0.1], 1 / 3, [True, True, False])
    # Sure of one: the bar is high. Unsure between many: it is low, and all stay.
    yield case([[0.9, 0.06, 0.02, 0.02], [0.3, 0.25, 0.25, 0.2]], 0.1, [[1, 0, 0, 0], [1, 1, 1, 1]])
    # 0.7 of 0.5 is 0.35: neither of the others is enough.
    yield case([0.2, 0.5, 0.3], 0.7, [False, True, False])
    # The likeliest stays even with p = 1, and with p = 0 all do.
    yield case([0.2, 0.5, 0.3], 1.0, [False, True, False])
    yield case([0.2, 0.5, 0.3], 0.0, [True, True, True])
    draw = torch.Generator().manual_seed(9)
    for shape, p in (((6,), 0.2), ((3, 5), 0.1), ((2, 3, 8), 0.3)):
        logits = 2 * torch.randn(shape, generator=draw, dtype=torch.float64)
        yield Case((logits, p), by_ratio(logits, p))


EXERCISE = Exercise(
    task=(
        "Min-p: in each row of `logits` (..., V) a token stays if its probability is at least `p` times that of the "
        "likeliest token of its row; the others become -inf. Return logits."
    ),
    call="min_p(logits, p)",
    hints=(
        "The bar is not the same for all rows: it is high where the model is sure of one token.",
        "`each = logits.softmax(-1)`; the bar of a row is `p * each.amax(-1, keepdim=True)`.",
        "`logits.masked_fill(each < bar, -torch.inf)`.",
    ),
    solution=solution,
    also_right=(by_logits, by_ratio),
    mistakes=(
        Mistake(
            logit_minus_p,
            "Your bar is the largest logit minus p: p is a factor of probabilities; to logits, add its logarithm.",
        ),
        Mistake(log_of_zero, "With p = 0 all stay, and it has no logarithm: `math.log(0)` raises."),
        Mistake(lost_axis, "The largest has lost its axis: `keepdim=True` puts it beside its own row."),
        Mistake(
            absolute,
            "Your bar is p itself, the same for all rows: where the model is unsure, nothing may be left. It is p "
            "times the largest probability.",
        ),
        Mistake(of_the_logit, "You take p of the largest logit: it is of the largest probability. Softmax first."),
        Mistake(probability_against_logit, "You compare probabilities with p of a logit: both must be probabilities."),
        Mistake(logit_against_probability, "You compare logits with p of a probability: both must be probabilities."),
        Mistake(strict, "Who has just p times the largest stays: compare with `<`. With p = 1 nothing is left here."),
        Mistake(of_all_rows, "You compare with the likeliest of all rows: each row has its own, along axis -1."),
        Mistake(likelier_dropped, "It is turned around: you drop the likely ones, and keep the others."),
        Mistake(one_minus, "Your bar is 1 - p times the largest: it is p times."),
        Mistake(distance, "You subtract p from the largest probability: it is p times the largest."),
        Mistake(of_the_mean, "You compare with the mean probability of a row: compare with its largest."),
        Mistake(nucleus, "This is top-p: it adds probabilities up. Min-p compares each with the largest."),
        Mistake(with_zeros, "The others become 0, and a logit of 0 is not a probability of 0. Use -inf."),
        Mistake(probabilities, "These are probabilities: return logits, so that the next sampler can work on them."),
        Mistake(result_dropped, "Nothing changes: `masked_fill` gives a new tensor. Is it thrown away?"),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: bool((answer > -torch.inf).any(-1).all()),
            "Nothing is left in some row: the likeliest token always stays.",
        ),
        Property(left_or_out, OTHER_NUMBERS),
        Property(in_order, "A token that stays is less likely than one that is out: the likeliest stay."),
        Property(
            lambda arguments, answer: bool((solution(*arguments) == -torch.inf).ge(answer == -torch.inf).all()),
            "Too few stay in some row: the bar is p times the largest probability of that row.",
        ),
        Property(
            lambda arguments, answer: torch.equal(answer, solution(*arguments)),
            "Too many stay in some row: the bar is p times the largest probability of that row.",
        ),
    ),
)
