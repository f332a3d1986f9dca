"""Merges applied to a new word, in the order in which they were learned."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise

from lilllm.course.exercise import Case, Exercise, Mistake, Property

Merges = list[tuple[str, str]]


def solution(word: str, merges: Merges) -> list[str]:
    """Of the pairs that stand in the word, take the one learned first; again, until none is left."""
    rank = {pair: i for i, pair in enumerate(merges)}
    parts = list(word)
    while len(parts) > 1:
        best = min(pairwise(parts), key=lambda pair: rank.get(pair, len(merges)))
        if best not in rank:
            break
        out: list[str] = []
        i = 0
        while i < len(parts):
            if tuple(parts[i : i + 2]) == best:
                out.append(parts[i] + parts[i + 1])
                i += 2
            else:
                out.append(parts[i])
                i += 1
        parts = out
    return parts


def merge_by_merge(word: str, merges: Merges) -> list[str]:
    parts = list(word)
    for left, right in merges:
        i = 0
        while i < len(parts) - 1:
            if parts[i] == left and parts[i + 1] == right:
                parts[i : i + 2] = [left + right]
            i += 1
    return parts


def leftmost_of_lowest_rank(word: str, merges: Merges) -> list[str]:
    rank = {pair: i for i, pair in enumerate(merges)}
    parts = list(word)
    while True:
        found = [(rank[pair], i) for i, pair in enumerate(pairwise(parts)) if pair in rank]
        if not found:
            return parts
        _, i = min(found)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def longest_token_first(word: str, merges: Merges) -> list[str]:
    vocabulary = {left + right for left, right in merges}
    parts = []
    start = 0
    while start < len(word):
        end = next((end for end in range(len(word), start + 1, -1) if word[start:end] in vocabulary), start + 1)
        parts.append(word[start:end])
        start = end
    return parts


def first_pair_from_the_left(word: str, merges: Merges) -> list[str]:
    known = set(merges)
    parts = list(word)
    i = 0
    while i < len(parts) - 1:
        if (parts[i], parts[i + 1]) in known:
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
            i = 0
        else:
            i += 1
    return parts


def last_learned_first(word: str, merges: Merges) -> list[str]:
    rank = {pair: i for i, pair in enumerate(merges)}
    parts = list(word)
    while True:
        found = [(-rank[pair], i) for i, pair in enumerate(pairwise(parts)) if pair in rank]
        if not found:
            return parts
        _, i = min(found)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]


def one_merge_only(word: str, merges: Merges) -> list[str]:
    parts = list(word)
    for left, right in merges:
        if (left, right) in pairwise(parts):
            return merge_by_merge(word, [(left, right)])
    return parts


def one_of_each(word: str, merges: Merges) -> list[str]:
    parts = list(word)
    for left, right in merges:
        for i in range(len(parts) - 1):
            if parts[i] == left and parts[i + 1] == right:
                parts[i : i + 2] = [left + right]
                break
    return parts


def cases() -> Iterator[Case]:
    yield Case(("ab", [("a", "b")]), ["ab"])
    yield Case(("", [("a", "b")]), [])
    yield Case(("a", [("a", "b")]), ["a"])
    yield Case(("ba", [("a", "b")]), ["b", "a"])
    yield Case(("abab", [("a", "b")]), ["ab", "ab"])
    yield Case(("abc", [("b", "c"), ("a", "b")]), ["a", "bc"])
    yield Case(("abc", [("a", "b"), ("b", "c"), ("a", "bc")]), ["ab", "c"])
    yield Case(("abcd", [("b", "c"), ("a", "b"), ("c", "d"), ("ab", "cd")]), ["a", "bc", "d"])
    yield Case(("bcd", [("c", "d"), ("b", "c"), ("b", "cd")]), ["bcd"])
    yield Case(("lower", [("e", "r"), ("l", "o"), ("lo", "w"), ("low", "er")]), ["lower"])
    yield Case(("aaaa", [("a", "a"), ("aa", "aa")]), ["aaaa"])
    draw = random.Random(2)
    for size in (5, 8, 13):
        text = "".join(draw.choices("abc", k=40))
        merges: Merges = []
        for _ in range(6):
            parts = merge_by_merge(text, merges)
            pairs = [pair for pair in pairwise(parts) if pair not in merges]
            merges.append(draw.choice(pairs))
        word = "".join(draw.choices("abc", k=size))
        yield Case((word, merges), merge_by_merge(word, merges))


EXERCISE = Exercise(
    task="Return the tokens of `word`: start with its characters and apply `merges`, the earliest learned first.",
    call="bpe_encode(word, merges)",
    hints=(
        "Start with `list(word)`. `merges` is in the order of learning: its first pair was the most frequent.",
        "Take the merges one after the other, and apply each at every place before you go on to the next.",
        "A merge at index i is `parts[i : i + 2] = [left + right]`.",
    ),
    solution=solution,
    also_right=(merge_by_merge, leftmost_of_lowest_rank),
    mistakes=(
        Mistake(
            longest_token_first,
            "You take the longest token that fits. BPE does not look for tokens: it replays its merges, in order.",
        ),
        Mistake(
            first_pair_from_the_left,
            "You merge the first pair that you meet from the left. The order of learning decides, not the place.",
        ),
        Mistake(last_learned_first, "You apply the merge learned last first: it is the other way round."),
        Mistake(one_of_each, "Each merge is applied at one place only: apply it at every place."),
        Mistake(one_merge_only, "You stop after the first merge that applies: go on until none does."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: "".join(answer) == arguments[0],
            "The tokens put together do not give the word: characters were lost or made.",
        ),
    ),
)
