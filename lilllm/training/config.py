"""What a training run is told: how long, how fast, in what precision, and when to look and to save.

    TrainConfig(steps=2000, batch_size=32, lr=3e-3)

Read in order: TrainConfig (fields and what is refused), rate (the learning rate of each step), to_dict and from_dict
(to JSON and back), changed (what another config would change).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from lilllm.optim import schedules

ScheduleName = Literal["cosine", "wsd", "constant"]
OptimizerName = Literal["adamw", "muon"]
PrecisionName = Literal["fp32", "bf16", "fp16"]

_NAMES = {"schedule": ScheduleName, "optimizer": OptimizerName, "precision": PrecisionName}
_COUNTS = ("steps", "batch_size", "keep")  # at least 1
_OPTIONAL_COUNTS = ("micro_batch", "eval_every", "eval_batches", "sample_every", "save_every")
_FLAGS = ("compile", "documents")
_ABOVE_ZERO = ("lr", "eps")
_SHARES = ("floor", "decay")  # 0 to 1
# What may change between a checkpoint and its going on, because it does not decide what is learned.
FREE = ("micro_batch", "compile", "eval_every", "eval_batches", "sample_every", "save_every", "keep", "skip")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run.

    Attributes:
        steps: updates of the weights.
        batch_size: rows of a step, over all ranks and micro-batches.
        micro_batch: rows at once on one device; gradients are summed over as many as it takes. None: all at once.
        lr: the peak of the schedule; of Muon's matrices too, whose steps are scaled to AdamW's size.
        schedule: "cosine" falls from the warm-up's end on, "wsd" stays and falls over the last ``decay`` of the steps,
            "constant" stays.
        warmup: steps of linear rise; left out: a twentieth of the steps, 2000 at most.
        floor: the last rate, as a share of lr.
        optimizer: "adamw", or "muon" for the matrices inside blocks and AdamW for the rest.
        weight_decay: of matrices only; gains and biases have none.
        clip: largest norm of the gradient of all weights together; None: any.
        precision: "bf16" and "fp16" are autocast, weights stay float32; fp16 scales the loss.
        compile: through torch.compile.
        documents: no token sees another document's (the loader must say which is whose).
        label_smoothing: share of the target that is spread over the vocabulary.
        seed: of dropout; model and loader have their own.
        eval_every, sample_every, save_every: steps; None: at the end only.
        eval_batches: of an evaluation, of ``batch_size`` rows each, over all ranks together; None: all there are.
        keep: newest checkpoints that stay; the best stays besides.
        skip: numbers of batches that are not trained on.
    Raises:
        ValueError: a value is none that its field can have; the message names it.
    Holds: from_dict(to_dict(c)) == c, also through JSON.

    >>> config = TrainConfig(steps=100, batch_size=8, lr=1.0, schedule="wsd", decay=0.2, floor=0.0)
    >>> config.warmup, [config.rate(step) for step in (0, 4, 79, 99)] == [0.2, 1.0, 1.0, 1 - (19 / 20) ** 0.5]
    (5, True)
    """

    steps: int
    batch_size: int
    micro_batch: int | None = None
    lr: float = 1e-3
    schedule: ScheduleName = "cosine"
    warmup: int = -1
    floor: float = 0.1
    decay: float = 0.2
    optimizer: OptimizerName = "adamw"
    weight_decay: float = 0.1
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    clip: float | None = 1.0
    precision: PrecisionName = "fp32"
    compile: bool = False
    documents: bool = False
    label_smoothing: float = 0.0
    seed: int = 0
    eval_every: int | None = 250
    eval_batches: int | None = 20
    sample_every: int | None = 500
    save_every: int | None = 500
    keep: int = 3
    skip: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in _COUNTS:
            _check(name, getattr(self, name), _whole(getattr(self, name), 1), "a whole number of at least 1")
        for name in _OPTIONAL_COUNTS:
            value = getattr(self, name)
            _check(name, value, value is None or _whole(value, 1), "a whole number of at least 1, or None")
        for name in _FLAGS:
            _check(name, getattr(self, name), isinstance(getattr(self, name), bool), "True or False")
        for name in _ABOVE_ZERO:
            value = getattr(self, name)
            _check(name, value, _number(value) and value > 0, "a number above 0")
        for name in _SHARES:
            value = getattr(self, name)
            _check(name, value, _number(value) and 0 <= value <= 1, "a share from 0 to 1")
        for name, allowed in _NAMES.items():
            _check(name, getattr(self, name), getattr(self, name) in get_args(allowed), " or ".join(get_args(allowed)))
        self._check_rest()
        rate = self._schedule()  # refuses what does not go together
        object.__setattr__(self, "_rate", rate)

    def _check_rest(self) -> None:
        _check("seed", self.seed, _whole(self.seed, 0) and self.seed < 2**63, "a whole number from 0, below 2^63")
        decay, clip, smoothing = self.weight_decay, self.clip, self.label_smoothing
        _check("weight_decay", decay, _number(decay) and decay >= 0, "a number of at least 0")
        _check("clip", clip, clip is None or (_number(clip) and clip > 0), "a number above 0, or None for no clipping")
        _check("label_smoothing", smoothing, _number(smoothing) and 0 <= smoothing < 1, "a share from 0, below 1")
        two = isinstance(self.betas, tuple | list) and len(self.betas) == 2
        _check("betas", self.betas, two and all(_number(b) and 0 <= b < 1 for b in self.betas), "two shares below 1")
        object.__setattr__(self, "betas", tuple(self.betas))
        listed = isinstance(self.skip, tuple | list) and all(_whole(number, 0) for number in self.skip)
        _check("skip", self.skip, listed, "numbers of batches, such as (122,)")
        object.__setattr__(self, "skip", tuple(self.skip))
        if self.warmup == -1:
            object.__setattr__(self, "warmup", min(2000, self.steps // 20))
        fits = _whole(self.warmup, 0) and self.warmup < self.steps
        _check("warmup", self.warmup, fits, f"a whole number from 0, below the {self.steps} steps")
        if self.micro_batch is not None and self.batch_size % self.micro_batch:
            raise ValueError(
                f"batch_size {self.batch_size} is no multiple of micro_batch {self.micro_batch}; give one that is"
            )

    def _schedule(self) -> schedules.Schedule:
        peak, floor = float(self.lr), self.floor * self.lr
        if self.schedule == "constant":
            return schedules.constant(peak=peak, warmup=self.warmup)
        if self.schedule == "cosine":
            return schedules.cosine(peak=peak, total=self.steps, warmup=self.warmup, floor=floor)
        return schedules.wsd(peak=peak, total=self.steps, warmup=self.warmup, decay=self.decay, floor=floor)

    def rate(self, step: int) -> float:
        """The learning rate of the update after ``step`` others."""
        return self._rate(step)  # type: ignore[attr-defined]

    def to_dict(self) -> dict[str, Any]:
        """All fields, of types that JSON has."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """The config with these fields.

        Raises:
            ValueError: a name is no field, one that is needed is missing, or a value is none that it can have.
        """
        if not isinstance(values, Mapping):
            raise ValueError(f"a training is made of fields and values, as to_dict gives them; given {values!r}")
        known = [field.name for field in fields(cls)]
        for name in values:
            if name not in known:
                close = difflib.get_close_matches(str(name), known, n=1)
                hint = f"did you mean {close[0]!r}? " if close else ""
                raise ValueError(f"a training has no field {name!r}; {hint}the fields are: {', '.join(known)}")
        if missing := [name for name in ("steps", "batch_size") if name not in values]:
            raise ValueError(f"the training lacks {', '.join(missing)}; give all of them")
        return cls(**values)

    def changed(self, before: TrainConfig, *, done: int) -> list[str]:
        """What this changes of ``before`` that would make ``done`` steps of it another training: "lr 0.1 -> 0.2", ...

        The schedule may be another where it agrees on every step that is done: a constant rate goes on for longer, and
        so does WSD that has not begun to fall.
        """
        timing = ("steps", "schedule", "warmup", "floor", "decay")
        same_so_far = all(self.rate(step) == before.rate(step) for step in range(done))
        return [
            f"{field.name} {getattr(before, field.name)!r} -> {getattr(self, field.name)!r}"
            for field in fields(self)
            if field.name not in FREE
            and not (field.name in timing and same_so_far and self.steps >= done)
            and getattr(self, field.name) != getattr(before, field.name)
        ]


def _check(name: str, value: Any, holds: bool, allowed: str) -> None:
    if not holds:
        raise ValueError(f"{name} is {value!r}; give {allowed}")


def _whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _number(value: Any) -> bool:
    try:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that no float is
        return False
