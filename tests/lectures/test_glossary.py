"""A word that a lecture defines (***so***) is in the glossary, and the glossary is in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

LECTURES = Path(__file__).parents[2] / "lectures"
ENTRY = re.compile(r"^- \*\*([^*]+)\*\* \((\d\d)\): \S", re.MULTILINE)
DEFINED = re.compile(r"(?<!\*)\*\*\*([^*\n]+)\*\*\*(?!\*)")


def entries() -> list[tuple[str, str]]:
    return ENTRY.findall((LECTURES / "GLOSSARY.md").read_text("utf-8"))


def defined(source: str) -> list[str]:
    """Words that the prose of a lecture defines."""
    return DEFINED.findall(" ".join(line.lstrip("# ") for line in source.splitlines() if line.startswith("#")))


def missing(words: list[str], number: str, glossary: list[tuple[str, str]]) -> list[str]:
    known = {term.lower() for term, lecture in glossary if lecture <= number}
    return [word for word in words if word.lower() not in known and word.lower().removesuffix("s") not in known]


def test_the_mark_is_found() -> None:
    assert defined("# a ***word*** here\nx = '***no***'\n# **bold** and *it*, ***two\n# words***") == [
        "word",
        "two words",
    ]
    assert missing(["Merges", "ghost"], "01", [("merge", "01"), ("ghost", "02")]) == ["ghost"]


@pytest.mark.parametrize("path", sorted(LECTURES.glob("[0-9][0-9]_*.py")), ids=lambda path: path.stem)
def test_every_defined_word_is_in_the_glossary(path: Path) -> None:
    words = defined(path.read_text("utf-8"))
    assert words, "a lecture defines words; set them in bold italics"
    assert missing(words, path.name[:2], entries()) == []


def test_every_entry_is_defined_by_its_lecture() -> None:
    for term, number in entries():
        (path,) = LECTURES.glob(f"{number}_*.py")
        words = {word.lower() for word in defined(path.read_text("utf-8"))}
        assert words & {term.lower(), f"{term.lower()}s"}, f"{term!r} is not defined in {path.name}"


def test_the_glossary_is_in_alphabetical_order_without_repeats() -> None:
    terms = [term.lower() for term, _ in entries()]
    assert terms == sorted(set(terms))
    text = (LECTURES / "GLOSSARY.md").read_text("utf-8")
    assert len(terms) == len(re.findall(r"^- ", text, re.MULTILINE)), "an entry is not of the form - **word** (01): ..."
