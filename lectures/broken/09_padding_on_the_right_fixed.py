"""The same batch, padded on the left."""

import torch

from lilllm.models import Decoder, ModelConfig

torch.manual_seed(0)
letters = "_abcdefghijklmnopqrstuvwxyz"  # the first one pads
V, B, T = len(letters), 16, 12
config = ModelConfig(vocab_size=V, n_layers=1, d_model=32, n_heads=2, context_len=32)
model = Decoder(config, generator=torch.Generator().manual_seed(0))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for _ in range(121):  # it learns the alphabet, which begins anew after z
    rows = 1 + (torch.randint(26, (B, 1)) + torch.arange(T + 1)) % 26
    loss = model.loss(rows[:, :-1], rows[:, 1:])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"loss {loss.item():.1f}")


@torch.no_grad()
def go_on(prompts, n=6):
    """Each prompt with the n letters that the model puts behind it."""
    size = max(map(len, prompts))
    rows = torch.tensor([[letters.index(c) for c in prompt.rjust(size, "_")] for prompt in prompts])
    for _ in range(n):
        real = (rows > 0).int()
        following = model(rows, attention_mask=real)[:, -1].argmax(-1)
        rows = torch.cat((rows, following[:, None]), dim=1)
    return ["".join(letters[i] for i in row).replace("_", "") for row in rows.tolist()]


prompts = ["abc", "klmnopq", "w"]
alone = [go_on([prompt])[0] for prompt in prompts]
together = go_on(prompts)
print("alone:   ", " ".join(alone))
print("together:", " ".join(together))
healthy = together == alone
