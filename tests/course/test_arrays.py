"""Exercises on arrays and tensors: what is equal, what is wrong with an answer, and how values are shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lilllm.course.exercise import Case, Exercise, Mistake, same
from lilllm.course.guard import run
from lilllm.course.judge import judge
from lilllm.course.report import short


def unit(x: torch.Tensor) -> torch.Tensor:
    return x / x.norm(dim=-1, keepdim=True)


ROWS = torch.tensor([[3.0, 4.0], [0.0, 2.0]])
EXERCISE = Exercise(
    name="toy.unit",
    task="Divide each row by its length.",
    call="unit(x)",
    hints=("Length is a root.", "Of the sum of squares."),
    solution=unit,
    also_right=(),
    mistakes=(Mistake(lambda x: x / x.norm(), "You divide by the length of all rows together."),),
    cases=lambda: [Case((ROWS,), unit(ROWS)), Case((ROWS.T.contiguous(),), unit(ROWS.T))],
)


@pytest.mark.parametrize(
    ("got", "expected", "equal"),
    [
        (torch.tensor([1.0]), torch.tensor([1.000001]), True),
        (torch.tensor([1.0]), torch.tensor([1.0001]), False),
        (torch.tensor([1.0], dtype=torch.float64), torch.tensor([1.000001], dtype=torch.float64), False),
        (torch.tensor([1.0]), torch.tensor([[1.0]]), False),
        (torch.tensor([1.0]), torch.tensor([1.0], dtype=torch.float64), False),
        (torch.tensor([1]), torch.tensor([1.0]), False),
        (torch.tensor([1]), torch.tensor([2]), False),
        (torch.tensor([1.0], requires_grad=True), torch.tensor([1.0]), True),
        (np.array([1.0, 2.0]), np.array([1.0, 2.0 + 1e-12]), True),
        (np.array([1.0, 2.0]), torch.tensor([1.0, 2.0], dtype=torch.float64), False),
        ([1.0, 2.0], np.array([1.0, 2.0]), False),
        (torch.tensor([float("nan")]), torch.tensor([float("nan")]), False),
        (torch.tensor([float("inf")]), torch.tensor([float("inf")]), True),
        (torch.tensor([float("inf"), 1.0]), torch.tensor([float("inf"), 2.0]), False),
        (torch.tensor([1e-6]), torch.tensor([2e-6]), False),  # small numbers are compared as such
        (torch.zeros(0), torch.zeros(0), True),
        ((torch.tensor([1.0]), 2), (torch.tensor([1.0]), 2), True),
        ((torch.tensor([1.0]), 2), (torch.tensor([3.0]), 2), False),
    ],
)
def test_what_is_equal(got: object, expected: object, equal: bool) -> None:
    assert same(got, expected) is equal


def test_nan_equals_itself_only_when_asked() -> None:
    a = [torch.tensor([float("nan"), 1.0]), float("nan")]
    assert not same(a, a)
    assert same(a, a, nan=True)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x: unit(x), None),
        (lambda x: x / x.square().sum(-1, keepdim=True).sqrt(), None),
        (lambda x: x / x.norm(), "the length of all rows together"),
        (lambda x: unit(x)[0], "should have shape (2, 2), and yours has (2,)"),
        (lambda x: unit(x).double(), "should be of torch.float32, and yours is of torch.float64"),
        (lambda x: unit(x).numpy(), "should be of type Tensor, and yours is of type ndarray"),
        (lambda x: unit(x - x), "holds NaN"),
        (lambda x: unit(x) + 1e-3, "differs from the expected one"),
    ],
)
def test_a_wrong_tensor_is_told_what_is_wrong_with_it(answer: object, words: str | None) -> None:
    verdict = judge(EXERCISE, answer)
    if words is None:
        assert verdict.kind == "solved"
    else:
        assert verdict.kind == "wrong"
        assert words in verdict.message


def test_the_element_of_a_list_is_named() -> None:
    exercise = replace(
        EXERCISE, mistakes=(), cases=lambda: [Case((ROWS,), (ROWS, ROWS[0]))], solution=lambda x: (x, x[0])
    )
    assert "Of element 1: the answer should have shape (2,)" in judge(exercise, lambda x: (x, x)).message


def test_an_element_of_another_kind_is_no_array_to_speak_of() -> None:
    exercise = replace(EXERCISE, mistakes=(), cases=lambda: [Case((ROWS,), (ROWS, ROWS[0]))])
    assert "differs from the expected one" in judge(exercise, lambda x: (x, 3)).message
    assert "Of element 1: the answer should have shape (2,)" in judge(exercise, lambda x: (3, x)).message


def test_nan_is_no_news_where_nan_is_expected() -> None:
    nan = torch.tensor([float("nan"), 1.0])
    exercise = replace(
        EXERCISE, mistakes=(), cases=lambda: [Case((nan,), nan)], equal=lambda got, wanted: same(got, wanted, nan=True)
    )
    assert judge(exercise, torch.clone).kind == "solved"
    assert "holds NaN" not in judge(exercise, lambda x: x * 2).message
    assert "holds NaN" in judge(replace(exercise, cases=lambda: [Case((nan,), torch.ones(2))]), torch.clone).message


def test_a_tensor_changed_in_place_is_noticed() -> None:
    assert run(lambda x: x.mul_(2), (torch.ones(3),), 1.0).changed
    assert not run(lambda x: x.mul(2), (torch.ones(3),), 1.0).changed
    assert not run(lambda x: x, (torch.tensor([float("nan")]),), 1.0).changed

    def in_place(x: torch.Tensor) -> torch.Tensor:
        return x.div_(x.norm(dim=-1, keepdim=True))

    assert judge(EXERCISE, in_place).kind == "changed"


def test_a_mistake_that_gives_nan_is_known() -> None:
    wrong = Mistake(lambda x: x / 0 * 0, "You divide by zero.")
    assert judge(replace(EXERCISE, mistakes=(wrong,)), lambda x: x * float("nan")).message == "You divide by zero."


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (torch.tensor([[1.0, 2.5], [-3.0, float("nan")]]), "tensor([[1., 2.5], [-3., nan]])"),
        (torch.tensor([1, 2]), "tensor([1, 2])"),
        (torch.ones(2, dtype=torch.float64), "tensor([1., 1.], float64)"),
        (np.ones(2), "array([1., 1.])"),
        (np.float32([1 / 3]), "array([0.3333], float32)"),
        (torch.zeros(0, 3), "tensor([], shape=(0, 3))"),
        (torch.arange(100).view(10, 10), "tensor(shape=(10, 10), first 0, 1, 2, 3, 4, 5 ...)"),
        ([torch.tensor(2.0)], "[tensor(2.)]"),
    ],
)
def test_values_are_shown_in_short(value: object, shown: str) -> None:
    assert short(value) == shown
