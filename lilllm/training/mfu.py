"""The share of a device's peak that a run's model FLOPs reach (see `lilllm.accounting.roofline.mfu`)."""

from __future__ import annotations

import re

import torch

from lilllm.accounting.flops import per_token
from lilllm.accounting.gpus import GPUS
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


def peak_of(device: torch.device) -> float | None:
    """FLOP/s in bf16 of a GPU that `lilllm.accounting.gpus` knows."""
    return gpu_peak(torch.cuda.get_device_name(device)) if device.type == "cuda" else None


def gpu_peak(name: str) -> float | None:
    """By the name that CUDA gives a GPU.

    >>> gpu_peak("NVIDIA H100 80GB HBM3"), gpu_peak("NVIDIA GeForce GTX 970")
    (989400000000000.0, None)
    """
    words = re.sub(r"[^a-z0-9]", "", name.lower())
    return next((gpu.flops for known, gpu in GPUS.items() if known.split("-")[0] in words), None)
