"""RoPE: numbers by hand, its properties, and transformers' Llama."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm.layers import LinearScaling, Llama3Scaling, attention_reference, rope

FP32 = {"atol": 1e-6, "rtol": 1e-5}  # two products and a sum of numbers about 1


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def cos_sin(positions, D, theta=10000.0, scaling=None):
    turn = rope.angles(torch.as_tensor(positions), D, theta, scaling)
    return turn.cos(), turn.sin()


def test_angles_by_hand():
    turn = rope.angles(torch.tensor([0, 3]), 8, theta=10000.0)
    torch.testing.assert_close(turn[1], torch.tensor([3.0, 0.3, 0.03, 0.003]))
    assert (turn[0] == 0).all()
    assert turn.dtype == torch.float32
    assert rope.angles(torch.zeros(2, 5, dtype=torch.long), 8).shape == (2, 5, 4)


def test_angles_are_exact_far_out():
    far = rope.angles(torch.tensor([100_003]), 4, theta=10000.0)[0]
    assert far[0].item() == 100_003  # bfloat16 would make it 100352


@pytest.mark.parametrize("turn_by", [rope.rotate, rope.rotate_pairs])
def test_a_quarter_turn_by_hand(turn_by):
    x = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 4)
    cos, sin = (
        torch.tensor([[0.0, 1.0]]),
        torch.tensor([[1.0, 0.0]]),
    )  # the first pair by 90 degrees, the second by none
    expected = {"rotate": [-3.0, 2.0, 1.0, 4.0], "rotate_pairs": [-2.0, 1.0, 3.0, 4.0]}[turn_by.__name__]
    assert turn_by(x, cos, sin).flatten().tolist() == expected


@pytest.mark.parametrize("turn_by", [rope.rotate, rope.rotate_pairs])
def test_position_zero_is_the_identity_and_norms_are_kept(turn_by):
    x = drawn(2, 3, 5, 8)
    assert torch.equal(turn_by(x, *cos_sin([0] * 5, 8)), x)
    torch.testing.assert_close(turn_by(x, *cos_sin(range(5), 8)).norm(dim=-1), x.norm(dim=-1), **FP32)


def test_interleaved_pairs_are_complex_numbers_times_a_unit():
    """As Meta's code has it."""
    x, turn = drawn(2, 3, 5, 8), rope.angles(torch.arange(5), 8)
    z = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous()) * torch.polar(torch.ones_like(turn), turn)
    torch.testing.assert_close(rope.rotate_pairs(x, turn.cos(), turn.sin()), torch.view_as_real(z).flatten(-2), **FP32)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 500), st.integers(0, 500), st.integers(0, 500), st.sampled_from([rope.rotate, rope.rotate_pairs]))
def test_products_depend_on_the_distance_only(m, n, shift, turn_by):
    q, k = drawn(1, 1, 1, 16), drawn(1, 1, 1, 16, seed=1)
    here = (turn_by(q, *cos_sin([m], 16)) * turn_by(k, *cos_sin([n], 16))).sum()
    there = (turn_by(q, *cos_sin([m + shift], 16)) * turn_by(k, *cos_sin([n + shift], 16))).sum()
    # An angle of 1000 radians is known to 6e-5 / 2 in float32: times two turned vectors of length 4.
    torch.testing.assert_close(here, there, atol=16 * 6e-5, rtol=0)


def test_products_change_with_the_distance_and_its_sign():
    q, k = drawn(1, 1, 1, 16), drawn(1, 1, 1, 16, seed=1)
    at = [(rope.rotate(q, *cos_sin([5 + d], 16)) * rope.rotate(k, *cos_sin([5], 16))).sum().item() for d in (-3, 0, 3)]
    assert abs(at[0] - at[2]) > 0.1
    assert abs(at[1] - at[0]) > 0.1


def test_rows_may_have_positions_of_their_own():
    x = drawn(2, 3, 4, 8)
    positions = torch.tensor([[0, 1, 2, 3], [0, 0, 0, 1]])
    both = rope.rotate(x, *cos_sin(positions, 8))
    for row in (0, 1):
        torch.testing.assert_close(both[row : row + 1], rope.rotate(x[row : row + 1], *cos_sin(positions[row], 8)))
    assert torch.equal(rope.rotate(x, *cos_sin(positions[:1], 8))[1], rope.rotate(x, *cos_sin(positions[0], 8))[1])


def test_bfloat16_is_turned_in_float32_and_cast_once():
    x = drawn(1, 2, 50, 16).bfloat16()
    cos, sin = cos_sin(range(50), 16)
    y = rope.rotate(x, cos, sin)
    assert y.dtype == torch.bfloat16
    assert torch.equal(y, rope.rotate(x.float(), cos, sin).bfloat16())
    # With cosines in bfloat16, as transformers has it: three roundings of 2^-9 of numbers up to 4, and one of the sum.
    rough = rope.rotate(x, cos.bfloat16(), sin.bfloat16())
    torch.testing.assert_close(rough, y, atol=2**-5, rtol=2**-6)


@pytest.mark.parametrize("heads", [1, 2, 3])
def test_converted_rows_give_the_same_scores_in_the_other_layout(heads):
    D, C = 6, 5
    x, w_q, w_k = drawn(2, 4, C), drawn(heads * D, C, seed=1), drawn(heads * D, C, seed=2)
    b_q = drawn(heads * D, seed=3)

    def scores(turn_by, w_q, b_q, w_k):
        q, k = ((x @ w.T + b).view(2, 4, heads, D).transpose(1, 2) for w, b in ((w_q, b_q), (w_k, torch.zeros(1))))
        q, k = turn_by(q, *cos_sin(range(4), D)), turn_by(k, *cos_sin(range(4), D))
        return attention_reference(q, k, k, causal=True)[1]

    pairs = scores(rope.rotate_pairs, w_q, b_q, w_k)
    half = scores(rope.rotate, rope.to_half(w_q, heads), rope.to_half(b_q, heads), rope.to_half(w_k, heads))
    torch.testing.assert_close(half, pairs, **FP32)
    assert not torch.allclose(scores(rope.rotate, w_q, b_q, w_k), pairs, atol=1e-2)  # mixed up
    assert torch.equal(rope.to_pairs(rope.to_half(w_q, heads), heads), w_q)


def test_converter_is_that_of_transformers():
    """Their conversion of Meta's checkpoints: view (heads, D / 2, 2), the last two axes changed over."""
    w = drawn(3 * 8, 5)
    theirs = w.view(3, 4, 2, 5).transpose(1, 2).reshape(24, 5)
    assert torch.equal(rope.to_half(w, 3), theirs)


SCALINGS = {
    "default": (None, {}),
    "linear": (LinearScaling(factor=4.0), {"factor": 4.0}),
    "llama3": (
        Llama3Scaling(factor=8.0, low=1.0, high=4.0, original_len=64),
        {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 64},
    ),
}


@pytest.mark.parametrize("kind", SCALINGS)
@pytest.mark.parametrize("theta", [10000.0, 500000.0])
def test_equal_to_llama_of_transformers(kind, theta):
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

    scaling, theirs = SCALINGS[kind]
    D = 32
    config = LlamaConfig(
        hidden_size=4 * D,
        num_attention_heads=4,
        max_position_embeddings=512,
        rope_parameters={"rope_type": kind, "rope_theta": theta, **theirs},
    )
    positions = torch.tensor([[0, 1, 2, 300, 511]])
    q, k = drawn(2, 4, 5, D), drawn(2, 2, 5, D, seed=1)
    cos, sin = LlamaRotaryEmbedding(config)(q, positions)
    turn = rope.angles(positions, D, theta, scaling)
    # The rates agree to the last bit or so; an angle of up to 511 radians then to 511 times 1e-7.
    torch.testing.assert_close(turn.cos(), cos[..., : D // 2], atol=1e-4, rtol=0)
    for x, expected in zip((q, k), apply_rotary_pos_emb(q, k, cos, sin), strict=True):
        torch.testing.assert_close(rope.rotate(x, turn.cos(), turn.sin()), expected, atol=4e-4, rtol=0)
        # With the same cosines and sines it is the same rotation.
        mine = rope.rotate(x, cos[..., : D // 2], sin[..., : D // 2])
        torch.testing.assert_close(mine, expected, **FP32)


def test_llama3_scaling_by_hand():
    scaling = Llama3Scaling(factor=8.0, low=1.0, high=4.0, original_len=8192)
    turns = torch.tensor([100.0, 4.0, 2.5, 1.0, 0.1])  # in the original context
    rates = 2 * math.pi * turns / 8192
    kept = scaling(rates) / rates
    torch.testing.assert_close(kept, torch.tensor([1.0, 1.0, 0.5 + 0.5 / 8, 1 / 8, 1 / 8]))
