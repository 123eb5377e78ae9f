"""Cells that o9 refuses: kept with its reason and the members that it lacks, tried again when there is a reason to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa

from o9_assets.exchange.datasets import KEY, REJECTED
from o9_assets.exchange.members import lacking
from o9_assets.exchange.report import Delivery
from o9_assets.exchange.sending import Settled
from o9_assets.resources.lake import Lake, all_of, equal, everything, isin
from o9_assets.resources.o9 import O9Client

if TYPE_CHECKING:
    import duckdb

    from o9_assets.exchange.plan import Plan

__all__ = ["forsake", "keep_refused", "no_longer_wanted", "resolve", "standing"]


def keep_refused(
    con: duckdb.DuckDBPyConnection, delivery: Delivery, planned: Plan, settled: dict[int, Settled]
) -> None:
    """Keep the refused cells of a group with o9's reason and the members that it lacks.

    They replace what an interrupted run kept of the same chunks, so that a repetition changes nothing.
    """
    lake = delivery.lake
    found = [(chunk, place, reason) for chunk, one in settled.items() for place, reason in one.rejected]
    slice_ = all_of(equal("delivery_id", planned.delivery_id), isin("chunk_no", sorted(settled)))
    if not found:
        if delivery.report.resumed and lake.view(con, "kept", REJECTED, where=slice_) is not None:
            [(count,)] = con.execute("SELECT count(*) FROM kept").fetchall()
            if count:
                lake.overwrite(REJECTED, REJECTED.arrow_schema.empty_table(), slice_)
        return
    chunks, places, reasons = (list(column) for column in zip(*found, strict=True))
    con.register("refusals", pa.table({"chunk_no": chunks, "row_no": places, "reason": reasons}))
    con.execute(
        "CREATE OR REPLACE TEMP TABLE refused_now AS SELECT planned.*, reason FROM planned "
        "INNER JOIN refusals USING (chunk_no, row_no)"
    ).fetchall()
    missing = lacking(con, delivery.settings, delivery.client, "refused_now")
    con.register("missing", _missing_table(missing))
    clauses = " || ".join(
        f"coalesce((SELECT [text] FROM missing WHERE code = '{code}' AND name = refused_now.{code}), [])"
        for code in ("item_code", "location_code", "channel_code", "bucket_label")
    )
    cell = ", ".join(c for c in REJECTED.column_names if c not in ("missing_members", "rejected_at", "resolved_at"))
    rows = con.sql(
        f"SELECT {cell}, "
        "CASE WHEN len(lacks) > 0 THEN '[' || array_to_string(lacks, ',') || ']' END AS missing_members, "
        f"TIMESTAMP '{delivery.now.isoformat()}' AS rejected_at, CAST(NULL AS TIMESTAMP) AS resolved_at "
        f"FROM (SELECT *, {clauses} AS lacks FROM refused_now)"
    ).to_arrow_table()
    lake.overwrite(REJECTED, rows, slice_)
    for reason in reasons:
        delivery.report.reasons[reason] = delivery.report.reasons.get(reason, 0) + 1


def _missing_table(missing: Sequence[tuple[str, str, str]]) -> pa.Table:
    columns: dict[str, list[str]] = {"code": [], "name": [], "text": []}
    for code, dimension, name in missing:
        columns["code"].append(code)
        columns["name"].append(name)
        columns["text"].append(json.dumps([dimension, name], ensure_ascii=False))
    return pa.table({name: pa.array(values, pa.string()) for name, values in columns.items()})


def resolve(con: duckdb.DuckDBPyConnection, delivery: Delivery, planned: Plan) -> None:
    """Cells that o9 refused earlier and that this delivery decided anew stand no longer."""
    lake = delivery.lake
    base = lake.view(con, "all_refused", REJECTED)
    if base is None:
        return
    decided = "true" if planned.replaces_all else f"({', '.join(KEY)}) IN (SELECT ({', '.join(KEY)}) FROM planned)"
    ours = f"delivery_id = '{planned.delivery_id}'"
    # Our own stand again where the delivery was forsaken for a while.
    stands = f"CASE WHEN {ours} THEN true WHEN {decided} THEN false ELSE resolved_at IS NULL END"
    _restand(con, delivery, base, stands)


def forsake(delivery: Delivery, delivery_id: str) -> None:
    """What o9 refused of a delivery to a place that the settings no longer name says nothing of another place."""
    with delivery.engine.connect() as con:
        base = delivery.lake.view(con, "all_refused", REJECTED)
        if base is not None:
            _restand(con, delivery, base, f"resolved_at IS NULL AND delivery_id <> '{delivery_id}'")


def no_longer_wanted(
    con: duckdb.DuckDBPyConnection, delivery: Delivery, months: Sequence[date], refused_sql: str | None
) -> None:
    """Refusals in months that are compared stand no longer where the cell is to be as o9 holds it.

    `refused_sql` gives the cells that o9 goes on refusing; those in `changes` are about to be tried.
    """
    base = delivery.lake.view(con, "all_refused", REJECTED)
    if base is None:
        return
    key, differing = ", ".join(KEY), "false"
    if refused_sql is not None:
        con.execute(
            f"CREATE OR REPLACE TEMP TABLE wanted_refused AS SELECT {key} FROM ({refused_sql}) "
            f"UNION ALL SELECT {key} FROM changes"
        ).fetchall()
        differing = f"({key}) IN (SELECT ({key}) FROM wanted_refused)"
    listed = ", ".join(f"DATE '{month}'" for month in months)
    _restand(
        con, delivery, base, f"resolved_at IS NULL AND (NOT list_contains([{listed}], month_start) OR {differing})"
    )


def _restand(con: duckdb.DuckDBPyConnection, delivery: Delivery, base: int, stands: str) -> None:
    """Let those of `all_refused` stand that meet a condition, and no others; writes only where that changes any."""
    changed = f"(resolved_at IS NULL) <> ({stands})"
    [(count,)] = con.execute(f"SELECT count(*) FROM all_refused WHERE {changed}").fetchall()
    if not count:
        return
    stamp = f"TIMESTAMP '{delivery.now.isoformat()}'"
    rows = con.sql(
        f"SELECT * REPLACE (CASE WHEN {changed} THEN CASE WHEN resolved_at IS NULL THEN {stamp} END "
        "ELSE resolved_at END AS resolved_at) FROM all_refused"
    ).to_arrow_table()
    delivery.lake.overwrite(REJECTED, rows, everything(), based_on=base)


def standing(con: duckdb.DuckDBPyConnection, lake: Lake, client: O9Client, retry: bool) -> set[str]:
    """Register `refused`: cells that o9 refuses and that are not to be tried again. Returns the months of the others:
    all of them where a person asks, otherwise those whose missing members are there by now."""
    lake.view(con, "all_refused", REJECTED)
    standing_cells = "FROM all_refused WHERE resolved_at IS NULL"
    lacking = [row[0] for row in con.execute(f"SELECT DISTINCT missing_members {standing_cells}").fetchall()]
    there: list[str] = []
    by_dimension: dict[str, set[str]] = {}
    for text in filter(None, lacking):
        for dimension, name in json.loads(text):
            by_dimension.setdefault(dimension, set()).add(name)
    found = {dimension: client.members(dimension, names) for dimension, names in by_dimension.items()}
    for text in filter(None, lacking):
        if all(name in found[dimension] for dimension, name in json.loads(text)):
            there.append(text)
    again = "true" if retry else "coalesce(missing_members IN (SELECT unnest($1::VARCHAR[])), false)"
    parameters = [] if retry else [there]
    rows = con.execute(f"SELECT DISTINCT month_start {standing_cells} AND {again}", parameters).fetchall()
    con.execute(f"CREATE TEMP TABLE refused AS SELECT * {standing_cells} AND NOT ({again})", parameters).fetchall()
    return {row[0].isoformat() for row in rows}
