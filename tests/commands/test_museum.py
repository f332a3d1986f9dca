"""`lilllm course museum`: the list, one case, and its cause only when asked."""

from __future__ import annotations

from click.testing import CliRunner

from lilllm.commands.course import command


def _ran(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(command, ["museum", *arguments])
    return result.exit_code, result.output


def test_the_list_names_every_case_and_no_cause() -> None:
    code, out = _ran()
    assert code == 0
    assert "01_special_from_user: The message that ends itself" in out
    assert "own tokens" not in out


def test_a_case_shows_its_symptom_first_and_the_cause_when_asked() -> None:
    code, out = _ran("01_special_from_user")
    assert code == 0
    assert "messages: 2 went in, the model sees 3" in out
    assert "\nLecture 01 tokenization\n" in out
    assert "--reveal" in out
    assert "The cause\n" not in out
    code, out = _ran("01_special_from_user", "--reveal")
    assert code == 0
    assert "The cause\n" in out
    assert '-    return tokens + encode(f"<|user|>{user}<|end|>")' in out


def test_an_unknown_case_is_one_line() -> None:
    code, out = _ran("01_special_from_usr")
    assert code == 1
    assert out.startswith("Error: the museum has no case '01_special_from_usr'; did you mean '01_special_from_user'?")
    assert _ran("--reveal")[0] == 2
