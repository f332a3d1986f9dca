"""``lilllm trace record | info | validate | show``: record a program or a lecture, and look at the trace."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lilllm.tracing.reader import Trace

ENDING = ".trace.jsonl.gz"
_LARGEST = 60_000_000  # what `load` opens, less a margin


@click.group()
def command() -> None:
    """Record a program or a lecture, and look at the trace."""


@command.command(context_settings={"ignore_unknown_options": True})
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("args", nargs=-1, type=click.UNPROCESSED)
@click.option("-o", "--output", type=click.Path(path_type=Path), help=f"Where to write; FILE{ENDING} in this folder.")
@click.option("--line-hits", type=click.IntRange(1), default=8, show_default=True, help="Times a line is recorded.")
@click.option("--calls", type=click.IntRange(1), default=64, show_default=True, help="Times a function is entered.")
@click.option("--steps", type=click.IntRange(1, 1_000_000), default=20_000, show_default=True, help="Most steps.")
@click.option("--bytes", "size", type=click.IntRange(50_000, _LARGEST), default=20_000_000, show_default=True,
              help="Most bytes, unpacked.")  # fmt: skip
@click.option("--timeout", type=click.FloatRange(0, min_open=True), default=600.0, show_default=True, help="Seconds.")
def record(
    file: Path,
    args: tuple[str, ...],
    output: Path | None,
    line_hits: int,
    calls: int,
    steps: int,
    size: int,
    timeout: float,
) -> int:
    """Run FILE (.py or .ipynb) and record it. A script gets what follows `--` as its arguments.

    A file with cells (`# %%`) or a notebook runs in a kernel. The exit code is 1 if the program failed; its trace is
    written all the same.
    """
    from lilllm.tracing.format import Budgets
    from lilllm.tracing.percent import is_percent
    from lilllm.tracing.script import read_source, record_script

    if file.suffix not in (".py", ".ipynb"):
        raise click.UsageError(f"{str(file)!r} is not a .py or .ipynb file; give one of these")
    target = output or Path(file.stem + ENDING)
    if target.is_dir():
        raise click.UsageError(f"{str(target)!r} is a folder; give the name of a file, such as {file.stem}{ENDING}")
    if target.resolve() == file.resolve():
        raise click.UsageError("the trace would replace the program; give another name with -o")
    budgets = Budgets(line_hits=line_hits, function_calls=calls, steps=steps, bytes=size)
    try:
        cells = file.suffix == ".ipynb" or is_percent(read_source(file))
        if cells and args:
            raise click.UsageError(f"{file.name} has cells and runs in a kernel, which has no arguments: {args[0]!r}")
        if cells:
            code = _record_cells(file, target, budgets, timeout)
        else:
            code = record_script(file, target, args=args, name=_shown(file), budgets=budgets, timeout=timeout)
    except OSError as error:
        raise click.UsageError(f"cannot read or write {error.filename or file}: {error.strerror or error}") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    if target.exists():
        trace = _open(target)
        click.echo(f"{target}: {len(trace.steps.op):,} steps, {trace.packed:,} bytes", err=True)
        if trace.stopped:
            click.echo(f"stopped: {trace.stopped}", err=True)
    return code


def _record_cells(file: Path, target: Path, budgets: Any, timeout: float) -> int:
    try:
        from lilllm.tracing.drive import run_notebook

        run = run_notebook(file, target, name=_shown(file.with_suffix(".py")), timeout=timeout, budgets=budgets)
    except ModuleNotFoundError as error:
        raise click.UsageError(f"{error.name} is not installed: pip install 'lilllm[lab]'") from None
    if run.error:
        click.echo(f"{file.name}: {run.error}", err=True)
    return 1 if run.error else 0


def _shown(file: Path) -> str:
    """How the trace names the file: relative to this folder, or by its name alone; never where it is on the machine."""
    try:
        return file.resolve().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return file.name


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
def info(file: Path, as_json: bool) -> None:
    """Steps, bytes, files and cells of a trace, and why it stopped. A trace that breaks off is no error."""
    trace = _open(file)
    facts = describe(trace)
    if as_json:
        click.echo(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    click.echo(f"{facts['title']} (Python {facts['python']})")
    click.echo(f"{facts['steps']:,} steps, {facts['values']:,} values, {facts['pictures']} pictures")
    click.echo(f"{facts['packed_bytes']:,} bytes packed, {facts['unpacked_bytes']:,} unpacked")
    for name, lines in facts["files"].items():
        click.echo(f"file {_plain(name)}: {lines} lines")
    click.echo(f"{facts['code_cells']} code cells, {facts['markdown_cells']} of text")
    click.echo("complete" if facts["complete"] else f"truncated: {_plain(facts['stopped'])}")
    for note in facts["notes"]:
        click.echo(f"note: {_plain(note)}")


def describe(trace: Trace) -> dict[str, Any]:
    """What ``info`` tells, as JSON has it."""
    head = trace.head
    kinds = [cell.kind for cell in head.cells]
    return {
        "title": _plain(head.title),
        "python": _plain(head.python),
        "packages": head.packages,
        "steps": len(trace.steps.op),
        "values": len(trace.values),
        "pictures": len(trace.blobs),
        "packed_bytes": trace.packed,
        "unpacked_bytes": trace.unpacked,
        "files": {file.name: file.text.count("\n") + 1 for file in head.files},
        "code_cells": kinds.count("code"),
        "markdown_cells": kinds.count("markdown"),
        "complete": trace.complete,
        "stopped": trace.stopped,
        "notes": trace.end.notes if trace.end is not None else [],
    }


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def validate(file: Path) -> None:
    """Check every record and reference of a trace; exit code 2 and one line if anything is wrong."""
    trace = _open(file)
    click.echo(f"{file}: valid, version {trace.head.version}, {len(trace.steps.op):,} steps")


@command.command()
@click.argument("file", type=click.Path(path_type=Path))
def show(file: Path) -> None:
    """A trace as text: a line a step, with what changed and what was shown."""
    from lilllm.tracing.show_text import lines

    for line in lines(_open(file)):
        click.echo(_plain(line))


def _plain(text: str) -> str:
    """Without control characters: a trace may come from anybody, and a terminal obeys them."""
    return "".join(char if char.isprintable() else " " for char in text)


def _open(file: Path) -> Trace:
    from lilllm.tracing.reader import TraceError, load

    try:
        return load(file)
    except TraceError as error:
        raise click.UsageError(f"{file}: {_plain(str(error))}") from None
    except OSError as error:
        raise click.UsageError(f"cannot read {str(file)!r}: {error.strerror or error}") from None
