"""What makes a lecture stale: files of components that it reaches, and no others."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilllm.lectures.depends import package_hash, source_hash, versions

FILES = {
    "__init__.py": "",
    "__main__.py": "",
    "data/__init__.py": "def __getattr__(name): ...",
    "data/lazy.py": "",
    "data/words.txt": "one two",
    "tokenizers/__init__.py": "from .bpe import BPE",
    "tokenizers/bpe.py": "def train():\n    from lilllm import measure\n",
    "measure.py": "from lilllm.data.lazy import x",
    "optim/__init__.py": "",
    "tracing/recorder.py": "",
    "tracing/player/player.js": "",
    "tracing/FORMAT.md": "",
}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "lilllm" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "lilllm"


@pytest.mark.parametrize(
    ("changed", "stale"),
    [
        ("tokenizers/bpe.py", True),
        ("tokenizers/__init__.py", True),
        ("measure.py", True),
        ("data/lazy.py", True),
        ("data/words.txt", True),
        ("tracing/recorder.py", True),
        ("optim/__init__.py", False),
        ("tracing/player/player.js", False),
        ("tracing/FORMAT.md", False),
        ("__main__.py", False),
    ],
)
def test_what_a_lecture_reaches(package: Path, tmp_path: Path, changed: str, stale: bool) -> None:
    lecture = tmp_path / "01_words.py"
    lecture.write_text("import numpy\nfrom lilllm import tokenizers\n", encoding="utf-8")
    before = package_hash(lecture, package)
    assert package_hash(lecture, package) == before
    path = package / changed
    path.write_text(path.read_text(encoding="utf-8") + "\n# more\n", encoding="utf-8")
    assert (package_hash(lecture, package) != before) == stale


def test_a_file_more(package: Path, tmp_path: Path) -> None:
    lecture = tmp_path / "01_words.py"
    lecture.write_text("import lilllm.data", encoding="utf-8")
    before = package_hash(lecture, package)
    (package / "data" / "__pycache__").mkdir()
    (package / "data" / "__pycache__" / "x.pyc").write_bytes(b"")
    assert package_hash(lecture, package) == before
    (package / "data" / "more.py").touch()
    assert package_hash(lecture, package) != before


def test_line_ends_do_not_count(tmp_path: Path) -> None:
    one, two = tmp_path / "a.py", tmp_path / "b.py"
    one.write_bytes(b"a\nb\n")
    two.write_bytes(b"a\r\nb\r\n")
    assert source_hash(one) == source_hash(two)


def test_versions_are_those_of_the_extras_that_lectures_use() -> None:
    found = versions()
    assert {"python", "torch", "numpy", "matplotlib", "ipywidgets"} <= found.keys()
    assert not {"pytest", "streamlit", "ruff"} & found.keys()
    assert "+" not in found["torch"]
