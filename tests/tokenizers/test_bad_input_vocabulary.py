import pytest

from lilllm.tokenizers import (
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    UnigramTokenizer,
    WordPieceTokenizer,
    WordTokenizer,
)
from lilllm.tokenizers.vocabulary import Vocabulary, plain_text

TRAINED = [BPETokenizer, UnigramTokenizer, WordPieceTokenizer, WordTokenizer]


@pytest.mark.parametrize(
    ("vocab", "special", "message"),
    [
        ({"a": 0, "b": 0}, (), "'a' and 'b' have the same id 0"),
        ({"a": 0, "b": 2}, (), "'b' has id 2, but 2 tokens have ids 0 to 1"),
        ({"a": -1}, (), "'a' has id -1"),
        ({"a": 10**30}, (), "has id 1000000000000000000000000000000"),
        ({"a": True}, (), "not an integer"),
        ({"a": "0"}, (), "not an integer"),
        ({"": 0}, (), "at least one character"),
        ({"a": 0}, {"a": 1}, "'a' has id 1 but the vocabulary gives it 0"),
        ({"a": 0}, ["<s>", "<s>"], "'<s>' is given twice"),
        ({"a": 0}, {"<s>": 0}, "the same id 0"),
    ],
)
def test_a_bad_vocabulary_is_a_clear_error(vocab, special, message):
    with pytest.raises(ValueError, match="(?s).*" + message.replace("(", r"\(")):
        Vocabulary(vocab, special)


def test_a_text_as_special_tokens_is_refused():
    with pytest.raises(TypeError, match="give a list of names"):
        Vocabulary({"a": 0}, "<s>")


def test_ids_that_are_not_integers_are_refused():
    with pytest.raises(TypeError, match="a token id is an integer, got float"):
        Vocabulary({"a": 0}).token(0.0)


@pytest.mark.parametrize("kind", TRAINED)
@pytest.mark.parametrize("size", ["300", 300.0, None])
def test_a_size_that_is_no_whole_number_is_refused(kind, size):
    with pytest.raises(ValueError, match=f"vocab_size={size!r} is no whole number; give one such as 4000"):
        kind.train(["a few words of text"], vocab_size=size)


@pytest.mark.parametrize("kind", [*TRAINED, ByteTokenizer, CharTokenizer])
def test_one_id_is_no_list_of_ids(kind):
    if kind in TRAINED:
        tokenizer = kind.train(["a few words of text"], vocab_size=300)
    else:
        tokenizer = kind() if kind is ByteTokenizer else kind.train(["a few words"])
    with pytest.raises(TypeError, match=r"decode takes a list of ids, got a int: 5; give \[5\], not 5"):
        tokenizer.decode(5)


def test_bytes_are_not_text():
    with pytest.raises(TypeError, match="expected a str, got bytes"):
        plain_text(b"a")
