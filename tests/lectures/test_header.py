"""The header of a lecture: read as written, and all that is missing named at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lilllm.course.budget import Budget
from lilllm.lectures.header import HeaderError, parse_header, read_header
from tests.lectures.conftest import GOOD

CELL = """# 05. Attention: who looks where

Queries, keys
and values.

* *You will build*: self-attention,
  and masks
__You need:__ lecture 04
- **Minutes to read:** 45
- **budget:** 12.5 s, 1500 MB
"""


def test_all_ways_of_writing_it() -> None:
    header = parse_header(CELL, "05_attention")
    assert (header.number, header.name, header.title) == (5, "05_attention", "Attention: who looks where")
    assert header.summary == "Queries, keys and values."
    assert header.build == "self-attention, and masks"
    assert header.need == "lecture 04"
    assert (header.minutes, header.budget) == (45, Budget(seconds=12.5, memory=1.5e9))


def test_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "01_words.py"
    path.write_text(GOOD, encoding="utf-8")
    assert read_header(path).title == "Words: a list"
    assert read_header(path).budget.seconds == 60.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("# 05. ", "", "has no title"),
        ("# 05. ", "# 06. ", "the title's number is 06, the file's is 05"),
        ("Queries, keys\nand values.\n", "", "no paragraph after the title"),
        ("* *You will build*: self-attention,\n  and masks\n", "", "*You will build* is missing"),
        (" lecture 04", "", "*You need* is missing or empty"),
        ("45", "a while", "'a while', not a whole number such as 45"),
        ("45", "0", "not a whole number"),
        ("12.5 s, 1500 MB", "12 s", "'12 s', not of the form `60 s, 2 GB, 5 GFLOP, 20 GB moved`"),
        ("12.5 s", "61 s", "at most 60 s, 2 GB"),
        ("1500 MB", "3 GB", "at most 60 s, 2 GB"),
    ],
)
def test_bad_input_is_named(old: str, new: str, said: str) -> None:
    assert old in CELL
    with pytest.raises(HeaderError, match=re.escape(said)):
        parse_header(CELL.replace(old, new), "05_attention")


def test_all_of_it_at_once(tmp_path: Path) -> None:
    path = tmp_path / "words.py"
    path.write_text("# %% [markdown]\n# # Words\n#\n# Some.\n\n# %%\nx = 1\n", encoding="utf-8")
    with pytest.raises(HeaderError) as caught:
        read_header(path)
    for part in ("NN_topic.py", "comment_magics: false", "name: python3", "*You need*", "*Budget*"):
        assert part in str(caught.value)


def test_code_before_the_first_prose_is_no_header(tmp_path: Path) -> None:
    path = tmp_path / "01_words.py"
    path.write_text(GOOD.replace("# %% [markdown]\n# # 01", "# %%\nx = 1\n\n# %% [markdown]\n# # 01"), encoding="utf-8")
    with pytest.raises(HeaderError, match="the first markdown cell has no title"):
        read_header(path)
