"""Label smoothing, and gradients that float16 can hold; the rest of the loss is tested with the decoder's."""

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from lilllm.layers.loss import cross_entropy, linear_cross_entropy


def made(N=600, C=8, V=5000, dtype=torch.float64):
    drawn = torch.Generator().manual_seed(0)
    x = torch.randn(N, C, generator=drawn, dtype=dtype)
    weight = torch.randn(V, C, generator=drawn, dtype=dtype)
    targets = torch.randint(V, (N,), generator=drawn)
    targets[::7] = -100
    return x.requires_grad_(), weight.requires_grad_(), targets


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_label_smoothing_is_torchs(smoothing):
    """Over several chunks; float64, where only the order of sums differs: 1e-12."""
    x, weight, targets = made()
    expected = F.cross_entropy(x @ weight.T, targets, label_smoothing=smoothing)
    wanted = torch.autograd.grad(expected, (x, weight))
    found = linear_cross_entropy(x, weight, targets, label_smoothing=smoothing)
    assert float(found) == pytest.approx(float(expected), abs=1e-12)
    assert float(cross_entropy(x @ weight.T, targets, label_smoothing=smoothing)) == pytest.approx(float(expected))
    for mine, theirs in zip(torch.autograd.grad(found, (x, weight)), wanted, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_a_loss_that_is_scaled_has_gradients_that_are(dtype):
    """By a power of two, hence to the bit: a part of a batch weighs by its share, and fp16 scales the loss up."""
    x, weight, targets = made(N=40, V=30, dtype=torch.float32)
    leaves = [tensor.detach().to(dtype).requires_grad_() for tensor in (x, weight)]
    plain = torch.autograd.grad(linear_cross_entropy(*leaves, targets), leaves)
    eighth = torch.autograd.grad(linear_cross_entropy(*leaves, targets) / 8, leaves)
    for mine, whole in zip(eighth, plain, strict=True):
        assert whole.abs().max() > 0
        torch.testing.assert_close(mine * 8, whole, rtol=1e-2 if dtype == torch.float16 else 0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_softmax_and_sums_are_in_float32(dtype):
    """Logits are rounded, what is made of them is not: sums in another order, 1e-5. A softmax in bfloat16 is off by
    up to 2^-6 for each token, of a loss of 3 to 5."""
    x, weight, targets = (tensor.detach() for tensor in made(N=300, V=40, dtype=torch.float32))
    x, weight = x.to(dtype), weight.to(dtype)
    logits = (x @ weight.T).double()
    found = linear_cross_entropy(x, weight, targets)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(F.cross_entropy(logits, targets).item(), abs=1e-5)
    part = linear_cross_entropy(x[:1], weight, targets[1:2])
    assert part.item() == pytest.approx(F.cross_entropy(logits[:1], targets[1:2]).item(), abs=1e-5)


def test_gradients_in_float16_do_not_vanish():
    """With 16,384 tokens each one's share of the mean is 6e-5, and times a probability of 1e-3 it is what float16 takes
    for 0 (below 6e-8). The scale of the loss comes too late to lift what was made in the forward pass, so that the
    share must come later. What words that are never a target are pushed down by is made of such numbers alone.
    Rounding to float16 of inputs and products: 1 %."""
    x, weight, _ = made(N=16_384, V=4000, dtype=torch.float32)
    targets = torch.arange(16_384) % 10
    low = [(tensor.detach() * 0.3).half().requires_grad_() for tensor in (x, weight)]
    wide = [tensor.detach().float().requires_grad_() for tensor in low]
    wanted = torch.autograd.grad(linear_cross_entropy(*wide, targets), wide)
    found = torch.autograd.grad(linear_cross_entropy(*low, targets) * 2.0**16, low)
    for mine, theirs in zip(found, wanted, strict=True):
        assert float((mine.float() / 2**16 - theirs).norm() / theirs.norm()) < 0.01
    mine, theirs = found[1][10:].float() / 2**16, wanted[1][10:]
    assert float((mine - theirs).norm() / theirs.norm()) < 0.01


def test_each_examples_gradients_by_torch_func():
    """vmap of grad takes another way through: smoothing and a target of one's own that does not count go with it."""
    x, weight, targets = (tensor.detach() for tensor in made(N=24, V=50))
    options = {"ignore_index": 7, "label_smoothing": 0.3}
    rows, wanted = x.view(4, 6, 8), targets.where(targets != -100, 7).view(4, 6)
    found = torch.func.vmap(torch.func.grad(lambda x, t: linear_cross_entropy(x, weight, t, **options)))(rows, wanted)
    for one, target, mine in zip(rows, wanted, found, strict=True):
        leaf = one.clone().requires_grad_()
        (expected,) = torch.autograd.grad(F.cross_entropy(leaf @ weight.T, target, **options), leaf)
        torch.testing.assert_close(mine, expected, rtol=0, atol=1e-12)
        torch.testing.assert_close(
            cross_entropy(one @ weight.T, target, **options),
            F.cross_entropy(one @ weight.T, target, **options),
            rtol=0,
            atol=1e-12,
        )
