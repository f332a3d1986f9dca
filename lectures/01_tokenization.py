# ---
# jupyter:
#   jupytext:
#     comment_magics: false
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 Tokenization: from text to numbers
#
# A language model never sees text. It sees a list of integers, and it answers with one more integer. What stands
# between is the tokenizer: it decides how much text fits into the model, which languages are cheap, whether the model
# can add, and a good part of the odd mistakes that are blamed on the model. Here we build the kinds that are in use,
# each from nothing.
#
# - **You will build:** word, character and byte tokenizers; byte-pair encoding (naive, then fast), WordPiece and
#   Unigram; the measures that compare them; a model with a glitch token.
# - **You need:** Python. A little probability for section 9 (what a product of probabilities is).
# - **Minutes to read:** 60
# - **Budget:** 60 s, 500 MB
#
# **Napkin question.** A model reads 8,192 tokens at once. Its tokenizer has 4,096 tokens and was trained on English
# technical prose. How many pages of such prose fit, at 3,000 characters a page? And how many pages of Hindi? Write
# two numbers on a napkin before you go on. The last section computes them.
#
# Words in bold italics are defined where they stand, and again in the course's `GLOSSARY.md`.

# %%
import math
import random
import re
import unicodedata
from collections import Counter, defaultdict
from itertools import pairwise

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import regex
import tiktoken
from IPython.display import HTML, display

from lilllm import tokenizers
from lilllm.course import check, figures, museum, predict
from lilllm.course.chips import Chips, chips, table
from lilllm.data import LANGUAGES, article_one, python_code, python_docs
from lilllm.tokenizers import pretokenize, unigram_search, wordpiece_train

figures.use_style()

# %% [markdown]
# ## 1. What a tokenizer is for
#
# A ***tokenizer*** is a pair of functions. `encode` turns text into a list of integers, `decode` turns the integers
# back into text. Each integer names a ***token***, a piece of text, and the set of all tokens is the
# ***vocabulary***. The model keeps a vector for each token of the vocabulary (its *embedding*, from lecture 07 on)
# and computes with those vectors only.
#
# Here is real text to work with: the prose of the Python language reference, which every Python carries with it. We
# train on nine tenths of it and measure on the last tenth, which no tokenizer has seen: ***held-out text***. A
# tokenizer that did well only on the text it was trained on would be of no use.

# %%
docs = python_docs()
cut = docs.index("\n\n", len(docs) * 9 // 10) + 2  # at the end of a paragraph
train_text, test_text = docs[:cut], docs[cut:]
print(f"{len(train_text):,} characters to train on, {len(test_text):,} held out")
print(test_text[:280])

# %% [markdown]
# And here is where we are going: the same text as a finished tokenizer cuts it. Each coloured piece is one token.
# Look at three things. Frequent words are one token; rarer ones fall into parts; and most tokens begin with a space.

# %%
bpe = tokenizers.BPETokenizer.train(train_text, vocab_size=4096)  # @stepover
chips(bpe, test_text[:280])

# %% [markdown]
# What would be wrong with simpler ways? Every tokenizer pays in two currencies:
#
# - **length**: the number of tokens that a text becomes. The model does work for each token, and has room for so many
#   at once;
# - **vocabulary**: a vector a token, to be stored and to be learned. A token that is seen twice in training learns
#   little.
#
# Small pieces make long texts, large pieces make large vocabularies. To see where the ends of this scale are, we
# begin at the bottom, with what text is.

# %% [markdown]
# ## 2. Text is code points, code points are bytes
#
# Unicode gives every character a number, its ***code point***. There are 1,114,112 of them, of which about 160,000
# are given to characters so far. Python's strings are sequences of code points: `ord` tells the number, `chr` goes
# back.
#
# A file or a network knows bytes only. ***UTF-8*** writes a code point as one to four bytes, and nearly all text on
# the web is stored so. The first bits of the first byte say how many bytes there are; every further byte begins with
# the bits `10`; what is left over holds the number.

# %%
rows = []
for character in "Aé€🌍":
    data = character.encode("utf-8")  # @inspect character data
    bits = " ".join(f"{byte:08b}" for byte in data)
    rows.append([character, ord(character), len(data), data.hex(" "), bits])

assert ord("🌍") == 127757
assert "🌍".encode() == bytes([0xF0, 0x9F, 0x8C, 0x8D])
assert 0x110000 == 1_114_112
table(["character", "code point", "bytes", "in hexadecimal", "in bits"], rows)

# %% [markdown]
# The design has three properties that we use later. English costs one byte a character, as in ASCII. No character's
# bytes occur inside another's, so a search for bytes finds characters. And a reader who starts in the middle finds
# the next character by skipping bytes that begin with `10`.
#
# One thing on the screen need not be one code point. Before you run the next cells:

# %%
family = "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}\N{ZERO WIDTH JOINER}\N{BOY}"
family_bytes = predict(
    "One emoji shows a family: two women, a girl and a boy. How many bytes of UTF-8 is it?",
    choices=["1", "4", "11", "25"],
)
family_bytes

# %%
display(HTML(f'<span style="font-size:200%">{family}</span>'))
print(len(family), "code points:", " ".join(f"{ord(c):x}" for c in family))
assert len(family.encode()) == 4 * 4 + 3 * 3
family_bytes.reveal(str(len(family.encode())))

# %% [markdown]
# Four people of four bytes each, and between them three joiners of three bytes each: 25 bytes for what looks like one
# character. A tokenizer that has no piece for it pays them all.
#
# The reverse happens too: two different sequences of code points look the same. An é can be one code point, or an e
# followed by an accent that is put over it. To a tokenizer these are different texts. Unicode defines
# ***normalization forms*** that choose one of the two: NFC composes, NFD takes apart. SentencePiece and BERT
# normalize before they encode, and so cannot give back exactly what they were given. GPT-2 and its successors do not
# touch the text.

# %%
composed, apart = "é", "e\u0301"
print(composed == apart, [len(composed), len(apart)], [composed.encode().hex(" "), apart.encode().hex(" ")])
assert composed != apart
assert unicodedata.normalize("NFC", apart) == composed
assert unicodedata.normalize("NFD", composed) == apart

# %% [markdown]
# Not every sequence of bytes is UTF-8. A model that writes bytes can stop in the middle of a character, so whoever
# shows its output must decide what half a character looks like. Python's `errors="replace"` writes U+FFFD for it:

# %%
half = "🌍".encode()[:2]
assert half.decode("utf-8", errors="replace") == "\ufffd"
try:
    half.decode("utf-8")
except UnicodeDecodeError as error:
    print(type(error).__name__, "-", error.reason)

# %% [markdown]
# ## 3. Three simple tokenizers, and what each costs
#
# **Words.** Cut the text at white space and punctuation, and number what comes out. The vocabulary is the words of
# the training text. A new word has no number, so one token stands for all of them, usually written `[UNK]`, for
# *unknown*: the ***unknown token***. What was there is lost.

# %%
WORD = re.compile(r"\w+|[^\w\s]+")
word_id = {word: number for number, word in enumerate(sorted(set(WORD.findall(train_text))), start=1)}  # 0: [UNK]
word_ids = [word_id.get(word, 0) for word in WORD.findall(test_text)]

unseen = list(dict.fromkeys(word for word in WORD.findall(test_text) if word not in word_id and word.isalpha()))
print(f"{len(word_id):,} words; of {len(word_ids):,} held-out words {word_ids.count(0):,} are unknown,")
print(f"which is {word_ids.count(0) / len(word_ids):.1%}, for example", ", ".join(unseen[:6]))
assert 0.03 < word_ids.count(0) / len(word_ids) < 0.20

# %% [markdown]
# One word in twenty to one in ten unknown, in text from the same book by the same authors. In a chat with strangers
# it is worse: names, typing errors, every language but English. This is why nobody uses words any more.
#
# **Characters.** Every code point of the training text gets a number. The vocabulary is small, unless it is to hold
# Chinese, and then it has tens of thousands of entries that are hardly ever seen. What was not in the training text
# is unknown here too.
#
# **Bytes.** The vocabulary is the 256 bytes. Nothing is ever unknown, in any language, and no training is needed.
# `encode` and `decode` are Python's own. The price is length.

# %%
char_id = {character: number for number, character in enumerate(sorted(set(train_text)), start=1)}
char_ids = [char_id.get(character, 0) for character in test_text]
byte_ids = list(test_text.encode("utf-8"))

assert bytes(byte_ids).decode("utf-8") == test_text
print(f"{len(char_id)} characters; the globe is number {char_id.get('🌍', 0)}, so it is unknown")
print(f"as bytes it is {list('🌍'.encode())}")

# %% [markdown]
# To compare them we need a measure. The ***compression ratio*** is the number of bytes of the text divided by the
# number of tokens: how much text one token carries. For byte tokens it is exactly 1. Beside it, the unknown tokens,
# since losing text is no compression; and the parameters that the vocabulary costs, one vector of `d_model` numbers a
# token. We take `d_model` = 256, a small model.

# %%
d_model = 256
n_bytes = len(test_text.encode("utf-8"))
simple = [
    ("words", len(word_id) + 1, word_ids),
    ("characters", len(char_id) + 1, char_ids),
    ("bytes", 256, byte_ids),
]
rows = []
for name, size, ids in simple:
    unknown = 0 if name == "bytes" else ids.count(0)
    rows.append([name, f"{size:,}", f"{len(ids):,}", f"{n_bytes / len(ids):.2f}", unknown, f"{size * d_model:,}"])
assert n_bytes / len(byte_ids) == 1
table(["tokenizer", "vocabulary", "tokens", "bytes a token", "unknown", "embedding parameters"], rows)

# %% [markdown]
# Words carry most but lose text and need the largest table; bytes lose nothing and make the longest text. (A byte
# model reads the same page in four or five times as many steps.) What we want lies between: frequent words whole,
# rare words in parts, nothing unknown.
#
# `lilllm` has all three. That they agree with ours:

# %%
ours = tokenizers.WordTokenizer.train(train_text, vocab_size=len(word_id) + 1)
assert sum(token == 0 for token in ours.encode(test_text)) == word_ids.count(0)
assert tokenizers.CharTokenizer.train(train_text).encode(test_text) == char_ids
assert tokenizers.ByteTokenizer().encode(test_text) == byte_ids
assert tokenizers.compression_ratio(tokenizers.ByteTokenizer(), test_text) == 1.0

# %% [markdown]
# ## 4. Byte-pair encoding: let frequency decide
#
# ***Byte-pair encoding*** (BPE) was a method to compress files (Gage 1994). Sennrich, Haddow and Birch (2016) made a
# tokenizer of it, and GPT-2 (2019) ran it over bytes. The whole idea:
#
# 1. Begin with bytes as tokens.
# 2. Count all pairs of neighbours. Join the most frequent pair into one new token, everywhere.
# 3. Do it again, until the vocabulary is as large as you want.
#
# Each round is one ***merge***: a pair of tokens that becomes one. The list of merges, in order, *is* the tokenizer.
# Two small functions do all of it. A token is a `bytes` object here, so joining two tokens is `+`.


# %%
def pair_counts(tokens):
    """How often each pair of neighbours occurs."""
    return Counter(pairwise(tokens))


def merge(tokens, pair):
    """Every ``pair``, from the left, becomes one token."""
    out = []
    i = 0
    while i < len(tokens):
        if i + 1 < len(tokens) and (tokens[i], tokens[i + 1]) == pair:
            out.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out


assert pair_counts([b"a", b"b", b"a", b"b"]) == {(b"a", b"b"): 2, (b"b", b"a"): 1}
assert merge([b"a", b"a", b"a"], (b"a", b"a")) == [b"aa", b"a"]  # from the left, without overlap

# %% [markdown]
# If two pairs are equally frequent, something must decide, or two people get two tokenizers from the same text. As
# GPT-2-style trainers do, we take the greater pair, comparing the bytes. (Hugging Face's trainer takes the pair with
# the smaller ids: other merges, neither better.)
#
# Here are the first merges on a little text, as they happen:

# %%
text = "the cat in the hat sat on the mat and that was that"
tokens = [bytes([byte]) for byte in text.encode()]
rows = [["", "", len(tokens), Chips(tuple(map(bytes.decode, tokens)))]]
for _ in range(7):
    counts = pair_counts(tokens)  # @inspect counts
    best = max(counts, key=lambda pair: (counts[pair], pair))  # @inspect best
    tokens = merge(tokens, best)  # @inspect tokens
    pair = " + ".join(repr(part.decode()) for part in best)
    rows.append([pair, counts[best], len(tokens), Chips(tuple(map(bytes.decode, tokens)))])

assert b"".join(tokens).decode() == text
table(["merge", "count", "tokens", "text"], rows)

# %% [markdown]
# *at* and *th* have been found by counting alone. Nobody told the algorithm what a word is. That is its strength, and
# here also a fault: some tokens hold the space *behind* a word, or the end of one word and the beginning of the next.
# Let us see where that leads on real text.

# %%
tokens = [bytes([byte]) for byte in train_text[:10_000].encode()]
learned = []
for _ in range(200):  # @stepover
    counts = pair_counts(tokens)
    best = max(counts, key=lambda pair: (counts[pair], pair))
    tokens = merge(tokens, best)
    learned.append(best[0] + best[1])

across = [token.decode() for token in learned if re.search(rb"\w\W", token)]
print(f"{len(across)} of {len(learned)} tokens hold the end of a word and what follows it, among them:")
print([token for token in across if len(token) > 3][:12])
assert len(across) > 40

# %% [markdown]
# Tokens such as these spend the vocabulary on phrases: the same word would be learned again in every phrase that it
# stands in, and with every punctuation mark behind it. So text is cut into ***pre-tokens*** first, and merges never
# cross the border between two of them. The cut is made by a regular expression, the ***split pattern***. GPT-2's,
# piece by piece:
#
# - `'(?:[sdmt]|ll|ve|re)`: the ends of *it's*, *we'll*, *I've*
# - ` ?\p{L}+`: letters, with the one space before them
# - ` ?\p{N}+`: digits, with the one space before them
# - ` ?[^\s\p{L}\p{N}]+`: other signs, with the one space before them
# - `\s+(?!\S)`: white space, but not the last space before a word
# - `\s+`: other white space
#
# `\p{L}` is any letter of any script; Python's `re` does not know it, so we use the package `regex`.

# %%
GPT2 = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"""
GPT4 = (
    r"""'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"""
)
assert pretokenize.GPT2_PATTERN == GPT2
assert pretokenize.GPT4_PATTERN == GPT4

sample = "IT'S 12345 o'clock, they'll say:\n    x = (a+b)"
for pattern in (GPT2, GPT4):
    assert "".join(regex.findall(pattern, sample)) == sample  # every character is in exactly one pre-token
table(
    ["pattern", "pre-tokens", "text"],
    [
        [name, len(regex.findall(pattern, sample)), Chips(tuple(regex.findall(pattern, sample)))]
        for name, pattern in (("GPT-2", GPT2), ("GPT-4", GPT4))
    ],
)

# %% [markdown]
# The space in front belongs to the word: `" say"` is one pre-token. So a sentence needs no separate tokens for its
# spaces. GPT-4's pattern repairs three things: *'S* in capitals is an ending too; a number is cut into groups of at
# most three digits; and a sign such as `+` may lead a word, which suits code.
#
# ## 5. Training: naive, then with counts kept
#
# The plain way counts everything again in each round. For 40 merges on a small part of the text that is bearable. We
# also count the work: how many neighbours were looked at.


# %%
def train_naive(words, n_merges):
    """Merges of pre-tokens, and the number of pairs looked at."""
    words = [[bytes([byte]) for byte in word.encode()] for word in words]
    merges, looked = [], 0
    for _ in range(n_merges):
        counts = Counter()
        for word in words:
            counts.update(pairwise(word))
            looked += len(word)
        best = max(counts, key=lambda pair: (counts[pair], pair))
        words = [merge(word, best) for word in words]  # @stepover
        merges.append(best)
    return merges, looked


words = regex.findall(GPT2, train_text)
naive_merges, naive_looked = train_naive(words[:3000], 40)
print("first:", [(a + b).decode() for a, b in naive_merges[:8]])
print("last: ", [(a + b).decode() for a, b in naive_merges[-8:]])

# %% [markdown]
# GPT-2's vocabulary has 50,000 merges, and its training text has 40 GB. With this function each merge would read all
# of it. Two observations make it fast.
#
# The first: the same words come again and again. A merge never crosses a pre-token, so equal pre-tokens are always
# cut alike, and it is enough to keep each one once, with its count.

# %%
distinct = predict(f"The training text has {len(words):,} pre-tokens. How many different ones?", unit="pre-tokens")
distinct

# %%
word_counts = Counter(words)
top = ", ".join(repr(word) for word, _ in word_counts.most_common(6))
once = sum(count == 1 for count in word_counts.values())
print(f"most frequent: {top}; {once:,} occur only once")
assert len(word_counts) * 8 < len(words)
distinct.reveal(len(word_counts))

# %% [markdown]
# A tenth. The longer the text, the smaller the share: new words become rare, a few old ones make up most of any text
# (Zipf's law).
#
# The second observation: a merge changes only the words that hold the pair. All other counts stay as they were. So we
# keep the counts, and for each pair the words that it occurs in. A merge then takes the counts of those few words
# out, merges, and puts the new counts in.


# %%
def train_counted(word_counts, n_merges):
    """The merges of `train_naive`, with counts kept up to date."""
    words = [[bytes([byte]) for byte in word.encode()] for word in word_counts]
    times = list(word_counts.values())
    counts, where, looked = Counter(), defaultdict(set), 0
    for index, word in enumerate(words):
        for pair in pairwise(word):
            counts[pair] += times[index]
            where[pair].add(index)
    merges = []
    for _ in range(n_merges):
        best = max(counts, key=lambda pair: (counts[pair], pair))
        for index in list(where[best]):
            looked += len(words[index])
            for pair in pairwise(words[index]):
                counts[pair] -= times[index]
            words[index] = merge(words[index], best)
            for pair in pairwise(words[index]):
                counts[pair] += times[index]
                where[pair].add(index)
        merges.append(best)
    return merges, looked


# %%
counted_merges, counted_looked = train_counted(Counter(words[:3000]), 40)
assert counted_merges == naive_merges
print(f"the same {len(counted_merges)} merges; pairs looked at: {naive_looked:,} before, {counted_looked:,} now,")
print(f"{naive_looked / counted_looked:.0f} times less")
assert naive_looked > 20 * counted_looked

# %% [markdown]
# Equal, merge for merge. On the whole text the saving is larger still, so now we can afford it. `lilllm`'s trainer
# does the same with one more idea: a heap hands out the best pair, where we look through all pairs with `max` in each
# round. It must find the same merges.

# %%
merges, _ = train_counted(word_counts, 200)  # @stepover
assert merges == bpe.merges[:200]
print("after 200 merges:", [(a + b).decode() for a, b in merges[-10:]])
print(f"lilllm's tokenizer: {len(bpe.merges):,} merges and 256 bytes make {bpe.vocab_size:,} tokens")

# %% [markdown]
# ## 6. Encoding, decoding, special tokens
#
# Now a new text. Encoding replays history: cut into pre-tokens, begin with bytes, and apply the merges *in the order
# in which they were learned*. The place of a merge in the list is its ***rank***. In each round we take, of the pairs
# that stand in the word, the one with the lowest rank.


# %%
def encode_word(word, rank):
    """Tokens of one pre-token (bytes): the pair learned first is merged first."""
    tokens = [bytes([byte]) for byte in word]
    while len(tokens) > 1:
        best = min(pairwise(tokens), key=lambda pair: rank.get(pair, math.inf))  # @inspect best
        if best not in rank:
            break
        tokens = merge(tokens, best)  # @inspect tokens
    return tokens


rank = {pair: number for number, pair in enumerate(bpe.merges)}
token_id = {bytes([byte]): byte for byte in range(256)} | {a + b: 256 + rank[a, b] for a, b in bpe.merges}
encode_word(b" indexing", rank)


# %%
def encode(text):
    return [token_id[token] for word in regex.findall(GPT2, text) for token in encode_word(word.encode(), rank)]


def decode(ids):
    token_of = {number: token for token, number in token_id.items()}
    return b"".join(token_of[number] for number in ids).decode("utf-8", errors="replace")


mixed = "naïve 🌍 日本 12345\n\tx += 1"
assert decode(encode(mixed)) == mixed
assert decode(encode(test_text)) == test_text  # nothing is ever lost  @stepover
assert encode(test_text) == bpe.encode(test_text)  # @stepover
print(encode(mixed))

# %% [markdown]
# Because the bottom is bytes, every text can be encoded: where no merge applies, a character costs its bytes.
#
# The same ids come out of `tiktoken`, the library that OpenAI's models are served with, when we hand it our tokens
# with their ranks. `lilllm` encodes with it too, since it is written in Rust and fast.

# %%
library = tiktoken.Encoding(
    "lecture_01", pat_str=GPT2, mergeable_ranks=token_id, special_tokens={"<|endoftext|>": len(token_id)}
)
assert library.encode(test_text) == encode(test_text)  # @stepover
assert library.encode(mixed) == encode(mixed)
assert 256 + 50_000 + 1 == 50_257  # GPT-2: the bytes, its merges, and one special token
assert 50_257 * 768 == 38_597_376  # the numbers in its table of embeddings

# %% [markdown]
# That one more token of GPT-2's is `<|endoftext|>`. It stands between documents, and no text encodes to it. Such a
# ***special token*** is a signal to the model: end of document, start of the user's turn, call a tool.
#
# Every lecture shows you programs that are broken on purpose, each with a bug that people really make: first what one
# sees, then where to look, and the cause only after you had a chance. All of them are in the course's museum
# (`lilllm course museum`, and a page of the viewer), with their traces. The first one is a chat:

# %%
case = museum.case("01_special_from_user")
case

# %%
print(case.run())

# %% [markdown]
# Three messages where two went in. Think about it before you run the next cell, or step through the program in the
# viewer.

# %%
case.reveal()

# %% [markdown]
# If the tokenizer gives out the real token for its name in a text, anybody can end the system's instructions and
# begin their own. So special tokens must be allowed explicitly, by the program and never by the text:

# %%
with_end = tokenizers.BPETokenizer(bpe.merges, special_tokens=["<|endoftext|>"])
typed = "Bye.<|endoftext|>"
as_text = with_end.encode(typed)
as_signal = with_end.encode(typed, allowed_special={"<|endoftext|>"})
print(len(as_text), "tokens as text,", len(as_signal), "as a signal, the last one", as_signal[-1])
assert with_end.decode(as_text) == with_end.decode(as_signal) == typed  # they look the same
assert as_signal[-1] == with_end.special_tokens["<|endoftext|>"] not in as_text

# %% [markdown]
# ## 7. Broken on purpose: a bug that loses nothing
#
# A colleague writes their own `encode`. They have the vocabulary, and the obvious way to use it is to take the
# longest token that fits, then the longest that fits behind it. It is short, it is fast, and every test passes:


# %%
longest = max(map(len, token_id))


def encode_longest(text):
    ids = []
    for word in regex.findall(GPT2, text):
        data = word.encode()
        while data:
            size = next(size for size in range(min(longest, len(data)), 0, -1) if data[:size] in token_id)
            ids.append(token_id[data[:size]])
            data = data[size:]
    return ids


right, wrong = bpe.encode(test_text), encode_longest(test_text)
assert decode(wrong) == test_text
print(f"round trip: right. Tokens: {len(wrong):,}, with lilllm's encode {len(right):,}")
assert abs(len(wrong) / len(right) - 1) < 0.01

# %% [markdown]
# No text is lost, and the length differs by less than one percent. Then a model is trained with the one `encode` and
# served with the other, and its answers are a little worse than they were in training. The loss is a little too high.
#
# We can see that symptom here with the smallest language model there is: it predicts a token from the one before it,
# by counting pairs in the training text (mixed with the plain frequency of the token, for pairs that never occurred).
# Its loss is measured in ***bits per byte***: the sum of $-\log_2 p$ over the tokens, divided by the bytes of the
# text. Dividing by bytes makes it fair, whatever the tokens are.


# %%
def bits_per_byte(train_ids, ids, n_bytes, vocab_size=4096):
    single, double = Counter(train_ids), Counter(pairwise(train_ids))
    bits = 0.0
    for before, token in pairwise(ids):
        plain = (single[token] + 0.5) / (len(train_ids) + 0.5 * vocab_size)
        trust = single[before] / (single[before] + 20)  # the more often seen, the more its pairs count
        from_pairs = double[before, token] / single[before] if single[before] else 0.0
        bits -= math.log2(trust * from_pairs + (1 - trust) * plain)
    return bits / n_bytes


train_ids = bpe.encode(train_text)
loss_right = bits_per_byte(train_ids, right, n_bytes)
loss_wrong = bits_per_byte(train_ids, wrong, n_bytes)
print(f"served with the encode of training {loss_right:.3f} bits a byte, with the other {loss_wrong:.3f}")
assert loss_wrong > loss_right * 1.01

# %% [markdown]
# The same text, the same vocabulary, the same model, and yet a loss that is more than one percent higher. Nothing
# fails, so nobody looks. To find such a bug, look for the smallest input on which the two differ, and step through
# both:

# %%
test_words = Counter(regex.findall(GPT2, test_text))
differ = [word for word in test_words if encode_longest(word) != bpe.encode(word)]
share = sum(test_words[word] for word in differ) / test_words.total()
smallest = min((word for word in differ if word.strip().isalpha()), key=lambda word: (len(word), word))
print(f"{len(differ)} different pre-tokens are cut differently, {share:.1%} of all; the smallest word is {smallest!r}")
assert 0.01 < share < 0.10

# %%
tokens = [bytes([byte]) for byte in smallest.encode()]
steps = [["merge by rank", "", Chips(tuple(map(bytes.decode, tokens)))]]
while True:
    best = min(pairwise(tokens), key=lambda pair: rank.get(pair, math.inf), default=None)  # @inspect best
    if best not in rank:
        break
    tokens = merge(tokens, best)  # @inspect tokens
    steps.append(["", f"rank {rank[best]}", Chips(tuple(map(bytes.decode, tokens)))])
greedy = [bpe.token_bytes(number) for number in encode_longest(smallest)]
steps.append(["longest first", "", Chips(tuple(map(bytes.decode, greedy)))])
assert tokens != greedy
table(["how", "merge", "tokens"], steps)

# %% [markdown]
# The longest token is in the vocabulary, but the merges do not lead there: a pair with a lower rank took one of its
# letters first. In training, the model has never seen the other cut. **A vocabulary is not a tokenizer; the order of
# the merges is part of it.** The lesson for tests: a round trip proves little. Compare ids with a reference, on text
# with rare words in it.
#
# ## 8. WordPiece: score pairs, cut greedily
#
# The colleague's method is not wrong in itself. With a vocabulary made for it, it is how ***WordPiece*** encodes, the
# tokenizer of BERT (Schuster and Nakajima 2012 for the vocabulary). It differs from BPE in two places.
#
# *Training*: of all pairs it takes not the most frequent but the one with the highest score
#
# $$\text{score}(a, b) = \frac{f(ab)}{f(a)\, f(b)}$$
#
# where $f$ counts occurrences. It asks how often the two stand together, *given* how often each occurs at all: a pair
# whose halves are rarely seen apart wins over a pair of two letters that are frequent everywhere. Pieces inside a
# word are marked with `##`, so *s* at the start of a word and *s* at the end are different pieces.

# %%
toy = {"hug": 6, "hugs": 4, "bug": 5, "bun": 3, "run": 7}
pieces = {word: [word[0]] + ["##" + letter for letter in word[1:]] for word in toy}
single, double = Counter(), Counter()
for word, count in toy.items():
    for piece in pieces[word]:
        single[piece] += count
    for pair in pairwise(pieces[word]):
        double[pair] += count
score = {(a, b): double[a, b] / (single[a] * single[b]) for a, b in double}  # @inspect score

rows = [[f"{a} {b}", double[a, b], single[a], single[b], f"{score[a, b]:.4f}"] for a, b in sorted(double)]
table(["pair", "f(ab)", "f(a)", "f(b)", "score"], rows)

# %%
by_count = max(double, key=double.get)
by_score = max(score, key=score.get)
print("BPE joins", *by_count, "- WordPiece joins", *by_score)
trained = wordpiece_train.train_pieces(toy, vocab_size=len(single) + 1)
assert by_count == ("##u", "##g")
assert by_score == ("##g", "##s")
assert trained[-1] == by_score[0] + by_score[1].removeprefix("##")

# %% [markdown]
# *Encoding*: take the longest piece of the vocabulary that begins the word, then the longest `##` piece that goes on,
# until the end. If at some place nothing fits, the **whole word** becomes `[UNK]`. No word of the toy text has an
# *m*. With WordPiece *mug* and *bum* vanish. A BPE over the same letters would lose the one letter, and a BPE over
# bytes nothing at all:

# %%
wordpiece = tokenizers.WordPieceTokenizer({piece: number for number, piece in enumerate([*trained, "hug", "##un"])})
letters = tokenizers.CharTokenizer.train(list(toy))
rows = []
for word in ("hugs", "bun", "mug", "bum"):
    cut_up = wordpiece.pieces(word) or ["[UNK]"]
    lost = [letters.decode([number]) for number in letters.encode(word)]
    rows.append([word, Chips(tuple(cut_up)), Chips(tuple(lost)), chips(tokenizers.ByteTokenizer(), word)])
assert wordpiece.pieces("mug") is None
assert wordpiece.pieces("bum") is None
assert letters.encode("mug").count(letters.special_tokens["[UNK]"]) == 1
table(["word", "WordPiece", "letters", "bytes"], rows)

# %% [markdown]
# ## 9. Unigram: a model of pieces
#
# BPE and WordPiece grow a vocabulary. ***Unigram*** (Kudo 2018) goes the other way: it begins with far too many
# pieces and drops those that are missed least. And it is a probability model from the start. Each piece $x$ has a
# probability $p(x)$, and a way to cut a text has the product of its pieces' probabilities. *walks* can be cut as
# *w·a·l·k·s*, *walk·s*, *wa·lks* and so on. The best cut is the one with the greatest product.
#
# Which cuts are there? Listing them all is easy to write:


# %%
def cuts(text, log_p):
    """Every way to write ``text`` with known pieces, with its log-probability."""
    if not text:
        yield 0.0, []
    for size in range(1, len(text) + 1):
        if text[:size] in log_p:
            for rest_score, rest in cuts(text[size:], log_p):
                yield log_p[text[:size]] + rest_score, [text[:size], *rest]


endings = (("", 4), ("s", 3), ("ed", 2), ("ing", 2))
verbs = {stem + end: n * m for stem, n in (("walk", 5), ("talk", 4), ("jump", 3)) for end, m in endings}
substrings = Counter()
for word, count in verbs.items():
    for start, end in ((i, j) for i in range(len(word)) for j in range(i + 1, len(word) + 1)):
        substrings[word[start:end]] += count
log_p = {piece: math.log(count / substrings.total()) for piece, count in substrings.items()}
for value, parts in sorted(cuts("walks", log_p), reverse=True)[:4]:
    print(f"{math.exp(value):.7f}", parts)
assert len(list(cuts("walks", log_p))) == 2**4  # each of the four places between letters: cut or not

# %% [markdown]
# A text of $n$ characters has $2^{n-1}$ cuts, so listing ends at short words. But the best cut of `text[:end]` is the
# best cut of some `text[:start]`, followed by the piece `text[start:end]`. So find the best cut of every beginning,
# the short ones first. This is the ***Viterbi algorithm***: about $n^2/2$ steps, and none with pieces that are too
# long to exist.


# %%
def viterbi(text, log_p):
    best = [0.0] + [-math.inf] * len(text)  # score of the best cut of text[:end]
    last = [0] * (len(text) + 1)  # where its last piece starts
    for end in range(1, len(text) + 1):
        for start in range(end):
            value = best[start] + log_p.get(text[start:end], -math.inf)
            if value > best[end]:
                best[end], last[end] = value, start  # @inspect best last
    parts, end = [], len(text)
    while end:
        parts.insert(0, text[last[end] : end])
        end = last[end]
    return best[-1], parts


for word in ("walks", "jumping", "walktalk"):
    value, parts = viterbi(word, log_p)
    assert math.isclose(value, max(cuts(word, log_p))[0])
    print(word, parts)

# %% [markdown]
# Where do the probabilities come from? We do not know how the words should be cut: that is what we want to learn. So
# we go in circles, which is ***expectation-maximization*** (EM):
#
# - **E step**: with the present probabilities, weigh *all* cuts of each word by their probability, and count how
#   often each piece is used on average.
# - **M step**: those counts, divided by their sum, are the new probabilities.
#
# Each round makes the training text more probable, or leaves it as it is. We check that.


# %%
def expected_counts(words, log_p):
    """E step: average uses of each piece, and the log-probability of all the words."""
    expected, log_likelihood = Counter(), 0.0
    for word, count in words.items():
        ways = list(cuts(word, log_p))  # @stepover
        whole = math.fsum(math.exp(value) for value, _ in ways)
        log_likelihood += count * math.log(whole)
        for value, parts in ways:
            for piece in parts:
                expected[piece] += count * math.exp(value) / whole
    return expected, log_likelihood


def em(words, log_p, rounds):
    history = []
    for _ in range(rounds):
        expected, log_likelihood = expected_counts(words, log_p)
        kept = {piece: expected[piece] for piece in log_p if expected[piece] > 1e-9}
        kept |= {letter: max(expected[letter], 1e-9) for letter in log_p if len(letter) == 1}  # letters stay
        total = math.fsum(kept.values())
        log_p = {piece: math.log(count / total) for piece, count in kept.items()}  # M step
        history.append(log_likelihood)
    return log_p, history


before = len(log_p)
log_p, history = em(verbs, log_p, rounds=4)
print("log-likelihood:", " ".join(f"{value:.1f}" for value in history))
print(f"{before} pieces at the start, {len(log_p)} of them still in use")
assert all(later >= earlier - 1e-6 for earlier, later in pairwise(history))

# %% [markdown]
# Then prune. What would the text lose without a piece? Its uses would have to be written with the next best cut,
# which is less probable. Sort the pieces by that loss, drop the 10 to 20 % that cost least, keep all single letters
# so that every word can still be written, and run EM again, until the vocabulary is as small as you want.


# %%
def loss_without(piece, words, log_p):
    """How much log-probability the words lose if ``piece`` goes."""
    some = {word: count for word, count in words.items() if piece in word}
    others = {other: value for other, value in log_p.items() if other != piece}
    return expected_counts(some, log_p)[1] - expected_counts(some, others)[1]


n_letters = sum(len(piece) == 1 for piece in log_p)
while len(log_p) > n_letters + 8:
    losses = {piece: loss_without(piece, verbs, log_p) for piece in log_p if len(piece) > 1}  # @inspect losses
    n_drop = min(max(1, len(log_p) // 5), len(log_p) - n_letters - 8)
    for piece in sorted(losses, key=lambda piece: (losses[piece], piece))[:n_drop]:
        del log_p[piece]
    log_p, _ = em(verbs, log_p, rounds=2)
longer = [piece for piece in sorted(log_p, key=log_p.get, reverse=True) if len(piece) > 1]
print(f"{n_letters} letters, and:", " ".join(longer))
assert {"walk", "talk", "jump"} <= set(longer)

# %% [markdown]
# The three stems are there, and room for five whole words beside them. The endings *s*, *ed*, *ing* are not, which
# may surprise: while *walking* is a piece, nobody misses *ing*, and each piece is judged as if all others stayed. On
# real text there are far more words than room, so stems and endings do remain. `lilllm` computes the same with
# arrays, and so can begin with tens of thousands of substrings:

# %%
unigram = tokenizers.UnigramTokenizer.train(train_text, vocab_size=4096)  # @stepover
assert {"ing", "ed", "ly"} <= set(unigram.scores)
piece = "▁reassigning"
best_value, best_parts = unigram_search.viterbi(piece, unigram.scores, 16, unigram.unknown_score)
assert math.isclose(best_value, viterbi(piece, unigram.scores)[0])  # our Viterbi with its probabilities
assert best_parts == viterbi(piece, unigram.scores)[1]
words_to_cut = (" comparing", " processing", " commas", " attempting")  # picked to show a difference
table(["word", "BPE", "Unigram"], [[word, chips(bpe, word), chips(unigram, word)] for word in words_to_cut])

# %% [markdown]
# Both tables of pieces are as large, but BPE's are what counting left behind, while Unigram's cuts are more often
# where a reader would cut. A probability model can do one more thing that BPE cannot: draw *another* cut, each with
# its own probability. A model that is trained on a different cut of the same word each time learns that they mean the
# same, and is less thrown by typing errors and rare words. This is ***subword regularization***. The exponent
# $\alpha$ says how bold the draws are: cuts are drawn with probability proportional to $P^\alpha$; 0 makes all cuts
# alike, a large $\alpha$ gives nearly always the best.

# %%
draw = random.Random(1)
rows = []
for alpha in (0.1, 0.5, 5.0):
    drawn = Counter(  # @stepover
        tuple(unigram.sample_encode(" comparing", rng=draw, alpha=alpha)) for _ in range(200)
    )
    most = [Chips(tuple(map(bytes.decode, map(unigram.token_bytes, ids)))) for ids, _ in drawn.most_common(3)]
    rows.append([alpha, len(drawn), *(most + [""] * 3)[:3]])
assert rows[0][1] > rows[1][1] > rows[2][1]
table(["alpha", "different cuts in 200 draws", "most frequent", "second", "third"], rows)

# %% [markdown]
# ## 10. SentencePiece's view: the text is one string
#
# WordPiece first cuts into words at spaces, and then cannot tell whether there was one space or two. Thai, Chinese
# and Japanese do not even write spaces between words. ***SentencePiece*** (Kudo and Richardson 2018) treats the raw
# text as one string: a space is a character like others, written `▁` (U+2581) so that it can be seen. Decoding is
# joining the pieces and writing spaces for `▁`. It is a way to treat text, not an algorithm: under it can be Unigram
# (T5, XLNet) or BPE (Llama 1 and 2).
#
# A character outside the vocabulary would be unknown. With ***byte fallback*** it is written as the tokens of its
# UTF-8 bytes, for which 256 tokens are kept aside:

# %%
sentence = "two  spaces, 🌍"
unigram_ids = unigram.encode(sentence)
print([unigram.token_bytes(token) for token in unigram_ids][-5:])
assert unigram.decode(unigram_ids) == sentence  # both spaces and the globe
one_space = tokenizers.WordPieceTokenizer.train(train_text, vocab_size=4096)  # @stepover
assert one_space.decode(one_space.encode("two  spaces")) == "two spaces"  # one of them is gone
chips(unigram, sentence)

# %% [markdown]
# ## 11. Side by side
#
# Now the measures. Beside the compression ratio one often meets ***fertility***: tokens a word. It is easy to picture
# (1 would be a word tokenizer), but of use only where words are separated by spaces. Three tokenizers with 4,096
# tokens each, trained on the same text, and bytes:

# %%
code = python_code()[:60_000]
seen_text = train_text[:60_000]
by_name = {"BPE": bpe, "Unigram": unigram, "WordPiece": one_space, "bytes": tokenizers.ByteTokenizer()}
rows = []
for name, tokenizer in by_name.items():
    ratios = [tokenizers.compression_ratio(tokenizer, text) for text in (seen_text, test_text, code)]
    words_a_token = tokenizers.fertility(tokenizer, test_text)
    rows.append([name, *(f"{ratio:.2f}" for ratio in ratios), f"{words_a_token:.2f}"])
table(["tokenizer", "training text", "held-out text", "Python code", "fertility, held out"], rows)

# %% [markdown]
# Read it with care. All three do worse on held-out text than on what they were trained on: late merges serve words
# that happen to occur in the training text. Code is worse again, being another kind of text. BPE leads here because
# it chooses by count, and count is what compression pays for; the score of WordPiece likes rare pairs that seldom
# occur, and on a text as short as ours that is costly. Unigram keeps 256 of its 4,096 places for byte fallback that
# English never uses, and as it is trained here no piece holds two blanks, so each blank of an indented line is a
# token. None of this says which model would be better: compression makes a model cheaper, and that is all it does.
#
# How large should the vocabulary be? The merges of a small vocabulary are the first merges of a larger one, so one
# training gives the whole curve.

# %%
sizes = [256, 512, 1024, 2048, 4096]
texts = {"training text": seen_text, "held-out text": test_text, "Python code": code}
smaller = [tokenizers.BPETokenizer(bpe.merges[: size - 256]) for size in sizes]
ratio = {name: [tokenizers.compression_ratio(t, text) for t in smaller] for name, text in texts.items()}  # @stepover

fig, ax = plt.subplots()
for (name, values), style in zip(ratio.items(), figures.line_styles(3), strict=True):
    ax.plot(sizes, values, label=name, **style)
ax.set_xscale("log", base=2)
ax.set_xticks(sizes, [f"{size:,}" for size in sizes])
ax.set_xlabel("vocabulary (tokens)")
ax.set_ylabel("compression ratio (bytes a token)")
ax.legend()
plt.show()

assert all(values[0] == 1 and values == sorted(values) for values in ratio.values())
held_out = ratio["held-out text"]
gains = [later / before - 1 for before, later in pairwise(held_out)]  # each time for twice the vocabulary
print("held-out text, gain at each doubling:", " ".join(f"{gain:.0%}" for gain in gains))
assert gains == sorted(gains, reverse=True)

# %% [markdown]
# Each doubling of the vocabulary gains less than the one before, and costs twice the embeddings. The gap between
# training and held-out text opens: those are the merges that were learned by heart. GPT-2 took 50,257 tokens, GPT-4
# about 100,000, Llama 3 128,000, some models 256,000; a larger vocabulary pays for larger models and for many
# languages. GPT-2's table of 50,257 vectors of 768 numbers is 38.6 million parameters, of 124 million in its smallest
# model.
#
# ### Other languages
#
# The first article of the Universal Declaration of Human Rights has been translated into more than 500 languages. The
# same meaning, so the number of tokens says what it costs to say it.

# %%
hindi = predict(
    "How many times as many tokens does the article need in Hindi as in English?",
    choices=["about 1", "about 2", "about 4", "more than 8"],
)
hindi

# %%
n_tokens = {language: len(bpe.encode(article_one(language))) for language in LANGUAGES}
n_utf8 = {language: len(article_one(language).encode()) for language in LANGUAGES}
factor = n_tokens["Hindi"] / n_tokens["English"]
print(f"English {n_tokens['English']} tokens, Hindi {n_tokens['Hindi']}: {factor:.1f} times as many")
assert factor > 8
hindi.reveal("more than 8")

# %%
order = sorted(LANGUAGES, key=lambda language: n_tokens[language])
place = np.arange(len(order))
fig, ax = plt.subplots(figsize=(7, 4.8))
blue, red = figures.COLOURS[:2]
tokens_cost = [n_tokens[language] / n_tokens["English"] for language in order]
bytes_cost = [n_utf8[language] / n_utf8["English"] for language in order]
ax.barh(place - 0.2, tokens_cost, 0.4, label="tokens", color=blue)
ax.barh(place + 0.2, bytes_cost, 0.4, label="bytes of UTF-8", color="none", edgecolor=red, hatch="////")
ax.set_yticks(place, order)
ax.invert_yaxis()
ax.set_xlabel("cost of the same article (English = 1)")
ax.axvline(1, color=figures.GREY, linewidth=1)
ax.legend(loc="upper right")
plt.show()

latin = {"English", "Spanish", "French", "German", "Finnish", "Turkish", "Swahili"}
assert set(order[:7]) == latin  # our merges were learned from English, and help where the letters are the same

# %% [markdown]
# Two things add up. UTF-8 itself gives English one byte a character, Greek and Russian two, Hindi, Thai, Chinese and
# Japanese three (striped bars). And our merges were learned from English, so other Latin languages get some use out
# of them, and other scripts none: there every byte is a token. (Chinese needs few characters for the same meaning,
# which makes up for much of it.) Petrov and others (2023) measured the tokenizers of well-known models and found up
# to 15 times more tokens for one language than for another, with the same text. Speakers of those languages pay more,
# wait longer and have less room. The cure is training text in many languages, and a vocabulary large enough for them.
#
# The same tokens, in place:

# %%
samples = [(language, article_one(language)[:50]) for language in LANGUAGES]
samples += [
    ("code", "for i in range(10):\n    total += x[i]"),
    ("numbers", "1969 3.14159 1000000"),
    ("emoji", "🌍🚀 :-)"),
]
rows = [
    [name, f"{tokenizers.compression_ratio(bpe, text):.2f}", chips(bpe, text, whole=True)] for name, text in samples
]
table(["text", "bytes a token", "tokens"], rows)

# %% [markdown]
# A small number behind a character says how many tokens it takes. Most characters outside the Latin alphabet take two
# or three: a model that writes Hindi with this tokenizer must get three bytes right before a single letter appears.
#
# ## 12. Odd failures, explained
#
# ### Glued spaces
#
# `"The"`, `"the"`, `" The"` and `" the"` are four different tokens with nothing in common but what the model learns
# about them. And since the space is glued to the *next* word, a prompt should not end with one. A space that is a
# token of its own hardly ever stands before a letter in the training text: only where a rare word falls into pieces
# so small that not even its space is joined to anything.

# %%
four = [bpe.encode(word) for word in ("The", "the", " The", " the")]
print("ids:", four)
space = bpe.encode(" ")
assert len({tuple(ids) for ids in four}) == 4
pairs = list(pairwise(train_ids))
after_space = [token for before, token in pairs if [before] == space and bpe.token_bytes(token)[:1].isalpha()]
glued = [token for token in train_ids if re.match(rb" [A-Za-z]", bpe.token_bytes(token))]
print(f"{len(glued):,} tokens are a space with letters; a lone space stands before letters {len(after_space)} times")
assert len(after_space) * 100 < len(glued)
prompts = ["The answer is", "The answer is "]
table(["prompt", "tokens"], [[repr(prompt), chips(bpe, prompt)] for prompt in prompts])

# %% [markdown]
# After the second prompt the model is in a state that it has hardly ever seen before a word. It has learned: a lone
# space, so some other sign follows, or a second space. This is why "do not end your prompt with a space" is good
# advice.
#
# ### Numbers cut from the left
#
# GPT-2's pattern takes a number whole, and the merges cut it as the training text happened to have it. GPT-4's cuts
# groups of three, **from the left**, where people group from the right: 1,234,567. So the same digit stands in
# another place of its group as soon as the number gets one digit longer:

# %%
FROM_RIGHT = r"\p{N}{1,3}(?=(?:\p{N}{3})*(?!\p{N}))"
rows = []
for number in ("999", "1000", "12345", "123456", "1234567"):
    left, right_to_left = regex.findall(r"\p{N}{1,3}", number), regex.findall(FROM_RIGHT, number)
    rows.append([number, Chips(tuple(left)), Chips(tuple(right_to_left)), f"{int(number):,}"])
    assert right_to_left == f"{int(number):,}".split(",")
table(["number", "from the left", "from the right", "as people write it"], rows)

# %% [markdown]
# To add 999 and 1234, a model must line up `999` with `123`+`4`. How often do the groups of two numbers mean the same
# place values? Cut from the right, always. Cut from the left, only if both numbers have equally many digits, or
# differ by three:

# %%
draw = random.Random(0)
numbers = [draw.randint(1, 10 ** draw.randint(1, 7)) for _ in range(4000)]


def last_group(number, pattern):
    """Digits in the last group: they say whether the group before it counts tens, hundreds or thousands."""
    return len(regex.findall(pattern, str(number))[-1])


FROM_LEFT = r"\p{N}{1,3}"
aligned = [last_group(a, FROM_LEFT) == last_group(b, FROM_LEFT) for a, b in pairwise(numbers)]
print(f"from the left, two random numbers are aligned in {sum(aligned) / len(aligned):.0%} of all cases")
assert 0.3 < sum(aligned) / len(aligned) < 0.45
assert all(last_group(number, FROM_RIGHT) == min(3, len(str(number))) for number in numbers)

# %% [markdown]
# Singh and Strouse (2024) found that GPT-3.5 and GPT-4 add much better when numbers are written with commas, which
# forces the cut from the right. Llama 1 and 2 take each digit as a token of its own: longer, and always aligned.
#
# ### White space in code
#
# A tokenizer trained on prose has no token for eight spaces, and indented code is full of them. Codex, GPT-3 trained
# further on code, added tokens for runs of white space and needed about 30 % fewer tokens (Chen and others 2021). Let
# us try it. First a tokenizer from prose without any runs of spaces; then, to it, a token for each run of 2 to 24,
# made from the run that is one shorter and one more space:

# %%
prose = re.sub(r"(?m)^ +| +(?= )", "", train_text)  # no indentation, no double spaces
assert "  " not in prose
from_prose = tokenizers.BPETokenizer.train(prose, vocab_size=4096)  # @stepover
one_longer = [(b" " * (n - 1), b" ") for n in range(2, 25)]
first_try = tokenizers.BPETokenizer(from_prose.merges + one_longer)
before, after = len(from_prose.encode(code)), len(first_try.encode(code))
print(f"{before:,} tokens, with {len(one_longer)} more tokens {after:,}: {1 - after / before:.0%} fewer")
print("tokens for runs of 1 to 12 spaces:", [len(first_try.encode(" " * n)) for n in range(1, 13)])

# %% [markdown]
# A good saving, but look at the last line: a run of eight is not one token. The tokens are in the vocabulary, and the
# merges do not lead to them. The first merge turns eight spaces into four pairs, and there is no merge of two pairs.
# It is the bug of section 7 again, from the other side. Merges that do lead there double first (2, 4, 8, 16) and then
# put together the rest:

# %%
doubled = [2, 4, 8, 16]
runs = []
for n in doubled + [n for n in range(3, 25) if n not in doubled]:
    first = max(power for power in (1, 2, 4, 8, 16) if power < n)
    runs.append((b" " * first, b" " * (n - first)))
with_runs = tokenizers.BPETokenizer(from_prose.merges + runs)
assert [len(with_runs.encode(" " * n)) for n in range(1, 25)] == [1] * 24
after = len(with_runs.encode(code))
print(f"{before:,} tokens, with {len(runs)} more tokens {after:,}: {1 - after / before:.0%} fewer")
assert with_runs.decode(with_runs.encode(code)) == code
assert 0.22 < 1 - after / before < 0.38

# %%
snippet = "class A:\n    def f(self):\n        return [\n            1,\n        ]"
kinds = {"from prose": from_prose, "one longer": first_try, "doubled": with_runs}
rows = [[name, len(kind.encode(snippet)), chips(kind, snippet)] for name, kind in kinds.items()]
table(["tokenizer", "tokens", "code"], rows)

# %% [markdown]
# Close to what Codex reports, with 23 more tokens, on other code and with a far smaller vocabulary. The agreement is
# partly luck: the saving depends on how deeply the code is indented and on how many tokens the rest of the line
# needs.
#
# ### Glitch tokens
#
# The tokenizer is trained first, the model later, often on other data. Suppose that the tokenizer's text had a log in
# it where one user's name occurs thousands of times, so that the name became a token; and that the log was thrown out
# before the model was trained. The token is in the vocabulary, but its vector has never been trained: a ***glitch
# token***. GPT-2's vocabulary has such tokens, the best known being *SolidGoldMagikarp*, a user's name, and models
# that shared it answered with nonsense when they met it (Rumbelow and Watkins 2023). Land and Bartolo (2024) found
# such tokens in many models.
#
# We build one. The tokenizer sees the prose and a log, the model sees the prose only. The model is the smallest one
# with embeddings: a vector for the token that was read, a vector for each token that may come next, and softmax of
# their products.

# %%
log = "TealPangolin42 has joined. TealPangolin42 has left.\n" * 200
small = tokenizers.BPETokenizer.train(prose[:60_000] + log, vocab_size=600)
ids = np.array(small.encode(prose[:60_000]))
glitch = small.encode(" TealPangolin")
print("tokens of the name:", [small.token_bytes(token) for token in glitch])
assert len(glitch) == 1
assert glitch[0] not in ids

# %%
rng = np.random.default_rng(0)
vocab, width = small.vocab_size, 16
start_in, start_out = (rng.normal(0, 0.1, (vocab, width)) for _ in range(2))
E, U = start_in.copy(), start_out.copy()  # (V, C): of the token read, of the token to come
for _ in range(1000):
    at = rng.integers(0, len(ids) - 1, 64)
    read, target = ids[at], ids[at + 1]
    logits = E[read] @ U.T  # (B, V)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    p[np.arange(64), target] -= 1  # gradient of the cross-entropy; lecture 03 derives it
    grad_in, grad_out = p @ U, p.T @ E[read]
    np.add.at(E, read, -0.1 * grad_in)
    U -= 0.1 * grad_out

untrained = [token for token in range(vocab) if np.array_equal(E[token], start_in[token])]
assert glitch[0] in untrained
never = set(range(vocab)) - set(ids.tolist())
assert never <= set(untrained)
print(f"{len(never)} of {vocab} tokens never occur; their vectors are, to the bit, the random ones of the start")

# %% [markdown]
# A training step moves the input vectors of the tokens in its batch and no others. A token that never comes keeps its
# random vector for ever. (The output vectors all move: at each step, those of all tokens that did not come are pushed
# away. So the model never says the token either.) That also tells how to look for glitch tokens in a model that you
# did not train: search for vectors that look like noise. What does the model do when it meets one?


# %%
def next_token(token):
    logits = E[token] @ U.T
    p = np.exp(logits - logits.max())
    return p / p.sum()


def surprise(p):
    """Entropy in bits: 0 when it is certain, log2(V) when it knows nothing."""
    return float(-(p * np.log2(p)).sum())


trained_tokens = [token for token, _ in Counter(ids.tolist()).most_common(50)]
usual = np.mean([surprise(next_token(token)) for token in trained_tokens])
lost = surprise(next_token(glitch[0]))
print(f"entropy of the next token: {usual:.1f} bits after a frequent token, {lost:.1f} after the glitch token")
print(f"(a model that knows nothing has {math.log2(vocab):.1f})")
assert lost > usual + 1
lengths = np.linalg.norm(E, axis=1)
assert lengths[glitch[0]] < np.median(lengths[trained_tokens]) / 2
assert max(next_token(token)[glitch[0]] for token in trained_tokens) < 1 / vocab  # and it never says it

# %% [markdown]
# It knows next to nothing: the vector points nowhere. In this small model the answer is only vague. In a large one,
# layers of computation make something of the noise, and it comes out as insults, refusals or somebody else's text.
# The cure is dull: train the tokenizer on the data that the model will see, and look for tokens that do not occur.
#
# ### Letters are out of sight
#
# How many *r* are in *strawberry*? The model does not see letters, it sees ids. It must have learned the spelling of
# every token from text that spells. The same is true of rhymes, of reversing words, and of counting characters.

# %%
spelled = " ".join("strawberry")
table(["text", "tokens"], [[text, chips(bpe, text)] for text in (" strawberry", spelled)])

# %% [markdown]
# ## 13. Try it
#
# Type something of your own. Names, other languages, code, long numbers, two spaces: watch where the cuts fall. In a
# static copy of this notebook you see the table for the first text only.


# %%
def side_by_side(text):
    rows = [[name, len(tokenizer.encode(text)), chips(tokenizer, text)] for name, tokenizer in by_name.items()]
    return table(["tokenizer", "tokens", "text"], rows)._repr_html_()


first_text = "The naïve user typed 1234567 spaces."
box = widgets.Textarea(value=first_text, description="Your text:", layout={"width": "90%"})
shown = widgets.HTML(side_by_side(box.value))
box.observe(lambda change: setattr(shown, "value", side_by_side(change["new"])), names="value")
display(HTML(side_by_side(box.value)))
display(widgets.VBox([box, shown]))
box.value = "  two"  # as if you had typed it
assert shown.value == side_by_side("  two")
box.value = first_text

# %% [markdown]
# ## 14. Napkin answer
#
# **Napkin answer.** How much fits into 8,192 tokens? For English prose, the held-out compression ratio tells; for
# Hindi, the article.

# %%
context, page = 8192, 3000
english_chars_a_token = len(test_text) / len(bpe.encode(test_text))
hindi_chars_a_token = len(article_one("Hindi")) / n_tokens["Hindi"]
english_pages = context * english_chars_a_token / page
hindi_pages = context * hindi_chars_a_token / page
print(f"English: {english_chars_a_token:.2f} characters a token, {english_pages:.1f} pages")
print(f"Hindi:   {hindi_chars_a_token:.2f} characters a token, {hindi_pages:.1f} pages")
assert 8 < english_pages < 11
assert 0.9 < hindi_pages < 1.2

# %% [markdown]
# Between nine and ten pages of English, one page of Hindi. If you took the usual rule of thumb, four characters a
# token, you had about eleven pages: a good estimate for a large tokenizer, a little too much for this small one.
#
# ## 15. Exercises
#
# Write the function in each cell, then run it. `check` tries it on small cases and names the likely mistake. For a
# hint, add `hint=1`, then `hint=2`; for a solution, `solution=True`.
#
# **1. UTF-8 by hand.** Section 2 shows the bits. Write the encoder, without `str.encode`.


# %% tags=["exercise"] exercise="tokenizers.utf8"
def utf8_bytes(code_point):
    """The UTF-8 bytes of a code point: 0xE9 gives b"\\xc3\\xa9"."""
    ...


check("tokenizers.utf8", utf8_bytes)

# %% [markdown]
# **2. Compression ratio of many texts.** A test set has many texts, some short, some long. `encode` is a function
# from text to a list of ids.


# %% tags=["exercise"] exercise="tokenizers.compression"
def compression_ratio(texts, encode):
    """Bytes a token over all texts together."""
    ...


check("tokenizers.compression", compression_ratio)

# %% [markdown]
# **3. BPE's encode.** Like `encode_word`, but on characters, and with the merges as a list in the order of learning,
# such as `[("e", "r"), ("l", "o")]`. Think of section 7.


# %% tags=["exercise"] exercise="tokenizers.bpe_encode"
def bpe_encode(word, merges):
    """The tokens of ``word``, a list of strings."""
    ...


check("tokenizers.bpe_encode", bpe_encode)

# %% [markdown]
# **4. Text as it streams.** A model sends one token after the other, and a token may end in the middle of a
# character. What do you show after each? (Every chat window has to solve this.)


# %% tags=["exercise"] exercise="tokenizers.stream"
def stream(tokens):
    """For each token (bytes), the text to add to the screen: [b"caf\\xc3", b"\\xa9!"] gives ["caf", "é!"]."""
    ...


check("tokenizers.stream", stream)

# %% [markdown]
# **5. WordPiece's cut.** Longest piece first, `##` inside words, `["[UNK]"]` for a word that cannot be cut.


# %% tags=["exercise"] exercise="tokenizers.wordpiece"
def wordpiece(word, vocabulary):
    """The pieces of ``word``; ``vocabulary`` is a set of pieces."""
    ...


check("tokenizers.wordpiece", wordpiece)

# %% [markdown]
# **6. All cuts at once.** Viterbi finds the best cut. EM needs the *sum* over all cuts, and listing them takes
# $2^{n-1}$ steps. Change `viterbi` so that it returns the log of that sum. One word in it changes, and a little
# beside.


# %% tags=["exercise"] exercise="tokenizers.forward"
def log_likelihood(text, log_prob):
    """Log of the probability of ``text``, over all its cuts; -inf if there is none."""
    ...


check("tokenizers.forward", log_likelihood)

# %% [markdown]
# ## What we left out
#
# - **BPE with chance** (BPE-dropout, Provilkov and others 2020): skip merges at random, which gives BPE what sampling
#   gives Unigram.
# - **Tokens over word borders** (SuperBPE, Liu and others 2025): section 4 called them a waste. Allowed late, after
#   the words are learned, they save up to a third of the tokens.
# - **No tokenizer at all**: ByT5 (Xue and others 2021) reads bytes; the Byte Latent Transformer (Pagnoni and others
#   2024) groups bytes by how hard they are to predict.
# - **Token healing**: step back one token at the end of a prompt and let the model choose again, so that a cut in the
#   wrong place does no harm.
# - How the trainer reads files larger than memory and uses several processes: `lilllm.tokenizers.pretoken_counts`,
#   and `lilllm tokenizer train` on the command line. The file formats: `lilllm.tokenizers.hf_json`.
# - Chat templates, in which special tokens mark who speaks: lecture 20.
#
# ## Sources
#
# - Gage 1994, *A New Algorithm for Data Compression*, The C Users Journal 12(2): byte-pair encoding.
# - Sennrich, Haddow, Birch 2016, *Neural Machine Translation of Rare Words with Subword Units*, arXiv:1508.07909.
# - Radford and others 2019, *Language Models are Unsupervised Multitask Learners* (GPT-2), section 2.2: BPE over
#   bytes.
# - Schuster, Nakajima 2012, *Japanese and Korean Voice Search*, ICASSP: WordPiece's vocabulary. (What BERT's authors
#   ran was not published; the score of section 8 is the form in which it is usually told.)
# - Kudo 2018, *Subword Regularization*, arXiv:1804.10959: Unigram and sampling.
# - Kudo, Richardson 2018, *SentencePiece*, arXiv:1808.06226.
# - Chen and others 2021, *Evaluating Large Language Models Trained on Code* (Codex), arXiv:2107.03374, section 3.2.
# - Petrov and others 2023, *Language Model Tokenizers Introduce Unfairness Between Languages*, arXiv:2305.15425.
# - Singh, Strouse 2024, *Tokenization counts: the impact of tokenization on arithmetic in frontier LLMs*,
#   arXiv:2402.14903.
# - Land, Bartolo 2024, *Fishing for Magikarp*, arXiv:2405.05417. Rumbelow, Watkins 2023, *SolidGoldMagikarp (plus,
#   prompt generation)*, LessWrong.
# - Provilkov, Emelianenko, Voita 2020, *BPE-Dropout*, arXiv:1910.13267. Liu and others 2025, *SuperBPE*,
#   arXiv:2503.13423. Xue and others 2021, *ByT5*, arXiv:2105.13626. Pagnoni and others 2024, *Byte Latent
#   Transformer*, arXiv:2412.09871.
# - The Unicode Standard, chapter 3 (UTF-8, normalization forms); RFC 3629 (UTF-8).
