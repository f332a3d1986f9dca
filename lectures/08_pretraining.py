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
# # 08 Pretraining: from a pile of documents to a model that writes
#
# Lecture 07 ended with a model that can learn. This one makes it learn: it turns documents into batches, puts a loop
# around the model, keeps what the loop needs to go on after a crash, and trains a LilLM of 0.18 million parameters
# until its text has a grammar. Half of that work is not about the model at all. Most of what goes wrong in a real run
# goes wrong in the data or in what is around the step, and nearly all of it shows in a number that one could have
# compared with another number. So each part here comes with the number to compare it with.
#
# - **You will build:** packing with an end of text, masks between documents, token files, a shuffle that is computed, a
#   loader that works ahead and goes on where it stopped, label smoothing, fill-in-the-middle, the training loop with
#   accumulation and bfloat16, checkpoints that resume to the bit, an average of checkpoints
# - **You need:** lecture 07 (the model), lecture 04 (AdamW, schedules, clipping), lecture 01 (tokens, bits a byte),
#   lecture 02 (bytes and FLOPs)
# - **Minutes to read:** 90
# - **Budget:** 60 s, 2 GB, 700 GFLOP, 250 GB moved
#
# **Napkin question.** The model that this course is named after, `lillm-39m`, is to be trained on 8 billion tokens, in
# batches of half a million. How many steps is that? How many GB do the tokens take on the disk? How many FLOPs is the
# run, how many hours on one H100 of which it uses 40 %, and at 3 dollars an hour, what does it cost? And how long would
# a laptop take that does 100 GFLOP a second? Write six numbers on a napkin. The last section but one computes them.

# %%
import asyncio
import hashlib
import html
import json
import math
import multiprocessing
import queue
import re
import sys
import tempfile
import textwrap
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import chdir
from copy import deepcopy
from itertools import islice
from pathlib import Path

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import HTML, display

from lilllm import data, inference, training
from lilllm.accounting import flops, params
from lilllm.accounting import preset as shape_of
from lilllm.accounting.gpus import gpu
from lilllm.accounting.plan import days
from lilllm.course import check, figures, museum, predict
from lilllm.course.chips import table
from lilllm.data.liltown import LilTown
from lilllm.data.shuffle import Permutation
from lilllm.layers import mask as masks
from lilllm.layers.loss import cross_entropy
from lilllm.models import Decoder, ModelConfig, export, preset
from lilllm.optim import clip_by_norm, schedules
from lilllm.tokenizers import BPETokenizer
from lilllm.training import TrainConfig, Trainer, bits_per_byte, evaluate

figures.use_style()
torch.manual_seed(0)  # for the weights that layers draw for themselves
torch.set_default_dtype(torch.float64)  # training magnifies rounding; so the numbers below are the same everywhere

# %% [markdown]
# ## 1. Documents to rows
#
# What a language model is trained on comes as documents: pages, books, files of code, or here the little stories of
# LilTown. They come in all lengths. A batch is a rectangle, B rows of T tokens. So how does the one become the other?
#
# As in lecture 01, text becomes tokens first. The tokenizer gets one special token besides, `<|endoftext|>`,
# that no text can spell: it will stand after each document.

# %%
town = LilTown(seed=0)
documents, held_documents = (list(town.documents(start, n)) for start, n in ((0, 5000), (100_000, 100)))  # @stepover
floor, floor_error = town.entropy(100, 100_000)  # bits a byte of chance in just these held-out documents  @stepover
END = "<|endoftext|>"
tokenizer = BPETokenizer.train(documents[:600], vocab_size=1024, special_tokens=[END])  # lecture 01  @stepover
eos, V = tokenizer.special_tokens[END], tokenizer.vocab_size
ids, held_ids = (tokenizer.encode_batch(texts) for texts in (documents, held_documents))  # @stepover
n_bytes, held_bytes = (sum(len(text.encode()) for text in texts) for texts in (documents, held_documents))

print(textwrap.fill(documents[3], 100))
print(f"{len(ids):,} documents, {sum(map(len, ids)):,} tokens of {n_bytes / sum(map(len, ids)):.1f} bytes;", end=" ")
print(f"floor {floor:.2f} bits a byte")
assert tokenizer.decode(ids[3]) == documents[3]
assert eos not in tokenizer.encode(END)  # text that spells it is text

# %% [markdown]
# The simplest rectangle has a document a row, and fills each row up with a token that means nothing, the padding. The
# rows must be as long as what the model is to read: 256 tokens for our larger models.

# %%
padding = predict(
    "A document a row, rows of 256 tokens. Which share of the rectangle is padding?",
    choices=["about 5 %", "about a quarter", "about two thirds", "nearly all"],
)
padding

# %%
lengths = np.array([len(document) + 1 for document in ids])  # with the end of text
ROW = 256
share = 1 - np.minimum(lengths, ROW).sum() / (ROW * len(lengths))
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.hist(lengths, bins=range(0, 261, 5), color=figures.BLUE)
ax.axvline(ROW, color=figures.VERMILLION, linestyle="--")
ax.set(xlabel="tokens in a document (dashed: the row)", ylabel="documents")
plt.show()

print(f"{share:.0%} of {len(lengths):,} rows is padding; the mean document has {lengths.mean():.0f} tokens")
assert 0.6 < share < 0.75
padding.reveal("about two thirds")

# %% [markdown]
# Two thirds of all computing would be spent on nothing, and whatever is longer than a row would be cut off. So nobody
# pretrains like that. Put all documents one after the other, an end of text after each, and cut the long line into rows
# without looking where. This is called ***packing***. No token is padding, and none is lost but for a rest at the end.
#
# What is learned at a place is the *next* token. So a row of T tokens to read needs T + 1 in all, and the last token of
# a row is the first of the next one: there it is read, here it is predicted.


# %%
def pack(documents, T, eos):
    """Rows of T + 1 tokens: documents with an end after each, in one line, cut every T tokens."""
    line = [token for document in documents for token in (*document, eos)]
    n_rows = (len(line) - 1) // T
    return torch.tensor([line[row * T : row * T + T + 1] for row in range(n_rows)])


print(pack([[5, 6, 7], [8], [9, 4]], T=3, eos=0).tolist())
rows = pack(ids[:200], 64, eos)  # @stepover
assert torch.equal(rows, data.pack(ids[:200], 64, eos))  # @stepinto lilllm.data.packing
assert torch.equal(rows[1:, 0], rows[:-1, -1])

# %% [markdown]
# The end of text has three uses. A model that has seen it knows when to stop. It says that what stands before it has
# nothing to do with what follows. And it is what we give to a model that shall begin to write.

# %%
line = np.array([token for document in ids for token in (*document, eos)])
held_line = np.array([token for document in held_ids for token in (*document, eos)])
corpus = data.TokenArray(line, vocab_size=V, eos=eos, n_bytes=n_bytes)
held = data.TokenArray(held_line, vocab_size=V, eos=eos, n_bytes=held_bytes)
print(corpus)
assert corpus.n_documents == len(documents)

# %% [markdown]
# ## 2. Inputs, targets, and a loss that is too good
#
# From a row of T + 1 tokens, the model reads the first T and is asked for the last T. One shift by one place, and it is
# the most common place for a mistake in all of pretraining. In lecture 07 the library's own loss expected targets that
# are shifted already; others shift inside, and who does not know does it twice or not at all.

# %%
T = 64
inputs, targets = rows[:, :-1], rows[:, 1:]  # (B, T), (B, T)
shown = [tokenizer.decode([int(token)]).replace(END, "(end)").strip() or "_" for token in rows[1, :9]]
table(["", *map(str, range(8))], [["read", *shown[:8]], ["asked for", *shown[1:]]])

# %% [markdown]
# A colleague has written the whole of it: packing, a model, a loop. It trains very well.

# %%
case = museum.case("08_labels_not_shifted")
case

# %%
broken = case.run()  # @stepover
a_letter = floor * math.log(2)  # its tokens are letters, of a byte each
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.plot(broken.values["losses"], color=figures.BLUE, marker="")
ax.axhline(a_letter, color=figures.GREY, linewidth=1)
ax.text(120, a_letter * 1.1, "floor of the text", ha="right")
ax.set(yscale="log", xlabel="step", ylabel="loss (nats a letter)")
plt.show()
print("it writes:", broken.values["said"])
assert broken.values["losses"][-1] < a_letter

# %% [markdown]
# The curve is beautiful, and there was nothing to stop anybody from publishing it. But this text has a floor, and the
# loss went through it within a hundred steps. **A loss well below the floor is an error, always.** For real text the
# floor is not known. There, the sign is a loss that is too good for the model's size, and the proof is what it writes.
#
# Where would you look? Open the trace if you like. Here is what is in two of its variables at the last step:

# %%
letters = broken.values["letters"]
for name in ("inputs", "labels"):
    print(f"{name}:", "".join(letters[i] for i in broken.values[name][0]).replace("\n", "/"))
assert torch.equal(broken.values["inputs"], broken.values["labels"])

# %%
case.reveal()

# %% [markdown]
# It was asked for the letter that it had just read. To say that again needs no language. A test of one line finds it,
# for any loader: the targets are what the inputs will be.

# %%
assert torch.equal(targets[:, :-1], inputs[:, 1:])
assert not torch.equal(targets, inputs)
fixed = case.run(fixed=True)  # @stepover
print("with the shift it writes:", fixed.values["said"], "and its loss is above the floor")
assert fixed.values["losses"][-1] > a_letter

# %% [markdown]
# ## 3. Documents side by side
#
# In a packed row, the first story's words stand before the second story's. Nothing keeps attention from looking at
# them. Is that bad? It can be kept from doing so. First one has to know which token belongs to which document. The end
# of text says so, and it belongs to the document that it ends:


# %%
def document_ids(tokens, eos):
    """For each token of (B, T), the number of its document in the row."""
    ends = (tokens == eos).long()
    return ends.cumsum(-1) - ends  # ends before this place


of = document_ids(inputs, eos)
print(document_ids(torch.tensor([6, 7, 0, 8, 0, 9]), eos=0).tolist())
assert torch.equal(of, data.document_ids(inputs, eos))

# %% [markdown]
# Then a token may look at another one if that is not later *and* of the same document. Two conditions, joined by "and",
# a causal mask of blocks:

# %%
row = pack(ids[:8], 384, eos)[:1, :-1]  # (1, 384)
number = document_ids(row, eos)
causal = torch.ones(384, 384, dtype=torch.bool).tril()
same = number[:, :, None] == number[:, None, :]  # (1, T, T)
assert torch.equal(same, masks.documents(number)[:, 0])

fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), sharey=True)
for ax, seen, title in zip(axes, (causal, causal & same[0]), ("causal", "causal, within documents"), strict=True):
    ax.imshow(seen, cmap="cividis", vmin=0, vmax=1)
    ax.set(title=title, xlabel="key")
    ax.grid(False)
axes[0].set_ylabel("query")
plt.show()

# %% [markdown]
# What it is to achieve can be stated without a picture. With the mask, a document in the middle of a row gets the
# logits that it gets when it stands alone, whatever is packed beside it. (Positions are relative under RoPE, so it does
# not matter that they are counted from the beginning of the row.)

# %%
config = ModelConfig(vocab_size=V, n_layers=3, d_model=64, n_heads=4, n_kv_heads=2, context_len=T)  # LilLM, lecture 07
model = Decoder(config, generator=torch.Generator().manual_seed(0))  # @stepover
second = (number[0] == 1).nonzero()[:, 0]
alone = row[:, second]
with torch.no_grad():
    packed, masked = model(row), model(row, documents=number)  # @stepover
    by_itself = model(alone)  # @stepover
assert torch.allclose(masked[:, second], by_itself, atol=1e-9)
assert not torch.allclose(packed[:, second], by_itself, atol=1e-3)

# %% [markdown]
# How much of attention does it concern? Count the pairs of tokens that the causal mask lets through, and those of them
# in which the two are of different documents:

# %%
rows_of_table = []
for length in (64, 256, 1024, 8192):
    number = document_ids(pack(ids[:1200], length, eos)[:, :-1], eos)  # @stepover
    sizes = torch.stack([torch.bincount(one, minlength=200) for one in number]).double()  # of documents  @stepover
    within = (sizes * (sizes + 1) / 2).sum() / len(number)
    across = float(1 - within / (length * (length + 1) / 2))
    rows_of_table.append([f"{length:,}", f"{across:.0%}"])
assert across > 0.95
table(["tokens in a row", "pairs that cross a document"], rows_of_table)

# %% [markdown]
# With rows that are much longer than documents, nearly all of attention is between texts that have nothing to do with
# each other. A model learns to ignore them; that costs some of its attention and all of the FLOPs. Whether the mask
# pays is not settled. Zhao and others (2024) found that models trained with it did better. Llama 3's report says that
# it had limited impact in standard pretraining, and was important where training went on with very long rows. Our rows
# are short, and ours does without. What the targets do is a choice of its own: usually the end of text is asked for,
# and so is the first word after it, which nobody can know. The second exercise leaves that one out.

# %% [markdown]
# ## 4. On the disk
#
# Tokens are made once and read many times, so they are written to a file. What form? Numbers below 65,536 fit into two
# bytes, and nothing else needs to be in the file: no lengths, no names, only one long line of numbers. Then token
# number n stands at byte 2n, and the operating system can do the rest. A ***memory map*** makes a file look like an
# array; pages of it (of 4 KB as a rule) are read from the disk when somebody looks at them, and dropped again when
# memory is needed. So a corpus may be much larger than memory.

# %%
home = tempfile.TemporaryDirectory()
path = Path(home.name) / "tokens.bin"
line.astype(np.uint16).tofile(path)
mapped = np.memmap(path, dtype=np.uint16, mode="r")
assert np.array_equal(mapped[1000:1064], line[1000:1064])
print(f"{path.stat().st_size:,} bytes for {len(mapped):,} tokens, which stand for {n_bytes:,} bytes of text")


def read_far_away(n_tokens, start, count):
    """Some tokens of a file of so many, of which none has been written: it takes no room."""
    path = Path(home.name) / "large.bin"
    with path.open("wb") as file:
        file.truncate(2 * n_tokens)
    tokens = np.memmap(path, dtype=np.uint16, mode="r")
    return len(tokens), tokens[start : start + count].astype(np.int64)


length, window = read_far_away(8_000_000_000, 7_654_321_000, 1025)  # @stepover
print(f"an array of {length:,} tokens, of which these {len(window):,} were read: at most 2 pages")
assert not window.any()

# %% [markdown]
# Two bytes hold no number from 65,536 on, and numpy does not complain if one asks for it: it drops what does not fit. A
# vocabulary of 128,256 tokens, as Llama 3 has, would come back as another text.

# %%
too_large = np.array([40, 65_536, 128_000])
print("written", too_large.tolist(), "read", too_large.astype(np.uint16).tolist())
assert data.TokenArray(too_large, vocab_size=128_256, eos=None).dtype == np.uint32
try:
    data.TokenArray(too_large, vocab_size=V, eos=None)
except ValueError as error:
    print(f"refused: {error}")

# %% [markdown]
# A file of raw numbers does not say what they are numbers of. So there must be something beside it: how many bytes a
# number has, how large the vocabulary is, which token is the end, which tokenizer it was, and a checksum. Large corpora
# are cut into several files, ***shards***, so that many processes can write them and a broken one can be copied again.
# `write_tokens` does all that:

# %%
options = {"eos": eos, "shard_tokens": 200_000, "workers": 1, "progress": False}
files = data.write_tokens(documents, tokenizer, Path(home.name) / "town", **options)  # @stepover
print(sorted(file.name for file in files.folder.iterdir()))
index = json.loads((files.folder / "index.json").read_text())
print({key: index["header"][key] for key in ("dtype", "vocab_size", "eos", "shard_tokens")})
assert np.array_equal(files.read(199_000, 201_000), line[199_000:201_000])  # across the end of a shard
assert len(files) == len(line)
files.verify()  # @stepover

# %%
damaged = sorted(files.folder.glob("*.bin"))[1]
content = bytearray(damaged.read_bytes())
content[12_345] ^= 1  # one bit
damaged.write_bytes(content)
with chdir(home.name):  # so that the message does not hold this machine's name of the folder
    try:
        data.TokenFiles("town").verify()  # @stepover
    except ValueError as error:
        print(str(error)[:120], "...")

# %% [markdown]
# Without the checksum, that bit would have been another word in a story. The run would not have failed, and nobody
# would have known.

# %% [markdown]
# ## 5. An order without a list
#
# The corpus has n windows of T tokens. They should come in random order, since neighbours are alike (a file of code,
# the pages of one site), and each should come once before any comes twice. An ***epoch*** is one pass over all of them.
# The simplest way is a list of n numbers in random order. For the 15.6 trillion tokens of Llama 3 and rows of 8,192
# that is a list of 15 GB, in each of thousands of processes. And after a crash, the list has to be made again and the
# place in it has to be known.
#
# There is a better way. What we need is a function that says which window stands at place i, that gives each window for
# exactly one place, and that looks random. Ciphers do this: to each block of plain text belongs exactly one secret
# block. Their usual construction is the ***Feistel network***. Take a number as a pair (l, r), and
# repeat: the new pair is (r, l + h(r)). Whatever the function h does, the step can be undone (r is still there, so h(r)
# can be subtracted). So no two pairs become one, and four rounds with a good h look random. (The package takes sixteen;
# where n is very small, four favour some orders.)


# %%
def scramble(number, key, rnd):
    return int.from_bytes(hashlib.blake2b(f"{key} {rnd} {number}".encode(), digest_size=8).digest(), "little")


def window_at(place, n, key):
    """Which of n windows stands at this place, in the order that belongs to the key."""
    side = math.isqrt(n - 1) + 1  # pairs (l, r) with both below it: at least n of them
    while True:
        left, right = divmod(place, side)
        for rnd in range(4):
            left, right = right, (left + scramble(right, key, rnd)) % side
        place = left * side + right
        if place < n:  # else it is one of the few pairs too many: once more from there
            return place


order = [window_at(place, 1000, key=(0, 0)) for place in range(1000)]  # @stepover
assert sorted(order) == list(range(1000))  # each exactly once
assert sorted(Permutation(1000, 0, 0)(np.arange(1000)).tolist()) == list(range(1000))  # @stepover
far = window_at(10**12, 10**13, key=(0, 0))  # ten trillion windows: as fast as ten  @stepover
print(f"first windows: {order[:6]}; window {far:,} of ten trillion stands at place a trillion")

# %%
fig, axes = plt.subplots(1, 2, figsize=(6.4, 3.1), sharey=True)
packages = Permutation(1000, 0, 0)(np.arange(1000))
for ax, numbers, title in zip(axes, (order, packages), ("ours", "lilllm.data.shuffle"), strict=True):
    ax.plot(numbers, ".", color=figures.BLUE, markersize=2)
    ax.set(title=title, xlabel="place")
axes[0].set_ylabel("window")
plt.show()

apart = np.corrcoef(order, np.arange(1000))[0, 1], np.corrcoef(order[:-1], order[1:])[0, 1]
assert max(map(abs, apart)) < 4 / math.sqrt(1000)  # four standard errors: no trend, neighbours not alike

# %% [markdown]
# Cycle walking is the name of the trick in the last lines: if a number lands outside, send it through again. Black and
# Rogaway (2002) show both for ciphers over any number of things.
#
# With that, which windows belong to batch number g? Nothing but arithmetic. If several processes train together, their
# *ranks* 0, 1, ... take each a piece of the batch:


# %%
def batch_windows(g, n, batch_size, seed, rank=0, world_size=1):
    """The windows of one rank in batch g of all ranks."""
    together = batch_size * world_size
    epoch, place = divmod(g, n // together)
    first = place * together + rank * batch_size
    return [window_at(first + j, n, (seed, epoch)) for j in range(batch_size)]


n_windows = (len(line) - 1) // T
for g in (0, 7, 10**9):
    two = [batch_windows(g, n_windows, 4, 0, rank, 2) for rank in range(2)]  # @stepover
    assert two[0] + two[1] == batch_windows(g, n_windows, 8, 0)  # two ranks see what one would  @stepover
epoch = [batch_windows(g, 100, 8, 0) for g in range(12)]  # @stepover
assert len({window for batch in epoch for window in batch}) == 96  # 100 windows: none twice, 4 fill no batch

# %% [markdown]
# So the whole state of the loader is one number, g, and resuming is to say it. `lilllm.data.Loader` is this, with
# another hash:

# %%
loader = data.Loader(corpus, batch_size=8, context_len=T, seed=0)  # @stepover
batch = [next(loader) for _ in range(5)][-1]  # @stepover
state = loader.state_dict()
print({key: value for key, value in state.items() if key != "corpus"})
again = data.Loader(corpus, batch_size=8, context_len=T, seed=0)  # as after a crash  @stepover
again.load_state_dict(state)  # @stepover
after = next(again)  # @stepover
assert (batch.number, after.number) == (4, 5)
assert torch.equal(after.tokens, next(loader).tokens)  # @stepover
start = int(loader.windows(5)[0]) * T
assert torch.equal(after.targets[0], torch.from_numpy(line[start + 1 : start + T + 1]))

# %% [markdown]
# The museum has a loader that does not do this, and its loss curve looks better for it. `museum.case` shows it; have
# a guess before you open it.

# %%
repeats = museum.case("08_loader_repeats")
repeats

# %%
runs = {"broken": repeats.run(), "fixed": repeats.run(fixed=True)}  # @stepover
fig, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
for ax, (title, run) in zip(axes, runs.items(), strict=True):
    ax.plot(run.values["losses"], color=figures.BLUE, marker="", label="trained on")
    ax.plot(
        range(8, 161, 8),
        run.values["unseen_losses"],
        color=figures.VERMILLION,
        marker="s",
        markersize=3,
        label="unseen",
    )
    ax.set(title=title, xlabel="step")
axes[0].set_ylabel("loss (nats a letter)")
axes[1].legend()
plt.show()
assert [run.values["healthy"] for run in runs.values()] == [False, True]

# %%
repeats.reveal()

# %% [markdown]
# ## 6. Loading ahead
#
# While the model works on batch 7, somebody can get batch 8 ready. If that takes less time than the step, it costs
# nothing. ***Prefetching*** is a queue with room for some batches: one side fills it, the other empties it, and each
# waits only if it has to. Let us first see what it can do, on paper. Loads take some time each, a few of them long (a
# disk, a network); a step always takes 10 milliseconds.


# %%
def timeline(loads, step, depth):
    """Begin and end of each load and of each step, with room for ``depth`` batches that wait."""
    load_at, step_at = [], []
    for i, load in enumerate(loads):
        begin = load_at[-1][1] if load_at else 0.0  # the loader is free ...
        if i > depth:
            begin = max(begin, step_at[i - depth - 1][0])  # ... and there is room: an earlier batch was taken
        if depth == 0 and step_at:
            begin = step_at[-1][1]  # nobody but the trainer itself loads
        load_at.append((begin, begin + load))
        begin = max(load_at[-1][1], step_at[-1][1] if step_at else 0.0)
        step_at.append((begin, begin + step))
    return load_at, step_at


draw = np.random.default_rng(3)
loads = np.where(draw.random(24) < 0.15, 32.0, 4.0)  # milliseconds
fig, ax = plt.subplots(figsize=(7, 2.8))
took = {}
for place, depth in enumerate((0, 1, 4)):
    load_at, step_at = timeline(loads, 10.0, depth)
    took[depth] = step_at[-1][1]
    for spans, y, colour in ((load_at, place, figures.VERMILLION), (step_at, place + 0.35, figures.BLUE)):
        ax.broken_barh([(a, b - a) for a, b in spans], (y, 0.3), facecolors=colour, edgecolors="white", linewidth=0.4)
ax.set(xlabel="milliseconds (lower bar: loading, upper bar: steps)", yticks=[0.3, 1.3, 2.3])
ax.set_yticklabels(["nothing\nahead", "1 ahead", "4 ahead"])
ax.grid(False)
plt.show()

print({f"{depth} ahead": f"{ms:.0f} ms" for depth, ms in took.items()})
assert took[0] == loads.sum() + 24 * 10
assert took[0] > took[1] > took[4] >= max(loads.sum(), 24 * 10)

# %% [markdown]
# One batch ahead hides every load that is shorter than a step. A longer queue hides the rare long load, if the short
# ones before it have filled the queue. Nothing hides a loader that is too slow on average. Try it: move the mean, and
# see when a longer queue stops helping. (A static copy shows the first picture only.)


# %%
def waiting(load, depth, n=400):
    """Share of the time in which the trainer waits, for loads of this mean and a step of 10 ms; as HTML bars."""
    draw = np.random.default_rng(0)
    loads = draw.exponential(load, n)
    _, step_at = timeline(loads, 10.0, depth)
    idle = 1 - 10.0 * n / step_at[-1][1]
    bar = f'<div style="width:{300 * idle:.0f}px; background:{figures.VERMILLION}; height:1em"></div>'
    return f"<div>loads of {load:.0f} ms on average, {depth} ahead: the trainer waits {idle:.0%} of the time</div>{bar}"


load_slider = widgets.IntSlider(value=6, min=1, max=16, description="load (ms)")
depth_slider = widgets.IntSlider(value=0, min=0, max=16, description="ahead")
shown = widgets.HTML(waiting(load_slider.value, depth_slider.value))  # @stepover


def redraw(_):
    shown.value = waiting(load_slider.value, depth_slider.value)


load_slider.observe(redraw, names="value")
depth_slider.observe(redraw, names="value")
display(HTML(shown.value))
display(widgets.VBox([load_slider, depth_slider, shown]))

# %%
said = {}
for load in (6, 14):
    for depth in (0, 2, 16):
        load_slider.value, depth_slider.value = load, depth  # as if you had moved them  @stepover
        said[load, depth] = int(re.search(r"waits (\d+) %|waits (\d+)%", shown.value)[0].strip("waits %"))
print("waits, in % of the time, by (ms of a load, batches ahead):", said)
assert said[6, 0] > 30 > said[6, 2] > said[6, 16]
assert said[14, 16] > 20  # no queue helps: 10 / 14 of the time is work at best
load_slider.value, depth_slider.value = 6, 0  # @stepover

# %% [markdown]
# ### Who does the loading?
#
# A thread, a process, or asyncio? In Python the answer depends on what loading *is*. The interpreter has one lock, the
# ***GIL*** (global interpreter lock), and only who holds it may run Python code. So two threads of Python code take
# turns. But a thread that waits for a disk or a network lets go of the lock, and so do long operations in C: reading,
# hashing, decompressing, numpy and torch on large arrays. asyncio has one thread only: many tasks wait at once,
# but as soon as one computes, all others stand still. Processes have a lock each. They cost time to start, and
# what they hand over must be copied.

# %%
gil = predict(
    "Four texts are cut into lines by plain Python code, by one thread after the other, or by four threads at once, "
    "with the GIL. How much faster are four threads, on a machine with many cores?",
    choices=["not faster", "about twice", "about four times"],
)
gil

# %% [markdown]
# We measure three kinds of work, four pieces of each: waiting (for a disk that takes 50 ms), Python code
# (`textwrap.wrap`, which stands for a tokenizer in Python; from the standard library, so that a new process finds it),
# and C code that lets go of the lock (a checksum of 16 MB).

# %%
LONG_TEXT, LONG_BYTES = "one two three " * 3000, bytes(1 << 24)
KINDS = {
    "waiting": (time.sleep, 0.05),
    "Python code": (textwrap.wrap, LONG_TEXT),
    "C code": (hashlib.sha256, LONG_BYTES),
}


async def gather(work, piece):
    async def one():
        return await asyncio.sleep(piece) if work is time.sleep else work(piece)

    return await asyncio.gather(*(one() for _ in range(4)))


def in_own_loop(work, piece):
    asyncio.run(gather(work, piece))  # a notebook has a loop already, so this one runs in a thread of its own


def measure(run):
    """Seconds, and how many cores this process kept busy in them: the best of three."""
    found = []
    for _ in range(3):
        begin, cpu = time.perf_counter(), time.process_time()
        run()
        took = time.perf_counter() - begin
        found.append((took, (time.process_time() - cpu) / took))
    return min(found)


# %%
def measure_all():
    """Seconds, and cores kept busy, of each kind of work done in each way."""
    took, cores = {}, {}
    with (
        ThreadPoolExecutor(4) as threads,
        ThreadPoolExecutor(1) as aside,
        ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as processes,
    ):
        list(processes.map(abs, range(2)))  # starting them is not measured
        for kind, (work, piece) in KINDS.items():
            ways = {
                "one by one": lambda work=work, piece=piece: [work(piece) for _ in range(4)],
                "threads": lambda work=work, piece=piece: list(threads.map(work, [piece] * 4)),
                "asyncio": lambda work=work, piece=piece: aside.submit(in_own_loop, work, piece).result(),
                "2 processes": lambda work=work, piece=piece: list(processes.map(work, [piece] * 4)),
            }
            if work is hashlib.sha256:  # its result cannot be sent to another process
                del ways["2 processes"]
            for way, run in ways.items():
                took[kind, way], cores[kind, way] = measure(run)
    return took, cores


# %%
# NBVAL_IGNORE_OUTPUT
# Reason: these are times of this machine, and of what else it did
took, cores = measure_all()  # @stepover
assert took["waiting", "one by one"] > 2 * took["waiting", "threads"]
assert took["waiting", "one by one"] > 2 * took["waiting", "asyncio"]
has_gil = getattr(sys, "_is_gil_enabled", lambda: True)()
assert cores["Python code", "threads"] < 1.2 or not has_gil  # one core's worth of work, however many there are
assert cores["Python code", "asyncio"] < 1.2
speedup = {f"{kind}, {way}": round(took[kind, "one by one"] / seconds, 1) for (kind, way), seconds in took.items()}
{name: factor for name, factor in speedup.items() if "one by one" not in name}

# %%
gil.reveal("not faster")

# %% [markdown]
# The asserts hold on any machine; the numbers are of the one that built this page, with two cores, and of what else it
# had to do. Threads and asyncio help where there is waiting. Neither helps Python code: all threads together kept one
# core busy. Processes do help, by as many cores as are free, and so do threads with C code. (Since Python 3.13 there is
# a build without the GIL, in which threads help Python code too. There the prediction has another answer.)
#
# So our loader needs no process. The tokens are made already; what is left is to read a memory map and to copy some
# rows, which is waiting and C code. A thread will do. Tokenizing is another matter: `write_tokens` uses processes.


# %%
def ahead(batches, depth):
    """The same batches, made in a thread that is at most ``depth`` ahead."""
    waiting = queue.Queue(depth)

    def work():
        for batch in batches:
            waiting.put(batch)

    threading.Thread(target=work, daemon=True).start()
    while True:
        yield waiting.get()


plain = data.Loader(corpus, batch_size=8, context_len=T, seed=0, prefetch=0)  # @stepover
for one, two in zip(
    islice(plain, 6), ahead(data.Loader(corpus, batch_size=8, context_len=T, seed=0), 2), strict=False
):  # @stepover
    assert (one.number, torch.equal(one.tokens, two.tokens)) == (two.number, True)

# %% [markdown]
# Nine lines that work, and that have three faults. If `batches` raises an error, the thread dies and the trainer waits
# for ever. If the trainer stops, the thread stays. And what is the state? The thread is two batches further than the
# trainer. Who saves *its* number, skips two batches at every resume, and no curve will show it. `lilllm.data.prefetch`
# hands the error on, ends its thread by itself, and counts batches that were *taken*:

# %%
loader = data.Loader(corpus, batch_size=8, context_len=T, seed=0, prefetch=4)  # @stepover
taken = [next(loader).number for _ in range(3)]  # by now up to four more are made  @stepover
print("taken:", taken, "- the state says that next is", loader.state_dict()["batch"])
assert loader.state_dict()["batch"] == 3

# %% [markdown]
# ## 7. What is minimised
#
# For each place, the model gives a score to each token of the vocabulary, softmax makes probabilities of them, and the
# loss is the cross-entropy: $-\ln p$ of the token that really came, on average. Written out, with scores
# $z$: $\ln \sum_v e^{z_v} - z_{\text{target}}$.


# %%
def loss_of(logits, targets):
    """Mean cross-entropy in nats: (N, V), (N,) -> a number."""
    right = logits.gather(-1, targets[:, None])[:, 0]
    return (logits.logsumexp(-1) - right).mean()


with torch.no_grad():
    logits = model(inputs[:8])  # @stepover
    ours = loss_of(logits.flatten(0, 1), targets[:8].flatten())
    assert torch.isclose(ours, F.cross_entropy(logits.flatten(0, 1), targets[:8].flatten()))
    assert torch.isclose(ours, cross_entropy(logits.flatten(0, 1), targets[:8].flatten()))
    assert torch.isclose(ours, model.loss(inputs[:8], targets[:8]))  # without all logits in memory  @stepover
print(f"untrained: {ours:.2f} nats a token, ln V = {math.log(V):.2f}")
assert abs(ours - math.log(V)) < 0.1

# %% [markdown]
# Nats a token depend on the tokenizer: with longer tokens there are fewer of them, each harder. Bits a byte
# (lecture 01) can be compared, also between our tokenizer and another one, and with the entropy of the text:
#
# $$\text{bits a byte} = \frac{\text{nats a token}}{\ln 2} \cdot \frac{\text{tokens}}{\text{bytes}}$$
#
# And here is the rare luxury of LilTown. Its text comes from a program that makes random choices, so we know how many
# bits of chance are in it. A model that knew the program could not do better than that floor, on average. (`entropy`
# counts the choices. Now and then two choices make the same text, so the true floor lies a few percent lower.) For
# real text nobody knows the floor, only that good models have not reached it.

# %%
measured = evaluate(model, held, batch_size=32, context_len=T)  # @stepover
by_hand = measured.loss / math.log(2) * len(held) / held_bytes
assert math.isclose(measured.bits_per_byte, by_hand)
assert math.isclose(by_hand, bits_per_byte(measured.loss, tokens=len(held), bytes=held_bytes))
counts = np.bincount(line, minlength=V) + 1.0
frequencies = -np.log(counts / counts.sum())[held_line].mean() / math.log(2) * len(held) / held_bytes
ladder = {"knows nothing": by_hand, "frequencies of tokens": frequencies, "floor": floor}
print({name: f"{value:.2f}" for name, value in ladder.items()}, "bits a byte")
assert 3.0 > by_hand > frequencies > floor

# %% [markdown]
# These are the first rungs of a ladder, and every curve below is drawn beside them. A curve alone says little.
#
# ### Label smoothing
#
# The target is a probability of 1 for one token and 0 for all others, and no finite scores reach that. The transformer
# of 2017 was trained with ***label smoothing***: a share $\epsilon$ of the target is spread evenly over all V tokens.
#
# $$\text{loss} = -(1-\epsilon) \ln p_{\text{target}} - \frac{\epsilon}{V} \sum_v \ln p_v$$


# %%
def smoothed_loss_of(logits, targets, eps):
    log_p = logits.log_softmax(-1)
    right = log_p.gather(-1, targets[:, None])[:, 0]
    return -((1 - eps) * right + eps * log_p.mean(-1)).mean()


some, wanted = logits[0], targets[0]
smoothed = smoothed_loss_of(some, wanted, 0.1)
assert torch.isclose(smoothed, F.cross_entropy(some, wanted, label_smoothing=0.1))
assert torch.isclose(smoothed, cross_entropy(some, wanted, label_smoothing=0.1))

p = torch.linspace(0.5, 0.9999, 2000)  # given to the target; the others share what is left
fig, ax = plt.subplots(figsize=(6.4, 3))
best = {}
for eps, style in zip((0.0, 0.1), figures.line_styles(2), strict=True):
    curve = -(1 - eps + eps / V) * p.log() - (eps - eps / V) * ((1 - p) / (V - 1)).log()
    best[eps] = float(p[curve.argmin()])
    ax.plot(p, curve - curve.min(), label=f"eps = {eps}", **{**style, "marker": ""})
ax.set(xlabel="probability of the right token", ylabel="loss above its lowest (nats)", ylim=(0, 0.6))
ax.legend()
plt.show()

assert best[0.0] == p[-1]
assert math.isclose(best[0.1], 0.9 + 0.1 / V, abs_tol=1e-3)
cost = -math.log(best[0.1]) / math.log(2) * len(held) / held_bytes
print(f"a model that follows it says {best[0.1]:.1%} where it is sure:", end=" ")
print(f"{cost:.2f} bits a byte, and the floor is {floor:.2f}")
assert cost < floor

# %% [markdown]
# The lowest point has moved from 1 to 0.9: whoever minimises this loss is never surer than that. The authors of 2017
# report what it does: perplexity gets worse, since the model learns not to be sure, and accuracy and BLEU (of
# translations) get better. A language model is judged by its probabilities, and samples from them. A tenth of the
# weight on everything but the right token, at every place, is one wrong token in ten. So pretraining does without. (It
# also breaks the comparison with the floor: the smoothed loss is not a code length.)

# %% [markdown]
# ## 8. Filling gaps
#
# A model that reads from left to right can write on, but not fill a gap: the text behind the gap has not been read when
# the gap comes. Bavarian and others (2022) found that nothing about the model needs to change for it. Change the
# documents. Cut one at two places, put the middle last, and mark the parts with three special tokens:
#
# - **PSM** (prefix, suffix, middle): `<pre>` prefix `<suf>` suffix `<mid>` middle
# - **SPM**: the suffix first. Then what a user types in front of the gap stands last, and keys and values that were
#   computed for it stay good (lecture 09).
#
# This is ***fill-in-the-middle***. To fill a gap, give all up to `<mid>` and let the model write until the end of text.

# %%
PRE, SUF, MID = V, V + 1, V + 2  # three new tokens


def psm(tokens, i, j):
    """The document with its piece from i to j put last."""
    return [PRE, *tokens[:i], SUF, *tokens[j:], MID, *tokens[i:j]]


def put_back(turned):
    """The document again."""
    suf, mid = turned.index(SUF), turned.index(MID)
    return turned[1:suf] + turned[mid + 1 :] + turned[suf + 1 : mid]


turned = psm(ids[3], 12, 20)
names = {PRE: "<pre>", SUF: "<suf>", MID: "<mid>"}
print(textwrap.fill("".join(names.get(t) or tokenizer.decode([t]) for t in turned), 100))
assert put_back(turned) == ids[3]

# %%
draw = torch.Generator().manual_seed(0)
marks = {"prefix": PRE, "suffix": SUF, "middle": MID}
some_turned = [data.fill_in_the_middle(document, draw, **marks, rate=0.5) for document in ids[:400]]  # @stepover
share = sum(document[0] == PRE for document in some_turned) / 400
for before, after in zip(ids[:400], some_turned, strict=True):  # @stepover
    if after[0] == PRE:
        i, rest = after.index(SUF) - 1, len(after) - after.index(MID) - 1
        assert (after, put_back(after)) == (psm(before, i, i + rest), before)
print(f"{share:.0%} of the documents are turned")
assert abs(share - 0.5) < 4 * 0.5 / math.sqrt(400)  # four standard errors

# %% [markdown]
# What does it cost? Their finding: up to a rate of 90 % of turned documents, the loss of ordinary text from left to
# right is no worse than without, and the model can fill gaps as well. They call it FIM for free. Models for code are
# trained so, as an editor's cursor is rarely at the end. Their cuts are at characters, before the text becomes tokens,
# since a cursor may stand inside a word; ours are at tokens.
# %% [markdown]
# ## 9. The loop
#
# Now the part that everybody thinks of first. One update: loss, gradient, clip, step. The pieces are lecture 04's. Two
# things need a word. A batch that does not fit into memory is run in parts. Each is a ***micro-batch***; their
# gradients are added up, and each weighs as many tokens as it has (the museum's `04_sum_not_mean` shows what happens
# otherwise). And weight decay is for matrices: a norm's gain that is pulled to 0 takes its channel away.


# %%
def fresh(seed=0):
    """A model and its optimizer."""
    model = Decoder(config, generator=torch.Generator().manual_seed(seed))
    matrices = [p for p in model.parameters() if p.ndim > 1]
    gains = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}]
    return model, torch.optim.AdamW(groups, betas=(0.9, 0.95), fused=True)


def update(model, optimizer, batch, lr, micro_batch=None, clip=1.0):
    """One step; the loss of the batch, and the norm of its gradient before clipping."""
    rows, total = len(batch.tokens), 0.0
    for part in torch.arange(rows).split(micro_batch or rows):
        loss = model.loss(batch.tokens[part], batch.targets[part]) * (len(part) / rows)
        loss.backward()
        total += loss.item()
    norm = clip_by_norm(model.parameters(), clip)
    for group in optimizer.param_groups:
        group["lr"] = lr
    optimizer.step()
    optimizer.zero_grad()
    return total, norm


# %% [markdown]
# Is that all? Around it there is much more in `lilllm.training`: evaluation, samples, files, signals, several
# processes. But what becomes of the weights is this, and with the same numbers its `Trainer` goes the same way:

# %%
STEPS, BATCH, PEAK = 400, 8, 0.01
rate = schedules.cosine(peak=PEAK, warmup=20, total=STEPS, floor=0.1 * PEAK)
plan = TrainConfig(steps=STEPS, batch_size=BATCH, micro_batch=4, lr=PEAK, warmup=20, eval_every=None, sample_every=None)
assert all(plan.rate(step) == rate(step) for step in range(STEPS))


def trained_by_package(model, loader, steps):
    """The loss of each step of the package's trainer."""
    trainer = Trainer(model, plan, loader, device="cpu", progress=False)
    trainer.run(until=steps)
    return [record["loss"] for record in trainer.history if record["kind"] == "train"]


model, optimizer = fresh()  # @stepover
packages, _ = fresh()  # @stepover
loader, another = (data.Loader(corpus, batch_size=BATCH, context_len=T, seed=1) for _ in range(2))  # @stepover
theirs = trained_by_package(packages, another, 4)  # @stepover
losses = [update(model, optimizer, next(loader), rate(step))[0] for step in range(4)]  # @stepover
assert all(torch.allclose(p, q, atol=1e-8) for p, q in zip(model.parameters(), packages.parameters(), strict=True))
assert np.allclose(losses, theirs)
print("loss of the first steps:", [f"{loss:.2f}" for loss in losses])

# %% [markdown]
# ## 10. It learns
#
# LilLM with 3 layers of width 64. Each step reads 8 rows of 64 tokens, 512 tokens, and no row comes twice. While it
# learns we keep what one always wants to have: the loss of each batch, the norm of its gradient, now and then the loss
# on held-out text, and the weights at some moments, to let them write later. At step 200 we save everything, for
# section 11.


# %%
def save(path, model, optimizer, loader, step):
    """All that going on needs, in one file that is whole or not there."""
    parts = {"model": model, "optimizer": optimizer, "loader": loader}
    state = {name: part.state_dict() for name, part in parts.items()} | {"step": step}
    torch.save(state, path.with_suffix(".partial"))
    path.with_suffix(".partial").replace(path)


def bits_of(model, tokens=held):
    """Bits a byte."""
    return evaluate(model, tokens, batch_size=64, context_len=T).bits_per_byte


n_parameters = sum(p.numel() for p in fresh()[0].parameters())  # @stepover
print(f"{n_parameters:,} parameters, {STEPS * BATCH * T:,} tokens of {len(corpus):,}")
assert n_parameters == params.total(config.shape())
assert len(corpus) > STEPS * BATCH * T  # less than an epoch

# %%
model, optimizer = fresh()  # @stepover
loader = data.Loader(corpus, batch_size=BATCH, context_len=T, seed=1)  # @stepover
history, held_at, moments = [], {}, {}
for step in range(STEPS + 1):
    if step % 50 == 0 or step in (10, 25):
        held_at[step] = bits_of(model)  # @stepover
    if step in (0, 10, 30, 100, STEPS):
        moments[step] = deepcopy(model)  # @stepover
    if step == 200:
        save(Path(home.name) / "step-200.pt", model, optimizer, loader, step)  # @stepover
    if step < STEPS:
        history.append(update(model, optimizer, next(loader), rate(step)))  # @stepover

# %%
losses, norms = (np.array(column) for column in zip(*history, strict=True))
to_bits = len(held) / held_bytes / math.log(2)
fig, axes = plt.subplots(3, 1, figsize=(7, 6), sharex=True, height_ratios=[3, 1, 1])
axes[0].plot(losses * to_bits, color=figures.BLUE, linewidth=0.9, marker="", label="each batch")
axes[0].plot(list(held_at), list(held_at.values()), color=figures.VERMILLION, marker="s", label="held out")
for name, value in ladder.items():
    axes[0].axhline(value, color=figures.GREY, linewidth=1)
    axes[0].text(STEPS, value + 0.03, name, ha="right")
axes[0].set(ylabel="loss (bits a byte)", ylim=(0, 2.9))
axes[0].legend(loc="center right")
axes[1].plot(norms, color=figures.BLUE, linewidth=0.7, marker="")
axes[1].axhline(1.0, color=figures.GREY, linestyle="--", linewidth=1)
axes[1].set(ylabel="gradient\n(norm)", yscale="log")
axes[2].plot([rate(step) for step in range(STEPS)], color=figures.BLUE, marker="")  # @stepover
axes[2].set(ylabel="learning\nrate", xlabel="step")
plt.show()

end = held_at[STEPS]
print({step: round(value, 1) for step, value in held_at.items()})
assert floor < end < 0.75 < frequencies
assert abs(losses[-20:].mean() * to_bits - end) < 0.1  # no row came twice: to the model all of it is new
assert 10 < norms.argmax() < 25  # the spike, where the rate reaches its peak
assert 10 < norms.max() / np.median(norms) < 100

# %% [markdown]
# What to look at in such a picture, and in this order:
#
# - **Where it begins.** At ln V, the top rung. A run that begins elsewhere is wrong (lecture 07).
# - **The second rung.** Within some tens of steps it knows which tokens are frequent. A loss that stays there sees its
#   input in no useful way: a mask, a shift, a learning rate.
# - **Train against held out.** They lie on each other, since each batch is new text. If they part, rows come back.
# - **The gradient's norm.** About 1, but for one spike: where the warm-up ends and the rate is at its height, it jumps
#   to thirty times as much, and the loss goes up with it for some batches. Clipping made one step of usual length of
#   it, and the run got over it. The norm costs nothing to log, and says more than the loss when something begins.
# - **The end.** The curve becomes flat as the rate falls, which is not yet a sign that there is no more to learn:
#   section 12 comes back to that.
#
# What do 0.6 bits a byte look like? Let the weights of five moments write. We draw each next token with the
# probability that the model gives it (lecture 09 is about better ways), beginning after an end of text.


# %%
@torch.no_grad()
def write(model, n, texts, seed=0):
    """Texts of n tokens, drawn one after the other: (texts, n)."""
    draw = torch.Generator().manual_seed(seed)
    cache, token, written = model.new_cache(texts, n), torch.full((texts, 1), eos), []
    for _ in range(n):
        p = model(token, cache=cache)[:, -1].softmax(-1)  # (texts, V)
        token = torch.multinomial(p, 1, generator=draw)
        written.append(token)
    return torch.cat(written, 1)


def readable(tokens):
    text = tokenizer.decode([int(token) for token in tokens]).replace(END, " (end) ")
    return "".join(c if c.isprintable() and c != "\ufffd" else "?" for c in text)


drawn = {step: write(moment, 50, texts=6) for step, moment in moments.items()}  # @stepover
for step, texts in drawn.items():
    print(f"after {step} steps:", textwrap.fill(readable(texts[0]), 110, subsequent_indent="    "))

# %% [markdown]
# From nonsense to words, from words to phrases, to sentences with a subject and a place, to people who do things one
# after the other. Is it grammar, or do we want to see some? Let us count. Take each three neighbouring words of a text,
# and ask whether they stand so anywhere in 5,000 documents. New text of the town itself does not reach 100 %: it has
# new combinations.


# %%
def threes(text):
    words = re.findall(r"[A-Za-z']+|[.,!?]", text)
    return list(zip(words, words[1:], words[2:], strict=False))


known_threes = dict.fromkeys(three for text in documents for three in threes(text))  # @stepover
known_words = dict.fromkeys(three[0] for three in known_threes)  # unlike sets, always in the same order


def known(texts):
    """Of the words, and of the threes of words, the share that the documents have."""
    every = [three for text in texts for three in threes(text)]
    in_town = [sum(three[0] in known_words for three in every), sum(three in known_threes for three in every)]
    return [count / max(1, len(every)) for count in in_town]


shares = {step: known([readable(text) for text in texts]) for step, texts in drawn.items()}  # @stepover
shares["the town"] = known(held_documents)  # @stepover
rows_of_table = [[name, f"{words:.0%}", f"{three:.0%}"] for name, (words, three) in shares.items()]
grammar = [shares[step][1] for step in moments]
assert grammar == sorted(grammar)
assert grammar[0] < 0.02 < 0.6 < grammar[-1] < shares["the town"][1]
table(["after step", "words that the town has", "three words in a row that it has"], rows_of_table)

# %% [markdown]
# Now look into it, token by token. The picture shows a held-out document; the darker a token, the more bits it cost,
# which is to say the less the model expected it. Move the slider through the moments of training, and the last place to
# the model that comes with the course (1.2 million parameters, trained for much longer; `lilllm.inference.load`). What
# gets light first, and what never does? (A static copy shows the last moment only.)

# %%
speaker = inference.load("liltown")  # @stepover
speaker.model.eval()


@torch.no_grad()
def costs(model, tokenizer, text, start):
    """Tokens of a text as text, and the bits that each cost, after an end of text."""
    tokens = tokenizer.encode(text)
    log_p = model(torch.tensor([[start, *tokens[:-1]]]))[0].log_softmax(-1)  # (T, V)
    bits = -log_p.gather(-1, torch.tensor(tokens)[:, None])[:, 0] / math.log(2)
    return [tokenizer.decode([token]) for token in tokens], bits.tolist()


def told(text, place):
    """The text, each token darker the more it cost."""
    steps = list(moments)
    if place < len(steps):
        name, (pieces, bits) = f"after step {steps[place]}", costs(moments[steps[place]], tokenizer, text, eos)
    else:
        name, (pieces, bits) = "the course's model", costs(speaker.model, speaker.tokenizer, text, speaker.start)
    spans = "".join(
        f'<span style="background:rgba(213,94,0,{min(1.0, cost / 8):.1f})">{html.escape(piece)}</span>'
        for piece, cost in zip(pieces, bits, strict=True)
    )
    rate_of = sum(bits) / len(text.encode())
    return f'<div style="line-height:1.9">{spans}</div><div>{name}: {rate_of:.1f} bits a byte</div>'


chosen = next(text for text in held_documents if 180 < len(text) < 240)
place = widgets.IntSlider(value=len(moments) - 1, min=0, max=len(moments), description="moment")
shown = widgets.HTML(told(chosen, place.value))  # @stepover
place.observe(lambda change: setattr(shown, "value", told(chosen, change["new"])), names="value")
display(HTML(shown.value))
display(widgets.VBox([place, shown]))

# %%
seen = []
for at in range(len(moments) + 1):
    place.value = at  # as if you had moved it  @stepover
    seen.append(float(re.search(r"([\d.]+) bits a byte", shown.value)[1]))
print(seen)
assert seen[0] > 2.0 > seen[-3] > seen[-2]
place.value = len(moments) - 1  # @stepover

# %% [markdown]
# What stays dark is a name, a thing, a place: the choices of the program. They are chance, and no training will make
# them light. What becomes light is what follows from something: the second half of a word, the grammar, and later who
# of two people is meant. Let us sum up: which share of all tokens carries half of the bits?

# %%
of_each = [costs(model, tokenizer, text, eos)[1][:T] for text in held_documents]  # @stepover
bits = np.sort(np.concatenate(of_each))[::-1]  # the largest first; of no more tokens than it was trained to read
half = np.searchsorted(bits.cumsum(), bits.sum() / 2) / len(bits)
print(f"half of the bits are in {half:.0%} of the tokens; {np.mean(bits < 0.15):.0%} of the tokens cost nearly nothing")
assert half < 0.3

theirs = speaker.tokenizer
course_line = [token for text in held_documents for token in (*theirs.encode(text), speaker.start)]  # @stepover
course_held = data.TokenArray(course_line, vocab_size=theirs.vocab_size, eos=speaker.start, n_bytes=held_bytes)
of_course = evaluate(speaker.model, course_held, batch_size=8, context_len=256).bits_per_byte  # @stepover
ladder["ours, live"], ladder["the course's"] = end, of_course
print({name: f"{value:.2f}" for name, value in sorted(ladder.items(), key=lambda one: -one[1])}, "bits a byte")
assert floor - 3 * floor_error < of_course < end / 1.5

# %% [markdown]
# That is the whole ladder. With six times the parameters and some minutes more, the course's model has learned nearly
# all that can be learned of this town. (It reads 256 tokens at once, ours 64, so it sees the beginning of the story
# more often.)

# %% [markdown]
# ## 11. Stop and go on
#
# Machines fail. Meta reports 419 unexpected interruptions in 54 days of training Llama 3 405B, on 16,384 GPUs. A run
# that cannot go on where it stopped is not going to end. What has to be saved? The weights, of course. What else does
# the next step depend on?
#
# - the optimizer's averages (Adam's $m$ and $v$, twice as many numbers as the weights) and its count of steps;
# - the place in the data;
# - the step, from which the schedule knows the rate;
# - random generators, if something draws (dropout).
#
# `save` above wrote all of that at step 200, first under another name, and renamed it when it was whole. A crash while
# writing leaves the old file. (`torch.load` with `weights_only=True` reads tensors and plain values and runs no code of
# the file. The package writes safetensors and JSON, which cannot hold any.) Now pretend that the process died, and
# leave things out:

# %%
forgot = predict(
    "Resume at step 200 and leave out one thing. Which mistake can one see in the next 20 training losses?",
    choices=["the optimizer's averages", "the place in the data", "the step of the schedule", "each of them"],
)
forgot


# %%
def go_on(steps, leave_out=None):
    """Losses of the steps after the checkpoint, from the file alone."""
    state = torch.load(Path(home.name) / "step-200.pt", weights_only=True)
    model, optimizer = fresh(seed=99)  # other weights: all must come from the file
    loader = data.Loader(corpus, batch_size=BATCH, context_len=T, seed=1)
    model.load_state_dict(state["model"])
    if leave_out != "averages":
        optimizer.load_state_dict(state["optimizer"])
    if leave_out != "place":
        loader.load_state_dict(state["loader"])
    first = 0 if leave_out == "step" else state["step"]
    return [update(model, optimizer, next(loader), rate(first + i))[0] for i in range(steps)], model


whole, _ = go_on(20)  # @stepover
assert whole == losses[200:220].tolist()  # to the bit
forgotten = {what: go_on(20, what)[0] for what in ("averages", "place", "step")}  # @stepover

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.2))
left.plot(range(150, 221), losses[150:221], color=figures.GREY, linewidth=3, alpha=0.5, marker="", label="not stopped")
for (what, values), style in zip(forgotten.items(), figures.line_styles(3), strict=True):
    left.plot(range(200, 220), values, **{**style, "marker": ""})
    right.plot(range(200, 220), np.array(values) - whole, label=f"without {what}", **style)
left.set(xlabel="step", ylabel="loss (nats a token)")
left.legend()
right.set(xlabel="step", ylabel="loss above that of the whole run", xticks=range(200, 221, 5), ylim=(-0.5, 0.75))
right.legend(loc="upper left", ncols=2, fontsize=8)
plt.show()

worse = {what: np.mean(values) - np.mean(whole) for what, values in forgotten.items()}
print({what: f"{value:+.2f}" for what, value in worse.items()}, "nats, mean of 20 steps")
assert worse["averages"] > 0.05 > max(abs(worse["place"]), abs(worse["step"]))
forgot.reveal("the optimizer's averages")

# %% [markdown]
# With everything in place, the run is the same *to the bit*: twenty losses, all digits equal. Without the optimizer's
# averages the loss is a tenth higher for a while, as each weight's first step is a full learning rate again; on the
# right one sees it, on the left one would hardly notice. The other two mistakes cannot be seen at all. A schedule that
# begins anew begins with a low rate, which does no harm, and goes through the same peak a second time later. And rows
# that come again have been half forgotten; only when the run has gone over its first half twice would held-out loss
# tell. A curve that looks right proves nothing. What proves it is equality, and it is cheap to test: stop a short run,
# go on, compare all weights.

# %% [markdown]
# ## 12. The average of checkpoints
#
# At a high learning rate the weights do not rest; they dance around a place that they do not reach. A falling rate
# calms them. There is another way, which costs no step: keep some checkpoints of the dance and take the mean of each
# weight. The transformer of 2017 was the average of its last 5 checkpoints (the big one of its last 20), ten minutes
# apart. It is a strange thing to do: the average of two models that were trained apart is noise. But these have a
# common past, and they lie in one valley.

# %%
of_mean = predict(
    "From step 200 on at a constant rate, five checkpoints, 12 steps apart. Their average, against the five:",
    choices=["worse than each", "about their mean", "better than each"],
)
of_mean


# %%
def at_constant_rate(steps, every, lr):
    """Weights at every so many steps after the checkpoint."""
    state, kept = torch.load(Path(home.name) / "step-200.pt", weights_only=True), []
    model, optimizer = fresh()
    loader = data.Loader(corpus, batch_size=BATCH, context_len=T, seed=1)
    for one, name in ((model, "model"), (optimizer, "optimizer"), (loader, "loader")):
        one.load_state_dict(state[name])
    for step in range(1, steps + 1):
        update(model, optimizer, next(loader), lr)
        if step % every == 0:
            kept.append(deepcopy(model.state_dict()))
    return kept


def average(states):
    """The mean of each tensor."""
    return {name: torch.stack([state[name] for state in states]).mean(0) for name in states[0]}


def bits_with(state):
    model = Decoder(config)
    model.load_state_dict(state)
    return bits_of(model)


kept = at_constant_rate(60, 12, rate(200))  # @stepover
for i, state in enumerate(kept):
    model_of = Decoder(config)  # @stepover
    model_of.load_state_dict(state)
    export(model_of, Path(home.name) / f"kept-{i}")  # @stepover
packages = training.average(Path(home.name) / f"kept-{i}" for i in range(5))  # @stepover
assert all(torch.allclose(mean, packages[name]) for name, mean in average(kept).items())
each = [bits_with(state) for state in kept]  # @stepover
together = bits_with(average(kept))  # @stepover

# %%
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.plot(list(held_at), list(held_at.values()), color=figures.GREY, marker="o", label="the run, its rate falling")
ax.plot(range(212, 261, 12), each, color=figures.BLUE, marker="s", linestyle="--", label="constant rate from 200 on")
ax.plot([260], [together], "*", color=figures.VERMILLION, markersize=14, label="average of the five")
ax.set(xlabel="step", ylabel="held-out loss (bits a byte)", xlim=(95, 410), ylim=(0.5, 1.2))
ax.legend()
plt.show()
print(f"better than the best of the five by {min(each) - together:.2f} bits a byte")
home.cleanup()
assert together < min(each) - 0.01
assert held_at[STEPS] < together < 0.8 * held_at[250] + 0.2 * held_at[300]  # of the run at step 260
of_mean.reveal("better than each")

# %% [markdown]
# The average of five models, none of which is that good. At step 260 it is ahead even of the run whose rate has begun
# to fall, and it can be had at any moment, without knowing when the run will end. Llama 3 averaged checkpoints of its
# last phase too. But an average is not a decay: the run that goes on with a falling rate ends lower. And where the rate
# is low already, the weights hardly dance, and there is little left for an average to gain.

# %% [markdown]
# ## 13. In half the bits
#
# Our weights are float64, so that this page is the same everywhere. Nobody trains like that. bfloat16 has the range of
# float32 and 8 bits of precision (lecture 02), needs half the memory, and on GPUs its products run many times as fast.
# What may be bfloat16, and what may not? Take our trained weights, and a step of Adam, which has about the size of the
# learning rate. Which share of the weights does it move, if weights are kept in bfloat16?

# %%
weights = torch.cat([p.detach().flatten() for p in model.parameters() if p.ndim > 1])
steps_of = torch.logspace(-6, -1, 60)
moved = {}
for dtype, name in ((torch.bfloat16, "bfloat16"), (torch.float32, "float32")):
    low = weights.to(dtype)
    moved[name] = [float(((low.double() + lr).to(dtype) != low).double().mean()) for lr in steps_of]  # @stepover
fig, ax = plt.subplots(figsize=(6.4, 3))
for (name, share), style in zip(moved.items(), figures.line_styles(2), strict=True):
    ax.plot(steps_of, share, label=name, markevery=8, **style)
for lr, name in ((3e-4, "a usual peak"), (3e-5, "its end")):
    ax.axvline(lr, color=figures.GREY, linewidth=1)
    ax.text(lr * 1.1, 0.03, name)
ax.set(xscale="log", xlabel="length of the step", ylabel="share of weights that move", ylim=(0, 1.05))
ax.legend(loc="center left")
plt.show()

at_end = float(((weights.bfloat16().double() + 3e-5).bfloat16() != weights.bfloat16()).double().mean())
print(f"a weight of 1 and a step of 0.001: {float(torch.tensor(1.0, dtype=torch.bfloat16) + 0.001)}")
print(f"in bfloat16, steps of 0.0003 to 0.00003 end with {at_end:.0%} of our weights moving")
assert at_end < 0.2
assert min(share for lr, share in zip(steps_of, moved["float32"], strict=True) if lr > 3e-5) > 0.99

# %% [markdown]
# Steps that are shorter than half the distance to the next number are lost, each of them, and so is their sum. So the
# weights stay in float32, and with them the optimizer's averages. What may be bfloat16 is what is made anew at each
# step and summed right away: the products. `torch.autocast` does that: it rounds weights and inputs on their way into a
# matrix product, and leaves softmax, norms, and the loss in float32. Gradients come back in the dtype of the weights.
# This is called mixed precision (lecture 02).

# %%
single = deepcopy(model).float()
some = next(data.Loader(corpus, batch_size=4, context_len=T, seed=5))  # @stepover


def gradient(model, low):
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
        loss = model.loss(some.tokens, some.targets)
    loss.backward()
    return loss.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])


(loss_32, exact), (loss_16, rounded) = (gradient(single, low) for low in (False, True))  # @stepover
assert loss_16.dtype == rounded.dtype == torch.float32
off = float((loss_16 - loss_32).abs() / loss_32)
angle = float(F.cosine_similarity(exact, rounded, dim=0))
assert off < 0.01
assert angle > 0.99
assert not torch.equal(exact, rounded)
off = angle = None
print("in bfloat16 the loss is the same to 1 %, and the gradient points the same way (cosine above 0.99)")

# %% [markdown]
# The rounding errors of one batch are small against what differs between one batch and the next, so the run goes where
# it would have gone. `TrainConfig(precision="bf16")` is this. float16 has more precision and less range: small
# gradients become 0 in it, so the loss is multiplied by a large number first, and the gradient divided by it afterwards
# (`precision="fp16"`). How far the results of two machines differ, if both round like that, is another matter: never
# compare losses to the last digit, unless machine, threads and library are the same.

# %% [markdown]
# ## 14. Two more that look like something else
#
# The museum has two more cases of this lecture. Guess the cause of each from what it shows.

# %%
no_warmup, in_training = museum.case("08_no_warmup"), museum.case("08_eval_in_training_mode")
no_warmup

# %%
in_training

# %%
cold = no_warmup.run()  # @stepover
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.plot(cold.values["losses"], color=figures.BLUE, marker="", label="no warm-up")
ax.axhline(cold.values["blind"], color=figures.VERMILLION, linestyle="--", label="frequencies of letters")
ax.set(xlabel="step", ylabel="loss (nats a letter)", ylim=(1.8, 4.2))
ax.legend()
plt.show()
print(in_training.run().printed.splitlines()[-1])  # @stepover
assert not cold.values["healthy"]

# %% [markdown]
# The first is the second rung of our ladder: a loss that stays at the frequencies of letters. The second is found by
# doing something twice. Both are explained by `no_warmup.reveal()` and `in_training.reveal()`.

# %%
no_warmup.reveal()

# %% [markdown]
# ## 15. Napkin answer
#
# **Napkin answer.** The run of `lillm-39m`, by hand and by the closed forms of lecture 02. Per token and parameter, a
# forward and a backward pass take 6 FLOPs; attention's own products come on top.

# %%
shape = shape_of("lillm-39m")
N, D, BATCH_TOKENS = params.total(shape), 8e9, 2**19
n_steps, gigabytes = D / BATCH_TOKENS, 2 * D / 1e9
total = flops.per_token(shape, seq=1024) * D
hours = total / (0.4 * gpu("h100-80gb").flops) / 3600
assert math.isclose(hours, 24 * days(shape, tokens=D, seq=1024, gpus=1, flops=gpu("h100-80gb").flops, mfu=0.4))
by_rule = 6 * N * D
laptop = total / 1e11 / 86400
print(f"{N / 1e6:.1f}M parameters, {n_steps:,.0f} steps, {gigabytes:.0f} GB of tokens")
print(f"{total:.2g} FLOPs (6 N D alone: {by_rule:.2g}): {hours:.1f} hours,", end=" ")
print(f"{3 * hours:.0f} dollars; {laptop:.0f} days on a laptop")
assert 1 < total / by_rule < 1.5
assert 1 < hours < 2
assert shape.vocab_size <= 2**16  # so two bytes a token

# %% [markdown]
# 15 thousand steps, 16 GB, $2.5 \cdot 10^{18}$ FLOPs (a third more than 6 N D, as attention has its share in a model so
# narrow), not two hours, the price of a coffee; on the laptop, most of a year. 40 % is what large models reach. A model
# this small fills a GPU less well, so take it for the better end: `lilllm train --preset lillm-39m --data openwebtext
# --dry-run` prices it before it starts. It sees 200 tokens for each of its parameters, ten times what Hoffmann and
# others found best for a given budget of compute (lecture 17). A small model that is to be used often is worth training
# for longer.

# %%
real = TrainConfig(steps=round(n_steps), batch_size=512, micro_batch=32, precision="bf16")
priced = training.price(preset("lillm-39m"), real, gpu="h100-80gb", dollars_per_hour=3.0)
assert math.isclose(priced.hours, hours, rel_tol=1e-3)
assert priced.fits
print(f"tokens for each parameter: {D / N:.0f}; weights, gradients and averages: {priced.state / 1e9:.1f} GB,", end=" ")
print(f"activations of 32 rows: {priced.activations / 1e9:.0f} GB")
assert math.isclose(priced.state, 16 * N, rel_tol=0.01)  # four float32 numbers for each weight

# %% [markdown]
# ## 16. Exercises
#
# Write the function in each cell, then run it. `check` tries it on small cases and names the likely mistake. For a
# hint, add `hint=1`, then `hint=2`; for a solution, `solution=True`.
#
# **1. Packing.** Rows as lists of T + 1 tokens. An end after each document, and rows that overlap by one token.


# %% tags=["exercise"] exercise="pretraining.pack"
def pack_documents(documents, T, eos):
    """A list of rows, each a list of T + 1 tokens."""
    ...


check("pretraining.pack", pack_documents)

# %% [markdown]
# **2. Targets within documents.** `tokens` and `documents` are (T,); the loss leaves out where the target is -100.


# %% tags=["exercise"] exercise="pretraining.targets"
def targets_of(tokens, documents):
    """The next token, or -100 where it is of another document and at the end; (T,)."""
    ...


check("pretraining.targets", targets_of)

# %% [markdown]
# **3. Whose rows?** All ranks count the rows of all batches together, from 0. Which are this rank's in this batch?


# %% tags=["exercise"] exercise="pretraining.rows"
def rows_of(batch, rank, world_size, batch_size):
    """A range of row numbers."""
    ...


check("pretraining.rows", rows_of)

# %% [markdown]
# **4. Bits a byte.** `loss` is the mean in nats over `n_tokens` tokens, which stand for `n_bytes` bytes of text.


# %% tags=["exercise"] exercise="pretraining.bits_per_byte"
def bits_a_byte(loss, n_tokens, n_bytes):
    """A number."""
    ...


check("pretraining.bits_per_byte", bits_a_byte)

# %% [markdown]
# **5. Label smoothing.** For one place: `logits` (V,), the number of the right token, and the share `eps` that is
# spread over all V.


# %% tags=["exercise"] exercise="pretraining.smoothed"
def smoothed_loss(logits, target, eps):
    """A tensor of one number."""
    ...


check("pretraining.smoothed", smoothed_loss)

# %% [markdown]
# **6. Fill in the middle.** PSM, with the gap from i to j. `prefix`, `suffix` and `middle` are the three marks.


# %% tags=["exercise"] exercise="pretraining.fill_in"
def fill_in_middle(tokens, i, j, prefix, suffix, middle):
    """A list of tokens."""
    ...


check("pretraining.fill_in", fill_in_middle)

# %% [markdown]
# ## Now train your own
#
# All of it in two lines, in a terminal. The first trains a tokenizer and the model of 1.2 million parameters on
# LilTown, with evaluation, samples and checkpoints; it takes some minutes, and goes on with `--resume` if you stop it.
# The second talks to the newest model that you have.
#
#     lilllm train --preset liltown --data liltown
#     lilllm chat
#
# While it trains, the viewer's page *Runs* shows its curves. Give it text of your own (`--data my_texts/`), another
# rate, half the model, and look where the curve goes. It will write you stories of a town that was never there. How to
# let it write *well* is lecture 09.
#
# ## What we left out
#
# - **Where the text comes from**, and what is thrown away (lecture 18). Mixing several corpora by weight.
# - **How large, for how long** (lecture 17). One model in one minute says nothing about that.
# - **Several GPUs**: data parallel and sharded training (lecture 12). Here only which rank reads which rows.
# - **Packing without cuts**: documents sorted into rows so that few are cut in two (Ding and others 2024), at the price
#   of an order that is less random.
# - **torch.compile and fused kernels** (lecture 11), FP8 (lecture 15).
# - **What to do about a spike**: go back some hundred steps and leave out the batches (as PaLM did), or a lower rate.
# - **Averages while one trains** (an exponential moving average of the weights), and merging models of different runs.
#
# ## Sources
#
# - Vaswani and others 2017, *Attention Is All You Need*, arXiv:1706.03762: label smoothing (section 5.4), averages of 5
#   and 20 checkpoints (section 6.1).
# - Szegedy and others 2016, *Rethinking the Inception Architecture*, arXiv:1512.00567, section 7: label smoothing.
# - Bavarian and others 2022, *Efficient Training of Language Models to Fill in the Middle*, arXiv:2207.14255.
# - Llama Team 2024, *The Llama 3 Herd of Models*, arXiv:2407.21783: masks between documents (section 3.2),
#   interruptions (section 3.3.4), averaged checkpoints (section 3.4.3); 15.6 trillion tokens in rows of 8,192.
# - Zhao and others 2024, *Analysing The Impact of Sequence Composition on Language Model Pre-Training*,
#   arXiv:2402.13991.
# - Black, Rogaway 2002, *Ciphers with Arbitrary Finite Domains*, CT-RSA: cycle walking, generalised Feistel. Luby,
#   Rackoff 1988: four rounds.
# - Izmailov and others 2018, *Averaging Weights Leads to Wider Optima*, arXiv:1803.05407.
# - Micikevicius and others 2018, *Mixed Precision Training*, arXiv:1710.03740: float32 weights, loss scaling.
#   Kalamkar and others 2019, *A Study of BFLOAT16*, arXiv:1905.12322.
# - Hoffmann and others 2022, *Training Compute-Optimal Large Language Models*, arXiv:2203.15556. Chowdhery and others
#   2022, *PaLM*, arXiv:2204.02311, section 5.1 (spikes). Ding and others 2024, *Fewer Truncations Improve Language
#   Modeling*, arXiv:2404.10830. PEP 703 (a Python without the GIL).
