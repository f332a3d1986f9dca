"""The price that is the same for every house."""

import torch
from torch import nn

torch.manual_seed(0)
houses = torch.randn(64, 3)  # size, age and distance, standardised
price = houses @ torch.tensor([3.0, -1.0, -2.0]) + 0.1 * torch.randn(64)

model = nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []
for _ in range(60):
    answer = model(houses)
    error = answer - price
    loss = error.square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

answer = answer.detach()
mean_alone = price.var(unbiased=False).item()  # the loss of answering the mean price
print(f"loss {losses[0]:.1f} -> {losses[-1]:.1f}; always answering the mean price gives {mean_alone:.1f}")
print(f"the prices spread by {price.std():.1f}, the answers by {answer.std():.1f}")
healthy = losses[-1] < 0.1 * mean_alone
