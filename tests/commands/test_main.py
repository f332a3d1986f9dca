"""The command line as a whole: help, completion, errors in one line, quiet ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from lilllm import __main__ as program
from lilllm import __version__


def lilllm(*args: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lilllm", *args],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **environ},
        check=False,
    )


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> click.Group:
    """A subcommand `toy` of the program, to hang commands on."""
    group = click.Group("toy")
    monkeypatch.setitem(program.SUBCOMMANDS, "toy", "A toy.")
    monkeypatch.setitem(sys.modules, "lilllm.commands.toy", SimpleNamespace(command=group))  # type: ignore[arg-type]
    return group


def code_of(*args: str) -> object:
    with pytest.raises(SystemExit) as stop:
        program.main(list(args))
    return stop.value.code


def test_help_names_every_subcommand_and_how_to_complete_in_three_shells() -> None:
    done = lilllm("--help")
    assert done.returncode == 0
    for name in (*program.SUBCOMMANDS, "bash_source", "zsh_source", "fish_source"):
        assert name in done.stdout
    assert lilllm("-h").stdout == done.stdout


@pytest.mark.parametrize("name", ["course", "lectures", "tokenizer", "trace"])  # the others are no groups
def test_the_help_of_a_group_tells_each_command_by_a_whole_sentence(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert code_of(name, "--help") == 0
    commands = capsys.readouterr().out.partition("\nCommands:\n")[2]
    assert commands
    assert "..." not in commands


def test_without_a_command_the_help_is_shown_whole() -> None:
    done = lilllm()
    assert (done.returncode, done.stdout) == (2, "")
    assert "\nCommands:\n" in done.stderr


def test_version() -> None:
    assert lilllm("--version").stdout == f"lilllm, version {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    done = lilllm(_LILLLM_COMPLETE=f"{shell}_source")
    assert done.returncode == 0, done.stderr
    assert "_LILLLM_COMPLETE" in done.stdout


def test_completion_knows_commands_and_options_without_importing_them() -> None:
    done = lilllm(_LILLLM_COMPLETE="bash_complete", COMP_WORDS="lilllm t", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,tokenizer", "plain,trace", "plain,train"]
    done = lilllm(_LILLLM_COMPLETE="bash_complete", COMP_WORDS="lilllm course start --no", COMP_CWORD="3")
    assert done.stdout.split() == ["plain,--no-browser"]
    code = "import sys, lilllm.__main__ as m; m.cli.shell_complete(m.click.Context(m.cli), ''); print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "lilllm.__main__" in modules
    assert not [name for name in modules if name.startswith("lilllm.commands.")]


def test_the_program_starts_without_torch() -> None:
    code = "import sys, lilllm.__main__; import lilllm.commands.course; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["corse"], "lilllm: No such command 'corse'. Did you mean 'course'? (see lilllm --help)\n"),
        (["course", "start", "--port-lab", "x"], "(see lilllm course start --help)\n"),
        (["course", "reset"], "lilllm: Missing argument 'LECTURE' (see lilllm course reset --help)\n"),
        (["--nope"], "--nope' (see lilllm --help)\n"),
    ],
)
def test_errors_are_one_line_with_a_hint_and_code_2(args: list[str], message: str) -> None:
    done = lilllm(*args)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(message)
    assert done.stderr.count("\n") == 1


def test_an_error_of_several_lines_is_made_one(toy: click.Group, capsys: pytest.CaptureFixture[str]) -> None:
    @toy.command()
    def fail() -> None:
        raise click.ClickException("first\n  second\x1b")

    assert code_of("toy", "fail") == 2
    assert capsys.readouterr().err == "lilllm: first second\\x1b\n"


def test_exit_codes_pass_and_return_values_are_none(toy: click.Group) -> None:
    @toy.command()
    @click.pass_context
    def seven(ctx: click.Context) -> None:
        ctx.exit(7)

    @toy.command()
    def counts() -> int:
        return 7

    assert code_of("toy", "seven") == 7
    assert code_of("toy", "counts") == 0


def test_a_missing_package_is_named_and_a_bug_keeps_its_traceback(
    toy: click.Group, capsys: pytest.CaptureFixture[str]
) -> None:
    @toy.command()
    def needs() -> None:
        import no_such_package.part  # noqa: F401

    @toy.command()
    def bug() -> None:
        import lilllm.no_such_module  # noqa: F401

    assert code_of("toy", "needs") == 2
    assert "no_such_package" in capsys.readouterr().err
    with pytest.raises(ModuleNotFoundError):
        program.main(["toy", "bug"])


def test_an_interrupt_is_quiet(toy: click.Group, capsys: pytest.CaptureFixture[str]) -> None:
    @toy.command()
    def stop() -> None:
        raise KeyboardInterrupt

    assert code_of("toy", "stop") == 130
    assert capsys.readouterr().err.strip() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break otherwise there")
@pytest.mark.parametrize("args", [["course", "--help"], ["--help"]])
def test_a_reader_that_leaves_is_no_error(args: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "lilllm", *args], stdout=writing, stderr=subprocess.PIPE, text=True, timeout=60
        )
    finally:
        os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(sys.platform == "win32", reason="sends a posix signal")
def test_ctrl_c_while_a_command_works_ends_with_130_and_no_traceback(tmp_path: Path) -> None:
    script = tmp_path / "slow.py"
    script.write_text(
        "import sys, time, types, click\nfrom lilllm import __main__ as program\n"
        "@click.command()\ndef command():\n    print('up', flush=True)\n    time.sleep(60)\n"
        "program.SUBCOMMANDS['toy'] = ''\nsys.modules['lilllm.commands.toy'] = types.SimpleNamespace(command=command)\n"
        "program.main(['toy'])\n"
    )
    process = subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    process.stdout.readline()
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err.strip()) == (130, "")
