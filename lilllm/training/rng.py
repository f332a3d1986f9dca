"""Random numbers of a run's own: what is drawn elsewhere in the program changes nothing in it, and the other way round.

torch draws dropout from one generator a device, which all of a program shares. While a run goes on it puts its own
state there, and gives the program's back at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor


class Random:
    """The state of torch's generators as a run left them."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._cuda = device if device.type == "cuda" else None
        self._inside = False
        with self._kept():
            torch.manual_seed(seed)
            self._states = self._now()

    def state(self) -> dict[str, Tensor]:
        return self._now() if self._inside else self._states

    def load(self, states: dict[str, Tensor]) -> None:
        """Take over what `state` gave; one of a device that is not there now is left aside."""
        self._states = {**self._states, **{name: states[name] for name in self._states if name in states}}
        if self._inside:
            self._put(self._states)

    @contextmanager
    def own(self) -> Iterator[None]:
        """Within it torch draws from this state, and afterwards from what it had before."""
        with self._kept():
            self._put(self._states)
            self._inside = True
            try:
                yield
            finally:
                self._states, self._inside = self._now(), False

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Within it anything may be drawn; afterwards it is as if nothing had been."""
        with self._kept():
            yield

    @contextmanager
    def _kept(self) -> Iterator[None]:
        before = self._now()
        try:
            yield
        finally:
            self._put(before)

    def _now(self) -> dict[str, Tensor]:
        states = {"cpu": torch.get_rng_state()}
        return states if self._cuda is None else {**states, "cuda": torch.cuda.get_rng_state(self._cuda)}

    def _put(self, states: dict[str, Tensor]) -> None:
        torch.set_rng_state(states["cpu"])
        if self._cuda is not None and "cuda" in states:
            torch.cuda.set_rng_state(states["cuda"], self._cuda)
