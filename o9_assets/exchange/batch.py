"""A batch of cells that lies as a file, sent to o9: the code behind the Glue job and the Lambda on S3 events.

A file is Parquet or CSV, one row a cell: bucket_start, item_code, location_code, channel_code (ALL where it has none)
and any of the measures of demand history; a row without any measure takes its cell away. What o9 holds already is not
sent again, so that a file that is sent a second time, after a cut or by a repeated event, changes nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from itertools import islice
from pathlib import Path

import duckdb

from o9_assets.exchange.datasets import KEY, MEASURES
from o9_assets.exchange.delivery import ROWS_TOGETHER
from o9_assets.exchange.members import create_members
from o9_assets.exchange.sending import Sender
from o9_assets.failures import Permanent
from o9_assets.landing.typing_sql import quoted
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings
from o9_assets.resources.engine import Engine
from o9_assets.resources.landing_zone import LandedObject, LandingZone
from o9_assets.resources.o9 import O9Client

__all__ = ["BatchReport", "send_file", "send_object"]

NO_DAY = date(2000, 1, 1)


@dataclass
class BatchReport:
    """What became of a file's rows. `refused` are kept beside it with their reasons; `found` o9 held already."""

    name: str
    rows: int = 0
    accepted: int = 0
    found: int = 0
    refused: int = 0


def send_object(
    settings: Settings,
    found: LandedObject,
    *,
    zone: LandingZone,
    receipts: LandingZone,
    engine: Engine,
    client: O9Client,
    folder: Path,
    progress: Callable[[str], None] = lambda text: None,
) -> BatchReport:
    """Send an object of a zone; its receipt and its refused rows are put under its name and version in `receipts`.

    Raises ObjectChanged where it is no longer there, Permanent for a file that cannot be read, and o9's errors.
    """
    spooled = zone.spool(found, folder)
    try:
        report, refused = send_file(settings, spooled.path, found.name, engine=engine, client=client, progress=progress)
    finally:
        spooled.path.unlink()
    name = f"{found.name}.{found.version}"
    if refused:
        lines = "".join(json.dumps(row, default=str) + "\n" for row in refused)
        receipts.put(f"{name}.refused.jsonl", lines.encode())
    receipt = {**asdict(report), "sha256": spooled.sha256, "sent_at": datetime.now(UTC).isoformat()}
    receipts.put(f"{name}.receipt.json", json.dumps(receipt).encode())
    return report


def send_file(
    settings: Settings,
    path: Path,
    name: str,
    *,
    engine: Engine,
    client: O9Client,
    sleep: Callable[[float], None] = time.sleep,
    progress: Callable[[str], None] = lambda text: None,
) -> tuple[BatchReport, list[dict[str, object]]]:
    """Send a file's cells; returns what became of them, and the refused rows with a reason each."""
    report = BatchReport(name)
    with engine.connect() as con:
        _read(con, path, name)
        [(report.rows,)] = con.execute("SELECT count(*) FROM given").fetchall()
        refused = _judge(con, settings)
        _number(con, client.profile.batch_size)
        chunks = [row[0] for row in con.execute("SELECT DISTINCT chunk_no FROM planned ORDER BY 1").fetchall()]
        if chunks:
            create_members(con, settings, client)
        sender, left = Sender(con, settings, client, sleep), iter(chunks)
        while group := list(islice(left, max(1, ROWS_TOGETHER // client.profile.batch_size))):
            settled, stopped = sender.send(group, look_first=True)
            for chunk, one in settled.items():
                for request in one.requests:
                    report.found += request.row_count if request.outcome == "found" else 0
                    if request.outcome == "accepted":
                        report.accepted += request.row_count - request.rejected_count
                refused += _refused_rows(con, chunk, one.rejected)
            if stopped is not None:
                raise stopped
            progress(f"{name}: {report.accepted + report.found:,} of {report.rows:,} cells are in o9")
    report.refused = len(refused)
    return report, refused


def _read(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    """Make the table `given` of the file's columns as text."""
    reader = {".parquet": "read_parquet({})", ".csv": "read_csv({}, header = true, all_varchar = true, nullstr = '')"}
    form = next((f for ending, f in reader.items() if name.endswith(ending)), None)
    if form is None:
        raise Permanent(f"{name} is no batch of cells.", remedy=f"It ends in {' or '.join(reader)}.")
    try:
        con.execute(f"CREATE TEMP TABLE given AS SELECT * FROM {form.format(quoted(str(path)))}").fetchall()
    except duckdb.Error as error:
        raise Permanent(f"{name} cannot be read: {str(error).splitlines()[0]}", remedy="Write it again.") from error
    columns = [row[0] for row in con.execute("DESCRIBE given").fetchall()]
    known = (*KEY, *MEASURES)
    missing = [c for c in KEY if c not in columns and c != "channel_code"]
    unknown = [c for c in columns if c not in known]
    if missing or unknown or not set(columns) & set(MEASURES):
        raise Permanent(
            f"{name} has the columns {', '.join(columns)}.",
            remedy=f"It needs {', '.join(KEY)} and some of {', '.join(MEASURES)}, and no other.",
        )
    for column in known:
        if column not in columns:
            con.execute(f"ALTER TABLE given ADD COLUMN {column} VARCHAR").fetchall()


def _judge(con: duckdb.DuckDBPyConnection, settings: Settings) -> list[dict[str, object]]:
    """Make the table `cells` of sound rows; returns the others with their reasons."""
    numbers = ", ".join(f"TRY_CAST({m} AS DECIMAL(18,4)) AS {m}" for m in MEASURES)
    con.execute(
        f"CREATE TEMP TABLE typed AS SELECT rowid AS place, TRY_CAST(bucket_start AS DATE) AS bucket_start, "
        f"CAST(item_code AS VARCHAR) AS item_code, CAST(location_code AS VARCHAR) AS location_code, "
        f"coalesce(CAST(channel_code AS VARCHAR), 'ALL') AS channel_code, {numbers} FROM given"
    ).fetchall()
    [(first, last)] = con.execute("SELECT min(bucket_start), max(bucket_start) FROM typed").fetchall()
    if first is not None:
        con.register("buckets", Calendar(settings.calendar).buckets_table(first, last))
    else:
        con.execute(
            "CREATE TEMP VIEW buckets AS SELECT DATE '2000-01-01' AS bucket_start, '' AS bucket_label WHERE false"
        )
    unread = " ".join(
        f"WHEN given.{m} IS NOT NULL AND (typed.{m} IS NULL OR typed.{m} <> TRY_CAST(given.{m} AS DECIMAL(38,10))) "
        f"THEN '{m} is no number of 14 digits and 4 decimals'"
        for m in MEASURES
    )
    con.execute(
        f"""
        CREATE TEMP TABLE judged AS
        SELECT typed.*, bucket_label, CASE
            WHEN typed.bucket_start IS NULL THEN 'bucket_start is no day'
            WHEN bucket_label IS NULL THEN 'no partial week begins on ' || typed.bucket_start
            WHEN typed.item_code IS NULL OR typed.location_code IS NULL THEN 'the item or the location is missing'
            {unread}
            WHEN count(*) OVER (PARTITION BY {", ".join("typed." + c for c in KEY)}) > 1
                THEN 'the cell stands in the file more than once'
        END AS reason
        FROM typed
        JOIN given ON given.rowid = typed.place
        LEFT JOIN buckets ON buckets.bucket_start = typed.bucket_start
        """
    ).fetchall()
    bad = con.sql(
        "SELECT given.*, place + 1 AS row, reason FROM judged JOIN given ON given.rowid = place "
        "WHERE reason IS NOT NULL ORDER BY place"
    )
    return list(bad.to_arrow_table().to_pylist())


def _number(con: duckdb.DuckDBPyConnection, size: int) -> None:
    """Make the table `planned` of the sound cells, in the order of their keys: equal files give equal requests."""
    nothing = " AND ".join(f"{m} IS NULL" for m in MEASURES)
    con.execute(
        f"CREATE TEMP TABLE planned AS SELECT *, turn // {size} AS chunk_no, turn % {size} AS row_no, "
        f"CASE WHEN {nothing} THEN 'retracted' ELSE 'new' END AS change FROM ("
        f"SELECT *, row_number() OVER (ORDER BY {', '.join(KEY)}) - 1 AS turn FROM judged WHERE reason IS NULL)"
    ).fetchall()


def _refused_rows(
    con: duckdb.DuckDBPyConnection, chunk: int, rejected: list[tuple[int, str]]
) -> list[dict[str, object]]:
    if not rejected:
        return []
    reasons = dict(rejected)
    rows = con.execute(
        f"SELECT row_no, {', '.join(KEY)}, {', '.join(MEASURES)}, place + 1 FROM planned "
        "WHERE chunk_no = $1 AND list_contains($2, row_no) ORDER BY row_no",
        [chunk, list(reasons)],
    ).fetchall()
    names = (*KEY, *MEASURES, "row")
    return [dict(zip(names, row[1:], strict=True)) | {"reason": reasons[row[0]]} for row in rows]
