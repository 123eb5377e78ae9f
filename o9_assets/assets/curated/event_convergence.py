"""Whether the stream and the order feed tell the same demand, by item and hour or day.

The stream is quick and the order feed is the truth: what differs beyond the settings' tolerance, in a period that is
over, is a break. A break is either an event that is missing or wrong, or an order file that is.
"""

from typing import Any

import dagster as dg

from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.assets.tables import table
from o9_assets.landing.event_datasets import CONVERGENCE
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource

__all__ = ["build"]

SHOWN = 200


def build(settings: Settings) -> list[Any]:
    """The comparison and its check; nothing where there is no stream."""
    if "demand_events" not in settings.streams:
        return []

    @dataset_asset(
        CONVERGENCE,
        kinds={"duckdb", "iceberg"},
        deps=[["raw", "demand_events"], ["curated", "order_lines"], ["raw", "erp_orders"]],
    )
    def event_convergence(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource, clock: ClockResource
    ) -> dg.MaterializeResult:
        from o9_assets.landing.convergence import compare
        from o9_assets.resources.lake import everything

        room = lake.open()
        with engine.open().connect() as con:
            rows = compare(con, settings, room, ORDER_LINES, ERP_ORDERS, now=clock.now())
            room.overwrite(CONVERGENCE, rows, everything())
            room.view(con, "result", CONVERGENCE)
            states = dict(con.execute("SELECT state, count(*) FROM result GROUP BY 1").fetchall())
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": sum(states.values()),
                **{state: states.get(state, 0) for state in ("converged", "break", "open")},
            }
        )

    @dg.asset_check(
        asset=event_convergence,
        name="stream_and_orders_converge",
        description="Periods that are over differ by no more than the settings' tolerance; the rows that do.",
    )
    def stream_and_orders_converge(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        with engine.open().connect() as con:
            lake.open().view(con, "result", CONVERGENCE)
            rows = con.execute(
                "SELECT period_start, item_code, uom_code, events_quantity, lines_quantity, difference_quantity "
                f"FROM result WHERE state = 'break' ORDER BY abs(difference_quantity) DESC, 1, 2 LIMIT {SHOWN}"
            ).fetchall()
            [(breaks, due)] = con.execute(
                "SELECT count(*) FILTER (WHERE state = 'break'), count(*) FILTER (WHERE state <> 'open') FROM result"
            ).fetchall()
        names = ("period", "item", "unit", "events", "order lines", "difference")
        columns = {name: "float" if name in names[3:] else "string" for name in names}
        shown = [(str(start), item, unit, *map(float, totals)) for start, item, unit, *totals in rows]
        return dg.AssetCheckResult(
            passed=breaks == 0,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{breaks:,} of {due:,} totals differ" if breaks else f"{due:,} totals agree",
            metadata={
                "totals that agree": due - breaks,
                "breaks": breaks,
                **({"rows": table(columns, shown)} if shown else {}),
            },
        )

    return [event_convergence, stream_and_orders_converge]
