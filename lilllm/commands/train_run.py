"""The run that `lilllm train` makes of its options, and what it says at the end.

Read in order: prepared, no_empty_folder, tell.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lilllm.commands import together

if TYPE_CHECKING:
    import torch

    from lilllm.models import ModelConfig
    from lilllm.training import TrainConfig, Trainer
    from lilllm.training.corpus import Prepared

# Options that say what a run is of; run.json keeps them, and --resume takes them from there.
ABOUT = ("preset", "data", "field", "count", "separator", "tokenizer", "source")


def prepared(
    given: dict[str, Any], folder: Path, model: ModelConfig, config: TrainConfig, context: int, device: torch.device
) -> Trainer:
    """A trainer of what was asked: text made into tokens, a model, a loader."""
    import torch

    from lilllm.data import Loader
    from lilllm.models import Decoder
    from lilllm.training import Trainer
    from lilllm.training.corpus import TOKENS, prepare
    from lilllm.training.given import refuse_taken
    from lilllm.training.lock import locked
    from lilllm.training.report import Report

    begun = given["begun"]
    parallel, rows = together.ranks(given["parallel"], config)
    if not given["resume"] and parallel.writes:
        refuse_taken(folder)
    new = not given["resume"] and not (folder / TOKENS).exists()
    # Two that write the same tokens would be in each other's way.
    with locked(folder if parallel.writes else None), parallel.first():
        made = prepare(
            given["data"],
            folder,
            vocab_size=model.vocab_size,
            tokens=config.steps * config.batch_size * context,
            tokenizer=given["tokenizer"] if begun is None else begun.tokenizer,
            field=given["field"],
            count=given["count"],
            separator=given["separator"],
            resume=given["resume"] or not parallel.writes,
            report=Report(parallel.writes),
        )
    try:
        _check_lengths(made, given["data"], context)
    except click.ClickException:
        if new and parallel.world_size == 1:  # they would be in the way of a longer text; other ranks may be at them
            shutil.rmtree(folder / TOKENS, ignore_errors=True)
        raise
    if not given["resume"] and begun is None:
        model = replace(model, vocab_size=made.tokenizer.vocab_size)
    about = {name: None if given[name] is None else str(given[name]) for name in ABOUT} | {"context": context}
    about["count"] = given["count"]
    drawn = torch.Generator().manual_seed(config.seed)
    return Trainer(
        Decoder(model, generator=drawn, device=together.birthplace(parallel)) if begun is None else begun.model,
        config,
        Loader(
            made.training,
            batch_size=rows,
            context_len=context,
            seed=config.seed,
            rank=parallel.rank,
            world_size=parallel.world_size,
            documents=config.documents,
            pin_memory=device.type == "cuda",
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


def _check_lengths(made: Prepared, source: str, context: int) -> None:
    """Refuse rows that are longer than the text."""
    trained, held = len(made.training), len(made.validation)
    if min(trained, held) <= context:
        longest = min(trained, held) - 1
        how = f"give --context {longest} or less, or more text" if longest > 0 else "give more text"
        raise click.ClickException(
            f"{source} makes {trained:,} tokens to train on and {held:,} to evaluate on, and a row of --context "
            f"{context} takes {context + 1} of each; {how}"
        )


@contextmanager
def no_empty_folder(folder: Path) -> Iterator[None]:
    """What fails before it has made anything leaves no folder; tokens that are long enough stay, for the next try."""
    there = [path.exists() for path in (folder.parent, folder)]
    try:
        yield
    except BaseException:
        if not there[1] and not any((folder / "tokens").glob("*")):
            for name in ("tokenizer.json", ".lock"):
                with suppress(OSError):
                    (folder / name).unlink()
        for path in (folder / "tokens", folder, folder.parent)[: 3 - sum(there)]:
            with suppress(OSError):
                path.rmdir()  # of an empty folder only
        raise


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
