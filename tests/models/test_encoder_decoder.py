"""An encoder reads both ways; with a decoder that reads its memory it learns to copy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from lilllm.models import Encoder, EncoderDecoder, ModelConfig
from tests.models.configs import LEAST

POSITIONS = ["none", "learned", "sinusoidal", "rope", "alibi"]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def lively(kind: Callable[[ModelConfig], nn.Module], **options: Any) -> Any:
    model, draw = kind(ModelConfig(**LEAST, **options)).double(), seeded()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(1.0 if parameter.ndim == 1 else 0.0, parameter.shape[-1] ** -0.5, generator=draw)
    return model


def some_tokens(*shape: int, seed: int = 3) -> torch.Tensor:
    return torch.randint(40, shape, generator=seeded(seed))


@pytest.mark.parametrize("positions", POSITIONS)
def test_every_token_is_seen_by_every_other(positions: str) -> None:
    model, tokens = lively(Encoder, positions=positions), some_tokens(1, 6)
    with torch.no_grad():
        for at in range(6):
            other = tokens.clone()
            other[0, at] = (other[0, at] + 1) % 40
            assert ((model(other) - model(tokens)).abs().amax(-1) > 1e-6).all()


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_no_state(positions: str, side: str) -> None:
    model, tokens = lively(Encoder, positions=positions), some_tokens(2, 9)
    mask = torch.ones(2, 9, dtype=torch.long)
    kept = slice(4, 9) if side == "left" else slice(0, 5)
    mask[1] = 0
    mask[1, kept] = 1
    states = model(tokens, attention_mask=mask)
    assert states.isfinite().all()
    torch.testing.assert_close(states[:1], model(tokens[:1]), rtol=0, atol=1e-12)
    torch.testing.assert_close(states[1:, kept], model(tokens[1:, kept]), rtol=0, atol=1e-12)


def test_without_positions_order_is_unknown_and_with_them_it_is_not() -> None:
    tokens, order = some_tokens(1, 8), torch.tensor([3, 1, 7, 0, 2, 6, 5, 4])
    for positions in POSITIONS:
        model = lively(Encoder, positions=positions)
        same = torch.allclose(model(tokens[:, order]), model(tokens)[:, order], rtol=0, atol=1e-12)
        assert same == (positions == "none")


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_an_encoder_equals_a_stack_of_torchs(positions: str) -> None:
    """What surrounds the blocks (`test_block`): a table, positions on top that are not scaled, the norm at the end."""
    model, tokens = lively(Encoder, positions=positions, scale_embedding=True), some_tokens(2, 6)
    x = model.embed.weight[tokens] * 32**0.5
    rates = 10000.0 ** (-torch.arange(0, 32, 2).double() / 32)
    turns = torch.arange(6)[:, None] * rates
    sinusoids = torch.stack((turns.sin(), turns.cos()), -1).flatten(1).float()
    x = x + (sinusoids if positions == "sinusoidal" else model.positions.weight[:6])
    for block in model.blocks:
        x = block(x)
    torch.testing.assert_close(model(tokens), model.norm(x), rtol=0, atol=1e-9)


@pytest.mark.parametrize("place", ["pre", "post"])
def test_the_target_sees_its_past_and_all_of_the_source(place: str) -> None:
    model = lively(EncoderDecoder, norm_place=place, n_kv_heads=2)
    source, target = some_tokens(2, 5), some_tokens(2, 7, seed=4)
    logits = model(source, target)
    other = target.clone()
    other[:, 4:] = (other[:, 4:] + 1) % 40
    assert torch.equal(model(source, other)[:, :4], logits[:, :4])
    assert not torch.equal(model(source, other)[:, 4:], logits[:, 4:])
    for at in range(5):
        other = source.clone()
        other[:, at] = (other[:, at] + 1) % 40
        assert ((model(other, target) - logits).abs().amax(-1) > 1e-6).all()


def test_padding_of_source_and_target_changes_nothing() -> None:
    model = lively(EncoderDecoder)
    source, target = some_tokens(1, 5), some_tokens(1, 4, seed=4)
    filler = some_tokens(1, 3, seed=5)
    longer, mask = torch.cat((source, filler), 1), torch.tensor([[1] * 5 + [0] * 3])
    logits = model(source, target)
    torch.testing.assert_close(model(longer, target, source_mask=mask), logits, rtol=0, atol=1e-12)
    wider, target_mask = torch.cat((filler, target), 1), torch.tensor([[0] * 3 + [1] * 4])
    got = model(longer, wider, source_mask=mask, target_mask=target_mask)[:, 3:]
    torch.testing.assert_close(got, logits, rtol=0, atol=1e-12)
    following = some_tokens(1, 4, seed=6)
    expected = nn.functional.cross_entropy(logits[0], following[0])
    torch.testing.assert_close(model.loss(longer, target, following, source_mask=mask), expected)


def test_greedy_is_the_likeliest_of_the_logits() -> None:
    model, source = lively(EncoderDecoder), some_tokens(3, 5)
    mask = torch.tensor([[1] * 5, [1] * 3 + [0] * 2, [1] * 5])
    said = torch.full((3, 1), 7)
    for _ in range(6):
        said = torch.cat((said, model(source, said, source_mask=mask)[:, -1:].argmax(-1)), 1)
    assert torch.equal(model.greedy(source, 6, start=7, source_mask=mask), said[:, 1:])
    stop = int(said[0, 1])
    stopped = model.greedy(source[:1], 6, start=7, stop=stop, source_mask=mask[:1])
    assert torch.equal(stopped, said[:1, 1:2])


def test_one_table_for_source_target_and_output() -> None:
    model = EncoderDecoder(ModelConfig(**LEAST))
    assert model.encoder.embed is model.decoder.embed
    assert model.decoder.output is model.encoder.embed.weight
    twin = copy.deepcopy(model)
    assert twin.encoder.embed is twin.decoder.embed
    fresh = EncoderDecoder(ModelConfig(**LEAST))
    fresh.load_state_dict(model.state_dict())
    source, target = some_tokens(1, 5), some_tokens(1, 4)
    assert torch.equal(fresh(source, target), model(source, target))
    with torch.device("meta"):
        empty = EncoderDecoder(ModelConfig(**LEAST))
    empty = empty.to_empty(device="cpu")
    empty.initialise(seeded())
    assert torch.equal(empty(source, target), EncoderDecoder(ModelConfig(**LEAST), generator=seeded())(source, target))


def test_cross_attention_has_the_heads_of_the_config() -> None:
    """Shared keys and values, and heads that are wider than d_model / n_heads, in all three attentions alike."""
    model = EncoderDecoder(ModelConfig(**LEAST, n_kv_heads=2, d_head=16, qkv_bias=True))
    for block in (*model.encoder.blocks, *model.decoder.blocks):
        assert block.attention.qkv.weight.shape == ((4 + 2 * 2) * 16, 32)
    for block in model.decoder.blocks:
        assert (block.cross.q.weight.shape, block.cross.q.bias.shape) == ((4 * 16, 32), (4 * 16,))
        assert (block.cross.kv.weight.shape, block.cross.kv.bias.shape) == ((2 * 2 * 16, 32), (2 * 2 * 16,))
        assert (block.cross.out.weight.shape, block.cross.out.bias) == ((32, 4 * 16), None)


def test_cross_attention_begins_as_self_attention_does() -> None:
    """Its output is one of those that write to the stream; fused keys and values are two matrices to Glorot's rule."""
    sizes: dict[str, Any] = {"vocab_size": 9, "n_layers": 4, "d_model": 128, "n_heads": 4, "context_len": 8}
    gpt2 = EncoderDecoder(ModelConfig(**sizes, n_kv_heads=2), generator=seeded()).decoder.blocks
    glorot = EncoderDecoder(ModelConfig(**sizes, n_kv_heads=2, init="glorot"), generator=seeded()).decoder.blocks
    for block in gpt2:  # at least 16,384 numbers: their std is within 2.5 % at more than four sigmas
        assert block.cross.out.weight.std().item() == pytest.approx(0.02 / 8**0.5, rel=0.025)
        assert block.cross.q.weight.std().item() == pytest.approx(0.02, rel=0.025)
    for block in glorot:
        for matrix in (block.cross.q.weight, *block.cross.kv.weight.chunk(2), block.cross.out.weight):
            bound = (6 / sum(matrix.shape)) ** 0.5
            assert 0.99 * bound < matrix.abs().max() <= bound


def test_it_learns_to_copy() -> None:
    """Eight random letters, said back: only cross-attention that finds its place can; by chance one in 10^8 is."""
    config = ModelConfig(vocab_size=12, n_layers=1, d_model=32, n_heads=2, context_len=16, init="fan_in")
    config = replace(config, positions="sinusoidal", norm="layer")
    model, draw = EncoderDecoder(config, generator=seeded()), seeded(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    start, letters = 10, 8

    def batch(rows: int) -> torch.Tensor:
        return torch.randint(10, (rows, letters), generator=draw)

    for _ in range(300):
        source = batch(32)
        opened = torch.cat((source.new_full((len(source), 1), start), source[:, :-1]), 1)
        loss = model.loss(source, opened, source)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    source = batch(50)
    said = model.greedy(source, letters, start=start)
    assert (said == source).all(1).float().mean() > 0.9
