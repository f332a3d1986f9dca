"""A float32 rounded to bfloat16, on its bits."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import Any

from lilllm.accounting.formats import BF16, FP32
from lilllm.course.exercise import Case, Exercise, Mistake, Property


def is_nan(half: int) -> bool:
    return half & 0x7FFF > 0x7F80


def solution(bits: int) -> int:
    """Add just less than half of what is dropped, and one more if the last bit kept is odd; then drop it."""
    if bits & 0x7FFFFFFF > 0x7F800000:  # NaN: what is dropped may be all that told it from infinity
        return bits >> 16 | 0x0040
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def by_comparing(bits: int) -> int:
    kept, dropped = divmod(bits, 1 << 16)
    if kept & 0x7F80 == 0x7F80:  # infinity, NaN
        return kept | (0x40 if kept & 0x7F or dropped else 0)
    if dropped > 0x8000 or (dropped == 0x8000 and kept % 2):
        kept += 1
    return kept


def by_value(bits: int) -> int:
    return BF16.encode(FP32.decode(bits))


def cut_off(bits: int) -> int:
    return bits >> 16


def half_up(bits: int) -> int:
    return solution(bits) if is_nan(solution(bits)) else (bits + 0x8000) >> 16


def half_down(bits: int) -> int:
    return solution(bits) if is_nan(solution(bits)) else (bits + 0x7FFF) >> 16


def nan_forgotten(bits: int) -> int:
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 & 0xFFFF


def nan_forgotten_and_carried(bits: int) -> int:
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def half_up_and_nan_forgotten(bits: int) -> int:
    return (bits + 0x8000) >> 16


def low_half(bits: int) -> int:
    return bits & 0xFFFF


def carry_lost(bits: int) -> int:
    right = solution(bits)
    return bits >> 16 & 0xFF80 | right & 0x7F if right >> 7 != bits >> 23 else right


def to_odd(bits: int) -> int:
    return solution(bits) if is_nan(solution(bits)) else (bits + 0x8000 - (bits >> 16 & 1)) >> 16


def cases() -> Iterator[Case]:
    by_hand = {
        0x3F800000: 0x3F80,  # 1
        0x3F810000: 0x3F81,  # the next bfloat16
        0x3F807FFF: 0x3F80,  # just below half-way
        0x3F808001: 0x3F81,  # just above
        0x3F808000: 0x3F80,  # half-way, and 0x3F80 is even
        0x3F818000: 0x3F82,  # half-way, and 0x3F81 is odd
        0xBF818000: 0xBF82,  # minus the same
        0x3FFF8000: 0x4000,  # up into the next exponent: just below 2 becomes 2
        0x7F7FFFFF: 0x7F80,  # the largest float32 becomes infinity
        0x7F800000: 0x7F80,  # infinity
        0xFF800000: 0xFF80,
        0x00000000: 0x0000,
        0x80000000: 0x8000,  # -0
        0x00008000: 0x0000,  # a subnormal, half-way
        0x00018000: 0x0002,
        0x7FC00000: 0x7FC0,  # NaN
        0x7F800001: 0x7FC0,  # NaN, told from infinity by its last bit alone
        0x7FFFFFFF: 0x7FC0,  # NaN, all ones
        0xFFFFFFFF: 0xFFC0,
    }
    for bits, expected in by_hand.items():
        yield Case((bits,), expected)
    draw = random.Random(9)
    for _ in range(40):
        (bits,) = struct.unpack("<I", struct.pack("<f", draw.gauss(0, 1) * 10 ** draw.randint(-30, 30)))
        yield Case((bits,), by_value(bits))


def equal(got: Any, expected: int) -> bool:
    """The same bits, or any NaN for a NaN."""
    return type(got) is int and (got == expected or (0 <= got < 1 << 16 and is_nan(got) and is_nan(expected)))


EXERCISE = Exercise(
    task=(
        "Return the 16 bits (an int) of the bfloat16 nearest to the float32 whose 32 bits are `bits`; half-way, the "
        "one whose last bit is 0. A NaN stays a NaN, any one."
    ),
    call="to_bfloat16(bits)",
    hints=(
        "A bfloat16 is the upper half of a float32: `bits >> 16`. `hex(bits)` shows what goes and what stays.",
        "Look at the half that goes, `bits & 0xFFFF`: above 0x8000 is up, below it down; at 0x8000 the last bit that "
        "stays decides. Adding 1 to what stays carries into the exponent by itself, which is right.",
        "Adding `0x7FFF + (bits >> 16 & 1)` before the shift does all of it, but for NaN: that is when "
        "`bits & 0x7FFFFFFF > 0x7F800000`.",
    ),
    solution=solution,
    also_right=(by_comparing, by_value),
    mistakes=(
        Mistake(cut_off, "You cut the lower half off, which rounds towards 0: look at what you cut off, and round."),
        Mistake(half_up, "You round half-way up, always: at half-way take the neighbour whose last bit is 0."),
        Mistake(half_down, "You round half-way down, always: at half-way take the neighbour whose last bit is 0."),
        Mistake(to_odd, "At half-way you take the neighbour whose last bit is 1: it is to be the one with a 0."),
        Mistake(
            nan_forgotten,
            "Numbers are right, but a NaN becomes infinity, or overflows to a zero: treat NaN before you round.",
        ),
        Mistake(
            nan_forgotten_and_carried,
            "Numbers are right, but a NaN becomes infinity, or carries out of the 16 bits: treat NaN before you round.",
        ),
        Mistake(
            half_up_and_nan_forgotten,
            "Two things: half-way goes to the neighbour whose last bit is 0, not up; and a NaN must stay a NaN.",
        ),
        Mistake(low_half, "This is the lower half: sign, exponent and first bits of the mantissa are the upper one."),
        Mistake(
            carry_lost,
            "A mantissa of all ones that is rounded up must carry into the exponent: just below 2 becomes 2, not 1.",
        ),
    ),
    cases=cases,
    equal=equal,
    properties=(
        Property(lambda _, answer: 0 <= answer < 1 << 16, "The answer has more than 16 bits, or is negative."),
    ),
)
