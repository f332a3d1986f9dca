"""The museum: every case breaks as it says and its fix heals it; what a case lacks is named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lilllm.course import museum
from lilllm.course.clone import find_clone

ROOT = find_clone(Path(__file__).parent)
NAMES = museum.names(ROOT)
LINES = 70  # a case is short, or nobody finds the bug in its trace

STORY = """# Off by one

**Symptom.** The sum
is too small.

**Look.** Which is the last number that is added?

**Cause.** range ends before its end.

**Fix.** One more.
"""
BROKEN = '''"""Off by one."""

import torch

torch.manual_seed(1)
total = sum(range(10))
print(total)
healthy = total == 55
'''


def make(root: Path, story: str = STORY, fixed: bool = True) -> Path:
    folder = root / "lectures" / "broken"
    folder.mkdir(parents=True)
    (folder / "09_off_by_one.py").write_text(BROKEN)
    if story:
        (folder / "09_off_by_one.md").write_text(story)
    if fixed:
        (folder / "09_off_by_one_fixed.py").write_text(BROKEN.replace("range(10)", "range(11)"))
    return root


def test_there_are_cases() -> None:
    assert "01_special_from_user" in NAMES


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fixed", [False, True], ids=["broken", "fixed"])
def test_a_case_breaks_as_it_says_and_its_fix_heals_it(name: str, fixed: bool) -> None:
    case = museum.read_case(ROOT, name)
    run = case.run(fixed=fixed)
    assert run.values["healthy"] == fixed
    assert run.printed.strip()
    assert run.printed == case.run(fixed=fixed).printed


@pytest.mark.parametrize("name", NAMES)
def test_a_case_is_short_and_its_fix_shorter(name: str) -> None:
    case = museum.read_case(ROOT, name)
    changed = [line for line in case.diff().splitlines()[2:] if line[:1] in ("+", "-")]
    assert 1 <= len(changed) <= 12
    for fixed in (False, True):
        assert len(case.source(fixed=fixed).read_text(encoding="utf-8").splitlines()) <= LINES
    assert case.cause not in repr(case)  # the symptom does not tell
    assert case.cause in repr(case.reveal())


def test_a_case_is_read_from_its_story(tmp_path: Path) -> None:
    case = museum.read_case(make(tmp_path), "09_off_by_one")
    assert (case.lecture, case.title, case.symptom) == ("09", "Off by one", "The sum is too small.")
    assert case.run().values["total"] == 45
    assert case.run(fixed=True).values["total"] == 55
    assert "-total = sum(range(10))\n+total = sum(range(11))" in case.diff()
    assert "range ends before its end." in case.reveal()._repr_html_()
    assert "range" not in case._repr_html_()


def test_torchs_random_state_stays(tmp_path: Path) -> None:
    case = museum.read_case(make(tmp_path), "09_off_by_one")
    before = torch.get_rng_state()
    case.run()
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("story", "fixed", "words"),
    [
        ("", True, r"md is not there; it needs a title \(`# ...`\), \*\*Symptom.\*\*, .*, \*\*Fix.\*\*$"),
        (STORY.replace("**Cause.**", "**Because.**"), True, r"lacks \*\*Cause.\*\*$"),
        (STORY.replace("# Off", "Off"), True, r"lacks a title"),
        (STORY, False, "lacks 09_off_by_one_fixed.py beside it$"),
    ],
)
def test_what_a_case_lacks_is_named(tmp_path: Path, story: str, fixed: bool, words: str) -> None:
    with pytest.raises(museum.CaseError, match=words):
        museum.read_case(make(tmp_path, story, fixed), "09_off_by_one")


def test_an_unknown_case_offers_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(museum.CaseError, match="did you mean '09_off_by_one'"):
        museum.read_case(make(tmp_path), "09_of_by_one")
    with pytest.raises(museum.CaseError, match="did you mean '09_off_by_one'"):
        museum.read_case(tmp_path, "off_by")
    with pytest.raises(museum.CaseError, match="it has none here"):
        museum.read_case(tmp_path / "empty", "x")


@pytest.mark.parametrize("name", ["nope", "x", "", "museum", "transformer"])
def test_a_name_unlike_all_cases_gets_none_offered(name: str) -> None:
    with pytest.raises(museum.CaseError, match=r"`lilllm course museum` lists those that it has$"):
        museum.read_case(ROOT, name)


def test_a_case_names_its_lecture(tmp_path: Path) -> None:
    assert museum.read_case(make(tmp_path), "09_off_by_one").of_lecture == "09_generation"
    assert {museum.read_case(ROOT, name).of_lecture[:2] for name in NAMES} == {name[:2] for name in NAMES}


def test_a_case_starts_as_a_program_does_and_leaves_torch_as_it_was(tmp_path: Path) -> None:
    make(tmp_path)
    program = (tmp_path / "lectures" / "broken" / "09_off_by_one.py").read_text()
    own = 'own = torch.get_default_dtype()\ntorch.set_default_dtype(torch.float16)\nassert healthy, "as it breaks"\n'
    (tmp_path / "lectures" / "broken" / "09_off_by_one_fixed.py").write_text(program.replace("(10)", "(11)") + own)
    (tmp_path / "lectures" / "broken" / "09_off_by_one.py").write_text(program + own)
    case = museum.read_case(tmp_path, "09_off_by_one")
    torch.set_default_dtype(torch.float64)
    try:
        state = torch.get_rng_state()
        assert case.run(fixed=True).values["own"] == torch.float32
        assert torch.get_default_dtype() == torch.float64
        with pytest.raises(AssertionError, match="as it breaks"):
            case.run()
        assert torch.get_default_dtype() == torch.float64
        assert torch.equal(torch.get_rng_state(), state)
    finally:
        torch.set_default_dtype(torch.float32)
