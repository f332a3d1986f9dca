"""What BPETokenizer refuses, and the words it does it with."""

from __future__ import annotations

import json

import pytest

from lilllm.tokenizers import BPETokenizer

END = "<|end|>"
BYTES = {bytes([byte]): byte for byte in range(256)}


@pytest.mark.parametrize(
    ("merges", "options", "message"),
    [
        (
            [(b"ab", b"c")],
            {},
            r"merge 0, b'ab' and b'c', refers to b'ab', which is neither a byte nor made",
        ),
        ([(b"a", b"b"), (b"a", b"b")], {}, r"merge 1, b'a' and b'b', is there twice"),
        ([("a", "b")], {}, r"merge 0 is \('a', 'b'\); a merge is two tokens, each bytes"),
        ([(b"a", b"")], {}, r"merge 0 is \(b'a', b''\)"),
        ([(b"a",)], {}, r"merge 0 is \(b'a',\)"),
        ([(b"a", b"b")], {"vocab": BYTES}, r"refers to b'ab', which vocab does not hold"),
        ([], {"vocab": {b"a": 0}}, r"vocab lacks 255 of the 256 bytes, b'\\x00' first"),
        ([], {"vocab": BYTES | {b"ab": 7}}, r"tokens b'\\x07' and b'ab' have the same id 7"),
        ([], {"vocab": BYTES | {b"ab": -1}}, r"vocab gives b'ab' the id -1"),
        ([], {"vocab": BYTES | {b"ab": True}}, r"vocab gives b'ab' the id True"),
        ([], {"vocab": BYTES | {"ab": 256}}, r"vocab holds 'ab' \(id 256\); a token is bytes"),
        ([], {"special_tokens": [END, END]}, r"special token '<\|end\|>' is given twice"),
        ([], {"special_tokens": [""]}, r"special token '' is not a text of at least one character"),
        ([], {"special_tokens": {END: 255}}, r"tokens b'\\xff' and special '<\|end\|>' have the same id 255"),
        ([], {"special_tokens": {END: -5}}, r"special token '<\|end\|>' has the id -5"),
        ([], {"special_tokens": ["a"]}, r"special token 'a' is also how files write the token b'a'"),
        ([], {"pattern": "("}, r"the split pattern '\(' does not compile"),
    ],
)
def test_constructor(merges, options, message):
    with pytest.raises(ValueError, match=message):
        BPETokenizer(merges, **options)


def test_special_tokens_as_one_text():
    with pytest.raises(TypeError, match=r"special_tokens is the text '<\|end\|>'; give a list"):
        BPETokenizer([], special_tokens=END)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vocab_size": 255}, "vocab_size=255 is too small: 256 bytes and 0 special tokens need at least 256"),
        ({"vocab_size": 256, "special_tokens": [END]}, "256 bytes and 1 special tokens need at least 257"),
        ({"vocab_size": 2**40}, "vocab_size=1099511627776 is too large: at most 1114112"),
        ({"vocab_size": 300, "special_tokens": [END, END]}, "given twice"),
        ({"vocab_size": 300, "tie": "least"}, "tie='least': allowed are"),
        ({"vocab_size": 300, "processes": 0}, "processes=0: at least 1"),
    ],
)
def test_train(options, message):
    with pytest.raises(ValueError, match=message):
        BPETokenizer.train("some text", **options)


def test_train_says_so_before_it_reads(tmp_path):
    for options in ({"vocab_size": 300, "special_tokens": [END, END]}, {"vocab_size": 100}):
        with pytest.raises(ValueError, match=r"given twice|too small"):
            BPETokenizer.train(tmp_path / "missing", **options)


@pytest.mark.parametrize("empty", ["", [], ["", ""], END])
def test_train_on_nothing(empty):
    with pytest.raises(ValueError, match="there is nothing to learn from"):
        BPETokenizer.train(empty, vocab_size=300, special_tokens=[END])


def test_encode():
    t = BPETokenizer([], special_tokens=[END])
    with pytest.raises(ValueError, match=r"unknown special token '<x>'; this tokenizer has: '<\|end\|>'"):
        t.encode("x", allowed_special=[END, "<x>"])
    with pytest.raises(ValueError, match=r"unknown special token '<x>'; this tokenizer has: none"):
        list(BPETokenizer([]).encode_iterable(["x"], allowed_special=["<x>"]))
    with pytest.raises(ValueError, match=r"allowed_special is '<\|end\|>'; give 'all', 'none' or a collection"):
        t.encode("x", allowed_special=END)
    for call in (t.encode, t.encode_reference, lambda text: list(t.encode_iterable([text]))):
        with pytest.raises(ValueError, match=r"lone surrogate U\+DC80 at character 1"):
            call("a\udc80")
        with pytest.raises(TypeError, match="expected a str, got bytes"):
            call(b"abc")


def test_decode():
    t = BPETokenizer([], special_tokens=[END])
    for wrong in (257, -1, 10**30):
        with pytest.raises(ValueError, match=rf"token id {wrong} is out of range: .* has ids 0 to 256; were"):
            t.decode([97, wrong])
        with pytest.raises(ValueError, match=rf"token id {wrong} is out of range"):
            t.token_bytes(wrong)
    for wrong in ("a", None, [1]):
        with pytest.raises(TypeError, match="a token id is an integer, got"):
            t.decode([wrong])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("merges.txt", "#version: 0.2\na b\na b c\n", r"merges\.txt, line 3: 'a b c' is not two tokens"),
        ("merges.txt", "a \n", r"merges\.txt, line 1: 'a ' is not two tokens"),
        ("merges.txt", "a \u4e2d\n", r"merges\.txt, line 1: '\u4e2d' holds '\u4e2d', which stands for no byte"),
        ("merges.txt", b"\xff", r"merges\.txt: not UTF-8 at byte 0"),
        ("vocab.json", "[1]", r"vocab\.json: not a JSON object of tokens and ids"),
        ("vocab.json", '{"a": "1"}', r"vocab\.json: not a JSON object of tokens and ids"),
        ("vocab.json", b'{"\xff": 1}', r"vocab\.json: not a JSON object of tokens and ids"),
        ("vocab.json", json.dumps({"a": 0}), r"refers to b'b', which vocab does not hold"),
    ],
)
def test_gpt2_files(tmp_path, name, content, message):
    BPETokenizer([(b"a", b"b")]).save_gpt2(tmp_path)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        BPETokenizer.load_gpt2(tmp_path)


def test_gpt2_files_missing(tmp_path):
    with pytest.raises(FileNotFoundError):
        BPETokenizer.load_gpt2(tmp_path)


def test_saving_where_it_is_not_possible_loses_nothing(tmp_path):
    t = BPETokenizer([(b"a", b"b")])
    t.save_gpt2(tmp_path)
    before = (tmp_path / "vocab.json").read_bytes()
    (tmp_path / "merges.txt").unlink()
    (tmp_path / "merges.txt").mkdir()
    with pytest.raises(OSError, match=r"merges\.txt"):
        t.save_gpt2(tmp_path)
    assert (tmp_path / "vocab.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["merges.txt", "vocab.json"]
