"""`lilllm accounting`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lilllm import __main__ as program
from lilllm.accounting.gpus import GPUS
from lilllm.accounting.shape import PRESETS


@pytest.fixture
def run(capsys):
    """Run the program; (exit code, stdout, stderr)."""

    def call(*args: object) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as end:
            program.main(["accounting", *map(str, args)])
        out = capsys.readouterr()
        return end.value.code, out.out, out.err

    return call


def test_the_table_of_llama3_8b(run) -> None:
    code, out, err = run("--preset", "llama3-8b", "--batch", 8, "--seq", 8192, "--gpus", 64, "--tokens", "15e12")
    assert (code, err) == (0, "")
    assert "8,030,261,248 parameters" in out
    # 6 x 7,504,924,672 in matrices and 12 x 32 x 4096 x 8192 in scores, by hand
    assert "5.79e+10 FLOPs a token" in out
    assert "1.07 GB of KV cache" in out
    rows = [line.split() for line in out.splitlines() if re.match(r"  (DDP|ZeRO-\d) ", line)]
    assert [(row[0], row[1]) for row in rows] == [
        (stage, checkpointed) for stage in ("DDP", "ZeRO-1", "ZeRO-2", "ZeRO-3") for checkpointed in ("no", "yes")
    ]
    assert [row[2] for row in rows[::2]] == [
        "128.5",
        "33.6",
        "17.8",
        "2.0",
    ]  # 16, 4 + 12/64, 2 + 14/64, 16/64 a parameter
    assert rows[0][3:] == ["386.9", "515.4", "no", "0"]
    assert rows[-1][3:] == ["62.9", "64.9", "yes", "9"]
    assert "397 days on 64 x h100-80gb (989 TFLOP/s each) at an MFU of 40%" in out


def test_defaults_are_the_models_context_and_twenty_tokens_a_parameter(run) -> None:
    code, out, _ = run("--preset", "gpt2")
    assert code == 0
    assert "sequences of 1,024 tokens" in out
    assert "Training on 2.49e+09 tokens" in out
    assert re.search(r"1\.5 hours on 1 x h100-80gb", out)
    assert "sequences of 8,192 tokens" in run("--preset", "llama3-405b")[1]


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_in_lines_that_fit_a_terminal(run, name: str) -> None:
    code, out, err = run("--preset", name, "--gpus", 1024)
    assert (code, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 110


@pytest.mark.parametrize("kind", GPUS)
def test_what_fits_is_what_is_below_the_memory_named(run, kind: str) -> None:
    _, out, _ = run("--preset", "llama2-13b", "--gpus", 8, "--gpu", kind)
    for row in (line.split() for line in out.splitlines() if re.match(r"  (DDP|ZeRO-\d) ", line)):
        total = float(row[4].replace(",", ""))
        assert row[5] == ("yes" if total <= GPUS[kind].memory / 1e9 else "no")
        assert (int(row[6].replace(",", "")) >= 1) == (row[5] == "yes")


MINE = {"vocab_size": 1000, "n_layers": 2, "d_model": 64, "n_heads": 4, "d_ff": 256, "context_len": 128}


def test_a_model_of_ones_own_from_a_file_and_from_options_is_the_same(run, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(MINE), encoding="utf-8")
    code, out, err = run("--config", path)
    assert (code, err) == (0, "")
    assert out.startswith("mine, sequences of 128 tokens\n")
    # 2 x 1000 x 64, and in two layers 4 x 64 x 64, 3 x 64 x 256 and 2 x 64; 64 at the end
    assert "\n  259,392 parameters" in out
    fields = [part for name, value in MINE.items() for part in ("--set", f"{name}={value}")]
    assert run(*fields) == (0, out.replace("mine,", "your model,"), "")


def test_a_field_is_changed_in_a_file_and_in_a_preset(run, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps({**MINE, "d_head": 16, "n_layers": 9}), encoding="utf-8")
    out = run("--config", path, "--set", "n_layers=2", "--set", "tied=true")[1]
    assert out.startswith("mine with n_layers=2, tied=true, sequences")
    assert "\n  195,392 parameters" in out  # 64,000 fewer
    # Llama 3 with Llama 2's heads: 24 more in 32 layers, 128 wide, keys and values, 4096 x 128 each
    more = 8_030_261_248 + 32 * 24 * 128 * 2 * 4096
    assert f"\n  {more:,} parameters" in run("--preset", "llama3-8b", "--set", "n_kv_heads=32")[1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "mine.json: Expecting property name"),
        ("[1]", "mine.json: it holds list; give an object of a shape's fields"),
        ("null", "mine.json: it holds NoneType"),
        ("[" * 100_000, "mine.json: it is nested too deep"),
        ("\xff", "mine.json: 'utf-8' codec can't decode"),
        (json.dumps({**MINE, "hidden_size": 64}), "mine.json: a shape has no field 'hidden_size'; the fields are: "),
        (json.dumps({**MINE, "n_heads": 5}), "d_model 64 is not divisible by 5 heads; give d_head"),
        (json.dumps({**MINE, "n_heads": 0}), "n_heads is 0; give a whole number of at least 1"),
        (json.dumps({**MINE, "n_heads": "4"}), "n_heads is '4'; give a whole number"),
        (json.dumps({**MINE, "d_model": 64.0}), "d_model is 64.0; give a whole number"),
        (json.dumps({**MINE, "norm": ["rms"]}), "norm is ['rms']; give one of: layer, rms"),
        (json.dumps({**MINE, "gated": None}), "gated is None; give true or false"),
        ('{"n_layers": 1, "n_layers": 2}', "'n_layers' is given twice; give it once"),
        ('{"vocab_size": %s}' % ("9" * 5000), "mine.json: a number has 5000 digits"),
    ],
)
def test_bad_input_file_of_a_model(run, tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(text.encode("latin-1"))
    code, out, err = run("--config", path)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_columns_stand_apart_however_large_the_numbers(run) -> None:
    code, out, _ = run("--preset", "llama3-8b", "--seq", 10**8, "--batch", 10**6)
    assert code == 0
    rows = [line.split() for line in out.splitlines() if line.startswith(("  DDP", "  ZeRO"))]
    assert {len(row) for row in rows} == {7}  # stage, checkpointed, state, activations, total, fits, largest


def test_a_file_that_a_windows_editor_wrote(run, tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(MINE), encoding="utf-8-sig")
    assert run("--config", path)[0] == 0


def test_bad_input_two_models(run, tmp_path: Path) -> None:
    (tmp_path / "mine.json").write_text(json.dumps(MINE), encoding="utf-8")
    assert "are two models: give one" in run("--preset", "gpt2", "--config", tmp_path / "mine.json")[2]
    assert "is a directory" in run("--config", tmp_path)[2]


@pytest.mark.parametrize(("optimizer", "bytes_each"), [("adamw", 16), ("momentum", 12), ("sgd", 8)])
def test_state_by_optimizer(run, optimizer: str, bytes_each: int) -> None:
    out = run("--preset", "llama2-7b", "--optimizer", optimizer)[1]
    state = next(line.split()[2] for line in out.splitlines() if line.startswith("  DDP"))
    assert state == f"{6_738_415_616 * bytes_each / 1e9:.1f}"


@pytest.mark.parametrize(
    ("tokens", "time"), [("1e6", "seconds"), ("1e8", "minutes"), ("1e10", "hours"), ("1e12", "days")]
)
def test_time_in_a_unit_that_suits_it(run, tokens: str, time: str) -> None:
    out = run("--preset", "gpt2", "--tokens", tokens)[1]
    count, unit = re.search(r"^  ([\d.,]+) (\w+) on 1 x", out, re.MULTILINE).groups()
    assert unit == time
    assert float(count.replace(",", "")) > 0


def test_plain_attention_takes_more(run) -> None:
    def kept(*more: str) -> float:
        out = run("--preset", "gpt2", *more)[1]
        return float(next(line.split()[3] for line in out.splitlines() if line.startswith("  DDP")))

    # 12 layers x 12 heads x 1024 x 1024 scores of two bytes
    assert kept("--attention", "plain") - kept() == pytest.approx(0.302, abs=0.1)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "which model? Give --preset NAME, --config FILE or --set FIELD=VALUE for each field"),
        (
            ("--set", "d_model=64"),
            "the shape lacks vocab_size, n_layers, n_heads, d_ff, context_len; give vocab_size, ",
        ),
        (("--preset", "gpt2", "--set", "n_laers=2"), "no field 'n_laers'; did you mean 'n_layers'? the fields are: "),
        (("--preset", "gpt2", "--set", "n_layers"), "'n_layers' sets nothing; give FIELD=VALUE, such as n_layers=24"),
        (("--preset", "gpt2", "--set", "n_layers=many"), "n_layers is 'many'; give a whole number of at least 1"),
        (("--preset", "gpt2", "--set", "tied=1"), "tied is 1; give true or false"),
        (("--preset", "gpt2", "--set", "tied=true", "--set", "tied=false"), "names a field twice; give it once"),
        (("--preset", "gpt2", "--set", "d_ff=" + "9" * 40), "give 1000000000 at most"),
        (("--config", "nowhere.json"), "'nowhere.json' does not exist"),
        (("--preset", "gpt2", "--optimizer", "lion"), "'lion' is not one of 'adamw'"),
        (("--preset", "gtp2"), "'gtp2' is not one of 'gpt2'"),
        (("--preset", "gpt2", "--gpu", "h100"), "'h100' is not one of"),
        (("--preset", "gpt2", "--seq", "1025"), "seq 1025 is longer than the 1024 learned positions; give a shorter"),
        (("--preset", "gpt2", "--batch", "0"), "0 is not in the range 1<=x"),
        (("--preset", "gpt2", "--gpus", "1e3"), "'1e3' is not a valid integer"),
        (("--preset", "gpt2", "--mfu", "40"), "40.0 is not in the range 0.001<=x<=1"),
        (("--preset", "gpt2", "--mfu", "nan"), "nan is no finite number"),
        (("--preset", "gpt2", "--tokens", "nan"), "nan is no finite number; give one such as 15e12"),
        (("--preset", "gpt2", "--tokens", "inf"), "inf is not in the range 1<=x<=1e+18"),
        (("--preset", "gpt2", "--tokens", "1e300"), "1e+300 is not in the range 1<=x<=1e+18"),
        (("--preset", "gpt2", "--mfu", "1e-300"), "1e-300 is not in the range 0.001<=x<=1"),
        (("--preset", "gpt2", "--tokens", "15T"), "'15T' is not a valid float"),
    ],
)
def test_bad_input_is_one_line(run, args: tuple[str, ...], said: str) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert said in err
    assert err.startswith("lilllm: ")
    assert err.count("\n") == 1
    assert "--help" in err
