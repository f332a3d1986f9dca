"""First weights: the variances of Glorot and of He, torch's bounds, and signals that keep their size through layers."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch

from lilllm.autograd import Array, he_normal, he_uniform, xavier_normal, xavier_uniform

N_IN, N_OUT = 300, 500
COUNT = N_IN * N_OUT
WANTED = {
    xavier_normal: 2 / (N_IN + N_OUT),
    xavier_uniform: 2 / (N_IN + N_OUT),
    he_normal: 2 / N_IN,
    he_uniform: 2 / N_IN,
}
THEIRS = {
    xavier_normal: torch.nn.init.xavier_normal_,
    xavier_uniform: torch.nn.init.xavier_uniform_,
    he_normal: torch.nn.init.kaiming_normal_,
    he_uniform: torch.nn.init.kaiming_uniform_,
}


def draw(init, seed: int = 0, **kwargs: float) -> np.ndarray:
    return init(N_IN, N_OUT, np.random.default_rng(seed), **kwargs)


def by_torch(init) -> np.ndarray:
    weight = torch.empty(N_OUT, N_IN)  # torch keeps (n_out, n_in)
    extra = {"nonlinearity": "relu"} if "nonlinearity" in inspect.signature(THEIRS[init]).parameters else {}
    THEIRS[init](weight, generator=torch.Generator().manual_seed(0), **extra)
    return weight.T.numpy()


@pytest.mark.parametrize("init", WANTED)
@pytest.mark.parametrize("source", [draw, by_torch])
def test_mean_and_variance(init, source) -> None:
    """Of n draws the mean is off by sqrt(var / n), the variance by at most sqrt(2 / n) of itself: five times that."""
    w, var = source(init), WANTED[init]
    assert w.shape == (N_IN, N_OUT)
    assert abs(w.mean()) < 5 * math.sqrt(var / COUNT)
    assert abs(w.var() / var - 1) < 5 * math.sqrt(2 / COUNT)


@pytest.mark.parametrize(
    ("init", "bound"), [(xavier_uniform, math.sqrt(6 / (N_IN + N_OUT))), (he_uniform, math.sqrt(6 / N_IN))]
)
def test_bounds_of_the_uniform(init, bound: float) -> None:
    """All of n draws lie inside; the largest is within 20 / n of the bound but for a chance of exp(-20)."""
    for w, slack in ((draw(init), 0.0), (by_torch(init), 1e-6 * bound)):  # torch's are float32
        assert bound * (1 - 20 / COUNT) < np.abs(w).max() <= bound + slack
    assert bound**2 / 3 == pytest.approx(WANTED[init])


@pytest.mark.parametrize("init", WANTED)
def test_the_shape_of_the_distribution_is_torchs(init) -> None:
    """The largest gap between the two empirical distributions: 1.95 sqrt(2 / n) is passed once in a thousand."""
    a, b = np.sort(draw(init).ravel()), np.sort(by_torch(init).astype(float).ravel())
    both = np.concatenate([a, b])
    gap = np.abs(np.searchsorted(a, both, "right") - np.searchsorted(b, both, "right")).max() / COUNT
    assert gap < 1.95 * math.sqrt(2 / COUNT)


@pytest.mark.parametrize("init", WANTED)
def test_gain_and_generator(init) -> None:
    np.testing.assert_array_equal(draw(init, 7), draw(init, 7))
    assert not np.array_equal(draw(init, 7), draw(init, 8))
    np.testing.assert_allclose(draw(init, gain=3.0), 3 * draw(init, gain=1.0))
    with pytest.raises(ValueError, match="at least one input"):
        init(0, 3, np.random.default_rng(0))
    with pytest.raises(ValueError, match="gain must be above 0"):
        draw(init, gain=0.0)


@pytest.mark.parametrize("init", [he_normal, he_uniform])
def test_a_relu_network_keeps_the_size_of_its_signals(init) -> None:
    """Through 20 layers of width 400 the mean square stays within a factor of 3; with Xavier it falls by 2^20.

    A layer's mean square varies by about sqrt(5 / width) = 0.11 of itself, 20 layers' by sqrt(20) times that: 0.5 in
    the logarithm, so a factor of 3 (1.1 in the logarithm) is two standard deviations; the seed is fixed.
    """
    rng = np.random.default_rng(0)
    kept, faded = (Array(rng.normal(size=(64, 400))) for _ in range(2))
    for _ in range(20):
        kept = (kept @ init(400, 400, rng)).relu()
        faded = (faded @ xavier_normal(400, 400, rng)).relu()
    assert 1 / 3 < (kept.data**2).mean() < 3
    assert 2.0**-23 < (faded.data**2).mean() < 2.0**-18


def test_a_tanh_network_keeps_its_gradients_with_xavier() -> None:
    """Small signals go through tanh as through the identity: forward and backward keep their size (factor 3)."""
    rng = np.random.default_rng(1)
    x = Array(0.01 * rng.normal(size=(64, 300)))
    y = x
    for _ in range(10):
        y = (y @ xavier_uniform(300, 300, rng)).tanh()
    y.backward(rng.normal(size=y.shape))
    assert 1 / 3 < (y.data**2).mean() / 1e-4 < 3
    assert 1 / 3 < (x.grad**2).mean() < 3


@pytest.mark.parametrize("init", WANTED)
def test_the_scale_to_the_last_digit(init) -> None:
    """The same draws at another scale: statistics see no error below 2 %, this does."""
    generator = np.random.default_rng(0)
    if "normal" in init.__name__:
        unit = generator.normal(size=(N_IN, N_OUT))
    else:
        unit = generator.uniform(-1, 1, size=(N_IN, N_OUT)) * math.sqrt(3)
    np.testing.assert_allclose(draw(init), unit * math.sqrt(WANTED[init]), rtol=1e-12)
