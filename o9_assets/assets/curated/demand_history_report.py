"""What a materialisation of demand history tells in Dagster's UI: cells by state, touched weeks, and a picture."""

from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.curated.most_valuable import KEY, most_valuable
from o9_assets.assets.pictures import new_figure, picture
from o9_assets.assets.tables import table
from o9_assets.planning.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = ["told"]

COLOURS = {
    "missing": "#bbbbbb",
    "out_of_stock": "#e08214",
    "not_yet_listed": "#dfc27d",
    "delisted": "#bf812d",
    "true_zero": "#2166ac",
}


def told(
    settings: Settings, lake: "Lake", engine: "Engine", buckets: list[date] | None, months: list[date]
) -> dict[str, Any]:
    """Metadata of a run that made `buckets` anew (None for all)."""
    from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
    from o9_assets.planning.calendar import Calendar

    metadata: dict[str, Any] = {}
    with engine.connect() as con:
        lake.view(con, "history", DEMAND_HISTORY)
        rows = con.execute(
            """
            SELECT state, count(*), CAST(sum(orders_quantity) AS DOUBLE), CAST(sum(returns_quantity) AS DOUBLE)
            FROM history GROUP BY ALL ORDER BY ALL
            """
        ).fetchall()
        metadata["dagster/row_count"] = sum(row[1] for row in rows)
        metadata["cells by state"] = table(
            {"state": "string", "cells": "int", "ordered": "float", "returned": "float"}, rows
        )
        if buckets is None:
            metadata["made"] = "the whole"
        else:
            calendar = Calendar(settings.calendar)
            weeks = sorted({calendar.week_start(bucket) for bucket in buckets})
            metadata["weeks touched"] = len(weeks)
            metadata["touched weeks"] = ", ".join(map(str, weeks[-200:])) or "none"
            metadata["months rewritten"] = ", ".join(map(str, months)) or "none"
        if series := most_valuable(con):
            metadata["picture of the most valuable series"] = _picture(con, series)
    return metadata


def _picture(con: "duckdb.DuckDBPyConnection", series: tuple[str, str, str]) -> dg.MetadataValue[Any]:
    """Demand per day of each partial week, so that short ones compare; what is no sale is marked with its state."""
    cells = con.execute(
        "SELECT bucket_start, state, CAST(orders_quantity AS DOUBLE) / days FROM history "
        f"WHERE ({', '.join(KEY)}) = (?, ?, ?) ORDER BY bucket_start",
        list(series),
    ).fetchall()
    figure = new_figure()
    axes = figure.subplots()
    days = [cell[0] for cell in cells]
    axes.plot(
        days,
        [cell[2] if cell[2] is not None else float("nan") for cell in cells],
        color="#444444",
        lw=1,
        label="ordered",
    )
    for state, colour in COLOURS.items():
        those = [cell for cell in cells if cell[1] == state]
        if those:
            at = [cell[2] or 0.0 for cell in those]
            axes.scatter([c[0] for c in those], at, s=12, color=colour, label=state.replace("_", " "), zorder=3)
    axes.set_title(f"Demand of {' · '.join(series)}", fontsize=10)
    axes.set_ylabel("base units a day")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    # Beside the lines, not over them.
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return picture(figure, f"Demand of {' · '.join(series)}")
