"""Characters, bytes and words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilllm.tokenizers import ByteTokenizer, CharTokenizer, Tokenizer, WordTokenizer, compression_ratio, fertility
from tests.tokenizers.unicode_text import MANY_SCRIPTS

unicode_text = st.text(st.characters(exclude_categories=["Cs"]))


@given(unicode_text)
def test_bytes_are_lossless_and_their_ratio_is_exactly_one(text):
    t = ByteTokenizer(["<|endoftext|>"])
    ids = t.encode(text)
    assert ids == list(text.encode("utf-8"))
    assert t.decode(ids) == text
    if text:
        assert compression_ratio(t, text) == 1.0


@given(st.binary())
def test_any_bytes_decode_as_python_decodes_them(data):
    assert ByteTokenizer().decode(data) == data.decode("utf-8", errors="replace")


def test_bytes_special_tokens_and_errors():
    t = ByteTokenizer(["<|endoftext|>"])
    assert t.vocab_size == 257
    assert t.encode("<|endoftext|>") == list(b"<|endoftext|>")
    assert t.encode("a<|endoftext|>", allowed_special="all") == [97, 256]
    assert t.decode([240, 256]) == "\ufffd<|endoftext|>"
    assert t.token_bytes(0xF0) == b"\xf0"
    assert t.token_bytes(256) == b"<|endoftext|>"
    with pytest.raises(UnicodeDecodeError):
        t.decode([0xF0], errors="strict")
    with pytest.raises(ValueError, match="token id 257 is out of range"):
        t.decode([257])
    with pytest.raises(ValueError, match="'a' is also the printed form of a byte"):
        ByteTokenizer(["a"])


def test_earth_globe():
    # FACTS.md: U+1F30D is f0 9f 8c 8d in UTF-8
    assert ByteTokenizer().encode(chr(127757)) == [0xF0, 0x9F, 0x8C, 0x8D]


@given(unicode_text.filter(bool))
def test_characters_of_the_training_text_come_back(text):
    t = CharTokenizer.train([text])
    assert t.decode(t.encode(text)) == text
    assert len(t.encode(text)) == len(text)
    assert t.vocab_size == len(set(text)) + 1


def test_characters_outside_the_vocabulary():
    t = CharTokenizer.train("abc", special_tokens=["<s>"])
    assert t.special_tokens == {"[UNK]": 0, "<s>": 4}
    assert t.encode("abxc<s>", allowed_special="all") == [1, 2, 0, 3, 4]
    assert t.encode("[UNK]") == [0] * 5
    assert CharTokenizer.train("the lazy dog, ÅΩ").vocabulary.tokens[1:] == sorted(set("the lazy dog, ÅΩ"))
    strict = CharTokenizer.train("abc", unk_token=None)
    assert strict.encode("cab") == [2, 0, 1]
    with pytest.raises(ValueError, match="character 'x' is not in the vocabulary"):
        strict.encode("abx")
    with pytest.raises(ValueError, match="every text is empty"):
        CharTokenizer.train(["", ""])
    with pytest.raises(ValueError, match="'ab' is not one character"):
        CharTokenizer({"ab": 0})
    with pytest.raises(ValueError, match=r"unk_token '\[UNK\]' is not in the vocabulary"):
        CharTokenizer({"a": 0}, special_tokens=())


def test_words_by_frequency():
    t = WordTokenizer.train(["b a c b", "b a d"], vocab_size=4, special_tokens=["<s>"])
    assert t.vocabulary.tokens == ["[UNK]", "b", "a", "<s>"]
    assert t.encode("a b c<s>", allowed_special=["<s>"]) == [2, 1, 0, 3]
    assert t.decode([1, 0, 2]) == "b [UNK] a"
    # ties: the smaller word
    assert WordTokenizer.train("d c b a", vocab_size=3).vocabulary.tokens == ["[UNK]", "a", "b"]


def test_words_errors():
    with pytest.raises(ValueError, match="vocab_size 2 is too small: 2 special tokens leave no room"):
        WordTokenizer.train("a", vocab_size=2, special_tokens=["<s>"])
    with pytest.raises(ValueError, match="every text is empty or white space"):
        WordTokenizer.train([" \n"], vocab_size=10)


@pytest.mark.parametrize(
    "t",
    [
        ByteTokenizer(),
        CharTokenizer.train(MANY_SCRIPTS),
        WordTokenizer.train(MANY_SCRIPTS, vocab_size=50),
    ],
    ids=lambda t: type(t).__name__,
)
def test_the_protocol(t):
    assert isinstance(t, Tokenizer)
    assert t.encode("") == []
    assert t.decode([]) == ""
    assert t.encode_batch(["a b", ""]) == [t.encode("a b"), []]
    assert set(t.encode(MANY_SCRIPTS)) <= set(range(t.vocab_size))
    assert all(isinstance(t.token_bytes(i), bytes) for i in range(t.vocab_size))
    with pytest.raises(ValueError, match="unknown special token"):
        t.encode("a", allowed_special=["<none>"])
    with pytest.raises(ValueError, match="lone surrogate"):
        t.encode("\udcff")


def test_measures():
    words = WordTokenizer.train("the cat sat", vocab_size=9)
    assert fertility(words, "the cat sat") == 1.0
    assert compression_ratio(words, "the cat sat") == pytest.approx(11 / 3)
    assert fertility(ByteTokenizer(), "ab cd\n") == 3.0
    with pytest.raises(ValueError, match="no tokens"):
        compression_ratio(ByteTokenizer(), "")
    with pytest.raises(ValueError, match="no word"):
        fertility(ByteTokenizer(), " ")
