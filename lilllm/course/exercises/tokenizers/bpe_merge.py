"""One merge: a pair of neighbours becomes one token, everywhere."""

from __future__ import annotations

import random
from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake, Property
from lilllm.tokenizers.bpe_train import merge

Pair = tuple[int, int]


def solution(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    """Go from left to right; where the pair stands, write the new id and step over both."""
    out = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            out.append(new_id)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def with_a_stack(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    out: list[int] = []
    fresh = False  # the last of `out` was made by a merge, so it is not the first half of another
    for token in ids:
        if out and not fresh and (out[-1], token) == pair:
            out[-1], fresh = new_id, True
        else:
            out.append(token)
            fresh = False
    return out


def with_text(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    text = "".join(map(chr, ids)).replace(chr(pair[0]) + chr(pair[1]), chr(new_id))
    return [ord(character) for character in text]


def overlapping(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    out = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair:
            out.append(new_id)
            i += 1 if i + 2 < len(ids) and (ids[i + 1], ids[i + 2]) == pair else 2
        else:
            out.append(ids[i])
            i += 1
    return out


def last_dropped(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    out = []
    i = 0
    while i < len(ids) - 1:
        if (ids[i], ids[i + 1]) == pair:
            out.append(new_id)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def past_the_end(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    out = []
    i = 0
    while i < len(ids):
        if ids[i] == pair[0] and ids[i + 1] == pair[1]:
            out.append(new_id)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def only_the_first(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    for i in range(len(ids) - 1):
        if (ids[i], ids[i + 1]) == pair:
            return [*ids[:i], new_id, *ids[i + 2 :]]
    return list(ids)


def second_kept(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    out = []
    for i in range(len(ids)):
        found = i + 1 < len(ids) and (ids[i], ids[i + 1]) == pair
        out.append(new_id if found else ids[i])
    return out


def from_the_right(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    return solution(ids[::-1], (pair[1], pair[0]), new_id)[::-1]


def in_either_order(ids: list[int], pair: Pair, new_id: int) -> list[int]:
    out = []
    i = 0
    while i < len(ids):
        if i + 1 < len(ids) and {ids[i], ids[i + 1]} == set(pair):
            out.append(new_id)
            i += 2
        else:
            out.append(ids[i])
            i += 1
    return out


def cases() -> Iterator[Case]:
    yield Case(([1, 2], (1, 2), 9), [9])
    yield Case(([], (1, 2), 9), [])
    yield Case(([1], (1, 2), 9), [1])
    yield Case(([2, 1], (1, 2), 9), [2, 1])
    yield Case(([1, 2, 3], (1, 2), 9), [9, 3])
    yield Case(([3, 1, 2], (1, 2), 9), [3, 9])
    yield Case(([1, 1, 1], (1, 1), 9), [9, 1])
    yield Case(([1, 2, 1, 2], (1, 2), 9), [9, 9])
    yield Case(([1, 1, 1, 1], (1, 1), 9), [9, 9])
    yield Case(([1, 2, 1], (1, 2), 9), [9, 1])
    draw = random.Random(1)
    for size in (6, 10, 20, 50):
        ids = draw.choices([1, 2, 3], k=size)
        pair = (draw.choice([1, 2, 3]), draw.choice([1, 2, 3]))
        yield Case((ids, pair, 9), merge(ids, pair, 9))


def spelled_out(arguments: tuple[list[int], Pair, int], answer: list[int]) -> bool:
    """Writing the pair for the new id again gives back what was there."""
    ids, pair, new_id = arguments
    return [token for new in answer for token in (pair if new == new_id else (new,))] == ids


EXERCISE = Exercise(
    task="Return `ids` with every `pair` of neighbours written as `new_id`, from the left, in a new list.",
    call="bpe_merge(ids, pair, new_id)",
    hints=(
        "Walk over `ids` with an index of your own, in a `while` loop: after a merge you must step over two.",
        "At index i there is a pair only if i + 1 is still inside the list: ask that first.",
        "Two branches: the pair is here (append `new_id`, i += 2), or it is not (append `ids[i]`, i += 1).",
    ),
    solution=solution,
    also_right=(with_a_stack, with_text),
    mistakes=(
        Mistake(
            past_the_end, "You look at `ids[i + 1]` where i is the last index: ask first whether there is a neighbour."
        ),
        Mistake(last_dropped, "The last token gets lost when it is in no pair: your loop ends one step too early."),
        Mistake(only_the_first, "Only the first pair is merged: go on to the end."),
        Mistake(second_kept, "The second token of a merged pair is written too: step over both, i += 2."),
        Mistake(overlapping, "One token is used in two merges: [1, 1, 1] holds (1, 1) once, not twice."),
        Mistake(from_the_right, "You merge from the right: in [1, 1, 1] the first two belong together."),
        Mistake(in_either_order, "You merge the pair in both orders: (1, 2) is not (2, 1)."),
    ),
    cases=cases,
    properties=(
        Property(
            spelled_out, "Writing the pair out again does not give the text that was there: tokens were lost or made."
        ),
    ),
)
