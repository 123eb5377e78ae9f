"""A company on paper: feeds whose objects land one after the other, and the demand room run on them in memory.

What a lake does between two runs (keep tables, tell new rows from old ones) is done here with DuckDB tables, so that
properties can be tested over thousands of histories.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
from o9_assets.assets.curated.items import ITEMS
from o9_assets.assets.curated.order_lines import ORDER_LINES
from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.assets.raw.erp_shipments import ERP_SHIPMENTS
from o9_assets.assets.raw.inventory import INVENTORY
from o9_assets.assets.raw.promotions import PROMOTIONS
from o9_assets.assets.raw.uom_conversions import UOM_CONVERSIONS
from o9_assets.dataset import Dataset
from o9_assets.demand import history, order_lines
from o9_assets.demand.datasets import DELETED_LINES, UNIT_FACTORS
from o9_assets.demand.delivery import Known, known_days
from o9_assets.demand.parameters import parameters
from o9_assets.demand.spine import calendar_tables
from o9_assets.planning.calendar import Calendar
from o9_assets.planning.settings import Settings, parse

FEEDS = {
    "erp_orders": ERP_ORDERS,
    "erp_shipments": ERP_SHIPMENTS,
    "inventory": INVENTORY,
    "promotions": PROMOTIONS,
    "uom_conversions": UOM_CONVERSIONS,
}
SETTINGS = """
company: Paper Ltd
timezone: UTC
currency: EUR
grain: {item: item_code, location: location_code, channel: channel_code, demand_date: requested_date}
calendar: {week_start: monday, partial_weeks: month}
units: {base_uom: EA, missing_uom: EA}
feeds:
  erp_orders:
    path: "orders/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    columns: {order_id: a, order_line: b, item_code: c, location_code: d, channel_code: e, order_date: f,
              requested_date: g, quantity: h, uom_code: i, unit_price: j, cancels_order_id: k, cancels_order_line: l}
    kinds:
      - {kind: service, when: "item_code = 'POSTAGE'", counts_as: none}
      - {kind: return, when: "quantity < 0", counts_as: returns}
    delivery: {every: day}
  erp_shipments:
    path: "shipments/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    columns: {shipment_id: a, shipment_line: b, item_code: c, location_code: d, channel_code: e, ship_date: f,
              quantity: g, uom_code: h}
    delivery: {every: week, weekdays: [sun]}
  inventory:
    path: "stock/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    columns: {item_code: a, location_code: b, snapshot_date: c, on_hand_quantity: d}
  promotions:
    path: "promotions/*.csv"
    format: {type: csv}
    columns: {promotion_id: a, item_code: b, location_code: c, start_date: d, end_date: e}
  uom_conversions:
    path: "units/*.csv"
    format: {type: csv}
    columns: {item_code: a, uom_code: b, valid_from_date: c, factor: d}
o9: {columns: {item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
     version: "Version.[Version Name]"}, measures: {orders_quantity: Orders}}
"""
Row = dict[str, Any]


class Paper:
    """Landed objects, what curated tables held after the last `refresh`, and what a full build makes of it all."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.given = parameters(settings)
        self.calendar = Calendar(settings.calendar)
        self.rows: dict[str, list[Row]] = {name: [] for name in FEEDS}
        self.current: dict[tuple[str, str], str] = {}
        self.delivered: dict[str, list[date]] = {name: [] for name in FEEDS}
        self.items: list[Row] = []
        self.customers: dict[str, str] = {}
        self.known: dict[str, Known] = {}
        self.landed = 0
        self.new_rows = 0
        self.again: set[str] = set()
        self.seen = dict.fromkeys(FEEDS, 0)
        self.gone: dict[str, list[Row]] = {name: [] for name in FEEDS}
        self.con = duckdb.connect(config={"threads": 1})
        for name, dataset in (("lines", ORDER_LINES), ("deletions", DELETED_LINES), ("history", DEMAND_HISTORY)):
            self._load(f"kept_{name}", dataset, [])
        self._load("kept_line_factors", UNIT_FACTORS, [])
        self._load("kept_history_factors", UNIT_FACTORS, [])

    # What happens

    def land(
        self,
        feed: str,
        rows: Sequence[Row],
        *,
        name: str = "",
        covers: date | None = None,
        at: datetime | None = None,
        again: bool = False,
    ) -> None:
        """An object lands; one of the same name replaces the older one's rows. `again`: it is the same object, read
        with other rules, so that it gives other rows."""
        self.landed += 1
        number = self.landed
        name = name or f"{feed}/{number}.csv"
        known_at = at or datetime(2025, 1, 1) + timedelta(minutes=number)
        identity = f"{name}#{number}"
        old = self.current.get((feed, name))
        if old and again:
            identity = old
            self.again.add(old)
            self.rows[feed] = [r for r in self.rows[feed] if r["object_id"] != old]
        elif old:
            self.gone[feed] += [r for r in self.rows[feed] if r["object_id"] == old]
            self.rows[feed] = [r for r in self.rows[feed] if r["object_id"] != old]
        self.current[(feed, name)] = identity
        for line, row in enumerate(rows, 2):
            lineage = {"op": "I", "changed_at": known_at, "change_seq": 0, "known_at": known_at}
            place = {"object_id": identity, "object_name": name, "line": line, "_seq": number}
            self.rows[feed].append({**lineage, **row, **place})
        if covers is not None:
            self.delivered[feed].append(covers)

    # What the platform makes of it

    def build(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Order lines, deleted lines and demand history, made from everything."""
        self._session()
        self._inputs({})
        months = order_lines.build(self.con, self.given)
        self._gather("order_lines", ORDER_LINES, months)
        lines = self._rows("order_lines", ORDER_LINES)
        deleted = self._rows("deleted_lines", DELETED_LINES)
        self.con.execute("CREATE OR REPLACE TEMP TABLE made_lines AS SELECT * FROM order_lines")
        self._calendar("made_lines")
        months = history.build(self.con, self.given)
        self._gather("demand_history", DEMAND_HISTORY, months)
        return lines, deleted, self._rows("demand_history", DEMAND_HISTORY)

    def refresh(self) -> tuple[order_lines.Merge, history.Refresh]:
        """What a run does: merge what is new since the last one, and keep the result."""
        con = self._session()
        self._inputs(self.seen)
        for stored, kept in (("lines", "lines"), ("deletions", "deletions"), ("factors", "line_factors")):
            con.execute(f"CREATE OR REPLACE TEMP VIEW stored_{stored} AS SELECT * FROM kept_{kept}")
        merged = order_lines.merge(con, self.given, self.new_rows, lambda: None)
        self._keep("kept_lines", ORDER_LINES, merged.months)
        con.execute(f"CREATE OR REPLACE TEMP TABLE swap AS SELECT {_cast(DELETED_LINES)} FROM deleted_lines")
        con.execute("CREATE OR REPLACE TABLE kept_deletions AS SELECT * FROM swap")
        con.execute("CREATE OR REPLACE TABLE kept_line_factors AS SELECT 'lines' AS used_by, * FROM unit_factors")

        self._calendar("kept_lines", self.known)
        self.known = self._known()
        con.execute("CREATE OR REPLACE TEMP VIEW stored_history AS SELECT * FROM kept_history")
        con.execute("CREATE OR REPLACE TEMP VIEW stored_factors AS SELECT * FROM kept_history_factors")
        con.execute(
            "CREATE OR REPLACE TEMP TABLE other_days AS SELECT unnest($1::DATE[]) AS date", [merged.demand_days]
        )
        refreshed = history.refresh(con, self.given)
        self._keep("kept_history", DEMAND_HISTORY, refreshed.months)
        con.execute("CREATE OR REPLACE TABLE kept_history_factors AS SELECT 'history' AS used_by, * FROM unit_factors")
        self.seen = {name: max((r["_seq"] for r in rows), default=0) for name, rows in self.rows.items()}
        self.gone, self.again = {name: [] for name in FEEDS}, set()
        return merged, refreshed

    def kept(self) -> tuple[list[Any], list[Any], list[Any]]:
        """Order lines, deleted lines and demand history as the refreshes left them."""
        return (
            self._rows("kept_lines", ORDER_LINES),
            self._rows("kept_deletions", DELETED_LINES),
            self._rows("kept_history", DEMAND_HISTORY),
        )

    def lines(self) -> dict[str, Row]:
        """Order lines of a full build by `order_id/order_line`."""
        rows, _, _ = self.build()
        named = [dict(zip(ORDER_LINES.column_names, row, strict=True)) for row in rows]
        return {f"{row['order_id']}/{row['order_line']}": row for row in named}

    def cells(self, item: str | None = None) -> list[Row]:
        """Demand history of a full build, oldest first."""
        _, _, rows = self.build()
        named = [dict(zip(DEMAND_HISTORY.column_names, row, strict=True)) for row in rows]
        return [row for row in named if item in (None, row["item_code"])]

    # Inputs

    def _session(self) -> duckdb.DuckDBPyConnection:
        """A connection as a run has it: with tables that are kept, and none that another run left behind."""
        self.con = self.con.cursor()
        return self.con

    def _inputs(self, seen: Mapping[str, int]) -> None:
        con = self.con
        for feed, dataset in FEEDS.items():
            short = feed.removeprefix("erp_")
            new = [r for r in self.rows[feed] if r["_seq"] > seen.get(feed, 0)]
            self._load(f"all_{short}", dataset, self.rows[feed])
            if feed == "erp_orders":
                self._load("accepted_orders", dataset, new)
                objects = sorted({r["object_id"] for r in new} | self.again)
                for name, listed in (("new_objects", objects), ("reread_objects", objects if self.again else [])):
                    con.execute(
                        f"CREATE OR REPLACE TABLE {name} AS SELECT unnest($1::VARCHAR[]) AS object_id", [listed]
                    )
                self._load("replaced_orders", dataset, self.gone[feed] if seen else [])
            elif feed == "uom_conversions":
                self._load("conversion_versions", dataset, self.rows[feed])
            else:
                self._load(f"accepted_{short}", dataset, self.rows[feed])
                self._load(f"new_{short}", dataset, [*new, *self.gone[feed]])
        self._load("items", ITEMS, [{"in_master": True, "known_at": datetime(2025, 1, 1), **i} for i in self.items])
        con.execute(
            "CREATE OR REPLACE TEMP TABLE places AS SELECT unnest($1::VARCHAR[]) AS location_code, "
            "unnest($2::VARCHAR[]) AS customer_code",
            [list(self.customers), list(self.customers.values())],
        )

    def _calendar(self, lines: str, before: Mapping[str, Known] | None = None) -> None:
        con = self.con
        con.execute(f"CREATE OR REPLACE TEMP VIEW lines AS SELECT * FROM {lines}")
        [(first, last)] = con.execute(
            """SELECT min(d), max(d) FROM (
                SELECT demand_date AS d FROM lines UNION ALL SELECT ship_date FROM accepted_shipments
                UNION ALL SELECT bucket_start FROM kept_history)"""
        ).fetchall()
        orders, shipments = self._known().values()
        days = [d for d in (first, last, orders.first, orders.last) if d] or [date(2025, 1, 1)]
        befores = (
            {}
            if before is None
            else {
                f"{short}_before": before.get(
                    f"erp_{short}", known_days([], self.settings.feeds[f"erp_{short}"].delivery)
                )
                for short in ("orders", "shipments")
            }
        )
        calendar_tables(con, self.calendar, min(days), max(days), orders=orders, shipments=shipments, **befores)

    def _known(self) -> dict[str, Known]:
        return {
            f: known_days(self.delivered[f], self.settings.feeds[f].delivery) for f in ("erp_orders", "erp_shipments")
        }

    def _load(self, name: str, dataset: Dataset, rows: Sequence[Row]) -> None:
        columns = {c.name: [_typed(row.get(c.name), c.type) for row in rows] for c in dataset.columns}
        table = pa.table({c.name: pa.array(columns[c.name], c.arrow_type) for c in dataset.columns})
        self.con.register("given_rows", table)
        self.con.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM given_rows")
        self.con.unregister("given_rows")

    def _keep(self, table: str, dataset: Dataset, months: Mapping[date, str]) -> None:
        """Replace whole months, as the lake does."""
        con = self.con
        [partition] = dataset.partition_by
        made = {m: f"SELECT {_cast(dataset)} FROM ({sql})" for m, sql in months.items()}
        for number, (month, sql) in enumerate(made.items()):
            con.execute(f"CREATE OR REPLACE TEMP TABLE swap_{number} AS {sql}")
            others = con.execute(f"SELECT 1 FROM swap_{number} WHERE {partition} <> $1", [month]).fetchall()
            assert not others, "a month's query gives rows of other months"
        for number, month in enumerate(made):
            con.execute(f"DELETE FROM {table} WHERE {partition} = $1", [month])
            con.execute(f"INSERT INTO {table} SELECT * FROM swap_{number}")

    def _gather(self, name: str, dataset: Dataset, months: Mapping[date, str]) -> None:
        self._load(name, dataset, [])
        for sql in months.values():
            self.con.execute(f"INSERT INTO {name} SELECT {_cast(dataset)} FROM ({sql})")

    def _rows(self, name: str, dataset: Dataset) -> list[Any]:
        return self.con.execute(f"SELECT {_cast(dataset)} FROM {name} ORDER BY ALL").fetchall()


def _cast(dataset: Dataset) -> str:
    return dataset.select_list()


def _typed(value: Any, kind: str) -> Any:
    if value is not None and kind.startswith("decimal"):
        return Decimal(str(value)).quantize(Decimal(1).scaleb(-int(kind[:-1].split(",")[1])))
    return value


@pytest.fixture(scope="session")
def settings() -> Settings:
    return parse(SETTINGS)


@pytest.fixture
def paper(settings: Settings) -> Iterator[Paper]:
    """A company of which nothing landed yet."""
    company = Paper(settings)
    yield company
    company.con.close()


@pytest.fixture(scope="session")
def new_paper(settings: Settings) -> Callable[..., Paper]:
    """Makes companies, for a test that needs many, or other settings: `new_paper({"units": {...}})`."""

    def make(changes: Mapping[str, Any] | None = None) -> Paper:
        if not changes:
            return Paper(settings)
        import yaml

        values = yaml.safe_load(SETTINGS)
        for key, value in changes.items():
            values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
        return Paper(parse(yaml.safe_dump(values)))

    return make
