"""One update of the weights, and the batch that it is made from."""

import itertools
import math

import pytest
import torch

from lilllm.data import Batch
from lilllm.training.feed import Feed
from tests.training import tiny


def stepping(net=None, **changes):
    """A step on a model without dropout, and a batch whose rows hold several documents each."""
    changes = {"batch_size": 8, "documents": True, **changes}
    one = tiny.trainer(model=net or tiny.model(dropout=0.0), changes=changes)
    return one, tiny.loader(8, documents=True).batch(3)


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_step_goes_as_far_as_its_rate_and_leaves_no_gradient(optimizer):
    one, batch = stepping(optimizer=optimizer)
    before = tiny.weights(one)
    one.take(batch, 0.0)
    assert tiny.same(before, tiny.weights(one))
    moved = []
    for rate in (1e-4, 1e-3):
        one.take(batch, rate)
        moved.append(max(float((p.detach() - before[name]).abs().max()) for name, p in one.model.named_parameters()))
        before = tiny.weights(one)
        assert all(p.grad is None for p in one.model.parameters())  # or the next step would hold this one's too
    assert 3 < moved[1] / moved[0] < 30  # ten, but for how the moments have changed


@pytest.mark.parametrize("micro", [1, 4])
def test_micro_batches_take_their_own_rows_documents_along(micro):
    found = []
    for size in (None, micro):
        one, batch = stepping(tiny.model(dropout=0.0).double(), micro_batch=size)
        assert len({tuple(row) for row in batch.documents.tolist()}) > 4  # rows are not cut alike
        loss = one.take._backward(batch)
        found.append((loss, {name: p.grad.clone() for name, p in one.model.named_parameters()}))
    (a, whole), (b, parts) = found
    assert a == pytest.approx(b, abs=1e-12)
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16)])
def test_products_are_in_the_precision_asked_for(precision, dtype):
    one, batch = stepping(precision=precision)
    seen = []
    handle = one.model.blocks[0].ffn.up.register_forward_hook(lambda module, given, out: seen.append(out.dtype))
    one.take(batch, 1e-3)
    one.watch.evaluate()
    handle.remove()
    assert set(seen) == {dtype}
    assert len(seen) > 1


def test_the_gradient_of_fp16_is_told_and_clipped_at_its_own_size():
    """Not at that of the loss that was scaled up: as in fp32, to fp16's eleven bits."""
    norms = {}
    for precision in ("fp32", "fp16"):
        one, batch = stepping(precision=precision)
        one.take._backward(batch)
        largest = max(float(p.grad.abs().max()) for p in one.model.parameters())
        norms[precision] = one.take._clip(0), largest
    assert norms["fp16"][0] == pytest.approx(norms["fp32"][0], rel=1e-2)
    assert norms["fp16"][1] > 1000 * norms["fp32"][1]  # it was scaled


def test_without_a_clip_the_gradient_stays():
    one, batch = stepping(clip=None)
    one.take._backward(batch)
    for p in one.model.parameters():
        p.grad.mul_(100)
    before = [p.grad.clone() for p in one.model.parameters()]
    assert one.take._clip(0) > 10
    assert all(torch.equal(p.grad, grad) for p, grad in zip(one.model.parameters(), before, strict=True))


class Counted:
    """A loader whose iterator is another object, which begins where the loader stands when it is made."""

    def __init__(self):
        self.number = 0

    def __iter__(self):
        for number in itertools.count(self.number):
            self.number = number + 1
            yield Batch(torch.zeros(1, 1), torch.zeros(1, 1), None, number)

    def state_dict(self):
        return {"number": self.number}

    def load_state_dict(self, state):
        self.number = state["number"]


def test_a_feed_that_is_put_back_gives_the_batch_again():
    feed = Feed(Counted(), tiny.config(skip=(2, 3)))
    assert [feed.next().number for _ in range(3)] == [0, 1, 4]
    feed.back()  # before those that were skipped too
    assert [feed.next().number for _ in range(2)] == [4, 5]
    feed.back()
    assert feed.next().number == 5
    feed.load({"number": 1})
    assert feed.next().number == 1
    made = iter([Batch(torch.zeros(1, 1), torch.zeros(1, 1), None, 7)])
    plain = Feed(made, tiny.config())
    assert plain.next().number == 7
    plain.back()  # an iterator has no state, and nothing happens
    assert plain.state() is None


def test_the_loss_told_is_of_the_weights_before_the_step():
    one, batch = stepping()
    with torch.no_grad():
        expected = float(one.model.loss(batch.tokens, batch.targets, documents=batch.documents))
    assert one.take(batch, 1e-2).loss == pytest.approx(expected, abs=1e-6)
    assert not math.isclose(one.take(batch, 1e-2).loss, expected, abs_tol=1e-4)
