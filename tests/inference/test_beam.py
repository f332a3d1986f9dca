"""Beam search against every answer there is, and against transformers'."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
import torch
import transformers

from lilllm.inference import GREEDY, Beam, beam_search, generate
from lilllm.models import Decoder, export
from tests.inference.decoding import decoder

PROMPT = [1, 2, 3]


def every_answer(model: Decoder, longest: int, stops: set[int], penalty: float) -> list[tuple[float, list[int]]]:
    """Score and tokens of all answers: those of ``longest`` tokens, and those that a stop ends before."""
    every = list(itertools.product(range(model.config.vocab_size), repeat=longest))
    text = torch.tensor([PROMPT + list(tokens) for tokens in every])
    with torch.no_grad():
        scores = model(text).double().log_softmax(-1)[:, len(PROMPT) - 1 : -1]
    totals = scores.gather(-1, text[:, len(PROMPT) :, None]).squeeze(-1).cumsum(-1)
    found: dict[tuple[int, ...], float] = {}
    for tokens, total in zip(every, totals.tolist(), strict=True):
        at = next((i + 1 for i, token in enumerate(tokens) if token in stops), longest)
        found[tokens[:at]] = total[at - 1]
    return sorted(((total / len(answer) ** penalty, list(answer)) for answer, total in found.items()), reverse=True)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("stops", [set(), {2}, {0, 4}])
def test_at_full_width_it_finds_the_best_of_all(stops: set[int], penalty: float) -> None:
    model = decoder(vocab_size=5, seed=len(stops))
    wanted = every_answer(model, 3, stops, penalty)
    found = beam_search(model, PROMPT, width=125, max_new=3, length_penalty=penalty, stop_ids=stops)
    assert len(found) == len(wanted)
    for beam, (score, tokens) in zip(found, wanted, strict=True):
        assert beam.tokens == tokens
        assert beam.score == pytest.approx(score, abs=1e-4)
        assert beam.logprob == pytest.approx(beam.score * len(tokens) ** penalty, abs=1e-6)
        assert beam.stopped == (tokens[-1] in stops)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Decoder, transformers.PreTrainedModel]:
    model = decoder()
    folder: Path = tmp_path_factory.mktemp("theirs")
    export(model, folder)
    return model, transformers.AutoModelForCausalLM.from_pretrained(folder).eval()


@pytest.mark.parametrize("penalty", [0.0, 1.0, 1.5])
@pytest.mark.parametrize("width", [2, 3, 5])
@pytest.mark.parametrize("stops", [[], [7], list(range(0, 40, 2))])
def test_equal_to_transformers(both, stops: list[int], width: int, penalty: float) -> None:
    model, hf = both
    for first in (1, 11, 30):
        prompt = [first, 2, 3]
        theirs = hf.generate(
            torch.tensor([prompt]),
            attention_mask=torch.ones(1, 3),
            max_new_tokens=8,
            num_beams=width,
            num_return_sequences=width,
            do_sample=False,
            early_stopping="never",
            length_penalty=penalty,
            eos_token_id=stops or None,
            pad_token_id=39,
            return_dict_in_generate=True,
            output_scores=True,
        )
        found = beam_search(model, prompt, width=width, max_new=8, length_penalty=penalty, stop_ids=stops)
        for beam, tokens, score in zip(found, theirs.sequences.tolist(), theirs.sequences_scores.tolist(), strict=True):
            assert beam.stopped == (beam.tokens[-1] in stops)
            assert beam.tokens == tokens[3 : 3 + len(beam.tokens)]
            assert beam.stopped or len(beam.tokens) == 8
            assert beam.score == pytest.approx(score, abs=1e-4)


def to_the_end(
    model: Decoder, prompt: list[int], width: int, longest: int, penalty: float, stops: set[int]
) -> list[list[int]]:
    """The same search, no cache, and never broken off before ``longest`` tokens."""
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    done: list[tuple[float, list[int]]] = []
    for length in range(1, longest + 1):
        with torch.no_grad():
            scores = model(torch.tensor([prompt + said for _, said in live]))[:, -1].double().log_softmax(-1).tolist()
        every = [
            (total + score, [*said, token])
            for (total, said), row in zip(live, scores, strict=True)
            for token, score in enumerate(row)
        ]
        every.sort(reverse=True)
        done += [(t / length**penalty, said) for t, said in every[:width] if said[-1] in stops or length == longest]
        live = [(t, said) for t, said in every if said[-1] not in stops][:width]
    return [said for _, said in sorted(done, reverse=True)[:width]]


@pytest.mark.parametrize("seed", [1, 3, 5])
@pytest.mark.parametrize(("width", "penalty", "n_stops"), [(2, 1.0, 6), (3, 0.0, 6), (4, 0.0, 1), (4, 2.0, 3)])
def test_it_ends_early_only_where_nothing_better_can_come(seed: int, width: int, penalty: float, n_stops: int) -> None:
    model, stops = decoder(vocab_size=12, n_layers=1, seed=seed), set(range(n_stops))
    for prompt in ([1, 2, 3], [4], [7, 5]):
        found = beam_search(model, prompt, width=width, max_new=8, length_penalty=penalty, stop_ids=stops)
        assert [beam.tokens for beam in found] == to_the_end(model, prompt, width, 8, penalty, stops)


def test_width_1_is_greedy_and_wider_is_likelier() -> None:
    model = decoder(seed=3)
    (greedy,) = generate(model, [PROMPT], max_new=10, sampler=GREEDY)
    (one,) = beam_search(model, PROMPT, width=1, max_new=10)
    assert one.tokens == greedy.tokens
    assert one.logprob == pytest.approx(sum(greedy.logprobs), abs=1e-3)
    assert beam_search(model, PROMPT, width=16, max_new=10)[0].logprob >= one.logprob


def test_it_ends_where_the_context_does_and_leaves_out_what_is_no_token() -> None:
    model = decoder(context_len=6)
    found = beam_search(model, PROMPT, width=3, max_new=50, limit=10)
    assert {len(beam.tokens) for beam in found} == {4}
    assert all(token < 10 for beam in found for token in beam.tokens)
    assert isinstance(found[0], Beam)
    assert not found[0].stopped
    text = torch.tensor([PROMPT + found[0].tokens])
    with torch.no_grad():  # of all tokens, also those that are none of the tokenizer's
        scores = model(text[:, :6]).log_softmax(-1)[0, 2:].gather(-1, text[0, 3:, None])
    assert found[0].logprob == pytest.approx(float(scores.sum()), abs=1e-3)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"width": 0, "max_new": 1}, "width is 0"),
        ({"width": 1, "max_new": 0}, "max_new is 0"),
        ({"width": 1.5, "max_new": 1}, r"width is 1\.5; give a whole number"),
        ({"width": 2, "max_new": 2.5}, r"max_new is 2\.5"),
        ({"width": 2, "max_new": 2, "length_penalty": "a"}, "length_penalty is 'a'"),
        ({"width": 1, "max_new": 1, "length_penalty": -1}, "length_penalty is -1"),
        ({"width": 1, "max_new": 1, "length_penalty": math.nan}, "length_penalty is nan"),
        (
            {"width": 2, "max_new": 2, "length_penalty": 1e6},
            r"length_penalty is 1000000\.0; give a number from 0 to 10",
        ),
        ({"width": 1, "max_new": 1, "stop_ids": [99]}, "stop_ids: token 99"),
    ],
)
def test_bad_input_is_said_in_words(given, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        beam_search(decoder(), PROMPT, **given)
    broken = decoder()
    with torch.no_grad():
        broken.norm.weight.fill_(math.nan)
    with pytest.raises(ValueError, match="NaN"):
        beam_search(broken, PROMPT, width=2, max_new=2)
