"""The same run, its loader resumed too."""

import torch
from torch import nn

from lilllm.data import LilTown

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
town = LilTown(seed=0)
text, unseen = ("\n".join(town.documents(start=start, count=100)) for start in (0, 1000))
letters = sorted(set(text))
tokens, held_out = (torch.tensor([letters.index(letter) for letter in one]) for one in (text, unseen))
V, B, T, SEEN = len(letters), 8, 16, 6

parts = nn.ModuleList([nn.Embedding(V, 16), nn.Conv1d(16, 64, SEEN), nn.Linear(64, V)])
optimizer = torch.optim.Adam(parts.parameters(), lr=0.01)


def loss_of(rows):
    """Each letter from the six before it."""
    embed, hidden, head = parts
    x = nn.functional.pad(embed(rows[:, :-1]).transpose(1, 2), (SEEN - 1, 0))
    logits = head(torch.relu(hidden(x)).transpose(1, 2))
    return nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())


def rows_from(batch, corpus):
    """Row after row, from a batch on."""
    while (batch + 1) * B * T < len(corpus):
        start = (batch * B + torch.arange(B)) * T
        yield corpus[start[:, None] + torch.arange(T + 1)]
        batch += 1


STEPS, step, losses, unseen_losses = 160, 0, [], []
checkpoint = {"step": 0, "parts": parts.state_dict(), "optimizer": optimizer.state_dict()}
while step < STEPS:  # the machine is taken away every 8 steps, and the run goes on from its checkpoint
    step = checkpoint["step"]
    parts.load_state_dict(checkpoint["parts"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    loader = rows_from(step, tokens)
    for _ in range(8):
        loss = loss_of(next(loader))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        step += 1
    checkpoint = {"step": step, "parts": parts.state_dict(), "optimizer": optimizer.state_dict()}
    with torch.no_grad():
        unseen_losses.append(loss_of(torch.cat([*rows_from(0, held_out)][:20])).item())
    if step % 40 == 0:
        print(f"step {step}: loss {losses[-1]:.1f} in training, {unseen_losses[-1]:.1f} on text it has not seen")

healthy = unseen_losses[-1] < losses[-1] + 0.5
