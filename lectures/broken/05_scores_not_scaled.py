"""A head that is sure before it has learned anything."""

import math

import torch

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
B, S = 64, 16
widths = [4, 16, 64, 256, 1024]
sure, gradients = [], []
for D in widths:
    x = torch.randn(B, S, D)
    w_q, w_k = torch.randn(2, D, D) / math.sqrt(D)  # as a layer begins: what comes out has the size of what goes in
    q, k = x[:, -1:] @ w_q, x @ w_k  # the last token asks all
    scores = q @ k.transpose(-2, -1)
    scores.requires_grad_()
    weights = scores.softmax(-1)
    answer = weights @ x
    sure.append(weights.amax(-1).mean().item())
    (answer * torch.randn(B, 1, D)).sum(-1).mean().backward()  # a loss that pulls the answers somewhere
    gradients.append(scores.grad.norm().item() / math.sqrt(D))  # by the size of the pull
    print(f"width {D}: the largest of {S} weights is {sure[-1]:.2f}")

print(f"gradient for the scores at width {widths[-1]}: {gradients[-1] / gradients[0]:.1f} of that at width {widths[0]}")
healthy = sure[-1] < 2 * sure[0]
