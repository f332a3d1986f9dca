"""The loop that trains a model.

    trainer = Trainer(model, TrainConfig(steps=1000, batch_size=32), loader, validation=tokens, folder="runs/mine")
    result = trainer.run()                                   trainer.history: what happened, as dicts

Every step: the rate of the schedule, a batch, an update. Every so many: evaluation, a sample, a checkpoint. The end is
always clean: Ctrl-C and SIGTERM save, NaN stops before anything is updated.

Read in order:  Trainer (what it is given), run (the loop), _update, _look, save, resume; then `step` (one update),
                `ending` (how a run ends), `state` and `checkpoint` (files), `alone` (what several processes would do
                otherwise)
Holds:          resumed from any checkpoint, the weights are those of an undisturbed run, to the bit (same machine,
                threads and torch; on a GPU up to rounding: attention's gradients are summed there in any order)
Leaves out:     what data to train on (`lilllm.data`), several processes (`lilllm.training.parallel`)
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from lilllm.data.batch import whole
from lilllm.models import Decoder
from lilllm.runtime import device as devices
from lilllm.runtime.run_folders import RUN
from lilllm.training import checkpoint as files
from lilllm.training import ending, given, state
from lilllm.training.alone import ALONE, Parallel
from lilllm.training.config import TrainConfig
from lilllm.training.ending import TrainResult
from lilllm.training.evaluation import Evaluation
from lilllm.training.feed import Feed
from lilllm.training.lock import locked
from lilllm.training.metrics import Metrics
from lilllm.training.mfu import Mfu
from lilllm.training.outlets import open_outlets
from lilllm.training.report import Report
from lilllm.training.rng import Random
from lilllm.training.signals import Signals
from lilllm.training.step import NotFinite, Step
from lilllm.training.watch import Watch


class Trainer:
    """A model, a config and a loader of batches.

    Args:
        model: it is moved to ``device`` and trained in place; also one that has learned, with its tokenizer:
            ``speaker = inference.load("liltown", dtype=torch.float32)``, ``speaker.model``, ``speaker.tokenizer``.
        loader: an iterator of `lilllm.data.Batch` without end, with this rank's rows of a step; ``state_dict`` and
            ``load_state_dict`` make it go on where it was.
        validation: tokens to evaluate on, that are not trained on.
        folder: of the run: run.json, metrics.jsonl, checkpoints. None: nothing is written.
        tokenizer: saved beside the weights.
        sample: what gives a text of the model as it is; called in evaluation mode.
        bytes_per_token: of the text, for bits a byte; None: as ``validation`` says.
        parallel: how processes that torchrun started train together: `parallel.DataParallel()` (DDP), or
            `sharded.FullyShard(precision=config.precision)` (FSDP); None: this one alone. For both

                world = parallel.here()                                     lilllm.training.parallel; None: alone
                device = parallel.join(world)                               its own GPU, or the CPU
                Trainer(..., parallel=parallel.DataParallel(), device=device).run(), then parallel.leave()

            with a loader of ``batch_size=world.share_of(config.batch_size)``, ``rank=world.rank`` and
            ``world_size=world.size``.
        device: None: a GPU if there is one.
        progress: a bar in a terminal or notebook, lines elsewhere.
        log: "wandb", "tensorboard".
        resume: go on from the newest checkpoint of ``folder``, or begin if it has none.
        peak: FLOP/s of the device, for MFU; None: in bf16 as its maker says, and of a CPU nothing.
        about: for run.json, whatever the caller wants to find there again.
    Raises:
        ValueError: what does not go together. FileExistsError: the folder holds a run, and ``resume`` is not asked.
        CheckpointError: what there is to resume is damaged, or of another model, corpus or config.
    """

    def __init__(
        self,
        model: Decoder,
        config: TrainConfig,
        loader: Any,
        *,
        validation: Any = None,
        folder: str | os.PathLike[str] | None = None,
        tokenizer: Any = None,
        sample: Callable[[Decoder], str] | None = None,
        bytes_per_token: float | None = None,
        parallel: Parallel | None = None,
        device: torch.device | str | None = None,
        progress: bool = True,
        log: Sequence[str] = (),
        resume: bool = False,
        peak: float | None = None,
        about: dict[str, Any] | None = None,
    ) -> None:
        others = {"validation": validation, "tokenizer": tokenizer, "sample": sample, "parallel": parallel}
        others |= {"bytes_per_token": bytes_per_token, "log": log, "peak": peak, "about": about}
        self.folder = None if folder is None else Path(folder)
        given.check(model, config, loader, self.folder, resume, others)
        self.parallel = parallel or ALONE
        self.device = devices.choose(device)
        self.model = self.parallel.place(model, self.device)
        self.config, self.tokenizer, self.about = config, tokenizer, about or {}
        self.step, self.tokens = 0, 0
        self.evaluation: Evaluation | None = None
        self.evaluated = self.saved = -1  # the steps of the last ones
        self.best_loss: float | None = None
        self.loss: float | None = None  # of the last step
        self.feed = Feed(loader, config)
        self.take = Step(self.model, config, self.parallel, self.device)
        self.random = Random(config.seed + self.parallel.rank, self.device)
        context_len = getattr(loader, "context_len", self.model.config.context_len)
        self.watch = Watch(
            *(self.model, config, self.take, self.random, self.parallel),
            validation=validation,
            context_len=context_len,
            bytes_per_token=bytes_per_token,
            sample=sample,
        )
        self._mfu = Mfu(self.model.config, context_len, self.device, peak, self.parallel.world_size)
        writes = self.folder if self.parallel.writes else None
        self.metrics = Metrics(writes, open_outlets(log, writes, self.about) if self.parallel.writes else ())
        self.report = Report(progress and self.parallel.writes)
        if self.device.type == "cuda" and self._mfu.peak is None:
            self.report.say("no MFU: the peak of this GPU is not known here (peak=, in FLOP/s)")
        if resume:
            self.resume()

    @property
    def history(self) -> list[dict[str, Any]]:
        """All records so far: those of metrics.jsonl."""
        return self.metrics.history

    def run(self, until: int | None = None) -> TrainResult:
        """Train up to step ``until``, or to the end. A run that pauses at ``until`` is not saved there: `save` does.

        Raises:
            NotFinite: a loss or gradient is NaN or infinite; weights and checkpoint are those before it.
            OSError: the disk is full; the message says what is whole.
            ValueError: another process trains in the folder.
        """
        stop = self.config.steps if until is None else min(whole("until", until, 0), self.config.steps)
        with ExitStack() as stack:
            stack.enter_context(locked(self.folder if self.parallel.writes else None))
            stack.enter_context(self.random.own())
            stack.callback(self.report.close)
            self.report.open(self.step, self.config.steps)
            signals = stack.enter_context(Signals(self.report.say, apart=5.0 if self.parallel.world_size > 1 else 0.0))
            self.model.train()
            if self.parallel.any(not self._begun()):
                self._begin()
            while self.step < stop and not self.parallel.any(bool(signals.by)):
                self._update()
                self._look()
            return ending.end(self, stop, signals.by)

    def _begun(self) -> bool:
        """Whether it has begun or been gone on with; what is looked at or saved before that is no beginning."""
        return any(record.get("event") in ("start", "resume") for record in self.history)

    def _begin(self) -> None:
        if self.folder is not None and self.parallel.writes:
            state.write_run(self)
        self.metrics.set_seconds(0.0)
        self.tell("start", f"{self.config.steps} steps of {self.config.batch_size} rows on {self.device}")
        if self.config.eval_every is not None and self.evaluated != self.step:
            self.evaluate()
        if self.config.sample_every is not None:
            self._sample()

    def _update(self) -> None:
        began = time.perf_counter()
        batch, drawn = self.feed.next(), self.random.state()
        lr = self.config.rate(self.step)
        try:
            taken = self.take(batch, lr)
        except NotFinite as error:
            self.feed.back()  # the batch is not done with
            self.random.load(drawn)
            ending.not_finite(self, error)
        self.step += 1
        self.loss = taken.loss
        tokens = batch.tokens.numel() * self.parallel.world_size
        self.tokens += tokens
        rate = tokens / (time.perf_counter() - began)
        values = {"loss": taken.loss, "lr": lr, "grad_norm": taken.norm, "tokens_per_second": rate}
        self._write("train", **values, mfu=self._mfu(rate), memory_bytes=devices.peak_memory(self.device))
        self.report.step(self.step, taken.loss, rate)

    def _look(self) -> None:
        """Evaluate, sample and save, where the config says so; what is saved is evaluated first."""
        config, last = self.config, self.step == self.config.steps
        saves = self.folder is not None and (last or _due(self.step, config.save_every))
        if last or saves or _due(self.step, config.eval_every):
            self.evaluate()
        if last or _due(self.step, config.sample_every):
            self._sample()
        if saves:
            self.save()

    def evaluate(self) -> None:
        """Measure on held-out text, where there is some, and write it down."""
        found = self.watch.evaluate()
        if found is None:
            return
        self.evaluation, self.evaluated = found, self.step
        self._write("eval", loss=found.loss, bits_per_byte=found.bits_per_byte)
        bits = "" if found.bits_per_byte is None else f", {found.bits_per_byte:.3f} bits a byte"
        self.report.say(f"step {self.step:,}: held-out loss {found.loss:.3f}{bits}")

    def _sample(self) -> None:
        text = self.watch.sample()
        if text is not None:
            self._write("sample", text=text)
            said = text if text.strip() else "(no text: the model ended it at once)"
            self.report.say(f"step {self.step:,}: {said}")

    def save(self) -> Path | None:
        """Write the checkpoint of this step, unless it is there; mark the best, remove those too old.

        Raises:
            OSError: it could not be written; those before it are whole.
            NotFinite: the last update left weights that are no numbers, which are not saved.
        """
        if self.folder is None:
            return None
        path = self.folder / files.CHECKPOINTS / files.name_of(self.step)
        if self.parallel.any(self.saved != self.step or not path.exists()):
            ending.refuse_overflowed(self)
            self._describe()
            better = state.save(self)
            self.saved = self.step
            self.tell("save", path.name)
            if better:
                self.tell("best", f"{path.name}: held-out loss {self.best_loss:.4f}")
        return path

    def resume(self, path: str | os.PathLike[str] | None = None) -> Trainer:
        """Go on from a checkpoint; None: the newest of the folder, or the beginning where it has none.

        That of another run's folder is taken over into this run, and stays as it is.

        Raises:
            CheckpointError: it is damaged, or of another model, corpus or config.
        """
        state.resume(self, None if path is None else Path(path))
        return self

    def tell(self, event: str, message: str) -> None:
        """Write an event down."""
        self._write("event", event=event, message=message)

    def _write(self, kind: str, **values: Any) -> None:
        self._describe()
        self.metrics.write(kind, self.step, self.tokens, **values)

    def _describe(self) -> None:
        """No folder holds anything of a run and no run.json, whatever was called first."""
        if self.folder is not None and self.parallel.writes and not (self.folder / RUN).exists():
            state.write_run(self)


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0
