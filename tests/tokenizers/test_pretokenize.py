from __future__ import annotations

import pytest
import tiktoken
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Regex
from tokenizers.pre_tokenizers import ByteLevel, Split

from lilllm.tokenizers.byte_chars import BYTE_ORDER, BYTE_TO_CHAR, from_chars, to_chars
from lilllm.tokenizers.pretokenize import (
    GPT2_PATTERN,
    GPT4_PATTERN,
    compile_pattern,
    pieces,
    pretokens,
    safe_cut,
    safe_cuts,
    split_special,
)
from lilllm.tokenizers.tiktoken_bridge import build_encoding
from tests.tokenizers.bpe_texts import assigned, texts

PATTERNS = [GPT2_PATTERN, GPT4_PATTERN]
BYTES = {bytes([byte]): byte for byte in range(256)}


def test_gpt2_split_by_hand():
    text = "I'll  pay 1000,00 DON'T\n\n  x"
    assert pretokens(text) == ["I", "'ll", " ", " pay", " 1000", ",", "00", " DON", "'", "T", "\n\n ", " x"]


def test_gpt4_split_by_hand():
    text = "I'll  pay 1000,00 DON'T\n\n  x.\n"
    split = ["I", "'ll", " ", " pay", " ", "100", "0", ",", "00", " DON", "'T", "\n\n", " ", " x", ".\n"]
    assert pretokens(text, GPT4_PATTERN) == split


@pytest.mark.parametrize("pattern", [*PATTERNS, None, "[ab]+", r"(x)|\s"])
@given(text=texts)
def test_nothing_is_lost(pattern, text):
    split = pretokens(text, pattern)
    assert "".join(split) == text
    assert all(split)


@pytest.mark.parametrize("pattern", PATTERNS)
@settings(deadline=None, max_examples=50)  # each example builds an encoding
@given(text=texts)
def test_same_split_as_tiktoken_for_every_character(pattern, text):
    # A token for each pre-token: tiktoken then shows its own split.
    words = {word.encode() for word in pretokens(text, pattern)}
    ranks = BYTES | {word: 1000 + index for index, word in enumerate(sorted(words)) if len(word) > 1}
    encoding = build_encoding("split", pattern, ranks, {})
    split = [encoding.decode_single_token_bytes(token).decode() for token in encoding.encode_ordinary(text)]
    assert split == pretokens(text, pattern)


def test_letters_newer_than_tiktokens_tables():
    every = "".join(chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    letters = "".join(compile_pattern(r"\p{L}").findall(every))
    encoding = build_encoding("letters", r"\p{L}", BYTES, {})
    assert encoding.decode(encoding.encode_ordinary(every)) == letters


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=texts)
def test_same_split_as_tokenizers(pattern, text):
    assume(assigned(text))
    if pattern == GPT2_PATTERN:
        split = ByteLevel(add_prefix_space=False).pre_tokenize_str(text)
        assert [from_chars(word).decode() for word, _ in split] == pretokens(text, pattern)
    else:
        split = Split(Regex(pattern), "isolated").pre_tokenize_str(text)
        assert [word for word, _ in split] == pretokens(text, pattern)


def test_same_split_as_tiktokens_published_gpt2_pattern():
    from tiktoken_ext.openai_public import r50k_pat_str

    text = "".join(f"a{blank}{blank2}b{blank}" for blank in " \n\t\u3000" for blank2 in ("", " ", "\n", "  \n "))
    encoding = tiktoken.Encoding("r50k", pat_str=r50k_pat_str, mergeable_ranks=BYTES, special_tokens={})
    ours = build_encoding("ours", GPT2_PATTERN, BYTES, {})
    for end in ("", "  ", "\n\n", "x"):
        assert pretokens(text + end, r50k_pat_str) == pretokens(text + end)
        assert encoding.encode_ordinary(text + end) == ours.encode_ordinary(text + end)


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=texts)
def test_every_safe_cut_is_safe(pattern, text):
    whole = pretokens(text, pattern)
    cuts = list(safe_cuts(text))
    for cut in cuts:
        assert pretokens(text[:cut], pattern) + pretokens(text[cut:], pattern) == whole
    assert safe_cut(text, pattern) == (cuts[-1] if cuts else 0)


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=texts, size=st.integers(1, 20))
def test_pieces_have_the_pretokens_of_the_whole(pattern, text, size):
    cut = list(pieces(text, pattern, size))
    assert "".join(cut) == text
    assert [word for piece in cut for word in pretokens(piece, pattern)] == pretokens(text, pattern)


def test_pieces_are_small():
    assert max(map(len, pieces("word " * 100, GPT2_PATTERN, 20))) <= 20
    assert list(pieces("word " * 100, "my own", 20)) == ["word " * 100]


def test_special_tokens_leftmost_then_longest():
    split = split_special("x<a><a>b<a>b>", ["<a>", "<a>b>"])
    assert list(split) == [(False, "x"), (True, "<a>"), (True, "<a>"), (False, "b"), (True, "<a>b>")]
    assert list(split_special("", ["<a>"])) == list(split_special("", [])) == []


def test_a_pattern_that_does_not_compile_is_named():
    with pytest.raises(ValueError, match=r"the split pattern '\(' does not compile"):
        pretokens("x", "(")


def test_stand_ins_for_bytes():
    assert to_chars(b" \n!\xff\x00\xad") == "\u0120\u010a!\u00ff\u0100\u0143"
    assert [from_chars(char) for char in BYTE_TO_CHAR] == [bytes([byte]) for byte in range(256)]
    assert (BYTE_ORDER[0], BYTE_ORDER[188], BYTE_ORDER[255]) == (0x21, 0x00, 0xAD)
    assert set(BYTE_TO_CHAR) == set(ByteLevel.alphabet())
    with pytest.raises(ValueError, match="stands for no byte"):
        from_chars("a b")
