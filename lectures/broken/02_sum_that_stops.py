"""The loss that falls while nothing learns."""

import torch

torch.manual_seed(0)
batches = 2000
loss_of = (1.5 + 0.2 * torch.randn(batches)).to(torch.bfloat16)  # the loss of each batch, about 1.5

total = torch.zeros((), dtype=torch.bfloat16)
totals, means = [], []
for seen, loss in enumerate(loss_of, start=1):
    total += loss
    if seen % 100 == 0:
        totals.append(total.item())
        means.append(total.item() / seen)

print(f"mean loss after 100 batches {means[0]:.2f}, after {batches:,} batches {means[-1]:.2f}")
print(f"the total after {batches:,} batches: {total.item():.0f}")
healthy = abs(means[-1] - loss_of.double().mean().item()) < 0.01
