"""Python source as coloured lines: for each line a list of (class, text), a class being one letter of CLASSES.

Pygments tells some eighty kinds of token apart; a reader tells about eight colours apart, so kinds are grouped.
"""

from __future__ import annotations

from pygments.lexers.python import PythonLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, String, Token, _TokenType

# k keyword, s string, n number, c comment, f name being defined, b builtin, d decorator
_GROUPS: list[tuple[_TokenType, str]] = [
    (Comment, "c"),
    (String.Interpol, ""),
    (String.Affix, "k"),
    (String, "s"),
    (Number, "n"),
    (Keyword, "k"),
    (Operator.Word, "k"),
    (Name.Function.Magic, "f"),
    (Name.Function, "f"),
    (Name.Class, "f"),
    (Name.Decorator, "d"),
    (Name.Builtin, "b"),
    (Name.Exception, "b"),
]
CLASSES = {css for _, css in _GROUPS if css}
_MAX_SOURCE = 1_000_000  # characters; a larger file is shown without colours


def _css(kind: _TokenType) -> str:
    return next((css for group, css in _GROUPS if kind in group), "")


def highlight_lines(source: str) -> list[list[tuple[str, str]]]:
    """The lines of ``source``, split at newlines only, so that line numbers are those of Python.

    >>> highlight_lines("def f():\\n    return 1")
    [[('k', 'def'), ('', ' '), ('f', 'f'), ('', '():')], [('', '    '), ('k', 'return'), ('', ' '), ('n', '1')]]
    """
    # Pygments strips what surrounds the text and turns \\r\\n into \\n; a lone \\r or a form feed stays in its line.
    source = source.replace("\r\n", "\n")
    lexer = PythonLexer(stripnl=False, ensurenl=False)
    tokens = lexer.get_tokens(source) if len(source) <= _MAX_SOURCE else [(Token, source)]
    lines: list[list[tuple[str, str]]] = [[]]
    for kind, text in tokens:
        css = _css(kind)
        for i, part in enumerate(text.split("\n")):
            if i:
                lines.append([])
            if not part:
                continue
            line = lines[-1]
            if line and line[-1][0] == css:
                line[-1] = (css, line[-1][1] + part)
            else:
                line.append((css, part))
    return lines
