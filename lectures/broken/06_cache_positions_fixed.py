"""The same cache, with the new token at its place."""

import math

import torch

from lilllm.layers.rope import angles, rotate

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
T, D = 12, 16
x = torch.randn(T, D)
w_q, w_k, w_v = torch.randn(3, D, D) / math.sqrt(D)


def turned(rows, positions):
    angle = angles(positions, D).double()
    return rotate(rows[None, None], angle.cos(), angle.sin())[0, 0]


def whole(x):
    """All tokens in one go, as in training."""
    place = torch.arange(len(x))
    q, k = turned(x @ w_q, place), turned(x @ w_k, place)
    scores = (q @ k.T / math.sqrt(D)).masked_fill(place[:, None] < place, -torch.inf)
    return scores.softmax(-1) @ (x @ w_v)


keys, values, out = torch.empty(0, D), torch.empty(0, D), []
for t in range(T):  # token by token, as in generation
    token = x[t : t + 1]
    place = torch.arange(len(keys), len(keys) + len(token))
    keys = torch.cat((keys, turned(token @ w_k, place)))
    values = torch.cat((values, token @ w_v))
    scores = turned(token @ w_q, place) @ keys.T / math.sqrt(D)
    out.append(scores.softmax(-1) @ values)

differences = (torch.cat(out) - whole(x)).abs().amax(-1).tolist()
print("largest difference at the first tokens:", " ".join(f"{one:.2f}" for one in differences[:4]))
healthy = max(differences) < 1e-12
