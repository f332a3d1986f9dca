"""What two builds of a lecture may differ in: with torch, under other conditions, numbers of the trace."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import pytest

from lilllm.lectures import twice
from lilllm.lectures.build import Built
from lilllm.lectures.files import Lecture
from lilllm.lectures.same_trace import differences, outlines
from lilllm.tracing.format import Head
from lilllm.tracing.percent import read_lecture
from lilllm.tracing.script import record_script

PROGRAM = """\
import torch

x = torch.full((2, 3), 1.5)
total = x.sum().item()
name = f"total {total}"
rows = [x, total, 7]
if total > 0:
    total = 0.25
end = 1
"""


def recorded(folder: Path, text: str, name: str) -> Path:
    (folder / "program.py").write_text(text)
    target = folder / f"{name}.trace.jsonl.gz"
    assert record_script(folder / "program.py", target, unheard=True) == 0
    first, rest = gzip.decompress(target.read_bytes()).split(b"\n", 1)
    head = msgspec.json.decode(first, type=Head)
    head.cells = read_lecture(folder / "program.py").cells  # a script is one cell, a lecture has many
    target.write_bytes(gzip.compress(msgspec.json.encode(head) + b"\n" + rest))
    return target


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("first"), PROGRAM, "first")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("1.5", "1.5", None),
        ("1.5", "2.7", None),  # other numbers, as another processor's sums would be
        ("0.25", "0.75", None),
        ("1.5", "-1.5", "another step"),  # the branch is not taken
        ("(2, 3)", "(3, 3)", "x is of another kind"),
        ("rows = [x, total, 7]", "rows = [x, total, 8]", "rows is of another kind"),
        ("end = 1", "end = 2", "end is of another kind"),
        ('"total {', '"sum {', "name is of another kind"),
        ("end = 1", "end = 1.0", "end is of another kind"),
    ],
)
def test_with_torch_numbers_may_differ_and_nothing_else(
    first: Path, tmp_path: Path, old: str, new: str, words: str | None
) -> None:
    found = list(outlines(first, recorded(tmp_path, PROGRAM.replace(old, new), "second")))
    assert found == [] if words is None else len(found) == 1 and words in found[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import torch\nx = torch.rand(3)\n", "x is"),
        ("import torch\ntorch.manual_seed(0)\nx = torch.rand(3)\n", None),
        ("import itertools, time\nx = time.perf_counter()\n", "x is"),
        ("import itertools, time\n\ndef f():\n    return time.perf_counter()\n\nx = f() > 0\n", "it returns"),
        ("import itertools, time\nx = time.perf_counter() > 0  # @stepover\n", None),
        ("import itertools, time\nprint(time.perf_counter())\n", "other outputs"),
        ("import time\n\n# %%\n# NBVAL_IGNORE_OUTPUT\nx = time.perf_counter()\nprint(x)\n\n# %%\ny = 3\n", None),
        ("import time\n\n# %%\n# NBVAL_IGNORE_OUTPUT\nx = time.perf_counter()\nz = 1\n\n# %%\ny = x + 1\n", "y is"),
    ],
)
def test_under_the_same_conditions_nothing_differs(tmp_path: Path, text: str, words: str | None) -> None:
    found = list(differences(recorded(tmp_path, text, "one"), recorded(tmp_path, text, "two")))
    assert found == [] if words is None else len(found) == 1 and words in found[0], found


def test_what_no_step_shows_is_found_too(tmp_path: Path) -> None:
    one, two = (recorded(tmp_path, f"x = 1  # {name}\n", name) for name in ("this", "that"))
    (problem,) = differences(one, two)
    assert "in line 1 of the file" in problem
    assert "that" in problem


@pytest.mark.parametrize(("committed", "builds", "differ"), [(1, [1], ""), (1, [2, 2], ""), (1, [2, 3], "x is 2")])
def test_another_processor_is_no_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committed: int, builds: list[int], differ: str
) -> None:
    made = {x: recorded(tmp_path, f"x = {x}\n", f"trace{x}").read_bytes() for x in (1, 2, 3)}

    def build(lecture: Lecture, *, into: Lecture, count: bool) -> Built:
        into.trace.parent.mkdir(parents=True)
        into.trace.write_bytes(made[builds.pop(0)])
        return Built(lecture.name)

    monkeypatch.setattr(twice, "build_lecture", build)
    lecture = Lecture(tmp_path, "01_words")
    lecture.trace.parent.mkdir()
    lecture.trace.write_bytes(made[committed])
    found = twice._as_it_was(lecture, tmp_path / "again")
    assert not builds
    assert found == [] if not differ else len(found) == 1 and differ in found[0], found
