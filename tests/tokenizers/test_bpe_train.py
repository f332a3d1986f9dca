from __future__ import annotations

import json
from collections import Counter

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.trainers import BpeTrainer

from lilllm.tokenizers.bpe_train import merge, pair_counts, train_bpe, train_naive
from lilllm.tokenizers.byte_chars import from_chars
from lilllm.tokenizers.pretokenize import GPT2_PATTERN, GPT4_PATTERN, pretokens
from tests.tokenizers.bpe_texts import DOCS, PROSE, narrow_texts, texts

# Sennrich et al. 2016, algorithm 1: counts low 5, lower 2, newest 6, widest 3 (without their end-of-word mark).
WORDS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}


def as_bytes(*pairs: str) -> list[tuple[bytes, bytes]]:
    return [tuple(part.encode() for part in pair.split("+")) for pair in pairs]


def fast(text, *, n_merges, tie, pattern=GPT2_PATTERN):
    return train_bpe(Counter(pretokens(text, pattern)), n_merges=n_merges, tie=tie)


def test_merges_by_hand():
    # e s and s t occur 9 times each: s t is the greater pair. Then e st (9); o w and l o both 7: o w is the greater.
    # Then l ow (7); w est, n e, e w all 6: w est. Then n e and e w-: "ne west" leaves n e and e west (6 each).
    assert train_bpe(WORDS, n_merges=5) == as_bytes("s+t", "e+st", "o+w", "l+ow", "w+est")
    assert train_bpe(WORDS, n_merges=7)[5:] == as_bytes("n+e", "ne+west")


def test_merges_by_hand_with_the_smaller_pair():
    # e s is the smaller pair, then es t; l o before o w; lo w; then e w (6) is smaller than n e and w est.
    assert train_bpe(WORDS, n_merges=5, tie="smaller") == as_bytes("e+s", "es+t", "l+o", "lo+w", "e+w")


def test_greater_pair_compares_whole_byte_strings():
    # After x y -> xy (9 times), "x" z would lose against "xy" z: a string is greater than its own beginning.
    counts = {"xy": 4, "xyz": 5, "xz": 5}
    assert train_bpe(counts, n_merges=2) == as_bytes("x+y", "xy+z")
    # ... and 0xff is greater than every letter.
    assert train_bpe({"\u00ffa": 3, "zz": 3}, n_merges=1) == [(b"\xc3", b"\xbf")]


def test_overlaps_count_and_merge_from_the_left():
    assert pair_counts([1, 1, 1, 2]) == {(1, 1): 2, (1, 2): 1}
    assert merge([1, 1, 1, 2, 1, 1], (1, 1), 3) == [3, 1, 2, 3]
    assert train_bpe({"aaaaaaa": 1}, n_merges=9) == as_bytes("a+a", "aa+aa", "aaaa+aa", "aaaaaa+a")


@settings(deadline=None)
@pytest.mark.parametrize("tie", ["greater", "smaller"])
@given(text=narrow_texts, n_merges=st.integers(0, 30))
def test_the_fast_trainer_is_the_reference_on_few_letters(tie, text, n_merges):
    assert fast(text, n_merges=n_merges, tie=tie) == train_naive(text, n_merges=n_merges, tie=tie)


@settings(deadline=None, max_examples=50)
@pytest.mark.parametrize("tie", ["greater", "smaller"])
@pytest.mark.parametrize("pattern", [GPT2_PATTERN, GPT4_PATTERN, None])
@given(text=texts)
def test_the_fast_trainer_is_the_reference_on_any_text(tie, pattern, text):
    assert fast(text, n_merges=40, tie=tie, pattern=pattern) == train_naive(text, n_merges=40, tie=tie, pattern=pattern)


@pytest.mark.parametrize("tie", ["greater", "smaller"])
def test_the_fast_trainer_is_the_reference_on_prose(tie):
    assert fast(DOCS[:4000], n_merges=200, tie=tie) == train_naive(DOCS[:4000], n_merges=200, tie=tie)
    # And until no pair is left.
    assert fast(PROSE, n_merges=5000, tie=tie) == train_naive(PROSE, n_merges=5000, tie=tie)


def test_ids_beyond_the_surrogates():
    # A token is a character in the trainer; numbers 0xd800 to 0xdfff are characters that no text may hold.
    letters = [chr(0x100 + index) for index in range(240)]
    words = {first + second + "!": 1 for first in letters for second in letters}
    merges = train_bpe(words, n_merges=2 * len(words))
    # Each letter, each pair of letters or letter with "!", each word.
    assert len(merges) > 0xE000
    assert {first + second for first, second in merges} >= {word.encode() for word in words}


def hugging_face_merges(trained: tokenizers.Tokenizer) -> list[tuple[bytes, bytes]]:
    merges = json.loads(trained.to_str())["model"]["merges"]
    pairs = [pair.split(" ") if isinstance(pair, str) else pair for pair in merges]
    return [(from_chars(first), from_chars(second)) for first, second in pairs]


def hugging_face_train(text: str, vocab_size: int, special_tokens=()) -> tokenizers.Tokenizer:
    theirs = tokenizers.Tokenizer(BPE())
    theirs.pre_tokenizer = ByteLevel(add_prefix_space=False)
    theirs.decoder = tokenizers.decoders.ByteLevel()
    theirs.train_from_iterator(
        [text],
        BpeTrainer(
            vocab_size=vocab_size,
            special_tokens=list(special_tokens),
            initial_alphabet=ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    return theirs


@settings(deadline=None)
@given(text=narrow_texts)
def test_smaller_is_hugging_faces_rule_on_few_letters(text):
    assert fast(text, n_merges=40, tie="smaller") == hugging_face_merges(hugging_face_train(text, 296))


def test_smaller_is_hugging_faces_rule_on_prose():
    theirs = hugging_face_merges(hugging_face_train(PROSE + DOCS, 3000))
    assert len(theirs) == 3000 - 256
    assert fast(PROSE + DOCS, n_merges=3000 - 256, tie="smaller") == theirs


def test_fewer_merges_where_no_pair_is_left():
    assert train_bpe({"ab": 1}, n_merges=5) == train_naive("ab", n_merges=5) == as_bytes("a+b")
    assert train_bpe({}, n_merges=5) == train_naive([], n_merges=5) == []


def test_bad_input_tie():
    with pytest.raises(ValueError, match="tie='least': allowed are 'greater'"):
        train_bpe(WORDS, n_merges=1, tie="least")
    with pytest.raises(ValueError, match="tie='least': allowed are 'greater'"):
        train_naive("x", n_merges=1, tie="least")
