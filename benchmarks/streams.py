"""Events from Kinesis into the lake, and through it to o9, on the offline twin: server and client share the machine.

Records are packed a hundred events each, as a large producer's library does; single ones are told beside it. What the
twin and the wire take is measured by a reader that throws everything away, and is part of the figures.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.o9 import figure, measured, sandbox

EVENTS = 400_000
SINGLE = 200_000
RATE, SECONDS = 1_000, 30
SHARDS = 4
SETTINGS = """
company: Bench
timezone: UTC
currency: EUR
feeds:
  erp_orders:
    path: "orders/*"
    format: {type: csv}
    columns: {order_id: o, order_line: l, item_code: i, location_code: s, order_date: d, quantity: q}
streams:
  demand_events:
    kind: kinesis
    name: events
    columns:
      {event_id: id, event_type: type, event_at: at, item_code: item, location_code: ship_to, quantity: qty,
       order_id: order, order_line: line}
    max_records: 10000000
    max_seconds: 600
o9:
  columns:
    item: "Item.[Item]"
    location: "Location.[Location]"
    time: "Time.[Partial Week]"
    version: "Version.[Version Name]"
  streaming: {}
  measures: {orders_quantity: Orders}
"""


def event(number: int, at: str) -> bytes:
    found = {
        "id": f"EV-{number:012d}",
        "type": "order",
        "at": at,
        "item": f"ITEM-{number % 2000:05d}",
        "ship_to": f"LOC-{number % 40:03d}",
        "qty": number % 90 + 0.5,
        "order": f"SO-{number // 7:09d}",
        "line": str(number % 7 + 1),
    }
    return json.dumps(found).encode()


@contextlib.contextmanager
def twin(home: Path) -> Iterator[None]:
    """The twin as a process; the environment points at it meanwhile."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "o9_assets.sandbox.aws", "--state", str(home / "aws"), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.PIPE)
    variables = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "sandbox",
        "AWS_SECRET_ACCESS_KEY": "sandbox",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    before = {name: os.environ.get(name) for name in variables}
    try:
        if server.stdout is not None:
            variables["AWS_ENDPOINT_URL"] = server.stdout.readline().decode().strip()
        os.environ.update(variables)
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        server.terminate()
        server.wait()


def kinesis() -> Any:
    from o9_assets.resources import aws

    return aws.client("kinesis")


def put(packed: int, count: int) -> None:
    """Put events, `packed` to a record."""
    from aws_kinesis_agg.aggregator import RecordAggregator

    client, at = kinesis(), datetime.now(UTC).isoformat()
    records: list[dict[str, Any]] = []
    for start in range(0, count, packed):
        key = str(start // packed % 997)
        if packed == 1:
            data = event(start, at)
        else:
            aggregator = RecordAggregator()
            for number in range(start, min(start + packed, count)):
                aggregator.add_user_record(key, event(number, at))
            _, _, data = aggregator.clear_and_get().get_contents()
        records.append({"Data": data, "PartitionKey": key})
        if len(records) == (500 if packed == 1 else 100):
            client.put_records(StreamName="events", Records=records)
            records = []
    if records:
        client.put_records(StreamName="events", Records=records)


def tools(home: Path) -> tuple[Any, Any, Any]:
    from o9_assets.planning.settings import parse
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

    return parse(SETTINGS), Lake.local(home / "lake"), Engine(memory_limit="1GB", temp_dir=home / "tmp")


def now() -> datetime:
    return datetime.now(UTC).replace(tzinfo=None)


def take(home: Path) -> int:
    """From Kinesis to the lake; returns how many events are in raw."""
    from o9_assets.landing.event_datasets import DEMAND_EVENTS, PAYLOAD
    from o9_assets.landing.streaming import take_in
    from o9_assets.resources.streams import open_reader

    settings, lake, engine = tools(home)
    stream = settings.streams["demand_events"]
    with open_reader(stream) as reader:
        report = take_in(
            "demand_events",
            stream,
            PAYLOAD,
            DEMAND_EVENTS,
            timezone="UTC",
            reader=reader,
            lake=lake,
            engine=engine,
            now=now,
        )
    return int(report.accepted_rows)


def drain(home: Path) -> int:
    """Read everything and keep nothing: what the twin, the wire and taking records apart cost."""
    from o9_assets.resources.streams import open_reader

    settings, _, _ = tools(home)
    count = 0
    with open_reader(settings.streams["demand_events"]) as reader:
        for partition in reader.partitions():
            position, done = None, False
            while not done:
                part = reader.read(partition.name, position, limit=50_000, seconds=5)
                position, done = part.position, part.caught_up
                count += len(part.records)
    return count


def follow(home: Path, url: str, seconds: float) -> int:
    """The running reader: stream to raw to o9."""
    from o9_assets.resources.o9 import O9Client, load_profile
    from o9_assets.resources.streams import open_reader
    from o9_assets.run.follow import follow as go_on

    settings, lake, engine = tools(home)
    client = O9Client(load_profile("platform"), url, lambda name: "sandbox", model=settings.o9.model)
    with client, open_reader(settings.streams["demand_events"]) as reader:
        done = go_on(
            settings, reader=reader, lake=lake, engine=engine, client=client, now=now, seconds=seconds, progress=print
        )
    return int(done.forwarded)


PRODUCER = """
import sys, time
from datetime import UTC, datetime
from benchmarks.streams import event, kinesis
rate, seconds = int(sys.argv[1]), int(sys.argv[2])
client, began = kinesis(), time.monotonic()
for turn in range(seconds * 10):
    at, size = datetime.now(UTC).isoformat(), rate // 10
    records = [{"Data": event(turn * size + n, at), "PartitionKey": str(n)} for n in range(size)]
    client.put_records(StreamName="events", Records=records)
    time.sleep(max(0.0, began + (turn + 1) / 10 - time.monotonic()))
"""


def latencies(home: Path) -> list[float]:
    """Seconds from put to accepted, of every event that o9 took."""
    from o9_assets.exchange.event_datasets import FORWARDED
    from o9_assets.landing.event_datasets import DEMAND_EVENTS

    _, lake, engine = tools(home)
    with engine.connect() as con:
        lake.view(con, "raw", DEMAND_EVENTS, columns=["event_id", "event_at"])
        lake.view(con, "forwarded", FORWARDED, columns=["event_id", "accepted_at"])
        rows = con.execute(
            "SELECT epoch(accepted_at) - epoch(event_at) FROM raw JOIN forwarded USING (event_id) ORDER BY 1"
        ).fetchall()
    return [row[0] for row in rows]


def path(home: Path, seconds: int) -> list[float]:
    """A producer puts events at a rate while the running reader forwards them to a sandbox o9."""
    with twin(home), sandbox(home / "o9.db") as url:
        kinesis().create_stream(StreamName="events", ShardCount=SHARDS)
        producer = subprocess.Popen([sys.executable, "-c", PRODUCER, str(RATE), str(seconds)])
        measured(follow, home, url, seconds + 12)
        if producer.wait():
            raise RuntimeError("the producer broke")
    return latencies(home)


def run(scale: float) -> list[dict[str, Any]]:
    events, single = int(EVENTS * scale), int(SINGLE * scale)
    with tempfile.TemporaryDirectory(prefix="bench-streams-") as folder:
        home = Path(folder)
        with twin(home):
            kinesis().create_stream(StreamName="events", ShardCount=SHARDS)
            put(100, events)
            taken, seconds, memory = measured(take, home)
            drained, read_seconds, _ = measured(drain, home)
        if not taken == drained == events:
            raise AssertionError(f"{events} put, {drained} read, {taken} in raw")
        with twin(home / "single"):
            kinesis().create_stream(StreamName="events", ShardCount=SHARDS)
            put(1, single)
            ones, single_seconds, _ = measured(take, home / "single")
        length = max(5, int(SECONDS * scale))
        waited = path(home / "path", length)
    if len(waited) != length * RATE:
        raise AssertionError(f"{length * RATE} events put, {len(waited)} forwarded")
    return [
        figure("Kinesis to raw, packed records", taken / seconds, "events/s", 20_000, least=True),
        figure("of which reading alone (twin, wire, taking apart)", 100 * read_seconds / seconds, "%"),
        figure("Kinesis to raw, single records", ones / single_seconds, "events/s", 20_000, least=True),
        figure("peak memory of Kinesis to raw", memory, "MB"),
        figure(f"put to accepted by o9 at {RATE:,} events/s, median", waited[len(waited) // 2], "s"),
        figure(f"put to accepted by o9 at {RATE:,} events/s, 95th percentile", waited[int(len(waited) * 0.95)], "s", 5),
    ]
