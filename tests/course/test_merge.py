"""Base, mine and new made one: what the learner did and what the lecture became, cell by cell."""

from __future__ import annotations

import nbformat
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm.course.merge import align, merge
from lilllm.course.notebook import check_name
from tests.course.conftest import LECTURE, Cells, make_notebook


def sources(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


def changed(cells: Cells, **texts: str) -> Cells:
    return [(cell_id, texts.get(cell_id, source)) for cell_id, source in cells]


ANSWER = "def f(x):\n    return x + 1\n\ncheck('one.f', f)"


def test_an_answer_stays_when_the_lecture_around_it_changes() -> None:
    new = [("m9", "# One, better"), ("c9", "import os"), *LECTURE[1:]]
    merged = merge(*map(make_notebook, (LECTURE, changed(LECTURE, e1=ANSWER), new)))
    assert sources(merged.notebook) == ["# One, better", "import os", LECTURE[1][1], "Now you.", ANSWER, LECTURE[4][1]]
    assert (merged.answers, merged.edits, merged.added, merged.beside) == (1, 0, 0, 0)
    nbformat.validate(merged.notebook)


def test_an_answer_is_found_by_its_check_when_ids_have_moved() -> None:
    # Ids of a build follow position: in the new lecture "e1" is now another exercise, and "e2" is where f went.
    new = [("m1", "# One"), ("e1", "def h(x):\n    ...\n\ncheck('one.h', h)"), ("e2", LECTURE[3][1])]
    merged = merge(*map(make_notebook, (LECTURE, changed(LECTURE, e1=ANSWER), new)))
    assert sources(merged.notebook) == ["# One", new[1][1], ANSWER]


def test_an_answer_stays_when_the_exercise_has_new_text_and_that_is_said() -> None:
    new = changed(LECTURE, e1="def f(x):  # x >= 0\n    ...\n\ncheck('one.f', f)")
    merged = merge(*map(make_notebook, (LECTURE, changed(LECTURE, e1=ANSWER), new)))
    assert sources(merged.notebook)[3] == ANSWER
    assert (merged.answers, merged.renewed) == (1, 1)


def test_an_answer_whose_exercise_is_gone_stands_where_it_stood() -> None:
    new = [cell for cell in LECTURE if cell[0] != "e1"]
    merged = merge(*map(make_notebook, (LECTURE, changed(LECTURE, e1=ANSWER), new)))
    assert sources(merged.notebook) == [LECTURE[0][1], LECTURE[1][1], "Now you.", ANSWER, LECTURE[4][1]]
    assert merged.beside == 1


def test_the_learners_own_cells_follow_the_cell_they_followed() -> None:
    mine = [("xa", "first = 1"), LECTURE[0], LECTURE[1], ("mx", "my note"), *LECTURE[2:], ("xb", "last = 2")]
    new = [("m0", "Preface"), *LECTURE]
    merged = merge(*map(make_notebook, (LECTURE, mine, new)))
    assert sources(merged.notebook) == [
        "first = 1",
        "Preface",
        "# One",
        LECTURE[1][1],
        "my note",
        "Now you.",
        LECTURE[3][1],
        LECTURE[4][1],
        "last = 2",
    ]
    assert merged.added == 3


def test_an_own_cell_with_a_lecture_cells_id_gets_another_id() -> None:
    mine = [*LECTURE, ("c7", "mine = 1")]
    new = [*LECTURE, ("c7", "theirs = 1")]
    merged = merge(*map(make_notebook, (LECTURE, mine, new)))
    ids = [cell.id for cell in merged.notebook.cells]
    assert len(set(ids)) == len(ids) == 7
    assert next(cell.source for cell in merged.notebook.cells if cell.id == "c7") == "theirs = 1"


def test_a_cell_changed_on_both_sides_keeps_both() -> None:
    mine = changed(LECTURE, c1="import sys\nprint(sys.version)")
    new = changed(LECTURE, c1="import sys\nprint(sys.executable, sys.path)")
    merged = merge(*map(make_notebook, (LECTURE, mine, new)))
    assert sources(merged.notebook)[1:3] == [new[1][1], mine[1][1]]
    assert (merged.edits, merged.beside) == (0, 1)


def test_an_edit_of_prose_stays_where_the_lecture_did_not_change() -> None:
    merged = merge(*map(make_notebook, (LECTURE, changed(LECTURE, m2="My words."), changed(LECTURE, m1="# Uno"))))
    assert sources(merged.notebook) == ["# Uno", LECTURE[1][1], "My words.", LECTURE[3][1], LECTURE[4][1]]
    assert merged.edits == 1


def test_a_deleted_cell_stays_away_until_the_lecture_changes_it() -> None:
    mine = [cell for cell in LECTURE if cell[0] not in ("c1", "m2")]
    new = changed(LECTURE, c1="import sys\nprint(sys.executable)  # which Python runs this")
    assert sources(merge(*map(make_notebook, (LECTURE, mine, new))).notebook) == [
        "# One",
        new[1][1],
        LECTURE[3][1],
        LECTURE[4][1],
    ]


def test_reset_takes_the_answers_and_nothing_else() -> None:
    mine = [*changed(LECTURE, e1=ANSWER, m1="# Mine")[:-1], ("x1", "extra = 1")]
    merged = merge(*map(make_notebook, (LECTURE, mine, LECTURE)), answers_only=True)
    assert sources(merged.notebook) == sources(make_notebook(changed(LECTURE, e1=ANSWER)))
    assert (merged.answers, merged.edits, merged.added, merged.beside) == (1, 0, 0, 0)


def test_notebooks_without_ids_merge_by_check_and_likeness() -> None:
    mine = make_notebook(changed(LECTURE, e1=ANSWER, c1="import sys\nprint(sys.executable)  # mine"))
    mine.nbformat_minor = 4
    for cell in mine.cells:
        del cell["id"]
    merged = merge(make_notebook(LECTURE), mine, make_notebook(changed(LECTURE, m1="# Uno")))
    assert sources(merged.notebook) == ["# Uno", mine.cells[1].source, "Now you.", ANSWER, LECTURE[4][1]]
    nbformat.validate(merged.notebook)


def test_outputs_of_an_answer_come_along() -> None:
    mine = make_notebook(changed(LECTURE, e1=ANSWER))
    mine.cells[3].outputs = [nbformat.v4.new_output("stream", name="stdout", text="right\n")]
    merged = merge(make_notebook(LECTURE), mine, make_notebook(changed(LECTURE, m1="# Uno")))
    assert merged.notebook.cells[3].outputs[0].text == "right\n"
    assert merged.notebook.cells[3].metadata.tags == ["exercise"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ('check("bpe.merge", f)', "bpe.merge"),
        ("score = check(\n    'x', f)", "x"),
        ("check(merge, f)", "merge"),
        ("recheck('x')", None),
        ("check()", None),
    ],
)
def test_check_name(source: str, name: str | None) -> None:
    assert check_name({"source": source}) == name


def test_the_name_in_the_metadata_comes_first() -> None:
    assert check_name({"source": "check('x', f)", "metadata": {"exercise": "topic.y"}}) == "topic.y"
    assert check_name({"source": "check('x', f)", "metadata": {"exercise": ["odd"]}}) == "x"


WORDS = st.integers(0, 10**9).map(lambda number: f"text {number}")


@st.composite
def edits(draw: st.DrawFn, *, side: str) -> Cells:
    """LECTURE with cells dropped, rewritten and put in; every new text is unlike any other."""
    cells: Cells = []
    for cell in LECTURE:
        what = draw(st.sampled_from(["keep", "keep", "change", "drop", "insert"]))
        if what != "drop":
            cells.append(cell if what != "change" else (cell[0], f"{cell[1]}\n# {side} {draw(WORDS)}"))
        if what == "insert":
            cells.append((f"x{side}{len(cells)}", f"{side} {draw(WORDS)}"))
    return cells


@settings(deadline=None)  # a busy machine is no failure
@given(edits(side="new"))
def test_whoever_changed_nothing_gets_the_new_lecture(new: Cells) -> None:
    merged = merge(*map(make_notebook, (LECTURE, LECTURE, new)))
    assert sources(merged.notebook) == [source for _, source in new]
    assert merged.summary() == ""


@settings(deadline=None)  # a busy machine is no failure
@given(edits(side="mine"))
def test_a_lecture_that_did_not_change_leaves_everything_as_it_is(mine: Cells) -> None:
    merged = merge(*map(make_notebook, (LECTURE, mine, LECTURE)))
    assert sources(merged.notebook) == [source for _, source in mine]


@settings(deadline=None)  # a busy machine is no failure
@given(edits(side="mine"), edits(side="new"))
def test_nothing_that_anyone_wrote_is_lost(mine: Cells, new: Cells) -> None:
    merged = merge(*map(make_notebook, (LECTURE, mine, new)))
    texts = sources(merged.notebook)
    assert {source for _, source in mine if "mine text" in source} <= set(texts)
    answered = {cell_id for cell_id, source in mine if "mine text" in source}
    assert {s for i, s in new if "new text" in s and not (i[0] == "e" and i in answered)} <= set(texts)
    assert len({cell.id for cell in merged.notebook.cells}) == len(texts)
    nbformat.validate(merged.notebook)


def test_align_pairs_each_cell_once() -> None:
    same = [("c1", "x = 1"), ("c2", "x = 1"), ("c3", "x = 1")]
    pairs = align(make_notebook(same).cells, make_notebook(same[:2]).cells, ids=False)
    assert len(set(pairs.values())) == len(pairs) == 2
