"""Multi-head attention: torch's modules, its properties, windows, padding, caches."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from lilllm.layers import (
    CrossAttention,
    FeedForward,
    KVCache,
    LayerNorm,
    MultiHeadAttention,
    RMSNorm,
    alibi,
    attention_reference,
    mask,
    rope,
)

# Sums of at most 64 products of numbers about 1, four layers of them, in another order: some tens of 6e-8.
FP32 = {"atol": 5e-6, "rtol": 1e-5}
C, H = 32, 4


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def made(seed=0, **options):
    torch.manual_seed(seed)
    layer = MultiHeadAttention(C, H, **options)
    for p in layer.parameters():
        p.data.add_(0.1 * torch.randn_like(p))  # gains that are not 1
    return layer


def turns(positions):
    turn = rope.angles(positions, C // H)
    return turn.cos(), turn.sin()


def of_torch(**options):
    theirs = nn.MultiheadAttention(C, H, batch_first=True, **options)
    for p in theirs.parameters():
        p.data.add_(0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    return theirs


NAMES = {
    "qkv.weight": "in_proj_weight",
    "qkv.bias": "in_proj_bias",
    "out.weight": "out_proj.weight",
    "out.bias": "out_proj.bias",
}


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("padded", [False, True])
def test_equal_to_torch_with_gradients(causal, padded):
    theirs, ours = of_torch(), MultiHeadAttention(C, H, causal=causal, bias=True, out_bias=True)
    ours.load_state_dict({our: theirs.state_dict()[their] for our, their in NAMES.items()})
    keep = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0]])
    x, g = drawn(2, 5, C), drawn(2, 5, C, seed=1)
    y = ours(x, mask=mask.padding(keep) if padded else None)
    expected, _ = theirs(
        *(x, x, x),
        key_padding_mask=~keep.bool() if padded else None,
        attn_mask=~mask.causal(5) if causal else None,
        need_weights=False,
    )
    torch.testing.assert_close(y, expected, **FP32)
    y.backward(g)
    expected.backward(g)
    for our, their in NAMES.items():
        mine, as_torch = ours.get_parameter(our).grad, theirs.get_parameter(their).grad
        torch.testing.assert_close(mine, as_torch, atol=2e-5, rtol=1e-5)  # sums over ten rows


def test_cross_attention_equal_to_torch():
    theirs, ours = of_torch(kdim=20, vdim=20), CrossAttention(C, H, d_memory=20, bias=True, out_bias=True)
    bias = theirs.in_proj_bias
    ours.load_state_dict(
        {
            "q.weight": theirs.q_proj_weight,
            "q.bias": bias[:C],
            "kv.weight": torch.cat((theirs.k_proj_weight, theirs.v_proj_weight)),
            "kv.bias": bias[C:],
            "out.weight": theirs.out_proj.weight,
            "out.bias": theirs.out_proj.bias,
        }
    )
    x, memory = drawn(2, 3, C), drawn(2, 6, 20, seed=1)
    keep = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
    expected = theirs(x, memory, memory, key_padding_mask=~keep.bool(), need_weights=False)[0]
    torch.testing.assert_close(ours(x, memory, mask=mask.padding(keep)), expected, **FP32)
    shared = CrossAttention(C, H, n_kv_heads=2)
    assert shared(x, drawn(2, 6, C)).shape == (2, 3, C)
    assert shared.kv.weight.shape == (2 * 2 * 8, C)


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_an_encoder_layer_of_our_parts_is_torchs(first, activation):
    theirs = nn.TransformerEncoderLayer(C, H, 64, 0.0, activation, batch_first=True, norm_first=first)
    state = theirs.state_dict()
    attend, ffn = MultiHeadAttention(C, H, bias=True, out_bias=True), FeedForward(C, 64, activation=activation)
    norms = LayerNorm(C), LayerNorm(C)
    attend.load_state_dict({our: state[f"self_attn.{their}"] for our, their in NAMES.items()})
    ffn.load_state_dict(
        {
            f"{our}.{part}": state[f"{their}.{part}"]
            for our, their in (("up", "linear1"), ("down", "linear2"))
            for part in ("weight", "bias")
        }
    )
    for number, norm in enumerate(norms, 1):
        for part in ("weight", "bias"):
            norm.get_parameter(part).data.copy_(state[f"norm{number}.{part}"].normal_())
    x, keep = drawn(2, 5, C), torch.tensor([[1, 1, 1, 1, 1], [0, 0, 1, 1, 1]])
    seen = mask.padding(keep)
    if first:
        y = x + attend(norms[0](x), mask=seen)
        y = y + ffn(norms[1](y))
    else:
        y = norms[0](x + attend(x, mask=seen))
        y = norms[1](y + ffn(y))
    expected = theirs(x, src_key_padding_mask=~keep.bool())
    torch.testing.assert_close(y, expected, **FP32)


@pytest.mark.parametrize("n_kv_heads", [4, 2, 1])
@pytest.mark.parametrize("qk_norm", [None, 1e-3])
def test_written_out_head_by_head(n_kv_heads, qk_norm):
    """Rows of qkv: all q heads, all k heads, all v heads; then norm, then turn, then attend; heads side by side."""
    D = 6  # H D = 24 is not C
    layer = made(n_kv_heads=n_kv_heads, d_head=D, qk_norm=qk_norm, bias=True, out_bias=True, causal=True)
    x, (cos, sin) = drawn(2, 5, C), (t[:, : D // 2] for t in turns(torch.arange(5)))
    slopes = alibi.bias(5, None, alibi.slopes(H))
    rows = (x @ layer.qkv.weight.T + layer.qkv.bias).split(D, -1)
    heads = []
    for h in range(H):
        q, k, v = rows[h], rows[H + h * n_kv_heads // H], rows[H + n_kv_heads + h * n_kv_heads // H]
        if qk_norm:
            q = q / (q.square().mean(-1, keepdim=True) + qk_norm).sqrt() * layer.q_norm.weight
            k = k / (k.square().mean(-1, keepdim=True) + qk_norm).sqrt() * layer.k_norm.weight
        q, k = (torch.cat((a * cos - b * sin, b * cos + a * sin), -1) for a, b in (q.chunk(2, -1), k.chunk(2, -1)))
        scores = (q @ k.mT / D**0.5 + slopes[h]).masked_fill(~mask.causal(5), -1e9)
        heads.append(scores.softmax(-1) @ v)
    expected = torch.cat(heads, -1) @ layer.out.weight.T + layer.out.bias
    torch.testing.assert_close(layer(x, rope=(cos, sin), bias=slopes), expected, **FP32)


def test_a_batch_of_no_rows_and_a_sequence_of_no_tokens():
    layer = made(n_kv_heads=2, causal=True, qk_norm=1e-5)
    for shape in ((0, 1, C), (0, 3, C)):
        x = torch.zeros(shape, requires_grad=True)
        y = layer(x, rope=turns(torch.arange(shape[1])))
        y.sum().backward()
        assert y.shape == x.grad.shape == shape
    assert layer(torch.zeros(2, 0, C)).shape == (2, 0, C)


@pytest.mark.parametrize("options", [{}, {"n_kv_heads": 2}, {"qk_norm": 1e-5}])
def test_without_positions_order_is_nothing_to_it(options):
    layer, x = made(**options), drawn(2, 7, C)
    order = torch.randperm(7, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(layer(x[:, order]), layer(x)[:, order], **FP32)
    turned = layer(x, rope=turns(torch.arange(7)))
    assert not torch.allclose(layer(x[:, order], rope=turns(torch.arange(7))), turned[:, order], atol=1e-3)
    cross, memory = CrossAttention(C, H), drawn(2, 7, C, seed=1)
    torch.testing.assert_close(cross(x, memory[:, order]), cross(x, memory), **FP32)


@pytest.mark.parametrize("options", [{}, {"n_kv_heads": 2, "qk_norm": 1e-5}, {"window": 3}])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("T", [4, 70])
def test_a_token_changes_nothing_before_it_to_the_bit(options, dtype, T):
    layer, x, turn = made(causal=True, **options).to(dtype), drawn(1, T, C).to(dtype), turns(torch.arange(T))
    before = layer(x, rope=turn)
    for t in (1, T // 2, T - 1):
        changed = x.clone()
        changed[:, t] += 3
        after = layer(changed, rope=turn)
        assert torch.equal(after[:, :t], before[:, :t])
        assert not torch.equal(after[:, t], before[:, t])


def test_with_rope_only_distances_count():
    layer, x = made(causal=True), drawn(2, 6, C)
    near, far = layer(x, rope=turns(torch.arange(6))), layer(x, rope=turns(torch.arange(6) + 100))
    torch.testing.assert_close(near, far, atol=5e-5, rtol=0)  # angles of 105 are known to 4e-6, times D products
    assert not torch.allclose(near, layer(x, rope=turns(2 * torch.arange(6))), atol=1e-3)


@pytest.mark.parametrize("T", [1, 3, 4, 9, 40])
@pytest.mark.parametrize("window", [1, 3, 9])
@pytest.mark.parametrize("padded", [False, True])
def test_a_window_is_its_mask(T, window, padded):
    with_window, plain = made(causal=True, window=window), made(causal=True)
    x, slopes = drawn(2, T, C), alibi.bias(T, None, alibi.slopes(H))
    keep = torch.ones(2, T, dtype=torch.long)
    keep[0, : T // 2] = 0
    pad = mask.padding(keep) if padded else torch.ones(1, 1, 1, 1, dtype=torch.bool)
    seen = pad & mask.sliding(T, None, window)
    given = {"rope": turns(torch.arange(T)), "bias": slopes}
    expected = plain(x, mask=seen, **given)
    torch.testing.assert_close(with_window(x, mask=pad if padded else None, **given), expected, **FP32)


def test_one_truth_for_all_keys_outlives_a_window_and_a_cache():
    layer, x, cache = made(causal=True, window=2), drawn(2, 9, C), KVCache(1, 2, H, 9, C // H)
    seen = torch.tensor([True, False]).view(2, 1, 1, 1)
    with torch.no_grad():
        for start in (0, 4, 8):
            piece = x[:, start : start + 4]
            y = layer(piece, mask=seen, cache=cache)
            cache.advance(piece.shape[1])
    torch.testing.assert_close(y[0], layer(x)[0, 8:], **FP32)
    assert (y[1] == 0).all()


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("options", [{}, {"n_kv_heads": 2, "window": 3}])
def test_padding_on_either_side_changes_nothing(side, options):
    layer, x = made(causal=True, **options), drawn(1, 5, C)
    alone = layer(x, rope=turns(torch.arange(5)))
    junk = 50 * drawn(1, 4, C, seed=1)
    padded = torch.cat((junk, x) if side == "left" else (x, junk), 1)
    keep = torch.tensor([[0] * 4 + [1] * 5] if side == "left" else [[1] * 5 + [0] * 4])
    places = (keep.cumsum(1) - 1).clamp(min=0)
    y = layer(padded, mask=mask.padding(keep), rope=turns(places))
    torch.testing.assert_close(y[keep.bool()][None], alone, **FP32)
    assert y.isfinite().all()
    if side == "left":
        assert (y[:, :4] == 0).all()  # no key to see, and no bias behind


@st.composite
def pieces(draw):
    lengths = draw(st.lists(st.integers(1, 5), min_size=1, max_size=6))
    options = {"n_kv_heads": draw(st.sampled_from([1, 2, 4])), "window": draw(st.sampled_from([None, 1, 2, 4, 30]))}
    return lengths, options, draw(st.booleans()), draw(st.booleans())


@settings(deadline=None, max_examples=80)
@given(pieces())
def test_pieces_with_a_cache_give_what_the_whole_gives(case):
    lengths, options, padded, with_bias = case
    T = sum(lengths)
    layers = [made(seed, causal=True, qk_norm=1e-5, **options) for seed in (0, 1)]
    x, slopes = drawn(2, T, C), alibi.slopes(H)
    keep = torch.ones(2, T, dtype=torch.long)
    keep[1, : T // 2] = 0  # on the left
    places = (keep.cumsum(1) - 1).clamp(min=0)

    def through(x, start, cache):
        S = start + x.shape[1]
        for number, layer in enumerate(layers):
            x = x + layer(
                x,
                mask=mask.padding(keep[:, :S]) if padded else None,
                rope=turns(places[:, start:S]),
                bias=alibi.bias(x.shape[1], S, slopes) if with_bias else None,
                cache=cache,
                layer=number,
            )
        return x

    whole = through(x, 0, None).detach()
    cache, out = KVCache(2, 2, options["n_kv_heads"], T, C // H), []
    with torch.no_grad():
        for length in lengths:
            start = cache.length
            out.append(through(x[:, start : start + length], start, cache))
            cache.advance(length)
    assert cache.length == T
    torch.testing.assert_close(torch.cat(out, 1), whole, **FP32)


def test_token_by_token_makes_no_mask_and_copies_no_cache():
    from unittest import mock

    layer, cache = made(causal=True, n_kv_heads=2, window=3), KVCache(1, 1, 2, 8, C // H)
    sdpa = nn.functional.scaled_dot_product_attention
    with torch.no_grad(), mock.patch.object(nn.functional, "scaled_dot_product_attention", wraps=sdpa) as run:
        for _ in range(6):
            layer(drawn(1, 1, C), cache=cache)
            cache.advance(1)
    for step, call in enumerate(run.call_args_list):
        assert call.kwargs["attn_mask"] is None
        keys = call.args[1]
        assert keys.shape[2] == min(step + 1, 3)
        assert keys.untyped_storage().data_ptr() == cache.k.untyped_storage().data_ptr()


def test_a_cache_says_what_it_holds():
    cache = KVCache(2, 1, 2, 4, 3)
    k = drawn(1, 2, 3, 3)
    for layer in (0, 1):
        got_k, got_v = cache.update(layer, k + layer, k - layer)
        assert torch.equal(got_k, k + layer)
        assert torch.equal(got_v, k - layer)
    cache.advance(3)
    got_k, _ = cache.update(1, k[:, :, :1], k[:, :, :1])
    assert torch.equal(got_k, torch.cat((k + 1, k[:, :, :1]), 2))
    assert "length=3" in repr(cache)
    assert cache.max_len == 4


def test_bfloat16_stays_near_float32():
    layer, x, turn = made(causal=True, qk_norm=1e-5, n_kv_heads=2), drawn(2, 20, C), turns(torch.arange(20))
    y = layer(x, rope=turn)
    rough = layer.bfloat16()(x.bfloat16(), rope=turn)
    assert rough.dtype == torch.bfloat16
    # Each of x, weights, q, k, v, shares and outputs is rounded by 2^-9 of itself: a few of them of the largest output.
    torch.testing.assert_close(rough.float(), y, atol=2**-6 * y.detach().abs().max().item(), rtol=0)


def test_dropout_is_off_unless_training():
    layer, x = made(dropout=0.5), drawn(1, 9, C)
    assert not torch.equal(layer(x), layer(x))
    layer.eval()
    assert torch.equal(layer(x), layer(x))
    cross = CrossAttention(C, H, dropout=0.5)
    assert not torch.equal(cross(x, x), cross(x, x))
    cross.eval()
    assert torch.equal(cross(x, x), cross(x, x))


def test_gradients_are_finite_where_padding_sees_nothing():
    layer, x = made(causal=True, qk_norm=1e-5), drawn(2, 6, C).requires_grad_()
    layer(x, mask=mask.padding(torch.tensor([[0, 0, 0, 1, 1, 1], [0] * 6]))).square().sum().backward()
    assert all(p.grad.isfinite().all() for p in layer.parameters())
    assert (x.grad[1] == 0).all()
    assert (x.grad[0, :3] == 0).all()
    assert (x.grad[0, 3:] != 0).any()


def test_built_on_the_meta_device_and_in_a_dtype():
    for layer in (
        MultiHeadAttention(C, H, qk_norm=1e-5, device="meta", dtype=torch.bfloat16),
        RMSNorm(4, device="meta"),
    ):
        assert all(p.is_meta for p in layer.parameters())
    assert (
        CrossAttention(C, H, dtype=torch.float64)(drawn(1, 2, C).double(), drawn(1, 2, C).double()).dtype
        == torch.float64
    )
    assert attention_reference(*(drawn(1, 1, 2, 4).double(),) * 3)[0].dtype == torch.float64
