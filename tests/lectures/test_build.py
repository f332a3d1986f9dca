"""One run gives both files; twice gives the same bytes; a failing lecture loses nothing and stops no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from subprocess import CompletedProcess

from lilllm.lectures.build import build_lecture
from lilllm.lectures.check import check_lecture
from lilllm.lectures.files import Lecture
from lilllm.lectures.measured import Measured, read_measured
from lilllm.lectures.stamp import read_notebook, why_build
from lilllm.lectures.twice import check_twice
from lilllm.tracing.reader import load
from tests.lectures.conftest import FAILING, GOOD, KERNEL, make_clone, run

pytestmark = KERNEL
Built = tuple[Path, "CompletedProcess[str]"]


def test_one_run_gives_both(built: Built, words: Lecture) -> None:
    notebook = read_notebook(words.notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [1, 2, 3, 4]
    assert code[0].outputs[0].text == "one\ntwo\nthree\ncut in two\n"
    assert "image/png" in code[1].outputs[0].data
    assert code[3].outputs[0].data["text/plain"] == "3"
    trace = load(words.trace)
    assert trace.complete
    assert trace.head.title == "Words: a list"
    assert trace.head.files[0].text == GOOD
    printed = "".join(o.data for _, outputs in trace.steps.outputs for o in outputs if o.name == "stdout")
    assert printed == code[0].outputs[0].text


def test_figures_are_measured(words: Lecture) -> None:
    one = read_measured(words.root / "lectures")["01_words"]
    assert 0 < one.seconds < 600
    assert 30 < one.peak_mb < 2000, "a kernel with matplotlib holds tens of MB"


def test_a_failing_lecture_says_where_and_stops_no_other(built: Built) -> None:
    root, said = built
    line = FAILING.splitlines().index("divide()") + 1
    assert said.returncode == 1
    assert f"02_fails: cell 7, lectures/02_fails.py line {line}: ZeroDivisionError: division by zero" in said.stderr
    assert "Traceback" not in said.stderr
    assert "1 built, 1 failed" in said.stdout
    assert not (root / "lectures" / "02_fails.ipynb").exists()
    assert not (root / "traces" / "02_fails.trace.jsonl.gz").exists()


def test_a_failing_lecture_keeps_what_was_built(words: Lecture) -> None:
    before = words.notebook.read_bytes(), words.trace.read_bytes()
    words.source.write_text(GOOD.replace("len(words)", "wrods"), encoding="utf-8")
    said = run(words.root, "build")
    assert said.returncode == 1
    assert "NameError: name 'wrods' is not defined" in said.stderr
    assert (words.notebook.read_bytes(), words.trace.read_bytes()) == before
    left = [path for path in words.root.rglob("*") if path.name.startswith(".building")]
    assert not left


def test_only_what_changed_is_built(words: Lecture) -> None:
    before = words.notebook.stat().st_mtime_ns
    said = run(words.root, "build")
    assert said.returncode == 0
    assert "nothing to build" in said.stdout
    assert words.notebook.stat().st_mtime_ns == before


def test_what_makes_a_lecture_due(words: Lecture) -> None:
    assert why_build(words) == ""
    text = words.notebook.read_text(encoding="utf-8")
    raw = json.loads(text)
    for key, value, why in [
        ("package", "0" * 64, "what it imports of lilllm changed"),
        ("trace", "0" * 64, "the trace is not of the notebook's run"),
        ("source", "0" * 64, "the source changed"),
        ("cells", "0" * 64, "the notebook was edited"),
        ("versions", {"python": "3.9"}, "versions changed"),
    ]:
        raw["metadata"]["lilllm"] |= {key: value}
        words.notebook.write_text(json.dumps(raw), encoding="utf-8")
        assert why in why_build(words)
        raw = json.loads(text)
    words.notebook.write_text("{", encoding="utf-8")
    assert "cannot be read" in why_build(words)
    words.notebook.write_text(text, encoding="utf-8")
    words.trace.unlink()
    assert why_build(words) == "there is no 01_words.trace.jsonl.gz"


def test_another_hash_seed_and_thread_count_give_the_same(words: Lecture) -> None:
    assert check_twice(words) == []


def test_an_output_that_varies_is_found_by_a_second_build(tmp_path: Path) -> None:
    text = GOOD.replace(
        "len(words)", 'import os\n\nprint(list({"a", "b", "c", "d", "e"}), os.environ["OMP_NUM_THREADS"])'
    )
    root = make_clone(tmp_path / "clone", _01_words=text)
    assert run(root, "build").returncode == 0
    lecture = Lecture(root, "01_words")
    assert check_lecture(lecture, Measured(1, 1, "")) == [], "nothing shows in a single build"
    found = check_twice(lecture)
    assert any("cell 6 has another output in a second build" in problem for problem in found), found
    assert any("the trace shows other outputs in a second build" in problem for problem in found), found


def test_the_second_build_of_the_command_line(words: Lecture) -> None:
    shutil.rmtree(words.root / "traces")
    said = run(words.root, "check", "--twice")
    assert said.returncode == 1
    assert "there is no 01_words.trace.jsonl.gz" in said.stderr, "what is broken is not built again to be compared"


def test_what_torch_does_is_counted(tmp_path: Path) -> None:
    product = "import torch\n\na = torch.ones(8, 8)\nb = a @ a\nm = torch.ones(9, 9, device='meta')\nn = m @ m"
    root = make_clone(tmp_path / "clone", _01_words=GOOD.replace("len(words)", product))
    seen: list[None] = []
    built = build_lecture(Lecture(root, "01_words"), on_cell=lambda: seen.append(None))
    assert built.measured is not None, built.error
    assert built.measured.flops == 2 * 8**3
    assert built.measured.moved == 4 * (64 + 64 + 64) + 4 * 64  # the product, and the ones
    assert len(seen) == 2 * 4  # every cell of both runs
    assert read_notebook(root / "lectures" / "01_words.ipynb")["cells"][-1]["execution_count"] == 4
