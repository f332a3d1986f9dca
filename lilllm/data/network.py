"""Sets from the Hugging Face hub: streamed through `datasets` at one pinned revision, kept on the disk as they come.

Read in order:  NETWORK             the sets, with their revisions
                network_documents   first what the disk has, then the stream from there on
                articles            WikiText's rows are lines; its documents are articles

Why a revision: a name on the hub can change what it holds from one day to the next; a commit cannot. Each of these was
the newest commit of its set when it was chosen, and the same one stands in other projects' records of what they trained
on (November 2026).

Sources: Eldan & Li 2023, arXiv:2305.07759 (TinyStories); Penedo et al. 2024, arXiv:2406.17557 (FineWeb-Edu); Gokaslan &
Cohen 2019, skylion007.github.io/OpenWebTextCorpus; Merity et al. 2016, arXiv:1609.07843 (WikiText); Cobbe et al. 2021,
arXiv:2110.14168 (GSM8K); Hendrycks et al. 2021, arXiv:2009.03300 (MMLU)
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lilllm.data.network_cache import Cache

_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class NetworkSet:
    """One split of a set on the hub.

    Attributes:
        path, config, revision: what `datasets.load_dataset` is asked for; ``revision`` is a whole commit hash.
        splits: those it has, the one for training first (of MMLU, which is for evaluation, the one for testing).
        articles: rows are lines that make articles, as in WikiText.
        columns: those that ``form`` makes a text of, where no column is the text.
        about: what it is, in a line.
    """

    name: str
    path: str
    revision: str
    splits: tuple[str, ...]
    about: str
    config: str | None = None
    field: str = "text"
    articles: bool = False
    columns: tuple[str, ...] = ()
    form: Callable[..., str] | None = None

    def __post_init__(self) -> None:
        if not _REVISION.fullmatch(self.revision):
            raise ValueError(
                f"{self.name}: revision {self.revision!r} is no commit; give the 40 hexadecimal digits that the hub "
                "shows under Files and versions, since a branch can change"
            )

    @property
    def split(self) -> str:
        return self.splits[0]

    def text(self, row: Mapping[str, Any]) -> str:
        """The text of a row. Raises: ValueError: it has none."""
        if self.form is not None and all(name in row for name in self.columns):
            return self.form(*(row[name] for name in self.columns))
        if self.form is None and isinstance(row.get(self.field), str):
            return str(row[self.field])
        raise ValueError(f"no text {', '.join(self.columns) or repr(self.field)}; it has {', '.join(row)}")

    def split_of(self, option: str) -> NetworkSet:
        """This set with the split ``option``, or the one for training."""
        if option and option not in self.splits:
            raise ValueError(f"{self.name} has no split {option!r}; it has: {', '.join(self.splits)}")
        return replace(self, splits=(option,)) if option else self


def _problem(question: str, answer: str) -> str:
    """GSM8K's row as a text: its answer is worked out, and ends in "#### " and a number."""
    return f"{question}\n{answer}"


def _choice(question: str, choices: list[str], answer: int) -> str:
    """MMLU's row as a text: the question, its choices by letter, and the letter that is right.

    >>> _choice("2 + 2?", ["3", "4"], 1)
    '2 + 2?\\nA. 3\\nB. 4\\nAnswer: B'
    """
    lines = [f"{letter}. {choice}" for letter, choice in zip("ABCDEFGH", choices, strict=False)]
    return "\n".join([question, *lines, f"Answer: {'ABCDEFGH'[answer]}"])


NETWORK: Mapping[str, NetworkSet] = MappingProxyType(
    {
        found.name: found
        for found in (
            NetworkSet(
                name="tinystories",
                path="roneneldan/TinyStories",
                revision="f54c09fd23315a6f9c86f9dc80f725de7d8f9c64",
                splits=("train", "validation"),
                about="short stories in simple English, written by GPT-3.5 and GPT-4",
            ),
            NetworkSet(
                name="fineweb-edu",
                path="HuggingFaceFW/fineweb-edu",
                config="sample-10BT",
                revision="87f09149ef4734204d70ed1d046ddc9ca3f2b8f9",
                splits=("train",),
                about="educational pages of the web, a sample of ten billion GPT-2 tokens",
            ),
            NetworkSet(
                name="openwebtext",
                path="Skylion007/openwebtext",
                revision="79d93d786212f7344586290adb811d4ae6a1762c",
                splits=("train",),
                about="pages that Reddit linked to, made again after GPT-2's WebText",
            ),
            NetworkSet(
                name="wikitext",
                path="Salesforce/wikitext",
                config="wikitext-103-raw-v1",
                revision="b08601e04326c79dfdd32d625aee71d232d685c3",
                splits=("train", "validation", "test"),
                about="good and featured articles of Wikipedia",
                articles=True,
            ),
            NetworkSet(
                name="gsm8k",
                path="openai/gsm8k",
                config="main",
                revision="e53f048856ff4f594e959d75785d2c2d37b678ee",
                splits=("train", "test"),
                about="sums of grade school in words, their answers worked out",
                columns=("question", "answer"),
                form=_problem,
            ),
            NetworkSet(
                name="mmlu",
                path="cais/mmlu",
                config="all",
                revision="c30699e8356da336a370243923dbaf21066bb9fe",
                splits=("test", "validation", "dev", "auxiliary_train"),
                about="questions of 57 subjects with four answers to choose from",
                columns=("question", "choices", "answer"),
                form=_choice,
            ),
        )
    }
)


def network_documents(wanted: NetworkSet, skip: int = 0, *, folder: Path | None = None) -> Iterator[str]:
    """Documents of a set after the first ``skip``; what was read once is read from the disk from then on.

    Args:
        folder: where the texts are kept; None is a folder ``lilllm`` beside what `datasets` itself keeps (HF_HOME).
    Raises:
        ImportError: `datasets` is not installed.
        ConnectionError: the hub cannot be reached, or the stream broke; what has come stays on the disk.
    """
    datasets = _datasets(wanted)
    if folder is None:
        parts = (wanted.path.replace("/", "--"), wanted.config or "default", wanted.split, wanted.revision[:12])
        folder = Path(datasets.config.HF_DATASETS_CACHE) / "lilllm" / "-".join(parts)
    cache = Cache(folder, datasets.__version__)
    rows = cache.rows(lambda: _stream(datasets, wanted), wanted.text, 0 if wanted.articles else skip)
    texts = _explained(rows, wanted, cache)
    if wanted.articles:
        yield from islice(articles(texts), skip, None)
    else:
        yield from texts


def _datasets(wanted: NetworkSet) -> Any:
    try:
        import datasets
    except ImportError:
        raise ImportError(
            f"{wanted.name} is read through the package datasets, which is not installed; pip install 'lilllm[data]', "
            "or give a file of your own, or liltown, which needs neither"
        ) from None
    return datasets


def _stream(datasets: Any, wanted: NetworkSet) -> Any:
    return datasets.load_dataset(
        wanted.path, wanted.config, split=wanted.split, revision=wanted.revision, streaming=True
    )


def _explained(rows: Iterator[str], wanted: NetworkSet, cache: Cache) -> Iterator[str]:
    """``rows``, and what to do where they break off."""
    try:
        yield from rows
    except (ImportError, MemoryError):
        raise
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _broken(wanted, cache, error) from error
        raise OSError(
            error.errno,
            f"there is no room to keep {wanted.name} ({os.strerror(error.errno)}); make room, or let HF_HOME name a "
            "folder on a larger disk",
            str(cache.folder),
        ) from None
    except Exception as error:  # httpx, huggingface_hub, fsspec and datasets each have their own
        raise _broken(wanted, cache, error) from error


def _broken(wanted: NetworkSet, cache: Cache, error: Exception) -> ConnectionError:
    return ConnectionError(
        f"{wanted.name} ({wanted.path} at {wanted.revision[:12]}) cannot be read from the Hugging Face hub "
        f"({type(error).__name__}: {error}). {cache.kept():,} rows of it are on the disk in {cache.folder} and stay "
        "there. With a network (and without HF_HUB_OFFLINE) the same call goes on behind them; without one give "
        "liltown, python_docs, python_code or a file of your own"
    )


def articles(rows: Iterable[str]) -> Iterator[str]:
    r"""The articles in WikiText's rows, each a line: a title stands between one pair of equals signs.

    >>> list(articles(["", " = Rain = \n", "", " Wet . \n", " = = Kinds = = \n", "", " = Snow = \n", " White . \n"]))
    [' = Rain = \n Wet . \n = = Kinds = = \n', ' = Snow = \n White . \n']
    """
    lines: list[str] = []
    for row in rows:
        if _TITLE.fullmatch(row) and lines:
            yield "".join(lines)
            lines = []
        if row:
            lines.append(row)
    if lines:
        yield "".join(lines)


_TITLE = re.compile(r" = [^=].*[^=] = \n| = [^=] = \n")
