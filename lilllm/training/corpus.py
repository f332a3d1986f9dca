"""From documents to what a run needs: a tokenizer, tokens to train on, and tokens that are held out.

    made = prepare("liltown", folder, vocab_size=1024, tokens=6_000_000)

LilTown never ends: training takes its documents from the first on, as many as the run needs, and what is held out are
documents of numbers far away. Of any other source the last part of its tokens is held out, from the end of a document
on.

Read in order: prepare, Prepared, Part (a stretch of a corpus), held_out_from.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from lilllm.data import documents
from lilllm.data.token_encoding import tokenizer_digest
from lilllm.data.token_files import TokenFiles
from lilllm.data.token_index import INDEX
from lilllm.data.token_writer import write_tokens
from lilllm.data.tokens import Tokens
from lilllm.tokenizers import BPETokenizer, load
from lilllm.tokenizers.protocol import END_NAMES
from lilllm.training.report import Report

EOS = "<|endoftext|>"
FAR = 10**9  # the number of LilTown's first held-out document
HELD_OUT_DOCUMENTS = 1000
SHARE, MOST = 0.05, 500_000  # of another source's tokens are held out, at most so many
TOKENIZER_DOCUMENTS, TOKENIZER_CHARACTERS = 20_000, 20_000_000  # that a tokenizer is learned from, at most
TOKENIZER, TOKENS, TRAINING, HELD_OUT = "tokenizer.json", "tokens", "training", "held-out"


@dataclass(frozen=True)
class Prepared:
    tokenizer: Any
    training: Tokens
    validation: Tokens


class Part:
    """Tokens ``start`` to ``stop`` - 1 of a corpus, as a corpus."""

    def __init__(self, tokens: Tokens, start: int, stop: int) -> None:
        self._tokens, self._start, self._stop = tokens, start, stop
        self.vocab_size, self.eos = tokens.vocab_size, tokens.eos
        self.tokenizer_digest = getattr(tokens, "tokenizer_digest", None)
        whole = tokens.n_bytes
        self.n_bytes = None if whole is None else round(whole * (stop - start) / len(tokens))
        self.digest = hashlib.sha256(f"{tokens.digest} {start} {stop}".encode()).hexdigest()

    def __len__(self) -> int:
        return self._stop - self._start

    def read(self, start: int, stop: int) -> np.ndarray:
        if not 0 <= start <= stop <= len(self):
            raise IndexError(f"tokens {start} to {stop} of a part that has {len(self):,}")
        return self._tokens.read(self._start + start, self._start + stop)


def prepare(
    source: str,
    folder: Path,
    *,
    vocab_size: int,
    tokens: int,
    tokenizer: Path | None = None,
    field: str = "text",
    count: int | None = None,
    separator: str | None = None,
    resume: bool = False,
    report: Report | None = None,
) -> Prepared:
    """Tokenizer and token files under ``folder``, made where they are not there yet.

    Args:
        source: what `lilllm.data.documents` knows, or a folder that `write_tokens` made.
        vocab_size: of a tokenizer that is learned here.
        tokens: that the run will see; of an endless source no more are made.
        tokenizer: a file of one; None: one is learned from the first documents.
        field, count, separator: of `documents`.
        resume: what is there is taken as it is; where all of it is, ``source`` need not be there any more.
    Raises:
        ValueError, FileNotFoundError, ConnectionError: what `documents` and `write_tokens` say.
    """
    report, kept, home = report or Report(False), folder / TOKENIZER, folder / TOKENS
    if resume and kept.exists() and (there := _there(home)) is not None:
        return Prepared(load(kept), *there)
    if (Path(source) / INDEX).is_file():
        return _from_token_files(Path(source), kept if resume and kept.exists() else tokenizer, kept)
    if Path(source).is_file() and not Path(source).stat().st_size:
        raise ValueError(f"{source} is empty; give a file that has text")
    stream = documents(source, field=field, count=count, separator=separator)
    if resume and kept.exists():
        made: Any = load(kept)
    elif tokenizer is not None:
        made = load(tokenizer)
    else:
        made = _learned(stream, source, vocab_size, report)
    folder.mkdir(parents=True, exist_ok=True)
    if not (resume and kept.exists()):
        made.save(kept)
    eos = next((made.special_tokens[name] for name in END_NAMES if name in made.special_tokens), None)
    shown = report.shown
    if not stream.endless:
        return Prepared(made, *_cut(write_tokens(stream, made, home, eos=eos, progress=shown)))
    far = write_tokens(
        documents(source, skip=FAR, count=HELD_OUT_DOCUMENTS), made, home / HELD_OUT, eos=eos, progress=False
    )
    needed = int(1.02 * tokens * HELD_OUT_DOCUMENTS / len(far)) + HELD_OUT_DOCUMENTS
    near = write_tokens(documents(source, count=needed), made, home / TRAINING, eos=eos, progress=shown)
    return Prepared(made, near, far)


def _there(home: Path) -> tuple[Tokens, Tokens] | None:
    """What `prepare` made before; None unless it is whole."""
    if (home / INDEX).is_file():
        return _cut(TokenFiles(home))
    if all((home / name / INDEX).is_file() for name in (TRAINING, HELD_OUT)):
        return TokenFiles(home / TRAINING), TokenFiles(home / HELD_OUT)
    return None


def _cut(files: TokenFiles) -> tuple[Tokens, Tokens]:
    cut = held_out_from(files)
    return Part(files, 0, cut), Part(files, cut, len(files))


def _learned(stream: Any, source: str, vocab_size: int, report: Report) -> Any:
    report.say(f"learning a tokenizer of {vocab_size:,} tokens")
    try:
        made = BPETokenizer.train(_texts(stream), vocab_size=vocab_size, special_tokens=[EOS])
    except ValueError as error:
        raise ValueError(str(error) if str(error).startswith(source) else f"{source}: {error}") from None
    if made.vocab_size < vocab_size:
        report.say(f"the text has no more than {made.vocab_size:,} different ones")
    return made


def held_out_from(tokens: Tokens) -> int:
    """Where the held-out part of a corpus begins: after an end of a document, if one is near.

    >>> from lilllm.data.tokens import TokenArray
    >>> held_out_from(TokenArray([1, 2, 0] * 100, vocab_size=3, eos=0))
    285
    """
    n = len(tokens)
    size = min(int(SHARE * n), MOST)
    cut = n - size
    if tokens.eos is not None:
        before = tokens.read(max(0, cut - size // 2), cut)
        ends = np.flatnonzero(before == tokens.eos)
        if len(ends):
            cut += int(ends[-1]) + 1 - len(before)
    return cut


def _texts(stream: Any) -> Any:
    left = TOKENIZER_CHARACTERS
    for text in islice(stream(0), TOKENIZER_DOCUMENTS):
        if left <= 0:
            return
        left -= len(text)
        yield text


def _from_token_files(folder: Path, tokenizer: Path | None, kept: Path) -> Prepared:
    if tokenizer is None:
        raise ValueError(f"{folder} holds tokens; give the tokenizer that made them (--tokenizer FILE)")
    files, made = TokenFiles(folder), load(tokenizer)
    if files.tokenizer_digest != tokenizer_digest(made):
        raise ValueError(f"{folder} was made by another tokenizer than {tokenizer}; give that one")
    if tokenizer != kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        made.save(kept)
    return Prepared(made, *_cut(files))
