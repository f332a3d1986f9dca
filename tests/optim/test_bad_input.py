"""What a user can get wrong with an optimizer, a schedule or clipping gets one clear error and changes nothing."""

from __future__ import annotations

import math

import pytest
import torch

from lilllm import optim
from lilllm.optim import schedules

ALL = [optim.SGD, optim.Adagrad, optim.RMSProp, optim.Adadelta, optim.Adam, optim.AdamW]
ALL += [optim.Adafactor, optim.Shampoo, optim.Muon]


def _matrix() -> torch.Tensor:
    return torch.ones(2, 2, requires_grad=True)


@pytest.mark.parametrize("rule", ALL)
def test_constructor(rule) -> None:
    with pytest.raises(ValueError, match=r"lr must be a finite number >= 0, got -0\.1"):
        rule([_matrix()], lr=-0.1)
    with pytest.raises(ValueError, match="got no parameters"):
        rule([])
    with pytest.raises(ValueError, match="group 1 is empty"):
        rule([{"params": [_matrix()]}, {"params": []}])
    with pytest.raises(ValueError, match="frozen"):
        rule([_matrix().detach()])
    with pytest.raises(ValueError, match="lr must be"):
        rule([{"params": [_matrix()], "lr": math.nan}])


@pytest.mark.parametrize("rule", ALL)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_bad_gradient_changes_nothing(rule, bad: float) -> None:
    good, broken = _matrix(), _matrix()
    optimizer = rule([good, broken], lr=0.1)
    good.grad, broken.grad = torch.ones(2, 2), torch.full((2, 2), bad)
    with pytest.raises(FloatingPointError, match=r"1 of 2 gradients hold NaN or infinity .*\(2, 2\)"):
        optimizer.step()
    assert torch.equal(good, torch.ones(2, 2))
    assert not optimizer.state


@pytest.mark.parametrize("rule", ALL)
def test_frozen_parameters_are_left_alone(rule) -> None:
    moving, frozen = _matrix(), torch.ones(2, 2)
    optimizer = rule([moving, frozen], lr=0.1)
    moving.grad = torch.full((2, 2), 0.5)
    optimizer.step()
    assert torch.equal(frozen, torch.ones(2, 2))
    assert not torch.equal(moving, torch.ones(2, 2))


def test_ranges() -> None:
    with pytest.raises(ValueError, match=r"betas must be two numbers in \[0, 1\)"):
        optim.AdamW([_matrix()], betas=(0.9, 1.0))
    with pytest.raises(ValueError, match=r"momentum must be a number in \[0, 1\), got 1\.0"):
        optim.SGD([_matrix()], momentum=1.0)
    with pytest.raises(ValueError, match="nesterov needs a momentum"):
        optim.SGD([_matrix()], nesterov=True)
    with pytest.raises(ValueError, match=r"Muon takes matrices, got shape \(3,\)"):
        optim.Muon([torch.ones(3, requires_grad=True)])
    with pytest.raises(ValueError, match="every must be"):
        optim.Shampoo([_matrix()], every=0)
    with pytest.raises(ValueError, match="beta2_decay"):
        optim.Adafactor([_matrix()], beta2_decay=0.5)


def test_clipping() -> None:
    w = torch.zeros(2, requires_grad=True)
    with pytest.raises(ValueError, match="call backward"):
        optim.clip_by_norm([w], 1.0)
    w.grad = torch.tensor([3.0, math.nan])
    with pytest.raises(FloatingPointError, match="norm is nan"):
        optim.clip_by_norm([w], 1.0)
    with pytest.raises(ValueError, match="above 0"):
        optim.clip_by_value([w], 0.0)


def test_schedules() -> None:
    with pytest.raises(ValueError, match="below total"):
        schedules.cosine(peak=1.0, total=10, warmup=10)
    with pytest.raises(ValueError, match="peak must be above 0"):
        schedules.wsd(peak=0.0, total=10, warmup=1)
    with pytest.raises(ValueError, match="from 0 to 1"):
        schedules.steps(peak=1.0, total=10, at=(80, 90))
    with pytest.raises(ValueError, match="counted from 0"):
        schedules.constant(peak=1.0)(-1)
