"""A model that begins far worse than a guess."""

import math

import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
V, C = 200, 64
after = torch.randperm(V)  # which token follows which


class Model(nn.Module):
    """A bigram model: embedding, norm, one hidden layer, and the embedding again as output."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(V, C)
        self.hidden = nn.Linear(C, C)
        self.head = nn.Linear(C, V, bias=False)
        self.head.weight = self.embed.weight  # tied: one matrix with two names
        for module in (self.head, self.hidden, self.embed):
            self.begin(module)

    def begin(self, module):
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
        if isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=1.0)

    def forward(self, tokens):
        x = nn.functional.rms_norm(self.embed(tokens), (C,))
        return self.head(x + torch.tanh(self.hidden(x)))


model = Model()
optimizer = torch.optim.AdamW(model.parameters(), lr=0.003)
losses = []
for step in range(101):
    tokens = torch.randint(V, (128,))
    loss = nn.functional.cross_entropy(model(tokens), after[tokens])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 50 == 0:
        print(f"step {step}: loss {losses[-1]:.1f}")

print(f"knowing nothing, the loss is ln {V} = {math.log(V):.1f}")
healthy = abs(losses[0] - math.log(V)) < 0.5
