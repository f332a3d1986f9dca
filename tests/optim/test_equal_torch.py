"""Each rule equals torch's, over 100 steps on a small network, where torch has it."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from lilllm import optim

CASES = {
    "sgd": (optim.SGD, torch.optim.SGD, {"lr": 0.05}),
    "sgd-decay": (optim.SGD, torch.optim.SGD, {"lr": 0.05, "weight_decay": 0.1}),
    "momentum": (optim.SGD, torch.optim.SGD, {"lr": 0.02, "momentum": 0.9, "weight_decay": 0.01}),
    "nesterov": (optim.SGD, torch.optim.SGD, {"lr": 0.02, "momentum": 0.9, "nesterov": True}),
    "adagrad": (optim.Adagrad, torch.optim.Adagrad, {"lr": 0.05, "lr_decay": 0.01, "weight_decay": 0.01}),
    "adagrad-start": (optim.Adagrad, torch.optim.Adagrad, {"lr": 0.05, "initial_accumulator_value": 0.1}),
    "rmsprop": (optim.RMSProp, torch.optim.RMSprop, {"lr": 0.01, "weight_decay": 0.01}),
    "rmsprop-all": (optim.RMSProp, torch.optim.RMSprop, {"lr": 0.003, "momentum": 0.9, "centered": True}),
    "adadelta": (optim.Adadelta, torch.optim.Adadelta, {"lr": 1.0, "weight_decay": 0.01}),
    "adam": (optim.Adam, torch.optim.Adam, {"lr": 0.01, "betas": (0.8, 0.95), "weight_decay": 0.1}),
    "adamw": (optim.AdamW, torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "foreach": True}),
    "adamw-single": (optim.AdamW, torch.optim.AdamW, {"lr": 0.01, "weight_decay": 0.1, "foreach": False}),
    "adafactor": (optim.Adafactor, torch.optim.Adafactor, {"lr": 0.3, "weight_decay": 0.01}),
    "muon": (optim.Muon, torch.optim.Muon, {"lr": 0.02, "weight_decay": 0.1}),
}
# float64 throughout, so that only the order of operations differs: 1e-6 leaves room for 100 steps. Muon's
# orthogonalisation is in bfloat16 on both sides and does the same operations.
TOLERANCE = 1e-6


def _network(matrices_only: bool = False) -> nn.Module:
    torch.manual_seed(3)
    bias = not matrices_only
    return nn.Sequential(nn.Linear(5, 16, bias=bias), nn.Tanh(), nn.Linear(16, 3, bias=bias)).double()


def _train(model: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randn(8, 5, generator=generator, dtype=torch.float64)
        y = torch.sin(x[:, :3])
        optimizer.zero_grad()
        (model(x) - y).square().mean().backward()
        optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


@pytest.mark.parametrize("name", CASES)
def test_equal_over_100_steps(name: str) -> None:
    ours, theirs, options = CASES[name]
    start = _network(matrices_only=name == "muon")
    a, b = copy.deepcopy(start), copy.deepcopy(start)
    got = _train(a, ours(a.parameters(), **options), 100)
    want = _train(b, theirs(b.parameters(), **options), 100)
    moved = max((w - s).abs().max().item() for w, s in zip(want, start.parameters(), strict=True))
    assert moved > 0.01  # else the test would compare two networks that never learned
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", CASES)
def test_state_dict_round_trip(name: str) -> None:
    ours, _, options = CASES[name]
    whole = _network(matrices_only=name == "muon")
    halves = copy.deepcopy(whole)
    _train(whole, first := ours(whole.parameters(), **options), 10)
    _train(halves, second := ours(halves.parameters(), **options), 10)
    resumed = ours(halves.parameters(), **options)
    resumed.load_state_dict(copy.deepcopy(second.state_dict()))
    for a, b in zip(_train(whole, first, 10), _train(halves, resumed, 10), strict=True):
        assert torch.equal(a, b)


def test_groups_have_their_own_rates() -> None:
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    optimizer = optim.AdamW([{"params": [a], "lr": 0.0}, {"params": [b]}], lr=0.1, weight_decay=0.0)
    (a.sum() + b.sum()).backward()
    optimizer.step()
    assert a.tolist() == [1.0, 1.0]
    assert b.detach().numpy() == pytest.approx([0.9, 0.9], abs=1e-6)  # Adam's first step is lr * sign(g)


def test_shampoo_by_hand() -> None:
    # G = diag(2, 1), eps = 0: L = R = diag(4, 1), L^-1/4 G R^-1/4 = diag(2/2, 1/1) = I.
    w = torch.zeros(2, 2, requires_grad=True)
    optimizer = optim.Shampoo([w], lr=0.5, eps=0.0)
    w.grad = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    optimizer.step()
    torch.testing.assert_close(w.detach(), torch.tensor([[-0.5, 0.0], [0.0, -0.5]]))
    # Second step, same gradient: L = diag(8, 2), (8^-1/4)^2 * 2 = 2 / sqrt(8) = 1 / sqrt(2) on both axes.
    optimizer.step()
    torch.testing.assert_close(w.detach(), -(0.5 + 0.5 / 2**0.5) * torch.eye(2))


def test_newton_schulz_makes_singular_values_near_one() -> None:
    g = torch.randn(24, 40, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(optim.matrix.newton_schulz(g).float())
    assert 0.6 < values.min() < values.max() < 1.3
    assert torch.equal(optim.matrix.newton_schulz(g.T).T, optim.matrix.newton_schulz(g))


def test_torch_schedulers_and_hooks_work() -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer = optim.SGD([w], lr=1.0)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    w.grad = torch.ones(2)
    for _ in range(2):
        optimizer.step()
        schedule.step()
    assert w.tolist() == [-0.5, -0.5]
