"""The layer that does not learn."""

import torch
from torch import nn

torch.manual_seed(0)
angle = 6.283 * torch.rand(200)
ring = (torch.arange(200) % 2).float()
radius = 1 + 1.5 * ring
points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)


def standardise(values):
    """Mean 0 and standard deviation 1 for each column."""
    return (values - values.mean(axis=0)) / (values.std(axis=0) + 1e-5)


first, last = nn.Linear(2, 6), nn.Linear(6, 1)
before = first.weight.detach().clone()
optimizer = torch.optim.Adam([*first.parameters(), *last.parameters()], lr=0.05)
losses = []
for _ in range(300):
    features = first(points).tanh()
    features = torch.from_numpy(standardise(features.detach().numpy()))
    answer = last(features).squeeze(1)
    loss = nn.functional.binary_cross_entropy_with_logits(answer, ring)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

right = ((answer > 0) == (ring > 0.5)).float().mean().item()
moved = (first.weight - before).abs().max().item()
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; guessing gives 0.69")
print(f"{right:.0%} of the points on the right ring; the first layer's weights moved by up to {moved:.1f}")
healthy = losses[-1] < 0.1
