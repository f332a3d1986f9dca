"""flex attention equals the reference: on a processor uncompiled, on a GPU as a compiled kernel."""

import pytest
import torch

from lilllm.layers import attention_reference, flex, mask
from lilllm.layers.attention import attention

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def both(T, device="cpu", dtype=torch.float32, heads=(4, 2)):
    H, K = heads
    inputs = [x.to(device, dtype) for x in (drawn(2, H, T, 16), drawn(2, K, T, 16, seed=1), drawn(2, K, T, 16, seed=2))]
    ids = (torch.arange(2 * T).view(2, T) // 7).to(device)
    masks = {
        "window": (lambda b, h, i, j: (j <= i) & (i - j < 5), mask.sliding(T, None, 5, device=device)),
        "documents": (
            lambda b, h, i, j: (j <= i) & (ids[b, i] == ids[b, j]),
            mask.documents(ids) & mask.causal(T, device=device),
        ),
        "nothing for the first": (
            lambda b, h, i, j: (j <= i) & (i > 0),
            mask.causal(T, device=device) & (torch.arange(T, device=device) > 0)[:, None],
        ),
    }
    return inputs, masks


@pytest.mark.parametrize("heads", [(4, 4), (4, 2)])
@pytest.mark.parametrize("T", [1, 40, 130])
def test_equal_to_the_reference(T, heads):
    inputs, masks = both(T, heads=heads)
    for code, seen in masks.values():
        out = flex(*inputs, mask_mod=code)
        # Means of numbers about 1, from sums of 16 products, in another order.
        torch.testing.assert_close(out, attention_reference(*inputs, mask=seen)[0], atol=3e-6, rtol=1e-5)


def test_a_block_mask_made_once_and_a_scale():
    from torch.nn.attention.flex_attention import create_block_mask

    inputs, masks = both(40)
    code, seen = masks["window"]
    blocks = create_block_mask(code, 2, None, 40, 40, device="cpu")
    out = flex(*inputs, block_mask=blocks, scale=0.5)
    torch.testing.assert_close(out, attention_reference(*inputs, mask=seen, scale=0.5)[0], atol=3e-6, rtol=1e-5)


@pytest.mark.bad_input
def test_bad_input():
    inputs, masks = both(4)
    code, _ = masks["window"]
    with pytest.raises(ValueError, match="one of them"):
        flex(*inputs)
    with pytest.raises(ValueError, match="one of them"):
        flex(*inputs, mask_mod=code, block_mask=object())
    with pytest.raises(ValueError, match="share B, D, K and S"):
        flex(inputs[0], inputs[1][:, :, 1:], inputs[2], mask_mod=code)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_on_a_gpu_flex_and_the_fast_path_equal_the_reference(dtype):
    inputs, masks = both(300, "cuda", dtype)
    # TF32 has bfloat16's exponent and 10 bits: the scores of 16 products are off by 2^-10, and so the shares.
    close = {"atol": 2**-6 if dtype == torch.bfloat16 else 2**-8, "rtol": 2**-7}
    for code, seen in masks.values():
        expected = attention_reference(*inputs, mask=seen)[0]
        torch.testing.assert_close(flex(*inputs, mask_mod=code), expected, **close)
        torch.testing.assert_close(attention(*inputs, mask=seen), expected, **close)
    torch.testing.assert_close(attention(*inputs, causal=True), attention_reference(*inputs, causal=True)[0], **close)
