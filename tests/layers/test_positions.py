"""Sinusoidal and learned positions, ALiBi, embeddings."""

import math

import pytest
import torch
from torch import nn

from lilllm.layers import Embedding, LearnedPositions, alibi, attention_reference, sinusoidal


def test_sinusoidal_by_hand():
    table = sinusoidal(101, 4)
    expected = [math.sin(100), math.cos(100), math.sin(1.0), math.cos(1.0)]  # rates 1 and 1/100
    torch.testing.assert_close(table[100], torch.tensor(expected), atol=1e-7, rtol=0)
    assert table[0].tolist() == [0.0, 1.0, 0.0, 1.0]


def test_sinusoidal_of_a_later_place_is_linear_in_an_earlier_one():
    T, C, k = 60, 8, 7
    table = sinusoidal(T, C).view(T, C // 2, 2)
    angle = k * 10000.0 ** (-torch.arange(0, C, 2) / C)
    turn = torch.stack((torch.stack((angle.cos(), angle.sin()), -1), torch.stack((-angle.sin(), angle.cos()), -1)), -2)
    torch.testing.assert_close(torch.einsum("pij,tpj->tpi", turn, table[:-k]), table[k:], atol=1e-6, rtol=0)


def test_learned_positions_are_rows_and_end():
    table = LearnedPositions(5, 3)
    assert torch.equal(table(torch.tensor([[4, 0]])), table.weight[[4, 0]][None])
    with pytest.raises(IndexError):
        table(torch.tensor([5]))
    assert 0.01 < LearnedPositions(200, 50).weight.std() < 0.03


def test_embedding_is_torchs_and_a_one_hot_product():
    ours, theirs = Embedding(7, 4), nn.Embedding(7, 4)
    theirs.load_state_dict(ours.state_dict())
    tokens = torch.tensor([[0, 6, 6], [3, 2, 1]])
    assert torch.equal(ours(tokens), theirs(tokens))
    assert torch.equal(ours(tokens), nn.functional.one_hot(tokens, 7).float() @ ours.weight)
    ours(tokens).sum().backward()
    assert ours.weight.grad[:, 0].tolist() == [1, 1, 1, 1, 0, 0, 2]
    assert 0.9 < Embedding(100, 100).weight.std() < 1.1


def test_slopes_by_hand():
    assert alibi.slopes(1).tolist() == [2**-8]
    assert alibi.slopes(2).tolist() == [2**-4, 2**-8]
    assert alibi.slopes(8).tolist() == [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32, 1 / 64, 1 / 128, 1 / 256]
    root = [2.0 ** -(h / 2) for h in range(1, 17)]  # 16 heads: the ratio is the root of a half
    torch.testing.assert_close(alibi.slopes(16), torch.tensor(root))
    # Not a power of two: eight heads', then the first, third, fifth and seventh of sixteen heads'.
    expected = [2.0**-h for h in range(1, 9)] + [2**-0.5, 2**-1.5, 2**-2.5, 2**-3.5]
    torch.testing.assert_close(alibi.slopes(12), torch.tensor(expected))


@pytest.mark.parametrize("n_heads", range(1, 40))
def test_slopes_as_the_papers_code_describes(n_heads):
    def power(n):
        return [2 ** (-8 * (h + 1) / n) for h in range(n)]

    below = 2 ** math.floor(math.log2(n_heads))
    expected = power(below) + power(2 * below)[0::2][: n_heads - below]
    torch.testing.assert_close(alibi.slopes(n_heads), torch.tensor(expected))


def test_slopes_are_those_of_bloom_in_transformers():
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    for n_heads in (4, 6, 8, 12):
        theirs = build_alibi_tensor(torch.ones(1, 5, dtype=torch.long), n_heads, torch.float32)  # (H, 1, 5): slope * j
        ours = alibi.bias(5, None, alibi.slopes(n_heads))
        # Theirs counts from the first key, ours from the query: softmax sees no difference.
        torch.testing.assert_close(ours[:, -1] - ours[:, -1, :1], theirs[:, 0])


def test_bias_by_hand_and_as_the_last_queries():
    whole = alibi.bias(4, None, torch.tensor([1.0, 0.5]))
    assert whole[0].tolist() == [[0, -1, -2, -3], [-1, 0, -1, -2], [-2, -1, 0, -1], [-3, -2, -1, 0]]
    assert torch.equal(whole[1], whole[0] / 2)
    assert torch.equal(alibi.bias(2, 4, torch.tensor([1.0, 0.5])), whole[:, 2:])


def test_a_steep_slope_looks_near():
    q, k = torch.zeros(1, 2, 4, 3), torch.zeros(1, 2, 4, 3)
    weights = attention_reference(q, k, k, causal=True, bias=alibi.bias(4, None, torch.tensor([math.log(2), 0.0])))[1]
    torch.testing.assert_close(weights[0, 0, 3], torch.tensor([1, 2, 4, 8]) / 15)  # halves for each step back
    torch.testing.assert_close(weights[0, 1, 3], torch.full((4,), 0.25))
