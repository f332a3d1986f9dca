"""The failure museum: short programs with a bug that people really make, beside the same program without it.

A case is three files in ``lectures/broken``: ``03_slug.py``, ``03_slug_fixed.py`` and ``03_slug.md``, which tells of it
(the programs do not, so that their traces give nothing away). Both programs end with ``healthy = ...``, a comparison
computed from the run: False in the one, True in the other. The build records both, so that they can be replayed, alone
or side by side.

    case = museum.case("03_gradients_added_up")
    case                    the symptom, and where to look
    case.run().values       what the broken program computed
    case.reveal()           the cause, and what the fixed one does instead

Read in order: Case, Run, read_case, read_cases.
"""

from __future__ import annotations

import contextlib
import difflib
import html
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lilllm.course.clone import find_clone
from lilllm.course.plan import LECTURES

SECTIONS = ("Symptom", "Look", "Cause", "Fix")
NAME = re.compile(r"\d\d_[a-z0-9_]+")
_FIXED = "_fixed"


class CaseError(ValueError):
    """A case of the museum is not complete, or there is none of that name; the message says what is missing."""


@dataclass(frozen=True)
class Run:
    """One run: what it printed, and its variables by name."""

    printed: str
    values: dict[str, Any]

    def __repr__(self) -> str:
        return self.printed.rstrip("\n")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One case. ``root``: the clone. ``symptom``, ``look``, ``cause``, ``fix``: a few sentences each."""

    root: Path
    name: str  # 03_gradients_added_up
    title: str
    symptom: str
    look: str
    cause: str
    fix: str

    @property
    def lecture(self) -> str:
        """The number of the lecture that shows it, ``03``."""
        return self.name[:2]

    @property
    def of_lecture(self) -> str:
        """The name of its lecture, ``03_gradients``; its number where the course has none of that number."""
        return next((lecture.name for lecture in LECTURES if lecture.number == self.lecture), self.lecture)

    def source(self, *, fixed: bool = False) -> Path:
        return self.root / "lectures" / "broken" / f"{self.name}{_FIXED if fixed else ''}.py"

    def trace(self, *, fixed: bool = False) -> Path:
        """Where the build puts its trace."""
        return self.root / "traces" / "broken" / f"{self.name}{_FIXED if fixed else ''}.trace.jsonl.gz"

    def diff(self) -> str:
        """What the fix changes, as a unified diff of the code below the docstrings."""
        before, after = (_code(self.source(fixed=fixed).read_text(encoding="utf-8")) for fixed in (False, True))
        lines = difflib.unified_diff(before, after, "broken", "fixed", n=2, lineterm="")
        return "\n".join(lines).rstrip()

    def run(self, *, fixed: bool = False) -> Run:
        """Run the program here, as it runs by itself; it prints into the answer, and torch is left as it was."""
        source = self.source(fixed=fixed)
        values: dict[str, Any] = {"__name__": "__main__", "__file__": source.name}
        printed = io.StringIO()
        with _torch_as_at_its_start(), contextlib.redirect_stdout(printed):
            exec(compile(source.read_text(encoding="utf-8"), source.name, "exec"), values)  # our own, from the clone
        return Run(printed.getvalue(), values)

    def reveal(self) -> Reveal:
        """The cause, the fix, and how to see both step by step."""
        return Reveal(self)

    @property
    def command(self) -> str:
        """What shows both traces side by side, in a terminal; the viewer's page *Museum* does it too."""
        paths = (self.trace(fixed=fixed).relative_to(self.root).as_posix() for fixed in (False, True))
        return f"lilllm trace compare {' '.join(paths)}"

    def __repr__(self) -> str:
        return f"Broken on purpose: {self.title}\n{self.symptom}\nWhere to look: {self.look}"

    def _repr_html_(self) -> str:
        head, *rest = repr(self).split("\n")
        body = "<br>".join(map(html.escape, rest))
        return f'<div style="{_BOX}"><b>{html.escape(head)}</b><br>{body}</div>'


_BOX = "border-left:4px solid #d55e00; padding:0.3em 0.8em"


@contextlib.contextmanager
def _torch_as_at_its_start() -> Iterator[None]:
    """Numbers are float32 unless asked for, as when a program starts; then dtype and random state are as they were."""
    import torch

    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_default_dtype(dtype)


@dataclass(frozen=True)
class Reveal:
    """The answer to a case."""

    case: Case

    def __repr__(self) -> str:
        case = self.case
        where = f"Step by step: page Museum of the viewer, or: {case.command}"
        return f"The cause: {case.cause}\nThe fix: {case.fix}\n\n{case.diff()}\n\n{where}"

    def _repr_html_(self) -> str:
        case = self.case
        lines = []
        for line in case.diff().splitlines()[2:]:
            colour = {"+": "#009e73", "-": "#d55e00"}.get(line[:1])
            shown = html.escape(line)
            lines.append(f'<span style="color:{colour}">{shown}</span>' if colour else shown)
        code = '<pre style="margin:0.5em 0; background:none; overflow-x:auto">' + "\n".join(lines) + "</pre>"
        return (
            f'<div style="{_BOX}"><b>The cause.</b> {html.escape(case.cause)}<br><b>The fix.</b> '
            f"{html.escape(case.fix)}{code}Step by step: the page <i>Museum</i> of the viewer, or"
            f"<br><code>{html.escape(case.command)}</code></div>"
        )


def _code(text: str) -> list[str]:
    """The lines of a program below its docstring, in which the two differ without meaning."""
    return re.sub(r'\A"""(?:.|\n)*?"""\n+', "", text).splitlines()


def read_case(root: Path, name: str) -> Case:
    """The case ``name`` of the clone ``root``.

    Raises:
        CaseError: no such case, or a part of it is missing; all that is missing is named.
    """
    known = names(root)
    if name not in known:
        raise CaseError(f"the museum has no case {name!r}; {_offer(str(name), known)}")
    folder = root / "lectures" / "broken"
    told = folder / f"{name}.md"
    text = told.read_text(encoding="utf-8") if told.is_file() else ""
    heading = re.match(r"# +(.+)\n", text)
    parts = re.split(rf"^\*\*({'|'.join(SECTIONS)})\.\*\*", text, flags=re.MULTILINE)
    said = {section: " ".join(words.split()) for section, words in zip(parts[1::2], parts[2::2], strict=True)}
    missing = [f"**{section}.**" for section in SECTIONS if not said.get(section)]
    if not heading:
        missing.insert(0, "a title (`# ...`)")
    if not (folder / f"{name}{_FIXED}.py").is_file():
        missing.append(f"{name}{_FIXED}.py beside it")
    if missing:
        raise CaseError(
            f"lectures/broken/{name}.md {'lacks' if text else 'is not there; it needs'} {', '.join(missing)}"
        )
    assert heading is not None
    return Case(root=root, name=name, title=heading[1].strip(), **{key.lower(): words for key, words in said.items()})


def _offer(name: str, known: list[str]) -> str:
    """What to take for ``name``: the cases that it is a part of, or else the one it is nearly called."""
    part = [one for one in known if len(name) > 2 and name in one]
    near = part or difflib.get_close_matches(name, known, n=1, cutoff=0.7)
    if near:
        return f"did you mean {' or '.join(map(repr, near[:3]))}?"
    return "`lilllm course museum` lists those that it has" if known else "it has none here"


def names(root: Path) -> list[str]:
    """The names of the cases of a clone, in order."""
    found = (path.stem for path in (root / "lectures" / "broken").glob("*.py"))
    return sorted(stem for stem in found if NAME.fullmatch(stem) and not stem.endswith(_FIXED))


def read_cases(root: Path) -> tuple[dict[str, Case], dict[str, str]]:
    """All cases of a clone by name, in order; and of those that cannot be read, what is wrong with each."""
    found, problems = {}, {}
    for name in names(root):
        try:
            found[name] = read_case(root, name)
        except (CaseError, OSError, UnicodeDecodeError) as error:
            problems[name] = str(error)
    return found, problems


def case(name: str) -> Case:
    """The case ``name`` of the clone that we are in. Raises: CaseError, NotACloneError."""
    return read_case(find_clone(), name)
