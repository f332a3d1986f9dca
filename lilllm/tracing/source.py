"""What the recorder knows of a source before it runs: statements, loops, directives.

Read in order:  Plan (the answers), plan (asks the AST), Weave (what is added to loops and handlers), directives.

Statements  Line events come by line; a step is a statement. A statement of several lines, and the header of a compound
            one with its decorators, is one step, named by the line where the statement begins (of ``def``: the line of
            ``def``). Comprehensions and lambdas are part of their statement.
Loops       Each loop becomes ``try: LOOP finally: if __lilllm_fold__ == ID: __lilllm_resume__()``. When a loop is
folded             the recorder switches tracing off altogether, and the loop itself switches it on again however it is
left: a hot loop runs at full speed. A loop that yields or awaits lets others run inside it, so it is not woven.
Stepped over       A simple statement with ``@stepover`` is woven in the same way, and runs at full speed too.
Handlers    ``except`` of a RecursionError begins with ``__lilllm_caught__()``: CPython drops the trace function when it
            cannot call it for lack of stack.
What is woven in lies on lines past ``WOVEN``, which no statement has.
"""

from __future__ import annotations

import ast
import io
import itertools
import re
import tokenize
from dataclasses import dataclass, field
from typing import Any

WOVEN = 10_000_000
FOLD, RESUME, CAUGHT = "__lilllm_fold__", "__lilllm_resume__", "__lilllm_caught__"
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_CATCHES_RECURSION = frozenset({"RecursionError", "RuntimeError", "Exception", "BaseException"})
_SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)  # with a call worth stepping over
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Loop:
    """``first`` is the line of the header, ``last`` the last of the body; ``woven`` if it switches tracing on again."""

    number: int
    first: int
    last: int
    woven: bool


@dataclass
class Directives:
    """What the comments of one statement ask for."""

    inspect: list[str] = field(default_factory=list)
    clear: list[str] = field(default_factory=list)
    stepover: bool = False
    hide: bool = False
    animate: bool = False


@dataclass
class Plan:
    """``statement``: line -> the line that names its statement. ``loop``: line -> the innermost loop around it in the
    same function. ``definition``: first line of a function with decorators -> the line of ``def``."""

    statement: dict[int, int] = field(default_factory=dict)
    loop: dict[int, Loop] = field(default_factory=dict)
    definition: dict[int, int] = field(default_factory=dict)
    directives: dict[int, Directives] = field(default_factory=dict)
    step_into: list[str] = field(default_factory=list)
    loops: dict[ast.stmt, Loop] = field(default_factory=dict)
    stepped_over: dict[int, int] = field(default_factory=dict)  # line of a woven statement -> its number


def plan(tree: ast.Module, text: str) -> Plan:
    """Statements, loops and directives of a source. ``text`` is only read for its comments."""
    made = Plan()
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case):
            first, named, last = _header(node)
            for line in range(first, last + 1):
                made.statement[line] = named
            if first != named:
                made.definition[first] = named
    _find_loops(tree, None, made)
    _read_directives(text, made)
    return made


def _header(node: ast.stmt | ast.ExceptHandler | ast.match_case) -> tuple[int, int, int]:
    """First line, naming line and last line of a statement; of a compound one, of its header alone."""
    if isinstance(node, ast.match_case):
        return node.pattern.lineno, node.pattern.lineno, max(node.pattern.lineno, _start(node.body[0]) - 1)
    inner = getattr(node, "body", None) or getattr(node, "cases", None)
    last = node.end_lineno or node.lineno
    if isinstance(node, ast.Try | ast.TryStar):
        last = node.lineno
    elif isinstance(inner, list) and inner:
        last = max(node.lineno, _start(inner[0]) - 1)
    return _start(node), node.lineno, last


def _start(node: ast.AST) -> int:
    if isinstance(node, ast.match_case):
        return node.pattern.lineno
    lines = [item.lineno for item in getattr(node, "decorator_list", [])]
    return min([node.lineno, *lines])  # type: ignore[attr-defined]


def _find_loops(node: ast.AST, around: Loop | None, made: Plan) -> None:
    """Which loop each statement is in, header by header; a function or class in a loop begins anew."""
    outer = inside = around
    if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
        inside = None
    elif isinstance(node, ast.For | ast.While | ast.AsyncFor):
        last = max(item.end_lineno or item.lineno for item in node.body)
        woven = not isinstance(node, ast.AsyncFor) and not _suspends(node)
        around = inside = made.loops[node] = Loop(next(_numbers), node.lineno, last, woven)
    if isinstance(node, ast.stmt | ast.ExceptHandler | ast.match_case) and around is not None:
        first, _, end = _header(node)
        made.loop.update(dict.fromkeys(range(first, end + 1), around))
    after = getattr(node, "orelse", []) if isinstance(node, ast.For | ast.While | ast.AsyncFor) else []
    for child in ast.iter_child_nodes(node):
        if child not in after:
            _find_loops(child, inside, made)
    for child in after:  # `else` runs once, after the loop
        _find_loops(child, outer, made)


def _suspends(loop: ast.AST) -> bool:
    """Whether control can leave the loop and come back: a yield or an await that is not in a function of its own."""
    for child in ast.iter_child_nodes(loop):
        if isinstance(child, ast.Yield | ast.YieldFrom | ast.Await | ast.AsyncFor | ast.AsyncWith):
            return True
        if isinstance(child, _COMPREHENSIONS) and any(generator.is_async for generator in child.generators):
            return True
        if not isinstance(child, (*_FUNCTIONS, ast.ClassDef)) and _suspends(child):
            return True
    return False


class Weave(ast.NodeTransformer):
    """Adds to a tree what lets the recorder switch off and on; the lines of the program stay what they are."""

    def __init__(self, made: Plan) -> None:
        self._made = made

    def visit_Module(self, node: ast.Module) -> ast.AST:
        """A notebook shows the value of a cell's last expression, which therefore stays what it is."""
        kept = node.body[-1] if node.body and isinstance(node.body[-1], ast.Expr) else None
        node.body = [item if item is kept else self.visit(item) for item in node.body]
        return node

    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, _SIMPLE):
            return super().visit(node)
        asked = self._made.directives.get(node.lineno)
        if asked is None or not asked.stepover or _suspends(node):
            return node
        number = self._made.stepped_over.setdefault(node.lineno, next(_numbers))
        return _until_left(node, number)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """torch.compile reads the bytecode of what it compiles, so that is left alone."""
        if any("compile" in ast.unparse(item) for item in node.decorator_list):
            return node
        return self.generic_visit(node)

    def visit_For(self, node: ast.For) -> ast.AST:
        return self._woven(node)

    def visit_While(self, node: ast.While) -> ast.AST:
        return self._woven(node)

    def _woven(self, node: ast.For | ast.While) -> ast.AST:
        loop = self._made.loops[node]
        self.generic_visit(node)
        if not loop.woven:
            return node
        return _until_left(node, loop.number)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.generic_visit(node)
        kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        if any(kind is None or (isinstance(kind, ast.Name) and kind.id in _CATCHES_RECURSION) for kind in kinds):
            (call,) = ast.parse(f"{CAUGHT}()").body
            _place(call, node.lineno + WOVEN)
            node.body.insert(0, call)
        return node


def _until_left(node: ast.stmt, number: int) -> ast.Try:
    """The statement, which switches tracing on again when it is left, if tracing was switched off for its sake."""
    after = ast.parse(f"if {FOLD} == {number}: {RESUME}()").body
    for statement in after:
        _place(statement, node.lineno + WOVEN)
    return ast.copy_location(ast.Try(body=[node], handlers=[], orelse=[], finalbody=after), node)


def _place(tree: ast.AST, line: int) -> None:
    for node in ast.walk(tree):
        if hasattr(node, "lineno"):
            node.lineno = node.end_lineno = line  # type: ignore[attr-defined]
            node.col_offset = node.end_col_offset = 0  # type: ignore[attr-defined]


# ---------------------------------------------------------------------------------------------------- directives

_DIRECTIVE = re.compile(r"@(inspect|clear|stepover|hide|animate|stepinto)(?![\w.])((?:\s+[^\W\d][\w.]*,?)*)")


def _read_directives(text: str, made: Plan) -> None:
    """Directives in comments, as in CS336: ``x, y = f()  # @inspect x y @stepover``."""
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(text).readline))
    except (tokenize.TokenError, SyntaxError, ValueError):  # a cell with magics: comments up to there are lost
        return
    for token in tokens:
        if token.type != tokenize.COMMENT or "@" not in token.string:
            continue
        for name, arguments in _DIRECTIVE.findall(token.string):
            names = arguments.replace(",", " ").split()
            if name == "stepinto":
                made.step_into.extend(item for item in names if item not in made.step_into)
                continue
            statement = made.statement.get(token.start[0])
            if statement is None:
                continue
            asked = made.directives.setdefault(statement, Directives())
            if name in ("inspect", "clear"):
                getattr(asked, name).extend(names)
            else:
                setattr(asked, name, True)
