"""`lilllm accounting`: what a model costs to train, before anyone pays for it."""

from __future__ import annotations

import math
from pathlib import Path

import click

from lilllm.accounting.config import parse_field, read_shape, shape_from
from lilllm.accounting.gpus import GPUS
from lilllm.accounting.shape import PRESETS, Shape

USUAL_LENGTH = 8192  # tokens; models with a longer context are mostly trained at this

_MODELS = f"Which model: {', '.join(PRESETS)}."
_KINDS = f"Which GPU: {', '.join(GPUS)}."


def _finite(_: click.Context, option: click.Parameter, value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is no finite number; give one such as 15e12", param=option)
    return value


@click.command(name="accounting")
@click.option("--preset", type=click.Choice(list(PRESETS)), metavar="NAME", help=_MODELS)
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Or a model of your own: a JSON file with the fields of a shape.",
)
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Change a field, such as n_kv_heads=8; may be given again. Without a model, all its fields.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 10**6),
    default=1,
    show_default=True,
    help="Sequences on each GPU at once.",
)
@click.option(
    "--seq", type=click.IntRange(1, 10**8), help=f"Tokens of a sequence [default: the context, {USUAL_LENGTH} at most]."
)
@click.option("--gpus", type=click.IntRange(1, 10**6), default=1, show_default=True, help="How many GPUs.")
@click.option(
    "--gpu", "kind", type=click.Choice(list(GPUS)), metavar="NAME", default="h100-80gb", show_default=True, help=_KINDS
)
@click.option(
    "--tokens",
    type=click.FloatRange(1, 1e18),
    callback=_finite,
    help="Tokens to train on, such as 15e12 [default: 20 a parameter].",
)
@click.option(
    "--mfu",
    type=click.FloatRange(0.001, 1),
    callback=_finite,
    default=0.4,
    show_default=True,
    help="Share of the GPUs' peak that the model's FLOPs reach.",
)
@click.option(
    "--attention",
    type=click.Choice(["flash", "plain"]),
    default="flash",
    show_default=True,
    help="Whether scores are kept for the backward pass (plain) or not.",
)
@click.option(
    "--optimizer",
    type=click.Choice(["adamw", "momentum", "sgd"]),
    default="adamw",
    show_default=True,
    help="What keeps state: two moments, one, or none, in fp32 beside the fp32 weights.",
)
def command(
    preset: str | None,
    config: Path | None,
    changes: tuple[str, ...],
    batch: int,
    seq: int | None,
    gpus: int,
    kind: str,
    tokens: float | None,
    mfu: float,
    attention: str,
    optimizer: str,
) -> None:
    """Parameters, FLOPs, memory on each GPU and days of training of a well-known model, or of your own.

    Mixed precision; with AdamW 16 bytes a parameter. DDP and ZeRO 1 to 3, with activations kept or, checkpointed,
    computed again. One GB is 10^9 bytes. Not counted: communication, the CUDA context, fragmentation.

    \b
    Fields of a model: vocab_size, n_layers, d_model, n_heads, d_ff, context_len;
    as in a Llama if not given: n_kv_heads, d_head, gated, tied, norm, biases,
    positions, qk_norm.
    """
    from lilllm.accounting.params import total

    name, shape = _chosen(preset, config, changes)
    seq = seq or min(shape.context_len, USUAL_LENGTH)
    try:
        shape.check(batch=batch, seq=seq)
    except ValueError as error:
        raise click.UsageError(f"{name}: {error}") from None
    tokens = tokens or 20.0 * total(shape)
    memory = _memory(shape, batch, seq, gpus, kind, attention, optimizer)
    click.echo("\n".join([*_model(name, shape, seq), "", *memory]))
    click.echo("\n" + _time(shape, seq, gpus, kind, tokens, mfu))


def _chosen(preset: str | None, config: Path | None, changes: tuple[str, ...]) -> tuple[str, Shape]:
    """The model's name to show, and its shape."""
    if preset and config:
        raise click.UsageError("--preset and --config are two models: give one of them, and --set for what differs")
    if not preset and not config and not changes:
        raise click.UsageError("which model? Give --preset NAME, --config FILE or --set FIELD=VALUE for each field")
    try:
        given = dict(map(parse_field, changes))
        if len(given) < len(changes):
            raise ValueError("--set names a field twice; give it once")
        shape = read_shape(config, given) if config else shape_from(given, PRESETS[preset] if preset else None)
    except (ValueError, OSError) as error:
        raise click.UsageError(str(error)) from None
    if not preset and not config:
        return "your model", shape
    name = config.stem if config else str(preset)
    return (f"{name} with {', '.join(changes)}" if changes else name), shape


def _model(name: str, shape: Shape, seq: int) -> list[str]:
    from lilllm.accounting.flops import per_token, six_nd, training
    from lilllm.accounting.memory import kv_cache
    from lilllm.accounting.params import parameters, total

    flops = training(shape, batch=1, seq=seq)
    ratio = per_token(shape, seq=seq) / six_nd(total(shape), 1)
    return [
        f"{name}, sequences of {seq:,} tokens",
        f"  {total(shape):,} parameters",
        f"    {_shares(parameters(shape))}",
        f"  {per_token(shape, seq=seq):.3g} FLOPs a token of training, {ratio:.2f} times the 6N of the rule of thumb",
        f"    {_shares(flops)}",
        f"  {kv_cache(shape, batch=1, seq=seq) / 1e9:.3g} GB of KV cache a sequence, in bf16",
    ]


def _shares(parts: dict[str, int]) -> str:
    whole = sum(parts.values())
    return ", ".join(f"{name.replace('_', ' ')} {part / whole:.1%}" for name, part in parts.items() if part)


def _memory(shape: Shape, batch: int, seq: int, gpus: int, kind: str, attention: str, optimizer: str) -> list[str]:
    from lilllm.accounting.memory import mixed
    from lilllm.accounting.plan import fits

    memory, precision = GPUS[kind].memory, mixed(optimizer)  # type: ignore[arg-type]
    rows = [
        f"On each of {gpus:,} x {kind}: {batch:,} sequence{'s' * (batch > 1)} at once, {attention} attention, "
        f"{optimizer}; GB",
        f"  {'':8}{'checkpointed':>13} {'state':>9} {'activations':>12} {'total':>9}  {'fits':6}largest that fits",
    ]
    for way in fits(
        shape,
        batch=batch,
        seq=seq,
        gpus=gpus,
        memory=memory,
        attention=attention,  # type: ignore[arg-type]
        precision=precision,
    ):
        fit = "yes" if way.total <= memory else "no"
        rows.append(
            f"  {way.stage:8}{'yes' if way.checkpointing else 'no':>13} {way.state / 1e9:>9,.1f}"
            f" {way.activations / 1e9:>12,.1f} {way.total / 1e9:>9,.1f}  {fit:6}{way.largest_batch:>17,}"
        )
    return rows


def _time(shape: Shape, seq: int, gpus: int, kind: str, tokens: float, mfu: float) -> str:
    from lilllm.accounting.flops import per_token
    from lilllm.accounting.plan import days

    flops = GPUS[kind].flops
    time = days(shape, tokens=tokens, seq=seq, gpus=gpus, flops=flops, mfu=mfu)
    units = (("days", 1.0, 2.0), ("hours", 24.0, 1.0), ("minutes", 1440.0, 1.0), ("seconds", 86400.0, 0.0))
    unit, count = next((unit, time * a_day) for unit, a_day, least in units if time * a_day >= least)
    long = f"{count:,.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"
    return (
        f"Training on {tokens:.3g} tokens takes {per_token(shape, seq=seq) * tokens:.3g} FLOPs:\n"
        f"  {long} on {gpus:,} x {kind} ({flops / 1e12:,.0f} TFLOP/s each) at an MFU of {mfu:.0%}"
    )
