"""Checks of order lines: no accepted row is lost, and who is unknown."""

from typing import Any

import dagster as dg

from o9_assets.assets.curated.inputs import feed_view, session
from o9_assets.assets.tables import table
from o9_assets.dataset import Dataset
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource

__all__ = ["build"]


def build(settings: Settings, dataset: Dataset, asset: dg.AssetsDefinition) -> list[Any]:
    """The checks of curated.order_lines."""

    @dg.asset_check(
        asset=asset,
        name="every_row_accounted_for",
        blocking=True,
        description="Accepted raw rows = lines with and without issue + superseded versions + deleted lines, and no "
        "line is there twice.",
    )
    def every_row_accounted_for(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        from o9_assets.demand.account import account_of_lines
        from o9_assets.demand.datasets import DELETED_LINES

        room = lake.open()
        with session(engine.open()) as con:
            after = int(room.marks(dataset).get("erp_orders.seq", "0"))
            room.view(con, "lines", dataset)
            room.view(con, "deleted_lines", DELETED_LINES)
            feed_view(con, room, settings, "erp_orders", "accepted_orders")
            # What came in after the last run is the next one's.
            feed_view(con, room, settings, "erp_orders", "later_orders", after_seq=after)
            account = account_of_lines(con)
        return dg.AssetCheckResult(
            passed=account.balanced,
            description="; ".join(account.breaks)
            or f"{account.accepted:,} accepted = {account.counting:,} lines + {account.with_issue:,} with an issue + "
            f"{account.superseded:,} superseded + {account.deleted:,} deleted",
            metadata={
                "accepted": account.accepted,
                "lines without issue": account.counting,
                "lines with an issue": account.with_issue,
                "superseded": account.superseded,
                "deleted": account.deleted,
            },
        )

    @dg.asset_check(
        asset=asset,
        name="items_and_units_known",
        description="Every line that would count can be counted: its item and its unit are known.",
    )
    def items_and_units_known(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        from o9_assets.assets.curated.items import ITEMS

        room = lake.open()
        with engine.open().connect() as con:
            columns = ["item_code", "uom_code", "issue", "quantity", "value", "counts_as"]
            room.view(con, "lines", dataset, columns=columns)
            room.view(con, "items", ITEMS)
            rows = con.execute(
                """
                SELECT coalesce(issue, 'item not in the master') AS what,
                    CASE WHEN issue IS NULL OR issue = 'unknown_item' THEN item_code ELSE uom_code END AS who,
                    count(*), CAST(sum(abs(quantity)) AS DOUBLE), CAST(coalesce(sum(abs(value)), 0) AS DOUBLE)
                FROM lines LEFT JOIN items USING (item_code)
                WHERE issue IS NOT NULL OR (counts_as <> 'none' AND $has_master AND NOT items.in_master)
                GROUP BY ALL ORDER BY 3 DESC, 1, 2 LIMIT 200
                """,
                {"has_master": "erp_items" in settings.feeds},
            ).fetchall()
        kinds = {"what": "string", "which": "string", "lines": "int", "quantity": "float", "value": "float"}
        shown = [(what, which or "", *numbers) for what, which, *numbers in rows]
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{sum(row[2] for row in rows):,} lines name an unknown item or unit" if rows else None,
            metadata={"unknown": table(kinds, shown)} if rows else {},
        )

    @dg.asset_check(
        asset=asset,
        name="cancellations_name_a_line",
        description="Every cancellation that names a line names one that is there.",
    )
    def cancellations_name_a_line(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        room = lake.open()
        with engine.open().connect() as con:
            columns = ["kind_rule", "order_id", "order_line", "cancels_order_id", "cancels_order_line"]
            room.view(con, "lines", dataset, columns=columns)
            rows = con.execute(
                """
                SELECT concat(c.order_id, '/', c.order_line, ' → ', c.cancels_order_id, '/', c.cancels_order_line)
                FROM (SELECT * FROM lines WHERE kind_rule = -2) AS c
                ANTI JOIN lines AS l ON l.order_id = c.cancels_order_id AND l.order_line = c.cancels_order_line
                ORDER BY 1
                """
            ).fetchall()
        return dg.AssetCheckResult(
            passed=not rows,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{len(rows):,} name no line: " + "; ".join(r for (r,) in rows[:10]) if rows else None,
        )

    named = "cancels_order_id" in settings.feeds["erp_orders"].columns
    return [every_row_accounted_for, items_and_units_known, *([cancellations_name_a_line] if named else [])]
