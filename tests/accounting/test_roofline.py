"""The roofline: intensities by hand, a measurement with a clock of the test's own, and the file that keeps it."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import count
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lilllm.accounting import roofline
from lilllm.accounting.flops import forward, per_token, training
from lilllm.accounting.gpus import GPUS, gpu
from lilllm.accounting.params import total
from lilllm.accounting.roofline import Machine, attainable, matmul_intensity, measure_machine, mfu, this_machine
from lilllm.accounting.shape import preset
from tests.accounting.published import MEGATRON, megatron

SMALL = {"size": 8, "copy_bytes": 400, "repeats": 3}


def test_a_square_product_has_a_third_of_its_size_and_one_token_one() -> None:
    assert matmul_intensity(4096, 4096, 4096) == pytest.approx(4096 / 3)
    assert matmul_intensity(1, 4096, 4096) == pytest.approx(1, rel=1e-3)
    assert matmul_intensity(6, 6, 6, bytes_each=4) == 1


@given(st.floats(0, 1e6), st.floats(1, 1e15), st.floats(1, 1e13))
def test_attainable_is_below_both_roofs_and_on_one(intensity: float, flops: float, bandwidth: float) -> None:
    got = attainable(intensity, flops=flops, bandwidth=bandwidth)
    assert got in (flops, intensity * bandwidth)
    assert got <= flops
    assert got <= intensity * bandwidth


def test_the_ridge_is_where_the_roofs_meet() -> None:
    h100 = gpu("h100-80gb")
    assert attainable(h100.ridge, flops=h100.flops, bandwidth=h100.bandwidth) == pytest.approx(h100.flops)
    machine = Machine(name="m", flops={"float32": 60.0}, bandwidth=20.0)
    assert machine.ridge() == 3


def test_mfu_of_palm() -> None:
    """540B at 238.3K tokens a second on 6144 TPU v4 (275 TFLOP/s): 46.2 % with scores, 45.7 % without.
    Chowdhery et al. 2022, arXiv:2204.02311, section 4.1 and appendix B."""
    parameters, layers, d_q, seq = 540.35e9, 118, 48 * 256, 2048
    a_token = 6 * parameters + 12 * layers * d_q * seq
    assert mfu(a_token, 238.3e3, peak=6144 * 275e12) == pytest.approx(0.462, abs=0.001)
    assert mfu(6 * parameters, 238.3e3, peak=6144 * 275e12) == pytest.approx(0.457, abs=0.001)


def test_mfu_of_mt_nlg_in_that_paper() -> None:
    """65.43K tokens a second on 2240 A100s: 29.7 % without scores, 30.2 % with (the same section)."""
    shape, peak = megatron("530B"), 2240 * GPUS["a100-80gb"].flops
    scores = 12 * shape.n_layers * shape.d_q * 2048
    assert round(100 * mfu(6 * total(shape), 65.43e3, peak=peak), 1) == 29.7
    assert round(100 * mfu(6 * total(shape) + scores, 65.43e3, peak=peak), 1) == 30.2


@pytest.mark.parametrize("name", MEGATRON)
def test_mfu_of_megatron(name: str) -> None:
    """Korthikanti et al. 2022, arXiv:2205.05198, table 5, from the seconds of an iteration (22B's have three digits, a
    rounding of 0.2 points). Its hardware FLOPs count what runs again three times; once gives up to 1.5 points less."""
    _, (gpus, batch), seconds, (model, hardware) = MEGATRON[name]
    shape, peak = megatron(name), gpus * GPUS["a100-80gb"].flops
    step = sum(training(shape, batch=batch, seq=2048).values())
    again = forward(shape, batch=batch, seq=2048)["attention_scores"]
    assert 100 * step / seconds / peak == pytest.approx(model, abs=0.2 if name == "22B" else 0.06)
    assert 100 * (step + 3 * again) / seconds / peak == pytest.approx(hardware, abs=0.2 if name == "22B" else 0.06)
    assert 0.4 < hardware - 100 * (step + again) / seconds / peak < 1.5


def test_mfu_of_llama3_405b() -> None:
    """430, 400 and 380 TFLOP/s a GPU are said to be 43, 41 and 38 %: Llama Team 2024, arXiv:2407.21783, table 4. 400 of
    989.4 are 40 %: its TFLOP/s are rounded to tens."""
    a_token = per_token(preset("llama3-405b"), seq=8192)
    shares = [mfu(a_token, flops / a_token, peak=GPUS["h100-80gb"].flops) for flops in (430e12, 400e12, 380e12)]
    assert [round(share, 2) for share in shares] == [0.43, 0.40, 0.38]
    assert mfu(a_token, 405e12 / a_token, peak=GPUS["h100-80gb"].flops) > 0.405


def test_measured_is_work_over_the_median_of_the_clock() -> None:
    # Read in pairs, a start and an end: rounds of 1, 100, 2, 3 seconds ... of which the first is thrown away.
    rounds = iter([50, 1, 100, 2] * 2)
    readings = (reading for seconds in rounds for reading in (0.0, float(seconds)))
    machine = measure_machine(dtypes=("float32",), clock=lambda: next(readings), **SMALL)
    assert machine.flops == {"float32": 2 * 8**3 / 2}
    assert machine.bandwidth == 2 * 400 / 2


def test_a_real_measurement_of_every_dtype() -> None:
    dtypes = ("float32", "bfloat16", "float16", "float64")
    machine = measure_machine(dtypes=dtypes, **SMALL)
    assert tuple(machine.flops) == dtypes
    assert min(machine.bandwidth, *machine.flops.values()) > 0
    assert f"torch {torch.__version__}" in machine.name


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[Machine]:
    """What was measured, in order; each differs from the last."""
    made: list[Machine] = []
    numbers = count(1)

    def measure(**_: object) -> Machine:
        made.append(Machine(name=roofline.describe(), flops={"float32": float(next(numbers))}, bandwidth=2.0))
        return made[-1]

    monkeypatch.setattr(roofline, "measure_machine", measure)
    return made


def test_measured_once_and_kept(measured: list[Machine], tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    first = this_machine(folder=folder)
    assert this_machine(folder=folder) == first
    assert len(measured) == 1
    assert this_machine(folder=folder, again=True) == this_machine(folder=folder) == measured[1] != first
    assert len(list(folder.iterdir())) == 1  # no temporary file is left


def test_another_machine_is_measured_anew(
    measured: list[Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    this_machine(folder=tmp_path)
    monkeypatch.setattr(roofline, "describe", lambda _="cpu": "another chip")
    this_machine(folder=tmp_path)
    assert len(measured) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"name": 1}', "\0", {"bandwidth": -1.0}, {"name": "another"}])
def test_a_spoiled_file_costs_a_measurement(measured: list[Machine], tmp_path: Path, text: object) -> None:
    this_machine(folder=tmp_path)
    (path,) = tmp_path.iterdir()
    spoiled = json.dumps({**asdict(measured[0]), **text}) if isinstance(text, dict) else str(text)
    path.write_text(spoiled, encoding="utf-8")
    assert this_machine(folder=tmp_path) == measured[1]
    assert this_machine(folder=tmp_path) == measured[1]


def test_a_folder_that_cannot_be_written_is_no_error(measured: list[Machine], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert this_machine(folder=tmp_path / "file") == measured[0]


def test_where_it_is_kept(measured: list[Machine], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LILLLM_HOME", str(tmp_path))
    this_machine()
    assert [path.name.startswith("roofline-") for path in tmp_path.iterdir()] == [True]
    monkeypatch.setenv("LILLLM_HOME", "")
    assert roofline.cache_folder() is None
    assert this_machine() == measured[1]
    monkeypatch.delenv("LILLLM_HOME")
    folder = roofline.cache_folder()
    assert folder is not None
    assert "lilllm" in folder.parts


def test_bad_input_roofline() -> None:
    with pytest.raises(ValueError, match="give some of float32, bfloat16, float16, float64"):
        measure_machine(dtypes=("int8",))
    with pytest.raises(ValueError, match="repeats 0: give 1, 4 and 1 at least"):
        measure_machine(repeats=0)
    with pytest.raises(ValueError, match="peak is 0"):
        mfu(1, 1, peak=0)


def test_the_peak_is_of_a_precision() -> None:
    for one in GPUS.values():
        assert one.fp32 < one.peak("fp16") == one.flops
    assert GPUS["a100-80gb"].peak("bf16") == 16 * GPUS["a100-80gb"].peak("fp32")  # 312 of 19.5
    with pytest.raises(ValueError, match="no 'bf16' that its maker gives FLOP/s of; give fp32 or fp16"):
        GPUS["t4-16gb"].peak("bf16")


def test_bad_input_gpu() -> None:
    with pytest.raises(ValueError, match=r"no GPU 'h100'; did you mean 'h100-80gb'\? choose one of: t4-16gb, "):
        gpu("h100")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_measured_on_a_gpu() -> None:
    machine = measure_machine(device="cuda", dtypes=("bfloat16",), size=8192, copy_bytes=1 << 32)
    known = next((one for name, one in GPUS.items() if name.split("-")[0] in machine.name.lower()), None)
    if known is None:
        pytest.skip(f"no data sheet for {machine.name}")
    assert 0.4 < machine.flops["bfloat16"] / known.flops <= 1.05
    assert 0.6 < machine.bandwidth / known.bandwidth <= 1.0
