"""What a person sees of a run: a bar in a terminal or notebook, a line now and then elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm


class Report:
    """``shown``: False keeps quiet. The bar is tqdm's, on stderr."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self._bar: Any = None

    def open(self, step: int, steps: int) -> None:
        if self.shown and (sys.stderr.isatty() or "ipykernel" in sys.modules):
            self._bar = tqdm(total=steps, initial=step, unit="step", dynamic_ncols=True, smoothing=0.05)

    def step(self, step: int, loss: float, tokens_per_second: float) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s", refresh=False)
            self._bar.update(step - self._bar.n)

    def say(self, text: str) -> None:
        """A line that stays, above the bar where there is one."""
        if not self.shown:
            return
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
