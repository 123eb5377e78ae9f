"""What a materialisation of demand history tells in Dagster's UI: cells by state, touched weeks, and a picture."""

from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.pictures import new_figure, picture
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
        metadata["cells by state"] = dg.MetadataValue.table(
            [
                dg.TableRecord({"state": state, "cells": cells, "ordered": orders or 0.0, "returned": returns or 0.0})
                for state, cells, orders, returns in rows
            ],
            schema=dg.TableSchema(
                [dg.TableColumn("state"), dg.TableColumn("cells", "int")]
                + [dg.TableColumn(name, "float") for name in ("ordered", "returned")]
            ),
        )
        if buckets is None:
            metadata["made"] = "the whole"
        else:
            calendar = Calendar(settings.calendar)
            weeks = sorted({calendar.week_start(bucket) for bucket in buckets})
            metadata["weeks touched"] = len(weeks)
            metadata["touched weeks"] = ", ".join(map(str, weeks[-200:])) or "none"
            metadata["months rewritten"] = ", ".join(map(str, months)) or "none"
        if rows:
            metadata["most valuable series"] = _demand_of_most_valuable(con)
    return metadata


def _demand_of_most_valuable(con: "duckdb.DuckDBPyConnection") -> dg.MetadataValue[Any]:
    """Demand per day of each partial week, so that short ones compare; what is no sale is marked with its state."""
    con.execute(
        """
        CREATE TEMP TABLE shown AS
        SELECT * FROM history SEMI JOIN (
            SELECT item_code, location_code, channel_code FROM history GROUP BY ALL
            ORDER BY coalesce(sum(orders_value), 0) DESC, coalesce(sum(orders_quantity), 0) DESC,
                item_code, location_code, channel_code
            LIMIT 1
        ) USING (item_code, location_code, channel_code)
        ORDER BY bucket_start
        """
    )
    cells = con.execute(
        "SELECT bucket_start, state, CAST(orders_quantity AS DOUBLE) / days, item_code, location_code, channel_code "
        "FROM shown ORDER BY bucket_start"
    ).fetchall()
    figure = new_figure()
    axes = figure.subplots()
    days = [cell[0] for cell in cells]
    axes.plot(days, [cell[2] if cell[2] is not None else float("nan") for cell in cells], color="#444444", lw=1)
    for state, colour in COLOURS.items():
        those = [cell for cell in cells if cell[1] == state]
        if those:
            at = [cell[2] or 0.0 for cell in those]
            axes.scatter([c[0] for c in those], at, s=12, color=colour, label=state.replace("_", " "), zorder=3)
    item, location, channel = cells[0][3:]
    axes.set_title(f"{item} · {location} · {channel}", fontsize=9)
    axes.set_ylabel("ordered per day")
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, frameon=False)
    return picture(figure, f"Demand of {item} at {location}")
