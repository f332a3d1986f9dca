"""Several processes that train one model together: each has rows of its own, and all have the same gradient.

    torchrun --nproc-per-node 8 -m lilllm train ...      starts them; `here` reads who this one is

    gradient of a step = sum over ranks of (the rank's gradient, its tokens weighed by those of all) / ranks

`DataParallel` is torch's DistributedDataParallel: every rank holds the whole model. Where it is too large for that,
`lilllm.training.sharded.FullyShard` gives each rank a part of it.

Read in order:  World, here (who am I), join and leave (the group), Ranks (what both ways have in common), DataParallel;
                lost (whether an error says that another rank is gone)
Holds:          two ranks give the weights that one gives which sees all rows, to rounding: sums are in another order
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from lilllm.models import Decoder
from lilllm.training import optimizers as optim
from lilllm.training.alone import ALONE

T = TypeVar("T")
PATIENCE = timedelta(minutes=30)  # for a rank that neither answers nor ends, such as one that writes a large checkpoint
WAITING = timedelta(days=14)  # for the first rank, while it makes what all need: token files take hours
_LOST = re.compile(r"Connection (closed|reset)|Broken pipe|Timed out|[Tt]imeout|NCCL|unhandled system error|Gloo", re.I)


@dataclass(frozen=True)
class World:
    """``rank`` of ``size`` processes, the ``local_rank``-th of ``local_size`` on this machine."""

    rank: int
    size: int
    local_rank: int
    local_size: int

    def share_of(self, batch_size: int) -> int:
        """Rows of each rank.

        >>> World(0, 4, 0, 4).share_of(32)
        8
        """
        if batch_size % self.size:
            below = batch_size - batch_size % self.size
            allowed = " or ".join(str(rows) for rows in (below, below + self.size) if rows)
            raise ValueError(f"a batch of {batch_size} rows is no multiple of {self.size} processes; give {allowed}")
        return batch_size // self.size


def here() -> World | None:
    """Who this process is among those that torchrun started; None: it is alone.

    Raises:
        ValueError: RANK, WORLD_SIZE or LOCAL_RANK is missing, or no number that it can be.
    """
    if "RANK" not in os.environ or "WORLD_SIZE" not in os.environ:
        return None
    try:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        local, beside = int(os.environ.get("LOCAL_RANK", rank)), int(os.environ.get("LOCAL_WORLD_SIZE", size))
    except ValueError as error:
        raise ValueError(f"RANK, WORLD_SIZE, LOCAL_RANK are whole numbers ({error}); start with torchrun") from None
    if not (0 <= rank < size and 0 <= local < beside <= size):
        raise ValueError(f"rank {rank} of {size} (on this machine {local} of {beside}) cannot be; start with torchrun")
    return World(rank, size, local, beside)


def join(world: World, device: torch.device | str | None = None) -> torch.device:
    """Meet the other ranks; gives this one's device: its own GPU (through nccl), or the CPU (through gloo).

    Raises:
        ValueError: there are more ranks here than GPUs.
    """
    kind = torch.device(device).type if device is not None else "cuda" if torch.cuda.is_available() else "cpu"
    if kind not in ("cpu", "cuda"):
        raise ValueError(f"device is {kind!r}; several processes train on cpu or cuda")
    mine = torch.device(kind)
    if kind == "cuda":
        there = torch.cuda.device_count()
        if world.local_size > there:
            less = f"give torchrun --nproc-per-node {there}, or " if there else "give "
            raise ValueError(
                f"{world.local_size} processes were started here, and torch sees {there} GPUs; {less}--device cpu"
            )
        mine = torch.device("cuda", world.local_rank)
        torch.cuda.set_device(mine)
    given: dict[str, Any] = {"rank": world.rank, "world_size": world.size, "timeout": PATIENCE}
    if kind == "cpu":
        distributed.init_process_group("gloo", **given)
    else:  # told its device, nccl meets here and not in the first step, and never guesses whose GPU is whose
        distributed.init_process_group("cpu:gloo,cuda:nccl", device_id=mine, **given)
    return mine


def leave() -> None:
    """Wait until all are done, and part; for the end of what went well."""
    if distributed.is_initialized():
        distributed.barrier(group=distributed.new_group(backend="gloo", timeout=PATIENCE))
        distributed.destroy_process_group()


def lost(error: BaseException) -> bool:
    """Whether ``error`` says that another rank has ended or no longer answers."""
    return isinstance(error, distributed.DistError) or (
        isinstance(error, RuntimeError) and bool(_LOST.search(str(error)))
    )


class Ranks:
    """What ranks tell each other besides gradients: a few numbers, through gloo, whatever the device.

    Raises:
        ValueError: this process has not met others (see `join`).
    """

    def __init__(self) -> None:
        if not distributed.is_initialized():
            raise ValueError("no other processes are known here; call parallel.join first, in what torchrun starts")
        self.rank, self.world_size = distributed.get_rank(), distributed.get_world_size()
        self.writes = self.rank == 0
        self.group: Any = distributed.new_group(backend="gloo", timeout=PATIENCE)
        self._patient: Any = distributed.new_group(backend="gloo", timeout=WAITING)

    def mean(self, numbers: list[float]) -> list[float]:
        """Summed in float64, so that counts of tokens stay whole."""
        total = torch.tensor(numbers, dtype=torch.float64)
        distributed.all_reduce(total, group=self.group)
        return [number / self.world_size for number in total.tolist()]

    def any(self, flag: bool) -> bool:
        return self.mean([float(flag)])[0] > 0

    def gather(self, mine: T) -> list[T]:
        """One of each rank, on all; through pickle, between processes of one run."""
        every: list[Any] = [None] * self.world_size
        distributed.all_gather_object(every, mine, group=self.group)
        return every

    @contextmanager
    def first(self) -> Iterator[None]:
        """The first rank goes through the block before the others do, who wait for as long as that takes."""
        if not self.writes:
            self.wait()
        yield
        if self.writes:
            self.wait()

    def wait(self) -> None:
        """Until all ranks are here, however long that takes."""
        distributed.barrier(group=self._patient)

    def share(self, batches: Iterable[Any], most: int | None) -> Iterator[tuple[Any, bool]]:
        """In turns; where the last turn is not whole, those without a batch get one that does not count."""
        turn: list[Any] = []
        for batch in islice(batches, most):
            turn.append(batch)
            if len(turn) == self.world_size:
                yield turn[self.rank], True
                turn = []
        if turn:
            counts = self.rank < len(turn)
            yield turn[self.rank if counts else 0], counts


class DataParallel(Ranks):
    """Every rank has the whole model; gradients meet while the backward pass goes on."""

    def place(self, model: Decoder, device: torch.device) -> Decoder:
        return ALONE.place(model, device)

    def prepare(self, module: nn.Module) -> nn.Module:
        device = next(module.parameters()).device
        if not any(parameter.requires_grad for parameter in module.parameters()):
            return module  # `optimizers.make` says so
        # Gradients lie in what is sent: a second copy of them would be 4 bytes a parameter.
        ids = [device] if device.type == "cuda" else None
        return DistributedDataParallel(module, device_ids=ids, gradient_as_bucket_view=True)

    def micro(self, module: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """Gradients of all but the last micro-batch stay on their rank, to be summed there."""
        wait: Callable[[], AbstractContextManager[Any]] = module.no_sync  # type: ignore[assignment]
        return nullcontext() if last else wait()

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float:
        """Gradients are the same on every rank, and so is their norm."""
        return ALONE.clip(parameters, max_norm)

    def whole(self, model: Decoder) -> AbstractContextManager[Decoder | None]:
        return ALONE.whole(model)

    def save(
        self,
        folder: Path,
        model: nn.Module,
        optimizers: list[optim.Named],
        own: dict[str, Tensor],
        *,
        eos: int | None = None,
    ) -> Any:
        """The files of one process, with the random states of all ranks."""
        every = {name: value for of_one in self.gather(own) for name, value in of_one.items()}
        return ALONE.save(folder, model, optimizers, every, eos=eos) if self.writes else {}

    def load(self, folder: Path, model: nn.Module, optimizers: list[optim.Named], numbers: Any) -> dict[str, Tensor]:
        return ALONE.load(folder, model, optimizers, numbers)
