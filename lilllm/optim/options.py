"""What the options of a rule may be: ``lr``, ``betas``, ``momentum`` and the like, by name.

An option means the same in every rule, so that one table says what is allowed; Adafactor alone has an ``eps`` of two.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

Allowed = dict[str, tuple[Callable[[Any], bool], str]]

LEFT_OUT = {  # what changes torch's result and is not here
    "maximize": "minimise the negative of the loss",
    "amsgrad": "use torch's own Adam for it",
    "dampening": "use torch's own SGD for it",
    "differentiable": "use torch's own optimizers for it",
}


def check_option(who: str, name: str, value: Any, allowed: Allowed | None = None) -> None:
    """Raise ValueError unless ``value`` is allowed for the option ``name``; options of other names pass.

    A group may hold what is no option of ours: a name for it, or what a torch scheduler keeps there.

    >>> check_option("SGD", "lr", "0.1")
    Traceback (most recent call last):
    ValueError: SGD: lr must be a finite number >= 0, got '0.1' (a str)
    """
    if name in LEFT_OUT and value:
        raise ValueError(f"{who} has no {name}, got {value!r}; {LEFT_OUT[name]}")
    test, words = (ALLOWED if allowed is None else allowed).get(name, (None, ""))
    if test is not None and not test(value):
        kind = "" if _number(value) else f" (a {type(value).__name__})"
        raise ValueError(f"{who}: {name} must be {words}, got {value!r}{kind}")


def _number(x: Any) -> bool:
    return isinstance(x, Real) and not isinstance(x, bool)


def _not_negative(x: Any) -> bool:
    return _number(x) and 0.0 <= x < math.inf


def _fraction(x: Any) -> bool:
    return _number(x) and 0.0 <= x < 1.0


def _pair(x: Any) -> bool:
    return isinstance(x, tuple | list) and len(x) == 2


def _two_floors(x: Any) -> bool:
    return _pair(x) and (x[0] is None or _not_negative(x[0])) and _not_negative(x[1])


def _count(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and x >= 1


def _switch(x: Any) -> bool:
    return isinstance(x, bool)


_SIZE = (_not_negative, "a finite number >= 0")
_PART = (_fraction, "a number in [0, 1)")
_WHOLE = (_count, "a whole number >= 1")
_ON = (_switch, "True or False")
TWO_FLOORS = (_two_floors, "two numbers >= 0, of which the first may be None")
ALLOWED: Allowed = {
    **dict.fromkeys(("lr", "weight_decay", "eps", "lr_decay", "initial_accumulator_value"), _SIZE),
    **dict.fromkeys(("momentum", "rho", "alpha"), _PART),
    **dict.fromkeys(("every", "max_size", "ns_steps"), _WHOLE),
    **dict.fromkeys(("nesterov", "centered", "match_rms_adamw"), _ON),
    "foreach": (lambda x: x is None or _switch(x), "True, False or None (the default)"),
    "betas": (
        lambda x: _pair(x) and all(map(_fraction, x)),
        "two numbers in [0, 1)",
    ),
    "beta2_decay": (lambda x: _number(x) and -math.inf < x <= 0, "a number <= 0"),
    "d": (lambda x: _number(x) and 1 <= x < math.inf, "a number >= 1"),
}
