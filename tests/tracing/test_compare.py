"""Two traces are matched by what their steps do, and the first difference in value is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from lilllm.tracing import Trace, load, record_script
from lilllm.tracing.compare import Comparison, compare

PROGRAM = """\
def mean(xs):
    s = 0.0
    for x in xs:
        s += x
    return s / len(xs)


data = [1.0, 2.0, 3.0]
m = mean(data)
data.append(4.0)
n = mean(data)
print(m, n)
"""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("traces")

    def make(name: str, text: str) -> Trace:
        source = folder / f"{name}.py"
        source.write_text(text)
        target = folder / f"{name}.trace.jsonl.gz"
        record_script(Path(source), target, name="program.py")
        return load(target)

    return make


@pytest.fixture(scope="module")
def base(record) -> Trace:
    return record("base", PROGRAM)


def _statement(trace: Trace, step: int) -> str:
    line = sum(trace.steps.line[: step + 1])
    return trace.head.files[0].text.splitlines()[line - 1].strip()


def test_a_trace_equals_itself(base: Trace) -> None:
    size = len(base.steps.op)
    assert compare(base, base) == Comparison(pairs=[(i, i) for i in range(size)], differs=None, names=[], apart=None)


def test_first_difference_in_value(base: Trace, record) -> None:
    # The same statements but for one, moved down by a comment: the first value that differs is the sum it makes.
    other = record("wrong", "# a comment\n" + PROGRAM.replace("data = [1.0, 2.0, 3.0]", "data = [1.0, 2.5, 3.0]"))
    found = compare(base, other)
    assert found.names == ["data"]
    assert found.differs is not None
    i, j = found.pairs[found.differs]
    assert _statement(base, i) == _statement(other, j) == "m = mean(data)"
    assert found.apart is not None
    assert _statement(base, found.pairs[found.apart - 1][0] + 1).startswith("data = ")


def test_an_inserted_statement_is_stepped_over(base: Trace, record) -> None:
    other = record("longer", PROGRAM.replace("data.append", "extra = 1\nextra += 1\ndata.append"))
    found = compare(base, other)
    assert found.differs is None  # a name that only one has is no difference in value
    assert [i for i, _ in found.pairs] == list(range(len(base.steps.op)))  # nothing of the first is lost
    assert len(other.steps.op) - len(found.pairs) == 2


def test_pairs_rise_and_do_the_same(base: Trace, record) -> None:
    swapped = PROGRAM.replace("    return s / len(xs)", "    k = len(xs)\n    return s / k")
    other = record("swapped", swapped)
    found = compare(base, other)
    assert all(a < c and b < d for (a, b), (c, d) in zip(found.pairs, found.pairs[1:], strict=False))
    assert all(_statement(base, i) == _statement(other, j) for i, j in found.pairs)
    assert len(found.pairs) > len(base.steps.op) - 8


def test_equal_values_of_other_numbers_are_equal(base: Trace, record) -> None:
    # An unused value in front shifts every value's number in the file.
    other = record("shifted", "unused = ['a', {'b': 2}]\n" + PROGRAM)
    assert compare(base, other).differs is None


def test_long_traces_that_share_nothing_end_soon(record) -> None:
    one = record("one", "\n".join(f"a{i} = {i}" for i in range(3000)))
    two = record("two", "\n".join(f"b{i} = {i}" for i in range(3000)))
    found = compare(one, two)
    assert len(found.pairs) <= 1
