"""Each fault that the check is there for, planted once in lectures that were fine."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from nbformat.v4 import new_output

from lilllm.lectures.check import check_folder, check_lecture
from lilllm.lectures.files import Lecture
from lilllm.lectures.measured import Measured
from lilllm.lectures.normalise import dump
from lilllm.lectures.stamp import cells_hash, file_hash, make_stamp, put_stamp, read_notebook
from tests.lectures.conftest import GOOD, KERNEL, run

pytestmark = KERNEL
QUICK = Measured(1.0, 100, "a machine")


def stamped(lecture: Lecture, change: Callable[[Any], None]) -> None:
    """Change the built notebook so that only the fault itself is wrong with it."""
    notebook = read_notebook(lecture.notebook)
    change(notebook)
    put_stamp(notebook, make_stamp(lecture, notebook, lecture.trace))
    lecture.notebook.write_text(dump(notebook), encoding="utf-8")


def problems(lecture: Lecture, measured: Measured | None = QUICK) -> str:
    return "\n".join(check_lecture(lecture, measured))


def test_nothing_is_wrong_with_a_fresh_build(words: Lecture) -> None:
    said = run(words.root, "check")
    assert (said.returncode, said.stderr) == (0, "")
    assert "1 lecture checked, 0 problems" in said.stdout


def test_a_source_that_changed(words: Lecture) -> None:
    words.source.write_text(GOOD.replace("len(words)", "len(words) + 1"), encoding="utf-8")
    said = run(words.root, "check")
    assert said.returncode == 1
    assert (
        "01_words.ipynb is not of 01_words.py: they differ from cell 6 on; run `lilllm lectures build 01`"
        in said.stderr
    )


def test_a_notebook_that_was_edited(words: Lecture) -> None:
    text = words.notebook.read_text(encoding="utf-8")
    words.notebook.write_text(text.replace("cut in two", "cut in three"), encoding="utf-8")
    assert problems(words) == (
        "01_words.ipynb was edited after it was built; put edits into 01_words.py and run `lilllm lectures build 01`"
    )


def test_a_trace_of_another_run(words: Lecture) -> None:
    words.trace.write_bytes(gzip.compress(gzip.decompress(words.trace.read_bytes()), 1))
    assert "01_words.trace.jsonl.gz is not of the run that made 01_words.ipynb" in problems(words)
    words.trace.unlink()
    assert "there is no 01_words.trace.jsonl.gz" in problems(words)


def test_a_trace_that_breaks_off_or_does_not_load(words: Lecture) -> None:
    lines = gzip.decompress(words.trace.read_bytes()).splitlines(keepends=True)
    words.trace.write_bytes(gzip.compress(b"".join(lines[:-1])))
    stamped(words, lambda notebook: None)
    assert "is not whole" in problems(words)
    words.trace.write_bytes(b"nothing")
    stamped(words, lambda notebook: None)
    assert "does not load" in problems(words)


def test_a_trace_that_shows_an_older_file(words: Lecture) -> None:
    text = gzip.decompress(words.trace.read_bytes()).replace(b"About words", b"About worms")
    words.trace.write_bytes(gzip.compress(text))
    stamped(words, lambda notebook: None)
    assert "shows lectures/01_words.py as it was before it changed" in problems(words)


def test_a_trace_that_shows_a_path_of_the_machine(words: Lecture) -> None:
    text = gzip.decompress(words.trace.read_bytes())
    assert b'"text":"three"' in text
    words.trace.write_bytes(gzip.compress(text.replace(b'"text":"three"', b'"text":"/home/anna/three"')))
    stamped(words, lambda notebook: None)
    assert "01_words.trace.jsonl.gz shows a path of the machine: '/home/anna'" in problems(words)


def test_a_comment_that_becomes_a_magic(words: Lecture) -> None:
    words.source.write_text(GOOD.replace("comment_magics: false", "comment_magics: true"), encoding="utf-8")
    found = problems(words)
    assert "cell 3: `ls of what there is` is not a line of 01_words.py: a comment was turned into a magic" in found
    assert "jupytext's header lacks `comment_magics: false`" in found


def test_a_magic_in_the_source(words: Lecture) -> None:
    words.source.write_text(GOOD.replace("len(words)", "%time len(words)"), encoding="utf-8")
    assert "cell 6: `%time len(words)` is a magic" in problems(words)


def test_a_formula_that_does_not_convert(words: Lecture) -> None:
    words.source.write_text(GOOD.replace("$n^2$", r"$\frac{1}{$"), encoding="utf-8")
    assert re.search(r"cell 1: the formula `.*\\frac\{1\}\{.*` does not convert", problems(words))


def test_a_budget_that_is_not_kept(words: Lecture) -> None:
    assert problems(words, Measured(61.0, 100, "a slow machine")) == "it took 61 s; its budget is 60 s (a slow machine)"
    assert problems(words, Measured(1.0, 1001, "a machine")) == "it took 1.001 GB; its budget is 1 GB (a machine)"
    busy = Measured(1.0, 100, "a machine", flops=2, moved=8)  # its header names neither
    assert problems(words, busy) == (
        "torch did 2 FLOP; its budget is 0 FLOP (a machine)\ntorch moved 8 B; its budget is 0 B (a machine)"
    )
    assert "measured.json has no figures of it" in problems(words, None)


def test_a_cell_that_was_not_run(words: Lecture) -> None:
    def forget(notebook: Any) -> None:
        notebook.cells[-1].execution_count = None

    stamped(words, forget)
    assert "cell 6 was not run" in problems(words)


def test_a_cell_that_ends_in_an_error(words: Lecture) -> None:
    error = new_output("error", ename="KeyError", evalue="'x'", traceback=[])

    def fail(notebook: Any) -> None:
        notebook.cells[-1].outputs = [error]

    stamped(words, fail)
    assert "cell 6 ends in KeyError: 'x'" in problems(words)


def test_an_escape_without_a_reason_and_too_many_of_them(words: Lecture) -> None:
    text = GOOD.replace("len(words)", "# NBVAL_IGNORE_OUTPUT\nlen(words)")
    words.source.write_text(text, encoding="utf-8")

    def mark(notebook: Any) -> None:
        notebook.cells[-1].source = "# NBVAL_IGNORE_OUTPUT\nlen(words)"

    stamped(words, mark)
    found = problems(words)
    assert "cell 6: its output is not compared, and no line `# Reason: ...` in it says why" in found
    assert "the outputs of 1 of 4 code cells are not compared; at most 5% may be" in found


def test_pairing_metadata(words: Lecture) -> None:
    stamped(words, lambda notebook: notebook.metadata.update(jupytext={"formats": "ipynb,py:percent"}))
    assert "holds pairing metadata" in problems(words)


@pytest.mark.parametrize("lost", ["Napkin question", "Napkin answer"])
def test_a_napkin_that_is_lost(words: Lecture, lost: str) -> None:
    words.source.write_text(GOOD.replace(lost, "Something else"), encoding="utf-8")
    assert f"there is no *{lost}*" in problems(words)


def test_a_broken_notebook_is_a_sentence(words: Lecture) -> None:
    words.notebook.write_text('{"nbformat": 3}', encoding="utf-8")
    assert "01_words.ipynb cannot be read (it is not a notebook of version 4): build it again" in problems(words)
    words.notebook.unlink()
    assert "there is no 01_words.ipynb: build it" in problems(words)


def test_files_that_belong_to_no_lecture(words: Lecture) -> None:
    (words.root / "lectures" / "notes.py").write_text("", encoding="utf-8")
    (words.root / "lectures" / "03_gone.ipynb").write_text("{}", encoding="utf-8")
    (words.root / "traces" / "03_gone.trace.jsonl.gz").write_bytes(b"")
    assert check_folder(words.root) == [
        "lectures/03_gone.ipynb: there is no 03_gone.py; delete it or bring the source back",
        "lectures/notes.py: a lecture is named NN_topic.py",
        "traces/03_gone.trace.jsonl.gz: there is no lecture of this name; delete it or bring the source back",
    ]


def test_what_the_user_gets_wrong_is_one_line_and_exit_code_2(words: Lecture) -> None:
    said = run(words.root, "build", "7")
    assert said.returncode == 2
    assert said.stderr == "lilllm: there is no lecture '7': give a number such as 01 or a name of: 01_words\n"
    (words.root / "lectures" / "01_twin.py").write_text(GOOD, encoding="utf-8")
    said = run(words.root, "list")
    assert said.returncode == 2
    assert "two lectures have one number" in said.stderr
    (words.root / "lectures" / "01_twin.py").unlink()
    (words.root / "lectures" / "measured.json").write_text('{"01_words": 3}', encoding="utf-8")
    said = run(words.root, "check")
    assert said.returncode == 2
    assert "is not what the build writes" in said.stderr


def test_the_stamp_ties_the_pair(words: Lecture) -> None:
    notebook = json.loads(words.notebook.read_text(encoding="utf-8"))
    stamp = notebook["metadata"]["lilllm"]
    assert stamp["trace"] == file_hash(words.trace)
    assert stamp["cells"] == cells_hash(read_notebook(words.notebook))
    assert "jupytext" not in notebook["metadata"]
