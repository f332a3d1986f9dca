"""What accelerators are said to do, by their makers: an upper bound that no program reaches.

FLOP/s are dense (makers like to print the figure for 2:4 sparsity, twice as large) in bf16 with fp32 sums, which fp16
has too; fp16 alone where a chip has no bf16. Those of fp32 are outside tensor cores, as torch computes unless TF32 is
asked for. Memory in GB as printed, taken as 10^9 bytes: a little below what the driver shows, which leaves
room for its context.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """``memory``: bytes; ``flops``: FLOP/s; ``fp32``: FLOP/s in it; ``bandwidth``: bytes/s of its memory; ``bf16``:
    whether it has it."""

    memory: float
    flops: float
    fp32: float
    bandwidth: float
    bf16: bool = True

    @property
    def ridge(self) -> float:
        """FLOPs a byte above which arithmetic, not memory, is the limit."""
        return self.flops / self.bandwidth

    def peak(self, precision: str) -> float:
        """FLOP/s in "fp32", "bf16" or "fp16".

        Raises:
            ValueError: bf16 on a chip that has none, or a precision that is none of these.
        """
        allowed = ("fp32", "bf16", "fp16") if self.bf16 else ("fp32", "fp16")
        if precision not in allowed:
            raise ValueError(
                f"the GPU has no {precision!r} that its maker gives FLOP/s of; give {' or '.join(allowed)}"
            )
        return self.fp32 if precision == "fp32" else self.flops


# NVIDIA's data sheets: V100 SXM2 (2020), A100 SXM (2021; the PCIe card of 80 GB has 1.935 TB/s), H200 SXM. White papers
# of the architectures: Hopper for the H100 SXM's 989.4 (its data sheet: 1,979 with sparsity); Ada, appendix A, for
# the RTX 4090 (165.2 with fp32 sums); Turing for the T4's 320 GB/s (its data sheet of 2019 prints 300). fp32: the same.
GPUS: Mapping[str, Gpu] = MappingProxyType(
    {
        "t4-16gb": Gpu(memory=16e9, flops=65e12, fp32=8.1e12, bandwidth=0.32e12, bf16=False),
        "v100-32gb": Gpu(memory=32e9, flops=125e12, fp32=15.7e12, bandwidth=0.9e12, bf16=False),
        "rtx4090-24gb": Gpu(memory=24e9, flops=165.2e12, fp32=82.6e12, bandwidth=1.008e12),
        "a100-40gb": Gpu(memory=40e9, flops=312e12, fp32=19.5e12, bandwidth=1.555e12),
        "a100-80gb": Gpu(memory=80e9, flops=312e12, fp32=19.5e12, bandwidth=2.039e12),
        "h100-80gb": Gpu(memory=80e9, flops=989.4e12, fp32=66.9e12, bandwidth=3.35e12),
        "h200-141gb": Gpu(memory=141e9, flops=989.4e12, fp32=66.9e12, bandwidth=4.8e12),
    }
)


def gpu(name: str) -> Gpu:
    """An accelerator by name.

    >>> round(gpu("h100-80gb").ridge)
    295
    """
    if name in GPUS:
        return GPUS[name]
    close = difflib.get_close_matches(name, GPUS, n=1, cutoff=0.4)
    hint = f"did you mean {close[0]!r}? " if close else ""
    raise ValueError(f"there is no GPU {name!r}; {hint}choose one of: {', '.join(GPUS)}")
