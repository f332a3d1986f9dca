"""Every way to cut every word of a corpus, as one graph in arrays: what unigram training computes on.

Nodes are the places between characters (n + 1 for a word of n), edges are pieces. Work goes from depth to depth (a
node's depth is its place in its word) for all words at once, so that a pass is a few array operations a depth.

Read in order:  expected_counts_reference  one word, by enumerating its segmentations: the formula
                Lattice                    builds the graph once
                Lattice.expected_counts    the E step: forward, then backward, for all words
                Lattice.best               Viterbi scores of all words
                Lattice.keep               the graph without the pieces that were pruned

With f(v) the log of the total probability of all ways from the start of the word to node v,

    f(v) = log sum over edges u -> v of exp(f(u) + log p(piece))

a way that reaches v has come through that edge with probability exp(f(u) + log p(piece) - f(v)). Backward, each node
hands the probability g(v) that a segmentation passes through it on to the edges that lead to it:

    g(u -> v) = g(v) exp(f(u) + log p(piece) - f(v)),    g(u) = sum over edges u -> v of g(u -> v)

and g summed over the edges of a piece is the expected number of times the corpus uses it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from lilllm.tokenizers.unigram_search import segmentations

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


def expected_counts_reference(word: str, log_p: Mapping[str, float]) -> dict[str, float]:
    """How often each piece is used in ``word``, on average over its segmentations.

    >>> counts = expected_counts_reference("ab", {"a": -1.0, "b": -1.0, "ab": -2.0})
    >>> {piece: round(count, 3) for piece, count in counts.items()}
    {'ab': 0.5, 'a': 0.5, 'b': 0.5}
    """
    cuts = list(segmentations(word, log_p))
    total = math.fsum(math.exp(score) for score, _ in cuts)
    counts: dict[str, float] = {}
    for score, pieces in cuts:
        for piece in pieces:
            counts[piece] = counts.get(piece, 0.0) + math.exp(score) / total
    return counts


class Lattice:
    """The graph of ``words`` over ``pieces``.

    Args:
        words: distinct words, none empty; every character is a piece.
        pieces: number of each piece.
        longest: characters of the longest piece.
        proper: leave out the edge that is the whole word (to ask what a piece would cost without itself).
    """

    def __init__(self, words: Sequence[str], pieces: Mapping[str, int], *, longest: int, proper: bool = False) -> None:
        starts: list[int] = []
        ends: list[int] = []
        labels: list[int] = []
        depths: list[int] = []
        first: list[int] = []
        node = 0
        for word in words:
            first.append(node)
            n = len(word)
            for end in range(1, n + 1):
                for start in range(max(0, end - longest), end):
                    label = pieces.get(word[start:end])
                    if label is not None and not (proper and end - start == n):
                        starts.append(node + start)
                        ends.append(node + end)
                        labels.append(label)
                        depths.append(end)
            node += n + 1
        self.n_nodes = node
        self.first: Ints = np.array(first, np.int64)
        self.last: Ints = np.append(self.first[1:] - 1, node - 1)
        # By depth, then by end, then by start: within a node the longest piece comes first.
        order = np.argsort(np.array(depths, np.int64), kind="stable")
        self._set(
            np.array(starts, np.int64)[order],
            np.array(ends, np.int64)[order],
            np.array(labels, np.int64)[order],
            np.array(depths, np.int64)[order],
        )

    def _set(self, start: Ints, end: Ints, label: Ints, depth: Ints) -> None:
        self.start, self.end, self.label, self.depth = start, end, label, depth
        self.heads: Ints = np.flatnonzero(np.r_[True, end[1:] != end[:-1]]) if len(end) else np.zeros(0, np.int64)
        bounds = np.flatnonzero(np.r_[True, depth[1:] != depth[:-1], True]) if len(depth) else np.zeros(1, np.int64)
        at_head = np.searchsorted(self.heads, bounds)
        # For each depth: its edges [a, b) and its nodes, as positions of their first edges [h, k) in `heads`.
        self.levels = list(zip(bounds[:-1], bounds[1:], at_head[:-1], at_head[1:], strict=True))

    def keep(self, mask: Mask, *, words: Mask | None = None) -> None:
        """Take out the pieces (and words) where a mask is False and number the others anew, in order."""
        if words is not None:
            self.first, self.last = self.first[words], self.last[words]
        number = np.cumsum(mask) - 1
        kept = mask[self.label]
        self._set(self.start[kept], self.end[kept], number[self.label[kept]], self.depth[kept])

    def expected_counts(self, log_p: Floats, weights: Floats) -> tuple[Floats, float]:
        """Expected number of uses of each piece, and the log-likelihood of the corpus.

        Args:
            log_p: (V,) log-probability of each piece.
            weights: (words,) how often each word occurs.
        """
        forward = np.full(self.n_nodes, -np.inf)
        forward[self.first] = 0.0
        price = log_p[self.label]
        for a, b, h, k in self.levels:
            ways = forward[self.start[a:b]] + price[a:b]
            forward[self.end[self.heads[h:k]]] = np.logaddexp.reduceat(ways, self.heads[h:k] - a)
        share = np.exp(forward[self.start] + price - forward[self.end])
        through = np.zeros(self.n_nodes)  # g
        through[self.last] = weights
        used = np.empty(len(self.label))
        for a, b, _, _ in reversed(self.levels):
            used[a:b] = through[self.end[a:b]] * share[a:b]
            np.add.at(through, self.start[a:b], used[a:b])
        counts = np.bincount(self.label, used, minlength=len(log_p)).astype(np.float64)
        return counts, float(np.sum(weights * forward[self.last]))

    def best(self, log_p: Floats) -> Floats:
        """(words,) log-probability of the best segmentation of each word; -inf where there is none."""
        score = np.full(self.n_nodes, -np.inf)
        score[self.first] = 0.0
        price = log_p[self.label]
        for a, b, h, k in self.levels:
            ways = score[self.start[a:b]] + price[a:b]
            score[self.end[self.heads[h:k]]] = np.maximum.reduceat(ways, self.heads[h:k] - a)
        return score[self.last]
