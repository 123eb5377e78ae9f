"""Pictures for Dagster's UI: a matplotlib figure as metadata. What is drawn belongs to the asset that draws it."""

import base64
import io
from typing import TYPE_CHECKING

import dagster as dg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["new_figure", "picture"]


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
