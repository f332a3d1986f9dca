"""The same model, its labels one letter further."""

import torch
from torch import nn

from lilllm.data import LilTown

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
text = "\n".join(LilTown(seed=0).documents(count=200))
letters = sorted(set(text))
tokens = torch.tensor([letters.index(letter) for letter in text])
V, B, T, SEEN = len(letters), 16, 32, 8

embed = nn.Embedding(V, 16)
hidden = nn.Conv1d(16, 64, SEEN)  # from a letter and the seven before it
head = nn.Linear(64, V)
optimizer = torch.optim.Adam([*embed.parameters(), *hidden.parameters(), *head.parameters()], lr=0.01)


def model(inputs):
    """The scores of what comes next, at each place."""
    x = nn.functional.pad(embed(inputs).transpose(1, 2), (SEEN - 1, 0))
    return head(torch.relu(hidden(x)).transpose(1, 2))


losses = []
for step in range(121):
    start = torch.randint(len(tokens) - T, (B, 1))
    rows = tokens[start + torch.arange(T + 1)]
    inputs, labels = rows[:, :T], rows[:, 1:].clone()
    loss = nn.functional.cross_entropy(model(inputs).flatten(0, 1), labels.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 40 == 0:
        print(f"step {step}: loss {losses[-1]:.2f}")

said = "Tom went"
for _ in range(24):
    seen = torch.tensor([[letters.index(letter) for letter in said[-SEEN:]]])
    said += letters[model(seen)[0, -1].argmax()]
print(said)
healthy = len(set(said[8:])) > 1
