"""How a model does while it learns: its loss on held-out text, and a text of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from lilllm.models import Decoder
from lilllm.training.alone import Parallel
from lilllm.training.config import TrainConfig
from lilllm.training.evaluation import Evaluation, bytes_a_token, evaluate
from lilllm.training.rng import Random
from lilllm.training.step import Step


class Watch:
    """Looks at ``model`` and leaves it as it was: its mode, the random state, the loader."""

    def __init__(
        self,
        model: Decoder,
        config: TrainConfig,
        step: Step,
        random: Random,
        parallel: Parallel,
        *,
        validation: Any,
        context_len: int,
        bytes_per_token: float | None,
        sample: Callable[[Decoder], str] | None,
    ) -> None:
        self._model, self._config, self.validation, self._context_len = model, config, validation, context_len
        known = None if validation is None else bytes_a_token(validation)
        self.bytes_per_token = known if bytes_per_token is None else bytes_per_token
        self._sample, self._step, self._random, self._parallel = sample, step, random, parallel

    def evaluate(self, *, whole: bool = False) -> Evaluation | None:
        """On the held-out text, all of it or as much as the config says; None without any."""
        if self.validation is None:
            return None
        config, ranks = self._config, self._parallel.world_size
        rows = min(config.micro_batch or config.batch_size, config.batch_size // ranks)
        batches = None
        if not whole and config.eval_batches is not None:  # the same text, however many rows are in memory at once
            batches = config.eval_batches * config.batch_size // rows
        return evaluate(
            self._model,
            self.validation,
            batch_size=rows,
            context_len=self._context_len,
            batches=batches,
            documents=config.documents,
            bytes_per_token=self.bytes_per_token,
            autocast=self._step.autocast,
            parallel=self._parallel,
        )

    def sample(self) -> str | None:
        """A text of the model as it is; None where nobody asked for one."""
        if self._sample is None:
            return None
        was_training = self._model.training
        self._model.eval()
        try:
            with self._parallel.whole(self._model) as model, self._random.aside(), torch.no_grad():
                return str(self._sample(model)) if model is not None and self._parallel.writes else None
        finally:
            self._model.train(was_training)
