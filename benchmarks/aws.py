"""The aws deployment on the offline twin: landing through S3 against a folder, the landing sensor over 100,000 objects,
and how long the twin takes to come up. The twin is a process of its own; its moto holds objects in memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

FILES, LINES = 100, 10_000
TINY_FILES, TINY_LINES = 10_000, 10
OBJECTS = 100_000
A_DAY = 50
FIRST = date(2020, 1, 6)
BUCKET = "benchmark"
SETTINGS = """
company: Benchmark
timezone: UTC
currency: EUR
feeds:
  erp_orders:
    path: "orders/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    columns: {order_id: a, order_line: b, item_code: c, location_code: d, order_date: e, quantity: f, unit_price: g}
o9: {columns: {item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
     version: "Version.[Version Name]"}, measures: {orders_quantity: Orders}}
"""

# The twin, its bucket filled without a call for each object: what is measured is the platform.
TWIN = """
import signal, sys, threading
from pathlib import Path
from benchmarks.aws import BUCKET, day_of
from o9_assets.sandbox.aws import Twin
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
with Twin(Path(sys.argv[1])) as twin:
    twin.client("s3").create_bucket(Bucket=BUCKET)
    from moto.s3.models import s3_backends
    objects = s3_backends[twin.account]["aws"]
    for number in range(int(sys.argv[2])):
        objects.put_object(BUCKET, f"zone/orders/{day_of(number)}-{number:06d}.csv", b"x")
    for name, value in twin.environment().items():
        print(name, value, flush=True)
    print("ready", flush=True)
    stop.wait()
"""


def day_of(number: int) -> date:
    """The delivery day of an object by its number."""
    return FIRST + timedelta(days=number // A_DAY)


@contextmanager
def twin(state: Path, objects: int = 0) -> Iterator[float]:
    """The twin, with the environment pointing to it; gives the seconds until it was ready."""
    began = time.monotonic()
    server = subprocess.Popen(
        [sys.executable, "-c", TWIN, str(state), str(objects)], stdout=subprocess.PIPE, text=True, env={**os.environ}
    )
    before = dict(os.environ)
    try:
        for line in server.stdout or ():
            name, _, value = line.strip().partition(" ")
            if name == "ready":
                break
            os.environ[name] = value
        yield time.monotonic() - began
    finally:
        os.environ.clear()
        os.environ.update(before)
        server.terminate()
        server.wait()


def _fill(folder: Path, files: int, lines: int) -> None:
    for number in range(files):
        day = day_of(number)
        rows = [
            f"O{number}-{line},1,ITEM-{line % 997},LOC-{line % 41},{day},{line % 13 + 1},{line % 89}.50"
            for line in range(lines)
        ]
        path = folder / "orders" / f"{day}-{number:06d}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a,b,c,d,e,f,g\n" + "\n".join(rows) + "\n")


def _ingest(zone: Any, lake: Any) -> tuple[float, int]:
    """Seconds and accepted rows."""
    from o9_assets.assets.raw.erp_orders import ERP_ORDERS
    from o9_assets.landing.ingest import ingest
    from o9_assets.planning.settings import bind, parse
    from o9_assets.resources.engine import Engine

    settings = parse(SETTINGS)
    began = time.monotonic()
    report = ingest(
        "erp_orders",
        bind(settings, ERP_ORDERS),
        ERP_ORDERS,
        timezone="UTC",
        zone=zone,
        lake=lake,
        engine=Engine(),
        now=datetime(2025, 1, 1),
    )
    return time.monotonic() - began, report.accepted_rows


def _land(home: Path, files: int, lines: int, name: str) -> tuple[float, float]:
    """Seconds to raw from a folder, and through S3, for the same files."""
    from o9_assets.resources import aws
    from o9_assets.resources.lake import Lake
    from o9_assets.resources.landing_zone import FolderZone, S3Zone

    source = home / name
    _fill(source, files, lines)
    s3 = S3Zone(BUCKET, f"{name}/zone", aws.s3())
    for path in sorted(source.rglob("*.csv")):
        s3.put(path.relative_to(source).as_posix(), path)
    folder, rows = _ingest(FolderZone(source, settle_seconds=0), Lake.local(home / f"{name}-lake"))
    through, same = _ingest(s3, Lake.glue(f"s3://{BUCKET}/{name}/lake", database_prefix=f"{name}_"))
    if not rows == same == files * lines:
        raise AssertionError(f"{rows} rows from the folder, {same} through S3, {files * lines} written")
    return folder, through


def _list_in_manifest(lake: Any, zone: Any) -> None:
    """What lies in the zone enters the manifest, as if it had been ingested."""
    from o9_assets.landing.manifest import enter_in_manifest
    from o9_assets.planning.settings import parse

    feed = parse(SETTINGS).feeds["erp_orders"]
    rows: list[dict[str, object]] = [
        {
            "feed": "erp_orders",
            "object_id": found.object_id,
            "object_name": found.name,
            "status": "ingested",
            "object_version": found.version,
            "known_at": datetime(2025, 1, 1),
            "ingested_at": datetime(2025, 1, 1),
            "covers_date": (feed.match(found.name) or AssertionError).covers_date,
            "replaces": True,  # type: ignore[union-attr]
            "size_bytes": 1,
            "content_hash": "",
            "landed_rows": 1,
            "accepted_rows": 1,
            "quarantined_rows": 0,
            "settings_hash": "",
            "reason": None,
        }
        for found in zone.list("orders/")
    ]
    enter_in_manifest(lake, "erp_orders", rows)


def _ticks(home: Path, objects: int) -> dict[str, float]:
    """Seconds of the first tick, over objects that are all new, and of later ones, when all but one are in."""
    from o9_assets.landing.requests import Memory
    from o9_assets.landing.ticks import tick
    from o9_assets.planning.settings import parse
    from o9_assets.resources import aws
    from o9_assets.resources.lake import Lake
    from o9_assets.resources.landing_zone import S3Zone

    feeds = parse(SETTINGS).feeds
    zone, lake = S3Zone(BUCKET, "zone", aws.s3()), Lake.glue(f"s3://{BUCKET}/lake")

    def once(memory: Memory, expected: int) -> tuple[float, Memory]:
        began = time.monotonic()
        found = tick(memory, feeds, zone=zone, lake=lake, budget_seconds=40)
        seconds = time.monotonic() - began
        asked = sum(request.objects for request in found.requests.values())
        if asked != expected:
            raise AssertionError(f"a tick saw {asked} new objects, not {expected}")
        return seconds, found.memory

    first, memory = once(Memory(), objects)
    _list_in_manifest(lake, zone)
    zone.put(f"orders/{day_of(objects)}-new.csv", b"x")
    new, memory = once(memory, 1)
    later = []
    for _ in range(5):
        seconds, memory = once(memory, 0)
        later.append(seconds)
    return {"first": first, "new": new, "later": max(later)}


def figure(name: str, value: float, unit: str, limit: float | None = None) -> dict[str, Any]:
    ok = None if limit is None else bool(value <= limit)
    return {"name": name, "value": round(value, 2), "unit": unit, "limit": limit, "ok": ok}


def run(scale: float) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory(prefix="bench-aws-") as folder:
        home = Path(folder)
        with twin(home / "twin") as up:
            large = _land(home, max(1, int(FILES * scale)), LINES, "large")
            tiny = _land(home, max(1, int(TINY_FILES * scale)), TINY_LINES, "tiny")
        objects = max(1000, int(OBJECTS * scale))
        with twin(home / "filled", objects):
            ticks = _ticks(home, objects)
    return [
        figure("the twin comes up", up, "s", 10),
        figure("landing zone to raw from a folder", large[0], "s"),
        figure("landing zone to raw through S3", large[1], "s"),
        figure("landing through S3, compared with a folder", large[1] / large[0], "×", 2),
        figure(
            f"landing {int(TINY_FILES * scale):,} tiny files through S3, compared with a folder", tiny[1] / tiny[0], "×"
        ),
        figure(f"first tick of the landing sensor over {objects:,} objects", ticks["first"], "s", 10),
        figure("a tick that finds one new object among them", ticks["new"], "s", 2),
        figure("a tick that finds nothing new among them, the slowest of five", ticks["later"], "s", 2),
    ]
