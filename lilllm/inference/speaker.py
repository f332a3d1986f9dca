"""A model that speaks text: a decoder with its tokenizer.

    speaker = load()                                 or Speaker(model, tokenizer, "my model")
    speaker.write("Once", max_new=50, temperature=0.8, seed=1)
    for piece in speaker.stream("Once", stop=["\\n"]): print(piece, end="")
    speaker.candidates("Once upon a", 5)
    speaker.logprobs("Once upon", " a time")

Read in order:  Speaker.stream and write, candidates, logprobs; an answer on its way is a Talk (talk.py)
Conventions:    a prompt is text, special tokens in it too; an empty one stands for the beginning of a document. Answers
                end at the model's own end of text, which is not shown.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from lilllm.inference import given
from lilllm.inference.dola import DoLa
from lilllm.inference.factual import Factual, sentence_ends
from lilllm.inference.generation import generate, steps
from lilllm.inference.samplers import Sampler
from lilllm.inference.stop import TextStream, check_stops
from lilllm.inference.talk import Talk
from lilllm.models import Decoder
from lilllm.tokenizers import Tokenizer
from lilllm.tokenizers.protocol import END_NAMES


@dataclass(frozen=True)
class Candidate:
    """A token that may come next, its text (bytes that are no character by themselves as U+FFFD), its probability."""

    id: int
    text: str
    probability: float


class Speaker:
    """A decoder and the tokenizer that it was trained with.

    Args:
        name: what to call it.
        ends: ids that end a text; None: the tokenizer's special tokens of the usual names, such as ``<|endoftext|>``.
        start: the id that stands before a text, for an empty prompt; None: the first of ``ends``.
    Raises: ValueError: the tokenizer has more tokens than the model, so it is another's.
    """

    def __init__(
        self,
        model: Decoder,
        tokenizer: Tokenizer,
        name: str = "model",
        *,
        ends: Collection[int] | None = None,
        start: int | None = None,
    ) -> None:
        given.decoder(model)
        V = model.config.vocab_size
        if not hasattr(tokenizer, "vocab_size"):
            raise ValueError(f"tokenizer is a {type(tokenizer).__name__}; give one of lilllm.tokenizers")
        if tokenizer.vocab_size > V:
            raise ValueError(
                f"the tokenizer has {tokenizer.vocab_size} tokens and the model {V}; give the tokenizer that the model "
                "was trained with"
            )
        if ends is None:
            special = tokenizer.special_tokens
            ends = [special[name] for name in END_NAMES if name in special]
        given.ids("ends", ends, V)
        given.ids("start", [] if start is None else [start], V)
        self.model, self.tokenizer, self.name = model, tokenizer, name
        self.ends = tuple(ends)
        self.start = start if start is not None else next(iter(self.ends), None)

    def __repr__(self) -> str:
        return f"Speaker({self.name!r}, vocab_size={self.tokenizer.vocab_size}, context_len={self.context_len})"

    @property
    def context_len(self) -> int:
        return self.model.config.context_len

    def encode(self, prompt: str) -> list[int]:
        """The prompt's tokens; of an empty one the token that stands before a text.

        Raises: ValueError: it is empty, and this model has no such token.
        """
        if not isinstance(prompt, str):
            raise ValueError(f"the prompt is {prompt!r}; give a text")
        tokens = self.tokenizer.encode(prompt)
        if tokens:
            return tokens
        if self.start is None:
            raise ValueError(f"the prompt is empty, and {self.name} has no token that begins a text; write something")
        return [self.start]

    def sampler(self, *, factual: bool | Factual = False, dola: bool | DoLa = False, **options: Any) -> Sampler:
        """A `Sampler` of plain options; ``factual=True`` knows which of the tokenizer's tokens end a sentence."""
        if factual is True:
            factual = Factual(sentence_ends(self.tokenizer))
        if dola is True:
            dola = DoLa()
        known = Sampler.__dataclass_fields__
        if unknown := [name for name in options if name not in known]:
            raise ValueError(f"options of a sampler are {', '.join(known)}; given {', '.join(unknown)}")
        return Sampler(factual=factual or None, dola=dola or None, **options)

    def stream(
        self,
        prompt: str | Sequence[int],
        *,
        max_new: int = 200,
        stop: Sequence[str] = (),
        seed: int | None = None,
        **sampler: Any,
    ) -> Talk:
        """The answer in pieces, as they come: never half a character, never a part of a stop string.

        Args:
            prompt: text, or tokens.
            max_new: most tokens.
            stop: strings that end the answer and are not part of it.
            seed: of what is drawn; None: another each time.
            sampler: as of `sampler`: temperature, top_k, top_p, min_p, repetition_penalty, factual, dola.
        """
        tokens = list(prompt) if isinstance(prompt, list | tuple) else self.encode(prompt)  # type: ignore[arg-type]
        if len(tokens) > self.context_len:
            raise ValueError(
                f"the prompt has {len(tokens)} tokens, and the context of {self.name} is {self.context_len}; give its "
                "end, so that the answer has room too"
            )
        generator = _generator(seed)
        made = steps(
            self.model,
            tokens,
            max_new=max_new,
            sampler=self.sampler(**sampler),
            stop_ids=self.ends,
            generator=generator,
            limit=self.tokenizer.vocab_size,
        )
        short = self.context_len - len(tokens) + 1 < max_new
        return Talk(made, TextStream(self.tokenizer, stop), self.ends, short, generator.initial_seed())

    def write(
        self,
        prompt: str,
        *,
        max_new: int = 200,
        stop: Sequence[str] = (),
        seed: int | None = None,
        **sampler: Any,
    ) -> str:
        """The answer in one piece; arguments as of `stream`.

        Holds: equal to the pieces of `stream` with the same seed, put together.
        """
        return "".join(self.stream(prompt, max_new=max_new, stop=stop, seed=seed, **sampler))

    def write_all(
        self,
        prompts: Sequence[str],
        *,
        max_new: int = 200,
        stop: Sequence[str] = (),
        seeds: Sequence[int] | None = None,
        **sampler: Any,
    ) -> list[str]:
        """Answers to several prompts, in one batch and less time.

        Holds: as `write` gives each with its seed, up to the rounding of sums, which in bfloat16 can change a token.
        """
        stops = check_stops(stop)
        if isinstance(prompts, str):
            raise ValueError("prompts is a string; put it into a list")
        if seeds is not None and (not isinstance(seeds, Sequence) or len(seeds) != len(prompts)):
            raise ValueError(f"seeds is {seeds!r} for {len(prompts)} prompts; give a list of one for each")
        made = generate(
            self.model,
            [self.encode(prompt) for prompt in prompts],
            max_new=max_new,
            sampler=self.sampler(**sampler),
            stop_ids=self.ends,
            generator=[_generator(None if seeds is None else seeds[i]) for i in range(len(prompts))],
            limit=self.tokenizer.vocab_size,
        )
        answers = []
        for each in made:
            text = TextStream(self.tokenizer, stops)
            pieces = [text.push(token) for token in each.tokens if token not in self.ends]
            answers.append("".join(pieces) + text.finish())
        return answers

    def candidates(self, prompt: str, k: int = 10) -> list[Candidate]:
        """The k likeliest next tokens under the model, likeliest first (of those that the tokenizer has)."""
        k = given.whole("k", k, 1, "how many candidates to tell, at least 1")
        limit = self.tokenizer.vocab_size
        (step,) = steps(self.model, self.encode(prompt), max_new=1, limit=limit, top=min(k, limit))
        return [Candidate(token, self.text_of(token), chance) for token, chance in step.allowed]

    def logprobs(self, prompt: str, answer: str) -> list[float]:
        """The model's log-probability, in nats, of each token of ``answer`` after ``prompt``.

        The two are encoded apart, so their border is one of tokens: a blank belongs to the answer, " a time".
        """
        before, after = self.encode(prompt), self.tokenizer.encode(answer)
        if not after:
            return []
        if len(before) + len(after) > self.context_len:
            raise ValueError(
                f"the prompt has {len(before)} tokens and the answer {len(after)}, and the context of {self.name} is "
                f"{self.context_len}; give less of one"
            )
        (scored,) = generate(self.model, [before + after], max_new=0, prompt_logprobs=True)
        assert scored.prompt_logprobs is not None
        return scored.prompt_logprobs[len(before) - 1 :]

    def text_of(self, token: int) -> str:
        """What one token stands for; bytes that are no character by themselves are U+FFFD."""
        return self.tokenizer.token_bytes(token).decode("utf-8", "replace")

    def perplexity(self, prompt: str, answer: str) -> float:
        """exp of the mean negative log-probability of the answer's tokens."""
        scores = self.logprobs(prompt, answer)
        if not scores:
            raise ValueError("the answer is empty; there is nothing to be surprised by")
        return math.exp(-sum(scores) / len(scores))


def _generator(seed: int | None) -> torch.Generator:
    generator = torch.Generator()
    if seed is None:
        generator.manual_seed(secrets.randbits(53))  # one that can be given again, and that any reader of JSON keeps
    else:
        allowed = "a whole number from 0 to 2**63 - 1"
        given.number("seed", seed, lambda seed: seed < 2**63, allowed)
        generator.manual_seed(given.whole("seed", seed, 0, allowed))
    return generator
