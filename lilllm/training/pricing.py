"""What a run costs before it begins: memory on each device, hours, money. `lilllm train --dry-run`.

    print(price(preset("lillm-39m"), config, gpu="h100-80gb"))

The arithmetic is `lilllm.accounting`'s. What nobody knows before is assumed, and said: the share of the peak that is
reached, the price of an hour, the speed of this CPU.

Read in order: price (on GPUs), price_here (on this CPU, by trying a few steps), Price.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from lilllm.accounting import flops, memory, params
from lilllm.accounting.gpus import gpu as gpu_named
from lilllm.accounting.plan import days
from lilllm.accounting.shape import one_of
from lilllm.data.batch import whole
from lilllm.models import Decoder, ModelConfig
from lilllm.training.alone import ALONE
from lilllm.training.config import TrainConfig
from lilllm.training.evaluation import check_context
from lilllm.training.step import Step

GB = 1e9
Kind = Literal["ddp", "fsdp"]


@dataclass(frozen=True, kw_only=True)
class Price:
    """``state`` and ``activations`` (of ``rows`` at once): bytes on each device; ``room``: what it has; None: not
    known, nor ``dollars``."""

    tokens: int
    flops: float
    state: float
    activations: float
    rows: int
    room: float | None
    hours: float
    dollars: float | None
    assumed: tuple[str, ...]

    @property
    def fits(self) -> bool | None:
        return None if self.room is None else self.state + self.activations <= self.room

    def __str__(self) -> str:
        state, kept = self.state / GB, self.activations / GB
        room = "" if self.room is None else f" of {self.room / GB:,.0f}: {'fits' if self.fits else 'does NOT fit'}"
        money = (
            "unknown; give the price of an hour (dollars_per_hour, --dollars)"
            if self.dollars is None
            else f"{self.dollars:,.2f} dollars"
        )
        return "\n".join(
            [
                f"tokens   {self.tokens:,}, {self.flops:.3g} FLOPs",
                f"memory   {state + kept:.2f} GB on each device{room}",
                f"         {state:.2f} weights, gradients, optimizer; "
                f"{kept:.2f} activations of {self.rows:,} rows at once",
                f"time     {_long(self.hours)}",
                f"cost     {money}",
                *(f"assumed  {one}" for one in self.assumed),
            ]
        )


def price(
    model: ModelConfig,
    config: TrainConfig,
    *,
    context_len: int | None = None,
    gpu: str = "h100-80gb",
    gpus: int = 1,
    mfu: float = 0.4,
    dollars_per_hour: float | None = None,
    parallel: Kind = "ddp",
) -> Price:
    """On ``gpus`` of a kind, each with the whole model (DDP), or with its part of it (FSDP, which is ZeRO-3).

    Raises:
        ValueError: no such GPU, none with that precision, an MFU that is none, a price below 0, or a model that the
            closed forms do not know.
    """
    shape, T, kind = model.shape(), _context(context_len, model), gpu_named(gpu)
    one_of("parallel", parallel, get_args(Kind))
    if config.precision == "bf16" and not kind.bf16:
        raise ValueError(f"{gpu} has no bf16, torch imitates it slowly; give the precision fp16 or fp32")
    if parallel == "fsdp" and config.precision == "fp16":
        raise ValueError("precision fp16 and FSDP do not go together here; give fp32, or bf16 on a GPU that has it")
    if whole("gpus", gpus, 1) and config.batch_size % gpus:
        raise ValueError(f"batch_size {config.batch_size} is no multiple of {gpus} GPUs; give one that is")
    for name, value in (("mfu", mfu), ("dollars_per_hour", dollars_per_hour)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
            raise ValueError(f"{name} is {value!r}; give a number")
    if dollars_per_hour is not None and not 0 <= dollars_per_hour < math.inf:
        raise ValueError(f"dollars_per_hour is {dollars_per_hour}; give a number of at least 0")
    tokens, peak = config.steps * config.batch_size * T, kind.peak(config.precision)
    hours = 24 * days(shape, tokens=tokens, seq=T, gpus=gpus, flops=peak, mfu=mfu)
    if config.precision == "fp32":
        where, weights = "fp32 outside tensor cores", "float32 throughout, no TF32; not counted:"
    else:
        where = config.precision
        weights = "float32 weights under autocast; not counted: its copies of them (2 bytes a weight),"
    assumed = [
        f"{100 * mfu:.3g}% of {gpus} x {peak / 1e12:.3g} TFLOP/s (its maker's figure, {where}) is reached: a guess",
        f"{weights} the CUDA context, fragmentation, communication, evaluation",
    ]
    if parallel == "fsdp":
        assumed.append(f"FSDP: each GPU holds 1 / {gpus} of the state; weights gathered for a moment are not counted")
    elif gpus > 1:
        assumed.append("DDP: each GPU holds all of the state; FSDP would hold a part (parallel, --parallel)")
    if dollars_per_hour is not None:
        assumed.append(f"{dollars_per_hour:.2f} dollars for an hour of one GPU")
    rows = min(config.micro_batch or config.batch_size, config.batch_size // gpus)
    return Price(
        tokens=tokens,
        flops=flops.per_token(shape, seq=T) * tokens,
        state=_state(model, config) / (gpus if parallel == "fsdp" else 1),
        activations=_activations(model, config, rows, T),
        rows=rows,
        room=kind.memory,
        hours=hours,
        dollars=None if dollars_per_hour is None else hours * gpus * dollars_per_hour,
        assumed=tuple(assumed),
    )


def price_here(model: ModelConfig, config: TrainConfig, *, context_len: int | None = None, tries: int = 3) -> Price:
    """On this CPU: a few real steps on random tokens, and the time of all from the fastest of them."""
    T = _context(context_len, model)
    rows = config.micro_batch or config.batch_size
    decoder = Decoder(model, generator=torch.Generator().manual_seed(0)).train()
    step = Step(decoder, config, ALONE, torch.device("cpu"))
    drawn = torch.randint(model.vocab_size, (rows, T + 1), generator=torch.Generator().manual_seed(0))
    batch = _Rows(drawn[:, :-1], drawn[:, 1:].contiguous())
    seconds = []
    for _ in range(tries):
        began = time.perf_counter()
        step(batch, config.lr)
        seconds.append(time.perf_counter() - began)
    tokens = config.steps * config.batch_size * T
    hours = min(seconds) * (config.batch_size / rows) * config.steps / 3600
    return Price(
        tokens=tokens,
        flops=flops.per_token(model.shape(), seq=T) * tokens,
        state=_state(model, config),
        activations=_activations(model, config, rows, T),
        rows=rows,
        room=None,
        hours=hours,
        dollars=None,
        assumed=(
            f"every step is as fast as the fastest of {tries} that were tried on this CPU, on "
            f"{torch.get_num_threads()} threads; evaluation, samples and checkpoints come on top",
        ),
    )


def _context(context_len: int | None, model: ModelConfig) -> int:
    T = model.context_len if context_len is None else context_len
    check_context(T, model)
    return T


@dataclass(frozen=True)
class _Rows:
    tokens: torch.Tensor
    targets: torch.Tensor
    documents: None = None
    number: int = 0


def _state(model: ModelConfig, config: TrainConfig) -> float:
    """float32 weights and gradients, and AdamW's two moments; Muon keeps one for the matrices that are its own."""
    n = params.total(model.shape())
    if config.optimizer == "muon":
        with torch.device("meta"):
            named = Decoder(model).named_parameters()
        by_muon = sum(p.numel() for name, p in named if p.ndim == 2 and "blocks." in name)
        return memory.FP32.total * n - 4 * by_muon
    return memory.FP32.total * n


def _activations(model: ModelConfig, config: TrainConfig, rows: int, T: int) -> float:
    each = 4 if config.precision == "fp32" else 2
    kept = memory.activations(
        model.shape(), batch=rows, seq=T, attention="flash", dropout=model.dropout, bytes_each=each
    )
    return float(sum(kept.values()))


def _long(hours: float) -> str:
    for unit, a_unit in (("days", 24.0), ("hours", 1.0), ("minutes", 1 / 60)):
        if hours >= 2 * a_unit:
            return f"{hours / a_unit:,.1f} {unit}"
    return f"{hours * 3600:,.0f} seconds"
