"""What a person sees of a run: a bar in a terminal or notebook, a line now and then elsewhere.

Read in order: Report (open, step, say), harmless.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from tqdm.auto import tqdm

FIRST, EVERY = 5.0, 20.0  # seconds until a line, and between lines, where there is no bar


class Report:
    """``shown``: False keeps quiet. The bar is tqdm's, on stderr."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self._bar: Any = None
        self._first = self._steps = 0
        self._began = self._next = time.monotonic()

    def open(self, step: int, steps: int) -> None:
        self._first, self._steps, self._began = step, steps, time.monotonic()
        self._next = self._began + FIRST
        if self.shown and (sys.stderr.isatty() or "ipykernel" in sys.modules):
            self._bar = tqdm(total=steps, initial=step, unit="step", dynamic_ncols=True, smoothing=0.05)

    def step(self, step: int, loss: float, tokens_per_second: float) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s", refresh=False)
            self._bar.update(step - self._bar.n)
        elif (now := time.monotonic()) >= self._next:
            self._next = now + EVERY
            left = (now - self._began) / (step - self._first) * (self._steps - step) / 60
            speed = f"{tokens_per_second:,.0f} tokens/s, about {left:,.1f} minutes left"
            self.say(f"step {step:,} of {self._steps:,}: loss {loss:.3f}, {speed}")

    def say(self, text: str) -> None:
        """A line that stays, above the bar where there is one."""
        if not self.shown:
            return
        if self._bar is not None:
            self._bar.write(harmless(text), file=sys.stderr)
        else:
            print(harmless(text), file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def harmless(text: str) -> str:
    """A text of a model's own may hold what a terminal would act on: that is written out.

    >>> harmless("red \\x1b[31m, two\\nlines")
    'red \\\\x1b[31m, two\\nlines'
    """
    return "".join(letter if letter.isprintable() or letter in "\n\t" else repr(letter)[1:-1] for letter in text)
