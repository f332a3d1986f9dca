"""What code written for `torch.optim.Optimizer` expects: state that travels, groups, closures, odd shapes."""

from __future__ import annotations

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch import Tensor, nn

from lilllm import optim

RULES = {
    "sgd": (optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "adagrad": (optim.Adagrad, {"lr_decay": 0.1}),
    "rmsprop": (optim.RMSProp, {"momentum": 0.9, "centered": True}),
    "adadelta": (optim.Adadelta, {}),
    "adam": (optim.Adam, {"weight_decay": 0.1}),
    "adamw": (optim.AdamW, {}),
    "adamw-plain": (optim.AdamW, {"foreach": False}),
    "adafactor": (optim.Adafactor, {}),
    "shampoo": (optim.Shampoo, {"momentum": 0.5, "every": 2}),
    "muon": (optim.Muon, {}),
}
TWINS = {  # of the same states by name
    "sgd": torch.optim.SGD,
    "adagrad": torch.optim.Adagrad,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "adamw-plain": torch.optim.AdamW,
    "adafactor": torch.optim.Adafactor,
    "muon": torch.optim.Muon,
}


def make(name: str, shapes: tuple[tuple[int, ...], ...] = ((3, 2), (2, 4)), **options) -> torch.optim.Optimizer:
    generator = torch.Generator().manual_seed(0)
    params = [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]
    rule, own = RULES[name]
    return rule(params, **{"lr": 0.05, **own, **options})


def weights(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def descend(optimizer: torch.optim.Optimizer, steps: int, seed: int = 1) -> list[Tensor]:
    """Random gradients, the same for the same seed; the weights after it."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in weights(optimizer):
            p.grad = torch.randn(p.shape, generator=generator).to(p.dtype)
        optimizer.step()
    return [p.detach().clone() for p in weights(optimizer)]


def assert_same(a: list[Tensor], b: list[Tensor], **tolerance: float) -> None:
    for x, y in zip(a, b, strict=True):
        torch.testing.assert_close(x, y, **(tolerance or {"rtol": 0, "atol": 0}))


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("way", ["file", "pickle", "deepcopy"])
def test_goes_on_where_it_stopped(name: str, way: str) -> None:
    whole = make(name)
    descend(whole, 5)
    if way == "file":
        file = io.BytesIO()
        torch.save({"weights": weights(whole), "state": whole.state_dict()}, file)
        file.seek(0)
        saved = torch.load(file, weights_only=True)
        rest = RULES[name][0](saved["weights"], lr=0.7)  # its own rate gives way to the saved one
        rest.load_state_dict(saved["state"])
    else:
        rest = pickle.loads(pickle.dumps(whole)) if way == "pickle" else copy.deepcopy(whole)
    assert_same(descend(whole, 5, seed=2), descend(rest, 5, seed=2))


@pytest.mark.parametrize("name", TWINS)
@pytest.mark.parametrize("toward", ["ours to torch", "torch to ours"])
def test_states_go_to_torch_and_back(name: str, toward: str) -> None:
    options = RULES[name][1]
    ours = make(name)
    theirs = TWINS[name]([p.detach().clone().requires_grad_() for p in weights(ours)], lr=0.05, **options)
    first, second = (ours, theirs) if toward == "ours to torch" else (theirs, ours)
    after = descend(first, 5)
    for p, value in zip(weights(second), after, strict=True):
        p.data.copy_(value)
    state = copy.deepcopy(first.state_dict())  # torch shares the tensors otherwise
    if second is theirs and name in ("sgd", "adafactor", "muon"):  # their groups have options that ours do not
        state["param_groups"] = second.state_dict()["param_groups"]
    second.load_state_dict(state)
    assert_same(descend(first, 5, seed=2), descend(second, 5, seed=2), rtol=1e-5, atol=1e-6)  # float32, ten steps


def test_states_of_other_shapes_are_refused_and_change_nothing() -> None:
    saved = make("adamw", ((3, 2),))
    descend(saved, 2)
    other = make("adamw", ((2, 3),))
    before = descend(other, 2)
    with pytest.raises(ValueError, match=r"saved exp_avg has shape \(3, 2\), its parameter \(2, 3\)"):
        other.load_state_dict(saved.state_dict())
    assert other.state[weights(other)[0]]["step"] == 2
    assert other.state[weights(other)[0]]["exp_avg"].shape == (2, 3)
    assert_same(before, [p.detach() for p in weights(other)])


@pytest.mark.parametrize(
    ("option", "words"), [({"amsgrad": True}, "no amsgrad"), ({"maximize": True}, "negative of the loss")]
)
def test_what_torch_has_and_we_have_not_is_refused(option: dict[str, bool], words: str) -> None:
    theirs = torch.optim.AdamW([torch.ones(2, requires_grad=True)], **option)
    ours = optim.AdamW([torch.ones(2, requires_grad=True)])
    with pytest.raises(ValueError, match=words):
        ours.load_state_dict(theirs.state_dict())
    with pytest.raises(ValueError, match=words):
        optim.AdamW([{"params": [torch.ones(2, requires_grad=True)], **option}])
    with pytest.raises(TypeError, match="unexpected keyword"):
        optim.AdamW([torch.ones(2, requires_grad=True)], **option)
    decoupled = torch.optim.Adam([torch.ones(2, requires_grad=True)], decoupled_weight_decay=True)
    with pytest.raises(ValueError, match="use AdamW"):
        optim.Adam([torch.ones(2, requires_grad=True)]).load_state_dict(decoupled.state_dict())


@pytest.mark.parametrize("name", RULES)
def test_groups_differ_in_every_option(name: str) -> None:
    # Two optimizers with options of their own, and one with two groups: the same.
    rule, own = RULES[name]
    other = {"lr": 0.01, "weight_decay": 0.3, **({"betas": (0.5, 0.6)} if "adam" in name and name[:3] == "ada" else {})}
    other = {key: value for key, value in other.items() if key in rule([torch.ones(2, 2, requires_grad=True)]).defaults}
    a, b = make(name, ((3, 2),)), make(name, ((2, 4),), **other)
    both = [[p.detach().clone().requires_grad_() for p in weights(one)] for one in (a, b)]
    together = rule([{"params": both[0]}, {"params": both[1], **other}], **{"lr": 0.05, **own})
    for step in range(4):
        for one in (a, b):
            descend(one, 1, seed=step)
        for p, q in zip([*weights(a), *weights(b)], weights(together), strict=True):
            q.grad = p.grad
        together.step()
    assert_same([*weights(a), *weights(b)], weights(together))


@pytest.mark.parametrize("name", RULES)
def test_a_group_is_added_later(name: str) -> None:
    optimizer = make(name)
    descend(optimizer, 2)
    new = torch.ones(2, 2, requires_grad=True)
    optimizer.add_param_group({"params": new, "lr": 0.5})
    assert optimizer.param_groups[1]["lr"] == 0.5
    assert optimizer.param_groups[1]["weight_decay"] == optimizer.param_groups[0]["weight_decay"]
    descend(optimizer, 2)
    assert not torch.equal(new, torch.ones(2, 2))


def test_groups_by_name_as_torch_takes_them() -> None:
    model = nn.Linear(2, 2)
    optimizer = optim.AdamW(model.named_parameters())
    assert optimizer.param_groups[0]["param_names"] == ["weight", "bias"]


@pytest.mark.parametrize("name", RULES)
def test_a_closure_is_called_with_gradients_on(name: str) -> None:
    optimizer = make(name)
    before = [p.detach().clone() for p in weights(optimizer)]

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = sum(p.square().sum() for p in weights(optimizer))
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert first.item() == pytest.approx(sum(p.square().sum().item() for p in before))
    for _ in range(5):
        last = optimizer.step(closure)
    assert last < first


@pytest.mark.parametrize("name", RULES)
def test_zero_grad(name: str) -> None:
    optimizer = make(name)
    descend(optimizer, 1)
    optimizer.zero_grad(set_to_none=False)
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in weights(optimizer))
    optimizer.zero_grad()
    before = [p.detach().clone() for p in weights(optimizer)]
    optimizer.step()  # no gradients at all: nothing happens
    assert_same(before, [p.detach() for p in weights(optimizer)])


@pytest.mark.parametrize("name", RULES)
def test_no_state_is_the_gradient_itself(name: str) -> None:
    # zero_grad(set_to_none=False) and backward() write into the same tensor: a state that aliases it would be lost.
    fresh, reused = (make(name, weight_decay=0.0) for _ in range(2))  # decay would make a new tensor of it
    for p in weights(reused):
        p.grad = torch.zeros_like(p)
    for step in range(4):
        descend(fresh, 1, seed=step)
        for p, q in zip(weights(fresh), weights(reused), strict=True):
            q.grad.copy_(p.grad)
        reused.step()
        for p, q in zip(weights(fresh), weights(reused), strict=True):
            assert torch.equal(q.grad, p.grad)  # no rule changes a gradient
    assert_same(weights(fresh), weights(reused))


@pytest.mark.parametrize("name", RULES)
def test_parameters_without_gradient_and_frozen_ones_stay(name: str) -> None:
    optimizer = make(name, ((2, 2), (2, 2), (2, 2)))
    moving, unused, frozen = weights(optimizer)
    moving.grad, frozen.grad = torch.ones(2, 2), torch.ones(2, 2)
    frozen.requires_grad_(False)  # with a gradient from before
    before = [p.detach().clone() for p in (unused, frozen)]
    optimizer.step()
    assert_same(before, [unused.detach(), frozen])
    assert set(optimizer.state) == {moving}


@pytest.mark.parametrize("name", [name for name in RULES if name != "muon"])
@pytest.mark.parametrize("shape", [(), (1,), (0,), (2, 0), (3, 2, 2)])
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    optimizer = make(name, (shape, (2, 2)))
    before = weights(optimizer)[0].detach().clone()
    after = descend(optimizer, 3)[0]
    assert after.shape == shape
    assert after.isfinite().all()
    assert before.numel() == 0 or not torch.equal(before, after)


@pytest.mark.parametrize("name", RULES)
def test_memory_layout_does_not_matter(name: str) -> None:
    rule, own = RULES[name]
    plain = torch.arange(6.0).view(2, 3).requires_grad_()
    turned = torch.arange(6.0).view(2, 3).T.contiguous().T.requires_grad_()
    strided = torch.empty(2, 6)[:, ::2].copy_(torch.arange(6.0).view(2, 3)).requires_grad_()
    assert not turned.is_contiguous()
    assert not strided.is_contiguous()
    results = []
    for p in (plain, turned, strided):
        optimizer = rule([p], lr=0.05, **own)
        for _ in range(3):
            p.grad = torch.tensor([[1.0, -2.0, 3.0], [0.5, 0.1, -1.0]])
            optimizer.step()
        results.append(p.detach().contiguous())
    for other in results[1:]:
        torch.testing.assert_close(results[0], other, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", RULES)
def test_bfloat16_stays_bfloat16(name: str) -> None:
    rule, own = RULES[name]
    p = torch.randn(4, 4, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    before = p.detach().clone()
    optimizer = rule([p], lr=1.0 if name == "adadelta" else 0.05, **own)  # Adadelta starts with tiny steps
    descend(optimizer, 3)
    assert p.isfinite().all()
    assert not torch.equal(before, p)
    for value in optimizer.state[p].values():
        assert not isinstance(value, Tensor) or value.dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["adamw", "adamw-plain", "sgd", "adam"])
def test_bfloat16_equals_torch(name: str) -> None:
    options = RULES[name][1]
    a = torch.randn(4, 4, generator=torch.Generator().manual_seed(0)).bfloat16().requires_grad_()
    b = a.detach().clone().requires_grad_()
    ours = descend(RULES[name][0]([a], lr=0.01, **options), 20)
    theirs = descend(TWINS[name]([b], lr=0.01, **options), 20)
    # bfloat16 keeps 8 bits: a rounding the other way in one of 20 steps is 2^-8 of a weight of about 1.
    assert_same(ours, theirs, rtol=2**-7, atol=2**-8)


def test_one_group_of_several_dtypes() -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randn(3, 2, generator=generator) for _ in range(3)]
    dtypes = (torch.float32, torch.float64, torch.bfloat16)
    mixed = [x.to(dtype).requires_grad_() for x, dtype in zip(drawn, dtypes, strict=True)]
    alone = [p.detach().clone().requires_grad_() for p in mixed]
    together = optim.AdamW(mixed, lr=0.01)
    singles = [optim.AdamW([p], lr=0.01) for p in alone]
    for step in range(3):
        for p, q in zip(mixed, alone, strict=True):
            p.grad = torch.full_like(p, 0.5 - step)
            q.grad = p.grad.clone()
        together.step()
        for one in singles:
            one.step()
    assert_same([p.detach() for p in mixed], [p.detach() for p in alone])


@pytest.mark.parametrize(
    "schedule",
    [
        lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.1, total_steps=12),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=5),
        lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 1 / (step + 1)),
        lambda o: torch.optim.lr_scheduler.CyclicLR(o, 0.01, 0.1, step_size_up=2, cycle_momentum=False),
    ],
)
def test_schedulers_of_torch_drive_ours(schedule) -> None:
    ours = optim.AdamW([torch.ones(2, requires_grad=True)], lr=0.1)
    theirs = torch.optim.AdamW([torch.ones(2, requires_grad=True)], lr=0.1)
    drivers = [schedule(ours), schedule(theirs)]
    for step in range(10):
        for optimizer, driver in zip((ours, theirs), drivers, strict=True):
            descend(optimizer, 1, seed=step)
            driver.step()
    assert ours.param_groups[0]["lr"] == theirs.param_groups[0]["lr"]
    assert ours.param_groups[0]["betas"] == theirs.param_groups[0]["betas"]  # OneCycleLR turns them too
    assert_same([p.detach() for p in weights(ours)], [p.detach() for p in weights(theirs)], rtol=1e-5, atol=1e-6)
    again = optim.AdamW([torch.ones(2, requires_grad=True)])
    again.load_state_dict(ours.state_dict())  # what the scheduler left in the groups is no obstacle


def test_momentum_may_be_switched_on_later() -> None:
    w = torch.ones(2, requires_grad=True)
    optimizer = optim.RMSProp([w], lr=0.1)
    descend(optimizer, 1)
    optimizer.param_groups[0].update(momentum=0.9, centered=True)
    descend(optimizer, 2)
    assert set(optimizer.state[w]) == {"square_avg", "momentum_buffer", "grad_avg"}


def test_hooks_of_torch_are_called() -> None:
    called = []
    optimizer = make("adamw")
    optimizer.register_step_pre_hook(lambda *_: called.append("before"))
    optimizer.register_step_post_hook(lambda *_: called.append("after"))
    optimizer.register_state_dict_post_hook(lambda *_: called.append("saved"))
    descend(optimizer, 1)
    optimizer.state_dict()
    assert called == ["before", "after", "saved"]


@pytest.mark.parametrize("name", RULES)
def test_no_warning(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        descend(make(name), 2)
