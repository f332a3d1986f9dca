"""Predictions: the same output for everyone who has not guessed, and the guess beside the truth for who has."""

from __future__ import annotations

import pytest

from lilllm.course import predict


def test_without_a_guess_it_says_how_to_make_one() -> None:
    question = predict("How many?", choices=["4", "11"])
    assert str(question) == (
        'How many?\nChoose: 4 | 11\nWrite your guess into the call, for example guess="4", and run the cell again. '
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
    assert "&lt;b&gt;" in predict("<b>?")._repr_html_()
