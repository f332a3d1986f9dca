"""The loss that swings."""

import torch
from torch import nn

torch.manual_seed(0)
hours = torch.randn(64, 1)  # standardised
marks = 2 * hours + 1 + 0.1 * torch.randn(64, 1)

model = nn.Linear(1, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
losses, used, true = [], [], []  # the size of the gradient that is followed, and of the loss's own
for _ in range(200):
    error = model(hours) - marks
    loss = error.square().mean()
    loss.backward()
    own = (2 * error * hours).mean()
    losses.append(loss.item())
    used.append(model.weight.grad.abs().item())
    true.append(own.abs().item())
    optimizer.step()

late = losses[100:]
print(f"loss {losses[0]:.1f} at first, {min(losses):.2f} at its least, {max(late):.1f} at its most after step 100")
healthy = max(late) < 0.1 * losses[0]
