"""Attention: the reference against loops in plain Python, the fast path against the reference."""

import math
from unittest import mock

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel

from lilllm.layers import additive_attention, attention_reference, mask
from lilllm.layers.attention import attention

# Outputs are means of numbers about 1, scores sums of at most 32 products: some roundings of 6e-8, in another order.
FP32 = {"atol": 3e-6, "rtol": 1e-5}


def drawn(*shape, seed=0, dtype=torch.float32):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def qkv(B, H, K, T, S, D, E=None, dtype=torch.float32):
    return (
        drawn(B, H, T, D, dtype=dtype),
        drawn(B, K, S, D, seed=1, dtype=dtype),
        drawn(B, K, S, E or D, seed=2, dtype=dtype),
    )


def by_loops(q, k, v, allowed, bias, scale):
    """What the formula says, row by row: weights of what is allowed, nothing for a row without."""
    (B, H, T, D), (K, S) = q.shape, k.shape[1:3]
    out, weights = torch.zeros(B, H, T, v.shape[-1]), torch.zeros(B, H, T, S)
    for b in range(B):
        for h in range(H):
            for i in range(T):
                kv = h * K // H
                seen = [j for j in range(S) if allowed[b, h, i, j]]
                scores = [scale * sum(float(q[b, h, i, c]) * float(k[b, kv, j, c]) for c in range(D)) for j in seen]
                scores = [score + float(bias[b, h, i, j]) for score, j in zip(scores, seen, strict=True)]
                total = sum(math.exp(score) for score in scores)
                for score, j in zip(scores, seen, strict=True):
                    weights[b, h, i, j] = math.exp(score) / total
                    out[b, h, i] += weights[b, h, i, j] * v[b, kv, j]
    return out, weights


@st.composite
def cases(draw):
    B, K, G = draw(st.integers(1, 2)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    S = draw(st.integers(1, 6))
    T = draw(st.integers(1, S))
    D, E = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    H = K * G
    given = {"causal": draw(st.booleans())}
    if draw(st.booleans()):
        shape = draw(st.sampled_from([(T, S), (B, 1, 1, S), (B, 1, T, S), (1, H, T, S), (B, H, T, S)]))
        given["mask"] = drawn(*shape, seed=draw(st.integers(0, 99))) > draw(st.sampled_from([-1.0, 0.0, 2.0]))
    if draw(st.booleans()):
        given["bias"] = drawn(*draw(st.sampled_from([(T, S), (H, T, S), (H, 1, S), (B, H, T, S)])), seed=3)
    if draw(st.booleans()):
        given["scale"] = 0.7
    return qkv(B, H, K, T, S, D, E), given


@settings(deadline=None, max_examples=150)
@given(cases())
def test_reference_and_fast_equal_loops(case):
    (q, k, v), given = case
    (B, H, T, D), S = q.shape, k.shape[2]
    allowed = torch.ones(B, H, T, S, dtype=torch.bool)
    if "mask" in given:
        allowed = allowed & given["mask"]
    if given["causal"]:
        allowed = allowed & torch.tensor([[j <= i + S - T for j in range(S)] for i in range(T)])
    bias = torch.zeros(B, H, T, S) + given.get("bias", 0.0)
    out, weights = by_loops(q, k, v, allowed, bias, given.get("scale", 1 / math.sqrt(D)))
    ours, our_weights = attention_reference(q, k, v, **given)
    torch.testing.assert_close(our_weights, weights, **FP32)
    torch.testing.assert_close(ours, out, **FP32)
    torch.testing.assert_close(attention(q, k, v, **given), out, **FP32)


# Past the blocks of torch's kernel on a processor (queries by 32 to 256, keys by 512), and one short of them.
LONG = [(1, 1), (31, 31), (33, 40), (64, 600), (300, 513)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (4, 1)])
@pytest.mark.parametrize(("T", "S"), LONG)
@pytest.mark.parametrize("kind", ["none", "causal", "padding", "alibi"])
def test_fast_equals_reference_with_gradients(T, S, heads, dtype, kind):
    given = {
        "none": {},
        "causal": {"causal": True},
        "padding": {"causal": True, "mask": mask.padding([1, S], S=S)},
        "alibi": {"causal": True, "bias": -drawn(4, T, S, seed=5).abs().to(dtype)},
    }[kind]
    inputs = [x.requires_grad_() for x in qkv(2, *heads, T, S, 32, dtype=dtype)]
    reference, fast = attention_reference(*inputs, **given)[0], attention(*inputs, **given)
    assert fast.dtype == reference.dtype == dtype
    g = drawn(*fast.shape, seed=4, dtype=dtype)
    pairs = [(fast, reference)]
    pairs += zip(torch.autograd.grad(fast, inputs, g), torch.autograd.grad(reference, inputs, g), strict=True)
    for name, (a, b) in zip(("out", "q", "k", "v"), pairs, strict=True):
        if dtype == torch.bfloat16:
            # The kernel rounds weights to 8 bits before they meet the values: 2^-9 of each, and once more at the end;
            # gradients go through three such products, and of k and v sum over T G rows: so of the largest, 2^-6, and
            # of 1, the size of what cancels, where the gradient itself is 0 (one key has weight 1 whatever q is).
            bound = 2**-6 * max(1.0, b.detach().abs().max().item())
            torch.testing.assert_close(a, b, atol=bound, rtol=0, msg=lambda m, name=name: f"{name}: {m}")
        else:  # gradients of k and v are sums over up to 1200 rows, of numbers about 1
            torch.testing.assert_close(a, b, **(FP32 if name == "out" else {"atol": 2e-5, "rtol": 1e-5}))


@pytest.mark.parametrize("run", [lambda *a, **k: attention_reference(*a, **k)[0], attention])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("heads", [(2, 2), (2, 1)])
@pytest.mark.parametrize("T", [1, 3, 40])
def test_rows_that_may_attend_to_nothing_give_zero_and_no_gradient(run, dtype, heads, T):
    inputs = [x.requires_grad_() for x in qkv(2, *heads, T, 40, 8, dtype=dtype)]
    seen = mask.padding([0, 40], S=40) & torch.ones(T, 1, dtype=torch.bool)
    seen = seen.clone()
    seen[1, :, -1] = False  # and one row of the other
    for shut in ({"mask": seen}, {"bias": torch.zeros(seen.shape).masked_fill(~seen, -math.inf).to(dtype)}):
        with torch.autograd.set_detect_anomaly(True):  # which speaks of a NaN on the way, too
            out = run(*inputs, **shut)
            grads = torch.autograd.grad(out.float().square().sum(), inputs)
        assert (out[0] == 0).all()
        assert (out[1, :, -1] == 0).all()
        assert all(grad.isfinite().all() for grad in grads)
        assert all((grad[0] == 0).all() for grad in grads)
        assert (grads[0][1, :, -1] == 0).all()
        assert T == 1 or (grads[0][1, :, 0] != 0).any()
    weights = attention_reference(*inputs, mask=seen)[1]
    assert (weights[0] == 0).all()


@pytest.mark.parametrize("run", [lambda *a, **k: attention_reference(*a, **k)[0], attention])
def test_one_query_head_uses_the_kv_head_of_its_group(run):
    q, k, v = drawn(1, 4, 2, 8), drawn(1, 2, 3, 8, seed=1), torch.zeros(1, 2, 3, 8)
    v[:, 1] = 1.0
    for T in (1, 2):
        out = run(q[:, :, :T], k, v)
        assert (out[0, :2] == 0).all()  # heads 0 and 1 use kv head 0: values 0
        torch.testing.assert_close(out[0, 2:], torch.ones(2, T, 8))


@pytest.mark.parametrize("T", [1, 3])
def test_a_batch_of_no_rows(T):
    q, k = torch.zeros(0, 4, T, 8), torch.zeros(0, 2, 5, 8)
    assert attention(q, k, k).shape == attention_reference(q, k, k)[0].shape == q.shape


def test_second_gradients_by_torchs_plain_kernel():
    q, k, v = (x.double().requires_grad_() for x in qkv(1, 2, 1, 3, 3, 4))
    with sdpa_kernel(SDPBackend.MATH):
        assert torch.autograd.gradgradcheck(lambda *each: attention(*each, causal=True), (q, k, v))


def test_weights_are_shares_and_the_scale_is_one_over_the_root_of_d():
    q, k, v = qkv(2, 4, 2, 5, 7, 16)
    weights = attention_reference(q, k, v, causal=True)[1]
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 5))
    assert (weights >= 0).all()
    assert (weights[..., 0, 3:] == 0).all()
    assert (weights[..., 0, :3] > 0).all()
    q, k = torch.full((1, 1, 1, 16), 1.0), torch.zeros(1, 1, 2, 16)
    k[0, 0, 1] = 1.0  # a product of 16, over sqrt(16)
    weights = attention_reference(q, k, torch.zeros(1, 1, 2, 1))[1]
    assert (weights[0, 0, 0, 1] / weights[0, 0, 0, 0]).item() == pytest.approx(math.exp(4), rel=1e-5)


@pytest.mark.parametrize("run", [lambda *a, **k: attention_reference(*a, **k)[0], attention])
@pytest.mark.parametrize("T", [5, 33, 300, 600])
def test_a_token_changes_nothing_before_it_to_the_bit(run, T):
    """Same shapes, so the same blocks: what differs is multiplied by a weight of exactly 0 (a NaN would still show)."""
    q, k, v = qkv(1, 2, 1, T, T, 8)
    before = run(q, k, v, causal=True)
    for t in {1, T // 2, T - 1}:
        changed = [x.clone() for x in (q, k, v)]
        for x in changed:
            x[:, :, t] += 100.0
        after = run(*changed, causal=True)
        assert torch.equal(after[:, :, :t], before[:, :, :t])
        assert not torch.equal(after[:, :, t], before[:, :, t])


def asked(*args, **kwargs):
    """The arguments that torch's function gets."""
    with mock.patch.object(F, "scaled_dot_product_attention", wraps=F.scaled_dot_product_attention) as run:
        attention(*args, **kwargs)
    (call,) = run.call_args_list
    return call.args, call.kwargs


@pytest.mark.parametrize("heads", [(4, 4), (4, 2)])
def test_no_mask_is_made_where_a_flag_does_and_no_key_is_copied(heads):
    q, k, v = qkv(2, *heads, 6, 6, 8)
    for T in (1, 6):
        args, named = asked(q[:, :, :T], k, v, causal=True)
        assert named["attn_mask"] is None
        assert named["is_causal"] == (T > 1)
        assert args[0].data_ptr() == q.data_ptr()
        assert args[1].data_ptr() == k.data_ptr()
        assert args[1].shape == k.shape
        assert args[2].data_ptr() == v.data_ptr()
        assert args[2].shape == v.shape
    args, named = asked(q, k, v, mask=mask.padding([3, 6]))
    assert named["attn_mask"].shape == (2, 1, 1, 6)
    assert not named["is_causal"]
    args, named = asked(q[:, :, :3], k, v, causal=True)
    assert named["attn_mask"].shape == (3, 6)
    assert not named["is_causal"]


def test_dropout_drops_weights_and_scales_the_rest():
    q, k = torch.zeros(1, 1, 2000, 4), torch.zeros(1, 1, 2, 4)
    torch.manual_seed(0)
    out = attention(q, k, torch.ones(1, 1, 2, 4), dropout=0.5)
    kept = out[0, 0, :, 0]
    assert set(kept.tolist()) == {0.0, 1.0, 2.0}  # none, one or both of two halves, doubled
    assert kept.mean().item() == pytest.approx(1.0, abs=0.1)  # 2000 draws of deviation 0.7: 0.016, six times


def test_additive_attention_by_hand_and_mask():
    q, k = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [-1.0], [0.0]])
    w_q, w_k, w_v = torch.tensor([[0.5, 0.0], [0.0, -0.5]]), torch.tensor([[1.0, 0.25]]), torch.tensor([1.0, 2.0])
    scores = [math.tanh(0.5 + x) + 2 * math.tanh(-1.0 + 0.25 * x) for x in (3.0, -1.0, 0.0)]
    v = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    out, weights = additive_attention(q, k, v, w_q, w_k, w_v)
    torch.testing.assert_close(weights[0], torch.tensor(scores).softmax(0))
    torch.testing.assert_close(out, weights)
    seen = torch.tensor([[True, False, True]])
    _, weights = additive_attention(q, k, v, w_q, w_k, w_v, seen)
    torch.testing.assert_close(weights[0, [0, 2]], torch.tensor([scores[0], scores[2]]).softmax(0))
    assert weights[0, 1] == 0
    out, weights = additive_attention(q.requires_grad_(), k, v, w_q, w_k, w_v, torch.zeros(1, 3, dtype=torch.bool))
    assert (out == 0).all()
    assert (torch.autograd.grad(out.sum(), q)[0] == 0).all()


def test_additive_attention_of_a_batch_with_queries_and_keys_of_two_sizes():
    q, k, v = drawn(2, 3, 4), drawn(2, 5, 6, seed=1), drawn(2, 5, 7, seed=2)
    weights_of = drawn(4, 8, seed=3), drawn(6, 8, seed=4), drawn(8, seed=5)
    out, weights = additive_attention(q, k, v, *weights_of)
    assert out.shape == (2, 3, 7)
    assert weights.shape == (2, 3, 5)
    alone = additive_attention(q[1, 2:], k[1], v[1], *weights_of)[0]
    torch.testing.assert_close(out[1, 2:], alone)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("masked", [False, True])
def test_cuda_is_asked_to_share_keys_only_where_a_kernel_can(dtype, masked):
    """On pretended CUDA tensors, which have shapes and no numbers: what torch is asked for."""
    with FakeTensorMode(), torch.no_grad(), mock.patch.object(F, "scaled_dot_product_attention") as asked:
        q, k = (torch.empty(2, heads, 8, 16, dtype=dtype, device="cuda") for heads in (4, 2))
        asked.return_value = q
        attention(q, k, k, causal=True, mask=torch.ones(8, 8, dtype=torch.bool, device="cuda") if masked else None)
    shares = dtype == torch.bfloat16 and not masked
    assert asked.call_args.kwargs.get("enable_gqa", False) == shares
    assert [x.shape[1] for x in asked.call_args.args[1:3]] == ([2, 2] if shares else [4, 4])


def test_keys_repeated_for_cuda_are_those_shared(monkeypatch):
    q, k, v = (x.requires_grad_() for x in qkv(2, 6, 2, 5, 7, 4))
    shared = attention(q, k, v, causal=True)
    monkeypatch.setattr("lilllm.layers.attention._shared", lambda q, given: False)
    repeated = attention(q, k, v, causal=True)
    torch.testing.assert_close(repeated, shared, **FP32)
    for one, other in zip(*(torch.autograd.grad(y.sum(), (q, k, v)) for y in (repeated, shared)), strict=True):
        torch.testing.assert_close(one, other, **FP32)
