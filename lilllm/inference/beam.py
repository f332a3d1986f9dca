"""Beam search: the answers of greatest probability as a whole, not token by token.

    beams = beam_search(model, [1, 2, 3], width=4, max_new=20, stop_ids=[0])
    beams[0].tokens, beams[0].logprob, beams[0].score

At each step every one of ``width`` unfinished answers is followed by every token, and the best ``width`` of all these
go on. An answer is finished at a stop id or after ``max_new`` tokens.

    score = logprob / length^length_penalty

With a penalty of 0 short answers win, since every token costs; 1 compares the mean of a token.

Read in order:  Beam, beam_search
Conventions:    as transformers' with ``early_stopping="never"``: the stop token counts in the length, and an answer
                that stops counts only if it is among the best ``width`` of its step
Sources:        Graves 2012, arXiv:1211.3711 (beam search over output sequences); Wu et al. 2016, arXiv:1609.08144
                (length penalty; theirs is ((5 + length) / 6)^alpha)
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import torch

from lilllm.inference import given
from lilllm.inference.drawing import odd
from lilllm.inference.given import check_prompts, check_run
from lilllm.inference.session import Session
from lilllm.models import Decoder


@dataclass(frozen=True)
class Beam:
    """An answer: its tokens (the stop token too), its log-probability in nats, its score, and whether it stopped."""

    tokens: list[int]
    logprob: float
    score: float
    stopped: bool


def beam_search(
    model: Decoder,
    prompt: Sequence[int],
    *,
    width: int,
    max_new: int,
    length_penalty: float | int = 1.0,
    stop_ids: Collection[int] = (),
    limit: int | None = None,
) -> list[Beam]:
    """The ``width`` best answers found, best first; fewer where there are no more.

    Args:
        length_penalty: 0 to 10.
        limit: ids from here on are no tokens.
    Raises: ValueError: a number out of range, a prompt that the model cannot go on with, logits that hold NaN.
    Holds: with ``width`` at V^max_new it finds the best of all answers; width 1 without stop ids is greedy.
    """
    (row,) = check_prompts(model, [prompt])
    check_run(model, max_new, stop_ids, limit)
    for name, count in (("width", width), ("max_new", max_new)):
        given.whole(name, count, 1, "a whole number of at least 1")
    given.number("length_penalty", length_penalty, lambda x: 0 <= x <= 10, "a number from 0 to 10")
    room = min(max_new, model.config.context_len - len(row) + 1)
    stops = frozenset(stop_ids)
    session = Session(model, [row], room=room)
    logits = session.start()
    live: list[tuple[float, list[int]]] = [(0.0, [])]
    done: list[Beam] = []
    for length in range(1, room + 1):
        scores = logits.double().log_softmax(-1)[:, :limit]  # (beams, V)
        if scores.isnan().any():
            raise ValueError(odd(logits))
        totals = torch.tensor([total for total, _ in live], dtype=scores.dtype, device=scores.device)
        flat = (totals[:, None] + scores).flatten()
        best = flat.topk(min((1 + len(stops)) * width, len(flat)))
        follow: list[tuple[float, int, int]] = []
        for rank, (total, at) in enumerate(zip(best.values.tolist(), best.indices.tolist(), strict=True)):
            parent, token = divmod(at, scores.shape[1])
            if total == -math.inf:
                break
            if token in stops or length == room:
                if rank < width:
                    said = [*live[parent][1], token]
                    done.append(Beam(said, total, total / length**length_penalty, token in stops))
            elif len(follow) < width:
                follow.append((total, parent, token))
        done = sorted(done, key=lambda beam: -beam.score)[:width]
        if not follow or (len(done) == width and follow[0][0] / room**length_penalty <= done[-1].score):
            break  # what is left can only become less likely
        live = [(total, [*live[parent][1], token]) for total, parent, token in follow]
        device = logits.device
        session.reorder(torch.tensor([parent for _, parent, _ in follow], device=device))
        logits = session.feed(torch.tensor([token for _, _, token in follow], device=device))
    return done
