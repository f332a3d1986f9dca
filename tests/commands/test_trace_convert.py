"""`lilllm trace import`, `export` and `html`, as they are called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lilllm.__main__ import main
from lilllm.tracing import load
from lilllm.tracing.importers import untrusted_json

SAMPLES = Path(__file__).parents[1] / "tracing" / "samples"


def run(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str]:
    """Exit code, and what was said on stderr."""
    with pytest.raises(SystemExit) as ended:
        main([str(arg) for arg in args])
    return int(ended.value.code or 0), capsys.readouterr().err


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run(capsys, "trace", "import", SAMPLES / "edtrace_program.json")
    assert (code, "edtrace_program.trace.jsonl.gz: " in said) == (0, True)
    trace = load(tmp_path / "edtrace_program.trace.jsonl.gz")
    assert trace.head.title == "edtrace_program"
    assert len(trace.blobs) == 3, "the pictures beside the file came along"
    assert (
        run(capsys, "trace", "export", "edtrace_program.trace.jsonl.gz", "--to", "edtrace", "-o", "back.json")[0] == 0
    )
    theirs = json.loads((SAMPLES / "edtrace_program.json").read_text())
    assert json.loads(Path("back.json").read_text())["files"].items() >= theirs["files"].items()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back.json", "edtrace_program.trace.jsonl.gz"]


def test_python_tutor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "trace", "import", SAMPLES / "python_tutor.json", "-o", "a.trace.jsonl.gz")[0] == 0
    assert load("a.trace.jsonl.gz").stopped == "ZeroDivisionError: division by zero"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "JSON, but of none of the tools"),
        (b"nothing", "not JSON"),
        (b'{"files": {}, "steps": []}', "no steps"),
        (None, "No such file"),
    ],
)
def test_what_cannot_be_imported_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
) -> None:
    if content is not None:
        Path("a.json").write_bytes(content)
    code, said = run(capsys, "trace", "import", "a.json")
    assert code == 2
    assert message in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("*.gz"))


def test_a_file_that_is_too_large_is_not_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with Path("a.json").open("wb") as file:
        file.truncate(untrusted_json.MAX_BYTES + 1)
    monkeypatch.setattr(Path, "read_bytes", lambda self: pytest.fail("it was read"))
    assert "at most 32,000,000 are opened" in run(capsys, "trace", "import", "a.json")[1]


def test_an_export_that_fails_leaves_what_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys, "trace", "import", SAMPLES / "python_tutor.json", "-o", "a.trace.jsonl.gz")
    Path("a.json").write_text("before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    code, said = run(capsys, "trace", "export", "a.trace.jsonl.gz", "-o", "a.json")
    assert (code, "No space left" in said) == (2, True)
    assert Path("a.json").read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.trace.jsonl.gz"]


def test_a_page_of_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    run(capsys, "trace", "import", SAMPLES / "python_tutor.json", "-o", "a.trace.jsonl.gz")
    assert run(capsys, "trace", "html", "a.trace.jsonl.gz")[0] == 0
    assert Path("a.html").read_text().startswith("<!doctype html>")
    Path("a.html").replace("b.html")
    assert run(capsys, "trace", "html", "a.trace.jsonl.gz", "-o", "a.trace.jsonl.gz")[0] == 2
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    assert run(capsys, "trace", "html", "a.trace.jsonl.gz")[0] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.trace.jsonl.gz", "b.html"]
