"""How far the reader is and where to go on; what a lecture asks; and that the plan's needs make a map."""

from __future__ import annotations

import doctest
import json
import sqlite3
from pathlib import Path

import pytest

import lilllm.course.asked
import lilllm.course.plan
import lilllm.course.progress
from lilllm.course.asked import Asked, asked
from lilllm.course.plan import LECTURES
from lilllm.course.progress import Course, Kept, read_course, read_kept, standing
from lilllm.course.record import Exercise, Guess, Record

ROOT = Path(__file__).resolve().parents[2]
SOURCE = """# %% [markdown]
# # 01 Text
#
# A cell of prose may say tags=["exercise"] exercise="none.of_it" and predict("that").

# %%
pieces = predict(
    "How many pieces? (a guess)",
    choices=["1", "4"],
)
words = predict(f"How many of {len(x):,} words, and {n}?", unit="words")
predict(question)
other.predict("no question")

# %%
# %time predict("in a cell that is no Python")
!predict("x")

# %% tags=["exercise"] exercise="text.bytes"
def f(x): ...


check("text.bytes", f)

# %% tags=["hard", "exercise"] exercise="text.words"
check("text.words", g)
"""


def clone(folder: Path, *names: str) -> Path:
    """A clone with these lectures built; each has two exercises, NUMBER.one and NUMBER.two."""
    (folder / "lectures").mkdir(parents=True, exist_ok=True)
    for name in names:
        exercise = '# %% tags=["exercise"] exercise="n{}.{}"\ncheck(...)\n'
        text = "".join(exercise.format(name[:2], which) for which in ("one", "two"))
        (folder / "lectures" / f"{name}.py").write_text(f'# %%\npredict("Why {name[:2]}?")\n\n{text}')
        (folder / "lectures" / f"{name}.ipynb").touch()
    return folder


def names(*numbers: int) -> list[str]:
    return [LECTURES[number - 1].name for number in numbers]


# --------------------------------------------------------------------------------------------------------- the plan


def test_what_a_lecture_needs_comes_before_it_and_nothing_is_said_twice() -> None:
    before: dict[str, set[str]] = {}
    for lecture in LECTURES:
        assert len(set(lecture.needs)) == len(lecture.needs)
        assert set(lecture.needs) <= set(before), f"{lecture.name} needs what comes after it"
        farther = set().union(*(before[need] for need in lecture.needs))
        assert not set(lecture.needs) & farther, f"{lecture.name} names what its needs need already"
        before[lecture.name] = set(lecture.needs) | farther
    assert before["24_reasoning"] >= set(names(1, 2, 3, 4, 5, 6, 7, 8, 9, 19, 20, 21, 22, 23))
    assert before["22_reinforcement_learning"] == set(names(2, 3, 4))
    assert before["11_flash_attention"] == set(names(2, 3, 5))


def test_the_docstrings_hold() -> None:
    for module in (lilllm.course.asked, lilllm.course.plan, lilllm.course.progress):
        result = doctest.testmod(module)
        assert result.failed == 0
        assert result.attempted > 0


# ------------------------------------------------------------------------------------------------ what a lecture asks


def test_exercises_and_questions_are_read_from_the_source(tmp_path: Path) -> None:
    (tmp_path / "lectures").mkdir()
    path = tmp_path / "lectures" / "01_text.py"
    path.write_text(SOURCE)
    found = asked(tmp_path, "01_text")
    assert found.exercises == ("text.bytes", "text.words")
    kept = Kept(
        guesses=(
            Guess("a", "How many pieces? (a guess)", "4"),
            Guess("b", "How many of 1,024 words, and 3?", 7),
            Guess("c", "How many of 99 words, and 3?", 7),  # the same question, of another version of the text
            Guess("d", "How many pieces? (a guess) ", "4"),
        )
    )
    here = standing(LECTURES[0], found, kept)
    assert (here.questions, here.guessed) == (2, 2)
    path.write_text(SOURCE.replace("text.words", "text.longer_words"))
    assert asked(tmp_path, "01_text").exercises == ("text.bytes", "text.longer_words"), "a new file is read anew"


def test_a_clone_with_the_notebook_alone_is_read_from_it_and_what_is_no_lecture_asks_nothing(tmp_path: Path) -> None:
    (tmp_path / "lectures").mkdir()
    cell = {"cell_type": "code", "source": ["check('one.f', f)"], "metadata": {"tags": ["exercise"]}}
    question = {"cell_type": "code", "source": ["predict('Why?')"], "metadata": {}}
    (tmp_path / "lectures" / "01_one.ipynb").write_text(json.dumps({"cells": [cell, question]}))
    assert asked(tmp_path, "01_one") == Asked(("one.f",), ("Why\\?",))
    for text in ("[]", "{broken", "\udcff"):
        (tmp_path / "lectures" / "02_two.ipynb").write_text(text, errors="surrogateescape")
        assert asked(tmp_path, "02_two") == Asked()
    assert asked(tmp_path, "03_three") == Asked()


def test_every_lecture_names_its_exercises_as_its_notebook_does() -> None:
    from lilllm.course import notebook as nb

    for path in sorted((ROOT / "lectures").glob("[0-9][0-9]_*.ipynb")):
        cells = nb.read(path).cells
        assert list(asked(ROOT, path.stem).exercises) == [nb.check_name(cell) for cell in cells if nb.is_exercise(cell)]
        assert asked(ROOT, path.stem).questions


# ------------------------------------------------------------------------------------------------------- standing


def test_solved_tried_and_helped_are_counted_by_lecture() -> None:
    kept = Kept(
        {
            "a.one": Exercise("a.one", "solved", 3, 2, False),
            "a.two": Exercise("a.two", "wrong", 1, 0, True),
            "a.three": Exercise("a.three", "solved", 1, 0, False),
            "b.one": Exercise("b.one", "solved", 1, 1, False),  # another lecture's
        }
    )
    here = standing(LECTURES[0], Asked(("a.one", "a.two", "a.three", "a.four")), kept)
    assert (here.exercises, here.solved, here.tried, here.helped) == (4, 2, 1, 2)
    assert here.marks == ["2 of 4 exercises solved", "1 tried", "2 with help"]
    assert here.begun
    assert not here.done
    alone = standing(LECTURES[0], Asked(("a.three",)), kept)
    assert alone.done
    assert alone.marks == ["1 of 1 exercise solved"]
    assert not standing(LECTURES[0], Asked(), kept).done, "nothing in it to solve, so nothing says that it was read"
    assert not standing(LECTURES[0], Asked(), kept, built=False).settled


def test_a_lecture_waits_for_none_that_has_nothing_to_solve() -> None:
    """It can never be done, and whoever has read it may go on."""
    after = next(lecture for lecture in LECTURES if lecture.needs)
    before = next(lecture for lecture in LECTURES if lecture.name == after.needs[0])
    for needed, waits in ((Asked(), []), (Asked(("a.one",)), [before])):
        course = Course((standing(before, needed, Kept()), standing(after, Asked(("b.one",)), Kept())))
        assert course.waits_for(course.lectures[1]) == waits


# ------------------------------------------------------------------------------------------------------ where to go on


def test_one_goes_on_at_the_first_that_is_not_done_and_whose_needs_are(tmp_path: Path) -> None:
    root, record = clone(tmp_path, *names(1, 2, 3, 5)), Record(tmp_path / "home")

    def solve(*exercises: str) -> str:
        for exercise in exercises:
            record.tried(exercise, "solved")
        return read_course(root, record).where

    assert solve() == "Begin with 01 tokenization."
    record.guessed("key", "Why 01?", "so", None)
    assert solve() == "Go on with 01 tokenization: 1 of 1 prediction made."
    assert solve("n01.one") == "Go on with 01 tokenization: 1 of 2 exercises solved, 1 of 1 prediction made."
    assert solve("n01.two") == "Next: 02 tensors."
    assert solve("n03.one", "n03.two") == "Next: 02 tensors.", "a lecture done before its time stays done"
    course = read_course(root, record)
    assert [one.name for one in course.waits_for(course.lectures[2])] == ["02_tensors"]
    assert solve("n02.one", "n02.two") == "Next: 05 attention."
    assert solve("n05.one", "n05.two") == (
        "Every exercise that there is, you have solved. 04 optimizers is the next to be written."
    )
    assert read_course(root, record).go_on is None


def test_a_later_lecture_that_is_ready_goes_before_an_earlier_one_that_is_not(tmp_path: Path) -> None:
    root, record = clone(tmp_path, *names(2, 3, 4, 7, 22)), Record(tmp_path / "home")
    for number in ("02", "03", "04"):
        for which in ("one", "two"):
            record.tried(f"n{number}.{which}", "solved")
    assert read_course(root, record).where == "Next: 22 reinforcement learning.", "07 needs 06, which is not written"


def test_a_lecture_whose_needs_are_not_written_yet_is_still_one_to_go_on_with(tmp_path: Path) -> None:
    course = read_course(clone(tmp_path, *names(11)), Record(tmp_path / "home"))
    assert course.where == "Begin with 11 flash attention."
    assert [one.name for one in course.waits_for(course.lectures[10])] == ["05_attention"]


def test_a_lecture_without_exercises_holds_nobody_up(tmp_path: Path) -> None:
    root = clone(tmp_path, *names(1, 2))
    (root / "lectures" / "01_tokenization.py").write_text("# %%\nx = 1\n")
    assert read_course(root, Record(tmp_path / "home")).where == "Begin with 02 tensors."


def test_where_nothing_is_built_nothing_is_said(tmp_path: Path) -> None:
    course = read_course(tmp_path, Record(tmp_path / "home"))
    assert (course.where, course.go_on, course.note) == ("", None, "")
    assert len(course.lectures) == 26


# ---------------------------------------------------------------------------------------------------------- the record


def test_no_record_is_no_note_and_one_that_is_not_kept_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_kept(Record(tmp_path / "none")) == Kept()
    monkeypatch.setenv("LILLLM_HOME", "")
    assert read_kept().note == "Nothing is kept of what you do: LILLLM_HOME is empty."
    monkeypatch.setenv("LILLLM_HOME", str(tmp_path))
    Record().tried("n01.one", "wrong")
    assert read_course(clone(tmp_path, *names(1))).lectures[0].tried == 1, "the reader's own is the default"
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("harm", "said"),
    [("broken", "move it away to begin anew"), ("newer", "written by a newer lilllm"), ("folder", "cannot be read")],
)
def test_a_record_that_cannot_be_read_is_told_and_the_course_still_shown(tmp_path: Path, harm: str, said: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    file = home / "progress.sqlite3"
    if harm == "broken":
        file.write_bytes(b"no record" * 200)
    elif harm == "folder":
        file.mkdir()
    else:
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA user_version = 99")
        connection.close()
    course = read_course(clone(tmp_path, *names(1)), Record(home))
    assert course.note.startswith("Your progress is not shown: ")
    assert said in course.note
    assert course.where == "Begin with 01 tokenization."
