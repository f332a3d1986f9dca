"""`lilllm course`: start the course, see how far you are, reset or update your copy.

All of it works on a clone of the repository and on a working copy in it (``my-course``, or ``--dir``).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lilllm.commands.group import Group
from lilllm.commands.museum import museum

if TYPE_CHECKING:
    from lilllm.course.workspace import Workspace

_INSTALL = '`pip install -e ".[lab,viewer]" -c constraints.txt` in the repository installs them'


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """What a learner can get wrong, as one line and without a traceback."""
    from lilllm.course.clone import NotACloneError

    try:
        from lilllm.course.folder import WorkspaceError
        from lilllm.course.notebook import NotebookError
        from lilllm.course.record import RecordError
    except ModuleNotFoundError as error:
        raise click.ClickException(f"the course needs {error.name}, which is not installed; {_INSTALL}") from error
    try:
        yield
    except (NotACloneError, NotebookError, RecordError, WorkspaceError) as error:
        raise click.ClickException(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise click.ClickException(f"{error.strerror or error}{where}") from error


def _workspace(folder: Path | None) -> Workspace:
    from lilllm.course.clone import find_clone
    from lilllm.course.workspace import Workspace

    clone = find_clone()
    return Workspace(clone, folder if folder is not None else clone / "my-course")


def _in_folder(function: Callable[..., None]) -> Callable[..., None]:
    return click.option(
        "--dir",
        "folder",
        type=click.Path(path_type=Path),
        help="The working copy; my-course in the repository unless named.",
    )(function)


@click.group(name="course", cls=Group)
def command() -> None:
    """Start the course, see how far you are, reset or update your copy."""


command.add_command(museum)


@command.command()
@_in_folder
@click.option("--no-browser", is_flag=True, help="Do not open a browser.")
@click.option("--port-lab", type=click.IntRange(1, 65535), default=8888, show_default=True, help="JupyterLab's port.")
@click.option(
    "--port-viewer", type=click.IntRange(1, 65535), default=8501, show_default=True, help="The viewer's port."
)
@click.pass_context
def start(ctx: click.Context, folder: Path | None, no_browser: bool, port_lab: int, port_viewer: int) -> None:
    """Put your working copy in place, start the viewer and JupyterLab, and open them.

    Both listen on this machine only. A busy port moves on to the next free one. Ctrl-C stops both.
    """
    with _plain_errors():
        from lilllm.course import serve

        missing = serve.missing_packages()
        if missing:
            raise click.ClickException(f"the course needs {', '.join(missing)}, not installed; {_INSTALL}")
        workspace = _workspace(folder)
        if not (workspace.clone / "viewer" / "streamlit_app.py").is_file():
            raise click.ClickException(
                f"{workspace.clone / 'viewer' / 'streamlit_app.py'} is missing: the clone is not whole"
            )
        click.echo(f"Your working copy: {workspace.folder}")
        done = workspace.deliver()
        if not workspace.lectures():
            click.echo("  no lecture is built yet: `make lectures` builds them")
        _echo_table([(name, what) for name, what in done])
        try:
            code = serve.start(
                workspace, port_lab=port_lab, port_viewer=port_viewer, browser=not no_browser, say=click.echo
            )
        except serve.ServerError as error:
            click.echo(f"lilllm: {error}", err=True)  # several lines: the end of a log
            code = 1
    ctx.exit(code)


@command.command()
@click.argument("lecture")
@_in_folder
@click.option("--answers", is_flag=True, help="Throw your answers away too.")
def reset(lecture: str, folder: Path | None, answers: bool) -> None:
    """Restore LECTURE (1, 01 or 01_tokenization) and keep your answers in it.

    What you had is copied to .backup in your working copy first, every time.
    """
    with _plain_errors():
        done = _workspace(folder).reset(lecture, answers=answers)
    _echo_table([done])


@command.command()
@_in_folder
def update(folder: Path | None) -> None:
    """Bring in new versions of the lectures; your answers, edits and own cells stay.

    Run it after `git pull`. It says for each lecture what was done.
    """
    with _plain_errors():
        done = _workspace(folder).update()
    _echo_table([(name, what) for name, what in done])
    if any(what.startswith("updated") for _, what in done):
        click.echo("In JupyterLab, File > Reload Notebook from Disk shows the new version of an open one.")


@command.command()
@_in_folder
@click.pass_context
def status(ctx: click.Context, folder: Path | None) -> None:
    """Show the lectures in your copy: what you have written in, solved and predicted, and where to go on."""
    from lilllm.course.asked import Asked, asked
    from lilllm.course.plan import LECTURES, Lecture
    from lilllm.course.progress import read_course, read_kept, standing

    with _plain_errors():
        workspace = _workspace(folder)
        lectures = workspace.status()
        kept = read_kept()
    plan = {one.name: one for one in LECTURES}
    rows = []
    for lecture in lectures:
        asks = Asked(lecture.names, asked(workspace.clone, lecture.name).questions)
        marks = standing(plan.get(lecture.name, Lecture("", lecture.name, "")), asks, kept).marks
        written = (
            f"{lecture.changed} of {lecture.exercises} exercises written in" if lecture.exercises else "no exercises"
        )
        rows.append((lecture.name, "; ".join(part for part in (", ".join([written, *marks]), lecture.note) if part)))
    _echo_table(rows)
    if not rows:
        click.echo("no lecture is built yet: `make lectures` builds them")
    course = read_course(workspace.clone)
    if course.broken:
        click.echo(f"lilllm: {course.note}", err=True)
        ctx.exit(2)  # what can be said without the record has been
    for line in filter(None, (course.note, course.where)):
        click.echo(line)


@command.command()
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file.  [default: the screen]")
def export(output: Path | None) -> None:
    """Write what is kept of you, exercises tried and predictions made, as JSON. It is on this machine only."""
    from lilllm.course.record import Record

    with _plain_errors():
        text = json.dumps(Record().export(), indent=2) + "\n"
        if output is None:
            click.echo(text, nl=False)
            return
        from lilllm.lectures.files import write_atomically

        write_atomically(output, text)
    click.echo(f"{output}: {len(text):,} bytes", err=True)


@command.command(name="list")
@click.option("--markdown", is_flag=True, help="As the table of the README.")
def list_(markdown: bool) -> None:
    """List all 26 lectures: those that are built and those that are planned."""
    from lilllm.course.clone import NotACloneError, find_clone
    from lilllm.course.plan import LECTURES, markdown_table

    try:
        clone = find_clone()
    except NotACloneError as error:
        raise click.ClickException(str(error)) from error
    if markdown:
        click.echo(markdown_table(clone))
        return
    part = ""
    for lecture in LECTURES:
        if lecture.part != part:
            part = lecture.part
            click.echo(("\n" if lecture is not LECTURES[0] else "") + part)
        mark = "built  " if lecture.built(clone) else "planned"
        click.echo(f"  {mark}  {lecture.name:<25}  {lecture.what}")


def _echo_table(rows: list[tuple[str, str]]) -> None:
    width = max((len(name) for name, _ in rows), default=0)
    for name, what in rows:
        click.echo(f"  {name:<{width}}  {what}")
