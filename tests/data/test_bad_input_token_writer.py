"""What cannot be written says so, names the document, and leaves the folder as it was."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lilllm.data import TokenArray, TokenFiles, documents, token_encoding, token_pool, token_shards, write_tokens
from lilllm.tokenizers import ByteTokenizer
from tests.data.corpora import EOS, Given, contents, texts, tokenizer


def write(folder: Path, given: Any = ("a", "b"), made_by: Any = None, **options: Any) -> TokenFiles:
    return write_tokens(
        given, made_by or tokenizer(), folder, **({"eos": EOS, "progress": False, "workers": 1} | options)
    )


@pytest.mark.parametrize(
    ("given", "made_by", "options", "said"),
    [
        (["1 2", "3 10"], Given(10), {"eos": 0}, r"document 1 has the id 10, but the tokenizer's vocab_size is 10"),
        (["1", "-1"], Given(10), {"eos": 0}, r"document 1 has the id -1"),
        (["1", "70000"], Given(65_536), {"eos": 0}, r"document 1 has the id 70000"),
        (["1", "5000000000"], Given(70_000), {"eos": 0}, r"document 1 has the id 5000000000"),
        (["1", "2 0 3"], Given(10), {"eos": 0}, r"document 1 holds the EOS token \(0\) before its end"),
        (["1", "x"], Given(10), {"eos": 0}, r"document 1: invalid literal"),
        (["a", "\ud800"], None, {}, r"document 1: the text holds a lone surrogate"),
        ([], None, {}, "there are no documents"),
        (["", ""], None, {"eos": None}, "every document is empty, and there is no eos"),
        (["a"], None, {"eos": 257}, "eos is 257; give an id from 0 to 256, or None"),
        (["a"], None, {"eos": True}, "eos is True"),
        (["a"], Given(0), {"eos": None}, r"vocab_size is 0; give a whole number from 1 to 2\*\*32"),
        (["a"], len, {}, "the tokenizer is a builtin_function_or_method; give one of lilllm.tokenizers"),
        (["a"], None, {"shard_tokens": 0}, "shard_tokens is 0; give a whole number"),
        (["a"], None, {"workers": 0}, "workers is 0; give a whole number of at least 1"),
        (["a"], None, {"about": {"x": object()}}, "about cannot be written as a JSON object"),
        (["a"], None, {"about": ["x"]}, "about cannot be written as a JSON object: it is no dict"),
        ("stories.txt", None, {}, r"documents is 'stories.txt'; give documents\('stories.txt'\)"),
        (Path("stories.txt"), None, {}, r"give documents\('stories.txt'\)"),
        (documents("liltown"), None, {}, r"documents\('liltown'\) never ends; give a count"),
    ],
)
def test_refused(given: Any, made_by: Any, options: dict[str, Any], said: str, tmp_path: Path) -> None:
    folder = tmp_path / "tokens"
    with pytest.raises(ValueError, match=said):
        write(folder, given, made_by, **options)
    assert not folder.exists() or not contents(folder)
    write(folder)  # as if nothing had been there


@pytest.mark.parametrize("document", [b"bytes", None, 3])
def test_no_text(document: Any, tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"document 1 is a \w+, not a str"):
        write(tmp_path, ["a", document])


def test_a_tokenizer_that_loses_a_text(tmp_path: Path) -> None:
    class Short(Given):
        def encode_batch(self, texts: list[str]) -> list[list[int]]:
            return [[1]]

    with pytest.raises(ValueError, match="gave 1 rows of ids for 2 texts; one each is needed"):
        write(tmp_path, ["1", "2"], Short(10), eos=0)


def test_what_came_before_a_bad_document_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_shards, "MARK_TOKENS", 1)
    monkeypatch.setattr(token_encoding, "CHUNK_CHARACTERS", 1)
    with pytest.raises(ValueError, match=r"document 3: the text holds a lone surrogate"):
        write(tmp_path, ["a", "b", "c", "\udfff", "e"])
    files = write(tmp_path, ["a", "b", "c", "d", "e"])
    assert files.read(0, len(files)).tolist() == [97, EOS, 98, EOS, 99, EOS, 100, EOS, 101, EOS]


def test_errors_come_from_other_processes_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_encoding, "CHUNK_CHARACTERS", 1)
    monkeypatch.setattr(token_pool, "FEW", 1)
    with pytest.raises(ValueError, match=r"document 13 has the id 10, but the tokenizer's vocab_size is 10"):
        write(tmp_path, [str(i if i < 10 else i - 3) for i in range(30)], Given(10), eos=None, workers=2)

    with pytest.raises(RuntimeError, match=r"^KeyError: 'thirteen'"):  # what it is, where it is no ValueError
        write(tmp_path, ["1"] * 13 + ["13"] + ["1"] * 16, Odd(10), eos=None, workers=2)
    with pytest.raises(RuntimeError, match="a process that encodes died"):
        write(tmp_path, ["1"] * 13 + ["14"] + ["1"] * 16, Odd(10), eos=None, workers=2)

    class Local(Given):
        pass

    with pytest.raises(ValueError, match=r"the tokenizer cannot be sent to another process .*; give workers=1"):
        write(tmp_path, ["1"] * 30, Local(10), eos=0, workers=2)


class Odd(Given):
    """Breaks in another way than by saying that it cannot encode a text, or ends the whole process."""

    def encode_batch(self, texts: list[str]) -> list[list[int]]:
        if "13" in texts:
            raise KeyError("thirteen")
        if "14" in texts:
            os._exit(1)
        return super().encode_batch(texts)


def begun(folder: Path, monkeypatch: pytest.MonkeyPatch, after: int = 100) -> None:
    """Files that were cut off after so many documents, and some marks."""

    def breaks() -> Iterator[str]:
        yield from texts()[:after]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(token_shards, "MARK_TOKENS", 100)
        patch.setattr(token_encoding, "CHUNK_CHARACTERS", 100)
        with pytest.raises(KeyboardInterrupt):
            write(folder, breaks(), shard_tokens=1000)


@pytest.mark.parametrize("finished", [False, True])
def test_another_corpus_in_the_same_folder(finished: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if finished:
        write(tmp_path, texts(), shard_tokens=1000)
    else:
        begun(tmp_path, monkeypatch)
    before = contents(tmp_path)
    changed = [text + "!" for text in texts()]
    for given, made_by, options, said in (
        (texts(), ByteTokenizer(["<end>"]), {}, "tokenizer is '[0-9a-f]{64}' there and '[0-9a-f]{64}' here"),
        (texts(), None, {"eos": None}, "eos is 256 there and None here"),
        (texts(), None, {"shard_tokens": 999}, "shard_tokens is 1000 there and 999 here"),
        (texts(), None, {"about": {"set": "other"}}, "about is {} there and {'set': 'other'} here"),
        (texts()[:20], None, {}, "the documents have changed since .*: document [0-9]+ is not there any more"),
        (changed, None, {}, "the documents have changed since .*: document [0-9]+ is not the one that was written"),
    ):
        with pytest.raises(ValueError, match=said):
            write(tmp_path, given, made_by, **({"shard_tokens": 1000} | options))
        assert contents(tmp_path) == before
    if finished:
        with pytest.raises(ValueError, match="holds the tokens of 200 documents, and here are more"):
            write(tmp_path, [*texts(), "more"], shard_tokens=1000)
    write(tmp_path, texts(), shard_tokens=1000).verify()


def test_what_is_hidden_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".gitkeep").touch()
    write(tmp_path).verify()


def test_a_folder_of_others(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine", "utf-8")
    with pytest.raises(ValueError, match=r"holds other things \(thesis\.txt\) and no token files; give a folder"):
        write(tmp_path)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}
    (tmp_path / "index.json").write_text('{"weight_map": {}}', "utf-8")
    with pytest.raises(ValueError, match="no index of token files that this version reads"):
        write(tmp_path)
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(OSError, match="file"):
        write(tmp_path / "file" / "tokens")


def test_a_damaged_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(tmp_path, monkeypatch)
    whole = contents(tmp_path)
    journal = tmp_path / "journal.jsonl"
    partial = next(path for path in tmp_path.iterdir() if path.suffix == ".partial")
    partial.write_bytes(partial.read_bytes()[:10])
    with pytest.raises(ValueError, match=r"\.partial has 10 bytes where the journal says [\d,]+: the folder is"):
        write(tmp_path, texts(), shard_tokens=1000)
    partial.write_bytes(whole[partial.name])
    (tmp_path / "shard-00000.bin").write_bytes(bytes(2001))
    with pytest.raises(ValueError, match=r"shard-00000\.bin has 2,001 bytes where the journal says 2,000"):
        write(tmp_path, texts(), shard_tokens=1000)
    (tmp_path / "shard-00000.bin").write_bytes(whole["shard-00000.bin"])
    journal.write_bytes(whole["journal.jsonl"].replace(b"lilllm tokens 1", b"lilllm tokens 9"))
    with pytest.raises(ValueError, match="its format is 'lilllm tokens 9', this version writes 'lilllm tokens 1'"):
        write(tmp_path, texts(), shard_tokens=1000)
    journal.write_bytes(b'{"weights": 3}\n')
    with pytest.raises(ValueError, match=r"journal\.jsonl is no journal of token files"):
        write(tmp_path, texts(), shard_tokens=1000)
    journal.write_bytes(whole["journal.jsonl"] + b'{"tokens": 99999, "docu')  # a torn last line says nothing
    begun(tmp_path, monkeypatch, after=150)  # and is not there any more for whoever comes after
    write(tmp_path, texts(), shard_tokens=1000).verify()


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ([[1, 2], [3, 4]], r"an array of shape \(2, 2\)"),
        ([0.5], "type float64; give one row of whole numbers"),
        ([1, 8], "the ids run from 1 to 8, but vocab_size is 8"),
        ([-1, 2], "the ids run from -1 to 2"),
        (np.array([7, 70_000]), "the ids run from 7 to 70000"),
    ],
)
def test_arrays(tokens: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        TokenArray(tokens, vocab_size=8, eos=0)
    with pytest.raises(ValueError, match="eos is 8"):
        TokenArray([1], vocab_size=8, eos=8)
