"""The wheel as it ships: the package with the player and its data, and nothing that comes with a clone."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_what_the_wheel_holds(tmp_path: Path) -> None:
    # Without isolation: the build backend is a dependency of the tests, and there is no network to fetch it from.
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout + said.stderr
    (wheel,) = tmp_path.glob("lilllm-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for needed in ("py.typed", "__main__.py", "tracing/schema.json", "tracing/FORMAT.md", "data/python_docs.sha256"):
        assert f"lilllm/{needed}" in names
    for part in (ROOT / "lilllm" / "tracing" / "player").rglob("*"):
        if part.suffix in {".js", ".css", ".html"}:
            assert part.relative_to(ROOT).as_posix() in names, "the player is shown from the wheel"
    assert any(name.startswith("lilllm/tracing/player/") and name.endswith(".js") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"lilllm"}, (
        "lectures and viewer come with a clone"
    )
    assert not [name for name in names if "__pycache__" in name or name.endswith((".ipynb", ".trace.jsonl.gz"))]
