"""Closed forms equal to torch's counter to the FLOP; published figures; how far 6ND is off."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from lilllm.accounting.flops import backward, forward, measure, per_token, six_nd, six_nd_ratio, training
from lilllm.accounting.params import matmul_parameters, total
from lilllm.accounting.shape import preset
from tests.accounting.published import CHINCHILLA_3, GPT3, gpt, megatron
from tests.accounting.reference import Decoder, Layer, on_meta
from tests.accounting.shapes import chinchilla, shapes


@settings(max_examples=40, deadline=None)
@given(shapes().filter(lambda shape: shape.positions != "relative"), st.integers(1, 3), st.integers(1, 16))
def test_equal_to_torchs_own_counter(shape, batch: int, seq: int) -> None:
    model, ids = on_meta(shape), torch.zeros(batch, seq, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as once:
        logits = model(ids)
    with FlopCounterMode(display=False) as back:
        logits.sum().backward()
    ahead, behind = forward(shape, batch=batch, seq=seq), backward(shape, batch=batch, seq=seq)
    assert sum(ahead.values()) == once.get_total_flops()
    assert sum(behind.values()) == back.get_total_flops()
    assert measure(on_meta(shape), ids) == {"forward": once.get_total_flops(), "backward": back.get_total_flops()}
    counts = once.get_flop_counts()
    assert sum(counts["Decoder.output"].values()) == ahead["output"]
    linear = ("q", "k", "v", "o", "up", "gate", "down")
    by_name = {
        name: sum(sum(counts.get(f"Decoder.layers.{i}.{name}", {}).values()) for i in range(shape.n_layers))
        for name in linear
    }
    assert sum(by_name[name] for name in linear[:4]) == ahead["attention_projections"]
    assert sum(by_name[name] for name in linear[4:]) == ahead["feed_forward"]


@settings(max_examples=10, deadline=None)
@given(shapes().filter(lambda s: s.positions != "relative" and s.n_heads == s.n_kv_heads), st.integers(2, 16))
def test_fused_attention_on_the_cpu_is_counted_which_torch_does_not(shape, seq: int) -> None:
    ids = torch.zeros(2, seq, dtype=torch.long)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        counted = measure(Decoder(shape, "fused"), ids)
    assert counted["forward"] == sum(forward(shape, batch=2, seq=seq).values())
    assert counted["backward"] == sum(backward(shape, batch=2, seq=seq, attention="flash").values())


def test_checkpointing_runs_every_layer_once_more() -> None:
    shape = preset("liltown")

    class Checkpointed(Decoder):
        def forward(self, ids):
            x = self.embedding(ids)
            for layer in self.layers:
                x = checkpoint(layer, x, use_reentrant=False)
            return self.output(self.norm(x))

    counted = measure(Checkpointed(shape), torch.zeros(1, 8, dtype=torch.long))
    # The recomputation stops at the last tensor that is needed: the product with W_down is not among them.
    spared = shape.n_layers * 2 * 8 * shape.d_ff * shape.d_model
    assert sum(counted.values()) == sum(training(shape, batch=1, seq=8, checkpointing=True).values()) - spared


def test_a_large_model_is_counted_without_its_memory() -> None:
    shape = preset("llama2-7b")
    counted = measure(on_meta(shape), torch.zeros(1, 128, dtype=torch.long, device="meta"))
    assert sum(counted.values()) == sum(training(shape, batch=1, seq=128).values())


def test_measuring_leaves_no_gradient_behind() -> None:
    linear = nn.Linear(2, 3)
    measure(linear, torch.ones(1, 2))
    assert linear.weight.grad is None


def test_measure_takes_what_modules_return() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(2, 3), nn.Linear(2, 5)

        def forward(self, x, *, twice):
            return {"a": self.a(x), "rest": [self.b(x), twice, torch.tensor(1)]}

    # (1, 2) @ (2, 3) and (2, 5): 12 + 20; each weight's gradient again, and none for the input
    assert measure(Two(), torch.ones(1, 2), twice=True) == {"forward": 32, "backward": 32}
    assert measure(Two(), torch.ones(1, 2), twice=True, backward=False) == {"forward": 32}


def test_bad_input_nothing_to_differentiate() -> None:
    with pytest.raises(ValueError, match="backward=False"):
        measure(nn.Identity(), torch.ones(2))


def test_causal_counts_the_pairs_that_are_seen() -> None:
    shape = preset("gpt2")
    seen = sum(1 for query in range(7) for key in range(7) if key <= query)
    whole, causal = forward(shape, batch=1, seq=7), forward(shape, batch=1, seq=7, causal=True)
    assert causal["attention_scores"] * 49 == whole["attention_scores"] * seen
    assert {**causal, "attention_scores": 0} == {**whole, "attention_scores": 0}


@settings(max_examples=30)
@given(shapes(), st.integers(1, 16))
def test_a_token_costs_six_times_its_matrices_and_its_scores(shape, seq: int) -> None:
    exact = 6 * matmul_parameters(shape) + 12 * shape.n_layers * shape.d_q * seq
    assert per_token(shape, seq=seq) == pytest.approx(exact, rel=1e-12)


# Hoffmann et al. 2022, arXiv:2203.15556, table A4: their FLOPs over 6 N D, two digits behind the point. The paper gives
# neither its sequence nor its vocabulary; 2048 and 32,000 are Gopher's. Its figures come out with neither embeddings
# nor logits among the FLOPs, though appendix F lists both.
@pytest.mark.parametrize(
    ("ratio", "sizes"),
    [
        (1.03, (10, 640, 2560, 10, 64)),
        (1.10, (20, 1024, 4096, 16, 64)),
        (1.08, (24, 1280, 5120, 10, 128)),
        (1.04, (26, 1792, 7168, 14, 128)),
        (1.03, (28, 2048, 8192, 16, 128)),
        (0.99, (40, 3584, 14336, 28, 128)),
    ],
)
def test_chinchillas_table_of_flops(ratio: float, sizes: tuple[int, ...]) -> None:
    shape = chinchilla(*sizes)
    parts = training(shape, batch=1, seq=2048)
    softmax = 3 * 3 * shape.n_layers * shape.n_heads * 2048 * 2048  # they count 3 a score, and twice that backward
    ours = sum(parts.values()) - parts["output"] + softmax
    assert round(ours / six_nd(total(shape), 2048), 2) == ratio


def test_chinchillas_table_of_optimal_models_is_six_nd_but_for_gophers_row() -> None:
    """Hoffmann et al. 2022, table 3. Tokens have two or three digits, so 2 % is their rounding; 67B on 1.5T tokens is
    5 % above the 5.76e23 of its row."""
    ratios = {n: six_nd(n, tokens) / flops for n, flops, tokens in CHINCHILLA_3}
    assert ratios.pop(67e9) == pytest.approx(1.047, abs=0.001)
    assert list(ratios.values()) == pytest.approx([1] * 8, abs=0.01)


def test_chinchilla_and_gopher_took_the_same_only_about() -> None:
    """Both are said to have the budget of 5.76e23 (Hoffmann et al. 2022, table 3 and figure 2). Chinchilla's 70B on
    1.4T tokens comes within 3 %, by 6 N D and by all products. Gopher's 280B on 300B does not: 5.04e23 by 6 N D and
    5.2e23 with the products of its relative positions, which the paper does not list; appendix F's own "slightly more
    accurate" 6.3e23 is further off. What they count besides is not said."""
    chinchilla_70b = preset("chinchilla-70b")
    assert six_nd(70e9, 1.4e12) == pytest.approx(5.88e23)
    assert per_token(chinchilla_70b, seq=2048) * 1.4e12 == pytest.approx(5.76e23, rel=0.03)
    gopher = chinchilla(80, 16384, 65536, 128, 128)
    assert round(total(gopher) / 1e9) == 280
    positions = 3 * 2 * gopher.n_layers * (gopher.d_model + 2048) * gopher.d_q  # the matrix of each, and Q R^T
    with_positions = (per_token(gopher, seq=2048) + positions) * 300e9
    assert six_nd(280e9, 300e9) == pytest.approx(5.04e23)
    assert with_positions == pytest.approx(5.2e23, rel=0.01)
    assert with_positions < 0.91 * 5.76e23


@pytest.mark.parametrize(("sizes", "_", "published"), GPT3)
def test_gpt3s_training_flops(sizes: tuple[int, int, int, int], _: int, published: float) -> None:
    """Brown et al. 2020, arXiv:2005.14165, table D.1, for 300B tokens: 6 N D without scores, to the third digit or one
    beside it (it multiplies parameters that are rounded already)."""
    assert six_nd(total(gpt(*sizes)), 300e9) == pytest.approx(published, rel=0.006)


@pytest.mark.parametrize(
    ("n", "tokens", "published"),
    [
        (total(preset("llama3-405b")), 15.6e12, 3.8e25),  # Llama Team 2024, arXiv:2407.21783, section 1
        (1.4e9, 28e9, 2.35e20),  # our arithmetic: 20 tokens a parameter
    ],
)
def test_published_training_flops(n: float, tokens: float, published: float) -> None:
    assert six_nd(n, tokens) == pytest.approx(published, rel=0.005)


@pytest.mark.parametrize(("name", "stated", "counted"), [("175B", 2.7, 0.9), ("530B", 1.6, 0.55)])
def test_selective_recomputation_costs_a_third_of_what_its_paper_says(name: str, stated: float, counted: float) -> None:
    """Korthikanti et al. 2022, arXiv:2205.05198, section 5: 2.7 % and 1.6 % more FLOPs for GPT-3 and MT-NLG. What runs
    again is one forward Q K^T and one product with V, 4 B s^2 h a layer (appendix A); its equation 8 adds 12."""
    shape = megatron(name)
    once = forward(shape, batch=1, seq=2048)["attention_scores"]
    step = sum(training(shape, batch=1, seq=2048).values())
    assert 100 * once / step == pytest.approx(counted, abs=0.005)
    assert 100 * 3 * once / step == pytest.approx(stated, abs=0.05)


def test_when_six_nd_is_off() -> None:
    gpt3, gpt2 = preset("gpt3-175b"), preset("gpt2")
    assert six_nd_ratio(gpt3, seq=2048) == pytest.approx(1.02, abs=0.01)  # wide and short: scores weigh 3 %
    assert six_nd_ratio(gpt2, seq=1024) > 1.14  # narrow: a sixth of 1024 / 768
    assert six_nd_ratio(preset("llama3-8b"), seq=1) < 0.95  # a look-up of 128,256 rows is no product
    assert six_nd_ratio(preset("llama3-8b"), seq=131072) > 4  # at 128K tokens scores are most of the work


def test_bad_input_flops() -> None:
    with pytest.raises(ValueError, match=r"batch 0 and seq 4.*at least 1"):
        forward(preset("gpt2"), batch=0, seq=4)
    with pytest.raises(ValueError, match=r"seq 1025 is longer than the 1024 learned positions; give a shorter"):
        forward(preset("gpt2"), batch=1, seq=1025)
    with pytest.raises(ValueError, match="attention is 'fast'; give one of: plain, flash"):
        backward(preset("gpt2"), batch=1, seq=4, attention="fast")  # type: ignore[arg-type]


def test_the_reference_decoder_is_one() -> None:
    """The two ways of attention in the reference differ by the mask only: at one token they agree."""
    torch.manual_seed(0)
    shape = preset("liltown")
    plain, x = Layer(shape, "plain"), torch.randn(1, 1, shape.d_model)
    fused = Layer(shape, "fused")
    fused.load_state_dict(plain.state_dict())
    torch.testing.assert_close(plain(x), fused(x))
