"""The same attention with its softmax over the keys."""

import math

import torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
T, C = 10, 16
x = torch.randn(T, C)
w_q, w_k = torch.randn(2, C, C) / math.sqrt(C)
values = torch.rand(T, 1)  # between 0 and 1, so that every mean of them is

scores = (x @ w_q) @ (x @ w_k).T / math.sqrt(C)
scores = scores.masked_fill(torch.ones(T, T, dtype=torch.bool).triu(1), -torch.inf)
weights = scores.softmax(dim=1)
answers = (weights @ values)[:, 0].tolist()

print("values from 0 to 1; answers from", f"{min(answers):.2f} to {max(answers):.2f}")
healthy = max(answers) <= 1.0
