"""Checkpointing: the same gradients, the memory of the sqrt rule, one forward pass more, and memory counted rightly."""

from __future__ import annotations

import gc
import math

import numpy as np
import pytest

from lilllm.autograd import Array, LiveBytes, chain, checkpoint, layer_norm, softmax

SIZE = 1000  # numbers of an array here, so that the few bytes of a scalar loss are below a percent
ARRAY = 8 * SIZE


class Tanh:
    """A layer that makes one array, and counts how often it was called."""

    calls = 0

    def __call__(self, x: Array) -> Array:
        self.calls += 1
        return x.tanh()


def peak(n: int, segments: int | None) -> tuple[float, int, np.ndarray]:
    """Most arrays at once, calls of layers, and the gradient, for a chain of n layers; None: no checkpoints."""
    x, layer = Array(np.linspace(-1, 1, SIZE)), Tanh()
    with LiveBytes() as memory:
        if segments is None:
            y = x
            for _ in range(n):
                y = layer(y)
        else:
            y = chain([layer] * n, x, segments)
        y.sum().backward()
    return memory.peak / ARRAY, layer.calls, x.grad


@pytest.mark.parametrize("n", [9, 16, 36])
def test_the_sqrt_rule(n: int) -> None:
    """k results are kept, and the n / k arrays of one segment: least where k = sqrt(n), and then 2 sqrt(n)."""
    peaks = {}
    for k in range(1, n + 1):
        peaks[k], calls, _ = peak(n, k)
        assert peaks[k] == pytest.approx(k + math.ceil(n / k), abs=0.01)
        assert calls == 2 * n  # every layer once more
    best = min(peaks, key=peaks.__getitem__)
    assert best == round(math.sqrt(n))
    assert peaks[best] == pytest.approx(2 * math.sqrt(n), abs=0.01)
    without, calls, _ = peak(n, None)
    assert without == pytest.approx(n, abs=0.01)
    assert calls == n


@pytest.mark.parametrize("k", [1, 3, 7, 20])
def test_the_gradient_is_the_same_to_the_bit(k: int) -> None:
    np.testing.assert_array_equal(peak(20, k)[2], peak(20, None)[2])


def block(x: Array, w: Array, gain: Array) -> Array:
    return x + layer_norm((x @ w).tanh(), gain, np.zeros(4)) * softmax(x)


def test_weights_get_their_gradients_whether_passed_or_used() -> None:
    rng = np.random.default_rng(0)
    data = [rng.normal(size=(3, 4)), rng.normal(size=(4, 4)), rng.normal(size=4)]
    found = []
    for way in ("plain", "passed", "used", "nested"):
        x, w, gain = (Array(v) for v in data)
        if way == "plain":
            y = block(block(x, w, gain), w, gain)
        elif way == "passed":
            y = checkpoint(block, checkpoint(block, x, w, gain), w, gain)
        elif way == "used":
            y = checkpoint(lambda h, w=w, gain=gain: block(block(h, w, gain), w, gain), x)
        else:
            y = checkpoint(lambda h, w=w, gain=gain: checkpoint(block, block(h, w, gain), w, gain), x)
        (y * y).sum().backward()
        found.append([v.grad for v in (x, w, gain)])
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)  # sums in another order


def test_a_use_outside_counts_too() -> None:
    x = Array([0.5, -1.0])
    h = x.tanh()
    y = checkpoint(lambda a: a * h, h) + h  # h is an input, is used inside, and is used outside
    y.sum().backward()
    np.testing.assert_allclose(x.grad, (2 * np.tanh(x.data) + 1) * (1 - np.tanh(x.data) ** 2))


def test_selective_keeping_of_matrix_products() -> None:
    """Only what is cheap is done again: no matrix product, and the arrays of the activation functions are dropped."""
    products = []

    def product(x: Array) -> Array:
        products.append(1)
        return x @ w

    def activation(h: Array) -> Array:
        return (h * h * 0.1 + h).tanh()

    found = []
    for selective in (False, True):
        w, x = Array(np.eye(10) * 0.9), Array(np.linspace(-1, 1, 1000).reshape(100, 10))
        products.clear()
        with LiveBytes() as memory:
            y = x
            for _ in range(5):
                h = product(y)
                y = checkpoint(activation, h) if selective else activation(h)
            del h
            y.sum().backward()
        found.append((memory.peak, x.grad, w.grad))
        assert len(products) == 5
    np.testing.assert_array_equal(found[0][1], found[1][1])
    np.testing.assert_array_equal(found[0][2], found[1][2])
    # Of each layer the product, h * h, * 0.1, + h, tanh; or the product and the result, and once the four in between.
    assert found[0][0] == pytest.approx(5 * 5 * 8000, rel=0.01)
    assert found[1][0] == pytest.approx((5 * 2 + 4) * 8000, rel=0.01)


def test_bad_input_of_a_checkpoint() -> None:
    x = Array([1.0, 2.0])
    with pytest.raises(TypeError, match="must return an Array, and returned a float"):
        checkpoint(lambda a: 1.0, x)
    for k in (0, 4):
        with pytest.raises(ValueError, match="3 layers can be cut into 1 to 3 segments"):
            chain([Array.tanh] * 3, x, k)
    rng = np.random.default_rng(0)
    loss = checkpoint(lambda a: a * rng.normal(size=2), x).sum()
    with pytest.raises(RuntimeError, match="another result the second time: is it random"):
        loss.backward()
    weights = iter([Array([2.0, 2.0]), Array([2.0, 2.0])])
    loss = checkpoint(lambda a: a * next(weights), x).sum()
    with pytest.raises(RuntimeError, match="used other arrays the second time"):
        loss.backward()
    checkpoint(lambda a: a, x).sum().backward()
    assert x.grad.tolist() == [1.0, 1.0]


def test_live_bytes_are_counted_once_and_given_back() -> None:
    x = Array(np.ones(SIZE))
    with LiveBytes() as memory:
        assert memory.now == 0
        y = x.tanh()
        assert memory.now == ARRAY
        z = y.reshape(10, 100)  # the same memory
        assert memory.now == ARRAY
        del y
        assert memory.now == ARRAY  # z needs it
        z = z + 1.0
        gc.collect()
        assert memory.now == 2 * ARRAY  # what z was made from lives
        del z
        assert memory.now == 0
        layer_norm(x.reshape(10, 100), np.ones(100), np.zeros(100))
        assert memory.now == 0
    assert memory.peak > 2 * ARRAY  # layer norm's result, and the normalised rows it keeps
    x.tanh().sum()
    assert memory.now == 0  # nothing is counted behind the block


def test_many_inputs_are_one_more_call() -> None:
    calls = []

    def layer(x: Array, w: Array, b: Array) -> Array:
        calls.append(1)
        return (x * w + b).tanh()

    checkpoint(layer, Array([1.0]), Array([2.0]), Array([3.0])).sum().backward()
    assert len(calls) == 2
