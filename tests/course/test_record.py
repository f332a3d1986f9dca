"""The reader's record: kept and found again, by two at once, of another version, and where nothing can be written."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from lilllm.course.record import FILE, Record, RecordError, folder


def test_what_was_done_is_found_again(tmp_path: Path) -> None:
    record = Record(tmp_path / "new" / "folder")
    assert record.exercises() == {}
    record.tried("tokenizers.utf8", "stub")
    record.tried("tokenizers.utf8", "wrong", hint=2)
    record.tried("tokenizers.utf8", "solved")
    record.tried("tokenizers.utf8", "wrong")
    record.tried("tokenizers.stream", "wrong", solution=True)
    record.tried("tokenizers.stream", "solved")
    found = Record(tmp_path / "new" / "folder").exercises()
    utf8, stream = found["tokenizers.utf8"], found["tokenizers.stream"]
    assert (utf8.result, utf8.attempts, utf8.hint, utf8.solution) == ("solved", 4, 2, False)
    assert (stream.result, stream.attempts, stream.hint, stream.solution) == ("solved", 2, 0, True)  # it was seen


def test_a_guess_may_change_until_the_truth_is_known(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.guessed("q", "How many?", 10, 0.5)
    record.guessed("q", "How many?", 20.5, 0.75)
    record.guessed("other", "Which?", "a", None)
    record.revealed("q", 25)
    record.guessed("q", "How many?", 25, 1.0)
    record.revealed("q", 26)
    record.revealed("unasked", 1)
    first, second = record.predictions()
    assert (first.guess, first.confidence, first.truth) == (20.5, 0.75, 25)
    assert (second.question, second.guess, second.confidence, second.truth) == ("other", "a", None, None)
    assert record.prediction("unasked") is None
    exported = json.loads(json.dumps(record.export()))
    assert exported["version"] == 1
    assert [one["guess"] for one in exported["predictions"]] == [20.5, "a"]


def test_two_notebooks_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    program = (
        "import sys; from lilllm.course.record import Record\n"
        "for i in range(25): Record(sys.argv[1]).tried(sys.argv[2], 'wrong', hint=i)"
    )
    running = [subprocess.Popen([sys.executable, "-W", "error", "-c", program, tmp_path, name]) for name in "ab"]
    assert [one.wait(60) for one in running] == [0, 0]
    found = Record(tmp_path).exercises()
    assert [found[name].attempts for name in "ab"] == [25, 25]


def test_threads_that_begin_a_record_together_make_one(tmp_path: Path) -> None:
    threads = [threading.Thread(target=Record(tmp_path).tried, args=("a", "wrong")) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Record(tmp_path).exercises()["a"].attempts == 8


def test_a_newer_record_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Record(tmp_path).tried("a", "solved")
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    before = (tmp_path / FILE).read_bytes()
    with pytest.raises(RecordError, match="written by a newer lilllm"):
        Record(tmp_path).exercises()
    monkeypatch.setattr(Record, "_warned", False)
    with pytest.warns(UserWarning, match="your progress is not kept"):
        Record(tmp_path).tried("a", "wrong")
    Record(tmp_path).tried("a", "wrong")  # said once
    assert (tmp_path / FILE).read_bytes() == before


def test_what_is_no_record_is_said_and_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / FILE).write_bytes(b"a file of something else" * 100)
    with pytest.raises(RecordError, match="move it away to begin anew"):
        Record(tmp_path).exercises()
    monkeypatch.setattr(Record, "_warned", False)
    with pytest.warns(UserWarning, match="not kept"):
        Record(tmp_path).tried("a", "wrong")
    monkeypatch.setattr(Record, "_warned", False)
    (tmp_path / "file").write_text("")
    with pytest.warns(UserWarning, match="not kept"):
        Record(tmp_path / "file").tried("a", "wrong")


def test_the_folder_is_the_platforms_or_the_one_named_or_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LILLLM_HOME", str(tmp_path))
    assert folder() == tmp_path
    monkeypatch.setenv("LILLLM_HOME", "")
    assert folder() is None
    Record().tried("a", "solved")
    assert Record().exercises() == {}
    monkeypatch.delenv("LILLLM_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if sys.platform == "linux":
        assert folder() == tmp_path / "data" / "lilllm"
