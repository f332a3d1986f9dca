"""A model that learns how frequent letters are, and nothing else."""

import torch
from torch import nn

from lilllm.data import LilTown

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
text = "\n".join(LilTown(seed=0).documents(count=200))
letters = sorted(set(text))
tokens = torch.tensor([letters.index(letter) for letter in text])
V, C, L, B, T = len(letters), 32, 4, 16, 16
STEPS, RATE = 100, 0.025
hidden = torch.ones(T, T, dtype=torch.bool).triu(1)


class Model(nn.Module):
    """A transformer as the first ones were: each norm behind its sum."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(V, C)
        self.place = nn.Parameter(0.1 * torch.randn(T, C))
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(C, 4, 4 * C, dropout=0.0, batch_first=True) for _ in range(L)
        )
        self.head = nn.Linear(C, V)

    def forward(self, rows):
        x = self.embed(rows) + self.place
        for block in self.blocks:
            x = block(x, src_mask=hidden)
        return self.head(x)


def rate_at(step):
    return RATE


model = Model()
optimizer = torch.optim.Adam(model.parameters())
losses = []
for step in range(STEPS + 1):
    for group in optimizer.param_groups:
        group["lr"] = rate_at(step)
    start = torch.randint(len(tokens) - T, (B, 1))
    rows = tokens[start + torch.arange(T + 1)]
    loss = nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 20 == 0:
        print(f"step {step}: loss {losses[-1]:.1f}")

last = sum(losses[-20:]) / 20
counts = torch.bincount(tokens).double()
blind = -(counts / counts.sum() * (counts / counts.sum()).log()).sum().item()
print(f"mean of the last 20: {last:.1f}; who knows only how frequent each letter is: {blind:.1f}")
healthy = last < blind - 0.3
