"""The repetition penalty of CTRL."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from lilllm.course.exercise import Case, Exercise, Mistake, Property


def solution(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    """Who was said becomes less likely, whatever the sign of its logit."""
    said = logits[tokens]
    return logits.index_put((tokens,), torch.where(said > 0, said / penalty, said * penalty))


def by_mask(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    said = torch.zeros_like(logits, dtype=torch.bool)
    said[tokens] = True
    weaker = logits.clamp(min=0) / penalty + logits.clamp(max=0) * penalty
    return torch.where(said, weaker, logits)


def by_loop(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    out = logits.clone()
    for token in set(tokens.tolist()):
        out[token] = out[token] / penalty if out[token] > 0 else out[token] * penalty
    return out


def divided(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return logits.index_put((tokens,), logits[tokens] / penalty)


def multiplied(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return logits.index_put((tokens,), logits[tokens] * penalty)


def turned_around(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return solution(logits, tokens, 1 / penalty)


def subtracted(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return logits.index_put((tokens,), logits[tokens] - penalty)


def each_time(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    out = logits.clone()
    for token in tokens.tolist():
        out[token] = out[token] / penalty if out[token] > 0 else out[token] * penalty
    return out


def counted(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return logits - penalty * torch.bincount(tokens, minlength=len(logits))


def everywhere(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return torch.where(logits > 0, logits / penalty, logits * penalty)


def the_others(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return everywhere(logits, tokens, penalty).index_put((tokens,), logits[tokens])


def last_alone(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return solution(logits, tokens[-1:], penalty)


def forbidden(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return logits.index_fill(0, tokens, -torch.inf)


def of_probabilities(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return solution(logits.softmax(-1), tokens, penalty)


def of_log_probabilities(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return solution(logits.log_softmax(-1), tokens, penalty)


def positive_alone(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    said = logits[tokens]
    return logits.index_put((tokens,), torch.where(said > 0, said / penalty, said))


def logarithm_subtracted(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return logits.index_put((tokens,), logits[tokens] - math.log(penalty))


def nothing_found(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return logits.clone()


def said_alone(logits: Tensor, tokens: Tensor, penalty: float) -> Tensor:
    return solution(logits, tokens, penalty)[tokens]


def cases() -> Iterator[Case]:
    def case(logits: list[float], tokens: list[int], penalty: float, expected: list[float]) -> Case:
        given, wanted = (torch.tensor(one, dtype=torch.float64) for one in (logits, expected))
        return Case((given, torch.tensor(tokens, dtype=torch.int64), penalty), wanted)

    yield case([4.0, 4.0], [0], 2.0, [2.0, 4.0])
    # A negative logit becomes less likely by being multiplied.
    yield case([-3.0, 1.0], [0], 2.0, [-6.0, 1.0])
    yield case([4.0, -3.0, 1.0], [1, 0], 2.0, [2.0, -6.0, 1.0])
    # Said three times, punished once.
    yield case([8.0, 8.0, 0.0], [0, 0, 2, 0], 2.0, [4.0, 8.0, 0.0])
    yield case([1.0, -1.0], [], 1.5, [1.0, -1.0])
    yield case([1.0, -1.0], [0, 1], 1.0, [1.0, -1.0])
    draw = torch.Generator().manual_seed(9)
    for V, T, penalty in ((5, 4, 1.2), (8, 12, 1.5), (12, 6, 1.1)):
        logits = 3 * torch.randn(V, generator=draw, dtype=torch.float64)
        tokens = torch.randint(V, (T,), generator=draw)
        yield Case((logits, tokens, penalty), by_loop(logits, tokens, penalty))


EXERCISE = Exercise(
    task=(
        "The repetition penalty of CTRL, as it is used today: each token that is in `tokens` (T,), once or often, "
        "becomes less likely: its logit is divided by `penalty` (at least 1) if it is positive, and multiplied if it "
        "is negative. Return new logits (V,)."
    ),
    call="repetition_penalty(logits, tokens, penalty)",
    hints=(
        "Which logits are touched? And what does a division by 2 do to a logit of -4?",
        "`said = logits[tokens]`; `torch.where(said > 0, said / penalty, said * penalty)`.",
        "Write that into a copy at `tokens`: a token that comes twice is written twice, with the same number.",
    ),
    solution=solution,
    also_right=(by_mask, by_loop),
    mistakes=(
        Mistake(
            divided,
            "You divide negative logits too: -4 becomes -2, and the token that was said is now likelier. Multiply "
            "those.",
        ),
        Mistake(multiplied, "You multiply: a positive logit grows, and the token that was said is likelier. Divide."),
        Mistake(turned_around, "It is turned around: what was said becomes likelier, and the model repeats itself."),
        Mistake(positive_alone, "Negative logits stay as they are: multiply them by the penalty."),
        Mistake(subtracted, "You subtract, as a presence penalty does: here it is a factor."),
        Mistake(counted, "You subtract for each time it was said, a frequency penalty: here it is one factor, once."),
        Mistake(each_time, "You punish each time that a token was said: once is enough, however often it was."),
        Mistake(everywhere, "You punish all tokens: only those in `tokens` are."),
        Mistake(the_others, "You punish the tokens that were not said."),
        Mistake(last_alone, "You punish the last token alone: all that are in `tokens` are."),
        Mistake(forbidden, "You forbid what was said: then no word could come twice. It only becomes less likely."),
        Mistake(
            of_probabilities,
            "You work on probabilities, and return them: take the logits as they are. Probabilities have no sign.",
        ),
        Mistake(
            of_log_probabilities,
            "You take log-probabilities, all of which are negative: the formula is for the logits as they are.",
        ),
        Mistake(
            logarithm_subtracted,
            "You subtract ln penalty, which divides the probability: here it is the logit that is divided.",
        ),
        Mistake(
            nothing_found,
            "Nothing changes. A tensor in a set is not found by its number: `tokens.tolist()` gives ints.",
        ),
        Mistake(said_alone, "These are the logits of what was said alone: all V of them are asked for."),
    ),
    cases=cases,
    properties=(
        Property(
            lambda arguments, answer: all(
                answer[i] == arguments[0][i] for i in range(len(answer)) if i not in arguments[1].tolist()
            ),
            "The logit of a token that was not said has changed.",
        ),
        Property(
            lambda arguments, answer: bool((answer <= arguments[0]).all()),
            "A token that was said has become likelier: its logit has grown.",
        ),
    ),
)
