"""The network that forgets in three steps."""

import torch

lr, b1, b2, eps = 0.008, 0.9, 0.999, 1e-8
generator = torch.Generator().manual_seed(0)
x = torch.linspace(-2, 2, 64, dtype=torch.float64)[:, None]
hidden = torch.randn(1, 50, generator=generator, dtype=torch.float64)
shift = torch.randn(50, generator=generator, dtype=torch.float64)
features = torch.tanh(x @ hidden + shift)  # (64, 50)
target = torch.sin(2 * x) + 0.2 * torch.randn(64, 1, generator=generator, dtype=torch.float64)


w = torch.linalg.solve(features.T @ features + 0.1 * torch.eye(50), features.T @ target)  # a good fit, not the best
m, v = torch.zeros_like(w), torch.zeros_like(w)
losses, longest = [], []
for t in range(1, 301):
    error = features @ w - target
    losses.append(error.square().mean().item())
    g = 2 * features.T @ error / len(x)
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g * g
    m_hat = m
    v_hat = v
    step = lr * m_hat / (v_hat.sqrt() + eps)
    longest.append(step.abs().max().item() / lr)
    if t <= 3:
        print(f"step {t}: a weight moves by up to {longest[-1]:.1f} lr")
    w = w - step

print(f"largest loss: {max(losses) / losses[0]:.1f} times the first")
healthy = max(losses) < 2 * losses[0]
