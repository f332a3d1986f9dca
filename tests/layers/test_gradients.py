"""Gradients that are written out, not left to autograd: against finite differences, second ones too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from lilllm.layers import GatedFeedForward
from lilllm.layers.loss import cross_entropy, linear_cross_entropy
from lilllm.layers.rope import angles, rotate

ANGLES = angles(torch.arange(5), 4).double()


def turned(x: Tensor) -> Tensor:
    return rotate(x, ANGLES.cos(), ANGLES.sin())


def gated(x: Tensor) -> Tensor:
    torch.manual_seed(0)
    return GatedFeedForward(4, 6).double()(x)


@pytest.mark.parametrize("function", [turned, gated])
def test_equal_to_finite_differences(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert gradcheck(function, x)
    assert gradgradcheck(function, x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_silu_times_gives_what_the_formula_gives(dtype: torch.dtype) -> None:
    """To one rounding more: the fast form multiplies in another order."""
    torch.manual_seed(0)
    layer, x = GatedFeedForward(8, 16, dtype=dtype), torch.randn(4, 8, dtype=dtype, requires_grad=True)
    plain = layer.down(torch.nn.functional.silu(layer.gate(x)) * layer.up(x))
    weights = [x, *layer.parameters()]
    expected, got = (torch.autograd.grad(y.sum(), weights) for y in (plain, layer(x)))
    for one, other in zip(got, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=4 * torch.finfo(dtype).eps, atol=4 * torch.finfo(dtype).eps)


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_linear_cross_entropy_equals_the_reference(
    ignored: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over several chunks, the last of them short; sums over chunks round once each."""
    monkeypatch.setattr("lilllm.layers.loss.LOGITS", 1)
    monkeypatch.setattr("lilllm.layers.loss.FEWEST", 7)
    torch.manual_seed(0)
    x = torch.randn(30, 8, dtype=dtype, requires_grad=True)
    weight = torch.randn(11, 8, dtype=dtype, requires_grad=True)
    targets = torch.randint(11, (30,))
    if ignored:
        targets[5:15] = -100
    expected, got = cross_entropy(x @ weight.T, targets), linear_cross_entropy(x, weight, targets)
    eps = torch.finfo(dtype).eps
    torch.testing.assert_close(got, expected, rtol=1e-6, atol=1e-6)
    theirs = torch.nn.functional.cross_entropy((x @ weight.T).float(), targets)
    torch.testing.assert_close(expected, theirs, rtol=1e-6, atol=1e-6)
    pairs = zip(torch.autograd.grad(3 * got, (x, weight)), torch.autograd.grad(3 * expected, (x, weight)), strict=True)
    for one, other in pairs:
        assert one.dtype == dtype
        torch.testing.assert_close(one, other, rtol=4 * eps, atol=2 * eps)


def test_linear_cross_entropy_of_frozen_parts() -> None:
    torch.manual_seed(0)
    x, weight, targets = torch.randn(5, 3), torch.randn(4, 3), torch.tensor([0, 1, 2, 3, 0])
    expected = cross_entropy(x @ weight.T, targets)
    assert not linear_cross_entropy(x, weight, targets).requires_grad
    for learns in (x, weight):
        learns.requires_grad_()
        loss = linear_cross_entropy(x, weight, targets)
        torch.testing.assert_close(loss.detach(), expected)
        (got,) = torch.autograd.grad(loss, learns)
        (wanted,) = torch.autograd.grad(cross_entropy(x @ weight.T, targets), learns)
        torch.testing.assert_close(got, wanted)
        learns.requires_grad_(False)


def test_a_loss_over_nothing_is_nan() -> None:
    x, weight, targets = torch.randn(2, 3), torch.randn(4, 3), torch.tensor([-100, -100])
    assert linear_cross_entropy(x, weight, targets).isnan()
    assert cross_entropy(x @ weight.T, targets).isnan()
