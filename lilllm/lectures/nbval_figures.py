"""A pytest plugin beside nbval: pictures are compared as pictures, and a cell that was never run is a failure.

    pytest -p lilllm.lectures.nbval_figures --nbval --nbval-current-env lectures

nbval runs each notebook again and compares its text outputs; it leaves out pictures, and everything of a cell without
an execution count. Here the pictures of that same run are compared by matplotlib's own image comparison, so nothing
runs twice.

Read in order: LectureCell (what is compared), compare_pictures (how), the hooks (how pytest comes to use them).
"""

from __future__ import annotations

import base64
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from lilllm.lectures.build import environment

# Root mean square over all pixels and channels, 0 to 255. The same code on the same versions gives 0; another processor
# may move an edge by a fraction of a grey level. One marker of six moved by a 50th of the axis gives 3.5.
TOLERANCE = 0.5


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
        if problem := compare_pictures(
            _pictures(self.cell.outputs), _pictures(self.test_outputs), name=name, keep=keep
        ):
            self.raise_cell_error(problem)


def compare_pictures(committed: list[bytes], new: list[bytes], *, name: str, keep: Path) -> str:
    """How the PNGs of a cell differ from the committed ones, in a sentence; empty if they agree within TOLERANCE.

    Args:
        keep: where the two pictures and their difference go when they differ, so that one can look.
    """
    from matplotlib.testing.compare import compare_images
    from matplotlib.testing.exceptions import ImageComparisonFailure

    if len(committed) != len(new):
        return f"the cell drew {len(new)} pictures, the committed notebook has {len(committed)}"
    for at, (before, now) in enumerate(zip(committed, new, strict=True)):
        if before == now:
            continue
        with tempfile.TemporaryDirectory() as folder:
            one, two = (Path(folder) / f"{name}-{at}-{which}.png" for which in ("committed", "new"))
            one.write_bytes(before)
            two.write_bytes(now)
            try:
                result = compare_images(str(one), str(two), tol=TOLERANCE, in_decorator=True)
            except ImageComparisonFailure as error:  # sizes differ
                return f"picture {at + 1} differs: {' '.join(str(error).split())}"
            if result is not None:
                keep.mkdir(parents=True, exist_ok=True)
                for picture in Path(folder).glob("*.png"):
                    shutil.copy(picture, keep)
                rms = result["rms"]
                return (
                    f"picture {at + 1} differs by RMS {rms:.2f} (at most {TOLERANCE} allowed); see {keep}/{name}-{at}-*"
                )
    return ""


def _pictures(outputs: list[Any]) -> list[bytes]:
    shown = [output.get("data", {}).get("image/png") for output in outputs]
    return [base64.b64decode("".join(data)) for data in shown if data]


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
