"""Demand history as it was known at a past moment: the same queries over what was known then, with settings of then.

No snapshot is needed: raw rows keep every version, and the manifest tells which objects were in.
"""

from datetime import date, datetime
from typing import TYPE_CHECKING

from o9_assets.assets.curated import items, locations
from o9_assets.assets.curated.demand_history import DEMAND_HISTORY, FEEDS, register_calendar, short
from o9_assets.assets.curated.inputs import feed_view, known_of, session, settings_at
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.dataset import Dataset
from o9_assets.failures import Permanent

if TYPE_CHECKING:
    import pyarrow as pa

    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = ["demand_history_as_of", "order_lines_as_of"]


def demand_history_as_of(moment: datetime, *, lake: "Lake", engine: "Engine") -> "pa.Table":
    """Rows of curated.demand_history as a run at `moment` (UTC, no zone) made them, sorted by key.

    Raises Permanent where no run ever noted its settings.
    """
    return _made(moment, lake, engine)[1]


def order_lines_as_of(moment: datetime, *, lake: "Lake", engine: "Engine") -> "pa.Table":
    """Rows of curated.order_lines as a run at `moment` (UTC, no zone) made them, sorted by key."""
    return _made(moment, lake, engine)[0]


def _made(moment: datetime, lake: "Lake", engine: "Engine") -> "tuple[pa.Table, pa.Table]":
    from o9_assets.demand import history, order_lines
    from o9_assets.demand.parameters import parameters
    from o9_assets.demand.steps import table

    settings = settings_at(lake, moment)
    if settings is None:
        raise Permanent("No run noted its settings yet.", remedy="Materialize curated/order_lines first.")
    given = parameters(settings)
    with session(engine) as con:
        items.register(con, lake, settings, as_of=moment)
        locations.register(con, lake, settings, as_of=moment)
        feed_view(con, lake, settings, "erp_orders", "accepted_orders", as_of=moment)
        feed_view(con, lake, settings, "uom_conversions", "conversion_versions", as_of=moment)
        months = order_lines.build(con, given)
        table(con, "lines", _together(months, ORDER_LINES))
        for feed in FEEDS:
            feed_view(con, lake, settings, feed, f"accepted_{short(feed)}", as_of=moment)
        con.execute("CREATE TEMP VIEW stored_history AS SELECT NULL::DATE AS bucket_start WHERE false")
        known = {feed: known_of(con, lake, settings, feed, moment) for feed in ("erp_orders", "erp_shipments")}
        register_calendar(con, settings, known)
        months = history.build(con, given)
        return (
            con.sql(f"SELECT {ORDER_LINES.select_list()} FROM lines ORDER BY order_id, order_line").to_arrow_table(),
            con.sql(
                f"SELECT {DEMAND_HISTORY.select_list()} FROM ({_together(months, DEMAND_HISTORY)}) "
                "ORDER BY bucket_start, item_code, location_code, channel_code"
            ).to_arrow_table(),
        )


def _together(months: "dict[date, str]", dataset: Dataset) -> str:
    """The months' queries as one; of no month, nothing."""
    if months:
        return " UNION ALL ".join(f"({sql})" for sql in months.values())
    return f"SELECT {', '.join(f'NULL::{c.duckdb_type} AS {c.name}' for c in dataset.columns)} WHERE false"
