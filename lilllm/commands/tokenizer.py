"""`lilllm tokenizer`: train tokenizers, look into their files, encode and decode with them, convert them."""

from __future__ import annotations

import base64
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lilllm.commands.group import Group

if TYPE_CHECKING:
    from lilllm.tokenizers.hf_json import AnyTokenizer

FILE = click.Path(path_type=Path)


@contextmanager
def _one_line() -> Iterator[None]:
    """What a user can get wrong, as one line."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise click.UsageError(f"not UTF-8 at byte {error.start}; convert the text to UTF-8 first") from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.UsageError(f"{where}{error.strerror or error}") from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not UTF-8 at byte {error.start}; convert it to UTF-8 first") from None


def _open(path: Path) -> AnyTokenizer:
    """A tokenizer.json, a folder with GPT-2's vocab.json and merges.txt, or a file of ranks named ``.tiktoken``."""
    from lilllm import tokenizers

    if path.suffix == ".tiktoken" and not path.is_dir():
        return tokenizers.BPETokenizer.load_tiktoken(path)
    return tokenizers.BPETokenizer.load_gpt2(path) if path.is_dir() else tokenizers.load(path)


def _new(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise ValueError(f"{path} is there already; choose another name with -o, or --force to replace it")
    if not path.parent.is_dir():
        raise ValueError(f"the folder {path.parent} does not exist; make it first")


@click.group(name="tokenizer", cls=Group)
def command() -> None:
    """Train, inspect and convert tokenizers.

    A tokenizer is a tokenizer.json, as Hugging Face writes it. A folder with GPT-2's two files and a file of ranks that
    ends in .tiktoken are read too; they hold no split pattern, and are taken to have GPT-2's.
    """


@command.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option(
    "--type",
    "kind",
    type=click.Choice(["bpe", "wordpiece", "unigram", "word", "char"]),
    default="bpe",
    show_default=True,
    help="What to train.",
)
@click.option("--vocab-size", type=click.IntRange(min=1), help="Ids in all, special tokens included (not for char).")
@click.option("--special", multiple=True, metavar="TEXT", help="A special token; may be given again.")
@click.option("-o", "--output", type=FILE, default=Path("tokenizer.json"), show_default=True, help="Where to write it.")
@click.option(
    "--processes", type=click.IntRange(1, 64), default=1, show_default=True, help="For bpe: count with so many."
)
@click.option("--force", is_flag=True, help="Replace OUTPUT if it is there.")
def train(
    files: tuple[Path, ...],
    kind: str,
    vocab_size: int | None,
    special: tuple[str, ...],
    output: Path,
    processes: int,
    force: bool,
) -> None:
    """Train a tokenizer on FILES (text, UTF-8) and write it as a tokenizer.json."""
    from lilllm import tokenizers

    if (vocab_size is None) != (kind == "char"):
        raise click.UsageError(
            "--vocab-size is not for char, which takes every character"
            if kind == "char"
            else f"--vocab-size is missing; {kind} needs to know how many ids to make, for instance 4000"
        )
    if processes > 1 and kind != "bpe":
        raise click.UsageError(f"--processes is for bpe; {kind} is trained by one process")
    size = vocab_size or 0
    progress = sys.stderr.isatty()
    names = list(special)
    texts = (_text(path) for path in files)
    trainers: dict[str, Callable[[], Any]] = {
        "bpe": lambda: tokenizers.BPETokenizer.train(
            files, vocab_size=size, special_tokens=names, processes=processes, progress=progress
        ),
        "wordpiece": lambda: tokenizers.WordPieceTokenizer.train(
            texts, vocab_size=size, special_tokens=names, progress=progress
        ),
        "unigram": lambda: tokenizers.UnigramTokenizer.train(
            texts, vocab_size=size, special_tokens=names, progress=progress
        ),
        "word": lambda: tokenizers.WordTokenizer.train(texts, vocab_size=size, special_tokens=names),
        "char": lambda: tokenizers.CharTokenizer.train(texts, special_tokens=names),
    }
    with _one_line():
        _new(output, force)
        for path in files:
            with path.open("rb"):
                pass  # a missing file is an error before the work, not in the middle of it
        tokenizer = trainers[kind]()
        tokenizer.save(output)
    made = f"{output}: {type(tokenizer).__name__}, {tokenizer.vocab_size} ids"
    click.echo(f"{made} (the text holds no more)" if tokenizer.vocab_size < size else made)


def _lines(tokenizer: AnyTokenizer, ids: list[int]) -> str:
    """An id and what it stands for a line, printable whatever that is: text where it is UTF-8, bytes where not."""
    lines = []
    for token_id in ids:
        token = tokenizer.token_bytes(token_id)
        try:
            lines.append(f"{token_id}\t{token.decode()!r}")
        except UnicodeDecodeError:
            lines.append(f"{token_id}\t{token!r}")
    return "\n".join(lines)


@command.command()
@click.argument("tokenizer", type=FILE)
@click.argument("text", required=False)
@click.option("--pieces", is_flag=True, help="One token a line, with what it stands for.")
@click.option("--allow", multiple=True, metavar="TEXT", help="A special token to find in the text, or all.")
def encode(tokenizer: Path, text: str | None, pieces: bool, allow: tuple[str, ...]) -> None:
    """Print the ids of TEXT, or of standard input without it."""
    with _one_line():
        model = _open(tokenizer)
        text = text if text is not None else sys.stdin.buffer.read().decode("utf-8")
        ids = model.encode(text, allowed_special="all" if "all" in allow else list(allow))
        click.echo(_lines(model, ids) if pieces else " ".join(map(str, ids)))


@command.command()
@click.argument("tokenizer", type=FILE)
@click.argument("ids", nargs=-1)
@click.option("--pieces", is_flag=True, help="One token a line, with what it stands for.")
def decode(tokenizer: Path, ids: tuple[str, ...], pieces: bool) -> None:
    """Print the text of IDS, or of the ids in standard input without them."""
    with _one_line():
        model = _open(tokenizer)
        words = ids or sys.stdin.buffer.read().decode("utf-8").split()
        wrong = [word for word in words if not word.isascii() or not word.isdigit()]
        if wrong:
            raise ValueError(f"{wrong[0]!r} is not an id; give whole numbers with blanks between them")
        numbers = [int(word) if len(word) < 20 else model.vocab_size for word in words]
        text = _lines(model, numbers) if pieces else model.decode(numbers)
        # As bytes: click would take escape sequences out of text, and Windows would change its line ends.
        click.echo(text.encode("utf-8"), nl=pieces or bool(ids))


@command.command()
@click.argument("tokenizer", type=FILE)
def info(tokenizer: Path) -> None:
    """Say what a tokenizer file holds."""
    with _one_line():
        model = _open(tokenizer)
        tokens = [model.token_bytes(token_id) for token_id in range(model.vocab_size)]
    longest = max((t for i, t in enumerate(tokens) if i not in model.special_tokens.values()), key=len, default=b"")
    special = ", ".join(f"{name!r} = {token_id}" for name, token_id in model.special_tokens.items())
    facts = {
        "type": type(model).__name__,
        "ids": str(model.vocab_size),
        "special tokens": special or "none",
        "longest token": repr(longest.decode("utf-8", errors="replace")),
        "lossless": "yes" if model.lossless else "no",
    }
    for name in ("pattern", "normalizer", "splitter", "decoder"):
        if hasattr(model, name):
            facts[name] = repr(getattr(model, name))
    for name, value in facts.items():
        click.echo(f"{name:15s} {value}")


@command.command()
@click.argument("tokenizer", type=FILE)
@click.option("-o", "--output", type=FILE, required=True, help="A file; for gpt2 a folder.")
@click.option("--to", "form", type=click.Choice(["gpt2", "tiktoken", "hf"]), default="hf", show_default=True)
@click.option("--force", is_flag=True, help="Replace OUTPUT if it is there.")
def convert(tokenizer: Path, output: Path, form: str, force: bool) -> None:
    """Write a tokenizer in another form.

    hf: tokenizer.json. gpt2: a folder with vocab.json and merges.txt. tiktoken: lines of a token in base64 and its
    rank. The last two hold BPE only.
    """
    with _one_line():
        model: Any = _open(tokenizer)
        _new(output, force)
        if form == "hf":
            model.save(output)
        elif type(model).__name__ != "BPETokenizer":
            raise ValueError(f"{form} holds BPE only, and {tokenizer} is a {type(model).__name__}; use --to hf")
        elif form == "gpt2":
            output.mkdir(exist_ok=True)
            model.save_gpt2(output)
        else:
            _save_tiktoken(model, output)
    click.echo(f"{output}: {type(model).__name__}, {model.vocab_size} ids")
    if form != "hf":
        click.echo(f"this form does not hold the split pattern {model.pattern!r}", err=True)
    if form == "tiktoken" and model.special_tokens:
        click.echo(f"nor the special tokens {model.special_tokens!r}", err=True)


def _save_tiktoken(model: Any, output: Path) -> None:
    from lilllm.tokenizers.files import write_whole

    model.to_tiktoken(output.stem)  # refuses what tiktoken cannot say
    ranks = sorted(model.vocab.items(), key=lambda item: item[1])
    write_whole(output, b"".join(base64.b64encode(token) + b" %d\n" % rank for token, rank in ranks))
