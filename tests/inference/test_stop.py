"""Text as it comes: never half a character, never a part of a stop string."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm.inference import TextStream, visible
from lilllm.inference.stop import find_stop
from lilllm.tokenizers import (
    BPETokenizer,
    ByteTokenizer,
    CharTokenizer,
    UnigramTokenizer,
    WordPieceTokenizer,
    WordTokenizer,
)

TEXT = "one two, two three. Don't stop (the) tower! " * 3
LETTERS = st.text(alphabet="abé🌍👩‍👩‍👧 \n", max_size=30)
STOPS = st.lists(st.text(alphabet="abé🌍", min_size=1, max_size=4), max_size=3)


def byte_level() -> dict[str, object]:
    merges = [(b"a", b"b"), (b"\xf0", b"\x9f"), (b"b", b"\xc3"), (b" ", b"a")]
    return {"byte": ByteTokenizer(), "bpe": BPETokenizer(merges, pattern=None)}


@pytest.mark.parametrize("kind", ["byte", "bpe"])
@settings(max_examples=150, deadline=None)
@given(text=LETTERS, stops=STOPS)
def test_what_is_shown_is_the_text_up_to_the_first_stop(kind: str, text: str, stops: list[str]) -> None:
    tokenizer = byte_level()[kind]
    ids = tokenizer.encode(text)
    stream, shown = TextStream(tokenizer, stops), ""
    cut = find_stop(text, stops)
    wanted = text if cut is None else text[:cut]
    for token in ids:
        shown += stream.push(token)
        assert wanted.startswith(shown)  # nothing is ever taken back: no half character, no part of a stop
        if stream.stopped:
            break
    assert shown + stream.finish() == wanted
    assert stream.stopped == (cut is not None)
    assert stream.push(97) == "" or not stream.stopped


@settings(max_examples=200, deadline=None)
@given(text=LETTERS, more=LETTERS, stops=STOPS)
def test_visible_holds_back_exactly_what_may_become_a_stop(text: str, more: str, stops: list[str]) -> None:
    shown = visible(text, stops)
    assert text.startswith(shown)
    assert visible(text + more, stops).startswith(shown)
    held = text[len(shown) :]
    if held and find_stop(text, stops) is None:
        assert any(stop.startswith(held) for stop in stops)
        assert all(not stop.startswith(text[at:]) for stop in stops for at in range(len(shown)))


def test_an_emoji_of_several_tokens_comes_whole() -> None:
    stream = TextStream(ByteTokenizer())
    assert [stream.push(byte) for byte in "🌍é".encode()] == ["", "", "", "🌍", "", "é"]


def test_bytes_that_are_no_character_are_shown_once_that_is_certain() -> None:
    stream = TextStream(ByteTokenizer())
    assert [stream.push(0xF0), stream.push(0x9F), stream.push(0x41)] == ["", "", "\ufffdA"]
    assert stream.push(0xC3) == ""
    assert stream.finish() == "\ufffd"


def test_a_stop_over_several_tokens_and_inside_one() -> None:
    stream = TextStream(ByteTokenizer(), ["\n\nQ"])
    assert [stream.push(byte) for byte in b"a\n\nb\n\nQ!"] == ["a", "", "", "\n\nb", "", "", "", ""]
    assert stream.stopped
    assert stream.finish() == ""
    stream = TextStream(BPETokenizer([(b"a", b"b"), (b"ab", b"c")], pattern=None), ["b"])
    assert (stream.push(257), stream.stopped) == ("a", True)
    # Nested beginnings: after "aab" the stop may begin at the second a.
    stream = TextStream(ByteTokenizer(), ["aabaac"])
    assert "".join(stream.push(byte) for byte in b"aabaabaacx") == "aab"


@pytest.mark.parametrize("kind", ["char", "word", "wordpiece", "unigram"])
@pytest.mark.parametrize("stops", [[], ["tower"], [". D"]])
def test_tokenizers_whose_text_depends_on_what_is_before(kind: str, stops: list[str]) -> None:
    tokenizer = {
        "char": lambda: CharTokenizer.train([TEXT]),
        "word": lambda: WordTokenizer.train([TEXT], vocab_size=40),
        "wordpiece": lambda: WordPieceTokenizer.train([TEXT], vocab_size=60),
        "unigram": lambda: UnigramTokenizer.train([TEXT], vocab_size=300),
    }[kind]()
    ids = tokenizer.encode(TEXT)
    whole = tokenizer.decode(ids)
    cut = find_stop(whole, stops)
    wanted = whole if cut is None else whole[:cut]
    stream, shown = TextStream(tokenizer, stops), ""
    for token in ids:
        shown += stream.push(token)
        assert wanted.startswith(shown)
    assert shown + stream.finish() == wanted
    assert len(shown) > 0.5 * len(wanted)  # and it came on the way, not at the end


def test_a_character_that_is_written_as_its_bytes_comes_whole() -> None:
    tokenizer = UnigramTokenizer.train([TEXT], vocab_size=300)
    ids = tokenizer.encode("one 🌍 two é")
    stream = TextStream(tokenizer)
    pieces = [stream.push(token) for token in ids]
    assert not any("\ufffd" in piece for piece in pieces)
    assert "".join(pieces) + stream.finish() == tokenizer.decode(ids)
    assert "🌍" in "".join(pieces)


def test_a_stop_that_only_the_end_makes_whole_is_not_shown() -> None:
    stream = TextStream(ByteTokenizer(), ["\ufffd"])
    assert (stream.push(0x61), stream.push(0xC3), stream.finish()) == ("a", "", "")  # half a character, for good


@pytest.mark.bad_input
def test_bad_input_is_said_in_words() -> None:
    with pytest.raises(ValueError, match="a stop string is empty"):
        TextStream(ByteTokenizer(), ["a", ""])
    with pytest.raises(ValueError, match="give a list of strings"):
        TextStream(ByteTokenizer(), "END")
