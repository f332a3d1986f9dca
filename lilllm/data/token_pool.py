"""The chunks of a corpus encoded by several processes, in order.

Read in order:  encode_all, then _encode_in_processes (who gets which chunk), _Pool, _serve (what a process does)
Holds:          what comes out does not depend on the number of processes.
Memory:         a chunk a process, and a few that are done before their turn.
"""

from __future__ import annotations

import pickle
import signal
from collections.abc import Iterator
from itertools import chain, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any

from lilllm.data.token_encoding import Chunk, Encoded, Encoder

FEW = 16  # so many chunks are encoded here, since a process takes seconds to start


def encode_all(encoder: Encoder, parts: Iterator[Chunk], workers: int) -> Iterator[Encoded]:
    """The ids of each chunk, in order. With few chunks no process is started.

    Raises:
        ValueError: a document that cannot be encoded, after all chunks before it were handed out.
        RuntimeError: a process died.
    """
    first = list(islice(parts, FEW)) if workers > 1 else []
    if len(first) < FEW:
        yield from map(encoder, chain(first, parts))
        return
    yield from _encode_in_processes(encoder, chain(first, parts), workers)


def _encode_in_processes(encoder: Encoder, parts: Iterator[Chunk], workers: int) -> Iterator[Encoded]:
    try:
        pickle.dumps(encoder)
    except Exception as error:  # whatever an object of the caller's raises
        raise ValueError(f"the tokenizer cannot be sent to another process ({error}); give workers=1") from None
    numbered = enumerate(parts)
    ready: dict[int, Encoded | Exception] = {}  # those that came before their turn, a few at most
    wanted = 0
    with _Pool(encoder, workers) as pool:
        while True:
            while pool.idle and len(pool.busy) + len(ready) < 4 * workers and (item := next(numbered, None)):
                pool.send(*item)
            if wanted in ready:
                found = ready.pop(wanted)
                if isinstance(found, Exception):
                    raise found
                yield found
                wanted += 1
            elif pool.busy:
                ready.update(pool.receive())
            else:
                return


class _Pool:
    """Processes that each hold the encoder and answer one chunk at a time."""

    def __init__(self, encoder: Encoder, workers: int) -> None:
        # "spawn", since a fork copies the locks of threads (torch's, tqdm's) but not the threads.
        context = get_context("spawn")
        self.processes = []
        self.idle: list[Connection] = []
        self.busy: dict[Any, int] = {}
        for _ in range(workers):
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(there, encoder), daemon=True)
            process.start()
            there.close()
            self.processes.append(process)
            self.idle.append(here)

    def __enter__(self) -> _Pool:
        return self

    def __exit__(self, *_: object) -> None:
        for connection in [*self.idle, *self.busy]:
            connection.close()  # which ends a process that waits
        for process in self.processes:
            process.terminate()
            process.join()

    def send(self, number: int, chunk: Chunk) -> None:
        connection = self.idle.pop()
        self.busy[connection] = number
        try:
            connection.send(chunk)
        except OSError:
            raise RuntimeError(_DIED) from None

    def receive(self) -> list[tuple[int, Encoded | Exception]]:
        """What has come, at least one chunk."""
        found = []
        for connection in wait(list(self.busy)):
            assert isinstance(connection, Connection)
            try:
                answer = connection.recv()
            except (EOFError, OSError):
                raise RuntimeError(_DIED) from None
            found.append((self.busy.pop(connection), answer))
            self.idle.append(connection)
        return found


_DIED = (
    "a process that encodes died: out of memory, or a script that starts it without `if __name__ == '__main__':`; "
    "workers=1 needs neither"
)


def _serve(connection: Connection, encoder: Encoder) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one alone answers
    try:
        while True:
            chunk = connection.recv()
            answer: Encoded | Exception
            try:
                answer = encoder(chunk)
            except ValueError as error:
                answer = error
            except Exception as error:  # whatever it is, it belongs into the process that the user sees
                answer = RuntimeError(f"{type(error).__name__}: {error}")
            connection.send(answer)
    except (EOFError, OSError):
        return  # the first process is gone, or has enough
