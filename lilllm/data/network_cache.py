"""What has come through the network, kept in parquet files as it comes.

A stream is read from its beginning; stopped and begun again it would fetch all over. Here every 64 MB of text become a
file that knows which rows it holds, whether they are the last, and the state of the stream behind them. Files are whole
or not there, so nothing is lost but the rows since the last one, and two processes may fill one cache.

Read in order:  Cache.rows, then _Part
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PART_CHARACTERS = 1 << 26
_GROUP_CHARACTERS = 1 << 22


class Cache:
    """The rows of one stream, in ``folder``: `rows-000000000000.parquet` begins with row 0, and so on.

    Args:
        version: of the library that streams. Another one may not read a state; then rows are passed over one by one.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.version = version

    def kept(self) -> int:
        """How many rows are here, from the first on."""
        return sum(count for _, count, _ in self._parts())

    def rows(
        self, open_stream: Callable[[], Any], text_of: Callable[[dict[str, Any]], str], skip: int = 0
    ) -> Iterator[str]:
        """Texts of the rows after the first ``skip``; the stream is opened only where the files end.

        Args:
            open_stream: gives an `IterableDataset`: rows as dicts, ``state_dict``, ``load_state_dict``, ``skip``.
            text_of: the text of a row; a ValueError says why it has none.
        """
        import pyarrow.parquet as pq

        first = 0
        told: dict[str, Any] = {}
        for path, count, state in self._parts():
            told = state
            if skip < first + count:
                row = first
                with pq.ParquetFile(path) as file:
                    for batch in file.iter_batches(batch_size=256):
                        for text in batch.column(0).to_pylist():
                            if row >= skip:
                                yield text
                            row += 1
            first += count
        if told.get("last"):
            return
        stream = open_stream()
        if told.get("version") == self.version:
            stream.load_state_dict(told["state"])
        elif first:
            stream = stream.skip(first)
        for row, text in enumerate(self._keep(stream, text_of, first), first):
            if row >= skip:
                yield text

    def _keep(self, stream: Any, text_of: Callable[[dict[str, Any]], str], first: int) -> Iterator[str]:
        rows = iter(stream)
        last = False
        while not last:
            with _Part(self.folder, first, self.version, stream) as part:
                while part.characters < PART_CHARACTERS:
                    row = next(rows, None)
                    if row is None:
                        part.last = last = True
                        break
                    try:
                        text = text_of(row)
                    except ValueError as error:
                        raise ValueError(f"row {first + part.count:,} has {error}") from None
                    part.add(text)
                    yield text
            first += part.count

    def _parts(self) -> Iterator[tuple[Path, int, dict[str, Any]]]:
        """The files in their order, as far as one follows the other: path, rows, what is told of the stream."""
        import pyarrow.parquet as pq

        first = 0
        while (path := self.folder / _name(first)).exists():
            metadata = pq.read_metadata(path)
            yield path, metadata.num_rows, json.loads(metadata.metadata[b"lilllm"])
            if not metadata.num_rows:
                return
            first += metadata.num_rows


class _Part:
    """One file of the cache while it is written. It gets its name when it is left, also by a reader who has enough.

    Rows go to the file in groups, with the state of the stream behind each. Where the stream breaks, its state is not
    to be trusted: the rows since the last group are dropped.
    """

    def __init__(self, folder: Path, first: int, version: str, stream: Any) -> None:
        self.path = folder / _name(first)
        self.count = self.characters = 0
        self.last = False
        self._stream = stream
        self._told: dict[str, Any] = {"version": version, "state": None}
        self._group: list[str] = []
        self._group_characters = 0
        self._writer: Any = None
        self._beside = self.path.with_name(f".{self.path.name}.{secrets.token_hex(4)}")

    def add(self, text: str) -> None:
        self._group.append(text)
        self.count += 1
        self.characters += len(text)
        self._group_characters += len(text)
        if self._group_characters >= _GROUP_CHARACTERS:
            self._write()

    def __enter__(self) -> _Part:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind in (None, GeneratorExit) and (self._group or self.last):
                self._write()
            if self._writer is not None:
                self._writer.add_key_value_metadata({"lilllm": json.dumps(self._told | {"last": self.last})})
                self._writer.close()
                self._beside.replace(self.path)
        finally:
            self._beside.unlink(missing_ok=True)

    def _write(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pa.schema([("text", pa.large_string())])
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = pq.ParquetWriter(self._beside, schema, compression="zstd", use_dictionary=False)
        self._writer.write_table(pa.table({"text": self._group}, schema=schema))
        self._told["state"] = self._stream.state_dict()
        self._group, self._group_characters = [], 0


def _name(first: int) -> str:
    return f"rows-{first:012d}.parquet"
