"""Is a function right, and if not, what is the likely mistake?

    judge(exercise, function)  ->  Verdict

In this order: is it still the stub; can it be called at all; does it answer the cases. The first case that fails is
the smallest, and is the one to show. Then the mistake is looked for: of the wrong functions that the exercise knows,
the one that answers as the reader's does on every case, or else on every case that fails; failing that, a property
that the answer breaks; failing that, a mistake that any function can have (nothing returned, a generator, another
type).
"""

from __future__ import annotations

import dis
import inspect
import traceback
from dataclasses import dataclass
from types import CodeType, GeneratorType
from typing import Any, Literal

import numpy as np

from lilllm.course.exercise import Case, Exercise, Function, Mistake, is_array, same
from lilllm.course.guard import Outcome, run

Kind = Literal["solved", "stub", "unusable", "error", "endless", "changed", "wrong"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``kind`` of result; ``message`` for the reader; the smallest ``case`` that failed and its ``outcome``.

    ``place``: the reader's line that raised, where one did. ``cases``: how many were tried.
    """

    kind: Kind
    message: str
    case: Case | None = None
    outcome: Outcome | None = None
    place: str = ""
    cases: int = 0


def is_stub(function: Function) -> bool:
    """Whether a function's body does nothing yet: ``...`` or ``pass``, a docstring at most."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return False
    steps = [(step.opname, step.argval) for step in dis.get_instructions(code) if step.opname not in ("RESUME", "NOP")]
    return steps in ([("LOAD_CONST", None), ("RETURN_VALUE", None)], [("RETURN_CONST", None)])


def _unusable(exercise: Exercise, function: Any, case: Case) -> str:
    """Why ``function`` cannot be called as the exercise calls it; empty if it can."""
    if not callable(function):
        return f"This is of type {type(function).__name__}, not a function: hand over the function, without calling it."
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return ""  # some built-ins have none: they are tried
    try:
        signature.bind(*case.arguments)
    except TypeError:
        return f"Your function is {signature} but it is called as {exercise.call}: give it these parameters."
    return ""


def place_of(error: BaseException, function: Any) -> str:
    """The reader's own line that an exception passed last, as ``line 3: x = ids[i + 1]``, counted from its ``def``."""
    code = getattr(function, "__code__", None)
    if not isinstance(code, CodeType):
        return ""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == code.co_filename]
    if not frames or not frames[-1].lineno:
        return ""
    line = (frames[-1].line or "").strip()
    if frames[-1].name != code.co_name:  # in another function of the reader's: no common line to count from
        return f"in {frames[-1].name}: {line}"
    return f"line {frames[-1].lineno - code.co_firstlineno + 1} of your function: {line}"


def _alike(exercise: Exercise, mine: Outcome, other: Outcome) -> bool:
    if mine.returned and other.returned:
        try:
            return exercise.equal(mine.value, other.value) or same(mine.value, other.value, nan=True)
        except Exception:  # an answer that cannot be compared is like no other
            return False
    return mine.out_of_time == other.out_of_time and type(mine.error) is type(other.error)


Tried = list[tuple[Case, Outcome]]


def _likely(exercise: Exercise, tried: Tried) -> Mistake | None:
    """The known mistake that gives the same answers: on every case, or else on every case that failed."""
    failed = [(case, mine) for case, mine in tried if not _correct(exercise, case, mine)]
    for some in (tried, failed):
        for mistake in exercise.mistakes:
            if all(_alike(exercise, mine, run(mistake.wrong, case.arguments, exercise.seconds)) for case, mine in some):
                return mistake
    return None


def _said(error: BaseException) -> str:
    """The exception as Python would print it, cut where it is long."""
    try:
        text = str(error)
    except Exception:  # a strange __str__
        text = ""
    return (f"{type(error).__name__}: {text}" if text else type(error).__name__)[:200]


def _general(case: Case, outcome: Outcome, function: Any) -> str:
    """A mistake that any function can have."""
    value = outcome.value
    if value is None:
        changed = " It changes its argument instead: build a new one." if outcome.changed else ""
        return f"Your function returns None: is a `return` missing, or not reached?{changed}"
    if isinstance(value, GeneratorType):
        return "Your function is a generator, because it has a `yield`: collect the values and return them."
    if type(value) is not type(case.expected):
        wanted, got = type(case.expected).__name__, type(value).__name__
        return f"The answer should be of type {wanted}, and yours is of type {got}."
    return (
        _of_array(value, case.expected)
        or "The answer differs from the expected one: work the example through by hand, and compare step by step."
    )


def _of_array(got: Any, expected: Any) -> str:
    """What is wrong with an array or a tensor, or with the first such element of a list."""
    if isinstance(expected, list | tuple) and len(got) == len(expected):
        pairs = zip(got, expected, strict=True)
        found = ((i, _of_array(a, b)) for i, (a, b) in enumerate(pairs) if type(a) is type(b) and not same(a, b))
        return next((f"Of element {i}: {message[0].lower()}{message[1:]}" for i, message in found if message), "")
    if not is_array(expected):
        return ""
    if tuple(got.shape) != tuple(expected.shape):
        return f"The answer should have shape {tuple(expected.shape)}, and yours has {tuple(got.shape)}."
    if got.dtype != expected.dtype:
        return f"The answer should be of {expected.dtype}, and yours is of {got.dtype}."
    if bool((got != got).any()) and not bool((expected != expected).any()):
        return "The answer holds NaN: is something divided by 0, or is it inf - inf?"
    if str(expected.dtype).endswith("float64") and np.allclose(np.asarray(got), np.asarray(expected), 1e-5, 1e-6):
        return "The answer is right to some six digits only: a part of it is worked out in float32, or rounded."
    return ""


def _correct(exercise: Exercise, case: Case, outcome: Outcome) -> bool:
    if not outcome.returned:
        return False
    try:
        return exercise.equal(outcome.value, case.expected)
    except Exception:  # a value whose comparison raises is not the answer
        return False


def judge(exercise: Exercise, function: Any) -> Verdict:
    """Try ``function`` on the exercise's cases. Never raises for what the function does."""
    cases = list(exercise.cases())
    if function is None or (callable(function) and is_stub(function)):
        return Verdict(kind="stub", message=f"Not written yet. {exercise.task}")
    if message := _unusable(exercise, function, cases[0]):
        return Verdict(kind="unusable", message=message)

    tried: Tried = []
    for case in cases:
        outcome = run(function, case.arguments, exercise.seconds)
        if isinstance(outcome.error, NotImplementedError):
            return Verdict(kind="stub", message=f"Not written yet. {exercise.task}")
        if outcome.out_of_time:
            message = (
                f"Stopped after {exercise.seconds:g} s, where a moment is enough: is there a loop that does not end?"
            )
            return Verdict(kind="endless", message=message, case=case, outcome=outcome, cases=len(cases))
        tried.append((case, outcome))
        if outcome.changed and _correct(exercise, case, outcome):
            message = "The answer is right, but your function changes what it was given: work on a copy."
            return Verdict(kind="changed", message=message, case=case, outcome=outcome, cases=len(cases))
    failed = [pair for pair in tried if not _correct(exercise, *pair)]
    if not failed:
        return Verdict(kind="solved", message=f"Right, on all {len(cases)} cases.", cases=len(cases))

    case, outcome = failed[0]
    mistake = _likely(exercise, tried)
    if outcome.error is not None:
        message = f"Your function raises {_said(outcome.error)}." + (f" {mistake.message}" if mistake else "")
        place = place_of(outcome.error, function)
        return Verdict(kind="error", message=message, case=case, outcome=outcome, place=place, cases=len(cases))
    broken = (rule.message for rule in exercise.properties if not _holds(rule.holds, case, outcome))
    message = mistake.message if mistake else next(broken, "") or _general(case, outcome, function)
    return Verdict(kind="wrong", message=message, case=case, outcome=outcome, cases=len(cases))


def _holds(holds: Any, case: Case, outcome: Outcome) -> bool:
    try:
        return bool(holds(case.arguments, outcome.value))
    except Exception:  # the answer is of another kind: `_general` says so
        return True
