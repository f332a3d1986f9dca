"""The texts that are always there: the same for every Python, and honest when a release lacks a part."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest

from lilllm.data import LANGUAGES, article_one, freeze, frozen, python_code, python_docs

# SHA-256 of the text, the same under 3.11.2, 3.11.7, 3.12.1 and 3.13.0: a changed list or order is seen here.
DOCS = "d1b4a95e22bcf3e8c9d795ab7574be4b4ab9ca220bf75bb723f5f9cfdbdb6369"
CODE = "79dc30be92e1d46a9d5afdcd1882fc5d163252fcbc4f2bfd6bae75b1ca7d1851"


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_docs_are_the_same_text_for_everyone() -> None:
    text = python_docs(strict=True)
    assert digest(text) == DOCS
    assert len(text) == 209_690
    assert text.startswith('The "assert" statement\n**********************\n\nAssert statements are')


def test_code_is_the_same_text_for_everyone() -> None:
    text = python_code(strict=True)
    assert digest(text) == CODE
    assert len(text) == 428_924
    compile(text, "python_code", "exec")


def other_pythons() -> list[str]:
    """Interpreters 3.11 to 3.14 of pyenv, where there is one; on other machines none (pytest then skips)."""
    found = sorted(Path.home().glob(".pyenv/versions/3.1[1-4].*/bin/python"))
    return [str(path) for path in found if path.resolve() != Path(sys.executable).resolve()]


@pytest.mark.parametrize("python", other_pythons())
def test_another_python_gives_the_same_bytes(python: str) -> None:
    program = (
        "import hashlib\nfrom lilllm.data import python_code, python_docs\n"
        "print(*[hashlib.sha256(f(strict=True).encode()).hexdigest() for f in (python_docs, python_code)])"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run([python, "-c", program], cwd=root, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == [DOCS, CODE]


def test_a_missing_paragraph_warns_and_shortens() -> None:
    wanted = [frozen.fingerprint(text) for text in ("one", "two", "three")]
    with pytest.warns(RuntimeWarning, match="1 of 3 frozen paragraphs are not in Python"):
        kept = frozen.pick(["three", "spare", "one"], wanted, what="text")
    assert kept == ["one", "three"]


def test_a_missing_paragraph_fails_when_the_exact_text_is_asked_for() -> None:
    with pytest.raises(RuntimeError, match=r"text: 1 of 1 .* strict=False"):
        frozen.pick([], [frozen.fingerprint("one")], what="text", strict=True)


def test_a_python_without_its_documentation_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(FileNotFoundError, match=r"use a full Python 3\.11 to 3\.14"):
        python_docs()


def test_freeze_keeps_what_is_alike_and_drops_what_differs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, topic in (("a", "Same.\n\nOld words.\n"), ("b", "New words.\n\nSame.\n")):
        folder = tmp_path / version / "pydoc_data"
        folder.mkdir(parents=True)
        (folder / "topics.py").write_text(f"topics = {{'t': {topic!r}}}\n", "utf-8")
        (tmp_path / version / "heapq.py").write_text(f"def f():\n    return 1\n\ndef {version}():\n    pass\n", "utf-8")
    (tmp_path / "b" / "bisect.py").write_text("this is not python\n", "utf-8")
    monkeypatch.setattr(freeze, "HERE", tmp_path)
    freeze.main([str(tmp_path / "a"), str(tmp_path / "b")])
    for name, kept in (("python_docs", "Same."), ("python_code", "def f():\n    return 1")):
        lines = (tmp_path / f"{name}.sha256").read_text("utf-8").splitlines()
        assert lines[1:] == [frozen.fingerprint(kept)]


def test_article_one_is_in_every_language_and_normalised() -> None:
    assert len(LANGUAGES) == 15
    texts = [article_one(language) for language in LANGUAGES]
    assert len(set(texts)) == 15
    for text in texts:
        assert text == unicodedata.normalize("NFC", text)
        assert "\n" not in text
        assert 40 < len(text) < 250


def test_unknown_language_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="no translation into 'Klingon' is here; choose from English, Spanish"):
        article_one("Klingon")
