"""The loop: what a step is, what is written of it, and how it ends."""

import itertools
import json
import math
import random

import pytest
import torch
from torch.nn import functional as F  # noqa: N812

from lilllm.data import Batch, TokenArray, TokenFiles, write_tokens
from lilllm.tokenizers import CharTokenizer
from lilllm.training import (
    Evaluation,
    NotFinite,
    TrainConfig,
    Trainer,
    average,
    checkpoints,
    evaluate,
    latest,
    price,
)
from tests.training import tiny


class Batches:
    """Given batches, again and again."""

    def __init__(self, batches):
        self.batches, self.number = batches, 0
        self.batch_size = len(batches[0].tokens)

    def __iter__(self):
        return self

    def __next__(self):
        self.number += 1
        return self.batches[(self.number - 1) % len(self.batches)]

    def state_dict(self):
        return {"number": self.number}

    def load_state_dict(self, state):
        self.number = state["number"]


def with_ignored(rows=8):
    """A batch whose rows have from 1 to T targets that count, and one row none."""
    drawn = torch.Generator().manual_seed(3)
    tokens = torch.randint(tiny.V, (rows, tiny.T + 1), generator=drawn)
    targets = tokens[:, 1:].clone()
    for row in range(rows):
        targets[row, row * 2 :] = -100
    return Batch(tokens[:, :-1].contiguous(), targets, None, 7)


def test_what_a_run_tells_and_learns():
    one = tiny.trainer(changes={"steps": 60, "eval_every": 20}, sample=lambda model: "once")
    result = one.run()
    kinds = [record["kind"] for record in one.history]
    assert (kinds[0], kinds.count("train"), result.ended, result.step) == ("event", 60, "done", 60)
    train = [record for record in one.history if record["kind"] == "train"]
    assert [record["step"] for record in train] == list(range(1, 61))
    assert [record["tokens"] for record in train] == [64 * step for step in range(1, 61)]
    assert [record["lr"] for record in train] == [one.config.rate(step) for step in range(60)]
    seconds = [record["seconds"] for record in one.history]
    assert seconds == sorted(seconds)
    assert all(record["mfu"] is None and record["grad_norm"] > 0 for record in train)
    evals = [record for record in one.history if record["kind"] == "eval"]
    assert [record["step"] for record in evals] == [0, 20, 40, 60]
    assert abs(evals[0]["loss"] - math.log(tiny.V)) < 0.1  # it begins with nothing
    assert evals[-1]["loss"] < 2.6 < evals[0]["loss"] - 0.7
    assert result.evaluation.loss == evals[-1]["loss"]
    assert [record["step"] for record in one.history if record["kind"] == "sample"] == [0, 60]
    assert one.run().step == 60  # nothing left to do


def test_two_parts_are_one_run():
    whole, parts = tiny.trainer(), tiny.trainer()
    whole.run()
    assert parts.run(until=5).ended == "paused"
    torch.rand(3)  # what others draw changes nothing
    parts.run()
    assert tiny.same(tiny.weights(whole), tiny.weights(parts))


def test_it_leaves_torchs_random_state_alone():
    one = tiny.trainer(sample=lambda model: str(torch.rand(1)))
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one.run(until=3)
    assert torch.equal(torch.get_rng_state(), before)
    other = tiny.trainer()  # without samples, which draw
    other.run(until=3)
    assert tiny.same(tiny.weights(one), tiny.weights(other))


def test_dropout_is_drawn_from_the_seed():
    runs = [tiny.trainer(changes={"seed": seed}) for seed in (0, 0, 1)]
    for one in runs:
        one.run(until=2)
    a, b, c = map(tiny.weights, runs)
    assert tiny.same(a, b)
    assert not tiny.same(a, c)


@pytest.mark.parametrize("micro", [1, 2, 4])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_micro_batches_are_the_whole_batch(micro, smoothing):
    """Also where rows have different numbers of targets that count. float64 sums in another order: 1e-12."""
    found = []
    for size in (None, micro):
        net = tiny.model(dropout=0.0).double()
        changes = {"batch_size": 8, "micro_batch": size, "label_smoothing": smoothing, "clip": None}
        one = tiny.trainer(model=net, loader=Batches([with_ignored()]), changes=changes)
        loss = one.take._backward(with_ignored())
        found.append((loss, {name: p.grad.clone() for name, p in net.named_parameters()}))
    (a, whole), (b, parts) = found
    assert a == pytest.approx(b, abs=1e-12)
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], rtol=0, atol=1e-12)


def test_the_loss_is_the_mean_over_tokens_as_torch_works_it_out():
    batch, net = with_ignored(), tiny.model(dropout=0.0).double()
    one = tiny.trainer(model=net, loader=Batches([batch]), changes={"batch_size": 8, "label_smoothing": 0.2})
    with torch.no_grad():
        logits = net(batch.tokens)
    expected = F.cross_entropy(logits.flatten(0, 1), batch.targets.flatten(), label_smoothing=0.2)
    assert one.take._backward(batch) == pytest.approx(float(expected), abs=1e-12)


def test_clipping_bounds_the_step():
    one = tiny.trainer(changes={"clip": 0.01})
    one.take._backward(next(one.feed.loader))
    before = one.take._clip(0)
    norm = math.sqrt(sum(float(p.grad.square().sum()) for p in one.model.parameters()))
    assert before > 0.1
    assert norm == pytest.approx(0.01, rel=1e-3)


def test_weight_decay_is_for_matrices():
    named = dict(tiny.model().named_parameters())
    for optimizer in ("adamw", "muon"):
        one = tiny.trainer(changes={"optimizer": optimizer, "weight_decay": 0.3})
        seen = []
        for kept in one.take.optimizers:
            names = iter(kept.names)
            for group in kept.optimizer.param_groups:
                for parameter in group["params"]:
                    name = next(names)
                    seen.append(name)
                    assert parameter.shape == named[name].shape
                    assert group["weight_decay"] == (0.3 if parameter.ndim == 2 else 0.0)
                    assert (kept.kind == "muon") == (optimizer == "muon" and "blocks" in name and parameter.ndim == 2)
        assert sorted(seen) == sorted(named)


@pytest.mark.parametrize(
    "changes", [{"optimizer": "muon"}, {"precision": "bf16"}, {"precision": "fp16"}, {"schedule": "wsd"}]
)
def test_other_ways_learn_too(changes):
    one = tiny.trainer(changes={"steps": 40, "eval_every": 40, **changes}, dropout=0.0)
    one.run()
    losses = [record["loss"] for record in one.history if record["kind"] == "eval"]
    assert losses[-1] < losses[0] - 0.4
    assert all(p.dtype == torch.float32 for p in one.model.parameters())


def test_fp16_leaves_out_the_step_that_overflows_and_goes_on():
    """A scale that is too large gives infinite gradients; it falls, and nothing is updated meanwhile."""
    one = tiny.trainer(changes={"precision": "fp16", "steps": 40}, dropout=0.0)
    one.take.scaler.load_state_dict({**one.take.scaler.state_dict(), "scale": 2.0**40})
    before = tiny.weights(one)
    one.run(until=1)
    assert one.history[-1]["grad_norm"] is None
    assert tiny.same(before, tiny.weights(one))
    one.run()
    assert one.take.scaler.get_scale() < 2.0**40
    assert [record["grad_norm"] for record in one.history if record["kind"] == "train"][-1] > 0


def test_nan_stops_before_anything_is_updated(tmp_path):
    one = tiny.trainer(tmp_path / "run", changes={"save_every": 2, "steps": 9})
    one.run(until=5)
    before, place = tiny.weights(one), one.feed.state()
    healthy = one.model.blocks[0].ffn.up.weight.detach().clone()

    def poisoned(module, given, out):
        return out * math.nan if module.training else out  # the batch is to blame, not the weights

    handle = one.model.blocks[1].register_forward_hook(poisoned)
    with pytest.raises(NotFinite, match=r"step 6: the loss of batch 5 is nan.*Nothing was updated.*--skip 5") as caught:
        one.run()
    handle.remove()
    assert caught.value.batch == 5
    assert tiny.same(before, tiny.weights(one))
    assert torch.equal(healthy, one.model.blocks[0].ffn.up.weight)
    assert one.feed.state() == place  # the batch comes again
    assert "nan" in tiny.events(one)
    assert [path.name for path in checkpoints(tmp_path / "run")] == ["step-000002", "step-000004", "step-000005"]
    resumed = tiny.trainer(tmp_path / "run", changes={"save_every": 2, "steps": 9}, resume=True)
    assert tiny.same(before, tiny.weights(resumed))
    whole = tiny.trainer(changes={"steps": 9})
    whole.run()
    resumed.run()
    assert tiny.same(tiny.weights(whole), tiny.weights(resumed))
    assert "nan" in tiny.events(resumed)  # what went wrong stays in the record


@pytest.mark.parametrize("lr", [1e38, 1e10])
@pytest.mark.parametrize("every", [1, None])
def test_weights_that_overflowed_are_not_saved(tmp_path, lr, every):
    """At 1e38 weights are infinite after a step, at 1e10 they are finite and the next loss is not."""
    changes = {"lr": lr, "warmup": 0, "save_every": every, "eval_every": None}
    one = tiny.trainer(tmp_path / "run", dropout=0.0, changes=changes)
    with pytest.raises(NotFinite, match=r"step 1 left weights that give no numbers\. They are not saved; no state"):
        one.run()
    assert "nan" in tiny.events(one)
    assert checkpoints(tmp_path / "run") == []


def test_the_last_good_state_is_named(tmp_path):
    one = tiny.trainer(tmp_path / "run", dropout=0.0, changes={"save_every": 2})
    one.run(until=3)
    with torch.no_grad():
        one.model.norm.weight[3] = math.inf
    with pytest.raises(NotFinite, match=r"step 3 left weights that give no numbers.*last good state is .*step-000002"):
        one.run()
    with pytest.raises(NotFinite, match=r"step 3 left weights that give no numbers.*last good state is .*step-000002"):
        one.save()
    assert [path.name for path in checkpoints(tmp_path / "run")] == ["step-000002"]
    again = tiny.trainer(tmp_path / "run", dropout=0.0, changes={"save_every": 2}, resume=True)
    assert again.run().ended == "done"


def test_nan_in_the_gradient_alone_stops_too():
    one = tiny.trainer()
    weight = one.model.blocks[0].ffn.up.weight
    handle = weight.register_hook(lambda grad: grad * math.inf)
    before = tiny.weights(one)
    with pytest.raises(NotFinite, match="the gradient of batch 0 is not finite"):
        one.run()
    handle.remove()
    assert tiny.same(before, tiny.weights(one))
    assert all(p.grad is None for p in one.model.parameters())


def test_skip_leaves_out_a_batch():
    one, feed = tiny.trainer(changes={"skip": (1, 2), "steps": 3, "warmup": 0}), tiny.loader()
    batches = [next(feed) for _ in range(5)]
    seen = []
    take = one.take
    one.take = type("Spy", (), {"__call__": lambda _, batch, lr: seen.append(batch.number) or take(batch, lr)})()
    one.take.autocast, one.take.optimizers, one.take.scaler = take.autocast, take.optimizers, take.scaler
    one.run()
    assert seen == [0, 3, 4]
    assert [batch.number for batch in batches] == [0, 1, 2, 3, 4]


def test_document_masks_hide_other_documents():
    plain, masked = (tiny.trainer(changes={"documents": on}, dropout=0.0) for on in (False, True))
    for one in (plain, masked):
        one.run(until=1)
    assert plain.history[-1]["loss"] != masked.history[-1]["loss"]
    batch = tiny.loader(documents=True).batch(0)
    with torch.no_grad():
        expected = tiny.model(0.0).loss(batch.tokens, batch.targets, documents=batch.documents)
    assert masked.history[-1]["loss"] == pytest.approx(float(expected), abs=1e-6)


def test_a_plain_iterator_will_do():
    batch = with_ignored()
    one = Trainer(tiny.model(), tiny.config(batch_size=8), itertools.repeat(batch), device="cpu", progress=False)
    assert one.run().ended == "done"


def test_averaging(tmp_path):
    one = tiny.trainer(tmp_path / "run", changes={"keep": 4})
    one.run()
    paths = checkpoints(tmp_path / "run")
    assert len(paths) == 3
    from lilllm.models import from_pretrained

    parts = [dict(from_pretrained(path, progress=False).named_parameters()) for path in paths]
    mean = average(paths)
    for name, value in mean.items():
        expected = sum(part[name].detach().double() for part in parts) / 3
        assert torch.equal(value, expected.float())
    one.model.load_state_dict(mean)
    with pytest.raises(ValueError, match="nothing to average"):
        average([])
    other = tiny.trainer(tmp_path / "other", model=tiny.model(n_layers=1))
    other.run()
    with pytest.raises(ValueError, match="hold different models"):
        average([*paths, *checkpoints(tmp_path / "other")])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"loader": tiny.loader(rows=2)}, "the loader gives 2 rows on each of 1 ranks, and batch_size is 4"),
        ({"model": torch.nn.Linear(1, 1)}, "model is a Linear; give a lilllm.models.Decoder"),
        ({"resume": True}, "nothing to resume without a folder"),
        ({"log": ["tensorbored"]}, "log is 'tensorbored'; give wandb or tensorboard"),
        ({"log": "wandb"}, "log is .wandb.; give a list, such as"),
        ({"validation": "text"}, "validation is 'text'; give tokens"),
        ({"validation": tiny.corpus(size=10)}, "validation: the corpus has 10 tokens"),
        (
            {"model": tiny.model(context_len=8)},
            "context_len 16 is longer than the 8 tokens that the model is meant for",
        ),
        (
            {"model": tiny.model(vocab_size=20)},
            "the loader's corpus has a vocabulary of 32 tokens and the model one of 20",
        ),
        ({"validation": TokenArray([1] * 99, vocab_size=40, eos=0)}, "the validation has a vocabulary of 40"),
        (
            {"tokenizer": CharTokenizer.train(["abcdefghijklmnopqrstuvwxyz0123456789"])},
            "tokenizer has a vocabulary of 3",
        ),
        ({"tokenizer": "bpe"}, r"tokenizer is 'bpe'; give one of lilllm\.tokenizers"),
        ({"sample": "once"}, "sample is 'once'; give a function"),
        ({"parallel": "ddp"}, r"parallel is 'ddp'; give a DataParallel\(\)"),
        ({"peak": "fast"}, "peak is 'fast'; give FLOP/s"),
        ({"bytes_per_token": 0}, "bytes_per_token is 0; give a number above 0"),
        ({"about": {"when": torch}}, "about is .*; give a dict of what JSON has"),
        ({"loader": 5}, "loader is 5; give an iterator of batches"),
        ({"model": tiny.model().bfloat16()}, "weights are torch.bfloat16, in which small updates are rounded away"),
        ({"changes": {"lr": 10**400}}, "lr is 10.*; give a number above 0"),
        ({"device": "warp"}, "device is 'warp', which torch cannot use here"),
        ({"changes": {"documents": True}, "loader": tiny.loader()}, "give it documents=True too"),
    ],
)
def test_bad_input_is_refused_in_words(given, said):
    with pytest.raises(ValueError, match=said):
        tiny.trainer(**given).run()


def test_bad_input_numbers_of_the_wrong_kind():
    for until in (2.5, "2", -1):
        with pytest.raises(ValueError, match="until is"):
            tiny.trainer().run(until=until)
    with pytest.raises(ValueError, match=r"batches is 1\.5; give a whole number"):
        evaluate(tiny.model(), tiny.corpus(), batch_size=2, context_len=16, batches=1.5)
    for asked in (
        lambda: price(tiny.model().config, tiny.config(), context_len=17),
        lambda: evaluate(tiny.model(), tiny.corpus(), batch_size=2, context_len=17),
    ):
        with pytest.raises(ValueError, match="context_len 17 is longer than the 16 tokens"):
            asked()
    with pytest.raises(ValueError, match=r"gpus is 1\.5; give a whole number"):
        price(tiny.model().config, tiny.config(), gpus=1.5)
    with pytest.raises(ValueError, match="mfu is 'a'; give a number"):
        price(tiny.model().config, tiny.config(), mfu="a")
    with pytest.raises(ValueError, match="made of fields and values"):
        TrainConfig.from_dict(5)


def test_bad_input_without_a_target_that_counts():
    batch = with_ignored()
    batch.targets.fill_(-100)
    with pytest.raises(ValueError, match="batch 7 has no target that counts"):
        tiny.trainer(loader=Batches([batch]), changes={"batch_size": 8}).run()


def test_random_configs_resume_where_they_were(tmp_path):
    """Whatever the options: stop at a random step, go on, and be where one run would be."""
    drawn = random.Random(0)
    for case in range(4):
        changes = {
            "steps": 6,
            "save_every": drawn.choice([1, 2, 5]),
            "micro_batch": drawn.choice([None, 1, 2]),
            "optimizer": drawn.choice(["adamw", "muon"]),
            "precision": drawn.choice(["fp32", "bf16", "fp16"]),
            "schedule": drawn.choice(["cosine", "wsd", "constant"]),
            "documents": drawn.random() < 0.5,
        }
        whole = tiny.trainer(changes=changes)
        whole.run()
        stop = drawn.randrange(1, 6)
        first = tiny.trainer(tmp_path / str(case), changes=changes)
        first.run(until=stop)
        first.save()
        second = tiny.trainer(tmp_path / str(case), changes=changes, resume=True, model=tiny.model(seed=99))
        assert second.step == stop
        second.run()
        assert tiny.same(tiny.weights(whole), tiny.weights(second)), changes


def test_config_goes_through_json():
    config = TrainConfig(steps=10, batch_size=4, skip=(3,), betas=(0.8, 0.9))
    assert TrainConfig.from_dict(config.to_dict()) == config


def test_masks_are_as_the_config_says_whatever_the_loader_tells():
    plain, told = (tiny.trainer(dropout=0.0, loader=tiny.loader(documents=tells)) for tells in (False, True))
    plain.run()
    told.run()
    assert tiny.same(tiny.weights(plain), tiny.weights(told))


def test_a_state_whose_evaluation_is_no_number_is_not_saved(tmp_path):
    one = tiny.trainer(tmp_path / "run", dropout=0.0, changes={"steps": 1, "save_every": None})
    one.watch.evaluate = lambda **_: Evaluation(loss=math.nan, bits_per_byte=math.nan, tokens=5)
    with pytest.raises(NotFinite, match="step 1 left weights that give no numbers"):
        one.run()
    assert [record["loss"] for record in one.history if record["kind"] == "eval"] == [None, None]
    assert latest(tmp_path / "run") is None


def test_the_tokenizer_of_a_run_goes_on_with_it(tmp_path):
    tokenizer = CharTokenizer.train(["abc"])
    tiny.trainer(tmp_path / "run", tokenizer=tokenizer).run(until=4)
    tiny.trainer(tmp_path / "run", resume=True).run()
    assert [(path / "tokenizer.json").exists() for path in checkpoints(tmp_path / "run")] == [True] * 3


def test_bad_input_a_loader_that_ends():
    with pytest.raises(ValueError, match="the loader has no batch left"):
        tiny.trainer(loader=iter([next(tiny.loader())]), changes={"eval_every": None}).run()


@pytest.mark.parametrize("first", ["evaluate", "tell", "save"])
def test_whatever_is_called_first_the_folder_is_that_of_a_run(tmp_path, first):
    """With what it was asked in run.json; and the run itself begins, and measures a step once."""
    one = tiny.trainer(tmp_path / "run")
    getattr(one, first)(*(("a", "b") if first == "tell" else ()))
    assert (tmp_path / "run" / "run.json").exists()
    assert one.run().ended == "done"
    assert tiny.events(one).count("start") == 1
    assert [record["step"] for record in one.history if record["kind"] == "eval"] == [0, 4, 8, 12]
    assert tiny.same(tiny.weights(one), tiny.weights(tiny.trainer(tmp_path / "run", resume=True)))


def test_what_was_measured_before_going_on_is_not_of_the_weights_after(tmp_path):
    one, other = tiny.trainer(tmp_path / "one"), tiny.trainer(tmp_path / "other")
    one.save()
    other.evaluate()
    other.resume(latest(tmp_path / "one"))
    assert other.evaluated != other.step


def test_bad_input_a_tokenizer_that_did_not_make_the_tokens(tmp_path):
    ours, theirs = (CharTokenizer.train([text]) for text in ("abc ", "bcd "))
    write_tokens(["abc abc " * 40], ours, tmp_path / "tokens", eos=None, progress=False)
    given = {"loader": tiny.loader(tokens=TokenFiles(tmp_path / "tokens")), "validation": None}
    tiny.trainer(**given, tokenizer=ours)
    with pytest.raises(ValueError, match="the loader tokens were made by another tokenizer"):
        tiny.trainer(**given, tokenizer=theirs)


def test_a_model_that_has_learned_goes_on(tmp_path):
    """`Trainer` of a loaded model: it begins where that was, and the folder reads back."""
    from lilllm.inference import load

    tokenizer = CharTokenizer.train(["abc"])
    first = tiny.trainer(tmp_path / "first", tokenizer=tokenizer, dropout=0.0)
    first.run()
    speaker = load(tmp_path / "first", dtype=torch.float32)
    loss = evaluate(speaker.model, tiny.corpus(size=400), batch_size=4, context_len=tiny.T, batches=2).loss
    given = {"tokenizer": speaker.tokenizer, "about": {"source": "first"}}
    one = tiny.trainer(tmp_path / "second", model=speaker.model, **given)
    one.run()
    assert next(r["loss"] for r in one.history if r["kind"] == "eval") == pytest.approx(loss)
    assert json.loads((tmp_path / "second" / "run.json").read_text())["about"] == {"source": "first"}
    assert load(tmp_path / "second").model.config == load(tmp_path / "first").model.config
