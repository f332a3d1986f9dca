"""Small random shapes, and one family of published ones."""

from __future__ import annotations

from hypothesis import strategies as st

from lilllm.accounting.shape import Shape


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    n_kv_heads = draw(st.integers(1, 3))
    return Shape(
        vocab_size=draw(st.integers(1, 40)),
        n_layers=draw(st.integers(1, 3)),
        d_model=draw(st.integers(2, 24)),
        n_heads=n_kv_heads * draw(st.integers(1, 3)),
        n_kv_heads=n_kv_heads,
        d_head=draw(st.integers(2, 9)),
        d_ff=draw(st.integers(1, 40)),
        context_len=16,
        gated=draw(st.booleans()),
        tied=draw(st.booleans()),
        norm=draw(st.sampled_from(["layer", "rms"])),
        biases=draw(st.booleans()),
        positions=draw(st.sampled_from(["learned", "rotary", "relative"])),
        qk_norm=draw(st.booleans()),
    )


def chinchilla(n_layers: int, d_model: int, d_ff: int, n_heads: int, d_head: int) -> Shape:
    """Columns of Hoffmann et al. 2022, arXiv:2203.15556, table A4, in its order. The paper names neither the biases nor
    the vocabulary: table A9 comes out with them (test_params)."""
    return Shape(
        vocab_size=32000,
        n_layers=n_layers,
        d_model=d_model,
        n_heads=n_heads,
        n_kv_heads=n_heads,
        d_head=d_head,
        d_ff=d_ff,
        context_len=2048,
        gated=False,
        tied=True,
        biases=True,
        positions="relative",
    )
