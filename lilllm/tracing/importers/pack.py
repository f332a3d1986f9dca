"""A trace in memory as the bytes of a file, in lines that a reader takes."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import msgspec

from lilllm.tracing.format import Steps, Vals, Value
from lilllm.tracing.reader import Trace, load

_STEPS = 4_096
_BYTES = 1_000_000


def pack(trace: Trace) -> bytes:
    """The file of ``trace``, the same bytes for the same trace.

    Raises:
        TraceError: it is larger than what a reader opens.
    Holds: ``load(pack(trace))`` is ``trace``.
    """
    encode = msgspec.json.Encoder().encode
    records = [
        trace.head,
        *_values(trace.values),
        *trace.blobs.values(),
        *_steps(trace.steps),
        *filter(None, [trace.end]),
    ]
    packed = gzip.compress(b"".join(encode(record) + b"\n" for record in records), compresslevel=9, mtime=0)
    load(packed)
    return packed


def save(trace: Trace, path: Path) -> int:
    """Put ``trace`` at ``path``, all of it or nothing; the size of the file in bytes.

    Raises:
        TraceError: as ``pack``.
        OSError: it cannot be written there.
    """
    packed = pack(trace)
    beside = path.with_name(f".{path.name}.importing")
    try:
        beside.write_bytes(packed)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return len(packed)


def _values(values: list[Value]) -> Iterator[Vals]:
    items: list[Value] = []
    start = size = 0
    for number, value in enumerate(values):
        items.append(value)
        size += len(msgspec.json.encode(value))
        if size > _BYTES:
            yield Vals(start=start, items=items)
            items, start, size = [], number + 1, 0
    if items:
        yield Vals(start=start, items=items)


def _steps(steps: Steps) -> Iterator[Steps]:
    """The columns in pieces, then the outputs in pieces of about a megabyte."""
    for start in range(0, len(steps.op), _STEPS):
        end = start + _STEPS
        yield Steps(
            start=start,
            op=steps.op[start:end],
            line=steps.line[start:end],
            depth=steps.depth[start:end],
            arg=steps.arg[start:end],
            names=steps.names if start == 0 else [],
            changes=[entry for entry in steps.changes if start <= entry[0] < end],
            pins=[entry for entry in steps.pins if start <= entry[0] < end],
            clears=[entry for entry in steps.clears if start <= entry[0] < end],
        )
    piece = Steps(start=len(steps.op), op="", line=[], depth=[], arg=[])
    size = 0
    for step, outputs in steps.outputs:
        for output in outputs:
            piece.outputs.append((step, [output]))
            size += len(output.data)
            if size > _BYTES:
                yield piece
                piece, size = Steps(start=len(steps.op), op="", line=[], depth=[], arg=[]), 0
    if piece.outputs:
        yield piece
