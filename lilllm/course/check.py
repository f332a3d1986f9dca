"""``check("tokenizers.bpe_encode", bpe_encode)``: is my function right, and if not, what is the likely mistake?"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from dataclasses import replace
from typing import Any

from lilllm.course import exercises
from lilllm.course.exercise import Exercise
from lilllm.course.judge import judge
from lilllm.course.record import Record
from lilllm.course.report import Report


def exercise_names() -> list[str]:
    """The names of all exercises, in alphabetical order."""
    found = []
    for topic in pkgutil.iter_modules(exercises.__path__):
        package = importlib.import_module(f"{exercises.__name__}.{topic.name}")
        found += [f"{topic.name}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
    return sorted(found)


def find(name: str) -> Exercise:
    """The exercise called ``name``.

    Raises:
        ValueError: there is none; the message lists the nearest names.
    """
    names = exercise_names()
    if name not in names:
        near = difflib.get_close_matches(str(name), names, n=3, cutoff=0.4)
        offer = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(names)}"
        raise ValueError(f"no exercise is called {name!r}; {offer}")
    exercise: Exercise = importlib.import_module(f"{exercises.__name__}.{name}").EXERCISE
    return replace(exercise, name=name)


def check(name: str, function: Any = None, *, hint: int = 0, solution: bool = False) -> Report:
    """Try the reader's ``function`` on the cases of an exercise, and say what came of it; their record keeps it.

    Nothing that the function does is raised here: not on a stub, an exception, an endless loop, or a changed argument.

    Args:
        name: of the exercise, such as ``"tokenizers.bpe_encode"``.
        function: the function to try; None counts as not written yet.
        hint: show this hint, 1 for the first.
        solution: show the reference solution.
    Raises:
        ValueError: there is no such exercise, or ``hint`` is negative.
    """
    if not isinstance(hint, int) or hint < 0:
        raise ValueError(f"hint={hint!r}: give 1 for the first hint, 2 for the second")
    exercise = find(name)
    verdict = judge(exercise, function)
    if verdict.kind != "stub" or hint or solution:
        Record().tried(name, verdict.kind, hint=min(int(hint), len(exercise.hints)), solution=solution)
    return Report(exercise, verdict, hint=int(hint), solution=solution)
