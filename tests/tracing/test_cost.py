"""The meter counts exactly, and times to what a clock can tell."""

from __future__ import annotations

import sys
import time

import pytest
import torch

from lilllm.tracing.cost import Cost, Meter

THIS = __file__


def _meter(**options: bool) -> Meter:
    return Meter(lambda filename: "here.py" if filename == THIS else None, **options)


def _lines(cost: Cost, function) -> dict[int, object]:
    """Cost by line, counted from the function's ``def``."""
    first = function.__code__.co_firstlineno
    return {line.line - first: line for line in cost.lines}


def _loop(n: int) -> int:
    total = 0
    for i in range(n):
        total += i
    return total


def test_hits_are_exact() -> None:
    meter = _meter()
    with meter.running():
        _loop(7)
    lines = _lines(meter.cost(), _loop)
    assert [lines[k].hits for k in (1, 2, 3, 4)] == [1, 8, 7, 1]


def _sleepy() -> None:
    time.sleep(0.02)
    _inner()


def _inner() -> None:
    time.sleep(0.04)


def test_own_time_excludes_watched_functions_and_includes_others() -> None:
    meter = _meter()
    with meter.running():
        _sleepy()
    cost = meter.cost()
    own = _lines(cost, _sleepy)
    inner = _lines(cost, _inner)[1].seconds
    assert own[1].seconds == pytest.approx(0.02, abs=0.015)
    assert inner == pytest.approx(0.04, abs=0.02)
    assert own[2].seconds < 0.01  # the call itself, not what happens inside
    assert cost.seconds == pytest.approx(own[1].seconds + own[2].seconds + inner, abs=0.01)


def _matmul() -> torch.Tensor:
    a = torch.ones(4, 8)
    b = torch.ones(8, 2)
    c = a @ b
    return c.relu()


def test_flops_and_bytes_of_torch() -> None:
    meter = _meter()
    with meter.running():
        _matmul()
    lines = _lines(meter.cost(), _matmul)
    assert lines[3].flops == 2 * 4 * 8 * 2
    assert lines[3].bytes == 4 * (4 * 8 + 8 * 2 + 4 * 2)
    assert (lines[4].flops, lines[4].bytes) == (0, 4 * 2 * (4 * 2))


def test_without_operations() -> None:
    meter = _meter(operations=False)
    with meter.running():
        _matmul()
    assert all(line.flops == line.bytes == 0 for line in meter.cost().lines)


def _raises() -> None:
    try:
        _fails()
    except ValueError:
        time.sleep(0.02)


def _fails() -> None:
    raise ValueError


def _generates():
    yield 1
    yield 2


def test_exceptions_and_generators_keep_the_stack_right() -> None:
    meter = _meter()
    with meter.running():
        _raises()
        _sum = sum(_generates())
        _loop(1)
    cost = meter.cost()
    assert _lines(cost, _raises)[4].seconds > 0.015
    assert [_lines(cost, _generates)[k].hits for k in (1, 2)] == [1, 1]
    assert _lines(cost, _loop)[4].hits == 1


def test_it_stops_and_refuses_company() -> None:
    with pytest.raises(ZeroDivisionError), _meter().running():
        1 / 0  # noqa: B018
    before = sys.gettrace()
    assert before is None
    sys.settrace(lambda *_: None)
    try:
        with pytest.raises(RuntimeError, match="another trace function"), _meter().running():
            pass
    finally:
        sys.settrace(None)


def test_json_round_trip() -> None:
    import msgspec

    meter = _meter()
    with meter.running():
        _loop(2)
    cost = meter.cost()
    assert msgspec.json.decode(cost.to_json(), type=Cost) == cost
