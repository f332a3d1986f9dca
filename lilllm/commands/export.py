"""`lilllm export`: a trained model for other tools."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="export")
@click.argument("model")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dtype", type=click.Choice(["float32", "bfloat16", "float16"]), help="Of the weights [as they are].")
@click.option("--overwrite", is_flag=True, help="Replace an earlier model in FOLDER.")
def command(model: str, folder: Path, dtype: str | None, overwrite: bool) -> None:
    """Write MODEL to FOLDER in Hugging Face's format, for transformers, vLLM or llama.cpp.

    MODEL is a run's folder (its best checkpoint is taken), a checkpoint, liltown, or a Hugging Face folder or id.
    """
    import torch

    from lilllm.inference.taking_away import take_away

    try:
        made = take_away(model, folder, dtype=getattr(torch, dtype) if dtype else None, overwrite=overwrite)
    except FileExistsError as error:
        raise click.ClickException(str(error).replace("overwrite=True", "--overwrite")) from None
    except (ValueError, OSError, ImportError) as error:
        raise click.ClickException(str(error)) from None
    size = sum(path.stat().st_size for path in made.glob("*.safetensors"))
    click.echo(
        f"{made}: {size / 1e6:,.1f} MB of weights; AutoModelForCausalLM.from_pretrained({str(folder)!r}) reads it"
    )
