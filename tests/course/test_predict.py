"""Predictions: the same output for everyone who has not guessed, and the guess beside the truth for who has."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilllm.course import predict
from lilllm.course.predict import _buttons as buttons
from lilllm.course.record import Record


def test_without_a_guess_it_says_how_to_make_one() -> None:
    question = predict("How many?", choices=["4", "11"])
    assert str(question) == (
        'How many?\nChoose: 4 | 11\nRun this cell yourself to answer with buttons, or write guess="4" into the call. '
        "Or go on without."
    )
    assert str(question.reveal("11")).startswith("The answer: 11. You made no guess")


def test_right_and_wrong_choices() -> None:
    assert str(predict("?", choices=["a", "b"], guess="a").reveal("a")) == "You said a, and so it is."
    assert str(predict("?", choices=["a", "b"], guess="a").reveal("b")) == "You said a. The answer: b."


def test_numbers_say_how_far_off() -> None:
    assert str(predict("?", guess=1000).reveal(250)) == "You said 1,000. The answer: 250, 4 times less than you said."
    assert str(predict("?", guess=2.0).reveal(2.0)) == "You said 2, and so it is."
    assert str(predict("?", guess=0).reveal(7)) == "You said 0. The answer: 7."
    assert "Say a number of tokens" in str(predict("?", unit="tokens"))


def test_bad_guesses_are_clear_errors() -> None:
    with pytest.raises(ValueError, match=r"guess='c' is not one of the choices: 'a', 'b'"):
        predict("?", choices=["a", "b"], guess="c")
    with pytest.raises(ValueError, match="guess='3' is not a number; write it without quotes"):
        predict("?", guess="3")
    with pytest.raises(ValueError, match="guess=True is not a number"):
        predict("?", guess=True)


def test_a_lecture_whose_answer_is_no_choice_is_an_error() -> None:
    with pytest.raises(ValueError, match="'c' is not one of the choices"):
        predict("?", choices=["a", "b"]).reveal("c")


def test_html_escapes() -> None:
    assert "&lt;b&gt;" in predict("<b>?")._repr_mimebundle_()["text/html"]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Record:
    monkeypatch.setenv("LILLLM_HOME", str(tmp_path))
    return Record()


def test_a_committed_guess_is_kept_and_found_when_the_notebook_runs_again(kept: Record) -> None:
    asked = predict("How many?", choices=["4", "11"])
    assert str(asked.commit("4", 0.7)) == "Your guess: 4, 70% sure. The next cells tell."
    again = predict("How many?", choices=["4", "11"])
    assert str(again.reveal("11")) == "You said 4, 70% sure. The answer: 11."
    assert str(again.commit("11", 1.0)) == "The answer is known by now; your guess was 4, 70% sure."
    assert predict("How many?", choices=["4", "12"]).guess is None, "another question, though its words are the same"
    (guess,) = kept.predictions()
    assert (guess.text, guess.guess, guess.confidence, guess.truth) == ("How many?", "4", 0.7, "11")
    with pytest.raises(ValueError, match=r"confidence=70: give 0 to 1"):
        predict("Else?").commit(1, 70)
    with pytest.raises(ValueError, match=r"confidence='sure': give 0 to 1"):
        predict("Else?").commit(1, "sure")


@pytest.mark.parametrize("guess", [float("nan"), float("-inf"), 10**400], ids=["nan", "-inf", "10**400"])
def test_a_guess_that_nothing_can_be_compared_with_is_refused(guess: float) -> None:
    with pytest.raises(ValueError, match="give a finite number below 1e300"):
        predict("How many?", guess=guess)


@pytest.mark.parametrize("choices", ["abc", [4, 11], [None]])
def test_choices_are_texts(choices) -> None:
    with pytest.raises(ValueError, match="give a list of texts, such as"):
        predict("How many?", choices=choices)


def test_a_notebook_shows_buttons_that_commit_and_a_built_one_shows_none(
    kept: Record, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ipykernel  # noqa: F401

    asked = predict("How many?", choices=["4", "11"])
    bundle = asked._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == str(asked)
    _, answer, row, said = buttons(asked).children
    sure, commit = row.children
    assert sure.min == 50, "a blind guess among two is right half the time"
    commit.click()
    assert said.value == "Choose an answer first."
    answer.value, sure.value = "11", 80
    commit.click()
    assert said.value == "Your guess: 11, 80% sure. The next cells tell."
    assert kept.predictions()[0].guess == "11"
    monkeypatch.setenv("LILLLM_HOME", "")  # as in a build
    assert set(predict("How many?", choices=["4", "11"])._repr_mimebundle_()) == {"text/plain", "text/html"}


def test_a_number_is_asked_for_with_a_field(kept: Record) -> None:
    asked = predict("How many?", unit="tokens")
    _, answer, row, said = buttons(asked).children
    answer.value = 2500
    row.children[1].click()
    assert said.value == "Your guess: 2,500, 50% sure. The next cells tell."
    assert str(asked.reveal(1000)) == "You said 2,500, 50% sure. The answer: 1,000, 2.5 times less than you said."
