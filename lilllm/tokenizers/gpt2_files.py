"""GPT-2's two files: ``vocab.json`` (token -> id) and ``merges.txt`` (one merge a line), bytes by their stand-ins.

Read in order:  save, load
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from lilllm.tokenizers.byte_chars import from_chars, to_chars
from lilllm.tokenizers.files import read_limited, write_whole

BytePair = tuple[bytes, bytes]


def save(
    folder: str | Path, merges: Sequence[BytePair], vocab: Mapping[bytes, int], special_tokens: Mapping[str, int]
) -> None:
    """Write both files into ``folder``, each whole or not at all; the folder is made if it is missing."""
    ids = {to_chars(token): token_id for token, token_id in vocab.items()} | dict(special_tokens)
    lines = ["#version: 0.2", *(f"{to_chars(first)} {to_chars(second)}" for first, second in merges)]
    Path(folder).mkdir(parents=True, exist_ok=True)
    write_whole(Path(folder) / "vocab.json", msgspec.json.encode(dict(sorted(ids.items(), key=lambda item: item[1]))))
    write_whole(Path(folder) / "merges.txt", ("\n".join(lines) + "\n").encode())


def load(folder: str | Path) -> tuple[list[BytePair], dict[bytes, int], dict[str, int]]:
    """Merges, vocabulary and special tokens: what is neither a byte nor made by a merge is a special token.

    Raises:
        ValueError: names the file and what is wrong in it.
        OSError: a file is missing or cannot be read.
    """
    merges_path, vocab_path = Path(folder) / "merges.txt", Path(folder) / "vocab.json"
    try:
        text = read_limited(merges_path).decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"{merges_path}: not UTF-8 at byte {error.start}") from None
    merges = []
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if not line or (number == 1 and line.startswith("#version")):
            continue
        parts = line.split(" ")
        if len(parts) != 2 or not all(parts):
            raise ValueError(f"{merges_path}, line {number}: {line!r} is not two tokens with one blank between them")
        try:
            merges.append((from_chars(parts[0]), from_chars(parts[1])))
        except ValueError as error:
            raise ValueError(f"{merges_path}, line {number}: {error}") from None
    try:
        ids = msgspec.json.decode(read_limited(vocab_path), type=dict[str, int])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{vocab_path}: not a JSON object of tokens and ids: {error}") from None
    ordinary = {to_chars(bytes([byte])) for byte in range(256)}
    ordinary |= {to_chars(first + second) for first, second in merges}
    vocab = {from_chars(token): token_id for token, token_id in ids.items() if token in ordinary}
    return merges, vocab, {token: token_id for token, token_id in ids.items() if token not in ordinary}
