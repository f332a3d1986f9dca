"""`lilllm chat`: lines in, answers out, in a pipe and in a real terminal."""

from __future__ import annotations

import io
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from lilllm import __main__ as program
from lilllm import inference
from lilllm.commands import chat
from lilllm.models import Decoder, ModelConfig, export
from lilllm.tokenizers import ByteTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = ModelConfig(vocab_size=257, n_layers=3, d_model=16, n_heads=2, context_len=128)
    model = Decoder(config, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.embed.weight[: ord("a")] -= 1  # letters are likelier than what steers a terminal, no more than that
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(12)
    path = tmp_path_factory.mktemp("checkpoint") / "small"
    export(model, path)
    ByteTokenizer(["<|endoftext|>"]).save(path / "tokenizer.json")
    return path


@pytest.fixture
def talk(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, folder: Path):
    """Say lines to the program; (exit code, stdout, stderr)."""

    def call(*lines: str, args: tuple[object, ...] = ("--seed", 1, "--max-new", 8)) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "stdin", io.StringIO("".join(line + "\n" for line in lines)))
        with pytest.raises(SystemExit) as end:
            program.main(["chat", "--model", str(folder), *map(str, args)])
        out = capsys.readouterr()
        return end.value.code, out.out, out.err

    return call


def test_answers_are_those_of_a_conversation_with_seeds_that_count_up(talk, folder: Path) -> None:
    code, out, err = talk("Hello", "", "   ", "and you?")
    wanted = inference.Conversation(inference.load(folder))
    said = [
        "".join(wanted.ask(line, max_new=8, seed=seed, temperature=0.8))
        for line, seed in [("Hello", 1), ("and you?", 2)]
    ]
    assert (code, out) == (0, "".join(chat.harmless(each) + "\n" for each in said))
    assert "context of 128 tokens, template plain" in err
    assert "was not taught to answer" in err


def test_what_can_be_typed(talk, folder: Path, tmp_path: Path) -> None:
    _, out, err = talk(
        "/help",
        "/temperature 0",
        "one",
        "/reset",
        "/seed 5",
        "one",
        "/seed",
        "/template qa",
        f"/model {folder}",
        "/nothing",
        "/temperature x",
        "/temperature -2",
        "/seed -1",
        "/template novel",
        f"/model {tmp_path}",
        "/quit",
        "never asked",
    )
    first, second = out.split("\n")[:2]
    assert first == second  # at temperature 0, and nothing was remembered
    assert len(out.splitlines()) == 2
    for words in (
        "/quit               leave",
        "(temperature 0)",
        "(seed 5)",
        "(another seed each time)",
        "a new conversation with small, template qa",
        "there is no /nothing",
        "'x' is no temperature",
        "temperature is -2.0",
        "'-1' is no seed",
        "there is no template 'novel'",
        "neither a run",
    ):
        assert words in err


def test_the_oldest_turns_are_forgotten_and_that_is_said(talk) -> None:
    code, out, err = talk(*["word " * 8] * 8, "x" * 200, "end", args=("--max-new", 4, "--temperature", 0))
    assert code == 0
    assert "turns are forgotten" in err
    assert "say it in fewer words" in err
    assert len(out.splitlines()) >= 9


def test_what_a_model_says_cannot_steer_the_terminal(talk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inference.Talk, "__next__", _says(["\x1b[2J", "a\x07", "\u202e"]))
    _, out, _ = talk("hi")
    assert out == "\\x1b[2Ja\\x07\\u202e\n"


def test_ctrl_c_stops_the_answer_and_not_the_program(talk, monkeypatch: pytest.MonkeyPatch) -> None:
    said = iter(["begun", KeyboardInterrupt(), "second", None])

    def next_piece(self: object) -> str:
        piece = next(said)
        if piece is None:
            raise StopIteration
        if isinstance(piece, KeyboardInterrupt):
            raise piece
        return piece

    monkeypatch.setattr(inference.Talk, "__next__", next_piece)
    code, out, err = talk("one", "two")
    assert (code, out) == (0, "begun\nsecond\n")
    assert "(stopped)" in err


def test_broken_weights_are_told_and_the_program_goes_on(talk, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(self: object) -> str:
        raise ValueError("the logits hold NaN")

    monkeypatch.setattr(inference.Talk, "__next__", fails)
    code, _, err = talk("one", "two")
    assert code == 0
    assert err.count("the logits hold NaN") == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--temperature", -1), "temperature is -1.0"),
        (("--template", "novel"), "there is no template 'novel'"),
        (("--template", "chatml"), "has no tokens <|im_start|>"),
        (("--top-k", 0), "top_k is 0"),
    ],
)
def test_bad_input_is_one_line_before_the_first_question(talk, args, words: str) -> None:
    code, out, err = talk("hi", args=args)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert words in err


def _says(pieces: list[str]):
    left = list(pieces)

    def next_piece(self: object) -> str:
        if not left:
            raise StopIteration
        return left.pop(0)

    return next_piece


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal")
def test_in_a_real_terminal_ctrl_c_and_ctrl_d_do_what_they_should(folder: Path) -> None:
    here, there = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lilllm", "chat", "--model", str(folder), "--max-new", "100000", "--seed", "1"],
        stdin=there,
        stdout=there,
        stderr=there,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": str(Path(chat.__file__).parents[2]), "TERM": "dumb"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a CI shell may have it ignored
    )
    os.close(there)
    seen = b""

    def wait_for(words: bytes, seconds: float = 120) -> None:
        nonlocal seen
        end = time.monotonic() + seconds
        while words not in seen:
            ready, _, _ = select.select([here], [], [], max(0, end - time.monotonic()))
            assert ready, seen
            seen += os.read(here, 4096)
        seen = seen[seen.index(words) + len(words) :]

    try:
        wait_for(b"> ")
        time.sleep(0.5)  # the prompt is there a moment before Python waits for a line, and a signal between is not seen
        os.kill(process.pid, signal.SIGINT)
        wait_for(b"Ctrl-D or /quit to leave")
        wait_for(b"> ")
        os.write(here, b"hello\n")
        wait_for(b"hello")
        wait_for(b"> ")
        os.write(here, b"\x04")
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(here)
