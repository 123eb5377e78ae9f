"""The exchange with o9: a million cells over loopback HTTP to the sandbox o9 and back, in processes of their own.

The bare side finds the same cells, puts them into a plain Parquet file, sends the same requests to a second, equal o9
and writes the same table of what o9 holds, but keeps neither plan nor ledger: what it would cost to deliver without
being able to resume. (Kept in memory, the cells would take half as much memory again and be no faster.)
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

CELLS = 1_000_000
WEEKS = (date(2023, 1, 2), date(2024, 12, 29))
MEMORY = "150MB"
SETTINGS = """
company: Benchmark
timezone: UTC
currency: EUR
feeds:
  erp_orders:
    path: "orders/{covers_date:%Y-%m-%d}*"
    format: {type: csv}
    columns: {order_id: o, order_line: l, item_code: i, location_code: s, order_date: d, quantity: q}
o9:
  columns:
    item: "Item.[Item]"
    location: "Location.[Location]"
    time: "Time.[Partial Week]"
    version: "Version.[Version Name]"
  measures: {orders_quantity: Orders, returns_quantity: Returns}
"""


def _tools(home: Path, url: str) -> tuple[Any, Any, Any, Any]:
    from o9_assets.planning.settings import parse
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake
    from o9_assets.resources.o9 import O9Client, load_profile

    settings = parse(SETTINGS)
    client = O9Client(load_profile("platform"), url, lambda name: "sandbox", model=settings.o9.model)
    return settings, Lake.local(home / "lake"), Engine(memory_limit=MEMORY, temp_dir=home / "tmp"), client


def fill(home: Path, cells: int) -> int:
    """Write demand history; returns how many cells it has."""
    from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
    from o9_assets.planning.calendar import Calendar
    from o9_assets.resources.lake import everything

    settings, lake, engine, _ = _tools(home, "")
    buckets = Calendar(settings.calendar).buckets_table(*WEEKS)
    with engine.connect() as con:
        con.register("buckets", buckets)
        rows = con.sql(
            f"""
            SELECT month_start, bucket_start, week_start, 'ITEM-' || n AS item_code,
                'LOC-' || (n % 40) AS location_code, 'ALL' AS channel_code, 'sold' AS state,
                CAST((n * 7919 + day(bucket_start) * 31) % 100000 / 100 AS DECIMAL(18,4)) AS orders_quantity,
                CAST(0 AS DECIMAL(18,4)) AS returns_quantity,
                CAST(NULL AS DECIMAL(18,4)) AS shipments_quantity, CAST(NULL AS DECIMAL(18,4)) AS orders_value,
                1 AS order_line_count, true AS is_complete, CAST(NULL AS INTEGER) AS out_of_stock_days,
                CAST(NULL AS INTEGER) AS promotion_days, days
            FROM buckets, range({max(1, cells // buckets.num_rows)}) AS t(n)
            """
        )
        return int(lake.overwrite(DEMAND_HISTORY, rows, everything()).rows_added)


def send(home: Path, url: str) -> int:
    """Deliver through plan, ledger and books; returns how many cells."""
    from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
    from o9_assets.exchange.delivery import deliver

    settings, lake, engine, client = _tools(home, url)
    with client:
        report = deliver(settings, DEMAND_HISTORY, lake=lake, engine=engine, client=client, now=datetime(2025, 1, 1))
    return report.new


def send_bare(home: Path, url: str) -> int:
    """Send the same cells, with neither plan nor ledger."""
    from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
    from o9_assets.exchange.datasets import DEMAND_EXPORT, REJECTED
    from o9_assets.exchange.delivery import ROWS_TOGETHER
    from o9_assets.exchange.members import create_members
    from o9_assets.exchange.plan import _diff
    from o9_assets.exchange.sending import Sender
    from o9_assets.resources.lake import everything, isin

    settings, lake, engine, client = _tools(home, url)
    sent = 0
    with engine.connect() as con, client:
        lake.view(con, "demand_history", DEMAND_HISTORY)
        lake.view(con, "books", DEMAND_EXPORT, where=isin("month_start", []))
        lake.view(con, "refused", REJECTED)
        _diff(con, settings, client.profile.batch_size)
        con.execute(f"COPY changes TO '{home}/changes.parquet'").fetchall()
        con.execute("DROP TABLE changes").fetchall()
        con.execute(f"CREATE TEMP VIEW planned AS FROM '{home}/changes.parquet'").fetchall()
        create_members(con, settings, client)
        [(last,)] = con.execute("SELECT max(chunk_no) FROM planned").fetchall()
        sender, together = Sender(con, settings, client), ROWS_TOGETHER // client.profile.batch_size
        for start in range(0, last + 1, together):
            group = range(start, min(start + together, last + 1))
            settled, stopped = sender.send(group, look_first=False)
            if stopped is not None:
                raise stopped
            sent += sum(request.row_count for one in settled.values() for request in one.requests)
        columns = ", ".join(c if c != "delivery_id" else "'bare' AS delivery_id" for c in DEMAND_EXPORT.column_names)
        lake.overwrite(DEMAND_EXPORT, con.sql(f"SELECT {columns} FROM planned"), everything())
    return sent


def read(home: Path, url: str) -> int:
    """Read everything back and compare it with the books; returns how many cells agree in all measures."""
    from o9_assets.exchange.datasets import DEMAND_EXPORT
    from o9_assets.exchange.read_back import read_back

    settings, lake, engine, client = _tools(home, url)
    starts = json.loads(lake.marks(DEMAND_EXPORT)["last_buckets"])
    with client:
        found = read_back(settings, map(date.fromisoformat, starts), lake=lake, engine=engine, client=client)
    if found.breaks:
        raise AssertionError(str(found.breaks[0]))
    return found.agreed // len(settings.o9.measures)


def _measured(work: Callable[..., int], parts: tuple[Any, ...], sink: Any) -> None:
    began = time.monotonic()
    done = work(*parts)
    sink.put((done, time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def measured(work: Callable[..., int], *parts: Any) -> tuple[int, float, float]:
    """Result, seconds and peak memory in MB of work done in a fresh process."""
    context = multiprocessing.get_context("spawn")
    sink = context.SimpleQueue()
    process = context.Process(target=_measured, args=(work, parts, sink))
    process.start()
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{work.__name__} ended with {process.exitcode}")
    done, seconds, memory = sink.get()
    return int(done), float(seconds), float(memory)


@contextmanager
def sandbox(state: Path) -> Iterator[str]:
    """The sandbox o9 as a server; gives its address."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "o9_assets.sandbox.o9", "--state", str(state), "--port", str(port)]
    server = subprocess.Popen(command, env={**os.environ})
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def figure(name: str, value: float, unit: str, limit: float | None = None, *, least: bool = False) -> dict[str, Any]:
    ok = None if limit is None else bool(value >= limit if least else value <= limit)
    return {"name": name, "value": round(value, 2), "unit": unit, "limit": limit, "ok": ok}


def once(home: Path, cells: int) -> dict[str, tuple[int, float, float]]:
    """Everything that is measured, on cells and o9s of their own."""
    measured(fill, home, cells)
    with sandbox(home / "o9.db") as url:
        found = {"send": measured(send, home, url)}
        found["read"] = measured(read, home, url)
        found["again"] = measured(send, home, url)
    with sandbox(home / "bare.db") as url:
        found["bare"] = measured(send_bare, home, url)
    if not found["send"][0] == found["read"][0] == found["bare"][0]:
        raise AssertionError(f"sent, held and sent bare differ: {found}")
    return found


def run(scale: float) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="bench-o9-") as folder:
        quarter = once(Path(folder) / "quarter", int(CELLS * scale / 4))
        # The better of two: one machine does other things too.
        runs = [once(Path(folder) / f"whole-{n}", int(CELLS * scale)) for n in range(2)]
    cells = runs[0]["send"][0]
    best = {name: min(run[name][1] for run in runs) for name in runs[0]}
    peaks = {name: max(run[name][2] for run in runs) for name in runs[0]}
    growth = max(peaks["send"], peaks["read"]) / max(quarter["send"][2], quarter["read"][2])
    return [
        figure("cells sent to o9", cells, "cells"),
        figure("sending, with plan, ledger and books", cells / best["send"], "rows/s", 20_000, least=True),
        figure("reading back and comparing", cells / best["read"], "rows/s", 20_000, least=True),
        figure("sending, compared with sending without plan and ledger", best["send"] / best["bare"], "×", 1.15),
        figure("a second export, which sends nothing", best["again"], "s"),
        figure("peak memory of sending", peaks["send"], "MB", 500),
        figure("peak memory of reading back", peaks["read"], "MB", 500),
        figure("peak memory, compared with a quarter of the cells", growth, "×", 1.25),
    ]
