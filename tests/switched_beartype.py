"""The type checker that the tests switch on for the package, and off where bad input is the point.

jaxtyping's import hook decorates every function of a module that annotates shapes with ``checked``. With a wrong type
beartype would speak before a function's own ``ValueError``, so tests of bad input run with ``ENABLED`` false: same
modules, same run.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from beartype import beartype

ENABLED: ContextVar[bool] = ContextVar("ENABLED", default=True)


def checked(function: Callable[..., Any]) -> Callable[..., Any]:
    """``function`` under beartype while ``ENABLED``, and as it is otherwise."""
    strict = beartype(function)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return (strict if ENABLED.get() else function)(*args, **kwargs)

    return call
