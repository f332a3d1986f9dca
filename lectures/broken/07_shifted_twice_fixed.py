"""The same model, its labels shifted once."""

import torch
from torch import nn

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
letters = "abcdefghijklmnopqrstuvwxyz"
V, T = len(letters), 16


def batch(size):
    """Pieces of the alphabet, which begins anew after z; the labels are the letters that follow."""
    start = torch.randint(V, (size, 1))
    text = (start + torch.arange(T + 1)) % V
    return text[:, :-1], text[:, 1:]  # inputs, labels


model = nn.Sequential(nn.Embedding(V, 32), nn.Linear(32, V))
optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
losses = []
for step in range(121):
    inputs, labels = batch(16)
    logits = model(inputs)  # (B, T, V)
    loss = nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 40 == 0:
        print(f"step {step}: loss {losses[-1]:.2f}")

text = [0]
for _ in range(11):
    text.append(model(torch.tensor(text[-1:]))[-1].argmax().item())
said = "".join(letters[token] for token in text)
print(f"after a: {said}")
healthy = said == letters[:12]
