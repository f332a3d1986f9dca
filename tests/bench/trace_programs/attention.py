"""Causal self-attention over a few heads, row by row and at once."""

import math

import torch


def attend_row(q, k, v, row):
    scores = k[: row + 1] @ q[row] / math.sqrt(q.shape[-1])
    weights = torch.softmax(scores, dim=-1)
    return weights @ v[: row + 1]


def attend(q, k, v):
    T, D = q.shape
    scores = q @ k.T / math.sqrt(D)
    mask = torch.ones(T, T, dtype=torch.bool).tril()
    scores = scores.masked_fill(~mask, float("-inf"))
    return torch.softmax(scores, dim=-1) @ v


def main():
    generator = torch.Generator().manual_seed(0)
    for _head in range(4):
        q, k, v = torch.randn(3, 24, 16, generator=generator)
        rows = []
        for row in range(24):
            rows.append(attend_row(q, k, v, row))
        slow = torch.stack(rows)  # @inspect slow
        fast = attend(q, k, v)  # @inspect fast
        assert torch.allclose(slow, fast, atol=1e-5)
