"""`lilllm lectures`: build, check, measure and list the lectures of a clone."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lilllm.commands.group import Group
from lilllm.course.clone import NotACloneError, find_clone
from lilllm.lectures.files import Lecture, find_lectures
from lilllm.lectures.header import HeaderError, read_header
from lilllm.lectures.measured import Measured, read_measured, write_measured

if TYPE_CHECKING:
    from lilllm.course.museum import Case


def _chosen(numbers: tuple[str, ...]) -> tuple[Path, list[Lecture]]:
    try:
        root = find_clone()
        return root, find_lectures(root, numbers)
    except (NotACloneError, ValueError) as error:
        raise click.ClickException(str(error)) from error


def _measured(root: Path) -> dict[str, Measured]:
    try:
        return read_measured(root / "lectures")
    except ValueError as error:
        raise click.ClickException(str(error)) from error


def _need_lab() -> None:
    missing = []
    for module in ("ipykernel", "jupytext", "nbclient", "nbformat", "psutil"):
        try:
            __import__(module)
        except ImportError:
            missing.append(module)
    if missing:
        raise click.ClickException(
            f"this needs {', '.join(missing)}: pip install 'lilllm[lab]', or pip install -e '.[lab]' in a clone"
        )


@click.group(name="lectures", cls=Group)
def command() -> None:
    """Build, check, measure and list the lectures. NUMBERS such as 1, 05 or 05_attention; without any, all lectures."""


@command.command()
@click.argument("numbers", nargs=-1)
@click.option("--jobs", "-j", type=click.IntRange(1, 64), help="How many at once; default: one a core.")
@click.option("--all", "everything", is_flag=True, help="Also those whose source, package and versions did not change.")
def build(numbers: tuple[str, ...], jobs: int | None, everything: bool) -> None:
    """Run lectures that changed; write their notebooks and traces, each pair from one run.

    The museum's cases of these lectures are recorded too.

    A lecture that fails keeps its old notebook and trace, stops no other, and makes the exit code 1.
    """
    _need_lab()
    from lilllm.lectures.build import Built
    from lilllm.lectures.schedule import build_all
    from lilllm.lectures.stamp import why_build

    root, lectures = _chosen(numbers)
    measured = _measured(root)
    due = []
    for lecture in lectures:
        why = why_build(lecture) or ("there are no figures of it" if lecture.name not in measured else "")
        if why or everything:
            click.echo(f"{lecture.name}: {why or 'asked for'}")
            due.append(lecture)
    failed = _record_cases(root, lectures, everything)
    if not due:
        if failed:
            sys.exit(1)
        click.echo(
            f"nothing to build: {len(lectures)} lecture{'s' * (len(lectures) != 1)} up to date (--all builds anyway)"
        )
        return

    def report(one: Built) -> None:
        if one.measured is None:
            click.echo(f"{one.name}: {one.error} (its old notebook and trace are kept)", err=True)
        else:
            write_measured(
                root / "lectures", {one.name: one.measured}, keep={lecture.name for lecture in find_lectures(root)}
            )
            click.echo(f"{one.name}: {one.measured}")

    began = time.monotonic()
    built = build_all(due, jobs=jobs, report=report)
    lost = sum(one.measured is None for one in built)
    click.echo(f"{len(built) - lost} built, {lost} failed in {time.monotonic() - began:.0f} s")
    if lost or failed:
        sys.exit(1)


def _cases(root: Path, lectures: list[Lecture]) -> list[Case]:
    from lilllm.course.museum import read_cases

    cases, problems = read_cases(root)
    for name, problem in problems.items():
        raise click.ClickException(f"{name}: {problem}")
    return [case for case in cases.values() if case.lecture in {lecture.number for lecture in lectures}]


def _record_cases(root: Path, lectures: list[Lecture], everything: bool) -> bool:
    """Record the museum's cases of ``lectures`` where they changed; whether one failed."""
    from lilllm.lectures.broken import record_case, why_record

    failed = False
    for case in _cases(root, lectures):
        why = why_record(case) or ("asked for" if everything else "")
        if why:
            click.echo(f"museum, {case.name}: {why}")
            try:
                record_case(case)
            except (ValueError, OSError) as error:
                click.echo(f"museum, {case.name}: {error} (its old traces are kept)", err=True)
                failed = True
    return failed


@command.command()
@click.argument("numbers", nargs=-1)
def cost(numbers: tuple[str, ...]) -> None:
    """Measure what each line of built lectures costs on this machine, for the viewer to show.

    Each lecture runs once more, and a third time if it uses torch. What is measured lies beside the trace and is not
    committed: its times are this machine's.
    """
    _need_lab()
    from lilllm.lectures.cost import measure_lecture

    failed = False
    for lecture in _chosen(numbers)[1]:
        try:
            measured = measure_lecture(lecture)
        except (ValueError, OSError) as error:
            click.echo(f"{lecture.name}: {error}", err=True)
            failed = True
            continue
        for note in measured.notes:
            click.echo(f"{lecture.name}: {note}", err=True)
        click.echo(f"{lecture.name}: {len(measured.lines):,} lines, {measured.seconds:.1f} s")
    if failed:
        sys.exit(1)


@command.command()
@click.argument("numbers", nargs=-1)
@click.option("--twice", is_flag=True, help="Build again, under other conditions and as before, and want the same.")
def check(numbers: tuple[str, ...], twice: bool) -> None:
    """Find what is wrong with built lectures; exit code 1 if anything is.

    Source, notebook and trace belong together, every cell ran and none ends in an error, no comment became a command,
    formulas convert, the header is complete, the budget is kept, and no output holds what another run would print
    differently.
    """
    _need_lab()
    from lilllm.lectures.broken import check_broken, check_case
    from lilllm.lectures.check import check_folder, check_lecture
    from lilllm.lectures.twice import check_twice

    root, lectures = _chosen(numbers)
    measured = _measured(root)
    found = [] if numbers else check_folder(root) + check_broken(root)
    for lecture in lectures:
        problems = check_lecture(lecture, measured.get(lecture.name))
        if twice and not problems:
            problems = check_twice(lecture)
        found += [f"lectures/{lecture.source.name}: {problem}" for problem in problems]
    found += [f"lectures/broken/{case.name}.py: {one}" for case in _cases(root, lectures) for one in check_case(case)]
    for problem in found:
        click.echo(problem, err=True)
    click.echo(
        f"{len(lectures)} lecture{'s' * (len(lectures) != 1)} checked, {len(found)} problem{'s' * (len(found) != 1)}"
    )
    if found:
        sys.exit(1)


@command.command(name="list")
def list_lectures() -> None:
    """Each lecture with its budget and what the build measured."""
    root, lectures = _chosen(())
    measured = _measured(root)
    for lecture in lectures:
        try:
            header = read_header(lecture.source)
        except HeaderError as error:
            click.echo(f"{lecture.number}  {lecture.name}: header: {error}")
            continue
        one = measured.get(lecture.name)
        click.echo(f"{lecture.number}  {header.title}")
        click.echo(f"    {header.minutes} min to read, budget {header.budget}; built: {one or 'not yet'}")
