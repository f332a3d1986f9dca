"""Markdown, formulas and HTML: what is meant comes through, what attacks does not, a formula that fails is found."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from lilllm.tracing.prepare import render_markdown, unconverted_formulas
from lilllm.tracing.prose import headings, render_latex, sanitise_html
from tests.viewer.hostile import FORMULAS, MARKDOWN, MARKUP

# What could run or fetch, as markup (as text, escaped, it may stand).
DANGER = re.compile(
    r"<(script|iframe|object|embed|svg|style|link|meta|base|form|input|video|audio|body|template|marquee|annotation)"
    r"|<[^>]*\son\w+\s*=|<[^>]*(href|src)\s*=\s*[\"']?(?!https?:|mailto:|data:image/)|<[^>]*style=[^>]*(url|image)\("
    r"|<img[^>]*src=[\"']?http",
    re.IGNORECASE,
)

FORMULAS_OF_THE_FIELD = [
    r"p(x_t \mid x_{<t}) = \frac{\exp(z_t)}{\sum_{j=1}^{V} \exp(z_j)}",
    r"\mathrm{softmax}\left(\frac{QK^\top}{\sqrt{d_k}}\right) V",
    r"\mathcal{L}(\theta) = -\frac{1}{N}\sum_{i=1}^N \log p_\theta(x_i)",
    r"\hat{y} = \arg\max_{c \in \mathcal{C}} p(c)",
    r"\begin{aligned} a &= b + c \\ &= d \end{aligned}",
    r"W \in \mathbb{R}^{d \times k}, \quad \|W\|_2 \le 1",
    r"\begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}",
    r"f(x) = \begin{cases} x & x > 0 \\ 0 & \text{otherwise} \end{cases}",
    r"\mathbb{E}_{x \sim p}[\log q(x)] \approx 1.5 \cdot 10^{-3}",
    r"\left\lfloor \frac{n}{2} \right\rfloor \ll 2^{16}",
    r"\operatorname{KL}(p \,\|\, q) \geq 0",
    r"\nabla_\theta J = \overline{g}, \; \tilde{x} \to \infty",
]


@pytest.mark.parametrize("formula", FORMULAS_OF_THE_FIELD)
@pytest.mark.parametrize("fence", ["$", "$$"])
def test_formulas_of_the_field_become_mathml(formula: str, fence: str) -> None:
    html = render_markdown(f"{fence}{formula}{fence}")
    assert "<math" in html
    assert "\\" not in html
    assert unconverted_formulas(f"{fence}{formula}{fence}") == []


def test_tokens_of_a_formula_survive_sanitising() -> None:
    html = render_markdown(r"$\sum_{i=1}^{n} \frac{a_i < b}{c}$")
    assert "".join(re.sub(r"<[^>]*>", "", html).split()) == "∑i=1nai&lt;bc"
    assert {"munderover", "mfrac", "msub"} & set(re.findall(r"<(\w+)", html)) >= {"mfrac", "msub"}


@pytest.mark.parametrize("formula", [r"\ce{H2O}", r"\nosuchmacro{x}", r"\begin{nothing}x\end{nothing}", *FORMULAS[-1:]])
def test_a_formula_that_does_not_convert_is_found_and_shown_as_written(formula: str) -> None:
    assert unconverted_formulas(f"prose ${formula}$ prose") == [formula]
    assert unconverted_formulas(f"- a list\n- $$\n{formula}\n$$") in ([formula], [f"\n{formula}\n".strip()])
    assert '<code class="formula">' in render_markdown(f"${formula}$")


def test_dollars_that_are_no_formula_and_code_are_left_alone() -> None:
    text = "`$\\nosuch$`; \\$\\nosuch\\$"
    assert unconverted_formulas(text) == []
    assert "<math" not in render_markdown(text)


def test_macros_that_grow_without_bound_are_not_expanded() -> None:
    bomb = (
        "\\def\\a{xxxxxxxxxx}" + "".join(f"\\def\\{b}{{{(chr(92) + a) * 10}}}" for a, b in pairwise("abcdefgh")) + "\\h"
    )
    assert unconverted_formulas(f"${bomb}$") == [bomb]


@pytest.mark.parametrize("attack", [*MARKUP, *MARKDOWN, *[f"${formula}$" for formula in FORMULAS]])
def test_no_attack_leaves_anything_that_runs_or_fetches(attack: str) -> None:
    for html in (render_markdown(attack), sanitise_html(attack), render_latex(attack)):
        assert not DANGER.search(html), html


def test_the_danger_pattern_finds_each_raw_attack() -> None:
    missed = [attack for attack in MARKUP if not DANGER.search(attack) and "position" not in attack]
    assert [attack for attack in missed if "style" not in attack] == []


def test_html_keeps_what_a_lecture_shows() -> None:
    html = '<p>tokens: <span style="background:#dbe9fb;padding:2px 4px;border-radius:3px">low</span></p>'
    assert sanitise_html(html) == html
    table = '<table><tbody><tr><td style="text-align:right">1</td></tr></tbody></table>'
    assert sanitise_html(f'<table class="dataframe"><tr>{table[22:]}'.replace("</tbody></tbody>", "")) != ""
    assert 'style="text-align:right"' in sanitise_html(table)


@pytest.mark.parametrize(
    "style", ["position:fixed", "background:url(x)", "background:\\75rl(x)", "z-index:9", "margin:-99px"]
)
def test_a_style_can_neither_fetch_nor_cover(style: str) -> None:
    assert style.split(":")[1] not in sanitise_html(f'<span style="{style}">x</span>')


def test_links_open_apart_and_without_a_way_back() -> None:
    assert 'target="_blank"' in render_markdown("[a](https://example.org)")
    assert 'rel="noopener noreferrer"' in render_markdown("[a](https://example.org)")


def test_headings_are_plain_text_in_order() -> None:
    assert headings("# A *b* `c`\n\n```\n# no\n```\n\n## $x^2$ <b>") == [(1, "A b c"), (2, "x^2 <b>")]


def test_python_in_prose_is_coloured_and_escaped() -> None:
    html = render_markdown("```python\nif a < b: pass\n```")
    assert html == '<pre><code><span class="k">if</span> a &lt; b: <span class="k">pass</span></code></pre>\n'
