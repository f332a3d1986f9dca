"""Batches, caches, log-probabilities: one token after the other, as the model by itself would have it."""

from __future__ import annotations

import pytest
import torch
from torch.nn.modules import module

from lilllm.inference import GREEDY, DoLa, Factual, Sampler, Session, generate, steps, top_p
from lilllm.inference.factual import nucleus_p
from lilllm.inference.one_token import serves
from lilllm.models import Decoder
from tests.inference.decoding import KINDS, decoder

PROMPTS = [[3, 1, 4], [1, 5, 9, 2, 6, 5, 3], [5], [8, 9]]
EVERY = Sampler(
    temperature=0.9, top_k=20, min_p=0.01, repetition_penalty=1.2, factual=Factual(frozenset({3, 7})), dola=DoLa((0, 1))
)
SAMPLERS = {"greedy": GREEDY, "plain": Sampler(), "every": EVERY}


def seeded(n: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(n)]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("kind", KINDS)
def test_cached_is_uncached_and_batched_is_single_token_for_token(kind: str, sampler: str) -> None:
    model, how = decoder(kind), SAMPLERS[sampler]
    batch = generate(model, PROMPTS, max_new=15, sampler=how, generator=seeded(4))
    without = generate(model, PROMPTS, max_new=15, sampler=how, generator=seeded(4), cache=False)
    for number, (prompt, generator) in enumerate(zip(PROMPTS, seeded(4), strict=True)):
        (alone,) = generate(model, [prompt], max_new=15, sampler=how, generator=generator)
        assert batch[number].tokens == without[number].tokens == alone.tokens
        assert len(alone.tokens) == 15
        # float32, logits up to some tens; the sums are taken in another order
        torch.testing.assert_close(batch[number].logprobs, alone.logprobs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_is_the_models_own_greedy(kind: str) -> None:
    model = decoder(kind)
    (made,) = generate(model, [PROMPTS[1]], max_new=10, sampler=GREEDY)
    wanted = model.greedy(torch.tensor([PROMPTS[1]]), 10)[0].tolist()
    assert PROMPTS[1] + made.tokens == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_log_probabilities_are_those_of_forward(kind: str) -> None:
    model = decoder(kind)
    made = generate(
        model, PROMPTS, max_new=8, sampler=Sampler(temperature=2.0), generator=seeded(4), prompt_logprobs=True
    )
    for each in made:
        text = torch.tensor([each.prompt + each.tokens])
        with torch.no_grad():
            scores = model(text).log_softmax(-1)[0, :-1].gather(-1, text[0, 1:, None]).squeeze(-1)
        assert each.prompt_logprobs is not None
        assert len(each.prompt_logprobs) == len(each.prompt) - 1
        got = torch.tensor(each.prompt_logprobs + each.logprobs)
        torch.testing.assert_close(got, scores, rtol=1e-4, atol=1e-4)


def test_a_long_prompt_is_scored_in_pieces_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    model = decoder()
    (whole,) = generate(model, [PROMPTS[1]], max_new=0, prompt_logprobs=True)
    monkeypatch.setattr("lilllm.inference.session.CHUNK", 2)
    (pieces,) = generate(model, [PROMPTS[1]], max_new=0, prompt_logprobs=True)
    torch.testing.assert_close(whole.prompt_logprobs, pieces.prompt_logprobs, rtol=1e-5, atol=1e-5)
    assert pieces.tokens == []


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-11)])
@pytest.mark.parametrize("kind", ["lillm", "untied"])
@pytest.mark.parametrize(("way", "rows"), [("plain", 4), ("copied", 1), ("first", 4), ("blocks", 9)])
def test_one_token_is_the_blocks(
    kind: str, dtype: torch.dtype, tolerance: float, way: str, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, prompts = decoder(kind).to(dtype), (PROMPTS * 3)[:rows]
    assert serves(model)
    if way == "copied":
        monkeypatch.setattr("lilllm.inference.one_token.WORTH_IT", 1)
    if way in ("first", "blocks"):
        monkeypatch.setattr("lilllm.inference.one_token.NEAR", 7 * model.embed.weight[0].nbytes)  # the last is shorter
    fast, plain = Session(model, prompts, room=9, layers=(1, 2)), Session(model, prompts, room=9, layers=(1, 2))
    plain._one_token = None
    assert fast._one_token is not None
    output, blocks = fast._one_token.output, -(-model.config.vocab_size // 7)
    assert (fast._one_token.layers[0][-1] is not None) == (way == "copied")
    assert (output.first is not None) == (way == "first")
    assert len(output.blocks) == (blocks if way == "blocks" else 0)
    torch.testing.assert_close(fast.start(), plain.start())
    ids = torch.tensor([7, 8, 9, 0] * 3)[:rows]
    for _ in range(9):
        got, wanted = fast.feed(ids), plain.feed(ids)
        scale = float(wanted.abs().max())
        # The logits are given in float32 whatever the model is.
        torch.testing.assert_close(got, wanted, rtol=0, atol=max(tolerance, 1e-6) * scale)
        for one, other in zip(fast.streams, plain.streams, strict=True):
            torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * float(other.abs().max()))
        ids = (ids * 3 + 1) % 40


OTHERS: dict[str, object] = {
    "norm": "layer",
    "norm_place": "post",
    "activation": "geglu",
    "positions": "alibi",
    "qkv_bias": True,
    "out_bias": True,
    "ffn_bias": True,
    "qk_norm": True,
    "window": 4,
    "scale_embedding": True,
}


@pytest.mark.parametrize("name", OTHERS)
def test_one_token_serves_no_model_that_differs_in_a_single_option(name: str) -> None:
    model = decoder(**{name: OTHERS[name]})
    assert not serves(model)
    cached, plain = (generate(model, PROMPTS, max_new=4, sampler=GREEDY, cache=kept) for kept in (True, False))
    assert [each.tokens for each in cached] == [each.tokens for each in plain]


def test_one_token_serves_only_what_it_equals() -> None:
    assert not any(serves(decoder(kind)) for kind in KINDS if kind not in ("lillm", "untied"))
    model = decoder()
    assert not serves(model.bfloat16())
    assert not serves(decoder(qkv_bias=True, out_bias=False))

    class Louder(torch.nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    model = decoder()
    model.blocks[1].ffn.up.__class__ = Louder  # as an adapter would
    assert not serves(model)
    model = decoder()
    handle = model.blocks[0].register_forward_hook(lambda *_: None)
    assert not serves(model)
    handle.remove()
    for watch in (model.blocks[0].register_forward_pre_hook, module.register_module_forward_hook):
        handle = watch(lambda *_: None)
        assert not serves(model)
        handle.remove()
    assert serves(model)
    model.blocks[2].double()
    assert not serves(model)
    model.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert not serves(model)
        generate(model, PROMPTS, max_new=3)  # and goes the long way


def test_a_model_in_bfloat16_speaks() -> None:
    (made,) = generate(decoder().bfloat16(), [PROMPTS[0]], max_new=5, sampler=GREEDY)
    assert len(made.tokens) == 5


def test_a_row_ends_at_its_stop_and_the_others_go_on() -> None:
    model = decoder()
    plain = generate(model, PROMPTS, max_new=12, sampler=GREEDY)
    stop = plain[0].tokens[4]
    made = generate(model, PROMPTS, max_new=12, sampler=GREEDY, stop_ids=[stop])
    for each, before in zip(made, plain, strict=True):
        at = before.tokens.index(stop) + 1 if stop in before.tokens else 12
        assert each.tokens == before.tokens[:at]
        assert len(each.logprobs) == len(each.tokens)
        assert (each.ended, each.full) == ("stop" if stop in before.tokens else "length", False)
    assert made[0].ended == "stop"
    told = list(steps(model, PROMPTS[0], max_new=12, sampler=GREEDY, stop_ids=[stop]))
    assert [step.token for step in told] == made[0].tokens


@pytest.mark.parametrize("kind", KINDS)
def test_the_context_is_used_to_its_last_place_and_not_beyond(kind: str) -> None:
    model = decoder(kind, context_len=8)
    made = generate(model, [[1, 2, 3, 4, 5, 6, 7, 8], [1], [1, 2, 3, 4]], max_new=20, sampler=GREEDY)
    assert [len(each.tokens) for each in made] == [1, 8, 5]
    assert all(each.full and each.ended == "length" for each in made)
    for each in made:
        assert each.tokens == generate(model, [each.prompt], max_new=20, sampler=GREEDY)[0].tokens
    (short,) = generate(model, [[1]], max_new=8, sampler=GREEDY)
    assert not short.full


def test_steps_tell_what_generate_does() -> None:
    model = decoder()
    for how in SAMPLERS.values():
        (made,) = generate(model, [PROMPTS[0]], max_new=9, sampler=how, generator=seeded(1)[0])
        told = list(steps(model, PROMPTS[0], max_new=9, sampler=how, generator=seeded(1)[0], top=3))
        assert [step.token for step in told] == made.tokens
        assert [step.logprob for step in told] == made.logprobs
        for at, step in enumerate(told):
            with torch.no_grad():
                chances = model(torch.tensor([PROMPTS[0] + made.tokens[:at]]))[0, -1].softmax(-1)
            assert [token for token, _ in step.candidates] == chances.topk(3).indices.tolist()
            torch.testing.assert_close(
                [p for _, p in step.candidates], chances.topk(3).values.tolist(), rtol=1e-5, atol=1e-6
            )
            assert sum(p for _, p in step.allowed) <= 1 + 1e-6
    assert [chance for _, chance in next(steps(model, [1], max_new=2, sampler=GREEDY)).allowed] == [1]


def test_ids_beyond_the_limit_are_never_drawn() -> None:
    model = decoder()
    rows = generate(model, PROMPTS * 8, max_new=15, sampler=Sampler(temperature=3.0), limit=5)
    assert {token for row in rows for token in row.tokens} == set(range(5))
    for row in rows[:4]:  # but they count among what the model could have said
        text = torch.tensor([row.prompt + row.tokens])
        with torch.no_grad():
            scores = model(text[:, :-1]).log_softmax(-1)[0, len(row.prompt) - 1 :]
        wanted = scores.gather(-1, text[0, len(row.prompt) :, None]).squeeze(-1)
        torch.testing.assert_close(torch.tensor(row.logprobs), wanted, rtol=1e-4, atol=1e-4)


def test_the_nucleus_narrows_from_the_first_token_that_is_generated() -> None:
    """What each step was drawn from is the nucleus of the model's own logits, its p counted here in plain Python."""
    model, factual = decoder(), Factual(frozenset(range(0, 40, 5)), p=0.95, decay=0.6, floor=0.3)
    t, since = 1, 0
    told = steps(
        model, PROMPTS[0], max_new=20, sampler=Sampler(temperature=4, factual=factual), generator=seeded(1)[0], top=40
    )
    said = list(PROMPTS[0])
    for step in told:
        with torch.no_grad():
            logits = model(torch.tensor([said]))[0, -1] / 4
        wanted = top_p(logits, nucleus_p(t, p=0.95, decay=0.6, floor=0.3)) > -torch.inf
        assert {token for token, _ in step.allowed} == set(wanted.nonzero().flatten().tolist())
        said.append(step.token)
        t, since = (1, since + 1) if step.token in factual.ends else (t + 1, since)
    assert 0 < since < 20  # sentences of several tokens, and more than one


def test_a_greedy_choice_is_made_after_the_repetition_penalty() -> None:
    model, penalty = decoder(), 1.8
    (made,) = generate(model, [PROMPTS[0]], max_new=12, sampler=Sampler(temperature=0, repetition_penalty=penalty))
    (plain,) = generate(model, [PROMPTS[0]], max_new=12, sampler=GREEDY)
    assert made.tokens != plain.tokens
    said = list(PROMPTS[0])
    for token in made.tokens:
        with torch.no_grad():
            logits = model(torch.tensor([said]))[0, -1]
        for each in set(said):
            logits[each] *= penalty if logits[each] < 0 else 1 / penalty
        assert token == int(logits.argmax())
        said.append(token)


def test_padding_is_nothing_that_was_said() -> None:
    """A penalty on padding would show: the token that pads would be one that the row holds anyway, or none."""
    model = decoder()
    with torch.no_grad():
        model.embed.weight[0] *= 3  # token 0 is often the likeliest
    how = Sampler(temperature=0, repetition_penalty=5.0)
    together = generate(model, PROMPTS, max_new=6, sampler=how)
    alone = [generate(model, [prompt], max_new=6, sampler=how)[0] for prompt in PROMPTS]
    assert [each.tokens for each in together] == [each.tokens for each in alone]
    assert sum(0 in each.tokens for each in alone) > 1


@pytest.mark.parametrize("cache", [True, False])
@pytest.mark.parametrize("fast", [True, False])
def test_rows_in_another_order_go_on_as_they_were(cache: bool, fast: bool) -> None:
    """Of different lengths, each with its own padding; one of them twice, one not at all."""
    model, rows = decoder(), [2, 0, 2, 1]
    ids = torch.tensor([7, 8, 9, 0])
    moved, straight = (Session(model, given, room=4, cache=cache) for given in (PROMPTS, [PROMPTS[i] for i in rows]))
    for session in (moved, straight) if not fast else ():
        session._one_token = None
    moved.start()
    straight.start()
    moved.feed(ids)
    straight.feed(ids[rows])
    moved.reorder(torch.tensor(rows))
    assert torch.equal(moved.tokens[:, -2:], straight.tokens[:, -2:])
    for each in (ids, ids.flip(0)):
        got, wanted = moved.feed(each), straight.feed(each)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


def test_the_layers_of_a_half_are_those_of_the_model() -> None:
    for tied, layers in ((True, (2,)), (False, (0, 2))):
        model = decoder(n_layers=6, tied=tied)
        named, told = (
            next(steps(model, PROMPTS[1], max_new=1, sampler=Sampler(dola=how), top=40, generator=seeded(1)[0]))
            for how in (DoLa("low"), DoLa(layers))
        )
        assert named == told


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    model = decoder()

    def tokens(seed: int) -> list[int]:
        generator = torch.Generator().manual_seed(seed)
        return generate(model, [[1]], max_new=20, sampler=Sampler(temperature=2.0), generator=generator)[0].tokens

    assert tokens(1) == tokens(1) != tokens(2)


def test_no_state_is_left_behind() -> None:
    model = decoder()
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    begun = steps(model, [1, 2], max_new=5)
    next(begun)
    assert torch.is_grad_enabled()  # also while a step is being looked at
    other = generate(model, [[3]], max_new=5, sampler=GREEDY)  # another in between
    list(begun)
    assert other == generate(model, [[3]], max_new=5, sampler=GREEDY)
    assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_bad_input_is_said_in_words() -> None:
    model = decoder()
    for prompts, words in [
        ([1, 2], "put the one prompt in a list"),
        ([[]], "prompt 0 is empty"),
        (["ab"], "prompt 0 is no list of whole numbers"),
        ([[1], [1.5]], "prompt 1 is no list of whole numbers"),
        (torch.tensor([1, 2]), "prompt 0 is no list of whole numbers"),
        ([[1], [40]], "token 40 is not in the vocabulary of 40; give 0 to 39"),
        ([[-1]], "token -1"),
        ([[1] * 25], "has 25 tokens, and the model's context is 24; keep its last 24"),
    ]:
        with pytest.raises(ValueError, match=words):
            generate(model, prompts, max_new=1)
    for given, words in [
        ({"max_new": -1}, "max_new is -1"),
        ({"max_new": 2.5}, r"max_new is 2\.5; give how many tokens"),
        ({"max_new": "2"}, "max_new is '2'"),
        ({"max_new": True}, "max_new is True"),
        ({"max_new": 1, "stop_ids": [40]}, "stop_ids: token 40"),
        ({"max_new": 1, "stop_ids": ["a"]}, "stop_ids: token 'a'"),
        ({"max_new": 1, "stop_ids": 0}, "stop_ids is 0; give a list"),
        ({"max_new": 1, "limit": 0}, "limit is 0"),
        ({"max_new": 1, "limit": 2.5}, r"limit is 2\.5"),
        ({"max_new": 1, "sampler": 0.8}, r"sampler is 0\.8; give a Sampler"),
        ({"max_new": 1, "generator": 7}, r"generator is 7; give torch\.Generator"),
        ({"max_new": 1, "cache": "no"}, "cache is 'no'; give True or False"),
        ({"max_new": 1, "prompt_logprobs": 1}, "prompt_logprobs is 1; give True or False"),
        ({"max_new": 1, "generator": seeded(2)}, "2 generators for 1 prompts"),
    ]:
        with pytest.raises(ValueError, match=words):
            generate(model, [[1]], **given)
    with pytest.raises(ValueError, match=r"model is a str; give a lilllm\.models\.Decoder"):
        generate("liltown", [[1]], max_new=1)
    with pytest.raises(ValueError, match="prompts is 5; give a list"):
        generate(model, 5, max_new=1)
    with pytest.raises(ValueError, match="cache is 'no'"):
        steps(model, [1], max_new=1, cache="no")
    with pytest.raises(ValueError, match="top is -1"):
        steps(model, [1], max_new=1, top=-1)
    with pytest.raises(ValueError, match=r"call model\.eval"):
        generate(decoder(dropout=0.1).train(), [[1]], max_new=1)
    with pytest.raises(ValueError, match="cross-attention"):
        generate(Decoder(model.config, cross=True), [[1]], max_new=1)
    assert generate(model, [], max_new=3) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_bad_input_broken_weights_are_told(value: float) -> None:
    model = decoder()
    with torch.no_grad():
        model.norm.weight[0] = value
    for how in (GREEDY, Sampler()):
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            generate(model, [[1, 2]], max_new=3, sampler=how)


def test_prompts_may_be_a_tensor() -> None:
    model, prompts = decoder(next(iter(KINDS))), [[3, 1], [4, 1]]
    rows = generate(model, torch.tensor(prompts), max_new=3, sampler=GREEDY)
    assert rows == generate(model, prompts, max_new=3, sampler=GREEDY)
