"""All the ways to cut a word into pieces, and the ones worth having: the best, the n best, one at random.

A unigram model gives every piece a probability p(x) and a segmentation the product of its pieces':

    log P(x_1 ... x_m) = sum_i log p(x_i)

A word of n characters has up to 2^(n-1) segmentations; dynamic programming over the n + 1 places between characters
needs n L steps for pieces of at most L characters.

Read in order:  segmentations  every one, by brute force: the reference
                viterbi        the best one
                n_best         the n best ones
                sample         one, drawn with probability proportional to P^alpha
A character that is no piece can be cut off alone, at the price ``unknown``; its neighbours keep their pieces.
Source:         Kudo 2018, "Subword Regularization", arXiv:1804.10959, sections 3.1 and 3.2
"""

from __future__ import annotations

import heapq
import math
import random
from collections.abc import Iterator, Mapping
from itertools import combinations, pairwise

Cut = tuple[float, list[str]]


def segmentations(word: str, scores: Mapping[str, float], unknown: float = -math.inf) -> Iterator[Cut]:
    """Each segmentation with its log-probability, by trying all 2^(n-1).

    >>> sorted(segmentations("hug", {"h": -3.0, "u": -3.0, "g": -3.0, "hu": -2.0, "hug": -4.0}), reverse=True)
    [(-4.0, ['hug']), (-5.0, ['hu', 'g']), (-9.0, ['h', 'u', 'g'])]
    """
    for n_cuts in range(len(word)):
        for cuts in combinations(range(1, len(word)), n_cuts):
            pieces = [word[a:b] for a, b in pairwise((0, *cuts, len(word)))]
            prices = [scores.get(piece, unknown if len(piece) == 1 else -math.inf) for piece in pieces]
            if math.inf not in prices and -math.inf not in prices:
                yield sum(prices), pieces


def arcs(
    word: str, start: int, scores: Mapping[str, float], longest: int, unknown: float
) -> Iterator[tuple[int, float]]:
    """Pieces that start at ``start``: (where the piece ends, its score), shorter ones first, an unknown one last."""
    for end in range(start + 1, min(len(word), start + longest) + 1):
        score = scores.get(word[start:end])
        if score is not None:
            yield end, score
    if word[start] not in scores:
        yield start + 1, unknown


def viterbi(word: str, scores: Mapping[str, float], longest: int, unknown: float) -> Cut:
    """The segmentation of the highest probability; of equal ones, the one whose last piece is longest (and so on).

    Holds: no segmentation has a higher score; the order of additions, and so the last bit, is Hugging Face's.

    >>> viterbi("hugs", {"h": -3.0, "u": -3.0, "g": -3.0, "s": -3.0, "hu": -2.0, "gs": -2.5}, 2, -20.0)
    (-4.5, ['hu', 'gs'])
    """
    best = [-math.inf] * (len(word) + 1)
    best[0] = 0.0
    came_from = [0] * (len(word) + 1)
    for start in range(len(word)):
        for end, score in arcs(word, start, scores, longest, unknown):
            if best[start] + score > best[end]:
                best[end] = best[start] + score
                came_from[end] = start
    return best[len(word)], _walk_back(word, came_from)


def _walk_back(word: str, came_from: list[int]) -> list[str]:
    pieces = []
    end = len(word)
    while end > 0:
        pieces.append(word[came_from[end] : end])
        end = came_from[end]
    return pieces[::-1]


def n_best(word: str, n: int, scores: Mapping[str, float], longest: int, unknown: float) -> list[Cut]:
    """The ``n`` segmentations of the highest probability, best first (fewer where there are fewer).

    The n best ways to reach a place go through the n best ways to reach the places before it.
    """
    if n < 1:
        raise ValueError(f"n is {n}; ask for at least 1 segmentation")
    # ways[place]: the best ways to get there, as (score, where the last piece starts, which way it was reached)
    ways: list[list[tuple[float, int, int]]] = [[] for _ in range(len(word) + 1)]
    ways[0] = [(0.0, -1, -1)]
    for start in range(len(word)):
        ways[start] = heapq.nlargest(n, ways[start])
        for end, score in arcs(word, start, scores, longest, unknown):
            ways[end].extend((so_far + score, start, rank) for rank, (so_far, _, _) in enumerate(ways[start]))
    found = []
    for total, place, rank in heapq.nlargest(n, ways[len(word)]):
        pieces, end = [], len(word)
        while place >= 0:
            pieces.append(word[place:end])
            end = place
            _, place, rank = ways[end][rank]
        found.append((total, pieces[::-1]))
    return found


def sample(
    word: str, scores: Mapping[str, float], longest: int, unknown: float, *, alpha: float, rng: random.Random
) -> list[str]:
    """One segmentation, drawn with probability P^alpha / (sum of P^alpha over all segmentations), exactly.

    alpha = 1 draws from the model, 0 from all segmentations alike, and a large alpha gives nearly always the best one:
    1 / alpha is a temperature. Forward: the total weight of all ways to each place. Backward: draw the last piece in
    proportion to the weight that came through it, and go on from its start.
    """
    if not (alpha >= 0 and math.isfinite(alpha)):
        raise ValueError(f"alpha is {alpha}; give a number from 0 (all alike) up (1: the model's own probabilities)")
    incoming: list[list[tuple[int, float]]] = [[] for _ in range(len(word) + 1)]
    forward = [0.0] * (len(word) + 1)  # log of the total weight
    for start in range(len(word)):
        if start > 0:
            forward[start] = _log_sum_exp([forward[s] + w for s, w in incoming[start]])
        for end, score in arcs(word, start, scores, longest, unknown):
            incoming[end].append((start, alpha * score))
    pieces, end = [], len(word)
    while end > 0:
        weights = [forward[start] + score for start, score in incoming[end]]
        top = max(weights)
        (start,) = rng.choices([start for start, _ in incoming[end]], [math.exp(w - top) for w in weights])
        pieces.append(word[start:end])
        end = start
    return pieces[::-1]


def _log_sum_exp(values: list[float]) -> float:
    top = max(values)
    return top + math.log(math.fsum(math.exp(value - top) for value in values))
