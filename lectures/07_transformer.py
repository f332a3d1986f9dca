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
# # 07 The transformer: from GPT-2 to LilLM, one change at a time
#
# Lecture 05 built attention and lecture 06 told it where each token stands. Here both become part of a whole model.
# First GPT-2, as it was in 2019, from parts of a few lines each. Then we change one thing at a time until it is what
# language models are today, and measure what each change costs and what it brings. Some bring much, some bring memory
# or speed only, and some bring nothing that a small run can see. We say which.
#
# - **You will build:** GPT-2 (LayerNorm, GELU, learned positions, tied head) and LilLM (RMSNorm, RoPE, SwiGLU, GQA);
#   pre- and post-norm; initialisation of a deep stream; dropout; QK-norm; an encoder-decoder; a checkpoint that is
#   written and read
# - **You need:** lectures 05 (attention) and 06 (positions); lecture 04 for training; lecture 02 for FLOPs
# - **Minutes to read:** 90
# - **Budget:** 60 s, 1 GB, 260 GFLOP, 160 GB moved
#
# **Napkin question.** The smallest GPT-2 has 12 layers of width 768, a vocabulary of 50,257 tokens and 1,024 positions.
# How many parameters is that, and what share of them stands in the tables of tokens and positions? How many FLOPs does
# it take to read one token? And how many parameters has a model of the same layers, width and vocabulary if it is built
# like LilLM, with 4 key-value heads? Write four numbers on a napkin. The last section but one computes them.

# %%
import json
import math
import tempfile
from contextlib import chdir
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist, median

import ipywidgets as widgets
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from IPython.display import HTML, display
from safetensors import safe_open
from torch import nn

from lilllm import layers
from lilllm.accounting import count, flops, memory, params
from lilllm.accounting import preset as shape_of
from lilllm.course import check, figures, museum, predict
from lilllm.course.chips import table
from lilllm.course.model_picture import model_picture
from lilllm.data.liltown import LilTown
from lilllm.layers import feed_forward, rope
from lilllm.layers.attention import attention, attention_reference
from lilllm.layers.multi_head import MultiHeadAttention
from lilllm.models import Decoder, Encoder, EncoderDecoder, ModelConfig, export, from_pretrained, preset
from lilllm.optim import schedules
from lilllm.tokenizers import BPETokenizer

figures.use_style()
torch.set_default_dtype(torch.float64)  # training magnifies rounding; so the numbers below are the same everywhere

# %% [markdown]
# ## 1. What stands between a token and the next
#
# A language model is a function from tokens to scores: for each place of a text, a score for every token of the
# vocabulary, the logits of what comes next there. The least that one needs for it is a vector for each token
# and a way from a vector to scores. Both are tables of V rows and C columns: the ***embedding***, and the output
# matrix.
#
# Our text is LilTown again, cut as in lecture 04: a tokenizer trained on its beginning, only the tokens that occur,
# and rows of 24 tokens with the one that follows. For held-out text we use other documents.

# %%
town = LilTown(seed=0)
train_text, held_text = ("\n".join(town.documents(start, n)) for start, n in ((0, 1200), (100_000, 60)))  # @stepover
floor = round(town.entropy(1000)[0], 2)  # bits a byte: no model can do better  @stepover
bpe = BPETokenizer.train(train_text[:60_000], vocab_size=448)  # lecture 01  @stepover
train_ids, held_ids = bpe.encode(train_text), bpe.encode(held_text)  # @stepover
used = sorted(set(train_ids) | set(held_ids))  # of the 256 bytes most never occur: leave them out
number = {token: i for i, token in enumerate(used)}

# %%
V, T = len(used), 24  # vocabulary, tokens in a row
train_rows, held_rows = (
    torch.tensor([number[token] for token in ids]).unfold(0, T + 1, T) for ids in (train_ids, held_ids)
)
held_rows = held_rows[:96]
bits = len(held_ids) / len(held_text) / math.log(2)  # nats a token to bits a byte


def text_of(ids):
    return bpe.decode([used[i] for i in ids])


print(repr(text_of(held_rows[3].tolist())))
print(f"{V} tokens, {len(train_rows):,} rows of {T} and the next to train on, floor {floor} bits a byte")

# %% [markdown]
# The two tables have the same shape, and both say what a token is like: one for reading it, one for writing it. So one
# may use a single table for both. This is called a ***tied head*** (Press and Wolf 2017), and it saves V x C
# parameters. With nothing in between, though, it has a fault that one can see without training:

# %%
draw = torch.Generator().manual_seed(0)
E = torch.randn(V, 32, generator=draw)
pair_scores = E @ E.T  # row a: the scores of what follows token a
assert torch.allclose(pair_scores, pair_scores.T)  # "b follows a" scores as "a follows b" ...
assert (pair_scores.argmax(1) == torch.arange(V)).all()  # ... and likeliest of all is "a follows a"

# %% [markdown]
# What follows a token is not what resembles it. So something must come between the tables, which moves the vector of a
# token to where the *next* one lies, and which looks at the other tokens to decide where that is. Those are the two
# jobs of a transformer's layers: attention moves information between tokens, the feed-forward part works on each
# token by itself. Both do it by *adding* to the vector that passes by. Before we build them, two small things that they
# need.
#
# ## 2. The parts of GPT-2
#
# ### LayerNorm
#
# Each part wants inputs of a size it can rely on. Layer normalization (Ba, Kiros and Hinton 2016; lecture 03
# derived its gradient) takes each token's vector by itself: subtract its mean, divide by its standard deviation, then
# let a learned gain and bias stretch and shift each channel.


# %%
def layer_norm(x, gain, bias, eps=1e-5):
    centred = x - x.mean(-1, keepdim=True)
    return gain * centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() + bias


x, gain, bias = (torch.randn(shape, generator=draw) for shape in ((2, 5, 32), (32,), (32,)))
ours = layer_norm(x, gain, bias)  # @inspect ours
assert torch.allclose(ours, F.layer_norm(x, (32,), gain, bias))
assert torch.allclose(ours, layers.layer_norm(x, gain, bias))  # @stepinto lilllm.layers.norm

# %% [markdown]
# What does it do to a vector of C numbers? Without gain and bias, all results have mean 0 and mean square 1. So they
# lie on a sphere of radius $\sqrt{C}$, within the plane of vectors whose sum is 0. Length and mean are forgotten,
# only the direction is kept:

# %%
plain = partial(layer_norm, gain=1.0, bias=0.0)
assert torch.allclose(plain(x).norm(dim=-1), torch.tensor(32.0).sqrt(), rtol=1e-4)
assert torch.allclose(plain(7 * x + 3), plain(x), atol=1e-4)  # scaled and shifted: the same (eps aside)

# %% [markdown]
# ### GELU
#
# The feed-forward part widens a vector, bends it, and narrows it again. The bend was ReLU in 2017: keep what is
# positive. GPT-2 uses the ***GELU*** (Hendrycks and Gimpel 2016). Think of a gate that is open with some
# probability: for a large input nearly always, for a very negative one nearly never. Take for that probability
# $\Phi(x)$, the chance that a standard normal number is below $x$. The mean of what passes is
#
# $$\mathrm{GELU}(x) = x \cdot \Phi(x)$$
#
# The paper also gives an approximation by tanh, for speed. GPT-2 was trained with that one:
#
# $$\tfrac{1}{2} x \left(1 + \tanh\left(\sqrt{2/\pi}\,(x + 0.044715\, x^3)\right)\right)$$


# %%
def gelu(x):
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2  # x times Phi(x)


def gelu_tanh(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


at = torch.linspace(-5, 5, 1001)
assert math.isclose(gelu(torch.tensor(1.5)), 1.5 * NormalDist().cdf(1.5))  # the formula, from the standard library
for one, approximate in ((gelu, "none"), (gelu_tanh, "tanh")):
    assert torch.allclose(one(at), F.gelu(at, approximate=approximate))
    assert torch.allclose(one(at), getattr(feed_forward, one.__name__)(at))

# %%
apart = gelu_tanh(at) - gelu(at)
fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3))
curves = {"ReLU": at.relu(), "GELU": gelu(at), "SiLU": at * at.sigmoid()}
for (name, y), style in zip(curves.items(), figures.line_styles(3), strict=True):
    left.plot(at, y, label=name, **{**style, "marker": ""})
left.set(xlabel="x", xlim=(-4, 3), ylim=(-0.5, 3))
left.legend()
right.plot(at, apart * 1e4, color=figures.BLUE, marker="")
right.set(xlabel="x", ylabel="tanh form minus GELU (1e-4)")
plt.show()

worst = float(apart.abs().max())
print(f"the two forms of GELU differ by {worst:.1e} at most, near x = {abs(float(at[apart.abs().argmax()])):.1f}")
assert 4e-4 < worst < 5e-4
assert at[gelu(at).argmin()] < 0  # a little below zero it answers more than ReLU does

# %% [markdown]
# Half a thousandth is little, and no training run would notice. But weights that were trained with one form and are
# run with the other give slightly different logits, so a loader has to know which it was. (SiLU, $x \cdot \sigma(x)$,
# will come in section 7.)
#
# ### The block
#
# Attention is lecture 05's, from `lilllm.layers`: several heads, each token looks at itself and those before it. With
# a norm before each half, and each half's result *added* to what came in, we have one ***block***, or layer, of GPT-2:


# %%
class MLP(nn.Module):
    def __init__(self, C, F):
        super().__init__()
        self.up, self.down = nn.Linear(C, F), nn.Linear(F, C)

    def forward(self, x):  # (B, T, C)
        return self.down(gelu_tanh(self.up(x)))  # through (B, T, F)


class Block(nn.Module):
    def __init__(self, C, n_heads):
        super().__init__()
        self.norm1, self.norm2 = layers.LayerNorm(C), layers.LayerNorm(C)
        self.attention = MultiHeadAttention(C, n_heads, causal=True, bias=True, out_bias=True)
        self.ffn = MLP(C, 4 * C)

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.ffn(self.norm2(x))


# %% [markdown]
# Is that what others call a transformer layer? torch has one, and with its options set to GPT-2's it computes the same:

# %%
torch.manual_seed(0)
block = Block(32, n_heads=4)  # @stepover
theirs = nn.TransformerEncoderLayer(32, 4, 128, 0.0, gelu_tanh, batch_first=True, norm_first=True).eval()
names = {"self_attn.in_proj_": "attention.qkv.", "self_attn.out_proj": "attention.out", "linear1": "ffn.up",
         "linear2": "ffn.down"}  # fmt: skip


def renamed(name):
    for their_name, our_name in names.items():
        name = name.replace(their_name, our_name)
    return name


theirs.load_state_dict({name: block.state_dict()[renamed(name)] for name in theirs.state_dict()})
future = nn.Transformer.generate_square_subsequent_mask(5)
assert torch.allclose(block(x), theirs(x, src_mask=future, is_causal=True))  # @stepover

# %% [markdown]
# ### The model
#
# The rest is short. Look up each token, add a learned vector for its position (lecture 06), go through the blocks,
# norm once more, and score every token with the same table. That is GPT-2, all of it.


# %%
class GPT2(nn.Module):
    def __init__(self, vocab_size, context_len, C, n_layers, n_heads):
        super().__init__()
        self.embed = layers.Embedding(vocab_size, C)
        self.positions = layers.Embedding(context_len, C)
        self.blocks = nn.ModuleList(Block(C, n_heads) for _ in range(n_layers))
        self.norm = layers.LayerNorm(C)

    def forward(self, tokens):  # (B, T)
        x = self.embed(tokens) + self.positions(torch.arange(tokens.shape[1]))  # (B, T, C)
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.embed.weight.T  # (B, T, V)


# %% [markdown]
# `lilllm.models` has one class for all models of this kind, `Decoder`, and a `ModelConfig` with a field for each
# choice that we will meet. Given the same weights, ours and its GPT-2 agree, and both have as many parameters as the
# closed form of lecture 02 says.

# %%
GPT2_CHOICES = {"norm": "layer", "activation": "gelu_tanh", "positions": "learned", "tied": True}
BIASES = ("qkv_bias", "out_bias", "ffn_bias")
gpt2_config = ModelConfig(
    vocab_size=V, n_layers=2, d_model=32, n_heads=4, context_len=T, **GPT2_CHOICES, **dict.fromkeys(BIASES, True)
)
model, packages = GPT2(V, T, 32, n_layers=2, n_heads=4), Decoder(gpt2_config)  # @stepover
packages.load_state_dict(model.state_dict())
tokens = held_rows[:2, :-1]
logits = packages(tokens)  # @stepinto lilllm.models.decoder lilllm.models.block lilllm.layers.multi_head
assert torch.allclose(model(tokens), logits)
n_parameters = sum(p.numel() for p in model.parameters())
assert n_parameters == params.total(gpt2_config.shape())
print(f"{n_parameters:,} parameters; logits of shape {tuple(logits.shape)}")

# %% [markdown]
# ## 3. How it begins
#
# Before training, a model knows nothing, and it should *say* so: about the same score for every token. Then its loss
# is that of a guess among V tokens, $\ln V$. A first loss far above that is a sign that something is wrong, and the
# cheapest test there is. It costs one batch.
#
# GPT-2 draws all matrices from a normal distribution of standard deviation 0.02. That number belongs to its width of
# 768: a sum of C products grows as $\sqrt{C}$, so what matters is $0.02 \cdot \sqrt{768} = 0.55$. For our width of 32
# the same product needs 0.1. And matrices that write into the stream are divided by $\sqrt{2L}$, for which section 4
# has the reason.


# %%
def initialise(model, seed, std=None, scale_writers=True):
    """Normal weights as in GPT-2, for any width; gains 1, biases 0."""
    draw = torch.Generator().manual_seed(seed)
    C, n_layers = model.embed.weight.shape[1], len(model.blocks)
    std = 0.02 * math.sqrt(768 / C) if std is None else std
    for name, p in model.named_parameters():
        if p.ndim == 1:
            nn.init.constant_(p, 0.0 if name.endswith("bias") else 1.0)
        else:
            writes = scale_writers and name.endswith(("out.weight", "down.weight"))
            nn.init.normal_(p, std=std / math.sqrt(2 * n_layers) if writes else std, generator=draw)
    return model


# %%
def loss_of(model, rows):
    """Cross-entropy of each row's next tokens, in nats a token."""
    return F.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())


initialise(model, seed=0)  # @stepover
with torch.no_grad():
    first_loss, logits = float(loss_of(model, held_rows)), model(held_rows[:, :-1])  # @stepover
spread = float(logits.std())
print(f"loss {first_loss:.2f}, ln V = {math.log(V):.2f}; standard deviation of the logits {spread:.2f}")
assert abs(spread - 0.02 * math.sqrt(768)) < 0.1
assert math.isclose(first_loss, math.log(V), rel_tol=0.05)
assert math.isclose(first_loss, math.log(V) + spread**2 / 2, abs_tol=0.1)

# %% [markdown]
# The last line says how much above $\ln V$ it is. If logits are normal with standard deviation $\sigma$, the mean of
# their exponentials is $e^{\sigma^2/2}$, so the loss is about $\ln V + \sigma^2/2$. Logits of 0.5 cost an eighth of
# a nat. Logits of 5 would cost more than ten nats, and the first hundreds of steps would do nothing but undo them.
#
# That brings us to the exhibit of this lecture. A colleague built the model that you just saw, and saves V x C
# parameters by tying the head.

# %%
case = museum.case("07_tied_initialised_twice")
case

# %%
runs = {"broken": case.run(), "fixed": case.run(fixed=True)}  # @stepover
fig, ax = plt.subplots(figsize=(6, 3.2))
for (name, run), style in zip(runs.items(), figures.line_styles(2), strict=True):
    ax.plot(run.values["losses"], label=name, markevery=10, **style)
guess = math.log(runs["broken"].values["V"])
ax.axhline(guess, color=figures.GREY, linewidth=1)
ax.text(100, guess * 0.93, "ln V", va="top", ha="right")
ax.set(yscale="log", xlabel="step", ylabel="loss (nats a token)")
ax.legend()
plt.show()

assert runs["broken"].values["losses"][0] > 10 * guess
assert abs(runs["fixed"].values["losses"][0] - guess) < 0.1

# %% [markdown]
# It learns, and a curve that begins at 50 and falls looks like success if its axis is not compared with anything. The
# grey line is what to compare it with. Where would you look for the cause? Decide before you go on.
#
# ### A training loop
#
# All runs of this lecture use one function: AdamW (lecture 04), a short warm-up, then a cosine. `data` are the rows to
# train on, in an order that the seed decides; if they are used up, they begin again. With the usual numbers no row is
# seen twice.


# %%
def fit(model, seed, steps=100, batch=8, peak=0.02, warmup=10, data=None, hook=None, rate=None):
    """Train the model; the loss of each batch, in nats a token."""
    data = train_rows if data is None else data
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(1000 + seed))
    torch.manual_seed(seed)  # dropout draws from torch's own generator
    rate = rate or schedules.cosine(peak=peak, warmup=warmup, total=steps, floor=0.1 * peak)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    losses = []
    for step in range(steps):
        rows = data[order[torch.arange(step * batch, (step + 1) * batch) % len(data)]]
        loss = loss_of(model, rows)
        optimizer.zero_grad()
        loss.backward()
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.step()
        losses.append(loss.item())
        if hook:
            hook(step, model)
    return losses


@torch.no_grad()
def held_out(model, rows=held_rows):
    """Bits a byte on held-out text."""
    model.eval()
    loss = loss_of(model, rows)
    model.train()
    return round(float(loss) * bits, 4)


# %%
before = held_out(model)  # @stepover
losses = fit(model, seed=0)  # @stepover
smooth = torch.tensor(losses).unfold(0, 10, 10).mean(-1) * bits
fig, ax = plt.subplots(figsize=(6, 3.2))
ax.plot(range(5, 100, 10), smooth, label="mean of ten batches", color=figures.BLUE)
for y, name in ((math.log(V) * bits, "ln V"), (floor, "floor of the text")):
    ax.axhline(y, color=figures.GREY, linewidth=1)
    ax.text(100, y - 0.06, name, va="top", ha="right")
ax.set(xlabel="step", ylabel="loss (bits a byte)", ylim=(0, 3.7))
plt.show()
print(f"held out: {before:.1f} bits a byte before, {held_out(model):.1f} after 100 steps")  # @stepover
assert before > math.log(V) * bits > smooth[0] > smooth[-1] > floor

# %% [markdown]
# GPT-2, 34 thousand parameters, some 19 thousand tokens. It has begun to learn; the floor is far. That is our starting
# point.

# %%
case.reveal()

# %% [markdown]
# ## 4. The residual stream
#
# Look at the block again: nothing is ever replaced. The vector of a token enters at the bottom, each half of each
# block reads a normed copy of it and adds something, and what arrives at the top is a sum. It is called the
# ***residual stream***:
#
# $$x_{\text{end}} = \text{embedding} + \text{position} + \sum_{l=1}^{L} (\text{attention}_l + \text{MLP}_l)$$
#
# Each norm sees the stream as it passes. So if we listen at the entrance of every norm, we have all its stations:


# %%
def stations(model, tokens):
    """The stream at the entrance of each norm: (2 L + 1, B, T, C)."""
    norms = [norm for block in model.blocks for norm in (block.norm1, block.norm2)] + [model.norm]
    seen = []
    hooks = [norm.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach())) for norm in norms]
    with torch.no_grad():
        model(tokens)
    for hook in hooks:
        hook.remove()
    return torch.stack(seen)


stream = stations(model, tokens)  # @stepover
added = stream.diff(dim=0)  # what each half has added
block = model.blocks[0]
with torch.no_grad():
    assert torch.allclose(added[0], block.attention(block.norm1(stream[0])))
    assert torch.allclose(added[1], block.ffn(block.norm2(stream[1])))
    assert torch.allclose(stream[0] + added.sum(0), stream[-1])
    assert torch.allclose(model.norm(stream[-1]) @ model.embed.weight.T, model(tokens))
print("stations:", tuple(stream.shape))

# %% [markdown]
# Two things follow. On the way back, the gradient of a sum goes to each term as it is. So every layer hears the end
# directly, however deep the model. And on the way up, the stream grows. If each half adds something of variance $a^2$
# that has nothing to do with the rest, variances add: after $L$ layers the stream has variance $e^2 + 2L a^2$, where
# $e^2$ is that of the embedding. Since each half reads a *normed* copy, $a$ does not depend on how large the stream is.

# %%
deeper = predict(
    "A model with 24 layers gets 96, with the same standard deviation of all weights. By what factor does the "
    "standard deviation of the stream at its end grow?",
    choices=["it stays", "about 2", "about 4", "about 16"],
)
deeper


# %%
def deep(n_layers, **choices):
    """A decoder of width 64 with these choices."""
    sizes = {"vocab_size": V, "d_model": 64, "n_heads": 4, "context_len": T, "n_layers": n_layers}
    return Decoder(ModelConfig(**sizes, **{**GPT2_CHOICES, **choices}))


def size_by_station(model):
    """Root mean square of the stream at each station."""
    return stations(model, held_rows[:4, :-1]).square().mean((1, 2, 3)).sqrt()


sizes = {L: size_by_station(initialise(deep(L), seed=0, scale_writers=False)) for L in (24, 96)}  # @stepover
factor = float(sizes[96][-1] / sizes[24][-1])
print(f"at the end of 24 layers {sizes[24][-1]:.1f}, of 96 layers {sizes[96][-1]:.1f}: {factor:.1f} times")
assert 1.8 < factor < 2.2
deeper.reveal("about 2")

# %% [markdown]
# It grows as the square root of the depth. Is that bad? The norms take care of the size. But what a single late layer
# adds becomes a small share of the whole, and the embedding, on which all layers build, is drowned by the noise of
# untrained layers, the more of them the deeper. GPT-2's cure (Radford and others 2019): divide the weights of what
# writes to the stream by the root of the number of writers, $\sqrt{2L}$. Then all of them together begin by adding what
# a single one would, whatever the depth. Other ways to begin:
#
# - **plain**: every matrix alike, as above.
# - **torch's own**: what `nn.Linear` and `nn.Embedding` do if nobody intervenes: embeddings of size 1.
# - **1 / sqrt(n_in)**: each matrix keeps the variance of what it is given (lecture 03).
# - **zero**: what writes begins at 0, so that a block begins as nothing at all.
# - **post-norm**: the block of 2017, where the stream itself is normed (section 5).


# %%
def zero_writers(model):
    for name, p in model.named_parameters():
        if name.endswith(("out.weight", "down.weight")):
            nn.init.zeros_(p)
    return model


def as_torch(model, seed):
    """nn.Linear's and nn.Embedding's own first weights, drawn by our generator."""
    draw = torch.Generator().manual_seed(seed)
    initialise(model, seed)
    for name, p in model.named_parameters():
        if name in ("embed.weight", "positions.weight"):
            nn.init.normal_(p, generator=draw)
        elif p.ndim == 2:
            nn.init.uniform_(p, -(p.shape[1] ** -0.5), p.shape[1] ** -0.5, generator=draw)
    return model


L, n_in = 24, 64**-0.5
begun = {  # @stepover
    "plain": initialise(deep(L), 0, scale_writers=False),
    "divided by sqrt(2L)": initialise(deep(L), 0),
    "torch's own": as_torch(deep(L), 0),
    "1 / sqrt(n_in)": initialise(deep(L), 0, std=n_in, scale_writers=False),
    "zero": zero_writers(initialise(deep(L), 0)),
}

# %%
sizes = {name: size_by_station(m) for name, m in begun.items()}  # @stepover
fig, ax = plt.subplots(figsize=(7, 3.8))
at_layer = torch.arange(2 * L + 1) / 2
for (name, size), style in zip(sizes.items(), figures.line_styles(5), strict=True):
    ax.plot(at_layer, size, label=name, markevery=6, **style)
ax.axhline(1, color=figures.GREY, linewidth=1)
ax.text(24, 0.93, "post-norm", va="top", ha="right")
ax.set(yscale="log", xlabel="layer", ylabel="size of the stream (root mean square)")
ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
plt.show()

grown = {name: float(size[-1] / size[0]) for name, size in sizes.items()}
print({name: round(factor, 1) for name, factor in grown.items()})
assert grown["zero"] == 1
assert 6 < grown["plain"] / grown["divided by sqrt(2L)"] < 8  # sqrt(48) = 6.9, were it not for the embedding
straight = sizes["plain"][0] ** 2 + (sizes["plain"][-1] ** 2 - sizes["plain"][0] ** 2) * at_layer / L
assert torch.allclose(sizes["plain"][8:] ** 2, straight[8:], rtol=0.25)  # variances add up: nearly a straight line
ends = [float(size_by_station(initialise(deep(depth), seed=0))[-1]) for depth in (24, 96)]  # @stepover
assert 0.8 < ends[0] / ends[1] < 1.25  # divided by sqrt(2L): the same end at any depth

# %% [markdown]
# The curves are what the formula says: variances add up. With GPT-2's division the end is as large with 96 layers as
# with 24. (It is three times the beginning here, because an embedding of 0.02 is small against what even one layer
# adds.) The zero start goes further and is popular with some; but look at its gradients at the first step. Where the
# writing matrix is zero, nothing before it in its block gets any gradient, since it has no influence yet:

# %%
loss_of(begun["zero"], held_rows[:4]).backward()  # @stepover
first = begun["zero"].blocks[0]
print("gradient is zero:", {name: not p.grad.any() for name, p in first.named_parameters() if p.ndim == 2})
assert first.ffn.up.weight.grad.norm() == 0 < first.ffn.down.weight.grad.norm()
assert first.attention.qkv.weight.grad.norm() == 0 < first.attention.out.weight.grad.norm()

# %% [markdown]
# From the second step on it does. So this start loses a step, and nothing else.
#
# ## 5. The norm: before or after?
#
# In the transformer of 2017 the norm stood elsewhere. A half of a block was $x = \mathrm{norm}(x + f(x))$: first add,
# then norm the stream itself. That is called ***post-norm***. GPT-2's $x = x + f(\mathrm{norm}(x))$ is ***pre-norm***:
# the norm stands on the branch, and one more stands at the end of all.

# %%
fig, axes = plt.subplots(1, 2, figsize=(4.6, 3.2))
boxes = {"post-norm (2017)": [(0.5, 1.0, "f"), (0, 2.6, "norm")], "pre-norm": [(0.5, 0.7, "norm"), (0.5, 1.6, "f")]}
for ax, (title, parts) in zip(axes, boxes.items(), strict=True):
    ax.annotate("", (0, 3.4), (0, -0.2), arrowprops={"arrowstyle": "->", "color": figures.BLUE, "linewidth": 2.5})
    bend = {"color": figures.VERMILLION, "linewidth": 1.5, "marker": "", "linestyle": "-"}
    ax.plot([0, 0.5, 0.5], [0.1, 0.1, parts[0][1]], **bend)
    ax.plot([0.5, 0.5], [parts[0][1], 2.1], **bend)
    ax.annotate("", (0.03, 2.1), (0.5, 2.1), arrowprops={"arrowstyle": "->", "color": figures.VERMILLION})
    for x_at, y_at, label in parts:
        colour = figures.GREEN if label == "norm" else figures.VERMILLION
        mark = {"boxstyle": "round", "facecolor": "#f0f0f0", "edgecolor": colour}
        ax.text(x_at, y_at, label, ha="center", va="center", color="#202020", bbox=mark)
    ax.text(-0.06, 2.1, "+", ha="right", va="center", fontsize=14)
    ax.text(-0.06, -0.1, "$x$", ha="right")
    ax.set(title=title, xlim=(-0.5, 1), ylim=(-0.4, 3.6))
    ax.axis("off")
plt.show()

# %% [markdown]
# (f is attention or the feed-forward part.) The two have the same parts and nearly the same parameters. What differs
# is the way of the stream, the thick line. With pre-norm nothing stands in it. With post-norm it passes a norm twice a
# block. Each of them divides what earlier layers wrote, and the gradient takes the same way back. Xiong and others
# (2020) computed what follows: in a post-norm model at its start, the gradients of the last layers are large and
# need not become smaller with depth; in a pre-norm model they shrink as the model gets deeper. Let us look, layer by
# layer. All weights have a standard deviation of $1/\sqrt{n_{in}}$ as in their theory, which keeps the size of what
# passes.


# %%
def gradient_by_layer(place, n_layers):
    """Norm of the gradient of each layer's last matrix, at the start; mean of three starts."""
    norms = []
    for seed in range(3):
        model = initialise(deep(n_layers, norm_place=place), seed, std=n_in, scale_writers=False)
        loss_of(model, held_rows[:8]).backward()
        norms.append([float(block.ffn.down.weight.grad.norm()) for block in model.blocks])
    return torch.tensor(norms).mean(0)


kinds = [(place, depth) for place in ("post", "pre") for depth in (6, 12)]
gradients = {kind: gradient_by_layer(*kind) for kind in kinds}  # @stepover
fig, ax = plt.subplots(figsize=(6.4, 3.4))
for (place, depth), style in zip(gradients, figures.line_styles(4), strict=True):
    at_layer = (torch.arange(depth) + 1) / depth
    ax.plot(at_layer, gradients[place, depth], label=f"{place}-norm, {depth} layers", **style)
ax.set(xlabel="place of the layer (1 = last)", ylabel="gradient of its last matrix (norm)", ylim=(0, None))
ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
plt.show()

last = {key: float(value[-1]) for key, value in gradients.items()}
print({f"{place}-norm, {depth} layers": round(value, 1) for (place, depth), value in last.items()})
assert last["post", 12] > 2 * last["pre", 12]  # the last layers: larger with post-norm, ...
assert last["post", 12] / last["post", 6] > 0.8 > last["pre", 12] / last["pre", 6]  # ... and depth does not help

# %% [markdown]
# As computed: with post-norm the last layers begin with gradients three times as large, and more layers do not make
# them smaller. Xiong and others conclude that a large learning rate is then unstable at the start. The known cure is a
# warm-up (lecture 04). So train four layers, with a learning rate that is constant, either from the first step on or
# after a warm-up of 40 steps.

# %%
stuck = predict(
    "Post-norm with and without warm-up, and pre-norm without: four layers, 160 steps. Which runs learn nothing "
    "beyond how frequent each token is?",
    choices=["none", "post-norm without warm-up", "both without warm-up", "both with post-norm"],
)
stuck


# %%
def four_layers(place, seed):
    sizes = {"vocab_size": V, "n_layers": 4, "d_model": 32, "n_heads": 4, "context_len": T}
    config = ModelConfig(**sizes, **GPT2_CHOICES, **dict.fromkeys(BIASES, True), norm_place=place)
    return initialise(Decoder(config), seed, std=32**-0.5, scale_writers=False)


def rising(step, warmup, peak=0.004):
    return peak * min(1.0, (step + 1) / max(1, warmup))


warm = {}
for place, warmup in (("post", 0), ("post", 40), ("pre", 0)):
    rate = partial(rising, warmup=warmup)
    seeds = (0, 1) if place == "post" else (0,)
    warm[place, warmup] = [fit(four_layers(place, seed), seed, 160, batch=4, rate=rate) for seed in seeds]  # @stepover

# %%
counts = torch.bincount(train_rows[:, 1:].flatten(), minlength=V) + 1.0
frequency = float(F.cross_entropy(counts.log().expand(held_rows[:, 1:].numel(), V), held_rows[:, 1:].flatten()))
fig, ax = plt.subplots(figsize=(7, 3.4))
for (place, warmup), style in zip(warm, figures.line_styles(3), strict=True):
    for seed, losses in enumerate(warm[place, warmup]):
        smooth = torch.tensor(losses).unfold(0, 16, 8).mean(-1)
        label = f"{place}-norm, {f'warm-up of {warmup}' if warmup else 'no warm-up'}" if not seed else None
        ax.plot(range(8, 160 - 7, 8), smooth, label=label, markevery=3, **style)
ax.axhline(frequency, color=figures.GREY, linewidth=1)
ax.text(4, frequency - 0.03, "frequencies alone", va="top")
ax.set(xlabel="step", ylabel="loss (nats a token)", ylim=(4.1, 5.8))
ax.legend()
plt.show()

reached = {key: [sum(losses[-20:]) / 20 for losses in two] for key, two in warm.items()}
learns = {key for key, two in reached.items() if max(two) < frequency - 0.1}
print("learn more than frequencies:", ", ".join(f"{place}-norm with warm-up {n}" for place, n in sorted(learns)))
assert learns == {("post", 40), ("pre", 0)}
assert min(reached["post", 0]) > frequency - 0.1
assert max(reached["pre", 0]) < min(reached["post", 40])
stuck.reveal("post-norm without warm-up")

# %% [markdown]
# Without warm-up, the post-norm model learns how frequent each token is, for which the output alone is enough, and then
# nothing more for a hundred steps (one of the two seeds may be waking up at the end): its layers have stopped passing
# anything on. With a warm-up it learns, if later than the pre-norm model,
# which does without one. (With six layers and these settings, post-norm failed with the warm-up as well, when
# we tried.) Since GPT-2 nearly every large model is pre-norm. It has a price too: late layers add to a stream that has
# become large, so each of them changes little. Some newer models therefore norm what a half *adds* as well.
#
# The museum has a relative of this bug, `07_norm_on_the_stream`: a norm that was to stand on the branch and stands on
# the stream. Open it with `museum.case("07_norm_on_the_stream")`.
#
# ## 6. Dropout, and why it went away
#
# One part of GPT-2 we have left out so far. ***Dropout*** (Srivastava and others 2014) sets each number of a vector to
# zero with some probability $p$, while training, and divides the others by $1 - p$ so that the mean stays. In use it
# does nothing. A model trained so cannot rely on any single number, and finds it harder to learn its training text by
# heart. GPT-2's configuration has 0.1, at three kinds of places: the embedding, the attention weights, and what each
# half adds.


# %%
def dropout(x, p, draw):
    keep = torch.rand(x.shape, generator=draw) >= p
    return x * keep / (1 - p)


ones = dropout(torch.ones(100_000), 0.1, torch.Generator().manual_seed(0))
kept = float((ones > 0).double().mean())
print(f"kept {kept:.2f} of the numbers, as {float(ones.max()):.3f}; mean {float(ones.mean()):.2f}")
assert torch.equal(ones.unique(), torch.tensor([0.0, 1 / (1 - 0.1)]))
four_errors = 4 * math.sqrt(0.1 * 0.9 / 100_000)
assert abs(kept - 0.9) < four_errors  # four standard errors
assert abs(float((F.dropout(torch.ones(100_000), 0.1) > 0).double().mean()) - 0.9) < four_errors

# %% [markdown]
# What is it good for? Let a model see little text, and see it often: 96 rows, which is 2,304 tokens, twelve times. Once
# without dropout and once with 0.2. (The model is the one that this lecture ends with, since it learns faster; a
# `ModelConfig` where nothing else is said is a LilLM.)

# %%
few = train_rows[:96]
often = {}
for p in (0.0, 0.2):
    config = ModelConfig(vocab_size=V, n_layers=2, d_model=32, n_heads=4, n_kv_heads=2, context_len=T, dropout=p)
    model = initialise(Decoder(config), seed=0)  # @stepover
    seen = [held_out(model, held_rows[:40])]  # @stepover

    def after_a_round(step, model, seen=seen):
        if step % 12 == 11:  # 12 batches of 8 rows are all 96
            seen.append(held_out(model, held_rows[:40]))

    fit(model, 0, 144, data=few, hook=after_a_round)  # @stepover
    often[p] = (seen, held_out(model, few))  # @stepover

# %%
fig, ax = plt.subplots(figsize=(7, 3.4))
for p, style in zip((0.0, 0.2), figures.line_styles(2), strict=True):
    seen, at_end = often[p]
    name = f"dropout {p}" if p else "no dropout"
    ax.plot(range(13), seen, label=f"{name}: held out", **style)
    told = f"{name}: the text it saw"
    ax.plot(12, at_end, label=told, **{**style, "marker": "*", "linestyle": "", "markersize": 11})
ax.set(xlabel="times that the text was seen", ylabel="loss (bits a byte)", ylim=(0, 3.7))
ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
plt.show()

curve = {p: seen for p, (seen, _) in often.items()}
for p, values in curve.items():
    print(f"dropout {p}: held out {min(values):.1f} bits a byte at best, {values[-1]:.1f} at the end")
assert curve[0.0][-1] > min(curve[0.0]) + 0.4  # it learns by heart
assert curve[0.2][-1] < min(curve[0.2]) + 0.05
assert min(curve[0.2]) < min(curve[0.0]) + 0.05
assert often[0.0][1] < often[0.2][1] - 0.5

# %% [markdown]
# Without dropout the model knows the text nearly by heart in the end (the lower star), and gets worse and worse on
# everything else. After four rounds one should have stopped. With dropout it goes on getting better, and ends about
# where the other was at its best, without anybody having to stop it in time.
#
# So why do large language models not use it? Because they see nearly every text once. There is nothing to learn by
# heart if nothing comes back, and then dropout only does what it always does besides: it makes each step noisier.
# Shazeer (2020) left it out of pretraining, because the results were better, and used it in finetuning, where the data
# are few. PaLM (2022), trained for one epoch, did the same. Text does run short by now: Muennighoff and others (2023)
# found that up to four rounds of the same text are nearly as good as new text. Where more are needed, dropout may well
# come back. What it costs when nothing is repeated, the next section measures.
#
# ## 7. Five changes
#
# Now we change GPT-2 until it is LilLM, which is built like Llama. Leaving out the dropout was the first change. The
# second is to leave out the biases of all linear maps; PaLM reports that this made large models more stable. For the
# other four, something is to be built.
#
# ### RMSNorm
#
# LayerNorm subtracts a mean and divides by a deviation. Zhang and Sennrich (2019) asked which of the two is needed, and
# left out the first, and the bias too. ***RMSNorm*** divides by the root mean square:


# %%
def rms_norm(x, gain, eps=1e-5):
    return gain * x / (x.square().mean(-1, keepdim=True) + eps).sqrt()


assert torch.allclose(rms_norm(x, gain), F.rms_norm(x, (32,), gain, 1e-5))
assert torch.allclose(rms_norm(x, gain), layers.rms_norm(x, gain))  # @stepinto lilllm.layers.norm
centred = x - x.mean(-1, keepdim=True)
assert torch.allclose(rms_norm(centred, gain), layer_norm(x, gain, bias=0.0))  # LayerNorm = centre, then RMSNorm

# %% [markdown]
# So the two differ in one of C directions: that of $(1, 1, \dots, 1)$, which LayerNorm throws away. Nothing in the
# model prefers that direction, so nothing is lost by keeping it. What is gained is memory traffic and a simpler kernel;
# the paper measured 7 % to 64 % less running time, the most in old recurrent models. In a transformer the gain can
# even be folded into the matrix that follows, once training is over:

# %%
W = torch.randn(48, 32, generator=draw)
assert torch.allclose(rms_norm(x, gain) @ W.T, rms_norm(x, 1.0) @ (W * gain).T)

# %% [markdown]
# One convention to know. In bfloat16, the statistics are computed in float32. Llama's code casts the result back to
# bfloat16 and *then* multiplies by the gain; torch's own operation multiplies first. The two differ by a rounding, in
# how many of the numbers?

# %%
low, low_gain = x.bfloat16(), gain.bfloat16()
late, early = (layers.rms_norm(low, low_gain, cast_first=first) for first in (False, True))
share = float((late != early).double().mean())
print(f"{share:.0%} of the numbers differ, by a relative {float(((late - early) / late).abs().max()):.1e} at most")
assert share > 0.05
assert float(((late - early) / late).abs().max()) <= 2**-6

# %% [markdown]
# A checkpoint works with either, and its logits differ in the third digit. `lilllm` takes a model's own order when it
# loads one.
#
# ### RoPE
#
# Learned positions are a table that must be learned row by row. RoPE turns queries and keys instead, so that scores
# depend on distances; it has no parameters. Lecture 06 built it, and `MultiHeadAttention` takes its cosines and sines.
#
# ### SwiGLU
#
# The MLP's hidden layer is bent by a fixed curve. A *gated* one computes two vectors and multiplies them, so that one
# decides how much of the other passes:
#
# $$\mathrm{SwiGLU}(x) = W_{\text{down}} \big(\mathrm{SiLU}(W_{\text{gate}}\, x) \odot W_{\text{up}}\, x\big)$$
#
# with ***SiLU***, also called Swish: $x \cdot \sigma(x)$, nearly the same curve as GELU. That is ***SwiGLU*** (Shazeer
# 2020). It can do what no MLP of the old kind does in one layer: multiply two of its inputs. Three matrices in place of
# two would be half as many parameters again. So to compare fairly, the hidden width is made two thirds: not $4C$ but
# $\tfrac{8}{3} C$, rounded up to a multiple that hardware likes. For Llama's width of 4,096 that is 10,922.67, and
# 11,008 after rounding to a multiple of 256.


# %%
def swiglu(x, w_gate, w_up, w_down):
    gate = x @ w_gate.T  # (B, T, F)
    return (gate * gate.sigmoid() * (x @ w_up.T)) @ w_down.T  # (B, T, C)


def d_ff_of(C, multiple):
    return math.ceil(8 * C / 3 / multiple) * multiple


assert d_ff_of(4096, 256) == feed_forward.swiglu_d_ff(4096, 256) == shape_of("llama2-7b").d_ff == 11008
F_32 = d_ff_of(32, 8)
gated = layers.GatedFeedForward(32, F_32)
weights = (gated.gate.weight, gated.up.weight, gated.down.weight)
assert torch.allclose(swiglu(x, *weights), gated(x))  # @stepinto lilllm.layers.feed_forward
print(f"width 32: {2 * 32 * 128:,} weights with two matrices, {sum(w.numel() for w in weights):,} with three")

# %% [markdown]
# Can a gate really multiply two inputs $a$ and $b$? Give gate and up the inputs $a$ and $b$ in one hidden channel, and
# $-a$ and $-b$ in a second, and add the two. Since $\mathrm{SiLU}(a) - \mathrm{SiLU}(-a) = a$, the sum is $a b$:

# %%
pick = torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), torch.tensor([[0.0, 1.0], [0.0, -1.0]]), torch.tensor([[1.0, 1.0]])
pairs = torch.randn(1000, 2, generator=draw)
silu_difference = F.silu(pairs[:, 0]) - F.silu(-pairs[:, 0])
assert torch.allclose(silu_difference, pairs[:, 0])
product = swiglu(pairs, *pick)[:, 0]
assert torch.allclose(product, pairs[:, 0] * pairs[:, 1])

# %% [markdown]
# Two hidden channels, and an exact product, for inputs of any size. A ReLU network can only approach a product, with
# more and more pieces.
#
# ### Grouped-query attention
#
# While a model writes, it keeps the keys and values of all tokens so far (lecture 09): $2 \cdot L \cdot K \cdot D$
# numbers a token, where $K$ is the number of key-value heads. In ***grouped-query attention*** (GQA; Ainslie and
# others 2023) several query heads share a key-value head. That takes little away from attention, each head still asks
# its own question, and the cache shrinks by the size of the group. `enable_gqa` of torch, or one line with the heads of
# a group side by side:


# %%
def gqa(q, k, v):
    """Causal attention of (B, H, T, D) queries to (B, K, T, D) keys and values, without copies."""
    (B, H, T, D), K = q.shape, k.shape[1]
    q = q.view(B, K, H // K, T, D)  # query head h belongs to key-value head h // (H / K)
    scores = q @ k[:, :, None].mT / math.sqrt(D)  # (B, K, H / K, T, T)
    past = torch.ones(T, T, dtype=torch.bool).tril()
    return (scores.masked_fill(~past, -math.inf).softmax(-1) @ v[:, :, None]).view(B, H, T, D)


q, k, v = (torch.randn(2, heads, 6, 8, generator=draw) for heads in (4, 2, 2))
assert torch.allclose(gqa(q, k, v), attention(q, k, v, causal=True))  # @stepover
copied = (one.repeat_interleave(2, 1) for one in (k, v))
assert torch.allclose(gqa(q, k, v), attention(q, *copied, causal=True))  # the same as with copies
for name in ("llama2-7b", "llama3-8b"):
    shape = shape_of(name)
    print(f"{name}: {shape.n_heads} query heads, {shape.n_kv_heads} key-value heads,", end=" ")
    print(f"{memory.kv_cache(shape, batch=1, seq=1) // 1024} KiB of cache a token")

# %% [markdown]
# ### All together
#
# With the parts at hand, LilLM is as short as GPT-2:


# %%
class LilBlock(nn.Module):
    def __init__(self, C, n_heads, n_kv_heads):
        super().__init__()
        self.norm1, self.norm2 = layers.RMSNorm(C), layers.RMSNorm(C)
        self.attention = MultiHeadAttention(C, n_heads, n_kv_heads=n_kv_heads, causal=True)
        self.ffn = layers.GatedFeedForward(C, d_ff_of(C, 8))

    def forward(self, x, turns):
        x = x + self.attention(self.norm1(x), rope=turns)
        return x + self.ffn(self.norm2(x))


class LilLM(nn.Module):
    def __init__(self, vocab_size, C, n_layers, n_heads, n_kv_heads):
        super().__init__()
        self.embed, self.d_head = layers.Embedding(vocab_size, C), C // n_heads
        self.blocks = nn.ModuleList(LilBlock(C, n_heads, n_kv_heads) for _ in range(n_layers))
        self.norm = layers.RMSNorm(C)

    def forward(self, tokens):  # (B, T)
        angles = rope.angles(torch.arange(tokens.shape[1]), self.d_head)
        x = self.embed(tokens)  # (B, T, C)
        for block in self.blocks:
            x = block(x, (angles.cos(), angles.sin()))
        return self.norm(x) @ self.embed.weight.T  # (B, T, V)


# %% [markdown]
# And as a chain of configs, each the one before with one thing changed. The last one is what we have just built:

# %%
one_change = {
    "GPT-2": {},
    "no dropout": {"dropout": 0.0},
    "no biases": dict.fromkeys(BIASES, False),
    "RMSNorm": {"norm": "rms"},
    "RoPE": {"positions": "rope"},
    "SwiGLU": {"activation": "swiglu", "d_ff": F_32},
    "GQA (LilLM)": {"n_kv_heads": 2},
    "QK-norm": {"qk_norm": True},  # an option: section 8
}
chain, config = {}, replace(gpt2_config, dropout=0.1)
for name, change in one_change.items():
    chain[name] = config = replace(config, **change)

model, packages = LilLM(V, 32, 2, 4, 2), Decoder(chain["GQA (LilLM)"])  # @stepover
packages.load_state_dict(model.state_dict())
assert torch.allclose(model(tokens), packages(tokens), atol=1e-6)  # @stepinto lilllm.layers.rope
assert chain["GPT-2"].norm == "layer"

# %% [markdown]
# ### What each change costs
#
# Parameters and FLOPs are counted on the model as it runs, and compared with the closed forms of lecture 02. The cache
# is that of a generated token, in bytes, with 2 bytes a number.

# %%
rows = []
for name, config in chain.items():
    model, shape = Decoder(replace(config, dropout=0.0)), config.shape()  # @stepover
    with torch.no_grad(), count() as work:
        model(held_rows[:8, :-1])  # @stepover
    assert work.flops == sum(flops.forward(shape, batch=8, seq=T).values())
    assert sum(p.numel() for p in model.parameters()) == params.total(shape)
    cache = memory.kv_cache(shape, batch=1, seq=1)
    rows.append([name, f"{params.total(shape):,}", f"{work.flops // (8 * T):,}", f"{work.moved / 1e6:.1f}", cache])
table(["model", "parameters", "FLOPs a token, forward", "MB moved", "cache, bytes a token"], rows)

# %% [markdown]
# Biases and the table of positions were 4 % of this little model (of a large one they are nothing). SwiGLU costs
# what the MLP did, but for rounding. GQA saves a part of the projections and half of the cache.
#
# The traffic is a surprise: RMSNorm moves *more* here. The count is that of torch's operations as they run (192 tokens,
# forward), and on a processor LayerNorm is one operation, RMSNorm five small ones, each of which reads and writes
# everything; RoPE and the gate add more of the kind. Fewer steps in a formula are less traffic only where one kernel
# does them all. On GPUs that is how they are run (lecture 11).
#
# ### What each change brings
#
# Now the same small run for each: 40 steps of 192 tokens, no row twice, four seeds. A seed decides the first weights
# and the order of the rows.

# %%
best_change = predict(
    "Which single change lowers the held-out loss most?",
    choices=["no dropout", "no biases", "RMSNorm", "RoPE", "SwiGLU", "GQA"],
)
best_change

# %%
SEEDS = range(4)
result = {name: [] for name in chain}
for name, config in chain.items():
    for seed in SEEDS:
        model = initialise(Decoder(config), seed)  # @stepover
        fit(model, seed, steps=40)  # @stepover
        result[name].append(held_out(model))  # @stepover

# %%
names = list(chain)
fig, ax = plt.subplots(figsize=(7, 3.8))
for place, name in enumerate(names):
    ax.plot(result[name], [place] * len(SEEDS), "o", color=figures.BLUE, alpha=0.7)
    ax.plot(median(result[name]), place, "|", color=figures.VERMILLION, markersize=18, markeredgewidth=2)
ax.set_yticks(range(len(names)), names)
ax.invert_yaxis()
ax.set(xlabel="held-out loss after 40 steps (bits a byte); four seeds, bar: median")
plt.show()

middle = {name: median(result[name]) for name in names}


def verdict(before, after):
    """Does every seed of the one lie beyond every seed of the other?"""
    if max(result[after]) < min(result[before]):
        return "better, all seeds"
    if min(result[after]) > max(result[before]):
        return "worse, all seeds"
    return "within the noise of seeds"


rows = [[names[0], f"{middle[names[0]]:.2f}", "", ""]]
for before, after in pairwise(names):
    rows.append([after, f"{middle[after]:.2f}", f"{middle[after] - middle[before]:+.2f}", verdict(before, after)])
table(["model", "median", "change", "verdict"], rows)

# %%
gain = {after: middle[before] - middle[after] for before, after in pairwise(names)}
assert verdict("no biases", "RMSNorm") == verdict("SwiGLU", "GQA (LilLM)") == "within the noise of seeds"
assert verdict("GPT-2", "RMSNorm") == "better, all seeds"
assert verdict("RMSNorm", "RoPE") == "better, all seeds"
assert max(gain, key=gain.get) == "RoPE"
assert max(result["GQA (LilLM)"]) < min(result["GPT-2"])
best_change.reveal("RoPE")

# %% [markdown]
# Read it with care.
#
# - **RoPE is what counts** on this text with this little training: a table of positions must be learned row by row, and
#   RoPE need not. With more training the gap would shrink (lecture 06).
# - **Leaving out dropout and biases, and RMSNorm**: each of the three lies within the noise of seeds, all three
#   together do not. Four seeds are too few to tell small gains apart, one would tell nothing. RMSNorm was never meant
#   to lower the loss; it is there for its price.
# - **SwiGLU** gains some 0.02, again within the noise. The gains in Shazeer's table are as small (with models
#   thousands of times as large, where seeds make less noise).
# - **GQA** costs nothing that we could measure, and halves the cache. That is its whole point.
# - **QK-norm** made it a little worse, with all seeds. Section 8 shows what it is for.
#
# So most of what separates a model of today from GPT-2 does not lower the loss of a small run. It was chosen because it
# costs less, trains more reliably, or goes on working where the old one breaks.

# %% [markdown]
# ## 8. QK-norm
#
# One change is left as an option. Attention scores are products of queries and keys, and nothing limits how large they
# become in training. When they are large, softmax gives all weight to one token, its gradient is nearly zero, and what
# the model has decided it cannot take back. Henry and others (2020) proposed to norm queries and keys first: to length
# 1 each, and then to multiply the scores by a learned number. Today it is usually an RMSNorm over each head's D
# channels, with a learned gain, before RoPE turns them (Qwen3 does so). This is ***QK-norm***. A score then has a
# limit, whatever the weights before it: with gains of 1, both vectors have length $\sqrt{D}$, so
#
# $$\left| \frac{q \cdot k}{\sqrt{D}} \right| \le \frac{\sqrt{D} \cdot \sqrt{D}}{\sqrt{D}} = \sqrt{D}$$


# %%
def scores_of(model, tokens):
    """The largest attention score, in absolute value, in each layer."""
    largest = []

    def listen(part, given):
        x = given[0]
        heads = part.qkv(x).unflatten(-1, (-1, part.d_head))  # (B, T, H + 2 K, D)
        q, k, _ = heads.split((part.n_heads, part.n_kv_heads, part.n_kv_heads), 2)
        if part.q_norm is not None:
            q, k = part.q_norm(q), part.k_norm(k)
        angle = rope.angles(torch.arange(x.shape[1]), part.d_head)
        q, k = (rope.rotate(one.transpose(1, 2), angle.cos(), angle.sin()) for one in (q, k))
        k = k.repeat_interleave(part.n_heads // part.n_kv_heads, 1)
        largest.append(float((q @ k.mT).abs().max() / math.sqrt(part.d_head)))

    hooks = [block.attention.register_forward_pre_hook(listen) for block in model.blocks]
    with torch.no_grad():
        model(tokens)
    for hook in hooks:
        hook.remove()
    return largest


normed = initialise(Decoder(chain["QK-norm"]), seed=0)  # @stepover
for p in (normed.blocks[0].attention.qkv.weight, normed.blocks[1].attention.qkv.weight):
    p.data *= 1000  # whatever the weights
assert max(scores_of(normed, held_rows[:8, :-1])) <= math.sqrt(8)  # D = 8  @stepover

# %% [markdown]
# To see what it is good for, train LilLM with a learning rate that is much too large, with and without:

# %%
hot = {}
for name in ("GQA (LilLM)", "QK-norm"):
    for seed in range(2):
        trail, model = [], initialise(Decoder(chain[name]), seed)  # @stepover

        def listen(step, model, trail=trail):
            if step % 6 == 5:
                trail.append(max(scores_of(model, held_rows[:8, :-1])))

        fit(model, seed, steps=60, peak=0.2, hook=listen)  # @stepover
        hot[name, seed] = (trail, held_out(model))  # @stepover

# %%
fig, ax = plt.subplots(figsize=(6.4, 3.2))
for name, style in zip(("GQA (LilLM)", "QK-norm"), figures.line_styles(2), strict=True):
    for seed in range(2):
        label = ("LilLM" if name != "QK-norm" else "with QK-norm") if not seed else None
        first = hot[name, seed][0][:4]  # of ten: later ones show how each product was rounded
        ax.plot(range(6, 25, 6), first, label=label, **style)
ax.set(yscale="log", xlabel="step, at ten times the learning rate", ylabel="largest attention score")
ax.legend()
plt.show()

ends = {name: [hot[name, seed][1] for seed in range(2)] for name in ("GQA (LilLM)", "QK-norm")}
print({name: round(median(two), 1) for name, two in ends.items()}, "bits a byte")
assert min(hot["GQA (LilLM)", s][0][-1] for s in range(2)) > 20 * max(hot["QK-norm", s][0][-1] for s in range(2))
assert max(ends["QK-norm"]) < min(ends["GQA (LilLM)"])

# %% [markdown]
# Without the norm, scores of a thousand in the end: every head looks at one token only and cannot look away. With it,
# they stay two orders of magnitude smaller (the gains grow, so the limit does too), and the loss is lower. Neither is
# good at this rate. At the right one, in section 7, QK-norm cost a little: with heads of 8 channels scores begin within
# 2.8, and the gains must first grow before a head can look at one token. It is an insurance, and it has a price. It is
# worth that where nobody can afford to try five rates.
#
# ## 9. What the stream says on its way
#
# Since the head is tied and every station of the stream has the same C channels, nothing keeps us from applying the
# last norm and the head at any station, not only at the last. What would the model say if it stopped here? This way
# of looking is known as the ***logit lens*** (nostalgebraist 2020). We take LilLM, trained for 150 steps.

# %%
lil = initialise(Decoder(chain["GQA (LilLM)"]), seed=0)  # @stepover
fit(lil, seed=0, steps=150)  # @stepover
with torch.no_grad():
    stream = stations(lil, held_rows[:, :-1])  # (5, B, T, C)  @stepover
    lens = (lil.norm(stream) @ lil.embed.weight.T).log_softmax(-1)  # (5, B, T, V)
    targets = held_rows[:, 1:]
    by_station = [float(F.nll_loss(one.flatten(0, 1), targets.flatten())) * bits for one in lens]
    echo = float((lens[0].argmax(-1) == held_rows[:, :-1]).double().mean())
where = ["embedding", "attention 1", "SwiGLU 1", "attention 2", "SwiGLU 2"]
print({name: round(loss, 1) for name, loss in zip(where, by_station, strict=True)})
print(f"at the embedding the likeliest next token is the token itself in {echo:.0%} of the places")
assert by_station[-1] == min(by_station)
assert math.isclose(by_station[-1], held_out(lil), rel_tol=1e-3)  # @stepover
assert echo > 0.9

# %% [markdown]
# At the bottom it says what section 1 said: each token is most like itself. Layer by layer, the vector moves from
# what the token *is* to what *follows* it. Move the slider through a held-out text and watch where in the model each
# guess appears: some are clear after the first attention, some only at the end, and some guesses that were right on
# the way are given up again. (In a static copy you see one place only.)


# %%
def guesses(place, row=5):
    """The three likeliest tokens at each station, before and after one place of a text."""
    seen, comes = text_of(held_rows[row, : place + 1].tolist()), text_of([int(held_rows[row, place + 1])])
    lines = [f"<p>&hellip;{seen.replace(chr(10), ' / ')}<b>[{comes.replace(chr(10), ' / ')}]</b></p><table>"]
    for name, station in zip(where, lens, strict=True):
        best = station[row, place].exp().topk(3)
        cells = "".join(
            f'<td style="text-align:left; background:rgba(0,114,178,{0.5 * float(p):.2f})">'
            f"<code>{text_of([int(i)]).replace(chr(10), '/').replace(' ', '_')}</code> {float(p):.0%}</td>"
            for p, i in zip(best.values, best.indices, strict=True)
        )
        lines.append(f'<tr><th style="text-align:left">{name}</th>{cells}</tr>')
    return "".join(lines) + "</table>"


# %%
place = widgets.IntSlider(value=12, min=0, max=T - 1, description="token")
shown = widgets.HTML(guesses(place.value))  # @stepover
place.observe(lambda change: setattr(shown, "value", guesses(change["new"])), names="value")
display(HTML(guesses(12)))  # @stepover
display(widgets.VBox([place, shown]))
place.value = 20  # as if you had moved it  @stepover
assert shown.value == guesses(20) != guesses(12)  # @stepover
place.value = 12

# %% [markdown]
# ## 10. Encoder, decoder, and both
#
# Each model so far was a ***decoder***: each token sees itself and what is before it, so the model can write. Leave out
# the causal mask, and you have an ***encoder***: each token sees all. It cannot be asked for the next token, which it
# would have seen; it is good for reading, and for filling gaps (BERT). The transformer of 2017 was made for translation
# and had both: an encoder reads the source, a decoder writes the target and, in a third half of each block, attends to
# what the encoder made of the source (cross-attention, lecture 05). It is the same block each time. Who can see whom?
# We need not believe a drawing. Change one input token, and see which outputs move:


# %%
def sees(outputs, tokens):
    """(outputs, inputs): whether changing an input token changes an output."""
    before, moved = outputs(tokens), []
    for place in range(tokens.shape[1]):
        other = tokens.clone()
        other[:, place] = (other[:, place] + 1) % 16
        moved.append((outputs(other) - before).abs().amax((0, 2)) > 0)
    return torch.stack(moved, 1)


small = ModelConfig(vocab_size=17, n_layers=1, d_model=32, n_heads=4, context_len=20, norm="rms", init="fan_in")
draw = torch.Generator().manual_seed(0)
decoder, encoder, both = (kind(small, generator=draw) for kind in (Decoder, Encoder, EncoderDecoder))  # @stepover
six = torch.randint(16, (2, 6), generator=draw)
with torch.no_grad():
    views = {
        "decoder": sees(decoder, six),  # @stepover
        "encoder": sees(encoder, six),  # @stepover
        "encoder-decoder": torch.cat(  # the target's view of the source, and of itself  @stepover
            [sees(lambda source: both(source, six), six), sees(lambda target: both(six, target), six)], 1
        ),
    }

# %%
fig, axes = plt.subplots(1, 3, figsize=(7.4, 2.6), width_ratios=[1, 1, 2])
for ax, (title, seen) in zip(axes, views.items(), strict=True):
    ax.imshow(seen, cmap="cividis", vmin=0, vmax=1)
    ax.set(title=title, xlabel="input token", xticks=range(seen.shape[1]), yticks=range(6))
    ax.grid(False)
axes[0].set_ylabel("output")
axes[2].set_xticks(range(12), [*(f"s{i}" for i in range(6)), *(f"t{i}" for i in range(6))])
plt.show()

assert torch.equal(views["decoder"], torch.ones(6, 6, dtype=torch.bool).tril())
assert views["encoder"].all()
assert views["encoder-decoder"][:, :6].all()
assert torch.equal(views["encoder-decoder"][:, 6:], views["decoder"])

# %% [markdown]
# (Bright: it sees it.) Now a task for both halves, the simplest that needs them: to copy. The source is eight random
# symbols, the target the same ones, and the first target token is a sign to begin. It cannot be done by guessing, it
# needs an attention from each target place to the same place of the source.

# %%
copy_config = replace(small, positions="learned", norm="rms")
N, BEGIN = 8, 16  # symbols in a source; the sign to begin


def copy_batch(draw, size=16):
    source = torch.randint(16, (size, N), generator=draw)
    target = torch.cat([torch.full((size, 1), BEGIN), source[:, :-1]], 1)  # what it reads: the sign, then seven
    return source, target


def learn_to_copy(seed, steps=130):
    draw = torch.Generator().manual_seed(seed)
    model = EncoderDecoder(copy_config, generator=draw)
    optimizer = torch.optim.AdamW(model.parameters(), betas=(0.9, 0.95), weight_decay=0.0, fused=True)
    rate, right = schedules.cosine(peak=0.01, warmup=10, total=steps), []
    for step in range(steps):
        source, target = copy_batch(draw)
        logits = model(source, target)
        optimizer.zero_grad()
        F.cross_entropy(logits.flatten(0, 1), source.flatten()).backward()
        optimizer.param_groups[0]["lr"] = rate(step)
        optimizer.step()
        right.append(float((logits.argmax(-1) == source).double().mean()))
    return model, right


model, right = learn_to_copy(seed=0)  # @stepover

# %%
fresh, opened = copy_batch(torch.Generator().manual_seed(99), size=64)
written = model.greedy(fresh, N, start=BEGIN)  # its own words, one after the other  @stepover
share = float((written == fresh).double().mean())
with torch.no_grad():
    reader, block, memory_of = model.decoder, model.decoder.blocks[0], model.encoder(fresh)  # @stepover
    x = reader.embed(opened) + reader.positions(torch.arange(N))
    x = x + block.attention(block.norm1(x))  # @stepover
    q = block.cross.q(block.norm_cross(x)).unflatten(-1, (4, 8)).transpose(1, 2)
    k, v = block.cross.kv(memory_of).unflatten(-1, (8, 8)).transpose(1, 2).chunk(2, 1)
    weights = attention_reference(q, k, v)[1].mean((0, 1))  # (T, S), mean of heads and texts
print(f"of 64 new sources, {share:.0%} of the symbols are copied right; a guess would be right in {1 / 16:.0%}")
print(fresh[0].tolist(), "->", written[0].tolist())
assert share > 0.9

# %%
fig, (left, right_side) = plt.subplots(1, 2, figsize=(7.2, 3))
left.plot(range(5, 130, 10), torch.tensor(right).unfold(0, 10, 10).mean(-1), color=figures.BLUE)
left.set(xlabel="step", ylabel="symbols right", ylim=(0, 1.05))
image = right_side.imshow(weights, cmap="cividis", vmin=0)
right_side.set(xlabel="place in the source", ylabel="place in the target", title="cross-attention")
right_side.grid(False)
fig.colorbar(image, ax=right_side, label="weight")
plt.show()
assert (weights.argmax(1) == torch.arange(N)).all()

# %% [markdown]
# On the right is what it has learned: target place t looks at source place t. Language models today are mostly
# decoders: source and target then stand one after the other in one text, and one stack of layers does both. That is
# simpler and needs no pairs. Encoders remain where only reading is asked for, and encoder-decoders where the source is
# of another kind: speech, images (lecture 26).

# %% [markdown]
# ## 11. The sizes of real models
#
# The same few numbers describe every decoder. `lilllm.models` has presets, `lilllm.accounting` the closed forms. On the
# meta device (lecture 02) even the largest is built in no memory, and its parameters are counted one by one:

# %%
rows = []
real = ["liltown", "lillm-39m", "lillm-300m", "gpt2", "gpt2-xl", "smollm2-135m", "qwen3-0.6b", "llama3-8b"]
for name in real:
    config, shape = preset(name), preset(name).shape()
    built = sum(p.numel() for p in Decoder(config, device="meta").parameters())  # @stepover
    assert built == params.total(shape) == params.total(shape_of(name))
    parts, a_token = params.parameters(shape), sum(flops.forward(shape, batch=1, seq=1).values())
    looked_up = parts["embedding"] + parts["positions"] + parts["output"]
    rows.append([
        name, f"{built / 1e6:,.1f}", f"{shape.n_layers} x {shape.d_model}", f"{shape.n_heads} / {shape.n_kv_heads}",
        f"{looked_up / built:.0%}", f"{parts['attention'] / built:.0%}", f"{parts['feed_forward'] / built:.0%}",
        f"{a_token / 1e6:,.0f}", f"{memory.kv_cache(shape, batch=1, seq=1) / 1024:,.1f}",
    ])  # fmt: skip
titles = ["model", "parameters (M)", "layers x width", "heads / kv", "tables", "attention", "feed-forward",
          "MFLOP a token", "cache (KiB a token)"]  # fmt: skip
table(titles, rows)

# %% [markdown]
# (MFLOP: forward, for the first token, so that scores count next to nothing.) Read it from left to right. Where the
# vocabulary is large and the model small, the tables of tokens are a quarter or a third of everything, so tying them
# pays. Llama 3 8B does not, and 13 % of its parameters are tables. Most of the rest is the feed-forward part: about two
# thirds of a layer with plain heads, more with GQA, which makes attention cheaper. And the cache of Qwen3-0.6B, a model
# thirteen times smaller, is nearly that of Llama 3 8B: as many key-value heads, and nearly as many layers.
#
# FLOPs to the digit, on a model as it runs:

# %%
ids = torch.zeros(1, 64, dtype=torch.long, device="meta")
for name in ("gpt2", "qwen3-0.6b"):
    one_layer = replace(preset(name), n_layers=1, vocab_size=1000)
    counted = flops.measure(Decoder(one_layer, device="meta"), ids)  # @stepover
    closed = sum(flops.forward(one_layer.shape(), batch=1, seq=64).values())
    print(f"{name}, one layer, 64 tokens: {counted['forward']:,} FLOPs forward")
    assert counted == {"forward": closed, "backward": 2 * closed}

# %% [markdown]
# ## 12. Somebody else's weights
#
# A model that has the same parts in the same order can take weights that others have trained. Two things stand in
# between: names, and conventions. We write a checkpoint in the format in which the real ones lie on Hugging Face, a
# `config.json` and a file of tensors, and read it again. (The real ones need a network and the package
# `huggingface_hub`. Then `from_pretrained("openai-community/gpt2")` is all it takes, and the same for Llama, SmolLM2,
# Qwen and Mistral.)

# %%
home = tempfile.TemporaryDirectory()
saved = {"gpt2": initialise(Decoder(chain["no dropout"]), 0), "llama": lil}  # @stepover
said = {name: model.eval()(tokens) for name, model in saved.items()}  # @stepover
for name, model in saved.items():
    export(model, Path(home.name) / name)  # @stepover
    config = json.loads((Path(home.name) / name / "config.json").read_text())
    print(name, "->", {key: config[key] for key in ("model_type", "vocab_size")}, end=", ")
    print({key: config[key] for key in config if "act" in key or "eps" in key})

# %%
with (
    safe_open(Path(home.name) / "gpt2" / "model.safetensors", "pt") as gpt2_file,
    safe_open(Path(home.name) / "llama" / "model.safetensors", "pt") as llama_file,
):
    rows = []
    for name, file in (("GPT-2", gpt2_file), ("Llama", llama_file)):
        for key in sorted(file.keys()):
            if ".0." in key and "norm" not in key and "ln_" not in key and "bias" not in key:
                rows.append([name, key, "x".join(map(str, file.get_slice(key).get_shape()))])
    turned = gpt2_file.get_tensor("transformer.h.0.mlp.c_fc.weight")
assert torch.equal(turned, saved["gpt2"].blocks[0].ffn.up.weight.T)  # theirs is (in, out), ours (out, in)
table(["format", "tensor of layer 0", "shape"], rows)

# %% [markdown]
# The same model, in other words. GPT-2's files have one matrix for queries, keys and values, stored as input by output;
# `nn.Linear` stores output by input. Llama's have three, and half-split pairs for RoPE (Meta's own files have the other
# layout, lecture 06). And `config.json` says `gelu_new`, which means the tanh form.

# %%
for name, model in saved.items():
    again = from_pretrained(Path(home.name) / name, progress=False)  # @stepover
    assert torch.equal(again(tokens), said[name])  # logits equal, to the last bit  @stepover
    assert again.config.shape() == model.config.shape()
read = from_pretrained(Path(home.name) / "gpt2", progress=False)  # @stepover
assert read.config.activation == "gelu_tanh"

exact = Decoder(replace(chain["no dropout"], activation="gelu"))  # the same weights, the other GELU  @stepover
exact.load_state_dict(saved["gpt2"].state_dict())
off = float((exact(tokens) - said["gpt2"]).detach().abs().max())  # @stepover
print(f"with the other form of GELU, logits differ by up to {off:.0e}")
assert 1e-6 < off < 1e-2

# %% [markdown]
# A loader must not guess. If a tensor is missing, or one is left over, the names are off, and a model that runs with
# some weights still random is worse than an error:

# %%
config_file = Path(home.name) / "llama" / "config.json"
config_file.write_text(config_file.read_text().replace('"num_hidden_layers": 2', '"num_hidden_layers": 3'))
with chdir(home.name):  # so that the message does not hold this machine's name of the folder
    try:
        from_pretrained(Path("llama"), progress=False)  # @stepover
    except ValueError as error:
        print(str(error)[:150], "...")
home.cleanup()

# %% [markdown]
# ## 13. The whole model to look into
#
# Here is LilLM as it reads six tokens: every module a box, every tensor a line. Click on a box to open it, on a line to
# see its numbers, the code that made it and, where attention was computed, the weights of each head. Follow one token
# from the embedding to the logits; see where the shape changes, where zeros come from, what is large.

# %%
picture = model_picture(lil, held_rows[5:6, :6])  # @stepover
picture

# %%
print(f"{picture.model.tensors()} tensors in one forward pass")
assert tuple(picture.find("blocks.0.attention").gave.shape) == (1, 6, 32)

# %% [markdown]
# ## 14. Napkin answer
#
# **Napkin answer.** GPT-2 first, by hand and by the closed form. A layer has four matrices of $C^2$ in attention and
# two of $4C^2$ in the MLP, together $12 C^2$; small change for biases and norms. And two tables.

# %%
small_gpt2 = shape_of("gpt2")
C, n_layers = small_gpt2.d_model, small_gpt2.n_layers
tables_of = (50_257 + 1_024) * C
by_hand = n_layers * (12 * C * C + 13 * C) + 2 * C + tables_of  # 13 C: biases of 3C, C, 4C, C and two norms of 2C
assert by_hand == params.total(small_gpt2) == 124_439_808
a_token = 2 * (n_layers * 12 * C * C + 50_257 * C)  # twice each weight that it meets; looking up costs nothing
assert a_token + n_layers * 4 * C == sum(flops.forward(small_gpt2, batch=1, seq=1).values())
print(f"GPT-2: {by_hand / 1e6:.1f}M parameters, {tables_of / by_hand:.0%} of them in the tables;", end=" ")
print(f"{a_token / 1e9:.2f} GFLOP a token")

# %%
as_lil = ModelConfig(vocab_size=50_257, n_layers=12, d_model=768, n_heads=12, n_kv_heads=4, context_len=1024)
layer = (2 + 2 * 4 / 12) * C * C + 3 * as_lil.d_ff * C + 2 * C  # q and out whole, k and v a third; three matrices
lil_by_hand = round(n_layers * layer + C + 50_257 * C)
assert lil_by_hand == params.total(as_lil.shape())
assert lil_by_hand == sum(p.numel() for p in Decoder(as_lil, device="meta").parameters())  # @stepover
print(f"as a LilLM (d_ff {as_lil.d_ff:,}): {lil_by_hand / 1e6:.1f}M parameters,", end=" ")
kept = [memory.kv_cache(shape, batch=1, seq=1) for shape in (as_lil.shape(), small_gpt2)]
print(f"and a cache of {kept[0] / kept[1]:.2f} of the bytes")
assert 0.85 < lil_by_hand / by_hand < 0.95
assert kept[0] * 3 == kept[1]

# %% [markdown]
# 124 million parameters, a third of them in two tables; a quarter of a GFLOP a token; and about 114 million as a
# LilLM, with a third of the cache. The sum of weights is nearly the same model. What six years changed is what one can
# do with them: train without fear of a warm-up that is too short, read beyond a fixed table of positions, and serve
# three times as many users from the same memory.
#
# ## 15. Exercises
#
# Write the function in each cell, then run it. `check` tries it on small cases and names the likely mistake. For a
# hint, add `hint=1`, then `hint=2`; for a solution, `solution=True`.
#
# **1. RMSNorm.** Along the last axis.


# %% tags=["exercise"] exercise="transformer.rms_norm"
def rms_norm(x, gain, eps):
    """A tensor of the shape of x."""
    ...


check("transformer.rms_norm", rms_norm)

# %% [markdown]
# **2. SwiGLU.** The weights are stored input by output here: (C, F), (C, F) and (F, C), to be used as `x @ w_gate`.


# %% tags=["exercise"] exercise="transformer.swiglu"
def swiglu(x, w_gate, w_up, w_down):
    """A tensor of the shape of x."""
    ...


check("transformer.swiglu", swiglu)

# %% [markdown]
# **3. Grouped-query attention.** Causal. Queries are (B, H, T, D), keys and values (B, K, T, D), and K divides H.
# Which query heads belong to a key-value head? Neighbours.


# %% tags=["exercise"] exercise="transformer.gqa"
def attention_gqa(q, k, v):
    """A tensor of the shape of q."""
    ...


check("transformer.gqa", attention_gqa)

# %% [markdown]
# **4. Parameters.** Of a LilLM: no biases, RMSNorm, SwiGLU, tied tables, RoPE, heads of d_model / n_heads channels.


# %% tags=["exercise"] exercise="transformer.count"
def n_parameters(vocab, layers, d_model, d_ff, n_heads, n_kv_heads):
    """A whole number."""
    ...


check("transformer.count", n_parameters)

# %% [markdown]
# **5. Where the stream begins.** All other matrices begin with the standard deviation `std`. With which do those that
# write into the stream, if all layers together are to add what one matrix of `std` would?


# %% tags=["exercise"] exercise="transformer.residual_std"
def residual_std(n_layers, std):
    """A number."""
    ...


check("transformer.residual_std", residual_std)

# %% [markdown]
# **6. The loss.** `logits` (B, T, V) of a text, `tokens` (B, T) the same text. Which logits have something to be
# compared with, and with what? (The museum's `07_shifted_twice` is about an answer that trains well and is wrong.)


# %% tags=["exercise"] exercise="transformer.next_loss"
def loss(logits, tokens):
    """The mean cross-entropy of the next tokens, a tensor of one number."""
    ...


check("transformer.next_loss", loss)

# %% [markdown]
# ## What we left out
#
# - **Mixtures of experts**: many feed-forward parts of which each token uses a few (lecture 13).
# - **Other ways to save the cache**: one key-value head for all (MQA), low rank (MLA), windows (lecture 10).
# - **Parallel halves**: attention and feed-forward read the same normed stream and add together (PaLM). One norm less,
#   and fewer waits on large machines.
# - **Norms in more places**: after each half as well (Gemma 2), or only there, inside the branch (OLMo 2).
# - **Scaled residuals** for very deep post-norm models (DeepNet), and learned scalars that begin at zero (ReZero).
# - **A width that carries its learning rate along** (muP): lecture 17.
# - **Training for longer than some hundred steps**: lecture 08, with LilLM. Sampling from it: lecture 09.
#
# ## Sources
#
# - Vaswani and others 2017, *Attention Is All You Need*, arXiv:1706.03762: encoder and decoder, post-norm.
# - Radford and others 2019, *Language Models are Unsupervised Multitask Learners*: GPT-2; section 2.3: pre-norm, and
#   $1/\sqrt{N}$ with N the number of residual layers.
# - Ba, Kiros, Hinton 2016, *Layer Normalization*, arXiv:1607.06450. Zhang, Sennrich 2019, *Root Mean Square Layer
#   Normalization*, arXiv:1910.07467.
# - Xiong and others 2020, *On Layer Normalization in the Transformer Architecture*, arXiv:2002.04745: pre- and
#   post-norm at the start, and warm-up.
# - Hendrycks, Gimpel 2016, *Gaussian Error Linear Units*, arXiv:1606.08415: GELU, SiLU and the tanh form. Shazeer 2020,
#   *GLU Variants Improve Transformer*, arXiv:2002.05202: SwiGLU, two thirds of the hidden width, and pretraining
#   without dropout (section 3.1).
# - Ainslie and others 2023, *GQA*, arXiv:2305.13245. Henry and others 2020, *Query-Key Normalization for Transformers*,
#   arXiv:2010.04245.
# - Press, Wolf 2017, *Using the Output Embedding to Improve Language Models*, arXiv:1608.05859.
# - Touvron and others 2023, *LLaMA*, arXiv:2302.13971, section 2.2: pre-norm with RMSNorm, SwiGLU, RoPE.
# - Srivastava and others 2014, *Dropout*, JMLR 15. Chowdhery and others 2022, *PaLM*, arXiv:2204.02311: no biases
#   (section 2), no dropout in pretraining (section 5). Muennighoff and others 2023, *Scaling Data-Constrained Language
#   Models*, arXiv:2305.16264: four epochs.
# - nostalgebraist 2020, *interpreting GPT: the logit lens*, LessWrong. Devlin and others 2018, *BERT*,
#   arXiv:1810.04805.
# - The sizes in section 11: the `config.json` of each checkpoint; Llama Team 2024, arXiv:2407.21783, table 3.
