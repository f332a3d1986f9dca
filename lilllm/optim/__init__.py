"""Optimizers, schedules and clipping, each equal to torch's where torch has one.

Read in order: base (what they share), options (what may be asked of them), descent (SGD, momentum), adaptive (Adagrad,
RMSProp, Adadelta), adam (Adam, AdamW), matrix (Adafactor, Shampoo, Muon), schedules, clip.
"""

from lilllm.optim.adam import Adam, AdamW
from lilllm.optim.adaptive import Adadelta, Adagrad, RMSProp
from lilllm.optim.clip import clip_by_norm, clip_by_value
from lilllm.optim.descent import SGD
from lilllm.optim.matrix import Adafactor, Muon, Shampoo

__all__ = [
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Muon",
    "RMSProp",
    "Shampoo",
    "clip_by_norm",
    "clip_by_value",
]
