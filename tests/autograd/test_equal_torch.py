"""The teaching engine equals torch.autograd: on single numbers, on each function, and over a network's training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm import autograd
from lilllm.autograd import Array, Value, cross_entropy, layer_norm, log_softmax, softmax

# Both sides are float64 and run the same formulas in another order: 1e-9 leaves room for some hundred operations.
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 30))
def test_scalars(seed: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    start = rng.normal(size=3)
    ours, theirs = [Value(x) for x in start], [torch.tensor(x, requires_grad=True) for x in start]
    a, b = list(ours), list(theirs)
    for op, i, j in zip(rng.integers(0, 7, size), rng.integers(0, 3, size), rng.integers(0, 3, size), strict=True):
        for values in (a, b):
            x, y = values[-1 - i], values[-1 - j]
            values.append(
                [
                    lambda x, y: x * y,
                    lambda x, y: x + y,
                    lambda x, y: x - 2.0 * y,
                    lambda x, y: 1.0 / (y * y + 1.0) + x,
                    lambda x, y: x.tanh(),
                    lambda x, y: x.relu() + y,
                    lambda x, y: (x * x + 1.0).log() + x.tanh().exp(),
                ][op](x, y)
            )
            values[-1] = values[-1].tanh()
    a[-1].backward()
    b[-1].backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad == pytest.approx(0.0 if other.grad is None else other.grad.item(), rel=1e-9, abs=1e-12)


VECTORS = [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 2))]
STACKS = [((2, 3), (3, 4)), ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((4, 1, 2, 3), (5, 3, 2))]


@pytest.mark.parametrize(("a", "b"), VECTORS + STACKS)
def test_matmul(a, b) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=a), rng.normal(size=b)
    ours, theirs = (Array(x), Array(y)), tuple(torch.tensor(v, requires_grad=True) for v in (x, y))
    (ours[0] @ ours[1]).tanh().sum().backward()
    (theirs[0] @ theirs[1]).tanh().sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.grad, other.grad.numpy(), **CLOSE)


def test_functions() -> None:
    rng = np.random.default_rng(1)
    x, gain, bias = rng.normal(size=(4, 3, 5)) * 3, rng.normal(size=5), rng.normal(size=5)
    weight = rng.normal(size=x.shape)
    targets = rng.integers(0, 5, size=(4, 3))
    F = torch.nn.functional
    cases = [
        (lambda a, g, b: (softmax(a, 1) * weight).sum(), lambda a, g, b: (a.softmax(1) * torch.tensor(weight)).sum()),
        (
            lambda a, g, b: (log_softmax(a) * weight).sum(),
            lambda a, g, b: (a.log_softmax(-1) * torch.tensor(weight)).sum(),
        ),
        (
            lambda a, g, b: cross_entropy(a * g, targets),
            lambda a, g, b: F.cross_entropy((a * g).movedim(-1, 1), torch.tensor(targets)),
        ),
        (
            lambda a, g, b: (layer_norm(a, g, b) * weight).sum(),
            lambda a, g, b: (F.layer_norm(a, (5,), g, b) * torch.tensor(weight)).sum(),
        ),
        (
            lambda a, g, b: (a.transpose(2, 0, 1).reshape(5, 12).sum(0) ** 2.0).mean() + a[[0, 0, 2]].sum(),
            lambda a, g, b: (a.permute(2, 0, 1).reshape(5, 12).sum(0) ** 2.0).mean() + a[[0, 0, 2]].sum(),
        ),
    ]
    for ours, theirs in cases:
        a, b = [Array(v) for v in (x, gain, bias)], [torch.tensor(v, requires_grad=True) for v in (x, gain, bias)]
        y, t = ours(*a), theirs(*b)
        np.testing.assert_allclose(y.data, t.item(), **CLOSE)
        y.backward()
        t.backward()
        for mine, other in zip(a, b, strict=True):
            if other.grad is None:
                assert mine.grad is None
            else:
                np.testing.assert_allclose(mine.grad, other.grad.numpy(), **CLOSE)


def test_softmax_of_huge_numbers() -> None:
    x = Array([[1000.0, 0.0], [-1000.0, -1000.0]])
    loss = cross_entropy(x, np.array([1, 0]))
    assert loss.data == pytest.approx((1000 + np.log(2)) / 2)
    loss.backward()
    assert np.isfinite(x.grad).all()


def test_training_gives_the_same_loss_curve() -> None:
    rng = np.random.default_rng(2)
    x, labels = rng.normal(size=(64, 2)), np.arange(64) % 3
    x[labels == 1] += 2.0
    start = [rng.normal(size=s) * 0.5 for s in ((2, 16), (16,), (16, 3), (3,))]
    ours, theirs = [Array(w) for w in start], [torch.tensor(w, requires_grad=True) for w in start]
    curves: tuple[list[float], list[float]] = ([], [])
    for _ in range(200):
        loss = cross_entropy((Array(x) @ ours[0] + ours[1]).tanh() @ ours[2] + ours[3], labels)
        for w in ours:
            w.grad = None
        loss.backward()
        for w in ours:
            w.data = w.data - 0.5 * w.grad
        hidden = torch.tanh(torch.tensor(x) @ theirs[0] + theirs[1])
        other = torch.nn.functional.cross_entropy(hidden @ theirs[2] + theirs[3], torch.tensor(labels))
        for t in theirs:
            t.grad = None
        other.backward()
        with torch.no_grad():
            for t in theirs:
                t -= 0.5 * t.grad
        curves[0].append(loss.data.item())
        curves[1].append(other.item())
    np.testing.assert_allclose(*curves, rtol=0, atol=1e-6)
    assert curves[0][-1] < 0.8 * curves[0][0]


def test_gradient_check_tells_right_from_wrong() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(3, 4))
    assert autograd.gradient_error(lambda a: (a.tanh() * a).sum(), x) < 1e-8

    def wrong(a: Array) -> Array:  # a tanh whose derivative forgets the square
        y = np.tanh(a.data)
        return Array(y, (a,), (lambda g: g * (1 - y),)).sum()

    assert autograd.gradient_error(wrong, x) > 1e-2


def test_a_deep_graph_does_not_overflow_the_stack() -> None:
    """Neither while it is walked nor while it is freed."""
    x = y = Value(1.0)
    for _ in range(20_000):
        y = y + x * 1e-4
    y.backward()
    assert x.grad == pytest.approx(3.0)
    w = z = Array([1.0, 2.0])
    for _ in range(20_000):
        z = z + w * 1e-4
    z.sum().backward()
    np.testing.assert_allclose(w.grad, [3.0, 3.0])
    del y, z


def test_sources_accumulate_and_inner_nodes_do_not() -> None:
    for make in (Value, Array):
        x = make(3.0)
        y = x * x
        z = y * 2.0
        z.backward()
        z.backward()
        assert float(x.grad) == 24.0  # twice 12
        assert float(y.grad) == 2.0


def test_an_embedding_adds_up_what_comes_back_for_each_row() -> None:
    table = np.random.default_rng(4).normal(size=(5, 3))
    ids = np.array([[1, 3, 1], [0, 1, 4]])
    up = np.random.default_rng(5).normal(size=(2, 3, 3))
    mine, other = Array(table), torch.tensor(table, requires_grad=True)
    (mine[ids] * up).sum().backward()
    (torch.nn.functional.embedding(torch.tensor(ids), other) * torch.tensor(up)).sum().backward()
    np.testing.assert_allclose(mine.grad, other.grad.numpy(), **CLOSE)
    assert not mine.grad[2].any()  # a row that was not looked up


def test_constants_are_no_part_of_the_graph() -> None:
    w, x = Array(np.ones((2, 3))), np.arange(8.0).reshape(4, 2)
    y = x @ w
    assert [len(node.parents) for node in (y, y * 2.0, 1.0 - y, np.ones(3) / (y + 1.0))] == [1, 1, 1, 1]
    x[:] = np.nan  # the engine has a copy
    y.sum().backward()
    assert w.grad.tolist() == [[12.0] * 3, [16.0] * 3]


def test_new_data_leave_the_gradients_of_an_older_graph_right() -> None:
    """As they were when the graph was made; torch would refuse, as it has not kept them."""
    x = Array(3.0)
    y = x * x
    x.data = 100.0
    y.backward()
    assert float(x.grad) == 6.0


def test_gradients_are_the_sources_own() -> None:
    a, b = Array([1.0, 2.0]), Array([3.0, 4.0])
    (a + b).sum().backward()
    a.grad *= 10.0  # as clipping does
    assert b.grad.tolist() == [1.0, 1.0]


def test_an_array_knows_what_made_it() -> None:
    x = Array(np.ones((2, 2)))
    made = [x, x + 1, 1 - x, x @ x, x.sum(), x.tanh(), softmax(x), cross_entropy(x, [0, 1])]
    assert [a.made_by for a in made] == ["source", "add", "add", "matmul", "sum", "tanh", "softmax", "cross_entropy"]


@pytest.mark.parametrize("power", [0, 1, 2, 3.0])
def test_powers_of_zero(power: float) -> None:
    other = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    (other**power).backward()
    for x in (Array(0.0), Value(0.0)):
        y = x**power
        y.backward()
        assert float(y.data) == 0.0**power
        assert float(x.grad) == other.grad.item()


def test_relu_at_zero_is_torchs() -> None:
    other = torch.tensor([-1.0, 0.0, 2.0], requires_grad=True)
    other.relu().sum().backward()
    x = Array([-1.0, 0.0, 2.0])
    x.relu().sum().backward()
    values = [Value(v) for v in (-1.0, 0.0, 2.0)]
    for value in values:
        value.relu().backward()
    assert x.grad.tolist() == [value.grad for value in values] == other.grad.tolist() == [0.0, 0.0, 1.0]
