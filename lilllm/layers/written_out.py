"""Where a gradient that is written out here stands in for autograd's.

RMSNorm, RoPE and SwiGLU have such: autograd.Functions that keep less and take less time. All are the plain formula to
whoever needs to see inside.

Read in order:  serves
"""

from __future__ import annotations

import torch


def serves() -> bool:
    """False under a compiler, which does the same by itself, and under torch.func, whose transforms (grad, vmap, jvp)
    go into plain operations only.

    >>> serves(), torch.func.vmap(lambda x: x + serves())(torch.zeros(1))
    (True, tensor([0.]))
    """
    return not (torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active())
