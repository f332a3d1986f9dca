"""`lilllm generate`: let a model go on with a text."""

from __future__ import annotations

import json
import secrets
import sys
from typing import TYPE_CHECKING, Any

import click

from lilllm.commands.speaking import SAMPLER, harmless, in_one_line, note, open_speaker, show, speaking

if TYPE_CHECKING:
    from lilllm.inference import Speaker, Talk


@click.command(name="generate")
@click.argument("prompt", required=False, default="")
@speaking
@click.option("--n", "n", type=click.IntRange(1, 10_000), default=1, show_default=True, help="How many answers.")
@click.option("--stop", multiple=True, metavar="TEXT", help="End where this would come; may be given again.")
@click.option("--beams", type=click.IntRange(1, 1000), metavar="WIDTH", help="Beam search, which draws nothing.")
@click.option("--stream/--no-stream", default=True, show_default=True, help="Show text as it comes.")
@click.option("--echo/--no-echo", default=True, show_default=True, help="Show the prompt before the answer.")
@click.option("--logprobs", is_flag=True, help="Then list each token with its log-probability and the likeliest.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an answer, and nothing else.")
@click.option("--raw", is_flag=True, help="Leave control characters in.")
def command(
    prompt: str,
    model: str | None,
    device: str | None,
    max_new: int,
    seed: int | None,
    n: int,
    stop: tuple[str, ...],
    beams: int | None,
    stream: bool,
    echo: bool,
    logprobs: bool,
    as_json: bool,
    raw: bool,
    **sampler: Any,
) -> None:
    """Go on with PROMPT; - reads it from standard input, and without one a new text begins.

    \b
    lilllm generate "Once" --n 3 --temperature 0.8 --top-p 0.9 --seed 1
    lilllm generate "Once" --model runs/mine --max-new 50 --no-stream
    lilllm generate - --json < prompt.txt

    Answer i of a seed S is drawn with S + i - 1, however many are asked for.
    """
    assert set(sampler) == set(SAMPLER)
    with in_one_line():
        if prompt == "-":
            prompt = _stdin()
        speaker = open_speaker(model, device)
        plain = (lambda text: text) if raw else harmless
        if beams is not None:
            _refuse_drawing(stop, logprobs)
            _beams(speaker, prompt, beams, n, max_new, echo, plain, as_json)
            return
        first = secrets.randbelow(2**32) if seed is None else seed
        for number in range(n):
            talk = speaker.stream(prompt, max_new=max_new, stop=stop, seed=first + number, **sampler)
            if as_json:
                _json(prompt, talk)
                continue
            if n > 1:
                show(f"--- {number + 1} of {n}, seed {first + number}\n")
            _write(talk, prompt if echo else "", stream, plain)
            if logprobs:
                _table(speaker, talk)
            if talk.full:
                note(f"the model's context of {speaker.context_len} tokens is full")
            elif talk.ended == "length":
                note(f"ended after {max_new} tokens; --max-new asks for more")


def _refuse_drawing(stop: tuple[str, ...], logprobs: bool) -> None:
    """Options that a search has no use for, which would be ignored."""
    typed = click.get_current_context().get_parameter_source
    useless = [name for name in (*SAMPLER, "seed") if typed(name) is click.core.ParameterSource.COMMANDLINE]
    useless += ["stop"] * bool(stop) + ["logprobs"] * logprobs
    if useless:
        options = ", ".join("--" + name.replace("_", "-") for name in useless)
        raise ValueError(f"--beams finds the likeliest answer and draws nothing; leave out {options}, or --beams")


def _stdin() -> str:
    try:
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"standard input is not UTF-8 at byte {error.start}; convert the prompt first") from None


def _write(talk: Talk, before: str, stream: bool, plain: Any) -> None:
    if stream:
        show(plain(before))
        for piece in talk:
            show(plain(piece))
        show("\n")
    else:
        show(plain(before + "".join(talk)) + "\n")


def _table(speaker: Speaker, talk: Talk) -> None:
    """A line for each token: its log-probability, the token, and what else was likely."""
    for step in talk.steps:
        others = ", ".join(f"{speaker.text_of(token)!r} {chance:.0%}" for token, chance in step.candidates)
        show(f"{step.logprob:8.3f}  {speaker.text_of(step.token)!r:16s}  {others}\n")
    total = sum(talk.logprobs)
    show(f"{total:8.3f}  in all, {total / max(1, len(talk.steps)):.3f} a token\n")


def _json(prompt: str, talk: Talk) -> None:
    text = "".join(talk)
    said = {
        "prompt": prompt,
        "text": text,
        "tokens": talk.tokens,
        "logprobs": talk.logprobs,
        "ended": talk.ended,
        "full": talk.full,
        "seed": talk.seed,
    }
    show(json.dumps(said) + "\n")


def _beams(
    speaker: Speaker, prompt: str, width: int, n: int, max_new: int, echo: bool, plain: Any, as_json: bool
) -> None:
    from lilllm.inference import beam_search

    if n > width:
        raise ValueError(f"--n is {n} and --beams {width}; a search of that width finds no more than {width}")
    tokens = speaker.encode(prompt)
    limit = speaker.tokenizer.vocab_size
    found = beam_search(speaker.model, tokens, width=width, max_new=max_new, stop_ids=speaker.ends, limit=limit)
    for number, beam in enumerate(found[:n], 1):
        text = speaker.tokenizer.decode([token for token in beam.tokens if token not in speaker.ends])
        if as_json:
            show(json.dumps({"prompt": prompt, "text": text, "tokens": beam.tokens, "logprob": beam.logprob}) + "\n")
            continue
        if n > 1:
            show(f"--- {number} of {n}, log-probability {beam.logprob:.3f}\n")
        show(plain((prompt if echo else "") + text) + "\n")
