"""One recording from begin to end: the recorder, its writer, the program's output, and the file that is kept current.

Used by ``script`` (a program as ``__main__``) and ``kernel`` (a notebook, or one cell of it).
"""

from __future__ import annotations

import ast
import base64
import re
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

from lilllm.tracing.format import Budgets, Cell, File, Output
from lilllm.tracing.recorder import Recorder, Source
from lilllm.tracing.rich import whole_characters
from lilllm.tracing.source import Plan, Weave, plan
from lilllm.tracing.writer import Writer

_SAVE_EVERY = 5.0  # seconds between two saves while a cell runs
_STEP_TEXT = 20_000  # characters of streams that one step keeps
_RICH_TEXT = 1_000_000  # characters of one display
_PACKAGES = ("ipykernel", "lilllm", "matplotlib", "numpy", "pandas", "sklearn", "tiktoken", "tokenizers", "torch")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PREFERRED = ("text/html", "text/markdown", "text/latex", "text/plain")
_WIDGET = "application/vnd.jupyter.widget-view+json"


class Session:
    """Records into ``path`` (None: in memory only). ``text`` is the main file, which the head calls ``name``."""

    def __init__(
        self,
        path: Path | None,
        *,
        title: str,
        name: str,
        text: str,
        cells: list[Cell] | None = None,
        budgets: Budgets | None = None,
        timeout: float | None = None,
        elapsed: float = 0.0,
        hidden: frozenset[str] = frozenset(),
        history: bool = False,
    ) -> None:
        """``elapsed``: seconds of ``timeout`` that are over already; ``hidden``: global names that are not the
        program's; ``history``: IPython's ``_``, ``_i1``, ``_1`` are not."""
        text = whole_characters(text)
        cells = cells if cells is not None else [Cell(kind="code", first=1, last=text.count("\n") + 1)]
        self.writer = Writer(
            path, title=title, files=[File(name=name, text=text)], cells=cells, budgets=budgets or Budgets()
        )
        self.recorder = Recorder(self.writer, hidden=hidden, history=history, checkpoint=self._checkpoint)
        self.stopped = ""
        self.data = b""
        self._timeout = timeout
        self._saved = time.monotonic()
        self._started = self._saved - elapsed
        self._watched: list[tuple[Any, Any, Any]] = []
        self._text_step, self._text_left = -1, _STEP_TEXT
        self.save(ended=False)

    # ------------------------------------------------------------------------------------------------------- sources

    def add_source(self, filename: str, tree: ast.Module, text: str, offset: int = 0) -> ast.Module:
        """Trace code compiled from ``tree`` under ``filename``, and weave into the tree what folding needs."""
        made = plan(tree, text)
        self.recorder.sources[filename] = Source(0, made, offset)
        self.recorder.step_into.update(dict.fromkeys(made.step_into))
        return ast.fix_missing_locations(Weave(made).visit(tree))

    def add_broken(self, line: int, offset: int) -> None:
        """A cell that cannot be compiled: its error is shown at ``line``."""
        module = self.recorder.module
        module.source = Source(0, Plan(), offset)
        module.statement = max(1, line)

    # --------------------------------------------------------------------------------------------------------- cells

    def begin_cell(self) -> None:
        self.recorder.begin()

    def end_cell(self, error: BaseException | None = None, *, last: bool = False) -> None:
        """``last``: nothing runs after it, so what was lost or raised here is why the trace stops."""
        lost = self.recorder.lost_at()
        self.recorder.end(error)
        # Python drops a trace function that meets the recursion limit: then the program's own error is the reason.
        if last and lost and not isinstance(error, RecursionError):
            self.stopped = f"the program or a library replaced the trace function: recording ended after {lost}"
        elif error is not None and not (isinstance(error, SystemExit) and not error.code):
            self.stopped = self._ended_by(error)
        self.save(ended=False)

    def _ended_by(self, error: BaseException) -> str:
        where = f"at {self.recorder.where()}"
        late = self._timeout is not None and time.monotonic() - self._started >= self._timeout
        if isinstance(error, KeyboardInterrupt) and late:
            return f"the time limit of {self._timeout:g} s ended the program {where}"
        return f"{type(error).__name__} ended the program {where}"

    def finish(self) -> bytes:
        """Write the file for good; its bytes."""
        self.leave_streams()
        return self.save(ended=True)

    def save(self, *, ended: bool) -> bytes:
        """Put what there is in place. Until the end it says that the program had not ended."""
        stopped = self.recorder.stopped or self.stopped
        if not ended and not stopped:
            stopped = f"the program had not ended: the last that was saved is {self.recorder.where()}"
        self.data = self.writer.save(stopped=stopped, packages=_packages(), ended=ended)
        self._saved = time.monotonic()
        return self.data

    def _checkpoint(self) -> None:
        if time.monotonic() - self._saved > _SAVE_EVERY:
            with suppress(OSError):  # a full disk is told at the end of the cell, not in the middle of the program
                self.save(ended=False)

    # ------------------------------------------------------------------------------------------------------- outputs

    def watch_streams(self) -> None:
        """Hear what is written to stdout and stderr. The streams stay: only their ``write`` is wrapped."""
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name, None)
            if stream is None:
                continue
            original = stream.write

            def write(text: str, name: Any = name, original: Any = original) -> Any:
                written = original(text)
                self.stream(name, text)
                return written

            with suppress(AttributeError, TypeError):
                stream.write = write
                self._watched.append((stream, write, original))

    def leave_streams(self) -> None:
        """Undo ``watch_streams``, unless somebody has wrapped the stream since."""
        for stream, write, original in self._watched:
            if stream.__dict__.get("write") is write:
                stream.write = original
        self._watched = []

    def stream(self, name: Literal["stdout", "stderr"], text: Any) -> None:
        """Text written to a stream. A line that a progress bar draws over itself is left out: it holds times."""
        if not isinstance(text, str) or not text or (name == "stderr" and text.startswith("\r")):
            return
        step = self.recorder.stack[-1].step
        if step != self._text_step:
            self._text_step, self._text_left = step, _STEP_TEXT
        if self._text_left > 0:
            cut = text[: self._text_left]
            self._text_left -= len(text)
            self.recorder.outputs.add(
                Output(name=name, mime="text/plain", data=cut if self._text_left > 0 else cut + "\n...")
            )

    def display(self, name: Literal["display", "result"], bundle: Mapping[str, Any]) -> None:
        """A mime bundle of IPython: its picture, else its richest text. A widget keeps its text."""
        plain = _ADDRESS.sub("", str(bundle.get("text/plain", "")))
        if _WIDGET not in bundle:
            for mime in ("image/png", "image/svg+xml"):
                if mime in bundle and self._picture(name, mime, bundle[mime], plain):
                    return
        for mime in _PREFERRED:
            if mime in bundle and (mime == "text/plain" or _WIDGET not in bundle):
                text = plain if mime == "text/plain" else str(bundle[mime])
                if len(text) > _RICH_TEXT:
                    mime, text = "text/plain", f"{len(text):,} characters of {mime} are left out"
                self.recorder.outputs.add(Output(name=name, mime=mime, data=text[:_RICH_TEXT]))
                return

    def _picture(self, name: Literal["display", "result"], mime: Any, data: Any, alt: str) -> bool:
        try:
            if isinstance(data, str):
                data = data.encode() if mime == "image/svg+xml" else base64.b64decode(data)
            number = self.recorder.outputs.picture(data, mime)
        except ValueError as error:
            self.recorder.outputs.add(Output(name=name, mime="text/plain", data=f"[{error}]"))
            return True
        if number:
            self.recorder.outputs.add(Output(name=name, mime=mime, data=number, alt=alt[:200]))
        return bool(number)


def _packages() -> dict[str, str]:
    """Versions of what was imported, of the packages whose version can change what a trace shows."""
    loaded = {name: getattr(sys.modules.get(name), "__version__", None) for name in _PACKAGES}
    return {name: str(version) for name, version in loaded.items() if version}
