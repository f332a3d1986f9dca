"""Layer norm and batch norm: torch's forward and backward, in training and in evaluation, and what is remembered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lilllm.autograd import Array, BatchNorm, batch_norm, gradient_error, layer_norm

F = torch.nn.functional
# float64 on both sides: 1e-10 is far above rounding and far below what eps or N - 1 for N would change.
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


@pytest.mark.parametrize("shape", [(4, 3), (5, 3, 2), (2, 3, 4, 2)])
def test_batch_norm_equals_torch(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    ours, theirs = BatchNorm(3), torch.nn.BatchNorm1d(3).double()
    if len(shape) == 4:
        theirs = torch.nn.BatchNorm2d(3).double()
    ours.gain.data, ours.bias.data = gain, bias = rng.normal(size=3), rng.normal(size=3)
    with torch.no_grad():
        theirs.weight.copy_(torch.tensor(gain))
        theirs.bias.copy_(torch.tensor(bias))
    for training in (True, True, True, False, True, False):
        ours.training = training
        theirs.train(training)
        x, up = 3 * rng.normal(size=shape) + 2, rng.normal(size=shape)
        mine, other = Array(x), torch.tensor(x, requires_grad=True)
        theirs.zero_grad()
        ours.gain.grad = ours.bias.grad = None
        y, t = ours(mine), theirs(other)
        np.testing.assert_allclose(y.data, t.detach().numpy(), **CLOSE)
        y.backward(up)
        t.backward(torch.tensor(up))
        np.testing.assert_allclose(mine.grad, other.grad.numpy(), **CLOSE)
        np.testing.assert_allclose(ours.gain.grad, theirs.weight.grad.numpy(), **CLOSE)
        np.testing.assert_allclose(ours.bias.grad, theirs.bias.grad.numpy(), **CLOSE)
        np.testing.assert_allclose(ours.mean, theirs.running_mean.numpy(), **CLOSE)
        np.testing.assert_allclose(ours.var, theirs.running_var.numpy(), **CLOSE)


def test_batch_norm_by_hand() -> None:
    """Two rows 1 and 3: mean 2, variance 1, so -1 and 1 but for eps. The running variance divides by 1: it is 2."""
    norm = BatchNorm(1, momentum=0.5, eps=1e-12)
    y = norm(Array([[1.0], [3.0]]))
    np.testing.assert_allclose(y.data, [[-1.0], [1.0]])
    assert norm.mean.tolist() == [1.0]  # halfway from 0 to 2
    assert norm.var.tolist() == [1.5]  # halfway from 1 to 2


def test_in_evaluation_rows_do_not_see_each_other() -> None:
    rng = np.random.default_rng(1)
    norm = BatchNorm(3)
    norm(rng.normal(size=(8, 3)))
    norm.training = False
    mean, var = norm.mean.copy(), norm.var.copy()
    x = rng.normal(size=(4, 3))
    np.testing.assert_allclose(norm(x).data[:1], norm(x[:1]).data, **CLOSE)
    assert (norm.mean == mean).all()
    assert (norm.var == var).all()


def test_in_training_a_row_moves_the_others() -> None:
    x = Array(np.random.default_rng(2).normal(size=(4, 2)))
    y = batch_norm(x, np.ones(2), np.zeros(2))
    y[0].sum().backward()
    assert (np.abs(x.grad[1:]) > 1e-3).any()
    np.testing.assert_allclose(x.grad.sum(axis=0), 0.0, atol=1e-12)  # a shift of the whole channel changes nothing


@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_by_differences(eps: float) -> None:
    rng = np.random.default_rng(3)
    x, weight, gain, bias = rng.normal(size=(3, 4)), rng.normal(size=(3, 4)), rng.normal(size=4), rng.normal(size=4)
    for norm in (layer_norm, batch_norm):
        error = gradient_error(lambda a, g, b, norm=norm: (norm(a, g, b, eps=eps) * weight).sum(), x, gain, bias)
        assert error < 1e-7
    fixed = (rng.normal(size=4), rng.uniform(0.5, 2, size=4))
    assert gradient_error(lambda a, g, b: (batch_norm(a, g, b, fixed=fixed) * weight).sum(), x, gain, bias) < 1e-7


@pytest.mark.parametrize("shape", [(5,), (3, 5), (2, 3, 5)])
def test_layer_norm_equals_torch(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    inputs = [1e3 + rng.normal(size=shape), rng.normal(size=5), rng.normal(size=5)]  # far from 0: var must not cancel
    up = rng.normal(size=shape)
    ours, theirs = [Array(v) for v in inputs], [torch.tensor(v, requires_grad=True) for v in inputs]
    y, t = layer_norm(*ours, eps=1e-3), F.layer_norm(theirs[0], (5,), *theirs[1:], eps=1e-3)
    np.testing.assert_allclose(y.data, t.detach().numpy(), rtol=1e-9, atol=1e-9)
    y.backward(up)
    t.backward(torch.tensor(up))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad, other.grad.numpy(), rtol=1e-9, atol=1e-9)
