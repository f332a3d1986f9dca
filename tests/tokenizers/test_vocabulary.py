import pytest

from lilllm.tokenizers.vocabulary import Vocabulary, plain_text, training_texts


def test_special_tokens_are_text_unless_allowed():
    v = Vocabulary({"a": 0}, ["<s>", "</s>"])
    assert v.special == {"<s>": 1, "</s>": 2}
    assert list(v.parts("a<s>a</s>", "none")) == [("a<s>a</s>", None)]
    assert list(v.parts("a<s>a</s>", "all")) == [("a", None), ("<s>", 1), ("a", None), ("</s>", 2)]
    assert list(v.parts("a<s>a</s>", ["</s>"])) == [("a<s>a", None), ("</s>", 2)]
    assert list(v.parts("", "all")) == []


def test_the_longer_of_two_special_tokens_wins():
    v = Vocabulary({}, ["<a>", "<a><b>", "<b>"])
    assert [part for part, _ in v.parts("<a><b><a>", "all")] == ["<a><b>", "<a>"]


def test_special_names_are_not_patterns():
    v = Vocabulary({"x": 0}, ["[.*]", "(a|b)"])
    assert [i for _, i in v.parts("x[.*]x(a|b)ax", "all")] == [None, 1, None, 2, None]


def test_unknown_special_tokens_are_named():
    v = Vocabulary({"a": 0}, ["<s>"])
    with pytest.raises(ValueError, match=r"unknown special token '<x>'; this tokenizer has: '<s>'"):
        list(v.parts("a", ["<x>"]))
    with pytest.raises(ValueError, match=r"allowed_special is '<s>'; give 'all', 'none' or a collection"):
        list(v.parts("a", "<s>"))


@pytest.mark.parametrize("token_id", [-1, 1, 10**30])
def test_ids_out_of_range_are_refused(token_id):
    with pytest.raises(ValueError, match=f"token id {token_id} is out of range: this vocabulary has ids 0 to 0"):
        Vocabulary({"a": 0}).token(token_id)


def test_only_unicode_text_is_text():
    with pytest.raises(ValueError, match=r"lone surrogate U\+D800 at character 1"):
        plain_text("a\ud800")
    assert list(training_texts("abc")) == ["abc"]
