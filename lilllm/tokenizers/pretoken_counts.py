"""Count pre-tokens, of texts and of files that do not fit into memory, in several processes.

Training needs no more of a text than how often each pre-token occurs. A file is cut into parts of about four megabytes,
at special tokens where there are any, else where the split pattern allows; each part is counted by itself.

Read in order:  count_pretokens
                count_text (one text), file_parts (where a file is cut), _count_parts (the processes)
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Collection, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from tqdm import tqdm

from lilllm.tokenizers.pretokenize import PIECE, is_known, pieces, pretokens, safe_cuts, split_special
from lilllm.tokenizers.vocabulary import plain_text

PART = 4 * 2**20
WINDOW = 2**16


class Part(NamedTuple):
    """Bytes ``start`` to ``end`` of a file."""

    path: Path
    start: int
    end: int


def count_pretokens(
    texts_or_paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    pattern: str | None,
    special_tokens: Collection[str] = (),
    processes: int = 1,
    progress: bool = False,
    part_bytes: int = PART,
) -> Counter[str]:
    """How often each pre-token occurs in the texts (``str``) and UTF-8 files (``Path``), special tokens cut out.

    Memory is bounded by the distinct pre-tokens and a few parts of files, if the pattern is one of the two in
    pretokenize.py or special tokens are in the files; else a file is counted whole.

    Args:
        processes: how many count parts of files; texts are counted here.
        progress: show a bar over the bytes of the files.
    Raises:
        ValueError: no processes; a file that is not UTF-8, with the place.
        TypeError: neither a text nor a path.
        OSError: a file is missing or cannot be read.
    """
    if processes < 1:
        raise ValueError(f"processes={processes}: at least 1 is needed")
    counts: Counter[str] = Counter()
    paths = []
    one = isinstance(texts_or_paths, str | os.PathLike)
    for item in [texts_or_paths] if one else texts_or_paths:  # type: ignore[union-attr]
        if isinstance(item, os.PathLike):
            paths.append(Path(item))
        elif isinstance(item, str):
            count_text(plain_text(item), pattern, special_tokens, counts)
        else:
            raise TypeError(f"expected texts (str) or files (pathlib.Path), got {type(item).__name__}: {item!r:.80}")
    total = sum(path.stat().st_size for path in paths)
    parts = (part for path in paths for part in file_parts(path, pattern, special_tokens, part_bytes))
    bar = tqdm(total=total, desc="pre-tokens", unit="B", unit_scale=True, disable=not progress)
    with bar, closing(_count_parts(parts, pattern, special_tokens, processes)) as counted_parts:
        for part, counted in counted_parts:
            counts.update(counted)
            bar.update(part.end - part.start)
    return counts


def count_text(text: str, pattern: str | None, special_tokens: Collection[str], counts: Counter[str]) -> None:
    """Add the pre-tokens of ``text`` to ``counts``."""
    for is_special, part in split_special(text, special_tokens):
        if not is_special:
            for piece in pieces(part, pattern, PIECE):
                counts.update(pretokens(piece, pattern))


def file_parts(path: Path, pattern: str | None, special_tokens: Collection[str], size: int) -> Iterator[Part]:
    """Parts of about ``size`` bytes that, counted apart, give the counts of the file."""
    length = path.stat().st_size
    start = 0
    if is_known(pattern) or special_tokens:
        with path.open("rb") as file:
            near = size
            while near < length:
                file.seek(near)
                cut = near + _cut_in(file.read(WINDOW), pattern, special_tokens)
                if cut > near:
                    yield Part(path, start, cut)
                    start = cut
                    near = cut + size
                else:
                    near += WINDOW // 2  # they overlap, since no cut is made at the edges
    if start < length:
        yield Part(path, start, length)


def _cut_in(window: bytes, pattern: str | None, special_tokens: Collection[str]) -> int:
    """Where in ``window`` the file may be cut, 0 if nowhere: where a special token starts, else where it is safe.

    Never inside a special token, not even a possible one: scanning from the start of the file might have found it.
    """
    text = window.decode(errors="surrogateescape")  # the window may start and end inside a character
    margin = max(map(len, special_tokens), default=1)

    def fits(at: int) -> bool:
        around = [(name, text[at - len(name) + 1 : at + len(name) - 1]) for name in special_tokens]
        return margin <= at <= len(text) - margin and not any(name in near for name, near in around)

    starts = sorted(at for name in special_tokens for at in _starts(text, name))
    cut = next(filter(fits, starts), None)
    if cut is None and is_known(pattern):
        cut = next(filter(fits, safe_cuts(text)), None)
    return 0 if cut is None else len(text[:cut].encode(errors="surrogateescape"))


def _starts(text: str, name: str) -> Iterator[int]:
    at = text.find(name)
    while at >= 0:
        yield at
        at = text.find(name, at + 1)


def _count_part(part: Part, pattern: str | None, special_tokens: Collection[str]) -> Counter[str]:
    with part.path.open("rb") as file:
        file.seek(part.start)
        data = file.read(part.end - part.start)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{part.path}: not UTF-8 at byte {part.start + error.start}; convert the file, or read it yourself with "
            "errors='replace' and give the text"
        ) from None
    counts: Counter[str] = Counter()
    count_text(text, pattern, special_tokens, counts)
    return counts


def _count_parts(
    parts: Iterator[Part], pattern: str | None, special_tokens: Collection[str], processes: int
) -> Generator[tuple[Part, Counter[str]], None, None]:
    first = list(islice(parts, 2))
    if processes == 1 or len(first) < 2:
        for part in (*first, *parts):
            yield part, _count_part(part, pattern, special_tokens)
        return
    waiting: dict[Future[Counter[str]], Part] = {}
    todo = (part for group in (first, parts) for part in group)
    # "spawn", since a fork copies the locks of threads (torch's, tqdm's) but not the threads.
    pool = ProcessPoolExecutor(processes, get_context("spawn"), initializer=_ignore_interrupt)
    try:
        while True:
            with _hold_interrupt():  # a process that is just starting cannot ignore Ctrl-C yet
                for part in islice(todo, 2 * processes - len(waiting)):
                    waiting[pool.submit(_count_part, part, pattern, tuple(special_tokens))] = part
            if not waiting:
                return
            for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                yield waiting.pop(done), done.result()
    except BrokenProcessPool:
        raise RuntimeError(
            "a process that counts pre-tokens died: out of memory, or a script that starts training without "
            "`if __name__ == '__main__':`; processes=1 needs neither"
        ) from None
    except BaseException:
        for process in list((pool._processes or {}).values()):  # they would finish their parts first
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupt() -> None:
    """Ctrl-C reaches all processes of a terminal; the first one alone answers, and stops the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _hold_interrupt() -> Iterator[None]:
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
