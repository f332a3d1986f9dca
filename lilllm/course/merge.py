"""A new version of a lecture and a learner's own notebook, made one.

Three notebooks go in: ``base`` as it was delivered, ``mine`` as the learner has it, ``new`` as the lecture is now.
What changed between base and mine is the learner's and stays; what changed between base and new comes in.

Read in order:  align   (which cell of one notebook is which of another)
                merge   (the three made one, with a count of what was kept)
Conventions:    an exercise cell changed by the learner is an *answer* and always wins its cell; another cell
                changed on both sides takes the lecture's text, and the learner's version stands right below it.
"""

from __future__ import annotations

import copy
import uuid
from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from nbformat.notebooknode import NotebookNode

from lilllm.course.notebook import check_name, is_exercise

Cell = Any  # nbformat's NotebookNode: a dict with attributes
_SIMILAR = 0.5  # SequenceMatcher's ratio from which a replaced cell counts as the same cell with new text


@dataclass
class Merged:
    """The notebook, and what of the learner's is in it."""

    notebook: NotebookNode
    answers: int = 0  # changed exercise cells that kept their place
    edits: int = 0  # other changed cells that kept their place
    added: int = 0  # cells the learner added
    beside: int = 0  # changed cells that now stand below the lecture's own text, or whose lecture cell is gone
    renewed: int = 0  # answers whose exercise has a new text in the lecture

    def summary(self) -> str:
        """What was kept, in words.

        >>> Merged(NotebookNode(), answers=1, added=2).summary()
        '1 answer kept, 2 cells of yours kept'
        """
        said = [
            _count(self.answers, "answer kept", "answers kept"),
            _count(self.edits, "edited cell kept", "edited cells kept"),
            _count(self.added, "cell of yours kept", "cells of yours kept"),
            _count(self.beside, "edited cell stands below the new text", "edited cells stand below the new text"),
            _count(self.renewed, "answered exercise has a new text", "answered exercises have a new text"),
        ]
        return ", ".join(part for part in said if part)


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""


def same_text(left: Cell, right: Cell) -> bool:
    """Whether two cells say the same; outputs and metadata do not count."""
    return bool(left["cell_type"] == right["cell_type"] and left["source"] == right["source"])


def align(old: Sequence[Cell], young: Sequence[Cell], *, ids: bool) -> dict[int, int]:
    """Which cell of ``young`` is which of ``old``, by index; a cell without a partner is left out.

    Exercises pair by the name of their check, cells with the same text by the longest common order, and what was
    replaced in place by likeness. With ``ids`` the cell ids come first: they last from a delivered notebook to the
    learner's (editors keep them), not from one build of a lecture to the next, where they follow position and text.
    """
    pairs: dict[int, int] = {}

    def pair_by(key: Callable[[Cell], Hashable | None], wanted: Callable[[Cell], bool]) -> None:
        taken = set(pairs.values())
        waiting = defaultdict(list)
        for j, cell in enumerate(young):
            if j not in taken and wanted(cell) and key(cell) is not None:
                waiting[key(cell)].append(j)
        for i, cell in enumerate(old):
            if i not in pairs and wanted(cell) and waiting.get(key(cell)):
                pairs[i] = waiting[key(cell)].pop(0)

    def id_of(cell: Cell) -> Hashable | None:
        found: str | None = cell.get("id")
        return found

    if ids:
        pair_by(id_of, lambda cell: True)
    pair_by(check_name, is_exercise)

    left = [i for i in range(len(old)) if i not in pairs]
    taken = set(pairs.values())
    right = [j for j in range(len(young)) if j not in taken]
    with_ids = ids and all("id" in cell for cell in young)
    blocks = SequenceMatcher(
        None,
        [(old[i]["cell_type"], old[i]["source"]) for i in left],
        [(young[j]["cell_type"], young[j]["source"]) for j in right],
        autojunk=False,
    ).get_opcodes()
    for kind, i1, i2, j1, j2 in blocks:
        if kind == "equal":
            pairs.update(zip(left[i1:i2], right[j1:j2], strict=True))
        elif kind == "replace" and not with_ids:  # with ids, a cell without its partner was really added or deleted
            rest = right[j1:j2]
            for i in left[i1:i2]:
                for position, j in enumerate(rest):
                    if _alike(old[i], young[j]):
                        pairs[i] = j
                        rest = rest[position + 1 :]
                        break
    if not ids:
        pair_by(id_of, is_exercise)
    return pairs


def _alike(old: Cell, young: Cell) -> bool:
    if old["cell_type"] != young["cell_type"] or is_exercise(old) != is_exercise(young):
        return False
    return SequenceMatcher(None, old["source"], young["source"], autojunk=False).ratio() >= _SIMILAR


def merge(base: NotebookNode, mine: NotebookNode, new: NotebookNode, *, answers_only: bool = False) -> Merged:
    """``new`` with what the learner did to ``base``; with ``answers_only`` nothing but the answers comes along.

    Holds: nothing changed by the learner gives ``new``; nothing changed in the lecture gives ``mine`` (without
    ``answers_only``), text for text; every line that the learner wrote is in the result (of answers, with it).
    """
    to_mine = align(base.cells, mine.cells, ids=True)
    to_new = align(base.cells, new.cells, ids=False)
    to_base = {j: i for i, j in to_mine.items()}

    merged = Merged(copy.deepcopy(new))
    placed: list[Cell | None] = list(merged.notebook.cells)
    extras: dict[int, list[Cell]] = defaultdict(list)  # what stands after a cell of new; -1: before the first
    lecture_ids = {cell.get("id") for cell in new.cells}
    anchor = -1
    for j, cell in enumerate(mine.cells):
        i = to_base.get(j)
        if i is None:
            if not answers_only:
                extras[anchor].append(_aside(cell, lecture_ids))
                merged.added += bool(cell["source"].strip())  # JupyterLab leaves an empty cell at the end
            continue
        place = to_new.get(i)
        edited = not same_text(cell, base.cells[i])
        answer = is_exercise(base.cells[i])
        if place is not None:
            anchor = place
        if not edited or (answers_only and not answer) or (place is not None and same_text(cell, new.cells[place])):
            continue
        if place is None:
            extras[anchor].append(_aside(cell, lecture_ids))
            merged.beside += 1
        elif answer or same_text(base.cells[i], new.cells[place]):
            placed[place] = _in_place(cell, new.cells[place])
            if answer:
                merged.answers += 1
                merged.renewed += not same_text(base.cells[i], new.cells[place])
            else:
                merged.edits += 1
        else:
            extras[anchor].append(_aside(cell, lecture_ids))
            merged.beside += 1
    if not answers_only:  # what the learner deleted stays away, unless the lecture now says something else there
        for i, place in to_new.items():
            if i not in to_mine and same_text(base.cells[i], new.cells[place]):
                placed[place] = None
    cells = extras[-1]
    for place, kept in enumerate(placed):
        cells += ([kept] if kept is not None else []) + extras[place]
    merged.notebook.cells = _with_own_ids(cells)
    merged.notebook.nbformat_minor = max(5, merged.notebook.nbformat_minor)  # the first minor version with cell ids
    return merged


def _in_place(cell: Cell, lecture: Cell) -> Cell:
    """The learner's cell in the place of the lecture's: its text and outputs, the lecture's id and tags."""
    kept = copy.deepcopy(cell)
    kept["metadata"] = copy.deepcopy(lecture["metadata"])
    if "id" in lecture:
        kept["id"] = lecture["id"]
    return kept


def _aside(cell: Cell, lecture_ids: set[str | None]) -> Cell:
    """A cell of the learner's to stand between the lecture's: without an id that a lecture cell has."""
    kept = copy.deepcopy(cell)
    if kept.get("id") in lecture_ids:
        del kept["id"]
    return kept


def _with_own_ids(cells: list[Cell]) -> list[Cell]:
    """Every cell with an id of its own, as nbformat 4.5 wants."""
    seen = {cell["id"] for cell in cells if "id" in cell}
    for cell in cells:
        if "id" not in cell:
            cell["id"] = next(fresh for fresh in iter(lambda: uuid.uuid4().hex[:8], "") if fresh not in seen)
            seen.add(cell["id"])
    return cells
