"""The model: Viterbi, n-best, sampling, bytes, blanks."""

import math
import random
from collections import Counter

import pytest
import tokenizers
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from lilllm.tokenizers import Tokenizer, UnigramTokenizer
from lilllm.tokenizers.normalizers import NFKC
from lilllm.tokenizers.splitters import Metaspace
from lilllm.tokenizers.unigram import BYTE_TOKENS, raw_text_decoder
from lilllm.tokenizers.unigram_search import n_best, sample, segmentations, viterbi
from tests.tokenizers.unicode_text import MANY_SCRIPTS, texts

words = st.text("abc", min_size=1, max_size=9)
# Scores on a grid, so that sums are exact in any order and ties are real ties.
models = st.dictionaries(st.text("abc", min_size=1, max_size=4), st.integers(-64, -1).map(lambda n: n / 8), max_size=25)
UNKNOWN = -20.0
HUG = {"h": -3.0, "u": -3.5, "g": -2.5, "s": -3.0, "hu": -4.0, "ug": -4.5, "gs": -5.0, "hug": -5.5}


@given(words, models)
def test_viterbi_is_the_best_of_all(word, scores):
    score, pieces = viterbi(word, scores, 4, UNKNOWN)
    everything = list(segmentations(word, scores, UNKNOWN))
    assert score == max(everything)[0]
    assert (score, pieces) in everything


@given(words, models, st.integers(1, 40))
def test_n_best_are_the_best_of_all(word, scores, n):
    found = n_best(word, n, scores, 4, UNKNOWN)
    everything = sorted(segmentations(word, scores, UNKNOWN), reverse=True)
    assert [score for score, _ in found] == [score for score, _ in everything[:n]]
    assert len({tuple(pieces) for _, pieces in found}) == len(found)
    assert all(cut in everything for cut in found)
    assert found[0][0] == viterbi(word, scores, 4, UNKNOWN)[0]


def test_n_best_of_nothing():
    with pytest.raises(ValueError, match="ask for at least 1"):
        n_best("a", 0, {}, 1, UNKNOWN)


# 99.9 % points of chi-square: a correct sampler fails one seed in a thousand, and the seed is fixed.
CHI_SQUARE = {1: 10.83, 2: 13.82, 3: 16.27, 4: 18.47, 5: 20.52, 6: 22.46, 7: 24.32}


@pytest.mark.parametrize("alpha", [0.0, 0.3, 1.0, 2.0])
def test_samples_follow_the_model(alpha):
    cuts = {tuple(pieces): alpha * score for score, pieces in segmentations("hugs", HUG)}
    assert len(cuts) == 6
    total = math.fsum(math.exp(s) for s in cuts.values())
    rng = random.Random(0)
    n = 20_000
    seen = Counter(tuple(sample("hugs", HUG, 3, UNKNOWN, alpha=alpha, rng=rng)) for _ in range(n))
    assert set(seen) <= set(cuts)
    expected = {cut: n * math.exp(s) / total for cut, s in cuts.items()}
    assert min(expected.values()) > 5  # the test needs it
    statistic = sum((seen[cut] - e) ** 2 / e for cut, e in expected.items())
    assert statistic < CHI_SQUARE[len(cuts) - 1]


def test_a_large_alpha_is_viterbi_and_a_bad_one_an_error():
    rng = random.Random(0)
    assert viterbi("hugs", HUG, 3, UNKNOWN) == (-8.5, ["hug", "s"])
    assert all(sample("hugs", HUG, 3, UNKNOWN, alpha=200.0, rng=rng) == ["hug", "s"] for _ in range(50))
    for alpha in (-1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="give a number from 0"):
            sample("hugs", HUG, 3, UNKNOWN, alpha=alpha, rng=rng)


TRAINED = UnigramTokenizer.train(
    [MANY_SCRIPTS, "hello world and one tree, the others learn " * 5], vocab_size=700, special_tokens=["<s>"]
)


def test_sampling_needs_a_seed_and_repeats():
    text = "the others learn one world"
    assert TRAINED.sample_encode(text, rng=1, alpha=0.1) == TRAINED.sample_encode(text, rng=1, alpha=0.1)
    assert len({tuple(TRAINED.sample_encode(text, rng=seed, alpha=0.1)) for seed in range(20)}) > 5
    assert all(TRAINED.decode(TRAINED.sample_encode(text, rng=seed, alpha=0.1)) == text for seed in range(20))
    with pytest.raises(TypeError):
        TRAINED.sample_encode(text)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_text_comes_back(text):
    assert TRAINED.lossless
    assert TRAINED.decode(TRAINED.encode(text)) == text.replace("▁", " ")


def test_names_of_bytes_and_special_tokens_are_text():
    for text in ("<0x41>", "<unk>", "<s>", " <s> <unk> <0xE2>"):
        ids = TRAINED.encode(text)
        assert not {TRAINED.vocabulary.ids[name] for name in ("<0x41>", "<0xE2>", "<unk>", "<s>")} & set(ids)
        assert TRAINED.decode(ids) == text
    assert TRAINED.encode("<s>", allowed_special="all") == [TRAINED.vocab_size - 1]


def test_unknown_characters():
    pieces = [("<unk>", 0.0), ("a", -1.0), ("b", -1.0)]
    t = UnigramTokenizer(pieces, byte_fallback=False)
    assert t.encode("axyzb") == [1, 0, 2]  # one unknown for the run
    with_bytes = UnigramTokenizer([*pieces, *((name, 0.0) for name in BYTE_TOKENS)])
    assert with_bytes.encode("aé") == [1, 3 + 0xC3, 3 + 0xA9]
    assert with_bytes.token_bytes(3 + 0xC3) == b"\xc3"
    assert with_bytes.decode([1, 3 + 0xC3, 2]) == "a\ufffdb"
    some = UnigramTokenizer([*pieces, ("<0xC3>", 0.0)])
    assert some.encode("aé") == [1, 0]  # not all bytes are there: unknown
    assert not some.lossless


def test_the_price_of_an_unknown_character_is_ten_below_the_least_score():
    vocab = [("<unk>", 0.0), ("xa", -8.0), ("b", -8.0), ("c", -8.0), ("ab", -0.125), ("abc", -0.125)]
    t = UnigramTokenizer(vocab, byte_fallback=False, splitter=None)
    their = tokenizers.Tokenizer(tokenizers.models.Unigram(vocab, 0, False))
    assert t.encode("xab") == [1, 2] == their.encode("xab").ids  # -16 against -18 - 0.125
    assert t.encode("xabc") == [0, 5] == their.encode("xabc").ids  # -24 against -18 - 0.125


def test_blank_marks():
    marked = UnigramTokenizer.train("hello hello hello", vocab_size=300, prepend_scheme="always")
    assert not marked.lossless
    assert marked.encode("hello hello") == marked.encode("hello") * 2
    assert marked.decode(marked.encode("hello hello")) == "hello hello"
    assert marked.token_bytes(marked.encode("hello")[0])[:1] == b" "


def test_errors():
    with pytest.raises(ValueError, match="1 special tokens, 256 bytes and 4 characters of the text need 261"):
        UnigramTokenizer.train("hugs", vocab_size=260)
    with pytest.raises(ValueError, match="every text is empty"):
        UnigramTokenizer.train([""], vocab_size=1000)
    with pytest.raises(ValueError, match="'a' is in the vocabulary twice"):
        UnigramTokenizer([("<unk>", 0.0), ("a", -1.0), ("a", -2.0)])
    with pytest.raises(ValueError, match="unk_token '<unk>' is not in the vocabulary"):
        UnigramTokenizer([("a", -1.0)])
    with pytest.raises(ValueError, match="the score of piece 'a' is not a finite number"):
        UnigramTokenizer([("<unk>", 0.0), ("a", math.nan)])
    with pytest.raises(ValueError, match='"first" behind a normalizer is not supported'):
        UnigramTokenizer([("<unk>", 0.0)], normalizer=NFKC(), splitter=Metaspace(prepend_scheme="first"))
    with pytest.raises(ValueError, match="out of range"):
        TRAINED.decode([TRAINED.vocab_size])
    assert isinstance(TRAINED, Tokenizer)


def theirs(vocab, byte_fallback, scheme):
    t = tokenizers.Tokenizer(tokenizers.models.Unigram(vocab, 0, byte_fallback))
    t.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme=scheme)
    return t


@pytest.mark.parametrize("byte_fallback", [True, False])
@pytest.mark.parametrize("scheme", ["always", "first", "never"])
@given(text=texts)
@settings(max_examples=60)
def test_same_ids_as_tokenizers(byte_fallback, scheme, text):
    ours = UnigramTokenizer(
        TRAINED.vocab,
        byte_fallback=byte_fallback,
        splitter=Metaspace(prepend_scheme=scheme),
        decoder=raw_text_decoder(scheme),
    )
    # Names of bytes and of <unk> are text here and tokens there: a difference on purpose.
    assume("<unk>" not in text and "<0x" not in text)
    assert ours.encode(text) == theirs(TRAINED.vocab, byte_fallback, scheme).encode(text).ids
    assert ours.encode(MANY_SCRIPTS) == theirs(TRAINED.vocab, byte_fallback, scheme).encode(MANY_SCRIPTS).ids


@given(words, models)
def test_same_cuts_as_tokenizers_on_any_model(word, scores):
    vocab = [("<unk>", 0.0), *scores.items()]
    ours = UnigramTokenizer(vocab, byte_fallback=False, splitter=None)
    assert ours.encode(word) == tokenizers.Tokenizer(tokenizers.models.Unigram(vocab, 0, False)).encode(word).ids
