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
# # 03 Gradients: which way is down
#
# A network learns by a simple rule: find out how the loss would change if each weight were a little larger, and move
# each weight a little the other way. So everything depends on one question: how does one number, the loss, depend on
# millions of others? Backpropagation answers it for all of them at once, for about the price of two more forward
# passes. Here we build it: on single numbers, where nothing hides, then on arrays. Then we look at what comes down the
# network: gradients that vanish, gradients that explode, and the memory that they cost.
#
# - **You will build:** an automatic differentiation engine for numbers, and one for arrays, with the derivatives of
#   softmax, cross-entropy and layer norm by hand; a gradient checker; Xavier's and He's initialisation; batch norm;
#   activation checkpointing and a meter for memory.
# - **You need:** Python, matrix products, and what a derivative is. Lecture 02 for shapes and broadcasting.
# - **Minutes to read:** 75
# - **Budget:** 60 s, 1 GB, 50 GFLOP, 15 GB moved
#
# **Napkin question.** The feed-forward half of GPT-3 is 96 layers of the kind *norm, linear from 12,288 to 49,152,
# GELU, linear back, add to the input*. One sequence of 2,048 tokens goes through it, each number in 2 bytes. How many
# GB must the forward pass keep so that the backward pass can run? How many if only the input of each layer is kept
# and the rest is computed again, and how much more computing is that? Write three numbers on a napkin. The last
# section computes them.

# %%
import math
import time
import weakref
from functools import partial
from io import BytesIO
from itertools import pairwise

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import Image, display
from torch import nn
from torch.utils import checkpoint as torch_checkpoint
from torch.utils._python_dispatch import TorchDispatchMode

from lilllm import autograd
from lilllm.accounting import count, preset
from lilllm.accounting.flops import backward as backward_flops
from lilllm.accounting.flops import forward as forward_flops
from lilllm.accounting.memory import activations, saved_by
from lilllm.course import check, figures, museum, predict
from lilllm.course.chips import table
from lilllm.data import digits

figures.use_style()
torch.manual_seed(0)  # for the weights that layers draw for themselves
BLUE, RED, GREEN, PURPLE = figures.COLOURS

# %% [markdown]
# ## 1. The question, and the obvious answer
#
# The smallest model with anything to learn: it predicts $w x$ for the input $x$, and $w$ is its only weight. For
# $x = 3$ the right answer is $5$. The loss is the square of the error, and a small penalty on large weights:
#
# $$L(w) = (w x - 5)^2 + 0.1\, w^2$$
#
# The ***gradient*** of the loss is the list of its derivatives, one for each weight: how fast the loss grows when
# that weight grows. Here the list has one entry. The obvious way to find it is to try: make $w$ a little larger and
# see.


# %%
def loss_of(w, x=3.0):
    return (w * x - 5.0) ** 2 + 0.1 * w**2


w, h = 2.0, 1e-6
slope = (loss_of(w + h) - loss_of(w)) / h  # @inspect slope
print(f"loss {loss_of(w):.1f}, slope about {slope:.3f}")
assert loss_of(w - 0.01 * slope) < loss_of(w)  # a small step against the slope: the loss falls

# %% [markdown]
# That is all of learning in four lines: find the slope, step against it, again and again. The trouble is the price.
# One weight took two runs of the model. A thousand weights take a thousand and one, since each must be tried alone;
# GPT-3's 175 billion take 175 billion runs, for one step. We need all slopes from about one run.
#
# What helps is that the loss is not a riddle. We know how it was computed: by small steps, each of which has a
# derivative that we learned at school. The ***chain rule*** says how to put them together: along a chain, multiply.
# If $L$ depends on $e$, and $e$ on $w$, then
#
# $$\frac{dL}{dw} = \frac{dL}{de} \cdot \frac{de}{dw}$$
#
# If $w$ reaches $L$ by several ways, the contributions add up. For our loss, with $e = w x - 5$, at $w = 2$, $x = 3$:
#
# $$\frac{dL}{dw} = \underbrace{2 e \cdot x}_{\text{by way of } e} + \underbrace{0.1 \cdot 2 w}_{\text{by the penalty}}
#   = 2 \cdot 1 \cdot 3 + 0.1 \cdot 4 = 6.4$$
#
# The rest of the first half of this lecture makes a program do what we did in that line.
#
# ## 2. Numbers that remember where they came from
#
# For a program to walk back, the computation must leave a trail. So a number is wrapped in an object that remembers
# two things: the values that it was made from, its *parents*, and the derivative with respect to each of them, the
# ***local derivative***. When an operation runs, both are at hand:
#
# - $a + b$ grows as fast as $a$, and as fast as $b$: local derivatives $1$ and $1$.
# - $a b$ grows $b$ times as fast as $a$, and $a$ times as fast as $b$: local derivatives $b$ and $a$.
# - $a^n$: $n a^{n-1}$.
# - $\tanh a$: $1 - \tanh^2 a$, so the result itself is enough to know.


# %%
class Value:
    """A number, the values it was made from, and its derivative with respect to each of them."""

    def __init__(self, data, parents=(), local=()):
        self.data, self.parents, self.local = data, parents, local
        self.grad = 0.0  # dL/d(this), once we know it

    def __add__(self, other):
        return Value(self.data + other.data, (self, other), (1.0, 1.0))

    def __mul__(self, other):
        return Value(self.data * other.data, (self, other), (other.data, self.data))

    def __pow__(self, n):
        return Value(self.data**n, (self,), (n * self.data ** (n - 1),))

    def tanh(self):
        y = math.tanh(self.data)
        return Value(y, (self,), (1 - y * y,))


# %% [markdown]
# Running the loss on such values computes the same number as before. But now it leaves a ***computation graph***
# behind: each value is a node, each parent an edge.


# %%
def loss_graph(w, x):
    """The loss of section 1, every value of it by name."""
    wx = w * x
    e = wx + Value(-5.0)
    square = e**2
    w2 = w**2
    penalty = w2 * Value(0.1)
    return {"w": w, "x": x, "wx": wx, "e": e, "e²": square, "w²": w2, "0.1w²": penalty, "L": square + penalty}


graph = loss_graph(Value(2.0), Value(3.0))  # @inspect graph
print({name: round(value.data, 6) for name, value in graph.items()})
assert math.isclose(graph["L"].data, loss_of(2.0))

# %% [markdown]
# Draw it, and the derivative can be read off. Each box shows a value, each arrow the local derivative. (The constants
# $-5$ and $0.1$ are nodes too; nobody asks for their derivative, so they are left out of the picture.)

# %%
PLACES = {
    "w": (0, 0.6), "x": (0, 2), "wx": (1, 2), "e": (2, 2), "e²": (3, 2), "w²": (1.3, 0), "0.1w²": (2.7, 0),
    "L": (4.1, 1),
}  # fmt: skip


def draw(graph, places, reached=()):
    """Boxes and arrows; gradients in the boxes that the walk has reached."""
    fig, ax = plt.subplots(figsize=(7.4, 3.4))
    for name, value in graph.items():
        x, y = places[name]
        colour = RED if name in reached else figures.GREY
        text = f"{name} = {value.data:.3g}" + (f"\ngrad {value.grad:.3g}" if name in reached else "")
        box = {"boxstyle": "round,pad=0.35", "edgecolor": colour, "facecolor": "none", "linewidth": 1.5}
        ax.text(x, y, text, ha="center", va="center", bbox=box, color=colour, fontsize=9)
        for other, (x0, y0) in places.items():
            for parent, slope in zip(value.parents, value.local, strict=True):
                if graph[other] is parent:
                    arrow = {"arrowstyle": "->", "color": BLUE, "shrinkA": 30, "shrinkB": 30}
                    ax.annotate("", (x, y), (x0, y0), arrowprops=arrow)
                    beside = 0.15 if y > y0 else 0  # an arrow that rises leaves room on its left
                    where = ((x + x0) / 2 - beside, (y + y0) / 2 + 0.13)
                    ax.text(*where, f"× {slope:.3g}", ha="center", color=BLUE, fontsize=9)
    ax.set(xlim=(-0.5, 4.6), ylim=(-0.4, 2.4))
    ax.axis("off")
    return fig


draw(graph, PLACES)
plt.show()

# %% [markdown]
# Two paths lead from $w$ to $L$. Multiply along each, and add: $3 \cdot 1 \cdot 2 \cdot 1 = 6$ and
# $4 \cdot 0.1 \cdot 1 = 0.4$, in all $6.4$.
#
# ## 3. Walking back
#
# As a program: start at the loss, whose derivative with respect to itself is 1. Tell each parent its share, which is
# my own times the local derivative. Each parent adds it to what it has and does the same. Three lines:


# %%
def spread(node, share):
    """Add ``share`` to the node's gradient, and pass it on along every path."""
    node.grad += share
    for parent, slope in zip(node.parents, node.local, strict=True):
        spread(parent, share * slope)


spread(graph["L"], 1.0)
print({name: round(value.grad, 6) for name, value in graph.items()})
assert math.isclose(graph["w"].grad, 6.4)
assert math.isclose(graph["x"].grad, 2 * 1 * 2)

# %% [markdown]
# Right, and for *all* values at once: the derivative with respect to $x$ came for nothing. Note the `+=`: it is the
# sum over paths. With `=` in its place, $w$ would keep only what came last.
#
# But something is wrong with the price. A value that is used twice gets two calls, and each of these walks
# *everything* below it again. Take $x$ and double it by adding it to itself, 16 times over.

# %%
paths = predict(
    "x = x + x, done 16 times, makes a graph of 17 nodes. How many calls of `spread` does it take?",
    choices=["17", "33", "289", "131,071"],
)
paths


# %%
def doubled(times):
    values = [Value(1.0)]
    for _ in range(times):
        values.append(values[-1] + values[-1])
    return values


calls = [0]


def spread_counted(node, share):
    calls[0] += 1
    node.grad += share
    for parent, slope in zip(node.parents, node.local, strict=True):
        spread_counted(parent, share * slope)


values = doubled(16)
spread_counted(values[-1], 1.0)  # @stepover
assert values[0].grad == 2**16
assert calls[0] == 2**17 - 1
paths.reveal(f"{calls[0]:,}")

# %% [markdown]
# There are $2^{16}$ paths, and `spread` walks each one. The graphs of real networks are like this: every value of a
# layer is used by every unit of the next.
#
# The cure is to wait. If a node passes its gradient on only when it is complete, one visit a node is enough: the sum
# over paths is taken where they meet, not at their ends. But which order guarantees that it is complete? Nearest to
# the loss first? Try it on a graph where one path is longer than another:


# %%
def backward_nearest_first(root):
    """Each node once, those that are fewer steps from the root first. Wrong."""
    root.grad, queue, seen = 1.0, [root], {root}
    for node in queue:
        for parent, slope in zip(node.parents, node.local, strict=True):
            parent.grad += slope * node.grad
            if parent not in seen:
                seen.add(parent)
                queue.append(parent)


a = Value(3.0)
b = a * Value(2.0)  # 6
c = b**2  # 36: a longer way from b to the end
out = b + c  # 42
backward_nearest_first(out)
print(f"d(out)/db is 2b + 1 = 13, and b has {b.grad:g}; d(out)/da is 26, and a has {a.grad:g}")
assert b.grad == 13
assert a.grad != 26

# %% [markdown]
# $b$ is a parent of the result, so its turn came early: it passed on the 1 that it had by then. The 12 that came by
# way of $c$ arrived later and stayed there. A node must wait until *all* that was made from it has been visited. An
# order with that property is a ***topological order***: every node comes after all of its parents. Walk it from the
# end, and every node comes before its parents, when no more can arrive.
#
# It is easy to make: put down a node's parents, then the node.


# %%
def topological_order(root):
    """Every node that ``root`` depends on, each after its parents."""
    order, seen = [], set()

    def visit(node):
        if node not in seen:
            seen.add(node)
            for parent in node.parents:
                visit(parent)
            order.append(node)

    visit(root)
    return order


def backward(root):
    root.grad = 1.0
    for node in reversed(topological_order(root)):
        for parent, slope in zip(node.parents, node.local, strict=True):
            parent.grad += slope * node.grad  # @inspect parent


# %%
a = Value(3.0)
b = a * Value(2.0)
backward(b**2 + b)
assert (a.grad, b.grad) == (26, 13)

graph = loss_graph(Value(2.0), Value(3.0))
order = topological_order(graph["L"])
assert all(order.index(parent) < order.index(node) for node in order for parent in node.parents)
backward(graph["L"])  # @stepover
assert math.isclose(graph["w"].grad, 6.4)

values = doubled(16)
backward(values[-1])  # @stepover
print(f"17 nodes, {len(topological_order(values[-1]))} visits, the same answer: {values[0].grad:g}")
assert values[0].grad == 2**16

# %% [markdown]
# This is ***backpropagation***: one walk forward that computes and remembers, one walk back that multiplies and adds.
# The walk back does about twice as much as the walk forward, however many weights there are.
#
# Move the slider to walk back yourself. Watch $w$: after its first share (0.4, by the penalty) it looks finished, and
# it is not. In a static copy of this notebook you see the end of the walk only.


# %%
def picture(fig):
    """The figure as PNG, for a control that shows pictures."""
    file = BytesIO()
    fig.savefig(file, format="png", metadata={"Software": None})
    plt.close(fig)
    return file.getvalue()


def after(steps):
    """The graph after so many nodes have passed their gradient on."""
    fresh = loss_graph(Value(2.0), Value(3.0))
    names = {value: name for name, value in fresh.items()}
    fresh["L"].grad, reached = 1.0, {"L"}
    for node in [node for node in reversed(topological_order(fresh["L"])) if node.parents][:steps]:
        for parent, slope in zip(node.parents, node.local, strict=True):
            parent.grad += slope * node.grad
            reached.add(names.get(parent))
    return picture(draw(fresh, PLACES, reached))


# %%
walk = widgets.IntSlider(value=6, min=0, max=6, description="nodes done")
shown = widgets.Image(value=after(6), format="png")  # @stepover
walk.observe(lambda change: setattr(shown, "value", after(change["new"])), names="value")
display(Image(after(6)))  # @stepover
display(widgets.VBox([walk, shown]))
walk.value = 3  # as if you had moved it  @stepover
assert shown.value != after(6)  # @stepover
walk.value = 6  # @stepover

# %% [markdown]
# ## 4. The same in lilllm, and in torch
#
# `lilllm.autograd.Value` is the class above with more operations, and with a `topological` that does not recurse: a
# loop of ten thousand steps makes a graph ten thousand deep, and Python's stack ends at about a thousand. In the
# replay of this lecture a `Value` opens as the tree of what it was made from.
#
# All three must agree. First on our loss, then on expressions that nobody chose: a random program that takes two
# values at a time and combines them, run on all three.


# %%
def three_ways(steps):
    """Run a program of (operation, i, j) on our Value, on lilllm's and on torch; the gradients of its inputs."""
    gradients = []
    for kind in (Value, autograd.Value, partial(torch.tensor, dtype=torch.float64, requires_grad=True)):
        inputs = [kind(0.3), kind(-1.2), kind(2.0)]
        values = list(inputs)
        for operation, i, j in steps:
            combined = values[i] + values[j] if operation == "add" else values[i] * values[j]
            values.append(combined.tanh())
        if kind is Value:
            backward(values[-1])
        else:
            values[-1].backward()
        gradients.append([0.0 if one.grad is None else float(one.grad) for one in inputs])
    return gradients


rng = np.random.default_rng(0)
for _ in range(50):
    steps = [(rng.choice(["add", "mul"]), *rng.integers(0, 3 + n, 2)) for n in range(12)]
    ours, package, torchs = three_ways(steps)  # @stepover
    assert np.allclose(ours, package, rtol=1e-12, atol=1e-15)
    assert np.allclose(ours, torchs, rtol=1e-12, atol=1e-15)

# %%
w, x = autograd.Value(2.0), autograd.Value(3.0)
loss = (w * x - 5.0) ** 2 + 0.1 * w**2
loss.backward()  # @inspect loss
print(w, x)
deep = x
for _ in range(10_000):
    deep = deep + 1.0
deep.backward()  # @stepover
assert math.isclose(w.grad, 6.4)

# %% [markdown]
# Now let it learn. The task is *exclusive or*: two inputs, and the answer is $+1$ if they differ, else $-1$. No single
# unit can do it, since no straight line separates the two cases; a few tanh units can. The weights are plain numbers,
# and the loop is the one of section 1: loss, gradients, step.


# %%
CASES = [((-1, -1), -1), ((-1, 1), 1), ((1, -1), 1), ((1, 1), -1)]
UNITS = 4
rng = np.random.default_rng(1)
weights = [autograd.Value(float(one)) for one in rng.normal(0, 0.7, 4 * UNITS + 1)]


def predict_xor(weights, x):
    """Three weights a hidden unit, one for what it adds to the answer, and a constant."""
    answer = weights[-1]
    for unit in range(UNITS):
        first, second, constant, out = weights[4 * unit : 4 * unit + 4]
        answer = answer + out * (first * x[0] + second * x[1] + constant).tanh()
    return answer


history = []
for _ in range(100):
    loss = sum((predict_xor(weights, x) - answer) ** 2 for x, answer in CASES) * 0.25  # @stepover
    for weight in weights:
        weight.grad = 0.0
    loss.backward()  # @stepover
    for weight in weights:
        weight.data -= 0.2 * weight.grad
    history.append(loss.data)
print("loss:", " ".join(f"{value:.2f}" for value in history[::33]))
print("answers:", [round(predict_xor(weights, x).data, 1) for x, _ in CASES])  # @stepover
assert history[-1] < 0.02

# %% [markdown]
# ### Broken on purpose
#
# One line of that loop is easily forgotten, and nothing complains. Here is a program with such a bug. First its
# symptom, beside what was meant:


# %%
def both_losses(case):
    """The loss of the broken program and of the right one, step by step."""
    _, ax = plt.subplots(figsize=(7, 2.8))
    for fixed, style in zip((False, True), figures.line_styles(2), strict=True):
        run = case.run(fixed=fixed)
        assert run.values["healthy"] is fixed
        losses = run.values["losses"]
        ax.plot(losses, label="as meant" if fixed else "as written", markevery=max(1, len(losses) // 10), **style)
    ax.set(xlabel="step", ylabel="loss")
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)
    plt.show()


added_up = museum.case("03_gradients_added_up")
added_up

# %%
both_losses(added_up)  # @stepover

# %% [markdown]
# The model is right, the gradient of the first step is right, and the learning rate is the same in both runs. In the
# trace, which value would you follow from one step to the next? When you have an answer, go on.

# %%
added_up.reveal()

# %% [markdown]
# That `backward` adds to what is there is no accident: it is the sum over paths, and it lets several backward passes
# make one gradient (lecture 04 uses that to split a large batch). The price is that somebody has to say where a new
# sum begins.
#
# ## 5. Is it right? Ask the slope
#
# A wrong derivative does not crash. The loss falls a little slower, and nobody knows why. So each derivative is
# compared with what section 1 did: try it and see. That is a ***gradient check***. It is far too slow to learn with,
# and just right to test with.
#
# How large should the little step $h$ be? Mathematics says: the smaller, the better. Let us see what the computer
# says. A function whose derivative we know exactly:
#
# $$f(x) = \frac{1}{1 + x^2}, \qquad f'(x) = -\frac{2x}{(1 + x^2)^2}$$
#
# and two ways to try: a step forward, $\frac{f(x + h) - f(x)}{h}$, or a step to each side, the ***central
# difference*** $\frac{f(x + h) - f(x - h)}{2h}$.

# %%
best_h = predict(
    "Numbers have 53 bits, about 16 decimal digits. At which h is the central difference most exact?",
    choices=["about 0.1", "about 0.00001", "about 0.0000000001", "the smaller, the better"],
)
best_h


# %%
def f(x):
    return 1 / (1 + x * x)


def difference_errors(x, hs):
    """How wrong the forward and the central difference are, for each h, in the precision of ``x``."""
    exact = -2 * float(x) / (1 + float(x) ** 2) ** 2
    forward = [abs(float((f(x + h) - f(x)) / h) - exact) for h in hs]
    central = [abs(float((f(x + h) - f(x - h)) / (h + h)) - exact) for h in hs]
    return forward, central


hs = [2.0**-k for k in range(1, 48)]
forward_error, central_error = difference_errors(0.7, hs)  # @stepover
_, single_error = difference_errors(np.float32(0.7), [np.float32(h) for h in hs[:22]])  # @stepover
print(f"best h, forward: about 1e{math.log10(hs[int(np.argmin(forward_error))]):.0f},", end=" ")
print(f"central: about 1e{math.log10(hs[int(np.argmin(central_error))]):.0f},", end=" ")
print(f"central in float32: about 1e{math.log10(hs[int(np.argmin(single_error))]):.0f}")
assert 1e-6 < hs[int(np.argmin(central_error))] < 1e-4
assert min(central_error) < min(forward_error) < min(single_error)
best_h.reveal("about 0.00001")

# %%
fig, ax = plt.subplots()
for (name, errors), style in zip(
    {"forward": forward_error, "central": central_error, "central, float32": single_error}.items(),
    figures.line_styles(3),
    strict=True,
):
    shown_errors = [max(error, 1e-13) for error in errors]  # a lucky 0 has no logarithm
    ax.loglog(hs[: len(errors)], shown_errors, label=name, markersize=3, **style | {"linestyle": "-"})
third = 24 * 0.7 * (1 - 0.7**2) / (1 + 0.7**2) ** 4  # f'''(0.7)
guide = {"color": figures.GREY, "marker": "", "zorder": 3, "linewidth": 2}
ax.loglog(hs[:16], [h**2 * third / 6 for h in hs[:16]], linestyle=":", label="h² f'''/6", **guide)
ax.loglog(hs[12:], [2.0**-53 * f(0.7) / h for h in hs[12:]], linestyle="--", label="ε f/h", **guide)
ax.set_xlabel("step h")
ax.set_ylabel("error of the slope")
ax.legend(ncols=2, loc="lower left")
ax.set_ylim(1e-14, 1)
plt.show()
assert all(0.9 < error / (h**2 * third / 6) < 1.1 for h, error in zip(hs[4:12], central_error[4:12], strict=True))

# %% [markdown]
# A V. On the right arm the step is too large: the curve bends on the way. Taylor's series says how much:
#
# $$f(x \pm h) = f(x) \pm h f'(x) + \frac{h^2}{2} f''(x) \pm \frac{h^3}{6} f'''(x) + \dots$$
#
# In the central difference the terms with even powers cancel, and what is left is $\frac{h^2}{6} f'''$: ten times
# smaller a step, a hundred times smaller an error. On the left arm the step is too small: $f(x + h)$ and $f(x - h)$
# agree in nearly all their digits, and the difference of two numbers with a rounding error of $\epsilon f$ each is
# divided by a tiny $h$. The sum of both is least where they balance, near $h = \sqrt[3]{3 \epsilon f / f'''}$, about
# $10^{-5}$ for float64. There about ten digits of the slope are right. In float32 about five are, so gradients are
# checked in float64. A true derivative passes below $10^{-7}$, a wrong one fails at $10^{-2}$, and there is little
# between.
#
# One trap: where the function has a kink, there is no slope to find. At $x = 10^{-6}$ relu's derivative is 1, but a
# step of $10^{-5}$ to the left crosses the kink:

# %%
kink = autograd.numeric_gradient(lambda x: float(np.maximum(x, 0).sum()), np.array([1e-6]))  # @stepover
print(f"relu at 1e-6: the slope is 1, the difference says {kink[0]:.2f}")
assert math.isclose(kink[0], 0.55, rel_tol=1e-6)

# %% [markdown]
# ## 6. From numbers to arrays
#
# An object for each number is a clear way to think and a poor way to compute. A layer of 64 inputs and 32 units makes
# 4,096 multiplications and additions for one example, each of them an object with its parents. So a node becomes one
# operation on whole arrays, and NumPy does the inside.
#
# The graph, the order and the walk stay as they are. What changes is the local derivative. If an operation takes an
# array of $n$ numbers to one of $m$, there are $m n$ derivatives, each output by each input: the ***Jacobian***
# matrix. For the product of two 64 by 64 matrices, the Jacobian by one of them has $4096 \times 4096$ entries, 134
# MB, of which 63 in 64 are zero. Nobody writes it down. All that the walk needs is to turn the gradient of the output,
# $\bar{y}$, into the gradient of the input, $\bar{x}$:
#
# $$\bar{x}_j = \sum_i \bar{y}_i \frac{\partial y_i}{\partial x_j}$$
#
# a ***vector-Jacobian product***. For each operation we look for a short formula that computes this sum. (The bar is
# short for *derivative of the loss with respect to*.) So a node keeps a function for each parent, which *pulls* the
# gradient back:


# %%
class Array:
    """An array, what it was made from, and for each of these a function from my gradient to its share."""

    def __init__(self, data, parents=(), pulls=()):
        self.data = np.asarray(data, dtype=np.float64)
        self.parents, self.pulls, self.grad = parents, pulls, None


def backward_arrays(loss):
    loss.grad = np.ones_like(loss.data)
    for node in reversed(topological_order(loss)):  # the same order as before
        for parent, pull in zip(node.parents, node.pulls, strict=True):
            share = pull(node.grad)
            parent.grad = share if parent.grad is None else parent.grad + share


def tanh(a):
    y = np.tanh(a.data)
    return Array(y, (a,), (lambda g: g * (1 - y * y),))


def total(a):
    return Array(a.data.sum(), (a,), (lambda g: g * np.ones_like(a.data),))


# %% [markdown]
# And the check, for any operation: weigh its outputs with random numbers to get a single one, and compare our gradient
# with `lilllm`'s `numeric_gradient`, which takes central differences element by element (exercise 5 is to write it).


# %%
def right(operation, *inputs):
    """Whether ``operation`` pulls gradients back as difference quotients say."""
    rng = np.random.default_rng(0)
    arrays = [Array(x) for x in inputs]
    y = operation(*arrays)
    weigh = rng.normal(size=y.data.shape)
    backward_arrays(total(Array(y.data * weigh, (y,), (lambda g: g * weigh,))))
    for at, array in enumerate(arrays):

        def loss(x, at=at):
            changed = [Array(x) if i == at else Array(one.data) for i, one in enumerate(arrays)]
            return float((operation(*changed).data * weigh).sum())

        if np.abs(autograd.numeric_gradient(loss, array.data) - array.grad).max() > 1e-7:
            return False
    return True


rng = np.random.default_rng(3)
assert right(tanh, rng.normal(size=(3, 4)))  # @stepover
wrong_tanh = lambda a: Array(np.tanh(a.data), (a,), (lambda g: g * (1 - np.tanh(a.data)),))  # noqa: E731
assert not right(wrong_tanh, rng.normal(size=(3, 4)))  # a forgotten square is found  @stepover

# %% [markdown]
# ### Broadcasting, and its way back
#
# A bias $b$ of shape $(C)$ is added to each row of $A$, of shape $(B, C)$. NumPy stretches $b$ as if it were copied
# $B$ times:
#
# $$y_{ij} = a_{ij} + b_j$$
#
# How does the loss depend on one $b_j$? It is used in every row $i$, so it reaches the loss by $B$ paths, and paths
# add up:
#
# $$\bar{b}_j = \sum_i \bar{y}_{ij} \frac{\partial y_{ij}}{\partial b_j} = \sum_i \bar{y}_{ij} \cdot 1$$
#
# What was copied on the way forward is summed on the way back. So the gradient of a broadcast input is summed over
# every axis that was added on the left, and over every axis where a 1 was stretched. If that is forgotten, the
# gradient has the wrong shape; if NumPy then broadcasts *that*, you may not even see an error.


# %%
def undo_broadcast(g, shape):
    """Sum ``g`` over the axes along which an array of ``shape`` was repeated."""
    while g.ndim > len(shape):
        g = g.sum(axis=0)  # axes that were added on the left
    for axis, size in enumerate(shape):
        if size == 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


def add(a, b):
    return Array(
        a.data + b.data,
        (a, b),
        (lambda g: undo_broadcast(g, a.data.shape), lambda g: undo_broadcast(g, b.data.shape)),
    )


def multiply(a, b):
    return Array(
        a.data * b.data,
        (a, b),
        (lambda g: undo_broadcast(g * b.data, a.data.shape), lambda g: undo_broadcast(g * a.data, b.data.shape)),
    )


for one, other in [((2, 3), (3,)), ((2, 3), (2, 1)), ((3,), ()), ((4, 1, 3), (2, 1))]:
    g = rng.normal(size=np.broadcast_shapes(one, other))
    assert np.allclose(undo_broadcast(g, other), autograd.unbroadcast(g, other))  # @stepover
    for operation in (add, multiply):
        assert right(operation, rng.normal(size=one), rng.normal(size=other))  # @stepover

# %% [markdown]
# ### Matrix product
#
# Before the derivation, a guess at what it will cost:

# %%
price = predict(
    "A network with n weights. The loss costs one forward pass. What do all n derivatives cost, by backpropagation?",
    choices=["about 2 forward passes", "about 10 forward passes", "about log n forward passes", "n forward passes"],
)
price

# %% [markdown]
# $Y = A B$, with $A$ of shape $(m, k)$ and $B$ of shape $(k, n)$. One element:
#
# $$y_{ij} = \sum_{r} a_{ir}\, b_{rj}$$
#
# Which outputs does $a_{ir}$ touch? Those of its row $i$, each column $j$ of them once, with the factor $b_{rj}$. So
#
# $$\bar{a}_{ir} = \sum_j \bar{y}_{ij}\, \frac{\partial y_{ij}}{\partial a_{ir}} = \sum_j \bar{y}_{ij}\, b_{rj}$$
#
# That is a sum over a shared index, so it is a matrix product again: row $i$ of $\bar{Y}$ with row $r$ of $B$. In the
# same way $b_{rj}$ touches column $j$, with the factors $a_{ir}$:
#
# $$\bar{b}_{rj} = \sum_i a_{ir}\, \bar{y}_{ij}$$
#
# Written as matrices:
#
# $$\bar{A} = \bar{Y} B^\top \qquad \bar{B} = A^\top \bar{Y}$$
#
# To remember it, look at the shapes: $(m, n)$ times $(n, k)$ is the only product of these that has the shape of $A$.
# And note what must be kept: the derivative by $B$ needs $A$, and that by $A$ needs $B$. Section 10 is about that.


# %%
def matmul(a, b):
    return Array(a.data @ b.data, (a, b), (lambda g: g @ b.data.T, lambda g: a.data.T @ g))


assert right(matmul, rng.normal(size=(3, 4)), rng.normal(size=(4, 2)))  # @stepover

# %% [markdown]
# So one product on the way forward makes two on the way back, each with as many multiplications. Networks consist of
# matrix products, to which all else adds little. `count`, from lecture 02, counts the FLOPs of what torch does:

# %%
net = nn.Sequential(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 10))
with count() as forward_work:
    loss = net(torch.zeros(32, 64, requires_grad=True)).sum()
with count() as backward_work:
    loss.backward()  # @stepover
ratio = backward_work.flops / forward_work.flops
print(f"{sum(one.numel() for one in net.parameters()):,} weights; backward / forward = {ratio:.2f}")
assert 1.9 < ratio < 2.1
price.reveal("about 2 forward passes")

# %% [markdown]
# Two, and not one a weight. (Baydin and others 2018 tell the history: the idea was found several times, by Linnainmaa
# in 1970 for rounding errors, and made known for networks by Rumelhart, Hinton and Williams in 1986.)
#
# ### Softmax
#
# A network that chooses between $V$ classes puts out $V$ numbers, the ***logits***. ***Softmax*** makes probabilities
# of them:
#
# $$p_i = \frac{e^{x_i}}{S}, \qquad S = \sum_k e^{x_k}$$
#
# Each $p_i$ depends on every $x_j$, so the Jacobian is full. The quotient rule, first for $i = j$, where $x_j$ stands
# above and below, then for $i \ne j$, where it stands below only:
#
# $$\frac{\partial p_i}{\partial x_i} = \frac{e^{x_i} S - e^{x_i} e^{x_i}}{S^2} = p_i - p_i^2, \qquad
#   \frac{\partial p_i}{\partial x_j} = \frac{0 - e^{x_i} e^{x_j}}{S^2} = -p_i p_j$$
#
# Both in one line, with $\delta_{ij}$ being 1 for $i = j$ and else 0:
# $\frac{\partial p_i}{\partial x_j} = p_i (\delta_{ij} - p_j)$. Put it into the sum of the vector-Jacobian product:
#
# $$\bar{x}_j = \sum_i \bar{p}_i\, p_i (\delta_{ij} - p_j) = \bar{p}_j p_j - p_j \sum_i \bar{p}_i p_i
#   = p_j \Big( \bar{p}_j - \sum_i \bar{p}_i p_i \Big)$$
#
# The sum in brackets is one number a row, the average of $\bar{p}$ under $p$. No matrix is left, and the result adds
# up to 0: raising all logits alike changes nothing.


# %%
def softmax(x):
    e = np.exp(x.data - x.data.max(axis=-1, keepdims=True))  # the same p, and exp cannot overflow
    p = e / e.sum(axis=-1, keepdims=True)
    return Array(p, (x,), (lambda g: p * (g - (g * p).sum(axis=-1, keepdims=True)),))


logits = rng.normal(size=(3, 5))
assert right(softmax, logits)  # @stepover
y = softmax(Array(logits))
p, g = y.data[0], rng.normal(size=5)
jacobian = np.diag(p) - np.outer(p, p)  # of the first row, written out for once  @inspect jacobian
assert np.allclose(y.pulls[0](np.tile(g, (3, 1)))[0], g @ jacobian)
assert np.allclose(jacobian.sum(axis=0), 0)

# %% [markdown]
# ### Cross-entropy
#
# The loss of a choice is the ***cross-entropy***: minus the logarithm of the probability of the right class $t$. Taken
# together with the softmax it gets simpler, not harder. The logarithm of the quotient is a difference:
#
# $$L = -\log p_t = -\log \frac{e^{x_t}}{S} = \log S - x_t$$
#
# $$\frac{\partial L}{\partial x_j} = \frac{1}{S} \frac{\partial S}{\partial x_j} - \delta_{tj}
#   = \frac{e^{x_j}}{S} - \delta_{tj} = p_j - \delta_{tj}$$
#
# What the model said, minus what was true. It is the most used derivative in this course. (Lecture 01 used it on
# credit, when it trained the model with the glitch token.) For the mean over $N$ rows, divide by $N$.
#
# There is a second reason to keep the two together: numbers. A probability that is rounded to 0 has no logarithm.


# %%
def cross_entropy(x, targets):
    """Mean over the rows of -log softmax(x)[target]."""
    shifted = x.data - x.data.max(axis=-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))  # (N, V)
    rows = np.arange(len(targets))

    def pull(g):
        slope = np.exp(log_p)
        slope[rows, targets] -= 1
        return g * slope / len(targets)

    return Array(-log_p[rows, targets].mean(), (x,), (pull,))


targets = np.array([0, 4, 2])
assert right(lambda x: cross_entropy(x, targets), logits)  # @stepover
far = np.array([[0.0, 1000.0]])
with np.errstate(divide="ignore"):
    print("apart:", -np.log(softmax(Array(far)).data[0, 0]), " together:", cross_entropy(Array(far), [0]).data)
assert cross_entropy(Array(far), [0]).data == 1000
assert math.isclose(cross_entropy(Array(np.zeros((1, 10))), [3]).data, math.log(10))  # ten classes, no idea

# %% [markdown]
# ### Layer norm
#
# The last one is the longest. ***Layer normalization*** (Ba, Kiros and Hinton 2016) takes each row by itself,
# subtracts its mean and divides by its standard deviation, so that the next layer always gets numbers of the same
# size:
#
# $$n_i = \frac{x_i - \mu}{s}, \qquad \mu = \frac{1}{C} \sum_k x_k, \qquad
#   s = \sqrt{\frac{1}{C} \sum_k (x_k - \mu)^2 + \epsilon}$$
#
# Every $n_i$ depends on every $x_j$, in three ways: directly, by the mean, and by $s$. The two statistics first. For
# $s$, differentiate $s^2$; the part by way of $\mu$ falls out, since deviations from the mean add up to 0:
#
# $$\frac{\partial \mu}{\partial x_j} = \frac{1}{C}, \qquad
#   2 s\, \frac{\partial s}{\partial x_j} = \frac{2}{C} (x_j - \mu)
#   \;\Rightarrow\; \frac{\partial s}{\partial x_j} = \frac{1}{C} \frac{x_j - \mu}{s} = \frac{n_j}{C}$$
#
# Now the quotient rule on $n_i$:
#
# $$\frac{\partial n_i}{\partial x_j} = \frac{\delta_{ij} - \frac{1}{C}}{s} - \frac{x_i - \mu}{s^2} \frac{n_j}{C}
#   = \frac{1}{s} \Big( \delta_{ij} - \frac{1}{C} - \frac{n_i n_j}{C} \Big)$$
#
# And the sum over $i$ with $\bar{n}_i$, term by term:
#
# $$\bar{x}_j = \frac{1}{s} \Big( \bar{n}_j - \frac{1}{C} \sum_i \bar{n}_i - n_j \frac{1}{C} \sum_i \bar{n}_i n_i
#   \Big)$$
#
# In words: take the gradient, take out its mean, take out its part along $n$, divide by $s$. It could not be
# otherwise. To shift a row, or to stretch it, changes nothing after the norm, so the gradient has no part in these two
# directions. That makes two fine checks, beside the numeric one.


# %%
def layer_norm(x, eps=1e-5):
    mu = x.data.mean(axis=-1, keepdims=True)
    s = np.sqrt(x.data.var(axis=-1, keepdims=True) + eps)
    n = (x.data - mu) / s

    def pull(g):
        return (g - g.mean(axis=-1, keepdims=True) - n * (g * n).mean(axis=-1, keepdims=True)) / s

    return Array(n, (x,), (pull,))


x = rng.normal(2, 3, size=(4, 6))
assert right(layer_norm, x)  # @stepover
y = layer_norm(Array(x))
slope = y.pulls[0](rng.normal(size=(4, 6)))  # @inspect slope
assert np.allclose(slope.sum(axis=-1), 0)
assert np.allclose((slope * y.data).sum(axis=-1), 0, atol=1e-5)  # to epsilon, which spoils it a little

# %% [markdown]
# All of it must equal `lilllm.autograd`, and torch, on one input:

# %%
gain, bias = rng.normal(size=6), rng.normal(size=6)
ours, package = Array(x), autograd.Array(x)
theirs = torch.tensor(x, requires_grad=True)
targets = np.array([5, 0, 3, 3])
backward_arrays(cross_entropy(add(multiply(layer_norm(ours), Array(gain)), Array(bias)), targets))  # @stepover
normed = autograd.layer_norm(package, autograd.Array(gain), autograd.Array(bias))  # @stepover
autograd.cross_entropy(normed, targets).backward()  # @stepover
normed = F.layer_norm(theirs, (6,), torch.tensor(gain), torch.tensor(bias))
F.cross_entropy(normed, torch.tensor(targets)).backward()
assert np.allclose(ours.grad, package.grad, rtol=1e-10, atol=1e-12)
assert np.allclose(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)
assert ours.data is x  # whoever writes to x now spoils our graph; the package's has a copy, which is read-only
assert not package.data.flags.writeable

# %% [markdown]
# ## 7. A network, step for step with torch
#
# Agreement in one gradient is good; agreement in three hundred steps of training is better, since every error is fed
# back into the next step. The task: handwritten digits of 8 by 8 pixels, with ten classes. The network: a linear
# layer, layer norm, tanh, a linear layer. The training: batches of 64, and a step against the gradient.

# %%
train, test = digits("train"), digits("test")
X, t = train.images.numpy().reshape(-1, 64).astype(np.float64), train.labels.numpy()
X_test, t_test = test.images.numpy().reshape(-1, 64).astype(np.float64), test.labels.numpy()
rng = np.random.default_rng(0)
start = {
    "w1": rng.normal(0, 1 / 8, (64, 32)),
    "b1": np.zeros(32),
    "w2": rng.normal(0, 1 / 32**0.5, (32, 10)),
    "b2": np.zeros(10),
}
batches = [rng.integers(0, len(X), 64) for _ in range(300)]
print(f"{len(X)} digits to learn from, {len(X_test)} held out; {sum(one.size for one in start.values()):,} weights")

fig, axes = plt.subplots(1, 8, figsize=(7, 1.1))
for ax, image, label in zip(axes, train.images, train.labels, strict=False):
    ax.imshow(image, cmap="Blues")
    ax.set_title(int(label), fontsize=9)
    ax.axis("off")
plt.show()


# %%
def network(x, w1, b1, w2, b2):
    """Logits (B, 10) of a batch of digits (B, 64)."""
    hidden = tanh(layer_norm(add(matmul(x, w1), b1)))
    return add(matmul(hidden, w2), b2)


def train_ours(start, batches, lr=0.5):
    weights, losses = dict(start), []
    for batch in batches:
        nodes = {name: Array(one) for name, one in weights.items()}  # new ones: no old gradients
        loss = cross_entropy(network(Array(X[batch]), **nodes), t[batch])
        backward_arrays(loss)
        weights = {name: one.data - lr * one.grad for name, one in nodes.items()}
        losses.append(float(loss.data))
    return weights, losses


def train_torch(start, batches, lr=0.5):
    weights, losses = {name: torch.tensor(one, requires_grad=True) for name, one in start.items()}, []
    for batch in batches:
        x, target = torch.tensor(X[batch]), torch.tensor(t[batch])
        hidden = torch.tanh(F.layer_norm(x @ weights["w1"] + weights["b1"], (32,)))
        loss = F.cross_entropy(hidden @ weights["w2"] + weights["b2"], target)
        for one, slope in zip(weights.values(), torch.autograd.grad(loss, list(weights.values())), strict=True):
            one.data -= lr * slope
        losses.append(loss.item())
    return losses


# %%
trained, our_losses = train_ours(start, batches)  # @stepover
assert np.abs(np.subtract(our_losses, train_torch(start, batches))).max() < 1e-6  # @stepover
answers = network(Array(X_test), **{name: Array(one) for name, one in trained.items()}).data.argmax(axis=1)
accuracy = (answers == t_test).mean()
print(f"held-out digits named right: {accuracy:.0%}")
assert our_losses[0] > 2
assert accuracy > 0.85

fig, ax = plt.subplots(figsize=(7, 3))
ax.plot(our_losses, color=BLUE, marker="", label="this lecture, on NumPy")
ax.plot(range(0, 300, 15), our_losses[::15], color=RED, marker="o", linestyle="", fillstyle="none", label="torch")
ax.axhline(math.log(10), color=figures.GREY, linestyle=":", label="no idea: log 10")
ax.set_xlabel("step")
ax.set_ylabel("loss of the batch (nats)")
ax.legend()
plt.show()

# %% [markdown]
# The two curves are one, to the sixth digit and beyond, over 300 steps. So torch's autograd is no magic: it is this
# graph, this order and these formulas, with faster insides. Count what one step leaves behind: a dozen nodes here;
# with a `Value` for each number it would have been hundreds of thousands.

# %%
nodes = {name: Array(one) for name, one in start.items()}
loss = cross_entropy(network(Array(X[:64]), **nodes), t[:64])
n_arrays = len(topological_order(loss))
n_numbers = 64 * (64 * 32 * 2 + 32 * 10 * 2)  # one node for each multiplication and addition of the two products
print(f"{n_arrays} nodes of arrays; with single numbers, more than {n_numbers:,}")
assert n_arrays == 12

# %% [markdown]
# ### Broken on purpose
#
# Another program that runs without an error. Its symptom:

# %%
cut = museum.case("03_cut_graph")
cut

# %%
both_losses(cut)  # @stepover

# %% [markdown]
# It does learn, only not as well as it could. Which weights moved, and which did not? Look in the trace for the values
# that have a graph behind them, and for the first one that has none.

# %%
cut.reveal()

# %% [markdown]
# ## 8. How large should the weights be at the start?
#
# The chain rule multiplies. Through 20 layers, 20 factors: if each is a little below 1, the product is nearly nothing,
# and if each is a little above, it is huge. This holds for the signal on the way forward and for the gradient on the
# way back, and it is decided before the first step, by the size of the random weights.
#
# One unit computes $z = \sum_i w_i x_i$ over $n_{\text{in}}$ inputs. Let the weights be independent, with mean 0. Then
# the terms are uncorrelated, and variances add up:
#
# $$\text{Var}(z) = \sum_i \text{Var}(w_i x_i) = n_{\text{in}}\, \text{Var}(w)\, E[x^2]$$
#
# So the signal keeps its size if $\text{Var}(w) = 1/n_{\text{in}}$. On the way back, $\bar{x}_i = \sum_j w_{ij}
# \bar{z}_j$ is a sum over the $n_{\text{out}}$ units that use $x_i$, and the same argument wants
# $\text{Var}(w) = 1/n_{\text{out}}$. Glorot and Bengio (2010) take the middle, known by the first author's first name
# as ***Xavier initialisation***:
#
# $$\text{Var}(w) = \frac{2}{n_{\text{in}} + n_{\text{out}}}$$
#
# They draw from a uniform distribution on $[-a, a]$. Its variance is
#
# $$\int_{-a}^{a} x^2\, \frac{1}{2a}\, dx = \frac{1}{2a} \cdot \frac{2 a^3}{3} = \frac{a^2}{3}
#   \;\Rightarrow\; a = \sqrt{\frac{6}{n_{\text{in}} + n_{\text{out}}}}$$

# %%
n_in, n_out = 300, 100
a = math.sqrt(6 / (n_in + n_out))
assert math.isclose(a**2 / 3, 2 / (n_in + n_out))
by_torch = nn.init.xavier_uniform_(torch.empty(n_out, n_in), generator=torch.Generator().manual_seed(0))
assert by_torch.abs().max() <= a
ours = autograd.xavier_uniform(n_in, n_out, np.random.default_rng(0))
assert np.abs(ours).max() <= a
assert abs(ours.var() / (a**2 / 3) - 1) < 0.02  # 30,000 draws: the variance is known to about 0.5 %
assert abs(by_torch.var().item() / (a**2 / 3) - 1) < 0.02
print(f"a = {a:.4f}, variance a²/3 = {a**2 / 3:.4f}; torch's draws have {by_torch.var().item():.4f}")

# %% [markdown]
# Now see it. A stack of 20 layers of 128 units, random weights with variance $\text{gain}^2 / 128$, and a batch of
# random inputs. We look at the output of each layer, and then send a random gradient back from the top.

# %%
WIDTH, DEPTH = 128, 20
ACTIVATIONS = {
    "tanh": (np.tanh, lambda h: 1 - h * h),
    "relu": (lambda z: np.maximum(z, 0), lambda h: (h > 0).astype(float)),
}


def signals(gain, activation="tanh", norm=None):
    """Outputs of each layer on the way up, and gradients of each on the way down, at the first step."""
    rng = np.random.default_rng(0)
    act, slope = ACTIVATIONS[activation]
    weights = [rng.normal(0, gain / WIDTH**0.5, (WIDTH, WIDTH)) for _ in range(DEPTH)]
    outputs, pulls = [rng.normal(size=(256, WIDTH))], []
    for w in weights:
        z = outputs[-1] @ w
        z, pull = norm(z) if norm else (z, lambda g: g)
        pulls.append(pull)
        outputs.append(act(z))
    gradients = [rng.normal(size=(256, WIDTH))]
    for w, h, pull in zip(reversed(weights), reversed(outputs[1:]), reversed(pulls), strict=True):
        gradients.append(pull(gradients[-1] * slope(h)) @ w.T)
    return outputs, gradients[::-1]


def size(x):
    """Root of the mean square: the typical size of a number in ``x``."""
    return float(np.sqrt((x**2).mean()))


# %%
GAINS = {"too small (0.5)": 0.5, "right (1)": 1.0, "too large (4)": 4.0}
seen = {name: signals(gain) for name, gain in GAINS.items()}  # @stepover

fig, axes = plt.subplots(3, 5, figsize=(7.4, 4.6), sharex=True)
for row, (name, (outputs, _)) in zip(axes, seen.items(), strict=True):
    for ax, layer in zip(row, (1, 5, 10, 15, 20), strict=True):
        ax.hist(outputs[layer].ravel(), bins=np.linspace(-1, 1, 41), color=BLUE)
        ax.set_yticks([])
    row[0].set_ylabel(name, fontsize=9)
for ax, layer in zip(axes[0], (1, 5, 10, 15, 20), strict=True):
    ax.set_title(f"layer {layer}", fontsize=9)
fig.supxlabel("output of a unit (tanh)", fontsize=10, color=figures.GREY)
plt.show()
assert size(seen["too small (0.5)"][0][-1]) < 1e-5
assert size(seen["right (1)"][0][-1]) > 0.1
saturated = (np.abs(seen["too large (4)"][0][-1]) > 0.97).mean()
print(f"too large: {saturated:.0%} of the last layer's outputs are beyond 0.97")
assert saturated > 0.4

# %% [markdown]
# - **Too small**: the signal halves at each layer. After 20 of them every output is 0 to six digits, whatever came in.
# - **Right**: the outputs get a little narrower, since tanh always takes a little away, but after 20 layers there is
#   still something there.
# - **Too large**: most units sit at $-1$ or $+1$. This is ***saturation***. There tanh is flat, $1 - h^2$ is nearly 0,
#   and what the unit's weights do hardly matters.
#
# What about the way back? Saturated units pass little on, but large weights blow up what does pass:


# %%
def draw_sizes(ax, sizes, title, ylabel):
    for (name, values), style in zip(sizes.items(), figures.line_styles(len(sizes)), strict=True):
        ax.semilogy(range(len(values)), values, label=name, markevery=4, **style)
    ax.set(title=title, xlabel="layer", ylabel=ylabel)


fig, (left, right_side) = plt.subplots(1, 2, figsize=(7.4, 3.4))
draw_sizes(left, {name: [size(h) for h in up] for name, (up, _) in seen.items()}, "way up", "size of the outputs")
draw_sizes(
    right_side, {name: [size(g) for g in down] for name, (_, down) in seen.items()}, "way down", "size of the gradient"
)
left.legend(fontsize=9)
plt.show()
down = {name: size(gradients[0]) for name, (_, gradients) in seen.items()}
assert down["too small (0.5)"] < 1e-5
assert 0.05 < down["right (1)"] < 2
assert down["too large (4)"] > 100

# %% [markdown]
# The left picture is read from left to right, the right one from right to left: the gradient starts at layer 20 with
# size 1. Too small, and the first layers hear nothing: ***vanishing gradients***. Too large, and they are thrown
# about: ***exploding gradients***. A learning rate that suits the last layer suits none of the others.
#
# ### ReLU needs twice as much
#
# Many networks use relu, $\max(0, z)$. What does Xavier's choice do there?

# %%
fading = predict(
    "20 layers of relu, weights with variance 1/n. How many times smaller is the signal at the top (typical size)?",
    choices=["about the same", "about 20 times", "about 1,000 times", "about a million times"],
)
fading

# %% [markdown]
# Relu throws away the negative half. If $z$ is as often positive as negative, with the same distribution on both
# sides, half of its mean square is lost:
#
# $$E[\max(0, z)^2] = \tfrac{1}{2} E[z^2] = \tfrac{1}{2} \text{Var}(z)$$
#
# Put that into the formula for the next layer: $\text{Var}(z') = n_{\text{in}} \text{Var}(w) \cdot \frac{1}{2}
# \text{Var}(z)$. With $\text{Var}(w) = 1/n_{\text{in}}$ the variance halves at each layer, and the size shrinks by
# $\sqrt{1/2}$: after 20 layers by $2^{10} = 1024$. To keep it, the weights must make up for the half that is lost.
# This is ***He initialisation*** (He and others 2015):
#
# $$\text{Var}(w) = \frac{2}{n_{\text{in}}}, \qquad \text{standard deviation } \sqrt{2 / n_{\text{in}}}$$

# %%
relu_sizes = {
    name: signals(gain, "relu") for name, gain in {"1/n (Xavier)": 1.0, "2/n (He)": 2**0.5}.items()
}  # @stepover
fig, (left, right_side) = plt.subplots(1, 2, figsize=(7.4, 3.2))
draw_sizes(left, {name: [size(h) for h in up] for name, (up, _) in relu_sizes.items()}, "way up", "size of the outputs")
draw_sizes(
    right_side,
    {name: [size(g) for g in down] for name, (_, down) in relu_sizes.items()},
    "way down",
    "size of gradient",
)
fading_line = [0.5 ** (k / 2) for k in range(DEPTH + 1)]
left.plot(fading_line, color=figures.GREY, linestyle=":", marker="", label="1/√2 a layer")
left.legend(fontsize=9)
plt.show()
shrunk = size(relu_sizes["1/n (Xavier)"][0][0]) / size(relu_sizes["1/n (Xavier)"][0][-1])
assert 300 < shrunk < 3000
assert 0.3 < size(relu_sizes["2/n (He)"][0][-1]) < 3
fading.reveal("about 1,000 times")

# %%
for n_in in (128, 512):
    by_torch = nn.init.kaiming_normal_(
        torch.empty(64, n_in), nonlinearity="relu", generator=torch.Generator().manual_seed(0)
    )
    assert abs(by_torch.std().item() / math.sqrt(2 / n_in) - 1) < 0.02  # Kaiming is He's first name

# %% [markdown]
# (Networks with residual connections, from lecture 07 on, add each layer's output to its input. There the question
# returns in another form: a sum over layers grows with the depth.)
#
# ### Broken on purpose
#
# A third program, and again the symptom first:

# %%
dead = museum.case("03_dead_start")
dead

# %%
both_losses(dead)  # @stepover

# %% [markdown]
# Take the trace of the first step. Look at the outputs of the first layer, then at the gradients of its weights. What
# would they have to be for the loss to move?

# %%
dead.reveal()

# %% [markdown]
# ## 9. Batch norm: make it right at every layer, at every step
#
# Initialisation makes the sizes right at the first step; nothing keeps them right. ***Batch normalization*** (Ioffe
# and Szegedy 2015) forces them: for each unit, subtract its mean over the batch and divide by its standard deviation
# over the batch. Then a gain and a bias, both learned, so that the layer can undo it where it should.
#
# On paper that is layer norm turned by 90 degrees: statistics down a column of the batch instead of along a row. So
# the backward pass is already derived. With $B$ rows in the batch, for each unit by itself:
#
# $$\bar{x}_b = \frac{1}{s} \Big( \bar{n}_b - \frac{1}{B} \sum_c \bar{n}_c - n_b \frac{1}{B} \sum_c \bar{n}_c n_c
#   \Big)$$
#
# But one thing is new, and it is not in the formula. Row $b$ of the output depends on the *other rows*: on which
# examples happen to be in the batch. In training that is a little noise. In use it would be a scandal: the answer to
# one person would depend on who else is asking. So batch norm has two modes. In training it uses the statistics of the
# batch, and keeps a slow average of them, the ***running statistics***. In use (torch's `eval()`) it uses those, and
# each row is on its own.


# %%
class BatchNorm:
    """Without gain and bias. Returns the output and the function that pulls gradients back."""

    def __init__(self, width, momentum=0.1, eps=1e-5):
        self.mean, self.var = np.zeros(width), np.ones(width)  # running
        self.momentum, self.eps, self.training = momentum, eps, True

    def __call__(self, x):
        if not self.training:
            s = np.sqrt(self.var + self.eps)
            return (x - self.mean) / s, lambda g: g / s  # fixed numbers: nothing depends on other rows
        mean, var = x.mean(axis=0), x.var(axis=0)
        s = np.sqrt(var + self.eps)
        n = (x - mean) / s
        unbiased = var * len(x) / (len(x) - 1)  # as torch keeps it; in the output it divides by B
        self.mean += self.momentum * (mean - self.mean)
        self.var += self.momentum * (unbiased - self.var)
        return n, lambda g: (g - g.mean(axis=0) - n * (g * n).mean(axis=0)) / s


# %%
rng = np.random.default_rng(0)
x, g = rng.normal(1, 2, (16, 5)), rng.normal(size=(16, 5))
ours, theirs = BatchNorm(5), nn.BatchNorm1d(5, affine=False, dtype=torch.float64)
package = autograd.BatchNorm(5)
given = torch.tensor(x, requires_grad=True)
for training in (True, False):
    ours.training = theirs.training = package.training = training
    y, pull = ours(x)  # @inspect y
    wanted = theirs(given)
    (slope,) = torch.autograd.grad(wanted, given, torch.tensor(g))
    assert np.allclose(y, wanted.detach(), rtol=1e-9)
    assert np.allclose(y, package(autograd.Array(x)).data, rtol=1e-9)
    assert np.allclose(pull(g), slope, rtol=1e-9)
    assert np.allclose(ours.mean, theirs.running_mean, rtol=1e-12)
    assert np.allclose(ours.var, theirs.running_var, rtol=1e-12)
assert right(lambda a: Array(*(lambda y, pull: (y, (a,), (pull,)))(*BatchNorm(5)(a.data))), x)  # @stepover

# %% [markdown]
# The two modes, seen. The same example in two batches, with different companions:

# %%
alone = rng.normal(size=(1, 5))
crowds = [rng.normal(shift, 1, (15, 5)) for shift in (0, 3)]
for training in (True, False):
    ours.training = training
    answers = [ours(np.vstack([alone, crowd]))[0][0] for crowd in crowds]
    print("training:" if training else "in use:  ", "same answer" if np.allclose(*answers) else "another answer")
    assert np.allclose(*answers) is not training

# %% [markdown]
# Forget to switch, and you have a bug of this kind: fine in training, odd in use, worst with a batch of one, where the
# variance of a single number is 0. This, and that sequences have different lengths, is why language models normalise
# each token by itself: layer norm, or RMSNorm (lecture 07).
#
# Now the pictures of section 8, with batch norm between each product and its tanh:

# %%
with_norm = {name: signals(gain, norm=BatchNorm(WIDTH)) for name, gain in GAINS.items()}  # @stepover
with_norm["relu, He"] = signals(2**0.5, "relu", norm=BatchNorm(WIDTH))  # @stepover
fig, (left, right_side) = plt.subplots(1, 2, figsize=(7.4, 3.4))
draw_sizes(left, {name: [size(h) for h in up] for name, (up, _) in with_norm.items()}, "way up", "size of the outputs")
draw_sizes(
    right_side, {name: [size(g) for g in down] for name, (_, down) in with_norm.items()}, "way down", "size of gradient"
)
left.set_ylim(0.01, 10)
left.legend(fontsize=9)
plt.show()
tops = [size(with_norm[name][0][-1]) for name in GAINS]
assert max(tops) - min(tops) < 0.01  # what the gain was cannot be seen any more
growth = size(with_norm["relu, He"][1][1]) ** (1 / (DEPTH - 1))  # down to layer 1: below it there is no relu
print(f"with relu, gradients grow {growth:.2f} times a layer on the way down")
assert abs(growth - math.sqrt(math.pi / (math.pi - 1))) < 0.02

# %% [markdown]
# Three initialisations that differ by a factor of 8 give one curve: dividing by the standard deviation takes any
# common factor of the weights out. That is half of what batch norm does for training: it forgives.
#
# The right picture is a warning: gradients grow on the way down, for relu by a fifth at each layer. On the way back
# relu takes half of the mean square away. Batch norm divides by the variance of what it is given, and a relu's output
# $\max(0, z)$, with $z$ of variance 1, has the variance $\frac{1}{2} - \frac{1}{2 \pi}$: less than a half, as its
# mean is taken out as well. So the mean square changes by
#
# $$\frac{1}{2} \Big/ \Big( \frac{1}{2} - \frac{1}{2 \pi} \Big) = \frac{\pi}{\pi - 1} \approx 1.47
#   \;\text{a layer, the size by } \sqrt{1.47} \approx 1.21$$
#
# Yang and others (2019) show that this is so in general: in deep networks without residual connections batch norm
# itself makes gradients explode, whatever the variance of the weights.
#
# Turn the knobs yourself: the gain, the activation, the norm. What no still picture shows is how narrow the right
# place is, and how it widens when you switch the norm on.


# %%
def layers_picture(gain, activation, normed):
    up, down = signals(gain, activation, BatchNorm(WIDTH) if normed else None)
    fig, axes = plt.subplots(1, 3, figsize=(7.4, 2.8))
    span = max(1.0, 3 * size(up[-1])) if activation == "relu" else 1.0
    axes[0].hist(up[-1].ravel(), bins=np.linspace(-span, span, 41), color=BLUE)
    axes[0].set(title="outputs of layer 20", yticks=[], xlabel="output")
    axes[1].semilogy(np.maximum([size(h) for h in up], 1e-12), color=BLUE, marker="")
    axes[1].set(title="size, way up", xlabel="layer", ylim=(1e-7, 1e7))
    axes[2].semilogy(np.maximum([size(g) for g in down], 1e-12), color=RED, marker="", linestyle="--")
    axes[2].set(title="gradient, way down", xlabel="layer", ylim=(1e-7, 1e7))
    return picture(fig)


knobs = {
    "gain": widgets.FloatSlider(value=1.0, min=0.3, max=4.0, step=0.1, description="gain"),
    "activation": widgets.ToggleButtons(options=["tanh", "relu"], description="activation"),
    "normed": widgets.Checkbox(value=False, description="batch norm"),
}
panel = widgets.Image(value=layers_picture(1.0, "tanh", False), format="png")  # @stepover


def turned(_):
    panel.value = layers_picture(**{name: knob.value for name, knob in knobs.items()})


# %%
for knob in knobs.values():
    knob.observe(turned, names="value")
display(Image(panel.value))
display(widgets.VBox([*knobs.values(), panel]))
before = panel.value
knobs["gain"].value = 2.5  # as if you had turned it  @stepover
assert panel.value != before
knobs["gain"].value = 1.0  # @stepover
assert panel.value == before

# %% [markdown]
# ### Does it help to learn? And why?
#
# An experiment. Ten hidden layers of 32 tanh units on the digits, 200 steps, with the three gains, without and with
# batch norm. The title of the paper names a reason: less *internal covariate shift*, that is, each layer no longer
# has to follow the changing distribution of what the layers below send it. Santurkar and others (2018) tested that
# reason: they shifted and stretched the outputs of batch norm at random, anew at each step, so that the distribution
# moved more than ever. We do so in a third column, with one shift and one stretch for each unit and step (theirs
# differed from row to row as well).


# %%
def deep_accuracy(gain, norm=False, shake=0.0):
    """Held-out accuracy of ten hidden layers after 200 steps."""
    rng = np.random.default_rng(0)
    sizes = [64] + [32] * 10 + [10]
    ws = [rng.normal(0, gain / a**0.5, (a, b)) for a, b in pairwise(sizes)]
    ws[-1] = rng.normal(0, 1 / 32**0.5, (32, 10))
    norms = [BatchNorm(32) for _ in ws[:-1]]
    for batch in [rng.integers(0, len(X), 64) for _ in range(200)]:
        nodes = [Array(w) for w in ws]
        h = Array(X[batch])
        for w, bn in zip(nodes, norms, strict=False):
            h = matmul(h, w)
            if norm:
                n, pull = bn(h.data)
                h = Array(n, (h,), (pull,))
            if shake:
                stretch = Array(np.exp(shake * rng.normal(size=32)))
                h = add(multiply(h, stretch), Array(shake * rng.normal(size=32)))
            h = tanh(h)
        backward_arrays(cross_entropy(matmul(h, nodes[-1]), t[batch]))
        ws = [node.data - 0.1 * node.grad for node in nodes]
    h = X_test
    for w, bn in zip(ws, norms, strict=False):
        bn.training = False
        h = np.tanh(bn(h @ w)[0] if norm else h @ w)
    return ((h @ ws[-1]).argmax(axis=1) == t_test).mean()


rows, found = [], {}
for name, gain in GAINS.items():
    found[name] = [deep_accuracy(gain), deep_accuracy(gain, True), deep_accuracy(gain, True, 0.5)]  # @stepover
    rows.append([name, *(f"{one:.0%}" for one in found[name])])
table(["gain", "plain", "batch norm", "batch norm, shaken"], rows)

# %%
assert all(normed > plain + 0.02 for plain, normed, _ in found.values())
assert all(shaken > 0.5 for _, _, shaken in found.values())
assert found["too small (0.5)"][0] < 0.2
assert found["too large (4)"][0] < 0.4

w, g = rng.normal(size=(5, 4)), rng.normal(size=(16, 4))
slopes = [x.T @ BatchNorm(4)(x @ (scale * w))[1](g) for scale in (1, 4)]  # dL/dW for W and for 4 W
assert np.allclose(slopes[0], 4 * slopes[1], rtol=1e-3)

# %% [markdown]
# With batch norm all three starts learn, also the two that hardly do without it. (The large one learns most slowly.
# The output does not change when $W$ grows four times, so the gradient gets four times smaller, as the last lines
# assert, and a step turns weights that are four times larger by a sixteenth.) And shaken, which brings back the
# shifting that batch norm is said to cure, they still learn, far better than without. So the name of the cure is not
# its reason: **"internal covariate shift" is disputed**. Santurkar and others propose instead that batch norm makes
# the loss smoother, so that a step along the gradient keeps its promise for longer. Our table is no proof of that
# either; it shows what a reason must survive.
#
# ## 10. What the backward pass costs in memory, and how to pay with computing
#
# We said that the trail is kept. What is on it? Whatever a pull needs:
#
# - the sum: nothing;
# - the matrix product $Y = A B$: both factors, so the *input* of every layer;
# - tanh: its output; GELU, the smooth relu of GPT: its input;
# - layer norm: $n$, or $x$ and the two statistics.
#
# These are the ***activations***, and all of them stay until the backward pass comes by, the first layer's longest.
# Take the block of the napkin question, on a small scale. `saved_by` asks torch's autograd what it keeps:


# %%
class Block(nn.Module):
    """The feed-forward half of a transformer layer."""

    def __init__(self, d_model):
        super().__init__()
        self.norm = nn.LayerNorm(d_model)
        self.up, self.down = nn.Linear(d_model, 4 * d_model), nn.Linear(4 * d_model, d_model)

    def forward(self, x):  # (N, C), N tokens
        return x + self.down(F.gelu(self.up(self.norm(x))))


C, N = 64, 128
x = torch.zeros(N, C)
keeps = {"norm: input, mean, 1/s": C + 2, "up: input": C, "GELU: input": 4 * C, "down: input": 4 * C, "sum": 0}
for depth in (1, 2, 4, 8):
    blocks = nn.Sequential(*(Block(C) for _ in range(depth)))
    assert saved_by(blocks, x) == 4 * N * depth * sum(keeps.values())  # 4 bytes a number  @stepover
table(["kept by a block", "numbers a token"], [*keeps.items(), ("together, 10 C + 2", sum(keeps.values()))])

# %% [markdown]
# To the byte: ten times the width for each token and block, growing with the depth. Each number of it is used once,
# long after it was made.
#
# The way out (Chen and others 2016; known before in numerical analysis) is to throw most of it away and compute it
# again when it is needed. Keep the input of every $k$-th layer, a *checkpoint*. On the way back, take a checkpoint,
# run the $k$ layers behind it again, keep what *they* leave, walk back through them, and drop it all. This is
# ***activation checkpointing***. On a chain of layers in NumPy it is short. We count the arrays that are held at one
# time, and the runs of a layer:


# %%
def chain_gradient(weights, x, k):
    """Gradient of the sum of tanh(... tanh(x W1) ... WL) by x; the most arrays held, and the runs of a layer."""
    kept, held, runs = {0: x}, 0, 0
    for i, w in enumerate(weights):
        x, runs = np.tanh(x @ w), runs + 1
        if (i + 1) % k == 0 and i + 1 < len(weights):
            kept[i + 1] = x  # a checkpoint: all others are dropped
    g = np.ones_like(x)
    for first in reversed(range(0, len(weights), k)):
        part = weights[first : first + k]
        inside = [kept.pop(first)]  # @inspect first
        for w in part:
            inside.append(np.tanh(inside[-1] @ w))
        runs += len(part)
        held = max(held, len(kept) + len(inside))
        for w in reversed(part):
            h = inside.pop()
            g = (g * (1 - h * h)) @ w.T
    return g, held, runs


# %%
L = 36
rng = np.random.default_rng(0)
chain_weights = [rng.normal(0, 1 / 4, (16, 16)) for _ in range(L)]
x = rng.normal(size=(8, 16))
parts = [k for k in range(1, L + 1) if L % k == 0]
results = {k: chain_gradient(chain_weights, x, k) for k in parts}  # @stepover
assert all(np.array_equal(g, results[L][0]) for g, _, _ in results.values())  # the same gradient, to the bit
held = {k: held for k, (_, held, _) in results.items()}
best = min(held, key=held.get)
print(f"one part: {held[L]} arrays; parts of {best}: {held[best]}; layers run {results[best][2]} times instead of {L}")
assert all(arrays == L // k + k for k, arrays in held.items())
assert best == math.isqrt(L)

fig, ax = plt.subplots(figsize=(7, 3.4))
ax.plot(held.keys(), held.values(), color=BLUE, marker="o", linestyle="", zorder=3, label="held at once, counted")
smooth = np.linspace(1, L, 400)
ax.plot(smooth, L / smooth + smooth, color=figures.GREY, linestyle="-", marker="", label="L/k + k")
ax.axhline(L + 1, color=RED, linestyle="--", marker="", label="without checkpoints")
ax.set(xlabel="layers in a part, k", ylabel="arrays", ylim=(0, 41))
ax.legend()
plt.show()

# %% [markdown]
# Every point gives the same gradient, to the bit. The memory is the sum of two things: the $L/k$ checkpoints, and the
# $k$ layers of one part. Many short parts cost checkpoints, few long parts cost the inside. The sum is least where its
# derivative is zero:
#
# $$\frac{d}{dk} \Big( \frac{L}{k} + k \Big) = -\frac{L}{k^2} + 1 = 0 \;\Rightarrow\; k = \sqrt{L}$$
#
# and there it is $2 \sqrt{L}$: 12 for 36 layers, and 200 for 10,000. The price does not depend on $k$: each layer is
# run forward twice. (It is not quite fair to count the last part, which could be kept and not computed again. torch
# does not do that either.)
#
# `lilllm.autograd` has it too, and `LiveBytes` weighs what its graph holds. There a layer leaves two arrays, the
# product and its tanh, so a part of $k$ layers holds $2k$, and $L/k + 2k$ is least at $\sqrt{L/2}$, a little above 4:


# %%
def tanh_layer(w, h):
    return (h @ w).tanh()


layers = [partial(tanh_layer, autograd.Array(w)) for w in chain_weights]
weighed = {}
for k in (1, 2, 3, 4, 6, 12, 36):
    start_array = autograd.Array(x)
    with autograd.LiveBytes() as memory:
        autograd.chain(layers, start_array, L // k).sum().backward()  # @stepover
    weighed[k] = memory.peak / x.nbytes  # in arrays of the size of x
    assert np.allclose(start_array.grad, results[L][0], rtol=1e-12)
print("arrays at the peak:", {k: round(size) for k, size in weighed.items()})
assert min(weighed, key=weighed.get) == 4
assert all(abs(size - (L / k + 2 * k)) <= 2 for k, size in weighed.items())

# %% [markdown]
# ### In torch, and what it really saves
#
# A count of saved tensors is a promise. What counts is the peak: the most bytes that live at one moment of forward and
# backward. A small meter tells. torch lets us look at every operation as it runs (a *dispatch mode*); we note each new
# piece of memory, and Python tells us when it goes.


# %%
class Meter(TorchDispatchMode):
    """Bytes of all tensors made while it is on: now, and at the peak."""

    def __init__(self, known):
        super().__init__()
        self.now = self.peak = 0
        self.live = {tensor.untyped_storage()._cdata: 0 for tensor in known}  # weights and their gradients: free

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.note(tensor.untyped_storage())
        return result

    def note(self, storage):
        if storage._cdata not in self.live:
            self.live[storage._cdata] = storage.nbytes()
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.gone, storage._cdata)

    def gone(self, key):
        self.now -= self.live.pop(key)


# %% [markdown]
# Three ways to run the same blocks. *None* keeps everything. *Full* keeps the input of each block. The third is
# ***selective recomputation***: look at what a number costs to compute again. The output of a matrix product costs
# $2C$ FLOPs a number or more. The norm and GELU cost a handful, and what they put out is half of the memory. So keep
# the outputs of the linear layers, and redo the cheap ones. (The name is that of Korthikanti and others 2022. They redo
# the core of attention, two products among it: large, and few FLOPs for each number kept. See below.)


# %%
PRODUCTS = (torch.ops.aten.mm.default, torch.ops.aten.addmm.default)


def keep_products(_, operation, *args, **kwargs):
    keep = torch_checkpoint.CheckpointPolicy
    return keep.MUST_SAVE if operation in PRODUCTS else keep.PREFER_RECOMPUTE


selective = {"context_fn": partial(torch_checkpoint.create_selective_checkpoint_contexts, keep_products)}
WAYS = {"none": None, "full": {}, "selective": selective}


def forward_blocks(blocks, x, how, k=1):
    """The output of ``blocks``, in checkpointed parts of k unless ``how`` is "none"."""
    if how == "none":
        return blocks(x)
    for at in range(0, len(blocks), k):
        x = torch_checkpoint.checkpoint(
            blocks[at : at + k], x, use_reentrant=False, preserve_rng_state=False, **WAYS[how]
        )
    return x


# %%
def cost(depth, how, k=1):
    """Kept after the forward pass, and peak, in inputs of a block (N C numbers); FLOPs in all; a gradient."""
    torch.manual_seed(0)
    blocks, x = nn.Sequential(*(Block(C) for _ in range(depth))), torch.randn(N, C)
    for one in blocks.parameters():
        one.grad = torch.zeros_like(one)
    with count() as work, Meter([*blocks.parameters(), *(one.grad for one in blocks.parameters())]) as meter:
        loss = forward_blocks(blocks, x, how, k).square().mean()
        kept = meter.now
        loss.backward()
    unit = 4 * N * C
    return kept / unit, meter.peak / unit, work.flops, blocks[0].up.weight.grad.clone()


# %%
DEPTHS = [2, 4, 8, 16, 32]
costs = {how: [cost(depth, how) for depth in DEPTHS] for how in WAYS}  # @stepover
for how in ("full", "selective"):
    for plain, saving in zip(costs["none"], costs[how], strict=True):
        assert torch.equal(plain[3], saving[3])  # the same gradient, to the bit

fig, ax = plt.subplots()
for (how, found), style in zip(costs.items(), figures.line_styles(3), strict=True):
    ax.plot(DEPTHS, [peak for _, peak, _, _ in found], label=how, **style)
ax.set(xlabel="blocks", ylabel="peak memory (inputs of a block)", xticks=DEPTHS)
ax.legend(title="checkpointing")
plt.show()

per_block = {how: (found[-1][0] - found[0][0]) / (DEPTHS[-1] - DEPTHS[0]) for how, found in costs.items()}
print("kept by one more block:", {how: f"{size:.2f}" for how, size in per_block.items()})
assert math.isclose(per_block["none"], 10 + 2 / C)
assert math.isclose(per_block["full"], 1)
assert math.isclose(per_block["selective"], 6)

# %% [markdown]
# Ten inputs a block, or one, or six: $C$ for the block's input, $4C$ and $C$ for what the two products put out. (The
# last $C$ is kept for nothing, since no pull needs it. A finer rule would keep 5.) Now the other side of the bargain,
# FLOPs:

# %%
with torch_checkpoint.set_checkpoint_early_stop(False):
    to_the_end = cost(16, "full")  # @stepover
plain = cost(16, "none")[2]  # @stepover
flops = {
    "none": plain,
    "full": cost(16, "full")[2],  # @stepover
    "full, every part to its end": to_the_end[2],
    "selective": cost(16, "selective")[2],  # @stepover
}
assert math.isclose(flops["full, every part to its end"] / plain, 4 / 3)
assert math.isclose(flops["full"] / plain, 7 / 6)
assert flops["selective"] == plain
table(["checkpointing", "FLOPs", "more"], [[how, f"{n:,}", f"{n / plain - 1:.0%}"] for how, n in flops.items()])

# %% [markdown]
# One forward pass and two for the way back make three; one more forward pass is a third more, as the books say. torch
# does better here, and that took us by surprise when we counted: it stops a part as soon as the last thing that the
# way back needs is there. The output of a block's last product is needed by nobody, so that product is not done
# again, and it is half of our block: a sixth more. Selective recomputation does no product twice, and `count` shows
# nothing. (Norm and GELU have no formula in torch's counter. They do take time: they move memory.)
#
# And in seconds? About what FLOPs promise, or a little more, since memory must be moved as well. Seconds differ from
# run to run and from machine to machine, so none is printed here, and only a wide bound is asserted. Look at
# `slower("full")` and `slower("selective")` on yours.


# %%
def seconds(blocks, x, how):
    """What this thread computes for, in one forward and backward pass: other programs do not count."""
    begin = time.thread_time()
    forward_blocks(blocks, x, how).square().mean().backward()
    return time.thread_time() - begin


def slower(how, than="none"):
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # threads that wait for each other count too
    torch.manual_seed(0)
    blocks, x = nn.Sequential(*(Block(128) for _ in range(4))), torch.randn(256, 128)
    pairs = [(seconds(blocks, x, how), seconds(blocks, x, than)) for _ in range(7)]
    torch.set_num_threads(threads)
    return min(a for a, _ in pairs) / min(b for _, b in pairs)


assert 0.7 < slower("full") < 5  # @stepover

# %% [markdown]
# How long should a part be? A part is no single array here: inside, a block leaves 10. So a chain of $L$ blocks in
# parts of $k$ holds $L/k + 10 k$, which is least at $k = \sqrt{L/10}$. For 32 blocks that is about 2:

# %%
by_part = {k: cost(32, "full", k)[1] for k in (1, 2, 4, 8, 16, 32)}  # @stepover
print("peak:", {k: round(peak) for k, peak in by_part.items()})
assert min(by_part, key=by_part.get) == 2
assert all(abs(peak - (32 / k + 10 * k)) < 12 for k, peak in by_part.items())  # and what one block needs for a moment

# %% [markdown]
# In whole transformers the cheap and large part is elsewhere: in attention (lecture 05), whose scores are a number for
# each pair of tokens and head. Korthikanti and others give for GPT-3 that selective recomputation of these alone takes
# about 70 % of the memory away, for 2.7 % more FLOPs. `lilllm.accounting` computes both sides:

# %%
gpt3, tokens = preset("gpt3-175b"), 2048
whole = sum(activations(gpt3, batch=1, seq=tokens, dropout=0.1).values())
without_scores = sum(activations(gpt3, batch=1, seq=tokens, dropout=0.1, checkpointing="selective").values())
once, back = (way(gpt3, batch=1, seq=tokens) for way in (forward_flops, backward_flops))
extra = once["attention_scores"] / (sum(once.values()) + sum(back.values()))
print(f"GPT-3: {1 - without_scores / whole:.0%} of the activations, for {extra:.1%} more FLOPs")
assert 0.68 < 1 - without_scores / whole < 0.72
assert extra < 0.02

# %% [markdown]
# The memory is as they say; the FLOPs are a third of what they say. Their appendix lists the two products that run
# again, once each, but its formula adds three times as much. A count by hand is worth its minute.
#
# ## 11. Napkin answer
#
# **Napkin answer.** A block keeps $10 C + 2$ numbers a token; a checkpoint is $C$ numbers a token, and one block has
# to be there in full while it is run again.

# %%
n_blocks, width, tokens, bytes_each = 96, 12_288, 2048, 2
a_block = tokens * (10 * width + 2) * bytes_each
a_checkpoint = tokens * width * bytes_each
everything, checkpointed = n_blocks * a_block, n_blocks * a_checkpoint + a_block
k = round(math.sqrt(n_blocks / 10))
in_parts = n_blocks / k * a_checkpoint + k * a_block
print(f"everything: {everything / 1e9:.1f} GB; the input of each layer: {checkpointed / 1e9:.1f} GB")
print(f"parts of {k} layers, the input of each: {in_parts / 1e9:.1f} GB")
print("more computing: a third, or a sixth if each block stops before its last product")
assert 48 < everything / 1e9 < 49
assert 5.2 < checkpointed / 1e9 < 5.5
assert 2.8 < in_parts / 1e9 < 3.5

# %% [markdown]
# 48 GB for one sequence, more than half of an 80 GB accelerator, and it is only half of each layer. With checkpoints 5
# GB, for a sixth to a third more computing. That trade is made in nearly every large training run, for part of the
# layers or for all of them.
#
# ## 12. Exercises
#
# Each of these is a derivation of this lecture. Close the section and write it from an empty page: that is how you
# find out what you have understood. `check` tries your function on small cases and names the likely mistake. For a
# hint, add `hint=1`, then `hint=2`; for a solution, `solution=True`.
#
# **1. Softmax.** `p` is the result of the softmax along the last axis, `g` the gradient that arrives.


# %% tags=["exercise"] exercise="gradients.softmax"
def softmax_backward(p, g):
    """The gradient of what went into the softmax."""
    ...


check("gradients.softmax", softmax_backward)

# %% [markdown]
# **2. Cross-entropy.** The mean over all rows. Logits may be large: do not let `exp` overflow.


# %% tags=["exercise"] exercise="gradients.cross_entropy"
def cross_entropy_backward(logits, targets):
    """The gradient of the mean cross-entropy by the logits."""
    ...


check("gradients.cross_entropy", cross_entropy_backward)

# %% [markdown]
# **3. The way back of broadcasting.** `g` has the shape of the result, `shape` is that of the input. Think of axes
# that were added, of axes of size 1, and of an axis of size 1 that was not stretched.


# %% tags=["exercise"] exercise="gradients.unbroadcast"
def unbroadcast(g, shape):
    """The gradient of an input of ``shape``."""
    ...


check("gradients.unbroadcast", unbroadcast)

# %% [markdown]
# **4. Topological order.** Here `parents` is a dictionary: for each node the list of its parents. The graph may be
# thousands of nodes deep, so do it without recursion.


# %% tags=["exercise"] exercise="gradients.topological"
def topological(root, parents):
    """Every node that ``root`` depends on, each once and after its parents: a list."""
    ...


check("gradients.topological", topological)

# %% [markdown]
# **5. Central differences.** `f` takes an array of any shape and gives a number. Leave `x` as you found it.


# %% tags=["exercise"] exercise="gradients.numeric"
def numeric_gradient(f, x):
    """The derivative of ``f`` by each element of ``x``, in the shape of ``x``."""
    ...


check("gradients.numeric", numeric_gradient)

# %% [markdown]
# **6. Layer norm.** Along the last axis, without gain and bias, with $\epsilon = 10^{-5}$.


# %% tags=["exercise"] exercise="gradients.layer_norm"
def layer_norm_backward(x, g):
    """The gradient of the rows ``x`` when ``g`` arrives at the normed rows."""
    ...


check("gradients.layer_norm", layer_norm_backward)

# %% [markdown]
# ## What we left out
#
# - **Forward mode.** The chain can be multiplied from the other end, carrying derivatives along with the values. It
#   costs one pass for each *input* and not for each output: right for few inputs and many outputs, wrong for a loss.
# - **Derivatives of derivatives.** If the pulls are made of the same operations, a graph of the gradient arises that
#   can be walked again. torch does it with `create_graph=True`.
# - **Changes in place and views.** A graph that holds an array which somebody overwrites gives a wrong gradient. The
#   `Array` of section 6 does not notice. `lilllm.autograd` copies what it is given and makes the copy read-only, so
#   NumPy refuses to write. torch counts the versions of each tensor, and refuses on the way back.
# - **Checkpoints within checkpoints.** Done recursively, memory grows with $\log L$ only, and the computing with
#   $L \log L$ (Chen and others 2016). Keeping activations in the memory of the host, or in fewer bits, are other ways.
# - **Other initialisations**: orthogonal matrices; scaling by the depth in residual networks (lecture 07); rules under
#   which the learning rate of a small model fits a large one (lecture 17).
# - **Other norms**: RMSNorm (lecture 07), group norm, weight norm.
# - What to do with the gradient once one has it: lecture 04.
#
# ## Sources
#
# - Rumelhart, Hinton, Williams 1986, *Learning representations by back-propagating errors*, Nature 323.
# - Baydin, Pearlmutter, Radul, Siskind 2018, *Automatic Differentiation in Machine Learning: a Survey*, JMLR 18,
#   arXiv:1502.05767: history, forward and reverse mode.
# - Glorot, Bengio 2010, *Understanding the difficulty of training deep feedforward neural networks*, AISTATS: the
#   variance $2 / (n_{\text{in}} + n_{\text{out}})$, and saturation.
# - He, Zhang, Ren, Sun 2015, *Delving Deep into Rectifiers*, arXiv:1502.01852, section 2.2: $\sqrt{2 / n}$.
# - Ioffe, Szegedy 2015, *Batch Normalization*, arXiv:1502.03167, algorithms 1 and 2.
# - Ba, Kiros, Hinton 2016, *Layer Normalization*, arXiv:1607.06450.
# - Santurkar, Tsipras, Ilyas, Madry 2018, *How Does Batch Normalization Help Optimization?*, arXiv:1805.11604.
# - Yang and others 2019, *A Mean Field Theory of Batch Normalization*, arXiv:1902.08129.
# - Chen, Xu, Zhang, Guestrin 2016, *Training Deep Nets with Sublinear Memory Cost*, arXiv:1604.06174.
# - Korthikanti and others 2022, *Reducing Activation Recomputation in Large Transformer Models*, arXiv:2205.05198,
#   sections 4 and 5.
# - The digits: Alpaydin, Kaynak 1998, *Optical Recognition of Handwritten Digits*, UCI repository; the copy is
#   scikit-learn's.
