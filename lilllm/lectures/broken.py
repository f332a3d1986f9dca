"""The traces of the museum's cases: two a case, of the broken program and of the fixed one.

Read in order: why_record, record_case, check_case, check_broken (what belongs to no case).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from lilllm.course.museum import Case, names
from lilllm.lectures.build import environment
from lilllm.lectures.files import write_atomically
from lilllm.lectures.stamp import package_folder
from lilllm.tracing.reader import Trace, TraceError, load

_SUFFIX = ".trace.jsonl.gz"
SECONDS = 60.0  # a case takes a second or two; this only ends one that hangs


def why_record(case: Case) -> str:
    """Why the case has to be recorded; empty if both traces are of today's programs."""
    return next(_problems(case), "")


def _problems(case: Case) -> Iterator[str]:
    for fixed in (False, True):
        path = case.trace(fixed=fixed)
        if not path.is_file():
            yield f"there is no {path.name}"
            continue
        try:
            trace = load(path)
        except TraceError as error:
            yield f"{path.name} does not load: {error}"
            continue
        if not trace.complete:
            yield f"{path.name} is not whole: {trace.stopped}"
        for name in _changed(trace, case.root):
            yield f"{path.name} shows {name} as it was before it changed"


def _changed(trace: Trace, root: Path) -> Iterator[str]:
    for file in trace.head.files:
        path = (package_folder().parent if file.name.startswith("lilllm/") else root) / file.name
        if not path.is_file() or path.read_text(encoding="utf-8") != file.text:
            yield file.name


def record_case(case: Case) -> None:
    """Run both programs as lectures are built, and write their traces.

    Raises:
        ValueError: one of them fails; the old traces are kept.
    """
    from lilllm.tracing.script import record_script

    made = {}
    with tempfile.TemporaryDirectory(prefix="lilllm-") as folder:
        for fixed in (False, True):
            source, into = case.source(fixed=fixed), Path(folder) / case.trace(fixed=fixed).name
            title = f"{case.title} ({'fixed' if fixed else 'broken'})"
            name = source.relative_to(case.root).as_posix()
            code = record_script(
                source, into, title=title, name=name, timeout=SECONDS, env=environment(Path(folder)), unheard=True
            )
            if code:
                raise ValueError(f"{name} ends with exit code {code}: run it to see why")
            made[case.trace(fixed=fixed)] = into.read_bytes()
    for path, data in made.items():
        write_atomically(path, data)


def check_case(case: Case) -> list[str]:
    """What is wrong with the traces of a case, each in a sentence that says what to do."""
    return [f"{problem}; run `lilllm lectures build {case.lecture}`" for problem in _problems(case)]


def check_broken(root: Path) -> list[str]:
    """Traces of the museum that belong to no case, and programs that are none."""
    known = {f"{name}{fixed}" for name in names(root) for fixed in ("", "_fixed")}
    traces = [path.relative_to(root) for path in (root / "traces" / "broken").glob(f"*{_SUFFIX}")]
    programs = [path.relative_to(root) for path in (root / "lectures" / "broken").glob("*.py")]
    stories = [path.relative_to(root) for path in (root / "lectures" / "broken").glob("*.md")]
    strange = [path for path in traces if path.name.removesuffix(_SUFFIX) not in known]
    strange += [path for path in programs if path.stem not in known]
    strange += [path for path in stories if path.stem not in names(root)]
    return sorted(f"{path.as_posix()}: the museum has no case of this name; delete it" for path in strange)
