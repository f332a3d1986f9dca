"""The most probable way to cut a text into pieces."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from functools import cache

from lilllm.course.exercise import Case, Exercise, Mistake, Property

LogProb = dict[str, float]


def solution(text: str, log_prob: LogProb) -> list[str]:
    """Best cut of every beginning of the text, from the shortest to the whole: its last piece, and what came before."""
    best = [0.0] + [-math.inf] * len(text)
    last = [0] * (len(text) + 1)  # where the last piece of the best cut of text[:end] starts
    for end in range(1, len(text) + 1):
        for start in range(end):
            score = best[start] + log_prob.get(text[start:end], -math.inf)
            if score > best[end]:
                best[end], last[end] = score, start
    pieces: list[str] = []
    end = len(text)
    while end > 0:
        pieces.append(text[last[end] : end])
        end = last[end]
    return pieces[::-1]


def from_the_end(text: str, log_prob: LogProb) -> list[str]:
    @cache
    def best(start: int) -> tuple[float, tuple[str, ...]]:
        if start == len(text):
            return 0.0, ()
        cuts = []
        for end in range(start + 1, len(text) + 1):
            piece = text[start:end]
            if piece in log_prob:
                score, rest = best(end)
                cuts.append((score + log_prob[piece], (piece, *rest)))
        return max(cuts, default=(-math.inf, ()))

    return list(best(0)[1])


def all_cuts(text: str, log_prob: LogProb) -> list[str]:
    def cuts(rest: str) -> Iterator[list[str]]:
        if not rest:
            yield []
        for size in range(1, len(rest) + 1):
            if rest[:size] in log_prob:
                for others in cuts(rest[size:]):
                    yield [rest[:size], *others]

    return max(cuts(text), key=lambda pieces: sum(log_prob[piece] for piece in pieces))


def greedy(text: str, log_prob: LogProb) -> list[str]:
    pieces = []
    start = 0
    while start < len(text):
        end = next((end for end in range(len(text), start, -1) if text[start:end] in log_prob), start + 1)
        pieces.append(text[start:end])
        start = end
    return pieces


def _best_by(text: str, log_prob: LogProb, score_of: str) -> list[str]:
    """The search of ``solution`` with another score for a piece."""
    scores = {
        "fewest": dict.fromkeys(log_prob, -1.0),
        "least": {piece: -value for piece, value in log_prob.items()},
        "probability": {piece: math.exp(value) for piece, value in log_prob.items()},
    }
    return solution(text, scores[score_of])


def fewest_pieces(text: str, log_prob: LogProb) -> list[str]:
    return _best_by(text, log_prob, "fewest")


def least_probable(text: str, log_prob: LogProb) -> list[str]:
    return _best_by(text, log_prob, "least")


def sum_of_probabilities(text: str, log_prob: LogProb) -> list[str]:
    return _best_by(text, log_prob, "probability")


def backwards(text: str, log_prob: LogProb) -> list[str]:
    return solution(text, log_prob)[::-1]


def best_piece_now(text: str, log_prob: LogProb) -> list[str]:
    pieces = []
    start = 0
    while start < len(text):
        ends = [end for end in range(start + 1, len(text) + 1) if text[start:end] in log_prob]
        end = max(ends, key=lambda end: log_prob[text[start:end]], default=start + 1)
        pieces.append(text[start:end])
        start = end
    return pieces


SMALL = {"a": -2.0, "b": -2.0, "c": -2.0, "ab": -3.0, "bc": -1.0, "abc": -5.0}


def cases() -> Iterator[Case]:
    yield Case(("a", SMALL), ["a"])
    yield Case(("", SMALL), [])
    yield Case(("ab", SMALL), ["ab"])
    yield Case(("abc", SMALL), ["a", "bc"])
    yield Case(("ab", {"a": -3.0, "b": -1.0, "ab": -1.1}), ["ab"])
    yield Case(("cab", SMALL), ["c", "ab"])
    yield Case(("aa", {"a": -1.0, "aa": -3.0}), ["a", "a"])
    yield Case(("abcbc", SMALL), ["a", "bc", "bc"])
    yield Case(("xab", {"x": -9.0, "a": -1.5, "b": -1.0, "xa": -9.5, "ab": -2.0}), ["xa", "b"])
    draw = random.Random(3)
    for size in (6, 9, 12):
        log_prob = {letter: -draw.uniform(2, 4) for letter in "abc"}
        log_prob |= {"".join(draw.choices("abc", k=k)): -draw.uniform(2, 7) for k in (2, 2, 2, 2, 3, 3, 3)}
        text = "".join(draw.choices("abc", k=size))
        yield Case((text, log_prob), all_cuts(text, log_prob))


EXERCISE = Exercise(
    task="Return the cut of `text` into pieces of `log_prob` whose log-probabilities have the greatest sum.",
    call="viterbi(text, log_prob)",
    hints=(
        "`best[end]`: the score of the best cut of `text[:end]`. `best[0]` is 0, the score of nothing.",
        "`best[end]` is the greatest `best[start] + log_prob[text[start:end]]` over all starts; keep that start.",
        "At the end, walk back from `len(text)` along the starts that you kept, and turn the pieces round.",
    ),
    solution=solution,
    also_right=(from_the_end, all_cuts),
    mistakes=(
        Mistake(greedy, "You take the longest piece at each place: the best cut may need a shorter one there."),
        Mistake(
            best_piece_now,
            "You take the most probable piece at each place: what it leaves may cost more than it saves.",
        ),
        Mistake(fewest_pieces, "You look for the fewest pieces: the sum of the log-probabilities decides."),
        Mistake(
            least_probable,
            "You keep the smallest sum: log-probabilities are negative, and the greatest sum is the best.",
        ),
        Mistake(sum_of_probabilities, "You add probabilities. They multiply: add their logarithms."),
        Mistake(backwards, "The pieces are right and in reverse: you walked back from the end, so turn them round."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: "".join(answer) == arguments[0],
            "The pieces put together do not give the text.",
        ),
    ),
)
