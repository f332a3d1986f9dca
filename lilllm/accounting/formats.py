"""Floating-point formats as data: what a pattern of bits means, and which pattern is nearest to a number.

A pattern is a sign s, an exponent e and a mantissa m, from the highest bit down:

    e > 0   (-1)^s * 2^(e - bias) * (1 + m / 2^mantissa_bits)       normal: a leading 1 that is not stored
    e = 0   (-1)^s * 2^(1 - bias) *      m / 2^mantissa_bits        subnormal: evenly spaced down to 0

with bias = 2^(exponent_bits - 1) - 1. What the largest exponent means is where formats differ: see `Top`.

Read in order: Format (decode, encode, limits), FORMATS.

Shapes, dtypes: plain Python integers (patterns) and floats (values); a float is float64 and holds every value here.
Left out: formats without a sign (e8m0), blocks that share a scale, other roundings than to nearest.
Sources: IEEE 754-2019, sections 3.4 and 4.3.1 (fp16, fp32, rounding half to even); Micikevicius et al. 2022,
arXiv:2209.05433, section 3 (fp8); NVIDIA A100 white paper 2020 (tf32); Rouhani et al. 2023,
arXiv:2310.10537 (fp4, fp6).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from lilllm.accounting.shape import one_of

# What the patterns with the largest exponent are. "infinities": m = 0 is infinity, every other NaN (IEEE 754). "nan":
# numbers like others, but for the all-ones mantissa, the only NaN; there is no infinity (the `fn` of torch's names:
# finite, and NaN). "numbers": all of them numbers.
Top = Literal["infinities", "nan", "numbers"]


@dataclass(frozen=True, kw_only=True)
class Format:
    """A binary floating-point format with a sign.

    Attributes:
        name: as it is called.
        exponent_bits, mantissa_bits: stored bits; the leading 1 of the mantissa is not one of them.
        top: what the largest exponent means.

    >>> half = Format(name="half", exponent_bits=5, mantissa_bits=10)
    >>> half.bits, half.max, half.decode(0b0_01111_1000000000)
    (16, 65504.0, 1.5)
    """

    name: str
    exponent_bits: int
    mantissa_bits: int
    top: Top = "infinities"

    def __post_init__(self) -> None:
        one_of("top", self.top, get_args(Top))
        least = 0 if self.top == "numbers" else 1  # a NaN needs a mantissa that is not that of infinity
        for what, value, low, high in (
            ("exponent_bits", self.exponent_bits, 2, 11),
            ("mantissa_bits", self.mantissa_bits, least, 52),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
                raise ValueError(f"{what} is {value!r}; give a whole number from {low} to {high} (float64's)")

    @property
    def bits(self) -> int:
        """Bits of a pattern: the sign, the exponent and the mantissa."""
        return 1 + self.exponent_bits + self.mantissa_bits

    @property
    def bias(self) -> int:
        """What is taken from the stored exponent: 127 for fp32."""
        return (1 << (self.exponent_bits - 1)) - 1

    @property
    def largest(self) -> int:
        """The pattern of the largest number; those above it, up to the sign bit, are infinity and NaN."""
        ones = (1 << (self.exponent_bits + self.mantissa_bits)) - 1
        return {"infinities": ones - (1 << self.mantissa_bits), "nan": ones - 1, "numbers": ones}[self.top]

    @property
    def max(self) -> float:
        """The largest number."""
        return self.decode(self.largest)

    @property
    def smallest_normal(self) -> float:
        """Below it precision is lost bit by bit: 2^(1 - bias)."""
        return math.ldexp(1.0, 1 - self.bias)

    @property
    def smallest_subnormal(self) -> float:
        """The smallest number above 0."""
        return math.ldexp(1.0, 1 - self.bias - self.mantissa_bits)

    @property
    def eps(self) -> float:
        """From 1 to the next number above it. A number is off by at most half of it, relative, where it is normal."""
        return math.ldexp(1.0, -self.mantissa_bits)

    def fields(self, pattern: int) -> tuple[int, int, int]:
        """Sign, stored exponent and mantissa of a pattern.

        Raises:
            ValueError: the pattern has more bits than the format, or is negative.

        >>> BF16.fields(0xC040)  # -3 = -1.5 * 2^1: 128 - 127 is 1, and 64 / 128 is a half
        (1, 128, 64)
        """
        if not isinstance(pattern, int) or not 0 <= pattern < 1 << self.bits:
            raise ValueError(f"{pattern!r} is no pattern of {self.name}; give 0 to {(1 << self.bits) - 1}")
        below = pattern & ((1 << (self.bits - 1)) - 1)
        return pattern >> (self.bits - 1), below >> self.mantissa_bits, below & ((1 << self.mantissa_bits) - 1)

    def decode(self, pattern: int) -> float:
        """The value of a pattern of bits.

        >>> FP16.decode(0x3C00), FP16.decode(0x0001) == 2**-24, FP16.decode(0xFC00)
        (1.0, True, -inf)
        """
        sign, exponent, mantissa = self.fields(pattern)
        if pattern & ((1 << (self.bits - 1)) - 1) > self.largest:
            value = math.inf if self.top == "infinities" and mantissa == 0 else math.nan
        elif exponent:
            value = math.ldexp((1 << self.mantissa_bits) + mantissa, exponent - self.bias - self.mantissa_bits)
        else:
            value = math.ldexp(mantissa, 1 - self.bias - self.mantissa_bits)
        return -value if sign else value

    def encode(self, value: float, *, saturate: bool = False) -> int:
        """The pattern of the nearest number; of two equally near, the one whose last bit is 0.

        What would be rounded above the largest number, were there a next one, becomes infinity, or NaN where the format
        has none; with ``saturate``, and in a format without either, the largest number. NaN gives one pattern of NaN:
        the quiet one of IEEE 754, or the only one.

        Raises:
            ValueError: NaN in a format that has none.
        Holds: ``decode(encode(x))`` is x for each number x of the format.

        >>> [BF16.decode(BF16.encode(x)) for x in (256, 257, 258, 259)]  # 8 bits with the leading 1: to even
        [256.0, 256.0, 258.0, 260.0]
        """
        sign = int(math.copysign(1.0, value) < 0) << (self.bits - 1)
        if math.isnan(value):
            return sign | self._nan()
        size = abs(value)
        if size == 0:  # it has no leading 1 to take the exponent from
            return sign
        if size == math.inf:
            return sign | (self.largest if saturate else self._over())
        _, exponent = math.frexp(size)  # size is in [2^(exponent - 1), 2^exponent)
        exponent = max(exponent - 1, 1 - self.bias)  # below the smallest normal the spacing no longer shrinks
        # In units of the spacing: exact, for it is a scaling by a power of two. `round` is half to even. A carry out
        # of the mantissa adds 1 to the exponent, as it should: the patterns of growing numbers are growing integers.
        units = round(math.ldexp(size, self.mantissa_bits - exponent))
        pattern = ((exponent + self.bias - 1) << self.mantissa_bits) + units
        if pattern > self.largest:
            pattern = self.largest if saturate else self._over()
        return sign | pattern

    def _over(self) -> int:
        """The pattern of what is too large."""
        if self.top == "infinities":
            return self.largest + 1
        return self._nan() if self.top == "nan" else self.largest

    def _nan(self) -> int:
        if self.top == "numbers":
            raise ValueError(f"{self.name} has no NaN")
        if self.top == "nan":
            return self.largest + 1
        return self.largest + 1 | 1 << (self.mantissa_bits - 1)


FP32 = Format(name="fp32", exponent_bits=8, mantissa_bits=23)
TF32 = Format(name="tf32", exponent_bits=8, mantissa_bits=10)  # 19 bits of an fp32, inside matrix products only
FP16 = Format(name="fp16", exponent_bits=5, mantissa_bits=10)
BF16 = Format(name="bf16", exponent_bits=8, mantissa_bits=7)
FP8_E4M3FN = Format(name="fp8 e4m3fn", exponent_bits=4, mantissa_bits=3, top="nan")
FP8_E5M2 = Format(name="fp8 e5m2", exponent_bits=5, mantissa_bits=2)
FP6_E2M3FN = Format(name="fp6 e2m3fn", exponent_bits=2, mantissa_bits=3, top="numbers")
FP4_E2M1FN = Format(name="fp4 e2m1fn", exponent_bits=2, mantissa_bits=1, top="numbers")

FORMATS: Mapping[str, Format] = MappingProxyType(
    {one.name: one for one in (FP32, TF32, FP16, BF16, FP8_E4M3FN, FP8_E5M2, FP6_E2M3FN, FP4_E2M1FN)}
)


def format_named(name: str) -> Format:
    """A well-known format by name.

    >>> format_named("bf16").max == 2.0**127 * (2 - 2**-7)
    True
    """
    if isinstance(name, str) and name in FORMATS:
        return FORMATS[name]
    close = difflib.get_close_matches(str(name), FORMATS, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(f"there is no format {name!r}; {hint}choose one of: {', '.join(FORMATS)}")
