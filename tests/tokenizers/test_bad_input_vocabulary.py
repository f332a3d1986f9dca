import pytest

from lilllm.tokenizers.vocabulary import Vocabulary, plain_text


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


def test_bytes_are_not_text():
    with pytest.raises(TypeError, match="expected a str, got bytes"):
        plain_text(b"a")
