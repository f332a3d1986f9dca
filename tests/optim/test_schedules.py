"""Schedules and clipping, by numbers worked out by hand and against torch."""

from __future__ import annotations

import math

import pytest
import torch

from lilllm.optim import clip_by_norm, clip_by_value, schedules


def test_the_transformers_own_schedule() -> None:
    # Vaswani et al.: d_model^-0.5 * min(step^-0.5, step * 4000^-1.5), step from 1.
    rate = schedules.inverse_sqrt(peak=(512 * 4000) ** -0.5, warmup=4000)
    for step in (1, 10, 3999, 4000, 4001, 100_000):
        want = 512**-0.5 * min(step**-0.5, step * 4000**-1.5)
        assert rate(step - 1) == pytest.approx(want, rel=1e-12)


def test_cosine_equals_torch_after_warmup() -> None:
    w = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([w], lr=0.3)
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=90, eta_min=0.03)
    ours = schedules.cosine(peak=0.3, total=100, warmup=10, floor=0.03)
    for step in range(10, 101):
        assert ours(step) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
        optimizer.step()
        theirs.step()
    assert ours(0) == pytest.approx(0.03)
    assert ours(500) == 0.03


def test_linear_ends_at_its_floor() -> None:
    rate = schedules.linear(peak=1.0, total=10, warmup=0, floor=0.5)
    assert [rate(0), rate(5), rate(10), rate(11)] == [1.0, 0.75, 0.5, 0.5]


def test_two_drops_of_0_316_make_a_tenth() -> None:
    rate = schedules.steps(peak=1.0, total=100)
    assert [rate(79), rate(80), rate(89)] == [1.0, 0.316, 0.316]
    assert rate(90) == pytest.approx(0.1, rel=0.002)


def test_wsd_is_flat_then_falls() -> None:
    rate = schedules.wsd(peak=2.0, total=100, warmup=10, decay=0.2)
    assert rate(4) == 1.0
    assert {rate(s) for s in range(9, 80)} == {2.0}
    assert rate(85) == pytest.approx(2 * (1 - math.sqrt(0.25)))
    assert rate(100) == 0.0


def test_clip_by_norm_equals_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    a = [torch.nn.Parameter(torch.zeros(n)) for n in (3, 5)]
    b = [torch.nn.Parameter(torch.zeros(n)) for n in (3, 5)]
    for p, q in zip(a, b, strict=True):
        p.grad = torch.randn(p.shape, generator=generator)
        q.grad = p.grad.clone()
    want = torch.nn.utils.clip_grad_norm_(b, 0.7).item()
    assert clip_by_norm(a, 0.7) == pytest.approx(want, rel=1e-6)
    for p, q in zip(a, b, strict=True):
        torch.testing.assert_close(p.grad, q.grad)
    assert clip_by_norm(a, 100.0) == pytest.approx(0.7, rel=1e-4)  # under the limit: untouched
    torch.testing.assert_close(a[0].grad, b[0].grad)


def test_clip_by_value_changes_the_direction() -> None:
    w = torch.nn.Parameter(torch.zeros(2))
    w.grad = torch.tensor([3.0, 0.1])
    clip_by_value([w], 1.0)
    assert w.grad.tolist() == pytest.approx([1.0, 0.1])


def test_accumulation_equals_the_large_batch() -> None:
    torch.manual_seed(0)
    model = torch.nn.Linear(4, 2).double()
    x, y = torch.randn(12, 4).double(), torch.randn(12, 2).double()
    (model(x) - y).square().mean().backward()
    whole = [p.grad.clone() for p in model.parameters()]
    model.zero_grad()
    for part in range(3):
        rows = slice(4 * part, 4 * part + 4)
        ((model(x[rows]) - y[rows]).square().mean() / 3).backward()
    for p, want in zip(model.parameters(), whole, strict=True):
        torch.testing.assert_close(p.grad, want, rtol=1e-12, atol=1e-12)
