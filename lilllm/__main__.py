"""The command line: `lilllm ...` or `python -m lilllm ...`.

Each subcommand is a `click` command called `command` in `lilllm/commands/NAME.py`, imported when it is asked for, so
that `lilllm --help` stays fast. What a user can get wrong is one line on stderr and exit code 2: raise
`click.UsageError` (or any `click.ClickException`) with what was given, what is allowed and what to do. `ctx.exit(n)`
ends with n. A closed pipe ends quietly, Ctrl-C with 130. Anything else is our bug, and shows its traceback.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys

import click
from click.shell_completion import CompletionItem

from lilllm import __version__

SUBCOMMANDS = {
    "accounting": "Count what a model costs: parameters, FLOPs, memory, days.",
    "chat": "Talk to a model in the terminal.",
    "course": "Start the course, see how far you are, reset or update your copy.",
    "export": "Write a trained model for transformers and other tools.",
    "generate": "Let a model go on with a text.",
    "lectures": "Build, check and list the lectures.",
    "tokenizer": "Train, inspect and convert tokenizers.",
    "trace": "Record a program or a lecture, and look at the trace.",
    "train": "Train a model, from text to one that speaks.",
}


class _Lazy(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUBCOMMANDS:
            return None
        command: click.Command = importlib.import_module(f"lilllm.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        close = difflib.get_close_matches(args[0], SUBCOMMANDS, n=1)
        if args[0] not in SUBCOMMANDS and close and not ctx.resilient_parsing:
            ctx.fail(f"No such command '{args[0]}'. Did you mean '{close[0]}'?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(sorted(SUBCOMMANDS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        # click's own would import every subcommand to read its help.
        names = [
            CompletionItem(name, help=text) for name, text in sorted(SUBCOMMANDS.items()) if name.startswith(incomplete)
        ]
        return names or click.Command.shell_complete(self, ctx, incomplete)

    def invoke(self, ctx: click.Context) -> None:
        super().invoke(ctx)  # what a command returns is no exit code; ctx.exit(n) is


@click.command(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="lilllm")
def cli() -> None:
    """A course that builds a language model, and the package it builds on.

    \b
    Completion of commands and options, in the start file of your shell:
      bash  eval "$(_LILLLM_COMPLETE=bash_source lilllm)"
      zsh   eval "$(_LILLLM_COMPLETE=zsh_source lilllm)"
      fish  _LILLLM_COMPLETE=fish_source lilllm | source
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line; one clear line and exit code 2 for what a user can get wrong."""
    try:
        # Not standalone: click then raises its errors, and returns the code of ctx.exit().
        code = cli.main(args=args, prog_name="lilllm", standalone_mode=False)
        sys.stdout.flush()
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        click.echo(f"lilllm: {_one_line(error)}", err=True)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:
        # The reader (head, less) left: no message, and none from Python's own flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except ModuleNotFoundError as error:
        if (error.name or "lilllm").partition(".")[0] == "lilllm":
            raise
        click.echo(
            f'lilllm: this needs {error.name}, which is not installed: pip install "lilllm[lab,viewer]"', err=True
        )
        sys.exit(2)
    sys.exit(code if isinstance(code, int) else 0)


def _one_line(error: click.ClickException) -> str:
    message = " ".join(error.format_message().split())
    if isinstance(error, click.UsageError) and error.ctx is not None:
        message = f"{message.rstrip('.')} (see {error.ctx.command_path} --help)"
    # A name from a file or an argument may hold what a terminal would act on.
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message)


if __name__ == "__main__":
    main()
