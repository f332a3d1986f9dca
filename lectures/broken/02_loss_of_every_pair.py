"""The price that is the same for every house

Symptom: the loss falls and then stays where guessing the mean price would be. Whatever the house, the model answers
    nearly the same price. Nothing is raised, and neither a smaller nor a larger learning rate helps.
Look: how many errors is the loss the mean of? Stop at the line that computes `error` and read its shape.
Cause: the model answers with shape (64, 1), and the prices have shape (64,). Their difference broadcasts to (64, 64):
    every answer against every price. Each answer is pulled to all the prices at once, and what is least wrong for all
    of them is their mean.
Fix: drop the axis of size 1 before the difference, so that 64 answers meet 64 prices, and assert that the shapes agree.
"""

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
