"""`lilllm generate`."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

import pytest
import torch

from lilllm import __main__ as program
from lilllm import inference
from lilllm.commands.speaking import harmless
from lilllm.models import Decoder, ModelConfig, export
from lilllm.tokenizers import ByteTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of bytes, mostly of letters."""
    config = ModelConfig(vocab_size=257, n_layers=3, d_model=16, n_heads=2, context_len=64)
    model = Decoder(config, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(12)
    path = tmp_path_factory.mktemp("checkpoint") / "small"
    export(model, path)
    ByteTokenizer(["<|endoftext|>"]).save(path / "tokenizer.json")
    return path


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], folder: Path):
    """Run the program; (exit code, stdout, stderr)."""

    def call(*args: object, model: object = folder) -> tuple[object, str, str]:
        with pytest.raises(SystemExit) as end:
            program.main(["generate", *map(str, args), "--model", str(model)])
        out = capsys.readouterr()
        return end.value.code, out.out, out.err

    return call


@pytest.fixture
def speaker(folder: Path) -> inference.Speaker:
    return inference.load(folder)


def test_it_goes_on_with_a_text_streamed_or_not(run, speaker: inference.Speaker) -> None:
    wanted = "Once" + speaker.write("Once", max_new=20, seed=1, temperature=0.7, top_p=0.9)
    given = ("Once", "--seed", 1, "--max-new", 20, "--temperature", 0.7, "--top-p", 0.9)
    code, out, err = run(*given)
    assert (code, out) == (0, harmless(wanted) + "\n")
    assert "(ended after 20 tokens; --max-new asks for more)" in err
    assert run(*given, "--no-stream")[1] == out
    assert run(*given, "--no-echo", "--raw")[1] == wanted[4:] + "\n"


def test_several_answers_are_drawn_each_with_a_seed_of_its_own(run) -> None:
    code, out, _ = run("Once", "--n", 3, "--seed", 7, "--max-new", 8)
    parts = re.split(r"^--- (\d) of 3, seed (\d+)\n", out, flags=re.MULTILINE)
    assert (code, parts[1::3], parts[2::3]) == (0, ["1", "2", "3"], ["7", "8", "9"])
    assert parts[6] == run("Once", "--seed", 8, "--max-new", 8)[1]


def test_without_a_seed_each_call_draws_anew_and_says_with_what(run) -> None:
    one, other = (json.loads(run("Once", "--json", "--max-new", 30)[1]) for _ in range(2))
    assert one["seed"] != other["seed"]
    again = json.loads(run("Once", "--json", "--max-new", 30, "--seed", one["seed"])[1])
    assert again == one


def test_json_holds_all_there_is_to_know(run, speaker: inference.Speaker) -> None:
    code, out, err = run("Once", "--json", "--n", 2, "--seed", 3, "--max-new", 5, "--temperature", 2)
    rows = [json.loads(line) for line in out.splitlines()]
    assert (code, err, len(rows)) == (0, "", 2)
    for number, row in enumerate(rows):
        talk = speaker.stream("Once", max_new=5, seed=3 + number, temperature=2.0)
        assert row["text"] == "".join(talk)
        assert (row["tokens"], row["logprobs"]) == (talk.tokens, talk.logprobs)
        assert (row["prompt"], row["ended"], row["full"]) == ("Once", talk.ended, False)


def test_logprobs_list_each_token_and_their_sum(run, speaker: inference.Speaker) -> None:
    _, out, _ = run("Once", "--seed", 1, "--max-new", 4, "--logprobs")
    talk = speaker.stream("Once", max_new=4, seed=1, temperature=0.8)
    list(talk)
    lines = out.splitlines()[-len(talk.tokens) - 1 :]
    for line, step in zip(lines, talk.steps, strict=False):
        assert line.startswith(f"{step.logprob:8.3f}  {speaker.text_of(step.token)!r}")
        assert f"{speaker.text_of(step.candidates[0][0])!r} {step.candidates[0][1]:.0%}" in line
    assert lines[-1].split()[0] == f"{sum(talk.logprobs):.3f}"


def test_stop_strings_and_the_end_of_the_context(run, speaker: inference.Speaker) -> None:
    talks = ((seed, speaker.stream("Once", max_new=500, seed=seed, temperature=0.8)) for seed in range(50))
    seed = next(seed for seed, talk in talks if "".join(talk) and talk.full)
    _, out, err = run("Once", "--seed", seed, "--max-new", 500, "--raw")
    assert "context of 64 tokens is full" in err
    letter = next(each for each in out[4:] if each.isprintable())
    assert (
        run("Once", "--seed", seed, "--max-new", 500, "--raw", "--stop", letter)[1]
        == out[: out.index(letter, 4)] + "\n"
    )


def test_beams(run, speaker: inference.Speaker) -> None:
    _, out, _ = run("Once", "--beams", 3, "--n", 2, "--max-new", 4, "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    wanted = inference.beam_search(speaker.model, list(b"Once"), width=3, max_new=4, stop_ids=speaker.ends, limit=257)
    assert [row["tokens"] for row in rows] == [beam.tokens for beam in wanted[:2]]
    assert run("Once", "--beams", 2, "--n", 2, "--max-new", 4)[1].count("log-probability") == 2


def test_a_prompt_from_standard_input_and_none(run, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ("--seed", 1, "--max-new", 5, "--raw")
    for data, prompt in [("Zoë 🌍\n", "Zoë 🌍"), ("a\n\n", "a\n")]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data.encode())))
        assert run("-", *given)[1] == run(prompt, *given)[1]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a\xff")))
    assert run("-")[2] == (
        "lilllm: standard input is not UTF-8 at byte 1; convert the prompt first (see lilllm generate --help)\n"
    )
    assert run(*given)[0] == 0


def test_what_a_terminal_would_act_on_is_written_out(run) -> None:
    _, out, _ = run("a\x1b[31mb\u202ec\td\re", "--max-new", 1)
    assert out.startswith("a\\x1b[31mb\\u202ec\td\\re")
    text = "👩‍👩‍👧 é\n\tשלום \x9b \x7f \u2066"
    assert harmless(text) == "👩‍👩‍👧 é\n\tשלום \\x9b \\x7f \\u2066"
    assert harmless("\ud800") == "\\ud800"


def test_a_terminal_without_unicode_gets_what_it_can_show(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(buffer, encoding="ascii"))
    with pytest.raises(SystemExit):
        program.main(["generate", "Zoë", "--max-new", "1", "--model", str(folder)])
    sys.stdout.flush()
    assert buffer.getvalue().startswith(b"Zo\\xeb")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("x" * 65,), "the prompt has 65 tokens, and the context of small is 64"),
        (("a", "--temperature", -1), "temperature is -1.0; give a number of at least 0"),
        (("a", "--top-k", 0), "top_k is 0"),
        (("a", "--top-p", 1.5), "top_p is 1.5"),
        (("a", "--top-p", 0.5, "--factual"), "give one of the two"),
        (("a", "--min-p", -0.5), "min_p is -0.5"),
        (("a", "--repetition-penalty", 0), "repetition_penalty is 0.0"),
        (("a", "--max-new", 0), "'--max-new'"),
        (("a", "--n", 0), "'--n'"),
        (("a", "--seed", -1), "'--seed'"),
        (("a", "--stop", ""), "a stop string is empty"),
        (("a", "--beams", 1, "--n", 2), "finds no more than 1"),
        (("a", "--dola"), "no low layer of 3 is left"),
        (("a", "--beams", "2", "--temperature", "0.5"), "draws nothing; leave out --temperature, or --beams"),
        (("a", "--beams", "2", "--seed", "1", "--top-k", "3", "--stop", "x"), "leave out --top-k, --seed, --stop"),
        (("a", "--device", "nowhere"), "device is 'nowhere', which torch cannot use here"),
    ],
)
def test_bad_input_is_one_line(run, args, words: str) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert words in err
    assert err.count("\n") == 1


def test_bad_input_a_run_that_is_not_there_is_not_asked_of_the_hub(run, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "run.json").write_text("{}")
    code, _, err = run("a", model=tmp_path / "nope")
    assert code == 2
    assert f"of runs there are: {tmp_path / 'mine'}" in err


def test_bad_input_models_that_are_not_there(run, tmp_path: Path) -> None:
    for model, words in [(tmp_path, "neither a run"), (tmp_path / "x", "there is no folder"), ("a/b/c", "no folder")]:
        code, _, err = run("a", model=model)
        assert code == 2
        assert words in err
