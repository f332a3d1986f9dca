"""Top-p, or nucleus sampling: the fewest tokens whose probability together reaches p."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake, Property
from lilllm.course.exercises.generation.top_k import OTHER_NUMBERS, in_order, left_or_out


def solution(logits: Tensor, p: float) -> Tensor:
    """From the likeliest on, a token stays if those before it do not reach p yet: the first one always does."""
    ranked, order = logits.sort(dim=-1, descending=True)
    each = ranked.softmax(-1)
    before = each.cumsum(-1) - each  # what the likelier ones have together
    ranked = ranked.masked_fill(before >= p, -torch.inf)
    return torch.empty_like(logits).scatter(-1, order, ranked)


def by_unsorting(logits: Tensor, p: float) -> Tensor:
    order = logits.argsort(dim=-1, descending=True)
    reached = logits.softmax(-1).gather(-1, order).cumsum(-1)
    out = reached.roll(1, -1) >= p
    out[..., 0] = False
    return logits.masked_fill(out.gather(-1, order.argsort(-1)), -torch.inf)


def by_pairs(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1)
    likelier = logits[..., None, :] > logits[..., :, None]  # (..., V, V): is the second likelier than the first?
    before = (likelier * each[..., None, :]).sum(-1)
    return torch.where(before < p, logits, -torch.inf)


def by_loop(logits: Tensor, p: float) -> Tensor:
    out = torch.full_like(logits, -torch.inf)
    for row, kept in zip(logits.view(-1, logits.shape[-1]), out.view(-1, logits.shape[-1]), strict=True):
        total = 0.0
        for token in sorted(range(len(row)), key=row.tolist().__getitem__, reverse=True):
            kept[token] = row[token]
            total += row.softmax(0)[token].item()
            if total >= p:
                break
    return out


def crossing_dropped(logits: Tensor, p: float) -> Tensor:
    ranked, order = logits.sort(dim=-1, descending=True)
    ranked = ranked.masked_fill(ranked.softmax(-1).cumsum(-1) > p, -torch.inf)
    return torch.empty_like(logits).scatter(-1, order, ranked)


def crossing_dropped_one_kept(logits: Tensor, p: float) -> Tensor:
    ranked, order = logits.sort(dim=-1, descending=True)
    out = ranked.softmax(-1).cumsum(-1) > p
    out[..., 0] = False
    return torch.empty_like(logits).scatter(-1, order, ranked.masked_fill(out, -torch.inf))


def one_more(logits: Tensor, p: float) -> Tensor:
    ranked, order = logits.sort(dim=-1, descending=True)
    each = ranked.softmax(-1)
    before = each.cumsum(-1) - each
    out = (before >= p).roll(1, -1)
    out[..., 0] = False
    return torch.empty_like(logits).scatter(-1, order, ranked.masked_fill(out, -torch.inf))


def not_sorted(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1)
    return logits.masked_fill(each.cumsum(-1) - each >= p, -torch.inf)


def not_put_back(logits: Tensor, p: float) -> Tensor:
    ranked = logits.sort(dim=-1, descending=True).values
    each = ranked.softmax(-1)
    return ranked.masked_fill(each.cumsum(-1) - each >= p, -torch.inf)


def mask_not_put_back(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1).sort(dim=-1, descending=True).values
    return logits.masked_fill(each.cumsum(-1) - each >= p, -torch.inf)


def gathered_for_scattered(logits: Tensor, p: float) -> Tensor:
    ranked, order = logits.sort(dim=-1, descending=True)
    each = ranked.softmax(-1)
    out = each.cumsum(-1) - each >= p
    return logits.masked_fill(out.gather(-1, order), -torch.inf)


def rising(logits: Tensor, p: float) -> Tensor:
    ranked, order = logits.sort(dim=-1)
    each = ranked.softmax(-1)
    ranked = ranked.masked_fill(each.cumsum(-1) - each >= p, -torch.inf)
    return torch.empty_like(logits).scatter(-1, order, ranked)


def each_above(logits: Tensor, p: float) -> Tensor:
    return logits.masked_fill(logits.softmax(-1) < p, -torch.inf)


def beside_the_likeliest(logits: Tensor, p: float) -> Tensor:
    each = logits.softmax(-1)
    return logits.masked_fill(each < p * each.amax(-1, keepdim=True), -torch.inf)


def sum_of_logits(logits: Tensor, p: float) -> Tensor:
    ranked, order = logits.sort(dim=-1, descending=True)
    ranked = ranked.masked_fill(ranked.cumsum(-1) - ranked >= p, -torch.inf)
    return torch.empty_like(logits).scatter(-1, order, ranked)


def share_of_tokens(logits: Tensor, p: float) -> Tensor:
    k = max(1, round(p * logits.shape[-1]))
    return logits.masked_fill(logits < logits.topk(k).values[..., -1:], -torch.inf)


def probabilities(logits: Tensor, p: float) -> Tensor:
    return solution(logits, p).softmax(-1)


def with_zeros(logits: Tensor, p: float) -> Tensor:
    return torch.where(solution(logits, p) == logits, logits, 0.0)


def result_dropped(logits: Tensor, p: float) -> Tensor:
    return logits.clone()


def cases() -> Iterator[Case]:
    def case(probabilities: object, p: float, stay: object) -> Case:
        logits = torch.tensor(probabilities, dtype=torch.float64).log() + 1.0
        return Case((logits, p), torch.where(torch.tensor(stay, dtype=torch.bool), logits, -torch.inf))

    # 0.5 alone falls short of 0.6; with 0.3 it is enough.
    yield case([0.3, 0.5, 0.2], 0.6, [True, True, False])
    # The likeliest alone is more than p: it stays.
    yield case([0.3, 0.5, 0.2], 0.4, [False, True, False])
    yield case([0.3, 0.5, 0.2], 0.01, [False, True, False])
    # All are needed.
    yield case([0.3, 0.5, 0.2], 0.9, [True, True, True])
    # Sure of one, unsure between many: the same p keeps 1 here and 4 there.
    yield case([[0.01, 0.01, 0.95, 0.01, 0.02], [0.21, 0.24, 0.2, 0.23, 0.12]], 0.8, [[0, 0, 1, 0, 0], [1, 1, 1, 1, 0]])
    draw = torch.Generator().manual_seed(9)
    for shape, p in (((6,), 0.7), ((3, 5), 0.85), ((2, 3, 8), 0.9)):
        logits = 2 * torch.randn(shape, generator=draw, dtype=torch.float64)
        yield Case((logits, p), by_loop(logits, p))


EXERCISE = Exercise(
    task=(
        "Top-p (nucleus): in each row of `logits` (..., V) keep the fewest of the likeliest tokens whose probabilities "
        "together reach `p`, at least one; the others become -inf. Return logits, each at its own place."
    ),
    call="top_p(logits, p)",
    hints=(
        "Sort each row from the likeliest on, and add the probabilities up. Which token is the last that is needed?",
        "A token stays if those before it do not reach p yet: `cumsum(-1)` minus its own probability is less than p.",
        "The mask is in sorted order. `sort` gives `order` too: `torch.empty_like(logits).scatter(-1, order, ranked)`.",
    ),
    solution=solution,
    also_right=(by_unsorting, by_pairs, by_loop),
    mistakes=(
        Mistake(
            crossing_dropped,
            "The token with which p is reached is left out: what stays falls short of p, and where the likeliest "
            "alone has more than p, nothing is left at all.",
        ),
        Mistake(
            crossing_dropped_one_kept,
            "The token with which p is reached is left out, so what stays falls short of p: look at the sum before it.",
        ),
        Mistake(one_more, "One token too many stays: stop as soon as p is reached."),
        Mistake(
            not_sorted,
            "You add up in the order of the vocabulary: begin with the likeliest, or it may be dropped.",
        ),
        Mistake(not_put_back, "Your logits are still sorted: each must go back to its own token."),
        Mistake(
            mask_not_put_back,
            "Your mask is in sorted order, and the logits are not: it drops tokens by their place in the vocabulary.",
        ),
        Mistake(
            gathered_for_scattered,
            "You bring the mask back with `gather`, which sorts once more: `scatter` puts each back to its place.",
        ),
        Mistake(rising, "You begin with the least likely: sort with `descending=True`."),
        Mistake(
            each_above, "You ask of each token to have p by itself: it is the sum, from the likeliest on, that counts."
        ),
        Mistake(beside_the_likeliest, "This is min-p: it compares with the likeliest. Top-p adds probabilities up."),
        Mistake(sum_of_logits, "You add up logits: only probabilities (`softmax`) add up to 1."),
        Mistake(share_of_tokens, "p is a share of the probability, not of the number of tokens."),
        Mistake(probabilities, "These are probabilities: return logits, so that the next sampler can work on them."),
        Mistake(with_zeros, "The others become 0, and a logit of 0 is not a probability of 0. Use -inf."),
        Mistake(result_dropped, "Nothing changes: is the result of `masked_fill` or `scatter` thrown away?"),
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
            "What stays in some row does not reach p: one more is needed.",
        ),
        Property(
            lambda arguments, answer: torch.equal(answer, solution(*arguments)),
            "More stay than are needed to reach p: each row has its own probabilities, and its own number of tokens.",
        ),
    ),
)
