"""held → returned: what o9 holds of a cycle's forecasts, read anew, against what came back through the landing zone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING

import pyarrow as pa

from o9_assets.dataset import Dataset
from o9_assets.exchange.fetching import forecast_rows
from o9_assets.exchange.reconciliation.comparing import Step, add, compare
from o9_assets.exchange.rows import CODES
from o9_assets.landing.accepted import accepted_view
from o9_assets.planning.settings import Settings
from o9_assets.resources.lake import Lake
from o9_assets.resources.o9 import O9Client

if TYPE_CHECKING:
    import duckdb

__all__ = ["compare_plans", "latest_cycle"]

PAGE = 50_000


def latest_cycle(
    con: duckdb.DuckDBPyConnection, lake: Lake, returned: Mapping[str, Dataset]
) -> tuple[date | None, list[str]]:
    """The latest cycle that came back, if any, and notes of what is named by no ISO day, which belongs to none. o9's
    view of earlier cycles was overwritten by it."""
    found, notes = [], []
    for feed, dataset in returned.items():
        accepted_view(con, lake, dataset, feed, f"returned_{feed}")
        for name, rows in con.execute(f"SELECT plan_cycle, count(*) FROM returned_{feed} GROUP BY 1").fetchall():
            if cycle := _iso_day(name):
                found.append(cycle)
            else:
                notes.append(f"{feed} has {rows:,} rows of the cycle {name!r}, which is no ISO day; they are left out")
    return max(found, default=None), sorted(notes)


def _iso_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    # Python reads 20250630 and 2025-W27-1 too; cycles are named in one way.
    return day if day.isoformat() == text else None


def compare_plans(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    returned: Mapping[str, Dataset],
    cycle: date,
    client: O9Client,
) -> set[str]:
    """Compare a cycle's forecasts of each feed that brings them; returns the slices.

    Measures that a feed does not bring, or that the settings do not fetch, are left out. `latest_cycle` has registered
    the feeds' rows.
    """
    theirs = {str(name): column for name, column in settings.o9.columns.items()}
    columns = {code: theirs.get(name) for name, code in CODES.items()}
    con.execute(
        "CREATE OR REPLACE TEMP TABLE forecasts (item_code VARCHAR, location_code VARCHAR, channel_code VARCHAR, "
        "bucket_label VARCHAR, measure_name VARCHAR, value DECIMAL(28, 4))"
    ).fetchall()
    rows = forecast_rows(settings, cycle, client=client)
    while page := list(islice(rows, PAGE)):
        texts = {
            **{code: ["ALL" if name is None else row[name] for row in page] for code, name in columns.items()},
            "measure_name": [row["Measure"] for row in page],
            "value": [row["Value"] for row in page],
        }
        con.register("page", pa.table({name: pa.array(values, pa.string()) for name, values in texts.items()}))
        con.execute("INSERT INTO forecasts SELECT * FROM page").fetchall()
    slices = set()
    for feed, dataset in returned.items():
        version = settings.o9.version.replace("'", "''")
        con.execute(
            f"""
            CREATE OR REPLACE TEMP TABLE came AS
            SELECT * FROM returned_{feed} WHERE plan_cycle = '{cycle}' AND version_name = '{version}'
            QUALIFY op <> 'D' AND row_number() OVER (
                PARTITION BY {", ".join(dataset.key)}
                ORDER BY changed_at DESC, change_seq DESC, known_at DESC, object_name DESC, line DESC
            ) = 1
            """
        ).fetchall()
        both = con.execute(
            "SELECT DISTINCT measure_name FROM came SEMI JOIN forecasts USING (measure_name) ORDER BY 1"
        ).fetchall()
        slice_ = f"plan {cycle} {feed}"
        for (measure,) in both:
            name = measure.replace("'", "''")
            row = (
                f"'{slice_}' AS slice, DATE '{cycle}' AS period_start, bucket_label AS period_label, item_code, "
                "location_code, channel_code, '' AS detail"
            )
            where = f"WHERE measure_name = '{name}'"
            column = '"' + measure.replace('"', '""') + '"'
            add(con, "held", f"SELECT {row}, NULL AS origin, value AS {column} FROM forecasts {where}", [measure])
            origin = "concat(object_name, ', record ', line) AS origin"
            add(con, "returned", f"SELECT {row}, {origin}, quantity AS {column} FROM came {where}", [measure])
            slices.add(slice_)
        compare(con, [Step("held", "returned")], settings.reconciliation.levels)
    return slices
