"""A teaching engine for gradients: single numbers first, then arrays on NumPy.

Read in order: scalar (Value), order (which comes before which), numbers (broadcasting and its gradient), array (Array),
matmul, walk (back through the graph), functions (softmax, cross-entropy), norm (layer norm, batch norm), check
(difference quotients), init (weights to begin with), live (memory counted), checkpoint (memory saved). finite tells
where a NaN came from. It is for understanding; models here use torch, which these are tested against.
"""

from lilllm.autograd.array import Array
from lilllm.autograd.check import gradient_error, numeric_gradient
from lilllm.autograd.checkpoint import chain, checkpoint
from lilllm.autograd.functions import cross_entropy, log_softmax, softmax
from lilllm.autograd.init import he_normal, he_uniform, xavier_normal, xavier_uniform
from lilllm.autograd.live import LiveBytes
from lilllm.autograd.norm import BatchNorm, batch_norm, layer_norm
from lilllm.autograd.numbers import unbroadcast
from lilllm.autograd.order import topological
from lilllm.autograd.scalar import Value

__all__ = [
    "Array",
    "BatchNorm",
    "LiveBytes",
    "Value",
    "batch_norm",
    "chain",
    "checkpoint",
    "cross_entropy",
    "gradient_error",
    "he_normal",
    "he_uniform",
    "layer_norm",
    "log_softmax",
    "numeric_gradient",
    "softmax",
    "topological",
    "unbroadcast",
    "xavier_normal",
    "xavier_uniform",
]
