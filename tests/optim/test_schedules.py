"""Schedules and clipping, by numbers worked out by hand and against torch."""

from __future__ import annotations

import math

import pytest
import torch

from lilllm.optim import SGD, AdamW, clip_by_norm, clip_by_value, schedules


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


@pytest.mark.parametrize("bad", [torch.inf, -torch.inf, torch.nan])
def test_clipping_what_is_not_finite_changes_nothing(bad: float) -> None:
    """Not the finite gradients beside it either: scaled by 1 / infinity they would be 0, and nobody could look."""
    weights = [torch.zeros(2, requires_grad=True), torch.zeros(1, requires_grad=True)]
    weights[0].grad, weights[1].grad = torch.tensor([3.0, 4.0]), torch.tensor([bad])
    with pytest.raises(FloatingPointError, match="look at the loss of this batch"):
        clip_by_norm(weights, 1.0)
    assert weights[0].grad.tolist() == [3.0, 4.0]
    torch.testing.assert_close(weights[1].grad, torch.tensor([bad]), equal_nan=True)


def test_a_tiny_gradient_is_clipped_as_torch_does() -> None:
    """Where eps, which keeps the division from 0, is as large as the norm."""
    ours, theirs = (torch.zeros(2, requires_grad=True) for _ in range(2))
    ours.grad, theirs.grad = (torch.tensor([3e-7, 4e-7]) for _ in range(2))
    clip_by_norm([ours], 1e-7)
    torch.nn.utils.clip_grad_norm_([theirs], 1e-7)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=0)


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


def driven(make, steps: int, **options) -> list[float]:
    """The rates that a scheduler of torch sets, step after step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], **options)
    scheduler, rates = make(optimizer), []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_each_schedule_equals_torchs_schedulers() -> None:
    torch_lr = torch.optim.lr_scheduler
    warmup, total, peak = 10, 60, 0.3

    def after_warmup(rest):
        # Ours has peak / 10 at step 0 and peak at step 9; step 10 is the first of what follows.
        def make(optimizer):
            rise = torch_lr.LinearLR(optimizer, start_factor=1 / warmup, total_iters=warmup - 1)
            return torch_lr.SequentialLR(optimizer, [rise, rest(optimizer)], [warmup])

        return make

    ours = {
        "cosine": schedules.cosine(peak=peak, total=total, warmup=warmup, floor=0.03),
        "linear": schedules.linear(peak=peak, total=total, warmup=warmup, floor=0.15),
        "steps": schedules.steps(peak=peak, total=total, warmup=warmup),
        "constant": schedules.constant(peak=peak, warmup=warmup),
    }
    theirs = {
        "cosine": lambda o: torch_lr.CosineAnnealingLR(o, T_max=total - warmup, eta_min=0.03),
        "linear": lambda o: torch_lr.LinearLR(o, 1.0, 0.5, total_iters=total - warmup),
        "steps": lambda o: torch_lr.MultiStepLR(o, [48 - warmup, 54 - warmup], gamma=0.316),
        "constant": lambda o: torch_lr.ConstantLR(o, factor=1.0),
    }
    for name, rate in ours.items():
        want = driven(after_warmup(theirs[name]), total, lr=peak)
        assert [rate(step) for step in range(total)] == pytest.approx(want, rel=1e-9), name


def test_any_schedule_drives_torch_as_its_docstring_says() -> None:
    rate = schedules.wsd(peak=0.3, total=50, warmup=5)
    want = [rate(step) for step in range(60)]
    got = driven(lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: rate(step) / 0.3), 60, lr=0.3)
    assert got == pytest.approx(want, rel=1e-9)


def test_values_by_hand() -> None:
    cosine = schedules.cosine(peak=1.0, total=8, warmup=4, floor=0.2)
    assert [cosine(s) for s in (0, 3, 4, 6, 8, 9)] == pytest.approx([0.25, 1.0, 1.0, 0.6, 0.2, 0.2])
    assert cosine(5) == pytest.approx(0.2 + 0.8 * (0.5 + math.sqrt(0.125)))  # cos 45 degrees = sqrt(1/2)
    root = schedules.inverse_sqrt(peak=0.5, warmup=4000)
    assert [root(s) for s in (0, 1999, 3999, 15_999)] == pytest.approx([0.5 / 4000, 0.25, 0.5, 0.25])
    wsd = schedules.wsd(peak=1.0, total=100, warmup=10, decay=0.25, floor=0.5)
    assert [wsd(s) for s in (0, 9, 74, 75, 79, 84, 91, 100, 200)] == pytest.approx(
        [0.1, 1.0, 1.0, 1.0, 0.8, 0.7, 0.6, 0.5, 0.5]  # 1 - sqrt(k / 25) of the way: k = 4, 9, 16
    )


@pytest.mark.parametrize("total", [100, 7, 1000])
@pytest.mark.parametrize("at", [0.07, 0.29, 0.57, 0.8, 1.0])
def test_a_drop_comes_with_the_step_that_completes_its_fraction(at: float, total: int) -> None:
    rate = schedules.steps(peak=1.0, total=total, at=(at,), factor=0.5)
    drop = -(-round(at * 100) * total // 100)  # in whole numbers: 0.07 * 100 is not 7 in floating point
    assert [rate(drop - 1), rate(drop)] == [1.0, 0.5]


@pytest.mark.parametrize("max_norm", [0.1, 1.0, 3.0, 1e9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_clipping_equals_torch_over_shapes_and_dtypes(max_norm: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    ours, theirs = ([torch.nn.Parameter(torch.zeros(s, dtype=dtype)) for s in ((), (3,), (4, 5), (0,))] for _ in "ab")
    for p, q in zip(ours, theirs, strict=True):
        p.grad = torch.randn(p.shape, generator=generator).to(dtype)
        q.grad = p.grad.clone()
    ours.append(torch.nn.Parameter(torch.zeros(2)))  # without a gradient
    exact = math.sqrt(sum(q.grad.double().square().sum().item() for q in theirs))
    got = clip_by_norm(iter(ours), max_norm)
    assert got == pytest.approx(exact, rel=1e-6)  # in float32, whatever the gradients are in
    want = torch.nn.utils.clip_grad_norm_(theirs, max_norm).item()
    # torch keeps a bfloat16 norm in bfloat16 (8 bits), ours is float32.
    eps = 2**-7 if dtype == torch.bfloat16 else 1e-6
    assert got == pytest.approx(want, rel=eps)
    for p, q in zip(ours, theirs, strict=False):
        torch.testing.assert_close(p.grad, q.grad, rtol=eps, atol=eps * 0.1)
    clip_by_value(ours, 0.05)
    torch.nn.utils.clip_grad_value_(theirs, 0.05)
    for p, q in zip(ours, theirs, strict=False):
        torch.testing.assert_close(p.grad, q.grad, rtol=eps, atol=eps * 0.1)


def test_clipping_takes_one_parameter_too() -> None:
    w = torch.nn.Parameter(torch.zeros(2, 2))
    w.grad = torch.full((2, 2), 3.0)
    assert clip_by_norm(w, 3.0) == 6.0
    assert w.grad.flatten().tolist() == pytest.approx([1.5] * 4)


@pytest.mark.parametrize("rule", [SGD, AdamW])
def test_accumulation_over_unequal_parts_trains_as_the_large_batch_does(rule) -> None:
    torch.manual_seed(0)
    x, y = torch.randn(11, 4).double(), torch.randn(11, 2).double()
    results = []
    for sizes in ([11], [4, 4, 3], [1] * 11):
        torch.manual_seed(1)
        model = torch.nn.Linear(4, 2).double()
        optimizer = rule(model.parameters(), lr=0.05)
        for _ in range(10):
            optimizer.zero_grad()
            for rows in torch.arange(11).split(sizes):
                loss = (model(x[rows]) - y[rows]).square().mean()
                (loss * len(rows) / 11).backward()
            optimizer.step()
        results.append(model.weight.detach())
    for other in results[1:]:
        torch.testing.assert_close(results[0], other, rtol=1e-9, atol=1e-9)
