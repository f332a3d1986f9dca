"""A run so small that a test can afford many: 6,000 parameters, with dropout, on a corpus that repeats itself."""

from __future__ import annotations

import random
from typing import Any

import torch

from lilllm.data import Loader, TokenArray
from lilllm.models import Decoder, ModelConfig
from lilllm.training import TrainConfig, Trainer

V, T = 32, 16
MODEL = {"vocab_size": V, "n_layers": 2, "d_model": 16, "n_heads": 2, "context_len": T}


def corpus(seed: int = 0, size: int = 3000) -> TokenArray:
    """Words of two to five tokens out of twenty, an end after some: there is something to learn."""
    drawn = random.Random(seed)
    words = [[drawn.randrange(1, V) for _ in range(drawn.randrange(2, 6))] for _ in range(20)]
    tokens: list[int] = []
    while len(tokens) < size:
        tokens += drawn.choice(words) + ([0] if drawn.random() < 0.2 else [])
    return TokenArray(tokens[:size], vocab_size=V, eos=0, n_bytes=2 * size)


def model(dropout: float = 0.1, seed: int = 1, device: str | None = None, **changes: Any) -> Decoder:
    config = ModelConfig(**{**MODEL, "dropout": dropout, **changes})
    return Decoder(config, generator=torch.Generator().manual_seed(seed), device=device)


def config(**changes: Any) -> TrainConfig:
    usual = {"steps": 12, "batch_size": 4, "lr": 1e-2, "save_every": 4, "eval_every": 4, "eval_batches": 2}
    return TrainConfig(**{**usual, **changes})


def loader(rows: int = 4, seed: int = 0, tokens: TokenArray | None = None, **options: Any) -> Loader:
    return Loader(tokens or corpus(), batch_size=rows, context_len=T, seed=seed, **options)


def trainer(
    folder: Any = None, *, dropout: float = 0.1, changes: dict[str, Any] | None = None, **options: Any
) -> Trainer:
    made = config(**(changes or {}))
    given = {"validation": corpus(size=400), "device": "cpu", "progress": False, **options}
    net = given.pop("model", None) or model(dropout)
    feed = given.pop("loader", None) or loader(made.batch_size, documents=made.documents)
    return Trainer(net, made, feed, folder=folder, **given)


def weights(one: Trainer) -> dict[str, torch.Tensor]:
    return {name: value.detach().clone() for name, value in one.model.named_parameters()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def events(one: Trainer) -> list[str]:
    return [record["event"] for record in one.history if record["kind"] == "event"]
