"""Open what other tools recorded: the JSON of CS336's ``execute.py``, of edtrace and of Python Tutor.

    import_trace(data)      which of them it is, and the trace in our format, checked
    import_file(path)       the same of a file, with the pictures beside it
    folder(path)            pictures beside the file, for ``beside=``
    save(trace, path)       writes it; ``pack(trace)`` gives the bytes

Read in order: untrusted_json (the door), build (steps -> trace), edtrace (with edtrace_values, tensors, renderings,
pictures), python_tutor. Limits stand in limits.

Left out: traces of Python Tutor's other languages show their objects as text.
"""

from __future__ import annotations

from pathlib import Path

from lilllm.tracing.importers.edtrace import import_edtrace
from lilllm.tracing.importers.pack import pack, save
from lilllm.tracing.importers.pictures import Beside, folder
from lilllm.tracing.importers.python_tutor import import_python_tutor
from lilllm.tracing.importers.untrusted_json import MAX_BYTES, parse
from lilllm.tracing.reader import Trace, TraceError

__all__ = ["Beside", "folder", "import_file", "import_trace", "pack", "save"]


def import_file(path: Path, *, name: str = "") -> Trace:
    """``import_trace`` of a file, with the pictures that lie beside it; named after the file unless told otherwise.

    Raises:
        TraceError: as ``import_trace``; a file that is too large is not read.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise TraceError(f"{size:,} bytes of JSON; at most {MAX_BYTES:,} are opened")
    return import_trace(path.read_bytes(), name=name or path.stem, beside=folder(path.parent))


def import_trace(data: bytes, *, name: str = "", beside: Beside | None = None) -> Trace:
    """The trace in ``data``, in our format; which tool wrote it is seen from its fields.

    Args:
        data: the bytes of the JSON file.
        name: the title; without one, the name of the main file.
        beside: given a relative path, the bytes of that file or None: pictures and videos are embedded if found, and
            named if not. Never asked for a path that leads out of its folder.
    Raises:
        TraceError: the bytes are not such a file, or more than is opened. No other exception, whatever the bytes.
    """
    if data[:2] == b"\x1f\x8b":
        raise TraceError("a gzip file, perhaps a trace of lilllm already; the importer reads JSON")
    try:
        document = parse(data)
        if isinstance(document, dict) and "steps" in document and "files" in document:
            return import_edtrace(document, name=name, beside=beside)
        if isinstance(document, dict) and "trace" in document and "code" in document:
            return import_python_tutor(document, name=name)
    except RecursionError:
        raise TraceError("the JSON is nested too deeply") from None
    raise TraceError(
        "JSON, but of none of the tools whose traces are imported: edtrace or CS336 (`files` and `steps`), "
        "Python Tutor (`code` and `trace`)"
    )
