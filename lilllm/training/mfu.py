"""The share of a device's peak that a run's model FLOPs reach (see `lilllm.accounting.roofline.mfu`).

Read in order: Mfu, PEAKS, gpu_peak (from the name that CUDA gives a GPU to its peak).
"""

from __future__ import annotations

import re

import torch

from lilllm.accounting.flops import per_token
from lilllm.accounting.roofline import mfu
from lilllm.models import ModelConfig


class Mfu:
    """MFU of tokens a second, or None where the peak or the model's FLOPs are not known.

    ``peak``: FLOP/s of one device. None: of a GPU what its maker says; of a CPU nothing is said.
    """

    def __init__(
        self, config: ModelConfig, context_len: int, device: torch.device, peak: float | None, world_size: int
    ) -> None:
        self.peak = peak_of(device) if peak is None else peak
        self._world_size = world_size
        try:
            self.flops_per_token: float | None = per_token(config.shape(), seq=context_len)
        except ValueError:  # a model that the closed forms do not know
            self.flops_per_token = None

    def __call__(self, tokens_per_second: float) -> float | None:
        if self.peak is None or self.flops_per_token is None:
            return None
        return mfu(self.flops_per_token, tokens_per_second, peak=self.peak * self._world_size)


# Dense TFLOP/s in bf16 with fp32 sums (fp16 where a chip has no bf16); the first counts whose words are all in a GPU's
# name. NVIDIA's data sheets, half of what they print "with sparsity"; white papers of Hopper (H100 SXM), Ada (RTX
# 4090) and Ampere GA102 (RTX 3090), which give twice as much with fp16 sums. One chip is sold as several.
PEAKS: tuple[tuple[str, float], ...] = (
    ("h100 pcie", 756.5),
    ("h100 nvl", 835.5),
    ("h200 nvl", 835.5),
    ("h100", 989.4),
    ("h200", 989.4),
    ("gh200", 989.4),
    ("a100", 312),
    ("l40s", 362),
    ("l4", 121),
    ("a10", 125),
    ("rtx 4090", 165.2),
    ("rtx 3090", 71),
    ("v100 pcie", 112),
    ("v100", 125),
    ("t4", 65),
)
LESS = {"mig", "laptop", "d", "q"}  # words of a part of a GPU, or of a slower one of the same name


def peak_of(device: torch.device) -> float | None:
    """FLOP/s of a GPU, in bf16 whatever the run's precision; None of one that is not known."""
    return gpu_peak(torch.cuda.get_device_name(device)) if device.type == "cuda" else None


def gpu_peak(name: str) -> float | None:
    """By the name that CUDA gives a GPU.

    >>> gpu_peak("NVIDIA H100 80GB HBM3"), gpu_peak("NVIDIA H100 PCIe"), gpu_peak("NVIDIA GeForce GTX 970")
    (989400000000000.0, 756500000000000.0, None)
    """
    words = set(re.findall(r"[a-z0-9]+", name.lower()))
    if words & LESS:
        return None
    return next((tera * 1e12 for known, tera in PEAKS if set(known.split()) <= words), None)
