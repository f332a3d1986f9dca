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
# # 04 Optimizers: from a gradient to a better model
#
# Lecture 03 computed gradients: for each weight, how the loss changes if the weight does. What to do with them is the
# optimizer's part, and it is less obvious than it looks. The same model on the same text, with the same number of
# steps, ends far apart under two optimizers, or under one optimizer with two learning rates. Here we build ten of
# them, in the order in which each cured something of the one before; then what is around them (schedules, clipping,
# accumulation); and then we race them, as fairly as we can.
#
# - **You will build:** SGD, momentum, Nesterov, Adagrad, RMSProp, Adadelta, Adam, AdamW, Adafactor, Shampoo and Muon,
#   each in a few lines; five schedules; clipping; accumulation; a fair race
# - **You need:** lecture 03 (gradients) and lecture 01 (bytes a token). Eigenvalues help in sections 1 and 7.
# - **Minutes to read:** 75
# - **Budget:** 60 s, 1 GB, 300 GFLOP, 200 GB moved
#
# **Napkin question.** A model of the shape of Llama 2 7B is trained. Between two steps, every optimizer has to
# remember something. In float32, how many GB is it under SGD, under AdamW, under Adafactor, and under Muon? Write four
# numbers on a napkin. The last section computes them.

# %%
import math
from functools import partial
from itertools import pairwise
from statistics import median

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from IPython.display import HTML, display
from torch import nn

from lilllm import optim
from lilllm.accounting import count
from lilllm.accounting.params import total
from lilllm.accounting.shape import preset
from lilllm.course import check, figures, museum, predict
from lilllm.course.chips import table
from lilllm.data.liltown import LilTown
from lilllm.optim import schedules
from lilllm.optim.matrix import newton_schulz as package_newton_schulz
from lilllm.tokenizers import BPETokenizer

figures.use_style()
torch.set_default_dtype(torch.float64)  # training magnifies rounding; so the numbers below are the same everywhere

# %% [markdown]
# ## 1. Downhill, and the ravine
#
# The gradient points uphill, so a step against it goes down: $w \leftarrow w - \eta\, g$. The number $\eta$ is the
# ***learning rate***. If $g$ comes from a random part of the data and not from all of it, the method is called
# ***stochastic gradient descent*** (SGD). This is all of it:


# %%
def sgd(w, g, state, lr):
    return w - lr * g


# %% [markdown]
# (`state` is what the rule remembers from step to step. SGD remembers nothing; the others will.)
#
# Where is the difficulty? In the shape of the loss. Near its lowest point, any smooth loss looks like a bowl, and the
# bowls of neural networks are far from round: steep in some directions, nearly flat in others. The smallest such bowl
# has two weights, one of curvature 1 and one of curvature 30:
#
# $$f(w) = \tfrac{1}{2}\,(1 \cdot w_1^2 + 30 \cdot w_2^2)$$
#
# We call it the ravine. The quotient of the largest and the smallest curvature is its ***condition number*** $\kappa$;
# here it is 30. All pictures of the next sections are paths through this ravine, seen from above.

# %%
CURVATURE = torch.tensor([1.0, 30.0])
START = torch.tensor([-4.0, 1.2])


def height(w):
    return 0.5 * (CURVATURE * w * w).sum(-1)


def slope(w):
    return CURVATURE * w


def follow(rule, steps, slope=slope, start=START, **options):
    """The places that a rule visits: (steps + 1, 2)."""
    w, state, path = start, {}, [start]
    for _ in range(steps):
        w = rule(w, slope(w), state, **options)
        path.append(w)
    return torch.stack(path)


# %%
def draw_paths(paths, floor=height):
    """One panel a path: {title: path}."""
    x, y = torch.linspace(-4.6, 4.6, 120), torch.linspace(-1.7, 1.7, 90)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)  # (90, 120, 2)
    _, axes = plt.subplots(1, len(paths), figsize=(2.5 * len(paths) + 0.6, 2.6), sharey=True, squeeze=False)
    for ax, (title, path), style in zip(axes[0], paths.items(), figures.line_styles(len(paths)), strict=True):
        ax.contour(x, y, floor(grid), levels=[0.1, 1, 4, 10, 20, 35], colors=figures.GREY, linewidths=0.6)
        ax.plot(*path.T, **{**style, "linestyle": "-"}, markersize=3, linewidth=1)
        ax.plot(0, 0, marker="*", color=figures.GREY, markersize=10)
        ax.set(title=title, xlabel="$w_1$", xlim=(-4.6, 4.6), ylim=(-1.7, 1.7))
        ax.grid(False)
    axes[0][0].set_ylabel("$w_2$")
    plt.show()


rates = {"too small: 0.01": 0.01, "just below the limit: 0.064": 0.064, "just above it: 0.068": 0.068}
paths = {name: follow(sgd, 40, lr=lr) for name, lr in rates.items()}  # @stepover
draw_paths(paths)  # @stepover
print("height after 40 steps:", [f"{height(path[-1]):.2g}" for path in paths.values()])

# %% [markdown]
# Along each axis, one step multiplies the weight by $1 - \eta c$, where $c$ is the curvature. If that is below -1, the
# weight grows from step to step: the limit is $\eta = 2/c$ for the *steepest* direction, here 2/30 = 0.067. And the
# flattest direction has to live with that rate: it shrinks by 1 - 0.067 a step at best. So the ravine zigzags across
# and crawls along.

# %%
for lr in (0.01, 0.064, 0.068):
    path = follow(sgd, 40, lr=lr)  # @stepover
    assert torch.allclose(path[-1], START * (1 - lr * CURVATURE) ** 40)  # the whole path, by one formula
assert height(paths["just above it: 0.068"][-1]) > height(START)


def steps_needed(rule, slope=slope, start=START, most=1500, close=1e-3, **options):
    """Steps until less than ``close`` of the way is left, for good; ``most`` if it does not get there."""
    left = follow(rule, most, slope, start, **options).norm(dim=-1) / start.norm()
    far = (~(left <= close)).nonzero()  # written so that NaN is far
    return min(int(far[-1]) + 1, most)


best = 2 / (CURVATURE.min() + CURVATURE.max())  # both ends then shrink alike: by (kappa - 1) / (kappa + 1)
print(f"at the best rate, {best:.4f}: {steps_needed(sgd, lr=best)} steps")  # @stepover

# %%
narrow = predict(
    "Ten times as narrow: curvatures 1 and 300. Each time with its best rate, how many times as many steps?",
    choices=["as many", "about 3 times", "about 10 times", "about 100 times"],
)
narrow


# %%
def ravine(kappa):
    """The slope of a ravine of condition number kappa."""
    return lambda w: torch.tensor([1.0, kappa]) * w


kappas = [3, 10, 30, 100, 300]
sgd_steps = [steps_needed(sgd, ravine(k), lr=2 / (1 + k)) for k in kappas]  # @stepover
print(dict(zip(kappas, sgd_steps, strict=True)))
assert 9 < sgd_steps[4] / sgd_steps[2] < 11
narrow.reveal("about 10 times")

# %% [markdown]
# The number of steps is proportional to the condition number. That is the disease. Everything that follows is a cure
# for it, or for the noise of small batches, or for a side effect of another cure.
#
# First, that this one line is what the libraries do. The helper takes twenty steps on a small least-squares problem
# with a matrix of weights, with noise in each gradient, and wants the same weights from our rule, from
# `lilllm.optim` and from `torch.optim`:


# %%
def same(rule, *classes, atol=1e-12, shape=(6, 4), **options):
    """Our rule and each class make the same 20 steps."""
    draw = torch.Generator().manual_seed(0)
    a, start = torch.rand(shape[0], shape[0], generator=draw) - 0.5, torch.rand(shape, generator=draw)
    noise = torch.rand(20, *shape, generator=draw) - 0.5
    names = []
    for kind in classes:
        w, state, p = start, {}, nn.Parameter(start.clone())
        optimizer = kind([p], **options)
        for n in noise:
            p.grad = a.T @ a @ p.detach() + n
            optimizer.step()
            w = rule(w, a.T @ a @ w + n, state, **options)
        assert (w - start).abs().max() > 1e-3, "nothing moved"
        assert torch.allclose(w, p.detach(), rtol=0, atol=atol), kind
        names.append(f"{type(optimizer).__module__.split('.')[0]}.{type(optimizer).__name__}")
    print(f"the same steps: {rule.__name__}, {', '.join(names)}")


same(sgd, optim.SGD, torch.optim.SGD, lr=0.1)  # @stepover

# %% [markdown]
# ## 2. Momentum: remember where you were going
#
# Across the ravine the gradient changes its sign at each step, along it it does not. So add up the gradients: what
# alternates cancels, what persists grows. A ball that rolls does the same. With a ***momentum*** $\beta$ between 0
# and 1 (Polyak 1964):
#
# $$v \leftarrow \beta v + g, \qquad w \leftarrow w - \eta v$$


# %%
def with_momentum(w, g, state, lr, momentum):
    state["v"] = momentum * state.get("v", 0) + g
    return w - lr * state["v"]


betas = {"no momentum": 0.0, "momentum 0.8": 0.8, "momentum 1: no decay": 1.0}
paths = {name: follow(with_momentum, 40, lr=0.03, momentum=b) for name, b in betas.items()}  # @stepover
draw_paths(paths)  # @stepover
print("height after 40 steps:", [f"{height(path[-1]):.2g}" for path in paths.values()])
same(with_momentum, optim.SGD, torch.optim.SGD, lr=0.1, momentum=0.9)  # @stepover

# %% [markdown]
# The factor $\beta$ is the friction. Some texts leave it out and write $v \leftarrow v + g$; the third panel shows what
# that does. A ball without friction rolls for ever: what it loses in height it has in speed, and at the bottom it does
# not stop.
#
# With $\beta$, a gradient counts fully now, $\beta$ at the next step, $\beta^2$ at the one after. If it persists, the
# sum goes to $1/(1-\beta)$ of it: with 0.9, steps are ten times as long as the learning rate says. That is worth
# knowing when you compare: SGD at rate 1 and momentum 0.9 at rate 0.1 take steps of like length.

# %%
state = {}
for _ in range(200):  # @stepover
    with_momentum(0.0, 1.0, state, lr=1.0, momentum=0.9)
assert math.isclose(state["v"], 1 / (1 - 0.9), rel_tol=1e-8)

lossless = height(follow(with_momentum, 2000, lr=0.001, momentum=1.0))  # @stepover
assert lossless[1000:].max() > 0.9 * height(START)  # after 1000 steps it still comes back nearly to where it began

# %% [markdown]
# What does it gain? With the best $\beta$ and $\eta$, the number of steps grows as the *square root* of the condition
# number. On a ravine of 300 that is a factor of ten.

# %%
momentum_steps = []
for kappa in kappas:
    root = math.sqrt(kappa)
    best = {"lr": 4 / (1 + root) ** 2, "momentum": ((root - 1) / (root + 1)) ** 2}  # Polyak's, for a known ravine
    momentum_steps.append(steps_needed(with_momentum, ravine(kappa), **best))  # @stepover

fig, ax = plt.subplots(figsize=(6, 3.4))
for values, label, style in zip((sgd_steps, momentum_steps), ("SGD", "momentum"), figures.line_styles(2), strict=True):
    ax.plot(kappas, values, label=label, **style)
ax.set(xscale="log", yscale="log", xlabel="condition number", ylabel="steps to a thousandth")
ax.legend()
plt.show()

growth = [math.log(s[4] / s[1]) / math.log(kappas[4] / kappas[1]) for s in (sgd_steps, momentum_steps)]
print("steps grow as the condition number to the power of", [f"{power:.1f}" for power in growth])
assert 0.9 < growth[0] < 1.1
assert 0.4 < growth[1] < 0.65

# %% [markdown]
# **Nesterov** asks for the gradient a little ahead, where the ball is about to be, and so brakes before the wall and
# not after it:
#
# $$v \leftarrow \beta v + \nabla f(x - \eta \beta v), \qquad x \leftarrow x - \eta v$$
#
# An optimizer gets the gradient where the weights are and cannot ask elsewhere. So libraries keep the place ahead,
# $w = x - \eta \beta v$, as their weights, and then the rule is $w \leftarrow w - \eta\,(g + \beta v)$ (Sutskever and
# others 2013). We run both forms and compare:


# %%
def nesterov(w, g, state, lr, momentum, nesterov=True):
    state["v"] = momentum * state.get("v", 0) + g
    return w - lr * (g + momentum * state["v"])


x, v, lr, beta = START, torch.zeros(2), 0.03, 0.8
ahead = [x]
for _ in range(40):  # @stepover
    v = beta * v + slope(x - lr * beta * v)
    x = x - lr * v
    ahead.append(x - lr * beta * v)

assert torch.allclose(torch.stack(ahead), follow(nesterov, 40, lr=lr, momentum=beta))  # @stepover
same(nesterov, optim.SGD, torch.optim.SGD, lr=0.1, momentum=0.9, nesterov=True)  # @stepover
paths = {"momentum 0.9": follow(with_momentum, 40, lr=0.03, momentum=0.9)}  # @stepover
paths["Nesterov 0.9"] = follow(nesterov, 40, lr=0.03, momentum=0.9)  # @stepover
draw_paths(paths)  # @stepover
assert height(paths["Nesterov 0.9"][-1]) < height(paths["momentum 0.9"][-1])

# %% [markdown]
# Now find a good pair yourself. Drag the two sliders and watch the path: where it crawls, where it zigzags, where it
# swings past the goal, where it flies away. A still picture shows one pair; here you feel where the borders are. (In a
# static copy of this notebook you see the first picture only.)


# %%
def path_picture(lr, momentum, steps=60):
    """The path as SVG, and what came of it in words."""
    path = follow(with_momentum, steps, lr=lr, momentum=momentum).clamp(-50, 50)
    points = " ".join(f"{300 + 60 * x:.0f},{110 - 60 * y:.0f}" for x, y in path.tolist())
    ovals = "".join(
        f'<ellipse cx="300" cy="110" rx="{60 * math.sqrt(2 * h):.0f}" ry="{60 * math.sqrt(2 * h / 30):.0f}" '
        f'fill="none" stroke="{figures.GREY}" stroke-width="0.7"/>'
        for h in (0.1, 1, 4, 10, 20, 35)
    )
    line = f'<polyline points="{points}" fill="none" stroke="{figures.BLUE}" stroke-width="1.5"/>'
    away = float(path[-1].norm() / START.norm())
    said = "it has flown away" if away > 1 else f"{away:.1%} of the way is left"
    return (
        f'<svg viewBox="0 0 600 220" width="600" role="img" aria-label="Path on the ravine">{ovals}{line}</svg>'
        f"<div>rate {lr:.3f}, momentum {momentum:.2f}, {steps} steps: {said}</div>"
    )


rate_slider = widgets.FloatSlider(value=0.03, min=0.002, max=0.14, step=0.002, readout_format=".3f", description="rate")
beta_slider = widgets.FloatSlider(value=0.0, min=0.0, max=0.98, step=0.02, description="momentum")
shown = widgets.HTML(path_picture(rate_slider.value, beta_slider.value))  # @stepover


def redraw(_):
    shown.value = path_picture(rate_slider.value, beta_slider.value)


rate_slider.observe(redraw, names="value")
beta_slider.observe(redraw, names="value")
display(HTML(shown.value))
display(widgets.VBox([rate_slider, beta_slider, shown]))

# %%
rate_slider.value, beta_slider.value = 0.12, 0.0  # as if you had moved them  @stepover
assert "flown away" in shown.value
beta_slider.value = 0.9  # the same rate, with momentum: the limit is 2 (1 + momentum) / curvature  @stepover
assert 2 * (1 + 0.0) / 30 < 0.12 < 2 * (1 + 0.9) / 30
assert "flown away" not in shown.value
print(shown.value.rpartition("<div>")[2].removesuffix("</div>"))
rate_slider.value, beta_slider.value = 0.03, 0.0  # @stepover

# %% [markdown]
# ## 3. A rate for each weight
#
# Momentum has one rate for all weights. Why should a weight of curvature 30 and one of curvature 1 share it? And in a
# language model a second reason weighs more: some weights hardly ever get a gradient. The embedding of a rare token
# moves only in the few batches in which the token stands, and then it should move far.
#
# ### Adagrad
#
# Adagrad (Duchi, Hazan and Singer 2011) divides each weight's gradient by the root of the sum of its own squares so
# far. Steep directions get a small rate, rare ones a large one, and nobody has to choose them:


# %%
def adagrad(w, g, state, lr, eps=1e-10):
    state["sum"] = state.get("sum", 0) + g * g
    return w - lr * g / (state["sum"].sqrt() + eps)


same(adagrad, optim.Adagrad, torch.optim.Adagrad, lr=0.1)  # @stepover
paths = {"SGD, 0.05": follow(sgd, 40, lr=0.05), "Adagrad, 1.0": follow(adagrad, 40, lr=1.0)}  # @stepover
paths["Adagrad, 0.3"] = follow(adagrad, 40, lr=0.3)  # @stepover
draw_paths(paths)  # @stepover

scaled = follow(adagrad, 40, slope=lambda w: 1000 * slope(w), lr=1.0)  # the same loss in other units  @stepover
assert torch.allclose(scaled, paths["Adagrad, 1.0"], atol=1e-6)
squeezed = follow(adagrad, 40, slope=lambda w: w, start=torch.ones(2), lr=0.3)  # @stepover
assert torch.equal(squeezed[:, 0], squeezed[:, 1])

# %% [markdown]
# No zigzag: the path hardly knows which direction is steep. Multiply the loss by 1000 and the path is the same. The
# price stands in the third panel: the sum only grows, so the steps only shrink. With a steady gradient, step $t$ is
# $\eta/\sqrt{t}$. A run that starts with large gradients is slow for ever after.
#
# ### RMSProp
#
# The cure is to forget: a moving average of the squares in place of their sum (Tieleman and Hinton 2012, in a slide
# of a course, never in a paper).


# %%
def rmsprop(w, g, state, lr, alpha=0.99, eps=1e-8):
    state["avg"] = alpha * state.get("avg", 0) + (1 - alpha) * g * g
    return w - lr * g / (state["avg"].sqrt() + eps)


same(rmsprop, optim.RMSProp, torch.optim.RMSprop, lr=0.01)  # @stepover


def step_sizes(rule, gradients, **options):
    """How far a rule moves a weight at each of the gradients."""
    w, state, sizes = torch.zeros(()), {}, []
    for g in gradients:
        new = rule(w, torch.tensor(float(g)), state, **options)
        sizes.append(abs(new - w))
        w = new
    return torch.stack(sizes)


loud_then_quiet = [10.0] * 50 + [0.1] * 350  # large gradients first, then small ones
sizes = {
    "Adagrad": step_sizes(adagrad, loud_then_quiet, lr=0.01),  # @stepover
    "RMSProp": step_sizes(rmsprop, loud_then_quiet, lr=0.01, alpha=0.95),  # @stepover
}
fig, ax = plt.subplots(figsize=(6.4, 3))
for (name, values), style in zip(sizes.items(), figures.line_styles(2), strict=True):
    ax.plot(values, label=name, **{**style, "marker": ""})
ax.set(yscale="log", xlabel="step", ylabel="length of the step")
ax.axvline(50, color=figures.GREY, linewidth=1)
ax.text(55, 2e-2, "gradient falls from 10 to 0.1", color=figures.GREY)
ax.legend()
plt.show()

assert math.isclose(sizes["Adagrad"][3], 0.01 / math.sqrt(4), rel_tol=1e-6)
assert sizes["Adagrad"][-1] < 0.02 * 0.01  # 350 steps later it still pays for the first 50
assert 0.9 * 0.01 < sizes["RMSProp"][-1] < 1.1 * 0.01  # it has forgotten them

# %% [markdown]
# Look at the left end of RMSProp's curve too: its first steps are more than four times the learning rate. The average
# starts at zero and has seen only $1-\alpha$ of the first square. Keep that in mind for section 4.
#
# ### Adadelta
#
# A learning rate of 0.01 is 0.01 of what? In SGD, the step has the unit of the gradient, loss per weight. In Adagrad
# and RMSProp the units cancel, and the step has none. But it should have the unit of the *weight*. Adadelta (Zeiler
# 2012) takes it from the only place where it is found, the steps so far:


# %%
def adadelta(w, g, state, lr=1.0, rho=0.9, eps=1e-6):
    state["avg"] = rho * state.get("avg", 0) + (1 - rho) * g * g
    step = torch.sqrt(torch.as_tensor(state.get("steps", 0.0)) + eps) / torch.sqrt(state["avg"] + eps) * g
    state["steps"] = rho * state.get("steps", 0) + (1 - rho) * step * step
    return w - lr * step


same(adadelta, optim.Adadelta, torch.optim.Adadelta, lr=1.0)  # @stepover
first = step_sizes(adadelta, [1.0])[0]
assert math.isclose(first, math.sqrt(1e-6 / (0.1 + 1e-6)))  # sqrt(eps / (1 - rho)): nothing else is known yet
needed = {eps: steps_needed(adadelta, close=0.1, eps=eps) for eps in (1e-6, 1e-5, 1e-4)}  # @stepover
print(f"first step: {first:.4f}; steps for nine tenths of the way, by eps: {needed}")
assert needed[1e-6] > 4 * needed[1e-4]

# %% [markdown]
# "No learning rate" was the promise. The first step is $\sqrt{\epsilon/(1-\rho)}$, and all later ones grow out of it:
# the rate has moved into epsilon, where nobody looks for it. Adadelta is hardly used today, and the race will show a
# best `lr` far from 1.
#
# ## 4. Adam: both at once, and a correction
#
# Adam (Kingma and Ba 2015) takes momentum's average of the gradient, $m$, and RMSProp's average of its square, $v$:
#
# $$m \leftarrow \beta_1 m + (1-\beta_1)\, g, \qquad v \leftarrow \beta_2 v + (1-\beta_2)\, g^2$$
#
# Both start at zero, so both are too small at first: after one step $m = 0.1\, g$ and $v = 0.001\, g^2$. Their
# quotient $m/\sqrt{v}$ is $0.1/\sqrt{0.001} = 3.2$ and not 1. After $t$ steps with a steady gradient, $m = (1 -
# \beta_1^t)\, g$, so Adam divides by $1 - \beta_1^t$, and $v$ by $1 - \beta_2^t$. This is the ***bias correction***.


# %%
def adam(w, g, state, lr, betas=(0.9, 0.999), eps=1e-8, correct=True):
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    v = state["v"] = betas[1] * state.get("v", 0) + (1 - betas[1]) * g * g
    if correct:
        m, v = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return w - lr * m / (v.sqrt() + eps)


same(adam, optim.Adam, torch.optim.Adam, lr=0.01)  # @stepover

# %%
first_step = predict(
    "Adam with lr 0.001, first step. One weight has gradient 1000, another 0.001. How far does each move?",
    choices=["1 and 0.000001", "0.001 and 0.000000001", "0.001 each", "0.0001 each"],
)
first_step

# %%
moved = [float(step_sizes(adam, [g], lr=0.001)[0]) for g in (1000, 0.001)]
print([f"{step:.6f}" for step in moved])
assert all(math.isclose(step, 0.001, rel_tol=1e-4) for step in moved)
first_step.reveal("0.001 each")

# %% [markdown]
# $m/\sqrt{v}$ is $g/|g|$ at the first step: its sign. So the learning rate of Adam is a *length*: it says how far a
# weight goes in a step, nearly whatever the gradient is. (For a steady gradient exactly so; where the sign changes,
# $m$ is small against $\sqrt{v}$, and the step is shorter. That is Adam's brake.)
#
# And without the correction?

# %%
steady = [1.0] * 400
fig, ax = plt.subplots(figsize=(6.4, 3))
for correct, style in zip((True, False), figures.line_styles(2), strict=True):
    sizes = step_sizes(adam, steady, lr=1.0, correct=correct)  # @stepover
    ax.plot(sizes, label="with correction" if correct else "without", **{**style, "marker": ""})
ax.set(xlabel="step", ylabel="length of the step (learning rates)", ylim=(0, 8))
ax.legend()
plt.show()

print(f"without: {sizes[0]:.1f} learning rates at step 1, at most {sizes.max():.1f}, at step {int(sizes.argmax()) + 1}")
assert math.isclose(sizes[0], 0.1 / math.sqrt(0.001), rel_tol=1e-6)
assert sizes[250] > 1.9  # with beta2 = 0.999 the mistake is there for hundreds of steps

# %% [markdown]
# Up to six times the learning rate, in the first steps, when the model knows least. Now a training run that goes wrong.
# Look at the curve first. Where in the program would you look?

# %%
no_correction = museum.case("04_no_bias_correction")
no_correction

# %%
broken = no_correction.run()  # @stepover
fig, ax = plt.subplots(figsize=(6.4, 3))
ax.plot(broken.values["losses"][:150], color=figures.BLUE, marker="")
ax.set(xlabel="step", ylabel="loss (mean squared error)", yscale="log")
plt.show()

assert not broken.values["healthy"]
print(broken)

# %% [markdown]
# (You can only guess from the curve, as in life. The second line to print would be the length of a step.)

# %%
repaired = no_correction.run(fixed=True)  # @stepover
assert repaired.values["healthy"]
assert max(broken.values["losses"]) > 4 * max(repaired.values["losses"])
no_correction.reveal()

# %% [markdown]
# ### Where epsilon stands
#
# $\epsilon$ keeps Adam from dividing by zero, and two libraries put it in two places. The paper's algorithm and torch
# correct $v$ first and then add $\epsilon$. The paper's own shortcut, and TensorFlow, put both corrections into the
# rate and add a number $\hat\epsilon$ ("epsilon hat") to the *uncorrected* root:
#
# $$w \leftarrow w - \eta\,\frac{\sqrt{1-\beta_2^t}}{1-\beta_1^t}\cdot\frac{m}{\sqrt{v} + \hat\epsilon}$$
#
# Divide above and below by $\sqrt{1-\beta_2^t}$, and it is torch's rule with $\epsilon = \hat\epsilon /
# \sqrt{1-\beta_2^t}$: another epsilon at each step.


# %%
def adam_hat(w, g, state, lr, betas=(0.9, 0.999), eps_hat=1e-8):
    t = state["t"] = state.get("t", 0) + 1
    m = state["m"] = betas[0] * state.get("m", 0) + (1 - betas[0]) * g
    v = state["v"] = betas[1] * state.get("v", 0) + (1 - betas[1]) * g * g
    rate = lr * math.sqrt(1 - betas[1] ** t) / (1 - betas[0] ** t)
    return w - rate * m / (v.sqrt() + eps_hat)


tiny = [1e-7 * math.sin(3 * t) for t in range(1, 200)]  # gradients as small as epsilon, so that it matters
a = b = torch.zeros(())
state_a, state_b, eps_hat = {}, {}, 1e-8
for t, g in enumerate(tiny, start=1):  # @stepover
    g = torch.tensor(g)
    a = adam_hat(a, g, state_a, lr=0.1, eps_hat=eps_hat)
    b = adam(b, g, state_b, lr=0.1, eps=eps_hat / math.sqrt(1 - 0.999**t))
    assert torch.allclose(a, b, rtol=1e-9, atol=0)

rows = [[f"{t:,}", f"{1e-8 / math.sqrt(1 - 0.999**t):.1e}"] for t in (1, 10, 100, 1000, 10000)]
table(["step", "torch's epsilon that equals an epsilon hat of 1e-8"], rows)

# %% [markdown]
# Thirty times as large at the first step, the same after some thousands. It seldom matters; when you carry a run from
# one library to the other and the first hundred steps differ, it is the first place to look.
#
# ## 5. AdamW: decay apart
#
# ***Weight decay*** pulls every weight a little towards zero at each step, so that weights stay only where the data
# hold them up. For SGD there are two ways to write it, and they are one: add $\lambda w$ to the gradient (that is the
# gradient of $\frac{\lambda}{2} w^2$ in the loss, called L2), or multiply the weight by $1 - \eta\lambda$.

# %%
w, g, lr, decay = torch.tensor(2.0), torch.tensor(0.3), 0.1, 0.01
assert torch.isclose(sgd(w, g + decay * w, {}, lr), sgd(w * (1 - lr * decay), g, {}, lr))

# %% [markdown]
# For Adam they are two. The museum has a program that tells them apart. Three layers have gradients that are pure
# noise, small in one and large in another. There is nothing to learn, so the decay alone should shape them.

# %%
in_gradient = museum.case("04_decay_in_the_gradient")
in_gradient

# %%
runs = {"broken": in_gradient.run(), "fixed": in_gradient.run(fixed=True)}  # @stepover
fig, axes = plt.subplots(1, 2, figsize=(7, 3), sharey=True)
for ax, (title, run) in zip(axes, runs.items(), strict=True):
    for size, kept, style in zip(run.values["SIZES"], run.values["kept"], figures.line_styles(3), strict=True):
        ax.plot(kept, label=f"gradients of {size:g}", **{**style, "marker": ""})
    ax.set(title=title, xlabel="step", ylim=(0, 1.05))
axes[0].set_ylabel("weight left (mean of 1000)")
axes[0].legend()
plt.show()

assert [run.values["healthy"] for run in runs.values()] == [False, True]

# %% [markdown]
# On the left, the layer with the smallest gradients loses most, and the one with the largest hardly anything. On the
# right all three lose the same share. On the left the decay was added to the gradient. So it went through the division
# by $\sqrt{v}$, and came out small where gradients are large. The difference is where one line stands:


# %%
def adamw(w, g, state, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01):
    return adam(w * (1 - lr * weight_decay), g, state, lr, betas, eps)


same(adamw, optim.AdamW, torch.optim.AdamW, lr=0.01, weight_decay=0.1)  # @stepover
in_gradient.reveal()

# %% [markdown]
# This is AdamW (Loshchilov and Hutter 2019): *decoupled* weight decay. It is what nearly every language model of the
# last years was trained with. One convention to know: torch multiplies the decay by the learning rate, so a schedule
# that lowers the rate lowers the decay too; the paper multiplies it by the schedule's shape only.
#
# ## 6. A little language model to try things on
#
# A ravine has two weights and no noise. From here on we also want a real problem, small enough to be trained some two
# hundred times in this lecture. The text is LilTown: little stories of one town, made by a program of ours, which
# therefore knows how much chance is in them. Its ***entropy***, in bits a byte, is the floor: no model can have a
# lower loss on new text.

# %%
town = LilTown(seed=0)
train_text, held_text = ("\n".join(town.documents(start, n)) for start, n in ((0, 1200), (100_000, 60)))  # @stepover
floor = round(town.entropy(1000)[0], 2)  # @stepover
print(held_text[:150])
print(f"{len(train_text):,} characters; floor {floor} bits a byte")
assert 0.2 < floor < 0.3

# %%
bpe = BPETokenizer.train(train_text[:60_000], vocab_size=448)  # lecture 01  @stepover
train_ids, held_ids = bpe.encode(train_text), bpe.encode(held_text)  # @stepover
used = sorted(set(train_ids) | set(held_ids))  # of the 256 bytes most never occur: leave them out
number = {token: i for i, token in enumerate(used)}
CONTEXT, WIDTH, HIDDEN = 5, 16, 64
windows, held_windows = (
    torch.tensor([number[token] for token in ids]).unfold(0, CONTEXT + 1, 1) for ids in (train_ids, held_ids)
)
held_windows = held_windows[:3000]
tokens_a_byte = len(held_ids) / len(held_text)
print(
    f"{len(used)} tokens, {1 / tokens_a_byte:.2f} bytes each; {len(windows):,} windows of {CONTEXT} tokens and the next"
)

# %% [markdown]
# The model is that of Bengio and others (2003), the grandparent of today's: look up a vector for each of the last five
# tokens, put them side by side, two layers, and a score for each token that may come next.


# %%
class Little(nn.Module):
    """Five tokens in, scores of the next one out."""

    def __init__(self, seed):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)

        def weight(n_out, n_in, variance):
            limit = math.sqrt(3 * variance)  # uniform, with this variance (lecture 03)
            return nn.Parameter((torch.rand(n_out, n_in, generator=draw) * 2 - 1) * limit)

        self.embedding = weight(len(used), WIDTH, 1.0)
        self.first = weight(HIDDEN, CONTEXT * WIDTH, 1 / (CONTEXT * WIDTH))
        self.second = weight(HIDDEN, HIDDEN, 1 / HIDDEN)
        self.head = weight(len(used), HIDDEN, 1 / HIDDEN)
        self.biases = nn.ParameterList([torch.zeros(HIDDEN), torch.zeros(HIDDEN), torch.zeros(len(used))])

    def forward(self, tokens):  # (B, T)
        h = self.embedding[tokens].flatten(1)  # (B, T * WIDTH)
        h = torch.tanh(F.linear(h, self.first, self.biases[0]))
        h = torch.tanh(F.linear(h, self.second, self.biases[1]))
        return F.linear(h, self.head, self.biases[2])  # (B, V)


n_params = sum(p.numel() for p in Little(0).parameters())
print(
    f"{n_params:,} parameters, {100 * len(used) * (WIDTH + HIDDEN) // n_params} % of them in the two tables of tokens"
)
assert 20_000 < n_params < 60_000

# %% [markdown]
# One function trains it. It is given `make`, which makes the optimizers of a model, and `rate`, the learning rate as a
# function of the step. `hook` may look at the gradients or change them, between `backward` and the step. It answers
# with the held-out loss, in bits a byte, so that it can be compared with the floor.


# %%
def batch_loss(model, rows):
    return F.cross_entropy(model(rows[:, :-1]), rows[:, -1])


def held_out(model):
    with torch.no_grad():
        return float(batch_loss(model, held_windows)) / math.log(2) * tokens_a_byte


def train(make, rate, seed, steps=100, batch=64, hook=None):
    """Held-out bits a byte after training, and the loss of each batch in nats."""
    model, draw, losses = Little(seed), torch.Generator().manual_seed(1000 + seed), []
    optimizers = make(model)
    for step in range(steps):
        rows = windows[torch.randint(len(windows), (batch,), generator=draw)]
        loss = batch_loss(model, rows)
        model.zero_grad()
        loss.backward()
        if hook:
            hook(step, model)
        for optimizer, peak in optimizers:
            optimizer.param_groups[0]["lr"] = peak * rate(step)
            optimizer.step()
        losses.append(loss.item())
        if not math.isfinite(losses[-1]):
            break
    return round(held_out(model), 4), torch.tensor(losses)


def with_adamw(lr):
    return lambda model: [(optim.AdamW(model.parameters(), lr, betas=(0.9, 0.95)), lr)]


def unchanging(step):
    return 1.0


start = held_out(Little(0))
after, losses = train(with_adamw(0.02), unchanging, seed=0)  # @stepover
print(f"bits a byte: {start:.1f} before, {after:.1f} after {len(losses)} steps, floor {floor:.2f}")
assert floor < after < 0.7 * start

# %% [markdown]
# ## 7. Matrices: Adafactor, Shampoo, Muon
#
# All rules so far treat a model as a heap of numbers. Most weights of a language model stand in matrices, and a matrix
# has rows and columns. Three rules use that, for three different ends.
#
# ### Adafactor: remember less
#
# Adam remembers two numbers for each weight. Are the squares $g^2$ of a matrix really $n \times m$ different things?
# Let us look: the average of $g^2$ over some batches for the matrix `second`, and beside it the product of its row
# means and its column means, which needs only $n + m$ numbers.

# %%
squares = []
train(  # @stepover
    with_adamw(0.02), unchanging, seed=0, steps=60, hook=lambda step, model: squares.append(model.second.grad.square())
)
v = torch.stack(squares[30:]).mean(0)  # (64, 64)
row, column = v.mean(1, keepdim=True), v.mean(0, keepdim=True)  # (64, 1), (1, 64)
product = row @ column / v.mean()

fig, axes = plt.subplots(1, 2, figsize=(6.4, 3), sharey=True)
low, high = np.quantile(v.log10(), [0.01, 0.99])
for ax, image, title in zip(axes, (v, product), ("mean of $g^2$", "rows times columns"), strict=True):
    shown_at = ax.imshow(image.log10(), vmin=low, vmax=high, cmap="cividis")
    ax.set(title=title, xlabel="column")
    ax.grid(False)
axes[0].set_ylabel("row")
fig.colorbar(shown_at, ax=axes, label="log10 of the mean of $g^2$")
plt.show()

off = (v.sqrt() / product.sqrt()).log().abs().median().exp()  # by what factor the step would differ
print(f"{v.numel():,} numbers as {row.numel() + column.numel()}: steps differ by a factor of {off:.2f} in the median")
assert off < 1.25

# %% [markdown]
# Rows and columns explain nearly all of it: a unit that is active has large gradients in its whole row. So Adafactor
# (Shazeer and Stern 2018) keeps the two margins only. It saves the average $m$ too, by doing without momentum. And it
# changes two more things, which have nothing to do with memory but, as the race will show, with success: it limits the
# step's root mean square to 1, and it makes steps *relative*: the learning rate is a share of the matrix's own size.


# %%
def rms(x):
    return float(x.square().mean().sqrt())


def adafactor(w, g, state, lr, beta2_decay=-0.8, d=1.0):
    t = state["t"] = state.get("t", 0) + 1
    forget = t**beta2_decay  # 1, 0.57, 0.41, ...: an average that grows longer
    row = state["row"] = (1 - forget) * state.get("row", 0) + forget * (g * g).mean(1, keepdim=True)  # (n, 1)
    col = state["col"] = (1 - forget) * state.get("col", 0) + forget * (g * g).mean(0, keepdim=True)  # (1, m)
    step = g / (row @ col / row.mean()).sqrt()  # (n, m)
    step = step / max(1.0, rms(step) / d)
    return w - max(1e-3, rms(w)) * min(lr, 1 / math.sqrt(t)) * step


same(adafactor, optim.Adafactor, torch.optim.Adafactor, lr=0.1)  # @stepover

# %% [markdown]
# ### Turn the ravine
#
# Adagrad, RMSProp and Adam were cures for the ravine. Ours had a hidden favour for them: it ran along an axis. Now
# turn the same bowl by 30 degrees, so that each gradient mixes the steep and the flat direction. SGD does not notice:
# the picture is turned, and the path with it.


# %%
def turned_ravine(degrees, kappa=100.0):
    """Slope and start of a ravine turned by an angle: the same bowl, other axes."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    turn = torch.tensor([[c, -s], [s, c]])
    bowl = turn @ torch.diag(torch.tensor([1.0, kappa])) @ turn.T
    return {"slope": lambda w: bowl @ w, "start": turn @ torch.ones(2)}


def best_steps(rule, rates, degrees, **options):
    ravine = turned_ravine(degrees)
    return min(steps_needed(rule, **ravine, most=400, close=0.02, lr=lr, **options) for lr in rates)


fine = [0.004 * 1.25**i for i in range(16)]
straight = best_steps(adam, fine, 0, betas=(0.9, 0.99))  # @stepover
print(f"Adam through a straight ravine of condition 100: {straight} steps, at the best of {len(fine)} rates")

# %%
turned = predict(
    "And through the ravine turned by 30 degrees, again at the best rate?",
    choices=["as many", "about twice as many", "more than three times as many"],
)
turned

# %%
askew = best_steps(adam, fine, 30, betas=(0.9, 0.99))  # @stepover
rows = [["Adam", straight, askew]]
for name, rule, options in (("SGD", sgd, {}), ("momentum", with_momentum, {"momentum": 0.9})):
    rows.append([name, *(best_steps(rule, fine, degrees, **options) for degrees in (0, 30))])  # @stepover
assert askew > 3 * straight
assert rows[2][1] == rows[2][2]
table(["rule", "steps, straight", "steps, turned"], rows)

# %%
turned.reveal("more than three times as many")

# %% [markdown]
# A rate for each weight helps only where the axes of the loss are the axes of the weights. To cure a turned ravine, one
# has to see how the weights vary *together*.
#
# ### Shampoo: both sides of a matrix
#
# The whole truth would be a matrix of all weights against all weights: for a $4096 \times 4096$ layer $2.8 \cdot
# 10^{14}$ numbers. Shampoo (Gupta, Koren and Singer 2018) keeps one such matrix for the rows and one for the columns,
# summed up as in Adagrad, and multiplies the gradient by an inverse root of each:
#
# $$L \leftarrow L + G G^T, \qquad R \leftarrow R + G^T G, \qquad W \leftarrow W - \eta\, L^{-1/4}\, G\, R^{-1/4}$$
#
# Why the exponent -1/4? Take the first step, with $G = U S V^T$. Then $L = U S^2 U^T$ and $L^{-1/4} = U S^{-1/2} U^T$.
# From the left, that takes away half of $S$, and $R^{-1/4}$ takes the other half from the right. What is left is $U
# V^T$: every direction of the gradient with the same size. It is Adagrad's $g/\sqrt{g^2}$ for a matrix. With -1/2, the
# usual guess, the step would be $U S^{-1} V^T$: *smallest* directions first.


# %%
def power(a, exponent):
    """A symmetric matrix to a power, through its eigenvalues."""
    values, vectors = torch.linalg.eigh(a)
    return (vectors * values**exponent) @ vectors.T


def shampoo(w, g, state, lr, eps=1e-4):
    n, m = w.shape
    left = state["left"] = state.get("left", eps * torch.eye(n)) + g @ g.T  # (n, n)
    right = state["right"] = state.get("right", eps * torch.eye(m)) + g.T @ g  # (m, m)
    return w - lr * power(left, -1 / 4) @ g @ power(right, -1 / 4)


same(shampoo, optim.Shampoo, lr=0.1, atol=1e-9)  # torch has none  @stepover
G = torch.rand(5, 5, generator=torch.Generator().manual_seed(2)) - 0.5
u, s, vt = torch.linalg.svd(G)
for exponent, sizes in ((-1 / 4, torch.ones(5)), (-1 / 2, 1 / s)):
    step = power(G @ G.T, exponent) @ G @ power(G.T @ G, exponent)
    assert torch.allclose(step, u @ torch.diag(sizes) @ vt, atol=1e-6)

# %% [markdown]
# ### Muon: the same step without the roots
#
# Eigenvectors are expensive, and $L$ and $R$ are large. Muon (Jordan and others 2024) keeps momentum, as SGD does, and
# replaces the *step* $B = U S V^T$ by $U V^T$: what stands in $S$ is dropped. And it gets $U V^T$ by matrix products
# alone. If $X = U S V^T$, then $X X^T X = U S^3 V^T$: an odd polynomial of $X$ is the same
# polynomial of each singular value. So choose one that brings all values between 0 and 1 close to 1, and apply it five
# times. That is a ***Newton-Schulz iteration***:


# %%
def newton_schulz(g, steps=5):
    x = g / g.norm()  # all singular values are at most 1 now
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    return x


at = torch.linspace(0, 1, 400)
value = at
fig, ax = plt.subplots(figsize=(6, 3.2))
styles = dict(zip((0, 1, 2, 5), figures.line_styles(4), strict=True))
for step in range(6):
    if step in styles:
        ax.plot(at, value, label=f"after {step}", **{**styles[step], "marker": ""})
    value = 3.4445 * value - 4.7750 * value**3 + 2.0315 * value**5
ax.set(xlabel="singular value at the start", ylabel="singular value after some rounds")
ax.legend(title="rounds")
plt.show()

spread = torch.linalg.svdvals(newton_schulz(G))
assert 0.6 < spread.min() < spread.max() < 1.3
assert (newton_schulz(G) - u @ vt).norm() < 0.35 * (u @ vt).norm()  # near U V^T, and no more

# %% [markdown]
# The curve after five rounds does not lie on 1, it wanders between 0.7 and 1.2. (What is below about 1/700 grows some
# 500 times and stays small.) The coefficients were chosen so: steep
# at zero, so that small values come up quickly. Whether a direction gets 0.8 or 1.1 of a step matters little.
#
# For the rest: the momentum is Nesterov's, tall matrices get longer steps, and the decay is AdamW's. The libraries
# run the iteration in bfloat16, which is fast on GPUs and rounds after three digits; ours is in the dtype of the
# weights, and `lilllm` can do either.


# %%
def muon(w, g, state, lr, momentum=0.95, weight_decay=0.1, orthogonal=newton_schulz):
    b = state["b"] = momentum * state.get("b", 0) + (1 - momentum) * g
    step = orthogonal((1 - momentum) * g + momentum * b).to(w.dtype)
    n, m = w.shape
    return w * (1 - lr * weight_decay) - lr * math.sqrt(max(1, n / m)) * step


def muon_bfloat16(w, g, state, **options):
    return muon(w, g, state, orthogonal=package_newton_schulz, **options)


same(muon, partial(optim.Muon, ns_dtype=torch.float64), lr=0.02, atol=1e-9)  # @stepover
same(muon_bfloat16, optim.Muon, torch.optim.Muon, lr=0.02, atol=1e-3)  # bfloat16 has three digits  @stepover
first = [rule(torch.zeros(5, 5), G, {}, lr=1.0, **o) for rule, o in ((shampoo, {"eps": 1e-9}), (muon, {}))]
between = F.cosine_similarity(*map(torch.flatten, first), 0)
print(f"cosine of the angle between the first steps of Shampoo and Muon: {between:.2f}")
assert between > 0.95

# %% [markdown]
# Now the cure as a picture: the ravine for a matrix. A layer $W$ is to become a given one. Its inputs have a badly
# conditioned covariance $C$ (1000 between the widest and the narrowest direction), so the gradient is $(W - W^*)\,C$.
# Once with the directions of $C$ along the axes, once turned. Each rule at the best of ten rates:


# %%
def matrix_ravine(rule, rates, turned, steps=60, n=16, **options):
    """Loss curve, relative to its start, at the best of the rates."""
    draw = torch.Generator().manual_seed(0)
    goal = torch.rand(n, n, generator=draw) * 2 - 1
    axes = torch.linalg.qr(torch.rand(n, n, generator=draw) - 0.5)[0] if turned else torch.eye(n)
    covariance = axes @ torch.diag(torch.logspace(0, -3, n)) @ axes.T
    curves = []
    for lr in rates:
        w, state, losses = torch.zeros(n, n), {}, []
        for step in range(steps + 1):
            losses.append(((w - goal) @ covariance * (w - goal)).sum())
            fall = 0.5 * (1 + math.cos(math.pi * step / steps))  # section 9
            w = rule(w, (w - goal) @ covariance, state, lr=lr * fall, **options)
        curves.append(torch.stack(losses) / losses[0])
    return min(curves, key=lambda curve: float(curve[-1].nan_to_num(torch.inf)))


wide = [0.01 * 2**i for i in range(10)]
contestants = {
    "momentum": (with_momentum, {"momentum": 0.9}),
    "Adam": (adam, {"betas": (0.9, 0.95)}),
    "Shampoo": (shampoo, {"eps": 1e-8}),
    "Muon": (muon, {"weight_decay": 0.0}),
}
fig, axes = plt.subplots(1, 2, figsize=(7.4, 3.2), sharey=True)
final = {}
for ax, is_turned in zip(axes, (False, True), strict=True):
    for (name, (rule, options)), style in zip(contestants.items(), figures.line_styles(4), strict=True):
        curve = matrix_ravine(rule, wide, is_turned, **options)  # @stepover
        ax.plot(curve, label=name, markevery=10, **style)
        final[name, is_turned] = float(curve[-1])
    ax.set(title="turned" if is_turned else "along the axes", yscale="log", xlabel="step")
axes[0].set_ylabel("loss (start = 1)")
axes[0].legend()
plt.show()

assert final["Adam", True] > 2 * final["Adam", False]  # the turn costs Adam, ...
for name in ("Shampoo", "Muon"):
    assert final[name, True] < 1.5 * final[name, False]  # ... not those that see a matrix
    assert final[name, True] < final["Adam", True] / 3
final = None  # too many digits to keep

# %% [markdown]
# Two steps of the same cure, at two prices. What are the prices?

# %% [markdown]
# ## 8. What they remember, and what a step costs
#
# Every number that an optimizer keeps for a weight is there for the whole run, in float32 as a rule. We do not derive
# it, we look: one step of each on a matrix of $1024 \times 512$, and count what is in its state. And we let
# `lilllm.accounting` count what the step reads and writes.

# %%
KINDS = {
    "SGD": optim.SGD,
    "momentum, Nesterov": partial(optim.SGD, momentum=0.9),
    "Adagrad": optim.Adagrad,
    "RMSProp": optim.RMSProp,
    "Adadelta": optim.Adadelta,
    "Adam, AdamW": partial(optim.AdamW, foreach=False),
    "Adafactor": optim.Adafactor,
    "Shampoo": optim.Shampoo,
    "Muon": optim.Muon,
}


def remembered(kind, shape):
    """Numbers in the state of an optimizer after a step, and the work of the step."""
    p = nn.Parameter(torch.zeros(shape, dtype=torch.float32))
    optimizer = kind([p], lr=0.01)
    p.grad = torch.rand(shape, dtype=torch.float32, generator=torch.Generator().manual_seed(0))
    optimizer.step()
    with count() as work:  # the second step: the first also makes the state
        optimizer.step()
    state = optimizer.state[p].values()
    return sum(value.numel() for value in state if torch.is_tensor(value)), work


# %%
shape = (1024, 512)
size = math.prod(shape)
kept, rows = {}, []
for name, kind in KINDS.items():
    kept[name], work = remembered(kind, shape)  # @stepover
    a_weight = kept[name] / size
    rows.append(
        [name, f"{kept[name]:,}", f"{4 * a_weight:.2f}", f"{work.moved / size:.0f}", f"{work.flops / size:,.0f}"]
    )

assert kept["SGD"] == 0
assert kept["Adam, AdamW"] == kept["Adadelta"] == 2 * size
assert kept["Adafactor"] == 1024 + 512
assert kept["Shampoo"] == 2 * (1024**2 + 512**2)  # the sums and their roots
titles = ["optimizer", "numbers kept", "bytes a weight", "bytes moved a weight and step", "FLOPs a weight and step"]
table(titles, rows)

# %% [markdown]
# FLOPs here are those of matrix products. (The counter does not see inside an eigendecomposition; Shampoo's cost about
# $9 n^3$ for each side, or some 20,000 FLOPs a weight on this matrix, which is why nobody computes the roots at every
# step.) For all but the last two rules a step is pure traffic: it reads and writes memory and hardly computes, so
# libraries merge its operations into as few passes as they can. Muon computes, but what it computes does not depend on
# the batch. Its five rounds cost $30 n^3$ for a square matrix, the model's own work with that matrix is $6 n^2$ a
# token: a share of $5 n$ over the tokens of a batch. With $n = 4096$ and a million tokens that is 2 %. With our little
# model it will be another matter.

# %%
n, tokens = 4096, 2**20
share = 30 * n**3 / (6 * n**2 * tokens)
assert math.isclose(share, 5 * n / tokens)
print(f"Muon's extra work at n = {n:,} and {tokens:,} tokens a batch: {share:.1%}")

# %% [markdown]
# ## 9. Schedules: the rate as a function of the step
#
# A large rate goes far and then dances around the goal, a small one gets near and takes for ever. So begin with a large
# one and end with a small one. A ***schedule*** is a function from the step to the rate, nothing more; it keeps no
# state, so a run that is resumed at step 5000 asks it for step 5000. Nearly all of them begin with a ***warm-up***, a
# straight rise to the peak. Five in use:


# %%
def rise(step, warmup):
    return min(1.0, (step + 1) / warmup)


def inverse_sqrt(step, peak, warmup):
    """The Transformer's (2017): warm up for 4000 steps, then 1 / sqrt(step)."""
    return peak * min((step + 1) / warmup, math.sqrt(warmup / (step + 1)))


def cosine(step, peak, warmup, total, floor=0.0):
    """Half a wave of a cosine from the peak to the floor."""
    if step < warmup:
        return peak * rise(step, warmup)
    done = min(1.0, (step - warmup) / (total - warmup))
    return floor + (peak - floor) * (1 + math.cos(math.pi * done)) / 2


def step_decay(step, peak, warmup, total):
    """DeepSeek LLM (2024): times 0.316 at 80 % and again at 90 %."""
    return peak * rise(step, warmup) * 0.316 ** ((step >= 0.8 * total) + (step >= 0.9 * total))


def wsd(step, peak, warmup, total, decay=0.1):
    """Warm up, stay, decay: the last tenth falls as 1 - sqrt."""
    begin = total - decay * total
    if step < begin:
        return peak * rise(step, warmup)
    return peak * (1 - math.sqrt(min(1.0, (step - begin) / (total - begin))))


# %%
total_steps, warmup = 40_000, 4000
long_run = {"peak": 1.0, "warmup": warmup, "total": total_steps}
ours = {
    "inverse square root": partial(inverse_sqrt, peak=1.0, warmup=warmup),
    "cosine": partial(cosine, **long_run),
    "step decay": partial(step_decay, **long_run),
    "WSD": partial(wsd, **long_run),
}
package = (schedules.inverse_sqrt(peak=1.0, warmup=warmup), *(s(**long_run) for s in (
    schedules.cosine, schedules.steps, schedules.wsd)))  # fmt: skip
looked_at = range(0, total_steps + 1, 100)
for mine, theirs in zip(ours.values(), package, strict=True):
    assert all(math.isclose(mine(step), theirs(step), abs_tol=1e-12) for step in looked_at)  # @stepover

fig, ax = plt.subplots(figsize=(7, 3.4))
for (name, rate), style in zip(ours.items(), figures.line_styles(4), strict=True):
    ax.plot(looked_at, [rate(step) for step in looked_at], label=name, markevery=50, **style)  # @stepover
straight_line = [1 - step / total_steps for step in looked_at]
ax.plot(looked_at, straight_line, color=figures.GREY, linewidth=1, marker="", label="straight line: no cosine")
ax.set(xlabel="step", ylabel="learning rate (peak = 1)")
ax.legend(loc="lower left", bbox_to_anchor=(0.12, 0), fontsize=8)  # right of the rise
plt.show()

d_model, t = 512, 10_000  # the paper's own formula, which counts steps from 1
in_paper = d_model**-0.5 * min(t**-0.5, t * 4000**-1.5)
assert math.isclose(in_paper, inverse_sqrt(t - 1, peak=(d_model * 4000) ** -0.5, warmup=4000))
assert abs(0.316**2 - 0.1) < 2e-4  # two steps of 0.316 are a tenth
w = nn.Parameter(torch.zeros(1))
annealing = torch.optim.lr_scheduler.CosineAnnealingLR(torch.optim.SGD([w], lr=1.0), T_max=50)
assert math.isclose(annealing.get_last_lr()[0], cosine(0, 1.0, 0, 50))

# %% [markdown]
# Two remarks. In some notes you find $\alpha(1-t)/T$ called cosine decay. It is not; it is not even a decay from
# $\alpha$: at $t = 0$ it is $\alpha/T$, at $t = 1$ zero, and then negative. Perhaps $\alpha(1 - t/T)$ was meant,
# the grey line: that is a linear decay. The cosine stays high longer and lands flat.
#
# And a cosine has to know its end: stopped half-way, its rate is still high; run on, it is zero. Inverse square root
# and WSD do not. With WSD (Hu and others 2024) one run can be continued for ever, and from any point a short decay
# gives a finished model.

# %%
assert (1.0 * (1 - 0) / total_steps, (1 - 2) / total_steps < 0) == (1 / total_steps, True)
half = total_steps // 2 + warmup // 2
assert math.isclose(cosine(half, **long_run), 0.5)  # half-way, half the rate ...
assert cosine(half // 2, **long_run) > straight_line[half // 200]  # ... and before that, above the line

# %% [markdown]
# ### Why warm up?
#
# Look at the length of Adam's steps, at a constant rate. At the first step every weight moves by a full learning rate,
# since $m/\sqrt{v}$ is a sign. Some steps later the gradients of different batches disagree, and $m$ is small against
# $\sqrt{v}$. So the longest steps of the whole run come first, when the model knows nothing and the averages have seen
# one batch. Then we train with and without a warm-up of 20 steps, with three rules:

# %%
model, draw, lengths = Little(0), torch.Generator().manual_seed(1), []
optimizer = optim.AdamW(model.parameters(), 0.02, weight_decay=0.0)
for _ in range(60):  # @stepover
    model.zero_grad()
    batch_loss(model, windows[torch.randint(len(windows), (64,), generator=draw)]).backward()
    before = model.second.detach().clone()
    optimizer.step()
    lengths.append((model.second.detach() - before).square().mean().sqrt() / 0.02)

trial = {
    "SGD, 4": lambda model: [(optim.SGD(model.parameters(), 4.0), 4.0)],
    "Adam, 0.06": lambda model: [(optim.AdamW(model.parameters(), 0.06, weight_decay=0.0), 0.06)],
    "RMSProp, 0.02": lambda model: [(optim.RMSProp(model.parameters(), 0.02), 0.02)],
}
warmed = {
    (name, warm): [train(make, schedules.cosine(peak=1.0, warmup=warm, total=100), seed)[0] for seed in range(3)]
    for name, make in trial.items()  # @stepover
    for warm in (0, 20)
}

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.2))
left.plot(lengths, color=figures.BLUE, marker="")
left.set(xlabel="step", ylabel="Adam's step (learning rates, RMS)", ylim=(0, 1.1))
for place, name in enumerate(trial):
    for warm, shift, marker, colour in ((0, -0.12, "s", figures.VERMILLION), (20, 0.12, "o", figures.BLUE)):
        label = ("warm-up of 20" if warm else "none") if place == 0 else None
        right.plot([place + shift] * 3, warmed[name, warm], marker, color=colour, label=label, linestyle="")
right.set_xticks(range(len(trial)), [name.replace(", ", "\nat ") for name in trial])
right.set(ylabel="held-out loss (bits a byte)", xlim=(-0.5, 2.5))
right.legend()
plt.show()

gain = {name: round(median(warmed[name, 0]) - median(warmed[name, 20]), 2) for name in trial}
print("first step", f"{lengths[0]:.1f}, last {lengths[-1]:.1f}; bits a byte gained by warming up:", gain)
assert lengths[0] > 3 * lengths[-1]
assert max(warmed["RMSProp, 0.02", 20]) < min(warmed["RMSProp, 0.02", 0]) - 0.1
assert gain["SGD, 4"] < 0.03 < gain["RMSProp, 0.02"]

# %% [markdown]
# RMSProp gains much: it has no bias correction, so its first steps are ten times as long, and the warm-up hides that.
# Adam gains a little. SGD gains nothing, it only loses some steps: its length goes with the gradient, and no step is
# the longest by rule. In deep models with normalisation layers warm-up matters more than here (lecture 07); that it is
# always needed would be too much to say.
#
# ## 10. Clipping: one bad batch
#
# Among a million documents there is one that is the same line ten thousand times. Its batch has a gradient many times
# as large as usual, since its parts do not average out, and one step along it undoes a hundred others. ***Gradient
# clipping*** by norm (Pascanu, Mikolov and Bengio 2013) takes the norm of all gradients together, as one long vector,
# and if it is above a limit scales them all down to it:


# %%
def clip_by_norm(grads, limit):
    norm = math.sqrt(sum(float(g.square().sum()) for g in grads))
    return [g * min(1.0, limit / (norm + 1e-6)) for g in grads]


grads = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
clipped = clip_by_norm(grads, 1.0)
for clip in (optim.clip_by_norm, nn.utils.clip_grad_norm_):
    params = [nn.Parameter(torch.zeros_like(g)) for g in grads]
    for p, g in zip(params, grads, strict=True):
        p.grad = g.clone()
    assert math.isclose(clip(params, 1.0), 5.0)
    assert all(torch.allclose(p.grad, g) for p, g in zip(params, clipped, strict=True))
print("3 and 4, clipped to norm 1:", [f"{float(g.flatten()[0]):.2f}" for g in clipped])

# %% [markdown]
# The direction stays. Clipping by *value* cuts each number by itself, and turns the gradient:

# %%
steep = torch.tensor([0.1, 10.0])
p = nn.Parameter(torch.zeros(2))
p.grad = steep.clone()
optim.clip_by_value([p], 0.1)
angle = math.degrees(math.acos(F.cosine_similarity(steep, p.grad, dim=0)))
print(f"{steep.tolist()} becomes {p.grad.tolist()}: turned by {angle:.0f} degrees")
assert 44 < angle < 45

# %% [markdown]
# Now the bad batch: at step 50 we put 64 copies of one window in place of the batch, with a token that does not follow.

# %%
NO_GOOD = windows[12345].repeat(64, 1)
NO_GOOD[:, -1] = 5


def bad_batch_at_50(limit, norms):
    def hook(step, model):
        if step == 50:
            model.zero_grad()
            batch_loss(model, NO_GOOD).backward()
        norms.append(optim.clip_by_norm(model.parameters(), limit))

    return hook


def with_sgd(model):
    return [(optim.SGD(model.parameters(), 0.2, momentum=0.9), 0.2)]


clipping, norms = {}, {}
for name, limit in (("no clipping", 1e9), ("clipped at 1", 1.0)):
    norms[name] = []
    hook = bad_batch_at_50(limit, norms[name])
    clipping[name] = train(with_sgd, unchanging, seed=0, hook=hook)  # @stepover

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3))
for (name, (_, losses)), style in zip(clipping.items(), figures.line_styles(2), strict=True):
    left.plot(norms[name], label=name, **{**style, "marker": ""})
    right.plot(losses, label=name, **{**style, "marker": ""})
left.set(xlabel="step", ylabel="gradient's norm before clipping", yscale="log")
right.set(xlabel="step", ylabel="loss of the batch (nats)")
right.legend()
plt.show()

usual = median(norms["no clipping"][30:50])
print(f"norm: usually {usual:.1f}, of the bad batch {norms['no clipping'][50]:.0f}")
print("bits a byte at the end:", {name: round(held, 2) for name, (held, _) in clipping.items()})
assert norms["no clipping"][50] > 8 * usual
assert clipping["clipped at 1"][0] < clipping["no clipping"][0] - 0.1

# %% [markdown]
# Clipped, the bad batch is one step among others. Without clipping, half of a short run is lost; and the momentum
# carries the bad direction on for ten steps. The norm is also the best early sign that something is wrong: log it.
# (Adam limits the damage by itself, as its steps have a length, and keeps a trace of the batch in $v$ for long.)
#
# ## 11. Accumulation: a batch that does not fit
#
# A batch of a million tokens fits into no memory. So run it in parts, and add up the gradients: `backward` adds to
# `.grad` anyway. The result shall be *the same* as for the whole batch. The museum has a program that tried.

# %%
sum_of_parts = museum.case("04_sum_not_mean")
sum_of_parts

# %%
broken, repaired = sum_of_parts.run(), sum_of_parts.run(fixed=True)  # @stepover
fig, axes = plt.subplots(1, 2, figsize=(7.2, 3), sharey=True)
for ax, run, title in zip(axes, (broken, repaired), ("broken", "fixed"), strict=True):
    for (parts, curve), style in zip(run.values["curves"].items(), figures.line_styles(4), strict=True):
        ax.plot(curve, label=f"{parts} parts" if parts > 1 else "1 part", markevery=10, **style)
    ax.set(title=title, xlabel="step", yscale="log", ylim=(1e-12, 1e6))
axes[0].set_ylabel("loss")
axes[0].legend()
plt.show()
assert not broken.values["healthy"]
assert repaired.values["healthy"]

# %%
sum_of_parts.reveal()

# %% [markdown]
# With parts of equal size one can divide by the number of parts. With unequal ones (the last part of an epoch;
# documents of different lengths, where the mean is over tokens) that is wrong again, and quietly: a small part counts
# as much as a large one. Each part must be weighed with its share of the batch.


# %%
def gradient(model, parts, weights):
    """The gradient of the weighted sum of the parts' mean losses, as one vector."""
    model.zero_grad()
    for rows, weight in zip(parts, weights, strict=True):
        (weight * batch_loss(model, rows)).backward()
    return torch.cat([p.grad.flatten() for p in model.parameters()])


model, rows, sizes = Little(0), windows[:64], [30, 20, 10, 4]
parts = rows.split(sizes)
whole = gradient(model, [rows], [1.0])
by_share = gradient(model, parts, [size / 64 for size in sizes])
by_number = gradient(model, parts, [1 / 4] * 4)
error = [float((g - whole).norm() / whole.norm()) for g in (by_share, by_number)]
print(f"weighed by size: {'equal' if error[0] < 1e-14 else 'different'}; by number of parts: {error[1]:.0%} off")
assert error[0] < 1e-14  # float64 has 16 digits; sums in another order round otherwise, so not to the very last bit
assert error[1] > 0.1
error = None

# %% [markdown]
# ## 12. The race
#
# Which is best? A race is easily unfair. The two usual ways: give each optimizer the same learning rate (it means
# another thing in each), or tune your own and take the others' from a paper. Our rules:
#
# 1. Same model, same batches, same 100 steps, same schedule (warm-up of 10, cosine to zero), no weight decay.
# 2. For each, the learning rate is swept over a grid of factors of two, with two seeds. The best rate must lie *inside*
#    of the grid: a best one at the edge would mean that a better one may lie beyond.
# 3. The result is measured with five *other* seeds at that rate, so that nobody profits from the luck of the sweep.
# 4. Shampoo and Muon are for matrices, so they get the two hidden ones, and AdamW at its own best rate the rest.
#
# One more contestant is a control. Adafactor differs from Adam in the memory *and* in its relative steps. So we let
# AdamW run with relative steps too: each tensor's rate in proportion to its root mean square at the start.

# %%
winner = predict(
    "Which has the lowest median loss after 100 steps?",
    choices=["momentum", "AdamW", "Adafactor", "Shampoo", "Muon"],
)
winner

# %%
plain_adamw = partial(optim.AdamW, betas=(0.9, 0.95), weight_decay=0.0)


def all_in_one(kind, **options):
    return lambda lr: lambda model: [(kind(model.parameters(), lr, **options), lr)]


def relative_adamw(lr):
    return lambda model: [(plain_adamw([p], lr), lr * max(1e-3, rms(p.detach()))) for p in model.parameters()]


def hidden_only(kind, **options):
    """The hidden matrices in one optimizer, the rest in AdamW at its best rate."""

    def rest(model):
        return plain_adamw([model.embedding, model.head, *model.biases], best_rate["AdamW"])

    return lambda lr: (
        lambda model: [
            (kind([model.first, model.second], lr, **options), lr),
            (rest(model), best_rate["AdamW"]),
        ]
    )


RACE = {
    "SGD": (all_in_one(optim.SGD), (1, 2, 4, 8)),
    "momentum": (all_in_one(optim.SGD, momentum=0.9), (0.1, 0.2, 0.4, 0.8)),
    "Adagrad": (all_in_one(optim.Adagrad), (0.04, 0.08, 0.16, 0.32)),
    "RMSProp": (all_in_one(optim.RMSProp, alpha=0.95), (0.01, 0.02, 0.04, 0.08)),
    "Adadelta": (all_in_one(optim.Adadelta), (5, 10, 20, 40)),
    "AdamW": (all_in_one(plain_adamw), (0.01, 0.02, 0.04, 0.08)),
    "AdamW, relative": (relative_adamw, (0.05, 0.1, 0.2, 0.4)),
    "Adafactor": (all_in_one(optim.Adafactor), (0.05, 0.1, 0.2, 0.4)),
    "Shampoo": (hidden_only(optim.Shampoo, eps=1e-6, every=5, momentum=0.9), (0.0005, 0.001, 0.002, 0.004, 0.008)),
    "Muon": (hidden_only(optim.Muon, weight_decay=0.0, ns_dtype=torch.float64), (0.02, 0.04, 0.08, 0.16)),
}

# %% [markdown]
# (Muon in float64 here, so that its result does not depend on how a processor rounds bfloat16.)

# %%
race_rate = schedules.cosine(peak=1.0, warmup=10, total=100)
sweep, best_rate, final = {}, {}, {}
for name, (family, grid) in RACE.items():
    sweep[name] = [median(train(family(lr), race_rate, seed)[0] for seed in (0, 1)) for lr in grid]  # @stepover
    best_rate[name] = grid[int(np.argmin(sweep[name]))]
    assert grid[0] < best_rate[name] < grid[-1], f"{name}: the best rate is at the edge of its grid"
    final[name] = [train(family(best_rate[name]), race_rate, seed)[0] for seed in range(10, 15)]  # @stepover

# %%
names, most = list(RACE), 0.25  # how much worse, beyond that, is chance: such runs are unstable
fig, axes = plt.subplots(1, 2, figsize=(7.4, 4.2), sharex=True, sharey=True)
for ax, some in zip(axes, (names[:5], names[5:]), strict=True):
    for name, style in zip(some, figures.line_styles(5), strict=True):
        worse = np.array(sweep[name]) - min(sweep[name])
        ax.plot(np.array(RACE[name][1]) / best_rate[name], np.minimum(worse, most), label=name, **style)
    ax.set(xscale="log", xlabel="learning rate (best of each = 1)")
    ax.set_xticks([1 / 8, 1 / 4, 1 / 2, 1, 2, 4], ["1/8", "1/4", "1/2", "1", "2", "4"])
    ax.set_yticks([0, 0.05, 0.1, 0.15, 0.2, most], ["0", "0.05", "0.10", "0.15", "0.20", "0.25\nor more"])
    ax.minorticks_off()
    ax.legend(fontsize=8, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 1))
axes[0].set_ylabel("above its own best loss (bits a byte)")
plt.show()

off = {}  # what a rate costs that is wrong by a factor of two, to the worse side
for name, (_, grid) in RACE.items():
    at = grid.index(best_rate[name])
    off[name] = max(sweep[name][at - 1], sweep[name][at + 1]) - sweep[name][at]
assert sum(cost > 0.1 for cost in off.values()) == 8
assert max(off["Shampoo"], off["Muon"]) < 0.1
assert max(best_rate.values()) > 1000 * min(best_rate.values())
off = None
table(["optimizer", "best learning rate"], [[name, f"{rate:g}"] for name, rate in best_rate.items()])

# %% [markdown]
# Every curve has its lowest point inside. Look at the steepness: for all but Shampoo and Muon, a rate wrong by a
# factor of two, to the worse side, costs more than 0.1 bits a byte. Keep that number for the next picture, where hardly
# any two neighbours are so far apart. The best rates span a factor of more than a thousand. A race at one common rate
# would have measured nothing.

# %%
order = sorted(final, key=lambda name: median(final[name]))
fig, ax = plt.subplots(figsize=(7, 3.8))
for place, name in enumerate(order):
    ax.plot(final[name], [place] * 5, "o", color=figures.BLUE, alpha=0.7)
    ax.plot(median(final[name]), place, "|", color=figures.VERMILLION, markersize=18, markeredgewidth=2)
ax.set_yticks(range(len(order)), order)
ax.invert_yaxis()
ax.set(xlabel=f"held-out loss after 100 steps (bits a byte; the floor of the text is {floor})")
plt.show()

middle = {name: round(median(values), 2) for name, values in final.items()}
print(", ".join(f"{name} {middle[name]}" for name in order))
assert min(map(min, final.values())) > floor
assert sum(middle[after] - middle[before] >= 0.1 for before, after in pairwise(order)) <= 1  # of nine
winner.reveal(min(("momentum", "AdamW", "Adafactor", "Shampoo", "Muon"), key=lambda name: median(final[name])))

# %% [markdown]
# Read it with care.
#
# - **A rate for each weight beats one for all**, as section 3 promised for text, where most tokens are rare: Adagrad
#   and RMSProp lie ahead of SGD.
# - **Momentum loses to SGD here.** With 64 examples a step and 100 steps, noise is the trouble and not the ravine. An
#   average over ten steps does little against it, and it makes large rates unstable. Our cure for section 1's disease
#   does not help a patient who has another.
# - **AdamW is not the best of the plain ones.** RMSProp at its best beats it here: at a tenth of the usual length of a
#   run the momentum costs more than it brings.
# - **Adafactor wins, and not through its memory.** The control shows it: AdamW with relative steps gains nearly all of
#   the difference. The embeddings are eight times as large as the hidden weights here, and want steps as much larger.
# - **Shampoo loses to leaving everything to AdamW.** Its sums never forget, as Adagrad's do not, and its roots are five
#   steps old. On the quadratic of section 7 it was the best of all.
#
# None of this says what happens at a thousand times the size and ten thousand times the steps. It says that "the best
# optimizer" depends on the model, on the batch and on the length of the run, and that a sweep tells what a reputation
# does not.

# %%
assert middle["Adagrad"] < middle["SGD"] < middle["momentum"]
assert middle["RMSProp"] < middle["AdamW"]
assert middle["Adafactor"] == min(middle.values())
explained = (middle["AdamW"] - middle["AdamW, relative"]) / (middle["AdamW"] - middle["Adafactor"])
assert explained > 0.5
assert middle["Shampoo"] > middle["AdamW"] + 0.05
explained = None

# %% [markdown]
# ### The same race by compute
#
# Steps are not what one pays. One pays FLOPs and traffic. So count both for one step of the race, the model's and the
# optimizer's, and then let AdamW run for as many steps as Muon's compute would buy:


# %%
def step_work(name):
    """Work of the model and of the optimizers in one step."""
    model = Little(0)
    optimizers = RACE[name][0](best_rate[name])(model)
    with count() as of_model:
        batch_loss(model, windows[:64]).backward()
    for optimizer, _ in optimizers:
        optimizer.step()
    with count() as of_rule:
        for optimizer, _ in optimizers:
            optimizer.step()
    return of_model, of_rule


work, rows = {}, []
for name in ("SGD", "AdamW", "Adafactor", "Muon"):
    of_model, of_rule = step_work(name)  # @stepover
    work[name] = (of_model.flops + of_rule.flops) / of_model.flops
    rows.append([name, f"{of_model.flops / 1e6:.1f}", f"{of_rule.flops / 1e6:.1f}", f"{of_rule.moved / 1e6:.1f}"])
table(["optimizer", "model (MFLOP)", "optimizer (MFLOP)", "optimizer (MB moved)"], rows)

# %%
longer = round(100 * work["Muon"])
by_compute = schedules.cosine(peak=1.0, warmup=10, total=longer)
same_compute = [  # @stepover
    train(RACE["AdamW"][0](best_rate["AdamW"]), by_compute, seed, steps=longer)[0] for seed in range(10, 13)
]
reached = round(median(same_compute), 2)
print(f"for the FLOPs of 100 steps of Muon ({middle['Muon']}), AdamW makes {longer} steps: {reached} bits a byte")
assert reached < middle["Muon"] - 0.05

# %% [markdown]
# A step of Muon is better than a step of AdamW here. By compute it loses clearly: its matrix products cost more than
# the whole model with a batch of 64. That is a result about little models with little batches.
# Section 8 has the formula: the share is $5n$ over the tokens of a batch, and at the sizes for which Muon was made it
# is a few percent.
#
# ## 13. Napkin answer
#
# **Napkin answer.** How much must be remembered between two steps of a model of the shape of Llama 2 7B? The shapes of
# its weights are known; what each rule keeps for a shape, section 8 counted. We write that as a formula, check it
# against the real state, and add up. Adafactor and Muon are for matrices, so the vectors (gains of norms) cost what
# the rule does with them; with Muon the two tables of tokens go to AdamW.


# %%
def numbers_kept(rule, n, m):
    return {"SGD": 0, "AdamW": 2 * n * m, "Adafactor": n + m, "Muon": n * m}[rule]


for rule, name in (("SGD", "SGD"), ("AdamW", "Adam, AdamW"), ("Adafactor", "Adafactor"), ("Muon", "Muon")):
    assert numbers_kept(rule, 1024, 512) == kept[name]

llama = preset("llama2-7b")
C, FF = llama.d_model, llama.d_ff
inside = [(C, C)] * 4 + [(C, FF)] * 3
tables = [(llama.vocab_size, C)] * 2
n_gains = (2 * llama.n_layers + 1) * C
assert llama.n_layers * sum(n * m for n, m in inside) + sum(n * m for n, m in tables) + n_gains == total(llama)

# %%
gigabytes = {}
for rule in ("SGD", "AdamW", "Adafactor", "Muon"):
    for_tables = "AdamW" if rule == "Muon" else rule
    numbers = llama.n_layers * sum(numbers_kept(rule, n, m) for n, m in inside)
    numbers += sum(numbers_kept(for_tables, n, m) for n, m in tables)
    numbers += {"SGD": 0, "Adafactor": 1}.get(rule, 2) * n_gains  # Adafactor keeps a vector's squares in full
    gigabytes[rule] = 4 * numbers / 1e9
    print(f"{rule:10} {gigabytes[rule]:7.3f} GB")
assert gigabytes["SGD"] == 0
assert round(gigabytes["AdamW"], 1) == round(8 * total(llama) / 1e9, 1)
assert gigabytes["Adafactor"] < 0.02
assert 0.5 < gigabytes["Muon"] / gigabytes["AdamW"] < 0.55

# %% [markdown]
# Nothing, 54 GB, a hundredth of one GB, and 28. The weights themselves are 13 GB in bfloat16. That is why the state of
# the optimizer is the first thing that is spread over many GPUs (lecture 12), and why people keep trying to do without
# half of it.
#
# ## 14. Exercises
#
# Write the function in each cell, then run it. `check` tries it on small cases and names the likely mistake. For a
# hint, add `hint=1`, then `hint=2`; for a solution, `solution=True`.
#
# **1. Momentum.** One step, as torch's SGD makes it. `v` is what the last step left, zeros at first.


# %% tags=["exercise"] exercise="optimizers.momentum"
def momentum_step(w, g, v, lr, beta):
    """The new w and the new v."""
    ...


check("optimizers.momentum", momentum_step)

# %% [markdown]
# **2. AdamW.** One step. `t` is the number of this step, from 1.


# %% tags=["exercise"] exercise="optimizers.adamw"
def adamw_step(w, g, m, v, t, lr, betas, eps, weight_decay):
    """The new w, m and v."""
    ...


check("optimizers.adamw", adamw_step)

# %% [markdown]
# **3. A schedule.** A linear warm-up that reaches `peak` in the last of `warmup` steps, then a cosine to `floor` at
# step `total`, and `floor` for ever. Steps are counted from 0, and the first step is not wasted on a rate of 0.


# %% tags=["exercise"] exercise="optimizers.schedule"
def learning_rate(step, peak, warmup, total, floor):
    """The rate of a step, a number."""
    ...


check("optimizers.schedule", learning_rate)

# %% [markdown]
# **4. Clipping.** `grads` is a list of tensors of any shapes. The norm is that of all of them together.


# %% tags=["exercise"] exercise="optimizers.clip"
def clip(grads, max_norm):
    """A new list, of the same shapes."""
    ...


check("optimizers.clip", clip)

# %% [markdown]
# **5. Accumulation.** Each of `parts` is the gradient of the *mean* loss of a part of the batch; `sizes` says how many
# examples each part had. What is the gradient of the mean loss of the whole batch?


# %% tags=["exercise"] exercise="optimizers.accumulate"
def gradient(parts, sizes):
    """A tensor of the shape of each part."""
    ...


check("optimizers.accumulate", gradient)

# %% [markdown]
# ## What we left out
#
# - **Newton's method and its relatives** (L-BFGS, K-FAC): they use curvature itself. K-FAC is a near relative of
#   Shampoo.
# - **Shampoo as it is run today**: averages in place of sums, roots on other machines, step sizes borrowed from Adam
#   ("grafting"; Anil and others 2021); SOAP, which runs Adam in Shampoo's axes (Vyas and others 2024).
# - **Lion** (Chen and others 2023), a sign with momentum, found by search; **Sophia**, **Adan** and many more. Schmidt,
#   Schneider and Hennig (2021) raced fifteen and found that tuning one well does about as much as choosing among them.
# - **8-bit states** (Dettmers and others 2022): the same rules, with the averages in one byte a number. The bytes of
#   lecture 02 apply.
# - **Averaging the weights** over the last steps: lecture 08.
# - **How the best rate changes with the size of the model** (muP): lecture 17. How state is spread over GPUs: lecture
#   12.
#
# ## Sources
#
# - Polyak 1964, *Some methods of speeding up the convergence of iteration methods*, USSR Computational Mathematics and
#   Mathematical Physics 4(5): momentum, and its best rate on a quadratic.
# - Sutskever, Martens, Dahl, Hinton 2013, *On the importance of initialization and momentum in deep learning*, ICML:
#   the form of Nesterov's method that is in libraries.
# - Duchi, Hazan, Singer 2011, *Adaptive Subgradient Methods*, JMLR 12: Adagrad.
# - Tieleman, Hinton 2012, *Lecture 6.5: rmsprop*, Coursera. Zeiler 2012, *ADADELTA*, arXiv:1212.5701.
# - Kingma, Ba 2015, *Adam*, arXiv:1412.6980 (section 2: the form with epsilon hat). Loshchilov, Hutter 2019, *Decoupled
#   Weight Decay Regularization*, arXiv:1711.05101.
# - Shazeer, Stern 2018, *Adafactor*, arXiv:1804.04235. Gupta, Koren, Singer 2018, *Shampoo*, arXiv:1802.09568.
# - Jordan and others 2024, *Muon: an optimizer for hidden layers in neural networks* (the coefficients and the share of
#   compute). Liu and others 2025, *Muon is Scalable for LLM Training*, arXiv:2502.16982.
# - Vaswani and others 2017, *Attention Is All You Need*, arXiv:1706.03762, section 5.3: 4000 steps of warm-up.
#   Loshchilov, Hutter 2017, *SGDR*, arXiv:1608.03983: cosine. DeepSeek-AI 2024, *DeepSeek LLM*, arXiv:2401.02954,
#   section 2.3: steps at 80 % and 90 %. Hu and others 2024, *MiniCPM*, arXiv:2404.06395: WSD. Hägele and others 2024,
#   arXiv:2405.18392: its 1 - sqrt.
# - Pascanu, Mikolov, Bengio 2013, *On the difficulty of training recurrent neural networks*, arXiv:1211.5063: clipping.
# - Bengio, Ducharme, Vincent, Jauvin 2003, *A Neural Probabilistic Language Model*, JMLR 3.
# - Anil and others 2021, arXiv:2002.09018. Vyas and others 2024, *SOAP*, arXiv:2409.11321. Chen and others 2023,
#   *Lion*, arXiv:2302.06675. Schmidt, Schneider, Hennig 2021, *Descending through a Crowded Valley*,
#   arXiv:2007.01547. Dettmers and others 2022, *8-bit Optimizers*, arXiv:2110.02861.
