"""The account of rows (the first law): landed = accepted + quarantined, and every accepted row is there once."""

from __future__ import annotations

from dataclasses import dataclass

from o9_assets.dataset import Dataset
from o9_assets.landing.accepted import manifest_view
from o9_assets.landing.datasets import QUARANTINE
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake, equal, isin

__all__ = ["Account", "account_of"]


@dataclass(frozen=True, slots=True)
class Account:
    """Records as they stand by now, and as they lie in the tables. `superseded` are rows of replaced object versions;
    `mended` of the accepted ones were in quarantine before."""

    landed: int
    accepted: int
    quarantined: int
    superseded: int
    raw_rows: int
    quarantine_rows: int
    mended: int
    set_aside_objects: int
    breaks: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        return not self.breaks


def account_of(feed_name: str, dataset: Dataset, *, lake: Lake, engine: Engine, latest: int | None = None) -> Account:
    """Add up the feed object by object; `breaks` says, for each object that does not add up, what is wrong.

    `latest` bounds it to so many of the objects that came last, for feeds that never end.
    """
    with engine.connect() as con:
        manifest_view(con, lake, "every_object", feed_name)
        bound = "" if latest is None else f" ORDER BY ingest_seq DESC, object_id LIMIT {latest}"
        con.execute(f"CREATE TEMP TABLE manifest AS SELECT * FROM every_object{bound}").fetchall()
        few = None
        if latest is not None:
            few = isin("object_id", [row[0] for row in con.execute("SELECT object_id FROM manifest").fetchall()])
        lake.view(con, "raw", dataset, columns=["object_id"], where=few)
        lake.view(
            con,
            "quarantine",
            QUARANTINE,
            columns=["object_id", "line", "reason", "mended_at"],
            where=equal("feed", feed_name),
        )
        rows = con.execute(
            """
            WITH in_raw AS (SELECT object_id, count(*) AS n FROM raw GROUP BY object_id),
            bad AS (
                SELECT object_id, count(*) AS n, count(mended_at) AS mended FROM quarantine GROUP BY object_id
            )
            SELECT m.object_name, m.status, m.holds, m.landed_rows, m.accepted_rows, m.quarantined_rows,
                   coalesce(in_raw.n, 0), coalesce(bad.n, 0), coalesce(bad.mended, 0)
            FROM manifest AS m
            LEFT JOIN in_raw ON in_raw.object_id = m.object_id
            LEFT JOIN bad ON bad.object_id = m.object_id
            ORDER BY m.object_name, m.object_id
            """
        ).fetchall()
    breaks = []
    for name, status, _, landed, accepted, quarantined, raw, bad, mended in rows:
        whole = 1 if status == "set_aside" else 0
        if landed != accepted + quarantined:
            breaks.append(f"{name}: landed {landed} but accepted {accepted} and quarantined {quarantined}")
        if raw != accepted + mended:
            breaks.append(f"{name}: {accepted} accepted and {mended} mended, but {raw} rows in {dataset.name}")
        if bad != quarantined + whole:
            breaks.append(f"{name}: {quarantined} quarantined, but {bad - whole} rows in quarantine")
    return Account(
        landed=sum(r[3] for r in rows),
        accepted=sum(r[4] + r[8] for r in rows if r[2]),
        quarantined=sum(r[5] - r[8] for r in rows if r[2]),
        superseded=sum(r[3] for r in rows if not r[2]),
        raw_rows=sum(r[6] for r in rows),
        quarantine_rows=sum(r[7] for r in rows),
        mended=sum(r[8] for r in rows if r[2]),
        set_aside_objects=sum(r[1] == "set_aside" for r in rows),
        breaks=tuple(breaks[:20]),
    )
