import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from lilllm.tokenizers import Tokenizer, WordPieceTokenizer
from lilllm.tokenizers.splitters import BertPreTokenizer, WhitespaceSplit
from lilllm.tokenizers.wordpiece_train import train_pieces, train_pieces_naive
from tests.tokenizers.unicode_text import MANY_SCRIPTS, texts

HUGS = {"hug": 10, "pug": 5, "pun": 12, "bun": 4, "hugs": 5}


def test_first_merges_by_hand():
    # f(##g) = 20, f(##s) = 5, f(##g ##s) = 5: 1/20. The most frequent pair, ##u ##g, has 20 / (36 * 20) = 1/36.
    pieces = train_pieces(HUGS, vocab_size=8)
    assert pieces[:7] == ["##g", "##n", "##s", "##u", "b", "h", "p"]
    assert pieces[7] == "##gs"


@given(
    st.dictionaries(st.text("abc", min_size=1, max_size=8), st.integers(1, 9), min_size=1, max_size=12),
    st.integers(1, 4),
    st.integers(0, 30),
)
def test_incremental_training_is_the_reference(counts, min_frequency, merges):
    size = 6 + merges  # room for a, b, c at the start of a word and inside
    reference = train_pieces_naive(counts, vocab_size=size, min_frequency=min_frequency)
    assert train_pieces(counts, vocab_size=size, min_frequency=min_frequency) == reference


def test_pairs_below_the_minimum_are_left_alone():
    assert train_pieces({"ab": 1, "cd": 2}, vocab_size=99, min_frequency=2)[4:] == ["cd"]
    assert train_pieces({"ab": 1, "cd": 2}, vocab_size=99, min_frequency=3)[4:] == []


def test_a_word_that_does_not_fit_is_unknown_as_a_whole():
    # BPE would write "mug" as [UNK] u g; WordPiece loses the word, because no piece starts with m.
    t = WordPieceTokenizer(
        {"[UNK]": 0, "b": 1, "h": 2, "p": 3, "##g": 4, "##n": 5, "##s": 6, "##u": 7, "##gs": 8, "hu": 9, "hug": 10}
    )
    assert t.pieces("hugs") == ["hug", "##s"]
    assert t.pieces("bugs") == ["b", "##u", "##gs"]
    assert t.encode("hugs mug bum pug") == [10, 6, 0, 0, 3, 7, 4]
    assert t.decode([10, 6, 0, 3, 7, 4]) == "hugs [UNK] pug"


def test_greedy_is_not_optimal():
    t = WordPieceTokenizer({"[UNK]": 0, "ab": 1, "a": 2, "##bc": 3})
    assert t.pieces("abc") is None  # although a ##bc exists


def test_long_words_and_special_tokens():
    t = WordPieceTokenizer.train("aaaa aaaa", vocab_size=9, special_tokens=["[CLS]"], splitter=WhitespaceSplit())
    assert t.special_tokens == {"[UNK]": 0, "[CLS]": t.vocab_size - 1}
    assert t.encode("a" * 101) == [0]
    assert 0 not in t.encode("a" * 100)
    assert t.encode("[CLS] [UNK]") == [0, 0]
    assert t.encode("[CLS] [UNK]", allowed_special="all") == [t.vocab_size - 1, 0]
    assert isinstance(t, Tokenizer)


def test_words_of_known_letters_come_back():
    t = WordPieceTokenizer.train(MANY_SCRIPTS, vocab_size=400, min_frequency=1)
    words = BertPreTokenizer().split(MANY_SCRIPTS)
    assert ["".join(p.removeprefix("##") for p in t.pieces(w)) for w in words if not w.startswith("#")] == [
        w for w in words if not w.startswith("#")
    ]


def test_errors():
    with pytest.raises(ValueError, match=r"vocab_size 7 is too small: the text has 7 letters .* give at least 8"):
        WordPieceTokenizer.train(["hug pug pun bun hugs"], vocab_size=7)
    assert WordPieceTokenizer.train(["hug pug pun bun hugs"], vocab_size=8).vocab_size == 8
    with pytest.raises(ValueError, match="every text is empty"):
        WordPieceTokenizer.train(["  "], vocab_size=100)
    with pytest.raises(ValueError, match=r"unk_token '<x>' is not in the vocabulary"):
        WordPieceTokenizer({"a": 0}, unk_token="<x>")


PARITY = WordPieceTokenizer.train([MANY_SCRIPTS, "hello world and one tree " * 5], vocab_size=350, min_frequency=1)
THEIRS = tokenizers.Tokenizer(
    tokenizers.models.WordPiece(dict(PARITY.vocabulary.ids), unk_token="[UNK]", max_input_chars_per_word=100)
)
THEIRS.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
THEIRS.decoder = tokenizers.decoders.WordPiece()


@given(texts)
def test_same_ids_as_tokenizers(text):
    ids = PARITY.encode(text)
    assert ids == THEIRS.encode(text).ids
    assert PARITY.decode(ids) == THEIRS.decode(ids, skip_special_tokens=False)
