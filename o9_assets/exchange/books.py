"""The books: what o9 holds, as far as it confirmed it. A delivery enters them when all of it is settled."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from o9_assets.exchange.datasets import CORRECTIONS, DEMAND_EXPORT, KEY, REJECTED
from o9_assets.exchange.refusals import resolve
from o9_assets.exchange.report import Delivery
from o9_assets.resources.lake import equal, everything, isin

if TYPE_CHECKING:
    import duckdb

    from o9_assets.exchange.plan import Plan

__all__ = ["enter"]


def enter(con: duckdb.DuckDBPyConnection, delivery: Delivery, planned: Plan) -> None:
    """Keep the corrections, and bring the books up to date: the months that the delivery touches, in one commit."""
    lake, report = delivery.lake, delivery.report
    delivery.lease.check(lake)
    ours = equal("delivery_id", planned.delivery_id)
    lake.view(con, "refused_cells", REJECTED, where=ours)
    key = ", ".join(KEY)
    con.execute(f"CREATE TEMP VIEW taken AS SELECT * FROM planned ANTI JOIN refused_cells USING ({key})").fetchall()
    counts = dict(con.execute("SELECT change, count(*) FROM taken GROUP BY 1").fetchall())
    [(rejected,)] = con.execute("SELECT count(*) FROM planned SEMI JOIN refused_cells USING (" + key + ")").fetchall()
    months = [row[0] for row in con.execute("SELECT DISTINCT month_start FROM planned ORDER BY 1").fetchall()]
    buckets = [row[0] for row in con.execute("SELECT DISTINCT bucket_start FROM planned ORDER BY 1").fetchall()]
    report.months.update(months)
    report.new += counts.get("new", 0)
    report.replaced += counts.get("replaced", 0)
    report.retracted += counts.get("retracted", 0)
    report.rejected += rejected
    if counts.keys() - {"new"}:
        columns = ", ".join(CORRECTIONS.column_names[:-1])
        corrected = con.sql(
            f"SELECT {columns}, TIMESTAMP '{planned.planned_at.isoformat()}' AS corrected_at FROM taken "
            f"WHERE change <> 'new' ORDER BY {key}"
        )
        lake.overwrite(CORRECTIONS, corrected, ours)
    resolve(con, delivery, planned)
    touched = everything() if planned.replaces_all else isin("month_start", months)
    base = lake.view(con, "books", DEMAND_EXPORT, where=isin("month_start", [] if planned.replaces_all else months))
    columns = ", ".join(DEMAND_EXPORT.column_names)
    [(held,)] = con.execute("SELECT count(*) FROM books").fetchall()
    # What was planned is in order already; sorting a first delivery again costs as much as writing it.
    order = f"ORDER BY {key}" if held else ""
    # A cell that o9 refused stays in the books as it was: that is what o9 still holds.
    rows = con.sql(
        f"SELECT {columns} FROM books ANTI JOIN taken USING ({key}) "
        f"UNION ALL SELECT {columns} FROM taken WHERE change <> 'retracted' {order}"
    )
    marks: dict[str, str | None] = {
        "delivered": planned.delivery_id,
        "months": json.dumps(dict(planned.months), separators=(",", ":")),
        "target": planned.target,
        "last_buckets": json.dumps([bucket.isoformat() for bucket in buckets], separators=(",", ":")),
    }
    lake.overwrite(DEMAND_EXPORT, rows, touched, marks=marks, based_on=base)
