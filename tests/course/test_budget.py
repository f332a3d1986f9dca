"""A budget: read as a header states it, and what was measured against it."""

from __future__ import annotations

import pytest

from lilllm.course.budget import Budget, parse

WHOLE = Budget(seconds=60, memory=2e9, flops=5e9, moved=2e10)


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("60 s, 2 GB, 5 GFLOP, 20 GB moved", WHOLE),
        ("60s, 2000 MB, 0.005 TFLOPs, 20 GB moved.", WHOLE),
        ("20 GB moved, 2 GB, 5 GFLOP, 60 s", WHOLE),
        ("12.5 s, 500 MB", Budget(seconds=12.5, memory=5e8)),
        ("1 s, 1 MB, 7 FLOP, 9 B moved", Budget(seconds=1, memory=1e6, flops=7, moved=9)),
    ],
)
def test_what_a_header_states(text: str, budget: Budget) -> None:
    read = parse(text)
    for name in ("seconds", "memory", "flops", "moved"):
        assert getattr(read, name) == pytest.approx(getattr(budget, name))
    assert parse(str(read)) == read


@pytest.mark.parametrize("text", ["60 s", "2 GB, 5 GFLOP", "60 s, 2 GB, 3 s", "60 s, 2 GB, a lot", "1 min, 2 GB", ""])
def test_another_form_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="not of the form `60 s, 2 GB, 5 GFLOP, 20 GB moved`"):
        parse(text)


@pytest.mark.parametrize("text", ["61 s, 2 GB", "0 s, 2 GB", "60 s, 2001 MB"])
def test_more_than_a_laptop_has_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="at most 60 s, 2 GB"):
        parse(text)


def test_what_is_exceeded_is_told_and_nothing_else() -> None:
    assert WHOLE.exceeded(seconds=60, memory=2e9, flops=5e9, moved=2e10) == []
    assert WHOLE.exceeded(seconds=60.1, memory=2.5e9, flops=6e9, moved=3e10) == [
        "it took 60.1 s; its budget is 60 s",
        "it took 2.5 GB; its budget is 2 GB",
        "torch did 6 GFLOP; its budget is 5 GFLOP",
        "torch moved 30 GB; its budget is 20 GB",
    ]
