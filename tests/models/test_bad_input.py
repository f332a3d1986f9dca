"""What a model is not for, it says in words."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lilllm.models import Decoder, Encoder, EncoderDecoder, ModelConfig
from tests.models.configs import LEAST

TOKENS = torch.zeros(2, 6, dtype=torch.long)


def model(**options: Any) -> Decoder:
    return Decoder(ModelConfig(**{**LEAST, **options}))


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (torch.zeros(6, dtype=torch.long), r"tokens are \(6,\); give \(batch, length\), such as tokens\[None\]"),
        ([[1, 2]], r"tokens are a list; give a tensor, such as torch\.tensor"),
        (TOKENS.numpy(), "tokens are a ndarray; give a tensor"),
        (torch.zeros(2, 6), "tokens are torch.float32; give whole numbers, int64 or int32"),
        (torch.zeros(2, 6, dtype=torch.bool), "tokens are torch.bool; give whole numbers"),
        (torch.zeros(2, 0, dtype=torch.long), r"tokens are \(2, 0\); give one at least"),
        (TOKENS + 40, "token 40 is not in the vocabulary of 40; give 0 to 39"),
        (TOKENS - 1, "token -1 is not in the vocabulary of 40"),
    ],
)
def test_bad_input_tokens(tokens: Any, said: str) -> None:
    for one in (model(), Encoder(ModelConfig(**LEAST))):
        with pytest.raises(ValueError, match=said):
            one(tokens)


@pytest.mark.parametrize("config", ["liltown", LEAST])
@pytest.mark.parametrize("kind", [Decoder, Encoder, EncoderDecoder])
def test_bad_input_what_is_no_config(config: Any, kind: Any) -> None:
    with pytest.raises(ValueError, match=r"config is a (str|dict); give a ModelConfig: preset\('liltown'\), or"):
        kind(config)


def test_bad_input_too_long_for_learned_positions() -> None:
    said = "25 tokens are longer than the 24 learned positions; give fewer"
    tokens = torch.zeros(1, 25, dtype=torch.long)
    learned = model(positions="learned")
    with pytest.raises(ValueError, match=said):
        learned(tokens)
    with pytest.raises(ValueError, match=said):
        learned.greedy(tokens[:, :5], 21)
    cache = learned.new_cache(1, 100)
    with torch.no_grad():
        learned(tokens[:, :24], cache=cache)
        with pytest.raises(ValueError, match=said):
            learned(tokens[:, :1], cache=cache)
    with pytest.raises(ValueError, match="position 24 is not among the 24 learned ones"):
        learned(tokens[:, :1], positions=torch.tensor([24]))
    assert model()(tokens).shape == (1, 25, 40)  # RoPE has no table that could end


@pytest.mark.parametrize("positions", [torch.arange(5), torch.arange(6)[None].expand(3, 6), torch.arange(6.0)])
def test_bad_input_positions(positions: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"positions are .*; give whole numbers, \(6,\) or \(2, 6\)"):
        model()(TOKENS, positions=positions)


def test_bad_input_negative_positions() -> None:
    with pytest.raises(ValueError, match="position -1 is below 0"):
        model(positions="sinusoidal")(TOKENS, positions=torch.arange(6) - 1)


def test_bad_input_a_full_cache() -> None:
    one = model()
    cache = one.new_cache(2, 8)
    with torch.no_grad():
        one(TOKENS, cache=cache)
        with pytest.raises(ValueError, match="the cache is full"):
            one(TOKENS, cache=cache)
        assert cache.length == 6  # and nothing was added
        with pytest.raises(ValueError, match="cache"):
            one(TOKENS[:1, :1], cache=cache)


def test_bad_input_masks() -> None:
    one = model()
    with pytest.raises(ValueError, match=r"attention_mask is \(2, 5\); give \(2, 6\): a row for each sequence"):
        one(TOKENS, attention_mask=torch.ones(2, 5))
    with pytest.raises(ValueError, match=r"attention_mask is torch.float32; give truth values or whole numbers"):
        one(TOKENS, attention_mask=torch.ones(2, 6))
    for wrong in (7, -1):
        with pytest.raises(ValueError, match=f"attention_mask holds {wrong}; give 1 for real tokens, 0 for padding"):
            one(TOKENS, attention_mask=torch.where(torch.arange(6) < 3, 1, wrong).expand(2, 6))
    with pytest.raises(ValueError, match=r"documents are \(2, 5\); give \(2, 6\), one for each token"):
        one(TOKENS, documents=TOKENS[:, 1:])
    with pytest.raises(ValueError, match="documents and a cache do not go together"):
        one(TOKENS, documents=TOKENS, cache=one.new_cache(2))
    with pytest.raises(ValueError, match="give padding a document of its own"):
        one(TOKENS, documents=TOKENS, attention_mask=torch.ones_like(TOKENS))


def test_bad_input_targets() -> None:
    one = model()
    with pytest.raises(ValueError, match=r"targets are \(2, 5\) and tokens \(2, 6\); give one for each"):
        one.loss(TOKENS, TOKENS[:, 1:])
    with pytest.raises(ValueError, match=r"targets are torch\.float32; give whole numbers"):
        one.loss(TOKENS, TOKENS.float())
    with pytest.raises(ValueError, match="target 40 is not in the vocabulary of 40; give 0 to 39, or -100"):
        one.loss(TOKENS, TOKENS + 40)
    with pytest.raises(ValueError, match="target -100 is not in the vocabulary of 40; give 0 to 39, or 0 for"):
        one.loss(TOKENS, TOKENS - 100, ignore_index=0)


def test_bad_input_greedy() -> None:
    one = model()
    with pytest.raises(ValueError, match="n is 0; give how many tokens to add, at least 1"):
        one.greedy(TOKENS, 0)
    for stop in (-1, 40):
        with pytest.raises(ValueError, match=f"stop is {stop}, which is not in the vocabulary of 40"):
            one.greedy(TOKENS, 2, stop=stop)
    random = model(dropout=0.1)
    with pytest.raises(ValueError, match=r"in training dropout 0\.1 is drawn, also here; call model\.eval\(\) first"):
        random.greedy(TOKENS, 2)
    assert random.eval().greedy(TOKENS, 2).shape == (2, 8)
    mask = torch.ones_like(TOKENS)
    mask[1, -1] = 0
    with pytest.raises(ValueError, match="pad on the left"):
        one.greedy(TOKENS, 2, attention_mask=mask)


def test_bad_input_memory() -> None:
    with pytest.raises(ValueError, match="has no cross-attention"):
        model()(TOKENS, memory=torch.zeros(2, 3, 32))
    with pytest.raises(ValueError, match="reads a memory; give it"):
        Decoder(ModelConfig(**LEAST), cross=True)(TOKENS)


def test_bad_input_an_encoder_has_no_window() -> None:
    with pytest.raises(ValueError, match="window 4 looks back only, and an encoder looks both ways; leave it out"):
        Encoder(ModelConfig(**LEAST, window=4))
