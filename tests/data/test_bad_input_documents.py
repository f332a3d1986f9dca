"""Documents that cannot be read: what is wrong and where."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lilllm.data import documents


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file or folder storys, and no set of that name; the sets are: l"):
        documents("storys")
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*/missing\.txt$"):
        documents(tmp_path / "missing.txt")
    with pytest.raises(ValueError, match="source is empty"):
        documents("")
    with pytest.raises(ValueError, match=r"liltown:first has no whole number as its seed"):
        documents("liltown:first")
    with pytest.raises(ValueError, match="tinystories has no split 'test'; it has: train, validation"):
        documents("tinystories:test")


@pytest.mark.parametrize("options", [{"skip": -1}, {"count": 1.5}, {"skip": True}, {"separator": ""}])
def test_options(options: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x", "utf-8")
    with pytest.raises(ValueError, match=f"^{next(iter(options))} is .*; give"):
        documents(tmp_path / "a.txt", **options)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b'{"text": "cut', r"line 2: not JSON"),
        (b'["text"]', r"line 2: a list, not an object with the field 'text'"),
        (b'{"txt": "a", "id": 3}', r"line 2: there is no field 'text'; there are: 'txt', 'id'"),
        (b'{"text": null}', r"line 2: the field 'text' is a NoneType, not text"),
        (b'{"text": "\xff"}', r"line 2: not JSON"),
        (b"[" * 100_000, r"line 2: not JSON"),
    ],
)
def test_a_line_that_is_no_document(line: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"text": "good"}\n' + line + b"\n")
    found = documents(tmp_path / "a.jsonl")
    assert next(found) == "good"
    with pytest.raises(ValueError, match=said):
        next(found)


def test_files_of_another_format(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]", "utf-8")
    with pytest.raises(ValueError, match=r"a\.json is one JSON value; give JSONL"):
        documents(tmp_path / "a.json")
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 au lait")
    with pytest.raises(ValueError, match=r"a\.txt is not UTF-8 near byte 3: .* convert it first"):
        next(documents(tmp_path / "a.txt"))
    (tmp_path / "b.txt").write_bytes("é".encode()[:1])
    with pytest.raises(ValueError, match="is not UTF-8 near byte"):
        next(documents(tmp_path / "b.txt"))
    for name in ("a.txt.gz", "a.jsonl.gz"):
        (tmp_path / name).write_bytes(gzip.compress(b'{"text": "x"}\n' * 999)[:-9])
        with pytest.raises(ValueError, match="no whole gzip file"):
            list(documents(tmp_path / name))
        (tmp_path / name).write_bytes(b"plain")
        with pytest.raises(ValueError, match="no whole gzip file"):
            list(documents(tmp_path / name))


def test_a_folder_without_texts(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match=r"holds no file that can be read here; known are \.txt, .*\.parquet \(\.gz\)"):
        documents(tmp_path)


def test_parquet(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"body": ["x", None]}), path)
    with pytest.raises(ValueError, match=r"there is no column 'text'; there are: 'body'"):
        next(documents(path))
    with pytest.raises(ValueError, match=r"a\.parquet, row 1: the field 'body' is a NoneType, not text"):
        list(documents(path, field="body"))
    whole = path.read_bytes()
    for damaged in (b"", b"no parquet", whole[:-20], whole[:10] + bytes(40) + whole[50:]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match=r"a\.parquet cannot be read as parquet"):
            list(documents(path, field="body"))


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"text": ["x"]}), tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"read by pyarrow; pip install 'lilllm\[data\]'"):
        next(documents(tmp_path / "a.parquet"))


def test_the_import_is_light() -> None:
    program = (
        "import sys, lilllm.data; from lilllm.data import documents; next(documents('liltown'));"
        "print([name for name in ('torch', 'datasets', 'pyarrow', 'numpy', 'tqdm') if name in sys.modules])"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
