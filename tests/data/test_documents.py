"""Documents of every source: the same texts however many are skipped, counted or read again."""

from __future__ import annotations

import doctest
import gzip
import importlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lilllm.data import LilTown, document_files, documents, python_code, python_docs

TEXTS = ["one", "zwei\nund drei", "", "vier 🙂", "  ", "six \u2028 six", "sept", "8" * 3000]


def as_jsonl(path: Path, texts: list[str] = TEXTS, field: str = "text") -> Path:
    path.write_text("".join(json.dumps({"n": i, field: text}) + "\n" for i, text in enumerate(texts)), "utf-8")
    return path


def as_parquet(path: Path, texts: list[str | None] | list[str] = TEXTS, rows: int = 3) -> Path:
    pq.write_table(pa.table({"n": list(range(len(texts))), "text": texts}), path, row_group_size=rows)
    return path


def as_gzip(path: Path) -> Path:
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return packed


def as_text(path: Path) -> Path:
    path.write_text("<end>".join(text for text in TEXTS if text.strip()), "utf-8", newline="")
    return path


def as_folder(path: Path) -> Path:
    (path / "b").mkdir(parents=True)
    as_jsonl(path / "a.jsonl", TEXTS[:3])
    as_parquet(path / "b" / "c.parquet", TEXTS[3:6])
    as_gzip(as_jsonl(path / "d.jsonl", TEXTS[6:])).with_suffix("").unlink()
    (path / ".hidden.jsonl").write_text("no", "utf-8")
    (path / "picture.png").write_bytes(b"\x89PNG")
    return path


FORMS: dict[str, Callable[[Path], Path]] = {
    "jsonl": lambda folder: as_jsonl(folder / "a.jsonl"),
    "jsonl.gz": lambda folder: as_gzip(as_jsonl(folder / "a.jsonl")),
    "parquet": lambda folder: as_parquet(folder / "a.parquet"),
    "parquet, one group": lambda folder: as_parquet(folder / "a.parquet", rows=100),
    "folder": lambda folder: as_folder(folder / "all"),
}


@pytest.mark.parametrize("form", FORMS)
def test_files_of_every_form_give_the_same_texts(form: str, tmp_path: Path) -> None:
    path = FORMS[form](tmp_path)
    assert list(documents(path)) == TEXTS
    assert list(documents(str(path))) == TEXTS
    for skip, count in itertools.product(range(10), (None, 0, 1, 4)):
        expected = TEXTS[skip:] if count is None else TEXTS[skip : skip + count]
        assert list(documents(path, skip=skip, count=count)) == expected


def test_text_with_a_separator(tmp_path: Path) -> None:
    for path in (as_text(tmp_path / "a.txt"), as_gzip(as_text(tmp_path / "a.txt"))):
        texts = [text for text in TEXTS if text.strip()]
        assert list(documents(path, separator="<end>")) == texts
        assert list(documents(path, separator="<end>", skip=2, count=2)) == texts[2:4]


def test_a_text_file_is_one_document_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n\n\nthree \n")
    assert list(documents(tmp_path / "a.txt")) == ["one\r\ntwo\n\n\nthree \n"]
    (tmp_path / "main.py").write_text("print()\n", "utf-8")  # any other file that is named
    assert list(documents(tmp_path / "main.py")) == ["print()\n"]
    (tmp_path / "blank.txt").write_text(" \n", "utf-8")
    assert list(documents(tmp_path / "blank.txt")) == []


def test_a_long_text_is_cut_at_blank_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document_files, "LONGEST", 50)
    monkeypatch.setattr(document_files, "_BLOCK", 7)
    text = "\n\n".join(f"paragraph {i} of the text" for i in range(20)) + "\n\n" + "x" * 130 + "\nend"
    (tmp_path / "a.txt").write_text(text, "utf-8")
    found = list(documents(tmp_path / "a.txt"))
    assert "".join(found) == text
    assert max(map(len, found)) <= 100
    assert all(part.endswith("\n\n") for part in found[:7])
    assert found[0] == "paragraph 0 of the text\n\nparagraph 1 of the text\n\nparagraph 2 of the text\n\n"


@given(st.lists(st.text("ab<>\n é", max_size=12), max_size=6), st.integers(1, 5))
def test_separators_are_found_across_blocks(parts: list[str], size: int) -> None:
    separator = "<>\n"
    text = separator.join(parts)
    blocks = (text[i : i + size] for i in range(0, len(text), size))
    assert list(document_files._cut(blocks, separator)) == [part for part in text.split(separator) if part.strip()]


def test_fields_and_odd_lines(tmp_path: Path) -> None:
    assert list(documents(as_jsonl(tmp_path / "a.jsonl", ["x", "y"], field="story"), field="story")) == ["x", "y"]
    (tmp_path / "b.jsonl").write_bytes(
        b'\xef\xbb\xbf{"text": "bom"}\r\n\n  \n{"text": "nan", "score": NaN}\n{"text": "\\u00e9"}'
    )
    assert list(documents(tmp_path / "b.jsonl")) == ["bom", "nan", "é"]


def test_the_sets_that_are_always_there() -> None:
    town = LilTown(0)
    assert list(documents("liltown", skip=5, count=3)) == [town.document(i) for i in (5, 6, 7)]
    assert list(documents("liltown:7", count=1)) == [LilTown(7).document(0)]
    topics = list(documents("python_docs"))
    assert "\n\n".join(topics) + "\n" == python_docs()
    assert (len(topics), topics[0][:22]) == (129, 'The "assert" statement')
    assert "\n\n\n".join(documents("python_code")) + "\n" == python_code()


def test_a_path_of_the_name_of_a_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("liltown").write_text("mine", "utf-8")
    assert list(documents("liltown")) == ["mine"]


@pytest.mark.parametrize("form", ["liltown", *FORMS])
def test_called_they_give_those_after_so_many(form: str, tmp_path: Path) -> None:
    source = form if form == "liltown" else FORMS[form](tmp_path)
    every = list(documents(source, count=8))
    some = documents(source, skip=1, count=6)
    next(some)
    assert list(some(0)) == every[1:7]  # whatever was read before
    assert list(some(2)) == every[3:7]
    assert list(some(2)(1)) == every[4:7]
    assert list(some(9)) == []
    assert list(some) == every[2:7]


def test_position_runs_to_its_end(tmp_path: Path) -> None:
    for form in ("jsonl", "jsonl.gz", "folder", "parquet"):
        (tmp_path / form).mkdir()
        found = documents(FORMS[form](tmp_path / form))
        places = [found.position() for _ in found]
        assert places == sorted(places)
        done, total = found.position()
        assert done == total > 0
    counted = documents("liltown", count=4)(1)
    assert counted.position() == (1, 4)
    assert [counted.position() for _ in counted] == [(2, 4), (3, 4), (4, 4)]
    assert documents("liltown").position() is None


def test_about_tells_two_corpora_apart(tmp_path: Path) -> None:
    path = as_jsonl(tmp_path / "a.jsonl")
    before = documents(path).about
    assert json.loads(json.dumps(before)) == before == documents(path).about
    assert documents(path, skip=1).about != before
    as_jsonl(path, [*TEXTS, "more"])
    assert documents(path).about != before
    assert documents("liltown").endless
    assert not documents("liltown", count=9).endless


@pytest.mark.parametrize("name", ["documents", "document_files", "fill_in", "network", "packing", "shuffle", "tokens"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"lilllm.data.{name}"))
    assert (result.failed, result.attempted > 0) == (0, True)
