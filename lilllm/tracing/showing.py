"""What the program prints and displays, attached to the step of the statement that does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from lilllm.tracing.format import Output
from lilllm.tracing.frame import NO_DIRECTIVES
from lilllm.tracing.rich import whole_characters
from lilllm.tracing.writer import Full

if TYPE_CHECKING:
    from lilllm.tracing.recorder import Recorder


class Outputs:
    """Of one recorder; nothing more is taken when it has stopped."""

    def __init__(self, rec: Recorder) -> None:
        self._rec = rec
        self.early: list[Output] = []

    def add(self, output: Output) -> None:
        """Attach an output to the statement that runs now."""
        rec = self._rec
        if rec.stopped:
            return
        try:
            output.data = whole_characters(output.data)
            top = rec.stack[-1]
            if top.step < 0:
                self.early.append(output)
                return
            animate = top.source.plan.directives.get(top.statement, NO_DIRECTIVES).animate
            rec.writer.add_output(top.step, output, join=not animate)
        except Full as full:
            rec.stop(str(full))

    def attach_early(self, step: int) -> None:
        """The first statement begins: what came before it is shown there."""
        for output in self.early:
            self._rec.writer.add_output(step, output)
        self.early.clear()

    def picture(self, data: bytes, mime: Literal["image/png", "image/svg+xml"]) -> str:
        """Take a picture; its hash, or "" when recording has ended. Raises: ValueError, it is too large."""
        if self._rec.stopped:
            return ""
        try:
            return self._rec.writer.add_picture(data, mime)
        except Full as full:
            self._rec.stop(str(full))
            return ""
