"""Each sampler against transformers' own, against its distribution, and by hand."""

from __future__ import annotations

import math

import pytest
import torch
from transformers.generation import logits_process as theirs

from lilllm.inference import (
    GREEDY,
    Factual,
    Sampler,
    draw,
    min_p,
    repetition_penalty,
    sentence_ends,
    temperature,
    top_k,
    top_p,
)
from lilllm.inference.factual import nucleus_p
from lilllm.tokenizers import ByteTokenizer

# chi-square: each test is wrong to fail once in a million seeds, and the seeds are fixed.
FALSE_ALARM = 1e-6


def logits(seed: int, V: int = 30, scale: float = 3.0, B: int = 4) -> torch.Tensor:
    """Random ones; every third row has ties, a row has extremes."""
    made = torch.randn(B, V, generator=torch.Generator().manual_seed(seed)) * scale
    made[0] = (made[0] * 2).round() / 2
    made[1, :3] = torch.tensor([1e4, -1e4, -math.inf])
    return made


def same(got: torch.Tensor, wanted: torch.Tensor) -> None:
    assert torch.equal(got == -math.inf, wanted == -math.inf)
    torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("seed", range(20))
def test_equal_to_transformers(seed: int) -> None:
    x = logits(seed)
    ids = torch.randint(30, (4, 7), generator=torch.Generator().manual_seed(seed))
    for k in (1, 2, 5, 29, 30, 100):
        same(top_k(x, k), theirs.TopKLogitsWarper(k)(ids, x))
    for p in (0.0, 0.02, 0.5, 1.0):
        same(min_p(x, p), theirs.MinPLogitsWarper(p)(ids, x))
    for t in (0.1, 0.7, 1.0, 3.0):
        same(temperature(x, t), theirs.TemperatureLogitsWarper(t)(ids, x))
    for penalty in (0.5, 1.0, 1.2, 10.0):
        same(repetition_penalty(x, ids, penalty), theirs.RepetitionPenaltyLogitsProcessor(penalty)(ids, x))
    for p in (0.01, 0.3, 0.9, 0.999):
        got, wanted = top_p(x, p), theirs.TopPLogitsWarper(p)(ids, x)
        # Of equal logits theirs keeps whichever its sort put there; ours the first. As many stay, and no others' kind.
        same(got[1:], wanted[1:])
        same(got[:1].sort().values, wanted[:1].sort().values)


@pytest.mark.parametrize("seed", range(5))
def test_the_sampler_is_transformers_chain(seed: int) -> None:
    x = logits(seed)[1:]  # no ties: which of them top-p keeps is nobody's promise
    ids = torch.randint(30, (3, 7), generator=torch.Generator().manual_seed(seed))
    chain = [
        theirs.RepetitionPenaltyLogitsProcessor(1.3),
        theirs.TemperatureLogitsWarper(0.7),
        theirs.TopKLogitsWarper(9),
        theirs.TopPLogitsWarper(0.8),
        theirs.MinPLogitsWarper(0.05),
    ]
    wanted = x
    for each in chain:
        wanted = each(ids, wanted)
    same(Sampler(repetition_penalty=1.3, temperature=0.7, top_k=9, top_p=0.8, min_p=0.05)(x, ids), wanted)


def test_top_p_keeps_the_fewest_that_reach_it() -> None:
    for seed in range(10):
        x = logits(seed, V=8)
        for p in (0.1, 0.5, 0.9):
            chances, kept = x.softmax(-1), top_p(x, p) > -math.inf
            for row, keep in zip(chances, kept, strict=True):
                mass = row[keep].sum()
                assert mass >= p - 1e-6
                assert mass - row[keep].min() < p + 1e-6  # none of them could be left out
                assert not keep.all() or row[keep].min() > 0 or p == 1
                assert (row[~keep].amax() if (~keep).any() else 0) <= row[keep].min()


def test_top_p_of_ties_keeps_the_first_of_them() -> None:
    assert (top_p(torch.zeros(1, 10), 0.35) == 0).tolist() == [[True] * 4 + [False] * 6]
    assert (top_k(torch.zeros(1, 10), 1) == 0).all()


def test_top_p_that_is_reached_exactly_takes_no_more() -> None:
    assert (top_p(torch.zeros(4), 0.5) == 0).tolist() == [True, True, False, False]  # 1/4 + 1/4, in floats too


def test_probabilities_are_summed_in_float32_whatever_the_logits_are() -> None:
    """512 tokens, each a little likelier than the next: in bfloat16 a running sum of such small ones stands still."""
    x = torch.linspace(0.5, 0, 512)
    for p in (0.5, 0.9):
        kept, wanted = (int((top_p(each, p) > -math.inf).sum()) for each in (x.bfloat16(), x.bfloat16().float()))
        assert kept == wanted < 512
    assert min_p(torch.tensor([0.0, -0.921875]).bfloat16(), 0.4).tolist() == [0, -math.inf]  # exp is 0.3978


def test_temperature_0_is_greedy() -> None:
    x = logits(3)
    for t in (0, 0.0, 1e-9):
        assert torch.equal(temperature(x, t).isfinite().sum(-1), torch.ones(4, dtype=torch.long))
        assert torch.equal(draw(temperature(x, t)), x.argmax(-1))
    assert torch.equal(GREEDY(x).argmax(-1), x.argmax(-1))
    assert torch.equal(draw(Sampler(temperature=0, top_k=5, top_p=0.5, min_p=0.1)(x)), x.argmax(-1))
    assert temperature(torch.zeros(3), 0).tolist() == [0, -math.inf, -math.inf]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_dtypes_stay(dtype: torch.dtype) -> None:
    x = torch.randn(2, 9, generator=torch.Generator().manual_seed(0)).to(dtype)
    for got in (temperature(x, 0.5), temperature(x, 0), top_k(x, 3), top_p(x, 0.5), min_p(x, 0.2)):
        assert got.dtype == dtype
        assert got.isfinite().any(-1).all()
    assert repetition_penalty(x, torch.tensor([[1], [2]]), 1.2).dtype == dtype


def chi_square(counts: torch.Tensor, chances: torch.Tensor) -> float:
    """The chance of counts as odd as these or odder, if ``chances`` are true; classes below 5 go together."""
    n, wanted = float(counts.sum()), chances.double() * float(counts.sum())
    rare = wanted < 5
    assert counts[chances == 0].sum() == 0
    seen = torch.cat((counts[~rare].double(), counts[rare].sum()[None].double()))
    due = torch.cat((wanted[~rare], wanted[rare].sum()[None]))
    seen, due = seen[due > 0], due[due > 0]
    assert abs(float(due.sum()) - n) < 1e-3 * n
    if len(due) == 1:
        return 1.0
    half = torch.tensor([(len(due) - 1) / 2, float(((seen - due) ** 2 / due).sum()) / 2], dtype=torch.float64)
    return float(torch.special.gammaincc(half[0], half[1]))


DRAWN = {
    "plain": Sampler(),
    "hot": Sampler(temperature=1.7),
    "cold": Sampler(temperature=0.3),
    "top_k": Sampler(top_k=5),
    "top_p": Sampler(top_p=0.7),
    "min_p": Sampler(min_p=0.05),
    "penalty": Sampler(repetition_penalty=1.5),
    "factual": Sampler(factual=Factual(frozenset({2}), p=0.9, decay=0.5, floor=0.2)),
    "all": Sampler(temperature=1.3, top_k=9, top_p=0.9, min_p=0.02, repetition_penalty=1.2),
}


def exact(how: str, x: torch.Tensor, said: list[int]) -> torch.Tensor:
    """The distribution in float64 by its definition, in plain Python."""
    sampler = DRAWN[how]
    z = x.double().tolist()
    if sampler.repetition_penalty:
        for token in set(said):
            z[token] = z[token] * sampler.repetition_penalty if z[token] < 0 else z[token] / sampler.repetition_penalty
    weights = [math.exp(value / sampler.temperature) for value in z]
    order = sorted(range(len(z)), key=lambda token: -weights[token])
    kept = order[: sampler.top_k]
    p = sampler.top_p
    if sampler.factual is not None:
        p = max(0.2, 0.9 * 0.5 ** (len(said) - 1 - said.index(2)))  # t - 1 tokens since the end of a sentence
    if p is not None:
        total, mass, nucleus = sum(weights[token] for token in kept), 0.0, []
        for token in kept:
            if mass < p * total:
                nucleus.append(token)
                mass += weights[token]
        kept = nucleus
    if sampler.min_p is not None:
        kept = [token for token in kept if weights[token] >= sampler.min_p * weights[order[0]]]
    chances = torch.zeros(len(z), dtype=torch.float64)
    for token in kept:
        chances[token] = weights[token] / sum(weights[each] for each in kept)
    return chances


@pytest.mark.parametrize("how", DRAWN)
def test_what_is_drawn_has_the_distribution_of_its_definition(how: str) -> None:
    n, said = 20_000, [5, 2, 7, 7]  # the sentence has two tokens so far
    x = torch.randn(1, 25, generator=torch.Generator().manual_seed(11)) * 1.5
    allowed = DRAWN[how](x, torch.tensor([said]), generated=4)
    drawn = draw(allowed.expand(n, -1), torch.Generator().manual_seed(5))
    assert chi_square(torch.bincount(drawn, minlength=25), exact(how, x[0], said)) > FALSE_ALARM


def test_chi_square_notices_a_wrong_sampler() -> None:
    x = torch.randn(1, 25, generator=torch.Generator().manual_seed(11)) * 1.5
    drawn = draw((x / 1.1).expand(20_000, -1), torch.Generator().manual_seed(5))
    assert chi_square(torch.bincount(drawn, minlength=25), exact("plain", x[0], [])) < FALSE_ALARM


def test_each_row_with_a_generator_of_its_own_is_drawn_as_if_alone() -> None:
    x = logits(4)

    def own() -> list[torch.Generator]:
        return [torch.Generator().manual_seed(seed) for seed in (7, 8, 9, 10)]

    together = draw(x, own())
    assert together.tolist() == [int(draw(row[None], each)) for row, each in zip(x, own(), strict=True)]
    even = torch.zeros(4, 10_000)  # a token tells its number u
    assert draw(even, own()).tolist() == [int(draw(row[None], each)) for row, each in zip(even, own(), strict=True)]
    assert draw(x[0]).shape == ()
    assert draw(torch.zeros(2, 3, 4)).shape == (2, 3)


def test_a_token_of_no_probability_is_never_drawn() -> None:
    x = torch.tensor([[-math.inf, 0.0, -math.inf, 0.0, -math.inf]]).expand(5000, -1)
    assert set(draw(x, torch.Generator().manual_seed(0)).tolist()) == {1, 3}


@pytest.mark.parametrize(("u", "token"), [(0.0, 1), (0.4, 1), (0.5, 3), (1 - 1e-9, 4), (1 - 2.0**-53, 4)])
def test_a_number_falls_to_the_first_token_whose_running_sum_is_above_it(
    u: float, token: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Probabilities 0, 1/2, 0, 1/2 - 2e-9, 2e-9, 0: the rare one is more than float32 can tell from 1."""
    x = torch.tensor([0, 0.5, 0, 0.5 - 2e-9, 2e-9, 0], dtype=torch.float64).log()
    monkeypatch.setattr(torch, "rand", lambda shape, **_: torch.full(shape, u, dtype=torch.float64))
    assert int(draw(x)) == token


def test_factual_nucleus_follows_the_sentence() -> None:
    factual = Factual(frozenset({9}), p=0.8, decay=0.5, floor=0.15)
    said: list[int] = []
    for token, t in [(1, 1), (2, 2), (3, 3), (9, 4), (4, 1), (9, 2), (9, 1), (5, 1), (6, 2)]:
        got = factual.nucleus(torch.tensor([said], dtype=torch.long).view(1, -1))
        assert got.item() == pytest.approx(nucleus_p(t, p=0.8, decay=0.5, floor=0.15))
        assert got.item() == pytest.approx(max(0.15, 0.8 * 0.5 ** (t - 1)))
        said.append(token)
    rows = factual.nucleus(torch.tensor([[1, 1, 9], [9, 1, 1]]))
    assert rows.flatten().tolist() == pytest.approx([0.8, 0.2])
    # The prompt is not counted: the sampler looks at what was generated.
    x = torch.tensor([[0.4, 0.3, 0.2, 0.1]]).log()
    narrow = Sampler(factual=Factual(frozenset({3}), p=0.8, decay=0.5, floor=0.1))
    assert (narrow(x, torch.tensor([[0, 0, 0, 0]]), generated=0) > -math.inf).sum() == 3
    assert (narrow(x, torch.tensor([[0, 0, 0, 0]]), generated=2) > -math.inf).sum() == 1


def test_which_tokens_end_a_sentence() -> None:
    assert {chr(token) for token in sentence_ends(ByteTokenizer())} == {".", "!", "?", "\n"}
    ends, others = ['."', ". ", "?')", "!\u201d \t", "end."], [".5", '".a', ",)"]
    found = sentence_ends(ByteTokenizer([*ends, *others]))
    assert found == {*b".!?\n", *range(256, 256 + len(ends))}


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda x: temperature(x, -1), "temperature is -1"),
        (lambda x: temperature(x, math.nan), "temperature is nan"),
        (lambda x: temperature(x, math.inf), "temperature is inf"),
        (lambda x: temperature(x, "1"), "temperature is '1'; give a number"),
        (lambda x: top_k(x, 2.5), r"top_k is 2\.5"),
        (lambda x: top_p(x, "0.9"), "top_p is '0.9'"),
        (lambda x: min_p(x, None), "min_p is None"),
        (lambda x: repetition_penalty(x, torch.tensor([[1]]), "2"), "repetition_penalty is '2'"),
        (lambda x: Sampler(temperature=None), "temperature is None"),
        (lambda x: Sampler(top_p=True), "top_p is True"),
        (lambda x: top_k(x, 0), "top_k is 0; give a whole number of at least 1"),
        (lambda x: top_k(x, -3), "top_k is -3"),
        (lambda x: top_k(x, 2.0), r"top_k is 2\.0"),
        (lambda x: top_p(x, 0), "top_p is 0; give a number above 0 and at most 1"),
        (lambda x: top_p(x, 1.1), r"top_p is 1\.1"),
        (lambda x: top_p(x, math.nan), "top_p is nan"),
        (lambda x: min_p(x, -0.1), r"min_p is -0\.1"),
        (lambda x: repetition_penalty(x, torch.tensor([[1]]), 0), "repetition_penalty is 0"),
        (
            lambda x: Sampler(repetition_penalty=1e-300),
            r"repetition_penalty is 1e-300; give a number from 0\.001 to 1000",
        ),
        (lambda x: Sampler(repetition_penalty=1e300), r"repetition_penalty is 1e\+300"),
        (lambda x: repetition_penalty(x, torch.tensor([[4]]), 1.2), "token 4 is not in the vocabulary of 4"),
        (lambda x: repetition_penalty(x, torch.tensor([[-1]]), 1.2), "token -1 is not in the vocabulary"),
        (lambda x: draw(x * math.nan), "NaN"),
        (lambda x: draw(torch.full((2, 3), math.inf)), "infinity"),
        (lambda x: draw(torch.full((2, 3), -math.inf)), "every logit of a row is -inf"),
        (lambda x: draw(x, [torch.Generator()] * 2), "2 generators for logits"),
        (lambda x: Sampler(temperature=-1), "temperature is -1"),
        (lambda x: Sampler(top_k=0), "top_k is 0"),
        (lambda x: Sampler(top_p=2), "top_p is 2"),
        (lambda x: Sampler(min_p=2), "min_p is 2"),
        (lambda x: Sampler(repetition_penalty=-1), "repetition_penalty is -1"),
        (lambda x: Sampler(top_p=0.5, factual=Factual(frozenset())), "give one of the two"),
        (lambda x: Sampler(factual=True), "factual is True; give a Factual"),
        (lambda x: Sampler(dola="low"), "dola is 'low'; give a DoLa"),
        (lambda x: Sampler(repetition_penalty=1.2)(x), "looks at the tokens so far"),
        (lambda x: Sampler(factual=Factual(frozenset()))(x), "looks at the tokens of the sentence"),
        (lambda x: Factual(frozenset(), p=0.2, floor=0.3), r"floor is 0\.3 and p is 0\.2"),
        (lambda x: Factual(frozenset(), decay=0), "decay is 0"),
        (lambda x: Factual({1.5}), r"ends are \{1\.5\}; give ids of tokens"),
        (lambda x: Factual(5), "ends are 5; give ids of tokens"),
        (lambda x: Factual(frozenset(), p="a"), "p is 'a'; give a number"),
        (lambda x: Factual(frozenset({-1})), "give ids of tokens"),
        (lambda x: nucleus_p(0), "t is 0"),
    ],
)
@pytest.mark.bad_input
def test_bad_input_is_said_in_words(call, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        call(torch.zeros(1, 4))
