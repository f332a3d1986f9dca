"""What `lilllm generate` and `lilllm chat` share: which model, how to draw, and text that cannot steer a terminal."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from lilllm.inference import Speaker

_LEFT_ALONE = "\n\t"
# What turns the direction of a line, so that it reads otherwise than it is.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")

_OPTIONS = [
    click.option(
        "--model",
        metavar="SOURCE",
        help="liltown, a run folder (its best), a checkpoint, a Hugging Face folder or id "
        "[default: the newest run in ./runs, else liltown].",
    ),
    click.option("--device", metavar="NAME", help="cpu, cuda [default: cpu]."),
    click.option("--temperature", type=float, default=0.8, show_default=True, help="0: always the likeliest token."),
    click.option("--top-k", type=int, metavar="K", help="Only the K likeliest tokens."),
    click.option("--top-p", type=float, metavar="P", help="Only the likeliest that together reach P."),
    click.option("--min-p", type=float, metavar="P", help="Only what is P times as likely as the likeliest."),
    click.option("--repetition-penalty", type=float, metavar="X", help="Above 1: say less again."),
    click.option("--factual", is_flag=True, help="Factual-nucleus: a top-p that narrows along a sentence."),
    click.option("--dola", is_flag=True, help="Contrast the last layer with earlier ones."),
    click.option("--max-new", type=click.IntRange(min=1), default=200, show_default=True, help="Most tokens to add."),
    click.option("--seed", type=click.IntRange(0, 2**63 - 2), help="Draw the same again."),
]
SAMPLER = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty", "factual", "dola")


def speaking(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of whatever speaks."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@contextmanager
def in_one_line() -> Iterator[None]:
    """What a user can get wrong, as one line."""
    try:
        yield
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.UsageError(f"{where}{error.strerror or error}") from None
    except (ValueError, ModuleNotFoundError) as error:
        raise click.UsageError(str(error)) from None


def open_speaker(source: str | None, device: str | None = None) -> Speaker:
    """The model of the options.

    Raises: ValueError or OSError that says what is wrong.
    """
    from lilllm import inference

    if source is not None and (there := _beside(source)) is not None:
        raise ValueError(f"there is no folder {source}; of runs there are: {', '.join(there) or 'none yet'}")
    return inference.load(source, device=device, progress=sys.stderr.isatty())


def _beside(source: str) -> list[str] | None:
    """The runs of the folder in which ``source`` is not; None where it is there, or may be a name on the hub."""
    path = Path(source)
    if path.exists() or path.parent == Path() or not path.parent.is_dir():
        return None
    return [str(found.parent) for found in sorted(path.parent.glob("*/run.json"))]


def harmless(text: str) -> str:
    """Text without what a terminal would act on: control characters and turns of direction are written out.

    >>> harmless("red \\x1b[31m and a bell \\x07, two\\nlines")
    'red \\\\x1b[31m and a bell \\\\x07, two\\nlines'
    """
    return "".join(
        repr(letter)[1:-1]
        if (unicodedata.category(letter) in ("Cc", "Cs") and letter not in _LEFT_ALONE) or letter in _TURNING
        else letter
        for letter in text
    )


def show(text: str) -> None:
    """Write at once, whatever the terminal's encoding lacks."""
    stream = sys.stdout
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def note(text: str) -> None:
    """A remark that is no part of what was generated."""
    click.echo(f"({harmless(text)})", err=True)
