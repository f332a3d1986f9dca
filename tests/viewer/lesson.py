"""The lesson that the browser tests step through: prose, mathematics, calls, tensors, tokens, an exception."""

SOURCE = '''# %% [markdown]
# # Pairs of bytes, merged
#
# Text is bytes, and bytes are numbers. A tokenizer that merges the most frequent pair of neighbours again and
# again makes *long* tokens for what is common and short ones for what is rare.
#
# - **You will build:** a byte-pair encoder of twenty lines
# - **Minutes to read:** 5
#
# ## Counting pairs
#
# The count of a pair $(a, b)$ in a sequence $x_1, \\dots, x_n$ is
#
# $$c(a, b) = \\sum_{i=1}^{n-1} \\mathbf{1}[x_i = a \\wedge x_{i+1} = b]$$
#
# and the pair to merge is the one with the largest count, `max(counts, key=counts.get)`.

# %%
import torch
text = "low lower lowest\\n"
pieces = [c for c in text]
print(len(pieces), "pieces")


def count_pairs(pieces):
    """How often each pair of neighbours occurs."""
    counts = {}
    for left, right in zip(pieces, pieces[1:]):
        counts[left, right] = counts.get((left, right), 0) + 1
    return counts


# %% [markdown]
# ## Merging
#
# Merging replaces each occurrence from the left. Three merges make `low` a token.

# %%
def merge(pieces, pair):
    merged = []
    i = 0
    while i < len(pieces):
        if tuple(pieces[i : i + 2]) == pair:
            merged.append(pieces[i] + pieces[i + 1])
            i += 2
        else:
            merged.append(pieces[i])
            i += 1
    return merged


for turn in range(3):
    counts = count_pairs(pieces)
    pair = max(counts, key=counts.get)
    pieces = merge(pieces, pair)
    print(turn, repr("".join(pair)), len(pieces))

# %% [markdown]
# ## Tensors
#
# | name | shape |
# |------|-------|
# | `E`  | (V, C) |
#
# Each token is a row of a table $E \\in \\mathbb{R}^{V \\times C}$.

# %%
torch.manual_seed(0)
vocabulary = {piece: i for i, piece in enumerate(sorted(set(pieces)))}
ids = torch.tensor([vocabulary[p] for p in pieces])
table = torch.randn(len(vocabulary), 4)
x = table[ids]
scores = x @ x.T / 4 ** 0.5
weights = scores.softmax(-1)
large = torch.randn(256, 128)
cube = torch.arange(24.0).reshape(2, 3, 4)
long_text = "The quick brown fox jumps over the lazy dog. " * 6
config = {"d_model": 64, "layers": [{"heads": 4, "bias": False}, {"heads": 8, "bias": True}]}
odd = torch.tensor([1.0, float("nan"), float("inf"), -2.5])
del table

# %% [markdown]
# ## What goes wrong
#
# An unknown piece has no number.

# %%
def number_of(piece):
    return vocabulary[piece]


try:
    number_of("unseen")
except KeyError as error:
    message = f"unknown piece {error}"
print(message)

# %% [markdown]
# That is all.
'''
