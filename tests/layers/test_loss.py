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
