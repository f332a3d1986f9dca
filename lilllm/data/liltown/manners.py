"""A polite and a rude reply to each question, alike in what they state: preference pairs.

Both carry the same answer, so that what a reward model learns here is manners and not truth. Lengths overlap: half of
the polite replies are shorter than the rude ones, unless ``length_bias`` makes the polite one always the longer, to
show what a reward model then learns instead.
"""

from __future__ import annotations

from dataclasses import dataclass

from lilllm.data.liltown.chance import Chance
from lilllm.data.liltown.questions import Question

_POLITE_SHORT = ("Sure. {}", "Of course. {}", "Gladly. {}", "{} You are welcome.")
_POLITE_LONG = (
    "That is a good question. {} I hope that this helps you.",
    "Thank you for asking. {} Please ask me again.",
    "I am happy to help. {} Have a nice day.",
)
_RUDE_SHORT = ("Ugh. {}", "Hmph. {}", "{} Go away.", "So what? {}")
_RUDE_LONG = (
    "What a silly question. {} Now leave me alone.",
    "Why do you always bother me? {} Do not ask again.",
    "Everybody knows that. {} You should listen better.",
)


@dataclass(frozen=True, slots=True)
class Preference:
    """``chosen`` is the polite reply, ``rejected`` the rude one; both state ``question.answer``."""

    question: Question
    chosen: str
    rejected: str


def make_preference(question: Question, chance: Chance, *, length_bias: bool = False) -> Preference:
    long_first = True if length_bias else chance.maybe(0.5)
    polite = chance.pick(_POLITE_LONG if long_first else _POLITE_SHORT)
    rude = chance.pick(_RUDE_SHORT if long_first else _RUDE_LONG)
    return Preference(question, polite.format(question.answer), rude.format(question.answer))
