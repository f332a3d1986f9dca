"""The layer that will not shrink."""

import torch

torch.set_default_dtype(torch.float64)

SIZES = [0.001, 0.1, 10.0]  # how large the gradients of each layer are
lr, decay, b1, b2, eps = 0.001, 0.1, 0.9, 0.999, 1e-8

noise = torch.Generator().manual_seed(0)
weights = [torch.ones(1000) for _ in SIZES]
means = [torch.zeros(1000) for _ in SIZES]
squares = [torch.zeros(1000) for _ in SIZES]
kept = [[1.0] for _ in SIZES]  # the mean weight of each layer after each step

for t in range(1, 1001):
    for layer, (w, m, v) in enumerate(zip(weights, means, squares, strict=True)):
        g = SIZES[layer] * torch.randn(1000, generator=noise)
        g += decay * w
        m.lerp_(g, 1 - b1)
        v.lerp_(g * g, 1 - b2)
        step = (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + eps)
        w -= lr * step
        kept[layer].append(w.mean().item())

for size, values in zip(SIZES, kept, strict=True):
    print(f"gradients of about {size:6}: {values[-1]:4.0%} of the weight is left")
healthy = max(values[-1] for values in kept) - min(values[-1] for values in kept) < 0.05
