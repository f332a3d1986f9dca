"""What `check` does with functions that may do anything."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from lilllm.course import check
from lilllm.course.check import find
from lilllm.course.exercise import Case, Exercise, Mistake, Property, same
from lilllm.course.guard import PRINTED, run
from lilllm.course.judge import is_stub, judge
from lilllm.course.record import Record
from lilllm.course.report import Report, short

NAME = "tokenizers.bpe_encode"


def right(word, merges):
    parts = list(word)
    for left, right in merges:
        i = 0
        while i < len(parts) - 1:
            if (parts[i], parts[i + 1]) == (left, right):
                parts[i : i + 2] = [left + right]
            i += 1
    return parts


def doubled(x: int) -> int:
    return 2 * x


def plus_two(x: int) -> int:
    return x + 2


EXERCISE = Exercise(
    name="toy.double",
    task="Return twice `x`.",
    call="double(x)",
    hints=("Add x to x.", "Or multiply by 2."),
    solution=doubled,
    also_right=(lambda x: x + x, lambda x: x << 1),
    mistakes=(
        Mistake(plus_two, "You add two."),
        Mistake(lambda x: x, "You return x."),
        Mistake(lambda x: -x, "No."),
    ),
    cases=lambda: [Case((1,), 2), Case((2,), 4), Case((5,), 10)],
    properties=(Property(lambda arguments, answer: answer % 2 == 0, "Twice a number is even."),),
    seconds=0.2,
)


def report(function: object, **options: int) -> Report:
    return Report(EXERCISE, judge(EXERCISE, function), **options)


# ------------------------------------------------------------------------------------------------------------ stubs


def with_dots(word, merges):
    """A docstring."""
    ...


def with_pass(word, merges):
    pass


def with_raise(word, merges):
    raise NotImplementedError("yours")


@pytest.mark.parametrize("stub", [None, with_dots, with_pass, with_raise])
def test_a_stub_is_not_a_failure_and_says_what_to_do(stub: object) -> None:
    found = check(NAME, stub)
    assert found.verdict.kind == "stub"
    assert str(found).splitlines()[0] == "To do: tokenizers.bpe_encode"
    assert "Return the tokens of `word`" in str(found)
    assert str(found).endswith('A hint: check("tokenizers.bpe_encode", bpe_encode, hint=1)')


def test_a_function_that_does_something_is_no_stub() -> None:
    assert not is_stub(right)
    assert not is_stub(lambda x: 1)
    assert not is_stub(len)
    assert is_stub(lambda: None)


# ---------------------------------------------------------------------------------------------------- what is said


def test_a_right_function_is_solved() -> None:
    found = check(NAME, right)
    assert found.passed
    assert str(found) == "Solved: tokenizers.bpe_encode\nRight, on all 14 cases."


def test_the_smallest_failing_case_is_shown_with_expected_and_got() -> None:
    assert str(report(plus_two)).splitlines() == [
        "Not yet: toy.double",
        "You add two.",
        "",
        "  double(1)",
        "    expected  2",
        "    got       3",
        'A hint: check("toy.double", double, hint=1)',
    ]


def test_a_mistake_must_explain_every_failure() -> None:
    assert report(lambda x: x + 2 if x < 5 else 0).verdict.message == "Twice a number is even."


def test_a_mistake_that_explains_every_failure_is_told_though_the_rest_is_right() -> None:
    assert report(lambda x: x + 2 if x == 5 else 2 * x).verdict.message == "You add two."


def test_a_mistake_that_raises_is_known_by_what_it_raises() -> None:
    def off_the_end(x: int) -> int:
        return [0][x]

    def by_zero(x: int) -> int:
        return x // 0

    both = replace(EXERCISE, mistakes=(Mistake(by_zero, "By zero."), Mistake(off_the_end, "Off the end.")))
    assert judge(both, lambda x: (1, 2)[x + 1]).message.endswith("Off the end.")


def test_an_own_comparison_that_cannot_compare_finds_no_right_answer() -> None:
    own = replace(EXERCISE, equal=lambda got, wanted: got.real == wanted.real)
    assert judge(own, doubled).kind == "solved"
    assert judge(own, lambda x: "two").kind == "wrong"


def test_without_a_known_mistake_or_broken_property_the_example_speaks() -> None:
    assert "work the example through by hand" in report(lambda x: 4 * x).verdict.message


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: print(x), "returns None: is a `return` missing"),
        (lambda x: (yield x), "is a generator, because it has a `yield`"),
        (lambda x: str(2 * x), "should be of type int, and yours is of type str"),
    ],
)
def test_mistakes_that_any_function_can_have(function: object, words: str) -> None:
    assert words in report(function).verdict.message


def test_hints_come_one_at_a_time_and_then_the_solution_is_offered() -> None:
    first, second = str(report(plus_two, hint=1)), str(report(plus_two, hint=2))
    assert "Hint 1 of 2: Add x to x." in first
    assert "multiply" not in first
    assert first.endswith('Another hint: check("toy.double", double, hint=2)')
    assert "Hint 2 of 2: Or multiply by 2." in second
    assert second.endswith('The solution: check("toy.double", double, solution=True)')
    assert "Hint 2 of 2" in str(report(plus_two, hint=9))


def test_the_solution_is_shown_only_when_asked_for() -> None:
    assert "return 2 * x" not in str(report(plus_two, hint=2))
    assert str(report(plus_two, solution=True)).endswith(
        "A solution:\n  def doubled(x: int) -> int:\n      return 2 * x"
    )


def test_html_says_the_same_and_escapes() -> None:
    found = report(lambda x: "<script>")
    assert "&lt;script&gt;" in found._repr_html_()
    assert "<script>" not in found._repr_html_()
    assert "Not yet: toy.double" in found._repr_html_()

    def broken(x):
        raise ValueError("<b>bold</b> `code`")

    assert "&lt;b&gt;bold&lt;/b&gt; <code>code</code>" in report(broken)._repr_html_()


def test_the_same_report_twice() -> None:
    class Strange:
        pass

    def with_an_address(x):
        return Strange()

    assert str(report(with_an_address)) == str(report(with_an_address))
    assert "0x" not in str(report(with_an_address))


# ------------------------------------------------------------------------------------------ functions that misbehave


def test_an_exception_shows_the_readers_own_line() -> None:
    def broken(x):
        y = x
        return y / 0

    text = str(report(broken))
    assert "Your function raises ZeroDivisionError: division by zero." in text
    assert "line 3 of your function: return y / 0" in text


def test_an_exception_in_a_function_that_calls_itself_shows_the_line_that_raised() -> None:
    def broken(x):
        if x > 3:
            return 1 / 0
        return broken(x + 1)

    assert "line 3 of your function: return 1 / 0" in str(report(broken))


def test_an_exception_below_the_readers_code_shows_the_line_that_called() -> None:
    def broken(x):
        return random.choice([])

    assert "line 2 of your function: return random.choice([])" in str(report(broken))


@pytest.mark.parametrize("error", [SystemExit, RecursionError, MemoryError, GeneratorExit, AssertionError])
def test_whatever_is_raised_is_caught(error: type[BaseException]) -> None:
    def broken(x):
        raise error("so")

    assert f"raises {error.__name__}: so" in report(broken).verdict.message


def test_infinite_recursion_is_an_exception() -> None:
    def down(x):
        return down(x + 1)

    assert "RecursionError" in report(down).verdict.message


def test_ctrl_c_goes_through() -> None:
    def stopped(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        report(stopped)


def endless(x):
    while True:
        x += 1


def endless_that_catches(x):
    while True:
        try:
            while True:
                x += 1
        except Exception:
            pass


def endless_printing(x):
    while True:
        print(x)


@pytest.mark.parametrize("function", [endless, endless_that_catches, endless_printing])
def test_an_endless_loop_is_stopped(function: object) -> None:
    found = report(function)
    assert found.verdict.kind == "endless"
    assert "Stopped after 0.2 s, where a moment is enough: is there a loop" in str(found)


def test_after_an_endless_loop_nothing_else_is_tried() -> None:
    """A reader waits for one case, not for all of them."""
    tried: list[int] = []
    found = report(lambda x: tried.append(x) or endless(x))
    assert (found.verdict.kind, tried) == ("endless", [1])


def test_an_endless_loop_is_stopped_in_another_thread_too() -> None:
    kinds: list[str] = []
    thread = threading.Thread(target=lambda: kinds.append(report(endless).verdict.kind))
    thread.start()
    thread.join(20)
    assert kinds == ["endless"]


def test_code_that_catches_everything_is_asked_again() -> None:
    caught = []
    end = time.monotonic() + 10  # if it is not asked again, the test fails and does not hang

    def stubborn(x):
        while len(caught) < 3 and time.monotonic() < end:
            try:
                while time.monotonic() < end:
                    x += 1
            except BaseException as error:
                caught.append(error)
        while time.monotonic() < end:
            x += 1

    assert run(stubborn, (1,), 0.1).out_of_time
    assert len(caught) == 3


def test_no_request_to_stop_arrives_after_the_call() -> None:
    for _ in range(200):
        outcome = run(lambda: time.sleep(0.001), (), 0.001)  # in time or just too late, both happen
        assert outcome.out_of_time in (True, False)
    for _ in range(100_000):
        pass  # a late OutOfTime would be raised here


def test_a_changed_argument_is_noticed_and_the_case_is_kept() -> None:
    def in_place(word, merges):
        out = right(word, merges)
        merges.clear()
        return out

    found = check(NAME, in_place)
    assert found.verdict.kind == "changed"
    assert "changes what it was given" in str(found)
    assert "bpe_encode('ab', [('a', 'b')])" in str(found)  # as it was before the call


def test_an_argument_that_only_a_later_case_changes_is_noticed() -> None:
    lists = replace(EXERCISE, cases=lambda: [Case(([1],), [1]), Case(([2, 1],), [1, 2])], mistakes=(), properties=())
    assert judge(lists, sorted).kind == "solved"
    found = judge(lists, lambda x: x.sort() or x)
    assert found.kind == "changed"
    assert found.case is not None
    assert found.case.arguments == ([2, 1],)


def test_an_argument_changed_and_nothing_returned() -> None:
    def in_place(word, merges):
        merges[:] = []

    assert "It changes its argument instead" in check(NAME, in_place).verdict.message


def test_huge_answers_and_prints_are_cut() -> None:
    def loud(x):
        print("y" * 100_000)
        return list(range(300_000))

    text = str(report(loud))
    assert len(text) < 5_000
    assert "should be of type int" in text
    assert len(run(loud, (1,), 5).printed) < PRINTED + 50

    def often(x):
        print("a" * (PRINTED + 1))
        print("b" * 1_000)

    assert "b" not in run(often, (1,), 5).printed


@pytest.mark.parametrize(
    ("value", "told"), [(3, "This is of type int, not a function"), (lambda: 1, "is called as double(x): give it")]
)
def test_what_cannot_be_called_as_the_exercise_calls_it(value: object, told: str) -> None:
    found = report(value)
    assert found.verdict.kind == "unusable"
    assert told in str(found)


def test_an_answer_that_cannot_be_compared_or_shown() -> None:
    class Hostile:
        def __eq__(self, other):
            raise RuntimeError

        def __repr__(self):
            raise RuntimeError

        __hash__ = None

    assert "should be of type int, and yours is of type Hostile" in str(report(lambda x: Hostile()))


# ------------------------------------------------------------------------------------------------------- bad input


def test_an_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"no exercise is called 'tokenizers\.bpe_encod'; did you mean tokenizers\.bpe"
    ):
        check("tokenizers.bpe_encod", right)


def test_an_unlike_name_lists_all() -> None:
    with pytest.raises(ValueError, match=r"there are: .*tokenizers\.wordpiece"):
        check("%%%", right)


def test_a_negative_hint_is_an_error() -> None:
    with pytest.raises(ValueError, match="hint=-1: give 1 for the first hint"):
        check(NAME, right, hint=-1)
    with pytest.raises(ValueError, match="hint='1': give 1 for the first hint"):
        check(NAME, right, hint="1")


@pytest.mark.parametrize(
    ("got", "expected", "equal"),
    [
        ([1, 2], [1, 2], True),
        ((1, 2), [1, 2], False),
        (True, 1, False),
        (1, 1.0, True),
        (True, 1.0, False),
        (0.1 + 0.2, 0.3, True),
        (0.3001, 0.3, False),
        (float("nan"), 0.3, False),
        ([[1.0]], [[1.0, 2.0]], False),
        ({"a": 0.1 + 0.2}, {"a": 0.3}, True),
        ({"a": 1}, {"b": 1}, False),
        ({"a": 1, "b": 2}, {"a": 1}, False),
        (b"a", "a", False),
    ],
)
def test_same(got: object, expected: object, equal: bool) -> None:
    assert same(got, expected) is equal


def test_short_keeps_its_length() -> None:
    assert len(short("x" * 10**6)) <= 200
    assert len(short([["x" * 1000] * 1000] * 1000)) <= 600
    assert short(b"\xf0\x9f") == r"b'\xf0\x9f'"


def test_a_trace_function_can_follow_a_check() -> None:
    # In CPython 3.11 a request to stop that is taken back leaves a flag up, and the next traced call never returns.
    code = (
        "import sys\nfrom lilllm.course.guard import run\nrun(lambda: 1, (), 5.0)\n"
        "def f():\n    return 2\nsys.settrace(lambda *a: None)\nprint(f())\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout == "2\n"


def test_what_was_tried_is_kept_and_an_unsolved_stub_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILLLM_HOME", str(tmp_path))

    def stub(code_point: int) -> bytes:
        raise NotImplementedError

    check("tokenizers.utf8", stub)
    assert Record().exercises() == {}
    check("tokenizers.utf8", lambda code_point: b"", hint=99)
    kept = Record().exercises()["tokenizers.utf8"]
    assert (kept.result, kept.attempts, kept.hint) == ("wrong", 1, len(find("tokenizers.utf8").hints))
    check("tokenizers.utf8", lambda code_point: chr(code_point).encode())
    assert Record().exercises()["tokenizers.utf8"].result == "solved"


def test_answers_that_look_alike_are_said_to_differ_where_it_is_not_shown() -> None:
    def nearly(x, g):
        return check_solution(x, g) * (1 + 1e-6)

    check_solution = find("gradients.layer_norm").solution
    text = str(check("gradients.layer_norm", nearly))
    expected, got = (line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(("    exp", "    got")))
    assert got == f"{expected}  (it differs in what is not shown)"
