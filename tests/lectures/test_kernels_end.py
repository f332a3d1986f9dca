"""A build leaves no kernel behind, however it ended."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from lilllm.tracing.drive import run_notebook
from tests.lectures.conftest import KERNEL

pytestmark = KERNEL


@pytest.mark.parametrize("cell", ["x = 1", "1 / 0", "import os; os._exit(3)"])
def test_no_kernel_is_left(tmp_path: Path, cell: str) -> None:
    source = tmp_path / "lecture.py"
    source.write_text(f"# %%\n{cell}\n", encoding="utf-8")
    before = set(psutil.Process().children(recursive=True))
    run_notebook(source, tmp_path / "x.trace.jsonl.gz", name="lecture.py")
    assert set(psutil.Process().children(recursive=True)) <= before
