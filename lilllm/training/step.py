"""One update of the weights: the gradient of a batch, in parts if need be, clipped, and the optimizers' step.

    step = Step(model, config, parallel, device)
    taken = step(batch, lr)                               taken.loss, taken.norm

Read in order:  Step (call), _backward (micro-batches, and how each weighs), _clip (and fp16's scale), NotFinite
Numerics:       weights, gradients and optimizers in float32; under bf16 and fp16 products are in those (autocast). fp16
                reaches down to 6e-8 only: the loss is scaled up, and a step whose gradient overflows is left out
Holds:          micro-batches sum to the gradient of the whole batch, also where targets are ignored; a loss or gradient
                that is not finite changes nothing
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor, nn

from lilllm.layers.loss import IGNORED
from lilllm.models import Decoder
from lilllm.training import optimizers
from lilllm.training.alone import Parallel
from lilllm.training.config import TrainConfig

SMALLEST_SCALE = 1.0  # of an fp16 loss: what is not finite even so, is not the scale's fault
_LOW = {"bf16": torch.bfloat16, "fp16": torch.float16}


class NotFinite(FloatingPointError):
    """A loss or gradient that is NaN or infinite; ``batch`` is the number of what it came from."""

    def __init__(self, message: str, batch: int) -> None:
        super().__init__(message)
        self.batch = batch


@dataclass(frozen=True)
class Taken:
    """A step that was taken: its mean loss, and the gradient's norm before clipping; None where fp16 overflowed and
    nothing was updated."""

    loss: float
    norm: float | None


class _Loss(nn.Module):
    """A model whose forward is its loss, as what wraps models expects."""

    def __init__(self, model: Decoder, label_smoothing: float) -> None:
        super().__init__()
        self.model, self.label_smoothing = model, label_smoothing

    def forward(self, tokens: Tensor, targets: Tensor, documents: Tensor | None) -> Tensor:
        return self.model.loss(tokens, targets, documents=documents, label_smoothing=self.label_smoothing)


class Step:
    """What updates ``model``, and all it keeps from step to step: ``optimizers`` and ``scaler``."""

    def __init__(self, model: Decoder, config: TrainConfig, parallel: Parallel, device: torch.device) -> None:
        self._config, self._parallel, self._device = config, parallel, device
        module = parallel.prepare(_Loss(model, config.label_smoothing))
        self._module: Any = torch.compile(module) if config.compile else module
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self.optimizers = optimizers.make(model, config)
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")

    def autocast(self) -> AbstractContextManager[Any]:
        """What the model runs in."""
        low = _LOW.get(self._config.precision)
        return nullcontext() if low is None else torch.autocast(self._device.type, low)

    def __call__(self, batch: Any, lr: float) -> Taken:
        """Update the weights once.

        Raises:
            NotFinite: the loss or the gradient is NaN or infinite; nothing was updated.
        """
        loss = self._backward(batch)
        if not math.isfinite(loss):
            self._refuse(f"the loss of batch {batch.number} is {loss}", batch.number)
        norm = self._clip(batch.number)
        for one in self.optimizers:
            one.set_rate(lr)
            if norm is not None:
                self.scaler.step(one.optimizer)
        self._forget()
        if self.scaler.is_enabled():
            self.scaler.update()
        return Taken(loss, norm)

    def _backward(self, batch: Any) -> float:
        """Gradients of the mean over every token of the step that has a target; gives that mean.

        A micro-batch gives the mean over its own tokens, and weighs as many as they are: where targets do not count
        (masked, padded) they are not equally many.
        """
        rows = len(batch.tokens)
        size = self._config.micro_batch or rows
        kept = (batch.targets != IGNORED).sum(1).tolist()  # of each row
        (whole,) = self._parallel.mean([float(sum(kept))])
        if not whole:
            raise ValueError(f"batch {batch.number} has no target that counts; look at what makes the batches")
        total: Any = 0.0  # a tensor from the first part on: one wait for the device, at the end
        for start in range(0, rows, size):
            part = slice(start, start + size)
            count = sum(kept[part])
            targets = batch.targets[part] if count else batch.targets[part].clamp(min=0)  # weigh 0, and give no 0 / 0
            documents = None if batch.documents is None else batch.documents[part].to(self._device, non_blocking=True)
            tokens, targets = (x.to(self._device, non_blocking=True) for x in (batch.tokens[part], targets))
            with self._parallel.micro(self._module, start + size >= rows):
                with self.autocast():
                    loss = self._module(tokens, targets, documents)
                loss = loss * (count / whole)
                self.scaler.scale(loss).backward()
            total = total + loss.detach()
        return self._parallel.mean([total.item()])[0]

    def _clip(self, number: int) -> float | None:
        if self.scaler.is_enabled():
            for one in self.optimizers:
                self.scaler.unscale_(one.optimizer)
        try:
            return self._parallel.clip(self._parameters, math.inf if self._config.clip is None else self._config.clip)
        except FloatingPointError:
            if self.scaler.is_enabled() and self.scaler.get_scale() > SMALLEST_SCALE:
                return None
            self._refuse(f"the gradient of batch {number} is not finite", number)

    def _refuse(self, message: str, number: int) -> NoReturn:
        self._forget()
        raise NotFinite(message, number)

    def _forget(self) -> None:
        for one in self.optimizers:
            one.optimizer.zero_grad(set_to_none=True)
