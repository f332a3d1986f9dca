"""Loss on held-out text, and bits a byte, against numbers worked out by hand."""

import math

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from lilllm.data import TokenArray
from lilllm.training import bits_per_byte, evaluate
from tests.training import tiny


def test_bits_per_byte_by_hand():
    """3 tokens at 2 nats are 6 nats, 8.656 bits; over 12 bytes 0.7213."""
    assert bits_per_byte(2.0, tokens=3, bytes=12) == pytest.approx(6 / 12 / math.log(2))
    assert bits_per_byte(2.0, tokens=3, bytes=12) == pytest.approx(0.72135, abs=1e-5)
    with pytest.raises(ValueError, match="bytes is 0"):
        bits_per_byte(1.0, tokens=1, bytes=0)


def test_a_model_that_knows_nothing_needs_log_v():
    net = tiny.model(dropout=0.0)
    with torch.no_grad():
        net.embed.weight.zero_()  # all logits are 0
    found = evaluate(net, tiny.corpus(size=300), batch_size=4, context_len=tiny.T)
    assert found.loss == pytest.approx(math.log(tiny.V), abs=1e-6)
    assert found.bits_per_byte == pytest.approx(5 / 2, abs=1e-5)  # log2(32) bits a token, two bytes a token
    assert found.tokens == 18 * 16  # (300 - 1) // 16 windows


@pytest.mark.parametrize("rows", [1, 4, 100])
def test_equal_to_the_mean_over_every_window(rows):
    """Also with a last batch that is not full; float32 sums of 18 windows: 1e-5."""
    net, tokens = tiny.model(), tiny.corpus(size=300)
    whole = torch.from_numpy(tokens.read(0, 300)).long()
    inputs, targets = whole[: 18 * 16].view(18, 16), whole[1 : 18 * 16 + 1].view(18, 16)
    net.eval()
    with torch.no_grad():
        expected = F.cross_entropy(net(inputs).flatten(0, 1), targets.flatten())
    net.train()
    found = evaluate(net, tokens, batch_size=rows, context_len=16)
    assert found.loss == pytest.approx(float(expected), abs=1e-5)


def test_it_is_in_evaluation_mode_and_gives_the_mode_back():
    net, tokens = tiny.model(dropout=0.5), tiny.corpus(size=300)
    seen = []
    handle = net.register_forward_pre_hook(lambda module, given: seen.append(module.training))
    inner = net.blocks[0].register_forward_pre_hook(lambda module, given: seen.append(module.training))
    for mode in (True, False):
        net.train(mode)
        first, second = (evaluate(net, tokens, batch_size=4, context_len=16).loss for _ in range(2))
        assert first == second  # dropout is off
        assert net.training is mode
    assert not any(seen)
    assert seen
    handle.remove()
    inner.remove()
    net.train()
    with pytest.raises(ValueError, match="not in the vocabulary"):  # and where it fails too
        evaluate(net, TokenArray([40] * 300, vocab_size=99, eos=0), batch_size=4, context_len=16)
    assert net.training


def test_so_many_batches_and_no_gradient():
    net = tiny.model()
    found = evaluate(net, tiny.corpus(), batch_size=4, context_len=16, batches=2)
    assert found.tokens == 2 * 4 * 16
    assert all(p.grad is None for p in net.parameters())


def test_it_runs_in_the_context_and_with_the_documents_it_is_given():
    net, tokens = tiny.model(dropout=0.0), tiny.corpus(size=300)
    seen = []
    handle = net.blocks[0].ffn.up.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    low = evaluate(net, tokens, batch_size=4, context_len=16, autocast=lambda: torch.autocast("cpu", torch.bfloat16))
    handle.remove()
    assert set(seen) == {torch.bfloat16}
    plain, apart = (evaluate(net, tokens, batch_size=5, context_len=16, documents=on) for on in (False, True))
    assert low.loss == pytest.approx(plain.loss, rel=1e-2)
    whole = torch.from_numpy(tokens.read(0, 300)).long()
    inputs, targets = whole[: 18 * 16].view(18, 16), whole[1 : 18 * 16 + 1].view(18, 16)
    ended = (inputs == 0).long()
    with torch.no_grad():
        expected = net.loss(inputs, targets, documents=ended.cumsum(1) - ended)
    assert apart.loss == pytest.approx(float(expected), abs=1e-5)
    assert apart.loss != pytest.approx(plain.loss, abs=1e-4)


def test_bytes_may_be_unknown_or_given():
    tokens = TokenArray(tiny.corpus(size=300).read(0, 300), vocab_size=tiny.V, eos=0)
    net = tiny.model()
    plain = evaluate(net, tokens, batch_size=4, context_len=16)
    assert plain.bits_per_byte is None
    given = evaluate(net, tokens, batch_size=4, context_len=16, bytes_per_token=4.0)
    assert given.bits_per_byte == pytest.approx(plain.loss / math.log(2) / 4)


def test_bad_input_text_that_is_too_short():
    with pytest.raises(ValueError, match="more text or a shorter context"):
        evaluate(tiny.model(), tiny.corpus(size=10), batch_size=1, context_len=16)


def test_bad_input_no_batches():
    with pytest.raises(ValueError, match="batches is 0; give 1 or more"):
        evaluate(tiny.model(), tiny.corpus(), batch_size=2, context_len=8, batches=0)
