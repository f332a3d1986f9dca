"""The working copy: what lands in it, what stays in it, and what is said about it."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from lilllm.course import notebook as nb
from lilllm.course.clone import NotACloneError, find_clone
from lilllm.course.folder import WorkspaceError
from lilllm.course.workspace import Done, Workspace
from tests.course.conftest import LECTURE

ANSWER = "def f(x):\n    return x + 1\n\ncheck('one.f', f)"


@pytest.fixture
def copy(clone: Path) -> Workspace:
    """A working copy, delivered."""
    workspace = Workspace(clone, clone / "my-course")
    workspace.deliver()
    return workspace


def edit(workspace: Workspace, cell_id: str, source: str) -> None:
    path = workspace.notebook("01_one")
    notebook = nb.read(path)
    next(cell for cell in notebook.cells if cell.id == cell_id).source = source
    nbformat.write(notebook, path)


def source_of(workspace: Workspace, cell_id: str) -> str:
    cells = nb.read(workspace.notebook("01_one")).cells
    return next(cell.source for cell in cells if cell.id == cell_id)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_delivers_lectures_and_glossary_and_names_what_is_not_built(clone: Path) -> None:
    (clone / "lectures" / "02_two.py").touch()
    (clone / "lectures" / "GLOSSARY.md").write_text("token: ...")
    (clone / "lectures" / "notes.ipynb").write_text("{}")
    workspace = Workspace(clone, clone / "my-course")
    assert workspace.deliver() == [
        Done("01_one", "new"),
        Done("02_two", "not built yet, skipped (make lectures L=02)"),
        Done("GLOSSARY.md", "new"),
    ]
    delivered = workspace.notebook("01_one")
    assert delivered.read_bytes() == (clone / "lectures" / "01_one.ipynb").read_bytes()
    assert nb.is_trusted(nb.read(delivered))
    assert not (workspace.folder / "notes.ipynb").exists()


def test_delivering_again_touches_nothing(copy: Workspace) -> None:
    edit(copy, "e1", ANSWER)
    before = everything(copy.folder)
    assert copy.deliver() == []
    assert everything(copy.folder) == before


def test_a_deleted_notebook_comes_back(copy: Workspace) -> None:
    copy.notebook("01_one").unlink()
    assert copy.deliver() == [Done("01_one", "new")]


def test_a_new_version_is_announced_and_not_brought_in_unasked(copy: Workspace, publish: Callable[..., None]) -> None:
    publish([("m0", "Preface"), *LECTURE])
    before = everything(copy.folder)
    assert copy.deliver() == [Done("01_one", "a new version is there: `lilllm course update` brings it in")]
    assert everything(copy.folder) == before


def test_update_keeps_answers_and_leaves_a_copy(copy: Workspace, publish: Callable[..., None]) -> None:
    edit(copy, "e1", ANSWER)
    before = copy.notebook("01_one").read_bytes()
    publish([("m0", "Preface"), *LECTURE])
    assert copy.update() == [Done("01_one", "updated: 1 answer kept; what you had is my-course/.backup/01_one.1.ipynb")]
    assert source_of(copy, "m0") == "Preface"
    assert source_of(copy, "e1") == ANSWER
    assert (copy.folder / ".backup" / "01_one.1.ipynb").read_bytes() == before
    assert copy.update() == [Done("01_one", "nothing new")]


def test_a_second_update_builds_on_the_first(copy: Workspace, publish: Callable[..., None]) -> None:
    edit(copy, "e1", ANSWER)
    publish([("m0", "Preface"), *LECTURE])
    copy.update()
    publish([("m0", "Preface, again"), *LECTURE])
    copy.update()
    assert (source_of(copy, "m0"), source_of(copy, "e1")) == ("Preface, again", ANSWER)
    assert sorted(path.name for path in (copy.folder / ".backup").iterdir()) == ["01_one.1.ipynb", "01_one.2.ipynb"]


def test_update_trusts_only_what_was_trusted(copy: Workspace, publish: Callable[..., None]) -> None:
    publish([("m0", "Preface"), *LECTURE])
    copy.update()
    assert nb.is_trusted(nb.read(copy.notebook("01_one")))
    edit(copy, "e1", ANSWER)  # from outside JupyterLab: nobody signed this
    publish(LECTURE)
    copy.update()
    assert not nb.is_trusted(nb.read(copy.notebook("01_one")))


def test_reset_keeps_answers_drops_the_rest_and_leaves_a_copy(copy: Workspace) -> None:
    edit(copy, "e1", ANSWER)
    edit(copy, "m1", "# Scribbles")
    done = copy.reset("1")
    assert done == Done("01_one", "restored: 1 answer kept; what you had is my-course/.backup/01_one.1.ipynb")
    assert (source_of(copy, "e1"), source_of(copy, "m1")) == (ANSWER, "# One")
    assert "# Scribbles" in (copy.folder / ".backup" / "01_one.1.ipynb").read_text()


def test_reset_with_answers_restores_byte_for_byte(copy: Workspace, clone: Path) -> None:
    edit(copy, "e1", ANSWER)
    copy.reset("01", answers=True)
    assert copy.notebook("01_one").read_bytes() == (clone / "lectures" / "01_one.ipynb").read_bytes()
    assert "x + 1" in (copy.folder / ".backup" / "01_one.1.ipynb").read_text()


@pytest.mark.parametrize("given", ["1", "01", "001", "01_one", "01_one.ipynb", " 1 "])
def test_names_of_a_lecture(copy: Workspace, given: str) -> None:
    assert copy.named(given) == "01_one"


@pytest.mark.parametrize(
    "given", ["2", "one", "", "../01_one", "/etc/passwd", "01_one/..", "1e0", "¹", "-1", "9" * 5000]
)
def test_names_of_no_lecture(copy: Workspace, given: str) -> None:
    before = everything(copy.folder)
    with pytest.raises(WorkspaceError, match="there are: 01_one"):
        copy.reset(given)
    assert everything(copy.folder) == before


BROKEN = {
    "half-written": b'{"cells": [{"cell_type": "code", "sou',
    "empty": b"",
    "not a notebook": b"[1, 2]",
    "a string": b'"x"',
    "no cells": b'{"nbformat": 4, "nbformat_minor": 5}',
    "not UTF-8": b"\xff\xfe\x00",
    "from the future": b'{"nbformat": 9, "nbformat_minor": 0, "metadata": {}, "cells": []}',
    "bad cell": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "pig"}]}',
    "deep": b"[" * 100_000,
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_notebook_is_named_and_left_alone(copy: Workspace, publish: Callable[..., None], data: bytes) -> None:
    copy.notebook("01_one").write_bytes(data)
    publish([("m0", "Preface"), *LECTURE])
    assert copy.deliver()[0].what.startswith("01_one.ipynb ")
    assert copy.update()[0].what.startswith("left alone: 01_one.ipynb ")
    assert "01_one.ipynb" in copy.status()[0].note
    with pytest.raises(WorkspaceError, match="--answers"):
        copy.reset("1")
    assert copy.notebook("01_one").read_bytes() == data
    assert "\n" not in copy.update()[0].what
    copy.reset("1", answers=True)
    assert (copy.folder / ".backup" / "01_one.1.ipynb").read_bytes() == data
    assert nb.read(copy.notebook("01_one")).cells[0].source == "Preface"


def test_without_a_record_update_leaves_the_notebook_alone(copy: Workspace, publish: Callable[..., None]) -> None:
    edit(copy, "e1", ANSWER)
    (copy.state / "original" / "01_one.ipynb").unlink()
    before = copy.notebook("01_one").read_bytes()
    publish([("m0", "Preface"), *LECTURE])
    assert "no record" in copy.update()[0].what
    assert copy.notebook("01_one").read_bytes() == before
    copy.reset("1")
    assert (source_of(copy, "m0"), source_of(copy, "e1")) == ("Preface", ANSWER)


def test_a_lecture_that_is_broken_in_the_clone_changes_nothing(copy: Workspace, clone: Path) -> None:
    (clone / "lectures" / "01_one.ipynb").write_text("{")
    before = everything(copy.folder)
    with pytest.raises(WorkspaceError, match="make lectures L=01"):
        copy.update()
    assert everything(copy.folder) == before


def test_status_counts_the_exercises_that_were_written_in(copy: Workspace) -> None:
    assert copy.status()[0][:3] == ("01_one", 2, 0)
    edit(copy, "e1", ANSWER)
    edit(copy, "m1", "# Mine")
    assert copy.status()[0][:3] == ("01_one", 2, 1)


def test_glossary_is_updated_unless_the_learner_wrote_in_it(copy: Workspace, clone: Path) -> None:
    course, mine = clone / "lectures" / "GLOSSARY.md", copy.folder / "GLOSSARY.md"
    course.write_text("one")
    copy.deliver()
    course.write_text("two")
    assert copy.update()[-1] == Done("GLOSSARY.md", "updated")
    mine.write_text("two, and mine")
    course.write_text("three")
    assert copy.update()[-1].what.startswith("left alone: you changed it")
    assert mine.read_text() == "two, and mine"


def test_opens_the_lecture_last_written_in(copy: Workspace, publish: Callable[..., None]) -> None:
    publish(LECTURE, name="02_two")
    copy.deliver()
    assert copy.last_worked_on() == "01_one"
    path = copy.notebook("02_two")
    path.write_text(path.read_text().replace("# One", "# Two"))
    assert copy.last_worked_on() == "02_two"


def test_a_crash_while_writing_leaves_the_old_file_and_no_other(
    copy: Workspace, publish: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(copy, "e1", ANSWER)
    before = everything(copy.folder)
    publish([("m0", "Preface"), *LECTURE])

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space"):
        copy.update()
    assert everything(copy.folder) == before


def test_without_a_place_for_signatures_the_lectures_are_delivered_all_the_same(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "file" / "below"))
    workspace = Workspace(clone, clone / "my-course")
    assert [done.name for done in workspace.deliver()] == ["01_one", "01_one"]
    assert workspace.notebook("01_one").is_file()


@pytest.mark.skipif(os.name != "posix", reason="modes are a posix matter")
def test_modes_follow_the_umask_and_an_existing_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        nb.write_whole(tmp_path / "new", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640
    (tmp_path / "new").chmod(0o600)
    nb.write_whole(tmp_path / "new", b"y")
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o600


def test_folders_that_may_not_be_a_working_copy(clone: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    bad = [clone, tmp_path, Path("/"), clone / "lectures", clone / "lectures" / "deep", clone / ".git" / "x"]
    for folder in [*bad, tmp_path / "letter.txt", tmp_path / "home", clone / "my-course" / ".." / "lectures"]:
        with pytest.raises(WorkspaceError, match="name a new folder"):
            Workspace(clone, folder)
    for folder in (clone, tmp_path, Path("/")):
        with pytest.raises(WorkspaceError, match="holds the repository itself"):
            Workspace(clone, folder)
    (tmp_path / "link").symlink_to(clone / "lectures")
    with pytest.raises(WorkspaceError, match="inside lectures/"):
        Workspace(clone, tmp_path / "link")
    Workspace(clone, tmp_path / "new" / "deep")
    assert not (tmp_path / "new").exists()


def test_nothing_is_made_by_asking(clone: Path) -> None:
    workspace = Workspace(clone, clone / "my-course")
    for ask in (workspace.status, workspace.update, lambda: workspace.reset("1")):
        with pytest.raises(WorkspaceError, match="lilllm course start"):
            ask()
    assert not workspace.folder.exists()


def test_finds_the_clone_from_inside_and_says_what_comes_with_one(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (clone / "my-course" / "deep").mkdir(parents=True)
    assert find_clone(clone / "my-course" / "deep") == clone.resolve()
    monkeypatch.setattr("lilllm.__file__", str(tmp_path / "site-packages" / "lilllm" / "__init__.py"))
    with pytest.raises(NotACloneError, match="lectures, viewer and traces come with a clone"):
        find_clone(tmp_path)


def test_the_working_copy_holds_plain_notebooks(copy: Workspace) -> None:
    edit(copy, "e1", ANSWER)
    copy.reset("1")
    data = json.loads(copy.notebook("01_one").read_text(encoding="utf-8"))
    assert data["metadata"] == {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
