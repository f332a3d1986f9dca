"""Gradients that are written out, not left to autograd: against finite differences, second ones too."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from lilllm.accounting import count
from lilllm.layers import GatedFeedForward, RMSNorm
from lilllm.layers.loss import cross_entropy, linear_cross_entropy
from lilllm.layers.rope import angles, rotate

ANGLES = angles(torch.arange(5), 4).double()
torch.manual_seed(0)
GATED = GatedFeedForward(4, 6).double()
NORM = RMSNorm(4, eps=0.1, dtype=torch.float64)
NORM.weight.data = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)


def turned(x: Tensor) -> Tensor:
    return rotate(x, ANGLES.cos(), ANGLES.sin())


def gated(x: Tensor) -> Tensor:
    return GATED(x)


def normed(x: Tensor) -> Tensor:
    return NORM(x)


def same_first_gradients(y: Tensor, *inputs: Tensor) -> None:
    """Those that have gradients take another way: second ones are right of a wrong first one, too."""
    plain = torch.autograd.grad(y, inputs, retain_graph=True)
    for one, other in zip(torch.autograd.grad(y, inputs, create_graph=True), plain, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("function", [turned, gated, normed])
def test_equal_to_finite_differences(function: Callable[[Tensor], Tensor]) -> None:
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    assert gradcheck(function, x)
    assert gradgradcheck(function, x)
    same_first_gradients(function(x).square().sum(), x)


def test_the_gain_of_a_norm_has_first_and_second_gradients() -> None:
    torch.manual_seed(0)
    layer, x = RMSNorm(4, dtype=torch.float64), torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    gain = torch.randn(4, dtype=torch.float64, requires_grad=True)

    def of_gain(gain: Tensor, x: Tensor) -> Tensor:
        return torch.func.functional_call(layer, {"weight": gain}, (x,))

    assert gradcheck(of_gain, (gain, x))
    assert gradgradcheck(of_gain, (gain, x))
    same_first_gradients(of_gain(gain, x).square().sum(), gain, x)


def test_angles_that_are_learned_have_gradients() -> None:
    torch.manual_seed(0)
    x, turn = (torch.randn(*shape, dtype=torch.float64) for shape in ((1, 2, 3, 4), (3, 2)))
    assert gradcheck(lambda turn: rotate(x, turn.cos(), turn.sin()), turn.requires_grad_())


@pytest.mark.parametrize("function", [turned, gated, normed])
def test_torch_func_goes_through(function: Callable[[Tensor], Tensor]) -> None:
    """Per-example gradients and forward mode: by the plain formula, equal to autograd's on the written one."""
    x = torch.randn(3, 1, 3, 5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    ours = [torch.autograd.grad(function(each).square().sum(), each)[0] for each in x.clone().requires_grad_()]
    each = torch.func.vmap(torch.func.grad(lambda x: function(x).square().sum()), randomness="same")
    torch.testing.assert_close(each(x), torch.stack(ours))
    value, slope, *_ = torch.func.jvp(lambda x: function(x).square().sum(), (x[0],), (x[1],))
    torch.testing.assert_close(slope, (ours[0] * x[1]).sum())
    torch.testing.assert_close(value, function(x[0]).square().sum())


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


def test_the_loss_of_float64_is_float64() -> None:
    torch.manual_seed(0)
    x, weight = (torch.randn(n, 3, dtype=torch.float64, requires_grad=True) for n in (5, 4))
    targets = torch.tensor([0, 1, -100, 3, 0])
    assert cross_entropy(x @ weight.T, targets).dtype == torch.float64
    assert gradcheck(lambda x, weight: linear_cross_entropy(x, weight, targets), (x, weight))


def test_a_loss_that_nobody_differentiates_works_out_no_gradient() -> None:
    torch.manual_seed(0)
    x, weight = (torch.randn(n, 3, requires_grad=True) for n in (5, 4))
    targets = torch.tensor([0, 1, 2, 3, 0])
    with count() as trained:
        linear_cross_entropy(x, weight, targets)
    with torch.no_grad(), count() as evaluated:
        linear_cross_entropy(x, weight, targets)
    assert evaluated.flops == 2 * x.numel() * len(weight)
    assert trained.flops == 3 * evaluated.flops


def test_the_loss_of_each_example_under_torch_func() -> None:
    torch.manual_seed(0)
    x, weight, targets = torch.randn(2, 5, 3), torch.randn(4, 3), torch.tensor([[0, 1, 2, -100, 0], [3, 3, 1, 0, 2]])
    got = torch.func.vmap(torch.func.grad(linear_cross_entropy), (0, None, 0))(x, weight, targets)
    for each, mine, of_mine in zip(got, x.requires_grad_(), targets, strict=True):
        wanted = torch.autograd.grad(linear_cross_entropy(mine, weight, of_mine), mine)[0]
        torch.testing.assert_close(each, wanted)


def test_the_loss_has_a_shape_on_the_meta_device() -> None:
    x, targets = torch.empty(2, 3, device="meta"), torch.empty(2, dtype=torch.long, device="meta")
    assert linear_cross_entropy(x, torch.empty(4, 3, device="meta"), targets).shape == ()
