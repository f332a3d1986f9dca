"""What a recording must survive and say, each on a program that does it."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lilllm.tracing import Trace, load, record_script
from lilllm.tracing.format import Budgets
from tests.tracing.told import Told, told


@pytest.fixture
def record(tmp_path: Path):
    def run(text: str, **options) -> Trace:
        source = tmp_path / "program.py"
        source.write_text(text)
        target = tmp_path / "program.trace.jsonl.gz"
        record_script(source, target, **options)
        return load(target)

    return run


def _lines(steps: list[Told], op: str = "l") -> list[tuple[str, int]]:
    return [step.stack[-1] for step in steps if step.op == op]


def _last(trace: Trace) -> Told:
    return told(trace)[-1]


def test_an_exception_is_a_step_and_the_reason(record) -> None:
    trace = record("x = 1\ndef f():\n    return x / 0\nf()\n")
    assert trace.stopped == "ZeroDivisionError ended the program at line 4 of program.py"
    passing = [s for s in told(trace) if s.op == "x"]
    assert [s.stack[-1] for s in passing] == [("f", 3), ("<module>", 4)]
    assert passing[0].value == "'division by zero'"


def test_an_exception_that_is_caught_goes_on(record) -> None:
    trace = record("def f():\n    raise KeyError('k')\ntry:\n    f()\nexcept KeyError as e:\n    y = 1\nz = 2\n")
    assert trace.complete
    assert _last(trace).env["z"] == "2"
    assert _last(trace).env["e"] == "gone"  # Python deletes it, and so does the trace
    assert [s.stack[-1] for s in told(trace) if s.op == "x"] == [("f", 2), ("<module>", 4)]


def test_a_syntax_error_leaves_a_trace(record) -> None:
    trace = record("x = 1\ny = = 2\n")
    assert "SyntaxError" in trace.stopped
    assert "line 2" in trace.stopped


def test_system_exit(record) -> None:
    assert record("import sys\nx = 1\nsys.exit(3)\n").stopped == "SystemExit ended the program at line 3 of program.py"
    assert record("import sys\nsys.exit(0)\n").complete


def test_ctrl_c(tmp_path: Path) -> None:
    source, target = tmp_path / "wait.py", tmp_path / "wait.trace.jsonl.gz"
    source.write_text("import time\nprint('ready', flush=True)\nfor i in range(10**9):\n    time.sleep(0.01)\n")
    command = [sys.executable, "-m", "lilllm", "trace", "record", str(source), "-o", str(target)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
    assert child.stdout is not None
    assert child.stdout.readline().strip() == b"ready"
    time.sleep(0.3)
    os.killpg(child.pid, signal.SIGINT)
    child.wait(20)
    trace = load(target)
    assert "KeyboardInterrupt ended the program at line" in trace.stopped
    assert any(output.data == "ready\n" for step in told(trace) for output in step.shown)


def test_a_timeout(record) -> None:
    trace = record("n = 0\nwhile True:\n    n += 1\n", timeout=1.5)
    assert "the time limit of 1.5 s ended the program" in trace.stopped


def test_infinite_recursion(record) -> None:
    trace = record("def deep(n):\n    return deep(n + 1)\n\ndeep(0)\n")
    assert trace.stopped.startswith("RecursionError ended the program at line")
    assert _lines(told(trace))[:3] == [("<module>", 1), ("<module>", 4), ("deep", 2)]


def test_a_repr_that_raises_and_one_that_exits(record) -> None:
    trace = record(
        "class Bad:\n    def __repr__(self):\n        raise RuntimeError\n"
        "class Worse:\n    @property\n    def x(self):\n        raise SystemExit\n    __class__ = x\n"
        "a = Bad()\nb = [Worse()]\nc = 3\nd = c\n"
    )
    assert trace.complete
    assert _last(trace).env["d"] == "3"
    assert "a" in _last(trace).env


def test_cycles_end(record) -> None:
    env = _last(record("a = [1]\na.append(a)\nd = {}\nd['self'] = d\nclass N: pass\nn = N()\nn.next = n\n")).env
    assert env["a"] == "list[1, a cycle]"
    assert env["d"] == "dict{'self': a cycle}"
    assert "a cycle" in env["n"]


def test_nan_and_inf(record) -> None:
    trace = record("x = [float('nan'), float('inf'), -float('inf')]\nimport numpy as np\na = np.array([1.0, np.nan])\n")
    assert _last(trace).env["x"] == "list[nan, inf, -inf]"
    tensor = next(v for v in trace.values if type(v).__name__ == "Tensor")
    assert (tensor.nan, tensor.min, tensor.max, tensor.data) == (1, 1.0, 1.0, [1.0, "nan"])


def test_both_infinities_in_one_tensor_raise_no_warning(record, capfd) -> None:
    """Their sum is NaN, of which numpy warns; the warning would stand in the output of the program."""
    trace = record("import numpy as np\na = np.array([1.0, np.inf, -np.inf])\nend = 0\n")
    assert "RuntimeWarning" not in capfd.readouterr().err
    tensor = next(v for v in trace.values if type(v).__name__ == "Tensor")
    assert (tensor.inf, tensor.nan, tensor.min, tensor.max) == (2, 0, 1.0, 1.0)


def test_numbers_whose_squares_are_too_large_raise_no_warning(record, capfd) -> None:
    """As memory may hold that nothing was written to yet: torch.empty, before a module fills it."""
    trace = record("import numpy as np\na = np.array([1e200, 1.0])\nb = np.array([1.7e308, 1.7e308, 3.0])\nend = 0\n")
    assert "RuntimeWarning" not in capfd.readouterr().err
    squared, summed = (v for v in trace.values if type(v).__name__ == "Tensor")
    assert (squared.max, squared.mean, squared.std) == (1e200, 5e199, None)
    assert (summed.min, summed.max, summed.mean) == (3.0, 1.7e308, None)


def test_half_built_modules(record) -> None:
    trace = record(
        "import torch\nclass Net(torch.nn.Module):\n    def __init__(self):\n        self.size = 3\n"
        "        super().__init__()\n        self.w = torch.nn.Parameter(torch.ones(2))\n\nnet = Net()\n"
    )
    assert trace.complete
    inside = [s for s in told(trace) if s.stack[-1] == ("Net.__init__", 5)]
    assert inside
    assert "Net" in inside[0].env["self"]


def test_a_change_in_place_is_seen_through_an_alias(record) -> None:
    trace = record("def push(items):\n    items.append(9)\n\na = [1]\nb = a\npush(b)\nend = 0\n")
    after = next(s for s in told(trace) if s.stack[-1] == ("<module>", 7))
    assert after.changed == {"a": "list[1, 9]", "b": "list[1, 9]"}


def test_a_change_in_place_of_a_tensor(record) -> None:
    trace = record(
        "import torch\nx = torch.zeros(3)\ny = x.view(3)\nwith torch.no_grad():\n    y.data[1] = 5\nend = 0\n"
    )
    steps = told(trace)
    before = next(s for s in steps if s.stack[-1] == ("<module>", 5))
    after = next(s for s in steps if s.stack[-1] == ("<module>", 6))
    for name in "xy":
        assert "5.0" not in before.env[name]
        assert "[0.0, 5.0, 0.0]" in after.env[name]


def test_generators_keep_their_frame(record) -> None:
    trace = record(
        "def g():\n    k = 1\n    yield k\n    k += 1\n    yield k\n\nit = g()\na = next(it)\nb = next(it)\n"
    )
    steps = told(trace)
    assert [s.op for s in steps if s.op in "csyr"] == ["c", "y", "s", "y"]
    again = next(s for s in steps if s.op == "l" and s.stack[-1] == ("g", 4))
    assert again.env["k"] == "1"
    assert _last(trace).env["b"] == "2"


def test_decorators_classes_and_statements_of_many_lines(record) -> None:
    trace = record(
        "def twice(f):\n    def inner(x):\n        return f(f(x))\n    return inner\n\n"
        "@twice\ndef add(x):\n    return (\n        x +\n        1\n    )\n\n"
        "class A:\n    k = add(\n        1\n    )\n\nv = A.k\n"
    )
    assert _last(trace).env["v"] == "3"
    steps = told(trace)
    assert [s.stack[-1] for s in steps if s.op == "l" and s.stack[-1][0] == "add"] == [("add", 8), ("add", 8)]
    assert [s.stack[-1] for s in steps if s.op == "l" and s.stack[-1] == ("A", 14)] == [("A", 14)]


def test_a_comprehension_is_one_step(record) -> None:
    trace = record(
        "x = [i * j\n     for i in range(5)\n     for j in range(5)]\ny = {k: k for k in x}\nz = sum(q for q in x)\n"
    )
    assert _lines(told(trace)) == [("<module>", 1), ("<module>", 4), ("<module>", 5)]
    assert {s.op for s in told(trace)} <= set("le")


def test_threads_are_said_to_be_not_traced(record) -> None:
    code = "import threading\ndef work():\n    x = 1\nt = threading.Thread(target=work)\nt.start()\nt.join()\n"
    trace = record(code)
    assert trace.complete
    assert any("thread" in note for note in trace.end.notes)
    assert ("work", 3) not in _lines(told(trace))
    assert not record("x = 1\n").end.notes


def test_a_loop_of_a_million_turns_is_folded(record) -> None:
    trace = record("t = 0\nfor i in range(1_000_000):\n    t += i\nend = t\n")
    assert trace.complete
    assert len(trace.steps.op) < 40
    folded = [s for s in told(trace) if s.op == "f"]
    assert len(folded) == 1
    after = next(s for s in told(trace) if s.stack[-1] == ("<module>", 4))
    assert (after.env["t"], after.env["i"]) == ("499999500000", "999999")


def test_a_large_tensor_is_a_summary(record) -> None:
    trace = record("import torch\nx = torch.arange(4096.0 * 4096).reshape(4096, 4096)\ny = 1\n")
    tensor = next(v for v in trace.values if type(v).__name__ == "Tensor")
    assert tensor.shape == [4096, 4096]
    assert tensor.approximate
    assert tensor.data == []
    assert (len(tensor.grid), len(tensor.grid[0])) == (16, 16)
    assert tensor.mean == pytest.approx(4096 * 4096 / 2, rel=0.02)  # of a sample of some ten thousand elements
    assert trace.unpacked < 20_000


def test_lone_surrogates(record) -> None:
    assert _last(record("s = 'a\\ud800b'\nk = {s: 1}\nprint(len(s))\n")).env["s"] == repr("a\\ud800b")


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    source = tmp_path / "program.py"
    source.write_text(
        "import random, tempfile, time\nclass P:\n    pass\np = P()\ns = {'b', 'a', 'c'}\nf = lambda: 0\n"
        "random.seed(1)\nx = [random.random() for _ in range(5)]\nd = {k: id for k in x}\ng = (i for i in x)\n"
    )
    found = []
    for name in ("one", "two"):
        target = tmp_path / f"{name}.trace.jsonl.gz"
        record_script(source, target, title="same")
        found.append(target.read_bytes())
    assert found[0] == found[1]
    assert str(tmp_path).encode() not in gzip.decompress(found[0])
    assert b"0x" not in gzip.decompress(found[0])


@pytest.mark.parametrize("budgets", [{"steps": 50}, {"bytes": 30_000}])
def test_never_more_than_the_caps(record, budgets: dict[str, int]) -> None:
    code = "xs = []\ndef f(i):\n    xs.append([i] * 40)\n    return str(i) * 50\n"
    code += "".join(f"y{i} = f({i})\n" for i in range(400))
    trace = record(code, budgets=Budgets(function_calls=10_000, line_hits=10_000, **budgets))
    assert not trace.complete
    assert len(trace.steps.op) <= budgets.get("steps", 20_000)
    assert trace.unpacked <= budgets.get("bytes", 20_000_000)
    assert "budget" in trace.stopped or "steps" in trace.stopped or "bytes" in trace.stopped


def test_a_source_over_the_budget_is_refused_before_it_runs(tmp_path: Path) -> None:
    source = tmp_path / "large.py"
    source.write_text("x = 1\n" * 3000)
    with pytest.raises(ValueError, match="more than half of the budget of 20,000"):
        record_script(source, tmp_path / "out.trace.jsonl.gz", budgets=Budgets(bytes=20_000))
    assert not (tmp_path / "out.trace.jsonl.gz").exists()


def test_a_program_that_ends_tracing_is_told(record) -> None:
    trace = record("import sys\nx = 1\nsys.settrace(None)\ny = 2\nz = 3\n")
    assert "replaced the trace function" in trace.stopped
    assert "line 3" in trace.stopped or "line 4" in trace.stopped


def test_directives(record) -> None:
    trace = record(
        "def helper(n):\n    m = n + 1\n    return m\n\n"
        "a = helper(1)  # @stepover\nb = helper(2)  # @inspect b\nc = 0  # @clear b\nsecret = 1  # @hide\nd = 4\n"
    )
    steps = told(trace)
    calls = [s for s in steps if s.op == "c"]
    assert len(calls) == 1
    assert calls[0].env == {"n": "2"}
    assert [s.pins for s in steps if s.pins] == [["b"]]
    assert [s.clears for s in steps if s.clears] == [["b"]]
    assert ("<module>", 8) not in _lines(steps)


SETS = """\
import os
from dataclasses import dataclass
from operator import attrgetter


@dataclass(eq=False)
class Node:
    n: int


nodes = sorted(map(Node, eval(os.environ["ORDER"])), key=attrgetter("n"))
seen = set(nodes)
some = {nodes[4], nodes[1]}
new = {Node(n * n) for n in eval(os.environ["ORDER"])}
end = 1
"""


def test_a_set_of_objects_does_not_show_their_addresses(tmp_path: Path) -> None:
    (tmp_path / "sets.py").write_text(SETS)
    traces = []
    for order in ("range(6)", "[5, 4, 3, 2, 1, 0]", "[3, 0, 5, 1, 4, 2]"):
        into = tmp_path / f"{len(traces)}.trace.jsonl.gz"
        assert record_script(tmp_path / "sets.py", into, env={"ORDER": order}) == 0
        traces.append(into.read_bytes())
    assert len(set(traces)) == 1
