"""`lilllm course`: what each command prints, and what it says when something is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lilllm import __main__ as program
from lilllm.course import serve
from lilllm.course.plan import LECTURES
from lilllm.course.record import Record
from lilllm.course.workspace import Workspace
from tests.course.conftest import LECTURE, make_notebook


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A toy clone as the working directory."""
    import nbformat

    root = tmp_path / "clone"
    for folder in ("lectures", "viewer", "lilllm"):
        (root / folder).mkdir(parents=True)
    (root / "lilllm" / "__init__.py").touch()
    (root / "viewer" / "streamlit_app.py").touch()
    nbformat.write(make_notebook(LECTURE), root / "lectures" / "01_one.ipynb")
    for name in ("DATA", "CONFIG", "RUNTIME"):
        monkeypatch.setenv(f"JUPYTER_{name}_DIR", str(tmp_path / name))
    monkeypatch.chdir(root)
    monkeypatch.setattr(serve, "start", lambda *_, say, **__: say("(served)") or 0)
    return root


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as stop:
        program.main(["course", *args])
    said = capsys.readouterr()
    return stop.value.code, said.out, said.err


def test_start_status_update_reset(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "start")
    assert code == 0
    assert out == f"Your working copy: {clone / 'my-course'}\n  01_one  new\n(served)\n"
    notebook = clone / "my-course" / "01_one.ipynb"
    notebook.write_text(notebook.read_text().replace("def f(x):\\n", "def f(x):\\n    return 1\\n"))
    notebook.write_text(notebook.read_text().replace('"    ...', '"    pass', 1))
    nothing = "Nothing is kept of what you do: LILLLM_HOME is empty.\n"
    assert run(capsys, "status")[1] == f"  01_one  1 of 2 exercises written in\n{nothing}"
    assert run(capsys, "update")[1] == "  01_one  nothing new\n"
    assert "restored: 1 answer kept; what you had is my-course/.backup/01_one.1.ipynb" in run(capsys, "reset", "1")[1]
    assert "what you had is my-course/.backup/01_one.2.ipynb" in run(capsys, "reset", "01_one", "--answers")[1]
    assert run(capsys, "status")[1] == f"  01_one  0 of 2 exercises written in\n{nothing}"


def test_update_says_how_an_open_notebook_shows_it(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import nbformat

    run(capsys, "start")
    nbformat.write(make_notebook([("m0", "Preface"), *LECTURE]), clone / "lectures" / "01_one.ipynb")
    out = run(capsys, "update")[1]
    assert "updated: you had changed nothing" in out
    assert "Reload Notebook from Disk" in out


def test_another_folder(clone: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "start", "--dir", str(tmp_path / "mine"))[0] == 0
    assert (tmp_path / "mine" / "01_one.ipynb").is_file()
    assert not (clone / "my-course").exists()
    assert run(capsys, "status", "--dir", str(tmp_path / "mine"))[0] == 0


def test_wrong_names_and_folders_are_one_line(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "status")
    assert (code, err.count("\n")) == (2, 1)
    assert "`lilllm course start` makes one" in err
    run(capsys, "start")
    code, _, err = run(capsys, "reset", "../../etc")
    assert (code, err) == (2, "lilllm: no lecture '../../etc'; there are: 01_one\n")
    code, _, err = run(capsys, "start", "--dir", "lectures")
    assert code == 2
    assert "inside lectures/ of the repository" in err
    (clone / "file").touch()
    code, _, err = run(capsys, "start", "--dir", "file")
    assert code == 2
    assert "is a file, not a folder" in err


def test_outside_a_clone_it_says_what_comes_with_one(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lilllm.__file__", str(tmp_path / "site-packages" / "lilllm" / "__init__.py"))
    for args in (["start"], ["list"], ["status"], ["reset", "1"], ["update"]):
        code, out, err = run(capsys, *args)
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert "lectures, viewer and traces come with a clone" in err


def test_a_missing_extra_is_named_with_the_line_that_installs_it(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(serve, "missing_packages", lambda: ["streamlit"])
    code, _, err = run(capsys, "start")
    assert code == 2
    assert "needs streamlit" in err
    assert 'pip install -e ".[lab,viewer]" -c constraints.txt' in err


def test_a_server_that_fails_shows_its_log_and_ends_with_1(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> int:
        raise serve.ServerError("the viewer ended by itself; the end of its log:\nline 1\nline 2")

    monkeypatch.setattr(serve, "start", fail)
    code, _, err = run(capsys, "start")
    assert code == 1
    assert "line 1\nline 2\n" in err


def test_list_shows_all_lectures_and_marks_the_built_ones(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (clone / "lectures" / "02_tensors.ipynb").touch()
    out = run(capsys, "list")[1]
    assert [line.split()[1] for line in out.splitlines() if line.startswith("  ")] == [one.name for one in LECTURES]
    assert [line.split()[1] for line in out.splitlines() if line.startswith("  built")] == ["02_tensors"]


def test_the_plan_has_26_lectures_in_order() -> None:
    assert [int(lecture.name[:2]) for lecture in LECTURES] == list(range(1, 27))


def test_status_says_where_to_go_on(
    clone: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nbformat

    monkeypatch.setenv("LILLLM_HOME", str(tmp_path / "home"))
    (clone / "lectures" / "01_one.ipynb").unlink()
    for name, topic in (("01_tokenization", "one"), ("02_tensors", "two")):
        cells = [(key, source.replace("one.", f"{topic}.")) for key, source in LECTURE]
        nbformat.write(make_notebook(cells), clone / "lectures" / f"{name}.ipynb")
    run(capsys, "start")
    assert run(capsys, "status")[1].splitlines()[-1] == "Begin with 01 tokenization."
    Record().tried("one.f", "solved")
    assert run(capsys, "status")[1].splitlines()[-1] == "Go on with 01 tokenization: 1 of 2 exercises solved."
    Record().tried("one.g", "solved")
    assert run(capsys, "status")[1].splitlines()[-1] == "Next: 02 tensors."


def test_no_argument_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys)
    assert code == 2
    assert "\n  reset" in err


def test_status_says_what_is_solved_and_export_gives_what_is_kept(
    clone: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LILLLM_HOME", str(tmp_path / "home"))
    run(capsys, "start")
    names = Workspace(clone, clone / "my-course").status()[0].names
    assert names
    Record().tried(names[0], "wrong", hint=1)
    Record().tried(names[0], "solved")
    assert run(capsys, "status")[1] == ("  01_one  0 of 2 exercises written in, 1 of 2 exercises solved, 1 with help\n")
    code, out, _ = run(capsys, "export")
    assert code == 0
    assert [one["result"] for one in json.loads(out)["attempts"]] == ["wrong", "solved"]
    assert run(capsys, "export", "-o", str(tmp_path / "mine.json"))[0] == 0
    assert json.loads((tmp_path / "mine.json").read_text()) == json.loads(out)
    (tmp_path / "home" / "progress.sqlite3").write_bytes(b"no record" * 200)
    code, out, err = run(capsys, "status")
    assert (code, out) == (2, "  01_one  0 of 2 exercises written in\n")  # nor does it say to begin at the beginning
    assert "progress.sqlite3 cannot be read: " in err
    assert "move it away to begin anew" in err
    assert err.count("\n") == 1
