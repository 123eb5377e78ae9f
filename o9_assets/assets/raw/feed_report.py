"""What a materialisation of a feed tells in Dagster's UI: its account of rows, this run's part, and the quarantine."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.pictures import bars
from o9_assets.assets.tables import table
from o9_assets.dataset import Dataset

if TYPE_CHECKING:
    from o9_assets.landing.ingest import IngestReport
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = ["standing", "told"]


def told(feed_name: str, dataset: Dataset, report: "IngestReport", lake: "Lake", engine: "Engine") -> dict[str, Any]:
    """Metadata of a run that did what `report` says. The account and the quarantine are the whole feed's, so that they
    stand there after a run that had nothing to do."""
    metadata: dict[str, Any] = {
        "dagster/row_count": lake.row_count(dataset),
        **standing(feed_name, lake, engine),
        "objects (this run)": report.objects,
        "landed rows (this run)": report.landed_rows,
        "accepted rows (this run)": report.accepted_rows,
        "quarantined rows (this run)": report.quarantined_rows,
        "objects set aside (this run)": len(report.set_aside),
        "bytes (this run)": report.size_bytes,
    }
    if report.set_aside:
        lines = [f"- `{name}`: {reason}" for name, reason in sorted(report.set_aside.items())[:50]]
        metadata["set aside"] = dg.MetadataValue.md("\n".join(lines))
    return metadata


def standing(feed_name: str, lake: "Lake", engine: "Engine") -> dict[str, Any]:
    """Metadata of the whole feed: its account of rows, and what waits in quarantine by reason."""
    account, reasons = _account(feed_name, lake, engine)
    metadata: dict[str, Any] = {"account of rows": account}
    if reasons:
        columns = {"reason": "string", "rows": "int", "value at risk": "float"}
        metadata["quarantine by reason"] = table(columns, reasons)
        metadata["picture of the quarantine"] = bars([(r, n) for r, n, _ in reasons], "Rows in quarantine by reason")
    return metadata


def _account(feed_name: str, lake: "Lake", engine: "Engine") -> tuple[str, list[tuple[str, int, float | None]]]:
    """The feed's account as it stands, as a sentence, and what waits in quarantine by reason."""
    from o9_assets.landing.accepted import standing_view, waiting_view

    with engine.connect() as con:
        standing_view(con, lake, "standing", feed_name)
        waiting_view(con, lake, "waiting", feed_name)
        [(landed, accepted, quarantined, superseded, mended, others)] = con.execute(
            "SELECT coalesce(sum(landed_rows), 0), coalesce(sum(accepted_rows) FILTER (WHERE holds), 0), "
            "coalesce(sum(quarantined_rows) FILTER (WHERE holds), 0), "
            "coalesce(sum(landed_rows) FILTER (WHERE NOT holds), 0), "
            "coalesce(sum(mended_rows) FILTER (WHERE holds), 0), coalesce(sum(other_rows), 0) FROM standing"
        ).fetchall()
        reasons = con.execute(
            "SELECT reason, count(*), round(CAST(sum(value_at_risk) AS DOUBLE), 2) FROM waiting "
            "GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
    told = (
        f"{landed:,} landed = {accepted:,} accepted + {quarantined:,} quarantined + {superseded:,} superseded by a new "
        "version of their object"
    )
    if mended:
        told += f"; {mended:,} of the accepted were mended"
    if others:
        told += f"; {others:,} records of their files are other tables'"
    return told, reasons
