"""Every query of the demand room, transpiled by sqlglot, gives on Spark row for row what it gives on DuckDB.

sqlglot passes functions that it does not know through, so only running them tells. The queries are run in their order;
each reads what the ones before it gave on the same engine.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from o9_assets.assets.raw.erp_items import ERP_ITEMS
from o9_assets.assets.raw.erp_locations import ERP_LOCATIONS
from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.assets.raw.erp_shipments import ERP_SHIPMENTS
from o9_assets.assets.raw.inventory import INVENTORY
from o9_assets.assets.raw.item_transitions import ITEM_TRANSITIONS
from o9_assets.assets.raw.promotions import PROMOTIONS
from o9_assets.assets.raw.uom_conversions import UOM_CONVERSIONS
from o9_assets.demand.delivery import known_days
from o9_assets.demand.parameters import parameters
from o9_assets.demand.queries import NAMES, query
from o9_assets.demand.spine import calendar_tables
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import parse

pytestmark = [pytest.mark.spark, pytest.mark.skipif(shutil.which("java") is None, reason="Java is not installed")]

SETTINGS = """
company: Two Engines
timezone: UTC
currency: EUR
grain: {item: item_code, location: location_code, channel: channel_code, demand_date: requested_date}
calendar: {week_start: monday, partial_weeks: month}
units: {base_uom: EA, missing_uom: EA}
feeds:
  erp_orders:
    path: "orders/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    columns: {order_id: a, order_line: b, item_code: c, location_code: d, order_date: e, quantity: f, unit_price: g}
    kinds:
      - {kind: service, when: "item_code like 'S%' or upper(trim(item_name)) in ('POSTAGE')", counts_as: none}
      - {kind: free_goods, when: "unit_price = 0 and quantity between 1 and 20", counts_as: none}
      - {kind: return, when: "quantity < 0", counts_as: returns}
  erp_shipments: {path: "shipments/*.csv", format: {type: csv}, columns: {shipment_id: a, shipment_line: b,
    item_code: c, location_code: d, ship_date: e, quantity: f}}
  inventory: {path: "stock/*.csv", format: {type: csv}, columns: {item_code: a, location_code: b, snapshot_date: c,
    on_hand_quantity: d}}
  promotions: {path: "promotions/*.csv", format: {type: csv}, columns: {promotion_id: a, item_code: b, location_code: c,
    start_date: d, end_date: e}}
forecast: {grain: [item, location]}
o9: {columns: {item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
     version: "Version.[Version Name]"}, measures: {orders_quantity: Orders}}
"""
MOVED = """
    SELECT item_code, location_code, channel_code, bucket_start AS first_bucket, bucket_start AS last_bucket
    FROM movements WHERE order_line_count > 0 OR shipments_quantity <> 0
"""
# What each query reads that no query gives, in the order of running: a name, and the file or statement behind it.
STEPS = (
    ("order_versions", None),
    ("repeated_keys", None),
    (
        "repeated_versions",
        "SELECT v.* FROM order_versions AS v SEMI JOIN repeated_keys AS r ON r.key_hash = v.key_hash",
    ),
    ("outdated_versions", None),
    ("latest_versions", None),
    ("cancellations", None),
    ("deletions", None),
    ("standing_lines", "SELECT * FROM latest_versions WHERE op <> 'D'"),
    ("order_items", None),
    ("order_locations", None),
    ("items", None),
    ("locations", None),
    ("transitions", None),
    (
        "planning_items",
        "SELECT item_code, COALESCE(base_uom_code, 'EA') AS base_uom_code FROM items",
    ),
    ("set_aside_items", "SELECT item_code FROM items WHERE item_code = 'I3'"),
    ("unit_factors", None),
    ("order_lines", None),
    ("counted_lines", "SELECT * FROM order_lines WHERE counts_as <> 'none'"),
    ("places", "SELECT location_code, customer_code FROM locations WHERE is_current"),
    ("shipments", None),
    ("movements", None),
    ("moved", MOVED),
    ("series", None),
    ("out_of_stock", None),
    ("promotion_days", None),
    ("demand_history", None),
    ("history", "SELECT * FROM demand_history"),
    ("weeks", None),
    ("demand_segments", None),
)
DAY = date(2024, 11, 1)


def rows_of(dataset: Any, count: int, make: Any, draw: random.Random) -> pa.Table:
    rows = []
    for number in range(count):
        at = datetime(2025, 1, 1) + timedelta(hours=draw.randrange(8))
        lineage = {"op": draw.choice("IIIUD"), "changed_at": at, "change_seq": draw.randrange(2), "known_at": at}
        lineage |= {"object_id": f"o{number % 7}", "object_name": f"object {number % 7}", "line": number}
        rows.append({**lineage, **make(number)})
    return pa.Table.from_pylist(rows, schema=dataset.arrow_schema)


def inputs() -> dict[str, pa.Table]:
    draw = random.Random(11)

    def day(span: int = 120) -> date:
        return DAY + timedelta(days=draw.randrange(span))

    def number(low: int, high: int, digits: int) -> Decimal:
        return Decimal(draw.randint(low, high)).scaleb(-digits)

    def item() -> str:
        return draw.choice(["I1", "I2", "I3", "S1", "Ü9"])

    def place() -> str:
        return draw.choice(["L1", "L2", "L3"])

    def unit() -> str | None:
        return draw.choice([None, "EA", "CASE", "KG", "?"])

    def order(n: int) -> dict[str, Any]:
        named = draw.random() < 0.05
        found = {"order_id": f"SO{draw.randrange(400)}", "order_line": str(draw.randrange(3)), "item_code": item()}
        found |= {"location_code": place(), "channel_code": draw.choice([None, "WEB"]), "order_date": day()}
        found |= {"item_name": draw.choice([None, " postage ", "Text"]), "uom_code": unit()}
        found |= {"requested_date": draw.choice([None, day(140)]), "quantity": number(-100_000, 900_000, 4)}
        found |= {"unit_price": draw.choice([None, Decimal(0), Decimal(20_000), number(1, 999_999, 4)])}
        found |= {"cancels_order_id": f"SO{draw.randrange(400)}" if named else None}
        return found | {"cancels_order_line": "1" if named else None}

    def master(n: int) -> dict[str, Any]:
        found = {"item_code": draw.choice(["I1", "I2"]), "item_name": draw.choice(["A", "B"]), "list_price": None}
        found |= {"base_uom_code": draw.choice([None, "EA", "KG"]), "brand_name": None, "category_name": None}
        return found | {
            "listed_from_date": draw.choice([None, day()]),
            "delisted_from_date": draw.choice([None, day()]),
        }

    def location(n: int) -> dict[str, Any]:
        return {"location_code": place(), "region_name": draw.choice(["N", "S", None]), "customer_code": "C1"}

    def shipment(n: int) -> dict[str, Any]:
        found = {"shipment_id": f"D{draw.randrange(100)}", "shipment_line": "1", "item_code": item()}
        found |= {"location_code": place(), "channel_code": draw.choice([None, "WEB"]), "ship_date": day()}
        return found | {"quantity": number(1, 900_000, 4), "uom_code": unit()}

    def stock(n: int) -> dict[str, Any]:
        found = {"item_code": item(), "location_code": place(), "snapshot_date": day()}
        return found | {"on_hand_quantity": number(-1, 3, 0)}

    def promotion(n: int) -> dict[str, Any]:
        found = {"promotion_id": f"P{draw.randrange(9)}", "item_code": item(), "start_date": day(), "end_date": day()}
        return found | {"location_code": draw.choice(["*", place()])}

    def conversion(n: int) -> dict[str, Any]:
        found = {"item_code": draw.choice(["*", "I1", "I2"]), "uom_code": draw.choice(["CASE", "KG"])}
        return found | {"valid_from_date": day(), "factor": draw.choice([Decimal(0), number(1, 30_000_000, 6)])}

    def transition(n: int) -> dict[str, Any]:
        return {"from_item_code": item(), "to_item_code": "I9", "effective_date": day()}

    return {
        "accepted_orders": rows_of(ERP_ORDERS, 1500, order, draw),
        "item_versions": rows_of(ERP_ITEMS, 30, master, draw),
        "location_versions": rows_of(ERP_LOCATIONS, 30, location, draw),
        "shipment_versions": rows_of(ERP_SHIPMENTS, 200, shipment, draw),
        "stock_counts": rows_of(INVENTORY, 400, stock, draw),
        "accepted_promotions": rows_of(PROMOTIONS, 12, promotion, draw),
        "conversion_versions": rows_of(UOM_CONVERSIONS, 12, conversion, draw),
        "transition_versions": rows_of(ITEM_TRANSITIONS, 12, transition, draw),
    }


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    from pyspark.sql import SparkSession

    session = (
        SparkSession.builder.master("local[1]")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.execution.arrow.pyspark.enabled", "true")
        .config("spark.sql.shuffle.partitions", "1")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.timestampType", "TIMESTAMP_NTZ")
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


def comparable(rows: pa.Table) -> list[str]:
    """Rows in one order, with numbers that are equal written alike."""

    def plain(value: Any) -> Any:
        return format(value.normalize(), "f") if isinstance(value, Decimal) else value

    columns = [[plain(value) for value in column.to_pylist()] for column in rows.columns]
    return sorted(map(repr, zip(*columns, strict=True))) if columns else [str(rows.num_rows)]


def test_every_query_gives_the_same_rows_on_spark(spark: Any) -> None:
    settings = parse(SETTINGS)
    con = duckdb.connect()
    for name, rows in inputs().items():
        con.register("given", rows)
        con.execute(f"CREATE TABLE {name} AS SELECT * FROM given").fetchall()
        spark.createDataFrame(rows).createOrReplaceTempView(name)
    orders = known_days([DAY, DAY + timedelta(days=100)], None)
    shipments = known_days([DAY, DAY + timedelta(days=60)], None)
    last = DAY + timedelta(days=150)
    calendar_tables(con, Calendar(settings.calendar), DAY, last, orders=orders, shipments=shipments)
    con.execute(
        "CREATE VIEW days_to_build AS SELECT * FROM days; CREATE VIEW buckets_to_build AS SELECT * FROM buckets"
    )
    for name in ("days_to_build", "buckets_to_build", "known"):
        spark.createDataFrame(con.sql(f"SELECT * FROM {name}").to_arrow_table()).createOrReplaceTempView(name)

    compared = []
    for name, statement in STEPS:
        on_duckdb = statement or query(name, parameters(settings))
        on_spark = statement or query(name, parameters(settings, "spark"), "spark")
        con.execute(f"CREATE TABLE {name} AS {on_duckdb}").fetchall()
        made = spark.sql(on_spark).toArrow()
        # Made of rows, not of the query: a plan of thirty queries within each other is more than Spark can hold.
        spark.createDataFrame(made).createOrReplaceTempView(name)
        found = con.sql(f"SELECT * FROM {name}").to_arrow_table()
        assert made.column_names == found.column_names, name
        assert found.num_rows, f"{name} is empty, so nothing is compared"
        # Each engine has a hash of its own, which only finds rows.
        kept = [column for column in found.column_names if column != "key_hash"]
        assert comparable(made.select(kept)) == comparable(found.select(kept)), name
        compared.append(name)
    con.close()
    assert set(NAMES) <= set(compared), "a query is not among the steps"
