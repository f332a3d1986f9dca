"""The same sampler, its result returned."""

from collections import Counter
from itertools import pairwise

import torch

from lilllm.data import LilTown

torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
text = " ".join(LilTown(seed=0).documents(count=200))
words = text.replace(".", " .").replace(",", " ,").split()
number = {word: i for i, word in enumerate(sorted(set(words)))}
V, K = len(number), 3

counts = torch.zeros(V, V)
for (first, second), n in Counter(pairwise(words)).items():
    counts[number[first], number[second]] = n
frequent = torch.tensor([words.count(word) for word in number]) / len(words)
pairs = counts / counts.sum(1, keepdim=True).clamp(min=1)
model = (0.8 * pairs + 0.2 * frequent).log()  # a row for each word: the scores of what follows it


def top_k(scores, k):
    """The k largest stay, and what equals the last of them."""
    kth = scores.topk(k).values[-1]
    return scores.masked_fill(scores < kth, -torch.inf)


said, beyond = ["Dan"], 0
for _ in range(60):
    scores = model[number[said[-1]]]
    chances = top_k(scores, K).softmax(-1)
    drawn = torch.multinomial(chances, 1).item()
    beyond += (scores > scores[drawn]).sum().item() >= K
    said.append(list(number)[drawn])

print(" ".join(said[:24]))
print(f"{beyond} of {len(said) - 1} words are not among the {K} likeliest")
healthy = beyond == 0
