"""What a lecture says of itself: its first markdown cell, and jupytext's header above it.

    # %% [markdown]
    # # 01 Tokenization: from text to numbers
    #
    # One paragraph that says what it is about.
    #
    # - **You will build:** ...
    # - **You need:** ...
    # - **Minutes to read:** 60
    # - **Budget:** 60 s, 2 GB, 5 GFLOP, 20 GB moved

Read in order: Header (the facts), read_header (of a file), parse_header (of the cell's text).
Leaves out: the lecture's code; neither torch nor jupytext is imported, so lists are quick.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lilllm.course.budget import Budget
from lilllm.course.budget import parse as parse_budget

NAME = re.compile(r"(\d\d)_[a-z0-9_]+")
FIELDS = ("You will build", "You need", "Minutes to read", "Budget")
_JUPYTEXT = {
    "comment_magics: false": "without it a comment such as `# ls` becomes a command",
    "format_name: percent": "cells are told apart by `# %%`",
    "name: python3": "the kernelspec that runs the lecture",
}


class HeaderError(ValueError):
    """The header of a lecture is not complete; the text lists all that is missing."""


@dataclass(frozen=True, kw_only=True)
class Header:
    """A lecture's own words; ``budget`` is no measurement."""

    number: int
    name: str  # 01_tokenization
    title: str
    summary: str
    build: str
    need: str
    minutes: int
    budget: Budget


def read_header(path: Path) -> Header:
    """The header of the lecture ``path`` (py:percent).

    Raises:
        HeaderError: the file's name is not NN_topic.py, or parts are missing; all of them are named.
        OSError, UnicodeDecodeError: the file cannot be read.
    """
    problems = []
    text = path.read_text(encoding="utf-8")
    if not NAME.fullmatch(path.stem):
        problems.append(
            "the file's name is to be NN_topic.py: two digits, then lower-case letters, digits and underscores"
        )
    top = re.match(r"# ---\n(?:#.*\n)*?# ---\n", text)
    for line, why in _JUPYTEXT.items():
        if top is None or not re.search(rf"^#\s+{re.escape(line)}\s*$", top.group(), re.MULTILINE):
            problems.append(f"jupytext's header lacks `{line}` ({why})")
    try:
        header = parse_header(_first_markdown(text), path.stem)
    except HeaderError as error:
        problems.extend(str(error).split("; "))
    if problems:
        raise HeaderError("; ".join(problems))
    return header


def parse_header(markdown: str, name: str) -> Header:
    """The header in the text of a lecture's first cell; ``name`` is the file's stem.

    Raises:
        HeaderError: something is missing or cannot be read.

    >>> text = "# 01 Words\\n\\nAbout words.\\n\\n- **You will build:** a list\\n- **You need:** Python\\n"
    >>> parse_header(text + "- **Minutes to read:** 5\\n- **Budget:** 20 s, 500 MB\\n", "01_words").budget.seconds
    20.0
    """
    problems = []
    number = int(name[:2]) if name[:2].isdigit() else 0
    heading = re.search(r"^#[ \t]+(.+?)[ \t]*$", markdown, re.MULTILINE)
    title = heading.group(1) if heading else ""
    if not heading:
        problems.append("the first markdown cell has no title (`# Title`)")
    elif numbered := re.match(r"(\d+)[.:\s·-]+(?=\S)", title):
        if int(numbered.group(1)) != number:
            problems.append(f"the title's number is {int(numbered.group(1)):02}, the file's is {number:02}")
        title = title[numbered.end() :]
    summary = ""
    if heading:
        paragraphs = [
            " ".join(part.split()) for part in re.split(r"\n\s*\n", markdown[heading.end() :]) if part.strip()
        ]
        summary = paragraphs[0] if paragraphs else ""
        if not summary or _field(summary, any_field=True) is not None:
            problems.append("no paragraph after the title says what the lecture is about")

    values = {field: _find(markdown, field) for field in FIELDS}
    problems += [f"the line *{field}* is missing or empty" for field, value in values.items() if not value]
    minutes, budget = 0, None
    if values["Minutes to read"]:
        if digits := re.fullmatch(r"(\d+)(?: min(?:utes)?)?\.?", values["Minutes to read"]):
            minutes = int(digits.group(1))
        if not minutes:
            problems.append(f"*Minutes to read* is {values['Minutes to read']!r}, not a whole number such as 45")
    if values["Budget"]:
        try:
            budget = parse_budget(values["Budget"])
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise HeaderError("; ".join(problems))
    assert budget is not None
    return Header(
        number=number, name=name, title=title, summary=summary, build=values["You will build"], need=values["You need"],
        minutes=minutes, budget=budget,
    )  # fmt: skip


def _field(line: str, *, any_field: bool = False, name: str = "") -> str | None:
    names = "|".join(map(re.escape, FIELDS)) if any_field else re.escape(name)
    found = re.match(rf"\s*(?:[-*+] +)?(\*\*|__|\*|_)({names})(?::\s*\1|\1\s*:)(.*)$", line, re.IGNORECASE)
    return found.group(3).strip() if found else None


def _find(markdown: str, name: str) -> str:
    lines = markdown.splitlines()
    for at, line in enumerate(lines):
        value = _field(line, name=name)
        if value is None:
            continue
        parts = [value]
        for more in lines[at + 1 :]:  # a field goes on over indented lines
            if not more.strip() or not more.startswith((" ", "\t")) or _field(more, any_field=True) is not None:
                break
            parts.append(more.strip())
        return " ".join(part for part in parts if part)
    return ""


def _first_markdown(text: str) -> str:
    """The first markdown cell of a py:percent file, without comment marks; empty if code stands before it."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("# %%"):
            if "[markdown]" not in line and "[md]" not in line:
                return ""
            break
    cell = []
    for line in lines:
        if line.startswith("# %%") or (line.strip() and not line.startswith("#")):
            break
        cell.append(line[2:] if line.startswith("# ") else line[1:])
    return "\n".join(cell)
