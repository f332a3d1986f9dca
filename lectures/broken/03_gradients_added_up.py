"""The loss that swings

Symptom: The loss falls to nearly nothing, climbs back to where it began, and falls again, over and over. A smaller
learning rate does not cure it: the swings only become slower.
Look: At the first step the gradient used is the gradient of the loss. Is it still at the second? Compare
`model.weight.grad` before and after `loss.backward()`.
Cause: backward adds to what is in `.grad`, because a weight that is used twice needs the sum. Nobody empties it, so
each step follows the sum of all gradients so far: the weight runs through the valley, and only the gradients of the far
side bring it back. That is momentum without friction.
Fix: Empty the gradients before each backward pass, with `optimizer.zero_grad()`.
"""

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
