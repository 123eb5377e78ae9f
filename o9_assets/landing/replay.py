"""Mending: a quarantined record taken in after all, or an object judged anew after its feed's settings were mended.

A mended record keeps its object and its line and becomes known now; its quarantine row stays and says when it was
mended, so that the account of rows goes on balancing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import duckdb
import pyarrow as pa

from o9_assets.dataset import Dataset
from o9_assets.failures import Permanent
from o9_assets.landing.accepted import manifest_view
from o9_assets.landing.datasets import QUARANTINE
from o9_assets.landing.ingest import Arrival, IngestReport, ingest
from o9_assets.landing.known import Known, known, zone_version
from o9_assets.landing.manifest import renew
from o9_assets.landing.plain import make_plain
from o9_assets.landing.records import records
from o9_assets.landing.rereading import is_read_again, reads_again
from o9_assets.landing.staging import Staging
from o9_assets.planning.feeds import Feed
from o9_assets.resources.engine import Engine
from o9_assets.resources.lake import Lake, all_of, equal
from o9_assets.resources.landing_zone import LandedObject, LandingZone
from o9_assets.resources.spills import spill_folder

__all__ = ["mend", "reread"]


def mend(
    feed_name: str,
    feed: Feed,
    dataset: Dataset,
    object_name: str,
    line: int,
    text: str,
    *,
    timezone: str,
    zone: LandingZone,
    lake: Lake,
    engine: Engine,
    now: datetime,
) -> None:
    """Take in a quarantined record with the text that it should have had (a JSON object for Parquet and JSON lines).

    Raises Permanent where no such record of the version that counts waits to be mended, where its object is no longer
    there to tell its header, and where the new text has a fault as well, which is then named.
    """
    waiting = all_of(equal("feed", feed_name), equal("object_name", object_name), equal("line", line))
    rows = [row for row in lake.read(QUARANTINE, where=waiting).to_pylist() if row["mended_at"] is None]
    form = feed.format
    with spill_folder() as folder, engine.connect() as con:
        versions = _holding(con, lake, feed_name, object_name)
        # What another version replaced, or a run that died left there, counts nowhere: mended, it would still not.
        rows = [row for row in rows if row["object_id"] in versions]
        if not rows:
            raise Permanent(
                f"No record {line} of {object_name} is in quarantine.",
                remedy="The asset lake/quarantine lists what is.",
            )
        row = max(rows, key=lambda one: list(versions).index(one["object_id"]))
        version = versions[row["object_id"]]
        found, header = LandedObject(object_name, version, 0, now), ""
        if feed.dms is not None or (form.type == "csv" and feed.header_of(object_name) is None):
            found = _version(object_name, version, zone)
            header = _header(feed, found, zone, folder)
        path = folder / "mended"
        path.write_text(f"{header}{text}\n", encoding="utf-8")
        plain_form = {
            "encoding": "utf-8",
            "compression": "none",
            **({"type": "jsonl"} if form.type == "parquet" else {}),
        }
        mended_feed = feed.model_copy(update={"format": form.model_copy(update=plain_form)})
        staging = Staging(con, feed_name, mended_feed, dataset, timezone)
        staging.add(found, make_plain(path, mended_feed.format, folder), now)
        staging.finish()
        for fault in staging.quarantined().to_pylist():
            where = f" in {fault['column_name']}" if fault["column_name"] else ""
            raise Permanent(f"The mended record has a fault{where}: {fault['reason']}, {fault['detail']}.")
        accepted = staging.accepted().to_arrow_table()
    if accepted.num_rows != 1:
        raise Permanent(f"The mended text holds {accepted.num_rows} records.", remedy="Give exactly one.")
    accepted = _with(accepted, "line", pa.array([line], pa.int64()))
    accepted = _with(accepted, "object_id", pa.array([row["object_id"]], pa.string()))
    lake.overwrite(dataset, accepted, all_of(equal("object_id", row["object_id"]), equal("line", line)))
    mended = pa.Table.from_pylist([{**row, "mended_at": now}], schema=QUARANTINE.arrow_schema)
    renew(lake, feed_name, [row["object_id"]])
    # Last: until then it waits to be mended, and after a crash is mended once more.
    lake.overwrite(QUARANTINE, mended, all_of(waiting, equal("object_id", row["object_id"])))


def _holding(con: duckdb.DuckDBPyConnection, lake: Lake, feed_name: str, object_name: str) -> dict[str, str]:
    """Versions of the object that count, by their ids, the newest last."""
    manifest_view(con, lake, "manifest", feed_name)
    sql = (
        "SELECT object_id, object_version FROM manifest WHERE object_name = $1 AND holds ORDER BY known_at, ingest_seq"
    )
    return dict(con.execute(sql, [object_name]).fetchall())


def _with(table: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return table.set_column(table.column_names.index(column), column, values)


def _version(object_name: str, version: str, zone: LandingZone) -> LandedObject:
    """The object as it lies in the landing zone. Raises Permanent where that version is no longer there."""
    for found in zone.list(object_name):
        if found.name == object_name and found.version == zone_version(version):
            return found
    raise Permanent(
        f"The version of {object_name} that holds the record is no longer in the landing zone.",
        remedy="Land the corrected file under its name instead.",
    )


def _header(feed: Feed, found: LandedObject, zone: LandingZone, folder: Path) -> str:
    """The header line of a CSV object, with its line end; nothing where it has none."""
    if feed.format.type != "csv" or feed.header_of(found.name) is not None:
        return ""
    plain = make_plain(zone.spool(found, folder).path, feed.format, folder)
    _, _, text = next(records(plain.path, feed.format.quote, feed.format.delimiter))
    return text.decode() + "\n"


def reread(
    feed_name: str,
    feed: Feed,
    dataset: Dataset,
    names: Sequence[str],
    *,
    timezone: str,
    zone: LandingZone,
    lake: Lake,
    engine: Engine,
    now: datetime,
    progress: Callable[[str], None] | None = None,
) -> IngestReport:
    """Read objects again, after the settings that judged them were mended: their slices are replaced. What dies half
    way is ended by the feed's next ingest.

    Raises Permanent for a name that is not in the landing zone or not the feed's.
    """
    arrivals, listed = [], known(lake, feed_name).get(feed_name, Known())
    for name in names:
        match = feed.match(name)
        found = next((o for o in zone.list(name) if o.name == name), None)
        if match is None or found is None:
            raise Permanent(
                f"{name} is no object of {feed_name} in the landing zone.", remedy=f"Names are {feed.path}."
            )
        arrivals.append(Arrival(listed.listed(found), match))
    ids = {arrival.found.object_id for arrival in arrivals}
    reads_again(lake, dataset, ids)
    # Were they still numbered as before when this dies half way, nobody would look for what they said before.
    renew(lake, feed_name, ids)
    report = ingest(
        feed_name,
        feed,
        dataset,
        timezone=timezone,
        zone=zone,
        lake=lake,
        engine=engine,
        now=now,
        objects=arrivals,
        progress=progress,
    )
    is_read_again(lake, dataset, ids)
    return report
