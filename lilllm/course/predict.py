"""A question to answer before the cell that reveals.

The guess is an argument, not a prompt: a notebook that is run from top to bottom never waits, and its output is the
same for everyone who has not guessed.

    tokens = predict("How many tokens will it be?", choices=["4", "11", "25"], guess=None)
    tokens.reveal("25")
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """A remark: plain text, and the same with an edge in a notebook."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        body = html.escape(self.text).replace("\n", "<br>")
        return f'<div style="border-left:4px solid #0072b2; padding:0.3em 0.8em">{body}</div>'


@dataclass(frozen=True, repr=False)
class Prediction(Shown):
    """A question and, perhaps, a guess. `reveal` sets it beside the truth."""

    guess: str | float | None = None
    choices: tuple[str, ...] = ()

    def reveal(self, truth: str | float) -> Shown:
        """The guess beside the truth.

        Raises:
            ValueError: the truth is not one of the choices (a mistake in the lecture).
        """
        if self.choices and truth not in self.choices:
            raise ValueError(f"the answer {truth!r} is not one of the choices {self.choices}")
        if self.guess is None:
            return Shown(f"The answer: {_say(truth)}. You made no guess; the next question is a chance.")
        if self.guess == truth:
            return Shown(f"You said {_say(self.guess)}, and so it is.")
        aside = "" if isinstance(truth, str) or isinstance(self.guess, str) else _factor(self.guess, truth)
        return Shown(f"You said {_say(self.guess)}. The answer: {_say(truth)}{aside}.")


def _say(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"


def _factor(guess: float, truth: float) -> str:
    if guess <= 0 or truth <= 0:
        return ""
    factor = max(guess, truth) / min(guess, truth)
    return f", {factor:.3g} times {'less' if guess > truth else 'more'} than you said"


def predict(
    question: str, *, choices: Sequence[str] = (), guess: str | float | None = None, unit: str = ""
) -> Prediction:
    """Ask ``question``; ``guess`` is the reader's answer, None for none yet.

    Args:
        choices: the answers to choose from; empty: any number.
        unit: of the number that is asked for, for the question's text.
    Raises:
        ValueError: the guess is not one of the choices, or not a number.

    >>> predict("2 + 2?", choices=["3", "4"], guess="4").reveal("4")
    You said 4, and so it is.
    >>> predict("How many?", unit="tokens", guess=10).reveal(25)
    You said 10. The answer: 25, 2.5 times more than you said.
    """
    allowed = tuple(choices)
    if guess is not None and allowed and guess not in allowed:
        raise ValueError(f"guess={guess!r} is not one of the choices: {', '.join(map(repr, allowed))}")
    if guess is not None and not allowed and (isinstance(guess, str | bool) or not isinstance(guess, int | float)):
        raise ValueError(f"guess={guess!r} is not a number; write it without quotes")
    asked = f"Choose: {' | '.join(allowed)}" if allowed else f"Say a number{f' of {unit}' if unit else ''}"
    if guess is None:
        how = f'guess="{allowed[0]}"' if allowed else "guess=100"
        told = f"Write your guess into the call, for example {how}, and run the cell again. Or go on without."
    else:
        told = f"Your guess: {_say(guess)}. The next cells tell."
    return Prediction(f"{question}\n{asked}\n{told}", guess, allowed)
