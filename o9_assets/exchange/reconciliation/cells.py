"""lines → history → sent → held: cells of demand history, from the lines that count to what o9 holds, read by cursor.

Months are compared together until their cells fill a bounded room, so that memory does not grow with history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from o9_assets.dataset import Dataset
from o9_assets.exchange.datasets import DEMAND_EXPORT, HELD, KEY, MEASURES, REJECTED
from o9_assets.exchange.reconciliation.comparing import Step, add, compare
from o9_assets.exchange.rows import hold
from o9_assets.planning.calendar import Bucket, Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.lake import Lake, isin
from o9_assets.resources.o9 import O9Client

if TYPE_CHECKING:
    import duckdb

__all__ = ["can_be_read", "compare_cells", "slice_of"]

ROOM = 300_000
"""Cells that are compared together."""
LINES = frozenset({"orders_quantity", "returns_quantity", "orders_value"})


def slice_of(month: date) -> str:
    return f"cells {month}"


def can_be_read(client: O9Client) -> bool:
    """Whether o9 has an API by which cells can be read back."""
    return client.profile.carrier == "rest" or client.profile.files.confirm == "read_back"


def compare_cells(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    lake: Lake,
    lines: Dataset,
    history: Dataset,
    months: Sequence[date],
    client: O9Client,
) -> set[str]:
    """Compare months of demand history; returns the slices."""
    sent = frozenset(str(measure) for measure in settings.o9.measures)
    steps = [Step("lines", "history", LINES, zero_is_nothing=True), Step("history", "sent", sent)]
    if can_be_read(client):
        steps.append(Step("sent", "held", sent))
    for some in _rooms(con, lake, history, months):
        _stages(con, settings, lake, lines, history, some, client)
        compare(con, steps, settings.reconciliation.levels)
        _explain(con, lake, some)
    return {slice_of(month) for month in months}


def _rooms(
    con: duckdb.DuckDBPyConnection, lake: Lake, history: Dataset, months: Sequence[date]
) -> Iterator[list[date]]:
    """Months in lists whose cells have room together."""
    lake.view(con, "history", history, columns=["month_start"], where=isin("month_start", months))
    counts = dict(con.execute("SELECT month_start, count(*) FROM history GROUP BY 1").fetchall())
    some: list[date] = []
    used = 0
    for month in sorted(months):
        if some and used + counts.get(month, 0) > ROOM:
            yield some
            some, used = [], 0
        some.append(month)
        used += counts.get(month, 0)
    if some:
        yield some


def _stages(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    lake: Lake,
    lines: Dataset,
    history: Dataset,
    months: list[date],
    client: O9Client,
) -> None:
    calendar = Calendar(settings.calendar)
    # A month has 31 days, a fiscal one up to six weeks; the last buckets of a month end in it.
    buckets = [b for b in calendar.buckets(months[0], months[-1] + timedelta(days=45)) if b.month_start in set(months)]
    first, last = buckets[0].start, buckets[-1].end
    con.register("days", calendar.days_table(first, last))
    con.register("buckets", calendar.buckets_table(first, last))
    where = isin("month_start", months)
    lake.view(con, "history", history, where=where)
    lake.view(con, "books", DEMAND_EXPORT, where=where)
    lake.view(con, "all_lines", lines, columns=["demand_date", *KEY[1:], "counts_as", "base_quantity", "value"])
    # A label that no partial week bears is nobody's month; it is told with the first, under its own name.
    first_month = f"DATE '{months[0]}'"
    row = (
        f"'cells ' || coalesce(b.month_start, {first_month}) AS slice, "
        f"coalesce(b.bucket_start, {first_month}) AS period_start, "
        f"{', '.join(KEY[1:])}, '' AS detail, CAST(NULL AS VARCHAR) AS origin"
    )
    wide = ", ".join(f"CAST({m} AS DECIMAL(28, 4)) AS {m}" for m in MEASURES)
    of_lines = ", ".join(
        f"CAST(sum(CASE WHEN counts_as = '{kind}' THEN {column} END) AS DECIMAL(28, 4)) AS {measure}"
        for measure, kind, column in (
            ("orders_quantity", "orders", "base_quantity"),
            ("returns_quantity", "returns", "base_quantity"),
            ("orders_value", "orders", "value"),
        )
    )
    by_start = "INNER JOIN buckets AS b USING (bucket_start)"
    counted = f"counts_as <> 'none' AND {_in('b.month_start', months)}"
    add(
        con,
        "lines",
        f"SELECT {row}, b.bucket_label AS period_label, {of_lines} FROM all_lines "
        f"INNER JOIN days ON days.date = demand_date {by_start} WHERE {counted} GROUP BY ALL",
        sorted(LINES),
    )
    add(con, "history", f"SELECT {row}, b.bucket_label AS period_label, {wide} FROM history {by_start}", MEASURES)
    add(con, "sent", f"SELECT {row}, b.bucket_label AS period_label, {wide} FROM books {by_start}", MEASURES)
    if can_be_read(client):
        hold(con, "held", _pages(settings, buckets, client), settings.o9)
        # A cell that is there twice is summed, and so differs.
        summed = ", ".join(f"CAST(sum({m}) AS DECIMAL(28, 4)) AS {m}" for m in MEASURES)
        add(
            con,
            "held",
            f"SELECT {row}, bucket_label AS period_label, {summed} FROM held "
            "LEFT JOIN buckets AS b USING (bucket_label) GROUP BY ALL",
            MEASURES,
        )


def _pages(settings: Settings, buckets: Sequence[Bucket], client: O9Client) -> Iterator[Sequence[dict[str, Any]]]:
    """Facts of the buckets, read in as few spans as there are gaps between them."""
    gaps = [i for i, (one, other) in enumerate(pairwise(buckets), start=1) if other.start - one.end > timedelta(days=1)]
    for begin, end in pairwise([0, *gaps, len(buckets)]):
        yield from client.facts(settings.o9.measure_group, first=buckets[begin].start, last=buckets[end - 1].start)


def _explain(con: duckdb.DuckDBPyConnection, lake: Lake, months: list[date]) -> None:
    """Give differences of history → sent their cause: what is not complete, what waits, and what o9 refuses."""
    where = isin("month_start", months)
    lake.view(con, "refused", REJECTED, where=where)
    lake.view(con, "waiting", HELD, where=where)
    key = ", ".join(KEY)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE causes AS
        SELECT {key}, min(cause) AS cause FROM (
            SELECT {key}, 'the partial week is not complete' AS cause FROM history
            WHERE state = 'missing' OR NOT is_complete
            UNION ALL
            SELECT {key}, 'a correction that waits for approval' FROM waiting
            UNION ALL
            SELECT {key}, CASE WHEN missing_members IS NULL THEN 'o9 refuses it: ' || reason ELSE 'o9 lacks ' ||
                array_to_string([m[1] || ' ' || m[2] FOR m IN CAST(missing_members AS JSON)::VARCHAR[][]], ', ') END
            FROM refused WHERE resolved_at IS NULL
        ) GROUP BY ALL
        """
    ).fetchall()
    con.execute(
        f"""
        UPDATE differing SET cause = causes.cause FROM causes
        WHERE differing.step = 'history → sent' AND differing.period_start = causes.bucket_start
            AND {" AND ".join(f"differing.{code} = causes.{code}" for code in KEY[1:])}
        """
    ).fetchall()


def _in(column: str, months: Sequence[date]) -> str:
    return f"list_contains([{', '.join(f'DATE {chr(39)}{m}{chr(39)}' for m in months)}], {column})"
