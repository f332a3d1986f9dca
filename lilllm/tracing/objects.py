"""Reading an object without running its own code: attributes, messages of exceptions, large integers.

Read in order:  attributes, is_library, message, integer
"""

from __future__ import annotations

import contextlib
import io
import sys
import types
from typing import Any

LONG_INT = 1024  # bits
# The ways of telling an exception that are Python's own, and so run none of the program's code.
_TELLERS = (BaseException, KeyError, OSError, SyntaxError, ImportError, UnicodeDecodeError, UnicodeEncodeError)
_SAFE_STR = tuple(teller.__str__ for teller in _TELLERS)


def attributes(obj: Any) -> list[tuple[str, Any]]:
    """Names and values of ``__dict__`` and slots, read without the object's own code. An ``nn.Module``, finished or
    half-built, gives its parameters, buffers and modules."""
    fields: dict[str, Any] = {}
    with contextlib.suppress(AttributeError):
        fields.update(object.__getattribute__(obj, "__dict__"))
    for base in type(obj).__mro__:
        for name, member in base.__dict__.items():
            if isinstance(member, types.MemberDescriptorType) and name not in fields and base.__module__ != "builtins":
                try:
                    fields[name] = member.__get__(obj)
                except AttributeError:
                    continue
    torch = sys.modules.get("torch")
    module = getattr(getattr(torch, "nn", None), "Module", None)
    if isinstance(module, type) and isinstance(obj, module):
        inside = [fields.get(part) or {} for part in ("_parameters", "_buffers", "_modules")]
        own = {name: value for name, value in fields.items() if not name.startswith("_") and name != "training"}
        fields = {**inside[0], **inside[1], **inside[2], **own}
    elif type(obj).__module__.startswith("torch."):
        fields = {name: value for name, value in fields.items() if not name.startswith("_") and name != "defaults"}
    return [(name, value) for name, value in fields.items() if isinstance(name, str) and not name.startswith("__")]


def is_library(kind: type) -> bool:
    """Whether instances are shown by their class alone: the attributes of a figure or a file say nothing to a reader.

    Layers and optimizers of torch, plain records and the package that the course builds are looked into.
    """
    if issubclass(kind, io.IOBase):
        return True
    if hasattr(kind, "__dataclass_fields__") or kind is types.SimpleNamespace:
        return False
    package = kind.__module__.partition(".")[0]
    if package == __name__.partition(".")[0] or kind.__module__.startswith(("torch.nn", "torch.optim")):
        return False
    if package in sys.stdlib_module_names:
        return package != "__main__"
    file = getattr(sys.modules.get(package), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file


def integer(obj: int) -> str:
    bits = obj.bit_length()
    if bits <= LONG_INT:
        return int.__repr__(obj)
    sign = "-" if obj < 0 else ""
    return f"{sign}0x{abs(obj) >> (bits - 64):x}... ({bits:,} bits)"


def message(error: BaseException | None) -> str:
    """What ``str(error)`` says for built-in exceptions; of one with its own ``__str__`` only plain arguments."""
    if error is None:
        return ""
    if type(error).__str__ in _SAFE_STR:
        arguments = error.args
        if all(type(item) in (str, int, float, bool, type(None), bytes) for item in arguments):
            return str(error)
    return ", ".join(
        item if type(item) is str else repr(item) for item in error.args if type(item) in (str, int, float)
    )
