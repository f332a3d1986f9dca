"""Ctrl-C and SIGTERM: the first is a request, the second stops at once, and afterwards all is as it was before."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest

from lilllm.training.signals import Signals
from tests.training import tiny

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals")
BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])


def send(number: int) -> None:
    assert callable(signal.getsignal(number)), "it would end the tests"
    os.kill(os.getpid(), number)
    time.sleep(0)  # Python runs its handlers between two steps


@BOTH
def test_the_first_is_noted_and_the_second_stops_at_once(number: signal.Signals) -> None:
    said: list[str] = []
    before = signal.getsignal(number)
    with Signals(said.append) as asked:
        assert asked.by == 0
        send(number)
        assert asked.by == number
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)
    assert signal.getsignal(number) is before
    assert len(said) == 1
    assert "once more to stop at once" in said[0]


def test_two_that_follow_at_once_are_one_where_that_is_asked() -> None:
    with Signals(apart=60.0) as asked:
        send(signal.SIGINT)
        send(signal.SIGTERM)
        assert asked.by == signal.SIGINT
    with Signals(apart=0.01) as asked:
        send(signal.SIGINT)
        time.sleep(0.05)
        with pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT)


def test_what_was_there_before_is_there_again() -> None:
    told: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        signal.signal(signal.SIGTERM, lambda number, _: told.append(number))
        with Signals():
            send(signal.SIGTERM)
        assert told == []
        send(signal.SIGTERM)
        assert told == [signal.SIGTERM]
        assert signal.getsignal(signal.SIGINT) is before[signal.SIGINT]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_in_another_thread_it_does_nothing() -> None:
    before, found = signal.getsignal(signal.SIGINT), []

    def elsewhere() -> None:
        with Signals() as asked:
            found.append((asked.by, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert found == [(0, before)]


@BOTH
def test_a_run_ends_after_its_step_saved_and_goes_on(tmp_path, number: signal.Signals) -> None:  # type: ignore[no-untyped-def]
    one = tiny.trainer(tmp_path / "run")
    take = one.take.__class__.__call__

    def stopped_at_six(self, batch, lr):  # type: ignore[no-untyped-def]
        if batch.number == 5:
            send(number)
        return take(self, batch, lr)

    one.take.__class__ = type("Stopped", (one.take.__class__,), {"__call__": stopped_at_six})
    result = one.run()
    assert (result.ended, result.step, result.signal) == ("interrupted", 6, number)
    assert tiny.events(one)[-2:] == ["save", "interrupted"]
    again = tiny.trainer(tmp_path / "run", resume=True)
    assert again.step == 6
    again.run()
    whole = tiny.trainer()
    whole.run()
    assert tiny.same(tiny.weights(whole), tiny.weights(again))
