"""A teaching engine for gradients: single numbers first, then arrays on NumPy.

Read in order: scalar (Value), order (the walk), array (Array), functions (softmax, cross-entropy, layer norm), check
(difference quotients). It is for understanding; models here use torch, which these are tested against.
"""

from lilllm.autograd.array import Array, unbroadcast
from lilllm.autograd.check import gradient_error, numeric_gradient
from lilllm.autograd.functions import cross_entropy, layer_norm, log_softmax, softmax
from lilllm.autograd.scalar import Value

__all__ = [
    "Array",
    "Value",
    "cross_entropy",
    "gradient_error",
    "layer_norm",
    "log_softmax",
    "numeric_gradient",
    "softmax",
    "unbroadcast",
]
