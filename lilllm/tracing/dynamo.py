"""Keeping torch.compile out of the recorder, where torch has a way to ask for it.

Older ones have ``skip_code``. Of 2.13 we know none that works under a trace function: a recorded cell that compiles may
show Dynamo's warnings about this package.
"""

from __future__ import annotations

import sys
from types import FunctionType


def keep_dynamo_out(*kinds: type) -> None:
    """Tell torch.compile, where it is loaded, not to compile the methods of these classes."""
    skip = getattr(sys.modules.get("torch._C._dynamo.eval_frame"), "skip_code", None)
    if skip is not None:
        for kind in kinds:
            for member in vars(kind).values():
                if isinstance(member, FunctionType):
                    skip(member.__code__)
