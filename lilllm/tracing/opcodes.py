"""How a frame ends, which a ``return`` event does not say: by its last instruction.

A trace function gets ``return`` with None for a return of None, for a yield of None and for an exception on its way
out. The instruction at ``f_lasti`` tells them apart, except where an exception is thrown into a suspended generator:
the caller remembers where the last one came. From 3.13 on a yield is seen at the ``RESUME`` after it.
"""

from __future__ import annotations

import opcode
from functools import lru_cache
from types import CodeType, FrameType

_YIELDS = frozenset({"YIELD_VALUE", "RESUME"})
_RETURNS = _YIELDS | {"RETURN_VALUE", "RETURN_CONST", "RETURN_GENERATOR"}
_ITERATES = frozenset({"FOR_ITER", "END_FOR", "POP_ITER", "SEND", "END_SEND", "END_ASYNC_FOR", "CLEANUP_THROW"})


@lru_cache(maxsize=1024)
def _bytecode(code: CodeType) -> bytes:
    return code.co_code


def _at(frame: FrameType) -> str:
    return opcode.opname[_bytecode(frame.f_code)[frame.f_lasti]]


def ends_by_exception(frame: FrameType) -> bool:
    return _at(frame) not in _RETURNS


def ends_by_yield(frame: FrameType) -> bool:
    return _at(frame) in _YIELDS


def is_end_of_iteration(frame: FrameType) -> bool:
    """Whether a StopIteration is how a ``for`` or an ``await`` ends, rather than an error."""
    return _at(frame) in _ITERATES
