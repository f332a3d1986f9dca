"""The loss that knows the number of parts."""

import torch

lr, steps = 0.13, 60
generator = torch.Generator().manual_seed(0)
x = torch.randn(64, 8, generator=generator, dtype=torch.float64)
y = x @ torch.randn(8, generator=generator, dtype=torch.float64)

curves, norms = {}, {}
for parts in (1, 2, 4, 8):
    w = torch.zeros(8, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.SGD([w], lr=lr)
    curves[parts], norms[parts] = [], []
    for _ in range(steps):
        optimizer.zero_grad()
        total = 0.0
        for rows in torch.arange(64).chunk(parts):
            loss = (x[rows] @ w - y[rows]).square().mean()
            loss.backward()
            total += loss.item() / parts
        gradient = w.grad.clone()
        norms[parts].append(gradient.norm().item())
        curves[parts].append(total)
        optimizer.step()

for parts, losses in curves.items():
    print(f"{parts:2} parts: gradient {norms[parts][0] / norms[1][0]:2.0f} x, loss {losses[0]:.1f} -> {losses[-1]:.1g}")
healthy = all(abs(losses[-1] - curves[1][-1]) < 1e-9 for losses in curves.values())
