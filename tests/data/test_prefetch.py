"""The thread that reads ahead: it ends by itself, hands on what went wrong, and loses nothing."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import textwrap
import threading
import traceback
import weakref
from typing import Any

import numpy as np
import pytest

from lilllm.data import Loader, TokenArray
from lilllm.data.prefetch import Ahead


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "lilllm-prefetch"]


def ended() -> bool:
    """Whether every reading thread ends, with nobody telling it to."""
    for thread in threads():
        thread.join(timeout=20)
    return not threads()


def corpus() -> TokenArray:
    return TokenArray(np.arange(1000), vocab_size=1000, eos=None)


def loader(**changes: Any) -> Loader:
    return Loader(corpus(), **({"batch_size": 2, "context_len": 5} | changes))


@pytest.mark.parametrize("depth", [0, 1, 2, 5])
def test_what_is_taken_is_in_order_and_made_once(depth: int) -> None:
    made: list[int] = []
    ahead = Ahead(lambda i: made.append(i) or i, 7, depth)
    assert [ahead.take() for _ in range(500)] == list(range(7, 507))
    assert ended()
    assert made == list(range(7, 507 + depth))  # depth things more wait, and none was made twice
    assert ahead.number == 507


def test_no_thread_is_left_after_a_break() -> None:
    broken_off = loader()
    for batch in broken_off:
        if batch.number == 10:
            break
    assert ended()
    assert next(broken_off).number == 11  # and it goes on where it was


def test_no_thread_is_left_after_an_exception_of_the_user() -> None:
    def train() -> None:
        for batch in loader():
            if batch.number == 3:
                raise RuntimeError("the user's")

    with pytest.raises(RuntimeError, match="the user's"):
        train()
    assert ended()


def test_a_forgotten_loader_is_gone_at_once() -> None:
    """By its count of references alone: it is in no circle, and no thread holds it."""
    gc.disable()
    try:
        tokens = corpus()
        forgotten = Loader(tokens, batch_size=2, context_len=5)
        next(forgotten)
        gone, tokens_gone = weakref.ref(forgotten), weakref.ref(tokens)
        del forgotten, tokens
        assert gone() is None
        assert ended()
        assert tokens_gone() is None
    finally:
        gc.enable()


class Failing(TokenArray):
    """Reading fails at the fourth window, as often as it is told to."""

    fails = 1

    def read(self, start: int, stop: int) -> np.ndarray:
        if start == 15 and self.fails:
            self.fails -= 1
            raise OSError("the disk is gone")
        return super().read(start, stop)


@pytest.mark.parametrize("prefetch", [0, 1, 2, 5])
def test_what_reading_raises_comes_in_its_place_and_with_its_traceback(prefetch: int) -> None:
    failing = Failing(np.arange(100), vocab_size=100, eos=None)
    failing.fails = 2
    reading = Loader(failing, batch_size=1, context_len=5, shuffle=False, prefetch=prefetch)
    assert [next(reading).number for _ in range(3)] == [0, 1, 2]  # though the fourth failed long ago
    for _ in range(2):
        with pytest.raises(OSError, match="the disk is gone") as caught:
            next(reading)
        assert "in read\n" in "".join(traceback.format_exception(caught.value))
        assert reading.state_dict()["batch"] == 3
        assert ended()
    assert next(reading).tokens.tolist() == [[15, 16, 17, 18, 19]]  # it is back, and nothing was lost
    assert next(reading).number == 4


def test_an_exception_that_was_raised_holds_nothing() -> None:
    failing = Failing(np.arange(100), vocab_size=100, eos=None)
    reading = Loader(failing, batch_size=1, context_len=5, shuffle=False)
    gc.disable()
    try:
        for _ in range(3):
            next(reading)
        with pytest.raises(OSError, match="the disk"):
            next(reading)
        gone = weakref.ref(reading)
        del reading
        assert ended()
        assert gone() is None
    finally:
        gc.enable()


def test_even_an_exit_in_the_thread_reaches_who_waits() -> None:
    ahead = Ahead(lambda i: sys.exit(3), 0, 2)
    with pytest.raises(SystemExit):
        ahead.take()


def test_an_interrupt_between_taking_and_counting_loses_no_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted = loader()
    next(interrupted)
    take = Ahead.take

    def take_and_break_off(ahead: Ahead[Any]) -> None:
        take(ahead)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ahead, "take", take_and_break_off)
        with pytest.raises(KeyboardInterrupt):
            next(interrupted)
    assert interrupted.state_dict()["batch"] == 1
    assert [next(interrupted).number for _ in range(5)] == [1, 2, 3, 4, 5]


def test_many_loaders_at_once_do_not_disturb_each_other() -> None:
    expected = [[b.tokens.tolist() for b in itertools.islice(loader(seed=s, prefetch=0), 50)] for s in range(8)]
    loaders = [loader(seed=s) for s in range(8)]
    found: list[list[Any]] = [[] for _ in loaders]
    for _ in range(50):
        for batches, each in zip(found, loaders, strict=True):
            batches.append(next(each).tokens.tolist())
    assert found == expected
    assert ended()


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)],
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_a_program_that_ends_in_the_middle_ends() -> None:
    printed = run("""
        from lilllm.data import Loader, TokenArray
        corpus = TokenArray(list(range(1000)), vocab_size=1000, eos=None)
        loader = Loader(corpus, batch_size=2, context_len=5, prefetch=9)
        for batch in loader:
            if batch.number == 20:
                print("enough")
                break
    """)
    assert printed == "enough\n"


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_a_forked_process_reads_on_by_itself() -> None:
    """Its thread stayed behind in the parent; what that had made is there, and the rest is made anew."""
    printed = run("""
        import os, time
        from lilllm.data import Loader, TokenArray

        class Slow(TokenArray):
            def read(self, start, stop):
                time.sleep(0.05)  # the thread is in here when the process is forked
                return super().read(start, stop)

        loader = Loader(Slow(list(range(1000)), vocab_size=1000, eos=None), batch_size=1, context_len=5)
        next(loader)
        child = os.fork()
        numbers = [next(loader).number for _ in range(6)]
        if child == 0:
            os._exit(0 if numbers == [1, 2, 3, 4, 5, 6] else 1)
        print(numbers, os.waitpid(child, 0)[1])
    """)
    assert printed == "[1, 2, 3, 4, 5, 6] 0\n"
