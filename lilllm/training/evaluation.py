"""How well a model predicts a text that it was not trained on: nats a token, and bits a byte.

    loss = mean over tokens of -ln p(token | those before it in its window)
    bits a byte = loss * tokens / (bytes * ln 2)

A loss a token depends on the tokenizer, whose tokens may be long or short; bits a byte do not, so that models with
different vocabularies can be compared, and with the entropy of the text itself.

Read in order: bits_per_byte, Evaluation, evaluate, check_context (windows that the model is not meant for).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lilllm.data import loader
from lilllm.layers.loss import IGNORED
from lilllm.training.alone import ALONE, Parallel


def bits_per_byte(loss: float, *, tokens: float, bytes: float) -> float:
    """Of ``loss`` nats a token over ``tokens`` tokens that stand for ``bytes`` bytes of text.

    >>> bits_per_byte(math.log(2), tokens=10, bytes=40)  # a bit a token, four bytes a token
    0.25
    """
    if not bytes > 0:
        raise ValueError(f"bytes is {bytes}; give how many bytes of text the tokens stand for, above 0")
    return loss * tokens / (bytes * math.log(2))


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """``loss``: nats a token; ``bits_per_byte``: None where the bytes are not known; ``tokens``: predicted."""

    loss: float
    bits_per_byte: float | None
    tokens: int


@torch.no_grad()
def evaluate(
    model: Any,
    tokens: Any,
    *,
    batch_size: int,
    context_len: int,
    batches: int | None = None,
    documents: bool = False,
    bytes_per_token: float | None = None,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    parallel: Parallel = ALONE,
) -> Evaluation:
    """Measure ``model`` on ``tokens`` (see `lilllm.data`), each window of ``context_len`` once, from the first on.

    Args:
        batches: at most so many, of ``batch_size`` windows; None: all.
        documents: no token sees another document's.
        bytes_per_token: of the text, for bits a byte; None: as ``tokens`` says.
        autocast: the context that the model runs in.
    Raises:
        ValueError: there is not one window, or nothing in them to predict; windows are longer than the model's.
    Holds: the model is in the mode afterwards that it was in before; its random state is not touched, for in evaluation
        nothing is drawn; ranks together give what one gives.
    """
    if batches is not None:
        loader.whole("batches", batches, 1)
    if not hasattr(model, "loss"):
        raise ValueError(f"model is {model!r}; give a lilllm.models.Decoder")
    check_context(context_len, getattr(model, "config", None))
    rows = loader.sequential(tokens, batch_size, context_len, documents=documents)
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    nats, count = 0.0, 0.0
    try:
        with autocast():
            for batch, mine in parallel.share(rows, batches):
                kept = int((batch.targets != IGNORED).sum())
                if kept and mine:
                    count += kept
                    nats += float(model.loss(*_moved(batch, device), **_documents(batch, device))) * kept
                elif parallel.world_size > 1:  # every rank takes part in what ranks do together
                    model.loss(*_moved(batch, device), **_documents(batch, device))
    finally:
        model.train(was_training)
    nats, count = (parallel.world_size * number for number in parallel.mean([nats, count]))
    if not count:
        raise ValueError(f"{len(tokens)} tokens hold no window of {context_len} + 1 to evaluate on; give more")
    if bytes_per_token is None:
        bytes_per_token = bytes_a_token(tokens)
    bits = None if not bytes_per_token else bits_per_byte(nats / count, tokens=1, bytes=bytes_per_token)
    return Evaluation(loss=nats / count, bits_per_byte=bits, tokens=int(count))


def check_context(context_len: Any, model: Any) -> None:
    """Raise ValueError where windows are longer than the ``context_len`` of ``model``, a config."""
    known = getattr(model, "context_len", None)
    if known is not None and loader.whole("context_len", context_len, 1) > known:
        raise ValueError(
            f"context_len {context_len} is longer than the {known} tokens that the model is meant for; give {known} "
            f"or less, or a model of more (dataclasses.replace(config, context_len={context_len}))"
        )


def bytes_a_token(tokens: Any) -> float | None:
    """Of text, on average; ends of documents are tokens too, and no text."""
    known = getattr(tokens, "n_bytes", None)
    return known / len(tokens) if known and len(tokens) else None


def _moved(batch: Any, device: torch.device) -> tuple[Tensor, Tensor]:
    return batch.tokens.to(device), batch.targets.to(device)


def _documents(batch: Any, device: torch.device) -> dict[str, Tensor]:
    return {} if batch.documents is None else {"documents": batch.documents.to(device)}
