"""`lilllm train`: from text to a model that speaks."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lilllm.accounting.gpus import GPUS
from lilllm.commands import together, train_from, train_run

if TYPE_CHECKING:
    import torch

    from lilllm.models import ModelConfig
    from lilllm.training import TrainConfig

OURS = ("liltown", "lillm-39m", "lillm-300m")
MEASURED = 10e6  # parameters: a dry run of less tries some steps on this CPU, of more is priced on GPUs
_KINDS = f"Which GPU: {', '.join(GPUS)}."


@click.command(name="train")
@click.option("--preset", metavar="NAME", default="liltown", show_default=True, help=f"Which model: {', '.join(OURS)}.")
@click.option(
    "--data",
    metavar="SOURCE",
    default="liltown",
    show_default=True,
    help="liltown, python_docs, tinystories, openwebtext and so on; a text, JSONL or parquet file; a folder of them.",
)
@click.option("--field", default="text", show_default=True, help="Of JSONL and parquet: where the text is.")
@click.option(
    "--separator",
    metavar="TEXT",
    callback=lambda ctx, option, text: text and text.replace("\\n", "\n").replace("\\t", "\t"),
    help=r"Of text files: what stands between documents, '\n\n' for a blank line [default: a file is a document].",
)
@click.option("--count", type=click.IntRange(1), metavar="N", help="Take the first N documents only.")
@click.option("--tokenizer", type=click.Path(exists=True, path_type=Path), metavar="FILE", help="Instead of a new one.")
@click.option(
    "--from",
    "source",
    metavar="MODEL",
    help="Begin with the weights of a run, a checkpoint, liltown, or a Hugging Face folder or id; its tokenizer too.",
)
@click.option("--steps", type=click.IntRange(1), help="Updates of the weights [default: by preset].")
@click.option("--minutes", type=click.FloatRange(0.01, 1e6), help="Or: as many steps as take about so long here.")
@click.option("--batch", "batch_size", type=click.IntRange(1), help="Rows of a step [default: by preset].")
@click.option("--micro-batch", type=click.IntRange(1), help="Rows at once; gradients are summed.")
@click.option("--context", type=click.IntRange(1), help="Tokens of a row [default: the model's].")
@click.option("--lr", type=click.FloatRange(0, min_open=True), help="Peak of the learning rate [default: by preset].")
@click.option("--schedule", type=click.Choice(["cosine", "wsd", "constant"]), help="[default: cosine]")
@click.option("--warmup", type=click.IntRange(0), help="Steps of rising rate [default: a twentieth].")
@click.option("--optimizer", type=click.Choice(["adamw", "muon"]), help="Muon: for matrices inside blocks.")
@click.option("--precision", type=click.Choice(["fp32", "bf16", "fp16"]), help="[default: fp32; bf16 on a GPU]")
@click.option("--compile", is_flag=True, default=None, help="Through torch.compile.")
@click.option("--masks", "documents", is_flag=True, default=None, help="No token sees another document's.")
@click.option("--label-smoothing", type=click.FloatRange(0, 1, max_open=True), help="[default: 0]")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of weights, batches and dropout.")
@click.option("--eval-every", type=click.IntRange(1), metavar="STEPS", help="[default: by preset]")
@click.option("--save-every", type=click.IntRange(1), metavar="STEPS", help="[default: 500]")
@click.option("--keep", type=click.IntRange(1), help="Newest checkpoints that stay, besides the best [default: 3].")
@click.option("--skip", type=click.IntRange(0), multiple=True, metavar="BATCH", help="Leave a batch out, by number.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Of the run [default: runs/NAME].")
@click.option("--resume", is_flag=True, help="Go on with the run in the folder, as it was begun.")
@click.option("--log", type=click.Choice(["wandb", "tensorboard"]), multiple=True, help="Also write metrics to it.")
@click.option("--device", metavar="NAME", help="cpu, cuda [default: a GPU if there is one].")
@click.option(
    "--parallel",
    type=click.Choice(["ddp", "fsdp"]),
    default="ddp",
    show_default=True,
    help="Under torchrun, what each process holds: the whole model, or a part of it; for --dry-run too.",
)
@click.option("--dry-run", is_flag=True, help="Say what it would take, memory, time and cost, and do nothing.")
@click.option("--gpu", type=click.Choice(list(GPUS)), metavar="NAME", help=f"For --dry-run. {_KINDS}")
@click.option("--gpus", type=click.IntRange(1, 10**6), default=1, show_default=True, help="For --dry-run.")
@click.option("--mfu", type=click.FloatRange(0.001, 1), default=0.4, show_default=True, help="For --dry-run.")
@click.option("--dollars", type=click.FloatRange(0), help="For --dry-run: the price of an hour of one GPU.")
@click.pass_context
def command(ctx: click.Context, **given: Any) -> None:
    """Train a language model: tokenizer, token files, training, evaluation and samples.

    \b
    lilllm train                                        LilTown, in minutes on a laptop
    lilllm train --data stories.txt --minutes 10        your own text
    lilllm train --preset lillm-39m --data openwebtext  the real one, on a GPU
    lilllm train --from liltown --data stories.txt      a model that has learned goes on with your text
    lilllm train --resume --out runs/liltown            go on
    torchrun --nproc-per-node 8 -m lilllm train ...     on eight GPUs

    Ctrl-C saves and says how to go on. What it writes: run.json, metrics.jsonl, checkpoints/ with config.json,
    model.safetensors and tokenizer.json, as `lilllm generate`, `lilllm chat` and transformers read them.
    """
    try:
        ctx.exit(_train(ctx, given))
    except (ValueError, OSError, FloatingPointError, ImportError) as error:
        raise click.ClickException(f"{together.prefix()}{_said(error)}") from None
    except RuntimeError as error:
        if (told := together.no_room(error) or together.lost(error)) is None:
            raise
        raise click.ClickException(told) from None


def _said(error: Exception) -> str:
    """Without the number that the system has for it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _train(ctx: click.Context, given: dict[str, Any]) -> int:
    folder = given["out"] or Path("runs") / _name(given)
    before = _of_run(ctx, given, folder) if given["resume"] else None
    device = together.join(given)
    if before is None:
        given["begun"] = _begun(ctx, given)
    model, config, context = before or _asked(given, device)
    if given["dry_run"]:
        _dry_run(given, model, config, context, device)
        return 0
    with train_run.no_empty_folder(folder):
        trainer = train_run.prepared(given, folder, model, config, context, device)
    if trainer.step >= config.steps and trainer.parallel.writes:
        click.echo(f"{folder} was done already, after {trainer.step:,} steps; this is what came out")
    result = trainer.run()
    if result.ended == "done":
        train_run.tell(trainer, folder, given["data"])
    together.leave()
    return 0 if result.ended == "done" else 128 + (result.signal or signal.SIGINT)  # of another rank: 0


def _name(given: dict[str, Any]) -> str:
    data = Path(given["data"]).stem.replace(":", "-") or "data"
    model = train_from.name_of(given["source"]) if given["source"] else given["preset"]
    return model if model == data else f"{model}-{data}"


def _begun(ctx: click.Context, given: dict[str, Any]) -> train_from.Begun | None:
    """What --from means; the options that it stands for are gone then."""
    if given["source"] is None:
        return None
    typed = {name: given[name] for name in ("preset", "tokenizer") if _typed(ctx, name)}
    begun = train_from.begin(given["source"], typed)
    given |= {"preset": None, "source": begun.source}
    return begun


_TRAINING = (
    *("steps", "batch_size", "micro_batch", "lr", "schedule", "warmup", "optimizer", "precision", "compile"),
    *("documents", "label_smoothing", "seed", "eval_every", "save_every", "keep", "skip"),
)


def _asked(given: dict[str, Any], device: torch.device) -> tuple[ModelConfig, TrainConfig, int]:
    """The model, the training and the length of a row that the options ask for."""
    from lilllm.models import preset
    from lilllm.training.recipes import LEARNED, recipe

    begun = given["begun"]
    model = preset(given["preset"]) if begun is None else begun.model.config
    if given["steps"] and given["minutes"]:
        raise click.UsageError("--steps and --minutes both say how long; give one of them")
    priced = "cuda" if given["dry_run"] and _on_gpus(given, model, device) else device
    config = recipe(
        given["preset"] or LEARNED, priced, **{name: given[name] for name in _TRAINING if given[name] not in ((), None)}
    )
    context = given["context"] or min(model.context_len, 1024)
    if context > model.context_len:
        if begun is not None:
            raise click.UsageError(
                f"--context {context} is longer than the {model.context_len} tokens that --from {given['source']} "
                f"is meant for; give {model.context_len} or less, or begin a new model"
            )
        model = replace(model, context_len=context)
    if given["minutes"] and priced == "cuda":
        raise click.UsageError("--minutes measures this CPU, and this dry run is priced on a GPU; give --steps")
    if given["minutes"]:
        config = replace(config, steps=_steps_in(given["minutes"], model, config, context, device), warmup=-1)
    return model, config, context


def _steps_in(minutes: float, model: ModelConfig, config: TrainConfig, context: int, device: torch.device) -> int:
    from lilllm.training.pricing import price_here

    if device.type != "cpu":
        raise click.UsageError("--minutes measures this CPU; on a GPU give --steps")
    click.echo("--minutes: trying some steps on this CPU")
    return max(1, round(minutes / (60 * price_here(model, config, context_len=context).hours) * config.steps))


def _of_run(ctx: click.Context, given: dict[str, Any], folder: Path) -> tuple[ModelConfig, TrainConfig, int]:
    """What the run in ``folder`` was begun with; options that may change between two parts of a run are taken."""
    from lilllm.models import ModelConfig
    from lilllm.training import CheckpointError, TrainConfig
    from lilllm.training.config import FREE
    from lilllm.training.state import read_run

    try:
        run = read_run(folder)
        about, config = run["about"], TrainConfig.from_dict(run["training"])
        model, context = ModelConfig.from_dict(run["model"]), int(about["context"])
        about = {"separator": None, "source": None, **about}  # runs from before there were those
        for name in train_run.ABOUT:
            if _typed(ctx, name) and str(given[name]) != str(about[name]):
                said = name if name != "source" else "from"
                raise click.UsageError(f"{folder} was begun with {said} {about[name]}, not {given[name]}; leave it out")
            given[name] = Path(about[name]) if name == "tokenizer" and about[name] else about[name]
        given["begun"] = train_from.begin_again(given["source"], folder) if given["source"] else None
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / 'run.json'} is none of lilllm train ({error})") from None
    changes = {name: given[name] for name in _TRAINING if _typed(ctx, name)}
    for name, value in changes.items():
        if name not in FREE and name != "steps" and value != getattr(config, name):
            was = getattr(config, name)
            raise click.UsageError(f"{folder} was begun with {name} {was}, not {value}; leave it out, or begin anew")
    return model, replace(config, **changes), context


def _typed(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _dry_run(given: dict[str, Any], model: Any, config: TrainConfig, context: int, device: torch.device) -> None:
    from lilllm.training.pricing import price, price_here

    on_gpus = _on_gpus(given, model, device)
    gpu = given["gpu"] or "h100-80gb"
    if on_gpus and given["precision"] is None and not given["resume"]:  # as on that GPU, from wherever it is priced
        config = replace(config, precision="bf16" if GPUS[gpu].bf16 else "fp16")
    rows = f"{config.steps:,} steps of {config.batch_size} x {context} tokens, {config.precision}, {config.optimizer}"
    click.echo(f"{given['preset'] or given['source']} on {given['data']}: {rows}")
    if on_gpus:
        cost = {"mfu": given["mfu"], "dollars_per_hour": given["dollars"], "parallel": given["parallel"]}
        click.echo(f"on {given['gpus']} x {gpu}")
        click.echo(str(price(model, config, context_len=context, gpu=gpu, gpus=given["gpus"], **cost)))
    else:
        click.echo("on this CPU; for a GPU give --gpu NAME")
        click.echo(str(price_here(model, config, context_len=context)))


def _on_gpus(given: dict[str, Any], model: ModelConfig, device: torch.device) -> bool:
    """Whether a dry run is priced on GPUs, as the options say or as the model's size does."""
    from lilllm.accounting.params import total

    return bool(given["gpu"]) or device.type != "cpu" or given["gpus"] > 1 or total(model.shape()) >= MEASURED
