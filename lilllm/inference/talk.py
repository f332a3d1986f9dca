"""An answer on its way: tokens as they are drawn, given as text that will not change any more.

Read in order: Talk
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal

from lilllm.inference.generation import Step
from lilllm.inference.stop import TextStream


class Talk(Iterator[str]):
    """Text in pieces.

    Attributes:
        steps: what was drawn so far, candidates and all.
        ended: None while it goes on; "stop" at a stop string or the end of text; else "length".
        full: the length was the model's context, not ``max_new``.
        seed: what it was drawn with.
    """

    def __init__(self, made: Iterator[Step], text: TextStream, ends: Collection[int], short: bool, seed: int) -> None:
        self.steps: list[Step] = []
        self.ended: Literal["stop", "length"] | None = None
        self.full = False
        self.seed = seed
        self._made, self._text, self._ends, self._short = made, text, ends, short

    def __next__(self) -> str:
        while self.ended is None:
            step = next(self._made, None)
            if step is not None:
                self.steps.append(step)
            if step is None or step.token in self._ends:
                self.ended = "length" if step is None else "stop"
                self.full = step is None and self._short
                piece = self._text.finish()
            else:
                piece = self._text.push(step.token)
                self.ended = "stop" if self._text.stopped else None
            if piece:
                return piece
        raise StopIteration

    @property
    def tokens(self) -> list[int]:
        return [step.token for step in self.steps]

    @property
    def logprobs(self) -> list[float]:
        return [step.logprob for step in self.steps]
