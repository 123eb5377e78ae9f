"""Demand history as o9 holds it: each cell sent once, only what changed, and read back to prove it.

Columns and measures get o9's names on the way (settings, `o9`). A cell that is missing is not sent, for it is no zero;
a correction replaces the cell, and a cell that is no longer there is taken away. docs/o9.md tells how a delivery goes.
"""

import json
import time
from datetime import date
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import Field

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.pictures import new_figure, picture
from o9_assets.assets.tables import table
from o9_assets.exchange.datasets import DEMAND_EXPORT, HELD, PLANNED, REJECTED
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, O9Resource

if TYPE_CHECKING:
    from o9_assets.exchange.corrections import Difference
    from o9_assets.exchange.delivery import DeliveryReport
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = ["build"]


class DemandExportConfig(dg.Config):
    """What a person can ask for."""

    retry_refused: bool = Field(default=False, description="Send again what o9 refused, though nothing changed")
    dry_run: bool = Field(default=False, description="Send and write nothing; show what would be sent and corrected")
    approve_corrections: str | None = Field(
        default=None, description="With o9.corrections: hold, the difference (its id) that may be sent"
    )


def build(settings: Settings) -> list[Any]:
    """The asset and its checks."""

    @dataset_asset(DEMAND_EXPORT, kinds={"iceberg"}, deps=[["curated", "demand_history"]], pool="o9_delivery")
    def demand_export(
        context: dg.AssetExecutionContext,
        config: DemandExportConfig,
        lake: LakeResource,
        engine: EngineResource,
        o9: O9Resource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        from o9_assets.exchange.delivery import Asked, deliver

        room, opened, began = lake.open(), engine.open(), time.monotonic()
        with o9.open(settings) as client:
            report = deliver(
                settings,
                DEMAND_HISTORY,
                lake=room,
                engine=opened,
                client=client,
                now=clock.now(),
                asked=Asked(config.retry_refused, config.dry_run, config.approve_corrections),
                progress=context.log.info,
            )
        told = _would_send(report) if config.dry_run else _told(report, room, opened, time.monotonic() - began)
        return dg.MaterializeResult(metadata={**told, **_difference(report.difference)})

    @dg.asset_check(
        asset=demand_export,
        name="o9_holds_what_was_sent",
        blocking=True,
        description="Counts, quantities and a hash for each measure and partial week of the last delivery, read back.",
    )
    def o9_holds_what_was_sent(lake: LakeResource, engine: EngineResource, o9: O9Resource) -> dg.AssetCheckResult:
        from o9_assets.exchange.read_back import read_back

        room = lake.open()
        starts = [date.fromisoformat(text) for text in json.loads(room.marks(DEMAND_EXPORT).get("last_buckets", "[]"))]
        with o9.open(settings) as client:
            found = read_back(settings, starts, lake=room, engine=engine.open(), client=client)
        return dg.AssetCheckResult(
            passed=not found.breaks,
            description="; ".join(map(str, found.breaks[:20]))
            or f"{found.agreed:,} values in {found.buckets} partial weeks agree",
            metadata={"values that agree": found.agreed, "breaks": len(found.breaks)},
        )

    @dg.asset_check(
        asset=demand_export,
        name="o9_refuses_nothing",
        description="Cells that o9 refuses, by reason and by missing member, with the volume that planning lacks.",
    )
    def o9_refuses_nothing(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        room = lake.open()
        with engine.open().connect() as con:
            room.view(con, "rejected", REJECTED)
            rows = con.execute(
                "SELECT missing_members, CASE WHEN missing_members IS NULL THEN reason ELSE '' END, count(*), "
                "coalesce(sum(orders_quantity), 0) FROM rejected WHERE resolved_at IS NULL "
                "GROUP BY 1, 2 ORDER BY 4 DESC, 1, 2"
            ).fetchall()
        told = [(_lacks(missing) if missing else reason, cells, units) for missing, reason, cells, units in rows]
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(
                f"{what}: {cells:,} cells, {float(units):,.10g} units" for what, cells, units in told[:20]
            )
            or "o9 took every cell",
            metadata={
                "refused cells": sum(cells for _, cells, _ in told),
                "refused units": float(sum(units for _, _, units in told)),
                "by reason": table(
                    {"what": "string", "cells": "int", "units ordered": "float"},
                    [(what, cells, float(units)) for what, cells, units in told[:200]],
                ),
            },
        )

    @dg.asset_check(
        asset=demand_export,
        name="no_correction_waits",
        description="Corrections of published history that wait for approval (o9.corrections: hold).",
    )
    def no_correction_waits(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        with engine.open().connect() as con:
            lake.open().view(con, "held", HELD, columns=["difference_id", "held_at"])
            rows = con.execute("SELECT difference_id, count(*), min(held_at) FROM held GROUP BY 1").fetchall()
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(
                f"{cells:,} corrections wait since {since:%Y-%m-%d %H:%M} UTC; the run config "
                f"approve_corrections: {found} sends them"
                for found, cells, since in rows
            )
            or None,
        )

    return [demand_export, o9_holds_what_was_sent, o9_refuses_nothing, no_correction_waits]


def _lacks(missing_members: str) -> str:
    return "o9 lacks " + ", ".join(f"{dimension} {name}" for dimension, name in json.loads(missing_members))


def _told(report: "DeliveryReport", lake: "Lake", engine: "Engine", seconds: float) -> dict[str, Any]:
    """What the UI shows of a run."""
    held = lake.row_count(DEMAND_EXPORT)
    metadata: dict[str, Any] = {
        "dagster/row_count": held,
        "cells sent": report.new + report.replaced + report.retracted,
        "cells new": report.new,
        "cells replaced": report.replaced,
        "cells retracted": report.retracted,
        "cells refused by o9": report.rejected,
        "corrections held": report.held,
        "cells unchanged": held - report.new - report.replaced,
        "requests": report.requests,
        "requests found in o9 already": report.found,
        "members created": report.members_created,
        "months touched": len(report.months),
        "an interrupted delivery was ended": report.resumed,
        "seconds": round(seconds, 3),
    }
    if report.delivery_id:
        metadata["delivery"] = report.delivery_id[:16]
        metadata["picture of orders sent by month"] = _picture(lake, engine)
    if report.reasons:
        metadata["refused by reason"] = table({"reason": "string", "cells": "int"}, sorted(report.reasons.items()))
    return metadata


def _would_send(report: "DeliveryReport") -> dict[str, Any]:
    """What the UI shows of a run that only looked."""
    found = report.difference
    return {
        "dry run": True,
        "cells that would be new": report.new,
        "cells that would be replaced": found.replaced if found else 0,
        "cells that would be retracted": found.retracted if found else 0,
    }


def _difference(found: "Difference | None") -> dict[str, Any]:
    """What corrections change, by month, and the cells that change most."""
    if found is None:
        return {}
    months = [
        (f"{m.month_start:%Y-%m}", m.measure, m.cells, float(m.was), float(m.becomes)) for m in found.months[:500]
    ]
    names = ("measure", "partial week", "item", "location", "channel", "change", "was", "becomes")
    return {
        "difference": found.difference_id,
        "corrections by month": table(
            {"month": "string", "measure": "string", "cells": "int", "was": "float", "becomes": "float"}, months
        ),
        "largest corrections": table(dict.fromkeys(names, "string"), found.cells),
    }


def _picture(lake: "Lake", engine: "Engine") -> dg.MarkdownMetadataValue:
    """Orders that the last delivery brought, and how they stood before, by month."""
    with engine.connect() as con:
        lake.view(con, "planned", PLANNED, columns=["month_start", "orders_quantity", "was_orders_quantity"])
        rows = con.execute(
            "SELECT month_start, CAST(sum(orders_quantity) AS DOUBLE), CAST(sum(was_orders_quantity) AS DOUBLE) "
            "FROM planned GROUP BY 1 ORDER BY 1"
        ).fetchall()
    figure = new_figure()
    axes = figure.subplots()
    places = range(len(rows))
    axes.bar([p - 0.2 for p in places], [row[2] or 0.0 for row in rows], 0.4, color="#bbbbbb", label="before")
    axes.bar([p + 0.2 for p in places], [row[1] or 0.0 for row in rows], 0.4, color="#1f6fb4", label="sent")
    step = len(rows) // 10 + 1
    axes.set_xticks(list(places)[::step], [row[0].strftime("%Y-%m") for row in rows][::step])
    axes.set_ylabel("base units ordered")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set_title("Orders in the cells of the last delivery, by month", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return picture(figure, "Orders in the cells of the last delivery, by month")
