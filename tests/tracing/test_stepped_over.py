"""``@stepover``: the statement is a step, what it calls is not recorded and runs without a trace function."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from lilllm.tracing import Trace, load, record_script
from lilllm.tracing.source import Weave, plan
from tests.tracing.told import told

HELPER = "import sys\n\ndef helper(n):\n    m = n + (sys.gettrace() is None)\n    return m\n\n"


@pytest.fixture
def record(tmp_path: Path):
    def run(text: str) -> Trace:
        source = tmp_path / "program.py"
        source.write_text(text)
        record_script(source, tmp_path / "program.trace.jsonl.gz")
        return load(tmp_path / "program.trace.jsonl.gz")

    return run


def steps(trace: Trace, *, first: int = 7) -> list[tuple[str, str, int]]:
    return [(step.op, *step.stack[-1]) for step in told(trace) if step.stack[-1][1] >= first or step.op == "c"]


def test_nothing_is_traced_within_and_all_after(record) -> None:
    trace = record(HELPER + "a = helper(1)  # @stepover\nb = a + 1\nc = helper(1)\n")
    assert trace.complete
    last = told(trace)[-1]
    assert (last.env["a"], last.env["b"], last.env["c"]) == ("2", "3", "1")
    assert [step.env for step in told(trace) if step.op == "c"] == [{"n": "1"}]


@pytest.mark.parametrize("statement", ["x[0] = helper(1)", "x[0] += helper(1)", "y: int = helper(1)", "helper(1)"])
def test_every_simple_statement(record, statement: str) -> None:
    trace = record(HELPER + f"x = [0]\nfor _ in range(2):\n    {statement}  # @stepover\nz = 1\n")
    assert trace.complete
    lines = [(op, line) for op, _, line in steps(trace)]
    assert lines == [("l", 7), ("l", 8), ("l", 9), ("l", 8), ("l", 9), ("l", 8), ("l", 10), ("e", 10)]


def test_a_return_gives_its_value(record) -> None:
    trace = record(HELPER + "def outer(n):\n    return helper(n)  # @stepover\n\nv = outer(1)\nw = v\n")
    ends = [(step.stack[-1], step.value) for step in told(trace) if step.op == "r"]
    assert ends == [(("outer", 8), "2")]
    assert told(trace)[-1].env["w"] == "2"


@pytest.mark.parametrize("comment", ["", "  # @stepover"])
def test_an_exception_is_a_step_of_the_statement(record, comment: str) -> None:
    program = (
        "def fail():\n    raise KeyError('k')\n\n\ndef try_it():\n    try:\n"
        f"        x = fail(){comment}\n    except KeyError as e:\n        y = 1\n    z = fail(){comment}\n\ntry_it()\n"
    )
    trace = record(program)
    assert trace.stopped.startswith("KeyError ended the program at line 12")
    raised = [step.stack[-1] for step in told(trace) if step.op == "x" and step.stack[-1][0] != "fail"]
    assert raised == [("try_it", 7), ("try_it", 10), ("<module>", 12)]


def test_what_suspends_or_is_shown_is_left_as_it_is() -> None:
    text = (
        "def g():\n    x = yield 1  # @stepover\n\nasync def h():\n    y = await z()  # @stepover\n\n"
        "helper()  # @stepover\nhelper()  # @stepover\n"
    )
    tree = ast.parse(text)
    made = plan(tree, text)
    Weave(made).visit(tree)
    assert list(made.stepped_over) == [7]
    assert isinstance(tree.body[-1], ast.Expr)
    assert isinstance(tree.body[-2], ast.Try)


def test_the_same_statement_in_a_call_of_itself(record) -> None:
    trace = record("def f(n):\n    m = f(n - 1) if n else 0  # @stepover\n    return m + 1\n\nx = f(3)\ny = x\n")
    assert told(trace)[-1].env["y"] == "4"
    assert [(step.op, step.stack[-1][1]) for step in told(trace) if step.stack[-1][0] == "f"] == [
        ("c", 1), ("l", 2), ("l", 3), ("r", 3)
    ]  # fmt: skip
