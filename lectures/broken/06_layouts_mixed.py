"""A model that lost its mind on the way."""

import math

import torch

from lilllm.layers import rope

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
B, T, D = 64, 16, 16
hidden = torch.ones(T, T, dtype=torch.bool).triu(1)
angle = rope.angles(torch.arange(T), D).double()
cos, sin = angle.cos(), angle.sin()


def weights(x, w_q, w_k, turn):
    """The attention map of one head, with either layout of RoPE."""
    q, k = (turn((x @ w.T)[:, None], cos, sin)[:, 0] for w in (w_q, w_k))
    scores = q @ k.transpose(-2, -1) / math.sqrt(D)
    return scores.masked_fill(hidden, -torch.inf).softmax(-1)  # (B, T, T)


def texts():
    return torch.cat((torch.randn(B, T, D - 1), torch.full((B, T, 1), 3.0)), dim=-1)


def on_the_token_before(map):
    return map.diagonal(-1, 1, 2).mean()


w_q, w_k = (torch.nn.Parameter(torch.randn(D, D) / math.sqrt(D)) for _ in range(2))
optimizer = torch.optim.Adam([w_q, w_k], lr=0.03)
losses = []
for step in range(241):
    loss = -weights(texts(), w_q, w_k, rope.rotate_pairs).diagonal(-1, 1, 2).log().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 60 == 0:
        print(f"step {step}: loss {losses[-1]:.2f}")

x = texts()
trained = on_the_token_before(weights(x, w_q, w_k, rope.rotate_pairs)).item()
# The weights are loaded by other code, which pairs the channels i and i + D/2.
loaded_q, loaded_k = w_q.clone(), w_k.clone()
loaded = on_the_token_before(weights(x, loaded_q, loaded_k, rope.rotate)).item()
print(f"weight on the token before: {trained:.2f} where it was trained, {loaded:.2f} where it was loaded")
healthy = abs(trained - loaded) < 1e-9
