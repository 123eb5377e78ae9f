"""source → raw: the records of every landed object against the rows in raw and in quarantine."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

from o9_assets.dataset import Dataset
from o9_assets.exchange.reconciliation.comparing import Step, add, compare
from o9_assets.landing.accepted import manifest_view
from o9_assets.landing.datasets import QUARANTINE
from o9_assets.resources.lake import Lake, equal

if TYPE_CHECKING:
    import duckdb

__all__ = ["compare_files"]

STEPS = (Step("source", "raw"),)


def compare_files(
    con: duckdb.DuckDBPyConnection, lake: Lake, feed: str, dataset: Dataset, objects: list[str]
) -> set[str]:
    """Compare a feed's objects by the month of the day that they cover: those months that hold one of `objects`.

    Returns the slices. A row is an object, and its quantity the number of its records.
    """
    manifest_view(con, lake, "manifest", feed)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE landed AS
        SELECT *, 'files {feed} ' || strftime(period_start, '%Y-%m') AS slice FROM (
            SELECT object_id, object_name, landed_rows, accepted_rows, quarantined_rows, status,
                CAST(date_trunc('month', coalesce(covers_date, DATE '{date(1970, 1, 1)}')) AS DATE) AS period_start
            FROM manifest
        )
        """
    ).fetchall()
    con.execute(
        "DELETE FROM landed WHERE slice NOT IN (SELECT slice FROM landed WHERE list_contains($1, object_id))",
        [objects],
    ).fetchall()
    slices = {row[0] for row in con.execute("SELECT DISTINCT slice FROM landed").fetchall()}
    if not slices:
        return slices
    lake.view(con, "raw", dataset, columns=["object_id"])
    lake.view(con, "bad", QUARANTINE, columns=["object_id", "mended_at"], where=equal("feed", feed))
    measure = f"rows of {feed}"
    row = (
        "slice, period_start, strftime(period_start, '%Y-%m') AS period_label, '' AS item_code, '' AS location_code, "
        "'' AS channel_code, object_id AS detail, object_name AS origin"
    )
    add(con, "source", f'SELECT {row}, CAST(landed_rows AS DECIMAL(28, 4)) AS "{measure}" FROM landed', [measure])
    # A record that was mended is in raw and stays in quarantine; an object set aside whole has a row there that is no
    # record.
    found = f"""
        SELECT {row}, CAST(coalesce(r.n, 0) + coalesce(b.n, 0) - coalesce(b.mended, 0) AS DECIMAL(28, 4)) AS "{measure}"
        FROM landed
        LEFT JOIN (SELECT object_id, count(*) AS n FROM raw GROUP BY 1) AS r USING (object_id)
        LEFT JOIN (
            SELECT object_id, count(*) AS n, count(mended_at) AS mended
            FROM bad SEMI JOIN (FROM landed WHERE status = 'ingested') USING (object_id) GROUP BY 1
        ) AS b USING (object_id)
    """
    add(con, "raw", found, [measure])
    compare(con, STEPS)
    return slices
