"""Whether o9 holds what our books say: counts, sums and a hash for each measure and month, read back by cursor."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from o9_assets.exchange.datasets import DEMAND_EXPORT
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.lake import Lake, isin
from o9_assets.resources.o9 import O9Client

__all__ = ["Break", "read_back"]

QUERY = """
SELECT month_start, measure, count(*) AS cells, sum(quantity) AS quantity,
    bit_xor(hash(item_code, location_code, channel_code, bucket_label, quantity)) AS content
FROM {source} GROUP BY month_start, measure
"""


@dataclass(frozen=True, slots=True)
class Break:
    """A measure and month in which o9 and the books differ."""

    month_start: date
    measure: str
    ours: str
    theirs: str


def read_back(settings: Settings, months: Iterable[date], *, lake: Lake, client: O9Client) -> tuple[int, list[Break]]:
    """Compare the months; returns how many measure cells agree, and the breaks."""
    import duckdb
    import pyarrow as pa

    months = sorted(months)
    if not months:
        return 0, []
    calendar, o9 = Calendar(settings.calendar), settings.o9
    last = calendar.month_start(months[-1]) + timedelta(days=62)
    buckets = [b for b in calendar.buckets(months[0], last) if b.month_start in set(months)]
    by_label = {b.bucket_label: b for b in buckets}
    held: list[dict[str, Any]] = []
    for page in client.facts(o9.measure_group, first=buckets[0].start, last=buckets[-1].start):
        for row in page:
            bucket = by_label.get(str(row[o9.columns["time"]]))
            if bucket is None or row[o9.columns["version"]] != o9.version:
                continue
            for name in o9.measures.values():
                if row.get(name) is not None:
                    held.append(
                        {
                            "month_start": bucket.month_start,
                            "measure": name,
                            "item_code": str(row[o9.columns["item"]]),
                            "location_code": str(row[o9.columns["location"]]),
                            "channel_code": str(row[o9.columns["channel"]]) if "channel" in o9.columns else "ALL",
                            "bucket_label": bucket.bucket_label,
                            "quantity": f"{row[name]:.4f}",
                        }
                    )
    columns = ("month_start", "measure", "item_code", "location_code", "channel_code", "bucket_label", "quantity")
    types = [pa.date32(), *[pa.string()] * 6]
    table = pa.table({c: pa.array([r[c] for r in held], t) for c, t in zip(columns, types, strict=True)})
    with duckdb.connect(":memory:") as con:
        lake.view(con, "books", DEMAND_EXPORT, where=isin("month_start", months))
        con.register("held_text", table)
        con.execute(
            "CREATE TEMP VIEW held AS SELECT * REPLACE (CAST(quantity AS DECIMAL(18,4)) AS quantity) FROM held_text"
        ).fetchall()
        each = " UNION ALL ".join(
            f"SELECT month_start, '{name}' AS measure, item_code, location_code, channel_code, bucket_label, "
            f"{measure} AS quantity FROM books WHERE {measure} IS NOT NULL"
            for measure, name in o9.measures.items()
        )
        rows = con.execute(
            f"""
            WITH ours AS ({QUERY.format(source=f"({each})")}), theirs AS ({QUERY.format(source="held")})
            SELECT coalesce(ours.month_start, theirs.month_start), coalesce(ours.measure, theirs.measure),
                ours.cells, ours.quantity, theirs.cells, theirs.quantity,
                ours.content IS NOT DISTINCT FROM theirs.content
            FROM ours FULL OUTER JOIN theirs USING (month_start, measure) ORDER BY 1, 2
            """
        ).fetchall()
    breaks = [
        Break(
            month, measure, f"{cells or 0} cells, {quantity or 0}", f"{their_cells or 0} cells, {their_quantity or 0}"
        )
        for month, measure, cells, quantity, their_cells, their_quantity, same in rows
        if not same
    ]
    return sum(row[2] or 0 for row in rows if row[6]), breaks
