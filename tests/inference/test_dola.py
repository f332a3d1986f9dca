"""DoLa against its formula, written out in plain Python in float64."""

from __future__ import annotations

import math

import pytest
import torch

from lilllm.inference import DoLa, Sampler, generate, steps
from lilllm.inference.dola import contrast, divergence, early_logits
from tests.inference.decoding import decoder


def softmax(z: list[float]) -> list[float]:
    weights = [math.exp(value - max(z)) for value in z]
    return [weight / sum(weights) for weight in weights]


def jsd(p: list[float], q: list[float]) -> float:
    middle = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    relative = lambda r: sum(a * math.log(a / m) for a, m in zip(r, middle, strict=True) if a > 0)  # noqa: E731
    return relative(p) / 2 + relative(q) / 2


def by_hand(last: list[float], early: list[list[float]], alpha: float) -> list[float]:
    """softmax of F."""
    q_n, q = softmax(last), [softmax(each) for each in early]
    m = max(range(len(q)), key=lambda j: jsd(q_n, q[j]))
    ratio = [a / b if a >= alpha * max(q_n) else 0.0 for a, b in zip(q_n, q[m], strict=True)]
    return [value / sum(ratio) for value in ratio]


@pytest.mark.parametrize("alpha", [0.01, 0.1, 1.0])
def test_equal_to_its_formula(alpha: float) -> None:
    generator = torch.Generator().manual_seed(1)
    last = torch.randn(6, 12, generator=generator, dtype=torch.float64) * 2
    early = torch.randn(3, 6, 12, generator=generator, dtype=torch.float64) * 2
    got, _ = contrast(last, early, alpha=alpha)
    for row in range(6):
        wanted = by_hand(last[row].tolist(), early[:, row].tolist(), alpha)
        torch.testing.assert_close(got[row].softmax(-1), torch.tensor(wanted, dtype=torch.float64))


def test_divergence_is_jensen_and_shannons() -> None:
    x = torch.randn(2, 7, generator=torch.Generator().manual_seed(2)).log_softmax(-1)
    assert divergence(x[0], x[1]).item() == pytest.approx(jsd(x[0].exp().tolist(), x[1].exp().tolist()), abs=1e-6)
    torch.testing.assert_close(divergence(x[0], x[1]), divergence(x[1], x[0]))
    assert divergence(x[0], x[0]).abs() < 1e-6


@pytest.mark.parametrize("normed", [True, False])
@pytest.mark.parametrize("kind", ["lillm", "gpt2", "untied"])
def test_what_is_drawn_from_is_the_contrast_of_the_models_layers(kind: str, normed: bool) -> None:
    model = decoder(kind)
    how = DoLa((0, 1, 2), alpha=0.05, normed=normed)
    prompt, streams = [4, 5, 6], []
    handles = [block.register_forward_pre_hook(lambda _, args: streams.append(args[0])) for block in model.blocks]
    with torch.no_grad():
        last = model(torch.tensor([prompt]))[0, -1]
        early = [model.norm(x[0, -1]) if normed else x[0, -1] for x in streams]
        early = [model.output @ x for x in early]
    for handle in handles:
        handle.remove()
    wanted = by_hand(last.tolist(), [each.tolist() for each in early], 0.05)
    (step,) = steps(model, prompt, max_new=1, sampler=Sampler(dola=how, temperature=1), top=40)
    got = torch.zeros(40)
    for token, chance in step.allowed:
        got[token] = chance
    # float32 through three layers and back, against float64
    torch.testing.assert_close(got, torch.tensor(wanted), rtol=1e-3, atol=1e-5)


def test_the_log_probabilities_told_are_the_models_own() -> None:
    model = decoder()
    (made,) = generate(model, [[1, 2]], max_new=5, sampler=Sampler(dola=DoLa((1,)), temperature=0))
    text = torch.tensor([[1, 2, *made.tokens]])
    with torch.no_grad():
        scores = model(text).log_softmax(-1)[0, 1:-1].gather(-1, text[0, 2:, None]).squeeze(-1)
    torch.testing.assert_close(torch.tensor(made.logprobs), scores, rtol=1e-4, atol=1e-4)


def test_candidates_are_every_second_layer_of_a_half() -> None:
    assert DoLa("low").candidates(32, tied=False) == tuple(range(0, 16, 2))
    assert DoLa("high").candidates(32, tied=False) == tuple(range(16, 32, 2))
    assert DoLa("low").candidates(6, tied=True) == (2,)
    assert DoLa("high").candidates(12, tied=True) == (6, 8, 10)
    assert DoLa((0, 3)).candidates(4, tied=True) == (0, 3)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: DoLa("middle"), "layers is 'middle'"),
        (lambda: DoLa(()), r"layers are \(\)"),
        (lambda: DoLa((1.5,)), r"layers are \(1\.5,\); give one or more"),
        (lambda: DoLa(("low",)), r"layers are \('low',\)"),
        (lambda: DoLa(3), "layers is 3; give 'low', 'high' or a tuple"),
        (lambda: DoLa(alpha="a"), "alpha is 'a'"),
        (lambda: DoLa((-1,)), r"layers are \(-1,\)"),
        (lambda: DoLa(alpha=0), "alpha is 0"),
        (lambda: DoLa((4,)).candidates(4, tied=False), "give 0 to 3"),
        (lambda: DoLa("low").candidates(3, tied=True), "no low layer of 3 is left"),
        (lambda: DoLa("high").candidates(1, tied=True), "no high layer of 1 is left"),
        (lambda: generate(decoder(), [[1]], max_new=1, sampler=Sampler(dola=DoLa((3,)))), "this model has 3"),
    ],
)
@pytest.mark.bad_input
def test_bad_input_is_said_in_words(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call()


def test_early_logits_of_a_batch() -> None:
    model = decoder()
    streams = [torch.randn(4, 1, 32), torch.randn(4, 1, 32)]
    got = early_logits(model, streams)
    assert got.shape == (2, 4, 40)
    torch.testing.assert_close(got[1, 3], model.output @ model.norm(streams[1][3, 0]))
