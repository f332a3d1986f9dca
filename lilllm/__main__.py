"""The command line: `lilllm ...` or `python -m lilllm ...`.

Each subcommand is a `click` command called `command` in `lilllm/commands/NAME.py`, imported when it is asked for, so
that `lilllm --help` stays fast. What a user can get wrong is one line on stderr and exit code 2: raise
`click.UsageError` (or any `click.ClickException`) with what was given, what is allowed and what to do.
"""

from __future__ import annotations

import importlib
import sys

import click

from lilllm import __version__

SUBCOMMANDS = {
    "course": "Start the course, see how far you are, reset or update your copy.",
    "lectures": "Build, check and list the lectures.",
    "tokenizer": "Train, inspect and convert tokenizers.",
    "trace": "Record a program or a lecture, and look at the trace.",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in SUBCOMMANDS:
            return None
        command: click.Command = importlib.import_module(f"lilllm.commands.{name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(SUBCOMMANDS.items()))


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lilllm")
def cli() -> None:
    """A course that builds a language model, and the package it builds on.

    Shell completion: eval "$(_LILLLM_COMPLETE=bash_source lilllm)" (or zsh_source, fish_source).
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line; one clear line and exit code 2 for what a user can get wrong."""
    try:
        code = cli.main(args=args, prog_name="lilllm", standalone_mode=False)
    except click.Abort:
        click.echo("lilllm: stopped", err=True)
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"lilllm: {' '.join(error.format_message().split())}", err=True)
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
