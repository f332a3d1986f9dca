"""A model that seems to get worse when it is looked at."""

import torch
from torch import nn

from lilllm.data import LilTown

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
town = LilTown(seed=0)
text, unseen = ("\n".join(town.documents(start=start, count=100)) for start in (0, 1000))
letters = sorted(set(text))
tokens, held_out = (torch.tensor([letters.index(letter) for letter in one]) for one in (text, unseen))
V, B, T, SEEN = len(letters), 16, 32, 8


class Model(nn.Module):
    """The next letter from the last eight, with dropout."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(V, 16)
        self.hidden = nn.Conv1d(16, 128, SEEN)
        self.dropout = nn.Dropout(0.3)
        self.head = nn.Linear(128, V)

    def forward(self, rows):
        x = nn.functional.pad(self.embed(rows).transpose(1, 2), (SEEN - 1, 0))
        return self.head(self.dropout(torch.relu(self.hidden(x)).transpose(1, 2)))


def loss_on(corpus, start):
    rows = corpus[start[:, None] + torch.arange(T + 1)]
    return nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())


@torch.no_grad()
def evaluate():
    """The loss on 32 rows of text that the model does not train on, the same ones every time."""
    loss = loss_on(held_out, torch.arange(32) * T).item()
    return loss


model = Model()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
losses = []
for step in range(121):
    loss = loss_on(tokens, torch.randint(len(tokens) - T, (B,)))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if step % 40 == 0:
        once, again = evaluate(), evaluate()
        print(f"step {step}: held-out loss {once:.2f}, and once more {again:.2f}")

healthy = once == again
