"""From prompts to what a model goes on with, one token at a time.

    out = generate(model, [[1, 2, 3], [4]], max_new=20, sampler=Sampler(top_p=0.9), stop_ids=[0])
    out[0].tokens, out[0].logprobs, out[0].ended

Prompts of different lengths are padded on the left and go through the model as one batch; each row ends by itself: at a
stop id, after ``max_new`` tokens, or when the context is full.

Read in order:  Generation and generate (a batch, whole answers), Step and steps (one prompt, step by step), _drawn (the
                loop of both)
Conventions:    log-probabilities are the model's own, in nats, before the sampler. The stop token counts: it is the
                last of ``tokens``. A model of context_len tokens predicts the one after them too, so a prompt that
                fills the context gets one token.
Sources:        Pope et al. 2022, arXiv:2211.05102 (prefill and decode)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor

from lilllm.inference import given
from lilllm.inference.dola import contrast, early_logits
from lilllm.inference.drawing import draw, odd
from lilllm.inference.given import check_prompts, check_run
from lilllm.inference.samplers import Sampler
from lilllm.inference.session import Session
from lilllm.models import Decoder

PLAIN = Sampler()


@dataclass(frozen=True)
class Generation:
    """What became of one prompt.

    Attributes:
        tokens: what was generated; the stop token, if one ended it, is the last.
        logprobs: the model's log-probability of each of them.
        prompt_logprobs: those of the prompt's tokens after the first, if asked for.
        ended: at a "stop" id, or by "length".
        full: the length was the model's context, not ``max_new``.
    """

    prompt: list[int]
    tokens: list[int]
    logprobs: list[float]
    prompt_logprobs: list[float] | None
    ended: Literal["stop", "length"]
    full: bool = False


@dataclass(frozen=True)
class Step:
    """One token.

    Attributes:
        token, logprob: what was drawn, and its log-probability under the model.
        candidates: the likeliest tokens and their probabilities under the model, likeliest first.
        allowed: the same after the sampler: what was drawn from.
    """

    token: int
    logprob: float
    candidates: list[tuple[int, float]]
    allowed: list[tuple[int, float]]


def generate(
    model: Decoder,
    prompts: Sequence[Sequence[int]],
    *,
    max_new: int,
    sampler: Sampler = PLAIN,
    stop_ids: Collection[int] = (),
    generator: Generator | Sequence[Generator] | None = None,
    cache: bool = True,
    prompt_logprobs: bool = False,
    limit: int | None = None,
) -> list[Generation]:
    """Go on with each prompt, in one batch.

    Args:
        max_new: most tokens to add; 0 only scores the prompts.
        stop_ids: tokens that end a row.
        generator: what is drawn with; a sequence gives each prompt its own: it is answered as it would be alone.
        cache: keep keys and values (always, but to see what they save).
        prompt_logprobs: score the prompts too.
        limit: ids from here on are never drawn: rows of the output that the tokenizer has no token for.
    Raises:
        ValueError: a prompt is empty, longer than the context, or holds no tokens of the model; logits hold NaN; the
            model is training with dropout.
    Holds: with a cache as without, token for token; a prompt of a batch as by itself, up to the rounding of sums;
        log-probabilities are those of the model's forward.
    """
    rows = check_prompts(model, prompts)
    check_run(model, max_new, stop_ids, limit)
    check_drawing(sampler, generator)
    given.flags(cache=cache, prompt_logprobs=prompt_logprobs)
    if isinstance(generator, Sequence) and len(generator) != len(rows):
        raise ValueError(f"{len(generator)} generators for {len(rows)} prompts; give one for each, or one for all")
    if not rows:
        return []
    scored: list[list[float] | None] = [None] * len(rows)
    session = _session(model, rows, max_new, sampler, cache)
    first: Tensor | None
    if prompt_logprobs:
        first, scores = session.start_scored()
        scored = [row[len(row) - len(prompt) + 1 :] for row, prompt in zip(scores.tolist(), rows, strict=True)]
    else:
        first = session.start() if max_new else None
    room = [min(max_new, model.config.context_len - len(prompt) + 1) for prompt in rows]
    tokens: list[list[int]] = [[] for _ in rows]
    logprobs: list[list[float]] = [[] for _ in rows]
    stops, stopped = frozenset(stop_ids), [False] * len(rows)
    open_rows = [row for row in range(len(rows)) if room[row]]
    if first is not None and open_rows:
        for _, _, ids, chances in _drawn(session, first, max(room), sampler, generator, limit, told=False):
            for row in open_rows:
                tokens[row].append(ids[row])
                logprobs[row].append(chances[row])
                stopped[row] = ids[row] in stops
            open_rows = [row for row in open_rows if not stopped[row] and len(tokens[row]) < room[row]]
            if not open_rows:
                break
    return [
        Generation(
            prompt=prompt,
            tokens=tokens[row],
            logprobs=logprobs[row],
            prompt_logprobs=scored[row],
            ended="stop" if stopped[row] else "length",
            full=not stopped[row] and room[row] < max_new,
        )
        for row, prompt in enumerate(rows)
    ]


def steps(
    model: Decoder,
    prompt: Sequence[int],
    *,
    max_new: int,
    sampler: Sampler = PLAIN,
    stop_ids: Collection[int] = (),
    generator: Generator | None = None,
    cache: bool = True,
    limit: int | None = None,
    top: int = 5,
) -> Iterator[Step]:
    """Go on with one prompt, a token at a time; ends at a stop id, after ``max_new`` or where the context is full.

    Args:
        top: how many candidates a step tells.
        the others: as in `generate`.
    """
    (row,) = check_prompts(model, [prompt])
    check_run(model, max_new, stop_ids, limit)
    check_drawing(sampler, generator)
    given.flags(cache=cache)
    given.whole("top", top, 0, "how many candidates to tell, 0 or more")
    _layers(model, sampler)
    return _steps(model, row, max_new, sampler, frozenset(stop_ids), generator, cache, limit, top)


def _steps(
    model: Decoder,
    prompt: list[int],
    max_new: int,
    sampler: Sampler,
    stops: frozenset[int],
    generator: Generator | None,
    cache: bool,
    limit: int | None,
    top: int,
) -> Iterator[Step]:
    room = min(max_new, model.config.context_len - len(prompt) + 1)
    if not room:
        return
    session = _session(model, [prompt], room, sampler, cache)
    drawn = _drawn(session, session.start(), room, sampler, generator, limit, told=top > 0)
    for logits, allowed, (token,), (chance,) in drawn:
        yield Step(token, chance, _likeliest(logits[0], top), _likeliest(allowed[0], top))
        if token in stops:
            return


def _drawn(
    session: Session,
    logits: Tensor,
    n: int,
    sampler: Sampler,
    generator: Generator | Sequence[Generator] | None,
    limit: int | None,
    *,
    told: bool,
) -> Iterator[tuple[Tensor, Tensor, list[int], list[float]]]:
    """n times: the model's logits (B, V), those drawn from, the ids drawn, their log-probabilities.

    Without ``told`` nobody looks at the second, and a greedy choice is made without filtering first.
    """
    for done in range(n):
        allowed = logits
        if sampler.dola is not None:
            early = early_logits(session.model, session.streams, normed=sampler.dola.normed)
            allowed, _ = contrast(logits, early.float(), alpha=sampler.dola.alpha)
        if limit is not None and limit < logits.shape[-1]:
            allowed = allowed.clone()
            allowed[:, limit:] = -torch.inf
        if told or not sampler.plain:
            allowed = sampler(allowed, session.tokens, generated=done)
        ids = allowed.argmax(-1) if sampler.greedy else draw(allowed, generator)
        chances = logits.log_softmax(-1).gather(-1, ids[:, None]).squeeze(-1).tolist()
        if any(map(math.isnan, chances)):
            raise ValueError(odd(logits))
        yield logits, allowed, ids.tolist(), chances
        if done + 1 < n:
            logits = session.feed(ids)


def check_drawing(sampler: Sampler, generator: Generator | Sequence[Generator] | None) -> None:
    """ValueError where one of them is of another kind."""
    if not isinstance(sampler, Sampler):
        raise ValueError(f"sampler is {sampler!r}; give a Sampler, such as Sampler(temperature=0.8)")
    every = generator if isinstance(generator, list | tuple) else [generator]
    if not all(isinstance(each, Generator | None) for each in every):
        raise ValueError(f"generator is {generator!r}; give torch.Generator().manual_seed(0), one a prompt, or None")


def _session(model: Decoder, rows: list[list[int]], max_new: int, sampler: Sampler, cache: bool) -> Session:
    room = min(max_new, model.config.context_len - min(map(len, rows)) + 1)
    return Session(model, rows, room=room, cache=cache, layers=_layers(model, sampler))


def _layers(model: Decoder, sampler: Sampler) -> tuple[int, ...]:
    """Those that DoLa contrasts with."""
    if sampler.dola is None:
        return ()
    return sampler.dola.candidates(len(model.blocks), tied=model.config.tied)


def _likeliest(logits: Tensor, top: int) -> list[tuple[int, float]]:
    found = logits.softmax(-1).topk(min(top, len(logits)))
    pairs = zip(found.indices.tolist(), found.values.tolist(), strict=True)
    return [(token, chance) for token, chance in pairs if chance > 0]
