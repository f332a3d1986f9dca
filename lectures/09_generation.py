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
# # 09 Generation: from scores to a text
#
# Lecture 08 trained a model. What it gives us is not a text: it is a score for every token that may come next, and
# nothing more. Somebody has to choose, put the choice behind the text, and ask again. How one chooses decides whether
# the same model sounds like a clock, like a person, or like a drunk; and how one asks again decides whether a page
# costs a second or two minutes. Both are the subject here. Since our model writes of a town in which we know all that
# is true, we can count what each way of choosing costs, in grammar, in facts and in variety.
#
# - **You will build:** a loop that writes; temperature, top-k, top-p, min-p, repetition penalty, factual-nucleus, DoLa
#   and beam search; a key-value cache, and what it saves; stop strings and streaming; a judge for stories of LilTown
# - **You need:** lecture 07 (the model); lecture 05 (attention); lecture 02 for FLOPs, bytes and the roofline
# - **Minutes to read:** 90
# - **Budget:** 60 s, 1 GB, 300 GFLOP, 150 GB moved
#
# **Napkin question.** Llama 3 8B (32 layers, 8 key-value heads of 128 channels) is served from one H100: 80 GB of
# memory that can be read at 3.35 TB a second. Weights and cache are in bfloat16. How many GB of cache does one user
# need who has a context of 8,192 tokens? How many such users fit beside the weights? And how many tokens a second can
# be written at the very most, for one user alone, and for all of them together? Write four numbers on a napkin. The
# last section but one computes them.

# %%
import html
import math
import re
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from statistics import mean, median

import ipywidgets as widgets
import matplotlib.pyplot as plt
import torch
from IPython.display import HTML, display

from lilllm import inference
from lilllm.accounting import count, flops, memory
from lilllm.accounting import preset as shape_of
from lilllm.accounting.gpus import gpu
from lilllm.course import check, figures, museum, predict
from lilllm.course.chips import table
from lilllm.data.liltown import LilTown
from lilllm.data.liltown.town import KINDS, LOOKS, PLACES, WORKPLACE
from lilllm.inference import DoLa, Factual, Sampler
from lilllm.inference.dola import contrast
from lilllm.layers import rope
from lilllm.layers.attention import attention

figures.use_style()
torch.set_default_dtype(torch.float64)  # a choice by chance magnifies rounding; so the texts are the same everywhere
torch.set_grad_enabled(False)  # nothing is trained here
BLUE, VERMILLION, GREEN, PURPLE = figures.COLOURS

# %% [markdown]
# ## 1. One token after the other
#
# The model is the LilTown checkpoint that comes with the package: the LilLM of lecture 07 in small, trained as in
# lecture 08. `inference.load` gives it together with its tokenizer. One special token ends every document, and so
# stands before every document too: a model that is given only this token writes a new one.

# %%
speaker = inference.load("liltown")  # @stepover
model, tokenizer = speaker.model.double(), speaker.tokenizer  # @stepover
V, END = model.config.vocab_size, tokenizer.special_tokens["<|endoftext|>"]
town = LilTown(seed=0)


def scores_after(text):
    """The logits (V,) of what follows a text that begins a document."""
    return model(torch.tensor([[END, *tokenizer.encode(text)]]))[0, -1]


logits = scores_after("One day, Anna")  # @stepover
best = logits.softmax(-1).topk(3)
print(f"{sum(p.numel() for p in model.parameters()):,} parameters, a score for each of {len(logits)} tokens")
print([f"{tokenizer.decode([i])!r}: {p:.2f}" for p, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)])

# %% [markdown]
# A text comes from a loop. Ask for the scores, choose, append, repeat, until the model says that the document is over.
# All the art of this lecture is in `choose`:


# %%
def write(choose, start="", n=120):
    """Go on with a text, one token after the other, until the end of the document."""
    ids = [END, *tokenizer.encode(start)]
    for _ in range(n):
        ids.append(choose(model(torch.tensor([ids]))[0, -1]))  # @stepover
        if ids[-1] == END:
            break
    return tokenizer.decode([i for i in ids if i != END])


# %% [markdown]
# The scores are logits, and softmax makes probabilities of them (lecture 03). The model was trained so that these
# probabilities are those of the text (lecture 08). So the most honest choice is to *draw*: take each token as often as
# its probability says. For that one needs a single random number from 0 to 1. Lay the probabilities end to end on the
# line from 0 to 1, and see into which of them the number falls.


# %%
def draw(logits, generator):
    """A token, with the probability that softmax gives it."""
    running = logits.softmax(-1).cumsum(-1)  # where each token's part of the line ends
    return int((running <= torch.rand((), generator=generator) * running[-1]).sum())


drawn_by = torch.Generator().manual_seed(1)
print(write(lambda logits: draw(logits, drawn_by)))  # @stepover

# %% [markdown]
# Is it right? Draw many times and compare what came with what should have come. Chance makes a difference of its own.
# The statistic $\chi^2 = \sum_i (\text{seen}_i - \text{expected}_i)^2 / \text{expected}_i$ is known to be about as
# large as the number of tokens compared, less one, if there is nothing but chance. (Rare tokens are put together in one
# class.)

# %%
logits = scores_after("One day, Anna was")  # @stepover
rows, generator = 2000, torch.Generator().manual_seed(0)
drawn = Counter(draw(logits, generator) for _ in range(rows))  # @stepover
expected = {i: rows * float(p) for i, p in enumerate(logits.softmax(-1)) if rows * p > 5}
seen = [drawn[i] for i in expected] + [rows - sum(drawn[i] for i in expected)]
should = [*expected.values(), rows - sum(expected.values())]
chi2, free = sum((a - b) ** 2 / b for a, b in zip(seen, should, strict=True)), len(seen) - 1
assert chi2 < free + 4 * math.sqrt(2 * free)  # its mean is `free`, its variance 2 `free`
two = [torch.Generator().manual_seed(5) for _ in range(2)]
assert [draw(logits, two[0]) for _ in range(50)] == [
    int(inference.draw(logits, two[1])) for _ in range(50)
]  # @stepover

# %% [markdown]
# ### What the model says, and what is so
#
# With LilTown we can look behind the text: of a few thousand of its documents, how many go on how? Three places, and
# for each the twelve likeliest tokens. Bars are what the model says, crosses how often it is so in the town.

# %%
documents = list(town.documents(0, 2500))  # @stepover
openings = [re.match(r"(\w+ .*?,) ([A-Z]\w+) (was) (\w+)", text) for text in documents]
openings = [opening for opening in openings if opening]
CONTEXTS = {"One day, Anna": 3, "One day, Anna was": 4, "One day,": 2}  # and which part of an opening comes next
in_town = {
    context: {f" {word}": n / len(openings) for word, n in Counter(o[part] for o in openings).items()}
    for context, part in CONTEXTS.items()
}
after = {context: scores_after(context) for context in CONTEXTS}  # @stepover


# %%
def bars(ax, logits, kept=None, n=12, colour=BLUE):
    """The n likeliest tokens; those that were thrown away in grey, with their old probability."""
    top = logits.softmax(-1).topk(n)
    names = [tokenizer.decode([i]) for i in top.indices.tolist()]
    shares = top.values if kept is None else kept.softmax(-1)[top.indices]
    if kept is not None:
        ax.barh(range(n), top.values, color=figures.GREY, alpha=0.35)
    ax.barh(range(n), shares, color=colour, height=0.8 if kept is None else 0.5)
    ax.set_yticks(range(n), names)
    ax.invert_yaxis()
    return names


fig, axes = plt.subplots(1, 3, figsize=(8.4, 3.6))
off = {}
for ax, (context, logits) in zip(axes, after.items(), strict=True):
    names, real = bars(ax, logits), in_town[context]  # @stepover
    ax.plot([real.get(name, 0) for name in names], range(12), "x", color=VERMILLION, markersize=6)
    ax.set(title=f"{context} ...", xlabel="probability")
    texts = [tokenizer.decode([i]) for i in range(V)]  # @stepover
    chance = dict(zip(texts, logits.softmax(-1).tolist(), strict=True))
    off[context] = sum(abs(chance[name] - real.get(name, 0)) for name in chance) / 2
plt.show()
print("what is so but not said, or said but not so:", {context: f"{share:.0%}" for context, share in off.items()})
assert max(off.values()) < 0.25

# %% [markdown]
# Three kinds of places. At the first there is nothing to choose. At the second there are four ways to go on (*at*,
# *on*, *in*, *by*: where somebody was), and the model knows how often each comes. At the third anybody may follow, and
# the model says so: twenty-four names, each with a small probability. A good model is not one that is always sure. It
# is one whose uncertainty is that of the text. (That is what cross-entropy rewards: lecture 08 measured it against
# LilTown's own entropy.)
#
# ### Every choice of a document
#
# To see all choices of a text, we keep at each step which tokens were likeliest and which one was taken.
# `inference.steps` does that; the small class below only shows it.


# %%
@dataclass
class Trail:
    """The steps of a generation: for each token its probability and what else might have been."""

    steps: list
    k: int = 4

    def rows(self):
        for step in self.steps:
            others = [(tokenizer.decode([i]), p) for i, p in step.candidates[: self.k]]
            yield tokenizer.decode([step.token]), math.exp(step.logprob), others

    def __repr__(self):
        return " ".join(f"{text.strip()}({p:.0%})" for text, p, _ in self.rows())

    def _trace_repr_(self):
        rows = [[text, round(p, 2), *(f"{o.strip()} {q:.2f}" for o, q in others)] for text, p, others in self.rows()]
        return "table", {"columns": ["taken", "p", *map(str, range(1, self.k + 1))], "rows": rows}

    def _repr_html_(self):
        cells = []
        for text, p, others in self.rows():
            head = f'<b style="background:rgba(213,94,0,{0.75 * (1 - p):.2f})">{html.escape(text)}</b>'
            below = "".join(
                f'<div style="background:linear-gradient(90deg,rgba(0,114,178,0.35) {q:.0%},transparent {q:.0%})">'
                f"{html.escape(other)}&nbsp;<small>{q:.0%}</small></div>"
                for other, q in others
            )
            cells.append(f'<td style="text-align:left;vertical-align:top;white-space:pre">{head}{below}</td>')
        return f'<div style="overflow-x:auto"><table><tr>{"".join(cells)}</tr></table></div>'


drawn_by = torch.Generator().manual_seed(6)
begun = [END, *tokenizer.encode("One day,")]
first = list(inference.steps(model, begun, max_new=120, stop_ids=[END], generator=drawn_by))  # @stepover
trail = Trail(first)  # @inspect trail
trail

# %% [markdown]
# Scroll to the right. The redder a token, the less likely it was; below each stand the four likeliest. Most tokens
# follow from those before them. Now and then there is a crossing: who, where, what, which colour. At crossings the
# story is made, everything between them is grammar. How many crossings are there?

# %%
surprise = [-step.logprob / math.log(2) for step in first]
fig, ax = plt.subplots(figsize=(7.4, 2.8))
ax.bar(range(len(surprise)), surprise, color=[VERMILLION if bits > 1 else BLUE for bits in surprise])
ax.set(xlabel="token of the document", ylabel="surprise (bits)")
plt.show()
share = mean(bits < 0.1 for bits in surprise)
half = sum(sorted(surprise, reverse=True)[: len(surprise) // 4]) / sum(surprise)
print(f"{share:.0%} of the tokens are as good as certain; a quarter of them holds {half:.0%} of all bits")
assert share > 0.25
assert half > 0.5

# %% [markdown]
# ## 2. Always the likeliest: greedy
#
# Why draw at all? One could take the best token each time. That is ***greedy*** decoding. It needs no random number and
# always gives the same text:


# %%
def likeliest(logits):
    return int(logits.argmax())


start = "One day, Anna was"
said = write(likeliest, start)  # @stepover
print(said)

# %% [markdown]
# Now let it go on with the same beginning for each of the 24 people of the town. To compare *stories*, not names, we
# replace what a story may vary: names, places, things, numbers. What is left is the plot in its wording. (These few
# patterns come back in section 6, where a judge is made of them.)


# %%
def one_of(words):
    return "(?:" + "|".join(sorted(map(re.escape, words), key=len, reverse=True)) + ")"


NAME, JOB = one_of(p.name for p in town.town.people), one_of(WORKPLACE)
NOUN, LOOK = one_of(kind.noun for kind in KINDS), one_of(LOOKS)
AT, PLACE = one_of(place.at for place in PLACES), one_of(place.name for place in PLACES)
VARIES = {
    rf"\b[Aa] (?=(?:{LOOK} )?{NOUN}\b)(?![aeiou])|\b[Aa]n (?=(?:{LOOK} )?{NOUN}\b)(?=[aeiou])": "A ",
    rf"\b(?:{LOOK} )?{NOUN}\b": "THING", rf"\b{AT}\b": "AT", rf"\b{PLACE}\b": "PLACE", rf"\b{NAME}\b": "NAME",
    rf"\bis the {JOB}\b": "is the JOB", r"\b\d+\b": "N",
}  # fmt: skip


def bare(text):
    """A text without names, places, things and numbers."""
    for pattern, word in VARIES.items():
        text = re.sub(pattern, word, text)
    return text


print(bare("Then Anna bought an old kite for 9 coins and went to the mill. Anna is the painter."))

# %%
STARTS = [[END, *tokenizer.encode(f"One day, {person.name} was")] for person in town.town.people]


def stories(prompts, sampler, seed=0, max_new=120):
    """Texts that go on with the prompts, in one batch; the prompt is part of the text."""
    generator = torch.Generator().manual_seed(seed)
    made = inference.generate(model, prompts, max_new=max_new, sampler=sampler, stop_ids=[END], generator=generator)
    return [tokenizer.decode([i for i in [*one.prompt, *one.tokens] if i != END]) for one in made]


by_greedy = stories(STARTS, inference.GREEDY)  # @stepover
by_chance = stories(STARTS, Sampler())  # @stepover
assert by_greedy[0] == said  # the package writes what our loop writes
plots = {name: Counter(map(bare, texts)) for name, texts in (("greedy", by_greedy), ("drawn", by_chance))}
print({name: f"{len(found)} different stories of 24" for name, found in plots.items()})
print("the commonest of greedy:", plots["greedy"].most_common(1)[0][1], "times")
assert len(plots["greedy"]) < len(plots["drawn"])

# %% [markdown]
# Greedy tells the same stories of different people; drawn at random there are as many stories as people. That is no
# accident of our model. The likeliest next token is the commonest one, so a greedy text takes the commonest turn at
# every crossing, and every text ends up on the same main road. Holtzman and others (2019) measured what this does to
# large models: texts that are bland, and that repeat themselves.
#
# ### A loop
#
# The worst of it is a circle. What has just been said is in the context, and makes it likelier that the same is said
# again, which makes it likelier still. Let greedy write on behind the end of the document, and see how much of what it
# writes it has written before, in pieces of eight tokens:


# %%
def repeated(tokens, size=8):
    """The share of pieces of `size` tokens that stood in the text before."""
    pieces = [tuple(tokens[i : i + size]) for i in range(len(tokens) - size + 1)]
    return 1 - len(set(pieces)) / len(pieces)


room = model.config.context_len
on_and_on = {}
for name, sampler in (("greedy", inference.GREEDY), ("drawn", Sampler())):
    made = inference.generate(
        model, [[END]], max_new=room, sampler=sampler, generator=torch.Generator().manual_seed(0)
    )  # @stepover
    on_and_on[name] = made[0].tokens
held = [i for text in town.documents(100_000, 3) for i in [*tokenizer.encode(text), END]][:room]  # @stepover
print({name: f"{repeated(tokens):.0%}" for name, tokens in {**on_and_on, "LilTown's own": held}.items()})
assert repeated(on_and_on["drawn"]) < 0.2

# %% [markdown]
# ## 3. Temperature
#
# Between always the best and any by its probability there is a dial. Divide the logits by a ***temperature*** $t$
# before softmax:
#
# $$p_i(t) = \frac{e^{z_i / t}}{\sum_j e^{z_j / t}} \propto p_i^{1/t}$$
#
# The right side says what it does: a power of each probability, made to sum to 1 again. At $t = 1$ nothing changes.
# Below 1, large probabilities grow and small ones shrink, and at 0 only the best is left: greedy. Above 1 all become
# more alike. The order of the tokens never changes. (The name is from physics, where states of energy $E$ have
# probabilities proportional to $e^{-E/kT}$.)


# %%
def temperature(logits, t):
    return logits / t


logits = after["One day, Anna was"]
p = logits.softmax(-1)
assert torch.allclose(temperature(logits, 0.7).softmax(-1), p ** (1 / 0.7) / (p ** (1 / 0.7)).sum())
assert torch.allclose(temperature(logits, 1e4).softmax(-1), torch.full((V,), 1 / V), rtol=0.01)  # hot: all alike
assert temperature(logits, 1e-4).softmax(-1).max() > 0.99  # cold: greedy
assert torch.equal(temperature(logits, 0.7), inference.temperature(logits, 0.7))


# %%
def bits(logits):
    """Entropy: how many bits a draw decides."""
    log_p = logits.log_softmax(-1)
    return float(-(log_p.exp() * log_p).nan_to_num().sum()) / math.log(2)


fig, axes = plt.subplots(1, 4, figsize=(8.6, 3), sharey=True)
entropy_at = {}
for ax, t in zip(axes, (0.3, 1, 2, 4), strict=True):
    entropy_at[t] = bits(temperature(logits, t))
    ax.bar(range(30), temperature(logits, t).softmax(-1).sort(descending=True).values[:30], color=BLUE)
    ax.set(title=f"t = {t}: {entropy_at[t]:.1f} bits", xlabel="token, by rank")
axes[0].set_ylabel("probability")
plt.show()
assert list(entropy_at.values()) == sorted(entropy_at.values())

# %% [markdown]
# Four ways to go on are right here. At 0.3 the model nearly always says the commonest. At 1 it says each as often as it
# comes. At 2 the tail begins to fill with tokens that are wrong, each of them rare, and there are a thousand; at 4 they
# have most of the probability.
#
# ## 4. Cutting the tail
#
# Even at temperature 1 the tail is not empty. Softmax gives every token something, and a model that has not learned for
# ever gives each impossible one a little more than it should. How much is that together? We know which tokens can
# follow at our three places, and all others are mistakes:

# %%
tails = {}
for context, logits in after.items():
    right = [tokenizer.encode(word)[0] for word in in_town[context]]
    for t in (0.7, 1, 1.5):
        tails[context, t] = 1 - float(temperature(logits, t).softmax(-1)[right].sum())
rows = [[f"{context} ...", *(f"{tails[context, t]:.2%}" for t in (0.7, 1, 1.5))] for context in after]
table(["wrong tokens together", "t = 0.7", "t = 1", "t = 1.5"], rows)

# %%
length = round(mean(len(tokenizer.encode(text)) for text in documents[:100]))  # @stepover
print(f"a document has {length} tokens; if each is wrong once in 200 times, {1 - 0.995**length:.0%} of documents err")
assert all(tails[context, 0.7] <= tails[context, 1] <= tails[context, 1.5] for context in after)
assert 0.2 < 1 - 0.995**length < 0.5

# %% [markdown]
# That is the trouble with drawing. One slip in 200 sounds like little, but there are many steps, and a slip stays: it
# is part of the context for all that follows. So people cut the tail off before they draw. There are three usual ways
# to say where it begins. All of them set the logits of what is cut to $-\infty$, which makes its probability 0 and
# shares it out among the rest.
#
# - ***Top-k*** (Fan and others 2018): the $k$ likeliest stay.
# - ***Top-p***, or *nucleus* (Holtzman and others 2019): the fewest of the likeliest tokens stay whose probabilities
#   together reach $p$.
# - ***Min-p*** (Nguyen and others 2024): what has at least $p$ times the probability of the likeliest stays.


# %%
def top_k(logits, k):
    smallest = logits.topk(k).values[-1]
    return logits.masked_fill(logits < smallest, -math.inf)


def top_p(logits, p):
    ordered, order = logits.softmax(-1).sort(descending=True)
    before = ordered.cumsum(-1) - ordered  # the probability of all that are likelier
    return logits.index_fill(0, order[before >= p], -math.inf)  # those before it are enough without it


def min_p(logits, p):
    chance = logits.softmax(-1)
    return logits.masked_fill(chance < p * chance.max(), -math.inf)


CUTS = {"top-k, k = 8": (top_k, 8), "top-p, p = 0.9": (top_p, 0.9), "min-p, p = 0.1": (min_p, 0.1)}
for logits in after.values():
    for cut, value in CUTS.values():
        theirs = getattr(inference, cut.__name__)(logits, value)  # @stepover
        assert torch.equal(cut(logits, value), theirs)
        assert cut(logits, value).argmax() == logits.argmax()  # the likeliest always stays
    assert torch.equal(top_k(logits, 1) > -math.inf, top_p(logits, 1e-9) > -math.inf)  # both are greedy

# %% [markdown]
# The three on three places. Grey is what the model said, blue what is left of it after the cut, scaled up:

# %%
fig, axes = plt.subplots(3, 3, figsize=(8.6, 8.2))
kept = {}
for line, (context, logits) in zip(axes, after.items(), strict=True):
    for ax, (name, (cut, value)) in zip(line, CUTS.items(), strict=True):
        kept[context, name] = int((cut(logits, value) > -math.inf).sum())
        bars(ax, logits, cut(logits, value))  # @stepover
        ax.set_title(f"{name}: {kept[context, name]} left" if ax in axes[0] else f"{kept[context, name]} left")
    line[0].set_ylabel(f"{context} ...")
for ax in axes[-1]:
    ax.set_xlabel("probability")
plt.show()

rows = [[f"{context} ...", *(kept[context, name] for name in CUTS), len(in_town[context])] for context in after]
table(["tokens left", *CUTS, "right ones"], rows)

# %%
sure, few, many = after
for name in list(CUTS)[1:]:
    assert kept[sure, name] == 1  # top-p and min-p leave one token where there is one, ...
    assert kept[few, name] <= 4  # ... no wrong one where there are four, ...
    assert kept[many, name] > 12  # ... and many where there are many
assert {kept[context, "top-k, k = 8"] for context in after} == {8}

# %% [markdown]
# Top-k has one number for all places. Eight are seven too many at the first, where anything but *was* is wrong, and
# throw away two thirds of the people at the third. The other two follow the distribution: they leave one token where
# the model is sure, and many where it is not. They differ in what they look at. Top-p adds up from the top; at a place
# with very many good ways to go on, it cuts off a tenth of them all the same. Min-p asks of each token whether it is
# much rarer than the best one.
#
# ### Broken on purpose
#
# A colleague has written a top-k of 3 for a model of word pairs. The texts are wild all the same.

# %%
case = museum.case("09_top_k_thrown_away")
case

# %%
ranks = {}
for name, run in {"broken": case.run(), "fixed": case.run(fixed=True)}.items():  # @stepover
    scores, number = run.values["model"], run.values["number"]
    rows = [(scores[number[a]], number[b]) for a, b in pairwise(run.values["said"])]
    ranks[name] = [int((row > row[word]).sum()) + 1 for row, word in rows]  # 1: the likeliest
fig, axes = plt.subplots(1, 2, figsize=(7.4, 2.8), sharey=True)
for ax, (name, places) in zip(axes, ranks.items(), strict=True):
    ax.semilogy(places, "o", color=VERMILLION if name == "broken" else BLUE)
    ax.axhline(run.values["K"] + 0.3, color=figures.GREY, linewidth=1)
    ax.set(title=name, xlabel="word of the text")
axes[0].set_ylabel("rank of the word drawn")
plt.show()
assert max(ranks["broken"]) > 20
assert max(ranks["fixed"]) == 3

# %% [markdown]
# Each point is a word that was drawn, by its rank among all that might have come; above the line none should be. No
# error, no warning, and the text does look as if something had been sampled. (With a temperature of 0.7 and a large
# model nobody would notice for months.) Where would you look? Decide before you go on.
#
# ### Before or after the temperature?
#
# A dial and a cut in one pipeline: which comes first? For top-k it does not matter, since the order of the tokens
# stays. For the others it does:

# %%
t, logits = 2, after["One day, Anna was"]
for cut, value in CUTS.values():
    hot_first = int((cut(temperature(logits, t), value) > -math.inf).sum())
    cut_first = int((temperature(cut(logits, value), t) > -math.inf).sum())
    print(f"{cut.__name__}: temperature 2 first, {hot_first} tokens left; cut first, {cut_first}")
    assert cut_first == hot_first if cut is top_k else cut_first <= hot_first

# %% [markdown]
# If temperature comes first, it lifts the tail before the tail is cut, and top-p at a high temperature lets through
# much that it would have cut. Hugging Face's transformers, and `lilllm`, do it in that order. llama.cpp cuts first and
# applies the temperature last, unless told otherwise. So the same three numbers are two different samplers, and a
# setting that was praised for one program need not be good in another.
#
# ### All dials
#
# Turn them. What does min-p do at a temperature at which top-p has given up? (In a static copy you see one setting.)


# %%
def dial_svg(context, t, k, p, m):
    """The 24 likeliest tokens after temperature and cuts, as bars; in grey what they had."""
    before = after[context].softmax(-1)
    sampler = Sampler(temperature=t, top_k=k if k < 50 else None, top_p=p, min_p=m or None)
    now = sampler(after[context][None])[0].softmax(-1)
    parts, top = [], before.topk(24).indices.tolist()
    for row, i in enumerate(top):
        y, grey, blue = 16 * row, 400 * float(before[i]) ** 0.5, 400 * float(now[i]) ** 0.5
        parts.append(f'<rect x="90" y="{y + 2}" width="{grey:.1f}" height="12" fill="{figures.GREY}" opacity="0.35"/>')
        parts.append(f'<rect x="90" y="{y + 5}" width="{blue:.1f}" height="6" fill="{BLUE}"/>')
        name = html.escape(tokenizer.decode([i]).strip() or repr(tokenizer.decode([i])))
        parts.append(f'<text x="84" y="{y + 12}" text-anchor="end" font-size="12" fill="{figures.GREY}">{name}</text>')
    left = int((now > 0).sum())
    rest = 1 - float(now[top].sum())
    text = f"{left} tokens may be drawn; {rest:.0%} of the probability is further down than these 24"
    svg = f'<svg width="500" height="{16 * 24}" role="img" aria-label="Bars">{"".join(parts)}</svg>'
    return f"<div>{text}</div>{svg}<div><small>(length: square root of the probability)</small></div>"


# %%
where = widgets.Dropdown(options=list(after), value="One day, Anna was", description="after")
heat = widgets.FloatSlider(value=1.5, min=0.1, max=4, step=0.1, description="temperature")
k_dial = widgets.IntSlider(value=50, min=1, max=50, description="top-k (50: all)")
p_dial = widgets.FloatSlider(value=1.0, min=0.05, max=1, step=0.05, description="top-p")
m_dial = widgets.FloatSlider(value=0.0, min=0, max=0.5, step=0.05, description="min-p")
dials = [where, heat, k_dial, p_dial, m_dial]
dialled = widgets.HTML(dial_svg(*(dial.value for dial in dials)))  # @stepover
for dial in dials:
    dial.observe(lambda _: setattr(dialled, "value", dial_svg(*(d.value for d in dials))), names="value")
display(HTML(dialled.value))
display(widgets.HBox([widgets.VBox(dials), dialled]))

# %%
may = re.compile(r"(\d+) tokens may")
heat.value, p_dial.value = 4.0, 0.9  # as if you had moved them  @stepover
left_by_p = int(may.search(dialled.value)[1])
p_dial.value, m_dial.value = 1.0, 0.1  # @stepover
left_by_m = int(may.search(dialled.value)[1])
print(f"at temperature 4: top-p of 0.9 leaves {left_by_p > 100 and 'hundreds of tokens'}, min-p of 0.1 a handful")
assert left_by_m < left_by_p
heat.value, m_dial.value = 1.5, 0.0  # @stepover

# %%
case.reveal()

# %% [markdown]
# ## 5. Two that look back
#
# ### Repetition penalty
#
# Against circles there is a blunt tool. The ***repetition penalty*** (Keskar and others 2019) makes every token less
# likely that stands in the text already: its logit is divided by a number a little above 1. Dividing makes a positive
# logit smaller, but a negative one larger! So negative ones are multiplied instead. (The formula of the paper only
# divides. The first implementation in transformers did so too, and from a small GPT-2 with a penalty came *The dog dog
# dog dog*: its logits are negative. Issue 2302.)


# %%
def repetition_penalty(logits, said, penalty):
    """Each token of `said`, however often it is there, becomes less likely."""
    said = torch.tensor(sorted(set(said)))
    seen = logits[said]
    return logits.index_put((said,), torch.where(seen < 0, seen * penalty, seen / penalty))


begun = "One day, Anna was at the mill. Then Anna went to"
said, logits = [END, *tokenizer.encode(begun)], scores_after(begun)  # @stepover
ours = repetition_penalty(logits, said, 1.3)
assert torch.allclose(ours, inference.repetition_penalty(logits, torch.tensor(said), 1.3))
assert (ours[said] <= logits[said]).all()

# %% [markdown]
# There is something odd about it. What logits *mean* does not change if we add the same number to all of them: softmax
# divides it out again. But the penalty depends on where zero is, and zero means nothing:

# %%
higher = logits + 50
assert torch.allclose(higher.softmax(-1), logits.softmax(-1))  # the same model
shifted = repetition_penalty(higher, said, 1.3).softmax(-1)
moved = float((shifted - ours.softmax(-1)).abs().sum() / 2)
print(f"logits raised by 50: the same probabilities; after the penalty {moved:.0%} of them lie elsewhere")
assert moved > 0.02

# %% [markdown]
# So 1.3 is not a strength that could be carried over from one model to another. (OpenAI's interface has penalties that
# are subtracted instead, for each occurrence or once; these are not affected.) And there is a second problem. Much
# *must* be repeated: full stops, *the*, and above all the names of those whom a story is about. We will see what that
# costs.

# %%
punished = predict(
    "Stories with a repetition penalty of 1.3 instead of none, both at temperature 1. The share of sentences that are "
    "right in form?",
    choices=["higher", "about the same (within 1 %)", "lower"],
)
punished

# %% [markdown]
# ### Factual-nucleus
#
# Lee and others (2022) looked at where sampled texts become false. At the start of a sentence, they say, chance is
# harmless: whatever the sentence is about, it can still be made true. The further it goes, the less is free, and a
# random word at the end makes it false. So their ***factual-nucleus*** sampling is a top-p whose $p$ shrinks with each
# token of a sentence, down to a lower bound, and is set back when a new sentence begins:
#
# $$p_t = \max(\omega,\; p \cdot \lambda^{t-1})$$


# %%
def nucleus_p(t, p=0.9, decay=0.9, floor=0.3):
    """p of the t-th token of a sentence, from 1."""
    return max(floor, p * decay ** (t - 1))


ends = inference.sentence_ends(tokenizer)  # the tokens that end a sentence  @stepover
tokens, t, narrowing = tokenizer.encode(documents[1]), 1, []  # @stepover
for token in tokens:
    narrowing.append(nucleus_p(t))
    t = 1 if token in ends else t + 1

fig, ax = plt.subplots(figsize=(7.4, 2.6))
ax.step(range(len(narrowing)), narrowing, where="mid", color=BLUE, marker="")
ax.set(xlabel="token of the document", ylabel="p", ylim=(0, 1))
plt.show()
theirs = [float(Factual(ends).nucleus(torch.tensor([tokens[:n]]))) for n in range(len(tokens))]  # @stepover
assert torch.allclose(torch.tensor(narrowing), torch.tensor(theirs))
assert max(narrowing) == 0.9
assert min(narrowing) == 0.3

# %% [markdown]
# Each tooth is a sentence. It begins with a top-p of 0.9, and after eleven tokens it is nearly greedy.
#
# ## 6. What each way of choosing costs
#
# Which sampler is best? Opinions are many, since for most texts nobody can say what is right. For ours one can. We make
# a judge of three questions:
#
# 1. **Form.** Is this a sentence of LilTown at all? With names, places, things and numbers taken out, and cut at *and*,
#    there are only some hundreds of forms. What does not have one of them is not grammatical (or is a wild idea).
# 2. **Town.** Sentences about the town are true or not: jobs, pets, prices. These facts the model can only have from
#    its *weights*.
# 3. **Story.** Some sentences follow from those before: *the kite* must be one that was mentioned, of the colour that
#    was told; whom one meets at the mill must have gone there. These facts stand in the *context*.

# %%
OPENER = r"(?:Then |After that, |Next, |Soon |A little later, )"


def sentences(text):
    """What is said, with who says it, is one sentence."""
    found = []
    for part in re.split(r'(?<=[.!?]) (?=[A-Z])|(?<=[.!?]") (?=[A-Z"])|(?<=[.!?]) (?=")', text):
        if found and found[-1].count('"') % 2:
            found[-1] += " " + part
        else:
            found.append(part)
    return found


def clauses(sentence):
    plain = re.sub(rf"^{OPENER}", "", bare(sentence))
    plain = re.sub(r"^(NAME|[HhSs]h?e) ", "WHO ", plain)
    return [plain] if '"' in plain else plain.split(" and ")


every_clause = (clause for text in documents for sentence in sentences(text) for clause in clauses(sentence))
FORMS = dict.fromkeys(every_clause)  # each once, and unlike in a set always in the same order  @stepover


def well_formed(sentence):
    return all(clause in FORMS for clause in clauses(sentence))


# %%
COINS = r"(\d+) coins?"
FACTS = {
    "job": rf"({NAME}) is the ([a-z ]+)\.", "likes": rf"({NAME}) likes ([a-z]+)\.",
    "pet": rf"({NAME}) has a ([a-z]+)\.", "house": rf"({NAME}) lives in the ([a-z ]+)\.",
    "colour": rf"favorite color of ({NAME}) is ([a-z]+)\.",
}  # fmt: skip


def true_of_town(text):
    """For each claim about people and prices of the town, whether it is so."""
    people = {person.name: person for person in town.town.people}
    claims = [
        getattr(people[name], fact) == value for fact, form in FACTS.items() for name, value in re.findall(form, text)
    ]
    thing = rf"(?:[Aa]n?|the) (?:{LOOK} )?({NOUN})"
    prices = re.findall(rf"{thing} (?:costs|for) {COINS}", text)
    prices += [(noun, n) for n, noun in re.findall(rf"paid {COINS} for {thing}", text)]
    return claims + [town.town.price[noun] == int(n) for noun, n in prices]


# %%
def true_of_story(text):
    """For each thing that is named again, and each meeting, whether it fits what was told before."""
    claims, look, where, who = [], {}, {}, None
    for article, looks, noun in re.findall(rf"\b([Aa]n?|the) ({LOOK} |)({NOUN})\b", text):
        if article == "the":
            claims.append(noun in look and looks in ("", look[noun]))
        else:
            look[noun] = looks
    for sentence in sentences(text):
        subject = re.match(rf"(?:{OPENER}|[A-Z][A-Za-z ]+, |)({NAME}|[Hh]e|[Ss]he)\b", sentence)
        speaks = re.search(rf'" (?:said|asked) ({NAME})', sentence)
        if subject is None or re.match(NAME, subject[1]):
            who = subject[1] if subject else speaks[1] if speaks else None
        for place, name in re.findall(rf"({PLACE}) and met ({NAME}) there", sentence):
            claims.append(where.get(name) == place)
        for place in re.findall(rf"(?:was|went|walked|ran|came|hurried|rode) (?:to|at|in|on|by) ({PLACE})", sentence):
            where[who] = place
        if where and re.search(r"was there too|was also there|came along", sentence):
            where[who] = list(where.values())[-1]
    return claims


# %% [markdown]
# Who judges the judge? LilTown's own documents, which it has not seen: all of what they say must be right.


# %%
def judge(texts):
    """Shares: sentences of right form, true claims on the town, on the story; different sentences of all."""
    found = [sentence for text in texts for sentence in sentences(text)]
    claims = [[claim for text in texts for claim in judged(text)] for judged in (true_of_town, true_of_story)]
    shares = [mean(group) if group else math.nan for group in claims]
    return mean(map(well_formed, found)), *shares, len(set(found)) / len(found), len(claims[0]), len(claims[1])


real = judge(list(town.documents(100_000, 300)))  # @stepover
print(f"LilTown itself: form {real[0]:.1%}, town {real[1]:.0%} of {real[4]}, story {real[2]:.0%} of {real[5]} claims")
assert real[0] > 0.99
assert real[1] == real[2] == 1
false = "One day, Anna was at the mill. She had a red kite. Ben saw the blue kite. "
false += "He went to the hill and met Anna there."
assert true_of_story(false) == [False, False]
assert not well_formed("Anna went at the mill.")

# %% [markdown]
# Now the samplers. Each writes a story of everybody in the town.

# %%
SAMPLERS = {
    "t = 0.7": Sampler(temperature=0.7),
    "t = 1.5": Sampler(temperature=1.5),
    "t = 1.5, top-k 8": Sampler(temperature=1.5, top_k=8),
    "t = 1.5, top-p 0.9": Sampler(temperature=1.5, top_p=0.9),
    "t = 1.5, min-p 0.1": Sampler(temperature=1.5, min_p=0.1),
    "t = 1, top-p 0.9": Sampler(top_p=0.9),
    "t = 1, top-p 0.3": Sampler(top_p=0.3),
    "factual-nucleus": Sampler(factual=Factual(ends)),
    "t = 1, penalty 1.3": Sampler(repetition_penalty=1.3),
}
written = {"greedy": by_greedy, "t = 1": by_chance}
written |= {name: stories(STARTS, sampler) for name, sampler in SAMPLERS.items()}  # @stepover
judged = {name: judge(texts) for name, texts in written.items()}  # @stepover

# %%
rows = [[name, *("-" if share != share else f"{share:.0%}" for share in shares[:4])] for name, shares in judged.items()]
rows.append(["LilTown itself", *(f"{share:.0%}" for share in real[:4])])
table(["sampler", "right form", "true of the town", "true of the story", "different sentences"], rows)

# %%
fig, ax = plt.subplots(figsize=(6.6, 4.2))
for (name, (form, _, _, variety, *_)), style in zip(judged.items(), figures.line_styles(len(judged)), strict=True):
    ax.plot(variety, form, label=name, **{**style, "linestyle": "", "markersize": 8})
ax.plot(real[3], real[0], "*", color=figures.GREY, markersize=14, label="LilTown itself")
ax.set(xlabel="different sentences", ylabel="sentences of right form")
ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
plt.show()

form, variety = ({name: shares[i] for name, shares in judged.items()} for i in (0, 3))
assert variety["greedy"] < min(variety[name] for name in SAMPLERS)
assert form["t = 0.7"] >= form["t = 1"] > form["t = 1.5"]
assert form["t = 1.5, min-p 0.1"] > max(form["t = 1.5, top-k 8"], form["t = 1.5, top-p 0.9"])
assert min(form["t = 1.5, top-k 8"], form["t = 1.5, top-p 0.9"]) > form["t = 1.5"]
assert form["t = 1, penalty 1.3"] < form["t = 1"] - 0.01
punished.reveal("lower")

# %% [markdown]
# Read it from the left to the right.
#
# - **Greedy** makes hardly a mistake in form. But it says the same things again and again: it is far to the left.
# - **Temperature** alone buys variety with grammar, and dearly above 1.
# - **The cuts** get most of the grammar back and keep the variety. At a high temperature min-p does best, for the
#   reason that the dials showed.
# - **The repetition penalty** makes the text worse. Greedy circles are a disease of greedy decoding; whoever draws does
#   not have it, and still pays for the medicine.
#
# The columns *town* and *story* hang on few claims, and differ from sampler to sampler as chance will. For them there
# is a better way to ask.

# %% [markdown]
# ### Asking for facts
#
# Instead of waiting until a text happens to speak of a fact, begin a sentence that only the right fact can end, and
# read from the model how likely the right ending is. Nothing has to be drawn, so nothing is due to chance. We ask for
# facts of both kinds: of the *town* (*Anna has a ...*), and of *stories* that the model has not seen (*... went to the
# mill and met ...*: whom?).

# %%
TOLD = {"likes": "{} likes", "pet": "{} has a", "house": "{} lives in the", "colour": "The favorite color of {} is"}
of_town = [
    (form.format(person.name), f" {getattr(person, fact)}.")
    for person in town.town.people for fact, form in TOLD.items() if town.town.told(person, fact)
]  # fmt: skip
of_story = [
    (text[: found.start(1)], found[1])
    for text in town.documents(200_000, 80)  # @stepover
    for found in re.finditer(
        rf"(?:went to {PLACE} and met|Where is my|May I have your|Who took my)( {NAME}| {NOUN})\b", text
    )
]
for asked in (of_town, of_story):
    print(len(asked), "questions, such as", repr(asked[1][0][-70:]), "->", repr(asked[1][1]))


# %%
@dataclass
class Asked:
    """Logits at the places of an answer, its tokens, what earlier layers say there, and how far the sentence is."""

    logits: torch.Tensor  # (n, V)
    answer: torch.Tensor  # (n)
    early: torch.Tensor  # (layers, n, V): the stream before each block, through the last norm and the head
    place: int


def ask(pairs):
    rows = [([END, *tokenizer.encode(before)], tokenizer.encode(answer)) for before, answer in pairs]
    longest = max(len(before) + len(answer) for before, answer in rows)
    batch = torch.tensor([before + answer + [END] * (longest - len(before + answer)) for before, answer in rows])
    streams = []
    hooks = [block.register_forward_pre_hook(lambda _, given: streams.append(given[0])) for block in model.blocks]
    logits, found = model(batch), []
    for row, (before, answer) in enumerate(rows):
        at = slice(len(before) - 1, len(before) + len(answer) - 1)
        early = torch.stack([model.norm(stream[row, at]) @ model.output.T for stream in streams])
        began = max([i for i, token in enumerate(before) if token in ends or token == END])
        found.append(Asked(logits[row, at], torch.tensor(answer), early, len(before) - began))
    for hook in hooks:
        hook.remove()
    return found


# %% [markdown]
# (The batch is padded on the right. That does no harm here: a token sees only what is before it, and we read nothing
# behind the answers. Section 9 shows a case where it does harm.) The probability of an answer of several tokens is
# the product of theirs, each after the sampler has had its way with the logits:


# %%
def p_right(asked, change=lambda logits, one: logits):
    """The mean probability of the right answer."""
    chances = []
    for one in asked:
        log_p = change(one.logits, one).log_softmax(-1)
        chances.append(float(log_p[torch.arange(len(one.answer)), one.answer].sum().exp()))
    return mean(chances)


town_asked, story_asked = ask(of_town), ask(of_story)  # @stepover
heats = [0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 2]
by_heat = {
    name: [p_right(asked, lambda logits, _, t=t: logits / t) for t in heats]
    for name, asked in (("facts of the town", town_asked), ("facts of the story", story_asked))
}  # @stepover
right_form = {t: judged[f"t = {t:g}"][0] for t in (0.7, 1, 1.5)}
fig, ax = plt.subplots(figsize=(6.4, 3.4))
for (name, shares), style in zip(by_heat.items(), figures.line_styles(2), strict=True):
    ax.plot(heats, shares, label=name, **style)
ax.plot(list(right_form), list(right_form.values()), label="form of sentences", color=GREEN, marker="^", linestyle="-.")
ax.set(xlabel="temperature", ylabel="share right", ylim=(0, 1.05))
ax.legend(loc="upper left", bbox_to_anchor=(1.02, 1))
plt.show()
for shares in by_heat.values():
    assert shares[0] > shares[4] - 0.02 > shares[-1]
assert right_form[0.7] > 0.9

# %% [markdown]
# All three fall as it gets hotter, but they are three different things. The form of sentences is near its best up to
# temperature 1 or so. What they say is not: where a fact comes, one word is right and many others are as well formed.
# So a text that reads well says nothing about whether it is true, and a sampler that costs no grammar may cost facts.
# What the model knows of the town and what it can take from a story are two abilities; section 11 comes back to that.
#
# Is there a cut that keeps facts? Factual-nucleus was made for it:

# %%
PLAIN = {"drawn, t = 1": lambda logits, one: logits, "top-p 0.9": lambda logits, one: inference.top_p(logits, 0.9)}
PLAIN |= {f"top-p {p}": lambda logits, one, p=p: inference.top_p(logits, p) for p in (0.5, 0.3)}


def factual(logits, one):
    p = [[nucleus_p(one.place + i)] for i in range(len(logits))]
    return inference.top_p(logits, torch.tensor(p))


facts = {
    name: (p_right(town_asked, change), p_right(story_asked, change))
    for name, change in {**PLAIN, "factual-nucleus": factual}.items()
}  # @stepover
table(["sampler", "town", "story"], [[name, f"{a:.0%}", f"{b:.0%}"] for name, (a, b) in facts.items()])

# %%
for place in (0, 1):
    found = {name: pair[place] for name, pair in facts.items()}
    assert found["factual-nucleus"] > found["top-p 0.9"] - 0.02  # it keeps the facts at least as its own p does, ...
    assert found["factual-nucleus"] < found["top-p 0.3"] + 0.05  # ... and hardly more than a smaller one all the time
kinds = [f"t = 1, top-p {p}" for p in (0.9, 0.3)] + ["factual-nucleus"]
print("different sentences:", {name: f"{variety[name]:.0%}" for name in kinds})
assert variety["factual-nucleus"] > variety["t = 1, top-p 0.3"]

# %% [markdown]
# It does what it promises, for a simple reason: facts tend to stand near the end of sentences, and there it is nearly
# greedy. A small $p$ for all tokens does as much for facts, or more. But it takes more of the variety, for it narrows
# the beginnings of sentences too. That is the trade that factual-nucleus was made for: chance where it is harmless.
#
# ## 7. DoLa: what an early layer does not know yet
#
# A sampler sees only the last layer's logits. Chuang and others (2023) use the earlier ones too. In lecture 07 we asked
# each station of the residual stream what it would say if the model stopped there. Grammar is settled early, and what
# a layer late in the model changes, so they argue, is more often knowledge. So compare the last layer $q_N$ with an
# earlier one, and prefer what has *grown*. Of several candidate layers take the one that differs most from the last, by
# the Jensen-Shannon divergence (the mean of the two divergences from the middle of both):
#
# $$F(x) = \log q_N(x) - \log q_M(x), \qquad M = \arg\max_j \mathrm{JSD}(q_N, q_j)$$
#
# A token that nobody believes in can grow a lot too, from nearly nothing to next to nothing. So only tokens are
# considered to which the last layer gives at least a tenth of its best: a min-p of 0.1. This is ***DoLa***, decoding by
# contrasting layers.


# %%
def dola(last, early, alpha=0.1):
    """Logits (V,) by contrast of the last layer's (V,) with the early one, of (J, V), that differs most."""
    q, e = last.log_softmax(-1), early.log_softmax(-1)
    middle = torch.logaddexp(q, e) - math.log(2)
    jsd = ((q.exp() * (q - middle)).sum(-1) + (e.exp() * (e - middle)).sum(-1)) / 2  # (J,)
    grown = q - e[jsd.argmax()]
    return grown.masked_fill(q < q.max() + math.log(alpha), -math.inf)


CANDIDATES = DoLa("low").candidates(6, tied=True) + DoLa("high").candidates(6, tied=True)
one = town_asked[0]
prompt = [END, *tokenizer.encode(of_town[0][0])]
sampler = Sampler(temperature=0, dola=DoLa(CANDIDATES))
theirs = inference.generate(model, [prompt], max_new=1, sampler=sampler)[0].tokens  # @stepover
ours = dola(one.logits[0], one.early[list(CANDIDATES), 0])
assert theirs == [int(ours.argmax())]
assert torch.allclose(ours, contrast(one.logits[:1], one.early[list(CANDIDATES), :1])[0][0])
print("candidates: what leaves block", CANDIDATES, "of", len(model.blocks))


# %%
def by_dola(layers):
    def change(logits, one):
        rows = [dola(logits[i], one.early[layers, i]) for i in range(len(logits))]
        return torch.stack(rows)

    return change


contrasted = {}
for name, layers in {"layer 2": [2], "layer 4": [4], "2 and 4, as they differ": [2, 4]}.items():
    contrasted[name] = [p_right(asked, by_dola(layers)) for asked in (town_asked, story_asked)]  # @stepover


def same_cut(logits, _):
    return inference.min_p(logits, 0.1)


plain = [p_right(asked, same_cut) for asked in (town_asked, story_asked)]  # @stepover
rows = [["min-p 0.1, no contrast", *(f"{share:.0%}" for share in plain)]]
rows += [[f"DoLa with {name}", f"{a:.0%}", f"{b:.0%}"] for name, (a, b) in contrasted.items()]
table(["right answer", "town", "story"], rows)

# %%
assert max(of_town for of_town, _ in contrasted.values()) < plain[0] + 0.05

# %% [markdown]
# Here it is no help: with the same cut and no contrast, facts of the town are as likely or likelier. The paper reports
# clear gains on questions of fact, with models of 7 to 65 billion parameters and 32 to 80 layers. Ours has six, and
# perhaps none of them is early or late enough to be told from knowledge. A result on large models is not a law. What
# you can keep is the tool: to ask what a layer adds.
#
# And here are the three that look at more than one place's logits, as pictures of one distribution. Grey is what the
# model says, blue what is drawn from. Two ways to go on are right.

# %%
begun = "On Monday, Ben had a red kite. Ben lost the"
one = ask([(begun, " kite")])[0]  # @stepover
logits = one.logits[0]
changed = {
    "penalty 1.3": repetition_penalty(logits, [END, *tokenizer.encode(begun)], 1.3),  # @stepover
    "factual-nucleus": inference.top_p(logits, nucleus_p(one.place)),  # @stepover
    "DoLa": dola(logits, one.early[list(CANDIDATES), 0]),  # @stepover
}
fig, axes = plt.subplots(1, 3, figsize=(8.6, 2.8))
for ax, (name, now) in zip(axes, changed.items(), strict=True):
    bars(ax, logits, now, n=8)  # @stepover
    ax.set(title=name, xlabel="probability")
axes[0].set_ylabel("... Ben lost the")
plt.show()
right = [tokenizer.encode(word)[0] for word in (" kite", " red")]
said_of = {name: float(now.softmax(-1)[right].sum()) for name, now in changed.items()}
said_of["the model"] = float(logits.softmax(-1)[right].sum())
print({name: f"{share:.0%} for kite and red" for name, share in said_of.items()})
assert said_of["penalty 1.3"] < said_of["the model"]

# %% [markdown]
# The penalty takes from just those words that make the story true, since they were said. That is what its row in
# section 6 was about. (For the other two, one place proves nothing either way: the tables above count.)
#
# ## 8. Beam search: the likeliest text
#
# Greedy takes the best next token, and that is not the way to the best *text*. A token that is second best now may be
# followed by much better ones. The probability of a text is the product of its tokens' probabilities, or the sum of
# logarithms; to find the greatest one would have to try all texts. ***Beam search*** tries a few: it keeps the `width`
# best beginnings, lets each go on with every token, and keeps again the best of all these.


# %%
def beam_search(start, width, n):
    """The likeliest text found that begins with `start` and ends: its tokens and log-probability, in nats."""
    live, done = [(0.0, start)], []
    for _ in range(n):
        log_p = model(torch.tensor([ids for _, ids in live]))[:, -1].log_softmax(-1)  # (beams, V)
        total = (torch.tensor([score for score, _ in live])[:, None] + log_p).flatten()
        best = total.topk(width)
        grown = [
            (score, [*live[i // V][1], i % V])
            for score, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
        ]
        done += [text for text in grown if text[1][-1] == END]
        live = [text for text in grown if text[1][-1] != END]
        if not live or (done and max(done)[0] > live[0][0]):  # more tokens only make a text less likely
            break
    return max(done or live)


fact_start = [END, *tokenizer.encode("A pear costs")]
found = {width: beam_search(fact_start, width, 40) for width in (1, 2, 4, 8)}  # @stepover
for width, (score, ids) in found.items():
    print(f"width {width}: {-score / math.log(2):4.1f} bits  {tokenizer.decode(ids[1:-1])[:80]}")
theirs = inference.beam_search(model, fact_start, width=4, max_new=40, length_penalty=0, stop_ids=[END])  # @stepover
assert math.isclose(theirs[0].logprob, found[4][0], rel_tol=1e-4)
assert theirs[0].tokens == found[4][1][len(fact_start) :]
assert found[8][0] >= found[1][0] - 1e-9

# %% [markdown]
# (We write probabilities as bits: $-\log_2 p$. Fewer bits, more probable; ten bits fewer are a thousand times.)
#
# For translation or speech, where one right answer is looked for, beams were the standard for years. What do they do
# for stories? Before we look, a question on what "likeliest" means.

# %%
mode = predict(
    "Four documents: a typical story of the town; the story that greedy writes; the one that a beam of width 4 finds; "
    "'How much is 7 plus 5? 12.' One document in ten is about sums. Which of the four is likeliest under the model?",
    choices=["the typical story", "greedy's story", "the beam's story", "the sum"],
)
mode


# %%
def bits_of(texts):
    """How many bits each document has under the model, its end included."""
    rows = [[END, *tokenizer.encode(text), END] for text in texts]
    scored = inference.generate(model, rows, max_new=0, prompt_logprobs=True)
    return [-sum(one.prompt_logprobs) / math.log(2) for one in scored]


fresh = list(town.documents(300_000, 40))  # @stepover
of_the_town = bits_of(fresh)  # @stepover
drawn_texts = stories([[END]] * 24, Sampler(), seed=7)  # @stepover
beam = inference.beam_search(model, [END], width=4, max_new=160, length_penalty=0, stop_ids=[END])[0]  # @stepover
special = {
    "greedy": bits_of(stories([[END]], inference.GREEDY))[0],  # @stepover
    "beam of 4": -beam.logprob / math.log(2),
    "a sum": bits_of(["How much is 7 plus 5? 12."])[0],  # @stepover
    "nothing at all": bits_of([""])[0],  # @stepover
}

# %%
fig, ax = plt.subplots(figsize=(7.4, 2.8))
groups = {"documents of the town": of_the_town, "drawn from the model": bits_of(drawn_texts)}  # @stepover
for line, (values, style) in enumerate(zip(groups.values(), figures.line_styles(2), strict=True)):
    ax.plot(values, [line] * len(values), **{**style, "linestyle": ""}, alpha=0.6)
for line, (value, style) in enumerate(zip(special.values(), figures.line_styles(6)[2:], strict=True), 2):
    ax.plot(value, line, **{**style, "linestyle": "", "markersize": 8})
ax.set_yticks(range(6), [*groups, *special])
ax.invert_yaxis()
ax.set(xlabel="bits of the whole document (fewer: more probable)", xlim=(0, None))
plt.show()
print({name: f"{value:.0f} bits" for name, value in special.items()}, f"town: {median(of_the_town):.0f} (median)")
assert special["a sum"] < min(special["greedy"], special["beam of 4"]) < median(of_the_town)
mode.reveal("the sum")

# %% [markdown]
# Each story is one of very many, so each is improbable; sums are few, so each of them is far likelier than any story,
# though stories make up four fifths of the text. And a document with nothing in it, which the town never
# wrote, gets few bits too, since it has to be unlikely only once. *The likeliest text is not a typical text.* What one
# reads is what is typical: as many bits as documents have. That is why text drawn by chance sounds right, and why a
# wider beam is not a better one. For translation Stahlberg and Byrne (2019) searched to the end: for more than half of
# all sentences the likeliest translation was the empty one.
#
# So with beams one divides by the length, or some power of it (`length_penalty`), to make up for it. For stories,
# nobody uses them.
#
# ## 9. The key-value cache
#
# Now the other half: how one asks again. Our loop gives the whole text to the model for each new token. Everything that
# it computes for the earlier tokens it has computed before. Is any of it new? With a causal mask a token never sees
# what comes later. So nothing about earlier tokens changes, in no layer:

# %%
ids = torch.tensor([[END, *tokenizer.encode(documents[0])]])[:, :64]
assert torch.allclose(model(ids)[:, :40], model(ids[:, :40]))  # @stepover

# %% [markdown]
# What does a *new* token need of the old ones? It compares its query with their keys, and takes a mean of their values,
# in each layer. So it is enough to keep keys and values. Queries are asked once. That is the ***key-value cache***.
# One token through the model, with lists that grow:

# %%
H, K, D = model.config.n_heads, model.config.n_kv_heads, model.config.d_head


def one_step(token, kept):
    """Logits (V,) of what follows a token; each layer's keys and values (1, K, S, D) are kept in `kept`."""
    x = model.embed(torch.tensor([[token]]))  # (1, 1, C)
    S = kept[0][0].shape[2] if kept[0] else 0  # tokens before this one
    angle = rope.angles(torch.tensor([S]), D, model.config.rope_theta)
    for layer, block in enumerate(model.blocks):
        heads = block.attention.qkv(block.norm1(x)).view(1, 1, H + 2 * K, D).transpose(1, 2)
        q, k, v = heads.split((H, K, K), 1)  # (1, H, 1, D), (1, K, 1, D) twice
        q, k = (rope.rotate(one, angle.cos(), angle.sin()) for one in (q, k))
        if kept[layer]:
            k, v = torch.cat((kept[layer][0], k), 2), torch.cat((kept[layer][1], v), 2)
        kept[layer] = (k, v)
        x = x + block.attention.out(attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + block.ffn(block.norm2(x))
    return (model.norm(x) @ model.output.T)[0, -1]


whole, kept = model(ids)[0], [None] * len(model.blocks)  # @stepover
for place, token in enumerate(ids[0].tolist()):
    logits = one_step(token, kept)  # @stepover
    assert torch.allclose(logits, whole[place], atol=1e-6)  # the same as with the whole text, at every place

# %% [markdown]
# To glue a longer tensor together at each step means to copy it at each step. The package's cache takes room for all
# tokens at once and writes each to its place; otherwise it is the same. `generate` uses it unless told not to:

# %%
cache = model.new_cache(batch=1, max_len=256)
prompt = ids[0, :20].tolist()
pair = [
    inference.generate(model, [prompt], max_new=40, sampler=inference.GREEDY, cache=cached)[0].tokens  # @stepover
    for cached in (True, False)
]
assert pair[0] == pair[1]
assert cache.k.nbytes + cache.v.nbytes == memory.kv_cache(model.config.shape(), batch=1, seq=256, bytes_each=8)
print(f"{cache.k.nbytes + cache.v.nbytes:,} bytes of cache for 256 tokens in float64")

# %% [markdown]
# ### What it saves

# %%
saves = predict(
    "To write 200 tokens, starting from a single one: how many times the FLOPs does it take without a cache?",
    choices=["about 2 times", "about 10 times", "about 100 times", "about 10,000 times"],
)
saves

# %%
shape, N = model.config.shape(), 200
a_pass = [sum(flops.forward(shape, batch=1, seq=n).values()) for n in range(1, N + 1)]  # of the whole text, n tokens
a_step = [work // n for n, work in enumerate(a_pass, 1)]  # of its last token alone, the others in the cache
for n in (1, 60, N):
    cache = model.new_cache(1, n)
    with count() as whole_text:
        model(torch.full((1, n), END))  # @stepover
    if n > 1:
        model(torch.full((1, n - 1), END), cache=cache)  # @stepover
    with count() as last_token:
        model(torch.tensor([[END]]), cache=cache)  # @stepover
    assert (whole_text.flops, last_token.flops) == (a_pass[n - 1], a_step[n - 1])  # counted as they ran
print(f"with a cache {sum(a_step) / 1e9:.1f} GFLOP, without {sum(a_pass) / 1e9:.0f} GFLOP")
assert 90 < sum(a_pass) / sum(a_step) < 110

# %%
fig, ax = plt.subplots(figsize=(6.4, 3.2))
grows = torch.tensor(a_pass).cumsum(0) / 1e9
ax.plot(range(1, N + 1), grows, label="without a cache", markevery=25, color=VERMILLION, marker="s", linestyle="--")
ax.plot(
    range(1, N + 1), torch.tensor(a_step).cumsum(0) / 1e9, label="with a cache", markevery=25, color=BLUE, marker="o"
)
ax.set(xlabel="tokens written", ylabel="GFLOP in all")
ax.legend()
plt.show()
assert grows[199] / grows[99] > 3.5  # twice as many tokens: four times the work
saves.reveal("about 100 times")

# %% [markdown]
# Without a cache the n-th token costs n tokens' work, so N tokens cost $N^2 / 2$; with one they cost N. The ratio is
# half the length. And seconds? They need not follow, for a processor does large products better than small ones. We
# let this machine decide, with a wide margin:


# %%
def seconds(**options):
    began = time.perf_counter()
    inference.generate(model, [[END]], max_new=80, sampler=inference.GREEDY, **options)
    return time.perf_counter() - began


faster = min(seconds(cache=False) for _ in range(2)) > 1.2 * min(seconds() for _ in range(2))  # @stepover
assert faster  # it was near 4 times as fast where this was written, for 80 tokens
print("the cache saves time, not only FLOPs:", faster)

# %% [markdown]
# ### Prefill and decode
#
# So generation has two phases that have little in common. In ***prefill*** the whole prompt goes through the model at
# once: large matrix products. In ***decode*** one token after the other goes through it, and each needs *all* weights,
# which must come from memory for that one token. Lecture 02 has the measure for it, FLOPs a byte. Here is the count,
# and the question what happens if several texts are written at once:


# %%
def phase(batch, prompt, step):
    """The work of `step` tokens a row, after a prompt that is in the cache."""
    cache = model.new_cache(batch, prompt + step)
    if prompt:
        model(torch.full((batch, prompt), END), cache=cache)
    with count() as work:
        model(torch.full((batch, step), END), cache=cache)
    return work


phases = {"prefill, 128 tokens": (1, 0, 128)} | {f"decode, {B} at a time": (B, 128, 1) for B in (1, 8, 32)}
works = {name: (phase(*sizes), sizes[0] * sizes[2]) for name, sizes in phases.items()}  # @stepover
rows = [
    [name, f"{work.flops / tokens / 1e6:.1f}", f"{work.moved / tokens / 1e6:.1f}", f"{work.intensity:.1f}"]
    for name, (work, tokens) in works.items()
]
table(["phase", "MFLOP a token", "MB moved a token", "FLOPs a byte"], rows)

# %%
one, eight, many = (works[f"decode, {B} at a time"][0] for B in (1, 8, 32))
assert one.intensity < 1 < works["prefill, 128 tokens"][0].intensity
assert many.intensity > 3 * one.intensity
assert many.moved < 5 * one.moved
assert one.moved > 20 * works["prefill, 128 tokens"][0].moved / 128

# %% [markdown]
# A decoded token costs the FLOPs that a token of the prompt costs, and moves twenty times the bytes. But 32 texts at
# once move less than five times the bytes of one, for the weights are read once for all of them. Where memory is the
# limit, and in decoding it nearly always is, that is time. (What is not shared is the cache. With long texts, or very
# many, it is read more than the weights.) That is why servers put requests together, and why prompts are cheaper than
# answers. Lecture 14 builds such a server, lecture 10
# makes the cache smaller.
#
# ### Prompts of different lengths
#
# Put together in one batch they must be of one length. Where does the padding go? At a prompt's *end* the model would
# go on with what follows padding. So it goes to the left, attention must not see it, and positions must be counted from
# the first real token:

# %%
prompts = [[END], [END, *tokenizer.encode("One day,")], [END, *tokenizer.encode(documents[0])[:30]]]
together = inference.generate(model, prompts, max_new=30, sampler=inference.GREEDY)  # @stepover
for prompt, one in zip(prompts, together, strict=True):
    alone = inference.generate(model, [prompt], max_new=30, sampler=inference.GREEDY)  # @stepover
    assert alone[0].tokens == one.tokens

# %% [markdown]
# The museum has the other way, `09_padding_on_the_right`. Its symptom looks like a bad model, not like a bad batch:

# %%
museum.case("09_padding_on_the_right")

# %% [markdown]
# ## 10. Where to stop, and how to show it
#
# A document ends with its special token, one id to compare with. But one may want to stop at a *string*, say at the
# end of a sentence or where a user's turn begins, and strings are no tokens: they may begin in the middle of one and
# end in another. And who shows a text as it comes must not show the first half of a stop string, which cannot be taken
# back. Nor half a character: a byte-level token may end inside one.

# %%
emoji = tokenizer.encode("a 🌍")  # @stepover
naive = [tokenizer.decode([i]) for i in emoji]
shown = inference.TextStream(tokenizer)
print(naive, "->", [shown.push(i) for i in emoji])  # @stepover
assert "�" in "".join(naive)
assert "".join(naive) != "a 🌍"

# %%
text = tokenizer.encode('Anna said, "Thank you!"')
naive, shown = "", inference.TextStream(tokenizer, stops=["you!"])
for i in text:
    naive += tokenizer.decode([i])
    if "you!" in naive:  # too late: " you" has been printed
        break
pieces = [shown.push(i) for i in text]  # @stepover
print(repr(naive), "->", repr("".join(pieces)))
assert "".join(pieces) + shown.finish() == 'Anna said, "Thank '

# %% [markdown]
# Text is held back only while it could still become a stop string. (An exercise asks for this rule.) `speaker.stream`
# puts all together: prompt in, pieces of text out.

# %%
begin = "<|endoftext|>On Sunday, Anna"
talk = speaker.stream(begin, stop=[". "], seed=4, top_p=0.9)  # @stepover
pieces = list(talk)  # @stepover
print(pieces, talk.ended)
assert "".join(pieces) == speaker.write(begin, stop=[". "], seed=4, top_p=0.9)  # @stepover
assert ". " not in "".join(pieces)

# %% [markdown]
# ## 11. A simulator of documents
#
# What is it that we have now? Not an assistant. Ask it something:


# %%
def goes_on(text, n=40):
    made = inference.generate(
        model, [[END, *tokenizer.encode(text)]], max_new=n, sampler=inference.GREEDY, stop_ids=[END]
    )
    return tokenizer.decode([i for i in made[0].tokens if i != END])


asked_for = goes_on("What does Anna do?")  # @stepover
print("What does Anna do? ->", asked_for[:60])
assert re.match(r" \d", asked_for)
print("How much is 2 plus 3? ->", goes_on("How much is 2 plus 3?", 4)[:60])  # @stepover
print("Anna lives in the ->", goes_on("Anna lives in the", 4))  # @stepover

# %% [markdown]
# A ***base model*** goes on with documents of the kind that it was trained on. LilTown's documents do not ask what
# people do. They do ask for sums, and so every question gets a number for an answer (whether it is the right one is
# another matter). To get a fact out of it
# one has to begin a document in which the fact comes next. That was the art of prompting before there were assistants:
# not to ask, but to write the beginning of a text that the answer would complete. (Part IV makes an assistant of it.)
#
# The context also decides *which kind* of document this is. After one sum, another becomes likely:


# %%
def chance_of(text, start, word):
    return float(scores_after(text).softmax(-1)[tokenizer.encode(start + word)[0]])


shots = ["", "How much is 5 plus 6? 11.", "How much is 5 plus 6? 11. How much is 9 minus 2? 7."]
numbers = [chance_of(text, " " if text else "", "How") for text in shots]  # @stepover
print("chance that a sum follows, after 0, 1, 2 sums:", [f"{share:.0%}" for share in numbers])
assert numbers[1] > 2 * numbers[0]

# %% [markdown]
# In large models this goes very far. Brown and others (2020) gave GPT-3 a few examples of a task, one after the other,
# and then the beginning of another; the model went on with the pattern, a task that it was never trained for. This is
# ***few-shot*** prompting, or *in-context learning*: no weight changes. Can ours do it? We tell it that the favorite
# colour of one person after another is *red*, and ask for one more. A reader would see the pattern.

# %%
told = [person for person in town.town.people if town.town.told(person, "colour") and person.colour != "red"]
by_shots = {}
for n in (0, 1, 2, 4):
    chances = []
    for person in told:
        others = [other.name for other in told if other is not person][:n]
        text = "".join(f"The favorite color of {name} is red. " for name in others)
        chances.append(chance_of(f"{text}The favorite color of {person.name} is", " ", "red"))  # @stepover
    by_shots[n] = mean(chances)
print("chance of 'red' after 0, 1, 2, 4 examples:", [f"{share:.0%}" for share in by_shots.values()])
assert by_shots[4] < by_shots[0] + 0.25

# %% [markdown]
# A reader would be sure after two. The model is pulled here and there, and does not get the idea. Why should it? In its
# text nobody's colour says anything about another's. A model learns in context what
# in its training text could be learned from context. Internet text is full of lists, tables, translations and questions
# with answers; LilTown has stories in which things are named again.
#
# ### Two memories
#
# So there are two places from which a model can know something: its weights, and its context. We asked for both kinds
# in section 6. For facts of the town, a bare sentence was enough. What if a story is taken away, but for the sentence
# in which it is asked for? Then what is left is to guess:

# %%
cut = [(sentences(before)[-1], answer) for before, answer in of_story]  # only the sentence in which it is asked
cut_asked = ask(cut)  # @stepover
alone, within, known = p_right(cut_asked), p_right(story_asked), p_right(town_asked)  # @stepover
print(f"facts of the town, the sentence alone: {known:.0%}")
print(f"facts of the story, the sentence alone: {alone:.0%}; with the story before it: {within:.0%}")
assert within > 1.3 * alone

# %% [markdown]
# And if the two disagree? In LilTown's text the carpenter works in the workshop, always. Let somebody be where another
# works, and say *... is the*: does the job follow from the weights (whose job is it?) or from the context (who works
# here?)?

# %%
torn = predict(
    "'On Monday, X was in the workshop. X is the': X is not the carpenter, and the model has often read what X is. "
    "Which job does it say?",
    choices=["X's own, from the weights", "the carpenter, from the context", "neither of the two"],
)
torn

# %%
workers = [person for person in town.town.people if person.job]
pulls = []
for person in workers:
    for place in list(WORKPLACE.values())[::3]:
        if place.job != person.job:
            p = scores_after(f"On Monday, {person.name} was {place.at}. {person.name} is the").softmax(-1)  # @stepover
            two = [tokenizer.encode(f" {job}")[0] for job in (person.job, place.job)]  # @stepover
            pulls.append(p[two].tolist())
own, of_place = torch.tensor(pulls).mean(0).tolist()
print(f"the person's own job {own:.0%}, the job of the place {of_place:.0%}, any other {1 - own - of_place:.0%}")
assert of_place > 2 * own
torn.reveal("the carpenter, from the context")

# %% [markdown]
# The context has its way. In training the two always agreed, so nothing ever told the model which of them is the
# reason. What it does when they do not agree was decided by what was easier to learn: sixteen pairs of a place and a
# job, with the place just before, and no need to know anybody. That is worth remembering of large models too: what they
# do where their text never was is not in the text.
#
# | | in the weights | in the context |
# |---|---|---|
# | gets in by | training, many repetitions | being said once |
# | to change it | train again | change the prompt |
# | how much | about as much as the parameters hold | as much as the context holds |
# | costs | nothing more when used | cache, and attention to it, for every token |
# | afterwards | stays | is gone with the conversation |
#
# ## 12. Napkin answer
#
# **Napkin answer.** Keys and values: 2 x 32 layers x 8 heads x 128 channels x 2 bytes a token.

# %%
llama, h100 = shape_of("llama3-8b"), gpu("h100-80gb")
a_user = 2 * 32 * 8 * 128 * 2 * 8192
assert a_user == memory.kv_cache(llama, batch=1, seq=8192)
weights = 2 * 8_030_261_248  # bytes: 8.03B parameters in bfloat16
users = int((80e9 - weights) // a_user)
alone = h100.bandwidth / (weights + a_user)  # each token reads all weights and the user's cache
all_together = users * h100.bandwidth / (weights + users * a_user)
print(f"{a_user / 1e9:.2f} GB a user, {users} users;", end=" ")
print(f"at most {alone:.0f} tokens a second alone, {all_together:,.0f} for all, {all_together / users:.0f} for each")
assert users == 59
assert 190 < alone < 200
assert 2400 < all_together < 2600

# %% [markdown]
# A gigabyte for each user, fifty-nine of them, and about two hundred tokens a second for one alone. With all
# fifty-nine, each gets a fifth of that, but together they get nearly thirteen times as much from the same card, and the
# cache then is four fifths of all that is read. (An upper bound: nothing but reading memory counts here, and no memory
# was set aside for anything else.) Who writes short texts can be served in greater number still; who sends a book pays
# for its cache with every word of the answer.
#
# ## 13. Exercises
#
# Write the function in each cell, then run it. `check` tries it on small cases and names the likely mistake. For a
# hint, add `hint=1`, then `hint=2`; for a solution, `solution=True`.
#
# **1. Top-p.** Of each row of `logits` (..., V) the fewest of the likeliest tokens whose probabilities together reach
# p, at least one; the others get $-\infty$. Section 4 did it for one row.


# %% tags=["exercise"] exercise="generation.top_p"
def top_p(logits, p):
    """A tensor of the shape of logits."""
    ...


check("generation.top_p", top_p)

# %% [markdown]
# **2. Min-p.** In each row, what has at least p times the probability of its likeliest stays.


# %% tags=["exercise"] exercise="generation.min_p"
def min_p(logits, p):
    """A tensor of the shape of logits."""
    ...


check("generation.min_p", min_p)

# %% [markdown]
# **3. Repetition penalty.** `tokens` are the ids so far, some of them more than once.


# %% tags=["exercise"] exercise="generation.repetition"
def repetition_penalty(logits, tokens, penalty):
    """A tensor of the shape of logits."""
    ...


check("generation.repetition", repetition_penalty)

# %% [markdown]
# **4. The cache of a server**, in bytes.


# %% tags=["exercise"] exercise="generation.cache_bytes"
def cache_bytes(n_layers, n_kv_heads, d_head, tokens, batch, bytes_each):
    """A whole number."""
    ...


check("generation.cache_bytes", cache_bytes)

# %% [markdown]
# **5. What may be shown.** `text` has been written so far, more is coming. Give as much of it as may be shown now, if
# none of the strings in `stops`, nor a part of one that may still be completed, is ever to be seen.


# %% tags=["exercise"] exercise="generation.stream"
def visible(text, stops):
    """The beginning of text that is safe to show."""
    ...


check("generation.stream", visible)

# %% [markdown]
# **6. The log-probability of an answer.** `logits` (T, V) are the model's for `tokens` (T), a prompt of `n_prompt`
# tokens and the answer behind it. Which row of logits speaks about which token?


# %% tags=["exercise"] exercise="generation.logprob"
def logprob(logits, tokens, n_prompt):
    """The sum of the log-probabilities of the answer's tokens."""
    ...


check("generation.logprob", logprob)

# %% [markdown]
# ## What we left out
#
# - **More samplers**: typical sampling (Meister and others 2022) keeps what is about as surprising as expected;
#   Mirostat (Basu and others 2021) steers the surprise to a set value; Gumbel noise added to logits turns drawing into
#   taking the greatest.
# - **Contrasting two models** instead of two layers: contrastive decoding (Li and others 2022), from which DoLa comes.
# - **Speculative decoding**: a small model writes ahead, the large one checks many tokens at once, and the distribution
#   stays exactly the large one's (lectures 13 and 14).
# - **Grammars** that allow only tokens with which the text can still become valid JSON or code.
# - **Paged caches, shared prefixes, continuous batches**: lecture 14. **Smaller caches**: lectures 10 and 15.
# - **Beams that differ** (diverse beam search), and reranking of drawn texts: lecture 24.
# - **What if a text is longer than the context?** Lectures 06 and 16.
#
# ## Go on
#
# Talk to the model: `lilllm generate "One day, Anna was" --top-p 0.9`, or `lilllm chat`, which goes on with what you
# write. The viewer (`make course`, then *Playground*) shows the candidates of each step, lets you take another one, and
# puts samplers side by side.
#
# ## Sources
#
# - Holtzman, Buys, Du, Forbes, Choi 2019, *The Curious Case of Neural Text Degeneration*, arXiv:1904.09751: top-p; what
#   likeliest texts look like.
# - Fan, Lewis, Dauphin 2018, *Hierarchical Neural Story Generation*, arXiv:1805.04833: top-k.
# - Nguyen and others 2024, *Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs*,
#   arXiv:2407.01082.
# - Keskar and others 2019, *CTRL: A Conditional Transformer Language Model for Controllable Generation*,
#   arXiv:1909.05858: repetition penalty. The negative logits: github.com/huggingface/transformers, issue 2302.
# - Lee and others 2022, *Factuality Enhanced Language Models for Open-Ended Text Generation*, arXiv:2206.04624:
#   factual-nucleus sampling.
# - Chuang and others 2023, *DoLa: Decoding by Contrasting Layers Improves Factuality in Large Language Models*,
#   arXiv:2309.03883.
# - Stahlberg, Byrne 2019, *On NMT Search Errors and Model Errors: Cat Got Your Tongue?*, arXiv:1908.10090.
# - Wu and others 2016, *Google's Neural Machine Translation System*, arXiv:1609.08144: a length penalty for beams.
# - Pope and others 2022, *Efficiently Scaling Transformer Inference*, arXiv:2211.05102: prefill and decode.
# - Brown and others 2020, *Language Models are Few-Shot Learners*, arXiv:2005.14165.
# - Meister and others 2022, *Locally Typical Sampling*, arXiv:2202.00666. Basu and others 2021, *Mirostat*,
#   arXiv:2007.14966. Li and others 2022, *Contrastive Decoding*, arXiv:2210.15097.
