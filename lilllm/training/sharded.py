"""A model that is nowhere whole: each rank keeps a part of every weight, of its gradient and of the optimizer's state.

    before a block runs, its weights are gathered from all ranks; after it they are let go again
    gradients are summed over ranks, and each rank keeps its part

This is torch's FSDP2 (`torch.distributed.fsdp.fully_shard`), block by block, and the rest of the model as one. With R
ranks each holds 1/R of 16 bytes a parameter (AdamW, float32), and all of one block at a time.

Read in order:  FullyShard: place (the model in parts), clip (a norm over all parts), whole (one copy, for a sample),
                save and load (`sharded_files`); _fill (weights that begin on the meta device)
Numerics:       weights, gradients' sums and optimizers in float32; under bf16 what is gathered is bfloat16, half the
                traffic, and so is the stream between blocks, which under autocast alone is float32
Leaves out:     sharding within a node only, tensor parallelism, gradients kept whole over micro-batches
Source:         Rajbhandari et al. 2019, arXiv:1910.02054 (ZeRO, stage 3); Zhao et al. 2023, arXiv:2304.11277 (FSDP)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from lilllm.models import Decoder
from lilllm.models.init import draw
from lilllm.training import optimizers as optim
from lilllm.training import sharded_files
from lilllm.training.alone import ALONE
from lilllm.training.checkpoint import CheckpointError
from lilllm.training.parallel import Ranks


class FullyShard(Ranks):
    """Every rank has a part of the model.

    Args:
        precision: of the run; with "bf16" weights are gathered as such.
        seed: of weights, for a model that comes without any: made on the meta device, so that no rank ever has to hold
            all of it. Each draws what one process would, a parameter at a time, and keeps its part.
    Raises:
        ValueError: this process has not met others (see `parallel.join`); "fp16", whose range sums of gradients leave.
    """

    def __init__(self, *, precision: str = "fp32", seed: int = 0) -> None:
        super().__init__()
        try:
            from torch.distributed.checkpoint import HuggingFaceStorageWriter  # noqa: F401
            from torch.distributed.fsdp import fully_shard  # noqa: F401
        except ImportError:
            raise ValueError(f"torch {torch.__version__} is too old for FSDP here; install a newer one") from None
        if precision == "fp16":
            raise ValueError("precision fp16 and FSDP do not go together here; give bf16, whose loss needs no scale")
        self._precision, self._seed = precision, seed

    def place(self, model: Decoder, device: torch.device) -> Decoder:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method

        without = next(model.parameters()).is_meta
        if not without:
            model = ALONE.place(model, device)
            for parameter in model.parameters():  # ranks may have drawn what they like: the first one's count
                distributed.broadcast(parameter.data, 0)
        low = torch.bfloat16 if self._precision == "bf16" else None
        given: dict[str, Any] = {
            "mesh": init_device_mesh(device.type, (self.world_size,)),
            # What goes into a block stays as it is: angles of positions must not be rounded.
            "mp_policy": MixedPrecisionPolicy(
                param_dtype=low, reduce_dtype=torch.float32 if low else None, cast_forward_inputs=False
            ),
        }
        for block in model.blocks:
            fully_shard(block, **given)
        # Resharded after the forward pass too: after an evaluation there is no backward pass that would do it.
        fully_shard(model, reshard_after_forward=True, **given)
        register_fsdp_forward_method(model, "loss")
        if without:
            model.to_empty(device=device)
            _fill(model, self._seed)
        return model

    def prepare(self, module: nn.Module) -> nn.Module:
        return module

    def micro(self, module: nn.Module, last: bool) -> AbstractContextManager[Any]:
        """Gradients meet at every micro-batch: to wait for the last, a rank would have to hold all of them."""
        return nullcontext()

    @torch.no_grad()
    def clip(self, parameters: Iterable[nn.Parameter], max_norm: float) -> float:
        grads = [p.grad for p in parameters if p.grad is not None]
        if not grads:
            raise ValueError("no parameter has a gradient; call backward() first")
        mine = torch.stack([_local(grad).float().norm() for grad in grads]).norm().item()
        total = math.sqrt(self.world_size * self.mean([mine * mine])[0])
        if not math.isfinite(total):
            raise FloatingPointError(f"the gradient's norm is {total}; look at the loss of this batch first")
        scale = max_norm / (total + 1e-6)  # as `lilllm.optim.clip_by_norm`
        if scale < 1:
            for grad in grads:
                _local(grad).mul_(scale)
        return total

    @contextmanager
    def whole(self, model: Decoder) -> Iterator[Decoder | None]:
        """A copy of all of it on the first rank's CPU, while the others wait; they get none."""
        yield self._gathered(model)
        self.wait()

    def save(
        self,
        folder: Path,
        model: nn.Module,
        optimizers: list[optim.Named],
        own: dict[str, Tensor],
        *,
        eos: int | None = None,
    ) -> Any:
        """Parts of all ranks under ``sharded``; and the weights as one file, as one process would write them."""
        from lilllm.models import export

        assert isinstance(model, Decoder)
        copy = self._gathered(model)
        failed: OSError | None = None
        try:
            if copy is not None:
                export(copy, folder, eos_token_id=eos)
        except OSError as error:  # told to the others, who would wait in what comes next
            failed = error
        if self.any(failed is not None):
            raise failed or OSError("the first rank could not write the weights")
        tensors, numbers = optim.state(optimizers)
        every = {f"optimizer/{name}": value for name, value in tensors.items()}
        every |= {f"own/{name}": value for name, value in own.items()}
        every |= {f"model/{name}": value.detach() for name, value in model.named_parameters()}
        sharded_files.write(folder, every, self.group)
        return numbers

    def load(self, folder: Path, model: nn.Module, optimizers: list[optim.Named], numbers: Any) -> dict[str, Tensor]:
        """Of as many ranks as it may have been written by; also what one process wrote."""
        parts = (folder / sharded_files.FOLDER).is_dir()
        found = sharded_files.read(folder, model, optimizers, group=self.group)
        if not parts:
            self._from_whole(folder, model)
        kept = {name.removeprefix("optimizer/"): found[name] for name in found if name.startswith("optimizer/")}
        try:
            optim.load(optimizers, kept, numbers)
        except ValueError as error:
            raise CheckpointError(f"{folder} is of another run: {error}") from None
        return {name.removeprefix("own/"): value for name, value in found.items() if name.startswith("own/")}

    def _gathered(self, model: nn.Module) -> Decoder | None:
        """The whole model on the CPU of the first rank, gathered parameter by parameter; None elsewhere."""
        assert isinstance(model, Decoder)
        every = {}
        for name, parameter in model.named_parameters():
            full = parameter.detach().full_tensor()  # type: ignore[attr-defined]
            if self.writes:
                every[name] = full.cpu()
        if not self.writes:
            return None
        copy = Decoder(model.config, device="meta")
        copy.load_state_dict(every, assign=True)
        return copy.eval()

    def _from_whole(self, folder: Path, model: nn.Module) -> None:
        from lilllm.models import from_pretrained

        try:
            stored = dict(from_pretrained(folder, device="cpu", progress=False).named_parameters())
        except (ValueError, FileNotFoundError) as error:
            raise CheckpointError(f"{folder} cannot be read: {error}") from None
        for name, parameter in model.named_parameters():
            if name not in stored or stored[name].shape != parameter.shape:
                raise CheckpointError(f"{folder} holds another model: {name} is missing there, or of another shape")
            _put(parameter, stored[name].detach())


@torch.no_grad()
def _fill(model: Decoder, seed: int) -> None:
    """Each rank's part of the weights that one process draws on the CPU from ``seed``."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        whole = torch.empty(parameter.shape, dtype=parameter.dtype)
        draw(name, whole, model.config, generator=generator)
        _put(parameter, whole)


@torch.no_grad()
def _put(parameter: Any, whole: Tensor) -> None:
    """This rank's part of ``whole``, which every rank has, into a parameter; nothing is sent."""
    from torch.distributed.tensor import distribute_tensor

    whole = whole.to(parameter.device, parameter.dtype)
    part = distribute_tensor(whole, parameter.device_mesh, parameter.placements, src_data_rank=None)
    parameter.to_local().copy_(part.to_local())


def _local(tensor: Any) -> Tensor:
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor
