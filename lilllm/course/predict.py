"""A question to answer before the cell that reveals.

In a notebook the reader chooses and says how sure they are, with buttons; the guess is kept on their machine
(record.py), and the cell that reveals sets it beside the truth. A notebook that is run from top to bottom never waits;
without a guess the reveal says so, and a built notebook's output is the same for everyone. A guess may also stand in
the call, where there are no buttons:

    tokens = predict("How many tokens will it be?", choices=["4", "11", "25"])
    tokens.reveal("25")
"""

from __future__ import annotations

import hashlib
import html
import reprlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lilllm.course.record import Record, RecordError


@dataclass(frozen=True)
class Shown:
    """A remark: plain text, and the same with an edge in a notebook."""

    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        body = html.escape(self.text).replace("\n", "<br>")
        return f'<div style="border-left:4px solid #0072b2; padding:0.3em 0.8em">{body}</div>'


class Prediction:
    """A question and, perhaps, a guess. `reveal` sets it beside the truth."""

    def __init__(self, question: str, choices: tuple[str, ...], unit: str, guess: str | float | None) -> None:
        self.question, self.choices, self.unit = question, choices, unit
        self.key = hashlib.sha256("\n".join([question, unit, *choices]).encode()).hexdigest()[:16]
        self.record = Record()
        self.guess = guess
        self.confidence: float | None = None
        try:
            kept = self.record.prediction(self.key)
        except RecordError:  # said where it is written; a lecture does not fail for it
            kept = None
        self._known = kept is not None and kept.truth is not None
        if guess is not None and (kept is None or kept.guess != guess):
            self.record.guessed(self.key, question, guess, None)
        elif kept is not None:
            self.guess, self.confidence = kept.guess, kept.confidence

    def commit(self, guess: str | float, confidence: float | None = None) -> Shown:
        """Keep the reader's guess; ``confidence`` is 0 to 1.

        Raises:
            ValueError: the guess is not one of the choices or not a number, or the confidence is not 0 to 1.
        """
        _check(guess, self.choices)
        if confidence is not None and not (isinstance(confidence, int | float) and 0 <= confidence <= 1):
            raise ValueError(f"confidence={confidence!r}: give 0 to 1, such as 0.7")
        if self._known:
            return Shown(f"The answer is known by now; your guess was {self._mine()}.")
        self.guess, self.confidence = guess, confidence
        self.record.guessed(self.key, self.question, guess, confidence)
        return Shown(f"Your guess: {self._mine()}. The next cells tell.")

    def reveal(self, truth: str | float) -> Shown:
        """The guess beside the truth.

        Raises:
            ValueError: the truth is not one of the choices (a mistake in the lecture).
        """
        if self.choices and truth not in self.choices:
            raise ValueError(f"the answer {truth!r} is not one of the choices {self.choices}")
        if self.guess is None:
            return Shown(f"The answer: {_say(truth)}. You made no guess; the next question is a chance.")
        self.record.revealed(self.key, truth)
        self._known = True
        if self.guess == truth:
            return Shown(f"You said {self._mine()}, and so it is.")
        aside = "" if isinstance(truth, str) or isinstance(self.guess, str) else _factor(self.guess, truth)
        return Shown(f"You said {self._mine()}. The answer: {_say(truth)}{aside}.")

    def _mine(self) -> str:
        assert self.guess is not None
        return _say(self.guess) + (f", {self.confidence:.0%} sure" if self.confidence is not None else "")

    @property
    def text(self) -> str:
        """The question, what may be said, and what was said or how to say it."""
        asked = f"Choose: {' | '.join(self.choices)}" if self.choices else f"Say a number{self._of_unit()}"
        if self.guess is None:
            how = f'guess="{self.choices[0]}"' if self.choices else "guess=100"
            told = f"Run this cell yourself to answer with buttons, or write {how} into the call. Or go on without."
        else:
            told = f"Your guess: {self._mine()}. The next cells tell."
        return f"{self.question}\n{asked}\n{told}"

    def _of_unit(self) -> str:
        return f" of {self.unit}" if self.unit else ""

    def __repr__(self) -> str:
        return self.text

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """Buttons where a reader's record is kept, which it is not in built and tested runs; else the text."""
        shown = {"text/plain": self.text, "text/html": Shown(self.text)._repr_html_()}
        if self.record.folder is None or "ipykernel" not in sys.modules:
            return shown
        try:
            buttons = _buttons(self)
        except ImportError:
            return shown
        # The text stays beside it, for whoever reads the saved notebook without a kernel.
        return buttons._repr_mimebundle_() | {"text/plain": self.text}


def _buttons(asked: Prediction) -> Any:
    """The question as widgets: choices or a number, how sure, and a button that commits."""
    import ipywidgets as widgets

    answer: Any
    if asked.choices:
        chosen = asked.guess if asked.guess in asked.choices else None
        answer = widgets.ToggleButtons(options=asked.choices, value=chosen, tooltips=asked.choices)
        answer.style.button_width = "auto"
    else:
        answer = widgets.FloatText(value=asked.guess if asked.guess is not None else 0, description=asked.unit)
    least = round(100 / len(asked.choices)) if asked.choices else 0  # to guess blindly is right that often
    sure = widgets.IntSlider(
        value=max(least, round(100 * asked.confidence) if asked.confidence is not None else 50),
        min=least, max=100, step=1, description="% sure", continuous_update=False,
    )  # fmt: skip
    commit = widgets.Button(description="Commit", button_style="primary", tooltip="Keep this guess on this machine")
    said = widgets.HTML(f"Your guess: {html.escape(asked._mine())}." if asked.guess is not None else "")

    def keep(_: Any) -> None:
        if answer.value is None:
            said.value = "Choose an answer first."
            return
        said.value = html.escape(asked.commit(answer.value, sure.value / 100).text)

    commit.on_click(keep)
    question = widgets.HTML(f"<b>{html.escape(asked.question)}</b>")
    return widgets.VBox([question, answer, widgets.HBox([sure, commit]), said])


def _say(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:,.6g}" if isinstance(value, float) else f"{value:,}"


def _factor(guess: float, truth: float) -> str:
    if guess <= 0 or truth <= 0:
        return ""
    factor = max(guess, truth) / min(guess, truth)
    return f", {factor:.3g} times {'less' if guess > truth else 'more'} than you said"


def _check(guess: object, choices: tuple[str, ...]) -> None:
    if choices and guess not in choices:
        raise ValueError(f"guess={guess!r} is not one of the choices: {', '.join(map(repr, choices))}")
    if not choices and (isinstance(guess, str | bool) or not isinstance(guess, int | float)):
        raise ValueError(f"guess={guess!r} is not a number; write it without quotes")
    if not choices and not abs(guess) < 1e300:  # type: ignore[arg-type]  # NaN, infinity, 10**400
        raise ValueError(f"guess={reprlib.repr(guess)}: give a finite number below 1e300")


def predict(
    question: str, *, choices: Sequence[str] = (), guess: str | float | None = None, unit: str = ""
) -> Prediction:
    """Ask ``question``; the notebook shows buttons, or ``guess`` is the reader's answer.

    Args:
        choices: the answers to choose from; empty: any number.
        unit: of the number that is asked for, for the question's text.
    Raises:
        ValueError: the guess is not one of the choices, or not a finite number; a choice is no text.

    >>> predict("2 + 2?", choices=["3", "4"], guess="4").reveal("4")
    You said 4, and so it is.
    >>> predict("How many?", unit="tokens", guess=10).reveal(25)
    You said 10. The answer: 25, 2.5 times more than you said.
    """
    allowed = tuple(choices)
    if isinstance(choices, str) or not all(isinstance(choice, str) for choice in allowed):
        raise ValueError(f"choices={choices!r}: give a list of texts, such as ['4', '11']; for any number leave it out")
    if guess is not None:
        _check(guess, allowed)
    return Prediction(question, allowed, unit, guess)
