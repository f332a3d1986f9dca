"""Each rule equals torch's over 100 steps for options, shapes and gradients drawn at random; AdamW by both paths."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lilllm import optim

STEPS = 100
# float64, so that only the order of operations differs: 1e-6 relative to weights of about 1 leaves room for 100 steps.
TOLERANCE = 1e-6

rate = st.floats(1e-4, 0.3)
fraction = st.sampled_from([0.0, 0.3, 0.9, 0.99])
decay = st.sampled_from([0.0, 0.01, 0.3])
eps = st.sampled_from([1e-10, 1e-8, 1e-3, 0.1])
betas = st.tuples(fraction, st.sampled_from([0.5, 0.95, 0.999]))  # at b2 = 0, a gradient of 0 leaves m / eps
adam = {"lr": rate, "betas": betas, "eps": eps, "weight_decay": decay}
OPTIONS: dict[str, tuple[Any, Any, dict[str, Any]]] = {
    "sgd": (optim.SGD, torch.optim.SGD, {"lr": rate, "momentum": fraction, "weight_decay": decay}),
    "nesterov": (
        optim.SGD,
        torch.optim.SGD,
        {"lr": rate, "momentum": st.floats(0.1, 0.95), "nesterov": st.just(True), "weight_decay": decay},
    ),
    "adagrad": (
        optim.Adagrad,
        torch.optim.Adagrad,
        {
            "lr": rate,
            "lr_decay": st.floats(0, 1),
            "initial_accumulator_value": st.sampled_from([0.0, 0.1]),
            "eps": eps,
            "weight_decay": decay,
        },
    ),
    "rmsprop": (
        optim.RMSProp,
        torch.optim.RMSprop,
        {
            "lr": rate,
            "alpha": st.sampled_from([0.5, 0.9, 0.99]),
            "momentum": fraction,
            # The square root of a difference that may vanish: with a tiny eps it would blow rounding errors up.
            "eps": st.just(1e-3),
            "centered": st.booleans(),
            "weight_decay": decay,
        },
    ),
    "adadelta": (
        optim.Adadelta,
        torch.optim.Adadelta,
        {"lr": st.floats(0.1, 2), "rho": fraction, "eps": st.sampled_from([1e-6, 1e-3]), "weight_decay": decay},
    ),
    "adam": (optim.Adam, torch.optim.Adam, adam),
    "adamw": (optim.AdamW, torch.optim.AdamW, adam | {"foreach": st.booleans()}),
    "adafactor": (
        optim.Adafactor,
        torch.optim.Adafactor,
        {
            "lr": rate,
            "beta2_decay": st.floats(-1, -0.3),
            "eps": st.tuples(st.sampled_from([None, 1e-10]), st.sampled_from([1e-3, 0.1])),
            "d": st.floats(1, 3),
            "weight_decay": decay,
        },
    ),
    "muon": (
        optim.Muon,
        torch.optim.Muon,
        {
            "lr": rate,
            "momentum": fraction,
            "nesterov": st.booleans(),
            "weight_decay": decay,
            "ns_steps": st.integers(1, 6),
        },
    ),
}
matrices = st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=3)
shapes = st.lists(st.lists(st.integers(1, 4), max_size=3).map(tuple), min_size=1, max_size=4)


def descend(rule: Any, sizes: list[tuple[int, ...]], seed: int, options: dict[str, Any], steps: int = STEPS) -> Any:
    """Weights after noisy descent on |w - 1|^2, where every third gradient of the first weight is 0."""
    generator = torch.Generator().manual_seed(seed)
    params = [torch.randn(size, generator=generator, dtype=torch.float64).requires_grad_() for size in sizes]
    optimizer = rule(params, **options)
    for step in range(steps):
        for i, p in enumerate(params):
            noise = torch.randn(p.shape, generator=generator, dtype=torch.float64)
            p.grad = torch.zeros_like(p) if i == 0 and step % 3 == 2 else (p.detach() - 1) + noise
        optimizer.step()
    return [p.detach() for p in params]


@pytest.mark.parametrize("name", OPTIONS)
@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_equal_to_torch(name: str, data: st.DataObject) -> None:
    ours, theirs, strategies = OPTIONS[name]
    options = data.draw(st.fixed_dictionaries(strategies))
    sizes = data.draw(matrices if name == "muon" else shapes)
    seed = data.draw(st.integers(0, 1000))
    got, want = descend(ours, sizes, seed, options), descend(theirs, sizes, seed, options)
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w, rtol=TOLERANCE, atol=TOLERANCE)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(options=st.fixed_dictionaries(adam), sizes=shapes, seed=st.integers(0, 1000))
def test_both_paths_of_adamw_agree(options: dict[str, Any], sizes: list[tuple[int, ...]], seed: int) -> None:
    got, want = (descend(optim.AdamW, sizes, seed, options | {"foreach": foreach}) for foreach in (True, False))
    for g, w in zip(got, want, strict=True):
        torch.testing.assert_close(g, w, rtol=TOLERANCE, atol=TOLERANCE)


def test_both_paths_of_adamw_agree_on_weights_larger_than_the_cache() -> None:
    # Cut into pieces, the last not full; one weight that cannot be cut; small ones in batches that the cache holds.
    sizes = [(300, 500), (2**16,), (7,), (2**16 + 1,), *[(100, 100)] * 8, ()]
    options = {"lr": 0.01, "weight_decay": 0.1}
    for g, w in zip(
        descend(optim.AdamW, sizes, 0, options | {"foreach": True}, 4),
        descend(torch.optim.AdamW, sizes, 0, options, 4),
        strict=True,
    ):
        torch.testing.assert_close(g, w, rtol=1e-12, atol=1e-12)
    turned = [torch.ones(500, 300).T.requires_grad_(), torch.ones(300, 500).requires_grad_()]
    gradient = torch.randn(300, 500, generator=torch.Generator().manual_seed(0))
    optimizer = optim.AdamW(turned, **options)
    for p in turned:
        p.grad = gradient.clone()
    optimizer.step()
    torch.testing.assert_close(turned[0], turned[1], rtol=0, atol=1e-7)


def test_muon_with_the_rms_of_adamw() -> None:
    theirs = {"lr": 0.05, "adjust_lr_fn": "match_rms_adamw"}
    got = descend(optim.Muon, [(3, 5), (6, 2)], 0, {"lr": 0.05, "match_rms_adamw": True})
    for g, w in zip(got, descend(torch.optim.Muon, [(3, 5), (6, 2)], 0, theirs), strict=True):
        torch.testing.assert_close(g, w, rtol=TOLERANCE, atol=TOLERANCE)
