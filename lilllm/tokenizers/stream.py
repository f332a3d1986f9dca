"""Cut a stream of text where encoding the parts one by one gives what encoding the whole would.

Two things cross the border between two chunks: a pre-token, and the name of a special token.

Read in order:  cut_stream
                _last_cut (never inside a special token, nor inside what may become one)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from lilllm.tokenizers.pretokenize import PIECE, is_known, safe_cut, split_special


def cut_stream(
    texts: Iterable[str], pattern: str | None, special: Collection[str], *, size: int = PIECE
) -> Iterator[str]:
    """``"".join(texts)`` in parts of about ``size`` characters, cut where it is safe.

    Where no safe place is found the part grows, twice as long before each further search, so that time stays linear.
    """
    waiting: list[str] = []
    length, wanted = 0, size
    for text in texts:
        waiting.append(text)
        length += len(text)
        if length < wanted or not (is_known(pattern) or special):
            continue
        buffer = "".join(waiting)
        cut = _last_cut(buffer, pattern, special)
        if cut:
            yield buffer[:cut]
        waiting = [buffer[cut:]]
        length -= cut
        wanted = size if cut else 2 * length
    if length:
        yield "".join(waiting)


def _last_cut(buffer: str, pattern: str | None, special: Collection[str]) -> int:
    end = _possible_start(buffer, special)
    # A special token that starts before `end` is there for good; the text after the last of them is still open.
    last = at = 0
    for is_special, part in split_special(buffer, special):
        if at >= end:
            break
        at += len(part)
        if is_special:
            last = at
    return safe_cut(buffer, pattern, last, end + 1) if last < end else last


def _possible_start(buffer: str, special: Collection[str]) -> int:
    """Where the end of ``buffer`` may be the beginning of a special token, else its length."""
    longest = max(map(len, special), default=1)
    for start in range(max(0, len(buffer) - longest + 1), len(buffer)):
        if any(name.startswith(buffer[start:]) and len(name) > len(buffer) - start for name in special):
            return start
    return len(buffer)
