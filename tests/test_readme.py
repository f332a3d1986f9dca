"""The README is true: its Python runs, its table is the repository's, its files and commands are there."""

from __future__ import annotations

import doctest
import re
import tomllib
from pathlib import Path

import click
import pytest

from lilllm import __version__
from lilllm.__main__ import SUBCOMMANDS, cli
from lilllm.course.plan import LECTURES, markdown_table

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_its_python_runs_and_prints_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it writes a model
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert blocks
    runner = doctest.DocTestRunner()
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        test = doctest.DocTestParser().get_doctest(block, names, f"README block {number}", "README.md", 0)
        assert test.examples
        runner.run(test, clear_globs=False)
        names = test.globs
    assert runner.summarize(verbose=False).failed == 0


def test_its_table_is_the_plan_and_marks_what_is_built() -> None:
    shown = re.search(r"<!-- lectures:[^\n]*-->\n(.*?)\n<!-- end of lectures -->", README, flags=re.DOTALL)
    assert shown
    assert shown[1] == markdown_table(ROOT), "put the output of `lilllm course list --markdown` between the two marks"
    assert len(LECTURES) == 26


def test_every_lecture_of_the_repository_is_in_the_plan() -> None:
    sources = {path.stem for path in (ROOT / "lectures").glob("[0-9][0-9]_*.py")}
    assert sources <= {lecture.name for lecture in LECTURES}


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_links_lead_to_files(text: str) -> None:
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert targets
    assert [target for target in targets if not (ROOT / target).exists()] == []


@pytest.mark.parametrize("text", [README, CONTRIBUTING], ids=["README", "CONTRIBUTING"])
def test_commands_and_make_targets_exist(text: str) -> None:
    commands = re.findall(rf"\blilllm ((?:{'|'.join(SUBCOMMANDS)})(?: [a-z]+)?)", text)
    assert commands
    for line in commands:
        command: click.Command | None = cli
        for word in line.split():
            if command is not cli and not isinstance(command, click.Group):
                break  # the word is an argument of the command
            assert isinstance(command, click.Group)
            command = command.get_command(click.Context(command), word)
            assert command is not None, f"`lilllm {line}` is not a command"
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^    |`)make ([a-z]+)", text, flags=re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), f"the Makefile has no {target}"


def test_python_versions_and_extras_are_those_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11,<3.15"
    assert "Python 3.11 to 3.14" in README
    for extras in re.findall(r'-e "\.\[([a-z,]+)\]"', README + CONTRIBUTING):
        assert set(extras.split(",")) <= set(project["optional-dependencies"])
    assert (ROOT / "constraints.txt").is_file()


def test_changelog_and_citation_know_the_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[({re.escape(__version__)}|Unreleased)\]", changelog, flags=re.MULTILINE)
    assert f"\nversion: {__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
