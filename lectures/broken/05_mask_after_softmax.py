"""A head that answers too quietly."""

import math

import torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
B, T, C = 64, 12, 8
may_look = torch.ones(T, T, dtype=torch.bool).tril()


def running_mean(x):
    """What the head has to learn: the mean of all tokens so far."""
    return x.cumsum(1) / torch.arange(1, T + 1)[:, None]


def head(x):
    q, k, v = x @ w_q, x @ w_k, x @ w_v
    scores = q @ k.transpose(-2, -1) / math.sqrt(C)
    weights = scores.softmax(-1).masked_fill(~may_look, 0.0)
    return weights @ v, weights


w_q, w_k, w_v = (torch.nn.Parameter(torch.randn(C, C) / math.sqrt(C)) for _ in range(3))
optimizer = torch.optim.Adam([w_q, w_k, w_v], lr=0.02)
losses = []
for step in range(151):
    x = torch.randn(B, T, C)
    y, weights = head(x)
    error = (y - running_mean(x)).square().mean((0, 2))  # of each place
    optimizer.zero_grad()
    error.mean().backward()
    optimizer.step()
    losses.append(error.mean().item())
    if step % 50 == 0:
        print(f"step {step}: error {losses[-1]:.2f}")

last_changed = x.clone()
last_changed[:, -1] += 5.0
moved = (head(last_changed)[0] - head(x)[0])[:, 0].abs().max().item()
print(f"error at the first place {error[0]:.2f}, at the last {error[-1]:.2f}")
print(f"a change of the last token moves the answer at the first by {moved:.2f}")
healthy = error[0].item() < 0.01 and moved == 0.0
