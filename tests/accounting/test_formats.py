"""Formats equal torch's dtypes bit for bit: every pattern of 8 and 16 bits, every midpoint between two numbers."""

from __future__ import annotations

import math
import struct
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lilllm.accounting.formats import (
    BF16,
    FORMATS,
    FP4_E2M1FN,
    FP6_E2M3FN,
    FP8_E4M3FN,
    FP8_E5M2,
    FP16,
    FP32,
    TF32,
    Format,
    format_named,
)

FP64 = Format(name="fp64", exponent_bits=11, mantissa_bits=52)
DTYPES = {
    FP32: torch.float32,
    FP16: torch.float16,
    BF16: torch.bfloat16,
    FP8_E4M3FN: torch.float8_e4m3fn,
    FP8_E5M2: torch.float8_e5m2,
}
SMALL = {form: dtype for form, dtype in DTYPES.items() if form.bits <= 16}
INTEGERS = {8: torch.uint8, 16: torch.int16, 32: torch.int32}
# torch's cast to e4m3fn saturates since some version and gave NaN before; both are allowed (Micikevicius et al. 2022).
SATURATES = math.isfinite(float(torch.tensor(1e9).to(torch.float8_e4m3fn).float()))


def name_of(value: object) -> str:
    return value.name if isinstance(value, Format) else str(value)


def patterns_of(values: torch.Tensor, form: Format) -> list[int]:
    """What torch makes of float32 ``values`` in a format, as bits."""
    bits = values.to(DTYPES[form]).view(INTEGERS[form.bits])
    return [int(one) & ((1 << form.bits) - 1) for one in bits.tolist()]


@pytest.mark.parametrize("form", SMALL, ids=name_of)
def test_every_pattern_has_torchs_value(form: Format) -> None:
    every = torch.arange(1 << form.bits).to(INTEGERS[form.bits])
    values = every.view(DTYPES[form]).double().tolist()
    for pattern, value in enumerate(values):
        ours = form.decode(pattern)
        # with the sign of a zero; of a NaN the sign means nothing
        assert (math.isnan(ours) and math.isnan(value)) or struct.pack("d", ours) == struct.pack("d", value)


@pytest.mark.parametrize("form", SMALL, ids=name_of)
def test_every_number_is_encoded_as_itself(form: Format) -> None:
    for pattern in range(1 << form.bits):
        value = form.decode(pattern)
        if not math.isnan(value):
            assert form.encode(value) == pattern


@pytest.mark.parametrize("form", SMALL, ids=name_of)
def test_rounding_is_torchs_at_every_midpoint_and_just_beside_it(form: Format) -> None:
    """Between neighbours, with the one that would come after the largest: float32 holds every such midpoint."""
    numbers = [form.decode(pattern) for pattern in range(form.largest + 1)]
    numbers.append(numbers[-1] + (numbers[-1] - numbers[-2]))
    middle = torch.tensor([(a + b) / 2 for a, b in pairwise(numbers)], dtype=torch.float64)
    assert torch.equal(middle, middle.float().double())
    middle = middle.float()
    probes = torch.cat(
        [middle, torch.nextafter(middle, torch.tensor(0.0)), torch.nextafter(middle, torch.tensor(math.inf))]
    )
    probes = torch.cat([probes, -probes])
    saturate = SATURATES and form is FP8_E4M3FN
    ours = [form.encode(value, saturate=saturate) for value in probes.double().tolist()]
    assert ours == patterns_of(probes, form)


@pytest.mark.parametrize("form", DTYPES, ids=name_of)
@pytest.mark.parametrize("value", [math.inf, -math.inf, 1e38, -1e38, 0.0, -0.0])
def test_the_ends_are_torchs(form: Format, value: float) -> None:
    saturate = SATURATES and form is FP8_E4M3FN
    assert [form.encode(value, saturate=saturate)] == patterns_of(torch.tensor([value]), form)


@pytest.mark.parametrize("form", DTYPES, ids=name_of)
def test_limits_are_torchs(form: Format) -> None:
    info = torch.finfo(DTYPES[form])
    assert (form.bits, form.max, form.smallest_normal, form.eps) == (info.bits, info.max, info.tiny, info.eps)
    assert form.decode(1) == form.smallest_subnormal
    assert form.decode(form.encode(1.0) + 1) == 1 + form.eps


@given(st.integers(0, 2**32 - 1))
def test_fp32_reads_bits_as_the_machine_does(pattern: int) -> None:
    (value,) = struct.unpack("<f", struct.pack("<I", pattern))
    ours = FP32.decode(pattern)
    assert (math.isnan(ours) and math.isnan(value)) or ours == value
    if not math.isnan(value):
        assert FP32.encode(value) == pattern


@given(st.floats(allow_nan=False))
def test_fp32_rounds_as_the_machine_does(value: float) -> None:
    assert [FP32.encode(value)] == [
        int(torch.tensor(value, dtype=torch.float64).float().view(torch.int32)) & 0xFFFFFFFF
    ]


@given(st.integers(0, 2**64 - 1))
def test_fp64_is_pythons_own_float(pattern: int) -> None:
    (value,) = struct.unpack("<d", struct.pack("<Q", pattern))
    if math.isnan(value):
        assert math.isnan(FP64.decode(pattern))
    else:
        assert FP64.decode(pattern) == value
        assert FP64.encode(value) == pattern


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_tf32_is_fp32_with_thirteen_bits_fewer(value: float) -> None:
    half_to_even = FP32.encode(value) + 0xFFF + (FP32.encode(value) >> 13 & 1) >> 13
    assert TF32.bits == 19
    assert TF32.encode(value) == half_to_even


@pytest.mark.parametrize("form", FORMATS.values(), ids=name_of)
def test_patterns_grow_with_their_numbers(form: Format) -> None:
    patterns = range(min(form.largest, 3000))
    assert all(form.decode(one) < form.decode(one + 1) for one in patterns)


def test_the_numbers_of_fp4_and_the_limits_of_fp6_and_fp8_as_published() -> None:
    assert [FP4_E2M1FN.decode(one) for one in range(8)] == [0, 0.5, 1, 1.5, 2, 3, 4, 6]
    assert FP6_E2M3FN.max == 7.5
    # Micikevicius et al. 2022, arXiv:2209.05433, table 1
    assert (FP8_E4M3FN.max, FP8_E4M3FN.smallest_normal, FP8_E4M3FN.smallest_subnormal) == (448, 2**-6, 2**-9)
    assert (FP8_E5M2.max, FP8_E5M2.smallest_normal, FP8_E5M2.smallest_subnormal) == (57344, 2**-14, 2**-16)


def test_what_is_too_large() -> None:
    assert FP16.decode(FP16.encode(65519.99)) == 65504
    assert FP16.decode(FP16.encode(65520)) == math.inf  # half-way to 65536, and 65504's last bit is 1
    assert FP16.decode(FP16.encode(-math.inf, saturate=True)) == -65504
    assert FP8_E4M3FN.decode(FP8_E4M3FN.encode(464)) == 448  # half-way to 480, and 448's last bit is 0
    assert math.isnan(FP8_E4M3FN.decode(FP8_E4M3FN.encode(464.1)))
    assert FP8_E4M3FN.decode(FP8_E4M3FN.encode(-1e9, saturate=True)) == -448
    assert FP4_E2M1FN.decode(FP4_E2M1FN.encode(100)) == 6


@pytest.mark.parametrize("form", DTYPES, ids=name_of)
def test_nan_stays_nan(form: Format) -> None:
    assert math.isnan(form.decode(form.encode(math.nan)))
    assert math.isnan(form.decode(form.encode(-math.nan, saturate=True)))


def test_bad_input_formats() -> None:
    with pytest.raises(ValueError, match="exponent_bits is 1; give a whole number from 2 to 11"):
        Format(name="x", exponent_bits=1, mantissa_bits=2)
    with pytest.raises(ValueError, match="mantissa_bits is 0; give a whole number from 1 to 52"):
        Format(name="x", exponent_bits=4, mantissa_bits=0)
    with pytest.raises(ValueError, match="mantissa_bits is True"):
        Format(name="x", exponent_bits=4, mantissa_bits=True)
    with pytest.raises(ValueError, match="top is 'inf'; give one of: infinities, nan, numbers"):
        Format(name="x", exponent_bits=4, mantissa_bits=3, top="inf")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="256 is no pattern of fp8 e5m2; give 0 to 255"):
        FP8_E5M2.decode(256)
    for pattern in (1.5, "7", None):
        with pytest.raises(ValueError, match=f"{pattern!r} is no pattern of fp8 e5m2; give 0 to 255"):
            FP8_E5M2.decode(pattern)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=f"no format {pattern!r}; "):
            format_named(pattern)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="fp4 e2m1fn has no NaN"):
        FP4_E2M1FN.encode(math.nan)
    with pytest.raises(ValueError, match=r"no format 'bfloat16'; did you mean 'bf16'\? choose one of: fp32, "):
        format_named("bfloat16")
