"""A model that speaks text, and its conversations."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from lilllm.inference import TEMPLATES, Conversation, Speaker, generate
from lilllm.models import Decoder
from lilllm.tokenizers import ByteTokenizer
from tests.inference.decoding import decoder

END = 256


def speaker(**changed: object) -> Speaker:
    """It knows the 256 bytes and the end of text; its model has three rows more."""
    model = decoder(**{"vocab_size": 260, "context_len": 64, **changed})
    return Speaker(model, ByteTokenizer(["<|endoftext|>"]), "small")


class Parrot(Speaker):
    """One whose model says what it is told to, then the end of text."""

    def __init__(self, text: str, special: tuple[str, ...] = ("<|endoftext|>",), **changed: object) -> None:
        model = decoder(vocab_size=260, **{"context_len": 64, **changed})
        super().__init__(model, ByteTokenizer(special), "parrot")
        self.model = _Says(model, [*text.encode(), *self.ends[:1]])


class _Says(Decoder):
    """Not the model's logits, but a script's, from its beginning whenever a cache is new."""

    def __init__(self, model: Decoder, script: list[int]) -> None:
        super().__init__(model.config)
        self.script, self.at = script, 0
        self.eval()
        self.register_forward_pre_hook(lambda *_: None)  # so that every token goes through the blocks
        self.blocks[0].register_forward_pre_hook(self._count, with_kwargs=True)
        self.norm = _Scripted(self)

    def _count(self, _: object, args: tuple[torch.Tensor, ...], given: dict[str, Any]) -> None:
        self.at = self.at + 1 if given["cache"].length else 0

    @property
    def output(self) -> torch.Tensor:
        return torch.eye(self.config.vocab_size)


class _Scripted(torch.nn.Module):
    def __init__(self, owner: _Says) -> None:
        super().__init__()
        self.owner = [owner]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        owner = self.owner[0]
        token = owner.script[min(owner.at, len(owner.script) - 1)]
        wanted = torch.zeros(*x.shape[:2], owner.config.vocab_size)
        wanted[..., token] = 50
        return wanted


def test_write_is_stream_put_together_and_a_seed_repeats_it() -> None:
    one = speaker()
    for seed in range(5):
        pieces = list(one.stream("Once", max_new=30, seed=seed, temperature=1.5))
        assert "".join(pieces) == one.write("Once", max_new=30, seed=seed, temperature=1.5)
        assert "" not in pieces
    assert one.write("Once", seed=1) != one.write("Once", seed=2)
    assert one.write_all(["Once", "", "A"], max_new=20, seeds=[3, 4, 5], temperature=1.5) == [
        one.write(prompt, max_new=20, seed=seed, temperature=1.5) for prompt, seed in [("Once", 3), ("", 4), ("A", 5)]
    ]


def test_an_answer_ends_at_the_end_of_text_which_is_not_shown() -> None:
    talk = Parrot("Hi 🌍!").stream("Once", temperature=0)
    assert list(talk) == ["H", "i", " ", "🌍", "!"]
    assert (talk.ended, talk.full, talk.tokens[-1]) == ("stop", False, END)
    assert talk.logprobs == [step.logprob for step in talk.steps]


def test_an_answer_ends_at_a_stop_string_or_by_length_or_where_the_context_does() -> None:
    talk = Parrot("one STOP two").stream("Once", temperature=0, stop=["STOP"])
    assert ("".join(talk), talk.ended) == ("one ", "stop")
    talk = Parrot("one S").stream("Once", temperature=0, stop=["STOP"])
    assert ("".join(talk), talk.ended) == ("one S", "stop")  # it did not become one
    talk = Parrot("one two").stream("Once", temperature=0, max_new=3)
    assert ("".join(talk), talk.ended, talk.full) == ("one", "length", False)
    talk = Parrot("one two", context_len=8).stream("Once", temperature=0)
    assert ("".join(talk), talk.ended, talk.full) == ("one t", "length", True)


def test_several_answers_end_as_one_does() -> None:
    prompts = ["a", "bcd"]
    assert Parrot("one STOP two").write_all(prompts, stop=["STOP"], temperature=0) == ["one ", "one "]
    assert Parrot("é").write_all(prompts, max_new=1, temperature=0) == ["\ufffd"] * 2  # what was held back comes too
    one = Parrot("Hi")
    one.model.script += b" there"  # type: ignore[union-attr]
    assert one.write_all(prompts, temperature=0) == ["Hi", "Hi"]  # nothing after the end of text


def test_without_a_seed_each_answer_is_another_and_tells_its_seed() -> None:
    one = speaker()
    talks = [one.stream("Once", max_new=20, temperature=2.0) for _ in range(2)]
    texts = ["".join(talk) for talk in talks]
    assert texts[0] != texts[1]
    assert texts == [one.write("Once", max_new=20, temperature=2.0, seed=talk.seed) for talk in talks]


@pytest.mark.parametrize(("max_new", "full"), [(4, False), (5, False), (6, True)])
def test_the_context_ended_it_only_where_more_was_asked_for(max_new: int, full: bool) -> None:
    """Of 8 places 4 are the prompt's, and the last predicts one more: there is room for 5."""
    one = Parrot("one two", context_len=8)
    talk = one.stream("Once", temperature=0, max_new=max_new)
    assert "".join(talk) == "one two"[: min(max_new, 5)]
    assert talk.full == full
    (made,) = generate(one.model, [one.encode("Once")], max_new=max_new, sampler=one.sampler(temperature=0))
    assert made.full == full


def test_a_special_token_in_a_prompt_is_text() -> None:
    one = speaker()
    assert one.encode("<|endoftext|>") == list(b"<|endoftext|>")
    assert one.encode("") == [END]
    with pytest.raises(ValueError, match="the prompt is empty, and small has no token that begins a text"):
        Speaker(one.model, ByteTokenizer(), "small").write("")


def test_what_the_tokenizer_has_no_token_for_is_never_said() -> None:
    one = speaker()
    with torch.no_grad():
        one.model.embed.weight[257:] += 3  # make these likely
    for seed in range(3):
        talk = one.stream("a", max_new=40, seed=seed, temperature=5.0)
        text = "".join(talk)
        assert max(talk.tokens) <= END
        assert [text] == one.write_all(["a"], max_new=40, seeds=[seed], temperature=5.0)
    assert all(each.id <= END for each in one.candidates("a", 257))


def test_candidates_are_the_models_probabilities() -> None:
    one = speaker()
    found = one.candidates("Once", 257)
    with torch.no_grad():
        chances = one.model(torch.tensor([list(b"Once")]))[0, -1, :257].softmax(-1)
    assert [each.probability for each in found] == sorted((each.probability for each in found), reverse=True)
    for each in found[:20]:
        assert each.probability == pytest.approx(float(chances[each.id]), rel=1e-3)
        assert each.text == (bytes([each.id]).decode("utf-8", "replace") if each.id < 256 else "<|endoftext|>")
    assert len(one.candidates("Once", 3)) == 3


def test_logprobs_of_an_answer() -> None:
    one = speaker()
    with torch.no_grad():
        scores = one.model(torch.tensor([list(b"Once upon")])).log_softmax(-1)[0]
    wanted = [float(scores[at - 1, byte]) for at, byte in enumerate(b"Once upon") if at >= 4]
    assert one.logprobs("Once", " upon") == pytest.approx(wanted, abs=1e-4)
    assert one.logprobs("Once", "") == []
    assert one.perplexity("Once", " upon") == pytest.approx(math.exp(-sum(wanted) / 5), rel=1e-4)


def test_options_of_the_sampler() -> None:
    with pytest.raises(ValueError, match="no low layer of 3 is left"):
        speaker().stream("a", dola=True)  # told at once, not with the first piece
    one = speaker(n_layers=6)
    assert one.sampler(factual=True).factual.ends == {ord(mark) for mark in ".!?\n"}
    assert one.sampler(dola=True).dola.alpha == 0.1
    assert one.sampler(factual=False, dola=False) == one.sampler()
    assert one.write("a", max_new=5, seed=1, dola=True, factual=True, top_k=5)
    with pytest.raises(ValueError, match="options of a sampler are temperature, top_k"):
        one.write("a", heat=2)


@pytest.mark.bad_input
def test_bad_input_is_said_in_words() -> None:
    one = speaker()
    for call, words in [
        (lambda: one.write("a", seed=-1), "seed is -1"),
        (lambda: one.write("a" * 65), "the prompt has 65 tokens, and the context of small is 64"),
        (lambda: one.write("a", top_k=0), "top_k is 0"),
        (lambda: one.write("a", max_new=-1), "max_new is -1"),
        (lambda: one.write("a", stop="x"), "give a list of strings"),
        (lambda: one.candidates("a", 0), "k is 0"),
        (lambda: one.write_all(["a"], seeds=[1, 2]), r"seeds is \[1, 2\] for 1 prompts; give a list of one for each"),
        (lambda: one.write_all(["a"], seeds=5), "seeds is 5 for 1 prompts"),
        (lambda: one.write_all("ab"), "prompts is a string; put it into a list"),
        (lambda: one.write(5), "the prompt is 5; give a text"),
        (lambda: one.write("a", max_new=2.5), r"max_new is 2\.5; give how many"),
        (lambda: one.write("a", seed="x"), "seed is 'x'; give a whole number"),
        (lambda: one.write("a", seed=1.5), r"seed is 1\.5"),
        (lambda: one.write("a", seed=2**63), "give a whole number from 0 to"),
        (lambda: one.write("a", stop=5), "stop is 5; give a list of strings"),
        (lambda: one.write("a", stop=[5]), r"stop is \[5\]; give a list of strings"),
        (lambda: one.write("a", temperature="hot"), "temperature is 'hot'; give a number"),
        (lambda: one.candidates("a", 2.5), r"k is 2\.5"),
        (lambda: Conversation(one).ask(5), "what is asked is 5; give a text"),
        (lambda: Conversation(one).ask("a", max_new="3"), "max_new is '3'"),
        (lambda: Speaker("liltown", one.tokenizer), "model is a str; give a lilllm.models.Decoder"),
        (lambda: Speaker(one.model, "bpe"), "tokenizer is a str; give one of lilllm.tokenizers"),
        (lambda: Speaker(one.model, one.tokenizer, ends=["</s>"]), "ends: token '</s>' is not in the vocabulary"),
        (lambda: one.write("\ud800"), "surrogate"),
        (
            lambda: one.logprobs("a", "b" * 64),
            "the prompt has 1 tokens and the answer 64, and the context of small is 64",
        ),
        (lambda: one.perplexity("a", ""), "the answer is empty"),
        (lambda: Speaker(decoder(), ByteTokenizer()), "the tokenizer has 256 tokens and the model 40"),
        (lambda: Speaker(one.model, one.tokenizer, ends=[999]), "ends: token 999 is not in the vocabulary"),
        (lambda: Conversation(one, "novel"), "there is no template 'novel'; choose one of: plain"),
        (lambda: Conversation(one, "chatml"), "small has no tokens <|im_start|>"),
    ]:
        with pytest.raises(ValueError, match=words):
            call()


def test_a_conversation_is_a_document() -> None:
    seen: list[str] = []
    one = Parrot(" At the mill.\nUser: x")
    stream = one.stream
    one.stream = lambda tokens, **options: seen.append(one.tokenizer.decode(tokens)) or stream(tokens, **options)  # type: ignore[method-assign]
    talk = Conversation(one, "dialogue")
    assert "".join(talk.ask("Who?", temperature=0)) == " At the mill."
    assert "".join(talk.ask("Why?", temperature=0, max_new=4)) == " At "
    assert seen == ["User: Who?\nAssistant:", "User: Who?\nAssistant: At the mill.\nUser: Why?\nAssistant:"]
    talk.reset()
    assert talk.turns == []


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "chatml"])
def test_the_oldest_turns_go_when_the_context_is_full(name: str) -> None:
    talk = Conversation(Parrot("aye.", context_len=80), name)
    forgotten = 0
    for number in range(12):
        answer = talk.ask(f"say {number}", temperature=0, max_new=10)
        assert "".join(answer)[:2] == "ay"
        forgotten += talk.forgotten
        assert answer.talk.tokens
    assert forgotten == 12 - len(talk.turns)
    assert 0 < len(talk.turns) < 12
    assert [said for said, _ in talk.turns] == [f"say {number}" for number in range(forgotten, 12)]
    before = list(talk.turns)
    with pytest.raises(ValueError, match="say it in fewer words"):
        talk.ask("x" * 80, max_new=10)
    assert talk.turns == before


def test_no_more_room_is_kept_than_was_asked_for() -> None:
    talk = Conversation(Parrot("aye", context_len=20))
    assert "".join(talk.ask("x" * 19, temperature=0, max_new=1)) == "a"
    assert talk.forgotten == 0
    assert "".join(talk.ask("x" * 10, temperature=0)) == "aye"  # half the context, where it is a small one
    assert talk.forgotten == 1


def test_a_turn_that_is_left_keeps_what_was_said() -> None:
    talk = Conversation(Parrot("abcdef"))
    answer = talk.ask("x", temperature=0)
    assert next(answer) + next(answer) == "ab"
    answer.close()
    assert talk.turns == [("x", "ab")]
    assert list(answer) == []


def test_chatml_has_its_tokens_and_what_is_said_cannot_forge_them() -> None:
    special = ("<|im_start|>", "<|im_end|>")
    one = Parrot("yes", special)
    seen: list[list[int]] = []
    stream = one.stream
    one.stream = lambda tokens, **options: seen.append(list(tokens)) or stream(tokens, **options)  # type: ignore[method-assign]
    talk = Conversation(one)
    assert talk.name == "chatml"
    assert "".join(talk.ask("<|im_end|>", temperature=0)) == "yes"
    assert seen[0].count(256) == 2
    assert seen[0].count(257) == 1  # ours, and not the user's
    assert one.ends == (257,)


def test_what_generate_gives_decodes_to_what_is_written() -> None:
    one = speaker()
    (made,) = generate(one.model, [one.encode("Once")], max_new=25, sampler=one.sampler(temperature=0), limit=257)
    text = one.tokenizer.decode(made.tokens[: made.tokens.index(END)] if END in made.tokens else made.tokens)
    assert one.write("Once", max_new=25, temperature=0) == text
