"""Norms: equal to torch's, to the reference, and to sums done by hand."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lilllm.layers import BatchNorm, LayerNorm, RMSNorm, layer_norm, rms_norm

# A row's sums are over at most 70 numbers about 1; each operation rounds by 6e-8, a handful come one after another.
FP32 = {"atol": 2e-6, "rtol": 2e-6}
# One rounding to bfloat16's 8 bits at the end, of numbers that may lie on either side of a half: one step, 2^-7.
BF16 = {"atol": 1e-6, "rtol": 2**-7}


def drawn(*shape, dtype=torch.float32, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(dtype)


def gradients(f, *inputs):
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    y = f(*inputs)
    return [y, *torch.autograd.grad(y, inputs, drawn(*y.shape, dtype=y.dtype, seed=9))]


def test_layer_norm_by_hand():
    x = torch.tensor([[1.0, 3.0], [5.0, 5.0]])  # means 2 and 5, variances 1 and 0
    y = layer_norm(x, torch.tensor([2.0, 10.0]), torch.tensor([0.5, 0.0]), eps=3.0)
    assert y.tolist() == [[-0.5, 5.0], [0.5, 0.0]]  # -1 / sqrt(1 + 3) * 2 + 0.5, 1/2 * 10


def test_rms_norm_by_hand():
    x = torch.tensor([[1.0, 7.0], [0.0, 0.0]])  # mean squares 25 and 0
    y = rms_norm(x, torch.tensor([6.0, 12.0]), eps=11.0)
    torch.testing.assert_close(y, torch.tensor([[1.0, 14.0], [0.0, 0.0]]))  # 1 / sqrt(36) * 6, 7 / 6 * 12


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(5,), (2, 3, 64), (0, 4), (1, 1)])
def test_references_equal_torch(shape, dtype):
    x, w, b = drawn(*shape, dtype=dtype), drawn(shape[-1], dtype=dtype, seed=1), drawn(shape[-1], dtype=dtype, seed=2)
    close = BF16 if dtype == torch.bfloat16 else FP32
    torch.testing.assert_close(layer_norm(x, w, b), F.layer_norm(x, w.shape, w, b), **close)
    torch.testing.assert_close(rms_norm(x, w), F.rms_norm(x, w.shape, w, 1e-5), **close)
    torch.testing.assert_close(rms_norm(x), F.rms_norm(x, w.shape, None, 1e-5), **close)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("bias", [True, False])
def test_layer_norm_module(dtype, bias):
    ours, theirs = LayerNorm(8, bias=bias, dtype=dtype), nn.LayerNorm(8, bias=bias, dtype=dtype)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in theirs.state_dict().items()}
    state = {k: drawn(8, dtype=dtype, seed=i) for i, k in enumerate(ours.state_dict())}
    ours.load_state_dict(state)
    theirs.load_state_dict(state)
    x = drawn(2, 3, 8, dtype=dtype)
    assert torch.equal(ours(x), theirs(x))
    close = BF16 if dtype == torch.bfloat16 else FP32
    torch.testing.assert_close(ours(x), layer_norm(x, *ours.parameters()), **close)


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(1, 4), max_size=2), st.integers(1, 70), st.sampled_from([1e-6, 1e-5, 0.1]))
def test_rms_norm_module_equals_reference_and_torch_with_gradients(lead, width, eps):
    x, w = drawn(*lead, width), drawn(width, seed=1)
    norm, theirs = RMSNorm(width, eps=eps), nn.RMSNorm(width, eps=eps)
    ours = gradients(lambda x, w: torch.func.functional_call(norm, {"weight": w}, x), x, w)
    reference = gradients(lambda x, w: rms_norm(x, w, eps=eps), x, w)
    torchs = gradients(lambda x, w: torch.func.functional_call(theirs, {"weight": w}, x), x, w)
    # A gradient of x is a difference of two numbers about |g| r, and with one channel r is up to 1 / |x|.
    scale = float(1 + reference[1].abs().max())
    for mine, as_written, as_torch in zip(ours, reference, torchs, strict=True):
        torch.testing.assert_close(mine, as_written, atol=2e-6 * scale, rtol=1e-5)
        torch.testing.assert_close(mine, as_torch, atol=2e-6 * scale, rtol=1e-5)


def test_rms_norm_gradient_against_difference_quotients():
    norm = RMSNorm(5, eps=1e-3, dtype=torch.float64)
    x = drawn(2, 3, 5, dtype=torch.float64).transpose(0, 1).requires_grad_()  # not contiguous
    weight = drawn(5, dtype=torch.float64, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: torch.func.functional_call(norm, {"weight": w}, x), (x, weight))


def test_rms_norm_of_a_zero_row_has_a_gradient():
    x = torch.zeros(2, 4, requires_grad=True)
    RMSNorm(4, eps=0.25)(x).sum().backward()
    assert x.grad.tolist() == [[2.0] * 4] * 2  # 1 / sqrt(0 + 0.25)


def test_gradients_are_in_float32_under_autocast_too():
    norm, x = RMSNorm(64), drawn(5, 64)
    outside = gradients(lambda x, w: torch.func.functional_call(norm, {"weight": w}, x), x, drawn(64, seed=1))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = gradients(lambda x, w: torch.func.functional_call(norm, {"weight": w}, x), x, drawn(64, seed=1))
    assert all(torch.equal(a, b) for a, b in zip(outside, inside, strict=True))


def test_order_of_the_cast_shows_in_bfloat16_only():
    x, w = drawn(64, 32), drawn(32, seed=1)
    assert torch.equal(rms_norm(x, w), rms_norm(x, w, cast_first=True))
    x, w = x.bfloat16(), w.bfloat16()
    assert not torch.equal(rms_norm(x, w), rms_norm(x, w, cast_first=True))
    norms = RMSNorm(32, dtype=torch.bfloat16), RMSNorm(32, cast_first=True, dtype=torch.bfloat16)
    for norm in norms:
        norm.weight.data.copy_(w)
    assert torch.equal(norms[0](x), F.rms_norm(x, (32,), w, 1e-5))  # torch: one cast, at the end
    from transformers.models.llama.modeling_llama import LlamaRMSNorm

    theirs = LlamaRMSNorm(32, eps=1e-5).bfloat16()
    theirs.weight.data.copy_(w)
    assert torch.equal(norms[1](x), theirs(x))


def test_rms_norm_with_a_gain_of_another_dtype_keeps_the_dtype_of_x():
    norm = RMSNorm(4)  # float32, as the master weights of mixed precision
    x = drawn(3, 4, dtype=torch.bfloat16)
    assert norm(x).dtype == torch.bfloat16
    assert torch.equal(norm(x), rms_norm(x, norm.weight))


def test_statistics_are_not_taken_in_bfloat16():
    x = torch.full((1, 4096), 1.0, dtype=torch.bfloat16)
    x[0, 0] = 16.0  # a sum kept in bfloat16 stops at 256
    expected = 1 / ((4095 + 256) / 4096) ** 0.5
    assert rms_norm(x)[0, 1].item() == pytest.approx(expected, rel=2**-8)
    assert RMSNorm(4096, dtype=torch.bfloat16)(x)[0, 1].item() == pytest.approx(expected, rel=2**-8)


def test_batch_norm_equals_torch_over_steps_and_in_evaluation():
    ours, theirs = BatchNorm(6, momentum=0.3), nn.BatchNorm1d(6, momentum=0.3)
    state = {"weight": drawn(6, seed=1), "bias": drawn(6, seed=2)}
    ours.load_state_dict(state, strict=False)
    theirs.load_state_dict(state, strict=False)
    for step in range(3):
        x = 2 + 3 * drawn(4, 5, 6, seed=step)
        mine = gradients(ours, x)
        torchs = gradients(lambda x: theirs(x.transpose(1, 2)).transpose(1, 2), x)
        for a, b in zip(mine, torchs, strict=True):
            torch.testing.assert_close(a, b, **FP32)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean, **FP32)
    torch.testing.assert_close(ours.running_var, theirs.running_var, **FP32)
    x = drawn(7, 6)
    torch.testing.assert_close(ours.eval()(x), theirs.eval()(x), **FP32)


def test_batch_norm_lets_tokens_see_each_other_and_the_others_do_not():
    x = drawn(1, 4, 6)
    y = x.clone()
    y[0, 3] += 1
    for norm in (LayerNorm(6), RMSNorm(6)):
        assert torch.equal(norm(x)[0, :3], norm(y)[0, :3])
    assert not torch.allclose(BatchNorm(6)(x)[0, :3], BatchNorm(6)(y)[0, :3])
