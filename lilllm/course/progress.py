"""How far the reader is: the plan of the course, what is built of it, and what their record says. Where to go on.

`lilllm course status` and the map on the viewer's home are made of this, and so say the same. A lecture is done when
each of its exercises was solved once, with help or without; reading alone leaves no mark. Nothing here writes.

Read in order: Kept (the record, or why there is none), Standing (of one lecture), Course.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from lilllm.course.asked import Asked, asked
from lilllm.course.plan import LECTURES, Lecture
from lilllm.course.record import VARIABLE, Exercise, Guess, Record, RecordError


@dataclass(frozen=True)
class Kept:
    """What the record holds; ``note`` is what the reader should know where it is not what they expect."""

    exercises: dict[str, Exercise] = field(default_factory=dict)
    guesses: tuple[Guess, ...] = ()
    note: str = ""
    broken: bool = False  # there is a record, and it cannot be read


def read_kept(record: Record | None = None) -> Kept:
    """The reader's own record, or ``record``. One that cannot be read holds nothing and says why."""
    try:
        record = Record() if record is None else record
        if record.folder is None:
            return Kept(note=f"Nothing is kept of what you do: {VARIABLE} is empty.")
        return Kept(record.exercises(), tuple(record.predictions()))
    except (RecordError, ValueError) as error:  # a value in it that is no JSON, too
        return Kept(note=f"Your progress is not shown: {error}.", broken=True)
    except ModuleNotFoundError as error:
        return Kept(note=f"Your progress is not shown: {error.name} is not installed.")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How far one lecture is. ``tried``: exercises tried and not solved; ``helped``: those with a hint or the solution
    seen; ``guessed`` of its ``questions`` have a prediction."""

    lecture: Lecture
    built: bool
    exercises: int = 0
    solved: int = 0
    tried: int = 0
    helped: int = 0
    questions: int = 0
    guessed: int = 0

    @property
    def done(self) -> bool:
        """Whether all its exercises are solved; a lecture without any is never done."""
        return self.built and 0 < self.exercises == self.solved

    @property
    def settled(self) -> bool:
        """Whether what needs it may follow: it is done, or there is nothing in it to solve."""
        return self.built and self.exercises == self.solved

    @property
    def begun(self) -> bool:
        """Whether the reader has left a mark in it."""
        return self.solved + self.tried + self.guessed > 0

    @property
    def marks(self) -> list[str]:
        """What the reader has done in it, in words; empty if nothing.

        >>> Standing(lecture=LECTURES[0], built=True, exercises=6, solved=2, tried=1, questions=3, guessed=1).marks
        ['2 of 6 exercises solved', '1 tried', '1 of 3 predictions made']
        """
        words = []
        if self.solved + self.tried:
            words.append(f"{self.solved} of {_count(self.exercises, 'exercise')} solved")
        if self.tried:
            words.append(f"{self.tried} tried")
        if self.helped:
            words.append(f"{self.helped} with help")
        if self.guessed:
            words.append(f"{self.guessed} of {_count(self.questions, 'prediction')} made")
        return words


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def standing(lecture: Lecture, asks: Asked, kept: Kept, *, built: bool = True) -> Standing:
    """How far the reader of ``kept`` is in a lecture that asks ``asks``."""
    known = [kept.exercises[name] for name in asks.exercises if name in kept.exercises]
    guesses = {guess.text for guess in kept.guesses}
    solved = sum(one.result == "solved" for one in known)
    return Standing(
        lecture=lecture,
        built=built,
        exercises=len(asks.exercises),
        solved=solved,
        tried=len(known) - solved,
        helped=sum(one.hint > 0 or one.solution for one in known),
        questions=len(asks.questions),
        guessed=sum(any(re.fullmatch(question, text) for text in guesses) for question in asks.questions),
    )


@dataclass(frozen=True)
class Course:
    """All lectures of the plan, in order; ``note`` and ``broken`` as in `Kept`."""

    lectures: tuple[Standing, ...]
    note: str = ""
    broken: bool = False

    def waits_for(self, one: Standing) -> list[Lecture]:
        """What ``one`` needs and is not done yet."""
        return [
            other.lecture for other in self.lectures if other.lecture.name in one.lecture.needs and not other.settled
        ]

    @property
    def go_on(self) -> Standing | None:
        """The first lecture that is built and not done, whose needs are done; if there is none such, the first that is
        not done; None where nothing is left to do."""
        left = [one for one in self.lectures if one.built and not one.settled]
        ready = [one for one in left if not self.waits_for(one)]
        return next(iter(ready or left), None)

    @property
    def where(self) -> str:
        """Where to go on, as a sentence; empty where nothing is built.

        >>> Course((Standing(lecture=LECTURES[0], built=True, exercises=6),)).where
        'Begin with 01 tokenization.'
        """
        if not any(one.built for one in self.lectures):
            return ""
        at = self.go_on
        if at is None:
            planned = next((one.lecture for one in self.lectures if not one.built), None)
            after = f" {planned.number} {planned.title} is the next to be written." if planned else ""
            return f"Every exercise that there is, you have solved.{after}"
        name = f"{at.lecture.number} {at.lecture.title}"
        if at.begun:
            return f"Go on with {name}: {', '.join(at.marks)}."
        return f"{'Next:' if any(one.begun for one in self.lectures) else 'Begin with'} {name}."


def read_course(clone: Path, record: Record | None = None) -> Course:
    """The course in ``clone`` and how far the reader is; see `Kept` for what cannot be read."""
    kept = read_kept(record)
    found = []
    for lecture in LECTURES:
        built = lecture.built(clone) or (clone / "traces" / f"{lecture.name}.trace.jsonl.gz").is_file()
        found.append(standing(lecture, asked(clone, lecture.name) if built else Asked(), kept, built=built))
    return Course(tuple(found), kept.note, kept.broken)
