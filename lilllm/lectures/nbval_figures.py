"""A pytest plugin beside nbval: pictures are compared as pictures, and a cell that was never run is a failure.

    pytest -p lilllm.lectures.nbval_figures --nbval --nbval-current-env lectures

nbval runs each notebook again and compares its text outputs; it leaves out pictures, and everything of a cell without
an execution count. Here the pictures of that same run are compared by matplotlib's own image comparison, so nothing
runs twice.

Read in order: LectureCell (what is compared), pictures.compare_pictures (how), the hooks (how pytest comes to use
them).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from lilllm.lectures.build import environment
from lilllm.lectures.pictures import compare_pictures, pictures


class LectureFile(IPyNbFile):
    """A notebook, whose code cells are LectureCells."""

    def collect(self) -> Iterator[LectureCell]:
        for cell in super().collect():
            yield LectureCell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )


class LectureCell(IPyNbCell):
    """nbval's cell, and after its own comparison that of pictures."""

    def runtest(self) -> None:
        if self.cell.execution_count is None and self.cell.source.strip() and not self.options["skip"]:
            self.raise_cell_error(
                "this cell was never run, so nothing in it would be compared: build the lecture again"
            )
        super().runtest()
        if not self.options["check"]:
            return
        name = f"{self.path.stem}-cell{self.cell_num}"
        keep = self.config.rootpath / "artifacts" / "figures"
        if problem := compare_pictures(pictures(self.cell.outputs), pictures(self.test_outputs), name=name, keep=keep):
            self.raise_cell_error(problem)


def pytest_configure(config: pytest.Config) -> None:
    """Kernels get the variables of the build, except the hash seed: outputs may not depend on it."""
    folder = Path(tempfile.mkdtemp(prefix="lilllm-ipython-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    os.environ.update(environment(folder, hash_seed="random"))
    os.environ.pop("MPLBACKEND", None)  # the kernel chooses the inline one


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Any:
    """nbval's collector of a notebook becomes ours."""
    collectors = yield
    ours = {IPyNbFile: LectureFile}
    return [ours[type(one)].from_parent(parent, path=file_path) if type(one) in ours else one for one in collectors]
