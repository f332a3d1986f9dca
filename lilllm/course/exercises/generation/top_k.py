"""Top-k: only the k likeliest tokens may be drawn."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(logits: Tensor, k: int) -> Tensor:
    """All below the k-th largest of their row become -inf."""
    kth = logits.topk(min(k, logits.shape[-1])).values[..., -1:]  # (..., 1)
    return logits.masked_fill(logits < kth, -torch.inf)


def by_sorting(logits: Tensor, k: int) -> Tensor:
    ranked = logits.sort(dim=-1, descending=True).values
    kth = ranked[..., :k].amin(-1, keepdim=True)
    return torch.where(logits >= kth, logits, -torch.inf)


def by_counting(logits: Tensor, k: int) -> Tensor:
    larger = (logits[..., None, :] > logits[..., :, None]).sum(-1)  # how many are larger than each
    return torch.where(larger < k, logits, -torch.inf)


def result_dropped(logits: Tensor, k: int) -> Tensor:
    kth = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    logits.masked_fill(logits < kth, -torch.inf)
    return logits


def kth_dropped(logits: Tensor, k: int) -> Tensor:
    kth = logits.topk(min(k, logits.shape[-1])).values[..., -1:]
    return logits.masked_fill(logits <= kth, -torch.inf)


def one_more(logits: Tensor, k: int) -> Tensor:
    return solution(logits, k + 1)


def with_zeros(logits: Tensor, k: int) -> Tensor:
    return torch.where(solution(logits, k) == logits, logits, 0.0)


def smallest(logits: Tensor, k: int) -> Tensor:
    kth = logits.topk(min(k, logits.shape[-1]), largest=False).values[..., -1:]
    return logits.masked_fill(logits > kth, -torch.inf)


def values_alone(logits: Tensor, k: int) -> Tensor:
    return logits.topk(min(k, logits.shape[-1])).values


def probabilities(logits: Tensor, k: int) -> Tensor:
    return solution(logits, k).softmax(-1)


def ties_cut(logits: Tensor, k: int) -> Tensor:
    top = logits.topk(min(k, logits.shape[-1]))
    return torch.full_like(logits, -torch.inf).scatter(-1, top.indices, top.values)


def k_too_large(logits: Tensor, k: int) -> Tensor:
    kth = logits.topk(k).values[..., -1:]
    return logits.masked_fill(logits < kth, -torch.inf)


def kth_of_a_sorted_list(logits: Tensor, k: int) -> Tensor:
    kth = logits.sort(dim=-1, descending=True).values[..., k - 1].unsqueeze(-1)
    return logits.masked_fill(logits < kth, -torch.inf)


def of_all_rows(logits: Tensor, k: int) -> Tensor:
    kth = logits.flatten().topk(min(k, logits.numel())).values[-1]
    return logits.masked_fill(logits < kth, -torch.inf)


def first_row(logits: Tensor, k: int) -> Tensor:
    kth = logits.reshape(-1, logits.shape[-1])[0].topk(min(k, logits.shape[-1])).values[-1]
    return logits.masked_fill(logits < kth, -torch.inf)


def cases() -> Iterator[Case]:
    inf = torch.inf

    def case(logits: object, k: int, expected: object) -> Case:
        given, wanted = (torch.tensor(one, dtype=torch.float64) for one in (logits, expected))
        return Case((given, k), wanted)

    yield case([1.0, 3.0, 2.0], 2, [-inf, 3.0, 2.0])
    yield case([1.0, 3.0, 2.0], 1, [-inf, 3.0, -inf])
    # Negative logits are logits like others.
    yield case([-5.0, -1.0, -3.0, -4.0], 2, [-inf, -1.0, -3.0, -inf])
    # Each row has its own k-th largest.
    yield case([[1.0, 2.0, 3.0], [9.0, 7.0, 8.0]], 2, [[-inf, 2.0, 3.0], [9.0, -inf, 8.0]])
    # Who equals the k-th stays too.
    yield case([1.0, 2.0, 2.0, 3.0, 0.0], 2, [-inf, 2.0, 2.0, 3.0, -inf])
    # Fewer tokens than k: all stay.
    yield case([1.0, 2.0], 5, [1.0, 2.0])
    draw = torch.Generator().manual_seed(9)
    for shape, k in (((6,), 3), ((2, 5), 2), ((2, 3, 8), 4)):
        logits = torch.randn(shape, generator=draw, dtype=torch.float64)
        yield Case((logits, k), by_counting(logits, k))


def left_or_out(arguments: tuple[Any, ...], answer: Tensor) -> bool:
    """Whether each place holds its logit, or -inf."""
    return bool(((answer == arguments[0]) | (answer == -torch.inf)).all())


def in_order(arguments: tuple[Any, ...], answer: Tensor) -> bool:
    """Whether nothing is out that has a greater logit than what stays."""
    logits, stays = arguments[0], answer > -torch.inf
    least = logits.masked_fill(~stays, torch.inf).amin(-1, keepdim=True)
    return bool((stays | (logits <= least)).all())


def _cut(logits: Tensor, answer: Tensor) -> bool:
    """Whether of equal logits one stays and one is out."""
    stays = answer > -torch.inf
    equal = logits[..., None] == logits[..., None, :]
    return bool((equal & (stays[..., None] != stays[..., None, :])).any())


OTHER_NUMBERS = (
    "A logit either stays or becomes -inf: you have other numbers. A logit of 0, say, is not a probability of 0."
)

EXERCISE = Exercise(
    task=(
        "Top-k: in each row of `logits` (..., V) keep the k largest, and make all others -inf, so that they are never "
        "drawn. Who equals the k-th largest stays too; with fewer than k tokens all stay. Change nothing in place."
    ),
    call="top_k(logits, k)",
    hints=(
        "Find the k-th largest logit of each row: `topk` gives the k largest, in order.",
        "`kth = logits.topk(k).values[..., -1:]` keeps its axis, so that each row is compared with its own.",
        "`logits.masked_fill(logits < kth, -torch.inf)` gives a new tensor: return it. And k may be larger than V.",
    ),
    solution=solution,
    also_right=(by_sorting, by_counting),
    mistakes=(
        Mistake(
            result_dropped,
            "Nothing changes: `masked_fill` gives a new tensor, and yours is thrown away. A sampler with this bug runs "
            "for months, and draws nonsense now and then.",
        ),
        Mistake(kth_dropped, "The k-th largest itself is left out: compare with `<`, not with `<=`."),
        Mistake(one_more, "One token too many stays: the k-th largest is at index k - 1."),
        Mistake(
            with_zeros,
            "The others become 0, and a logit of 0 is not a probability of 0: it may even be the largest. Use -inf.",
        ),
        Mistake(smallest, "You keep the smallest: the largest logits are the likeliest tokens."),
        Mistake(values_alone, "These are the k largest alone, and whose they are is lost: keep all V places."),
        Mistake(probabilities, "These are probabilities: return logits, so that the next sampler can work on them."),
        Mistake(
            ties_cut, "Of equal logits you keep some and drop others, by chance: who equals the k-th largest stays."
        ),
        Mistake(k_too_large, "There may be fewer than k tokens: then all stay. `min(k, logits.shape[-1])` helps."),
        Mistake(
            kth_of_a_sorted_list, "There may be fewer than k tokens, so that there is no index k - 1: then all stay."
        ),
        Mistake(of_all_rows, "You take the k largest of all rows together: each row has its own, along axis -1."),
        Mistake(first_row, "You compare all rows with the k-th largest of the first: each row has its own."),
    ),
    cases=cases,
    properties=(
        Property(left_or_out, OTHER_NUMBERS),
        Property(in_order, "A token that stays is less likely than one that is out: the likeliest stay."),
        Property(
            lambda arguments, answer: bool(
                ((answer > -torch.inf).sum(-1) >= min(arguments[1], answer.shape[-1])).all()
            ),
            "Too few stay in some row: k of them, or all where there are fewer.",
        ),
        Property(
            lambda arguments, answer: torch.equal(answer, solution(*arguments)) or not _cut(arguments[0], answer),
            "Of equal logits one stays and one is out: who equals the k-th largest stays.",
        ),
        Property(
            lambda arguments, answer: torch.equal(answer, solution(*arguments)),
            "Too many stay in some row: k of them, and what equals the k-th.",
        ),
    ),
)
