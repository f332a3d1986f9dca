"""The account of any module equals the closed forms, torch's own optimizers, and leaves the module as it was."""

from __future__ import annotations

import copy
import doctest
import importlib

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lilllm import optim
from lilllm.accounting.flops import backward, forward, measure
from lilllm.accounting.memory import saved_by
from lilllm.accounting.module import account, optimizer_state
from lilllm.accounting.params import total
from lilllm.accounting.shape import preset
from lilllm.accounting.untouched import untouched
from tests.accounting.reference import Decoder, on_meta
from tests.accounting.shapes import shapes


@pytest.mark.parametrize("name", ["module", "untouched"])
def test_examples(name: str) -> None:
    result = doctest.testmod(importlib.import_module(f"lilllm.accounting.{name}"))
    assert result.failed == 0
    assert result.attempted > 0


@settings(max_examples=20, deadline=None)
@given(shapes().filter(lambda s: s.positions != "relative" and not s.qk_norm), st.integers(1, 3), st.integers(1, 16))
def test_a_decoders_account_is_the_closed_forms(shape, batch: int, seq: int) -> None:
    model, ids = Decoder(shape), torch.zeros(batch, seq, dtype=torch.long)
    got = account(model, ids, optimizer=torch.optim.AdamW)
    assert got.parameters == total(shape)
    assert (got.weights, got.gradients) == (4 * total(shape), 4 * total(shape))
    assert got.optimizer == 8 * total(shape) + 4 * len(list(model.parameters()))  # and a counter a tensor
    assert got.forward == sum(forward(shape, batch=batch, seq=seq).values())
    assert got.backward == sum(backward(shape, batch=batch, seq=seq).values())
    assert got.activations == saved_by(model, ids)
    assert got.memory == 16 * total(shape) + 4 * len(list(model.parameters())) + got.activations
    assert got.flops == got.forward + got.backward


def test_a_large_model_has_an_account_without_its_memory() -> None:
    shape = preset("llama3-8b")
    got = account(on_meta(shape), torch.zeros(1, 64, dtype=torch.long, device="meta"), optimizer=torch.optim.AdamW)
    assert got.parameters == 8_030_261_248
    assert got.weights == got.gradients == 4 * got.parameters


def test_the_account_on_meta_is_that_of_the_real_one() -> None:
    shape = preset("liltown")
    real = account(Decoder(shape), torch.zeros(2, 8, dtype=torch.long), optimizer=torch.optim.Adam)
    assert (
        account(on_meta(shape), torch.zeros(2, 8, dtype=torch.long, device="meta"), optimizer=torch.optim.Adam) == real
    )


class Odd(nn.Module):
    """A frozen layer, a convolution, BatchNorm and dropout: what no decoder has."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, bias=False).requires_grad_(False)
        self.second = nn.Conv2d(4, 2, 3)
        self.norm = nn.BatchNorm2d(2)
        self.drop = nn.Dropout(0.5)

    def forward(self, x):
        return self.drop(self.norm(self.second(self.first(x))))


def test_a_network_by_hand() -> None:
    got = account(Odd(), torch.rand(2, 1, 8, 8), optimizer=lambda p: torch.optim.SGD(p, lr=1, momentum=0.9))
    second, norm = 2 * 4 * 9 + 2, 4  # weights and biases; a gain and a bias a channel
    assert got.parameters == 36 + second + norm
    assert got.gradients == got.optimizer == 4 * (second + norm)  # the first is frozen
    assert got.weights == 4 * got.parameters
    assert got.buffers == 2 * 2 * 4 + 8  # two running means, two variances, and the count in int64
    assert got.state == 4 * (36 + 3 * (second + norm)) + 24
    one, two = 2 * (2 * 36 * 4 * 9), 2 * (2 * 16 * 2 * 36)  # 2 images, 6 x 6 of 4 channels; 4 x 4 of 2
    assert got.forward == one + two
    assert got.backward == two  # dL/dW alone: the frozen layer needs none, and nor does what feeds it


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("look", [account, measure, saved_by], ids=lambda f: f.__name__)
def test_looking_leaves_everything_as_it_was(look, training: bool) -> None:
    torch.manual_seed(5)
    module = Odd().train(training)
    before, ids = copy.deepcopy(module.state_dict()), [id(one) for one in module.buffers()]
    state = torch.get_rng_state()
    look(module, torch.rand(2, 1, 8, 8))
    torch.set_rng_state(state)
    state = torch.get_rng_state()
    look(module, torch.ones(2, 1, 8, 8))
    assert torch.equal(torch.get_rng_state(), state)
    for name, tensor in module.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert [id(one) for one in module.buffers()] == ids
    assert all(one.grad is None for one in module.parameters())


def test_a_buffer_that_was_replaced_comes_back_though_the_run_fails() -> None:
    class Replaces(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("seen", torch.zeros(2))

        def forward(self, x):
            self.seen = self.seen + x
            raise RuntimeError("on the way")

    module = Replaces()
    before = module.seen
    with pytest.raises(RuntimeError, match="on the way"), untouched(module):
        module(1)
    assert module.seen is before
    assert before.tolist() == [0, 0]


WEIGHTS = [nn.Parameter(torch.zeros(6, 4)), nn.Parameter(torch.zeros(4, 3))]
NUMBERS = 24 + 12


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (torch.optim.SGD, 0),
        (lambda p: torch.optim.SGD(p, momentum=0.9), 4 * NUMBERS),
        (torch.optim.Adam, 8 * NUMBERS + 8),
        (lambda p: torch.optim.AdamW(p, amsgrad=True), 12 * NUMBERS + 8),
        (lambda p: torch.optim.AdamW(p, foreach=False), 8 * NUMBERS + 8),
        (torch.optim.Adagrad, 4 * NUMBERS + 8),
        (torch.optim.Adafactor, 4 * (6 + 4 + 4 + 3) + 8),  # a row and a column of each, and its counter
        (lambda p: torch.optim.Muon(p), 4 * NUMBERS),
        (lambda p: torch.optim.AdamW([{"params": p[:1]}, {"params": p[1:], "lr": 1e-4}]), 8 * NUMBERS + 8),
    ],
    ids=["sgd", "momentum", "adam", "amsgrad", "loop", "adagrad", "adafactor", "muon", "groups"],
)
def test_the_state_of_torchs_optimizers(make, expected: int) -> None:
    assert optimizer_state(WEIGHTS, make) == expected


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adagrad", "Adadelta", "RMSProp", "Adafactor", "Muon", "Shampoo"])
def test_the_state_of_our_optimizers_is_what_they_hold_after_a_real_step(name: str) -> None:
    kind = getattr(optim, name)

    def make(parameters):
        return kind(parameters, lr=0.1)

    copies = [nn.Parameter(one.detach().clone()) for one in WEIGHTS]
    real = make(copies)
    for one in copies:
        one.grad = torch.ones_like(one)
    real.step()

    def held(value: object) -> int:
        if isinstance(value, torch.Tensor):
            return value.nbytes
        nested = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        return sum(map(held, nested))

    assert optimizer_state(WEIGHTS, make) == sum(held(state) for state in real.state.values())


def test_state_in_the_parameters_own_type() -> None:
    halves = [nn.Parameter(torch.zeros(8, 8, dtype=torch.bfloat16))]
    assert optimizer_state(halves, torch.optim.AdamW) == 2 * 2 * 64 + 4


def test_weights_are_not_touched_by_the_step() -> None:
    weight = nn.Parameter(torch.ones(3))
    optimizer_state([weight], torch.optim.AdamW)
    assert weight.grad is None
    assert weight.tolist() == [1, 1, 1]


def test_an_account_does_not_mind_no_grad() -> None:
    layer = nn.Linear(3, 5)
    with torch.no_grad():
        assert account(layer, torch.ones(2, 3)) == account(nn.Linear(3, 5), torch.ones(2, 3))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: account(torch.relu, torch.ones(2)), r"an nn.Module, got a builtin_function_or_method; .* count\(\)"),
        (lambda: account(5), "an nn.Module, got a int"),
        (lambda: optimizer_state(WEIGHTS, "adamw"), "such as torch.optim.AdamW; got 'adamw'"),
        (lambda: optimizer_state(WEIGHTS, torch.optim.AdamW(WEIGHTS)), "a class or a function that makes one"),
        (lambda: optimizer_state(WEIGHTS, lambda p: None), "made a NoneType"),
    ],
)
def test_bad_input_of_other_kinds(act, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        act()


def test_bad_input_account() -> None:
    with pytest.raises(ValueError, match="no parameter of the module has requires_grad; unfreeze some"):
        account(nn.Linear(2, 2).requires_grad_(False), torch.ones(1, 2))
    with pytest.raises(ValueError, match="LBFGS wants a closure"):
        optimizer_state(WEIGHTS, torch.optim.LBFGS)

    class Broken(torch.optim.SGD):
        def step(self, closure=None):
            raise TypeError("no such thing")

    with pytest.raises(TypeError, match="no such thing"):
        optimizer_state(WEIGHTS, Broken)
    with pytest.raises(TypeError, match="dropout"):  # the optimizer's own error is its own
        optimizer_state(WEIGHTS, lambda p: torch.optim.SGD(p, dropout=1))
