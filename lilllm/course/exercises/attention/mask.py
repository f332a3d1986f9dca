"""Who may look at whom: the causal mask."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake


def solution(queries: int, keys: int) -> Tensor:
    """The last query is at the last key; each sees its own place and all before it."""
    place = torch.arange(keys - queries, keys)  # of each query, among the keys
    return torch.arange(keys) <= place[:, None]  # (T, S)


def by_tril(queries: int, keys: int) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries)


def last_rows(queries: int, keys: int) -> Tensor:
    return torch.ones(keys, keys).tril().bool()[keys - queries :]


def by_comprehension(queries: int, keys: int) -> Tensor:
    return torch.tensor([[s <= t + keys - queries for s in range(keys)] for t in range(queries)])


def future(queries: int, keys: int) -> Tensor:
    return ~solution(queries, keys)


def future_and_self(queries: int, keys: int) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool).triu(keys - queries)


def without_self(queries: int, keys: int) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool).tril(keys - queries - 1)


def from_the_first_key(queries: int, keys: int) -> Tensor:
    return torch.ones(queries, keys, dtype=torch.bool).tril()


def turned(queries: int, keys: int) -> Tensor:
    return solution(queries, keys).T


def as_scores(queries: int, keys: int) -> Tensor:
    return torch.zeros(queries, keys).masked_fill(~solution(queries, keys), -torch.inf)


def as_numbers(queries: int, keys: int) -> Tensor:
    return solution(queries, keys).float()


def cases() -> Iterator[Case]:
    yield Case((1, 1), torch.tensor([[True]]))
    yield Case((2, 2), torch.tensor([[True, False], [True, True]]))
    yield Case((1, 3), torch.tensor([[True, True, True]]))
    yield Case((2, 3), torch.tensor([[True, True, False], [True, True, True]]))
    for queries, keys in ((4, 4), (3, 7), (1, 9), (6, 8)):
        yield Case((queries, keys), by_comprehension(queries, keys))


EXERCISE = Exercise(
    task=(
        "Return the causal mask of `queries` tokens over `keys` tokens, of which the queries are the last: a tensor of "
        "bools of shape (queries, keys), True where a query may look. A token may look at itself and at what is before."
    ),
    call="causal_mask(queries, keys)",
    hints=(
        "With as many queries as keys it is a lower triangle. Which keys may the first query see if there are 2 "
        "queries and 5 keys?",
        "Query t stands at place t + keys - queries. `torch.arange` of the places, beside `torch.arange(keys)`.",
        "`torch.ones(queries, keys, dtype=torch.bool).tril(d)` keeps all on and below the d-th diagonal. What is d?",
    ),
    solution=solution,
    also_right=(by_tril, last_rows, by_comprehension),
    mistakes=(
        Mistake(future, "This is True where a query may not look: turn it around with `~`."),
        Mistake(
            future_and_self, "Your triangle is the upper one: tokens see the future, and of the past nothing. Use tril."
        ),
        Mistake(
            without_self,
            "A token does not see itself here, and the first one sees nothing: the diagonal belongs to the mask.",
        ),
        Mistake(
            from_the_first_key,
            "You place the first query at the first key; the queries are the last of the keys, so the triangle starts "
            "keys - queries to the right. With a cache and one new token, yours would see the first token only.",
        ),
        Mistake(turned, "Rows and columns are exchanged: a row for each query, a column for each key."),
        Mistake(
            as_scores, "These are the numbers to add to scores, 0 and -inf: the mask itself is asked for, of bools."
        ),
        Mistake(as_numbers, "The right places as ones and zeros: make it bool, so that `where` and `~` can use it."),
    ),
    cases=cases,
)
