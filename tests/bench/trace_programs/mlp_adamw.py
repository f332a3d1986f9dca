"""A two-layer perceptron trained with AdamW for 30 steps."""

import torch
from torch import nn


def forward(x, up, down):
    hidden = torch.relu(x @ up)
    return hidden @ down


def main():
    torch.manual_seed(0)
    up = nn.Parameter(torch.randn(16, 64) / 4)
    down = nn.Parameter(torch.randn(64, 1) / 8)
    optimizer = torch.optim.AdamW([up, down], lr=1e-2)
    x = torch.randn(128, 16)
    y = x[:, :1] * x[:, 1:2]
    losses = []
    for _step in range(30):
        prediction = forward(x, up, down)
        loss = ((prediction - y) ** 2).mean()  # @inspect loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
