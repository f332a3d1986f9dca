"""What recording costs, against edtrace (PyPI) on the same programs in one run: ``python tests/bench/bench_trace.py``.

Each program of ``trace_programs/`` runs untraced, under edtrace with all variables (what our recorder does too) and
with inspected names only (its default), under our recorder with budgets out of reach, and with the default budgets.
Overhead is the CPU time above the untraced run, the best of a few. Bytes are those of the file: edtrace writes JSON,
ours is gzipped, so edtrace's file is also counted gzipped. edtrace prints each step; that goes to the null device, but
is part of it.
"""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import gzip
import importlib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from lilllm.tracing.format import Budgets  # noqa: E402
from lilllm.tracing.session import Session  # noqa: E402

PROGRAMS = ("naive_bpe", "recursion", "attention", "mlp_adamw", "matmuls")
UNFOLDED = Budgets(line_hits=10**9, function_calls=10**9, steps=2_000_000, bytes=60_000_000)
AIMS = {"unfolded": 1 / 4, "budgets": 1 / 50, "bytes": 1 / 20}


def timed(run: Callable[[], object]) -> tuple[float, object]:
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def best(run: Callable[[], object], repeats: int) -> tuple[float, object]:
    return min((timed(run) for _ in range(repeats)), key=lambda pair: pair[0])


def record(path: Path, budgets: Budgets) -> tuple[float, Session]:
    """Run a program's ``main`` under our recorder; seconds of ``main`` and the session, not yet packed."""
    text = path.read_text(encoding="utf-8")
    session = Session(None, title=path.stem, name=path.name, text=text, budgets=budgets)
    tree = session.add_source(str(path), ast.parse(text), text)
    names: dict[str, object] = {"__name__": path.stem}
    exec(compile(tree, str(path), "exec"), names)
    call = compile("main()", str(path), "exec")
    session.begin_cell()
    seconds, _ = timed(lambda: exec(call, names))
    session.end_cell()
    assert not session.recorder.stopped, session.recorder.stopped
    return seconds, session


def edtrace_run(name: str, every: bool) -> tuple[float, bytes]:
    """Run a program under edtrace; seconds of the run, and the file that it writes."""
    from edtrace.execute import execute

    sys.modules.pop(f"trace_programs.{name}", None)
    with Path(os.devnull).open("w") as null, contextlib.redirect_stdout(null):
        seconds, trace = timed(lambda: execute(f"trace_programs.{name}", every))
    return seconds, json.dumps(dataclasses.asdict(trace), indent=2).encode()  # type: ignore[call-overload]


def measure(name: str) -> dict[str, float]:
    path = HERE / "trace_programs" / f"{name}.py"
    module = importlib.import_module(f"trace_programs.{name}")
    module.main()
    plain, _ = best(module.main, 5)
    row: dict[str, float] = {"untraced": plain}
    for key, every in (("edtrace all", True), ("edtrace inspected", False)):
        seconds, data = edtrace_run(name, every)
        row[key] = seconds - plain
        row[f"{key} bytes"], row[f"{key} gz"] = len(data), len(gzip.compress(data, 6))
    for key, budgets in (("unfolded", UNFOLDED), ("budgets", Budgets())):
        seconds, session = min((record(path, budgets) for _ in range(3)), key=lambda pair: pair[0])
        row[key] = max(seconds - plain, 0.0)
        row[f"{key} bytes"], row[f"{key} steps"] = len(session.finish()), session.writer.steps
    return row


def main() -> None:
    print(
        f"Python {sys.version.split()[0]}; overhead in ms above the untraced run; ratios ours / edtrace (all names)\n"
    )
    print(
        f"{'program':<12}{'untraced':>9}{'edtrace':>9}{'inspect':>9}{'unfolded':>9}{'budgets':>9}"
        f"{'steps':>7}{'us/step':>8} | {'unfolded':>9}{'(insp.)':>8}{'budgets':>9} | {'bytes':>8}{'gz':>8}{'folded':>8}"
    )
    worst = dict.fromkeys(AIMS, 0.0)
    for name in PROGRAMS:
        row = measure(name)
        slow = row["unfolded"] / row["edtrace all"]
        inspected = row["unfolded"] / row["edtrace inspected"]
        folded = row["budgets"] / row["edtrace all"]
        size = row["unfolded bytes"] / row["edtrace all bytes"]
        size_gz = row["unfolded bytes"] / row["edtrace all gz"]
        size_folded = row["budgets bytes"] / row["edtrace all bytes"]
        for aim, value in (("unfolded", slow), ("budgets", folded), ("bytes", size)):
            worst[aim] = max(worst[aim], value)
        ms = [1000 * row[key] for key in ("untraced", "edtrace all", "edtrace inspected", "unfolded", "budgets")]
        print(
            f"{name:<12}{ms[0]:9.1f}{ms[1]:9.1f}{ms[2]:9.1f}{ms[3]:9.1f}{ms[4]:9.1f}{row['unfolded steps']:7.0f}"
            f"{1e6 * row['unfolded'] / row['unfolded steps']:8.1f} | 1/{1 / slow:<7.1f}1/{1 / inspected:<6.1f}"
            f"1/{1 / max(folded, 1e-9):<7.0f} | 1/{1 / size:<6.0f}1/{1 / size_gz:<6.1f}1/{1 / size_folded:<6.0f}"
        )
    print("\nworst of all programs, and the aim:")
    for aim, limit in AIMS.items():
        verdict = "met" if worst[aim] <= limit else "MISSED"
        print(f"  {aim:<9} 1/{1 / max(worst[aim], 1e-9):<8.1f} aim 1/{1 / limit:.0f}   {verdict}")


if __name__ == "__main__":
    main()
