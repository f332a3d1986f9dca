"""The loss that falls while nothing learns

Symptom: a model is evaluated, nothing is trained. The mean loss over the batches so far is about right at first, then
    it falls and falls: the more data, the better the model looks.
Look: `totals` holds the sum after every hundred batches, `means` the sum by the number of batches. Which goes wrong?
Cause: `total` is a bfloat16, as the losses are. It has 8 bits of precision: from 256 on its neighbours are 2 apart,
    from 512 on 4 apart. A loss of less than half that distance is rounded away, so the sum stops, while the number
    of batches goes on.
Fix: sum in float32, whatever the type of what is summed; torch's own `losses.sum()` and `mean()` do so inside.
"""

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
