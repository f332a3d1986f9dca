"""Markdown, formulas and HTML of a trace, made safe to put into a page.

A trace may come from anyone, so nothing of it reaches the browser as it is: Markdown is read without raw HTML,
formulas become MathML (no script needed to show them), and both, like the HTML that a program displayed, pass nh3's
allowlist last.

Read in order:  render_markdown        prose -> HTML
                render_latex           a formula -> MathML
                sanitise_html          what a program displayed -> HTML
                unconverted_formulas   the check that a lecture's formulas all convert
"""

from __future__ import annotations

import html
import re
from functools import cache
from itertools import pairwise
from typing import Any

import nh3
from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

from .highlight import CLASSES, highlight_lines


def _words(text: str) -> set[str]:
    return set(text.split())


_TEXT_TAGS = _words(
    """
    a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure h1 h2 h3 h4 h5
    h6 hr i img ins kbd li mark ol p pre q s samp small span strong sub summary sup table tbody td tfoot th thead
    tr u ul var wbr
    """
)
# No annotation-xml, no semantics, no maction: the doors from MathML back into HTML.
_MATH_TAGS = _words(
    """
    math menclose mfrac mi mmultiscripts mn mo mover mpadded mphantom mprescripts mroot mrow ms mspace msqrt
    mstyle msub msubsup msup mtable mtd mtext mtr munder munderover none
    """
)
_MATH_ATTRIBUTES = _words(
    """
    accent accentunder columnalign columnlines columnspacing depth display displaystyle fence form frame height
    largeop linethickness lspace mathvariant maxsize minsize movablelimits notation rowlines rowspacing rspace
    scriptlevel separator stretchy symmetric width
    """
)
# Nothing that can lay one thing over another, and nothing that can fetch.
_STYLE_PROPERTIES = _words(
    """
    background background-color border border-bottom border-collapse border-color border-left border-radius
    border-right border-spacing border-style border-top border-width color display flex-wrap font-family font-size
    font-style font-variant-numeric font-weight gap height letter-spacing line-height max-width min-width opacity
    overflow overflow-x padding padding-bottom padding-left padding-right padding-top text-align text-decoration
    vertical-align white-space width word-break
    """
)
_STYLE_FUNCTIONS = {"rgb", "rgba", "hsl", "hsla", "calc", "min", "max", "clamp", "light-dark"}
_IMAGE = re.compile(r"data:image/(png|jpeg|gif|webp|svg\+xml);base64,[A-Za-z0-9+/=\s]*\Z")
_LINK = re.compile(r"(https?://|mailto:)", re.IGNORECASE)
_ENVIRONMENTS = _words("align align* array cases smallmatrix split matrix pmatrix bmatrix Bmatrix vmatrix Vmatrix")
# Macros that call macros grow without bound: a formula of a trace defines none.
_DEFINITION = re.compile(r"\\(def|let|newcommand|renewcommand|newenvironment|DeclareMathOperator)(?![A-Za-z])")
_MAX_FORMULA = 5_000  # characters: longer is no formula, and the converter recurses


def _safe_style(value: str) -> str | None:
    if any(sign in value for sign in ("\\", "/*", "@", "<")):
        return None
    functions = {name.lower() for name in re.findall(r"([\w-]*)\s*\(", value)}
    return value if functions <= _STYLE_FUNCTIONS else None


def _safe_attribute(tag: str, name: str, value: str) -> str | None:
    if name == "src":
        return value if _IMAGE.match(value) else None
    if name == "href":
        return value if _LINK.match(value) else None
    if name == "style":
        return _safe_style(value)
    return value


def _clean(text: str, *, mathml: bool) -> str:
    attributes: dict[str, set[str]] = {
        "a": {"href", "title"},
        "img": {"src", "alt", "title", "width", "height"},
        "td": {"colspan", "rowspan", "align", "style"},
        "th": {"colspan", "rowspan", "align", "scope", "style"},
        "ol": {"start"},
        "details": {"open"},
        "*": {"lang", "dir"},
    }
    tags = set(_TEXT_TAGS)
    if mathml:
        tags |= _MATH_TAGS
        attributes |= {tag: set(_MATH_ATTRIBUTES) for tag in _MATH_TAGS}
    else:
        for tag in ("div", "span", "p", "pre", "code", "table", "tr", "li", "mark", "img", "b", "strong", "em", "i"):
            attributes[tag] = attributes.get(tag, set()) | {"style"}
    return nh3.clean(
        text,
        tags=tags,
        clean_content_tags={"script", "style"},
        attributes=attributes,
        attribute_filter=_safe_attribute,
        url_schemes={"http", "https", "mailto", "data"},
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties=_STYLE_PROPERTIES,
        allowed_classes={"span": CLASSES | {"formula"}, "div": {"formula"}, "code": {"formula"}},
    )


def _to_mathml(latex: str, *, block: bool) -> str | None:
    """MathML of ``latex``, or None where latex2mathml fails, loudly or (mostly) by leaving a command in the text."""
    if len(latex) > _MAX_FORMULA or _DEFINITION.search(latex):
        return None
    # aligned is unknown to latex2mathml, its starred sibling is not; \arg is taken for an argument's name.
    known = re.sub(r"\\(begin|end)\{aligned\}", r"\\\1{align*}", latex)
    if any(name not in _ENVIRONMENTS for name in re.findall(r"\\begin\s*\{([^}]*)\}", known)):
        return None  # it would pass silently, its lines run together
    known = re.sub(r"\\arg(?![A-Za-z])", r"\\operatorname{arg}", known)
    try:
        mathml = convert(known, display="block" if block else "inline")
    except Exception:  # latex2mathml raises anything: IndexError, KeyError, its own classes, RecursionError
        return None
    text = html.unescape(re.sub(r"<[^>]*>", "", mathml))
    return None if "\\" in text else mathml


def _formula(latex: str, block: bool) -> str:
    mathml = _to_mathml(latex, block=block)
    if mathml is None:
        return f'<code class="formula">{html.escape(latex)}</code>'
    return f'<div class="formula">{mathml}</div>' if block else mathml


@cache
def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    dollarmath_plugin(
        parser,
        allow_labels=False,
        double_inline=True,
        renderer=lambda latex, options: _formula(latex, bool(options.get("display_mode"))),
    )
    # The plugin's own rules wrap the renderer's HTML in elements with classes: ours says all that is needed.
    rules: dict[str, Any] = vars(parser.renderer)["rules"]
    rules["math_inline"] = lambda tokens, i, options, env: _formula(tokens[i].content, False)
    rules["math_inline_double"] = lambda tokens, i, options, env: _formula(tokens[i].content, True)
    rules["math_block"] = lambda tokens, i, options, env: _formula(tokens[i].content, True)
    rules["fence"] = lambda tokens, i, options, env: _fence(tokens[i].content, tokens[i].info)
    return parser


def _fence(text: str, info: str) -> str:
    lines = highlight_lines(text) if info.split()[:1] in (["python"], ["py"]) else [[("", text)]]
    spans = (
        "".join(f'<span class="{css}">{html.escape(part)}</span>' if css else html.escape(part) for css, part in line)
        for line in lines
    )
    return "<pre><code>" + "\n".join(spans).rstrip("\n") + "</code></pre>\n"


def render_markdown(text: str) -> str:
    """HTML of ``text``: CommonMark with tables and ``$formulas$``, raw HTML shown as text, sanitised.

    >>> render_markdown("A *byte* is < 256.")
    '<p>A <em>byte</em> is &lt; 256.</p>\\n'
    """
    return _clean(_parser().render(text), mathml=True)


def render_latex(text: str) -> str:
    """HTML of one displayed formula; dollar signs around it, as IPython.display.Math writes them, are taken off.

    >>> render_latex(r"$\\nope{x}$")
    '<code class="formula">\\\\nope{x}</code>'
    """
    return _clean(_formula(text.strip().strip("$").strip(), True), mathml=True)


def sanitise_html(text: str) -> str:
    """HTML that a program displayed, with only what an allowlist lets through: no script, no fetch, no overlay.

    >>> sanitise_html('<b onclick="steal()">bold</b><script>steal()</script>')
    '<b>bold</b>'
    """
    return _clean(text, mathml=False)


def headings(text: str) -> list[tuple[int, str]]:
    """The headings of ``text`` as (level, plain text), in order.

    >>> headings("# One\\n\\nprose\\n\\n## The `two`")
    [(1, 'One'), (2, 'The two')]
    """
    found = []
    tokens = _parser().parse(text)
    for opened, inline in pairwise(tokens):
        if opened.type == "heading_open":
            parts = inline.children or []
            title = "".join(part.content if part.type != "softbreak" else " " for part in parts)
            found.append((int(opened.tag[1]), title.strip()))
    return found


def unconverted_formulas(markdown: str) -> list[str]:
    """The formulas of ``markdown`` that do not come out as MathML, as they are written there; empty when all do.

    >>> unconverted_formulas(r"$x^2$ and $\\nope{x}$")
    ['\\\\nope{x}']
    """
    failed = []
    for token in _parser().parse(markdown):
        for part in [token, *(token.children or [])]:
            if part.type.startswith("math_") and _to_mathml(part.content, block=part.type != "math_inline") is None:
                failed.append(part.content.strip())
    return failed
