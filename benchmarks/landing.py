"""A landed CSV file to validated raw rows, quarantine and manifest, against a bare DuckDB copy of it to Parquet.

The file has the columns, types and rules of an order feed (2 M records of 16 fields at scale 1). It is taken in with
line numbers, without them, and with one record in a thousand broken. The bare side is what DuckDB does when it is told
nothing: `COPY (FROM 'orders.csv') TO 'orders.parquet'`. Each side runs in a process of its own, in turns; the least
time of each counts, and imports are left out on both sides.
"""

from __future__ import annotations

import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RECORDS = 2_000_000
TURNS = 3
SETTINGS = """
company: Benchmark
timezone: Europe/Berlin
currency: EUR
feeds:
  erp_orders:
    path: "orders/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    line_numbers: LINE_NUMBERS
    columns:
      order_id: order_no
      order_line: order_line
      item_code: {from: material, apply: [trim, upper]}
      location_code: ship_to
      channel_code: channel
      customer_code: customer
      order_date: order_date
      requested_date: requested_date
      quantity: qty
      uom_code: uom
      unit_price: price
      op: {from: op, values: {I: I, U: U, D: D}}
      changed_at: changed_at
      change_seq: seq
    rules:
      - {name: quantity_out_of_range, must: "abs(quantity) <= 1000000"}
      - {name: date_out_of_range, must: "order_date between date '2015-01-01' and date '2100-01-01'"}
o9: {columns: {item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
     version: "Version.[Version Name]"}, measures: {orders_quantity: Orders}}
"""


def run(scale: float) -> list[dict[str, Any]]:
    """The figures."""
    figures: list[dict[str, Any]] = []

    def figure(name: str, value: float, unit: str, limit: float | None = None) -> None:
        figures.append(
            {"name": name, "value": round(value, 2), "unit": unit, "limit": limit}
            | {"ok": None if limit is None else value <= limit}
        )

    sides = {
        "bare": ("copy", "sound", ""),
        "numbered": ("land", "sound", "true"),
        "plain": ("land", "sound", "false"),
        "broken": ("land", "broken", "true"),
        "bare again": ("copy", "sound", ""),
    }
    with tempfile.TemporaryDirectory(prefix="bench-landing-") as folder:
        home, records = Path(folder), int(RECORDS * scale)
        size = write(home, records)
        found: dict[str, list[dict[str, float]]] = {side: [] for side in sides}
        for _ in range(TURNS):
            for side, (what, file, numbers) in sides.items():
                found[side].append(_child(what, home, file, numbers, side))
    found["bare"] += found.pop("bare again")
    best = {side: min(run["seconds"] for run in runs) for side, runs in found.items()}
    peak = {side: max(run["peak_mb"] for run in runs) for side, runs in found.items()}
    figure("file", size / 2**20, "MiB")
    figure(f"bare copy, {records / 1e6:g} M records", best["bare"], "s")
    figure(f"landing with line numbers, {records / 1e6:g} M records", best["numbered"], "s")
    figure("landing with line numbers ÷ bare copy", best["numbered"] / best["bare"], "×", 4)
    figure("landing without line numbers ÷ bare copy", best["plain"] / best["bare"], "×", 2.5)
    figure("landing with one bad record in a thousand ÷ bare copy", best["broken"] / best["bare"], "×", 4)
    figure("records taken in, with line numbers", records / best["numbered"], "rows/s")
    figure("peak memory of landing", max(peak["numbered"], peak["plain"], peak["broken"]), "MB")
    figure("peak memory of the bare copy", peak["bare"], "MB")
    return figures


def write(home: Path, records: int) -> int:
    """Both files, sound and with broken records; returns the size of one in bytes."""
    import duckdb

    sound, broken = home / "sound.csv", home / "broken.csv"
    with duckdb.connect() as con:
        con.execute(
            f"""
            COPY (
                SELECT 'SO' || lpad(CAST(i // 4 AS VARCHAR), 9, '0') AS order_no, i % 4 + 1 AS order_line,
                    'fg-' || CAST(10000 + hash(i) % 5000 AS VARCHAR) AS material,
                    'ST-' || CAST(100 + hash(i + 7919) % 20 AS VARCHAR) AS ship_to,
                    'C' || CAST(hash(i + 7919) % 3 AS VARCHAR) AS channel,
                    'CU-' || CAST(hash(i + 7919) % 7 AS VARCHAR) AS customer,
                    DATE '2025-01-06' + CAST(hash(i) % 3 AS INT) AS order_date,
                    DATE '2025-01-08' + CAST(hash(i) // 1000 % 5 AS INT) AS requested_date,
                    1 + hash(i) // 7 % 40 AS qty, CASE WHEN hash(i) // 13 % 5 = 0 THEN 'CASE' ELSE 'EA' END AS uom,
                    CAST((100 + hash(i) // 17 % 900) / 100.0 AS DECIMAL(9,2)) AS price,
                    CASE WHEN hash(i) // 19 % 20 = 0 THEN 'U' ELSE 'I' END AS op,
                    TIMESTAMP '2025-01-06 06:00:00' + INTERVAL (i % 40000) SECOND AS changed_at, i AS seq,
                    'a note that no feed wants' AS note, hash(i) % 2 = 0 AS urgent
                FROM range({records}) AS t(i)
            ) TO '{sound}'
            """
        )
    with sound.open() as lines, broken.open("w") as out:
        for number, line in enumerate(lines):
            if number % 1000 == 500:
                # In turns: a number that is none, a field too few, text after a closing quote.
                fields = line.split(",")
                fields[8] = {0: "many", 1: fields[8], 2: '"4"x'}[number // 1000 % 3]
                line = ",".join(fields[:-1] if number // 1000 % 3 == 1 else fields)
                line = line.rstrip("\n") + "\n"
            out.write(line)
    return sound.stat().st_size


def _child(what: str, home: Path, *arguments: str) -> dict[str, float]:
    """Run one function of this module in a fresh process; its time without imports, and its peak memory."""
    code = (
        "import json, resource, sys; from pathlib import Path; import benchmarks.landing as b; "
        f"seconds = b.{what}(Path(sys.argv[1]), *sys.argv[2:]); "
        "print(json.dumps({'seconds': seconds, "
        "'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home), *arguments],
        cwd=Path(__file__).resolve().parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {' '.join([what, *arguments[:2]]):<18} {found['seconds']:8.2f} s  {found['peak_mb']:6.0f} MB", flush=True)
    return found


def copy(home: Path, file: str, _numbers: str, side: str) -> float:
    """What DuckDB does by itself."""
    import duckdb

    out = home / f"{side}.parquet"
    with duckdb.connect(config={"memory_limit": "2GB"}) as con:
        began = time.monotonic()
        con.execute(f"COPY (FROM '{home / file}.csv') TO '{out}'")
        seconds = time.monotonic() - began
    out.unlink()
    return seconds


def land(home: Path, file: str, numbers: str, side: str) -> float:
    """The platform's way, into an empty lake: spooled, hashed, decoded, typed, judged, written, committed thrice.

    A file of a few lines is landed elsewhere before, so that imports are not measured.
    """
    few = home / "few.csv"
    with (home / f"{file}.csv").open("rb") as lines:
        few.write_bytes(b"".join(itertools.islice(lines, 10)))
    _land(home / f"{side} few", few, numbers)
    seconds, report = _land(home / side, home / f"{file}.csv", numbers)
    landed_rows = sum(1 for _ in (home / f"{file}.csv").open("rb")) - 1
    if report.landed_rows != landed_rows or (report.quarantined_rows > 0) != (file == "broken"):
        raise AssertionError(f"{landed_rows} records landed, and the report is {report}")
    return seconds


def _land(place: Path, file: Path, numbers: str) -> tuple[float, Any]:
    """Seconds and report of landing one file in a folder of its own, which is gone afterwards."""
    from datetime import datetime

    from o9_assets.assets.raw.erp_orders import ERP_ORDERS
    from o9_assets.landing.ingest import ingest
    from o9_assets.planning.settings import bind, parse
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake
    from o9_assets.resources.landing_zone import FolderZone

    landed = place / "landing" / "orders" / "2025-01-06.csv"
    landed.parent.mkdir(parents=True)
    landed.hardlink_to(file)
    settings = parse(SETTINGS.replace("LINE_NUMBERS", numbers))
    began = time.monotonic()
    report = ingest(
        "erp_orders",
        bind(settings, ERP_ORDERS),
        ERP_ORDERS,
        timezone=settings.timezone,
        zone=FolderZone(place / "landing", settle_seconds=0),
        lake=Lake.local(place / "lake"),
        engine=Engine(memory_limit="2GB", temp_dir=place / "tmp"),
        now=datetime(2025, 2, 1),
    )
    seconds = time.monotonic() - began
    shutil.rmtree(place)
    return seconds, report
