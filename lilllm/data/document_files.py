"""Documents in files of the user's: text, JSONL and parquet, read from front to back in little memory.

Read in order:  find       the files of a path, and how each is read
                read       their documents, from a number on
Conventions:    text is UTF-8, with its line ends as they are; a mark at its beginning (BOM) is dropped. A text file is
                one document; a long one is cut at a blank line, about every `LONGEST` characters. JSONL: one object
                a line.
"""

from __future__ import annotations

import codecs
import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

TEXT, JSONL, PARQUET = (".txt", ".text", ".md"), (".jsonl", ".ndjson"), (".parquet",)
LONGEST = 4 * 2**20  # a longer text is cut: memory for its ids is about thirty times its size
_BLOCK = 1 << 20


@dataclass
class Files:
    """Files in their order, and how far a reader is in them, in bytes."""

    paths: list[Path]
    sizes: list[int]
    field: str
    separator: str | None
    at: int = 0

    @property
    def total(self) -> int:
        return sum(self.sizes)


def find(path: Path, *, field: str, separator: str | None) -> Files:
    """The file ``path``, or the files in this folder and those below, by name.

    Raises:
        FileNotFoundError: there is no such path.
        ValueError: a folder without any file that can be read here.
    """
    if path.is_dir():
        known = (*TEXT, *JSONL, *PARQUET)
        inside = [found for found in path.rglob("*") if _suffix(found) in known and found.is_file()]
        paths = sorted(
            (found for found in inside if not any(part.startswith(".") for part in found.relative_to(path).parts)),
            key=lambda found: found.relative_to(path).as_posix(),
        )
        if not paths:
            raise ValueError(
                f"the folder {path} holds no file that can be read here; known are {', '.join(known)} (.gz)"
            )
    elif path.exists():
        paths = [path]
        if _suffix(path) == ".json":
            raise ValueError(f"{path} is one JSON value; give JSONL (.jsonl), which has one object a line")
    else:
        raise FileNotFoundError(f"there is no file or folder {path}")
    return Files(paths, [found.stat().st_size for found in paths], field, separator)


def read(files: Files, skip: int) -> Iterator[str]:
    """The documents after the first ``skip``; what is skipped costs as little as the format allows.

    Raises:
        ValueError: names the file, the line or row, and what is wrong there.
    """
    before = 0
    for path, size in zip(files.paths, files.sizes, strict=True):
        reader = _reader(path)
        for found in reader(path, files, skip, before):
            if isinstance(found, int):  # so many documents were passed over
                skip -= found
            else:
                yield found
        before += size
        files.at = before


_Found = Iterator[str | int]


def _reader(path: Path) -> Callable[[Path, Files, int, int], _Found]:
    if _suffix(path) in JSONL:
        return _read_jsonl
    return _read_parquet if _suffix(path) in PARQUET else _read_text


def _suffix(path: Path) -> str:
    """The ending that tells the format: the one before ``.gz``, if that is there."""
    names = [suffix.lower() for suffix in path.suffixes]
    if names and names[-1] == ".gz":
        names.pop()
    return names[-1] if names else ""


def _open(path: Path) -> tuple[IO[bytes], IO[bytes]]:
    """The file, and the same as it lies on the disk, whose position tells the progress."""
    raw = path.open("rb")
    if path.suffix.lower() == ".gz":
        return gzip.GzipFile(fileobj=raw), raw  # type: ignore[return-value]
    return raw, raw


def _read_text(path: Path, files: Files, skip: int, before: int) -> _Found:
    for text in _cut(_text_blocks(path, files, before), files.separator):
        if skip:
            skip -= 1
            yield 1
        else:
            yield text


def _text_blocks(path: Path, files: Files, before: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    at = 0
    file, raw = _open(path)
    with raw, file:
        try:
            while block := file.read(_BLOCK):
                yield decoder.decode(block)
                at += len(block)
                files.at = before + raw.tell()
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{path} is not UTF-8 near byte {at + error.start:,}: it is packed, of another format, or of another "
                "encoding; convert it first"
            ) from None
        except (gzip.BadGzipFile, EOFError) as error:
            raise ValueError(f"{path} is no whole gzip file: {error}") from None


def _cut(blocks: Iterator[str], separator: str | None) -> Iterator[str]:
    """The text between separators, or the whole in parts that are not too long; what is blank is left out.

    >>> list(_cut(iter(["one<e", "nd>two<end>", "<end>"]), "<end>"))
    ['one', 'two']
    """
    held, searched = "", 0
    for block in blocks:
        held += block
        while found := _first_end(held, searched, separator):
            end, start = found
            if held[:end].strip():
                yield held[:end]
            held, searched = held[start:], 0
        searched = max(0, len(held) - len(separator or ""))  # a separator may lie across two blocks
    if held.strip():
        yield held


def _first_end(held: str, searched: int, separator: str | None) -> tuple[int, int] | None:
    """Where the first document of ``held`` ends and the next one starts; None if more must be read to know."""
    if separator is not None:
        end = held.find(separator, searched)
        return None if end < 0 else (end, end + len(separator))
    end = held.find("\n\n", LONGEST, 2 * LONGEST) + 2
    if end >= 2:
        return end, end
    if len(held) < 2 * LONGEST:
        return None
    end = held.rfind("\n", LONGEST, 2 * LONGEST) + 1 or 2 * LONGEST  # no blank line: a line's end, or anywhere
    return end, end


def _read_jsonl(path: Path, files: Files, skip: int, before: int) -> _Found:
    import msgspec

    row = msgspec.defstruct("Row", [("text", str)], rename={"text": files.field})
    decode = msgspec.json.Decoder(row).decode
    file, raw = _open(path)
    with raw, file:
        try:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                if skip:
                    skip -= 1
                    yield 1
                    continue
                try:
                    text = decode(line).text  # type: ignore[attr-defined]
                except (msgspec.DecodeError, UnicodeDecodeError):
                    text = _slowly(path, number, line, files.field)
                files.at = before + raw.tell()
                yield text
        except (gzip.BadGzipFile, EOFError) as error:
            raise ValueError(f"{path} is no whole gzip file: {error}") from None


def _slowly(path: Path, number: int, line: bytes, field: str) -> str:
    """The text of a line that the fast reader refuses: Python's takes NaN; or what is wrong with it."""
    try:
        found = json.loads(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}, line {number:,}: not JSON ({error}): {line[:60]!r}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path}, line {number:,}: a {type(found).__name__}, not an object with the field {field!r}")
    return _text_of(found, field, f"{path}, line {number:,}")


def _text_of(found: dict[str, Any], field: str, where: str) -> str:
    if field not in found:
        raise ValueError(f"{where}: there is no field {field!r}; there are: {', '.join(map(repr, found)) or 'none'}")
    if not isinstance(found[field], str):
        raise ValueError(f"{where}: the field {field!r} is a {type(found[field]).__name__}, not text")
    return found[field]


def _read_parquet(path: Path, files: Files, skip: int, before: int) -> _Found:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ImportError(f"{path}: parquet files are read by pyarrow; pip install 'lilllm[data]'") from None
    size = path.stat().st_size
    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            if files.field not in names:
                raise ValueError(
                    f"{path}: there is no column {files.field!r}; there are: {', '.join(map(repr, names))}"
                )
            row = 0
            for group in range(file.num_row_groups):
                rows = file.metadata.row_group(group).num_rows
                if skip >= rows:
                    skip -= rows
                    row += rows
                    yield rows
                    continue
                for batch in file.iter_batches(batch_size=256, row_groups=[group], columns=[files.field]):
                    for text in batch.column(0):
                        if skip:
                            skip -= 1
                            yield 1
                        else:
                            yield _text_of({files.field: text.as_py()}, files.field, f"{path}, row {row:,}")
                        row += 1
                    files.at = before + size * row // max(file.metadata.num_rows, 1)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} cannot be read as parquet: {error}") from None
