"""Where the batches of a run come from: a loader that can be put back to where it was.

feed = Feed(loader, config)
batch = feed.next()                 feed.back(): that batch comes again
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lilllm.data import Batch
from lilllm.training.config import TrainConfig


class Feed:
    """The batches of ``loader``, an iterator, without those that the config skips."""

    def __init__(self, loader: Any, config: TrainConfig) -> None:
        self.loader, self._config = loader, config
        self._batches: Iterator[Any] | None = None
        self._last: Any = None

    def next(self) -> Any:
        if self._batches is None:
            self._batches = iter(self.loader)
        self._last = self.state()
        batch = self._another(self._batches)
        while batch.number in self._config.skip:
            batch = self._another(self._batches)
        if self._config.documents and batch.documents is None:
            raise ValueError("documents is on, and the loader does not tell them apart; give it documents=True too")
        if not self._config.documents and batch.documents is not None:
            return replace(batch, documents=None)  # it is the config that says whether they are kept apart
        return batch

    def _another(self, batches: Iterator[Any]) -> Any:
        try:
            batch = next(batches)
        except StopIteration:
            raise ValueError("the loader has no batch left; give one without end, such as lilllm.data.Loader") from None
        if not all(hasattr(batch, name) for name in Batch.__dataclass_fields__):
            raise ValueError(f"the loader gives a {type(batch).__name__}; give one of lilllm.data.Batch")
        return batch

    def back(self) -> None:
        """As before the last `next`, of a loader that has a state."""
        if self._last is not None:
            self.load(self._last)

    def state(self) -> Any:
        return self.loader.state_dict() if hasattr(self.loader, "state_dict") else None

    def load(self, state: Any) -> None:
        self.loader.load_state_dict(state)
        self._batches = None
