"""What cannot be right is refused in words, where it happens; a NaN is traced to the operation that made it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lilllm.autograd import (
    Array,
    BatchNorm,
    Value,
    batch_norm,
    cross_entropy,
    gradient_error,
    he_normal,
    he_uniform,
    layer_norm,
    log_softmax,
    numeric_gradient,
    softmax,
    unbroadcast,
    xavier_uniform,
)

X = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda x: x + np.ones(2), r"cannot add shapes \(2, 3\) and \(2,\)"),
        (lambda x: np.ones(2) * x, r"cannot multiply shapes \(2, 3\) and \(2,\)"),
        (lambda x: x - Array(np.ones((3, 3))), r"cannot subtract shapes \(2, 3\) and \(3, 3\)"),
        (lambda x: x / np.ones((4, 1)), r"cannot divide shapes"),
        (lambda x: x @ x, r"cannot multiply shapes \(2, 3\) and \(2, 3\): inner sizes"),
        (lambda x: x @ 2.0, "a number is multiplied with"),
        (lambda x: np.ones(3) @ x, r"cannot multiply shapes \(3,\) and \(2, 3\)"),
        (lambda x: x.reshape(4), "cannot reshape"),
        (lambda x: x.transpose(0), "axes"),
        (lambda x: x[0].transpose(), r"shape \(3,\) has not two"),
        (lambda x: x.sum(2), "axis 2 is out of bounds"),
        (lambda x: x[:0].mean(), r"shape \(0, 3\) is empty"),
        (lambda x: softmax(x[:0]), r"softmax of an empty array"),
        (lambda x: x.backward(), "starts from a single number"),
        (lambda x: x.backward(np.ones(3)), "the seed has shape"),
        (lambda x: (x - 2.0).log(), "above 0, the smallest is -1"),
        (lambda x: (x - 2.0) ** 0.5, r"no real power 0\.5; the smallest is -1"),
        (lambda x: Array([1.0], [x], []), "1 parents need as many pullbacks, got 0"),
        (lambda x: setattr(x, "data", np.ones(3)), r"shape \(2, 3\) cannot be given data of shape \(3,\)"),
        (lambda x: unbroadcast(X, (2,)), r"shape \(2,\) does not broadcast to \(2, 3\)"),
        (lambda x: unbroadcast(X[0], (1, 2, 3)), "does not broadcast"),
        (lambda x: cross_entropy(x, np.array([1])), r"need targets of shape \(2,\), got \(1,\)"),
        (lambda x: cross_entropy(Array(1.0), np.array(0)), "need targets"),
        (lambda x: cross_entropy(x, np.array([1, 3])), r"targets must be in 0\.\.2"),
        (lambda x: cross_entropy(x, np.array([-1, 0])), r"targets must be in 0\.\.2"),
        (lambda x: cross_entropy(x, np.array([0.0, 1.0])), "integers"),
        (lambda x: cross_entropy(x, np.array([True, False])), "integers"),
        (lambda x: layer_norm(x, np.ones(2), np.ones(3)), r"must have shape \(3,\)"),
        (lambda x: layer_norm(Array(1.0), Array(1.0), Array(1.0)), "gain and bias"),
        (lambda x: layer_norm(x, np.ones(3), np.ones(3), eps=0.0), "eps must be above 0"),
        (lambda x: batch_norm(x, np.ones(2), np.ones(3)), r"x must be \(N, C\)"),
        (lambda x: batch_norm(x[:1], np.ones(3), np.ones(3)), "need two values a channel"),
        (lambda x: batch_norm(x, np.ones(3), np.ones(3), fixed=(np.ones(3), -np.ones(3))), "none below 0"),
        (lambda x: BatchNorm(0), "at least one channel"),
        (lambda x: BatchNorm(3, momentum=1.5), "momentum"),
        (lambda x: numeric_gradient(np.sum, X, h=0.0), "h must be above 0"),
        (lambda x: gradient_error(lambda a: a * 2.0, X), "starts from a single number"),
        (
            lambda x: batch_norm(x, np.ones(3), np.ones(3), fixed=(np.ones(3), np.zeros(3)), eps=0.0),
            "eps must be above",
        ),
        (lambda x: layer_norm(x, np.ones(3), np.ones(3), eps=np.inf), "eps must be above 0 and finite, got inf"),
        (lambda x: BatchNorm(2.5), "whole number of channels, .* got 2.5"),
        (lambda x: he_normal(2.5, 2, np.random.default_rng(0)), "whole numbers, got 2.5 and 2"),
        (lambda x: xavier_uniform(2, 2, np.random.default_rng(0), gain=np.inf), "above 0 and finite, got inf"),
        (lambda x: x**np.nan, "the power must be finite, got nan"),
        (lambda x: x**-np.inf, "the power must be finite, got -inf"),
        (lambda x: Value(2.0) ** np.inf, "the power must be finite, got inf"),
        (lambda x: Value(-1.0).log(), "above 0"),
        (lambda x: Value(-1.0) ** 0.5, "no real power"),
        (lambda x: Value(1.0, [Value(2.0)], []), "as many local derivatives"),
    ],
)
def test_wrong_shapes_and_numbers(act, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        act(Array(X))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda x: Array(["a"]), "real numbers, not <U1"),
        (lambda x: Array([1.0 + 2.0j]), "real numbers, not complex128"),
        (lambda x: Array([x, x]), "real numbers, not object"),
        (lambda x: x + np.array([None]), "real numbers, not object"),
        (lambda x: x**x, "plain number"),
        (lambda x: x[Array([0, 1])], "an index is made of integers"),
        (lambda x: x[0, Array(1)], "an index is made of integers"),
        (lambda x: np.exp(x), "does not support ufuncs"),
        (lambda x: Value(1.0) ** Value(2.0), "plain number"),
        (lambda x: Value("3"), "one real number, got '3'"),
        (lambda x: Value(None), "one real number, got a NoneType"),
        (lambda x: Value(1.0) * [1, 2], "one real number, got a list"),
        (lambda x: Value(1.0) ** "2", "plain number, got a str"),
        (lambda x: x ** "2", "plain number, got a str"),
        (lambda x: x ** np.ones(3), "plain number, got a ndarray"),
        (lambda x: x**1j, "plain number, got a complex"),
        (lambda x: Array([[1], [1, 2]]), "NumPy makes none of this list: .*inhomogeneous"),
        (lambda x: Array(torch.ones(2, requires_grad=True)), r"none of this Tensor: .*detach\(\)"),
        (lambda x: x + torch.ones(3, dtype=torch.bfloat16), "none of this Tensor: .*BFloat16"),
        (lambda x: he_uniform(2, 2, 0), r"drawn from numpy.random.default_rng\(seed\), got a int"),
        (lambda x: numeric_gradient(lambda v: v, X), r"the function returned an array of shape \(2, 3\)"),
        (lambda x: numeric_gradient(lambda v: None, X), "the function returned a NoneType"),
        (lambda x: gradient_error(lambda a: 5.0, X), "must return an Array, and returned a float"),
    ],
)
def test_wrong_types(act, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        act(Array(X))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: Array(10**400), "an Array holds float64"),
        (lambda: Value(10**400), "a Value holds a float"),
        (lambda: Value(1e300) ** 2, r"1e\+300 to the power 2 is more than a float holds"),
        (lambda: Value(1e3).exp(), "exp of 1000 is more"),
    ],
)
def test_what_no_float_holds(act, words: str) -> None:
    with pytest.raises(OverflowError, match=words):
        act()


def test_a_seed_that_is_not_finite_is_named_as_that() -> None:
    x = Array(X)
    with pytest.raises(FloatingPointError, match="the seed is NaN"):
        (x * 2.0).backward(np.full((2, 3), np.nan))
    assert x.grad is None


def test_integers_become_floats() -> None:
    """So that no gradient is rounded: an array of whole numbers is no other kind of number here."""
    x = Array(np.array([1, 2, 3]))
    (x * x * 0.5).sum().backward()
    assert x.data.dtype == x.grad.dtype == np.float64
    assert x.grad.tolist() == [1.0, 2.0, 3.0]
    np.testing.assert_allclose(numeric_gradient(lambda v: float((v * v).sum() / 2), np.array([1, 2, 3])), [1, 2, 3])


@pytest.mark.parametrize("act", [lambda x: x / 0.0, lambda x: 1 / (x - 1.0), lambda x: (x - 1.0) ** -2])
def test_division_by_zero(act) -> None:
    with pytest.raises(ZeroDivisionError):
        act(Array(X))
    with pytest.raises(ZeroDivisionError):
        act(Value(1.0))


def test_data_cannot_change_under_a_graph() -> None:
    """Neither a source's nor a result's: backward would use numbers that the forward pass never saw."""
    mine = X.copy()
    x = Array(mine)
    y = x.tanh()
    for array in (x, y, x.reshape(6), x[0]):
        with pytest.raises(ValueError, match="read-only"):
            array.data[...] = 5.0
    with pytest.raises(ValueError, match="read-only"):
        x.data -= 0.1
    mine[0, 0] = 100.0  # the caller's own array stays theirs
    assert x.data[0, 0] == 1.0
    indices = np.array([0, 0])
    z = x[indices].sum()
    indices[:] = 1
    z.backward()
    assert x.grad.tolist() == [[2.0] * 3, [0.0] * 3]


def test_a_nan_is_traced_to_where_it_began() -> None:
    x, w = Array(X), Array(np.full((3, 2), 1e308))
    with np.errstate(all="ignore"):
        loss = (x @ w).tanh().sum() + ((x @ w) - (x @ w)).sum()
    with pytest.raises(FloatingPointError, match=r"result is NaN.*the result of matmul of \(2, 3\) and \(3, 2\)"):
        loss.backward()
    assert x.grad is None
    assert w.grad is None
    with pytest.raises(FloatingPointError, match=r"first such number is in a source, of shape \(2,\)"):
        (Array([1.0, np.nan]) * 2.0).sum().backward()
    with pytest.raises(FloatingPointError, match="NaN"):
        (x * np.nan).sum().backward()
    with (
        np.errstate(divide="ignore"),
        pytest.raises(FloatingPointError, match=r"pullback of pow, for an array of shape \(2,\)"),
    ):
        (Array([0.0, 1.0]) ** 0.5).sum().backward()  # the slope of a root at 0
    with pytest.raises(FloatingPointError, match=r"made of 1e\+308, 100"):
        ((Value(1e308) * 100.0) * 0.0).backward()
    assert np.isnan(Value(float("nan")).relu().data)
    with np.errstate(over="ignore"), pytest.raises(FloatingPointError, match=r"within 0\.001 of input 0"):
        gradient_error(lambda a: (a * a * 1e308 * 1e-308).sum(), np.array([1.34]), h=1e-3)


def test_nothing_of_a_failed_backward_is_kept() -> None:
    good, bad = Array(1.0), Array(0.0)
    loss = good * 2.0 + bad**0.5
    with np.errstate(divide="ignore"), pytest.raises(FloatingPointError):
        loss.backward()
    assert good.grad is None
    assert bad.grad is None


def test_a_pullback_that_forgets_broadcasting_is_named() -> None:
    bias = Array(np.zeros(3))
    y = Array(X + bias.data, (bias,), (lambda g: g,))  # should sum over the rows
    with pytest.raises(ValueError, match=r"gradient of shape \(2, 3\) to an array of shape \(3,\): was it broadcast"):
        y.sum().backward()


def test_infinities_that_cancel_are_no_error() -> None:
    """A mask of -inf before a softmax is finite after it."""
    x = Array([[1.0, -np.inf, 2.0]])
    cross_entropy(x, np.array([0])).backward()
    assert x.grad[0, 1] == 0.0
    y = Array([[1.0, -np.inf, 2.0]])
    (softmax(y) * np.array([1.0, 2.0, 3.0])).sum().backward()
    assert y.grad[0, 1] == 0.0
    assert np.isfinite(log_softmax(Array([[1000.0, 0.0]])).data).all()


def test_backward_twice_adds_up_in_sources_only() -> None:
    x = Array([1.0, 2.0])
    y = x.tanh()
    loss = y.sum()
    loss.backward()
    once, inner = x.grad.copy(), y.grad.copy()
    loss.backward()
    np.testing.assert_array_equal(x.grad, 2 * once)
    np.testing.assert_array_equal(y.grad, inner)


@pytest.mark.parametrize("turned", [False, True])
def test_a_derivative_that_is_not_finite_changes_no_sources_gradient(turned: bool) -> None:
    """Whichever of the two sources is reached first. The root of x has at 0 no finite derivative."""
    good, bad = Array([3.0]), Array([0.0])
    good.grad = np.array([7.0])
    parts = [(good * 2.0).sum(), (bad**0.5).sum()]
    with np.errstate(divide="ignore"), pytest.raises(FloatingPointError, match="comes from the pullback of pow"):
        (parts[turned] + parts[not turned]).backward()
    assert (good.grad.tolist(), bad.grad) == ([7.0], None)
