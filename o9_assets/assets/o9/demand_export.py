"""Demand history as o9 holds it: each cell sent once, only what changed, and read back to prove it.

Columns and measures get o9's names on the way (settings, `o9`). A cell that is missing is not sent, for it is no zero;
a correction replaces the cell, and a cell that is no longer there is taken away.
"""

import json
from datetime import date
from typing import Any

import dagster as dg

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.pictures import new_figure, picture
from o9_assets.exchange.datasets import DEMAND_EXPORT, REJECTED
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, O9Resource

__all__ = ["build"]


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""

    @dataset_asset(DEMAND_EXPORT, kinds={"iceberg"}, deps=[["curated", "demand_history"]], pool="o9_delivery")
    def demand_export(
        context: dg.AssetExecutionContext,
        lake: LakeResource,
        engine: EngineResource,
        o9: O9Resource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        from o9_assets.exchange.delivery import deliver

        room = lake.open()
        with o9.open(settings) as client:
            report = deliver(
                settings,
                DEMAND_HISTORY,
                lake=room,
                engine=engine.open(),
                client=client,
                now=clock.now(),
                progress=context.log.info,
            )
        if report.months:
            months = json.dumps(sorted(month.isoformat() for month in report.months))
            room.append(DEMAND_EXPORT, DEMAND_EXPORT.arrow_schema.empty_table(), marks={"last_months": months})
        metadata: dict[str, Any] = {
            "dagster/row_count": room.row_count(DEMAND_EXPORT),
            "cells sent": report.cells_sent,
            "cells retracted": report.cells_retracted,
            "cells rejected by o9": report.cells_rejected,
            "requests": report.requests,
            "requests found in o9 already": report.found,
            "members created": report.members_created,
            "months touched": len(report.months),
            "an interrupted delivery was ended": report.resumed,
        }
        if report.delivery_id:
            metadata["delivery"] = report.delivery_id[:16]
        if report.reasons:
            records = [dg.TableRecord({"reason": reason, "cells": n}) for reason, n in sorted(report.reasons.items())]
            metadata["rejected by reason"] = dg.MetadataValue.table(records)
        metadata["held by month"] = _picture(room, engine)
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset_check(
        asset=demand_export,
        name="o9_holds_what_was_sent",
        blocking=True,
        description="Counts, quantities and a hash for each measure and month of the last delivery, read back from o9.",
    )
    def o9_holds_what_was_sent(lake: LakeResource, o9: O9Resource) -> dg.AssetCheckResult:
        from o9_assets.exchange.read_back import read_back

        room = lake.open()
        months = [date.fromisoformat(text) for text in json.loads(room.marks(DEMAND_EXPORT).get("last_months", "[]"))]
        with o9.open(settings) as client:
            agreed, breaks = read_back(settings, months, lake=room, client=client)
        told = "; ".join(f"{b.measure} {b.month_start}: books {b.ours}, o9 {b.theirs}" for b in breaks[:20])
        return dg.AssetCheckResult(
            passed=not breaks,
            description=told or f"{agreed:,} measure cells in {len(months)} months agree",
            metadata={"cells that agree": agreed, "breaks": len(breaks)},
        )

    @dg.asset_check(
        asset=demand_export,
        name="o9_rejects_nothing",
        description="Cells that o9 refused, with the volume that planning does not see.",
    )
    def o9_rejects_nothing(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        with engine.open().connect() as con:
            room = lake.open()
            room.view(con, "rejected", REJECTED)
            room.view(con, "books", DEMAND_EXPORT)
            rows = con.execute(
                "SELECT reason, count(*), sum(orders_quantity) FROM rejected ANTI JOIN books "
                "USING (bucket_start, item_code, location_code, channel_code) GROUP BY 1 ORDER BY 2 DESC LIMIT 20"
            ).fetchall()
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{reason}: {n:,} cells, {quantity or 0} units" for reason, n, quantity in rows)
            or "o9 refused nothing that it does not hold by now",
        )

    return [demand_export, o9_holds_what_was_sent, o9_rejects_nothing]


def _picture(lake: Any, engine: EngineResource) -> dg.MarkdownMetadataValue:
    """Units that o9 holds, by month."""
    with engine.open().connect() as con:
        lake.view(con, "books", DEMAND_EXPORT, columns=["month_start", "orders_quantity"])
        rows = con.execute(
            "SELECT month_start, CAST(sum(orders_quantity) AS DOUBLE) FROM books GROUP BY 1 ORDER BY 1"
        ).fetchall()
    figure = new_figure()
    axes = figure.subplots()
    axes.bar([row[0] for row in rows], [row[1] or 0.0 for row in rows], width=24, color="#1f6fb4")
    axes.set_ylabel("orders held in o9, base units")
    axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, "Orders held in o9 by month")
