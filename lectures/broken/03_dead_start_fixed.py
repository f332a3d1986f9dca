"""The network that tells points apart: its weights begin at the size that keeps signals alive."""

import math

import torch
from torch import nn

torch.manual_seed(0)
points = torch.randn(300, 2, dtype=torch.float64)
kinds = (points.norm(dim=1) > 0.8).long() + (points.norm(dim=1) > 1.5).long()

layers = [nn.Linear(2, 32), *(nn.Linear(32, 32) for _ in range(8)), nn.Linear(32, 3)]
layers = [layer.double() for layer in layers]
for layer in layers:
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    nn.init.zeros_(layer.bias)


def network(x):
    """The answer, and the size of what comes out of each layer."""
    sizes = []
    for layer in layers[:-1]:
        x = layer(x).relu()
        sizes.append(x.square().mean().sqrt().item())
    return layers[-1](x), sizes


optimizer = torch.optim.SGD([p for layer in layers for p in layer.parameters()], lr=0.02)
losses = []
for step in range(400):
    answer, sizes = network(points)
    loss = nn.functional.cross_entropy(answer, kinds)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step == 0:
        first_sizes = sizes
        gradients = [layer.weight.grad.norm().item() for layer in layers]

ratio = first_sizes[-1] / first_sizes[0]
print(f"loss {losses[0]:.1f} -> {losses[-1]:.1f}")
print(f"what leaves layer 9 is 10^{round(math.log10(ratio))} times the size of what leaves layer 1")
healthy = losses[-1] < 0.5 * losses[0]
