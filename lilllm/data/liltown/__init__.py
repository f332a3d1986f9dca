"""LilTown: a small world, told in simple English, that is the same on every machine.

    town = LilTown(seed=0)
    town.story(5).text               a story, and questions about it with true answers
    for text in town.documents(): .. endless text for pretraining: stories, facts of the town, sums

Read in order: chance (choices), town (people, places, prices), world (what is true in a story), tell (sentences),
scene (deeds), plots, questions, sums, manners. Everything is drawn from ``seed`` and a document's number, so document
i is the same whoever asks for it and in whatever order, and loaders can shard and resume by number alone.

Measured by tests/data/test_liltown.py for seed 0: about 730 different words; documents of 310 bytes on average and 620
at most; 0.24 bits a byte of entropy (`LilTown.entropy`), which is the floor for the loss of any model of the documents.

Left out on purpose: dialogue of more than a line, relative clauses, any tense but the past in stories.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from lilllm.data.liltown.chance import Chance
from lilllm.data.liltown.manners import Preference, make_preference
from lilllm.data.liltown.plots import PLOTS
from lilllm.data.liltown.questions import UNKNOWN, Question, about_person, about_story, about_town, tell_town
from lilllm.data.liltown.scene import Scene
from lilllm.data.liltown.sums import Sum, make_sum, verify
from lilllm.data.liltown.town import Town, make_town

__all__ = [
    "UNKNOWN",
    "LilTown",
    "Preference",
    "Question",
    "Story",
    "Sum",
    "Town",
    "about_person",
    "make_preference",
    "verify",
]

# Each use draws from its own streams, so that asking for questions never changes a story.
_STORY, _DOCUMENT, _SUM, _MANNERS = (n << 48 for n in range(1, 5))


@dataclass(frozen=True, slots=True)
class Story:
    """``sentences`` joined with blanks are ``text``; ``bits`` is -log2 of the probability of the choices that made
    it."""

    number: int
    text: str
    sentences: tuple[str, ...]
    questions: tuple[Question, ...]
    plot: str
    bits: float


class LilTown:
    """The town of one seed.

    Raises: ValueError: ``seed`` or a number of a document is no whole number, or negative.

    >>> LilTown(0).story(3).text == LilTown(0).story(3).text
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = _whole("seed", seed)
        self.town: Town = make_town(self.seed)

    def story(self, number: int) -> Story:
        """Story ``number``, with all the questions that follow from it."""
        number = _whole("story", number)
        scene, plot, text, bits = self._scene(number)
        return Story(number, text, tuple(scene.told.sentences), tuple(about_story(scene)), plot, bits)

    def document(self, number: int) -> str:
        """Document ``number`` of the pretraining text: 8 of 10 are stories, 1 facts of the town, 1 sums with their
        answers."""
        return self._document(_whole("document", number))[0]

    def documents(self, start: int = 0, count: int | None = None) -> Iterator[str]:
        """Documents ``start``, ``start`` + 1, ...; endless without ``count``."""
        number = _whole("start", start)
        count = None if count is None else _whole("count", count)
        while count is None or number < start + count:
            yield self.document(number)
            number += 1

    def sum(self, number: int, *, largest: int = 20) -> Sum:
        """Problem ``number``, about plain numbers or prices of the town."""
        return make_sum(Chance(self.seed, _SUM + _whole("sum", number)), largest=largest, town=self.town)

    @cached_property
    def town_questions(self) -> tuple[Question, ...]:
        """Every question on people and prices; those with ``known`` False were never told in any document."""
        return tuple(about_town(self.town))

    def preference(self, number: int, *, length_bias: bool = False) -> Preference:
        """Preference pair ``number``: a question about story ``number`` or the town, a polite and a rude reply."""
        number = _whole("preference", number)
        chance = Chance(self.seed, _MANNERS + number)
        pool = self.story(number).questions if chance.maybe(0.7) else self.town_questions
        return make_preference(chance.pick(pool), chance, length_bias=length_bias)

    def entropy(self, documents: int = 2000, start: int = 0) -> tuple[float, float]:
        """Estimate of the text's entropy, in bits a byte, and its standard error, from ``documents`` documents.

        It is the entropy of the choices that make a document, an upper bound on the entropy of the text, close to it
        because few different choices give the same text. No model can have a lower expected loss than the text's
        entropy; one that reaches this bound has learned all there is.
        """
        if documents < 2:
            raise ValueError(f"documents must be at least 2, got {documents}")
        pairs = [self._document(i) for i in range(start, start + documents)]
        size = sum(len(text) for text, _ in pairs)
        rate = sum(bits for _, bits in pairs) / size
        spread = sum((bits - rate * len(text)) ** 2 for text, bits in pairs) / (documents - 1)
        return rate, (spread * documents) ** 0.5 / size

    def _scene(self, number: int) -> tuple[Scene, str, str, float]:
        chance = Chance(self.seed, _STORY + number)
        cast = chance.sample(self.town.people, 3)
        scene = Scene(self.town, cast, chance)
        plot = chance.pick(PLOTS)
        plot(scene, cast)
        return scene, plot.__name__, scene.told.text(), chance.bits

    def _document(self, number: int) -> tuple[str, float]:
        chance = Chance(self.seed, _DOCUMENT + number)
        kind = chance.below(10)
        if kind < 8:
            _, _, text, bits = self._scene(number)
            return text, bits + chance.bits
        if kind == 8:
            return tell_town(self.town, chance), chance.bits
        sums = [make_sum(chance, town=self.town) for _ in range(chance.between(1, 3))]
        return " ".join(f"{s.text} {s.answer}." for s in sums), chance.bits


def _whole(what: str, number: int) -> int:
    """``number`` as Python's own int, in which nothing overflows; from 2**48 one stream would run into the next."""
    try:
        found = operator.index(number)
    except TypeError:
        found = -1
    if found < 0 or isinstance(number, bool) or (what != "seed" and found >= 1 << 48):
        raise ValueError(f"{what} is a whole number from 0{'' if what == 'seed' else ', below 2**48'}, got {number!r}")
    return found
