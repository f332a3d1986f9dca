"""One style for every figure: readable on a white page and on a black one, and for a colour-blind reader.

The background is transparent and the text a middle grey, so that a figure takes the colour of the page. The colours
are four of Okabe and Ito's that have contrast 3 or more against white and against black; each line also has a marker
and a dash of its own, so that no meaning is in the colour alone.

    use_style()          once a lecture
    line_styles(n)       colour, marker and dash for n lines

Text in figures is Latin, Greek or mathematics: other scripts need fonts that a machine may lack, and are shown as
HTML. Source: Okabe & Ito 2008, "Color Universal Design"
"""

from __future__ import annotations

from typing import Any

GREY = "#808080"
BLUE, VERMILLION, GREEN, PURPLE = "#0072b2", "#d55e00", "#009e73", "#cc79a7"
COLOURS = (BLUE, VERMILLION, GREEN, PURPLE)
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", "p", ">", "h", "d", "8", "H", "1")
_DASHES = ("-", "--", "-.", ":")

STYLE: dict[str, Any] = {
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "figure.figsize": (7.0, 3.8),
    "figure.dpi": 100,
    "savefig.dpi": 100,
    "font.size": 10,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same letters everywhere
    "text.color": GREY,
    "axes.labelcolor": GREY,
    "axes.edgecolor": GREY,
    "axes.titlecolor": GREY,
    # Two greys that nobody tells apart. Where all tick labels are of one lightness, IPython takes a clear figure to
    # be made for a dark page (or a light one) and puts that colour behind it.
    "xtick.color": "#7f7f7f",
    "ytick.color": GREY,
    "grid.color": GREY,
    "grid.alpha": 0.3,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "lines.markersize": 5,
    "figure.constrained_layout.use": True,
}


def use_style() -> None:
    """Set matplotlib's defaults for the session."""
    import matplotlib as mpl
    from cycler import cycler

    settings: Any = mpl.rcParams
    settings.update(STYLE)
    settings["axes.prop_cycle"] = cycler(color=COLOURS, marker=_MARKERS[:4], linestyle=_DASHES)


def line_styles(n: int) -> list[dict[str, str]]:
    """Keyword arguments for ``n`` lines that differ in more than their colour.

    Raises:
        ValueError: more than 16 lines, which nobody can tell apart.

    >>> line_styles(2)[1]
    {'color': '#d55e00', 'marker': 's', 'linestyle': '--'}
    """
    if not 0 <= n <= len(COLOURS) * len(_DASHES):
        raise ValueError(f"{n} lines: at most {len(COLOURS) * len(_DASHES)} can be told apart; use several panels")
    return [{"color": COLOURS[i % 4], "marker": _MARKERS[i], "linestyle": _DASHES[(i + i // 4) % 4]} for i in range(n)]
