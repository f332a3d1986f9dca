"""Documents to token files: in parallel, with a progress bar, and again from where it stopped after a crash.

    files = write_tokens(documents("stories.jsonl"), tokenizer, "tokens", eos=0)

Read in order:  write_tokens, then token_encoding and token_pool (text to ids), token_shards (ids to the disk)
Memory:         some megabytes of text a process, and the longest document
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from lilllm.data.token_encoding import BatchEncoder, Encoder, chunks, text_checksum, tokenizer_digest
from lilllm.data.token_files import TokenFiles
from lilllm.data.token_index import FORMAT, INDEX, JOURNAL, Header, check_same, read_index
from lilllm.data.token_journal import Mark
from lilllm.data.token_pool import encode_all
from lilllm.data.token_shards import ShardWriter
from lilllm.data.tokens import check_eos, id_dtype

Source = Callable[[int], Iterable[str]]

SHARD_TOKENS = 1 << 27


def write_tokens(
    documents: Source | Iterable[str],
    tokenizer: BatchEncoder,
    folder: str | os.PathLike[str],
    *,
    eos: int | None,
    shard_tokens: int = SHARD_TOKENS,
    workers: int | None = None,
    progress: bool = True,
    about: dict[str, Any] | None = None,
) -> TokenFiles:
    """Encode every document, an EOS after each, into files in ``folder``.

    Cut off at any moment, even by ``kill -9`` or a full disk, the same call again goes on from the last few seconds,
    and the files are byte for byte those of an undisturbed call. They do not depend on ``workers`` either. Finished
    files of the same header are opened, not written again.

    Args:
        documents: what `documents` gives; or a function that takes the number of documents to skip and gives those
            after them; or any iterable of texts, which a restart reads again from its beginning.
        tokenizer: has ``vocab_size`` and ``encode_batch``. Text that spells a special token is text.
        eos: the id of the token that ends every document; None puts none.
        shard_tokens: ids in each file but the last.
        workers: how many processes encode; None is one a core. Small corpora are encoded in this process.
        progress: show a bar.
        about: where the documents are from, for people and for a restart to compare; JSON. None takes what
            ``documents`` says of itself.
    Raises:
        ValueError: no documents, or never an end of them; one that cannot be encoded, by its number; a folder that
            holds other things, or tokens of another tokenizer or other documents; ``eos`` out of range.
        OSError: the disk is full; what is safe stays.
        RuntimeError: a process died.
    """
    encoder = Encoder(tokenizer, _checked(tokenizer, eos, shard_tokens))
    source, told = _source(documents, about)
    header = Header(
        format=FORMAT,
        dtype=id_dtype(tokenizer.vocab_size).str,
        vocab_size=tokenizer.vocab_size,
        eos=eos,
        shard_tokens=shard_tokens,
        tokenizer=tokenizer_digest(tokenizer),
        about=told,
    )
    folder = Path(folder)
    if (folder / INDEX).exists():
        return _finished(folder, header, source)
    writer = ShardWriter(folder, header)
    try:
        texts = _from(source, writer.mark, folder)
        parts = chunks(texts, writer.mark.documents)
        with _Bar(texts, writer, progress) as bar:
            for encoded in encode_all(encoder, parts, _workers(workers)):
                writer.append(encoded)
                bar.show(encoded.n_bytes)
        if not writer.tokens:
            why = "every document is empty, and there is no eos" if writer.documents else "there are no documents"
            raise ValueError(f"there is nothing to write: {why}")
        writer.finish()
    finally:
        writer.close()
        _leave_nothing(folder, writer)
    return TokenFiles(folder)


def _checked(tokenizer: BatchEncoder, eos: int | None, shard_tokens: int) -> int | None:
    if not callable(getattr(tokenizer, "encode_batch", None)) or not hasattr(tokenizer, "vocab_size"):
        raise ValueError(
            f"the tokenizer is a {type(tokenizer).__name__}; give one of lilllm.tokenizers, or an object that has "
            "vocab_size and encode_batch"
        )
    check_eos(eos, tokenizer.vocab_size)
    if isinstance(shard_tokens, bool) or not isinstance(shard_tokens, int) or shard_tokens < 1:
        raise ValueError(f"shard_tokens is {shard_tokens!r}; give a whole number of at least 1")
    return eos


def _workers(workers: int | None) -> int:
    if workers is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if isinstance(workers, bool) or not isinstance(workers, int) or workers < 1:
        raise ValueError(f"workers is {workers!r}; give a whole number of at least 1, or None for one a core")
    return workers


def _source(documents: Source | Iterable[str], about: dict[str, Any] | None) -> tuple[Source, dict[str, Any]]:
    if isinstance(documents, str | os.PathLike):
        raise ValueError(f"documents is {str(documents)!r}; give documents({str(documents)!r}), or a list of texts")
    if getattr(documents, "endless", False):
        raise ValueError(f"{documents!r} never ends; give a count of documents")
    if about is None:
        about = getattr(documents, "about", None) or {}
    try:
        about = json.loads(json.dumps(about))
        if not isinstance(about, dict):
            raise TypeError("it is no dict")
    except (TypeError, ValueError) as error:
        raise ValueError(f"about cannot be written as a JSON object: {error}") from None
    if callable(documents):
        return documents, about
    iterable = documents
    return (lambda skip: islice(iterable, skip, None)), about


def _from(source: Source, mark: Mark, folder: Path) -> Iterator[str]:
    """The documents after ``mark``; the last one before it is read again, to see that they are still the same."""
    if not mark.documents:
        return iter(source(0))
    texts = iter(source(mark.documents - 1))
    last = next(texts, None)
    if last is None or text_checksum(last) != mark.last:
        found = "is not there any more" if last is None else "is not the one that was written"
        raise ValueError(
            f"the documents have changed since {folder} was begun: document {mark.documents - 1:,} {found}; give the "
            "same documents as then, or delete the folder"
        )
    return texts


def _finished(folder: Path, header: Header, source: Source) -> TokenFiles:
    index = read_index(folder)
    check_same(index.header, header, folder)
    (folder / JOURNAL).unlink(missing_ok=True)  # of a process that was killed between the index and this
    if not header.about:  # nobody said which documents they are
        mark = Mark(tokens=index.tokens, documents=index.documents, bytes=index.bytes, last=index.last)
        if next(_from(source, mark, folder), None) is not None:
            raise ValueError(
                f"{folder} holds the tokens of {index.documents:,} documents, and here are more; give another folder, "
                "or delete this one"
            )
    return TokenFiles(folder)


def _leave_nothing(folder: Path, writer: ShardWriter) -> None:
    """A folder in which nothing was marked is as it was before."""
    if not writer.mark.tokens:
        for path in (*folder.glob("shard-*.bin.partial"), folder / JOURNAL):
            path.unlink(missing_ok=True)


class _Bar:
    """How far the writer is, by what the documents say of their position if they do."""

    def __init__(self, texts: Any, writer: ShardWriter, progress: bool) -> None:
        self._position: Callable[[], tuple[int, int] | None] = getattr(texts, "position", lambda: None)
        self._writer = writer
        self._at_start = writer.tokens
        self._began = time.monotonic()
        self._n_bytes = writer.mark.bytes
        found = self._position()
        shape = (
            "{desc}: {percentage:3.0f}% |{bar}| {elapsed}<{remaining}{postfix}"
            if found
            else "{desc}: {elapsed}{postfix}"
        )
        total = found[1] if found else None
        often = 0.1 if sys.stderr.isatty() or "ipykernel" in sys.modules else 10.0  # seconds; a log keeps every line
        self._bar = tqdm(desc="tokens", total=total, bar_format=shape, disable=not progress, mininterval=often)

    def __enter__(self) -> _Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, n_bytes: int) -> None:
        self._n_bytes += n_bytes
        found = self._position()
        if found:
            self._bar.n = min(found)
        rate = (self._writer.tokens - self._at_start) / max(time.monotonic() - self._began, 1e-9)
        self._bar.set_postfix_str(
            f"{self._n_bytes / 1e6:,.0f} MB of text, {self._writer.tokens / 1e6:,.1f} M tokens, {rate / 1e3:,.0f} k/s",
            refresh=False,
        )
        self._bar.update(0)
