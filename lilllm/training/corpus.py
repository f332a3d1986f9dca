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
from lilllm.data.token_files import TokenFiles
from lilllm.data.token_writer import write_tokens
from lilllm.data.tokens import Tokens
from lilllm.tokenizers import BPETokenizer, load
from lilllm.training.report import Report

EOS = "<|endoftext|>"
FAR = 10**9  # the number of LilTown's first held-out document
HELD_OUT_DOCUMENTS = 1000
SHARE, MOST = 0.05, 500_000  # of another source's tokens are held out, at most so many
TOKENIZER_DOCUMENTS, TOKENIZER_CHARACTERS = 20_000, 20_000_000  # that a tokenizer is learned from, at most
TOKENIZER, TOKENS = "tokenizer.json", "tokens"


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
        resume: what is there is taken as it is.
    Raises:
        ValueError, FileNotFoundError, ConnectionError: what `documents` and `write_tokens` say.
    """
    report = report or Report(False)
    if (Path(source) / "index.json").is_file():
        return _from_token_files(Path(source), tokenizer)
    stream = documents(source, field=field, count=count, separator=separator)
    kept = folder / TOKENIZER
    folder.mkdir(parents=True, exist_ok=True)
    if resume and kept.exists():
        made: Any = load(kept)
    elif tokenizer is not None:
        made = load(tokenizer)
    else:
        report.say(f"learning a tokenizer of {vocab_size:,} tokens")
        try:
            made = BPETokenizer.train(_texts(stream), vocab_size=vocab_size, special_tokens=[EOS])
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
        if made.vocab_size < vocab_size:
            report.say(f"the text has no more than {made.vocab_size:,} different ones")
    if not (resume and kept.exists()):
        made.save(kept)
    eos = made.special_tokens.get(EOS)
    home = folder / TOKENS
    shown = report.shown
    if not stream.endless:
        files = write_tokens(stream, made, home, eos=eos, progress=shown)
        cut = held_out_from(files)
        return Prepared(made, Part(files, 0, cut), Part(files, cut, len(files)))
    far = write_tokens(
        documents(source, skip=FAR, count=HELD_OUT_DOCUMENTS), made, home / "held-out", eos=eos, progress=False
    )
    if resume and (home / "training").is_dir():
        return Prepared(made, TokenFiles(home / "training"), far)
    needed = int(1.02 * tokens * HELD_OUT_DOCUMENTS / len(far)) + HELD_OUT_DOCUMENTS
    near = write_tokens(documents(source, count=needed), made, home / "training", eos=eos, progress=shown)
    return Prepared(made, near, far)


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


def _from_token_files(folder: Path, tokenizer: Path | None) -> Prepared:
    if tokenizer is None:
        raise ValueError(f"{folder} holds tokens; give the tokenizer that made them (--tokenizer FILE)")
    from lilllm.data.token_encoding import tokenizer_digest

    files, made = TokenFiles(folder), load(tokenizer)
    if files.tokenizer_digest != tokenizer_digest(made):
        raise ValueError(f"{folder} was made by another tokenizer than {tokenizer}; give that one")
    cut = held_out_from(files)
    return Prepared(made, Part(files, 0, cut), Part(files, cut, len(files)))
