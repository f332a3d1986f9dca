"""`lilllm course museum`: programs that are broken on purpose."""

from __future__ import annotations

import shutil
import textwrap

import click


@click.command()
@click.argument("name", required=False)
@click.option("--reveal", is_flag=True, help="Tell the cause, and show what the fix changes.")
def museum(name: str | None, reveal: bool) -> None:
    """List the programs that are broken on purpose, or show one: NAME such as 03_gradients_added_up.

    A case shows its symptom and says where to look; the cause only with --reveal.
    """
    from lilllm.course.clone import NotACloneError, find_clone
    from lilllm.course.museum import CaseError, read_case, read_cases

    if reveal and name is None:
        raise click.UsageError("--reveal tells of one case: name it")
    try:
        root = find_clone()
        if name is None:
            cases, problems = read_cases(root)
            for one in cases.values():
                click.echo(f"{one.name}: {one.title}\n{_wrapped(one.symptom)}")
            for other, problem in problems.items():
                click.echo(f"{other} cannot be shown: {problem}", err=True)
            return
        case = read_case(root, name.removesuffix(".py"))
    except (NotACloneError, CaseError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{case.title}\nLecture {case.of_lecture.replace('_', ' ')}\n\n{_wrapped(case.symptom)}\n")
    click.echo(f"The program: {case.source().relative_to(root).as_posix()}; it prints")
    click.echo(textwrap.indent(case.run().printed.rstrip(), "    "))
    click.echo(f"\nWhere to look\n{_wrapped(case.look)}")
    if not reveal:
        if case.trace().is_file():
            click.echo(
                f"\nStep by step: the viewer's page Museum, or lilllm trace show {case.trace().relative_to(root)}"
            )
        click.echo(f"The cause: lilllm course museum {case.name} --reveal")
        return
    click.echo(f"\nThe cause\n{_wrapped(case.cause)}\n\nThe fix\n{_wrapped(case.fix)}\n")
    click.echo(textwrap.indent(case.diff(), "    "))
    click.echo(f"\nStep by step: the viewer's page Museum, or\n  {case.command}")


def _wrapped(text: str) -> str:
    width = min(shutil.get_terminal_size().columns, 100)
    return textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ")
