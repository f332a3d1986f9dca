"""A deep model whose first layers sleep."""

import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
C, L = 32, 16
layers = [nn.Linear(C, C) for _ in range(L)]
out = nn.Linear(C, 1)


def network(x):
    sizes = []
    for layer in layers:
        x = nn.functional.rms_norm(x, (C,))
        x = x + 2 * torch.relu(layer(x))
        sizes.append(x.square().mean().sqrt().item())
    return out(nn.functional.rms_norm(x, (C,))), sizes


x = torch.randn(256, C)
y = torch.randn(256, 1)
answer, sizes = network(x)
(answer - y).square().mean().backward()
gradients = [layer.weight.grad.norm().item() for layer in layers]
print(f"size of the stream: {sizes[0]:.1f} after layer 1, {sizes[-1]:.1f} after layer {L}")
print(f"gradient of layer 1: {gradients[0] / gradients[-1]:.2f} of the last one's")
healthy = gradients[0] > 0.1 * gradients[-1]
