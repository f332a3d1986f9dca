"""`pytest --nbval` with our plugin: what nbval alone lets pass is a failure here."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lilllm.lectures.files import Lecture
from lilllm.lectures.pictures import TOLERANCE, compare_pictures
from tests.lectures.conftest import KERNEL

pytestmark = KERNEL


def draw(values: list[float], size: tuple[float, float] = (4, 3)) -> bytes:
    """A scatter plot as the inline backend would draw it."""
    from io import BytesIO

    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    figure.subplots().scatter(range(len(values)), values)
    picture = BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def nbval(notebook: Path) -> subprocess.CompletedProcess[str]:
    plugin = ["-p", "lilllm.lectures.nbval_figures", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider"]
    command = [sys.executable, "-P", "-m", "pytest", *plugin, "--rootdir", str(notebook.parent), str(notebook)]
    return subprocess.run(command, cwd=notebook.parent, capture_output=True, text=True, check=False)


def spoil(lecture: Lecture, cell: int, **changes: Any) -> None:
    raw = json.loads(lecture.notebook.read_text(encoding="utf-8"))
    code = [one for one in raw["cells"] if one["cell_type"] == "code"]
    code[cell].update(changes)
    lecture.notebook.write_text(json.dumps(raw), encoding="utf-8")


def test_a_built_lecture_passes(words: Lecture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")  # as Streamlit leaves it behind
    said = nbval(words.notebook)
    assert said.returncode == 0, said.stdout
    assert "4 passed" in said.stdout


def test_a_changed_figure_and_a_changed_text_fail(words: Lecture) -> None:
    raw = json.loads(words.notebook.read_text(encoding="utf-8"))
    outputs = [one for one in raw["cells"] if one["cell_type"] == "code"][1]["outputs"]
    outputs[0]["data"]["image/png"] = base64.b64encode(draw([1, 2, 3])).decode()
    spoil(words, 1, outputs=outputs)
    spoil(words, 3, outputs=[{"output_type": "stream", "name": "stdout", "text": "4\n"}])
    said = nbval(words.notebook)
    assert "2 failed, 2 passed" in said.stdout
    assert "picture 1 differs" in said.stdout


def test_a_cell_that_was_never_run_fails(words: Lecture) -> None:
    spoil(words, 3, execution_count=None, outputs=[])
    said = nbval(words.notebook)
    assert "1 failed, 3 passed" in said.stdout
    assert "this cell was never run" in said.stdout


@pytest.mark.parametrize("moved", [2.02, 2.1, 3.0])
def test_one_moved_marker_is_over_the_tolerance(tmp_path: Path, moved: float) -> None:
    found = compare_pictures([draw([1, 2, 3])], [draw([1, moved, 3])], name="plot", keep=tmp_path / "keep")
    assert "differs by RMS" in found
    assert len(list((tmp_path / "keep").glob("plot-0-*"))) == 3, "both pictures and their difference are kept"


def test_a_grey_level_of_another_processor_is_under_it(tmp_path: Path) -> None:
    from io import BytesIO

    import numpy as np
    from PIL import Image

    picture = draw([1, 2, 3])
    pixels = np.asarray(Image.open(BytesIO(picture))).copy()
    edges = np.argwhere((pixels[..., 0] > 0) & (pixels[..., 0] < 255))
    for y, x in edges[::2]:
        pixels[y, x, :3] -= 1
    again = BytesIO()
    Image.fromarray(pixels).save(again, format="png")
    assert len(edges) > 100, "nothing was changed"
    assert compare_pictures([picture], [again.getvalue()], name="plot", keep=tmp_path) == ""
    assert TOLERANCE < 1


def test_a_picture_more_or_of_another_size(tmp_path: Path) -> None:
    one = draw([1, 2])
    assert compare_pictures([one, one], [one], name="p", keep=tmp_path) == (
        "the cell drew 1 pictures, the committed notebook has 2"
    )
    assert "differs" in compare_pictures([one], [draw([1, 2], (4, 4))], name="p", keep=tmp_path)
