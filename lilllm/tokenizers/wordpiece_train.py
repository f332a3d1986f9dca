"""How WordPiece finds its pieces: merge the pair whose parts stand together most often for how often they occur.

    score(a, b) = f(ab) / (f(a) f(b))

BPE would take the most frequent pair; this score takes the pair whose parts hardly occur without each other (the
logarithm is their pointwise mutual information, up to a constant). A pair seen once whose parts are seen once has the
highest score there is, so pairs below ``min_frequency`` are left alone.

Read in order:  train_pieces_naive  counts everything again before each merge, as the formula reads
                train_pieces        the same merges; only what a merge touches is counted again
What BERT's authors ran was never published. Hugging Face's `WordPieceTrainer` merges by frequency, as BPE does.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise

from tqdm import tqdm

Pair = tuple[str, str]


def split_letters(word: str, prefix: str) -> list[str]:
    """The letters of a word, all but the first with the mark of a continuation."""
    return [letter if i == 0 else prefix + letter for i, letter in enumerate(word)]


def merged(pair: Pair, prefix: str) -> str:
    """The piece that two neighbours make."""
    return pair[0] + pair[1].removeprefix(prefix)


def join_pair(pieces: list[str], pair: Pair, new: str) -> list[str]:
    """``pieces`` with each occurrence of ``pair``, from the left, replaced by ``new``."""
    out: list[str] = []
    i = 0
    while i < len(pieces):
        if i + 1 < len(pieces) and (pieces[i], pieces[i + 1]) == pair:
            out.append(new)
            i += 2
        else:
            out.append(pieces[i])
            i += 1
    return out


def alphabet(counts: Mapping[str, int], prefix: str, vocab_size: int, reserved: int) -> list[str]:
    """Every letter in the form it occurs in; ValueError if they alone are more than ``vocab_size``."""
    letters = sorted({piece for word in counts for piece in split_letters(word, prefix)})
    if len(letters) > vocab_size:
        raise ValueError(
            f"vocab_size {vocab_size + reserved} is too small: the text has {len(letters)} letters (with and without "
            f"{prefix!r}) and there are {reserved} special tokens; give at least {len(letters) + reserved}"
        )
    return letters


def train_pieces_naive(
    counts: Mapping[str, int], *, vocab_size: int, prefix: str = "##", min_frequency: int = 2
) -> list[str]:
    """The pieces, letters first, then in the order of the merges; the reference for ``train_pieces``.

    >>> train_pieces_naive({"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}, vocab_size=10)[7:]
    ['##gs', '##ug', '##ugs']
    """
    words = {word: split_letters(word, prefix) for word in counts}
    pieces = alphabet(counts, prefix, vocab_size, 0)
    while len(pieces) < vocab_size:
        units: Counter[str] = Counter()
        pairs: Counter[Pair] = Counter()
        for word, parts in words.items():
            for part in parts:
                units[part] += counts[word]
            for pair in pairwise(parts):
                pairs[pair] += counts[word]
        scores = {(a, b): Fraction(f, units[a] * units[b]) for (a, b), f in pairs.items() if f >= min_frequency}
        if not scores:
            break
        best = min(scores, key=lambda pair: (-scores[pair], pair))
        new = merged(best, prefix)
        words = {word: join_pair(parts, best, new) for word, parts in words.items()}
        if new not in pieces:
            pieces.append(new)
    return pieces


def train_pieces(
    counts: Mapping[str, int],
    *,
    vocab_size: int,
    reserved: int = 0,
    prefix: str = "##",
    min_frequency: int = 2,
    progress: bool = False,
) -> list[str]:
    """As ``train_pieces_naive``, but a merge recounts only the words that hold the pair.

    A merge of a and b changes f(a), f(b) and with them the score of every pair that has a or b: those are scored
    again and put on a heap; entries whose score is no longer the pair's are skipped when they come up. Python divides
    integers with one rounding, so equal fractions are equal floats, and ties go to the smaller pair as in the
    reference.

    Args:
        counts: how often each word occurs.
        vocab_size: pieces to find, letters included, special tokens not.
        reserved: special tokens, for the message only.
    Raises:
        ValueError: ``vocab_size`` is less than the number of letters.
    """
    pieces = dict.fromkeys(alphabet(counts, prefix, vocab_size, reserved))
    state = _State(counts, prefix, min_frequency)
    with tqdm(total=vocab_size, initial=len(pieces), unit="pieces", disable=not progress) as bar:
        while len(pieces) < vocab_size:
            best = state.best()
            if best is None:
                break
            new = merged(best, prefix)
            state.merge(best, new)
            if new not in pieces:
                pieces[new] = None
                bar.update()
    return list(pieces)


class _State:
    """Words as pieces, with the counts of units and pairs and a heap of scores."""

    def __init__(self, counts: Mapping[str, int], prefix: str, min_frequency: int) -> None:
        self.counts = list(counts.values())
        self.words = [split_letters(word, prefix) for word in counts]
        self.min_frequency = min_frequency
        self.units: Counter[str] = Counter()
        self.pairs: Counter[Pair] = Counter()
        self.where: defaultdict[Pair, set[int]] = defaultdict(set)
        self.pairs_of: defaultdict[str, set[Pair]] = defaultdict(set)
        for i in range(len(self.words)):
            self._count(i, +1)
        self.score: dict[Pair, float] = {}
        self.heap: list[tuple[float, Pair]] = []
        self._rescore(set(self.pairs))

    def _count(self, i: int, sign: int) -> None:
        """Add (or with -1 take away) what word ``i`` contributes."""
        parts, times = self.words[i], sign * self.counts[i]
        for part in parts:
            self.units[part] += times
        for pair in pairwise(parts):
            self.pairs[pair] += times
            if sign > 0:
                self.where[pair].add(i)
                self.pairs_of[pair[0]].add(pair)
                self.pairs_of[pair[1]].add(pair)

    def _rescore(self, pairs: set[Pair]) -> None:
        for pair in pairs:
            frequency = self.pairs[pair]
            if frequency == 0:
                del self.pairs[pair]
                self.score.pop(pair, None)
                self.where.pop(pair, None)
                self.pairs_of[pair[0]].discard(pair)
                self.pairs_of[pair[1]].discard(pair)
            elif frequency >= self.min_frequency:
                score = frequency / (self.units[pair[0]] * self.units[pair[1]])
                if self.score.get(pair) != score:
                    self.score[pair] = score
                    heapq.heappush(self.heap, (-score, pair))
            else:
                self.score.pop(pair, None)

    def best(self) -> Pair | None:
        """The pair of the highest score, ties to the smaller pair; None where none is frequent enough."""
        while self.heap:
            negative, pair = self.heap[0]
            if self.score.get(pair) == -negative:
                return pair
            heapq.heappop(self.heap)
        return None

    def merge(self, pair: Pair, new: str) -> None:
        touched = {*self.pairs_of[pair[0]], *self.pairs_of[pair[1]]}
        for i in sorted(self.where[pair]):
            parts = join_pair(self.words[i], pair, new)
            if len(parts) == len(self.words[i]):
                continue  # another merge has taken the pair out of this word
            self._count(i, -1)
            touched.update(pairwise(self.words[i]))
            self.words[i] = parts
            self._count(i, +1)
        self._rescore(touched | self.pairs_of[new])
