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
@pytest.mark.parametrize("apart", [False, True])
def test_bad_gradient_changes_nothing(rule, bad: float, apart: bool) -> None:
    """Nor those of a group before the one that it is in."""
    good, broken = _matrix(), _matrix()
    optimizer = rule([{"params": [good]}, {"params": [broken]}] if apart else [good, broken], lr=0.1)
    good.grad, broken.grad = torch.ones(2, 2), torch.full((2, 2), bad)
    with pytest.raises(FloatingPointError, match=r"1 of 2 gradients hold NaN or infinity .*\(2, 2\)"):
        optimizer.step()
    assert torch.equal(good, torch.ones(2, 2))
    assert not optimizer.state


@pytest.mark.parametrize("rule", ALL)
def test_a_bad_rate_of_one_group_changes_nothing(rule) -> None:
    first, second = _matrix(), _matrix()
    optimizer = rule([{"params": [first]}, {"params": [second]}], lr=0.1)
    first.grad, second.grad = torch.ones(2, 2), torch.ones(2, 2)
    optimizer.param_groups[1]["lr"] = math.nan  # as a schedule may
    with pytest.raises(ValueError, match="lr must be a finite number"):
        optimizer.step()
    assert torch.equal(first, torch.ones(2, 2))
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


@pytest.mark.parametrize("rule", ALL)
@pytest.mark.parametrize(
    ("params", "words"),
    [
        (torch.ones(2, 2, requires_grad=True), r"got one tensor of shape \(2, 2\); put it in a list"),
        ({"params": []}, "got one dict; put it in a list"),
        ([torch.ones(2, 2, dtype=torch.complex64, requires_grad=True)], "takes real parameters, got torch.complex64"),
        ([{"weights": []}], "its parameters under 'params'"),
        ([{"params": [_matrix()], "weight_decy": 0.1}], "'weight_decy'; did you mean 'weight_decay'"),
        ([{"params": [_matrix()], "lr": "0.1"}], r"lr must be a finite number >= 0, got '0.1' \(a str\)"),
        ([{"params": [_matrix()], "learning_rate": 0.1}], "'learning_rate'; did you mean 'lr'"),
        ([_matrix() * 2], "leaf"),
        (torch.nn.Linear(2, 2), r"got one Linear; give model.parameters\(\)"),
        (None, "got one NoneType; give model.parameters"),
    ],
)
def test_bad_input_of_parameters(rule, params, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rule(params)


@pytest.mark.parametrize("rule", ALL)
def test_a_parameter_of_float16_never_becomes_nan(rule) -> None:
    """A gradient of 0 is divided by eps, which float16 takes for 0 below 3e-8."""
    weight = torch.ones(2, 2, dtype=torch.float16, requires_grad=True)
    if rule in (optim.Adagrad, optim.RMSProp, optim.Adam, optim.AdamW):
        with pytest.raises(ValueError, match=rf"{rule.__name__}: eps 1e-\d+ is 0 in torch.float16, .* float32"):
            rule([weight])
        rule([weight, torch.ones(2, dtype=torch.int64)], eps=0)  # who asks for 0 gets it
    if rule is optim.AdamW:
        with pytest.raises(ValueError, match="eps 1e-07 is 0"):  # its first correction makes it 3e-9
            rule([weight], eps=1e-7)
    options = {} if rule in (optim.SGD, optim.Adadelta, optim.Adafactor, optim.Shampoo, optim.Muon) else {"eps": 1e-4}
    optimizer = rule([weight], **options)
    for _ in range(3):
        weight.grad = torch.tensor([[0.1, 0.0], [0.0, 0.0]], dtype=torch.float16)
        optimizer.step()
    assert weight.isfinite().all()


@pytest.mark.parametrize("rule", [optim.Adam, optim.AdamW, optim.Adagrad, optim.RMSProp, optim.Muon, optim.Shampoo])
def test_a_parameter_that_was_given_another_shape(rule) -> None:
    weight = _matrix()
    optimizer = rule([weight])
    weight.grad = torch.ones(2, 2)
    optimizer.step()
    weight.data, weight.grad = torch.ones(3, 2), torch.ones(3, 2)
    with pytest.raises(ValueError, match=r"has shape \(2, 2\), its parameter \(3, 2\).* needs a new optimizer"):
        optimizer.step()


@pytest.mark.parametrize("saved", ALL)
@pytest.mark.parametrize("rule", ALL)
def test_the_state_of_another_rule_is_refused_and_changes_nothing(rule, saved) -> None:
    alike = ({optim.Adam, optim.AdamW}, {optim.SGD, optim.Muon})
    within = saved is optim.Adadelta and rule is optim.RMSProp  # it has all that RMSProp needs, and means the same
    if saved is rule or within or any({saved, rule} <= some for some in alike):
        return
    there, here = _matrix(), _matrix()
    options = {"momentum": 0.9} if saved is optim.SGD else {}
    other, optimizer = saved([there], **options), rule([here])
    there.grad = torch.ones(2, 2)
    other.step()
    state = {**optimizer.state_dict(), "state": other.state_dict()["state"]}
    with pytest.raises(ValueError, match=f"{rule.__name__}: the saved state lacks .* and holds "):
        optimizer.load_state_dict(state)
    assert not optimizer.state


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (5, "is a dict, got a int"),
        ({"step": 1, "exp_avg": torch.ones(2, 2)}, "lacks exp_avg_sq and holds step, exp_avg"),
        ({"step": 1, "exp_avg": [1], "exp_avg_sq": torch.ones(2, 2)}, r"exp_avg is \[1\], its parameter \(2, 2\)"),
    ],
)
def test_bad_input_of_a_saved_state(state: object, words: str) -> None:
    optimizer = optim.AdamW([_matrix()])
    with pytest.raises(ValueError, match=words):
        optimizer.load_state_dict({**optimizer.state_dict(), "state": {0: state}})


@pytest.mark.parametrize("rule", ALL)
@pytest.mark.parametrize(
    ("lr", "words"),
    [
        ("0.1", r"got '0.1' \(a str\)"),
        (None, r"got None \(a NoneType\)"),
        (True, "got True"),
        (math.inf, "got inf"),
        (torch.tensor(0.1), r"got tensor\(0.1000\) \(a Tensor\)"),
    ],
)
def test_bad_input_of_rates(rule, lr: object, words: str) -> None:
    with pytest.raises(ValueError, match=f"{rule.__name__}: lr must be a finite number >= 0, {words}"):
        rule([_matrix()], lr=lr)


@pytest.mark.parametrize(
    ("rule", "option"),
    [
        (optim.AdamW, {"betas": 0.9}),
        (optim.AdamW, {"betas": (0.9,)}),
        (optim.AdamW, {"betas": (0.9, 0.99, 0.999)}),
        (optim.Adam, {"betas": ("0.9", 0.99)}),
        (optim.Adam, {"betas": "ab"}),
        (optim.Adam, {"betas": (0.9, -0.1)}),
        (optim.Adam, {"eps": -1e-8}),
        (optim.Adam, {"eps": (None, 1e-3)}),
        (optim.AdamW, {"foreach": "yes"}),
        (optim.SGD, {"weight_decay": -1}),
        (optim.SGD, {"nesterov": 1, "momentum": 0.9}),
        (optim.RMSProp, {"alpha": 1.5}),
        (optim.Adadelta, {"rho": math.nan}),
        (optim.Adagrad, {"initial_accumulator_value": -1.0}),
        (optim.Adafactor, {"eps": 1e-3, "d": 0.5}),
        (optim.Adafactor, {"eps": (1e-3,)}),
        (optim.Adafactor, {"beta2_decay": 0.1}),
        (optim.Shampoo, {"every": 1.5}),
        (optim.Shampoo, {"max_size": 0}),
        (optim.Muon, {"ns_steps": 0}),
    ],
)
def test_bad_input_of_options_also_in_a_group(rule, option: dict[str, object]) -> None:
    name = "d" if "d" in option else next(iter(option))
    if "d" in option:
        option = {"d": option["d"]}
    for make in (lambda: rule([_matrix()], **option), lambda: rule([{"params": [_matrix()], **option}])):
        with pytest.raises(ValueError, match=f"{rule.__name__}: {name} must be .*, got "):
            make()


@pytest.mark.parametrize("rule", ALL)
def test_a_group_that_is_refused_is_not_added(rule) -> None:
    optimizer = rule([_matrix()])
    for bad in ({"params": []}, {"params": [_matrix()], "lr": -1.0}, {"params": _matrix(), "weight_decay": "a"}):
        if bad.keys() - {"params"} <= optimizer.defaults.keys():
            with pytest.raises(ValueError, match=r"group 1 is empty|must be"):
                optimizer.add_param_group(bad)
    with pytest.raises(ValueError, match="a group is a dict"):
        optimizer.add_param_group([_matrix()])
    assert len(optimizer.param_groups) == 1


@pytest.mark.parametrize("rule", ALL)
@pytest.mark.parametrize("lr", [math.nan, -0.1])
def test_a_rate_that_a_schedule_spoiled_changes_nothing(rule, lr: float) -> None:
    w = _matrix()
    optimizer = rule([w])
    w.grad = torch.ones(2, 2)
    optimizer.param_groups[0]["lr"] = lr
    with pytest.raises(ValueError, match="lr must be a finite number >= 0"):
        optimizer.step()
    assert torch.equal(w, torch.ones(2, 2))


def test_sparse_gradients_are_refused() -> None:
    layer = torch.nn.Embedding(4, 2, sparse=True)
    optimizer = optim.AdamW(layer.parameters())
    layer(torch.tensor([1])).sum().backward()
    with pytest.raises(ValueError, match=r"shape \(4, 2\) is sparse .*SparseAdam"):
        optimizer.step()
    with pytest.raises(ValueError, match="is sparse"):
        optim.clip_by_norm(layer.parameters(), 1.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_large_finite_gradients_are_no_infinity(dtype: torch.dtype) -> None:
    # Their squares overflow, which is what the quick look sees; the second look must let them pass.
    w = torch.ones(2, 2, dtype=dtype, requires_grad=True)
    w.grad = torch.full_like(w, torch.finfo(dtype).max / 4)
    optim.SGD([w], lr=0.0).step()
    w.grad[1, 1] = math.nan
    with pytest.raises(FloatingPointError):
        optim.SGD([w], lr=0.0).step()


def test_muon_says_where_else_to_go() -> None:
    with pytest.raises(ValueError, match=r"shape \(8, 3, 3, 3\); give gains, biases and embeddings to AdamW.*matrix"):
        optim.Muon(torch.nn.Conv2d(3, 8, 3).parameters())
    optimizer = optim.Muon([_matrix()])
    with pytest.raises(ValueError, match=r"shape \(2,\)"):
        optimizer.add_param_group({"params": [torch.ones(2, requires_grad=True)]})
    assert len(optimizer.param_groups) == 1


def test_clipping_takes_no_module() -> None:
    with pytest.raises(ValueError, match=r"got a Linear; give model.parameters\(\)"):
        optim.clip_by_norm(torch.nn.Linear(2, 2), 1.0)


def test_clipping() -> None:
    w = torch.zeros(2, requires_grad=True)
    with pytest.raises(ValueError, match="call backward"):
        optim.clip_by_norm([w], 1.0)
    w.grad = torch.tensor([3.0, math.nan])
    with pytest.raises(FloatingPointError, match="norm is nan"):
        optim.clip_by_norm([w], 1.0)
    for bad in (0.0, -1, math.nan, "1", None):
        with pytest.raises(ValueError, match=r"limit must be a number above 0, got .*1.0 is usual"):
            optim.clip_by_value([w], bad)
        with pytest.raises(ValueError, match="max_norm must be a number above 0"):
            optim.clip_by_norm([w], bad)
    for bad in (math.nan, math.inf):
        w.grad = torch.tensor([3.0, bad])
        with pytest.raises(FloatingPointError, match="hold NaN or infinity"):
            optim.clip_by_value([w], 1.0)
        assert w.grad[0] == 3.0
    w.grad = None
    with pytest.raises(ValueError, match="call backward"):
        optim.clip_by_value([w], 1.0)


def test_schedules() -> None:
    with pytest.raises(ValueError, match="below total"):
        schedules.cosine(peak=1.0, total=10, warmup=10)
    with pytest.raises(ValueError, match="peak must be above 0"):
        schedules.wsd(peak=0.0, total=10, warmup=1)
    with pytest.raises(ValueError, match="from 0 to 1"):
        schedules.steps(peak=1.0, total=10, at=(80, 90))
    with pytest.raises(ValueError, match="counted from 0"):
        schedules.constant(peak=1.0)(-1)
    for rate in (
        schedules.inverse_sqrt(peak=1.0, warmup=4),
        schedules.cosine(peak=1.0, total=9),
        schedules.linear(peak=1.0, total=9),
        schedules.steps(peak=1.0, total=9),
        schedules.wsd(peak=1.0, total=9, warmup=0),
    ):
        with pytest.raises(ValueError, match="counted from 0, got -1"):
            rate(-1)
    with pytest.raises(ValueError, match=r"peak must be a finite number, got '1' \(a str\)"):
        schedules.cosine(peak="1", total=10)
    with pytest.raises(ValueError, match="peak must be a finite number, got nan"):
        schedules.constant(peak=math.nan)
    with pytest.raises(ValueError, match=r"reaches into the last 10% of 100"):
        schedules.wsd(peak=1.0, total=100, warmup=95)
    with pytest.raises(ValueError, match="factor must be above 0"):
        schedules.steps(peak=1.0, total=10, factor=0.0)
    with pytest.raises(ValueError, match="floor between 0 and peak"):
        schedules.cosine(peak=1.0, total=10, floor=2.0)
    with pytest.raises(ValueError, match="at least 1 step"):
        schedules.inverse_sqrt(peak=1.0, warmup=0)
