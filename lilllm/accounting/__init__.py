"""What a transformer costs: parameters, FLOPs, bytes and time, in closed form and measured.

Read in order: shape (the few numbers that decide everything, and presets), params, flops, memory (training state,
activations, KV cache, ZeRO), gpus (what accelerators are said to do), roofline (what this machine does, and MFU), plan
(what fits, and how many days training takes), count (any piece of code as it runs), formats (what the bits of a float
mean).

Counts are exact integers. GB is 10^9 bytes, GiB 2^30. One multiplication and one addition are two FLOPs.
Left out: mixtures of experts, tensor, pipeline and sequence parallelism, communication.
"""

from lilllm.accounting.count import Work, count
from lilllm.accounting.shape import PRESETS, Shape, preset

__all__ = ["PRESETS", "Shape", "Work", "count", "preset"]
