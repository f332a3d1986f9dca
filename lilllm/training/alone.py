"""What a run asks of the processes that train together, and the answers of one process that trains alone.

The loop is written once. Whatever several processes do otherwise (wrap the model, sum gradients, agree on stopping,
share a checkpoint) it asks of an object with these methods; for several processes see `lilllm.training.parallel`.

Read in order: Parallel (the questions), Alone (one process).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lilllm.models import Decoder, export, from_pretrained
from lilllm.training import optimizers as optim
from lilllm.training import sharded_files
from lilllm.training.checkpoint import CheckpointError

STATE = "trainer.safetensors"


class Parallel(Protocol):
    """``rank`` of ``world_size`` processes; ``writes``: this one writes metrics, checkpoints and the bar."""

    rank: int
    world_size: int
    writes: bool

    def place(self, model: Decoder, device: torch.device) -> Decoder:
        """The model with this rank's weights on ``device``; first of all.

        Raises:
            ValueError: the model has no numbers (it is on the meta device), and this gives it none.
        """
        ...

    def prepare(self, module: nn.Module) -> nn.Module:
        """The module whose forward gives this rank's loss, ready to be trained together; before optimizers exist."""
        ...

    def micro(self, module: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """Around forward and backward of one micro-batch: gradients need to meet at the last only."""
        ...

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float:
        """Clip the gradient of all weights, wherever they lie; its norm before.

        Raises:
            FloatingPointError: the norm is not finite (on every rank alike).
        """
        ...

    def mean(self, numbers: list[float]) -> list[float]:
        """Each number's mean over ranks."""
        ...

    def any(self, flag: bool) -> bool:
        """Whether it is so on any rank."""
        ...

    def whole(self, model: Decoder) -> AbstractContextManager[Decoder | None]:
        """A model that this rank can call by itself, on the rank that writes; others may get None, and wait."""
        ...

    def first(self) -> AbstractContextManager[None]:
        """Around what one rank makes and the others then find made."""
        ...

    def share(self, batches: Iterable[Any], most: int | None) -> Iterator[tuple[Any, bool]]:
        """This rank's part of the first ``most`` batches, as (batch, whether it counts); as many on every rank."""
        ...

    def save(
        self,
        folder: Path,
        model: nn.Module,
        optimizers: list[optim.Named],
        own: dict[str, Tensor],
        *,
        eos: int | None = None,
    ) -> Any:
        """Write model, optimizers and this rank's own tensors (random states); plain numbers go back, for JSON."""
        ...

    def load(self, folder: Path, model: nn.Module, optimizers: list[optim.Named], numbers: Any) -> dict[str, Tensor]:
        """Read them back in place; gives this rank's own tensors.

        Raises:
            CheckpointError: they are damaged, or of another model or optimizer.
        """
        ...


class Alone:
    """One process."""

    rank = 0
    world_size = 1
    writes = True

    def place(self, model: Decoder, device: torch.device) -> Decoder:
        if next(model.parameters()).is_meta:
            raise ValueError("the model is on the meta device and has no numbers; FSDP alone fills such a one")
        return model.to(device)

    def prepare(self, module: nn.Module) -> nn.Module:
        return module

    def micro(self, module: nn.Module, last: bool) -> AbstractContextManager[Any]:
        return nullcontext()

    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float:
        from lilllm.optim import clip_by_norm

        return clip_by_norm(parameters, max_norm)

    def mean(self, numbers: list[float]) -> list[float]:
        return numbers

    def any(self, flag: bool) -> bool:
        return flag

    def whole(self, model: Decoder) -> AbstractContextManager[Decoder | None]:
        return nullcontext(model)

    def first(self) -> AbstractContextManager[None]:
        return nullcontext()

    def share(self, batches: Iterable[Any], most: int | None) -> Iterator[tuple[Any, bool]]:
        return ((batch, True) for batch in islice(batches, most))

    def save(
        self,
        folder: Path,
        model: nn.Module,
        optimizers: list[optim.Named],
        own: dict[str, Tensor],
        *,
        eos: int | None = None,
    ) -> Any:
        assert isinstance(model, Decoder)
        export(model, folder, eos_token_id=eos)
        tensors, numbers = optim.state(optimizers)
        tensors = {f"optimizer/{name}": value for name, value in tensors.items()}
        tensors |= {f"own/{name}": value for name, value in own.items()}
        try:
            save_file({name: value.cpu().contiguous() for name, value in tensors.items()}, folder / STATE)
        except SafetensorError as error:
            raise OSError(f"{folder / STATE} could not be written ({error})") from None
        return numbers

    def load(self, folder: Path, model: nn.Module, optimizers: list[optim.Named], numbers: Any) -> dict[str, Tensor]:
        sharded = (folder / sharded_files.FOLDER).is_dir()  # by ranks that had a part of it each
        try:
            stored = from_pretrained(folder, device="cpu", progress=False)
            tensors = sharded_files.read(folder, model, optimizers) if sharded else load_file(folder / STATE)
        except (SafetensorError, ValueError, FileNotFoundError) as error:
            raise CheckpointError(f"{folder} cannot be read: {error}") from None
        take_over(model, stored, folder)
        kept = {name.removeprefix("optimizer/"): value for name, value in tensors.items() if name[:4] != "own/"}
        try:
            optim.load(optimizers, kept, numbers)
        except ValueError as error:
            raise CheckpointError(f"{folder} is of another run: {error}") from None
        return {name.removeprefix("own/"): value for name, value in tensors.items() if name[:4] == "own/"}


def take_over(model: nn.Module, stored: nn.Module, folder: Path) -> None:
    """The numbers of ``stored`` into ``model``, whose tensors stay where they are."""
    new = dict(stored.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name not in new or new[name].shape != parameter.shape:
                raise CheckpointError(f"{folder} holds another model: {name} is missing there, or of another shape")
            parameter.copy_(new[name])


ALONE = Alone()
