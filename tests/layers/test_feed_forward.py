"""Activations and feed-forward layers, against torch's and transformers'."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from lilllm.layers import FeedForward, GatedFeedForward, feed_forward, swiglu_d_ff

THEIRS = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_activations_equal_torch(name, dtype):
    x = torch.linspace(-12, 12, 999, dtype=torch.float64).to(dtype)
    written, theirs = getattr(feed_forward, name), THEIRS[name]
    # Of numbers up to 12: float32 rounds to 1e-6; where 1 + erf nears 0, what is left of it is 6e-8 times x. bfloat16
    # rounds each step here and only the last there: some 2^-8 of x, but never of more than 1 where the tail goes to 0.
    close = {
        torch.float64: {"atol": 1e-14, "rtol": 1e-14},
        torch.float32: {"atol": 2e-6, "rtol": 2e-6},
        torch.bfloat16: {"atol": 0.03, "rtol": 2**-6},
    }[dtype]
    torch.testing.assert_close(written(x), theirs(x), **close)
    x = x.requires_grad_()
    if dtype == torch.float64:
        ours, expected = (torch.autograd.grad(f(x).sum(), x)[0] for f in (written, theirs))
        torch.testing.assert_close(ours, expected, atol=1e-13, rtol=1e-13)


def test_the_two_gelus_differ_by_less_than_is_said_and_more_than_rounding():
    x = torch.linspace(-6, 6, 10001, dtype=torch.float64)
    gap = (feed_forward.gelu(x) - feed_forward.gelu_tanh(x)).abs().max().item()
    assert 4e-4 < gap < 5e-4


def test_silu_far_out_is_zero_and_not_nan():
    x = torch.tensor([-200.0, 200.0])
    assert feed_forward.silu(x).tolist() == [0.0, 200.0]


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("bias", [True, False])
def test_feed_forward_written_out(name, bias):
    layer, x = FeedForward(6, 10, activation=name, bias=bias), 20 * drawn(2, 3, 6)  # so far out that a cap would show
    up, down = layer.up, layer.down
    hidden = x @ up.weight.T + (up.bias if bias else 0.0)
    expected = getattr(feed_forward, name)(hidden) @ down.weight.T + (down.bias if bias else 0.0)
    torch.testing.assert_close(layer(x), expected, atol=2e-5, rtol=1e-5)
    assert set(layer.state_dict()) == {
        f"{m}.{p}" for m in ("up", "down") for p in (["weight", "bias"] if bias else ["weight"])
    }


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("bias", [True, False])
def test_gated_feed_forward_written_out(name, bias):
    layer, x = GatedFeedForward(6, 10, activation=name, bias=bias), drawn(2, 3, 6)
    gate, up = (x @ m.weight.T + (m.bias if bias else 0.0) for m in (layer.gate, layer.up))
    expected = (getattr(feed_forward, name)(gate) * up) @ layer.down.weight.T + (layer.down.bias if bias else 0.0)
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=1e-5)


def test_swiglu_is_the_mlp_of_llama():
    from transformers.models.llama.configuration_llama import LlamaConfig
    from transformers.models.llama.modeling_llama import LlamaMLP

    theirs, ours = (
        LlamaMLP(LlamaConfig(hidden_size=8, intermediate_size=20, num_attention_heads=2)),
        GatedFeedForward(8, 20),
    )
    ours.load_state_dict({name.replace("_proj", ""): value for name, value in theirs.state_dict().items()})
    x = drawn(2, 3, 8)
    torch.testing.assert_close(ours(x), theirs(x), atol=1e-6, rtol=1e-5)


def test_width_of_a_gated_layer():
    assert swiglu_d_ff(4096, 256) == 11008  # Llama 7B
    assert swiglu_d_ff(5120, 256) == 13824  # Llama 13B
    assert swiglu_d_ff(8192, 256) == 22016  # Llama 65B
    assert swiglu_d_ff(512, 64) == 1408
    assert swiglu_d_ff(3, 4) == 8
    assert swiglu_d_ff(4, 1) == 10


def test_tokens_do_not_see_each_other():
    for layer in (FeedForward(6, 10), GatedFeedForward(6, 10)):
        x = drawn(1, 4, 6)
        y = x.clone()
        y[0, 2] += 1
        same = (layer(x) == layer(y)).all(-1)[0]
        assert same.tolist() == [True, True, False, True]


def test_default_activations():
    assert FeedForward(2, 2).activation == "gelu"
    assert GatedFeedForward(2, 2).activation == "silu"
    assert "silu" in repr(GatedFeedForward(2, 2))
