"""A block equals torch's own layers of the same weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lilllm.layers import RMSNorm
from lilllm.models import Block, ModelConfig
from tests.models.configs import LEAST

B, T, S, C, H = 2, 7, 5, 32, 4


def blocks(place: str, activation: str, *, causal: bool, cross: bool) -> tuple[Block, nn.Module]:
    config = ModelConfig(
        **LEAST,
        norm="layer",
        norm_place=place,
        activation=activation,
        positions="none",
        d_ff=48,
        qkv_bias=True,
        out_bias=True,
        ffn_bias=True,
    )
    torch.manual_seed(0)
    kind = nn.TransformerDecoderLayer if cross else nn.TransformerEncoderLayer
    theirs = kind(C, H, 48, 0.0, activation, batch_first=True, norm_first=place == "pre").double()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, 0.1, 0.5)
    ours = Block(config, causal=causal, cross=cross).double()
    names = {"self_attn.in_proj_": "attention.qkv.", "self_attn.out_proj.": "attention.out.", "norm1.": "norm1."}
    names |= {"linear1.": "ffn.up.", "linear2.": "ffn.down."}
    weights = {}
    if cross:
        names |= {"multihead_attn.out_proj.": "cross.out.", "norm2.": "norm_cross.", "norm3.": "norm2."}
        for end in ("weight", "bias"):
            q, k, v = getattr(theirs.multihead_attn, f"in_proj_{end}").detach().chunk(3)
            weights |= {f"cross.q.{end}": q, f"cross.kv.{end}": torch.cat((k, v))}
    else:
        names["norm2."] = "norm2."
    for name, value in theirs.state_dict().items():
        if mine := next((names[n] + name.removeprefix(n) for n in names if name.startswith(n)), None):
            weights[mine] = value
    ours.load_state_dict(weights)
    return ours, theirs


@pytest.mark.parametrize("place", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("causal", [False, True])
def test_equal_to_torchs_encoder_layer(place: str, activation: str, causal: bool) -> None:
    """In training mode, where torch takes its plain path and not its fused one; float64, to its last digits."""
    ours, theirs = blocks(place, activation, causal=causal, cross=False)
    x = torch.randn(B, T, C, dtype=torch.float64)
    keep = torch.tensor([[1] * T, [1] * 4 + [0] * 3]).bool()
    hidden = torch.ones(T, T).triu(1).bool() if causal else None  # torch means the opposite: True hides
    expected = theirs(x, src_mask=hidden, src_key_padding_mask=~keep)
    got = ours(x, mask=keep[:, None, None, :])
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-11)
    one, other = (
        torch.autograd.grad(y.square().sum(), list(m.parameters())) for y, m in ((got, ours), (expected, theirs))
    )
    assert sum(g.square().sum() for g in one).item() == pytest.approx(
        sum(g.square().sum() for g in other).item(), rel=1e-10
    )


@pytest.mark.parametrize("place", ["pre", "post"])
def test_equal_to_torchs_decoder_layer(place: str) -> None:
    ours, theirs = blocks(place, "relu", causal=True, cross=True)
    x, memory = torch.randn(B, T, C, dtype=torch.float64), torch.randn(B, S, C, dtype=torch.float64)
    keep = torch.tensor([[1] * S, [1, 1, 0, 0, 0]]).bool()
    hidden = torch.ones(T, T).triu(1).bool()
    expected = theirs(x, memory, tgt_mask=hidden, memory_key_padding_mask=~keep)
    got = ours(x, memory=memory, memory_mask=keep[:, None, None, :])
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-11)
    assert not torch.allclose(ours(x, memory=memory), expected)


def test_without_positions_and_order_a_block_permutes_as_its_input_does() -> None:
    ours, _ = blocks("pre", "gelu", causal=False, cross=False)
    x, order = torch.randn(B, T, C, dtype=torch.float64), torch.randperm(T)
    torch.testing.assert_close(ours(x[:, order]), ours(x)[:, order], rtol=0, atol=1e-12)
    causal, _ = blocks("pre", "gelu", causal=True, cross=False)
    assert not torch.allclose(causal(x.flip(1)), causal(x).flip(1))


def test_the_residual_stream_passes_through() -> None:
    """A block that writes nothing leaves the stream as it is: pre-norm exactly, post-norm not."""
    x = torch.randn(B, T, C, dtype=torch.float64)
    for place in ("pre", "post"):
        ours, _ = blocks(place, "relu", causal=True, cross=False)
        with torch.no_grad():
            for last in (ours.attention.out, ours.ffn.down):
                last.weight.zero_()
                last.bias.zero_()
        assert torch.equal(ours(x), x) == (place == "pre")


@pytest.mark.parametrize("cast_first", [True, False])
def test_every_norm_is_as_the_config_says(cast_first: bool) -> None:
    config = ModelConfig(**LEAST, qk_norm=True, norm_eps=0.01, norm_cast_first=cast_first)
    norms = [part for part in Block(config, cross=True).modules() if isinstance(part, RMSNorm)]
    assert [(norm.eps, norm.cast_first) for norm in norms] == [(0.01, cast_first)] * 5  # three, queries' and keys'
