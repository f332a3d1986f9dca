"""EM and pruning."""

import math
import os
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilllm.tokenizers import UnigramTokenizer
from lilllm.tokenizers.unigram_lattice import Lattice, expected_counts_reference
from lilllm.tokenizers.unigram_search import segmentations, viterbi
from lilllm.tokenizers.unigram_train import _survivors, digamma, m_step, seeds, train_unigram, training_runs

corpora = st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 9), min_size=1, max_size=6)
CORPUS = {"▁low": 50, "▁lower": 20, "▁newest": 60, "▁widest": 30, "▁new": 25, "▁wider": 12, "▁slow": 9, "▁news": 7}


def model(data):
    pieces = ["a", "b", "c", *data.draw(st.lists(st.text("abc", min_size=2, max_size=4), unique=True, max_size=12))]
    scores = data.draw(st.lists(st.floats(-8, -0.1), min_size=len(pieces), max_size=len(pieces)))
    return {piece: i for i, piece in enumerate(pieces)}, np.array(scores)


@given(corpora, st.data())
def test_the_lattice_counts_as_enumeration_does(corpus, data):
    index, log_p = model(data)
    scores = dict(zip(index, log_p.tolist(), strict=True))
    counts, likelihood = Lattice(list(corpus), index, longest=4).expected_counts(
        log_p, np.array(list(corpus.values()), float)
    )
    expected = np.zeros(len(index))
    total = 0.0
    for word, times in corpus.items():
        for piece, count in expected_counts_reference(word, scores).items():
            expected[index[piece]] += times * count
        total += times * math.log(math.fsum(math.exp(score) for score, _ in segmentations(word, scores)))
    np.testing.assert_allclose(counts, expected, rtol=1e-9, atol=1e-12)
    assert likelihood == pytest.approx(total, rel=1e-9)


@given(corpora, st.data())
def test_the_lattice_finds_the_best_and_forgets_what_is_pruned(corpus, data):
    index, log_p = model(data)
    mask = np.array([len(piece) == 1 or data.draw(st.booleans()) for piece in index])
    lattice = Lattice(list(corpus), index, longest=4)
    for _ in range(2):
        scores = dict(zip(index, log_p.tolist(), strict=True))
        best = [viterbi(word, scores, 4, -math.inf)[0] for word in corpus]
        np.testing.assert_allclose(lattice.best(log_p), best, rtol=1e-12)
        lattice.keep(mask)
        index = {piece: i for i, piece in enumerate(p for p, kept in zip(index, mask, strict=True) if kept)}
        log_p, mask = log_p[mask], np.ones(len(index), bool)


def test_a_piece_without_itself():
    index = {"a": 0, "b": 1, "ab": 2, "aab": 3}
    alternative = Lattice(list(index), index, longest=3, proper=True).best(np.array([-1.0, -2.0, -2.5, -1.0]))
    assert alternative.tolist() == [-math.inf, -math.inf, -3.0, -3.5]


def test_digamma():
    # digamma(1) = -gamma, digamma(1/2) = -gamma - 2 log 2, digamma(x + 1) = digamma(x) + 1/x
    gamma = 0.5772156649015329
    np.testing.assert_allclose(digamma(np.array([1.0, 0.5])), [-gamma, -gamma - 2 * math.log(2)], rtol=1e-9)
    x = np.array([0.5, 3.3, 5.99, 6.01, 1e3, 1e9])
    np.testing.assert_allclose(digamma(x + 1), digamma(x) + 1 / x, rtol=1e-9)


def test_plain_em_never_lowers_the_likelihood():
    weights = seeds(CORPUS, size=40, longest=8)
    lattice = Lattice(list(CORPUS), {piece: i for i, piece in enumerate(weights)}, longest=8)
    times = np.array(list(CORPUS.values()), float)
    log_p = np.log(np.array(list(weights.values()), float))
    log_p -= np.logaddexp.reduce(log_p)
    likelihoods = []
    for _ in range(12):
        counts, likelihood = lattice.expected_counts(log_p, times)
        likelihoods.append(likelihood)
        counts = np.maximum(counts, 1e-300)  # m_step would lift rare pieces to half a use
        log_p = np.log(counts / counts.sum())
    assert all(b >= a - 1e-9 * abs(a) for a, b in pairwise(likelihoods))
    assert likelihoods[-1] > likelihoods[0] + 1


def test_the_digamma_step_takes_most_from_rare_pieces():
    counts = np.array([1.0, 10.0, 1000.0])
    weights = np.exp(m_step(counts, "digamma") - m_step(counts, "digamma")[2]) * 999.5
    # exp(digamma(1)) = exp(-gamma); for larger counts c - 1/2
    np.testing.assert_allclose(weights, [math.exp(-0.5772156649), 9.504, 999.5], rtol=1e-3)
    np.testing.assert_allclose(np.exp(m_step(counts, "plain")), counts / 1011)


def test_characters_survive_even_if_nothing_uses_them():
    counts, log_p = np.array([0.0, 9.0, 5.0]), np.array([-800.0, -1.0, -2.0])
    alternative = np.array([-np.inf, -3.0, -3.0])
    single = np.array([True, False, False])
    assert _survivors(counts, log_p, alternative, single, 2, 0.1).tolist() == [True, True, False]


@pytest.mark.parametrize("kind", ["digamma", "plain"])
def test_training_keeps_characters_and_finds_the_words(kind):
    characters = {c for word in CORPUS for c in word}
    for size in (len(characters), len(characters) + 4, len(characters) + 9):
        trained = train_unigram(CORPUS, n_pieces=size, m_step_kind=kind)
        assert len(trained) == size
        assert characters <= {piece for piece, _ in trained}
        assert math.fsum(math.exp(score) for _, score in trained) == pytest.approx(1, abs=1e-4)
        assert [score for _, score in trained] == sorted((score for _, score in trained), reverse=True)
    # the frequent whole words are what is missed most
    assert {"▁low", "▁newest", "▁widest"} <= {piece for piece, _ in trained}


def test_pruning_drops_the_share_that_was_asked_for():
    runs = {w + s: 2 + i for i, (w, s) in enumerate((w, s) for w in CORPUS for s in ("", "ly", "ness", "ing"))}
    sizes = []

    class Bar:
        def __init__(self, **_):
            pass

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def update(self, n):
            sizes.append(n)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lilllm.tokenizers.unigram_train.tqdm", Bar)
        train_unigram(runs, n_pieces=40, prune=0.1)
    assert len(sizes) > 5
    total = 40 + sum(sizes)
    for dropped in sizes[:-1]:
        assert dropped == total - int(total * 0.9)
        total -= dropped


def test_borders_of_runs():
    assert training_runs({"▁don't": 1, "▁x=12": 2, "a\nb": 1, "▁▁": 1}) == {
        "▁don": 1, "'": 1, "t": 1, "▁x": 2, "=": 2, "12": 2, "a": 1, "\n": 1, "b": 1, "▁": 2,
    }  # fmt: skip
    long = training_runs({"x" * 1000: 1})
    assert max(map(len, long)) == 64
    assert sum(len(run) * n for run, n in long.items()) == 1000


def test_errors():
    with pytest.raises(ValueError, match="3 pieces asked for, but the text has 4 characters"):
        train_unigram({"hugs": 1}, n_pieces=3)
    for prune in (0.0, 1.0, -0.1):
        with pytest.raises(ValueError, match="give the share of pieces to drop"):
            train_unigram({"hugs": 1}, n_pieces=10, prune=prune)


def test_fewer_seeds_than_asked_for_give_fewer_pieces():
    assert UnigramTokenizer.train("ab ab", vocab_size=1000).vocab_size == 257 + len({"a", "b", "▁", "ab"})


PROGRAM = """
import sys
from lilllm.tokenizers import UnigramTokenizer
from lilllm.tokenizers.hf_json import to_json
parts = ("re", "un", "pre"), ("do", "make", "tie", "read"), ("", "s", "ing", "er")
text = " ".join(f"{a}{b}{c}" for a in parts[0] for b in parts[1] for c in parts[2])
sys.stdout.buffer.write(to_json(UnigramTokenizer.train([text] * 3, vocab_size=300)))
"""


def test_the_same_text_gives_the_same_model_under_any_hash_seed():
    def run(seed):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        return subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, check=True).stdout

    first = run("1")
    assert first == run("2")
    assert b"Unigram" in first
