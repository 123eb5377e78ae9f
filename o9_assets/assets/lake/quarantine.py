"""What was set aside on the way in: every record and object that could not be taken, with its reason and its value.

Fix the source and send the object again under its name, or mend the setting that judged it; `docs/landing.md` tells
how. Nothing is ever deleted from here without being accounted for.
"""

from typing import Any

import dagster as dg

from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.pictures import bars
from o9_assets.assets.tables import table
from o9_assets.dataset import Dataset
from o9_assets.landing.datasets import QUARANTINE as ROWS
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource

__all__ = ["build"]

QUARANTINE = Dataset("lake.quarantine", ROWS.description, ROWS.columns, ROWS.key)


def build(settings: Settings) -> list[Any]:
    """The report on the quarantine."""

    @dataset_asset(
        QUARANTINE, kinds={"iceberg"}, deps=[["raw", name] for name in settings.feeds if not name.startswith("o9_")]
    )
    def quarantine(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource
    ) -> dg.MaterializeResult:
        from o9_assets.landing.accepted import waiting_view

        with engine.open().connect() as con:
            waiting_view(con, lake.open(), "waiting")
            by_reason = con.execute(
                "SELECT feed, reason, count(*), round(CAST(sum(value_at_risk) AS DOUBLE), 2) "
                "FROM waiting GROUP BY ALL ORDER BY 3 DESC, 1, 2"
            ).fetchall()
            newest = con.execute(
                "SELECT concat(object_name, ' line ' || line), concat(reason, ': ', left(detail, 100)), "
                "left(original_text, 40) || CASE WHEN length(original_text) > 40 THEN ' …' ELSE '' END "
                "FROM waiting ORDER BY known_at DESC, object_name, line LIMIT 50"
            ).fetchall()
            [(mended,)] = con.execute("SELECT count(mended_at) FROM waiting__all").fetchall()
        metadata: dict[str, Any] = {
            "dagster/row_count": sum(row[2] for row in by_reason),
            "mended rows": mended,
            "by reason": table(
                {"feed": "string", "reason": "string", "rows": "int", "value at risk": "float"}, by_reason
            ),
            # Three columns, and short: the page is narrow and cuts off what is too wide. The table holds the whole.
            "newest": table({"where": "string", "why": "string", "original text": "string"}, newest),
        }
        if by_reason:
            counts = [(f"{feed}: {reason}", rows) for feed, reason, rows, _ in by_reason]
            metadata["picture of the quarantine"] = bars(counts, "Rows in quarantine by feed and reason")
        return dg.MaterializeResult(metadata=metadata)

    return [quarantine]
