"""Pictures for Dagster's UI: a matplotlib figure as metadata. What is drawn belongs to the asset that draws it."""

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["bars", "new_figure", "picture"]


def new_figure(width_inches: float = 9, height_inches: float = 3.5) -> "Figure":
    """An empty figure of the house style; made without pyplot, so that nothing is kept between runs."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width_inches, height_inches), layout="constrained")
    figure.patch.set_facecolor("white")
    return figure


def picture(figure: "Figure", alt: str) -> dg.MarkdownMetadataValue:
    """The figure as Markdown with the PNG inside, about 30 kB, so that a page needs no file and no network."""
    buffer = io.BytesIO()
    # No creation date and no software version: the same figure gives the same bytes.
    figure.savefig(buffer, format="png", dpi=90, metadata={"Software": None})
    return dg.MetadataValue.md(f"![{alt}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})")


def bars(rows: Sequence[tuple[str, int]], alt: str, *, colour: str = "#c0504d") -> dg.MarkdownMetadataValue:
    """Counts by name as horizontal bars, the first at the top; `alt` is the title as well."""
    from matplotlib.ticker import MaxNLocator, StrMethodFormatter

    figure = new_figure(8, 1 + 0.28 * len(rows))
    axes = figure.subplots()
    axes.barh([name for name, _ in reversed(rows)], [count for _, count in reversed(rows)], color=colour)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_title(alt, fontsize=10)
    return picture(figure, alt)
