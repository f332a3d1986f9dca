"""What is refused, and in which words."""

import pytest
import torch

from lilllm.layers import (
    BatchNorm,
    CrossAttention,
    Embedding,
    FeedForward,
    GatedFeedForward,
    KVCache,
    LayerNorm,
    LearnedPositions,
    LinearScaling,
    Llama3Scaling,
    MultiHeadAttention,
    RMSNorm,
    additive_attention,
    alibi,
    attention_reference,
    mask,
    rope,
    sinusoidal,
    swiglu_d_ff,
)
from lilllm.layers.attention import attention

x = torch.zeros(2, 4, 3, 8)  # (B, H, T, D)
kv = torch.zeros(2, 2, 5, 8)  # (B, K, S, D)
yes = torch.ones(3, 5, dtype=torch.bool)
half = torch.zeros(3, 4)

REFUSED = {
    "embedding": (lambda: Embedding(0, 4), "vocab_size and d_model must be at least 1, not 0 and 4"),
    "embedding width": (lambda: Embedding(4, 0), "not 4 and 0"),
    "norm width": (lambda: LayerNorm(0), "at least 1 channel, not 0"),
    "norm eps": (lambda: RMSNorm(4, eps=-1e-5), "eps must be at least 0"),
    "norm eps nan": (lambda: BatchNorm(4, eps=float("nan")), "eps must be at least 0"),
    "one row": (lambda: BatchNorm(4)(torch.zeros(1, 4)), "at least two rows to vary, not 1"),
    "causal": (lambda: mask.causal(3, 2), "given T = 3, S = 2"),
    "causal of none": (lambda: mask.causal(0), "given T = 0, S = 0"),
    "sliding": (lambda: mask.sliding(3, 2, 1), "given T = 3, S = 2"),
    "window": (lambda: mask.sliding(3, None, 0), "window must be at least 1"),
    "padding of floats": (lambda: mask.padding(torch.zeros(2, 3)), "not torch.float32"),
    "lengths": (lambda: mask.padding([2, 4], S=3), "from 0 to S = 3, not"),
    "negative length": (lambda: mask.padding([-1, 2]), "from 0 to S = 2, not"),
    "padding axes": (lambda: mask.padding(torch.ones(1, 2, 3, dtype=torch.bool)), r"not \(1, 2, 3\)"),
    "padding of bools": (lambda: mask.padding(torch.ones(3, dtype=torch.bool)), r"not \(3,\)"),
    "padding length": (lambda: mask.padding(torch.ones(1, 2, dtype=torch.bool), S=3), r"\(B, S = 3\), not \(1, 2\)"),
    "padding of ids": (lambda: mask.padding(torch.tensor([[0, 1, 2]])), "ids go to `documents`"),
    "documents": (lambda: mask.documents(torch.zeros(1, 1, 2, dtype=torch.long)), r"not \(1, 1, 2\)"),
    "three axes": (lambda: attention(x[0], kv, kv), "must have four axes"),
    "depth": (lambda: attention(x, kv[..., :7], kv), "share B, D, K and S"),
    "batch": (lambda: attention(x, kv[:1], kv[:1]), "share B, D, K and S"),
    "values": (lambda: attention(x, kv, kv[:, :, :4]), "share B, D, K and S"),
    "heads": (lambda: attention(x[:, :3], kv, kv), "3 query heads cannot share 2 kv heads"),
    "too few heads": (lambda: attention(x[:, :1], kv, kv), "1 query heads cannot share 2 kv heads"),
    "more queries": (
        lambda: attention(x, kv[:, :, :2], kv[:, :, :2], causal=True),
        "3 queries cannot be the last of 2",
    ),
    "additive mask": (lambda: attention(x, kv, kv, mask=torch.zeros(3, 5)), "not torch.float32"),
    "mask (B, T, S)": (lambda: attention(x, kv, kv, mask=yes.expand(2, 3, 5)), r"not torch.bool \(2, 3, 5\)"),
    "mask of others": (lambda: attention(x, kv, kv, mask=yes[:, :4]), r"\(2, 4, 3, 5\), not torch.bool \(3, 4\)"),
    "bias": (lambda: attention(x, kv, kv, bias=torch.zeros(3, 3, 5)), r"bias must be .* not \(3, 3, 5\)"),
    "bias axes": (lambda: attention_reference(x, kv, kv, bias=torch.zeros(5)), r"bias must be .* not \(5,\)"),
    "additive attention": (
        lambda: additive_attention(*(torch.ones(1, 1),) * 5, torch.ones(1), torch.ones(1, 1)),
        "mask must be bool",
    ),
    "head size": (lambda: MultiHeadAttention(10, 4), "d_model 10 is no multiple of n_heads 4"),
    "kv heads": (lambda: MultiHeadAttention(8, 4, n_kv_heads=3), "n_heads 4 is no multiple of n_kv_heads 3"),
    "no heads": (lambda: MultiHeadAttention(8, 0), "at least 1"),
    "no kv heads": (lambda: CrossAttention(8, 2, n_kv_heads=0), "at least 1"),
    "no head size": (lambda: MultiHeadAttention(8, 2, d_head=0), "d_head 0"),
    "dropout": (lambda: MultiHeadAttention(8, 2, dropout=1.0), "dropout must be from 0"),
    "cross dropout": (lambda: CrossAttention(8, 2, dropout=-0.1), "dropout must be from 0"),
    "window to both sides": (lambda: MultiHeadAttention(8, 2, window=2), "give causal=True"),
    "no window": (lambda: MultiHeadAttention(8, 2, causal=True, window=0), "window must be at least 1"),
    "no cache": (lambda: KVCache(1, 1, 1, 0, 4), "must be at least 1"),
    "full cache": (lambda: KVCache(1, 2, 2, 4, 8).update(0, kv, kv), "make it with max_len=5 or more"),
    "layer": (lambda: KVCache(1, 2, 2, 9, 8).update(1, kv, kv), "layer must be from 0 to 0, not 1"),
    "layer below": (lambda: KVCache(1, 2, 2, 9, 8).update(-1, kv, kv), "layer must be from 0 to 0, not -1"),
    "cache of others": (lambda: KVCache(1, 1, 2, 9, 8).update(0, kv, kv), r"takes k and v of \(1, 2, T, 8\)"),
    "cache values": (lambda: KVCache(1, 2, 2, 9, 8).update(0, kv, kv[:, :, 1:]), "takes k and v of"),
    "cache dtype": (lambda: KVCache(1, 2, 2, 9, 8, dtype=torch.bfloat16).update(0, kv, kv), "make it with dtype="),
    "cache dtype of values": (
        lambda: KVCache(1, 2, 2, 9, 8).update(0, kv, kv.double()),
        "float32 and torch.float64",
    ),
    "cache gradients": (
        lambda: KVCache(1, 2, 2, 9, 8).update(0, kv.clone().requires_grad_(), kv),
        "under torch.no_grad",
    ),
    "advance": (lambda: KVCache(1, 2, 2, 4, 8).advance(5), "cannot advance by 5"),
    "go back": (lambda: KVCache(1, 2, 2, 4, 8).advance(-1), "cannot advance by -1"),
    "odd width": (lambda: sinusoidal(3, 5), "C even"),
    "no places": (lambda: sinusoidal(0, 4), "T must be at least 1"),
    "no positions": (lambda: LearnedPositions(0, 4), "not 0 and 4"),
    "odd head": (lambda: rope.angles(torch.arange(3), 5), "d_head must be even"),
    "theta": (lambda: rope.angles(torch.arange(3), 4, 0.0), "theta must be above 0"),
    "turns of other lengths": (lambda: rope.rotate(x, half[:2], half[:2]), r"not \(2, 4\) and \(2, 4\)"),
    "turns of other heads": (lambda: rope.rotate_pairs(x, half[:, :3], half[:, :3]), r"not \(3, 3\)"),
    "one turn": (lambda: rope.rotate(x, half, half[None]), r"not \(3, 4\) and \(1, 3, 4\)"),
    "turns of other rows": (lambda: rope.rotate(x, half.expand(3, 3, 4), half.expand(3, 3, 4)), r"not \(3, 3, 4\)"),
    "turn an odd head": (lambda: rope.rotate(x[..., :7], half[:, :3], half[:, :3]), r"not \(3, 3\)"),
    "rows": (lambda: rope.to_half(torch.zeros(6, 2), 2), "6 rows are not 2 heads"),
    "rows of no head": (lambda: rope.to_pairs(torch.zeros(6, 2), 0), "6 rows are not 0 heads"),
    "linear factor": (lambda: LinearScaling(factor=0.0), "factor must be a number above 0, not 0.0"),
    "factor of text": (lambda: LinearScaling(factor="4"), "factor must be a number above 0, not '4'"),
    "factor without end": (lambda: LinearScaling(factor=float("inf")), "a number above 0, not inf"),
    "factor too large": (lambda: LinearScaling(factor=10**400), "a number above 0"),
    "factor of truth": (lambda: LinearScaling(factor=True), "a number above 0, not True"),
    "llama text": (lambda: Llama3Scaling(factor=8, low=1, high=4, original_len="9"), "must be numbers above 0"),
    "llama none": (lambda: Llama3Scaling(factor=8, low=None, high=4, original_len=9), "must be numbers above 0"),
    "no batch": (lambda: MultiHeadAttention(8, 2)(half), r"x must be \(batch, tokens, channels\), not \(3, 4\)"),
    "no batch to look at": (
        lambda: CrossAttention(8, 2)(half[None], half),
        r"memory must be \(batch, tokens, channels\), not \(3, 4\)",
    ),
    "memory of other rows": (
        lambda: CrossAttention(4, 2)(half.expand(2, 3, 4), half.expand(1, 3, 4)),
        "x has 2 rows and memory 1",
    ),
    "turn a row": (lambda: rope.rotate(x[0], half, half), r"x must be \(B, H, T, D\), not \(4, 3, 8\)"),
    "llama factors": (lambda: Llama3Scaling(factor=8.0, low=4.0, high=1.0, original_len=10), "0 < low < high"),
    "slopes": (lambda: alibi.slopes(0), "n_heads must be at least 1"),
    "alibi": (lambda: alibi.bias(3, 2, torch.ones(1)), "given T = 3, S = 2"),
    "activation": (lambda: FeedForward(2, 2, activation="swish"), "one of relu, gelu, gelu_tanh, silu, not 'swish'"),
    "gated activation": (lambda: GatedFeedForward(2, 2, activation="swiglu"), "not 'swiglu'"),
    "d_ff": (lambda: FeedForward(2, 0), "not 2 and 0"),
    "gated d_ff": (lambda: GatedFeedForward(0, 2), "not 0 and 2"),
    "multiple": (lambda: swiglu_d_ff(8, 0), "not 8 and 0"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    run, words = REFUSED[what]
    with pytest.raises(ValueError, match=words):
        run()


def test_gradients_are_fine_where_none_are_taken():
    cache = KVCache(1, 2, 2, 9, 8)
    with torch.no_grad():
        cache.update(0, kv.clone().requires_grad_(), kv)
    cache.advance(5)
    assert cache.length == 5
