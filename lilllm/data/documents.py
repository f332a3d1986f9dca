"""Documents from anywhere, one text after the other: the sets that are always there, network sets, your own files.

    documents("liltown", count=20_000)
    documents("openwebtext")                    through `datasets`, at a pinned revision
    documents("stories.jsonl", field="story")   or .txt, .md, .jsonl.gz, .parquet, a folder of them

Read in order:  documents, Documents, then document_files (yours) and network (theirs)
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from lilllm.data import document_files
from lilllm.data.network import NETWORK, network_documents

OFFLINE = ("liltown", "python_docs", "python_code")
_Read = Callable[[int], Iterator[str]]


class Documents(Iterator[str]):
    """The texts of a corpus, in order; an iterator, and a function that gives the same from a later document on.

    Attributes:
        about: what they are, as JSON: two that say the same give the same documents.
        endless: there is always another one.
    """

    def __init__(
        self,
        read: _Read,
        about: dict[str, Any],
        *,
        skip: int = 0,
        count: int | None = None,
        endless: bool = False,
        place: Callable[[], tuple[int, int]] | None = None,
    ) -> None:
        self._read, self._skip, self._count, self._place = read, skip, count, place
        self._texts: Iterator[str] | None = None
        self._given = 0
        self._passed = 0
        self.about = about
        self.endless = endless and count is None

    def __call__(self, skip: int) -> Documents:
        """The same documents without the first ``skip``, whatever was read of these."""
        later = Documents(self._read, self.about, skip=self._skip + skip, count=self._count, place=self._place)
        if self._count is not None:
            later._count = max(0, self._count - skip)
            later._passed = min(skip, self._count)
        later.endless = self.endless
        return later

    def __iter__(self) -> Documents:
        return self

    def __next__(self) -> str:
        if self._count is not None and self._given >= self._count:
            self._texts = None  # which closes what it reads
            raise StopIteration
        if self._texts is None:
            self._texts = self._read(self._skip + self._given)
        text = next(self._texts)
        self._given += 1
        return text

    def __repr__(self) -> str:
        return f"documents({self.about.get('source')!r})"

    def position(self) -> tuple[int, int] | None:
        """How much was read and how much there is, in documents or in bytes of files; None if nobody knows."""
        if self._count is not None:
            return self._passed + self._given, self._passed + self._count
        return self._place() if self._place else None


def documents(
    source: str | os.PathLike[str],
    *,
    field: str = "text",
    skip: int = 0,
    count: int | None = None,
    separator: str | None = None,
) -> Documents:
    """The texts of ``source``, one after the other.

    Args:
        source: "liltown" or "liltown:SEED" (endless), "python_docs" (a document a topic), "python_code" (a function or
            class each); a network set: "tinystories", "fineweb-edu", "openwebtext", "wikitext", "gsm8k", "mmlu", or one
            of their splits as in "tinystories:validation"; or the path of a file of text, JSONL (.jsonl, also
            .jsonl.gz) or parquet, or of a folder of them, which are read in the order of their names.
        field: of JSONL and parquet: where the text is.
        skip: leave out so many documents; cheap wherever the source can count without reading.
        count: give no more than so many, after those left out.
        separator: of text files: what stands between two documents, such as "<|endoftext|>" or a blank line. Without it
            a file is one document; one that is longer than 4 MB is cut at blank lines, about every 4 MB.
    Raises:
        ValueError: no such source; a file that cannot be read as what its name says, with the place.
        FileNotFoundError: no such file.
        ImportError, ConnectionError: a network set without `datasets` or without a network; says what to do.

    >>> next(documents("liltown:3", skip=7)) == next(documents("liltown:3", count=8)(7))
    True
    """
    for name, number in (("skip", skip), ("count", 0 if count is None else count)):
        if isinstance(number, bool) or not isinstance(number, int) or number < 0:
            raise ValueError(f"{name} is {number!r}; give a whole number from 0")
    if source == "":  # as a path, the folder that one stands in
        raise ValueError("source is empty; give the name of a set, or a path ('.' for this folder)")
    about: dict[str, Any] = {"source": str(source), "skip": skip, "count": count}
    place = None
    endless = False
    kind, _, option = str(source).partition(":")
    named = isinstance(source, str) and not Path(source).exists()
    if named and kind == "liltown":
        read: _Read = _liltown(option)
        endless = True
    elif named and source in ("python_docs", "python_code"):
        read = _python(str(source))
    elif named and kind in NETWORK:
        found = NETWORK[kind].split_of(option)
        about |= {"revision": found.revision}
        read = lambda first: network_documents(found, first)  # noqa: E731
    else:
        files = _files(source, named, field=field, separator=separator)
        about |= {"field": field, "separator": separator, "files": len(files.paths), "bytes": files.total}
        read = lambda first: document_files.read(files, first)  # noqa: E731
        place = lambda: (files.at, files.total)  # noqa: E731
    return Documents(read, about, skip=skip, count=count, endless=endless, place=place)


def _files(source: str | os.PathLike[str], named: bool, *, field: str, separator: str | None) -> document_files.Files:
    if separator == "":
        raise ValueError("separator is empty; give the text that stands between two documents, or None")
    try:
        return document_files.find(Path(source), field=field, separator=separator)
    except FileNotFoundError as error:
        if not named or os.sep in str(source):
            raise
        known = (*OFFLINE, *NETWORK)
        close = difflib.get_close_matches(str(source), known, n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise FileNotFoundError(f"{error}, and no set of that name; {hint}the sets are: {', '.join(known)}") from None


def _liltown(seed: str) -> _Read:
    from lilllm.data.liltown import LilTown

    if seed and not (seed.isascii() and seed.isdigit()):
        raise ValueError(f"liltown:{seed} has no whole number as its seed; give liltown, or for example liltown:1")
    town = LilTown(int(seed or 0))
    return town.documents


def _python(name: str) -> _Read:
    def read(first: int) -> Iterator[str]:
        from lilllm.data.python_code import python_code
        from lilllm.data.python_docs import python_docs

        found = _topics(python_docs()) if name == "python_docs" else iter(python_code().rstrip("\n").split("\n\n\n"))
        return islice(found, first, None)

    return read


def _topics(text: str) -> Iterator[str]:
    r"""The text cut before every title, which is underlined by stars or equals signs.

    >>> list(_topics("A\n***\n\nabout a\n\nB\n===\n\nabout b\n"))
    ['A\n***\n\nabout a', 'B\n===\n\nabout b']
    """
    topic: list[str] = []
    for paragraph in text.rstrip("\n").split("\n\n"):
        lines = paragraph.split("\n")
        if topic and len(lines) > 1 and len(lines[1]) > 2 and set(lines[1]) <= {*"*="} and len(set(lines[1])) == 1:
            yield "\n\n".join(topic)
            topic = []
        topic.append(paragraph)
    yield "\n\n".join(topic)
