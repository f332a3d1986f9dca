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
# # 06 Positions: how a model knows what came when
#
# Attention compares every token with every other and does not ask where they stand. To it, a sentence is a bag of
# words. So each transformer brings the order in from outside, and there have been five answers to how: not at all, a
# learned table, waves that are added, rotations (RoPE), and a penalty on distance (ALiBi). Here we build all five, find
# out which of them really speak of distance, and then let them compete: on the length that they were trained on, and
# on four times that length, where most of them break, each in its own way.
#
# - **You will build:** learned, sinusoidal and relative positions, RoPE in both of its layouts with the converter
#   between them, ALiBi; a test of what depends on distance only; a race of five schemes, inside and past the training
#   length, and a first repair of what breaks
# - **You need:** lecture 05 (attention, the causal mask) and lecture 02 (what bfloat16 can hold). Complex numbers help
#   in section 5.
# - **Minutes to read:** 75
# - **Budget:** 60 s, 1 GB, 250 GFLOP, 150 GB moved
#
# **Napkin question.** A head of Llama 2 has 128 channels, which RoPE turns as 64 pairs, each at its own speed, with a
# base theta of 10,000. Within its context of 4,096 tokens, how many of the 64 pairs turn round at least once? After
# how many tokens has the slowest one come round? Llama 3 has theta 500,000 and a context of 8,192: how many now? Write
# three numbers on a napkin. The last section but one computes them.

# %%
import copy
import math
from dataclasses import dataclass
from statistics import median

import ipywidgets as widgets
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import HTML, display
from torch import Tensor, nn

from lilllm import optim
from lilllm.course import check, figures, museum, predict
from lilllm.course.chips import table
from lilllm.data.liltown import LilTown
from lilllm.layers import FeedForward, LearnedPositions, MultiHeadAttention, alibi, rope
from lilllm.layers import sinusoidal as package_sinusoidal
from lilllm.layers.attention import attention, attention_reference

figures.use_style()
torch.manual_seed(0)  # for the weights that layers draw for themselves
torch.set_default_dtype(torch.float64)  # training magnifies rounding; so the numbers below are the same everywhere

# %% [markdown]
# ## 1. A bag of words
#
# Two sentences of the same words: *the dog bites the man*, *the man bites the dog*. Each word has a vector, and one
# head of self-attention (lecture 05) with random weights works on them. No mask, no positions.

# %%
WIDTH = 16
draw = torch.Generator().manual_seed(0)
vector = {word: torch.randn(WIDTH, generator=draw) for word in ("the", "dog", "bites", "man")}
w_q, w_k, w_v = (torch.randn(WIDTH, WIDTH, generator=draw) / math.sqrt(WIDTH) for _ in range(3))


def one_head(x, **options):
    """Self-attention of one head: (T, C) in, (T, C) out."""
    q, k, v = ((x @ w)[None, None] for w in (w_q, w_k, w_v))  # (1, 1, T, C)
    return attention(q, k, v, **options)[0, 0]


def words(sentence):
    return torch.stack([vector[word] for word in sentence.split()])


# %%
who_bites = predict(
    "The two sentences go through the head. How do the outputs of the word 'bites' differ?",
    choices=["they are the same", "a little, by where the words stand", "completely"],
)
who_bites

# %%
dog_bites, man_bites = one_head(words("the dog bites the man")), one_head(words("the man bites the dog"))  # @stepover
assert torch.allclose(dog_bites[2], man_bites[2], rtol=0, atol=1e-12)  # bites
assert torch.allclose(dog_bites[1], man_bites[4], rtol=0, atol=1e-12)  # dog, wherever it stands
print("bites:", "the same" if torch.allclose(dog_bites[2], man_bites[2]) else "different")
who_bites.reveal("they are the same")

# %% [markdown]
# Who bites whom is lost. The reason is in the formula: an output is a sum over all tokens, and a sum does not know the
# order of its terms. Shuffle the tokens, and the outputs are shuffled in the same way, no more. Lecture 05 called this
# permutation equivariance; once more, for these weights:

# %%
x = torch.randn(12, WIDTH, generator=draw)
order = torch.randperm(12, generator=draw)
assert torch.allclose(one_head(x[order]), one_head(x)[order], rtol=0, atol=1e-12)
assert torch.allclose(  # any number of layers: each hands a shuffled input on as a shuffled output
    one_head(one_head(x[order])), one_head(one_head(x))[order], rtol=0, atol=1e-12
)

# %% [markdown]
# ### The mask that leaks
#
# A decoder has a causal mask: each token sees itself and what came before. That breaks the symmetry. How much order
# gets through?

# %%
leak = predict(
    "With a causal mask, and no positions: shuffle all tokens but the last. Does the output of the last token change?",
    choices=["never", "with two layers, but not with one", "with one layer already"],
)
leak

# %%
early = torch.cat([torch.randperm(11, generator=draw), torch.tensor([11])])  # the last token stays
causal_once = one_head(x, causal=True), one_head(x[early], causal=True)
causal_twice = [one_head(out, causal=True) for out in causal_once]
assert torch.allclose(causal_once[0][-1], causal_once[1][-1], rtol=0, atol=1e-12)
assert (causal_twice[0][-1] - causal_twice[1][-1]).abs().max() > 0.01
leak.reveal("with two layers, but not with one")

# %% [markdown]
# One layer: the last token sees a bag of all the others. But the *others* have changed. The second token is now a mean
# over two tokens, the tenth over ten, and a second layer sees these means. So order gets in by the back door. What
# there is to see can be said exactly. If one token is special, as the mark at the beginning of a text is, then a head
# that weighs all it sees alike, with a value of 1 for that token and 0 for the others, computes $1/(t+1)$: the
# position, as plain as can be (Kazemnejad and others 2023 prove that a first layer can do this).

# %%
T = 10
first_only = torch.zeros(1, 1, T, 1)
first_only[..., 0, :] = 1
read_off = attention(torch.zeros(1, 1, T, 4), torch.zeros(1, 1, T, 4), first_only, causal=True)[0, 0, :, 0]
assert torch.allclose(read_off, 1 / (torch.arange(T) + 1))
print([f"{value:.2f}" for value in read_off])

# %% [markdown]
# And without such a mark? A mean over many vectors is shorter than a mean over few. Let us measure: a thousand
# sequences of random tokens (there are 16) through three random, untrained layers; first the size of what attention
# adds, then how well a linear fit, on the vectors and their squares, can tell the position of a token in *other*
# sequences.


# %%
def untrained(x, causal, layers=3):
    """Each layer's attention output, and the stream after it; (B, T, C) each."""
    draw, stream, out = torch.Generator().manual_seed(1), x, []
    for _ in range(layers):
        w = torch.randn(5, x.shape[-1], x.shape[-1], generator=draw) / math.sqrt(x.shape[-1])
        h = F.layer_norm(stream, x.shape[-1:])
        mixed = attention(*((h @ one)[:, None] for one in w[:3]), causal=causal)[:, 0]
        stream = stream + mixed @ w[3]
        stream = stream + F.layer_norm(stream, x.shape[-1:]).relu() @ w[4]
        out.append((mixed, stream))
    return out


def told(h):
    """How far a fit on the first half of the sequences is off on the second half, in positions."""
    h = F.layer_norm(h, h.shape[-1:])
    seen = torch.cat([h, h * h, torch.ones_like(h[..., :1])], -1)  # (B, T, 2C + 1)
    place = torch.arange(h.shape[1]).double().expand(h.shape[:2])
    (train, test), (wanted, true) = seen.chunk(2), place.chunk(2)
    a, b = train.flatten(0, 1), wanted.flatten()[:, None]
    fit = torch.linalg.solve(a.T @ a + 0.01 * torch.eye(a.shape[1]), a.T @ b)  # least squares, a little damped
    return float((test @ fit - true[..., None]).abs().mean())


# %%
draw_tokens = torch.Generator().manual_seed(0)
sequences = torch.randn(16, 64, generator=draw_tokens)[torch.randint(16, (1000, 32), generator=draw_tokens)]
masked, unmasked = untrained(sequences, causal=True), untrained(sequences, causal=False)  # @stepover
sizes = {"causal mask": masked[0][0], "no mask": unmasked[0][0]}
sizes = {name: out.square().mean((0, 2)).sqrt() for name, out in sizes.items()}
errors = {
    name: [told(sequences), *(told(h) for _, h in stack)]
    for name, stack in (("causal mask", masked), ("no mask", unmasked))  # @stepover
}

fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3))
for name, style in zip(sizes, figures.line_styles(2), strict=True):
    left.plot(torch.arange(32) + 1, sizes[name], label=name, markevery=4, **style)
    right.plot(range(4), errors[name], label=name, **style)
left.set(xlabel="tokens seen (position + 1)", ylabel="size of what attention adds", ylim=(0, 1.1))
right.set(xlabel="layer", ylabel="position is told to within (tokens)", ylim=(0, 9), xticks=range(4))
right.legend(loc="lower left")
plt.show()

assert sizes["causal mask"][0] > 2 * sizes["causal mask"][-1]
assert sizes["no mask"].max() < 1.15 * sizes["no mask"].min()
assert min(errors["no mask"]) > 7.9  # 8: what a guess of the middle is off by
assert 7.9 > errors["causal mask"][1] > errors["causal mask"][3]
assert errors["causal mask"][3] < 6
print({name: [f"{one:.1f}" for one in values] for name, values in errors.items()})

# %% [markdown]
# Without a mask nothing is told at any depth: a guess of the middle is off by 8 too. With the mask some of it is,
# before any training, and more at each layer. So a decoder *can* do without positions. Haviv and others (2022) trained
# language models that way and found them competitive. The scheme has a name, ***NoPE***, no positional encoding, and
# it will run in our race. But what leaks is blurred, "about the tenth", and many things that text needs are sharp: the
# word just before this one.
#
# ## 2. A row for each position
#
# The plainest way: a table with a vector for every position, learned like the table of tokens, and added to it.
# ***Learned positions*** are what GPT-2 and BERT have.
#
# $$x_t = \text{embedding}[\text{token}_t] + P[t]$$

# %%
table_of_positions = torch.randn(5, WIDTH, generator=draw)  # P, for a context of five


def with_table(x):
    return x + table_of_positions[torch.arange(len(x))]


outputs = [one_head(with_table(words(f"the {a} bites the {b}")))[2] for a, b in (("dog", "man"), ("man", "dog"))]
assert (outputs[0] - outputs[1]).abs().max() > 0.1  # now it matters who bites

package = LearnedPositions(5, WIDTH)  # @stepover
with torch.no_grad():
    package.weight.copy_(table_of_positions)
assert torch.equal(package(torch.arange(4)), table_of_positions[:4])  # @stepinto lilllm.layers.position
print(f"GPT-2's table: 1,024 rows of 768, {1024 * 768:,} parameters, {1024 * 768 / 124.4e6:.1%} of the model")

# %% [markdown]
# It costs next to nothing and it works. Two things it cannot do. There is no row for a position that is past the end:

# %%
try:
    with_table(words("the dog bites the man the man"))
except IndexError as error:
    print("IndexError:", error)

# %% [markdown]
# And each row is on its own. Nothing says that row 7 lies between row 6 and row 8, or that 7 to 4 is as far as 107 to
# 104: all of that has to be learned, for each position from the texts that reach so far. A row that no text of a
# batch reaches gets no gradient at all:

# %%
rows = table_of_positions.clone().requires_grad_()
short_text = words("the dog")
one_head(short_text + rows[: len(short_text)]).square().sum().backward()
print("rows with a gradient:", rows.grad.abs().sum(1).nonzero().flatten().tolist())
assert rows.grad[2:].abs().max() == 0

# %% [markdown]
# ## 3. Waves: sinusoidal positions
#
# Could one *compute* the row? It should differ for every position, stay of the same size however large the position
# is, and have a pattern that repeats, so that a model can learn something at one place and use it at another. There is
# a well-known way to write numbers like that: digits. In binary, the last digit changes at every step, the one before
# at every second step, the next at every fourth.
#
# The authors of the transformer (Vaswani and others 2017) took the smooth version of digits: waves, from fast to slow,
# a sine and a cosine of each. Of $C$ channels, the pair $i$ turns by $10000^{-2i/C}$ a position:
#
# $$PE[t, 2i] = \sin(t\, \omega_i), \qquad PE[t, 2i+1] = \cos(t\, \omega_i), \qquad \omega_i = 10000^{-2i/C}$$
#
# These are ***sinusoidal positions***. As the formula reads, then without loops, then the package's:


# %%
def sinusoidal_by_loops(T, C):
    out = torch.zeros(T, C)
    for t in range(T):
        for i in range(C // 2):
            out[t, 2 * i] = math.sin(t * 10000 ** (-2 * i / C))
            out[t, 2 * i + 1] = math.cos(t * 10000 ** (-2 * i / C))
    return out


def rates(D, theta=10_000.0):
    """How far each of the D / 2 pairs turns at one step, in radians."""
    return theta ** (-torch.arange(0, D, 2) / D)


def sinusoidal(T, C):
    angle = torch.arange(T)[:, None] * rates(C)  # (T, C/2)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)  # (T, C): sine and cosine in turn


assert torch.allclose(sinusoidal(20, WIDTH), sinusoidal_by_loops(20, WIDTH), rtol=0, atol=1e-12)
packaged = package_sinusoidal(20, WIDTH)  # @stepinto lilllm.layers.position
assert torch.allclose(packaged.double(), sinusoidal(20, WIDTH), rtol=0, atol=1e-6)  # the package's is float32
print([f"{one:.2f}" for one in sinusoidal(2, 4)[1]], "= sin 1, cos 1, sin 0.01, cos 0.01")

# %%
waves = sinusoidal(64, 64)
digits = torch.tensor([[t >> bit & 1 for bit in range(6)] for t in range(64)]) * 2 - 1
fig, axes = plt.subplots(1, 2, figsize=(7.4, 3.4), width_ratios=[1, 3])
for ax, picture, label in zip(axes, (digits, waves), ("binary digit, last one first", "channel"), strict=True):
    shown_as = ax.imshow(picture, cmap="cividis", aspect="auto", interpolation="nearest")
    ax.set(xlabel=label)
    ax.grid(False)
axes[0].set_ylabel("position")
axes[0].set_title("digits")
axes[1].set_title("waves")
fig.colorbar(shown_as, ax=axes[1])
plt.show()
assert torch.unique(digits, dim=0).shape[0] == 64
assert torch.cdist(waves, waves).fill_diagonal_(math.inf).min() > 0.5  # no two rows are alike

# %% [markdown]
# ### Going $k$ further is the same map everywhere
#
# Why waves? For a reason that will carry us through the whole lecture. Take the two channels of one pair,
# $(\sin t\omega, \cos t\omega)$. Going $k$ positions further means turning by $k\omega$, and by the addition theorems
# that is a matrix which does *not* depend on $t$:
#
# $$\begin{pmatrix} \sin (t+k)\omega \\ \cos (t+k)\omega \end{pmatrix} = \begin{pmatrix} \cos k\omega & \sin k\omega \\
# -\sin k\omega & \cos k\omega \end{pmatrix} \begin{pmatrix} \sin t\omega \\ \cos t\omega \end{pmatrix}$$
#
# With all pairs along the diagonal this is one matrix $M_k$ for the whole row: $PE(t + k) = M_k\, PE(t)$, for every
# $t$. So "three back" is a linear map, and a model made of linear maps could learn it.


# %%
def going(k, C):
    """The matrix that takes PE(t) to PE(t + k), whatever t is."""
    blocks = [torch.tensor([[math.cos(k * w), math.sin(k * w)], [-math.sin(k * w), math.cos(k * w)]]) for w in rates(C)]
    return torch.block_diag(*blocks)


waves = sinusoidal(300, WIDTH)
for k in (-3, 0, 1, 10, 100):
    inside = torch.arange(300)[max(0, -k) : 300 - max(0, k)]
    assert torch.allclose(waves[inside] @ going(k, WIDTH).T, waves[inside + k], rtol=0, atol=1e-11)  # @stepover
assert torch.allclose(going(2, WIDTH) @ going(5, WIDTH), going(7, WIDTH))  # @stepover
assert torch.allclose(going(-3, WIDTH), going(3, WIDTH).T)  # back is the transpose  @stepover
few = sinusoidal(300, 4)
# Found from the first 100 positions, it is the map that we made, so it is right at 300 too:
assert torch.allclose(torch.linalg.lstsq(few[:100], few[3:103]).solution.T, going(3, 4), atol=1e-8)  # @stepover

# %% [markdown]
# How alike are the rows of two positions? Their dot product is $\sum_i \cos(k\, \omega_i)$ at distance $k$: a function
# of the distance alone, largest at 0.

# %%
dot = sinusoidal(128, 64) @ sinusoidal(128, 64).T
by_distance = torch.cos(torch.arange(-63, 64)[:, None] * rates(64)).sum(1)
fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.1))
shown_as = left.imshow(dot, cmap="cividis")
left.set(xlabel="position", ylabel="position")
left.grid(False)
fig.colorbar(shown_as, ax=left, label="dot product")
right.plot(torch.arange(-63, 64), by_distance, color=figures.BLUE, marker="")
right.set(xlabel="distance", ylabel="dot product")
plt.show()
for k in (1, 7, 40):
    assert torch.allclose(dot.diagonal(k), by_distance[63 + k].expand(128 - k))  # constant along each diagonal
assert by_distance.argmax() == 63
assert torch.allclose(by_distance, by_distance.flip(0))

# %% [markdown]
# Near is more alike than far, though not evenly: there are ripples. And it is the same forward and backward, so the
# dot product alone cannot say which of the two came first; for that the model has to learn a map in between.
#
# Vaswani and others tried learned rows too, with "nearly identical results", and chose waves because those "may allow
# the model to extrapolate to sequence lengths longer than the ones encountered during training". A hope, in a
# subordinate clause. Section 9 tests it.

# %% [markdown]
# ## 4. What we would rather have: distance
#
# Words in a sentence relate to each other by how far apart they are. The verb that follows its subject does so on page
# 1 and on page 100. So the *score* of a query at $m$ and a key at $n$ should depend on $m - n$ and on nothing else
# about the two places. We call such a scheme ***relative***, and one that speaks of places ***absolute***. This is a
# property that one can test: put the *same* vector at every position, and look at the matrix of scores. If only the
# distance counts, it is constant along each diagonal. Such a matrix is called a ***Toeplitz matrix***.


# %%
def unevenness(scores):
    """How far a matrix is from constant diagonals: the largest range along one, over the range of all."""
    diagonals = [scores.diagonal(k) for k in range(1 - scores.shape[0], scores.shape[1])]
    return float(max(d.max() - d.min() for d in diagonals) / (scores.max() - scores.min()))


def scores_of(x):
    """Scores of one head, from what it is given: (T, C) in, (T, T) out."""
    return (x @ w_q) @ (x @ w_k).T / math.sqrt(WIDTH)


same_word = vector["dog"].expand(24, WIDTH)
learned_scores = scores_of(same_word + torch.randn(24, WIDTH, generator=draw))
wave_scores = scores_of(same_word + sinusoidal(24, WIDTH))
assert unevenness(learned_scores) > 0.5
assert unevenness(wave_scores) > 0.2

# %% [markdown]
# Neither passes, not even the waves. Their rows alone had constant diagonals, but a head does not compare rows, it
# compares $W_q(x + p)$ with $W_k(x' + p')$. Multiply out and there are four terms: word with word, word with place,
# place with word, place with place. In all but the first stands an absolute place.
#
# Shaw and others (2018) were the first to put the distance itself into the score. They learn a vector $a_d$ for each
# distance $d$ and add it to the key, $q_m \cdot (k_n + a_{n-m})$. Distances beyond a limit share a vector, so any
# length can be handled. In translation that gained 1.3 BLEU over absolute positions on English to German, and 0.3 on
# English to French.


# %%
def shaw(q, k, a, limit):
    """Scores with a learned vector for each distance, from -limit to limit: a is (2 limit + 1, D)."""
    scores = torch.zeros(len(q), len(k))
    for m in range(len(q)):
        for n in range(len(k)):
            scores[m, n] = q[m] @ (k[n] + a[max(-limit, min(limit, n - m)) + limit])
    return scores


def shaw_fast(q, k, a, limit):
    place = torch.arange(len(q))
    distance = (place - place[:, None]).clamp(-limit, limit) + limit  # (T, T)
    return q @ k.T + (q @ a.T).gather(1, distance)  # the score with each of the few vectors once, then pick


a = torch.randn(2 * 4 + 1, WIDTH, generator=draw)
q, k = same_word @ w_q, same_word @ w_k
shaw_scores = shaw_fast(q, k, a, 4)
assert torch.allclose(shaw(q, k, a, 4), shaw_scores)  # @stepover
assert unevenness(shaw_scores) < 1e-12
different = torch.randn(2, 24, WIDTH, generator=draw)
assert torch.allclose(shaw(*different, a, 4), shaw_fast(*different, a, 4))  # @stepover

# %% [markdown]
# The picture of the property:


# %%
def draw_scores(maps):
    """One panel a scheme: scores of the same word at every position."""
    _, axes = plt.subplots(1, len(maps), figsize=(2.4 * len(maps) + 0.3, 2.8), sharey=True)
    for ax, (name, scores) in zip(axes, maps.items(), strict=True):
        ax.imshow(scores, cmap="cividis")
        ax.set(title=name, xlabel="key at position")
        ax.grid(False)
    axes[0].set_ylabel("query at position")
    plt.show()


draw_scores({"learned": learned_scores, "sinusoidal": wave_scores, "Shaw, up to 4": shaw_scores})  # @stepover
rounded = [f"{unevenness(one):.1f}" for one in (learned_scores, wave_scores, shaw_scores)]
print("unevenness along the diagonals:", rounded)

# %% [markdown]
# T5 (Raffel and others 2020) made it simpler still: a learned *number* for each distance and head, added to the score,
# with distances in bins that grow wider (32 of them, up to 128). It works well. But the added number stands between
# the two matrix products of attention, and fast kernels do not like that. Is there a way to make the score relative by
# doing something to $q$ and $k$ *alone*, before they meet?
#
# ## 5. RoPE: turn, and let the product find the difference
#
# There is: turn them. Write two channels as one complex number. To multiply by $e^{i\varphi}$ is to turn by the angle
# $\varphi$. The dot product of two vectors of the plane is the real part of $q\,\bar k$, where the bar changes the sign
# of the imaginary part. Now turn the query by $m\omega$ and the key by $n\omega$:
#
# $$\operatorname{Re}\big( q\,e^{im\omega}\; \overline{k\,e^{in\omega}} \big) = \operatorname{Re}\big( q\,\bar k\;
# e^{i(m-n)\omega} \big)$$
#
# The bar turned the key's angle round, and what is left is the difference. Two absolute turns, one relative product.
# That is ***RoPE***, rotary position embedding (Su and others 2021).

# %%
q, k, speed = complex(2, 1), complex(0.5, -1), 0.3


def turned(z, position):
    return z * complex(math.cos(position * speed), math.sin(position * speed))


def product(q, k):
    return (q * k.conjugate()).real


assert product(q, k) == 2 * 0.5 + 1 * -1  # the dot product of (2, 1) and (0.5, -1)
here, far_away = (product(turned(q, 7 + far), turned(k, 4 + far)) for far in (0, 1000))
assert math.isclose(here, far_away)
assert math.isclose(here, (q * k.conjugate() * complex(math.cos(0.9), math.sin(0.9))).real)
assert not math.isclose(here, product(turned(q, 4), turned(k, 7)))  # it knows which came first
sixty = complex(1, 0) * complex(math.cos(math.pi / 3), math.sin(math.pi / 3))
print(f"1 turned by 60 degrees: ({sixty.real:.2f}, {sixty.imag:.2f})")

# %% [markdown]
# A head of $D$ channels is $D/2$ such pairs. Each turns at a speed of its own, from one radian a token to nearly none:
# the speeds are those of the sinusoidal waves. First in complex numbers, as the formula reads. Neighbours are a pair:
# channels 0 and 1, 2 and 3, and so on.


# %%
def rotate_complex(x, positions, theta=10_000.0):
    """(T, D) turned by the angles of its positions."""
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))  # (T, D/2)
    angle = positions[:, None] * rates(x.shape[-1], theta)  # (T, D/2)
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angle), angle)).flatten(-2)


def rotate_pairs(x, positions, theta=10_000.0):
    """The same in real numbers: (a, b) becomes (a cos - b sin, b cos + a sin)."""
    angle = positions[:, None] * rates(x.shape[-1], theta)
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1).flatten(-2)


place = torch.arange(24)
q, k = torch.randn(2, 24, WIDTH, generator=draw)
assert torch.allclose(rotate_pairs(q, place), rotate_complex(q, place), rtol=0, atol=1e-12)

# %% [markdown]
# Three properties, asserted. At position 0 nothing happens. Norms are kept, since turning does not stretch. And the
# score depends on the distance only. Then, because all three would hold with a wrong sign too, a value by hand: (1, 0)
# at position 2 is (cos 2, sin 2).

# %%
score_at = {}
for m, n in ((7, 4), (107, 104), (4, 7), (1, 0)):
    turned_q, turned_k = rotate_pairs(q[:1], torch.tensor([m])), rotate_pairs(k[:1], torch.tensor([n]))
    score_at[m, n] = float((turned_q * turned_k).sum())

assert torch.equal(rotate_pairs(q, torch.zeros(24)), q)
assert torch.allclose(rotate_pairs(q, place).norm(dim=1), q.norm(dim=1))
assert math.isclose(score_at[7, 4], score_at[107, 104], abs_tol=1e-10)
assert abs(score_at[7, 4] - score_at[4, 7]) > 0.1
assert abs(score_at[7, 4] - score_at[1, 0]) > 0.1
assert torch.allclose(
    rotate_pairs(torch.tensor([[1.0, 0.0]]), torch.tensor([2])), torch.tensor([[math.cos(2), math.sin(2)]])
)
print({f"{m} and {n}": f"{score:.3f}" for (m, n), score in score_at.items()})

# %% [markdown]
# Only queries and keys are turned. Values are not: what is handed on should not depend on where it comes from. And
# nothing is added to the words: the stream of vectors from layer to layer stays free of positions, and each layer turns
# its own queries and keys again.
#
# ### Hands of clocks
#
# Think of each pair as a clock with a speed of its own. The blue hand is the query's, the dashed one is the key's.
# Move the position and all hands run, the first fast, the last hardly at all. But look at the *angle between* the two
# hands: it stays, on every clock, until you change the distance. And try theta: which clocks care? (In a static copy of
# this notebook you see one position only.)


# %%
def hand(angle, colour, dashes=""):
    """A line from the middle of a clock, upright at angle 0, clockwise."""
    x, y = 40 * math.sin(angle), -40 * math.cos(angle)
    return f'<line x2="{x:.1f}" y2="{y:.1f}" stroke="{colour}" stroke-width="3" stroke-dasharray="{dashes}"/>'


def clocks(position, distance, log_theta):
    """Eight pairs as clocks: the query at ``position``, the key ``distance`` before it."""
    faces, between = [], []
    for i, speed in enumerate(rates(16, 10**log_theta).tolist()):
        hands = hand(position * speed, figures.BLUE) + hand((position - distance) * speed, figures.VERMILLION, "5 3")
        apart = math.degrees(distance * speed)
        between.append(f"{apart % 360:.0f}")
        label = f'<text y="66" text-anchor="middle" font-size="14" fill="{figures.GREY}">{between[-1]}°</text>'
        ring = f'<circle r="44" fill="none" stroke="{figures.GREY}"/>'
        faces.append(f'<g transform="translate({52 + 100 * i} 52)">{ring}{hands}{label}</g>')
    score = sum(math.cos(distance * speed) for speed in rates(16, 10**log_theta).tolist())
    said = f"query at {position}, key at {position - distance}; score of equal vectors {score:.2f}"
    svg = f'<svg viewBox="0 0 804 124" width="100%" role="img" aria-label="Eight clocks">{"".join(faces)}</svg>'
    return f"{svg}<div>{said}</div>", between


# %%
controls = [
    widgets.IntSlider(value=20, min=0, max=500, description="position"),
    widgets.IntSlider(value=3, min=0, max=60, description="distance"),
    widgets.FloatSlider(value=4.0, min=2.0, max=6.0, step=0.1, description="theta, 10^"),
]
shown = widgets.HTML(clocks(20, 3, 4.0)[0])  # @stepover
for control in controls:
    control.observe(lambda _: setattr(shown, "value", clocks(*(one.value for one in controls))[0]), names="value")
display(HTML(clocks(20, 3, 4.0)[0]))  # @stepover
display(widgets.VBox([*controls, shown]))

# %%
controls[0].value = 300  # as if you had moved it  @stepover
assert "query at 300, key at 297" in shown.value
assert clocks(300, 3, 4.0)[1] == clocks(20, 3, 4.0)[1]  # the angles between the hands stay  @stepover
by_theta = [clocks(20, 3, power)[1] for power in (4.0, 6.0)]  # @stepover
assert by_theta[0][0] == by_theta[1][0]  # the first clock does not know theta
print("between the hands, in degrees:", *(" ".join(one) for one in by_theta), sep="\n")
controls[0].value = 20  # @stepover

# %% [markdown]
# Look at the two rows: a hundred times as large a theta changes nothing for the first clock, little for the second, and
# stops the last ones. Keep that for section 10.
#
# ### What RoPE does to a score
#
# The test of section 4, with RoPE: the same word at every position. And the score by distance, once for a query equal
# to its key (all channels 1), once for random pairs.

# %%
q_same, k_same = (rotate_pairs(same_word @ w, place) for w in (w_q, w_k))
rope_scores = q_same @ k_same.T / math.sqrt(WIDTH)
assert unevenness(rope_scores) < 1e-12

reach = torch.arange(0, 256)
equal_pair = torch.cos(reach[:, None] * rates(64)).mean(1)
random_q, random_k = torch.randn(2, 200, 64, generator=draw)
turned_q = torch.stack(  # (256, 200, 64)
    [rotate_pairs(random_q, torch.full((200,), int(d))) for d in reach]  # @stepover
)
random_pairs = (turned_q * random_k).sum(-1)  # (256, 200)

fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.1), width_ratios=[1, 1.6])
left.imshow(rope_scores, cmap="cividis")
left.set(xlabel="key at position", ylabel="query at position", title="RoPE")
left.grid(False)
styles = figures.line_styles(2)
right.plot(reach, equal_pair, label="query equal to key", markevery=32, **styles[0])
right.plot(reach, random_pairs.square().mean(1).sqrt() / 8, label="random pairs, rms", markevery=32, **styles[1])
right.set(xlabel="distance", ylabel="score (at distance 0: 1)")
right.legend()
plt.show()
spread = random_pairs.square().mean(1).sqrt()
assert equal_pair[0] == 1
assert equal_pair[100:].max() < 0.6
assert spread[200:].mean() > 0.9 * spread[:10].mean()  # no decay at all

# %% [markdown]
# The diagonals are constant: RoPE is relative, and not symmetric, so it knows before from after. On the right is a
# claim one often reads, that RoPE makes far tokens count less. For a query that equals its key, yes, with ripples. For
# random pairs the size of the score does not shrink at all. The RoFormer paper shows a *bound* that decays; Barbero
# and others (2024) argue that decay is unlikely to be why RoPE works, and find in Gemma 7B that the fast pairs make
# sharp heads ("the token before"), while slow ones, hardly turning, carry meaning. Section 10 will show a fast pair at
# work.
#
# ## 6. Two layouts, one map
#
# In the paper, and in Meta's code for Llama, channels $2i$ and $2i+1$ are a pair: ***interleaved***. GPT-NeoX and
# Hugging Face's code pair channel $i$ with channel $i + D/2$: ***half-split***. The second is simpler to compute, as
# two halves need no picking of every other channel:


# %%
def rotate(x, positions, theta=10_000.0):
    """Half-split: channel i turns with channel i + D/2."""
    angle = positions[:, None] * rates(x.shape[-1], theta)
    a, b = x.chunk(2, -1)
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


angle = rope.angles(place, WIDTH)  # (T, D/2), float32  @stepinto lilllm.layers.rope
cos, sin = angle.cos(), angle.sin()
for ours, packaged in ((rotate, rope.rotate), (rotate_pairs, rope.rotate_pairs)):
    by_package = packaged(q[None, None], cos, sin)[0, 0]
    assert torch.allclose(ours(q, place), by_package, rtol=0, atol=1e-5)  # angles in float32: seven digits
channels = list(range(8))
layouts = {"interleaved": [(c, c + 1) for c in channels[::2]], "half-split": [(c, c + 4) for c in channels[:4]]}
table(["layout of 8 channels", *(f"pair {i}" for i in range(4))], [[n, *map(str, p)] for n, p in layouts.items()])

# %% [markdown]
# Neither is better: for a model trained from nothing, the order of channels within a head means nothing. It begins to
# mean something when weights cross from one code to the other.

# %%
mixed_up = predict(
    "Weights trained with interleaved pairs run under half-split code. Which check notices: do norms change, or do "
    "scores no longer depend on the distance only?",
    choices=["norms change", "scores are no longer relative", "neither notices"],
)
mixed_up

# %%
wrong_q, wrong_k = (rotate(same_word @ w, place) for w in (w_q, w_k))  # for weights of the other layout
assert torch.allclose(wrong_q.norm(dim=1), q_same.norm(dim=1))
wrong_scores = wrong_q @ wrong_k.T / math.sqrt(WIDTH)
assert unevenness(wrong_scores) < 1e-12
off = (wrong_scores - rope_scores).abs().max() / (rope_scores.max() - rope_scores.min())
print(f"all properties hold, and the scores are off by up to {off:.0%} of their range")
assert off > 0.1
mixed_up.reveal("neither notices")

# %% [markdown]
# ### Broken on purpose: it lost its mind on the way
#
# This is what it looks like in life. A head was trained to look at the token just before, in one code, and was then
# loaded in another. The loss of the training is fine. Where would you look? (You have been warned, of course. Think of
# the day when you have not.)

# %%
layouts_mixed = museum.case("06_layouts_mixed")
layouts_mixed

# %%
broken = layouts_mixed.run()  # @stepover
made = broken.values
with torch.no_grad():  # the maps of one text, where the head was trained and where it was loaded
    where_trained = made["weights"](made["x"], made["w_q"], made["w_k"], rope.rotate_pairs)[0]  # @stepover
    where_loaded = made["weights"](made["x"], made["loaded_q"], made["loaded_k"], rope.rotate)[0]  # @stepover
fig, axes = plt.subplots(1, 3, figsize=(7.6, 2.7), width_ratios=[1.5, 1, 1])
axes[0].plot(made["losses"], color=figures.BLUE, marker="")
axes[0].set(xlabel="step", ylabel="loss where it is trained", yscale="log")
for ax, weights, title in zip(axes[1:], (where_trained, where_loaded), ("trained", "loaded"), strict=True):
    ax.imshow(weights, cmap="cividis", vmin=0, vmax=1)
    ax.set(title=title, xlabel="key at position")
    ax.grid(False)
axes[1].set_ylabel("query at position")
plt.show()
print(broken)
assert not made["healthy"]
assert made["trained"] > made["loaded"] + 0.2

# %% [markdown]
# ### The converter
#
# The cure does not touch the code. Put the *rows* of the projections into the other order, once, when the weights are
# loaded: within each head, first all channels that stood first in their pair, then all that stood second. Then $q$ and
# $k$ come out in the order which half-split code expects. A score is a sum over channels, so if both are in the same
# new order, it is the same number. Values stay as they are.


# %%
def to_half_by_loops(weight, n_heads):
    """Rows of a query or key projection, (H D, C), from interleaved to half-split order."""
    D = len(weight) // n_heads
    rows = []
    for head in range(n_heads):
        rows += [weight[head * D + 2 * i] for i in range(D // 2)]
        rows += [weight[head * D + 2 * i + 1] for i in range(D // 2)]
    return torch.stack(rows)


def to_half(weight, n_heads):
    return weight.unflatten(0, (n_heads, -1, 2)).transpose(1, 2).flatten(0, 2)  # (H, D/2, 2, C) to (H, 2, D/2, C)


def to_pairs(weight, n_heads):
    return weight.unflatten(0, (n_heads, 2, -1)).transpose(1, 2).flatten(0, 2)


H, D, C = 4, 8, 32
weight = torch.randn(H * D, C, generator=draw)
assert torch.equal(to_half(weight, H), to_half_by_loops(weight, H))  # @stepover
assert torch.equal(to_half(weight, H), rope.to_half(weight, H))  # @stepinto lilllm.layers.rope
assert torch.equal(to_pairs(to_half(weight, H), H), weight)
print("rows of one head of 8:", to_half(torch.arange(8.0)[:, None], 1).flatten().int().tolist())


# %%
def head_scores(x, w_q, w_k, turn):
    """(H, T, T) scores of heads whose queries and keys are turned by ``turn``."""
    q, k = ((x @ w.T).unflatten(1, (H, D)).transpose(0, 1) for w in (w_q, w_k))  # (H, T, D)
    return turn(q, place) @ turn(k, place).transpose(1, 2) / math.sqrt(D)


x, query_rows, key_rows = (torch.randn(n, C, generator=draw) for n in (24, H * D, H * D))
interleaved = head_scores(x, query_rows, key_rows, rotate_pairs)
converted = head_scores(x, to_half(query_rows, H), to_half(key_rows, H), rotate)
assert torch.allclose(interleaved, converted, rtol=0, atol=1e-12)
as_one_head = head_scores(x, to_half(query_rows, 1), to_half(key_rows, 1), rotate)  # forgets that there are heads
assert (interleaved - as_one_head).abs().max() > 0.1
layouts_mixed.reveal()

# %% [markdown]
# The same numbers. (And a biased projection, as Qwen 2 has, needs the same done to its bias; a gain on queries and
# keys, as in QK-norm, too.)
#
# ## 7. Fast hands and slow hands
#
# Pair $i$ of a head with $D$ channels comes round after $2\pi\, \theta^{2i/D}$ tokens. That is its ***wavelength***.
# With $D = 128$ and theta 10,000 they reach from 6 tokens to tens of thousands. Theta decides how slow the slow ones
# are, and nothing else: Llama 2 has 10,000, Llama 3, with a longer context, 500,000.

# %%
D = 128
settings = {"theta 10,000 (Llama 2)": (1e4, 4096), "theta 500,000 (Llama 3)": (5e5, 8192)}
fig, ax = plt.subplots(figsize=(7, 3.6))
for (name, (theta, context)), style in zip(settings.items(), figures.line_styles(2), strict=True):
    ax.plot(2 * math.pi / rates(D, theta), label=name, markevery=8, **style)
    ax.axhline(context, color=style["color"], linewidth=0.8, linestyle=":")
    ax.text(0, context * 1.15, f"its context: {context:,}", color=figures.GREY, fontsize=8)
ax.set(yscale="log", xlabel="pair", ylabel="wavelength (tokens)")
ax.legend()
plt.show()
ratio = rates(D, 1e4) / rates(D, 5e5)
assert ratio[0] == 1  # the fastest hand does not know theta
assert math.isclose(ratio[-1], 50 ** (126 / 128))  # the slowest is 48 times as slow
assert ratio[16] < 2.7

# %% [markdown]
# Where a line is above its dotted one, the pair does not come round within the context. Such a pair has never shown the
# model all its angles. What have the pairs of Llama 2 seen within 4,096 tokens, and what would they show at four times
# that length?

# %%
chosen = (0, 44, 50, 56, 63)
fig, axes = plt.subplots(1, len(chosen), figsize=(7.6, 2.1), subplot_kw={"projection": "polar"})
for ax, i in zip(axes, chosen, strict=True):
    speed = float(rates(D)[i])
    for radius, length, colour, width in ((0.75, 4 * 4096, figures.VERMILLION, 3), (1.0, 4096, figures.BLUE, 5)):
        arc = torch.linspace(0, min(length * speed, 2 * math.pi), 100)
        ax.plot(arc, torch.full_like(arc, radius), color=colour, linewidth=width, marker="", linestyle="-")
    ax.set(
        title=f"pair {i}\n{4096 * speed / (2 * math.pi):.{0 if i == 0 else 2}f} turns",
        ylim=(0, 1.15),
        xticks=[],
        yticks=[],
    )
    ax.set_theta_zero_location("N")
    ax.set_theta_direction(-1)
    ax.spines["polar"].set_visible(False)
plt.show()

turns = 4096 * rates(D) / (2 * math.pi)
assert turns[0] > 600
assert turns[44] > 1 > turns[50] > 0.25
assert turns[63] < 0.1
print(f"within 4,096 tokens the fastest pair turns {turns[0]:.0f} times, the slowest {turns[63]:.3f} times")

# %% [markdown]
# Outer arcs, blue: angles seen within 4,096 tokens. Inner arcs: within 16,384. The fastest pairs have seen every
# angle hundreds of times; far away there is nothing new for them. The slow ones have seen a small part of the circle,
# and a longer text shows them angles that no training example ever had. Here lies the reason for what we shall see in
# the race. (And the slowest of all hardly turn: their channels work as if there were no positions, which is useful too.
# Some models leave part of a head unturned on purpose: GPT-NeoX-20B turns a quarter of the channels.)
#
# ### Angles in bfloat16
#
# One practical matter, which has bitten many. An angle is a position times a speed. Someone turns a whole model into
# bfloat16, the table of speeds with it, or the positions are made in the dtype of the activations. Lecture 02 showed
# what bfloat16 makes of 257.

# %%
different_positions = predict(
    "The positions 0 to 4,095 are cast to bfloat16. How many different numbers are left?",
    choices=["4,096", "2,048", "769", "256"],
)
different_positions

# %%
long = torch.arange(4096)
left_over = long.to(torch.bfloat16).unique().numel()
print("position 1001 becomes", int(torch.tensor(1001).to(torch.bfloat16)))
assert left_over == 256 + 4 * 128 + 1  # all up to 256, then 128 in each doubling, and 4096 itself
different_positions.reveal(f"{left_over}")


# %%
def angles_in(dtype, positions, cast_at):
    """Angles of a head of 128, where positions, speeds and angles are held in ``dtype``, or cosines and sines only."""
    p, w = positions.double(), rates(128)
    if cast_at == "angles":
        p, w = p.to(dtype).double(), w.to(dtype).double()
        angle = (p[:, None] * w).to(dtype).double()  # two numbers of 8 bits: exact, then rounded
        return angle.cos(), angle.sin()
    angle = p[:, None] * w
    return angle.cos().to(dtype).double(), angle.sin().to(dtype).double()


def score_at_distance(cos, sin, distance):
    """The score of equal vectors ``distance`` apart, by the position of the query; 1 at distance 0."""
    return (cos[distance:] * cos[:-distance] + sin[distance:] * sin[:-distance]).mean(1)


exact = score_at_distance(*angles_in(torch.float64, long, "angles"), 8)
held = {
    "angles in bfloat16": score_at_distance(*angles_in(torch.bfloat16, long, "angles"), 8),
    "only cos and sin in bfloat16": score_at_distance(*angles_in(torch.bfloat16, long, "cosines"), 8),
}

# %%
fig, ax = plt.subplots(figsize=(7, 3.2))
for (name, scores), colour in zip(held.items(), (figures.VERMILLION, figures.BLUE), strict=True):
    ax.plot(long[8::8], scores[::8], ".", markersize=3, color=colour, label=name)
ax.plot(long[8:], exact, color=figures.GREY, marker="", linestyle="-", linewidth=1, label="exact")
ax.set(xlabel="position of the query", ylabel="score at distance 8", ylim=(0, 1.25))
ax.legend(ncols=3, loc="upper center")
plt.show()
worst = {name: float((scores - exact).abs().max()) for name, scores in held.items()}
print({name: f"{error:.1g}" for name, error in worst.items()}, f"; exact: {exact[0]:.2f} at every position")
assert exact.max() - exact.min() < 1e-10
assert worst["angles in bfloat16"] > 0.2
assert worst["only cos and sin in bfloat16"] < 0.01

# %% [markdown]
# The score of two tokens eight apart, which should be one number, depends on where they stand: a relative scheme that
# is not relative any more. Up to 256 little is to be seen, so a test on short texts passes. Transformers had this bug;
# it came to light when Gemma's loss in bfloat16 was lower in another library (pull request 29285, February 2024). The
# cure: positions, speeds and angles in float32, always; what may be rounded is the cosine and the sine. Is float32
# enough?

# %%
rows = []
for length in (4096, 131_072, 1_048_576):
    at = torch.arange(length - 512, length)
    in_float32 = (at.float()[:, None] * rates(128).float()).double()
    error = (in_float32 - at[:, None] * rates(128)).abs().max()
    rows.append([f"{length:,}", f"{error:.0e}"])
    assert error < 0.1
table(["position", "largest error of an angle in float32 (radians)"], rows)

# %% [markdown]
# For a million tokens just about: the angle is a large number, and float32 has 24 bits for all of it.
#
# ## 8. ALiBi: a penalty on distance
#
# Press, Smith and Lewis (2022) turned the question round. If far tokens usually matter less, say so, and nothing else.
# ***ALiBi***, attention with linear biases, adds no positions anywhere. It subtracts from each score the distance times
# a slope:
#
# $$\text{score}_{mn} = q_m \cdot k_n / \sqrt{D} \;-\; s_h\,(m - n)$$
#
# Each head $h$ has its own slope, fixed, not learned: with eight heads $1/2, 1/4, \dots, 1/256$.


# %%
def slopes(n_heads):
    """2^(-8/n), 2^(-16/n), ...: for a power of two."""
    return [2 ** (-8 * (h + 1) / n_heads) for h in range(n_heads)]


def alibi_by_loops(n_heads, T):
    return torch.tensor([[[-s * abs(m - n) for n in range(T)] for m in range(T)] for s in slopes(n_heads)])


def alibi_bias(n_heads, T):
    place = torch.arange(T)
    return -torch.tensor(slopes(n_heads))[:, None, None] * (place[:, None] - place).abs()  # (H, T, T)


assert torch.equal(alibi_bias(8, 12), alibi_by_loops(8, 12))  # @stepover
packaged = alibi.bias(12, None, alibi.slopes(8))  # @stepinto lilllm.layers.alibi
assert torch.allclose(packaged.double(), alibi_bias(8, 12))
print("slopes of eight heads:", slopes(8))
assert all(unevenness(one) < 1e-12 for one in alibi_bias(8, 24))

# %% [markdown]
# (The future is masked anyway. For numbers of heads that are no power of two, the paper's code takes the slopes of the
# power below and fills up with every other one of the power above; `lilllm.layers.alibi` does so.)
#
# A penalty on the score is a *factor* on the weight: $e^{-s d}$ at distance $d$. So each head has a ***window***. Say
# that it ends where the factor has fallen to one hundredth:

# %%
window = {s: math.log(100) / s for s in slopes(8)}
maps = attention_reference(  # a hundred equal queries and keys: what is left is the bias
    torch.zeros(1, 8, 100, 4), torch.zeros(1, 8, 100, 4), torch.zeros(1, 8, 100, 4), causal=True,
    bias=alibi_bias(8, 100),
)[1][0]  # fmt: skip
fig, axes = plt.subplots(1, 4, figsize=(7.6, 2.4), sharey=True)
for ax, h in zip(axes, (0, 2, 4, 6), strict=True):
    ax.imshow((maps[h] / maps[h].max(-1, keepdim=True).values).tril(), cmap="cividis", vmin=0, vmax=1)
    ax.set(title=f"slope 1/{round(1 / slopes(8)[h])}", xlabel="key at position")
    ax.grid(False)
axes[0].set_ylabel("query at position")
plt.show()
print("windows:", [f"{width:.0f}" for width in window.values()])
for h, width in enumerate(window.values()):
    if width < 99:
        assert torch.isclose(maps[h, 99, 99 - round(width)] / maps[h, 99, 99], torch.tensor(0.01), rtol=0.4)

# %% [markdown]
# From nine tokens to more than a thousand. Within its window a head looks at content; beyond it, at hardly anything.
# This is why ALiBi was made: a text longer than those of training brings new tokens, but they lie outside of most
# windows, and inside everything is as it was. In the paper a model of 1.3 billion parameters, trained on 1,024
# tokens, did as well on 2,048 as a sinusoidal one that was trained on 2,048, and trained 11 % faster with 11 % less
# memory.
#
# What can it not do? The factor falls from distance 0 on, in every head. It has no peak anywhere else. "The token three
# back" cannot be said with it, except by way of content:

# %%
for bias in alibi_bias(8, 30):
    last = bias[-1]  # what the last query adds to each key
    assert (last[1:] > last[:-1]).all()  # the nearer the more, without exception

# %% [markdown]
# ## 9. The race: five schemes on one task
#
# The task must be one in which positions matter and words do not help: **say the token that came three before**. The
# tokens are drawn at random from 16, so nothing can be guessed; a blind guess is right once in 16. All models are the
# same: two layers, four heads of 8 channels, trained for 200 steps on sequences of 24 tokens. Three seeds each. Then
# they are asked on sequences of 96.


# %%
TRAINED, TESTED, WIDTH, HEADS, LAYERS = 24, 96, 32, 4, 2
SCHEMES = ("none", "learned", "sinusoidal", "RoPE", "ALiBi")


class Little(nn.Module):
    """A small decoder, without positions or with one of the four schemes."""

    def __init__(self, scheme, vocab_size, seed):
        super().__init__()
        self.scheme, self.rates = scheme, rates(WIDTH // HEADS)  # the speeds of RoPE, for section 10 to change
        self.embed = nn.Embedding(vocab_size, WIDTH)
        self.table = nn.Parameter(torch.zeros(TRAINED if scheme == "learned" else 0, WIDTH))
        self.attention = nn.ModuleList(MultiHeadAttention(WIDTH, HEADS, causal=True) for _ in range(LAYERS))
        self.feed = nn.ModuleList(FeedForward(WIDTH, 2 * WIDTH, activation="relu", bias=False) for _ in range(LAYERS))
        self.head = nn.Linear(WIDTH, vocab_size, bias=False)
        draw = torch.Generator().manual_seed(seed)
        for name, p in self.named_parameters():  # rows of tables of size 1, matrices that keep the size
            fan_in = 1 if name.startswith(("embed", "table")) else p.shape[1]
            nn.init.normal_(p, std=1 / math.sqrt(fan_in), generator=draw)


# %% [markdown]
# They enter in three places: two are added to the embeddings, RoPE turns queries and keys in every layer, and ALiBi
# goes into the scores.


# %%
def forward(self, tokens):  # (B, T)
    place, rotations, bias = torch.arange(tokens.shape[1]), None, None
    x = self.embed(tokens)  # (B, T, C)
    if self.scheme == "learned":
        x = x + self.table[place]
    elif self.scheme == "sinusoidal":
        x = x + math.sqrt(2) * sinusoidal(len(place), WIDTH)  # of mean square 1, as the embeddings are
    elif self.scheme == "RoPE":
        angle = place[:, None] * self.rates  # (T, D/2)
        rotations = angle.cos(), angle.sin()
    elif self.scheme == "ALiBi":
        bias = alibi_bias(HEADS, len(place))  # (H, T, T)
    for attend, feed in zip(self.attention, self.feed, strict=True):
        x = x + attend(F.layer_norm(x, (WIDTH,)), rope=rotations, bias=bias)
        x = x + feed(F.layer_norm(x, (WIDTH,)))
    return self.head(F.layer_norm(x, (WIDTH,)))  # (B, T, V)


Little.forward = forward
sizes = {scheme: sum(p.numel() for p in Little(scheme, 16, 0).parameters()) for scheme in SCHEMES}
print(sizes)
assert sizes["learned"] - sizes["none"] == TRAINED * WIDTH
assert len({sizes[scheme] for scheme in SCHEMES if scheme != "learned"}) == 1


# %%
def three_back(batch, length, draw):
    """Random tokens, and as targets those three before; -100 where there is none."""
    tokens = torch.randint(16, (batch, length), generator=draw)
    return tokens, torch.cat([torch.full((batch, 3), -100), tokens[:, :-3]], 1)


def train(model, task, seed, steps=200, batch=8, length=TRAINED, peak=0.01):
    draw = torch.Generator().manual_seed(1000 + seed)
    optimizer = optim.AdamW(model.parameters(), peak, betas=(0.9, 0.95), weight_decay=0.0)
    for step in range(steps):
        tokens, targets = task(batch, length, draw)
        loss = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = peak * min(1, (step + 1) / 20, 2 * (1 - step / steps))  # up, even, down
        optimizer.step()
    return model


@torch.no_grad()
def right(model, length=TESTED):
    """The share of right answers at each position."""
    tokens, targets = three_back(64, length, torch.Generator().manual_seed(7))
    return (model(tokens).argmax(-1) == targets).double().mean(0)


# %%
past_the_end = predict(
    "Trained on 24 tokens, asked at positions 72 to 95. Which scheme is there nearly as good as it was inside?",
    choices=["none", "sinusoidal", "RoPE", "ALiBi", "none of them all"],
)
past_the_end

# %%
SEEDS = (0, 1, 2)
models = {s: [train(Little(s, 16, seed), three_back, seed) for seed in SEEDS] for s in SCHEMES[:3]}  # @stepover

# %%
models |= {s: [train(Little(s, 16, seed), three_back, seed) for seed in SEEDS] for s in SCHEMES[3:]}  # @stepover
try:
    right(models["learned"][0])
except IndexError as error:
    print("learned, on 96 tokens: IndexError:", error)
answers = {
    s: torch.stack([right(model, TRAINED if s == "learned" else TESTED) for model in models[s]])  # (seeds, T)
    for s in SCHEMES  # @stepover
}

# %%
fig, (left, last) = plt.subplots(1, 2, figsize=(7.8, 3.8), width_ratios=[2.2, 1])
blocks = {s: one[:, 4:].unflatten(1, (-1, 4)).mean(2) for s, one in answers.items()}  # means over four positions
for place_of, (s, style) in enumerate(zip(SCHEMES, figures.line_styles(5), strict=True)):
    at = 4 + 4 * torch.arange(blocks[s].shape[1]) + 1.5
    left.fill_between(at, blocks[s].amin(0), blocks[s].amax(0), color=style["color"], alpha=0.15)
    left.plot(at, blocks[s].median(0).values, label=s, markevery=2, **style)
    for values, marker in ((answers[s][:, 8:TRAINED], "o"), (answers[s][:, 3 * TRAINED :], "s")):
        if values.shape[1]:
            full = style["color"] if marker == "o" else "none"
            last.plot(values.mean(1), [place_of] * 3, marker, color=style["color"], markerfacecolor=full)
left.axvline(TRAINED - 0.5, color=figures.GREY, linewidth=1)
left.text(TRAINED + 0.5, 1.03, "past the training length", color=figures.GREY, fontsize=8)
left.axhline(1 / 16, color=figures.GREY, linewidth=1, linestyle=":")
left.text(4, 0.01, "chance", color=figures.GREY, fontsize=8)
left.set(xlabel="position", ylabel="right answers", ylim=(0, 1.1))
left.legend(fontsize=8, loc="center right")
last.set_yticks(range(5), SCHEMES)
last.invert_yaxis()
last.set(xlabel="right answers", xlim=(0, 1.05), title="full: inside, open: at 72 to 95")
last.title.set_fontsize(8)
plt.show()

inside, outside = (
    {s: round(median(one[:, part].mean(1).tolist()), 2) for s, one in answers.items() if one.shape[1] > part.start}
    for part in (slice(8, TRAINED), slice(3 * TRAINED, TESTED))
)
print("inside:", inside)
print("at positions 72 to 95:", outside)
past_the_end.reveal("ALiBi")

# %% [markdown]
# Read it slowly; there is something here for every school.
#
# - **None** is well above chance inside: the bag of the last tokens and the leak of section 1 are worth something. It
#   gets worse with length. (That two layers without positions *could* do it, the papers prove. In 200 steps ours do
#   not find it.)
# - **Learned** is perfect, and then there is no row.
# - **Sinusoidal** is nearly so inside. One step past the end it falls, and far out it is little better than chance.
#   The hope of 2017 fails: each row past the end is computed without trouble, and no weight has ever met it.
# - **RoPE** is perfect inside, and goes on for another dozen tokens or more. Then it falls as deep, *although its
#   scores depend on the distance only, and the distance in question is always three*. To be relative is not enough.
# - **ALiBi** is nearly as good at four times the length as inside. But it is not good: about one in four. It cannot
#   point at the third token back, as section 8 said. It is a window, not a ruler.

# %%
assert min(inside[s] for s in ("learned", "sinusoidal", "RoPE")) > 0.9
assert 0.15 < inside["none"] < 0.35
assert 0.15 < inside["ALiBi"] < 0.35
assert max(outside["sinusoidal"], outside["RoPE"]) < 0.3
assert abs(outside["ALiBi"] - inside["ALiBi"]) < 0.08
assert answers["RoPE"][:, TRAINED : TRAINED + 6].mean() > 0.9


# %%
@dataclass(frozen=True)
class Map:
    """Attention weights (H, T, S), which the replay shows as a map that one can read."""

    weights: Tensor

    def _trace_repr_(self):
        return "attention", {"weights": self.weights, "tokens": list(range(self.weights.shape[-1]))}


@torch.no_grad()
def maps_of(model, tokens, layer):
    """The attention weights of a layer for one sequence (T,)."""
    caught = {}
    module = model.attention[layer]
    hook = module.register_forward_pre_hook(
        lambda _, args, options: caught.update(options, x=args[0]), with_kwargs=True
    )
    model(tokens[None])
    hook.remove()
    heads = module.qkv(caught["x"]).unflatten(-1, (-1, WIDTH // HEADS)).transpose(1, 2)  # (1, 3 H, T, D)
    q, k, v = heads.chunk(3, 1)
    if caught["rope"] is not None:
        q, k = (rope.rotate(one, *caught["rope"]) for one in (q, k))
    return Map(attention_reference(q, k, v, causal=True, bias=caught["bias"])[1][0])


def on_three_back(weights):
    """The mean weight on the token three before, by head, within the training length."""
    return weights[:, :TRAINED, :TRAINED].diagonal(-3, 1, 2).mean(1)


# %% [markdown]
# How do they do it? In each model we look for the head that looks most at the third token back, and at its map.

# %%
tokens = three_back(1, 60, torch.Generator().manual_seed(8))[0][0]
fig, axes = plt.subplots(1, 5, figsize=(8.4, 2.3), sharey=True)
found = {}
for ax, s in zip(axes, SCHEMES, strict=True):
    length = TRAINED if s == "learned" else 60
    layers = [maps_of(models[s][0], tokens[:length], layer) for layer in range(LAYERS)]  # @stepover
    best = max((one.weights[h] for one in layers for h in range(HEADS)), key=lambda m: on_three_back(m[None]))
    found[s] = best
    ax.imshow(best, cmap="cividis", vmin=0, vmax=1, extent=(-0.5, length - 0.5, length - 0.5, -0.5))
    ax.plot([-0.5, 23.5, 23.5], [23.5, 23.5, -0.5], color=figures.GREY, linewidth=1, marker="", linestyle="-")
    ax.set(title=s, xlabel="key", xlim=(-0.5, 59.5), ylim=(59.5, -0.5))
    ax.grid(False)
axes[0].set_ylabel("query")
plt.show()

looked = {s: round(float(on_three_back(one[None])), 2) for s, one in found.items()}
print("weight on the third token back, inside:", looked)
trained_map = maps_of(models["RoPE"][0], tokens[:12], 0)  # @inspect trained_map @stepover
assert min(looked[s] for s in ("learned", "sinusoidal", "RoPE")) > 0.4 > 0.3 > looked["ALiBi"]

# %% [markdown]
# A stripe three below the diagonal: a ruler. Past the grey box (what training has seen) sinusoidal loses it at once.
# RoPE keeps it for a while, and then other stripes appear, far from the diagonal: tokens at distances that no training
# example had.
#
# ### The same race on text
#
# "Three back" is a hard test of one thing. In text, near tokens count most, and few things depend on an exact distance.
# So once more, with the characters of LilTown's stories (lecture 04), the loss in bits a character.

# %%
town_text = "\n".join(LilTown(seed=0).documents(0, 1200))  # @stepover
letters = sorted(set(town_text))
number = {letter: i for i, letter in enumerate(letters)}
ids = torch.tensor([number[letter] for letter in town_text])
train_ids, held_ids = ids[:-40_000], ids[-40_000:]
print(f"{len(ids):,} characters, {len(letters)} different ones")


def text(batch, length, draw, source=train_ids):
    """Pieces of the stories, and the next character of each."""
    begin = torch.randint(len(source) - length, (batch, 1), generator=draw)
    piece = source[begin + torch.arange(length + 1)]
    return piece[:, :-1], piece[:, 1:]


@torch.no_grad()
def bits(model, length=TESTED):
    """Bits a character on held-out text, at each position."""
    tokens, targets = text(64, length, torch.Generator().manual_seed(7), held_ids)
    losses = F.cross_entropy(model(tokens).flatten(0, 1), targets.flatten(), reduction="none")  # @stepover
    return losses.view(tokens.shape).mean(0) / math.log(2)


# %%
on_text = {
    s: [train(Little(s, len(letters), seed), text, seed, steps=150) for seed in (0, 1)]
    for s in SCHEMES  # @stepover
}
lost = {s: torch.stack([bits(m, TRAINED if s == "learned" else TESTED) for m in on_text[s]]) for s in SCHEMES}
fig, ax = plt.subplots(figsize=(7.4, 3.8))
for s, style in zip(SCHEMES, figures.line_styles(5), strict=True):
    blocks = lost[s].unflatten(1, (-1, 8)).mean(2)  # means over eight positions
    at = 8 * torch.arange(blocks.shape[1]) + 3.5
    ax.fill_between(at, blocks.amin(0), blocks.amax(0), color=style["color"], alpha=0.15)
    ax.plot(at, blocks.mean(0), label=s, **style)
ax.axvline(TRAINED - 0.5, color=figures.GREY, linewidth=1)
ax.set(xlabel="position", ylabel="loss on held-out text (bits a character)")
ax.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
plt.show()

parts = {"inside": slice(8, TRAINED), "72 to 95": slice(3 * TRAINED, TESTED)}
by_part = {
    name: {s: round(float(one[:, part].mean()), 1) for s, one in lost.items() if one.shape[1] > part.start}
    for name, part in parts.items()
}
print(by_part)

# %% [markdown]
# Another task, another order. RoPE is best inside, and far out as bad as any. ALiBi is nearly as good inside, and keeps
# what it has: text is what it was made for. And the learned table, perfect on the first task, is *worse here than no
# positions at all* in this short training: it has to find out for each row by itself what the others get for nothing.
# With enough text that passes: Vaswani and others found learned rows as good as waves.
#
# So which is best? For the length that it was trained on, RoPE, on both tasks, and nearly all language models of today
# have chosen it. Past that length, as it stands, it is not to be used.

# %%
near, far = by_part["inside"], by_part["72 to 95"]
assert near["RoPE"] == min(near.values())
assert near["learned"] > near["ALiBi"]
assert near["learned"] > near["none"]
assert far["ALiBi"] == min(far.values())
assert far["ALiBi"] < near["ALiBi"] + 0.3
assert far["RoPE"] > near["RoPE"] + 1

# %% [markdown]
# ## 10. Why RoPE breaks, and a first repair
#
# RoPE's scores depend on the distance only. The distance asked for is three, at position 10 and at position 90. Why
# does it fail at 90? Because attention is a contest. At position 90 there are ninety keys, most of them at distances
# that no training example had, up to 23. Nobody has taught the model to give *those* a low score. Section 7 tells where
# to look: fast pairs have shown all their angles within 24 tokens, slow ones hardly move at all.

# %%
pair_rates = rates(WIDTH // HEADS)
shares = [[i, f"{2 * math.pi / w:,.0f}", f"{TRAINED * w / (2 * math.pi):.3f}"] for i, w in enumerate(pair_rates)]
table(["pair", "wavelength (tokens)", "turns within 24 tokens"], shares)

# %%
to_blame = predict(
    "We take the trained models and slow down a single pair by four, so that it shows within 96 tokens the angles it "
    "showed within 24. No training. Slowing which pair repairs them?",
    choices=["pair 0, the fastest", "pair 1", "pair 2", "pair 3, the slowest"],
)
to_blame


# %%
def with_rates(trained, new):
    """Copies of trained models, with other speeds."""
    copies = copy.deepcopy(trained)
    for model in copies:
        model.rates = new
    return copies


def quarters(per_position):
    """The median of the models in each quarter of 96 positions; the first three positions have no answer."""
    return [median(float(one[max(3, a) : a + 24].mean()) for one in per_position) for a in range(0, TESTED, 24)]


rows = [["none", *(f"{one:.2f}" for one in quarters([right(m) for m in models["RoPE"]]))]]  # @stepover
repaired = {}
for i in range(4):
    slowed = torch.where(torch.arange(4) == i, pair_rates / 4, pair_rates)
    repaired[i] = quarters([right(m) for m in with_rates(models["RoPE"], slowed)])  # @stepover
    rows.append([f"pair {i}", *(f"{one:.2f}" for one in repaired[i])])
assert min(repaired[1]) > 0.9
assert max(repaired[0]) < 0.3
assert max(repaired[2][-1], repaired[3][-1]) < 0.3
table(["slowed by 4", "0 to 23", "24 to 47", "48 to 71", "72 to 95"], rows)

# %%
to_blame.reveal("pair 1")

# %% [markdown]
# One number per model changed, nothing trained, and they are right at four times the length. The slowest pairs are not
# to blame: within 96 tokens they still have hardly moved. It is the second one, which turned by more than a third of
# the circle within 24 tokens, and shows the rest of it later. (Ruoss and others 2023 trace the failure of many schemes,
# relative ones too, to positions or distances that training has not shown.) And pair 0 must not be touched: it is the
# ruler that tells three from two.
#
# Here are two ways to stretch all pairs at once, which one reads about everywhere. ***Position interpolation*** (Chen
# and others 2023) divides the positions, so that a text of $L'$ tokens runs through the angles of the $L$ it was
# trained on:
#
# $$f'(x, m) = f\big(x,\; m\,L/L'\big)$$
#
# All pairs are slowed alike, by $L'/L$. The other way is to raise theta. That is *not* the same: the speed of pair $i$
# is $\theta^{-2i/D}$, so the fastest does not change at all, and the slowest changes most.

# %%
stretch = TESTED / TRAINED
raised = 10_000 * stretch ** (8 / 6)  # so that the slowest of the four pairs is slowed by exactly 4
speeds = {"as trained": pair_rates, "interpolated": pair_rates / stretch, "theta raised": rates(8, raised)}
assert torch.allclose(speeds["interpolated"], TRAINED / TESTED * rates(8))
angle_of_interpolated = torch.arange(TESTED)[:, None] * (TRAINED / TESTED) * pair_rates
assert torch.allclose(angle_of_interpolated, torch.arange(TESTED)[:, None] * speeds["interpolated"])
assert speeds["theta raised"][0] == pair_rates[0]
assert torch.isclose(speeds["theta raised"][-1], speeds["interpolated"][-1])
rows = [[name, *(f"{one:.2f}" for one in pair_rates / new)] for name, new in speeds.items()]
table(["pairs slowed by", *map(str, range(4))], rows)

# %% [markdown]
# Both without training, and then with 50 steps of it on texts of the full length, on both tasks:

# %%
stretched = {}
for task, source, measure in ((three_back, models, right), (text, on_text, bits)):
    for name, new in speeds.items():
        for steps in (0, 50):
            tuned = with_rates(source["RoPE"][:2], new)
            for seed, model in enumerate(tuned if steps else ()):
                train(model, task, 500 + seed, steps, batch=2, length=TESTED, peak=0.005)  # @stepover
            stretched[task, name, steps] = quarters([measure(model) for model in tuned])  # @stepover

# %%
fig, axes = plt.subplots(2, 2, figsize=(7.4, 4.6), sharex=True, sharey="row")
ticks = ["0 to 23", "24 to 47", "48 to 71", "72 to 95"]
for row, (task, label) in zip(axes, ((three_back, "right answers"), (text, "bits a character")), strict=True):
    for ax, steps in zip(row, (0, 50), strict=True):
        for name, style in zip(speeds, figures.line_styles(3), strict=True):
            ax.plot(range(4), stretched[task, name, steps], label=name, **style)
        ax.set_xticks(range(4), ticks, fontsize=8)
    row[0].set_ylabel(label)
axes[0][0].set_title("not trained again")
axes[0][1].set_title("50 steps at full length")
for ax in axes[1]:
    ax.set_xlabel("positions")
axes[0][1].legend(fontsize=8, loc="center right", bbox_to_anchor=(1, 0.35))
plt.show()
print("text, positions 72 to 95:", {f"{name}, {steps} steps": round(stretched[text, name, steps][-1], 1)
                                    for name in speeds for steps in (0, 50)})  # fmt: skip

# %%
assert max(stretched[three_back, "interpolated", 50]) < 0.3
assert min(stretched[three_back, "as trained", 50]) > 0.9
assert stretched[three_back, "theta raised", 0][1] > stretched[three_back, "as trained", 0][1]
interpolated = stretched[text, "interpolated", 0]
assert max(interpolated) - min(interpolated) < 0.5  # as bad everywhere, and never worse
assert interpolated[-1] < stretched[text, "as trained", 0][-1] - 0.2
for name in speeds:
    assert stretched[text, name, 50][-1] < stretched[text, name, 0][-1] - 0.4

# %% [markdown]
# - **Interpolation** without training costs a lot at once, and equally everywhere: no position is worse than another.
#   50 steps repair most of that on text. On *three back* they change nothing: pair 0, the ruler, was slowed too, and
#   one step is now a quarter of what it was. (A head of Llama has 64 pairs, and text seldom asks for an exact distance.
#   Chen and others needed at most 1,000 steps to take LLaMA models to 32,768 tokens.)
# - **A raised theta** leaves the ruler alone and helps at once, up to twice the length. Further out its middle pairs
#   are too fast: pair 1 is slowed by 1.6, and needed 4.
# - **Training alone**, at the full length and with the speeds as they were, is hard to beat on *three back*. On text it
#   ends behind both others.
#
# So a good stretch treats each pair by its wavelength: the fast ones not at all, the slow ones in full, and a blend
# between them. That is what NTK-by-parts, YaRN and Llama 3.1 do, and lecture 16 builds all of them.
# `lilllm.layers.rope.Llama3Scaling` is the last one's; here is what it does to the pairs of Llama 3:

# %%
scaling = rope.Llama3Scaling(factor=8.0, low=1.0, high=4.0, original_len=8192)  # as in Llama 3.1's config
before, after = rates(128, 5e5), scaling(rates(128, 5e5))  # @stepinto lilllm.layers.rope
slower = before / after
fig, ax = plt.subplots(figsize=(7, 2.8))
ax.plot(slower, color=figures.BLUE, markevery=8)
ax.set(xlabel="pair", ylabel="slowed by", ylim=(0, 9))
plt.show()
wavelength = 2 * math.pi / before
assert torch.allclose(slower[wavelength < 8192 / 4], torch.ones(1))
assert torch.allclose(slower[wavelength > 8192], torch.full((1,), 8.0))
print(f"{int((slower < 1.01).sum())} pairs as they were, {int((slower > 7.99).sum())} slowed by 8, the rest between")

# %% [markdown]
# ## 11. Which position is it?
#
# Two small things about positions go wrong in code more often than any formula. Both come from forgetting that a
# token's position is not its place in the tensor.
#
# **Padding.** Texts of several lengths go into one batch, and the short ones are filled up, often on the left. Then the
# first real token stands at place 5 of its row. Under a relative scheme that changes nothing. Under an absolute one it
# does, unless positions are counted from the first real token.

# %%
far = {s: rotate(vector["dog"].repeat(8, 1), torch.arange(8) + s) for s in (0, 5)}
scores = {s: one @ one.T for s, one in far.items()}
assert torch.allclose(scores[0], scores[5])  # RoPE: all moved by five, all the same
moved = torch.randn(16, 16, generator=draw)
assert not torch.allclose(scores_of(moved[:8]), scores_of(moved[5:13]))  # learned rows: other rows, other scores

# %% [markdown]
# **The cache.** When a model writes, it keeps the keys and values of what is there already, and computes one new token
# at a time (lecture 09). The second exhibit of this lecture does that, and compares with attention over the whole text
# in one go.

# %%
cache_positions = museum.case("06_cache_positions")
cache_positions

# %%
runs = {"broken": cache_positions.run(), "fixed": cache_positions.run(fixed=True)}  # @stepover
fig, ax = plt.subplots(figsize=(6.4, 2.8))
for (name, run), style in zip(runs.items(), figures.line_styles(2), strict=True):
    ax.plot(run.values["differences"], label=name, **style)
ax.set(xlabel="token", ylabel="off from the whole text (largest)")
ax.legend()
plt.show()
assert [run.values["healthy"] for run in runs.values()] == [False, True]

# %%
cache_positions.reveal()

# %% [markdown]
# ## 12. The five, side by side
#
# | | where it enters | parameters | speaks of | past the training length |
# |---|---|---|---|---|
# | none | nowhere | none | the bag, and what leaks | fades |
# | learned | added to the embeddings | context x C | places | an error |
# | sinusoidal | added to the embeddings | none | places, distance by a linear map | falls at once |
# | RoPE | turns q and k, in each layer | none | distance, exactly | holds a while, then falls as deep |
# | ALiBi | added to the scores, in each layer | none | distance, the nearer the more | holds |
#
# The transformer of 2017 had waves. GPT-2 has a learned table, BLOOM has ALiBi, and Llama and most that came after it
# have RoPE. The last column is about models as they were trained; with more training at the new length, as section 10
# showed, much can be had.
#
# ## 13. Napkin answer
#
# **Napkin answer.** Pair $i$ comes round after $2\pi\,\theta^{2i/128}$ tokens. It comes round within the context if
# that is at most the context; solve for $i$:
#
# $$i \le 64\, \frac{\ln (L / 2\pi)}{\ln \theta}$$

# %%
for name, theta, context in (("Llama 2", 1e4, 4096), ("Llama 3", 5e5, 8192)):
    wavelengths = 2 * math.pi / rates(128, theta)
    round_once = int((wavelengths <= context).sum())
    assert round_once == math.floor(64 * math.log(context / (2 * math.pi)) / math.log(theta)) + 1  # pair 0 counts too
    print(f"{name}: {round_once} of 64 pairs come round; the slowest after {wavelengths[-1]:,.0f} tokens")
assert int((2 * math.pi / rates(128, 1e4) <= 4096).sum()) == 46
assert int((2 * math.pi / rates(128, 5e5) <= 8192).sum()) == 35

# %% [markdown]
# 46 of 64, about 54 thousand tokens, and 35 of 64. So in Llama 2 the last 18 pairs have seen only a part of their
# circle, and in Llama 3, with twice the context, 29: its slowest pair would come round after two and a half million
# tokens. A larger theta does not make a model understand longer texts. It makes more of its pairs so slow
# that a text a little longer shows them hardly anything new.
#
# ## 14. Exercises
#
# Write the function in each cell, then run it. `check` tries it on small cases and names the likely mistake. For a
# hint, add `hint=1`, then `hint=2`; for a solution, `solution=True`.
#
# **1. Waves.** The table of section 3: sines in the even channels, cosines in the odd ones.


# %% tags=["exercise"] exercise="positions.sinusoidal"
def sinusoidal(T, C):
    """(T, C), float64: channel 2i is sin(t / 10000^(2i/C)), channel 2i + 1 its cosine."""
    ...


check("positions.sinusoidal", sinusoidal)

# %% [markdown]
# **2. RoPE.** For one head, half-split: channel $i$ turns with channel $i + D/2$.


# %% tags=["exercise"] exercise="positions.rotate"
def rotate(x, positions, theta):
    """(T, D): each token of x (T, D) turned by its position; pair i by position * theta^(-2i/D)."""
    ...


check("positions.rotate", rotate)

# %% [markdown]
# **3. The converter.** Rows of a projection for `n_heads` heads, from interleaved to half-split. Without a loop, if you
# can.


# %% tags=["exercise"] exercise="positions.convert"
def to_half(weight, n_heads):
    """The rows of weight (H * D, C) in half-split order."""
    ...


check("positions.convert", to_half)

# %% [markdown]
# **4. ALiBi.** With the causal mask in it: $-\infty$ where a key comes after the query. The number of heads is a power
# of two.


# %% tags=["exercise"] exercise="positions.alibi"
def alibi_bias(n_heads, T):
    """(H, T, T), float64, to be added to the scores."""
    ...


check("positions.alibi", alibi_bias)

# %% [markdown]
# ## What we left out
#
# - **Long context in earnest**: NTK, YaRN, staged extension, NoPE in some of the layers, and tests that show what a
#   model does with a long text (needles, not only loss): lecture 16.
# - **Learned relative biases**: T5's bins, Transformer-XL's four terms (Dai and others 2019), xPos, Kerple, FIRE; and
#   schemes in which distance depends on content, as CoPE (Golovneva and others 2024).
# - **More than one axis**: images and video have two or three positions a token; RoPE gives each axis a share of the
#   pairs (lecture 26).
# - **RoPE with a compressed cache**: turning stands in the way of merging matrices, hence the decoupled part of
#   DeepSeek's MLA (lecture 10).
# - **Random positions in training** (Ruoss and others 2023): train on 24 tokens at positions drawn from 0 to 95, in
#   order, so that nothing is new later. Try it on the models of section 9.
#
# ## Sources
#
# - Vaswani and others 2017, *Attention Is All You Need*, arXiv:1706.03762, section 3.5: sinusoidal positions, the
#   linear map, learned rows (table 3, row E), and the hope.
# - Shaw, Uszkoreit, Vaswani 2018, *Self-Attention with Relative Position Representations*, arXiv:1803.02155.
# - Raffel and others 2020, *Exploring the Limits of Transfer Learning*, arXiv:1910.10683, section 2.1: T5's biases.
# - Su and others 2021, *RoFormer: Enhanced Transformer with Rotary Position Embedding*, arXiv:2104.09864.
# - Press, Smith, Lewis 2022, *Train Short, Test Long: Attention with Linear Biases Enables Input Length
#   Extrapolation*, arXiv:2108.12409.
# - Haviv and others 2022, *Transformer Language Models without Positional Encodings Still Learn Positional
#   Information*, arXiv:2203.16634.
# - Kazemnejad and others 2023, *The Impact of Positional Encoding on Length Generalization in Transformers*,
#   arXiv:2305.19466: NoPE, and what a causal mask can tell.
# - Chen and others 2023, *Extending Context Window of Large Language Models via Positional Interpolation*,
#   arXiv:2306.15595.
# - Barbero and others 2024, *Round and Round We Go! What makes Rotary Positional Encodings useful?*, arXiv:2410.06205.
# - Black and others 2022, *GPT-NeoX-20B*, arXiv:2204.06745: half-split, a quarter of the channels. BigScience 2022,
#   *BLOOM*, arXiv:2211.05100. Llama Team 2024, *The Llama 3 Herd of Models*, arXiv:2407.21783: theta 500,000.
# - Pull request 29285 of huggingface/transformers, *RoPE loses precision for Llama / Gemma*, 2024: angles in bfloat16.
# - Ruoss and others 2023, *Randomized Positional Encodings Boost Length Generalization of Transformers*,
#   arXiv:2305.16843. Golovneva and others 2024, *Contextual Position Encoding*, arXiv:2405.18719. Dai and others 2019,
#   *Transformer-XL*, arXiv:1901.02860.
