"""The museum's traces: recorded where they are not of today's programs, and checked."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from lilllm.course.museum import Case, read_case
from lilllm.lectures.broken import check_broken, check_case, record_case, why_record
from lilllm.tracing.reader import load

STORY = """# Off by one

**Symptom.** The sum is too small.

**Look.** Which is the last number that is added?

**Cause.** range ends before its end.

**Fix.** One more.
"""
BROKEN = '''"""Off by one."""

total = 0
for number in range(3):
    total += number
print(total)
healthy = total == 6
'''


@pytest.fixture
def case(tmp_path: Path) -> Case:
    folder = tmp_path / "lectures" / "broken"
    folder.mkdir(parents=True)
    (folder / "09_off.py").write_text(BROKEN)
    (folder / "09_off_fixed.py").write_text(BROKEN.replace("range(3)", "range(4)"))
    (folder / "09_off.md").write_text(STORY)
    return read_case(tmp_path, "09_off")


def test_a_case_is_recorded_once_and_again_when_it_changes(case: Case) -> None:
    assert why_record(case) == "there is no 09_off.trace.jsonl.gz"
    record_case(case)
    assert why_record(case) == ""
    assert check_case(case) == []
    assert load(case.trace()).head.title == "Off by one (broken)"
    assert not any(
        b"before its end" in gzip.decompress(path.read_bytes()) for path in (case.trace(), case.trace(fixed=True))
    )
    first = case.trace(fixed=True).read_bytes()
    record_case(case)
    assert case.trace(fixed=True).read_bytes() == first  # the same bytes every time
    case.source(fixed=True).write_text(case.source(fixed=True).read_text() + "\n# changed\n")
    assert "09_off_fixed.trace.jsonl.gz shows lectures/broken/09_off_fixed.py as it was" in why_record(case)
    assert check_case(case)[0].endswith("run `lilllm lectures build 09`")


def test_a_program_that_fails_keeps_the_old_traces(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    record_case(case)
    before = case.trace().read_bytes()
    case.source(fixed=True).write_text("raise SystemExit(3)\n")
    with pytest.raises(ValueError, match=r"lectures/broken/09_off_fixed.py ends with exit code 3"):
        record_case(case)
    assert case.trace().read_bytes() == before
    assert capfd.readouterr().out == ""  # what a case prints is in its trace


def test_a_broken_trace_is_told(case: Case) -> None:
    record_case(case)
    case.trace().write_bytes(case.trace().read_bytes()[:-40])
    assert any("09_off.trace.jsonl.gz" in problem for problem in check_case(case))


def test_what_belongs_to_no_case_is_told(case: Case, tmp_path: Path) -> None:
    record_case(case)
    assert check_broken(tmp_path) == []
    (tmp_path / "traces/broken/08_gone.trace.jsonl.gz").write_bytes(b"")
    (tmp_path / "lectures/broken/Notes.py").write_text("")
    (tmp_path / "lectures/broken/08_gone.md").write_text("")
    assert check_broken(tmp_path) == [
        "lectures/broken/08_gone.md: the museum has no case of this name; delete it",
        "lectures/broken/Notes.py: the museum has no case of this name; delete it",
        "traces/broken/08_gone.trace.jsonl.gz: the museum has no case of this name; delete it",
    ]
