"""Raw order lines to demand history: the platform against the same SQL with DuckDB's COPY, and against pandas.

Order lines are generated into the lake (10 M at scale 1, every tenth with a later version): an item for every 10,000
lines, at 20 locations, over three years. Each side runs in a process of its own, which tells its time and its peak
memory; imports are left out.

A merge rewrites the months that hold a change, so 1 % comes in three mixes: the feed goes on as before, ten new lines
to one change of a line that is ten days old, which is what days are like and what the limit is for; half of it changes
of the last five weeks, as after a correction; and nothing but changes, as many in each month of three years. Rebuilds
and the first two are run three times, and the least time of each counts.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

TIMED = ("build", "rebuild", "merge", "copy")
TURNS = 3
DAYS = 1095
FIRST = "2023-07-03"
SETTINGS = """
company: Benchmark
timezone: UTC
currency: EUR
grain: {item: item_code, location: location_code, channel: channel_code, demand_date: requested_date}
calendar: {week_start: monday, partial_weeks: month}
units: {base_uom: EA, missing_uom: EA}
feeds:
  erp_orders:
    path: "orders/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    columns: {order_id: a, order_line: b, item_code: c, location_code: d, channel_code: e, customer_code: f,
              order_date: g, requested_date: h, quantity: i, uom_code: j, unit_price: k}
    kinds: [{kind: return, when: "quantity < 0", counts_as: returns}]
    delivery: {every: day}
  uom_conversions:
    path: "units/*.csv"
    format: {type: csv}
    columns: {item_code: a, uom_code: b, valid_from_date: c, factor: d}
o9: {columns: {item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
     version: "Version.[Version Name]"}, measures: {orders_quantity: Orders}}
"""


def run(scale: float) -> list[dict[str, Any]]:
    """The figures; 50 M lines are built and changed too where scale is 1 or more."""
    figures: list[dict[str, Any]] = []

    def figure(name: str, value: float, unit: str, limit: float | None = None) -> None:
        figures.append(
            {"name": name, "value": round(value, 2), "unit": unit, "limit": limit}
            | {"ok": None if limit is None else value <= limit}
        )

    lines = int(10_000_000 * scale)
    size = f"{lines / 1e6:g} M lines"
    with tempfile.TemporaryDirectory(prefix="bench-demand-") as folder:
        home = Path(folder)
        _child("generate", home, lines)
        copied = _child("copy", home)
        full = _child("build", home)
        pandas = _child("with_pandas", home)
        figure(f"full build, {size}", full["seconds"], "s")
        figure(f"the same SQL with COPY, {size}", copied["seconds"], "s")
        figure(f"pandas, {size}", pandas["seconds"], "s")
        figure("full build ÷ the same SQL with COPY", full["seconds"] / copied["seconds"], "×", 1.5)
        # At least 3.5 times faster, said as a limit from above.
        figure("full build ÷ pandas", full["seconds"] / pandas["seconds"], "×", round(1 / 3.5, 3))
        figure(f"peak memory of the full build, {size}", full["peak_gb"], "GB", 2.5)
        figure(f"peak memory of pandas, {size}", pandas["peak_gb"], "GB")
        rebuilt = min(_child("rebuild", home)["seconds"] for _ in range(TURNS))
        figure("full rebuild", rebuilt, "s")
        shutil.copytree(home / "lake", home / "held")
        merged = [_merged(home, lines, "go_on") for _ in range(TURNS)]
        least = min(run["seconds"] for run in merged)
        figure("1 % more, a change to ten new lines as before", least, "s")
        figure("1 % more ÷ full rebuild", least / rebuilt, "×", 0.1)
        figure("peak memory of the merge", max(run["peak_gb"] for run in merged), "GB")
        least = min(_merged(home, lines, "arrive")["seconds"] for _ in range(TURNS))
        figure("1 %, half of it changes of five weeks ÷ full rebuild", least / rebuilt, "×")
        _child("arrive_everywhere", home, lines)
        spread = _child("merge", home)
        figure("1 % changed, spread over all three years ÷ full rebuild", spread["seconds"] / rebuilt, "×")
    if scale >= 1:
        with tempfile.TemporaryDirectory(prefix="bench-demand-") as folder:
            _child("generate", Path(folder), lines * 5)
            large = _child("build", Path(folder))
            figure(f"full build, {lines * 5 / 1e6:g} M lines", large["seconds"], "s")
            figure(f"peak memory of the full build, {lines * 5 / 1e6:g} M lines", large["peak_gb"], "GB", 6)
            _child("arrive", Path(folder), lines * 5)
            merged = _child("merge", Path(folder))
            # Half a second of a merge has nothing to do with how many lines there are.
            figure(
                f"1 %, half of it changes of five weeks ÷ full build, {lines * 5 / 1e6:g} M lines",
                merged["seconds"] / large["seconds"],
                "×",
                0.1,
            )
    return figures


def _merged(home: Path, lines: int, arrival: str) -> dict[str, float]:
    """What `arrival` brings, merged into the lake as it was held."""
    shutil.rmtree(home / "lake")
    shutil.copytree(home / "held", home / "lake")
    _child(arrival, home, lines)
    return _child("merge", home)


def _child(what: str, home: Path, *arguments: int) -> dict[str, float]:
    """Run one function of this module in a fresh process; its time without imports, and its peak memory."""
    code = (
        "import json, resource, sys; from pathlib import Path; import benchmarks.demand as b; "
        f"{'b.import_all(); ' if what in TIMED else ''}seconds = b.{what}(Path(sys.argv[1]), *map(int, sys.argv[2:])); "
        "print(json.dumps({'seconds': seconds, "
        "'peak_gb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home), *map(str, arguments)],
        cwd=Path(__file__).resolve().parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {what:<18} {found['seconds']:8.2f} s  {found['peak_gb']:5.2f} GB", flush=True)
    return found


# The company


def _lake(home: Path) -> Any:
    from o9_assets.resources.lake import Lake

    return Lake.local(home / "lake")


def _engine(home: Path) -> Any:
    from o9_assets.resources.engine import Engine

    return Engine(memory_limit="1500MB", temp_dir=home / "tmp")


def _settings() -> Any:
    from o9_assets.planning.settings import parse

    return parse(SETTINGS)


def _now(day: int = 0) -> Any:
    from datetime import datetime, timedelta

    return datetime(2026, 7, 6) + timedelta(days=day)


LINES = f"""
    SELECT
        i,
        'SO' || lpad(CAST(i // 4 AS VARCHAR), 9, '0') AS order_id,
        CAST(i % 4 + 1 AS VARCHAR) AS order_line,
        'FG-' || CAST(10000 + CAST(floor($items * pow((hash(i) % 1000003) / 1000003.0, 1.5)) AS INT) AS VARCHAR)
            AS item_code,
        'ST-' || CAST(100 + hash(i + 7919) % 20 AS VARCHAR) AS location_code,
        'C' || CAST(hash(i + 7919) % 20 // 7 AS VARCHAR) AS channel_code,
        'CU-' || CAST(hash(i + 7919) % 20 // 3 AS VARCHAR) AS customer_code,
        NULL AS item_name,
        DATE '{FIRST}' + CAST(i * {DAYS} // $lines AS INT) AS order_date,
        NULL AS ordered_at,
        DATE '{FIRST}' + CAST(i * {DAYS} // $lines + hash(i) // 1000 % 5 AS INT) AS requested_date,
        (1 + hash(i) // 7 % 40) * (CASE WHEN hash(i) // 11 % 50 = 0 THEN -1 ELSE 1 END) + $version AS quantity,
        CASE WHEN hash(i) // 13 % 5 = 0 THEN 'CASE' ELSE 'EA' END AS uom_code,
        (100 + hash(i) // 17 % 900) / 100.0 AS unit_price,
        NULL AS cancels_order_id,
        NULL AS cancels_order_line,
        CASE WHEN $version = 0 THEN 'I' WHEN hash(i) // 19 % 20 = 0 THEN 'D' ELSE 'U' END AS op,
        CAST($version AS BIGINT) AS change_seq,
        i AS line
    FROM range($first, $last) AS t(i)
"""


def _land(home: Path, lines: int, versions: list[tuple[int, int, int]], seq: int, known_day: int | None) -> None:
    """Write raw rows (version, first, last line) and the manifest of their objects, one a delivery day and version.

    A later version comes ten days after its line, or on `known_day` (days since the first).
    """
    from o9_assets.assets.raw.erp_orders import ERP_ORDERS
    from o9_assets.landing.datasets import MANIFEST

    lake = _lake(home)
    with _engine(home).connect() as con:
        con.execute("SET preserve_insertion_order = false")
        parts = []
        for version, first, last in versions:
            which = "true" if version == 0 else f"i % 10 = {version % 10}" if known_day is None else "i % 7 = 0"
            late = (
                "0" if version == 0 else "10" if known_day is None else f"({known_day} - (order_date - DATE '{FIRST}'))"
            )
            text = LINES
            given = {"lines": lines, "version": version, "first": first, "last": last, "items": max(lines // 10_000, 1)}
            for name, value in given.items():
                text = text.replace(f"${name}", str(value))
            parts.append(
                f"""
                SELECT * EXCLUDE (i), order_date + CAST({late} AS INT) AS delivered,
                    CAST(order_date AS TIMESTAMP) + INTERVAL {version} HOUR AS changed_at
                FROM ({text}) WHERE {which}
                """
            )
        con.execute(
            f"""
            CREATE TEMP VIEW raw AS
            SELECT *, CAST(delivered AS TIMESTAMP) + INTERVAL 1 DAY AS known_at,
                md5(CAST(delivered AS VARCHAR) || '{seq}') AS object_id,
                'orders/' || CAST(delivered AS VARCHAR) || '-{seq}.csv' AS object_name
            FROM ({" UNION ALL ".join(parts)})
            """
        )
        lake.append(ERP_ORDERS, con.sql(f"SELECT {', '.join(ERP_ORDERS.column_names)} FROM raw"))
        lake.append(
            MANIFEST,
            con.sql(
                f"""
                SELECT 'erp_orders' AS feed, object_id, object_name, '1' AS object_version, {seq} AS ingest_seq,
                    min(known_at) AS known_at, min(known_at) AS ingested_at, min(delivered) AS covers_date,
                    'ingested' AS status, NULL AS reason, true AS replaces, 0 AS size_bytes, '' AS content_hash,
                    count(*) AS landed_rows, count(*) AS accepted_rows, 0 AS quarantined_rows, '' AS settings_hash,
                    NULL AS read_until, NULL AS other_rows
                FROM raw GROUP BY object_id, object_name
                """
            ),
        )


def generate(home: Path, lines: int) -> float:
    """Raw order lines in twelve ingests, and a unit; then the masters that orders give."""
    import pyarrow as pa

    from o9_assets.assets.curated import items, locations
    from o9_assets.assets.raw.uom_conversions import UOM_CONVERSIONS
    from o9_assets.landing.datasets import MANIFEST

    began = time.monotonic()
    step = lines // 12
    for n in range(12):
        first, last = n * step, lines if n == 11 else (n + 1) * step
        _land(home, lines, [(0, first, last), (1, first, last)], n + 1, None)
    now = _now()
    lineage = {"op": "I", "changed_at": now, "change_seq": 0, "known_at": now, "object_id": "u", "object_name": "u"}
    unit = {"item_code": "*", "uom_code": "CASE", "valid_from_date": now.date().replace(year=2020), "factor": 12}
    lake = _lake(home)
    lake.append(UOM_CONVERSIONS, pa.Table.from_pylist([{**unit, **lineage, "line": 2}], UOM_CONVERSIONS.arrow_schema))
    listed = {"feed": "uom_conversions", "object_id": "u", "object_name": "u", "object_version": "1", "ingest_seq": 1}
    listed |= {"known_at": now, "ingested_at": now, "status": "ingested", "replaces": True, "size_bytes": 0}
    listed |= {"content_hash": "", "landed_rows": 1, "accepted_rows": 1, "quarantined_rows": 0, "settings_hash": ""}
    lake.append(MANIFEST, pa.Table.from_pylist([listed], MANIFEST.arrow_schema))
    items.make(_settings(), lake, _engine(home), now)
    locations.make(_settings(), lake, _engine(home), now)
    return time.monotonic() - began


def go_on(home: Path, lines: int) -> float:
    """The feed goes on as it was: 1 % more rows, ten new lines to one change that comes ten days after its line."""
    began = time.monotonic()
    new = lines // 100 * 10 // 11
    _land(home, lines, [(0, lines, lines + new), (2, lines - new, lines)], 101, None)
    return time.monotonic() - began


def arrive(home: Path, lines: int) -> float:
    """1 % of the lines arrive: half of them new, half new versions of lines of the last 35 days."""
    began = time.monotonic()
    recent = lines - lines * 35 // DAYS
    half = lines // 200
    _land(home, lines, [(0, lines, lines + half)], 101, None)
    _land(home, lines, [(2, recent, min(recent + half * 7, lines))], 102, DAYS + 1)
    return time.monotonic() - began


def arrive_everywhere(home: Path, lines: int) -> float:
    """New versions of 1 % of the lines, of all months alike."""
    began = time.monotonic()
    span = lines // 100 * 7 // 36
    months = [(3, n * (lines // 36), n * (lines // 36) + span) for n in range(36)]
    _land(home, lines, months, 103, DAYS + 2)
    return time.monotonic() - began


# The sides


def import_all() -> None:
    """Go the whole way with a thousand lines: what is used first is imported then, which takes 0.1 s."""
    with tempfile.TemporaryDirectory(prefix="bench-demand-") as folder:
        home = Path(folder)
        generate(home, 1200)
        build(home)
        go_on(home, 1200)
        merge(home)


def build(home: Path) -> float:
    """Raw to order lines to demand history as the platform does it, nothing being there yet."""
    from o9_assets.assets.curated import demand_history, order_lines

    settings, lake, engine = _settings(), _lake(home), _engine(home)
    began = time.monotonic()
    order_lines.make(settings, lake, engine, _now())
    demand_history.make(settings, lake, engine, _now())
    return time.monotonic() - began


def rebuild(home: Path) -> float:
    """The same again, where everything is there: what a merge is compared with."""
    from o9_assets.assets.curated import demand_history, order_lines

    settings, lake, engine = _settings(), _lake(home), _engine(home)
    began = time.monotonic()
    order_lines.make(settings, lake, engine, _now(), rebuild=True)
    demand_history.make(settings, lake, engine, _now(), rebuild=True)
    return time.monotonic() - began


def merge(home: Path) -> float:
    """What came since the last run, merged."""
    from o9_assets.assets.curated import demand_history, order_lines

    settings, lake, engine = _settings(), _lake(home), _engine(home)
    began = time.monotonic()
    made = order_lines.make(settings, lake, engine, _now(1))
    between = time.monotonic()
    history = demand_history.make(settings, lake, engine, _now(1))
    ended = time.monotonic()
    if made.rebuilt or history.buckets is None:
        raise RuntimeError("the whole was made anew, so that nothing is measured of a merge")
    print(
        f"    {made.lines_changed:,} rows changed in {len(made.months)} months: {between - began:.2f} s; "
        f"{len(history.buckets)} partial weeks in {len(history.months)} months: {ended - between:.2f} s",
        file=sys.stderr,
    )
    return ended - began


def copy(home: Path) -> float:
    """The same queries over the same raw files; DuckDB writes both outputs with COPY, one folder each."""
    from o9_assets.assets.curated.demand_history import DEMAND_HISTORY, register_calendar
    from o9_assets.assets.curated.inputs import feed_view, known_of, session
    from o9_assets.assets.curated.items import ITEMS
    from o9_assets.assets.curated.order_lines import ORDER_LINES
    from o9_assets.demand import history, order_lines
    from o9_assets.demand.parameters import parameters

    settings, lake, engine = _settings(), _lake(home), _engine(home)
    given = parameters(settings)
    out = home / "copied"
    out.mkdir()
    began = time.monotonic()
    with session(engine) as con:
        for feed, name in (
            ("erp_orders", "accepted_orders"),
            ("uom_conversions", "conversion_versions"),
            ("erp_shipments", "accepted_shipments"),
            ("inventory", "accepted_inventory"),
            ("promotions", "accepted_promotions"),
        ):
            feed_view(con, lake, settings, feed, name)
        lake.view(con, "items", ITEMS)
        con.execute("CREATE TEMP TABLE places AS SELECT '' AS location_code, '' AS customer_code WHERE false")
        rows = " UNION ALL ".join(f"({sql})" for sql in order_lines.build(con, given).values())
        con.execute(
            f"COPY (SELECT {ORDER_LINES.select_list()} FROM ({rows})) TO '{out}/order_lines.parquet' "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
        con.execute(f"CREATE TEMP VIEW lines AS SELECT * FROM '{out}/order_lines.parquet'")
        con.execute("CREATE TEMP VIEW stored_history AS SELECT NULL::DATE AS bucket_start WHERE false")
        known = {feed: known_of(con, lake, settings, feed) for feed in ("erp_orders", "erp_shipments")}
        register_calendar(con, settings, known)
        rows = " UNION ALL ".join(f"({sql})" for sql in history.build(con, given).values())
        con.execute(
            f"COPY (SELECT {DEMAND_HISTORY.select_list()} FROM ({rows})) TO '{out}/demand_history.parquet' "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
    seconds = time.monotonic() - began
    shutil.rmtree(out)
    return seconds


def with_pandas(home: Path) -> float:
    """The same steps as one writes them in pandas, from the same raw files to two Parquet files."""
    import numpy as np
    import pandas as pd
    import pyarrow.dataset as ds

    from o9_assets.planning.calendar import Calendar

    calendar = Calendar(_settings().calendar)
    out = home / "pandas"
    out.mkdir()
    began = time.monotonic()
    raw = ds.dataset(sorted(map(str, (home / "lake/warehouse/raw/erp_orders/data").rglob("*.parquet"))))
    wanted = ["order_id", "order_line", "item_code", "location_code", "channel_code", "customer_code", "order_date"]
    wanted += ["requested_date", "quantity", "uom_code", "unit_price", "op", "changed_at", "change_seq", "known_at"]
    wanted += ["object_id", "object_name", "line"]
    table = raw.to_table(columns=wanted)
    for name in ("quantity", "unit_price"):
        table = table.set_column(table.column_names.index(name), name, table[name].cast("double"))
    rows = table.to_pandas(date_as_object=False)
    del table
    rows = rows.sort_values(["changed_at", "change_seq", "known_at", "object_name", "line"])
    rows = rows.drop_duplicates(["order_id", "order_line"], keep="last")
    rows = rows[rows["op"] != "D"]
    rows["kind"] = np.where(rows["quantity"] < 0, "return", "sale")
    rows["counts_as"] = np.where(rows["quantity"] < 0, "returns", "orders")
    rows["demand_date"] = rows["requested_date"].fillna(rows["order_date"])
    rows["order_month"] = rows["order_date"].dt.to_period("M").dt.start_time
    factors = pd.DataFrame({"uom_code": ["EA", "CASE"], "factor": [1.0, 12.0]})
    rows = rows.merge(factors, on="uom_code", how="left")
    rows["base_quantity"] = rows["quantity"] * rows["factor"]
    rows["value"] = rows["quantity"] * rows["unit_price"]
    rows.to_parquet(out / "order_lines.parquet", compression="zstd")
    first, last = rows["demand_date"].min().date(), rows["demand_date"].max().date()
    days = calendar.days_table(first, last).to_pandas(date_as_object=False)
    rows = rows.merge(days, left_on="demand_date", right_on="date")
    rows["orders_quantity"] = rows["base_quantity"].where(rows["counts_as"] == "orders")
    rows["returns_quantity"] = rows["base_quantity"].where(rows["counts_as"] == "returns")
    rows["orders_value"] = rows["value"].where(rows["counts_as"] == "orders")
    series = ["item_code", "location_code", "channel_code"]
    cells = rows.groupby([*series, "bucket_start"], sort=False).agg(
        orders_quantity=("orders_quantity", "sum"),
        returns_quantity=("returns_quantity", "sum"),
        orders_value=("orders_value", "sum"),
        order_line_count=("order_id", "size"),
    )
    cells = cells.reset_index()
    starts = cells.groupby(series, sort=False)["bucket_start"].min().rename("first_bucket").reset_index()
    buckets = calendar.buckets_table(first, last).to_pandas(date_as_object=False)
    buckets = buckets[["bucket_start", "week_start", "month_start", "days"]]
    spine = starts.merge(buckets, how="cross")
    spine = spine[spine["bucket_start"] >= spine["first_bucket"]]
    history = spine.merge(cells, on=[*series, "bucket_start"], how="left")
    history["state"] = np.where(history["order_line_count"] > 0, "sold", "true_zero")
    measures = ["orders_quantity", "returns_quantity", "orders_value", "order_line_count"]
    history[measures] = history[measures].fillna(0)
    history.to_parquet(out / "demand_history.parquet", compression="zstd")
    seconds = time.monotonic() - began
    shutil.rmtree(out)
    return seconds
