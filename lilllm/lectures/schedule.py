"""Many lectures at once: one process a core, one progress bar, and a failing lecture stops no other."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from multiprocessing.queues import Queue
from queue import Empty
from types import FrameType
from typing import TypeVar

from tqdm import tqdm

from lilllm.lectures.build import Built, build_lecture
from lilllm.lectures.files import Lecture
from lilllm.lectures.source import read_cells

T = TypeVar("T")
_ran: Queue[str] | None = None  # in a worker: where it tells of each cell that ran; set once, when the process starts


def _start_worker(ran: Queue[str], workers: Queue[int]) -> None:
    global _ran  # a queue cannot be sent with a task, only be inherited at the start
    _ran = ran
    workers.put(os.getpid())
    # The kernel's own log would cut through the progress bar; what a cell prints comes by message, not by this stream.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)


def _work(lecture: Lecture) -> Built:
    queue = _ran
    return build_lecture(lecture, on_cell=None if queue is None else lambda: queue.put(lecture.name))


def cores() -> int:
    """How many cores this process may use, which in a container can be fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build_all(lectures: list[Lecture], *, jobs: int | None = None, report: Callable[[Built], None]) -> list[Built]:
    """Build ``lectures``, ``jobs`` at a time (default: one a core); ``report`` hears of each as it ends.

    Raises:
        KeyboardInterrupt: on Ctrl-C or SIGTERM, after the running kernels were stopped; what was built stays.
    """
    jobs = max(1, min(jobs or cores(), len(lectures)))
    # Each cell runs twice: once for its outputs and its trace, once to count what torch does.
    total = 2 * sum(cell.cell_type == "code" for lecture in lectures for cell in read_cells(lecture.source).cells)
    context = multiprocessing.get_context("spawn")  # fork would copy locks of this process's threads
    ran: Queue[str] = context.Queue()
    workers: Queue[int] = context.Queue()
    done: list[Built] = []
    with (
        tqdm(total=total, unit="cell", desc="lectures", dynamic_ncols=True) as bar,
        ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker, initargs=(ran, workers)) as pool,
        _terminable() as terminated,
    ):
        futures: dict[Future[Built], Lecture] = {pool.submit(_work, lecture): lecture for lecture in lectures}
        try:
            waiting = set(futures)
            while waiting:
                ended, waiting = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
                _advance(bar, ran)
                for future in ended:
                    built = _result(future, futures[future])
                    done.append(built)
                    with tqdm.external_write_mode():
                        report(built)
        except KeyboardInterrupt:
            if terminated():  # Ctrl-C goes to the workers too, SIGTERM only to us
                for pid in _drained(workers):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGINT)
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        _advance(bar, ran)
    return sorted(done, key=lambda built: built.name)


def _result(future: Future[Built], lecture: Lecture) -> Built:
    """What a worker came to; a worker that died or a fault of the chain itself is that lecture's failure."""
    error = future.exception()
    if error is None:
        return future.result()
    return Built(lecture.name, error=f"{type(error).__name__}: {error}")


def _advance(bar: tqdm, ran: Queue[str]) -> None:
    for name in _drained(ran):
        bar.set_postfix_str(name, refresh=False)
        bar.update()


def _drained(queue: Queue[T]) -> Iterator[T]:
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


@contextlib.contextmanager
def _terminable() -> Iterator[Callable[[], bool]]:
    """While it lasts, SIGTERM is a KeyboardInterrupt; what it gives says whether it was one."""
    seen: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        seen.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield lambda: bool(seen)
    finally:
        signal.signal(signal.SIGTERM, before)
