"""Why DuckDB writes and reads the lake's files: the same rows through the lake room and through pyiceberg alone.

10 M rows of 10 columns at scale 1, written as one commit and read back for a sum by item. Each side works in a process
of its own; imports are left out on both.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROWS = 10_000_000
MADE = """
    SELECT 'SO' || i // 4 AS order_id, 'FG-' || hash(i) % 1000 AS item_code, 'ST-' || hash(i + 1) % 20 AS location_code,
        DATE '2023-01-02' + CAST(i * 1000 // {rows} AS INT) AS order_date,
        TIMESTAMP '2023-01-02' + INTERVAL (i) SECOND AS changed_at, CAST(hash(i) % 40 AS BIGINT) AS quantity,
        CAST((hash(i) // 17 % 900) / 100.0 AS DECIMAL(18,4)) AS unit_price, hash(i) % 2 = 0 AS is_open,
        CAST(i AS BIGINT) AS line, CAST(hash(i + 2) % 7 AS INT) AS weekday
    FROM range({rows}) AS t(i)
"""


def run(scale: float) -> list[dict[str, Any]]:
    """The figures."""
    figures: list[dict[str, Any]] = []

    def figure(name: str, value: float, unit: str) -> None:
        figures.append({"name": name, "value": round(value, 2), "unit": unit, "limit": None, "ok": None})

    rows = int(ROWS * scale)
    with tempfile.TemporaryDirectory(prefix="bench-lake-") as folder:
        found = {what: _child(what, Path(folder), rows) for what in ("write", "write_bare", "read", "read_bare")}
    size = f"{rows / 1e6:g} M rows"
    for what, name in (("write", "writing"), ("read", "reading for a sum")):
        ours, bare = found[what], found[f"{what}_bare"]
        figure(f"{name}, {size}", ours["seconds"], "s")
        figure(f"{name} through pyiceberg, {size}", bare["seconds"], "s")
        figure(f"{name} through pyiceberg ÷ through the lake room", bare["seconds"] / ours["seconds"], "×")
        figure(f"peak memory of {name}", ours["peak_mb"], "MB")
        figure(f"peak memory of {name} through pyiceberg", bare["peak_mb"], "MB")
    return figures


def _child(what: str, home: Path, rows: int) -> dict[str, float]:
    code = (
        "import json, resource, sys; from pathlib import Path; import benchmarks.lake as b; "
        f"seconds = b.{what}(Path(sys.argv[1]), int(sys.argv[2])); "
        "print(json.dumps({'seconds': seconds, "
        "'peak_mb': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(home), str(rows)],
        cwd=Path(__file__).resolve().parent.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _rooms(home: Path, side: str) -> tuple[Any, Any, Any]:
    from o9_assets.dataset import Column, Dataset
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

    types = {
        "order_id": "string",
        "item_code": "string",
        "location_code": "string",
        "order_date": "date",
        "changed_at": "timestamp",
        "quantity": "int64",
        "unit_price": "decimal(18,4)",
        "is_open": "boolean",
        "line": "int64",
        "weekday": "int32",
    }
    columns = tuple(Column(name, kind, name) for name, kind in types.items())
    lake = Lake.local(home / side)
    dataset = Dataset("raw.rows", "Rows of a benchmark.", columns)
    lake.ensure(dataset)  # imports pyiceberg
    return lake, dataset, Engine(memory_limit="2GB", temp_dir=home / "tmp")


def write(home: Path, rows: int) -> float:
    """DuckDB makes the rows and writes the files; the lake room commits them."""
    lake, dataset, engine = _rooms(home, "lake")
    with engine.connect() as con:
        began = time.monotonic()
        lake.append(dataset, con.sql(MADE.format(rows=rows)))
        return time.monotonic() - began


def write_bare(home: Path, rows: int) -> float:
    """DuckDB makes the rows as an Arrow table; pyiceberg writes and commits it."""
    from pyiceberg.io.pyarrow import schema_to_pyarrow

    lake, dataset, engine = _rooms(home, "bare")
    table = lake.catalog.load_table(dataset.name)
    with engine.connect() as con:
        began = time.monotonic()
        made = con.sql(MADE.format(rows=rows)).to_arrow_table()
        table.append(made.cast(schema_to_pyarrow(table.schema(), include_field_ids=False)))
        return time.monotonic() - began


SUM = "SELECT item_code, sum(quantity * unit_price) FROM rows GROUP BY item_code"


def read(home: Path, _rows: int) -> float:
    """DuckDB reads the planned files."""
    lake, dataset, engine = _rooms(home, "lake")
    with engine.connect() as con:
        began = time.monotonic()
        lake.view(con, "rows", dataset)
        con.execute(SUM).fetchall()
        return time.monotonic() - began


def read_bare(home: Path, _rows: int) -> float:
    """pyiceberg reads the needed columns into Arrow; DuckDB sums."""
    lake, dataset, engine = _rooms(home, "bare")
    with engine.connect() as con:
        began = time.monotonic()
        scan = lake.catalog.load_table(dataset.name).scan(selected_fields=("item_code", "quantity", "unit_price"))
        con.register("rows", scan.to_arrow())
        con.execute(SUM).fetchall()
        return time.monotonic() - began
