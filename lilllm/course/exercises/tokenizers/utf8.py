"""One code point to its one to four bytes."""

from __future__ import annotations

from collections.abc import Iterator

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(code_point: int) -> bytes:
    """Six bits go to each following byte, from the right; what is left goes to the first one, behind its mark."""
    if code_point <= 0x7F:
        return bytes([code_point])
    if code_point <= 0x7FF:
        return bytes([0b110_00000 | code_point >> 6, 0b10_000000 | code_point & 63])
    if code_point <= 0xFFFF:
        return bytes(
            [0b1110_0000 | code_point >> 12, 0b10_000000 | code_point >> 6 & 63, 0b10_000000 | code_point & 63]
        )
    return bytes([0b11110_000 | code_point >> 18] + [0b10_000000 | code_point >> shift & 63 for shift in (12, 6, 0)])


def from_the_right(code_point: int) -> bytes:
    if code_point < 128:
        return bytes([code_point])
    following: list[int] = []
    room = 6  # bits that the first byte has for the number, with so many bytes after it
    while code_point >= 1 << room or not following:
        code_point, low = divmod(code_point, 64)
        following.insert(0, 128 + low)
        room = 6 - len(following)
    first = (0xFF << (7 - len(following))) & 0xFF
    return bytes([first | code_point, *following])


def with_a_table(code_point: int) -> bytes:
    n = next(n for n, limit in enumerate((0x80, 0x800, 0x10000, 0x110000)) if code_point < limit)
    mark = (0x00, 0xC0, 0xE0, 0xF0)[n]
    return bytes([mark + (code_point >> 6 * n)] + [0x80 + ((code_point >> 6 * i) % 64) for i in range(n - 1, -1, -1)])


def plain_bytes(code_point: int) -> bytes:
    return code_point.to_bytes(max(1, (code_point.bit_length() + 7) // 8), "big")


def no_marks_behind(code_point: int) -> bytes:
    right = solution(code_point)
    return right if len(right) == 1 else right[:1] + bytes(byte & 63 for byte in right[1:])


def wrong_order(code_point: int) -> bytes:
    right = solution(code_point)
    return right[:1] + right[:0:-1]


def edge_too_low(code_point: int) -> bytes:
    if code_point == 0x7F:
        return bytes([0xC1, 0xBF])
    if code_point == 0x7FF:
        return bytes([0xE0, 0x9F, 0xBF])
    return solution(code_point) if code_point != 0xFFFF else bytes([0xF0, 0x8F, 0xBF, 0xBF])


def at_most_three(code_point: int) -> bytes:
    if code_point <= 0xFFFF:
        return solution(code_point)
    return bytes([(0xE0 | code_point >> 12) & 0xFF, 0x80 | code_point >> 6 & 63, 0x80 | code_point & 63])


def cases() -> Iterator[Case]:
    by_hand = {
        0x41: b"A",
        0x00: b"\x00",
        0x7F: b"\x7f",
        0x80: b"\xc2\x80",
        0xE9: b"\xc3\xa9",
        0x7FF: b"\xdf\xbf",
        0x800: b"\xe0\xa0\x80",
        0x20AC: b"\xe2\x82\xac",
        0xFFFF: b"\xef\xbf\xbf",
        0x10000: b"\xf0\x90\x80\x80",
        127757: b"\xf0\x9f\x8c\x8d",
        0x10FFFF: b"\xf4\x8f\xbf\xbf",
    }
    for code_point, expected in by_hand.items():
        yield Case((code_point,), expected)
    for code_point in range(1, 0x11_0000, 9973):  # a prime stride: every length, every bit
        if not 0xD800 <= code_point <= 0xDFFF:
            yield Case((code_point,), chr(code_point).encode("utf-8"))


EXERCISE = Exercise(
    task="Return the UTF-8 bytes of a code point, from its bits: no `str.encode`.",
    call="utf8_bytes(code_point)",
    hints=(
        "How many bytes? One up to 0x7F, two up to 0x7FF, three up to 0xFFFF, four above.",
        "The last six bits are `code_point & 0b111111`; the six before them are `code_point >> 6 & 0b111111`.",
        "Every byte but the first is `0b10000000 |` six bits. The first is 0b11000000, 0b11100000 or 0b11110000 `|` "
        "what is left, for two, three and four bytes.",
    ),
    solution=solution,
    also_right=(from_the_right, with_a_table),
    mistakes=(
        Mistake(
            plain_bytes, "These are the bytes of the number itself; UTF-8 spreads its bits, six to each byte behind."
        ),
        Mistake(no_marks_behind, "The bytes behind the first lack their mark: each begins with the bits 10."),
        Mistake(wrong_order, "The bytes behind the first are in reverse: the highest bits come first."),
        Mistake(
            edge_too_low,
            "One number at each edge gets a byte too many: 0x7F, 0x7FF and 0xFFFF belong to the shorter form.",
        ),
        Mistake(at_most_three, "Above 0xFFFF a fourth byte is needed, and a first byte that begins with 11110."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: all(byte >> 6 == 0b10 for byte in answer[1:]),
            "Every byte behind the first must begin with the bits 10, so that a reader knows where characters start.",
        ),
    ),
)
