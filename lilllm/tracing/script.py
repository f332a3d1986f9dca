"""Record a plain script: it runs as ``__main__`` in a process of its own, with its arguments.

``record_script`` is the caller's side; ``python -m lilllm.tracing.script CONFIG`` the child's.
"""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from lilllm.tracing.format import Budgets, File
from lilllm.tracing.rich import whole_characters
from lilllm.tracing.writer import Writer

Kind = Literal["", "time", "operations"]  # what is measured in place of recording; see measure.py
_GRACE = 5.0  # seconds for a program to end after it was interrupted


class Config(msgspec.Struct, kw_only=True):
    """What the child has to know."""

    source: str
    trace: str
    title: str
    name: str
    args: list[str]
    budgets: Budgets
    timeout: float | None = None
    measure: Kind = ""
    started: float = 0.0  # when the time limit began, as time.time() has it: the child starts later than its parent


def record_script(
    source: Path,
    trace: Path,
    *,
    args: Sequence[str] = (),
    title: str | None = None,
    name: str | None = None,
    budgets: Budgets | None = None,
    timeout: float | None = None,
    measure: Kind = "",
    env: Mapping[str, str] | None = None,
    unheard: bool = False,
) -> int:
    """Run ``source`` and write its trace; the exit code of the program.

    Args:
        name: what the trace calls the file: relative, with slashes; by default the file's own name.
        timeout: seconds, after which the program is interrupted as by Ctrl-C, and ended if that does not help.
        measure: instead of a trace, write what ``measure`` wants to know; the program then runs unheard and unfed.
        env: variables over those of this process.
        unheard: what the program prints is in the trace only, and it reads no input.
    Raises:
        OSError: the source cannot be read, or there is nowhere to write the trace.
        ValueError: the source is larger than the budget, or is not UTF-8.
    """
    text = read_source(source)
    if not trace.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {str(trace.parent)!r} to write the trace into")
    budgets = budgets or Budgets()
    # The child would refuse it too, but only this process can say so in one line.
    Writer(None, title="", files=[File(name=source.name, text=whole_characters(text))], cells=[], budgets=budgets)
    config = Config(
        source=str(source), trace=str(trace.resolve()), title=title or source.stem, name=name or source.name,
        args=list(args), budgets=budgets, timeout=timeout, measure=measure,
        started=time.time(),
    )  # fmt: skip
    environment = {"PYTHONHASHSEED": "0", **os.environ, **(env or {})}
    command = [sys.executable, "-m", "lilllm.tracing.script", msgspec.json.encode(config).decode()]
    stream = subprocess.DEVNULL if measure or unheard else None
    child = subprocess.Popen(command, env=environment, stdin=stream, stdout=stream, stderr=stream)
    try:
        return child.wait(timeout)
    except subprocess.TimeoutExpired:
        return _end(child)
    except KeyboardInterrupt:  # the terminal sent it to the child as well
        return _end(child, interrupt=False)


def read_source(source: Path) -> str:
    """The text of a program, by its own encoding. Raises: OSError; ValueError if it cannot be decoded."""
    import tokenize

    try:
        with tokenize.open(source) as file:
            return file.read()
    except (SyntaxError, UnicodeDecodeError) as error:
        raise ValueError(f"{source.name} is not Python source: {error}") from None


def _end(child: subprocess.Popen[bytes], *, interrupt: bool = True) -> int:
    if interrupt and os.name == "posix":
        child.send_signal(signal.SIGINT)
    try:
        return child.wait(_GRACE)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def run(config: Config) -> int:
    """Run the script in this process under the recorder; its exit code."""
    from lilllm.tracing.measure import open_session

    text = read_source(Path(config.source))
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=config.source, __builtins__=__builtins__)
    sys.modules["__main__"] = main
    sys.argv = [config.source, *config.args]
    sys.path[0] = str(Path(config.source).resolve().parent)
    session = open_session(
        config.measure, Path(config.trace), title=config.title, name=config.name, text=text, budgets=config.budgets,
        timeout=config.timeout, elapsed=max(0.0, time.time() - config.started) if config.started else 0.0,
    )  # fmt: skip
    ending: BaseException | None = None
    broken = 0
    try:
        tree = ast.parse(text, config.source)
        code = compile(session.add_source(config.source, tree, text), config.source, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        broken = getattr(error, "lineno", None) or 1
        ending = error.with_traceback(None)  # our own frames say nothing of the program
    session.watch_streams()
    session.begin_cell()
    if broken:
        session.add_broken(broken, 0)
    if ending is None:
        try:
            exec(code, main.__dict__)
        except BaseException as error:
            ending = error
    session.end_cell(ending, last=True)
    session.finish()
    return exit_code(ending)


def exit_code(ending: BaseException | None) -> int:
    """What the interpreter would do with the exception that ended a program, traceback included."""
    if ending is None:
        return 0
    if isinstance(ending, SystemExit):
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        print(ending.code, file=sys.stderr)
        return 1
    first = ending.__traceback__
    # The hook prints the exception's own traceback, so that is what must begin with the program's frame and not ours.
    ending = ending.with_traceback(first.tb_next if first is not None else None)
    sys.excepthook(type(ending), ending, ending.__traceback__)
    return 130 if isinstance(ending, KeyboardInterrupt) else 1


if __name__ == "__main__":
    sys.exit(run(msgspec.json.decode(sys.argv[1], type=Config)))
