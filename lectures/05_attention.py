# ---
# jupyter:
#   jupytext:
#     comment_magics: false
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 05 Attention: how one token learns from others
#
# The model of lecture 04 looked at exactly five tokens and had weights of its own for each of the five places. A real
# text has thousands of tokens, and what matters for the next one may stand anywhere. Attention is the answer that all
# of today's language models give: each token makes a weighted mean of what the others offer, and the weights are
# computed from the tokens themselves. Here we come to it in five small steps, each equal to the one before; then we
# look at what can go wrong (scale, masks, rows without a key), what it costs, and what it cannot see. At the end a
# little model learns a task whose solution can be read off its attention maps, and we watch the moment when it does.
#
# - **You will build:** attention from a mean over the past to many heads; masks; additive and scaled dot-product
#   scores; cross-attention; a circuit of two heads by hand; an experiment in which the same circuit appears by itself
# - **You need:** lectures 02 (broadcasting, FLOPs, bytes) and 03 (softmax and its derivative); lecture 04 for AdamW.
# - **Minutes to read:** 85
# - **Budget:** 60 s, 1.5 GB, 300 GFLOP, 250 GB moved
#
# **Napkin question.** Llama 3 8B reads a text of 131,072 tokens. In each layer every head compares every token with
# every token. If one layer's scores were written to memory in bfloat16, how many GB would that be? And how many are
# the keys and values of that layer, from which they are computed? Write two numbers on a napkin. The last section but
# one computes them.

# %%
import math
from dataclasses import dataclass

import ipywidgets as widgets
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import HTML, display
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from torch import nn

from lilllm import layers, optim
from lilllm.accounting import count, flops, memory, preset
from lilllm.course import check, figures, museum, predict
from lilllm.course.chips import table
from lilllm.layers import mask as masks
from lilllm.layers.attention import additive_attention, attention, attention_reference

figures.use_style()
torch.set_default_dtype(torch.float64)  # training magnifies rounding; so the numbers below are the same everywhere
torch.manual_seed(0)  # for the weights that layers draw for themselves
BLUE, VERMILLION, GREEN, PURPLE = figures.COLOURS

# %% [markdown]
# ## 1. From a mean to attention in five steps
#
# A sentence is a matrix $x$ with a row for each token: T rows, C numbers each. So far no row knows of any other. The
# word "it" in *the dog saw the cat and it ran* has the same vector whoever ran. Each row should take something from
# the rows before it. (Only from those before: a model that predicts the next token must not have seen it.)
#
# ### Step 1: a loop
#
# What is the simplest thing to take from a number of vectors, however many they are? Their mean.


# %%
def mean_loop(x):
    """Row t of the result is the mean of the rows 0 to t."""
    out = torch.zeros_like(x)
    for t in range(len(x)):
        out[t] = x[: t + 1].mean(0)
    return out


four = torch.tensor([[2.0, 0.0], [0.0, 4.0], [4.0, 2.0], [2.0, 2.0]])  # (T, C), small enough to do by hand
print(mean_loop(four).tolist())

# %% [markdown]
# ### Step 2: a matrix
#
# A weighted sum of rows is a matrix product. Row $t$ of the weights says how much of each row goes into result $t$:
# $1/(t+1)$ for the first $t+1$, zero for the rest. `tril` keeps the lower left triangle.


# %%
def mean_matrix(x):
    weights = torch.ones(len(x), len(x)).tril()  # (T, T)
    weights = weights / weights.sum(-1, keepdim=True)  # @inspect weights
    return weights @ x  # (T, T) @ (T, C)


assert torch.allclose(mean_matrix(four), mean_loop(four))

# %% [markdown]
# ### Step 3: softmax of scores
#
# Two things are mixed up in that triangle: *who may* be looked at, and *how much*. Take them apart. Let there be a
# table of ***scores***, any real numbers, larger for more. Softmax makes each row positive with the sum 1. Whoever
# must not be looked at gets the score $-\infty$, for $e^{-\infty} = 0$. With all other scores equal, it is the mean
# again:


# %%
def mean_softmax(x):
    scores = torch.zeros(len(x), len(x))  # (T, T)
    past = torch.ones(len(x), len(x), dtype=torch.bool).tril()
    scores = scores.masked_fill(~past, -math.inf)
    weights = scores.softmax(-1)  # @inspect scores weights
    return weights @ x


assert torch.allclose(mean_softmax(four), mean_matrix(four))

# %% [markdown]
# Why exponentials, and not just positive numbers divided by their sum? Because now the scores may be anything, a
# network can compute them, and the derivative is the simple one of lecture 03.
#
# ### Step 4: scores from the tokens themselves
#
# Now the step that matters. How much token $t$ takes from token $s$ should depend on both. So let each token say two
# things: what it looks for, its ***query*** $q_t = x_t W_q$, and what it has to offer, its ***key*** $k_s = x_s W_k$.
# The score is how well they fit, their dot product. And what is handed over when they fit need not be $x_s$ itself; it
# is a third vector, the ***value*** $v_s = x_s W_v$:
#
# $$\text{weights} = \text{softmax}(q\,k^T), \qquad \text{out} = \text{weights} \cdot v$$
#
# This is ***attention***, and since queries, keys and values come from the same text, ***self-attention***. The
# weights are the ***attention map***: a row for each token that looks, a column for each that is looked at.


# %%
def self_attention(x, w_q, w_k, w_v):
    q, k, v = x @ w_q, x @ w_k, x @ w_v  # (T, D) each
    scores = q @ k.T  # (T, T)
    past = torch.ones(len(x), len(x), dtype=torch.bool).tril()
    weights = scores.masked_fill(~past, -math.inf).softmax(-1)  # @inspect scores weights
    return weights @ v, weights


nothing, same = torch.zeros(2, 2), torch.eye(2)
assert torch.allclose(self_attention(four, nothing, same, same)[0], mean_softmax(four))

# %% [markdown]
# With $W_q = 0$ nobody looks for anything, all scores are equal, and it is the mean of step 3. With any other weights
# it is a mean that depends on what is said.
#
# To look at maps we want a picture of them, in a figure, in a page and in the replay. The class below knows two of the
# three: how to draw itself in a notebook, and what to tell the recorder (`_trace_repr_`), so that a trace shows a map
# as a map.


# %%
@dataclass
class AttentionMap:
    """Weights (T, S) or (H, T, S), with a name for each row, each column and, if you like, each head."""

    weights: torch.Tensor
    queries: list
    keys: list
    names: tuple = ()

    def __repr__(self):
        heads = f", {len(self.weights)} heads" if self.weights.dim() == 3 else ""
        return f"attention of {len(self.queries)} tokens to {len(self.keys)}{heads}"

    def _trace_repr_(self):
        return "attention", {"weights": self.weights, "queries": self.queries, "keys": self.keys, "names": self.names}

    def _repr_html_(self):
        if self.weights.dim() == 2:
            return map_svg(self.weights.tolist(), self.queries, self.keys)
        names = self.names or [f"head {n}" for n in range(len(self.weights))]
        heads = zip(self.weights.tolist(), names, strict=True)
        return "".join(map_svg(head, self.queries, self.keys, title=name) for head, name in heads)


# %%
SHADE = 0.6  # a weight of 0.1 is drawn as 0.25, so that small ones can be seen


def map_svg(rows, queries, keys, side=16, title=""):
    """One head as SVG: the fuller the blue, the more of the key goes to the query."""
    left = 10 + 7 * max(map(len, queries))
    top = 24 + 7 * max(map(len, keys))
    text = f'fill="{figures.GREY}" font-size="{min(11, side)}" font-family="sans-serif"'
    parts = [f'<text x="{left}" y="11" {text}>{title}</text>'] if title else []
    for t, query in enumerate(queries):
        parts.append(f'<text x="{left - 4}" y="{top + side * t + 12}" text-anchor="end" {text}>{query}</text>')
    for s, key in enumerate(keys):
        x = left + side * s + 11
        parts.append(f'<text x="{x}" y="{top - 4}" transform="rotate(-90 {x} {top - 4})" {text}>{key}</text>')
    for t, row in enumerate(rows):
        for s, weight in enumerate(row):
            if weight >= 0.01:
                place = f'x="{left + side * s}" y="{top + side * t}" width="{side - 1}" height="{side - 1}"'
                parts.append(f'<rect {place} fill="{BLUE}" fill-opacity="{weight**SHADE:.2f}"/>')
    width, height = left + side * len(keys) + 8, top + side * len(queries) + 4
    frame = f'<rect x="{left}" y="{top}" width="{side * len(keys)}" height="{side * len(queries)}" '
    parts.append(f'{frame}fill="none" stroke="{figures.GREY}" stroke-width="0.5"/>')
    return f'<svg width="{width}" height="{height}" role="img" aria-label="Attention map">{"".join(parts)}</svg>'


# %%
WORDS = ["the", "dog", "saw", "the", "cat", "and", "it", "ran"]
T, C = len(WORDS), 32
draw = torch.Generator().manual_seed(0)
vector_of = {word: torch.rand(C, generator=draw) * 2 - 1 for word in sorted(set(WORDS))}
x = torch.stack([vector_of[word] for word in WORDS])  # (T, C)
w_q, w_k, w_v = (torch.rand(C, C, generator=draw) * 2 - 1 for _ in range(3))

shown = {"no queries": 0 * w_q, "by chance": w_q, "queries made like keys": w_k}
shown = {name: self_attention(x, query_matrix, w_k, w_v)[1] for name, query_matrix in shown.items()}  # @stepover
own_map = AttentionMap(shown["queries made like keys"], WORDS, WORDS)  # @inspect own_map
display(HTML("".join(map_svg(weights.tolist(), WORDS, WORDS, title=name) for name, weights in shown.items())))

# %% [markdown]
# On the left is the mean. In the middle are queries and keys by chance: every token stares at one other, and at which,
# nobody planned. On the right, queries and keys are computed with the *same* matrix. Then each token finds itself, and
# "the" finds both of its occurrences: equal words have equal keys, and attention does not know that one of them is
# further away. (That will matter in section 9.)

# %%
weights = own_map.weights
assert torch.equal(weights[3, 0], weights[3, 3])  # the second "the" looks at both alike
assert (weights.argmax(-1)[[0, 1, 2, 4, 5, 6, 7]] == torch.tensor([0, 1, 2, 4, 5, 6, 7])).all()
assert torch.allclose(weights.sum(-1), torch.ones(T))
print([round(weight, 2) for weight in weights[3, :4].tolist()])

# %% [markdown]
# ### Step 5: several heads at once
#
# One map gives each token *one* mean. But "it" may want to know two things, who it is and what it did. So let there be
# several such operations side by side, called ***heads***, each with queries, keys and values of its own, H heads of D
# numbers with H D = C. Their results are put side by side and mixed by one more matrix, $W_o$. As a loop:


# %%
def heads_loop(x, w_q, w_k, w_v, w_o, n_heads):
    results = []
    for head in range(n_heads):
        columns = slice(head * len(x.T) // n_heads, (head + 1) * len(x.T) // n_heads)
        results.append(self_attention(x, w_q[:, columns], w_k[:, columns], w_v[:, columns])[0])  # (T, D)
    return torch.cat(results, -1) @ w_o  # (T, C)


w_o = torch.rand(C, C, generator=draw) * 2 - 1
one_head = heads_loop(x, w_q, w_k, w_v, w_o, n_heads=1)  # @stepover
assert torch.allclose(one_head, self_attention(x, w_q, w_k, w_v)[0] @ w_o)

# %% [markdown]
# All heads do the same with other numbers. That is what a batch axis is for. One product makes the queries of all
# heads, `view` cuts each row into H pieces, and a transpose brings the heads to the front, where a matrix product
# treats them as a batch:


# %%
def split_heads(x, n_heads):
    return x.view(len(x), n_heads, -1).transpose(0, 1)  # (T, C) -> (T, H, D) -> (H, T, D)


def merge_heads(x):
    return x.transpose(0, 1).flatten(1)  # (H, T, D) -> (T, H, D) -> (T, C)


def heads_batched(x, w_q, w_k, w_v, w_o, n_heads):
    q, k, v = (split_heads(x @ w, n_heads) for w in (w_q, w_k, w_v))  # (H, T, D) each
    scores = q @ k.mT  # (H, T, T)
    past = torch.ones(len(x), len(x), dtype=torch.bool).tril()
    weights = scores.masked_fill(~past, -math.inf).softmax(-1)
    return merge_heads(weights @ v) @ w_o, weights


result, weights = heads_batched(x, w_q, w_k, w_v, w_o, n_heads=4)  # @inspect result
assert torch.allclose(result, heads_loop(x, w_q, w_k, w_v, w_o, n_heads=4))  # @stepover
assert torch.equal(merge_heads(split_heads(x, 4)), x)
four_heads = AttentionMap(weights, WORDS, WORDS)  # @inspect four_heads
four_heads

# %% [markdown]
# That is ***multi-head attention***, as it stands in every transformer. What is missing is a scale, about which the
# section after next. The same from the package, where the three matrices are one (`qkv`: rows of all heads' queries,
# then keys, then values; torch keeps a weight as (out, in), so ours are transposed), and with one more axis in front
# for the batch. The trace steps into it:

# %%
layer = layers.MultiHeadAttention(C, 4, causal=True)  # @stepover
with torch.no_grad():
    layer.qkv.weight.copy_(torch.cat([w_q * math.sqrt(C / 4), w_k, w_v], 1).T)  # it divides scores by sqrt(D); undone
    layer.out.weight.copy_(w_o.T)
    theirs = layer(x[None])[0]  # @stepinto lilllm.layers.multi_head lilllm.layers.attention
assert torch.allclose(theirs, result)
print("five steps and lilllm.layers.MultiHeadAttention: equal")

# %% [markdown]
# ## 2. A dictionary that answers in between
#
# The names query, key and value come from databases. A Python dictionary compares the query with every key, finds the
# one that is equal, and gives its value. Attention compares with every key too, by how *similar* they are, and gives a
# mixture of the values. If the scores are multiplied by a large number, softmax leaves nothing but the best key, and
# it is a dictionary. If they are multiplied by zero it is a mean. In between it interpolates, and, unlike a
# dictionary, it has derivatives.
#
# Keys here are six directions in the plane, values are numbers, and the query is a direction too:

# %%
ANGLES = torch.arange(6) * (2 * math.pi / 6)
KEYS = torch.stack([ANGLES.cos(), ANGLES.sin()], -1)  # (6, 2)
VALUES = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0, 9.0])


def look_up(degrees, sharpness):
    """The weights of the six keys, and the mixture of their values."""
    query = torch.tensor([math.cos(math.radians(degrees)), math.sin(math.radians(degrees))])
    weights = (sharpness * KEYS @ query).softmax(-1)
    return weights, float(weights @ VALUES)


exact = [look_up(60 * i, 1000)[1] for i in range(6)]  # @stepover
assert exact == VALUES.tolist()  # a dictionary
assert math.isclose(look_up(77, 0)[1], float(VALUES.mean()))  # a mean
between = [look_up(degrees, 4)[1] for degrees in range(360)]  # @stepover
assert float(VALUES.min()) <= min(between) <= max(between) <= float(VALUES.max())  # never outside of the values

# %% [markdown]
# Move the query (the line) round and make the comparison sharper or duller. The size of a disk is the weight of its
# key; beside it is the value. When does it answer with one value, when with a mean of two neighbours, when with a mean
# of all? (A static copy shows the first setting only.)


# %%
def lookup_picture(degrees, sharpness):
    weights, answer = look_up(degrees, sharpness)
    parts = []
    for i, (weight, value) in enumerate(zip(weights.tolist(), VALUES.tolist(), strict=True)):
        c, s = float(KEYS[i, 0]), float(KEYS[i, 1])
        spot = f'cx="{130 + 70 * c:.0f}" cy="{130 - 70 * s:.0f}" r="{3 + 25 * math.sqrt(weight):.1f}"'
        parts.append(f'<circle {spot} fill="{BLUE}" fill-opacity="0.6"/>')
        at = f'x="{130 + 112 * c:.0f}" y="{135 - 112 * s:.0f}" text-anchor="middle"'
        parts.append(f'<text {at} fill="{figures.GREY}">{value:g}</text>')
    x, y = 130 + 50 * math.cos(math.radians(degrees)), 130 - 50 * math.sin(math.radians(degrees))
    parts.append(f'<line x1="130" y1="130" x2="{x:.0f}" y2="{y:.0f}" stroke="{VERMILLION}" stroke-width="3"/>')
    said = f"weights {', '.join(f'{w:.2f}' for w in weights.tolist())}; the answer is {answer:.2f}"
    svg = f'<svg width="260" height="260" role="img" aria-label="Six keys around a query">{"".join(parts)}</svg>'
    return f"{svg}<div>{said}</div>"


turn = widgets.IntSlider(value=80, min=0, max=359, description="query (°)")
sharp = widgets.FloatSlider(value=4, min=0, max=40, step=0.5, description="sharpness")
lookup_shown = widgets.HTML(lookup_picture(80, 4))  # @stepover
for slider in (turn, sharp):
    slider.observe(lambda _: setattr(lookup_shown, "value", lookup_picture(turn.value, sharp.value)), names="value")
display(HTML(lookup_shown.value))
display(widgets.VBox([turn, sharp, lookup_shown]))

# %%
sharp.value = 40.0  # as if you had moved it  @stepover
assert lookup_shown.value.endswith("the answer is 1.00</div>")  # the nearest key has the value 1
sharp.value = 0.0  # @stepover
assert f"the answer is {float(VALUES.mean()):.2f}" in lookup_shown.value
sharp.value = 4.0  # @stepover

# %% [markdown]
# The sharpness is the inverse of what lecture 09 will call temperature. In a model nobody sets it: it is in the length
# of queries and keys, which are learned. But somebody has to set where it *starts*.
#
# ## 3. Why divide by the square root of d
#
# Let the D numbers of a query and of a key be independent, with mean 0 and variance 1, about as they are when training
# begins. Their dot product is a sum of D products. Each product has mean 0 and variance 1, so the sum has variance D:
#
# $$\mathrm{Var}(q \cdot k) = d$$
#
# With 64 numbers in a head, scores have a standard deviation of 8. And $e^8$ is 3000. What does softmax do with such
# scores?

# %%
saturated = predict(
    "64 keys and a query of 256 numbers each, all drawn from a normal distribution. Scores q.k, softmax, no scale. "
    "How large is the largest of the 64 weights, in the median?",
    choices=["about 0.02", "about 0.1", "about 0.5", "more than 0.95"],
)
saturated

# %% [markdown]
# We measure three things as d grows: the variance, the largest weight, and the size of the derivatives of the weights
# by the scores. From lecture 03, that derivative is the matrix $\mathrm{diag}(p) - p\,p^T$; where one weight is 1 and
# the rest are 0, it is zero throughout. Three ways to scale: not at all, by $1/\sqrt d$, and by $1/d$.


# %%
def jacobian_size(p):
    """The norm of diag(p) - p p^T, for each row of p, without building the matrices."""
    squares = p.square().sum(-1)
    return (squares - 2 * p.pow(3).sum(-1) + squares**2).clamp(min=0).sqrt()


p = torch.tensor([0.7, 0.2, 0.1])
by_autograd = torch.autograd.functional.jacobian(lambda scores: scores.softmax(-1), p.log())
assert torch.allclose(by_autograd, torch.diag(p) - torch.outer(p, p))
assert torch.allclose(jacobian_size(p), by_autograd.norm())

# %%
dims = [1, 4, 16, 64, 256, 1024]
scales = {"q.k": lambda d: 1.0, "q.k / sqrt(d)": lambda d: d**-0.5, "q.k / d": lambda d: 1 / d}
variance, largest, slope = ({name: [] for name in scales} for _ in range(3))
draw = torch.Generator().manual_seed(0)
for d in dims:
    scores = torch.randn(300, d, generator=draw) @ torch.randn(64, d, generator=draw).T  # (queries, keys)
    for name, scale in scales.items():
        weights = (scores * scale(d)).softmax(-1)
        variance[name].append(float((scores * scale(d)).var()))
        largest[name].append(float(weights.max(-1).values.median()))
        slope[name].append(float(jacobian_size(weights).median()))

# %%
fig, axes = plt.subplots(1, 3, figsize=(8.4, 3.2))
panels = ((variance, "variance of the scores"), (largest, "largest weight of 64"), (slope, "size of the derivative"))
for ax, (values, title) in zip(axes, panels, strict=True):
    for name, style in zip(scales, figures.line_styles(3), strict=True):
        ax.plot(dims, values[name], label=name, **style)
    ax.set(xscale="log", xlabel="d", title=title)
axes[0].set_yscale("log")
axes[1].axhline(1 / 64, color=figures.GREY, linewidth=1)
axes[2].set(yscale="log", ylim=(1e-4, 1))
axes[1].legend(fontsize=8)
plt.show()

for d, plain, scaled in zip(dims, variance["q.k"], variance["q.k / sqrt(d)"], strict=True):
    assert 0.7 < plain / d < 1.4
    assert 0.7 < scaled < 1.4
assert largest["q.k"][4] > 0.95
assert slope["q.k"][-1] < slope["q.k / sqrt(d)"][-1] / 50
assert largest["q.k / d"][-1] < 1.2 / 64
saturated.reveal("more than 0.95")

# %% [markdown]
# Without a scale one key takes all, by chance, and the derivative is as good as zero: softmax is *saturated*, the
# queries and keys cannot learn to look elsewhere. Divided by d, everything starts as a plain mean (the grey line),
# whatever the scores say. Divided by $\sqrt d$, the picture is the same for every d. Hence
#
# $$\text{out} = \text{softmax}\!\left(\frac{q\,k^T}{\sqrt d}\right) v$$
#
# which is ***scaled dot-product attention*** (Vaswani and others 2017, section 3.2.1, who give this same reason in a
# footnote). As code, with room for any axes in front:


# %%
def attend(q, k, v, mask=None):
    """The formula: (..., T, D), (..., S, D), (..., S, E) to (..., T, E), and the weights (..., T, S)."""
    scores = q @ k.mT / math.sqrt(q.shape[-1])  # (..., T, S)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights


B, H, D = 2, 4, 8
q, k, v = (torch.randn(B, H, T, D, generator=draw) for _ in range(3))
out, weights = attend(q, k, v)
reference, their_weights = attention_reference(q, k, v)
assert torch.allclose(out, reference)
assert torch.allclose(weights, their_weights)
assert torch.allclose(out, F.scaled_dot_product_attention(q, k, v))
print("the formula, lilllm's reference and torch's function: equal")

# %% [markdown]
# Two remarks. The argument is about the *start*. In a trained model queries and keys are no longer independent, and
# nothing keeps their length at 1: scores do grow in long trainings, and one cure is to normalise queries and keys
# (QK-norm, lecture 07). Those who carry learning rates from small models to large ones even divide by d, since trained
# queries and keys are correlated, and then a sum of D terms grows like d (Yang and others 2022).
#
# The museum has fresh heads of five widths without the scale, before any training: `05_scores_not_scaled`. The widest
# puts nearly all of its weight on one key of 16. Beside it stands another case, whose answers are larger than anything
# that was said; its name, `05_softmax_over_queries`, says too much.

# %% [markdown]
# ## 4. Masks: who may look at whom
#
# A ***mask*** is a table of yes and no, (T, S): may query $t$ look at key $s$? We have one so far, the ***causal
# mask***: a token sees itself and what came before. Three more are in daily use, and each is one comparison of numbers
# that the tokens carry.
#
# - ***Padding***: sentences of a batch have different lengths, and the shorter ones are filled up. Nobody may look at
#   what is only filling.
# - Documents: short texts are packed into one long row, so that nothing is wasted. A token may look only at tokens of
#   its own text. This is the ***document mask***, with a block for each text on the diagonal.
# - ***Sliding window***: a token sees only the last so many, so that the cost of a long text does not explode.
#
# All are boolean, and True means *may*. (In `torch.nn.MultiheadAttention` True means the opposite, *may not*. In
# `scaled_dot_product_attention` it means *may*. Read the documentation each time.) Masks are combined with `&`.

# %%
T = 12
place = torch.arange(T)
causal = place[:, None] >= place[None, :]
window = causal & (place[:, None] - place[None, :] < 4)  # itself and three more
keep = torch.tensor([True] * 9 + [False] * 3)  # the last three are filling
padded = keep[None, :].expand(T, T)
document = torch.tensor([0] * 5 + [1] * 4 + [2] * 3)
blocks = document[:, None] == document[None, :]

assert torch.equal(causal, masks.causal(T))
assert torch.equal(window, masks.sliding(T, None, window=4))
assert torch.equal(padded, masks.padding(keep[None])[0, 0].expand(T, T))
assert torch.equal(blocks, masks.documents(document))

# %%
INK = LinearSegmentedColormap.from_list("ink", [(0, 0.447, 0.698, 0.0), (0, 0.447, 0.698, 1.0)])  # clear to blue


def draw_map(ax, weights, title, labels=None, **options):
    """A map or a mask in a panel: clear is 0, blue is 1."""
    ax.imshow(weights.double(), cmap=INK, norm=PowerNorm(SHADE, 0, 1), **options)
    ax.set_title(title, fontsize=9)
    ax.grid(visible=False)
    if labels:
        ax.set_xticks(range(len(labels)), labels, fontsize=7)
        ax.set_yticks(range(len(labels)), labels, fontsize=7)


# %%
pictures = {
    "causal": causal,
    "padding": padded,
    "documents": blocks,
    "sliding, 4": window,
    "causal & padding": causal & padded,
    "causal & documents": causal & blocks,
    "sliding & documents": window & blocks,
    "sliding & padding": window & padded,
}
fig, axes = plt.subplots(2, 4, figsize=(8.4, 4.6), sharex=True, sharey=True)
for ax, (name, mask) in zip(axes.flat, pictures.items(), strict=True):
    draw_map(ax, mask, name)
for ax in axes[1]:
    ax.set_xlabel("key")
for ax in axes[:, 0]:
    ax.set_ylabel("query")
plt.show()
pairs = {name: int(mask.sum()) for name, mask in pictures.items()}
print(f"of {T * T} pairs:", ", ".join(f"{name} {n}" for name, n in pairs.items()))
assert pairs["causal"] == T * (T + 1) // 2
assert pairs["documents"] == 5**2 + 4**2 + 3**2

# %% [markdown]
# What a mask promises can be tested, and exactly, not to some digits: what a token may not see must not change its
# result by a single bit. Change the last token, and all results before it must stay. Change what stands in the
# filling, or in another document, and nothing may happen. (The weight is not small there, it is $e^{-\infty} = 0$.)

# %%
x = torch.rand(T, C, generator=draw) * 2 - 1
layer = layers.MultiHeadAttention(C, 4, causal=True)  # @stepover


def changed(at, mask=None):
    """Which rows of the result change if the token at one place does."""
    other = x.clone()
    other[at] += 1
    with torch.no_grad():
        before, after = (layer(one[None], mask=mask)[0] for one in (x, other))
    return (before != after).any(-1).nonzero().flatten().tolist()


print("causal, token 8 changes:", changed(8))  # @stepover
print("with documents, token 6: ", changed(6, blocks))  # @stepover
print("with filling, token 10:  ", changed(10, masks.padding(keep[None])))  # @stepover
assert changed(8) == [8, 9, 10, 11]  # @stepover
assert changed(6, blocks) == [6, 7, 8]  # @stepover
assert not set(changed(10, masks.padding(keep[None]))) & set(range(9))  # @stepover

# %% [markdown]
# That test is worth a line in every project, because the opposite is easily written and nothing fails. The museum has a
# head with a causal mask that cannot learn the simplest thing there is, the running mean of section 1:

# %%
too_quiet = museum.case("05_mask_after_softmax")
too_quiet

# %%
broken, repaired = too_quiet.run(), too_quiet.run(fixed=True)  # @stepover
fig, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3))
for (name, run), style in zip((("broken", broken), ("fixed", repaired)), figures.line_styles(2), strict=True):
    left.plot(run.values["losses"], label=name, markevery=20, **style)
    right.plot(run.values["error"].detach(), label=name, **style)
left.set(xlabel="step", ylabel="error (mean square)", yscale="log")
right.set(xlabel="place", ylabel="error at the end, by place", yscale="log")
left.legend()
plt.show()
print(broken)
assert not broken.values["healthy"]
assert repaired.values["healthy"]

# %% [markdown]
# Two symptoms: the error is largest at the first places, which have least to do; and the last line that it prints.
# Where would you look? What is the sum of each row of weights? Decide, then go on.

# %%
sums = [run.values["weights"].sum(-1).mean(0).detach() for run in (broken, repaired)]
print("sum of the weights at each place, broken:", [round(x, 1) for x in sums[0].tolist()])
assert torch.allclose(sums[1], torch.ones(12))
too_quiet.reveal()

# %% [markdown]
# ### A row with no key at all
#
# What if a query may look at nobody? It happens as soon as masks are combined. Batches for generating are filled up on
# the *left*, so that all texts end together; and under a causal mask the filling at the left sees only filling:

# %%
left_filled = torch.tensor([[False, False, True, True, True, True]])
mask = masks.causal(6) & masks.padding(left_filled)  # (1, 1, 6, 6)
q, k, v = (torch.rand(1, 2, 6, 4, generator=draw) * 2 - 1 for _ in range(3))
print(mask[0, 0].int().tolist())
out, weights = attend(q, k, v, mask)  # @inspect weights
print("rows of the result with NaN:", out.isnan().any(-1).any(1).nonzero()[:, 1].tolist())

# %% [markdown]
# A row of scores that are all $-\infty$: the exponentials are all 0, and 0/0 is not a number. Who cares, one may think,
# the filling is thrown away anyway. But the next layer multiplies these rows by weights, and zero times NaN is NaN:

# %%
second, _ = attend(out, out, out, mask)
print("after one more layer:", second.isnan().any(-1).any(1).nonzero()[:, 1].tolist())
assert second.isnan().all()

# %%
cured = predict(
    "So write zeros over the NaN rows of the result, with torch.where. The loss looks at the real tokens only. Are the "
    "gradients fine?",
    choices=["yes", "no, the values get NaN", "no, queries and keys get NaN"],
)
cured


# %% [markdown]
# We try it, and four more: zeros over the *weights*, once with a mask by `masked_fill` and once with one that is added
# (0 and $-\infty$, as many programs write it); a large negative number in place of $-\infty$; and `lilllm`'s way, a
# finite number before the softmax and zeros after it. For each: the result of the empty rows, and the gradients.


# %%
def scores_of(q, k):
    return q @ k.mT / math.sqrt(q.shape[-1])


def zero_results(q, k, v, mask):
    out = scores_of(q, k).masked_fill(~mask, -math.inf).softmax(-1) @ v
    return torch.where(mask.any(-1, keepdim=True), out, 0.0)


def zero_weights(q, k, v, mask):
    return scores_of(q, k).masked_fill(~mask, -math.inf).softmax(-1).nan_to_num(0.0) @ v


def zero_weights_added_mask(q, k, v, mask):
    added = torch.zeros(mask.shape).masked_fill(~mask, -math.inf)
    return (scores_of(q, k) + added).softmax(-1).nan_to_num(0.0) @ v


def large_number(q, k, v, mask):
    return scores_of(q, k).masked_fill(~mask, torch.finfo(q.dtype).min).softmax(-1) @ v


def lilllm_reference(q, k, v, mask):
    return attention_reference(q, k, v, mask=mask)[0]


# %%
rows, sound = [], {}
for cure in (zero_results, zero_weights, zero_weights_added_mask, large_number, lilllm_reference, attention):
    inputs = [one.clone().requires_grad_() for one in (q, k, v)]
    result = cure(*inputs, mask=mask)  # @stepover
    result[:, :, 2:].sum().backward()  # the filling takes no part in the loss
    empty = "zero" if not result[:, :, :2].any() else "a mean of what it must not see"
    nans = ["NaN" if one.grad.isnan().any() else "fine" for one in inputs]
    sound[cure.__name__] = (empty, *nans)
    rows.append([cure.__name__, empty, *nans])
assert sound["zero_results"] == ("zero", "fine", "fine", "NaN")
assert sound["zero_weights_added_mask"] == ("zero", "NaN", "NaN", "fine")
assert sound["lilllm_reference"] == sound["attention"] == ("zero", "fine", "fine", "fine")
table(["cure", "result of an empty row", "gradient of q", "of k", "of v"], rows)

# %%
cured.reveal("no, the values get NaN")

# %% [markdown]
# In the first line the forward pass is healthy, and the gradient is not. The gradient of the values is the weights
# times the gradient of the result, which is zero in these rows; and zero times NaN is NaN. With zeros over the weights,
# softmax itself is next: its derivative contains its *output*, NaN. If the mask came by `masked_fill`, the backward
# pass of that function wipes out what flows into masked scores, and all is well by luck; if it was added, the NaN goes
# on to queries and keys. A rule for more than attention: what must not be computed cannot be repaired afterwards. Put
# in something finite *before*.
#
# The large number is sound as far as gradients go, but an empty row gets the plain mean of all that it was forbidden to
# see. Nobody should look at it, and sooner or later somebody does. (The last line is torch's own function. On a
# processor and with a boolean mask, as here, it gives zeros in recent versions; older ones gave NaN.)
#
# ## 5. The other score: additive attention
#
# The first attention of this kind, in a translator made of recurrent networks (Bahdanau, Cho and Bengio 2014), did not
# take a dot product. It asked a small network how well a query and a key fit, with one hidden layer of A units:
#
# $$\text{score}(q, k) = w^T \tanh(W_q\, q + W_k\, k)$$
#
# This is ***additive attention***, since query and key are added. Everything after the score is the same.


# %%
def additive_scores(q, k, w_q, w_k, w):
    """(..., T, D) and (..., S, E) to (..., T, S)."""
    hidden = torch.tanh((q @ w_q)[..., :, None, :] + (k @ w_k)[..., None, :, :])  # (..., T, S, A)
    return hidden @ w


T, S, D, A = 5, 7, 8, 6
q, k, v = (torch.rand(n, D, generator=draw) * 2 - 1 for n in (T, S, S))
w_q, w_k, w = (torch.rand(*shape, generator=draw) * 2 - 1 for shape in ((D, A), (D, A), (A,)))
scores = additive_scores(q, k, w_q, w_k, w)
by_loop = [[float(w @ torch.tanh(q[t] @ w_q + k[s] @ w_k)) for s in range(S)] for t in range(T)]
assert torch.allclose(scores, torch.tensor(by_loop))
out, weights = additive_attention(q, k, v, w_q, w_k, w)
assert torch.allclose(weights, scores.softmax(-1))
assert torch.allclose(out, scores.softmax(-1) @ v)
assert scores.abs().max() <= w.abs().sum()  # tanh is at most 1: however large d is, nothing saturates

# %% [markdown]
# It has a good side: no score can be larger than the sum of $|w|$, so it needs no $\sqrt d$. Vaswani and others
# write, after Britz and others 2017, that for small d both do equally well, and that for larger d additive attention
# is better than the dot product *without* the scale. Why then did the dot product win? Look at the shape in the
# middle: (T, S, A). Every pair of tokens has a hidden layer of its own, and tanh stands between, so that it cannot be
# turned into a matrix product. We count both, with A = D = 64 and 256 tokens:

# %%
T, D = 256, 64
q, k, v = (torch.rand(T, D, generator=draw) * 2 - 1 for _ in range(3))
w_q, w_k, w = (torch.rand(*shape, generator=draw) * 2 - 1 for shape in ((D, D), (D, D), (D,)))
with count() as additive_work:
    additive_scores(q, k, w_q, w_k, w[:, None])  # w as a matrix: the counter passes over products with a vector
with count() as dot_work:
    (q @ w_q) @ (k @ w_k).T / math.sqrt(D)
rows = [
    [name, f"{work.flops / 1e6:.1f}", f"{work.moved / 1e6:.1f}", f"{work.intensity:.2f}"]
    for name, work in (("additive", additive_work), ("dot product", dot_work))
]
assert additive_work.flops == dot_work.flops == 2 * T * T * D + 2 * (2 * T * D * D)
assert additive_work.moved > 40 * dot_work.moved
table(["scores of 256 tokens", "MFLOP", "MB moved", "FLOPs a byte"], rows)

# %% [markdown]
# The same FLOPs, to the FLOP (and T x S x A tangents, which we do not even count), but more than fifty times the
# traffic. By lecture 02, that decides: additive attention lies far on the left of every roofline. The dot product did
# not win because it is the better judge of what fits. It won because machines can do it.
#
# ## 6. Many heads
#
# ### Splitting, and how to get it wrong
#
# Section 1 split the heads with `view` and a transpose. The shape that is wanted is (B, H, T, D). Why not write that
# into the `view` at once?

# %%
T, C, H = 8, 32, 4
x = torch.rand(1, T, C, generator=draw) * 2 - 1
right = x.view(1, T, H, C // H).transpose(1, 2)  # (B, T, H, D) -> (B, H, T, D)
wrong = x.view(1, H, T, C // H)  # (B, H, T, D), at once
assert right.shape == wrong.shape
print("equal:", torch.equal(right, wrong))

# %%
shuffled = predict(
    "A causal attention that splits q, k and v in the wrong way. The last token is changed. What else changes?",
    choices=["only the last row of the result", "rows before it too", "an error: the shapes do not fit"],
)
shuffled

# %% [markdown]
# `view` reads memory in its order (lecture 02). The numbers of token 0 come first, all of them, then those of token 1.
# Cut into H pieces at once, "head 0" holds the first quarter of the *tokens*, and its "places" are pieces of tokens:


# %%
def with_split(x, split, merge):
    heads = split(x)
    return merge(attend(heads, heads, heads, masks.causal(T))[0])


def rows_changed(split, merge):
    other = x.clone()
    other[:, -1] += 1
    before, after = with_split(x, split, merge), with_split(other, split, merge)
    return (before != after).any(-1)[0].nonzero().flatten().tolist()


as_it_should = rows_changed(  # @stepover
    lambda x: x.view(1, T, H, C // H).transpose(1, 2), lambda y: y.transpose(1, 2).reshape(1, T, C)
)
merged_wrong = rows_changed(  # @stepover
    lambda x: x.view(1, T, H, C // H).transpose(1, 2), lambda y: y.reshape(1, T, C)
)
split_wrong = rows_changed(  # @stepover
    lambda x: x.view(1, H, T, C // H), lambda y: y.transpose(1, 2).reshape(1, T, C)
)
print("right:", as_it_should, " split wrongly:", split_wrong, " merged wrongly:", merged_wrong)
assert as_it_should == [T - 1]
assert min(split_wrong) < T - 1
assert min(merged_wrong) < T - 1
shuffled.reveal("rows before it too")

# %% [markdown]
# No error, no NaN, the right shapes, and the future leaks into the past although the mask is right. The test of
# section 4 finds it at once; a look at the loss does not, since what leaks from the future can only make it lower.
#
# ### What heads are good for
#
# Heads cost nothing. The matrices have the same size for one head or for eight, and the FLOPs are the same, since H D
# is C. Only the number of maps grows.

# %%
rows = []
for n_heads in (1, 2, 4, 8, 16):
    layer = layers.MultiHeadAttention(64, n_heads)  # @stepover
    with torch.no_grad(), count() as work:
        layer(torch.ones(1, 128, 64))  # @stepover
    n_params = sum(p.numel() for p in layer.parameters())
    rows.append([n_heads, 64 // n_heads, f"{n_params:,}", f"{work.flops / 1e6:.2f}", f"{n_heads * 128 * 128:,}"])
assert len({(row[2], row[3]) for row in rows}) == 1
assert rows[0][2] == f"{4 * 64 * 64:,}"
table(["heads", "d of a head", "parameters", "MFLOP", "weights in the maps"], rows)

# %% [markdown]
# And what do they buy? One head hands over *one* mean with *one* matrix. Suppose a token needs the difference between
# two others, $v_{dog} - v_{cat}$. Weights are never negative, so no mean is a difference. Two heads can: one looks at
# the dog, one at the cat, and $W_o$ subtracts.

# %%
look_at = torch.zeros(2, 1, 8)  # (H, one query, T): the maps of two heads
look_at[0, 0, 1] = look_at[1, 0, 4] = 1  # dog, cat
values = torch.rand(8, 6, generator=draw) * 2 - 1  # (T, D)
two_heads = (look_at @ values).transpose(0, 1).flatten(1)  # (one query, 2 D)
subtract = torch.cat([torch.eye(6), -torch.eye(6)])  # (2 D, D)
assert torch.allclose(two_heads @ subtract, values[1] - values[4])

# %% [markdown]
# In the same manner, heads that look at fixed distances make a convolution: a kernel of width K has K matrices, one
# for each distance, and adds up. K heads, each with its map on one diagonal, do exactly that. (Cordonnier, Loukas and
# Jaggi 2020 prove it in two dimensions, for images, with positions that allow such maps, and find layers in trained
# models that look alike.) So attention contains convolution, as soon as it can see distances, which is the next
# lecture.

# %%
T, C_in, C_out, K = 10, 3, 5, 3
x = torch.rand(T, C_in, generator=draw) * 2 - 1
kernel = torch.rand(C_out, C_in, K, generator=draw) * 2 - 1
maps = torch.stack([torch.diag(torch.ones(T - back), -back) for back in (2, 1, 0)])  # (K, T, T), each on a diagonal
by_heads = sum(maps[head] @ x @ kernel[:, :, head].T for head in range(K))  # W_v and W_o in one
by_convolution = F.conv1d(F.pad(x.T, (K - 1, 0))[None], kernel[None, :, :, :][0])[0].T
assert torch.allclose(by_heads, by_convolution)
print("three heads that look 2, 1 and 0 tokens back are a convolution of width 3")

# %% [markdown]
# Last, the layer against torch's own, with the same weights. (Its mask says who may *not*; and it has biases, which we
# switch off.)

# %%
ours = layers.MultiHeadAttention(32, 4, causal=True)  # @stepover
theirs = nn.MultiheadAttention(32, 4, bias=False, batch_first=True)
x = torch.rand(2, 9, 32, generator=draw) * 2 - 1
with torch.no_grad():
    theirs.in_proj_weight.copy_(ours.qkv.weight)
    theirs.out_proj.weight.copy_(ours.out.weight)
    result, their_map = theirs(x, x, x, attn_mask=~masks.causal(9), need_weights=True)
    assert torch.allclose(ours(x), result)  # @stepover
print("lilllm's layer and torch's: equal")

# %% [markdown]
# ## 7. What it costs
#
# Count the products. The four matrices (queries, keys, values, output) meet each token once: $4 \cdot 2TC^2$ FLOPs.
# The scores are T x T dot products of D numbers for each of H heads, and so is the mixing of values: $2 \cdot 2T^2C$.
#
# $$8\,T\,C^2 + 4\,T^2\,C$$
#
# And the maps are $H\,T^2$ numbers, for each layer and each text.


# %%
def attention_flops(T, C):
    return 8 * T * C * C + 4 * T * T * C


def with_formula(layer, x):
    """The layer, but with the maps in memory."""
    B, T, C = x.shape
    q, k, v = layer.qkv(x).view(B, T, 3, layer.n_heads, -1).permute(2, 0, 3, 1, 4)  # (B, H, T, D) each
    return layer.out(attend(q, k, v, masks.causal(T))[0].transpose(1, 2).reshape(B, T, C))


layer = layers.MultiHeadAttention(64, 4, causal=True)  # @stepover
rows, moved = [], {}
for T in (64, 128, 256, 512):
    x = torch.rand(1, T, 64, generator=draw) * 2 - 1
    with torch.no_grad(), count() as slow:
        formula = with_formula(layer, x)
    with torch.no_grad(), count() as fast:
        fused = layer(x)  # @stepover
    assert torch.allclose(formula, fused)
    assert slow.flops == fast.flops == attention_flops(T, 64)
    moved[T] = (slow.moved, fast.moved)
    rows.append([T, f"{slow.flops / 1e6:.1f}", f"{slow.moved / 1e6:.1f}", f"{fast.moved / 1e6:.1f}"])
assert moved[512][0] / moved[256][0] > 3.5  # the maps dominate: twice the tokens, four times the bytes
assert moved[512][1] / moved[256][1] < 2.1  # no maps
table(["tokens", "MFLOP", "formula, MB moved", "fused, MB moved"], rows)

# %% [markdown]
# Both ways give the same numbers with the same FLOPs. The formula writes the scores, reads and writes them to divide,
# again for the mask, again for the softmax, and reads them once more for the mixing: eight times $H T^2$ numbers.

# %%
extra = moved[512][0] - moved[512][1]
print(f"each number of the maps is moved {extra / (4 * 512 * 512 * 8):.0f} times")
assert abs(extra / (4 * 512 * 512 * 8) - 8) < 0.5

# %% [markdown]
# The second way, `scaled_dot_product_attention`, never writes the maps to memory: it goes through the keys in pieces
# and keeps, for each query, a running maximum and a running sum. Lecture 11 builds that. Its traffic grows like T and
# not like $T^2$.
#
# (A causal mask makes half of the products needless. The counter and most published figures count the whole square;
# good kernels skip whole blocks of it.)
#
# When do the scores outweigh the matrices? $4T^2C$ exceeds $8TC^2$ from $T = 2C$ on.

# %%
C = 4096
lengths = [2**i for i in range(8, 18)]
share = [4 * T * T * C / attention_flops(T, C) for T in lengths]
fig, ax = plt.subplots(figsize=(6, 3.2))
ax.plot(lengths, share, color=BLUE, marker="o")
ax.axvline(2 * C, color=figures.GREY, linestyle=":")
ax.text(2 * C * 1.1, 0.05, "2 C", color=figures.GREY)
ax.set(xscale="log", xlabel="tokens", ylabel="share of scores and mixing", ylim=(0, 1))
ax.set_xscale("log", base=2)
plt.show()
assert math.isclose(share[lengths.index(2 * C)], 0.5)
llama = preset("llama3-8b")
for T in (8192, 131072):
    parts = flops.forward(llama, batch=1, seq=T)
    print(f"Llama 3 8B, {T:,} tokens: {parts['attention_scores'] / sum(parts.values()):.0%} of all FLOPs are scores")

# %% [markdown]
# For short texts the quadratic term is small change, and most of what is written about "quadratic attention" does not
# apply. At 131,072 tokens it is most of the bill.
#
# ### A look ahead: the cache
#
# A model that writes adds one token at a time. Keys and values of the earlier ones do not change, since nothing in the
# past may depend on the future. So keep them, and compute a query, a key and a value for the new token only: this is
# the ***KV cache***. Same numbers, less work; what it costs in memory is lecture 09's subject.

# %%
layer, T = layers.MultiHeadAttention(64, 4, causal=True), 48  # @stepover
x = torch.rand(1, T, 64, generator=draw) * 2 - 1
cache = layers.KVCache(n_layers=1, batch=1, n_kv_heads=4, max_len=T, d_head=16)  # @stepover
one_by_one = []
with torch.no_grad():
    whole = layer(x)  # @stepover
    with count() as cached:
        for t in range(T):
            one_by_one.append(layer(x[:, t : t + 1], cache=cache))  # @stepover
            cache.advance(1)  # @stepover
    with count() as again:
        for t in range(T):
            layer(x[:, : t + 1])  # @stepover
assert torch.allclose(torch.cat(one_by_one, 1), whole)
print(f"{T} tokens, one by one: {cached.flops / 1e6:.1f} MFLOP with the cache, {again.flops / 1e6:.1f} without")
assert again.flops > 15 * cached.flops

# %% [markdown]
# ## 8. Cross-attention: one text looks into another
#
# Nothing says that queries and keys come from the same text. Let the queries come from $x$, T tokens, and keys and
# values from a ***memory***, S tokens: a text to translate, an image, documents that were looked up. This is
# ***cross-attention***, and it is how attention began. The map is (T, S), and need not be square. A causal mask makes
# no sense in it, since all of the memory is there from the beginning; padding still does.


# %%
def cross_attention(x, memory, w_q, w_k, w_v):
    return attend(x @ w_q, memory @ w_k, memory @ w_v)


QUESTION = ["who", "saw", "the", "cat"]
for word in QUESTION:
    vector_of.setdefault(word, torch.rand(32, generator=draw) * 2 - 1)
question, story = (torch.stack([vector_of[word] for word in words]) for words in (QUESTION, WORDS))
alike = 1.5 * torch.eye(32)  # the same matrix for both: a query fits the key of its own word
answer, weights = cross_attention(question, story, alike, alike, torch.eye(32))
question_map = AttentionMap(weights, QUESTION, WORDS)  # @inspect question_map
question_map

# %%
best = {word: WORDS[int(weights[t].argmax())] for t, word in enumerate(QUESTION)}
print(best)
assert [best[word] for word in ("saw", "the", "cat")] == ["saw", "the", "cat"]
assert weights[0].max() < 0.9  # "who" has no such word in the story and hesitates

layer = layers.CrossAttention(32, 4)  # @stepover
theirs = nn.MultiheadAttention(32, 4, bias=False, batch_first=True)
with torch.no_grad():
    theirs.in_proj_weight.copy_(torch.cat([layer.q.weight, layer.kv.weight]))
    theirs.out_proj.weight.copy_(layer.out.weight)
    result = layer(question[None], story[None])  # the trace steps into this one too
    assert torch.allclose(result, theirs(question[None], story[None], story[None])[0])
assert torch.allclose(cross_attention(story, story, alike, alike, alike)[0], attend(*[story @ alike] * 3)[0])

# %% [markdown]
# Three words of the question find themselves. "who" finds nothing that is equal, and takes a mixture, with more of
# whatever happens to be nearest. A trained model would have learned keys such that "who" fits a person who does
# something; that is all that training has to do here.
#
# ## 9. What attention does not see
#
# Look at the formula once more. Where does it say that one token stands before another?

# %%
order = predict(
    "Self-attention without a mask, once over 'dog bites man', once over 'man bites dog', each word with its vector. "
    "Is the result for 'dog' the same in both?",
    choices=["the same", "different"],
)
order


# %%
def vectors(words):
    return torch.stack([vector_of[word] for word in words.split()])


for word in ("bites", "man"):
    vector_of.setdefault(word, torch.rand(32, generator=draw) * 2 - 1)
first, second = vectors("dog bites man"), vectors("man bites dog")
layer = layers.MultiHeadAttention(32, 4)  # @stepover
with torch.no_grad():
    one, other = layer(first[None])[0], layer(second[None])[0]  # @stepover
assert torch.allclose(one[0], other[2])  # dog
assert torch.allclose(one, other.flip(0))
order.reveal("the same")

# %% [markdown]
# Shuffle the tokens, and the results are shuffled in the same way, and are otherwise the same. This is called
# ***permutation equivariance***: for any permutation $P$,
#
# $$\text{attention}(P x) = P\,\text{attention}(x)$$
#
# To attention a text is a *bag* of words. For any number of layers, too, since equivariant functions one after another
# are equivariant. We try it with three layers and twenty permutations. Then the same with a causal mask:

# %%
x = torch.rand(1, 7, 32, generator=draw) * 2 - 1
stacks = {causal: [layers.MultiHeadAttention(32, 4, causal=causal) for _ in range(3)] for causal in (False, True)}


def through(stack, x, n_layers=3):
    with torch.no_grad():
        for layer in stack[:n_layers]:
            x = x + layer(x)
    return x


shuffles = [torch.randperm(7, generator=draw) for _ in range(20)]
for shuffle in shuffles:
    shuffled_first, shuffled_after = (  # @stepover
        through(stacks[False], x[:, shuffle]),
        through(stacks[False], x)[:, shuffle],
    )
    assert torch.allclose(shuffled_first, shuffled_after)

# %%
rows, spread = [], {}
for n_layers in (1, 2, 3):
    last_stays = []
    for shuffle in shuffles:
        shuffle = torch.cat([shuffle[shuffle != 6], torch.tensor([6])])  # the last token stays the last
        before, after = (through(stacks[True], one, n_layers)[:, -1] for one in (x, x[:, shuffle]))  # @stepover
        last_stays.append(float((after - before).abs().max()))
    spread[n_layers] = max(last_stays)
    rows.append([n_layers, "no" if spread[n_layers] < 1e-12 else "yes"])
assert spread[1] < 1e-12 < 1e-3 < spread[2]
table(["causal layers", "does the order of the others matter to the last token?"], rows)

# %% [markdown]
# With a causal mask one layer still does not see order: the last token looks at all the others as at a bag. Two layers
# do, a little, because the second token's bag was smaller than the third's. A model can learn positions from that
# alone (Haviv and others 2022). But it is a roundabout way, and to say "the token just before me", as the next section
# will need, takes more. So positions are put in by hand. Lecture 06 is about how; for now we take the simplest way, a
# learned vector for each place that is added to that of the token.

# %% [markdown]
# ## 10. A task one can read off
#
# Attention maps of large models are pretty, and hard to interpret: a thousand heads, and nobody knows what the right
# answer would look like. So take a task where we do know. A random row of different letters is repeated, again and
# again, with a period of 6 to 10 letters:
#
# `f c x a m b k f c x a m b k f c x ...`
#
# In the first period hardly anything can be predicted, only that no letter comes twice. From then on everything can,
# by a simple rule: *find the place where the present letter stood before, and say what came after it*. A head that
# does this is called an ***induction head*** (Elhage and others 2021; Olsson and others 2022, who find them in
# language models of all sizes, and argue that much of what models do with examples in a prompt goes back to them).
#
# Nobody could know these rows by heart: there are 24 letters and every row is drawn anew. And since the period varies,
# it is no use to look at a fixed distance back.

# %%
LETTERS = "abcdefghijklmnopqrstuvwx"
V, PLACES, SHORTEST, LONGEST = len(LETTERS), 24, 6, 10


def repeats(shape, draw, shortest=SHORTEST, longest=LONGEST):
    """Rows of letters (*shape, PLACES + 1), and the period of each row (*shape, 1)."""
    letters = torch.rand(*shape, V, generator=draw).argsort(-1)  # all different
    period = torch.randint(shortest, longest + 1, (*shape, 1), generator=draw)
    return letters.gather(-1, torch.arange(PLACES + 1) % period), period


def in_letters(row):
    return "".join(LETTERS[letter] for letter in row.tolist())


rows, period = repeats((3,), torch.Generator().manual_seed(0))
for row, p in zip(rows, period, strict=True):
    print(in_letters(row), f"period {p.item()}")
    assert torch.equal(row[p.item() :], row[: PLACES + 1 - p.item()])

# %% [markdown]
# ### By hand
#
# Can attention do it at all? Let us try with one head, and see why it cannot. The head stands at the second `f`. It
# should look at `c`, because `c` comes *after* an `f`. But a score is made of two tokens: the query, which knows `f`
# and its own place, and the key, which knows `c` and its own place. That there was an `f` before it, the key does not
# know. No choice of $W_q$ and $W_k$ changes that.
#
# Two layers can. A head of the *first* layer looks at the token before and writes down, at each place, which letter
# that was: a ***previous-token head***. Then `c` carries a note that says "before me was f". A head of the *second*
# layer asks "who has a note that says what I am?", and takes that token's letter. We write it down with weights of
# zeros and ones. Each token is three blocks of numbers: its letter, its place, and room for the note. (A row begins
# with `^` here, so that the first letter has something before it.)

# %%
WIDE = V + 1  # the letters and ^
SIZES = [WIDE, PLACES, WIDE]  # letter, place, note


def block(n_from, n_to, matrix):
    """A weight that reads one block and writes another: zeros elsewhere."""
    weight = torch.zeros(sum(SIZES), sum(SIZES))
    rows, columns = (sum(SIZES[:n]) for n in (n_from, n_to))
    weight[rows : rows + SIZES[n_from], columns : columns + SIZES[n_to]] = matrix
    return weight


LETTER, PLACE, NOTE = 0, 1, 2
SURE = 400.0  # large, so that softmax decides
previous_token_head = {
    "w_q": SURE * block(PLACE, PLACE, torch.eye(PLACES)),
    "w_k": block(PLACE, PLACE, torch.diag(torch.ones(PLACES - 1), 1)),  # the key of place s says s + 1
    "w_v": block(LETTER, NOTE, torch.eye(WIDE)),  # hands over its letter as a note
}
induction_head = {
    "w_q": SURE * block(LETTER, NOTE, torch.eye(WIDE)),  # who has a note of my letter?
    "w_k": block(NOTE, NOTE, torch.eye(WIDE)),
    "w_v": block(LETTER, LETTER, torch.eye(WIDE)),  # hands over its letter
}


# %%
def head(x, w_q, w_k, w_v):
    return attend(x @ w_q, x @ w_k, x @ w_v, masks.causal(len(x)))


def two_heads_by_hand(text):
    """What it says comes after each letter, and the maps of both heads."""
    letters = torch.tensor([(LETTERS + "^").index(letter) for letter in text])
    x = torch.cat([torch.eye(WIDE)[letters], torch.eye(PLACES)[: len(text)], torch.zeros(len(text), WIDE)], -1)
    notes, first_map = head(x, **previous_token_head)  # @stepover
    x = x + notes  # @inspect first_map  @stepover
    said, second_map = head(x, **induction_head)  # @stepover
    return said[:, :WIDE], torch.stack([first_map, second_map])


text = "^" + in_letters(rows[0])[:20]
said, maps = two_heads_by_hand(text)
by_hand = AttentionMap(maps, list(text), list(text), ("previous token", "induction"))  # @inspect by_hand
by_hand

# %%
p = period[0].item()
next_letters = "".join((LETTERS + "^")[best] for best in said.argmax(-1).tolist())
print("letters:        ", text)
print("what comes next:", " " * (p + 1) + next_letters[p + 1 :])
assert next_letters[p + 1 : -1] == text[p + 2 :]
assert torch.allclose(maps[0].diagonal(-1), torch.ones(len(text) - 1))
second_map = maps[1]
assert all(second_map[t, t - p + 1] > 0.49 for t in range(p + 1, len(text)))

# %% [markdown]
# It predicts every letter of the repetition. No training, and both maps can be read: the first is a line just below
# the diagonal, the second a line one period further down, and two lines once a letter has stood there twice before.
# (In the first period no note fits, all scores are zero, and the second map is the plain mean of section 1.) Note how
# the heads depend on each other. The second layer's *keys* are made of what the first layer wrote.
#
# ### By training
#
# Will gradient descent find it? The model: a vector for each letter, one for each place, one or two layers of causal
# attention that add to what is there, and a matrix that makes scores of 24 letters. Nothing else.
#
# One run proves little, so we train five at once. Runs are independent, and independent things are a batch axis:
# everything gets one more axis in front, as the heads did in section 1. The sum of the five losses has as gradient for
# each run just that of its own loss, and AdamW works number by number. So one step trains all five, and none knows of
# the others.


# %%
class Runs:
    """Several small attention-only models, side by side: R runs, each with its own weights and batch."""

    def __init__(self, n_layers, width, n_heads=2, n_runs=5, seed=0):
        draw = torch.Generator().manual_seed(seed)

        def weight(*shape, std):
            return ((torch.rand(n_runs, *shape, generator=draw) * 2 - 1) * math.sqrt(3) * std).requires_grad_()

        self.n_runs, self.n_heads = n_runs, n_heads
        self.letter, self.place = weight(V, width, std=0.5), weight(PLACES, width, std=0.5)
        self.qkv = [weight(width, 3 * width, std=width**-0.5) for _ in range(n_layers)]
        self.out = [weight(width, width, std=(width * n_layers) ** -0.5) for _ in range(n_layers)]
        self.head = weight(width, V, std=width**-0.5)

    def parameters(self):
        return [self.letter, self.place, *self.qkv, *self.out, self.head]

    def __call__(self, letters, change=None):
        """(R, B, T) letters to (R, B, T, V) scores, and the maps of each layer; ``change`` may replace a map."""
        R, B, T = letters.shape
        x = self.letter[torch.arange(R)[:, None, None], letters] + self.place[:, None]  # (R, B, T, C)
        maps = []
        for n, (qkv, out) in enumerate(zip(self.qkv, self.out, strict=True)):
            heads = (x.flatten(1, 2) @ qkv).view(R, B, T, 3, self.n_heads, -1)
            q, k, v = heads.permute(3, 0, 1, 4, 2, 5)  # (R, B, H, T, D) each
            mixed, weights = attend(q, k, v, PAST)
            if change:
                weights = change(n, weights)
                mixed = weights @ v
            maps.append(weights)  # (R, B, H, T, T)
            merged = mixed.transpose(2, 3).reshape(R, B * T, -1)  # (R, B T, C)
            x = x + (merged @ out).view_as(x)
        return (x.flatten(1, 2) @ self.head).view(R, B, T, V), maps


PAST = masks.causal(PLACES)
SIZES_TRIED = {"two layers": (2, 32), "one layer": (1, 32), "one layer, wider": (1, 48)}  # layers, width
n_params = {name: sum(p[0].numel() for p in Runs(*size).parameters()) for name, size in SIZES_TRIED.items()}
print(", ".join(f"{name}: {n:,} parameters" for name, n in n_params.items()))
assert n_params["one layer, wider"] > n_params["two layers"]

# %% [markdown]
# A layer of it is `lilllm`'s: the same weights in a `MultiHeadAttention` give the same numbers.

# %%
model = Runs(1, 32, n_runs=1)
letters = repeats((1, 4), torch.Generator().manual_seed(0))[0][..., :-1]
layer = layers.MultiHeadAttention(32, 2, causal=True)  # @stepover
with torch.no_grad():
    layer.qkv.weight.copy_(model.qkv[0][0].T)
    layer.out.weight.copy_(model.out[0][0].T)
    x = model.letter[0][letters[0]] + model.place[0]
    assert torch.allclose((x + layer(x)) @ model.head[0], model(letters)[0][0])  # @stepover

# %% [markdown]
# While it trains, we measure at every 25th step, on 64 rows that are not in any batch:
#
# - the **loss on what is repeated**, that is, on all letters that can be known; one that knows nothing has $\ln 24$, or
#   3.2 nats;
# - for each head of the last layer the ***prefix-matching score*** (Olsson and others): how much of its weight lies on
#   letters that came after an earlier occurrence of the present one, in the mean over the repeated part;
# - for each head of the first layer, how much lies on the token just before, in the mean over the places 1 to 5. (By
#   chance that is 0.3 there, since these places have few others to look at.)


# %%
def measure(model, letters, period, change=None):
    """Loss on the repeated part (R), prefix matching and previous token (R, H), and the maps."""
    with torch.no_grad():
        scores, maps = model(letters[..., :-1], change)
    now, after = letters[..., :-1], letters[..., 1:]
    loss = F.cross_entropy(scores.flatten(0, 2), after.flatten(), reduction="none").view_as(after)
    known = (torch.arange(PLACES) >= period).double()  # (R, B, T)
    loss = (loss * known).sum((1, 2)) / known.sum((1, 2))
    before = F.pad(now[..., :-1], (1, 0), value=-1)  # the letter before each
    follows = before[..., None, :] == now[..., :, None]  # (R, B, T, T): key s came after the letter of query t
    matched = (maps[-1] * follows[:, :, None]).sum(-1)  # (R, B, H, T)
    matched = (matched * known[:, :, None]).sum((1, 3)) / known.sum((1, 2))[:, None]
    previous = maps[0].diagonal(-1, -2, -1)[..., : SHORTEST - 1].mean((1, 3))
    return loss, matched, previous, maps


# %%
LOOK_AT = repeats((1, 1), torch.Generator().manual_seed(5), 8, 8)[0]  # one row, whose maps we keep


def train(n_layers, width, steps=500, lr=0.005, every=25):
    """Train five runs; what was measured, by step."""
    model, draw = Runs(n_layers, width), torch.Generator().manual_seed(100)
    held_letters, held_period = repeats((1, 64), torch.Generator().manual_seed(7))
    held = held_letters.expand(model.n_runs, -1, -1), held_period.expand(model.n_runs, -1, -1)
    optimizer, history = optim.AdamW(model.parameters(), lr, betas=(0.9, 0.98), weight_decay=0.0), {}
    for step in range(steps + 1):
        if step % every == 0:
            loss, matched, previous, _ = measure(model, *held)
            kept = measure(model, LOOK_AT.expand(model.n_runs, -1, -1), torch.tensor([[[8]]]))[3]
            history[step] = {"loss": loss, "matched": matched, "previous": previous, "maps": torch.stack(kept)}
        letters, _ = repeats((model.n_runs, 16), draw)
        scores, _ = model(letters[..., :-1])
        loss = F.cross_entropy(scores.flatten(0, 2), letters[..., 1:].flatten(), reduction="sum") / (16 * PLACES)
        for p in model.parameters():
            p.grad = None
        loss.backward()
        optimizer.param_groups[0]["lr"] = lr * min(1.0, (step + 1) / 50)
        optimizer.step()
    return model, history, held


# %% [markdown]
# The training loss is that of *all* places, as in any language model: nobody tells the model that the second half is
# what counts. Two layers with 10 thousand parameters; one layer of the same width; and, as a fair control, one layer
# that is wider and has more parameters than the two together.

# %%
early = predict(
    "After 200 of 500 steps: how does the model with two layers compare with that of one layer, on the repeated part?",
    choices=["two layers are clearly better", "about the same", "two layers are clearly worse"],
)
early

# %%
trained = {name: train(*size) for name, size in SIZES_TRIED.items()}  # @stepover
loss_at = {
    name: {step: round(float(seen["loss"].median()), 1) for step, seen in history.items()}
    for name, (_, history, _) in trained.items()
}
rows = [[name, *(loss_at[name][step] for step in (0, 100, 200, 300, 400, 500))] for name in trained]
assert abs(loss_at["two layers"][200] - loss_at["one layer"][200]) <= 0.2
assert loss_at["two layers"][500] < 0.4
assert min(loss_at["one layer"][500], loss_at["one layer, wider"][500]) > 1.5
table(["loss on what is repeated (median of 5)", *(f"step {step}" for step in (0, 100, 200, 300, 400, 500))], rows)

# %%
early.reveal("about the same")

# %% [markdown]
# For two fifths of the training, two layers are no better than one, and a wide layer is ahead of both. Then something
# happens that does not happen with one layer:

# %%
steps = list(trained["two layers"][1])
fig, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6))
for (name, (_, history, _)), style in zip(trained.items(), figures.line_styles(3), strict=True):
    runs = torch.stack([seen["loss"] for seen in history.values()])  # (steps, R)
    left.plot(steps, runs, color=style["color"], linewidth=0.6, alpha=0.6, marker="", linestyle="-")
    left.plot(steps, runs.median(-1).values, label=name, markevery=4, **style)
left.axhline(math.log(5), color=figures.GREY, linewidth=1)
left.text(5, math.log(5) - 0.14, "ln 5", color=figures.GREY)
left.set(xlabel="step", ylabel="loss on what is repeated (nats)", ylim=(0, 3.7))
left.legend(fontsize=8)

history = trained["two layers"][1]
rising = {"prefix matching, layer 2": "matched", "previous token, layer 1": "previous"}
for (name, key), style in zip(rising.items(), figures.line_styles(2), strict=True):
    best_head = torch.stack([seen[key].max(-1).values for seen in history.values()])  # (steps, R)
    right.plot(steps, best_head, color=style["color"], linewidth=0.6, alpha=0.6, marker="", linestyle="-")
    right.plot(steps, best_head.median(-1).values, label=name, markevery=4, **style)
right.set(xlabel="step", ylabel="weight of the best head there", ylim=(0, 1), title="two layers")
right.legend(fontsize=8)
plt.show()

# %% [markdown]
# The thin lines are runs, the thick ones medians. Within some hundred steps the loss of the two-layer model falls
# from near that of one layer to almost nothing. In the same steps a head of layer 2 begins to look at what came after
# the same letter, and a head of layer 1 at the token before. This is what is called a ***phase change***: not a slow
# improvement, but a mechanism that is not there, and then is. *When* is a matter of chance, different in each run:


# %%
def first_step(values, reached):
    """The first measured step at which each run is beyond a limit."""
    return [next((step for step, value in zip(steps, run, strict=True) if reached(value)), None) for run in values.T]


by_run = {
    "loss below 1.5": first_step(torch.stack([h["loss"] for h in history.values()]), lambda x: x < 1.5),
    "prefix matching above 0.5": first_step(
        torch.stack([h["matched"].max(-1).values for h in history.values()]), lambda x: x > 0.5
    ),
    "previous token above 0.5": first_step(
        torch.stack([h["previous"].max(-1).values for h in history.values()]), lambda x: x > 0.5
    ),
}
for loss_falls, read, written in zip(*by_run.values(), strict=True):
    assert abs(loss_falls - read) <= 50
    assert written < read <= written + 100
table(["first at step", *(f"run {run}" for run in range(5))], [[name, *found] for name, found in by_run.items()])

# %% [markdown]
# The loss falls when the reader is there, to within a measurement or two. And in every run the writer of notes comes a
# little before the reader of notes.
#
# Why so late and so sudden? Neither is of any use without the other. A note of the previous letter helps only if
# somebody reads it; whoever looks for notes finds nothing as long as nobody writes any. So at first the gradient of
# both is tiny, and what is learned in the meantime is simpler. But once there is a little of both, each makes the
# other more useful, and they pull each other up. (Olsson and others saw it in language models as a bump in the loss
# curve of the whole model, and only in models of more than one layer.)
#
# ### And one layer?
#
# It does not stand still. After 500 steps the wider one is at 1.9 nats, and its curve still falls. What does it do? To
# guess evenly among the letters that stood 5 to 9 back, since the period is 6 to 10, would give $\ln 5 = 1.6$, the
# grey line. Its maps say that it is on the way to something of that kind:

# %%
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.1), sharey=True)
one_layer = trained["one layer, wider"][1][500]["maps"]  # (layers, R, 1, H, T, T)
row = list(in_letters(LOOK_AT[0, 0, :-1]))
for head_number, ax in enumerate(axes):
    draw_map(ax, one_layer[0, 0, 0, head_number], f"one layer, head {head_number}", row)
axes[0].set_ylabel("query")
plt.show()

band = [one_layer[0, :, 0, :, t, t - 9 : t - 4].sum(-1) for t in range(10, PLACES)]  # 5 to 9 back
in_band = float(torch.stack(band).mean())
print(f"weight on the letters 5 to 9 back, in the mean of runs, heads and places: {in_band:.1f} (evenly: 0.3)")
assert in_band > 0.5
assert loss_at["one layer, wider"][500] > math.log(5)

# %% [markdown]
# A broad band, 5 to 9 back, and paler patches further back. No line stands out as it does in the maps that follow. In
# the band lies about what can be done by *where* alone. (Where a longer run would end, and whether by other means, this
# lecture does not measure. You can: nothing stands in the way of `train(1, 48, steps=3000)`.)
#
# ### Before and after
#
# Now the maps of a two-layer model, on one row of period 8, before training and after it:

# %%
fig, axes = plt.subplots(2, 4, figsize=(8.6, 4.9), sharey=True)
for line, step in enumerate((0, 500)):
    for column in range(4):
        weights = history[step]["maps"][column // 2, 0, 0, column % 2]
        title = f"layer {column // 2 + 1}, head {column % 2}, step {step}"
        draw_map(axes[line, column], weights, title)
        axes[line, column].set_xticks(range(0, PLACES, 8))
        axes[line, column].set_yticks(range(0, PLACES, 8))
for ax in axes[1]:
    ax.set_xlabel("key (place)")
for ax in axes[:, 0]:
    ax.set_ylabel("query (place)")
plt.show()

row, four = list(in_letters(LOOK_AT[0, 0, :-1])), [f"layer {n // 2 + 1}, head {n % 2}" for n in range(4)]
untrained, learned = (AttentionMap(history[step]["maps"][:, 0, 0].flatten(0, 1), row, row, four) for step in (0, 500))
final = history[500]  # @inspect untrained learned
print("previous token, heads of layer 1:", [round(x, 1) for x in final["previous"][0].tolist()])
print("prefix matching, heads of layer 2:", [round(x, 1) for x in final["matched"][0].tolist()])
assert (final["previous"].max(-1).values > 0.8).all()
assert (final["matched"].max(-1).values > 0.8).all()

# %% [markdown]
# There it is, the circuit that we wrote by hand: a line just below the diagonal in layer 1, head 0; lines one and two
# periods back in both heads of layer 2. With two differences. Head 1 of layer 1 looks at the token itself, which is
# there anyway. And the line in layer 1 stops after eight or nine places.
#
# Watch it grow. The slider is the training step, the buttons choose a run. (A static copy shows one setting only.) Find
# the step at which the lines appear, and look what the heads of layer 2 did before.


# %%
def grown(step, run):
    """The four maps of a run at a step, and its loss."""
    seen = history[step]
    row = list(in_letters(LOOK_AT[0, 0, :-1]))
    pictures = [
        map_svg(
            seen["maps"][n // 2, run, 0, n % 2].tolist(), row, row, side=9, title=f"layer {n // 2 + 1}, head {n % 2}"
        )
        for n in range(4)
    ]
    found = f"loss {seen['loss'][run]:.1f}, prefix matching {seen['matched'][run].max():.1f}"
    return f"<div>step {step}, run {run}: {found}</div>{''.join(pictures)}"


step_slider = widgets.SelectionSlider(options=steps, value=300, description="step", continuous_update=True)
run_buttons = widgets.ToggleButtons(options=list(range(5)), value=0, description="run")
run_buttons.style.button_width = "3em"
grown_shown = widgets.HTML(grown(300, 0))  # @stepover
for control in (step_slider, run_buttons):
    control.observe(lambda _: setattr(grown_shown, "value", grown(step_slider.value, run_buttons.value)), names="value")
display(HTML(grown_shown.value))
display(widgets.VBox([step_slider, run_buttons, grown_shown]))

# %%
step_slider.value = 500  # as if you had moved it  @stepover
assert "prefix matching 0.9" in grown_shown.value
step_slider.value = 0  # @stepover
assert "prefix matching 0.1" in grown_shown.value
step_slider.value = 300  # @stepover

# %% [markdown]
# ### Do the maps tell the truth?
#
# A map shows where a head looks. It does not show that what it finds there is *used*. (There is a dispute about this:
# Jain and Wallace 2019, *Attention is not Explanation*; Wiegreffe and Pinter 2019, *Attention is not not Explanation*.)
# What can be tested is what happens without it. An ***ablation*** takes a part out. We replace one head's map by the
# plain mean over the past, in all five runs, and look at the loss on what is repeated:

# %%
model, _, held = trained["two layers"]


def blinded(layer, head):
    """Replace the map of one head by the mean."""

    def change(n, weights):
        if n != layer:
            return weights
        weights = weights.clone()
        weights[:, :, head] = PAST.double() / PAST.sum(-1, keepdim=True)
        return weights

    return change


rows, without = [], {}
intact = measure(model, *held)[0]  # @stepover
rows.append(["nothing", *(f"{loss:.1f}" for loss in intact.tolist())])
for place in ((0, 0), (0, 1), (1, 0), (1, 1)):
    without[place] = measure(model, *held, blinded(*place))[0]  # @stepover
    name = f"layer {place[0] + 1}, head {place[1]}"
    rows.append([name, *(f"{loss:.1f}" for loss in without[place].tolist())])
table(["head taken out", *(f"run {run}" for run in range(5))], rows)

# %%
for run in range(5):
    writer = int(final["previous"][run].argmax())
    assert without[0, writer][run] > 2  # without notes it is back where it was before the phase change
    assert without[0, 1 - writer][run] < intact[run] + 0.4
    assert min(without[1, 0][run], without[1, 1][run]) > intact[run] + 0.2
shared = torch.maximum(without[1, 0], without[1, 1]) < 1.5
assert shared.tolist() == [True, True, False, True, True]

# %% [markdown]
# Without the head that writes the notes, the loss is back where it was before the phase change: nothing else in the
# model can do its work. The other head of layer 1 is hardly missed. In layer 2, four of five runs have two heads that
# read the notes, and when one goes, the other still does a part of the work; in run 2 one of them does nearly all. So
# an ablation alone can mislead too: that a head is missed only a little may mean that it does nothing, or that another
# does the same.
#
# ### A prediction from a map
#
# The better test of an explanation is a prediction that nobody would have made without it. The line in layer 1 stops
# after some nine places. Why? Because nothing in the training needs more: the first period is at most ten letters
# long, and a later occurrence is as good as the first. So the mechanism that we see is not "find the letter before",
# for all time, but "find the letter in the first ten places". Then the model must *fail* on rows with longer periods,
# and not everywhere, but just where the first occurrence lies beyond the tenth place.

# %%
beyond = predict(
    "Rows of period 12, which it was never shown. Share of right predictions, (a) of letters that first stood at one "
    "of the places 1 to 9, (b) of the letter that first stood at place 11?",
    choices=["both high", "(a) high, (b) low", "both low"],
)
beyond

# %%
letters, period = repeats((1, 400), torch.Generator().manual_seed(11), 12, 12)
with torch.no_grad():
    scores = model(letters[..., :-1].expand(5, -1, -1))[0]
right = (scores.argmax(-1) == letters[..., 1:]).double().mean(1)  # (R, T)
by_place = right[:, 12:23]  # after the letter of place 12 - 12 = 0, 1, ..., 10
fig, ax = plt.subplots(figsize=(6, 3))
ax.plot(range(1, 12), by_place.T, color=BLUE, linewidth=0.6, alpha=0.6, marker="", linestyle="-")
ax.plot(range(1, 12), by_place.median(0).values, color=BLUE, marker="o")
ax.set(xlabel="place at which the letter to be said first stood", ylabel="share right", ylim=(0, 1.05))
plt.show()

near, far = by_place[:, :9].median().item(), by_place[:, 10].median().item()
print(f"places 1 to 9: {near:.0%} right, place 11: {far:.0%} (medians)")
assert near > 0.7
assert far < near - 0.3
beyond.reveal("(a) high, (b) low")

# %% [markdown]
# The map was right, and the explanation too. A model that has learned a rule has learned it only as far as it was
# needed. Positions are the reason here: a vector for each place, learned one by one, knows nothing of the place beside
# it. Which schemes of positions know more, and which of them go on beyond what was trained, is the question of
# lecture 06.
#
# ## 11. Napkin answer
#
# **Napkin answer.** H heads of T x T scores in bfloat16, against the keys and values of the layer, K heads of D
# numbers, two of each for every token:

# %%
T = 131_072
scores_bytes = llama.n_heads * T * T * 2
kv_bytes = 2 * llama.n_kv_heads * llama.d_head * T * 2
assert kv_bytes * llama.n_layers == memory.kv_cache(llama, batch=1, seq=T)
by_count = memory.activations(llama, batch=1, seq=T)["attention_scores"] / llama.n_layers
assert scores_bytes == by_count
print(f"scores of one layer: {scores_bytes / 1e9:,.0f} GB; of all: {llama.n_layers * scores_bytes / 1e12:.0f} TB")
print(f"keys and values of one layer: {kv_bytes / 1e9:.2f} GB, {scores_bytes // kv_bytes:,} times less")
assert 1000 < scores_bytes / 1e9 < 1200
assert kv_bytes / 1e9 < 1

# %% [markdown]
# Eleven hundred GB, fourteen H100s full, for one layer of one text, from keys and values of half a GB. That is why
# nobody writes the scores down (lecture 11), and why everything that shortens a row of the map (windows, fewer keys) or
# shares keys among heads gets a lecture of its own (10).
#
# ## 12. Exercises
#
# Write the function in each cell, then run it. `check` tries it on small cases and names the likely mistake. For a
# hint, add `hint=1`, then `hint=2`; for a solution, `solution=True`.
#
# **1. The causal mask**, when there are more keys than queries, as with a cache: the queries are the *last* of the
# keys. True where a query may look.


# %% tags=["exercise"] exercise="attention.mask"
def causal_mask(queries, keys):
    """Bools of shape (queries, keys)."""
    ...


check("attention.mask", causal_mask)

# %% [markdown]
# **2. Attention.** The formula, with a mask: `q` (B, T, D), `k` and `v` (B, S, D), `mask` (T, S).


# %% tags=["exercise"] exercise="attention.scaled"
def attention(q, k, v, mask):
    """A mean of the values for each query, (B, T, D)."""
    ...


check("attention.scaled", attention)

# %% [markdown]
# **3. Heads.** From (B, T, C) to (B, H, T, D). Section 6 shows how not to.


# %% tags=["exercise"] exercise="attention.heads"
def split_heads(x, n_heads):
    """(B, H, T, D) with H = n_heads and D = C / H."""
    ...


check("attention.heads", split_heads)

# %% [markdown]
# **4. Additive scores.** For every query and every key a hidden layer. No loop.


# %% tags=["exercise"] exercise="attention.additive"
def additive_scores(q, k, w_q, w_k, v):
    """(T, S) from q (T, D_q), k (S, D_k), w_q (D_q, A), w_k (D_k, A), v (A)."""
    ...


check("attention.additive", additive_scores)

# %% [markdown]
# **5. Cross-attention.** The tokens of `x` (B, T, C) look at those of `memory` (B, S, C).


# %% tags=["exercise"] exercise="attention.cross"
def cross_attention(x, memory, w_q, w_k, w_v):
    """(B, T, D) from weights (C, D)."""
    ...


check("attention.cross", cross_attention)

# %% [markdown]
# ## What we left out
#
# - **Multiplicative attention** with a matrix between query and key, and attention to a window that moves (Luong, Pham
#   and Manning 2015): the step from additive to dot product.
# - **Heads that share keys** (multi-query, grouped-query), low-rank keys, sparse patterns, linear attention: lecture
#   10. How the fused kernel works: lecture 11.
# - **How small a head may be.** Scores of a head have at most rank D. With D smaller than T, not every map can be made
#   (Bhojanapalli and others 2020).
# - **Dropout on the weights**: in the paper of 2017, hardly used in language models now (lecture 07).
# - **Attention sinks.** A head that has nothing to say must put its weight somewhere, since weights add up to 1. Many
#   put it on the first token: look at the first rows of layer 2 above. Lecture 16.
# - **Other circuits**, and how they are found in large models: Elhage and others 2021 is the place to begin.
#
# ## Sources
#
# - Bahdanau, Cho, Bengio 2014, *Neural Machine Translation by Jointly Learning to Align and Translate*,
#   arXiv:1409.0473, section 3 and appendix A.1.2: additive attention.
# - Vaswani and others 2017, *Attention Is All You Need*, arXiv:1706.03762, section 3.2: scaled dot product, additive
#   against dot product, heads.
# - Britz, Goldie, Luong, Le 2017, *Massive Exploration of Neural Machine Translation Architectures*, arXiv:1703.03906.
# - Luong, Pham, Manning 2015, *Effective Approaches to Attention-based Neural Machine Translation*, arXiv:1508.04025.
# - Elhage and others 2021, *A Mathematical Framework for Transformer Circuits*, transformer-circuits.pub: one and two
#   layers of attention only; keys made from what an earlier head wrote.
# - Olsson and others 2022, *In-context Learning and Induction Heads*, arXiv:2209.11895: prefix matching, the phase
#   change in training, and that one layer does not have it.
# - Cordonnier, Loukas, Jaggi 2020, *On the Relationship between Self-Attention and Convolutional Layers*,
#   arXiv:1911.03584.
# - Yang and others 2022, *Tensor Programs V*, arXiv:2203.03466: scores divided by d. Bhojanapalli and others 2020,
#   *Low-Rank Bottleneck in Multi-head Attention Models*, arXiv:2002.07028.
# - Haviv and others 2022, *Transformer Language Models without Positional Encodings Still Learn Positional
#   Information*, arXiv:2203.16634.
# - Jain, Wallace 2019, *Attention is not Explanation*, arXiv:1902.10186. Wiegreffe, Pinter 2019, *Attention is not not
#   Explanation*, arXiv:1908.04626.
# - Llama Team 2024, *The Llama 3 Herd of Models*, arXiv:2407.21783: the shape and the 128K context.
