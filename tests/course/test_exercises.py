"""Every exercise is proved: right functions pass, wrong ones are rejected with the message meant for them."""

from __future__ import annotations

import inspect
import math

import numpy as np
import pytest
import torch

from lilllm.course import check, exercise_names
from lilllm.course.check import find
from lilllm.course.exercise import Exercise, Mistake, is_array, same

NAMES = exercise_names()
RIGHT = [(name, function) for name in NAMES for function in (find(name).solution, *find(name).also_right)]
WRONG = [(name, mistake) for name in NAMES for mistake in find(name).mistakes]


def size(value: object) -> int:
    """How much there is to read: characters, or numbers of an array."""
    if is_array(value):
        return int(np.prod(value.shape)) * 8
    if isinstance(value, tuple | list):
        return sum(map(size, value))
    return len(repr(value))


def label(value: object) -> str:
    return getattr(getattr(value, "wrong", value), "__name__", str(value))


def test_the_exercises_of_the_lectures_are_found() -> None:
    assert set(NAMES) >= {
        f"tokenizers.{name}" for name in ("bpe_encode", "compression", "forward", "stream", "utf8", "wordpiece")
    }


@pytest.mark.parametrize(("name", "function"), RIGHT, ids=label)
def test_every_right_function_passes(name: str, function: object) -> None:
    report = check(name, function)
    assert report.passed, str(report)


@pytest.mark.parametrize(("name", "mistake"), WRONG, ids=label)
def test_every_wrong_function_is_told_its_mistake(name: str, mistake: Mistake) -> None:
    report = check(name, mistake.wrong)
    assert not report.passed
    assert mistake.message in report.verdict.message, str(report)
    assert report.verdict.case is not None


@pytest.mark.parametrize("name", NAMES)
def test_every_exercise_is_complete(name: str) -> None:
    exercise = find(name)
    assert len(exercise.also_right) >= 2
    assert len(exercise.mistakes) >= 3
    assert len(exercise.hints) >= 2
    assert len(list(exercise.cases())) >= 5
    assert len({mistake.message for mistake in exercise.mistakes}) == len(exercise.mistakes)
    for mistake in exercise.mistakes:
        assert mistake.message.endswith((".", "?"))


@pytest.mark.parametrize("name", NAMES)
def test_the_call_names_the_parameters_of_the_solution(name: str) -> None:
    exercise = find(name)
    parameters = exercise.call.split("(", 1)[1].rstrip(")").split(", ")
    assert parameters == list(inspect.signature(exercise.solution).parameters)


@pytest.mark.parametrize("name", NAMES)
def test_cases_are_the_same_at_every_run_and_begin_small(name: str) -> None:
    exercise: Exercise = find(name)
    cases = list(exercise.cases())
    for case, again in zip(cases, exercise.cases(), strict=True):
        assert same((case.arguments, case.expected), (again.arguments, again.expected), nan=True)
    assert size(cases[0].arguments) <= size(cases[-1].arguments)


@pytest.mark.parametrize("name", NAMES)
def test_properties_hold_of_every_right_answer(name: str) -> None:
    exercise = find(name)
    for case in exercise.cases():
        for rule in exercise.properties:
            assert rule.holds(case.arguments, case.expected), rule.message


# The same mistakes, written as another reader would: they must be told the same.


def encode_by_longest_match(word, merges):
    tokens = sorted((a + b for a, b in merges), key=len, reverse=True)
    out = []
    while word:
        token = next((token for token in tokens if word.startswith(token)), word[0])
        out, word = [*out, token], word[len(token) :]
    return out


def stream_with_ignore(tokens):
    out = []
    for token in tokens:
        out.append(str(token, "utf8", "ignore"))
    return out


def stream_that_forgets_the_rest(tokens):
    waiting, out = b"", []
    for token in tokens:
        waiting += token
        out.append(waiting.decode(errors="ignore"))
        waiting = b"" if out[-1] else waiting
    return out


def likelihood_by_max(text, log_prob):
    if not text:
        return 0.0
    ways = [likelihood_by_max(text[i:], log_prob) + log_prob.get(text[:i], -math.inf) for i in range(1, len(text) + 1)]
    return max(ways)


def ratio_by_mean(texts, encode):
    ratios = [len(bytes(text, "utf8")) / len(encode(text)) for text in texts]
    return sum(ratios) / len(ratios)


def utf8_by_hex(code_point):
    digits = f"{code_point:x}"
    return bytes.fromhex("0" * (len(digits) % 2) + digits)


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("bpe_encode", encode_by_longest_match, "You take the longest token that fits"),
        ("stream", stream_with_ignore, "You throw the bytes of unfinished characters away"),
        ("forward", likelihood_by_max, "This is the best cut alone"),
        ("compression", ratio_by_mean, "You average the ratios"),
        ("utf8", utf8_by_hex, "These are the bytes of the number itself"),
        ("stream", stream_that_forgets_the_rest, "The parts put together do not give the text"),  # no known mistake
    ],
)
def test_a_mistake_is_known_however_it_is_written(name: str, function: object, words: str) -> None:
    assert words in check(f"tokenizers.{name}", function).verdict.message


def adamw_uncorrected(w, g, m, v, t, lr, betas, eps, weight_decay):
    w = w * (1 - lr * weight_decay)
    m = m + (1 - betas[0]) * (g - m)
    v = v * betas[1] + g * g * (1 - betas[1])
    return w - lr * m / (torch.sqrt(v) + eps), m, v


def adamw_with_l2(w, g, m, v, t, lr, betas, eps, weight_decay):
    p = w.clone().requires_grad_()
    optimizer = torch.optim.Adam([p], lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    state = optimizer.state[p]
    state.update(step=torch.tensor(t - 1.0), exp_avg=m.clone(), exp_avg_sq=v.clone())
    p.grad = g.clone()
    optimizer.step()
    return p.detach(), state["exp_avg"], state["exp_avg_sq"]


def momentum_as_an_average(w, g, v, lr, beta):
    v = torch.lerp(v, g, 1 - beta)
    return w.sub(v, alpha=lr), v


def momentum_as_keras(w, g, v, lr, beta):
    v = v * beta
    v = v - g * lr
    return v + w, v


def clip_tensor_by_tensor(grads, max_norm):
    out = []
    for grad in grads:
        norm = float(grad.norm())
        out.append(grad / norm * max_norm if norm > max_norm else grad)
    return out


def rate_that_turns_up(step, peak, warmup, total, floor):
    if step < warmup:
        return peak / warmup * (step + 1)
    turn = (step - warmup) / (total - warmup) * math.pi
    return (peak + floor) / 2 + (peak - floor) / 2 * math.cos(turn)


def accumulate_as_backward_does(parts, sizes):
    out = torch.zeros_like(parts[0])
    for part in parts:
        out = out + part
    return out


def accumulate_over_the_number_of_parts(parts, sizes):
    return sum(parts) / len(parts)


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("adamw", adamw_uncorrected, "There is no bias correction"),
        ("adamw", adamw_with_l2, "this is Adam with L2"),
        ("momentum", momentum_as_an_average, "You multiply the gradient by 1 - beta"),
        ("clip", clip_tensor_by_tensor, "You clip each tensor by a norm of its own"),
        ("schedule", rate_that_turns_up, "After `total` your rate rises again"),
        ("momentum", momentum_as_keras, "Your velocity is the step itself"),
        ("accumulate", accumulate_as_backward_does, "You add the parts"),
        ("accumulate", accumulate_over_the_number_of_parts, "This is the mean of the means"),
    ],
)
def test_a_mistake_with_an_optimizer_is_known_however_it_is_written(name: str, function: object, words: str) -> None:
    assert words in check(f"optimizers.{name}", function).verdict.message


def broadcast_by_numpy_without_refusal(a, b):
    a, b = [1] * (len(b) - len(a)) + list(a), [1] * (len(a) - len(b)) + list(b)
    return tuple(int(size) for size in np.maximum(a, b))


def broadcast_with_zip(a, b):
    out = ()
    for x, y in zip(a[::-1], b[::-1], strict=False):
        if x != y and x != 1 and y != 1:
            return None
        out = (y if x == 1 else x, *out)
    return out


def strides_of_numpy(shape):
    return np.zeros(shape, dtype=np.float32).strides


def pick_by_einsum(logits, targets):
    chosen = torch.nn.functional.one_hot(targets, logits.shape[-1]).to(logits)
    return torch.einsum("btv,btv->bt", logits, chosen)


def pick_by_indexing(logits, targets):
    return logits[:, :, targets]


def pick_by_cross_entropy(logits, targets):
    return torch.nn.functional.cross_entropy(logits.transpose(1, 2), targets, reduction="none")


def bfloat16_by_dropping(bits):
    return int(f"{bits:032b}"[:16], 2)


def bfloat16_by_carry(bits):
    last = (bits & 0x10000) >> 16
    return ((bits + 32767 + last) // 65536) % 65536


def intensity_of_reads(m, k, n, bytes_each):
    read = bytes_each * k * (m + n)
    return (m * n * k + m * n * k) / read


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("broadcast", broadcast_by_numpy_without_refusal, "2 and 3 do not broadcast, only 1 gives way"),
        ("broadcast", lambda a, b: a if a == b else None, "These two do broadcast, and your answer is None"),
        ("broadcast", lambda a, b: max(a, b, key=len), "These two do not broadcast"),
        ("broadcast", broadcast_with_zip, "The sizes that only the longer shape has are lost"),
        ("strides", strides_of_numpy, "You count bytes, as NumPy's"),
        ("pick", pick_by_einsum, "times the 0 of the one-hot is NaN"),
        ("pick", pick_by_indexing, "takes all the targets at every place"),
        ("pick", pick_by_cross_entropy, "This is the loss"),
        ("bfloat16", bfloat16_by_dropping, "You cut the lower half off"),
        ("bfloat16", bfloat16_by_carry, "a NaN becomes infinity, or overflows to a zero"),
        ("intensity", intensity_of_reads, "You count what is read"),
    ],
)
def test_a_mistake_with_shapes_and_bits_is_known_however_it_is_written(name, function, words) -> None:
    assert words in check(f"tensors.{name}", function).verdict.message


def softmax_as_sigmoid(p, g):
    return np.array([[b * a * (1.0 - a) for a, b in zip(*rows, strict=True)] for rows in zip(p, g, strict=True)])


def softmax_without_keepdims(p, g):
    total = np.einsum("...i,...i", p, g)
    return p * g - p * total


def cross_entropy_of_the_sum(logits, targets):
    out = []
    for row, target in zip(logits.tolist(), targets.tolist(), strict=True):
        odds = [math.exp(x - max(row)) for x in row]
        out.append([odd / sum(odds) - (i == target) for i, odd in enumerate(odds)])
    return np.array(out)


def cross_entropy_in_float32(logits, targets):
    p = torch.softmax(torch.tensor(logits, dtype=torch.float32), -1).numpy()
    p[range(len(targets)), targets] -= 1
    return p / len(targets)


def unbroadcast_until_the_rank_fits(g, shape):
    while len(g.shape) != len(shape):
        g = np.add.reduce(g)
    return g


def topological_by_recursion(root, parents, met=None):
    met = [] if met is None else met
    for parent in parents[root]:
        if parent not in met:
            topological_by_recursion(parent, parents, met)
    met.append(root)
    return met


def topological_by_levels(root, parents):
    levels, seen = [[root]], {root}
    while levels[-1]:
        new = [parent for node in levels[-1] for parent in parents[node] if parent not in seen]
        levels.append(list(dict.fromkeys(new)))
        seen.update(new)
    return [node for level in levels[::-1] for node in level]


def numeric_forward(f, x):
    h = 1e-6
    flat = x.flatten()
    at = [np.where(np.arange(x.size) == i, h, 0.0) for i in range(x.size)]
    return np.array([(f((flat + step).reshape(x.shape)) - f(x)) / h for step in at]).reshape(x.shape)


def numeric_that_leaves_x_moved(f, x):
    grad = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        x[i] += 1e-3
        grad[i] = f(x)
        x[i] -= 2e-3
        grad[i] = (grad[i] - f(x)) / 2e-3
    return grad


def layer_norm_of_constants(x, g):
    return g * (np.var(x, -1)[..., None] + 1e-5) ** -0.5


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("softmax", lambda p, g: softmax_as_sigmoid(np.atleast_2d(p), np.atleast_2d(g)).reshape(p.shape), "its own"),
        ("softmax", softmax_without_keepdims, "The sum has lost its axis"),
        ("cross_entropy", cross_entropy_of_the_sum, "This is the gradient of the sum over rows"),
        ("cross_entropy", cross_entropy_in_float32, "should be of float64, and yours is of float32"),
        ("unbroadcast", unbroadcast_until_the_rank_fits, "An axis of length 1 was stretched too"),
        ("topological", topological_by_recursion, "deeper than Python's stack"),
        ("topological", topological_by_levels, "A node stands before one of its parents"),  # no known mistake
        ("numeric", numeric_forward, "You step to one side only"),
        ("numeric", numeric_that_leaves_x_moved, "changes what it was given"),
        ("layer_norm", layer_norm_of_constants, "You take mean and variance for constants"),
    ],
)
def test_a_mistake_in_a_derivative_is_known_however_it_is_written(name, function, words) -> None:
    assert words in check(f"gradients.{name}", function).verdict.message


def attend_and_then_hide(q, k, v, mask):
    weights = torch.einsum("bid,bjd->bij", q, k / q.size(2) ** 0.5).softmax(dim=2)
    return torch.where(mask, weights, 0.0) @ v


def attend_where_one_may_not(q, k, v, mask):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=~mask)


def attend_unscaled(q, k, v, mask):
    return torch.nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=1.0)


def heads_by_one_reshape(x, n_heads):
    return x.reshape(len(x), n_heads, x.shape[1], -1)


def causal_by_lower_triangle(queries, keys):
    return torch.tril(torch.ones((queries, keys))) > 0


def cross_with_is_causal(x, memory, w_q, w_k, w_v):
    q, k, v = x @ w_q, memory @ w_k, memory @ w_v
    scores = q @ k.mT / w_q.shape[1] ** 0.5
    return scores.masked_fill(torch.ones_like(scores).triu(1) > 0, float("-inf")).softmax(2) @ v


def additive_linear(q, k, w_q, w_k, v):
    return (q @ (w_q @ v))[:, None] + k @ (w_k @ v)


def sinusoidal_in_halves(T, C):
    angle = torch.arange(T).double()[:, None] / 10000 ** (torch.arange(C // 2).double() * 2 / C)
    return torch.cat([torch.sin(angle), torch.cos(angle)], 1)


def rotate_neighbours(x, positions, theta):
    out = x.clone()
    for i in range(0, x.shape[1], 2):
        turn = positions * theta ** (-i / x.shape[1])
        out[:, i] = x[:, i] * turn.cos() - x[:, i + 1] * turn.sin()
        out[:, i + 1] = x[:, i] * turn.sin() + x[:, i + 1] * turn.cos()
    return out


def convert_all_heads_at_once(weight, n_heads):
    return weight.view(-1, 2, weight.shape[1]).transpose(0, 1).reshape(weight.shape)


def alibi_with_halves(n_heads, T):
    bias = torch.full((n_heads, T, T), -torch.inf, dtype=torch.float64)
    for h in range(n_heads):
        for t in range(T):
            bias[h, t, : t + 1] = -torch.arange(t, -1, -1) / 2 ** (h + 1)
    return bias


def alibi_with_a_triangle(n_heads, T):
    slopes = torch.tensor([2 ** (-8 * h / n_heads) for h in range(1, n_heads + 1)], dtype=torch.float64)
    ahead = torch.arange(T)[None, :] - torch.arange(T)[:, None]
    return slopes[:, None, None] * torch.tril(ahead)


def convert_columns(weight, n_heads):
    channels = torch.arange(weight.shape[1])
    return weight[:, torch.cat([channels[channels % 2 == 0], channels[channels % 2 == 1]])]


def rms_norm_minus_mean(x, gain, eps):
    x = x - x.mean(dim=-1, keepdim=True)
    return gain * x / (eps + (x * x).mean(dim=-1, keepdim=True)) ** 0.5


def rms_norm_with_eps_late(x, gain, eps):
    root = (x**2).mean(dim=-1, keepdim=True) ** 0.5
    return gain * (x / (root + eps))


def swiglu_exchanged(x, w_gate, w_up, w_down):
    a, b = x.matmul(w_gate), x.matmul(w_up)
    return (a * b * b.sigmoid()).matmul(w_down)


def gqa_by_expand(q, k, v):
    B, H, T, D = q.shape
    k, v = (one[:, None].expand(B, H // one.shape[1], *one.shape[1:]).reshape(B, H, T, D) for one in (k, v))
    weights = (q @ k.mT / D**0.5 + torch.full((T, T), -torch.inf).triu(1)).softmax(-1)
    return weights @ v


def count_like_gpt(vocab, layers, d_model, d_ff, n_heads, n_kv_heads):
    kv = d_model * n_kv_heads // n_heads
    return vocab * d_model + layers * (2 * d_model * (d_model + kv + d_ff) + 2 * d_model) + d_model


def loss_without_a_shift(logits, tokens):
    return -torch.log_softmax(logits, 2).gather(2, tokens.unsqueeze(2)).mean()


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("transformer.rms_norm", rms_norm_minus_mean, "This is LayerNorm without its bias"),
        ("transformer.rms_norm", rms_norm_with_eps_late, "`eps` is added after the root"),
        ("transformer.swiglu", swiglu_exchanged, "Gate and up are exchanged"),
        ("transformer.gqa", gqa_by_expand, "Your heads are 0, 1, 0, 1"),
        ("transformer.count", count_like_gpt, "You count two matrices in the feed-forward"),
        ("transformer.residual_std", lambda n_layers, std: std * n_layers**-0.5, "You count one write a block"),
        ("transformer.next_loss", loss_without_a_shift, "Nothing is shifted"),
        ("attention.scaled", attend_and_then_hide, "Your mask is applied after the softmax"),
        ("attention.scaled", attend_unscaled, "You forgot to divide the scores by sqrt(D)"),
        ("attention.scaled", attend_where_one_may_not, "You hand torch the mask turned around"),
        ("attention.heads", heads_by_one_reshape, "You reshape to (B, H, T, D) in one go"),
        ("attention.mask", causal_by_lower_triangle, "You place the first query at the first key"),
        ("attention.cross", cross_with_is_causal, "You use a causal mask"),
        ("attention.additive", additive_linear, "There is no tanh"),
        ("positions.sinusoidal", sinusoidal_in_halves, "All sines lie before all cosines"),
        ("positions.rotate", rotate_neighbours, "the interleaved layout"),
        ("positions.convert", convert_all_heads_at_once, "You order the rows of all heads together"),
        ("positions.alibi", alibi_with_halves, "which is right for 8 heads"),
        ("positions.alibi", alibi_with_a_triangle, "The future has a bias of 0"),
        ("positions.convert", convert_columns, "It is the columns that you order"),
    ],
)
def test_a_mistake_in_a_transformer_is_known_however_it_is_written(name: str, function: object, words: str) -> None:
    assert words in check(name, function).verdict.message


def pack_with_a_pointer(documents, T, eos):
    stream = [token for one in documents for token in [*one, eos]]
    rows = []
    while len(stream) > T:
        rows.append(stream[: T + 1])
        stream = stream[T + 1 :]
    return rows


def pack_to_the_end(documents, T, eos):
    stream = [token for one in documents for token in [*one, eos]]
    count = -(-(len(stream) - 1) // T)
    return [stream[i * T : i * T + T + 1] for i in range(count)]


def targets_shifted(tokens, documents):
    targets = torch.roll(tokens, -1)
    targets[-1] = -100
    return targets


def targets_at_starts(tokens, documents):
    out = [-100] * len(tokens)
    for t in range(len(tokens) - 1):
        if t == 0 or documents[t - 1] == documents[t]:
            out[t] = int(tokens[t + 1])
    return torch.tensor(out)


def bits_without_bytes(loss, n_tokens, n_bytes):
    return math.log2(math.exp(loss))


def smoothed_as_two_losses(logits, target, eps):
    log_p = torch.log_softmax(logits, -1)
    return (1 - eps) * -log_p[target] + eps * -log_p.sum()


def smoothed_by_hand(logits, target, eps):
    p = torch.exp(logits) / torch.sum(torch.exp(logits))
    q = eps / len(p) + (1 - eps) * (torch.arange(len(p)) == target).double()
    return -(q * torch.log(p)).sum()


def smoothed_in_float32(logits, target, eps):
    q = torch.ones(len(logits)) * eps / len(logits)
    q[target] += 1 - eps
    return -(q * torch.log_softmax(logits, 0)).sum()


def rows_as_distributed_sampler(batch, rank, world_size, batch_size):
    first = batch * batch_size * world_size
    return range(first, first + batch_size * world_size)[rank::world_size]


def rows_of_a_reader_alone(batch, rank, world_size, batch_size):
    return range(batch_size * batch, batch_size * batch + batch_size)


def fill_with_the_answer_in_it(tokens, i, j, prefix, suffix, middle):
    return [prefix] + tokens[:i] + [suffix] + tokens[i:] + [middle] + tokens[i:j]  # noqa: RUF005


def average_as_moving(states):
    out = {name: tensor.clone().double() for name, tensor in states[0].items()}
    for state in states[1:]:
        for name in out:
            out[name] = 0.5 * out[name] + 0.5 * state[name]
    return {name: out[name].to(states[0][name].dtype) for name in out}


def average_as_stored(states):
    return {name: sum(state[name] for state in states) / len(states) for name in states[0]}


def top_k_by_mask(logits, k):
    keep = torch.zeros_like(logits).scatter(-1, logits.topk(min(k, logits.size(-1))).indices, 1.0)
    return logits * keep


def top_k_that_forgets(logits, k):
    bar = torch.sort(logits, -1).values[..., -min(k, logits.size(-1)), None]
    torch.where(logits < bar, -torch.inf, logits)
    return logits


def top_k_with_a_very_small_number(logits, k):
    bar = torch.sort(logits, -1).values[..., -min(k, logits.size(-1)), None]
    return torch.where(logits < bar, -1e9, logits)


def top_p_strictly_below(logits, p):
    order = logits.argsort(-1, descending=True)
    below = logits.softmax(-1).gather(-1, order).cumsum(-1) <= p
    return torch.where(torch.zeros_like(below).scatter(-1, order, below), logits, -torch.inf)


def min_p_as_a_floor(logits, p):
    return torch.where(torch.softmax(logits, -1) >= p, logits, -torch.inf)


def repetition_as_in_the_paper(logits, tokens, penalty):
    out = logits.clone()
    out[tokens.unique()] /= penalty
    return out


def logprob_without_a_shift(logits, tokens, n_prompt):
    each = torch.log_softmax(logits, -1)[torch.arange(len(tokens)), tokens]
    return each[n_prompt:].sum()


def stream_until_it_is_there(text, stops):
    for stop in stops:
        text = text.split(stop)[0]
    return text


def cache_of_one(n_layers, n_kv_heads, d_head, tokens, batch, bytes_each):
    return (n_kv_heads * d_head * tokens * n_layers * 2) * bytes_each


@pytest.mark.parametrize(
    ("name", "function", "words"),
    [
        ("pretraining.pack", pack_with_a_pointer, "Your rows do not overlap"),
        ("pretraining.pack", pack_to_the_end, "The last row is too short"),
        ("pretraining.targets", targets_shifted, "The end of a document is asked for the start of the next"),
        ("pretraining.targets", targets_at_starts, "Your -100 stands one place late"),
        ("pretraining.bits_per_byte", bits_without_bytes, "These are bits a token"),
        ("pretraining.smoothed", smoothed_as_two_losses, "it is their mean"),
        ("pretraining.smoothed", smoothed_by_hand, "exp of large logits is infinite"),
        ("pretraining.smoothed", smoothed_in_float32, "a part of it is worked out in float32"),  # no known mistake
        ("pretraining.rows", rows_as_distributed_sampler, "You deal the rows out in turn"),
        ("pretraining.rows", rows_of_a_reader_alone, "all ranks train on the same rows"),
        ("pretraining.fill_in", fill_with_the_answer_in_it, "the answer can be read off it"),
        ("pretraining.average", average_as_moving, "You halve at every step"),
        ("pretraining.average", average_as_stored, "in float16 the sum overflows"),
        ("generation.top_k", top_k_by_mask, "A logit of 0, say, is not a probability of 0"),
        ("generation.top_k", top_k_that_forgets, "Nothing changes"),
        ("generation.top_k", top_k_with_a_very_small_number, "A logit either stays or becomes -inf"),
        ("generation.top_p", top_p_strictly_below, "The token with which p is reached is left out"),
        ("generation.min_p", min_p_as_a_floor, "Your bar is p itself"),
        ("generation.repetition", repetition_as_in_the_paper, "You divide negative logits too"),
        ("generation.logprob", logprob_without_a_shift, "You take for each token the logits after it was read"),
        ("generation.stream", stream_until_it_is_there, "You wait for the whole stop string"),
        ("generation.cache_bytes", cache_of_one, "This is the cache of one text"),
    ],
)
def test_a_mistake_in_training_or_speaking_is_known_however_it_is_written(name, function, words) -> None:
    assert words in check(name, function).verdict.message
