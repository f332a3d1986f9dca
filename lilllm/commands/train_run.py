"""The run that `lilllm train` makes of its options, and what it says at the end.

Read in order: prepared, tell.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lilllm.commands import together

if TYPE_CHECKING:
    import torch

    from lilllm.models import ModelConfig
    from lilllm.training import TrainConfig, Trainer


def prepared(
    given: dict[str, Any], folder: Path, model: ModelConfig, config: TrainConfig, context: int, device: torch.device
) -> Trainer:
    """A trainer of what was asked: text made into tokens, a model, a loader."""
    import torch

    from lilllm.data import Loader
    from lilllm.models import Decoder
    from lilllm.training import Trainer
    from lilllm.training.corpus import prepare
    from lilllm.training.report import Report
    from lilllm.training.state import refuse_taken

    parallel, rows = together.ranks(given["parallel"], config)
    if not given["resume"] and parallel.writes:
        refuse_taken(folder)
    with parallel.first():
        made = prepare(
            given["data"],
            folder,
            vocab_size=model.vocab_size,
            tokens=config.steps * config.batch_size * context,
            tokenizer=given["tokenizer"],
            field=given["field"],
            count=given["count"],
            separator=given["separator"],
            resume=given["resume"] or not parallel.writes,
            report=Report(parallel.writes),
        )
    if made.tokenizer.vocab_size != model.vocab_size:
        model = replace(model, vocab_size=made.tokenizer.vocab_size)
    names = ("preset", "data", "field", "count", "separator", "tokenizer")
    about = {name: None if given[name] is None else str(given[name]) for name in names} | {"context": context}
    about["count"] = given["count"]
    return Trainer(
        Decoder(model, generator=torch.Generator().manual_seed(config.seed), device=together.birthplace(parallel)),
        config,
        Loader(
            made.training,
            batch_size=rows,
            context_len=context,
            seed=config.seed,
            rank=parallel.rank,
            world_size=parallel.world_size,
            documents=config.documents,
        ),
        validation=made.validation,
        folder=folder,
        tokenizer=made.tokenizer,
        sample=_sampler(made.tokenizer),
        parallel=parallel,
        device=device,
        log=given["log"],
        resume=given["resume"],
        about=about,
    )


def _sampler(tokenizer: Any) -> Callable[[Any], str]:
    from lilllm.inference import Speaker

    return lambda model: Speaker(model, tokenizer).write("", max_new=60, temperature=0.8, seed=0)


def tell(trainer: Trainer, folder: Path, source: str) -> None:
    """What came out, measured on all that is held out, in a few lines; every rank takes part in measuring."""
    found = trainer.watch.evaluate(whole=True)
    if not trainer.parallel.writes:
        return
    minutes = trainer.metrics.seconds / 60
    click.echo(f"{trainer.step:,} steps, {trainer.tokens:,} tokens in {minutes:.1f} minutes")
    if found is not None and found.bits_per_byte is not None:
        click.echo(f"held-out: {found.bits_per_byte:.3f} bits a byte{_floor(source)}")
    click.echo(f"the model: {folder}; talk to it with: lilllm chat --model {folder}")


def _floor(source: str) -> str:
    """What no model can be below, where it is known."""
    kind, _, seed = source.partition(":")
    if kind != "liltown":
        return ""
    from lilllm.data import LilTown
    from lilllm.training.corpus import FAR, HELD_OUT_DOCUMENTS

    return f"; the entropy of that text is {LilTown(int(seed or 0)).entropy(HELD_OUT_DOCUMENTS, FAR)[0]:.3f}"
