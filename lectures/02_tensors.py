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
# # 02 Tensors: what numbers are, and what they cost
#
# Everything in a language model is a tensor: weights, activations, gradients, even the text once it is tokens. So two
# questions come before all others. What *is* a tensor, down to the bits? And what does it cost to keep one, to move
# one and to multiply two? Whoever can answer the second on a napkin knows, before a single GPU is rented, whether a
# plan can work.
#
# - **You will build:** a reader of strided memory, broadcasting and einsum from loops; a decoder of every floating
#   point format in use, with rounding to nearest and by chance, and loss scaling; the bytes and FLOPs of a decoder,
#   equal to torch's counter; a roofline; the plan of a training run.
# - **You need:** Python, what a matrix product is, powers of two. Lecture 01 for what a token is.
# - **Minutes to read:** 90
# - **Budget:** 60 s, 2 GB, 50 GFLOP, 10 GB moved
#
# **Napkin question.** A model of 70 billion parameters is to be trained on 15 trillion tokens with 2,048 GPUs of the
# kind H100. How many days does it take? And how large a model can you train with AdamW on *eight* H100s of 80 GB:
# first if each of them holds the whole model, then if they share it? Write three numbers on a napkin before you go
# on. The last section but one computes them.
#
# Words in bold italics are defined where they stand, and again in the course's `GLOSSARY.md`.

# %%
import itertools
import math
import os
import time

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import torch
from IPython.display import HTML, display
from torch import nn
from torch.nn.functional import silu

from lilllm.accounting import Shape, count, flops, formats, memory, params, plan, preset, roofline
from lilllm.accounting.gpus import gpu
from lilllm.course import check, figures, museum, predict
from lilllm.course.chips import table

figures.use_style()
BLUE, VERMILLION, GREEN, PURPLE = figures.COLOURS

# %% [markdown]
# ## 1. A tensor is a strip of memory and a way to read it
#
# Memory has no rows and columns. It is one long strip of cells, each with an address. A ***tensor*** is such a strip,
# its ***storage***, together with a few small numbers that say how to read it: the shape, and for each axis a
# ***stride***, the number of cells to step over to reach the next element along that axis. There is an offset too:
# the cell to begin at. Element $(i, j)$ lies in cell
#
# $$\text{offset} + i \cdot \text{stride}_0 + j \cdot \text{stride}_1$$
#
# That is all. Here is the whole idea as a function, and a strip on which each cell holds its own address, so that we
# can see where an element comes from:


# %%
def read(strip, shape, strides, offset=0):
    """The matrix that these numbers describe, read cell by cell."""
    rows, columns = shape
    return [[strip[offset + i * strides[0] + j * strides[1]] for j in range(columns)] for i in range(rows)]


strip = list(range(12))
x = torch.tensor(strip).view(3, 4)  # three rows of four: one row after the other
print(read(strip, (3, 4), (4, 1)))
assert x.stride() == (4, 1)
assert read(strip, x.shape, x.stride()) == x.tolist()

# %% [markdown]
# Why so indirect? Because now many operations need not touch the strip at all. To transpose, swap the two strides. To
# drop the first column, begin one cell later. To take every second row, double a stride. To repeat a row a thousand
# times, set a stride to 0. Each gives a new tensor on the *same* strip, a ***view***, which costs nothing whatever
# its size. Our function needs no change to read them:

# %%
views = {
    "x": x,
    "x.T": x.T,
    "x[:, 1:3]": x[:, 1:3],
    "x[::2]": x[::2],
    "x[1].expand(3, 4)": x[1].expand(3, 4),
    "windows of three": x.view(12).as_strided((4, 3), (1, 1)),  # each row begins one cell later
}
rows = []
for name, view in views.items():
    where = (tuple(view.shape), view.stride(), view.storage_offset())  # @inspect name where
    assert read(strip, *where) == view.tolist()
    assert view.untyped_storage().data_ptr() == x.untyped_storage().data_ptr()  # one strip, for all of them
    rows.append([name, *map(str, where), str(view.tolist())])
table(["view", "shape", "strides", "offset", "elements"], rows)

# %% [markdown]
# Play with it: move the strides and the offset, and watch which cells are read, and how often. Can you find the
# transpose of a 4 x 3 matrix? A matrix of one row repeated? Windows that slide? (In a static copy you see the first
# setting only.)


# %%
def cell(text, times):
    ground = f"rgba(0,114,178,{min(0.25 * times, 0.75)})" if times else "none"
    return f'<td style="border:1px solid #808080; background:{ground}; min-width:2em; text-align:center">{text}</td>'


def reading(row_stride, column_stride, offset, shape=(3, 4)):
    """The strip, shaded by how often each cell is read, and the matrix that comes of it."""
    if offset + (shape[0] - 1) * row_stride + (shape[1] - 1) * column_stride > 11:
        return "The last element would lie behind the end of the strip: as_strided refuses this."
    matrix = read(strip, shape, (row_stride, column_stride), offset)
    times = [sum(row.count(address) for row in matrix) for address in strip]
    head = "".join(map(cell, strip, times))
    body = "".join("<tr>" + "".join(cell(address, 1) for address in row) + "</tr>" for row in matrix)
    return f"<table><tr>{head}</tr></table><p>is read as</p><table>{body}</table>"


# %%
sliders = [
    widgets.IntSlider(value=value, min=0, max=4, description=name)
    for name, value in (("row stride", 1), ("col stride", 3), ("offset", 0))
]
shown = widgets.HTML(reading(1, 3, 0))
for slider in sliders:
    slider.observe(lambda _: setattr(shown, "value", reading(*(one.value for one in sliders))), names="value")
display(HTML(reading(1, 3, 0)))
display(widgets.VBox([*sliders, shown]))
sliders[0].value, sliders[1].value = 0, 1  # as if you had moved them: one row, three times
assert shown.value == reading(0, 1, 0)
assert reading(4, 4, 0).startswith("The last element")
sliders[0].value, sliders[1].value = 1, 3

# %% [markdown]
# A view is cheap, and it has a price of another kind: whoever writes into it writes into all the others. Sometimes
# that is what you want. When it is not, the bug is silent.

# %%
row = x[1]
row[0] = 99
print(x.tolist())
assert x.T[0, 1] == 99
x[1, 0] = 4

# %% [markdown]
# A tensor that reads its strip from the first cell to the last, without gaps or jumps, is ***contiguous***. `view`
# gives another shape to the same strip, and refuses when no strides can express it. `reshape` never refuses. What
# does it do instead?

# %%
copied = predict(
    "y = x.T.reshape(12), then y[0] = 99. Has x[0, 0] changed?",
    choices=["yes, y is a view of x", "no, reshape had to copy", "reshape raises an error"],
)
copied

# %%
assert x.is_contiguous()
assert not x.T.is_contiguous()
try:
    x.T.view(12)
except RuntimeError as error:
    print("view:", str(error).split(" (")[0])

y = x.T.reshape(12)
y[0] = 99
print("reshape:", y.tolist(), "and x[0, 0] is", x[0, 0].item())
assert x[0, 0] == 0
z = x.reshape(2, 6)  # here strides can express it, so the same call gives a view
z[0, 0] = 99
assert x[0, 0] == 99
x[0, 0] = 0
copied.reveal("no, reshape had to copy")

# %% [markdown]
# The columns of `x` one after the other are the cells 0, 4, 8, 1, 5, ...: no single stride goes there, so `reshape`
# made a new strip. The same call on another tensor gave a view. So never write into the result of `reshape`: whether
# the original changes depends on strides that you do not see. `contiguous()` copies if it must, and says so by its
# name.
#
# NumPy's arrays are strips with strides too. `torch.from_numpy` puts a tensor on the *same* strip, so data cross over
# for nothing and writes are seen on both sides. `torch.tensor` always copies.

# %%
array = np.zeros(3, dtype=np.float32)
shared, own = torch.from_numpy(array), torch.tensor(array)
array[0] = 7
print("from_numpy:", shared.tolist(), " tensor:", own.tolist())
shared[1] = 5
assert array.tolist() == [7, 5, 0]
assert own.tolist() == [0, 0, 0]

# %% [markdown]
# Two functions put tensors together, and both copy. To ***stack*** makes a new axis: three sentences of five tokens
# become a batch of shape (3, 5). To ***concatenate*** makes an existing axis longer.

# %%
a, b = torch.tensor([1, 2, 3]), torch.tensor([4, 5, 6])
for name, result in (
    ("stack", torch.stack([a, b])),
    ("stack, dim=1", torch.stack([a, b], dim=1)),
    ("cat", torch.cat([a, b])),
):
    print(f"{name:13}{tuple(result.shape)!s:8}{result.tolist()}")
assert torch.equal(torch.stack([a, b]), torch.cat([a[None], b[None]]))  # a stack is a cat along an axis of size 1
assert torch.equal(torch.stack([a, b], dim=1), torch.stack([a, b]).T)

# %% [markdown]
# ## 2. Broadcasting: axes that are not there
#
# Adding a bias of shape (C) to activations of shape (B, T, C) should not need B x T copies of the bias. The rule that
# allows it is ***broadcasting***. Write the shapes below each other, **aligned at the right**. In each column the
# sizes must be equal, or one of them is 1 or missing; that one is repeated. Repeating costs no memory: it is a view
# with stride 0. So the reader of section 1 can broadcast already. A row of shape (4) and a column of shape (3, 1), both
# read as (3, 4):

# %%
row, column = [10, 20, 30, 40], [1, 2, 3]
as_rows, as_columns = read(row, (3, 4), (0, 1)), read(column, (3, 4), (1, 0))
by_hand = [[a + b for a, b in zip(*lines, strict=True)] for lines in zip(as_rows, as_columns, strict=True)]
assert by_hand == (torch.tensor(row) + torch.tensor(column)[:, None]).tolist()
print(as_rows, "and", as_columns, "give", by_hand, sep="\n")

# %% [markdown]
# Which shapes go together?

# %%
pairs = [((2, 5, 4), (4,)), ((3, 1), (4,)), ((3,), (3, 1)), ((3, 4), (3,)), ((8, 1, 6), (7, 1)), ((2, 3), (3, 2))]
rows = []
for one, two in pairs:
    try:
        result = str(tuple((torch.zeros(one) + torch.zeros(two)).shape))
    except RuntimeError:
        result = "error"
    rows.append([str(one), str(two), result])
bias = torch.tensor([1.0, 2.0]).expand(5000, 2)
assert bias.stride() == (0, 1)
assert bias.untyped_storage().nbytes() == 8  # two numbers, not ten thousand
assert [row[-1] for row in rows] == ["(2, 5, 4)", "(3, 4)", "(3, 3)", "error", "(8, 7, 6)", "error"]
table(["one", "other", "sum"], rows)

# %% [markdown]
# Look at the third line: (3) and (3, 1) give (3, 3). No error, and perhaps not what was meant. Which brings us to
# the first exhibit of this lecture.
#
# ### Broken on purpose: a loss that stalls
#
# A colleague predicts the price of a house from three numbers. The prices follow a linear law, the model is linear,
# nothing fails, and this is what happens:

# %%
every_pair = museum.case("02_loss_of_every_pair")
every_pair

# %%
broken, healthy = every_pair.run(), every_pair.run(fixed=True)  # @stepover
variance = broken.values["mean_alone"]
fig, ax = plt.subplots()
for (name, run), style in zip((("broken", broken), ("fixed", healthy)), figures.line_styles(2), strict=True):
    ax.plot(run.values["losses"], label=name, markevery=10, **style)
ax.axhline(variance, color=figures.GREY, linewidth=1)
ax.text(30, variance / 1.4, "variance of the prices", va="top")
ax.set_yscale("log")
ax.set_xlabel("step")
ax.set_ylabel("loss (mean squared error)")
ax.legend(loc="center right")
plt.show()
assert math.isclose(broken.values["losses"][-1], variance, rel_tol=0.01)
assert healthy.values["losses"][-1] < variance / 100

# %% [markdown]
# The loss that it stalls at is telling. It is the variance of the targets: the loss of a model that always answers
# with their mean, and so has learned nothing at all about which input belongs to which target. Where would you look?
# Decide before you read on; section 3 ends with the answer.

# %% [markdown]
# ## 3. Choosing, picking, placing, contracting
#
# **Choosing.** `where(condition, a, b)` takes from `a` where the condition holds and from `b` elsewhere. `masked_fill`
# writes one value where a mask is true. It is how attention hides the future (lecture 05), and how sampling keeps the
# k best tokens (lecture 09): everything else gets $-\infty$, and softmax turns that into probability 0.

# %%
logits = torch.tensor([[2.0, 1.0, 0.5, -1.0]])
kth = logits.topk(2).values[:, -1:]  # the second largest
logits.masked_fill(logits < kth, -math.inf)
print("after the first try: ", logits.tolist())
kept = logits.masked_fill(logits < kth, -math.inf)
print("with the result used:", kept.tolist())
assert kept.softmax(-1).count_nonzero() == 2
assert torch.equal(kept, torch.where(logits < kth, -math.inf, logits))

# %% [markdown]
# The first call did its work and its result was thrown away, so this top-k kept everything. Nothing fails; the model
# only writes a little worse. In torch a name that ends in an underscore, `masked_fill_`, changes the tensor in place.
# All others return a new one, and a line that begins with such a call and assigns nothing is a bug.
#
# **Picking.** A model gives a row of scores over the vocabulary for each token, and the loss wants one number of each
# row: that of the token which really came. `gather` picks along an axis, by a tensor of indices of the same number of
# axes:
#
# $$\text{out}[i, j] = \text{source}[i, \text{index}[i, j]]$$

# %%
scores = torch.tensor([[0.125, 0.75, 0.125], [0.5, 0.25, 0.25]])  # (T, V)
came = torch.tensor([1, 0])  # (T)
by_loop = torch.tensor([scores[t, came[t]] for t in range(2)])
by_gather = scores.gather(1, came[:, None])[:, 0]  # (T, 1), then (T)
assert torch.equal(by_loop, by_gather)
assert torch.equal(by_loop, scores[torch.arange(2), came])  # two index tensors are read in pairs, as zip does
wrong = scores[:, came]  # this picks columns, for every row: (T, T)
print(by_gather.tolist(), "and not", wrong.tolist())

# %% [markdown]
# **Placing.** `scatter` is the way back: it writes values to the places that an index names. `scatter_add` adds, so
# that several values may meet in one place. That is how tokens are counted, how the gradient of an embedding is made,
# and how a mixture of experts brings its tokens home (lecture 13).

# %%
one_hot = torch.zeros(2, 3).scatter(1, came[:, None], 1.0)
print(one_hot.tolist())
assert torch.equal((scores * one_hot).sum(1), by_gather)  # the same pick, with V times the work

tokens = torch.tensor([2, 0, 2, 2])
counts = torch.zeros(3).scatter_add(0, tokens, torch.ones(4))
print("tokens counted:", counts.tolist())
overwritten = torch.zeros(3)
overwritten[tokens] += 1  # reads, adds, writes: three writes of the same 1
assert counts.tolist() == [1, 0, 3]
assert overwritten.tolist() == [1, 0, 1]

# %% [markdown]
# The last lines hold one more trap: `+=` with an index counts a repeated place once.
#
# **Contracting.** Matrix products, with transposes and reshapes around them, are most of what a model does, and most
# of where shapes go wrong. `einsum` says what is meant by naming the axes. A letter that is in the inputs and not in
# the result is summed over. `"bthd,bshd->bhts"` is attention's scores: for each batch b and head h, the product of
# each query t with each key s, summed over d. As loops it is a dozen lines, and it counts its own work:


# %%
def einsum(formula, *tensors):
    """Each letter runs over its size; the products of all inputs are added up in the result. Also: how many."""
    inputs, output = formula.split("->")
    inputs = inputs.split(",")
    size = {}
    for letters, tensor in zip(inputs, tensors, strict=True):
        size |= zip(letters, tensor.shape, strict=True)
    result = torch.zeros([size[letter] for letter in output], dtype=tensors[0].dtype)
    products = 0
    for place in itertools.product(*(range(n) for n in size.values())):
        at = dict(zip(size, place, strict=True))
        terms = [t[tuple(at[c] for c in letters)] for letters, t in zip(inputs, tensors, strict=True)]
        result[tuple(at[letter] for letter in output)] += math.prod(terms)
        products += 1
    return result, products


# %%
generator = torch.Generator().manual_seed(0)
q = torch.randint(-3, 4, (2, 3, 2, 4), generator=generator)  # (B, T, H, D)
k = torch.randint(-3, 4, (2, 5, 2, 4), generator=generator)  # (B, S, H, D)
formulas = {
    "bthd,bshd->bhts": (q, k),
    "ij,jk->ik": (q[0, 0], k[0, 0].T),
    "ij->ji": (q[0, 0],),
    "ij->": (q[0, 0],),
    "bthd,bthd->bth": (q, q),
}
rows = []
for formula, inputs in formulas.items():
    ours, products = einsum(formula, *inputs)  # @stepover
    assert torch.equal(ours, torch.einsum(formula, *inputs))
    rows.append([formula, ", ".join(str(tuple(one.shape)) for one in inputs), str(tuple(ours.shape)), products])
assert rows[0][-1] == 2 * 3 * 5 * 2 * 4
table(["formula", "inputs", "result", "products"], rows)

# %% [markdown]
# The number of products is the product of *all* letters' sizes: each combination is visited once. Keep this, it is
# the whole secret of counting FLOPs in section 7.
#
# And the loss that stalled? Each prediction was compared with *every* target, since one had shape (N, 1) and the
# other (N). The best answer to all targets at once is their mean.

# %%
every_pair.reveal()

# %% [markdown]
# What protects from it: an `assert` on the shapes before a difference, a comment with the shape on each line that
# changes one, and the library's own loss, `mse_loss`, which warns.

# %% [markdown]
# ## 4. What a number is
#
# A cell of the strip holds bits: 32, 16, lately 8. What numbers can they be? A ***floating-point format*** is
# scientific notation in binary. It has a sign, an ***exponent*** that says how large, and a ***mantissa*** that says
# how exactly:
#
# $$(-1)^{\text{sign}} \cdot 2^{\text{exponent} - \text{bias}} \cdot (1 + \text{mantissa} / 2^{m})$$
#
# for $m$ bits of mantissa. The 1 in front is always there and so is not stored. The bias puts the exponents around
# zero. Two ends are special. With the smallest exponent the leading 1 is dropped, so that numbers run down to zero
# in equal steps: these are ***subnormal*** numbers. The largest exponent is kept for infinity and NaN ("not a
# number", the result of 0/0).
#
# Formats differ in how they divide their bits:
#
# - **fp32**: 8 bits of exponent, 23 of mantissa. What everything used to be computed in.
# - **fp16**: 5 and 10. Half the memory.
# - **bf16** ("brain float", from Google Brain): 8 and 7. An fp32 with the lower half cut off.
# - **fp8**, in two kinds: e5m2 with 5 and 2, and e4m3 with 4 and 3. In e4m3 the largest exponent holds ordinary numbers
#   too, and only one pattern is NaN; there is no infinity. With so few patterns none is wasted.
#
# The formats, and a decoder, as the formula reads:

# %%
FORMATS = {  # name: bits of exponent and of mantissa, torch's name
    "fp32": (8, 23, torch.float32),
    "fp16": (5, 10, torch.float16),
    "bf16": (8, 7, torch.bfloat16),
    "fp8 e5m2": (5, 2, torch.float8_e5m2),
    "fp8 e4m3fn": (4, 3, torch.float8_e4m3fn),  # fn: finite, and NaN
}


# %%
def decode(pattern, name):
    """The number that a pattern of bits stands for."""
    e_bits, m_bits, _ = FORMATS[name]
    sign = (-1) ** (pattern >> (e_bits + m_bits))
    exponent = pattern >> m_bits & (2**e_bits - 1)
    mantissa = pattern & (2**m_bits - 1)  # @inspect sign exponent mantissa
    bias = 2 ** (e_bits - 1) - 1
    if exponent == 2**e_bits - 1 and name != "fp8 e4m3fn":
        return math.nan if mantissa else sign * math.inf
    if exponent == 2**e_bits - 1 and mantissa == 2**m_bits - 1:
        return math.nan
    if exponent == 0:
        return sign * 2.0 ** (1 - bias) * mantissa / 2**m_bits
    return sign * 2.0 ** (exponent - bias) * (1 + mantissa / 2**m_bits)


print(decode(0b0_01111_1000000000, "fp16"), decode(0b1_10000000_1000000, "bf16"), decode(0b0_1111_110, "fp8 e4m3fn"))

# %% [markdown]
# Is it right? A format of 16 bits has only 65,536 patterns. There is no need to sample: we try them all, against
# torch, which can look at the same bits under another type (`view` with a dtype), and against `lilllm`.


# %%
def all_values(name):
    """Every number of a format of at most 16 bits, in the order of its patterns."""
    dtype = FORMATS[name][2]
    integers = {1: torch.uint8, 2: torch.uint16}[dtype.itemsize]
    patterns = torch.arange(2 ** (8 * dtype.itemsize), dtype=torch.int32)
    return patterns.to(integers).view(dtype).double()


for name in list(FORMATS)[1:]:
    theirs = all_values(name)
    ours = torch.tensor([decode(pattern, name) for pattern in range(len(theirs))], dtype=torch.float64)  # @stepover
    same_as = formats.FORMATS[name]  # lilllm's
    again = torch.tensor([same_as.decode(pattern) for pattern in range(len(theirs))], dtype=torch.float64)  # @stepover
    assert torch.equal(ours.isnan(), theirs.isnan())
    assert torch.equal(ours[~ours.isnan()], theirs[~ours.isnan()])
    assert torch.allclose(ours, again, rtol=0, atol=0, equal_nan=True)
    print(f"{name:11}{len(ours):7,} patterns, {int(ours.isfinite().sum()):7,} of them finite numbers, all equal")

# %% [markdown]
# Now look at the bits of a number in each format. Try 0.1, 1, 1/3, 300, 70000, 1e-8, -0. In the last column is what
# became of the number, relative to what you typed.


# %%
def bits(number, name):
    """The pattern of the number nearest to ``number``, by torch's cast."""
    cast = torch.tensor(number, dtype=torch.float32).to(FORMATS[name][2])
    return cast.view({1: torch.uint8, 2: torch.uint16, 4: torch.uint32}[cast.itemsize]).item()


# %%
def in_bits(number):
    """The number in each format: sign, exponent and mantissa, the value, and how far it is off."""
    rows = []
    for name, (e_bits, m_bits, _) in FORMATS.items():
        text = f"{bits(number, name):0{1 + e_bits + m_bits}b}"
        parts = (
            (text[0], VERMILLION, "solid"),
            (text[1 : 1 + e_bits], BLUE, "double"),
            (text[1 + e_bits :], GREEN, "dotted"),
        )
        spans = " ".join(f'<span style="border-bottom:3px {line} {ink}">{part}</span>' for part, ink, line in parts)
        value = decode(bits(number, name), name)
        off = f"{abs(value - number) / abs(number):.1e}" if number and math.isfinite(value) else ""
        rows.append(f"<tr><td>{name}</td><td><code>{spans}</code></td><td>{value:.9g}</td><td>{off}</td></tr>")
    style = 'style="text-align:left"'
    names = ("format", "sign, exponent, mantissa", "value", "off by")
    head = "".join(f"<th {style}>{name}</th>" for name in names)
    return f"<table {style}><tr>{head}</tr>{''.join(rows)}</table>".replace("<td>", f"<td {style}>")


# %%
number = widgets.FloatText(value=0.1, description="Number:", step=0.1)
shown_bits = widgets.HTML(in_bits(0.1))
number.observe(lambda change: setattr(shown_bits, "value", in_bits(change["new"])), names="value")
display(HTML(in_bits(0.1)))
display(widgets.VBox([number, shown_bits]))
number.value = 300.0  # as if you had typed it
assert ">300<" in shown_bits.value
assert ">320<" in shown_bits.value  # e5m2 has two bits of mantissa: 256, 320, 384, 448
number.value = 0.1
assert bits(0.1, "bf16") == bits(0.1, "fp32") + 2**15 >> 16  # the upper half of the fp32, rounded

# %% [markdown]
# The exponent decides the ***range***, the mantissa the ***precision***. Three numbers sum a format up: the largest
# number; the smallest normal one, below which bits of precision are lost one after the other; and ***eps***, the step
# from 1 to the next number. Rounding is off by at most eps/2, relative, anywhere in the normal range.

# %%
rows = []
for name, (e_bits, m_bits, dtype) in FORMATS.items():
    bias = 2 ** (e_bits - 1) - 1
    top = 2**e_bits - 2 if name != "fp8 e4m3fn" else 2**e_bits - 1  # the largest exponent with numbers in it
    last = 2**m_bits - 1 if name != "fp8 e4m3fn" else 2**m_bits - 2
    largest, normal, eps = 2.0 ** (top - bias) * (1 + last / 2**m_bits), 2.0 ** (1 - bias), 2.0**-m_bits
    known = torch.finfo(dtype)
    assert (largest, normal, eps) == (known.max, known.tiny, known.eps)
    rows.append([name, f"{largest:.5g}", f"{normal:.2g}", f"{normal * eps:.2g}", f"{eps:.2g}", dtype.itemsize])
table(["format", "largest", "smallest normal", "smallest of all", "eps", "bytes"], rows)

# %% [markdown]
# The smallest formats have so few numbers that one can see them all. Here are the positive ones of both kinds of fp8,
# first on a plain axis, where the steps double again and again, then on a logarithmic one, where they are even, but
# for the subnormal end.

# %%
fig, axes = plt.subplots(2, 1, figsize=(7, 3.6))
for at, (name, colour) in enumerate((("fp8 e5m2", VERMILLION), ("fp8 e4m3fn", BLUE))):
    values = all_values(name)
    values = values[values.isfinite() & (values > 0)]
    for ax in axes:
        ax.vlines(values.clamp(max=1e5), at + 0.1, at + 0.9, colors=colour, linewidth=1)
    assert len(values) == {"fp8 e5m2": 123, "fp8 e4m3fn": 126}[name]
for ax in axes:
    ax.set_yticks([0.5, 1.5], ["e5m2", "e4m3"])
    ax.grid(visible=False)
axes[0].set_xlim(0, 64)
axes[0].set_xlabel("numbers from 0 to 64")
axes[1].set_xscale("log", base=2)
axes[1].set_xlabel("all positive numbers")
plt.show()

# %% [markdown]
# ### Precision: when adding does nothing
#
# The second exhibit. Nobody trains here, a model is only being tested, and it seems to get better all the time.

# %%
stops = museum.case("02_sum_that_stops")
stops

# %%
broken, healthy = stops.run(), stops.run(fixed=True)  # @stepover
seen = np.arange(100, 2001, 100)
fig, ax = plt.subplots()
for (name, run), style in zip((("broken", broken), ("fixed", healthy)), figures.line_styles(2), strict=True):
    ax.plot(seen, run.values["means"], label=name, **style)
ax.set_xlabel("batches seen")
ax.set_ylabel("mean loss so far")
ax.set_ylim(0, 2)
ax.legend()
plt.show()
assert broken.values["means"][-1] < 0.5 < 1.4 < healthy.values["means"][-1]

# %% [markdown]
# Where would you look? To find out, make it smaller. A result that falls between two numbers of a format is rounded
# to the nearer one; halfway, to the one whose last bit is 0 (***round half to even***, so that errors do not lean to
# one side). What does that mean for a sum of ones?

# %%
adding = predict(
    "Start at 0 in bf16 and add 1, a thousand times. What comes out?",
    choices=["1000", "about 1000, a little off", "256", "infinity"],
)
adding

# %%
total = torch.tensor(0.0, dtype=torch.bfloat16)
for _ in range(1000):
    total += 1  # @inspect total
print(total.item())
steps = all_values("bf16")
print("numbers of bf16 near 256:", steps[(steps >= 253) & (steps <= 262)].tolist())
assert total == 256
assert torch.ones(1000, dtype=torch.bfloat16).sum() == 1000  # torch's own sum adds up in fp32, and rounds once
adding.reveal("256")

# %% [markdown]
# From 256 on, the steps of bf16 are 2. 257 lies halfway between 256 and 258 and goes to 256, whose last bit is 0. So
# the sum stops, for ever, and nothing says so.
#
# The rule is easily written for any format. Of positive numbers a greater one has a greater pattern, so the list of all
# numbers in the order of their patterns is sorted. Find the two neighbours, take the nearer one, and on a tie the one
# with the even pattern:


# %%
def round_to(x, name):
    """Numbers from 0 to the largest of a format, to the nearest that it has; halfway, to the even pattern."""
    values = all_values(name)
    values = values[: int(values.isfinite().long().argmin())]  # from 0 up, before the first that is no number
    above = torch.searchsorted(values, x)
    below = (above - 1).clamp(min=0)
    up, down = values[above] - x, x - values[below]
    return torch.where((up < down) | ((up == down) & (above % 2 == 0)), values[above], values[below])


tries = torch.rand(4000, generator=torch.Generator().manual_seed(0)) * 2 ** torch.linspace(-30, 8, 4000)  # all sizes
tries = torch.cat([tries, torch.arange(448)]).double()  # and many that lie halfway
for name in list(FORMATS)[1:]:
    rounded = round_to(tries, name)
    assert torch.equal(rounded, tries.float().to(FORMATS[name][2]).double())
    lilllms = formats.FORMATS[name]
    assert [lilllms.decode(lilllms.encode(x)) for x in tries.tolist()] == rounded.tolist()  # @stepover
print("257 in bf16:", round_to(torch.tensor([257.0]).double(), "bf16").item())

# %%
stops.reveal()

# %% [markdown]
# The same happens wherever something small is added many times to something large: means, running statistics, and the
# worst place, weights. A weight near 1 that is to change by 0.001 at each step does not change at all in bf16.

# %% [markdown]
# The usual cure is ***mixed precision*** (Micikevicius and others 2018): multiply in 16 bits, which is fast, but add
# up in fp32, and keep the weights that the optimizer changes in fp32 as well, the ***master weights***. That costs
# memory, as section 6 shows.
#
# There is another cure: round by chance. ***Stochastic rounding*** goes up with a probability equal to how far along
# the way to the next number the value is. Each rounding is worse, but the mean is right, so that a thousand steps of
# 0.001 move the weight by about 1. For bf16 it is charmingly simple. The lower 16 bits of the fp32 are what would be
# cut off: add a random number of 16 bits, and the carry does the rest.


# %%
def stochastic(x, generator):
    """fp32 to numbers of bf16 (kept as fp32), up or down by chance."""
    noise = torch.randint(0, 2**16, x.shape, generator=generator, dtype=torch.int32)
    return (x.view(torch.int32) + noise & -(2**16)).view(torch.float32)


generator = torch.Generator().manual_seed(0)
drawn = stochastic(torch.full((10_000,), 1.001), generator)
print("1.001 becomes one of", sorted({round(value, 6) for value in drawn.tolist()}), "with the mean", end=" ")
print(f"{drawn.mean().item():.3f}; to the nearest it is", torch.tensor(1.001).bfloat16().item())
up = 0.001 * 2**7  # the way to the next number, 1 + 1/128, as a share
assert abs((drawn > 1).float().mean() - up) < 4 * math.sqrt(up * (1 - up) / 10_000)  # four standard errors

# %%
path = {"fp32": [], "bf16, to the nearest": [], "bf16, by chance": []}
weight = dict.fromkeys(path, torch.ones(64))  # 64 weights, all at 1
for _ in range(1000):
    moved = {name: value - 0.001 for name, value in weight.items()}
    moved["bf16, to the nearest"] = moved["bf16, to the nearest"].bfloat16().float()
    moved["bf16, by chance"] = stochastic(moved["bf16, by chance"], generator)  # @stepover
    weight = moved
    for name, value in weight.items():
        path[name].append(value[0].item())
fig, ax = plt.subplots()
for (name, values), style in zip(path.items(), figures.line_styles(3), strict=True):
    ax.plot(values, label=name, markevery=100, **style)
ax.set_xlabel("step (each is to change the weight by -0.001)")
ax.set_ylabel("weight")
ax.legend()
plt.show()
assert (weight["bf16, to the nearest"] == 1).all()
assert abs(weight["fp32"][0]) < 1e-4
assert abs(weight["bf16, by chance"].mean()) < 0.05

# %% [markdown]
# ### Range: when small numbers vanish
#
# fp16 has more precision than bf16, and less range: what is below $2^{-25}$ becomes 0. This is ***underflow***. Is
# $2^{-25}$, or 0.00000003, not small enough? Take the gradient of the loss at the logits, the scores that softmax turns
# into probabilities. The loss is a mean over, say, 8,192 tokens, and for each token the gradient is softmax's
# probability (minus 1 for the right token), as lecture 03 derives, divided by 8,192. With a vocabulary of 4,096 an
# average probability is 1/4,096, and $2^{-12} \cdot 2^{-13} = 2^{-25}$. The gradient of an ordinary model sits right on
# the edge, and most of its probabilities are below their average:

# %%
n_tokens, vocab_size = 8192, 4096
generator = torch.Generator().manual_seed(0)
logits = 2 * torch.randn(64, vocab_size, generator=generator)  # 64 of the tokens will do
right = torch.randint(vocab_size, (64, 1), generator=generator)
gradient = logits.softmax(-1).scatter_add(1, right, -torch.ones(64, 1)) / n_tokens
assert gradient.sum(-1).abs().max() < 1e-8  # each row sums to 0: what the right token gains, the others lose


def vanished(gradient, dtype, scale=1.0):
    """The share of entries that are 0 after a cast of ``scale`` times the gradient."""
    return ((gradient * scale).to(dtype) == 0).double().mean().item()


for name in ("fp16", "bf16", "fp8 e5m2"):
    print(f"{name:9} {vanished(gradient, FORMATS[name][2]):.0%} of the gradient becomes 0")
assert vanished(gradient, torch.float16) > 0.5
assert vanished(gradient, torch.bfloat16) == 0

# %% [markdown]
# Worse than noise: the entries that survive are those of the right tokens, which push up, while the many small ones
# that push down are gone. The rows no longer sum to zero.
#
# The cure is as simple as it gets: ***loss scaling***. Multiply the loss by a large number $S$ before the backward
# pass. By the chain rule every gradient is multiplied by $S$ and moves up into the range. Divide by $S$, in fp32,
# before the weights change.

# %%
scales = 2.0 ** np.arange(0, 33, 2)
small_lost = [vanished(gradient, torch.float16, float(scale)) for scale in scales]
too_large = [(gradient * float(scale)).half().isinf().any(-1).double().mean().item() for scale in scales]
fig, (left, right_side) = plt.subplots(1, 2, figsize=(7, 3.2))
left.hist(gradient.abs().log2().flatten().clamp(min=-41), bins=50, color=BLUE)
for edge, where, text in ((-25, -33, "vanishes"), (-14, -19.5, "subnormal"), (-7, -10.5, "normal")):
    left.axvline(edge, color=VERMILLION, linestyle="--", linewidth=1)
    left.text(where, 0.95, text, transform=left.get_xaxis_transform(), ha="center", va="top")
left.set(xlim=(-41, -7), ylim=(0, 1.2 * left.get_ylim()[1]))
left.set_xlabel("size of a gradient (power of 2)")
left.set_ylabel("entries")
labels = ("entries that become 0", "tokens with an infinity")
for values, label, style in zip((small_lost, too_large), labels, figures.line_styles(2), strict=True):
    right_side.plot(np.log2(scales), values, label=label, **style)
right_side.set_xlabel("scale S (power of 2)")
right_side.set_ylabel("share")
right_side.legend()
plt.show()
assert small_lost[0] > 0.5
assert min(small_lost) == 0
assert too_large[0] == 0
assert too_large[-1] == 1

# %% [markdown]
# A wide valley, with a wall on the right: too large a scale makes infinities. Since nobody knows the valley in advance,
# and it moves during training, the scale is found by trying. ***Dynamic loss scaling***: if any gradient is infinite
# or NaN, skip this step and halve the scale; after many good steps, double it.

# %%
scale, good, history = 2.0**40, 0, []
for _ in range(60):
    scaled = (gradient * scale).half()
    history.append(math.log2(scale))
    if scaled.isfinite().all():
        good += 1
        recovered = scaled.float() / scale  # this is what the optimizer would get
        if good % 10 == 0:  # torch's GradScaler waits for 2,000
            scale *= 2
    else:
        scale /= 2
print("scale, as a power of 2:", " ".join(f"{power:.0f}" for power in history[:20]), "...")
print(f"skipped {60 - good} of 60 steps; of the gradient {(recovered == 0).double().mean():.0%} vanished")
assert (recovered - gradient).abs().max() < 2**-11 * gradient.abs().max()  # fp16's rounding: half of eps
assert recovered.sum(-1).abs().max() < 1e-3 * gradient.abs().max()  # the rows sum to zero again

# %% [markdown]
# With bf16 none of this is needed: its range is that of fp32. That, and not its precision, is why language models are
# trained in bf16.
#
# Range and precision in one picture: random numbers of ever smaller and larger size, and how far the cast to each
# format puts them off.

# %%
generator = torch.Generator().manual_seed(0)
normal = torch.randn(4096, generator=generator)
powers = np.arange(-40, 33)
error = {}
for name, (_, _, dtype) in FORMATS.items():
    if name == "fp32":
        continue
    largest = torch.finfo(dtype).max
    cast = [(normal * 2.0**p).clamp(-largest, largest).to(dtype).float() / 2.0**p for p in powers.tolist()]
    error[name] = [((one - normal).norm() / normal.norm()).item() for one in cast]
fig, ax = plt.subplots()
for (name, values), style in zip(error.items(), figures.line_styles(4), strict=True):
    ax.plot(powers, values, label=name, markevery=8, **style)
ax.set_yscale("log")
ax.set_xlabel("size of the numbers (standard deviation, power of 2)")
ax.set_ylabel("relative error after the cast")
ax.legend(loc="upper left", bbox_to_anchor=(1, 1))
plt.show()
at = {power: index for index, power in enumerate(powers.tolist())}
assert error["fp16"][at[0]] < error["bf16"][at[0]] < error["fp8 e4m3fn"][at[0]] < error["fp8 e5m2"][at[0]]
assert max(error["bf16"]) < 1.01 * min(error["bf16"])  # flat: its range is wider than the picture
assert error["fp16"][at[-30]] == error["fp8 e4m3fn"][at[-20]] == 1  # all of it is 0
width = {name: sum(value < 0.05 for value in values) for name, values in error.items()}
assert width["fp8 e4m3fn"] < width["fp16"] < width["bf16"] == len(powers)

# %% [markdown]
# Each format is a tub: a floor as deep as its mantissa is long, walls where its range ends. With fp8 the tub is so
# narrow that numbers must be *put* into it. So every tensor (or row, or tile) is stored with a scale of its own,
# chosen such that its largest entry becomes the largest number of the format. e4m3 is then the more exact for weights
# and activations; e5m2 has room for gradients, which vary more (Micikevicius and others 2022). Take the weights that
# write into the residual stream of a GPT-2 with 48 layers. They are started with a standard deviation of
# $0.02 / \sqrt{96}$, about 0.002, which is the smallest number that e4m3 has:


# %%
def in_fp8(x, dtype, *, scaled):
    scale = x.abs().max() / torch.finfo(dtype).max if scaled else torch.tensor(1.0)
    return (x / scale).to(dtype).float() * scale


weights = 0.02 / math.sqrt(2 * 48) * torch.randn(256, 256, generator=generator)
inputs = torch.randn(64, 256, generator=generator)
exact = inputs @ weights
rows = []
for dtype in (torch.float8_e4m3fn, torch.float8_e5m2):
    for scaled in (False, True):
        result = in_fp8(inputs, dtype, scaled=scaled) @ in_fp8(weights, dtype, scaled=scaled)
        off = ((result - exact).norm() / exact.norm()).item()
        rows.append([str(dtype).removeprefix("torch.float8_"), "yes" if scaled else "no", f"{off:.1%}"])
off_bf16 = ((inputs.bfloat16().float() @ weights.bfloat16().float() - exact).norm() / exact.norm()).item()
rows.append(["bf16", "no", f"{off_bf16:.1%}"])
errors = [float(row[-1].rstrip("%")) for row in rows]
assert errors[1] < errors[0] / 4
assert errors[4] < errors[1] < errors[3]
table(["format", "scaled", "error of a matrix product"], rows)

# %% [markdown]
# A product in scaled e4m3 is off by a few percent, in bf16 by a few tenths of one. DeepSeek-V3 was trained with
# products in e4m3, with one scale for each tile of 1 x 128 activations and each block of 128 x 128 weights, and with
# sums in fp32 (DeepSeek-AI 2024). Lecture 15 does that.
#
# ## 5. A model to count
#
# Now the costs. To count something real we need a model: a decoder in the manner of Llama. Lecture 07 builds it with
# care and says why each part is there; here only its matrices matter, so positions and the mask are left out. The few
# numbers that decide all costs are a `Shape`:
#
# `d_model` (C), the width; `n_heads` (H) query heads and `n_kv_heads` (K) key-value heads of size `d_head` (D); `d_ff`
# (F), the width inside the feed-forward part; `n_layers` (L); `vocab_size` (V).


# %%
class Attention(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.d_head, self.group = shape.d_head, shape.n_heads // shape.n_kv_heads
        self.q, self.o = (
            nn.Linear(shape.d_model, shape.d_q, bias=False),
            nn.Linear(shape.d_q, shape.d_model, bias=False),
        )
        self.k, self.v = (nn.Linear(shape.d_model, shape.d_kv, bias=False) for _ in range(2))

    def forward(self, x):  # (B, T, C)
        q, k, v = (w(x).unflatten(2, (-1, self.d_head)).transpose(1, 2) for w in (self.q, self.k, self.v))
        if self.group > 1:
            k, v = (one.repeat_interleave(self.group, 1) for one in (k, v))  # (B, H, T, D)
        scores = q @ (k * self.d_head**-0.5).transpose(2, 3)  # (B, H, T, T)
        mixed = scores.softmax(-1) @ v  # (B, H, T, D)
        return self.o(mixed.transpose(1, 2).flatten(2))  # (B, T, C)


# %%
class FeedForward(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.gate, self.up = (nn.Linear(shape.d_model, shape.d_ff, bias=False) for _ in range(2))
        self.down = nn.Linear(shape.d_ff, shape.d_model, bias=False)

    def forward(self, x):
        return self.down(silu(self.gate(x)) * self.up(x))


# %%
class Decoder(nn.Module):
    def __init__(self, shape):
        super().__init__()
        self.embedding = nn.Embedding(shape.vocab_size, shape.d_model)
        self.parts = nn.ModuleList(kind(shape) for _ in range(shape.n_layers) for kind in (Attention, FeedForward))
        self.norms = nn.ModuleList(nn.RMSNorm(shape.d_model) for _ in range(2 * shape.n_layers + 1))
        self.output = nn.Linear(shape.d_model, shape.vocab_size, bias=False)

    def forward(self, ids):  # (B, T)
        x = self.embedding(ids)  # (B, T, C)
        for part, norm in zip(self.parts, self.norms, strict=False):
            x = x + part(norm(x))
        return self.output(self.norms[-1](x))  # (B, T, V)


small = Shape(vocab_size=500, n_layers=2, d_model=32, n_heads=4, n_kv_heads=4, d_head=8, d_ff=96, context_len=64)
torch.manual_seed(0)
model = Decoder(small)  # @stepover
ids = torch.randint(small.vocab_size, (3, 16))  # (B, T)
tuple(model(ids).shape)

# %% [markdown]
# And a large one. Llama 3 8B would take 32 GB in fp32, but we need only its shapes. On the ***meta device*** a tensor
# has a shape, a dtype and strides, and no strip: everything of section 1 but the storage. So we can build any model,
# and even run it, in no memory.

# %%
llama = preset("llama3-8b")
with torch.device("meta"):
    big = Decoder(llama)  # @stepover
print(big.parts[1].up.weight)
assert big.output.weight.stride() == (4096, 1)

# %% [markdown]
# ## 6. Bytes of everything
#
# **Parameters.** Count the matrices: four in attention, three in the feed-forward part, one vector of gains a norm,
# and two tables of V x C at the two ends.


# %%
def n_parameters(s):
    attention = 2 * s.d_model * s.d_q + 2 * s.d_model * s.d_kv  # q and o, k and v
    feed_forward = 3 * s.d_model * s.d_ff
    norms = 2 * s.d_model
    return s.n_layers * (attention + feed_forward + norms) + s.d_model + 2 * s.vocab_size * s.d_model


for shape, built in ((small, model), (llama, big)):
    assert n_parameters(shape) == sum(p.numel() for p in built.parameters()) == params.total(shape)
parts = params.parameters(llama)
for part in ("embedding", "attention", "feed_forward", "norms", "output"):
    print(f"{part:14}{parts[part]:14,}{parts[part] / n_parameters(llama):8.1%}")
print(f"{'Llama 3 8B':14}{n_parameters(llama):14,}")
assert n_parameters(llama) == 8_030_261_248  # as its checkpoint has

# %% [markdown]
# **Training state.** Beside each weight there is its gradient, and the optimizer's memory: AdamW keeps two running
# means a parameter (lecture 04). All in fp32 that is 4 + 4 + 8 = 16 bytes. In mixed precision the weight and the
# gradient take 2 bytes each, and the optimizer keeps an fp32 master weight beside its two means: 2 + 2 + 12 = 16
# again. Let us see whether torch agrees:

# %%
optimizer = torch.optim.AdamW(model.parameters())
model(ids).square().mean().backward()
optimizer.step()
weights_bytes = sum(p.nbytes for p in model.parameters())
gradient_bytes = sum(p.grad.nbytes for p in model.parameters())
adam_bytes = sum(value.nbytes for kept in optimizer.state.values() for value in kept.values() if value.ndim)
print(f"weights {weights_bytes:,}, gradients {gradient_bytes:,}, AdamW {adam_bytes:,} bytes")
assert weights_bytes + gradient_bytes + adam_bytes == 16 * n_parameters(small)
assert {"parameters": weights_bytes, "gradients": gradient_bytes, "optimizer": adam_bytes} == memory.training_state(
    n_parameters(small), memory.FP32
)
print(f"Llama 3 8B: {sum(memory.training_state(n_parameters(llama)).values()) / 1e9:.0f} GB, before a single token")

# %% [markdown]
# **Sixteen bytes a parameter**: that is the number to remember. An H100 has 80 GB.
#
# **Activations.** The backward pass needs what the forward pass computed: the gradient of $x W$ with respect to $W$
# is made of $x$. So autograd keeps the inputs of nearly every operation until the backward pass has used them. For
# the feed-forward part: its input (C numbers a token), the results of gate and up, the activated gate, and their
# product (F each), so C + 4F. For attention: its input, q, k, v and the mixed values, and the scores after softmax,
# H x T of them **for each token**. torch tells what it keeps, through a hook:


# %%
def kept_bytes(module, x):
    """What the forward pass keeps for the backward pass: each strip of memory once, weights not counted."""
    weights = {p.untyped_storage().data_ptr() for p in module.parameters()}
    kept = {}

    def keep(tensor):
        if (address := tensor.untyped_storage().data_ptr()) not in weights:
            kept[address] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module(x)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


# %%
B, T = 3, 16
x = torch.randn(B, T, small.d_model, requires_grad=True)
C, F, H, D = small.d_model, small.d_ff, small.n_heads, small.d_head
feed_forward = 4 * B * T * (C + 4 * F)
attention = 4 * B * T * (C + 4 * H * D + H * T)
assert kept_bytes(model.parts[1], x) == feed_forward  # @stepover
assert kept_bytes(model.parts[0], x) == attention  # @stepover
by_part = memory.activations(small, batch=B, seq=T, bytes_each=4)
assert small.n_layers * feed_forward == by_part["feed_forward"]
assert small.n_layers * attention == by_part["attention_projections"] + by_part["attention_scores"]
print(f"a layer keeps {feed_forward + attention:,} bytes for {B * T} tokens, its weights are", end=" ")
print(f"{sum(p.nbytes for part in model.parts[:2] for p in part.parameters()):,}")

# %% [markdown]
# To the byte. Parameters are paid once; activations are paid for every token of the batch, and the scores for every
# *pair* of tokens. There are two ways out. **Flash attention** never writes the scores to memory at all (lecture 11).
# And **checkpointing** keeps only each layer's input, and computes the rest again when the backward pass comes by
# (lecture 03). For one sequence of 8,192 tokens:

# %%
ways = {
    "everything kept": {},
    "flash attention": {"attention": "flash"},
    "checkpointing": {"attention": "flash", "checkpointing": "full"},
}
state = memory.training_state(n_parameters(llama))
fig, ax = plt.subplots(figsize=(7, 2.8))
for row, (name, options) in enumerate(ways.items()):
    kept = sum(memory.activations(llama, batch=1, seq=8192, **options).values())
    left = 0
    bars = zip((*state.items(), ("activations", kept)), figures.COLOURS, ("", "///", "xx", "..."), strict=True)
    for (part, size), colour, hatch in bars:
        ax.barh(
            row, size / 1e9, left=left, label=part if not row else None, facecolor="none", edgecolor=colour, hatch=hatch
        )
        left += size / 1e9
    print(f"{name:16}activations {kept / 1e9:5.0f} GB, together {left:4.0f} GB")
ax.axvline(80, color=figures.GREY, linestyle=":")
ax.text(82, -0.7, "one H100", va="center")
ax.set_ylim(2.5, -1)
ax.set_yticks(range(3), ways)
ax.set_xlabel("Llama 3 8B, one sequence of 8,192 tokens (GB)")
ax.legend(ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.08))
plt.show()
assert sum(memory.activations(llama, batch=1, seq=8192).values()) > sum(state.values())

# %% [markdown]
# **The KV cache.** When a model writes, it keeps the keys and values of all tokens so far, to compute nothing twice
# (lecture 09): 2 x L x K x D numbers a token. With one sequence that is little. With a hundred users at once it is
# what fills the GPU, which is why newer models share key-value heads among query heads.

# %%
rows = []
for name in ("gpt3-175b", "llama2-7b", "llama3-8b", "llama3-70b"):
    s = preset(name)
    by_hand = 2 * s.n_layers * s.n_kv_heads * s.d_head * 2  # bytes a token in bf16
    assert by_hand == memory.kv_cache(s, batch=1, seq=1)
    rows.append(
        [name, f"{s.n_heads} / {s.n_kv_heads}", f"{by_hand / 2**10:,.0f}", f"{100 * 2048 * by_hand / 1e9:,.0f}"]
    )
assert memory.kv_cache(llama, batch=1, seq=8192) == 2**30  # a GiB for one full context
table(["model", "query / kv heads", "KiB a token", "GB for 100 users with 2,048 tokens"], rows)

# %% [markdown]
# ## 7. FLOPs of everything
#
# A ***FLOP*** is one floating-point operation, an addition or a multiplication. (FLOP/s, with a stroke, is how many a
# second. People write FLOPS for both.) We count matrix products only; all the rest, norms, softmax, activation
# functions, is below 1 % of the FLOPs, the less the larger the model. Section 3 did the work already: each term of a
# product is one multiplication and one addition, and the number of terms is the product of all letters' sizes. So a
# product of (m, k) with (k, n) costs
#
# $$2 \cdot m \cdot k \cdot n$$
#
# **Backward is twice forward.** Of $y = x W$ the backward pass gets the gradient of $y$ and owes two gradients, that of
# $x$ and that of $W$. Each is a matrix product over the same three letters:

# %%
m, k, n = 3, 5, 7
x, W = torch.randn(m, k, requires_grad=True), torch.randn(k, n, requires_grad=True)
with count() as forward_work:
    y = x @ W
with count() as backward_work:
    y.sum().backward()
g = torch.ones(m, n)  # the gradient of the sum with respect to y
assert torch.allclose(x.grad, torch.einsum("mn,kn->mk", g, W))
assert torch.allclose(W.grad, torch.einsum("mk,mn->kn", x, g))
print(f"forward {forward_work.flops}, backward {backward_work.flops}")
assert forward_work.flops == 2 * m * k * n
assert backward_work.flops == 2 * forward_work.flops

# %% [markdown]
# Now the whole decoder, by its letters. Each weight meets each token once, so a matrix of P parameters costs 2P FLOPs a
# token. Only the scores and the mixing have no parameters; they cost 2 x T x T x D each, for each head of each
# sequence.


# %%
def forward_flops(s, batch, seq):
    tokens, n_matrices = batch * seq, 3 if s.gated else 2
    weights = s.n_layers * (2 * s.d_model * (s.d_q + s.d_kv) + n_matrices * s.d_model * s.d_ff)
    weights += s.vocab_size * s.d_model
    attention = s.n_layers * batch * s.n_heads * 2 * (2 * seq * seq * s.d_head)  # scores, and mixing
    return 2 * tokens * weights + attention


with count() as work:
    logits = model(ids)  # @stepover
assert work.flops == forward_flops(small, B, T) == sum(flops.forward(small, batch=B, seq=T).values())
with count() as work:
    logits.sum().backward()
assert work.flops == 2 * forward_flops(small, B, T) == sum(flops.backward(small, batch=B, seq=T).values())

counted = flops.measure(big, torch.zeros(1, 8192, dtype=torch.long, device="meta"))  # @stepover
assert counted == {"forward": forward_flops(llama, 1, 8192), "backward": 2 * forward_flops(llama, 1, 8192)}
print(f"Llama 3 8B on 8,192 tokens: forward {counted['forward']:.3e}, backward {counted['backward']:.3e} FLOPs")

# %% [markdown]
# Equal to torch's counter, to the FLOP, for the small model that ran and for the large one that has no memory.
#
# **6ND.** Forget the scores for a moment. Forward costs 2 FLOPs a parameter and token, backward 4. So training N
# parameters on D tokens costs
#
# $$C \approx 6 N D$$
#
# the most useful formula of this lecture (Kaplan and others 2020, whose $N$ leaves the embeddings out; Hoffmann and
# others 2022 count them, and so do we). How far is it off?

# %%
rows = []
for name, seq in (
    ("gpt2", 1024),
    ("gpt3-175b", 2048),
    ("llama3-8b", 8192),
    ("llama3-70b", 8192),
    ("llama3-8b", 131072),
):
    s = preset(name)
    exact = 3 * forward_flops(s, 1, seq) / seq
    ratio = exact / flops.six_nd(params.total(s), 1)
    assert math.isclose(ratio, flops.six_nd_ratio(s, seq=seq))
    rows.append([name, f"{seq:,}", f"{exact:.2e}", f"{ratio:.2f}"])
table(["model", "sequence", "FLOPs a token, trained", "over 6 N"], rows)

# %% [markdown]
# Within some 20 % for usual lengths. What is missing grows with the sequence: the scores weigh as much as all layers
# together at about six times the width, and at 131,072 tokens they are most of the work.
#
# ## 8. Time: the roofline
#
# FLOPs are not time. A chip has two speeds: how fast it computes, and how fast it brings numbers from memory to where
# they are computed. An H100 does 989 TFLOP/s in bf16, and reads 3.35 TB/s. While it waits for a single number of bf16,
# two bytes, it could have done almost 600 FLOPs.

# %%
h100 = gpu("h100-80gb")
longer = predict(
    "Two matrices of 4096 x 4096 in bf16 on an H100. Their product takes 8,192 times as many FLOPs as their sum. "
    "How many times as long does it take, at best?",
    choices=["about 8,000", "about 800", "about 50", "about 5"],
)
longer

# %%
side = 4096
sum_flops, product_flops = side**2, 2 * side**3
moved = 3 * 2 * side**2  # both: two matrices read, one written, 2 bytes each
print(f"moving the numbers {1e6 * moved / h100.bandwidth:.0f} us", end="; ")
print(f"computing the sum {1e6 * sum_flops / h100.flops:.2f} us, the product {1e6 * product_flops / h100.flops:.0f} us")
sum_time = max(sum_flops / h100.flops, moved / h100.bandwidth)
product_time = max(product_flops / h100.flops, moved / h100.bandwidth)
assert product_flops == 8192 * sum_flops
assert 4 < product_time / sum_time < 6
longer.reveal("about 5")

# %% [markdown]
# The sum spends its time waiting: it is limited by memory, and its one FLOP a number is free. Since moving and
# computing go on at the same time, the longer of the two decides. What tells which one it is, is the ratio of FLOPs
# to bytes moved, the ***arithmetic intensity***. Below the chip's own ratio (its ***ridge***, 989 / 3.35 = 295 FLOPs a
# byte) memory is the limit, above it arithmetic:
#
# $$\text{FLOP/s} \le \min(\text{peak},\ \text{intensity} \cdot \text{bandwidth})$$
#
# This is the ***roofline*** (Williams, Waterman and Patterson 2009, who speak of *operational* intensity and count the
# bytes that pass between the caches and memory). What intensities do the operations of a model have?


# %%
def matmul_intensity(m, k, n, bytes_each):
    return 2 * m * k * n / (bytes_each * (m * k + k * n + m * n))


operations = {"add two tensors": 1 / (3 * 2), "write a token, batch 1": matmul_intensity(1, 4096, 4096, 2)}
operations["write a token, batch 64"] = matmul_intensity(64, 4096, 4096, 2)
operations["train on 4,096 tokens"] = matmul_intensity(4096, 4096, 4096, 2)
for batch in (1, 64, 4096):
    assert matmul_intensity(batch, 4096, 4096, 2) == roofline.matmul_intensity(batch, 4096, 4096)
assert math.isclose(matmul_intensity(300, 300, 300, 2), 300 / 3)  # square, bf16: a third of the side
a = torch.ones(64, 128, dtype=torch.bfloat16)
with count() as work:
    a @ a.T
assert math.isclose(work.intensity, matmul_intensity(64, 128, 64, 2))


# %%
def draw_roof(peak, bandwidth, points, unit, title):
    """``points``: (name, intensity, FLOP/s). The roof, and the points on or under it."""
    _, ax = plt.subplots()
    reach = np.geomspace(min(p[1] for p in points) / 2, 20 * max(p[1] for p in points), 200)
    roof = [roofline.attainable(one, flops=peak, bandwidth=bandwidth) / unit for one in reach]
    ax.plot(reach, roof, color=figures.GREY, marker="", linestyle="-")
    ax.axvline(peak / bandwidth, ymax=0.12, color=figures.GREY, linestyle=":")  # short: it would cut names of points
    ax.text(peak / bandwidth * 1.1, min(roof), "ridge")
    for name, intensity, rate in points:
        ax.plot(intensity, rate / unit, color=BLUE, marker="o", linestyle="")
        ax.annotate(name, (intensity, rate / unit), xytext=(7, -3), textcoords="offset points", va="top")
    ax.set(xscale="log", yscale="log", title=title)
    ax.set_xlabel("arithmetic intensity (FLOPs a byte)")
    ax.set_ylabel("TFLOP/s" if unit == 1e12 else "GFLOP/s")
    plt.show()


# %%
points = [
    (name, intensity, roofline.attainable(intensity, flops=h100.flops, bandwidth=h100.bandwidth))
    for name, intensity in operations.items()
]
draw_roof(h100.flops, h100.bandwidth, points, 1e12, "H100, from its data sheet: at best")
used = {name: rate / h100.flops for name, _, rate in points}
print(", ".join(f"{name}: {share:.2%}" for name, share in used.items()))
assert 0.003 < used["write a token, batch 1"] < 0.004
assert used["train on 4,096 tokens"] == 1

# %% [markdown]
# A model that writes for one user reads all its weights for each token and does two FLOPs with each weight: one FLOP a
# byte, less than half a percent of what the chip can do. With 64 users the same weights are read once for 64 tokens.
# That is why services gather requests (lecture 14), and why training, where thousands of tokens meet the same
# weights, is limited by arithmetic. The cures on the left of the ridge are to move less: fewer bits a number (section
# 4), fewer trips (fusing operations, lecture 11), more work a trip (batches).
#
# ### Measured
#
# Data sheets are written by sellers. What does a machine really do? To measure is not hard, but three things go
# wrong: the first run is slow (memory is fetched, caches are cold), single runs vary (so take the median), and a GPU
# returns before it has finished (so wait for it: `torch.cuda.synchronize()`).


# %%
def seconds(work, repeats=7):
    """The median time of ``repeats`` runs, after one that does not count."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[repeats // 2]


def measure(side, batches):
    """Points of a roofline in fp32: a sum of long vectors, and products of few and many rows with one matrix."""
    a, b, weights = torch.ones(1 << 23), torch.ones(1 << 23), torch.ones(side, side)
    points = [("sum", 1 / 12, len(a) / seconds(lambda: torch.add(a, b, out=b)))]
    for rows in batches:
        x, y = torch.ones(rows, side), torch.zeros(rows, side)
        took = seconds(lambda x=x, y=y: torch.mm(x, weights, out=y))
        points.append((f"batch {rows}", matmul_intensity(rows, side, side, 4), 2 * rows * side**2 / took))
    return points


# %% [markdown]
# This came out on a machine of those on which this course was built, one core of an AMD EPYC in a virtual machine. The
# points are the sum of two long vectors, and products of a batch of rows with a matrix of 4096 x 4096. The roof is
# `lilllm`'s measurement of the same core, with a large product and a large copy.

# %%
BUILT_ON = roofline.Machine(name="one core of an AMD EPYC", flops={"float32": 93.5e9}, bandwidth=23.7e9)
MEASURED = [("sum", 1 / 12, 2.2e9)]
for rows, rate in ((1, 12.0e9), (4, 15.0e9), (16, 41.9e9), (64, 74.1e9), (512, 84.5e9)):
    MEASURED.append((f"batch {rows}", matmul_intensity(rows, 4096, 4096, 4), rate))
draw_roof(BUILT_ON.flops["float32"], BUILT_ON.bandwidth, MEASURED, 1e9, "One core, fp32, measured")
print(f"ridge: {BUILT_ON.ridge():.1f} FLOPs a byte")
assert 3 < BUILT_ON.ridge() < 5

# %% [markdown]
# A model of two lines describes a real machine quite well. Not to the digit: the sum lies a little above the roof (to
# overwrite cells, a copy must fetch them first, which our count of bytes leaves out), and batches of 4 and 16 lie below
# it, where the library is better at large products than at flat ones. And the ridge is at 4 FLOPs a byte where the
# H100's is at 295. The chips for AI have gained far more in arithmetic than in memory, so on them nearly everything
# waits for memory, and moving less is often worth more than computing less.
#
# What of yours? The next cell measures the machine that it runs on. When you run it, it draws the picture. In the
# notebook as it is published it only checks that the claims hold, since every machine has its own numbers.


# %%
def on_this_machine():
    """Measure, check what must hold on any machine, and draw it for a reader (a build sets LILLLM_HOME to nothing)."""
    built = os.environ.get("LILLLM_HOME") == ""
    points = measure(4096, (1, 64) if built else (1, 4, 16, 64, 512))
    rate = {name: one for name, _, one in points}
    assert rate["batch 64"] > 5 * rate["sum"]  # more FLOPs a byte, more FLOPs a second
    assert rate["batch 64"] > 2 * rate["batch 1"]  # 64 rows take less than 32 times as long as one
    if built:
        return "Measured; the claims hold. Run this cell yourself to see your machine's roofline."
    machine = roofline.this_machine()
    draw_roof(machine.flops["float32"], machine.bandwidth, points, 1e9, "This machine, fp32")
    return f"ridge: {machine.ridge():.1f} FLOPs a byte"


print(on_this_machine())  # @stepover

# %% [markdown]
# ## 9. Utilisation, and what FLOPs buy
#
# Now the last piece: what share of the peak does a whole training run reach? ***MFU***, model FLOPs utilisation, is
# the FLOPs that the model needs (section 7, nothing computed twice, no waiting) over what the chips could have done in
# the same time (Chowdhery and others 2022). Their table has 21.3 % for GPT-3 and 46.2 % for their own PaLM. Llama 3
# 405B reports 38 to 43 %. The rest of the time goes into operations left of the ridge, communication between GPUs
# (lecture 12), waiting for data, and breakdowns.
#
# Model cards often give GPU hours, and that is enough to compute it. Meta's for Llama 3 70B says 6.4 million hours on
# H100s, and more than 15 trillion tokens:

# %%
llama70 = preset("llama3-70b")
per_token = 3 * forward_flops(llama70, 1, 8192) / 8192
tokens_per_second = 15e12 / (6.4e6 * 3600)  # of one GPU
utilisation = per_token * tokens_per_second / h100.flops
assert math.isclose(utilisation, roofline.mfu(per_token, tokens_per_second, peak=h100.flops))
print(f"one H100 reads {tokens_per_second:.0f} tokens a second; MFU {utilisation:.0%}")
assert 0.25 < utilisation < 0.40

# %% [markdown]
# About a third, or a little more if the hours include runs that were thrown away.
#
# **How should FLOPs be spent?** With $C = 6ND$ one can have a large model that reads little or a small one that reads a
# lot. Hoffmann and others (2022) trained over 400 models and found that both should grow together. How many tokens for
# each parameter they do not say in words; their table of best models comes to about 20 (1B: 20.2B, 10B: 205B), and so
# does their own Chinchilla (70B, 1.4T). Hence the rule $D^* = 20 N^*$. So $C = 120 N^2$, and a budget tells the model's
# size:


# %%
def best_size(budget):
    return math.sqrt(budget / 120)


budget = flops.six_nd(1.4e9, 20 * 1.4e9)
print(f"1.4B parameters, 28B tokens: {budget:.2e} FLOPs")
assert math.isclose(budget, 2.35e20, rel_tol=0.002)
assert math.isclose(best_size(budget), 1.4e9)
days = budget / (8 * h100.flops * 0.4) / 86400
print(f"on eight H100s at an MFU of 40 %: {days * 24:.0f} hours")


# %% [markdown]
# What comes out in the end, call it accuracy, depends on a product:
#
# $$\text{accuracy} = \text{efficiency} \times \text{resources}$$
#
# not as an equation with units, but as a way to think. Resources are the FLOPs you can pay for. Efficiency is
# everything else: FLOPs reached out of those paid for (MFU, formats, kernels), and loss bought with each (data,
# architecture, the split between N and D). Twice the efficiency is worth exactly twice the machines. Image classifiers
# of 2019 needed 44 times less compute than AlexNet in 2012 for the same accuracy (Hernandez and Brown 2020), a factor
# that nobody had to buy.
#
# How much is it worth to split well? Hoffmann and others fitted the loss of their models by
# $L = 1.69 + 406.4 / N^{0.34} + 410.7 / D^{0.28}$. Spend the same budget on a model ten times too large:


# %%
def loss(n, d):
    """The fit of Hoffmann and others 2022, appendix D.3: nats a token on their data."""
    return 1.69 + 406.4 / n**0.34 + 410.7 / d**0.28


budgets = np.geomspace(1e19, 1e24, 60)
fig, ax = plt.subplots()
splits = {"20 tokens a parameter": 1, "model 10 times larger": 10, "model 10 times smaller": 0.1}
for (name, factor), style in zip(splits.items(), figures.line_styles(3), strict=True):
    sizes = np.sqrt(budgets / 120) * factor
    ax.plot(budgets, loss(sizes, budgets / (6 * sizes)), label=name, markevery=8, **style)
ax.set_xscale("log")
ax.set_xlabel("compute (FLOPs)")
ax.set_ylabel("loss (nats a token), by the fit")
ax.legend()
plt.show()

wasteful = loss(10 * best_size(budget), budget / (60 * best_size(budget)))
well_split = loss(np.sqrt(budgets / 120), 20 * np.sqrt(budgets / 120))
enough = np.exp(np.interp(-wasteful, -well_split, np.log(budgets)))  # read off the lowest curve
print(f"{wasteful:.2f} instead of {loss(1.4e9, 28e9):.2f} for {budget:.2e} FLOPs;", end=" ")
print(f"well split, {enough / budget:.0%} of them would do for that")
assert enough < budget / 2

# %% [markdown]
# A bad split throws most of the money away. (Lecture 17 repeats such fits and looks at their errors. And a model that
# will be used a lot is better made smaller and trained longer than $20N$, as Llama 3 was: its users pay for N.)
#
# ## 10. Napkin answer
#
# **Napkin answer.** First the days: 6ND, over what the GPUs do.

# %%
N, D, gpus = 70e9, 15e12, 2048
work_needed = flops.six_nd(N, D)
days = work_needed / (gpus * h100.flops * 0.4) / 86400
exact = plan.days(llama70, tokens=D, seq=8192, gpus=gpus, flops=h100.flops, mfu=0.4)
as_reported = 6.4e6 / gpus / 24
print(f"{work_needed:.1e} FLOPs; at an MFU of 40 % {days:.0f} days by 6ND, {exact:.0f} with the scores counted")
print(f"as long as Meta's 6.4 million GPU hours: {as_reported:.0f} days")
assert 85 < days < 95 < exact < as_reported < 135

# %% [markdown]
# Three to four months, which is why the largest models are trained on 16 thousand GPUs at once.
#
# Now the largest model on eight H100s. If each of them holds the whole model (data parallel, DDP), each must hold 16
# bytes a parameter: 80 GB / 16. If they share, **ZeRO** (Rajbhandari and others 2020; lecture 12) gives each
# GPU an eighth: in stage 1 of the optimizer's 12 bytes, in stage 2 also of the gradients' 2, in stage 3 also of the
# weights' 2.

# %%
per_parameter = {"DDP": 2 + 2 + 12, "ZeRO-1": 2 + 2 + 12 / 8, "ZeRO-2": 2 + (2 + 12) / 8, "ZeRO-3": (2 + 2 + 12) / 8}
for stage, (name, size) in enumerate(per_parameter.items()):
    assert size == sum(memory.per_gpu(1, gpus=8, stage=stage).values())
    print(f"{name}: {size:5.2f} bytes a parameter on each GPU, so at most {h100.memory / size / 1e9:4.1f}B parameters")
assert h100.memory / per_parameter["DDP"] == 5e9
assert h100.memory / per_parameter["ZeRO-3"] == 40e9

# %% [markdown]
# Five billion, and forty billion if all is shared, minus what activations need. With real models, one sequence of
# 4,096 tokens on each GPU (GPT-2: 1,024), flash attention and checkpointing; "7 fit": that many sequences would:

# %%
largest = {}
rows = []
for name in ("gpt2-xl", "llama2-7b", "llama3-8b", "llama2-13b", "llama2-70b"):
    seq = min(4096, preset(name).context_len)
    found = [one for one in plan.fits(preset(name), batch=1, seq=seq, gpus=8, memory=h100.memory) if one.checkpointing]
    cells = [
        f"{one.total / 1e9:,.0f} GB" + (f", {one.largest_batch} fit" if one.largest_batch else "") for one in found
    ]
    rows.append([name, *cells])
    largest |= {one.stage: name for one in found if one.largest_batch}
assert largest == {"DDP": "gpt2-xl", "ZeRO-1": "llama2-13b", "ZeRO-2": "llama2-13b", "ZeRO-3": "llama2-13b"}
table(["model", *plan.STAGES], rows)

# %% [markdown]
# Llama 2 7B cannot be trained on one H100, and eight that do not share are no better: each of them is too small. If
# they share, it fits with room to spare, and 13B does too. A model of 70B needs more GPUs, or fewer bytes a parameter.
#
# Plan your own run. (In a static copy you see one plan only.)


# %%
def planned(name, log_gpus, trillions, percent):
    """Days, and bytes on each GPU, of one plan."""
    s, gpus = preset(name), 2**log_gpus
    days = plan.days(s, tokens=trillions * 1e12, seq=4096, gpus=gpus, flops=h100.flops, mfu=percent / 100)
    lines = [f"<b>{name}</b>, {params.total(s) / 1e9:.1f}B parameters, {gpus:,} H100s: <b>{days:,.1f} days</b>"]
    for one in plan.fits(s, batch=1, seq=4096, gpus=gpus, memory=h100.memory):
        if one.checkpointing:
            share = one.total / h100.memory
            style = f"display:inline-block; width:{12 * min(share, 1.5):.1f}em; height:0.7em; background:{BLUE}"
            bar = f'<span style="{style}"></span>'
            fit = f"fits, up to {one.largest_batch} sequences a GPU" if one.largest_batch else "does not fit"
            lines.append(f"{one.stage}: {bar} {one.total / 1e9:,.0f} GB, {fit}")
    return "<br>".join(lines)


# %%
controls = [
    widgets.Dropdown(options=["gpt2-xl", "llama2-7b", "llama3-8b", "llama2-70b", "llama3-405b"], value="llama2-70b"),
    widgets.IntSlider(value=6, min=0, max=14, description="GPUs, 2^"),
    widgets.FloatSlider(value=2, min=0.1, max=20, step=0.1, description="T tokens"),
    widgets.IntSlider(value=40, min=5, max=60, description="MFU, %"),
]
settings = [one.value for one in controls]
shown_plan = widgets.HTML(planned(*settings))
for control in controls:
    control.observe(lambda _: setattr(shown_plan, "value", planned(*(one.value for one in controls))), names="value")
display(HTML(planned(*settings)))
display(widgets.VBox([*controls, shown_plan]))
controls[1].value = 3  # as if you had moved it: eight GPUs
assert shown_plan.value.count("does not fit") == 4
controls[1].value = 6

# %% [markdown]
# ## 11. Exercises
#
# Write the function in each cell, then run it. `check` tries it on small cases and names the likely mistake. For a
# hint, add `hint=1`, then `hint=2`; for a solution, `solution=True`.
#
# **1. Strides.** Of a contiguous tensor, the last axis lies cell by cell. How far is it to the next element along
# each of the others?


# %% tags=["exercise"] exercise="tensors.strides"
def strides(shape):
    """The strides of a contiguous tensor, in elements: (2, 3, 4) gives (12, 4, 1)."""
    ...


check("tensors.strides", strides)

# %% [markdown]
# **2. Broadcasting's rule.** Section 2 says it in words. Aligned at the right!


# %% tags=["exercise"] exercise="tensors.broadcast"
def broadcast_shape(a, b):
    """The shape of the sum of tensors of shapes ``a`` and ``b``, a tuple; None if they do not fit."""
    ...


check("tensors.broadcast", broadcast_shape)

# %% [markdown]
# **3. Picking from a batch.** The loss of a language model needs the score of the token that came, for each place of
# each sequence. Like `gather` in section 3, with one axis more, and without a loop.


# %% tags=["exercise"] exercise="tensors.pick"
def pick(logits, targets):
    """Of (B, T, V) scores and (B, T) tokens, the (B, T) scores of those tokens."""
    ...


check("tensors.pick", pick)

# %% [markdown]
# **4. Rounding to bf16.** A bf16 is the upper half of an fp32. Cutting the lower half off rounds toward zero; to round
# to the nearest, with halves to even, needs one more thought. (And NaN is to stay NaN.)


# %% tags=["exercise"] exercise="tensors.bfloat16"
def to_bfloat16(bits):
    """The 16 bits of the bf16 nearest to the float32 with these 32 bits; both are integers."""
    ...


check("tensors.bfloat16", to_bfloat16)

# %% [markdown]
# **5. Arithmetic intensity.** Each matrix is moved once.


# %% tags=["exercise"] exercise="tensors.intensity"
def intensity(m, k, n, bytes_each):
    """FLOPs a byte of the product of (m, k) and (k, n)."""
    ...


check("tensors.intensity", intensity)

# %% [markdown]
# ## What we left out
#
# - **Blocks that share a scale**: MXFP8 and MXFP4 (Rouhani and others 2023) give 32 numbers one scale of 8 bits, which
#   puts section 4's scaling into the format. `lilllm.accounting.formats` has fp4 and fp6; lecture 15 uses them.
# - **tf32**: an fp32 whose mantissa is cut to 10 bits inside matrix products, on GPUs since the A100.
# - **The caches between memory and arithmetic**, which make intensity a property of the program and not of the
#   formula: lecture 11.
# - **Communication between GPUs**, the third roof: lecture 12. What pipeline and tensor parallelism do to memory, too.
# - **Energy and money**: multiply GPU hours by 700 W or by a price.
# - The table for any model: `lilllm accounting --preset llama3-8b --batch 4 --gpus 64`.
#
# ## Sources
#
# - Williams, Waterman, Patterson 2009, *Roofline: An Insightful Visual Performance Model*, Communications of the ACM
#   52(4).
# - Micikevicius and others 2018, *Mixed Precision Training*, arXiv:1710.03740: master weights, loss scaling.
# - Kalamkar and others 2019, *A Study of BFLOAT16 for Deep Learning Training*, arXiv:1905.12322.
# - Gupta and others 2015, *Deep Learning with Limited Numerical Precision*, arXiv:1502.02551: stochastic rounding.
# - Micikevicius and others 2022, *FP8 Formats for Deep Learning*, arXiv:2209.05433: e4m3, e5m2.
# - DeepSeek-AI 2024, *DeepSeek-V3 Technical Report*, arXiv:2412.19437, section 3.3: training in fp8.
# - Rouhani and others 2023, *Microscaling Data Formats for Deep Learning*, arXiv:2310.10537.
# - Kaplan and others 2020, *Scaling Laws for Neural Language Models*, arXiv:2001.08361, section 2.1: 6ND.
# - Hoffmann and others 2022, *Training Compute-Optimal Large Language Models*, arXiv:2203.15556: table 3
#   (about 20 tokens a parameter), the fit of the loss.
# - Chowdhery and others 2022, *PaLM*, arXiv:2204.02311, section 4.1: MFU and its table.
# - Llama Team 2024, *The Llama 3 Herd of Models*, arXiv:2407.21783; GPU hours: the model card of Meta-Llama-3-70B.
# - Korthikanti and others 2022, *Reducing Activation Recomputation in Large Transformer Models*, arXiv:2205.05198.
# - Rajbhandari and others 2020, *ZeRO*, arXiv:1910.02054.
# - Hernandez, Brown 2020, *Measuring the Algorithmic Efficiency of Neural Networks*, arXiv:2005.04305.
# - IEEE 754-2019, *Standard for Floating-Point Arithmetic*. NVIDIA H100 data sheet (SXM, dense).
