"""Tokens coloured in place, and tables: text and HTML say the same."""

from __future__ import annotations

import re
from html import unescape
from itertools import pairwise

import pytest

from lilllm.course.chips import Chips, chips, printable, table
from lilllm.tokenizers.byte import ByteTokenizer


def visible(html: str) -> str:
    return unescape(re.sub(r"<[^>]+>", "", html.replace("\u21b5<br>", "\n"))).replace("\u00a0", " ")


def test_the_pieces_stand_in_place() -> None:
    tokens = Chips(("  if", " x<y", ":\n", "\n  ", " é"))
    assert visible(tokens._repr_html_()) == "  if x<y:\n\n   é"
    assert str(tokens) == "  if| x<y|:\\n|\\n  | é"


def test_html_of_a_piece_is_escaped() -> None:
    assert "<script>" not in Chips(("<script>",))._repr_html_()


def test_half_characters_are_shown_as_bytes() -> None:
    assert printable(b"\xf0\x9f") == "<f0 9f>"
    assert str(chips(ByteTokenizer(), "é!")) == "<c3>|<a9>|!"
    assert chips(ByteTokenizer(), "é!").ids == (195, 169, 33)


def test_characters_of_several_tokens_are_shown_whole_with_their_number() -> None:
    shown = chips(ByteTokenizer(), "é 🌍", whole=True)
    assert (shown.pieces, shown.counts) == (("é", " ", "🌍"), (2, 1, 4))
    assert str(shown) == "é(2)| |🌍(4)"
    assert visible(shown._repr_html_()) == "é2 🌍4"
    assert shown._trace_repr_()[1]["ids"] == []  # a player pairs ids with pieces


def test_neighbours_differ_in_colour_and_each_piece_has_an_end() -> None:
    spans = re.findall(r'<span style="([^"]+)"', Chips(tuple("abcdefgh"))._repr_html_())
    grounds = [re.search(r"background:rgba\(([^)]+)\)", style)[1] for style in spans]  # type: ignore[index]
    assert all(a != b for a, b in pairwise(grounds))
    assert all("border-right" in style for style in spans)


def test_a_trace_gets_pieces_and_ids() -> None:
    assert Chips(("a", "b"), (1, 2))._trace_repr_() == ("tokens", {"pieces": ["a", "b"], "ids": [1, 2]})


def test_numbers_stand_to_the_right_by_column() -> None:
    shown = table(["name", "n", "hex"], [["a", "1,000", "41"], ["b", 5, "c3 a9"]])
    assert str(shown).splitlines() == [
        "name      n  hex",
        "------------------",
        "a     1,000  41",
        "b         5  c3 a9",
    ]
    assert shown._repr_html_().count("text-align:right") == 3  # the header and two cells of one column


def test_chips_in_a_table() -> None:
    shown = table(["text"], [[Chips(("a", " b"))]])
    assert "a| b" in str(shown)
    assert visible(shown._repr_html_()) == "texta b"


def test_a_row_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match="a row has 1 cells under 2 headers"):
        table(["a", "b"], [["x"]])
