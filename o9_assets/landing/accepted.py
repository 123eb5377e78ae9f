"""What is in: raw rows that the manifest lists, of object versions that still hold. Downstream reads nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import duckdb

from o9_assets.dataset import Dataset
from o9_assets.landing.datasets import MANIFEST, QUARANTINE
from o9_assets.resources.lake import Lake, all_of, at_most, equal, everything, isin

__all__ = [
    "FEW",
    "Changes",
    "accepted_view",
    "changes_since",
    "latest_seq",
    "listed_as",
    "manifest_view",
    "standing_view",
    "waiting_view",
]

FEW = 200
"""So many objects are a filter by which the lake skips files; for more, reading all is quicker than planning."""


def listed_as(feed_name: str) -> str:
    """The name under which `changes_since` leaves a feed's manifest behind."""
    return f"{feed_name}__manifest"


def manifest_view(
    con: duckdb.DuckDBPyConnection, lake: Lake, name: str, feed_name: str | None, *, as_of: datetime | None = None
) -> None:
    """Register the manifest of a feed (of all where it is None), as it is now, with `holds`: false where a newer
    version of the object replaced this one.

    `as_of` (UTC) leaves out what became known later.
    """
    where = everything() if feed_name is None else equal("feed", feed_name)
    if as_of is not None:
        where = all_of(where, at_most("known_at", as_of))
    lake.view(con, f"{name}__all", MANIFEST, where=where)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE "{name}" AS
        SELECT * EXCLUDE (age),
            age >= coalesce(max(age) FILTER (WHERE replaces) OVER (PARTITION BY feed, object_name), 0) AS holds
        FROM (
            SELECT *, row_number() OVER (PARTITION BY feed, object_name ORDER BY known_at, ingest_seq, object_id) AS age
            FROM "{name}__all"
        )
        """
    ).fetchall()


def waiting_view(con: duckdb.DuckDBPyConnection, lake: Lake, name: str, feed_name: str | None = None) -> None:
    """Register `name`: quarantine rows, of one feed or of all, that wait to be mended, of the object versions that
    hold. What a corrected file replaced waits no more, nor does what a run that died left behind."""
    lake.view(con, f"{name}__all", QUARANTINE, where=None if feed_name is None else equal("feed", feed_name))
    manifest_view(con, lake, f"{name}__manifest", feed_name)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE "{name}" AS
        SELECT * FROM "{name}__all" SEMI JOIN (FROM "{name}__manifest" WHERE holds) USING (feed, object_id)
        WHERE mended_at IS NULL
        """
    ).fetchall()


def standing_view(con: duckdb.DuckDBPyConnection, lake: Lake, name: str, feed_name: str | None = None) -> None:
    """Register `name`: the manifest with `holds`, as its records stand by now: of `quarantined_rows` those that were
    mended since, `mended_rows`, count as accepted."""
    where = None if feed_name is None else equal("feed", feed_name)
    lake.view(con, f"{name}__quarantine", QUARANTINE, columns=["feed", "object_id", "mended_at"], where=where)
    manifest_view(con, lake, f"{name}__manifest", feed_name)
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE "{name}" AS
        SELECT * REPLACE (
            accepted_rows + mended_rows AS accepted_rows, quarantined_rows - mended_rows AS quarantined_rows
        )
        FROM (
            SELECT m.*, coalesce(mended, 0) AS mended_rows
            FROM "{name}__manifest" AS m LEFT JOIN (
                SELECT feed, object_id, count(mended_at) AS mended FROM "{name}__quarantine" GROUP BY ALL
            ) USING (feed, object_id)
        )
        """
    ).fetchall()


def accepted_view(
    con: duckdb.DuckDBPyConnection,
    lake: Lake,
    dataset: Dataset,
    feed_name: str,
    name: str,
    *,
    as_of: datetime | None = None,
    after_seq: int | None = None,
    upto_seq: int | None = None,
    manifest: str | None = None,
) -> None:
    """Register `name`: the rows of `dataset` that count. `after_seq` keeps only ingests after a watermark, `upto_seq`
    those up to one. `manifest` names what `manifest_view` registered, so that the rows are those of the same moment."""
    if manifest is None:
        manifest = f"{name}__manifest"
        manifest_view(con, lake, manifest, feed_name, as_of=as_of)
    asked = "holds AND status = 'ingested'"
    asked += "" if after_seq is None else f" AND ingest_seq > {int(after_seq)}"
    asked += "" if upto_seq is None else f" AND ingest_seq <= {int(upto_seq)}"
    objects = f'SELECT object_id FROM "{manifest}" WHERE {asked}'
    which = [] if as_of is None else [f"known_at <= TIMESTAMP '{as_of.isoformat(sep=' ')}'"]
    few = None if after_seq is None else [row[0] for row in con.execute(objects).fetchall()]
    if few is not None and len(few) <= FEW:
        lake.view(con, f"{name}__raw", dataset, where=isin("object_id", few))
    else:
        lake.view(con, f"{name}__raw", dataset)
        which.append(f"object_id IN ({objects})")
    con.execute(
        f'CREATE OR REPLACE TEMP VIEW "{name}" AS SELECT * FROM "{name}__raw" WHERE {" AND ".join(which) or "true"}'
    ).fetchall()


def latest_seq(lake: Lake, feed_name: str) -> int:
    """Number of the feed's latest ingest; 0 before the first."""
    seen = lake.read(MANIFEST, columns=["ingest_seq"], where=equal("feed", feed_name))
    return max(seen["ingest_seq"].to_pylist(), default=0)


@dataclass(frozen=True, slots=True)
class Changes:
    """What came in after a watermark: the new watermark, the new objects, those that they replaced or that hold again
    because a newer version cannot be read any more, and those that came after the watermark and were replaced since;
    how many objects are listed, and how many up to the old watermark: of these there are fewer than then where some
    were read again; and how many rows of the new objects were accepted."""

    seq: int
    new_objects: tuple[str, ...] = ()
    replaced_objects: tuple[str, ...] = ()
    passed_objects: tuple[str, ...] = ()
    listed: int = 0
    listed_before: int = 0
    new_rows: int = 0


def changes_since(con: duckdb.DuckDBPyConnection, lake: Lake, feed_name: str, after_seq: int) -> Changes:
    """Object ids that are new after `after_seq`, and those of versions that held until then and no longer do.

    Leaves the feed's manifest behind, see `listed_as`.
    """
    manifest = listed_as(feed_name)
    manifest_view(con, lake, manifest, feed_name)
    rows = con.execute(
        f'SELECT object_id, object_name, ingest_seq, holds, status, accepted_rows FROM "{manifest}"'
    ).fetchall()
    renewed = {name for _, name, seq, *_ in rows if seq > after_seq}
    # An object that was read again, and could not be, hides no older version any more.
    bared = {name for _, name, seq, _, status, _ in rows if seq > after_seq and status == "set_aside"}
    return Changes(
        max((seq for _, _, seq, *_ in rows), default=0),
        tuple(sorted(o for o, _, seq, holds, *_ in rows if seq > after_seq and holds)),
        tuple(
            sorted(
                o
                for o, name, seq, holds, *_ in rows
                if seq <= after_seq and (name in bared if holds else name in renewed)
            )
        ),
        tuple(sorted(o for o, _, seq, holds, *_ in rows if seq > after_seq and not holds)),
        len(rows),
        sum(seq <= after_seq for _, _, seq, *_ in rows),
        sum(accepted for _, _, seq, holds, _, accepted in rows if seq > after_seq and holds),
    )
