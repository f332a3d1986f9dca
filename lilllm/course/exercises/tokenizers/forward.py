"""The probability of a text, over all the ways to cut it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake
from lilllm.tokenizers.unigram_search import segmentations

LogProb = dict[str, float]


def solution(text: str, log_prob: LogProb) -> float:
    """Viterbi with the log of a sum of exponentials where it has a maximum."""
    total = [0.0] + [-math.inf] * len(text)
    for end in range(1, len(text) + 1):
        ways = [total[start] + log_prob[text[start:end]] for start in range(end) if text[start:end] in log_prob]
        top = max(ways, default=-math.inf)
        if top > -math.inf:
            total[end] = top + math.log(sum(math.exp(way - top) for way in ways))
    return total[-1]


def from_the_end(text: str, log_prob: LogProb) -> float:
    weight = [0.0] * len(text) + [1.0]
    for start in range(len(text) - 1, -1, -1):
        for size in range(1, len(text) - start + 1):
            piece = text[start : start + size]
            if piece in log_prob:
                weight[start] += math.exp(log_prob[piece]) * weight[start + size]
    return math.log(weight[0]) if weight[0] else -math.inf


def by_listing(text: str, log_prob: LogProb) -> float:
    if not text:
        return 0.0
    total = sum(math.exp(score) for score, _ in segmentations(text, log_prob))
    return math.log(total) if total else -math.inf


def best_only(text: str, log_prob: LogProb) -> float:
    best = [0.0] + [-math.inf] * len(text)
    for end in range(1, len(text) + 1):
        for start in range(end):
            best[end] = max(best[end], best[start] + log_prob.get(text[start:end], -math.inf))
    return best[-1]


def logarithms_added(text: str, log_prob: LogProb) -> float:
    if not text:
        return 0.0
    scores = [score for score, _ in segmentations(text, log_prob)]
    return sum(scores) if scores else -math.inf


def not_a_logarithm(text: str, log_prob: LogProb) -> float:
    return math.exp(by_listing(text, log_prob))


def mean_of_the_ways(text: str, log_prob: LogProb) -> float:
    if not text:
        return 0.0
    ways = [math.exp(score) for score, _ in segmentations(text, log_prob)]
    return math.log(sum(ways) / len(ways)) if ways else -math.inf


def binary_logarithm(text: str, log_prob: LogProb) -> float:
    return by_listing(text, log_prob) / math.log(2)


def cases() -> Iterator[Case]:
    yield Case(("a", {"a": math.log(0.5)}), math.log(0.5))
    yield Case(("ab", {"a": math.log(0.5), "b": math.log(0.25), "ab": math.log(0.125)}), math.log(0.25))
    yield Case(("", {"a": math.log(0.5)}), 0.0)
    yield Case(("ba", {"a": math.log(0.5)}), -math.inf)
    yield Case(("aaa", {"a": math.log(0.5), "aa": math.log(0.25)}), math.log(0.375))
    draw = random.Random(3)
    for size in (4, 6, 9):
        log_prob = {letter: -draw.uniform(2, 4) for letter in "abc"}
        log_prob |= {"".join(draw.choices("abc", k=k)): -draw.uniform(2, 7) for k in (2, 2, 2, 2, 3, 3, 3)}
        text = "".join(draw.choices("abc", k=size))
        yield Case((text, log_prob), by_listing(text, log_prob))


EXERCISE = Exercise(
    task="Return the logarithm of the probability of `text`: the sum over all its cuts, `-math.inf` if there is none.",
    call="log_likelihood(text, log_prob)",
    hints=(
        "Take Viterbi's search: `best[end]` becomes `total[end]`, the log-probability of `text[:end]`.",
        "Viterbi takes the maximum over the starts. Here the ways add up: their probabilities, not their logarithms.",
        "`total[end] = log(sum(exp(total[start] + log_prob[text[start:end]])))` over the starts whose piece is known.",
    ),
    solution=solution,
    also_right=(from_the_end, by_listing),
    mistakes=(
        Mistake(best_only, "This is the best cut alone, as Viterbi finds it: add the probabilities of all the others."),
        Mistake(
            logarithms_added, "You add the logarithms of the cuts, which multiplies their probabilities: add those."
        ),
        Mistake(not_a_logarithm, "This is the probability itself: return its logarithm."),
        Mistake(mean_of_the_ways, "You take the mean over the cuts: the probability of the text is their sum."),
        Mistake(binary_logarithm, "This is in bits: use the natural logarithm, as `log_prob` does."),
    ),
    cases=cases,
)
