"""What two builds of one lecture may differ in: with torch the numbers in the trace, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilllm.lectures.twice import _traces
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
    found = list(_traces(first, recorded(tmp_path, PROGRAM.replace(old, new), "second")))
    assert found == [] if words is None else len(found) == 1 and words in found[0]


def test_without_torch_every_byte_counts(tmp_path: Path) -> None:
    one, two = (recorded(tmp_path, f"x = {x}\n", f"plain{x}") for x in (0.5, 0.75))
    assert list(_traces(one, one)) == []
    assert "the trace differs in a second build" in next(iter(_traces(one, two)))
