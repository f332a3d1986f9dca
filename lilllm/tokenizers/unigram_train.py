"""How a unigram vocabulary is found: start with far too many pieces, and let go of those that are missed least.

    1. seeds      every character, and the substrings of words with the largest (frequency x length)
    2. E step     expected number of uses of each piece under the current probabilities (unigram_lattice.py)
    3. M step     probabilities from those numbers
    4. prune      the piece x costs  count(x) (log p(x) - log p(best way to write x without x));
                  drop the cheapest share, characters never; back to 2 until the vocabulary is small enough

The M step is `digamma` by default: log p(x) = digamma(count(x)) - digamma(total), the mean of log p under a Dirichlet
posterior. For a large count c, exp(digamma(c)) is about c - 1/2, so every piece pays half a use: rare pieces lose most,
and the model becomes sparse by itself, which is what pruning wants (SentencePiece does the same). `plain` is
maximum likelihood, count / total: with it, and only with it, EM never lowers the likelihood. The last M step is plain
under both, so that the probabilities of the finished model sum to 1.

Read in order:  training_runs, seeds, m_step, prune, train_unigram
Source:         Kudo 2018, arXiv:1804.10959, section 3.2; the digamma step: Liang & Klein 2009, "Online EM for
                unsupervised models"
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import numpy as np
import regex
from tqdm import tqdm

from lilllm.tokenizers.splitters import BLANK
from lilllm.tokenizers.unigram_lattice import Floats, Lattice, Mask

MStep = Literal["digamma", "plain"]
_RUNS = regex.compile(
    rf"{BLANK}?[\p{{L}}\p{{M}}]+|{BLANK}?\p{{N}}+|{BLANK}?[^\s\p{{L}}\p{{M}}\p{{N}}{BLANK}]+|\s|{BLANK}"
)
_LONGEST_RUN = 64  # a longer run is cut: no piece spans it, and a pass takes as many steps as the longest run


def training_runs(words: Mapping[str, int]) -> Counter[str]:
    """Runs of letters, of digits or of other signs, each with the blank mark before it: no piece crosses their borders.

    >>> dict(training_runs({"▁x=12": 3}))
    {'▁x': 3, '=': 3, '12': 3}
    """
    runs: Counter[str] = Counter()
    for word, count in words.items():
        for run in _RUNS.findall(word):
            for i in range(0, len(run), _LONGEST_RUN):
                runs[run[i : i + _LONGEST_RUN]] += count
    return runs


def seeds(runs: Mapping[str, int], *, size: int, longest: int) -> dict[str, int]:
    """Weight (frequency x length) of every character and of the ``size`` heaviest substrings that occur twice or more.

    A substring that is always followed by the same character is left out: the longer one says it all.

    >>> seeds({"aab": 2, "ab": 1}, size=9, longest=3)
    {'a': 5, 'b': 3, 'aab': 6, 'ab': 6}
    """
    frequency: Counter[str] = Counter()
    for run, count in runs.items():
        for start in range(len(run)):
            for end in range(start + 1, min(len(run), start + longest) + 1):
                frequency[run[start:end]] += count
    characters = {s: f for s, f in frequency.items() if len(s) == 1}
    shadowed = {s[:-1] for s, f in frequency.items() if frequency.get(s[:-1]) == f}
    long = [(f * len(s), s) for s, f in frequency.items() if len(s) > 1 and f > 1 and s not in shadowed]
    long.sort(key=lambda pair: (-pair[0], pair[1]))
    return dict(sorted(characters.items())) | {s: weight for weight, s in long[:size]}


def digamma(x: Floats) -> Floats:
    """Derivative of log Gamma for x > 0: the recurrence up to 6, then the asymptotic series (error below 1e-9)."""
    shifted = x.astype(np.float64)
    out = np.zeros_like(shifted)
    for _ in range(6):
        low = shifted < 6
        out -= np.where(low, 1 / shifted, 0.0)
        shifted = np.where(low, shifted + 1, shifted)
    f = 1 / shifted**2
    series = f * (1 / 12 - f * (1 / 120 - f * (1 / 252 - f * (1 / 240 - f / 132))))
    return out + np.log(shifted) - 0.5 / shifted - series


def m_step(counts: Floats, kind: MStep) -> Floats:
    """Log-probabilities from expected counts; a piece used less than half a time counts as half."""
    counts = np.maximum(counts, 0.5)
    if kind == "plain":
        return np.log(counts) - np.log(counts.sum())
    return digamma(counts) - digamma(counts.sum(keepdims=True))


def train_unigram(
    runs: Mapping[str, int],
    *,
    n_pieces: int,
    seed_size: int = 100_000,
    longest: int = 16,
    prune: float = 0.2,
    em_steps: int = 2,
    m_step_kind: MStep = "digamma",
    progress: bool = False,
) -> list[tuple[str, float]]:
    """Pieces and log-probabilities, the most probable first; the same input gives the same list.

    Args:
        runs: how often each run of characters occurs.
        n_pieces: pieces wanted, characters included; fewer come out where there are fewer seeds.
        seed_size: substrings to start with, characters not counted.
        longest: characters of the longest piece.
        prune: share of the pieces that each round lets go.
        em_steps: E and M steps a round.
    Raises:
        ValueError: ``n_pieces`` is less than the number of characters, or ``prune`` is not between 0 and 1.
    """
    if not 0 < prune < 1:
        raise ValueError(f"prune is {prune}; give the share of pieces to drop a round, such as 0.1 or 0.2")
    weights_of = seeds(runs, size=seed_size, longest=longest)
    pieces = list(weights_of)
    needed = sum(len(piece) == 1 for piece in pieces)
    if n_pieces < needed:
        raise ValueError(f"vocabulary too small: {n_pieces} pieces asked for, but the text has {needed} characters")
    weights = np.array(list(weights_of.values()), np.float64)
    log_p = np.log(weights) - np.log(weights.sum())
    index = {piece: i for i, piece in enumerate(pieces)}
    corpus = Lattice(list(runs), index, longest=longest)
    without_self = Lattice(pieces, index, longest=longest, proper=True)
    single = np.array([len(piece) == 1 for piece in pieces])
    times = np.array(list(runs.values()), np.float64)
    with tqdm(total=len(pieces) - n_pieces, unit="pieces", disable=not progress) as bar:
        while True:
            for _ in range(em_steps):
                counts, _ = corpus.expected_counts(log_p, times)
                log_p = m_step(counts, m_step_kind)
            if len(pieces) <= n_pieces:
                break
            alive = _survivors(counts, log_p, without_self.best(log_p), single, n_pieces, prune)
            bar.update(int((~alive).sum()))
            corpus.keep(alive)
            without_self.keep(alive, words=alive)
            pieces = [piece for piece, kept in zip(pieces, alive, strict=True) if kept]
            log_p, single = log_p[alive], single[alive]
    log_p = m_step(corpus.expected_counts(log_p, times)[0], "plain")
    return sorted(zip(pieces, log_p.round(6).tolist(), strict=True), key=lambda pair: (-pair[1], pair[0]))


def _survivors(counts: Floats, log_p: Floats, alternative: Floats, single: Mask, n_pieces: int, prune: float) -> Mask:
    """Mask of the pieces to keep: characters always, of the others those that would be missed most."""
    # Nine digits: the last bits of exp and log differ between processors, and must not decide.
    loss = np.full(len(counts), np.inf)  # a character has no other way to be written
    long = ~single
    loss[long] = [float(f"{x:.9g}") for x in counts[long] * (log_p - alternative)[long]]
    keep = max(n_pieces, int(len(loss) * (1 - prune)))
    alive = np.zeros(len(loss), bool)
    alive[np.argsort(-loss, kind="stable")[:keep]] = True
    return alive
