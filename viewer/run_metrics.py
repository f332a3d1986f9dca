"""What a run has said so far: ``metrics.jsonl``, read as it grows, by offset.

    metrics = Metrics(folder / "metrics.jsonl")
    metrics.refresh()               reads what is new, and only that
    metrics.train.column("loss")    numbers, one a logged step

Read in order:  Metrics.refresh, Metrics._take (one line), standing (how a run does); its numbers are in `run_table`
Robust:         a last line without its end waits for it; lines that are torn, foreign or absurd are skipped and
                counted; a file that was written anew is read anew. NaN and null are NaN, and stand as gaps
A step again:   a run that was killed goes on from a checkpoint and says some steps twice; the later words replace the
                earlier ones from that step on
Memory:         of samples and events the newest few hundred are kept, of rows what `run_table` says
"""

from __future__ import annotations

import math
import os
import threading
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from run_table import TOO_LARGE, Table

from lilllm.runtime.run_folders import open_regular

AXES = ("step", "tokens", "seconds")
TRAIN = (*AXES, "loss", "lr", "grad_norm", "tokens_per_second", "mfu", "memory_bytes")
EVAL = (*AXES, "loss", "bits_per_byte")
PAUSE = 60.0  # seconds without a word after which a run is no longer taken for alive
ENDINGS = {"done": "done", "interrupted": "interrupted", "nan": "stopped: not a number"}
_MOST_WORDS = 400  # samples and events
_LONGEST_TEXT = 20_000
_LONGEST_LINE = 1 << 22
_CHUNK = 1 << 22
_TAIL = 64


class _Line(msgspec.Struct):
    kind: str
    step: float
    tokens: float | None = None
    seconds: float | None = None
    loss: float | None = None
    lr: float | None = None
    grad_norm: float | None = None
    tokens_per_second: float | None = None
    mfu: float | None = None
    memory_bytes: float | None = None
    bits_per_byte: float | None = None
    text: str = ""
    event: str = ""
    message: str = ""


_of_train, _of_eval = attrgetter(*TRAIN), attrgetter(*EVAL)


class Word(NamedTuple):
    """A sample (its kind is "sample") or an event, of the step it came at."""

    step: int
    tokens: float
    seconds: float
    kind: str
    text: str


class Metrics:
    """The numbers, samples and events of one run. `refresh` may be called from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self.train, self.evals = Table(TRAIN), Table(EVAL)
        self.samples: list[Word] = []
        self.events: list[Word] = []
        self.best: Word | None = None  # the newest of their kinds, which come too often for a list
        self.saved: Word | None = None
        self.skipped = 0  # lines that could not be read
        self.changed = 0.0  # when the file was last written, by its clock
        self.problem = ""
        self._offset, self._file_id, self._tail, self._over = 0, (0, 0), b"", False
        self._decoder = msgspec.json.Decoder(_Line)

    def refresh(self) -> Metrics:
        """Read what was added since the last time. ``problem`` says why nothing can be read."""
        with self._lock:
            try:
                with open_regular(self.path) as file:
                    self._read(file)
                self.problem = ""
            except OSError as error:
                if isinstance(error, FileNotFoundError):
                    self._clear()
                self.problem = error.strerror or str(error)
            self.train.flush()
            self.evals.flush()
        return self

    def _read(self, file: Any) -> None:
        about = os.fstat(file.fileno())
        if about.st_size < self._offset or (about.st_dev, about.st_ino) != self._file_id or not self._follows(file):
            self._clear()
        self._file_id, self.changed = (about.st_dev, about.st_ino), about.st_mtime
        file.seek(self._offset)
        while chunk := file.read(_CHUNK):
            end = chunk.rfind(b"\n") + 1
            if end == 0:  # a line longer than a chunk, or one that is still being written
                if len(chunk) < _LONGEST_LINE:
                    break
                self._over, end = True, len(chunk)
            else:
                lines = chunk[:end].splitlines()
                for line in lines[1:] if self._over else lines:
                    self._take(line)
                self.skipped += self._over
                self._over = False
            self._offset += end
            self._tail = chunk[max(0, end - _TAIL) : end]
            file.seek(self._offset)

    def _follows(self, file: Any) -> bool:
        """Whether what was read last still stands before what comes now."""
        file.seek(self._offset - len(self._tail))
        return bool(file.read(len(self._tail)) == self._tail)

    def _take(self, line: bytes) -> None:
        if not line.strip():
            return
        try:
            read = self._decoder.decode(line)
        except (ValueError, RecursionError):
            # Python's json writes NaN and Infinity, which JSON has not.
            plain = line.replace(b"NaN", b"null").replace(b"-Infinity", b"null").replace(b"Infinity", b"null")
            try:
                read = self._decoder.decode(plain)
            except (ValueError, RecursionError):
                self.skipped += 1
                return
        if not 0 <= read.step < 2**53:
            self.skipped += 1
        elif read.kind == "train":
            self.train.add(_of_train(read))
        elif read.kind == "eval":
            self.evals.add(_of_eval(read))
        elif read.kind == "sample":
            self._say(self.samples, read, "sample", read.text)
        elif read.kind == "event":
            if read.event == "resume":
                self._go_back(read.step)
            self._happened(read)

    def _go_back(self, step: float) -> None:
        """A run goes on after ``step``: what was said of later ones is of a past that it has left."""
        self.train.cut(math.floor(step) + 1)
        self.evals.cut(math.floor(step) + 1)
        self.samples = [one for one in self.samples if one.step <= step]
        self.best = self.best if self.best is None or self.best.step <= step else None

    def _happened(self, read: _Line) -> None:
        if read.event == "best":
            self.best = _word(read, "best", read.message)
        elif read.event == "save":
            self.saved = _word(read, "save", read.message)
        else:
            self._say(self.events, read, read.event[:40], read.message)

    @staticmethod
    def _say(words: list[Word], read: _Line, kind: str, text: str) -> None:
        if kind == "sample":  # once a step
            words[:] = [one for one in words if one.step != int(read.step)]
        words.append(_word(read, kind, text))
        if len(words) > _MOST_WORDS:
            del words[1 : len(words) // 2 : 2]  # the older half grows thin; the first and the newest stay


def _word(read: _Line, kind: str, text: str) -> Word:
    if len(text) > _LONGEST_TEXT:
        text = text[:_LONGEST_TEXT] + " ..."
    return Word(int(read.step), _number(read.tokens), _number(read.seconds), kind, text)


def _number(value: float | None) -> float:
    return value if value is not None and abs(value) < TOO_LARGE else math.nan


class Standing(NamedTuple):
    """How a run does: "training", "done", "interrupted", ... and whether more is to come."""

    state: str
    alive: bool


def standing(metrics: Metrics, now: float) -> Standing:
    """Alive: its last event is no end, and it wrote within a minute, or within four times its own pace if slower."""
    last = next(
        (one for one in reversed(metrics.events) if one.kind in ENDINGS or one.kind in ("start", "resume")), None
    )
    if last is not None and last.kind in ENDINGS:
        return Standing(ENDINGS[last.kind], False)
    seconds = metrics.train.column("seconds")[-2:]
    pace = float(seconds[1] - seconds[0]) if len(seconds) == 2 else 0.0
    patience = max(PAUSE, 4 * pace) if math.isfinite(pace) else PAUSE
    silent = now - metrics.changed
    if metrics.changed and -patience < silent < patience:
        return Standing("training", True)
    return Standing("silent", False)
