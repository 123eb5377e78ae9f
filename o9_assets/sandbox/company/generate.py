"""Makes the company's files day by day, and the truth about them. Memory holds a few weeks, however long the history
or large the company."""

import gzip
import shutil
from collections import Counter, defaultdict
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from o9_assets.sandbox.company.changes import FATES, change, resolve
from o9_assets.sandbox.company.days import Array, as_date
from o9_assets.sandbox.company.files import (
    ORDER_HEADER,
    UNIT_COLUMNS,
    order_file,
    put,
    shipment_file,
    stock_file,
    stock_rows,
)
from o9_assets.sandbox.company.flaws import BrokenFile, BrokenRow, broken_files, broken_row
from o9_assets.sandbox.company.market import market_files, market_truth
from o9_assets.sandbox.company.masters import master_files
from o9_assets.sandbox.company.orders import Lines, order_lines, select
from o9_assets.sandbox.company.planted import Planted, plant
from o9_assets.sandbox.company.shape import CASE, UNKNOWN, Company, build_company
from o9_assets.sandbox.company.totals import Totals
from o9_assets.sandbox.company.truth import Truth

__all__ = ["generate"]

DEMAND = {"orders_quantity": 4, "returns_quantity": 4, "orders_value": 4, "order_line_count": 0}
SHORT_SHIPPED = 0.06


def generate(
    seed: int, scale: float, into: Path, *, days: int | None = None, feeds: Collection[str] | None = None
) -> Truth:
    """Generate the sample company into the folder `into`: landing/ (what has arrived), late/ (what arrives later,
    under the names it will have), truth.json and truth/.

    The same arguments give the same bytes; files that hold them already are not touched. scale 1 is about 60 items,
    8 locations and 120,000 order lines in 157 weeks that end on Sunday 28 June 2026; lines grow with `scale`. `days`
    shortens the history from its beginning; a day's orders do not depend on it. `feeds` leaves out the files of all
    others, such as for a benchmark of orders. Raises ValueError for a scale or days out of range.
    """
    company, planted = plant(build_company(seed, scale, days))
    return _Writer(company, planted, into, feeds).run()


class _Writer:
    def __init__(self, company: Company, planted: Planted, into: Path, feeds: Collection[str] | None) -> None:
        self.company, self.planted, self.home = company, planted, into
        self.feeds = feeds
        self.counts: dict[str, Counter[str]] = defaultdict(Counter)
        self.fates: Counter[str] = Counter()
        self.unknown_units: list[dict[str, Any]] = []
        self.broken: list[BrokenRow] = []
        self.lost = np.zeros(len(planted.stock_outs), dtype=np.int64)
        self.events: dict[int, list[Lines]] = defaultdict(list)
        self.shipped: dict[int, list[Lines]] = defaultdict(list)
        # Which days' order files are in; a few days beyond the last are never.
        last = company.last_day
        self.landed = np.arange(last + 60) <= last
        self.landed[: company.first_day] = False
        self.landed[list(planted.missing_days)] = False
        self.landed_before = self.landed.copy()
        self.landed_before[list(planted.late_days)] = False

    def wants(self, feed: str) -> bool:
        return self.feeds is None or feed in self.feeds

    def run(self) -> Truth:
        company, truth = self.company, self.home / "truth"
        shutil.rmtree(truth, ignore_errors=True)
        (self.home / "truth.json").unlink(missing_ok=True)
        for files in (master_files, market_files):
            for feed, name, content, rows in files(company, self.planted):
                if self.wants(feed):
                    self.write(feed, name, content, rows)
        with ExitStack() as stack:
            demand, before, shipments = (
                stack.enter_context(Totals(truth / f"{name}.parquet", company, column, measures))
                for name, column, measures in (
                    ("demand", "demand_date", DEMAND),
                    ("demand_before_late", "demand_date", DEMAND),
                    ("shipments", "ship_date", {"shipments_quantity": 4}),
                )
            )
            for day in range(company.first_day, company.last_day + 1):
                if day % 7 == 6:
                    self.close_week(day, shipments)
                else:
                    self.one_day(day, demand, before)
                for totals in (demand, before, shipments):
                    totals.finish(day)
        if self.wants("erp_orders"):
            self.write_broken_files()
        result = self.truth()
        result.write()
        return result

    def one_day(self, day: int, demand: Totals, before: Totals) -> None:
        lines, lost = order_lines(self.company, self.planted, day)
        changed = change(self.company, self.planted, day, lines)
        self.lost += lost
        for fate, count in zip(FATES, np.bincount(changed.fate, minlength=len(FATES)), strict=True):
            self.fates[fate] += int(count)
        self.fates["returned"] += int(changed.returns["exists"].sum())
        self.note_unknown_units(changed.chain[0], changed.fate)
        for file_day in np.unique(changed.events["file_day"]):
            self.events[int(file_day)].append(select(changed.events, changed.events["file_day"] == file_day))
        for totals, landed in ((demand, self.landed), (before, self.landed_before)):
            self.add_demand(totals, *resolve(changed, landed))
        self.ship(day, changed.truly)
        if self.wants("erp_orders"):
            self.write_orders(day)
        self.events.pop(day, None)

    def add_demand(self, totals: Totals, orders: Lines, returns: Lines) -> None:
        orders = select(orders, orders["unit"] != UNKNOWN)
        for rows, measure in ((orders, "orders_quantity"), (returns, "returns_quantity")):
            values = {
                measure: self.base_quantity(rows, rows["quantity"], rows["demand_day"]) * 10,
                "order_line_count": np.ones(len(rows["item"]), dtype=np.int64),
            }
            if rows is orders:
                # thousandths × cents are hundred-thousandths; quantities are multiples of a half
                values["orders_value"] = rows["quantity"] * rows["price"] // 10
            totals.add(rows["item"], rows["location"], rows["channel"], rows["demand_day"], **values)

    def base_quantity(self, rows: Lines, quantity: Array, day: Array) -> Array:
        """Thousandths of the base unit; a case holds what it held on `day`."""
        factor = self.planted.factor(self.company, rows["item"], day) // 1_000_000
        return np.where(rows["unit"] == CASE, quantity * factor, quantity)

    def note_unknown_units(self, lines: Lines, fate: Array) -> None:
        names = list(FATES)
        for k in np.flatnonzero(lines["unit"] == UNKNOWN):
            self.unknown_units.append(
                {
                    "order_id": f"45{lines['order_number'][k]:09d}",
                    "order_line": str(lines["line_number"][k]),
                    "uom_code": "KAR",
                    "is_corrected": names[fate[k]] == "unknown_unit_corrected",
                }
            )

    def ship(self, day: int, lines: Lines) -> None:
        """What the warehouse does with the lines as the business knows them: some of it short, some a day late."""
        draw = np.random.default_rng([self.company.seed, 7, day])
        count = len(lines["item"])
        step = np.where(lines["quantity"] % 1000 == 0, 1000, 500)
        short = draw.random(count) < SHORT_SHIPPED
        part = np.maximum(np.rint(lines["quantity"] * draw.uniform(0.3, 0.9, count) / step).astype(np.int64), 1) * step
        late = (draw.random(count) < 0.1) & (lines["demand_day"] % 7 < 4)
        shipped = lines | {
            "shipped": np.where(short, part, lines["quantity"]),
            "ship_day": lines["demand_day"] + late,
        }
        week = shipped["ship_day"] // 7
        for one in np.unique(week):
            self.shipped[int(one)].append(select(shipped, week == one))

    def close_week(self, day: int, shipments: Totals) -> None:
        """Sunday: the week's shipments and stock are written."""
        parts = self.shipped.pop(day // 7, [])
        date = f"{as_date(day):%Y-%m-%d}"
        if parts:
            rows = {
                name: np.concatenate([part[name] for part in parts]) for name in (*UNIT_COLUMNS, "shipped", "ship_day")
            }
            quantity = self.base_quantity(rows, rows["shipped"], rows["ship_day"])
            shipments.add(
                rows["item"], rows["location"], rows["channel"], rows["ship_day"], shipments_quantity=quantity * 10
            )
            if self.wants("erp_shipments"):
                content = shipment_file(self.company, rows)
                self.write("erp_shipments", f"wms/shipments/{date}.csv.gz", content, len(rows["item"]))
        if self.wants("inventory"):
            first = max(day - 6, self.company.first_day)
            table = stock_rows(self.company, self.planted, range(first, day + 1))
            self.write("inventory", f"wms/inventory/{date}.parquet", stock_file(table), table.num_rows)

    def write_orders(self, day: int) -> None:
        """The day's order file; those of more than a year ago were zipped when they went to the archive."""
        parts = self.events.get(day, [])
        if day in self.planted.missing_days or not parts:
            return
        events = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        flaw = broken_row(day, self.company.last_day)
        content, line = order_file(self.company, day, events, flaw[2] if flaw else None)
        name = f"erp/orders/{as_date(day):%Y-%m-%d}.csv"
        if day <= self.company.last_day - 364:
            name, content = f"{name}.gz", gzip.compress(content, compresslevel=6, mtime=0)
        if flaw:
            self.broken.append(BrokenRow(name, line, *flaw))
        late = day in self.planted.late_days
        self.write("erp_orders", name, content, len(events["item"]) + bool(flaw), bool(flaw), late=late)

    def write(
        self, feed: str, name: str, content: bytes, rows: int, broken_rows: int = 0, *, late: bool = False
    ) -> None:
        put(self.home / ("late" if late else "landing"), name, content)
        count = self.counts[feed]
        if late:
            count.update(late_objects=1, late_rows=rows)
        else:
            count.update(objects=1, landed_rows=rows, accepted_rows=rows - broken_rows)

    def write_broken_files(self) -> None:
        for file, content in broken_files(self.company.last_day, ORDER_HEADER):
            put(self.home / "landing", file.object_name, content)
            self.counts["erp_orders"]["set_aside_objects"] += 1

    def truth(self) -> Truth:
        company, planted = self.company, self.planted
        item, place, customer = company.item_codes, company.location_codes, company.location_customers

        def iso(day: int) -> str:
            return as_date(day).isoformat()

        def within(start: int, end: int) -> bool:
            return end >= company.first_day and start <= company.last_day

        move, unit = planted.move, planted.factor_change
        orders = self.wants("erp_orders")
        return Truth(
            home=self.home,
            seed=company.seed,
            scale=company.scale,
            first_date=iso(company.first_day),
            last_date=iso(company.last_day),
            object_count=sum(count["objects"] + count["set_aside_objects"] for count in self.counts.values()),
            feeds={feed: dict(count) for feed, count in self.counts.items()},
            promotions=tuple(
                {
                    "promotion_id": p.promotion_id,
                    "item_code": item[p.item],
                    "location_code": "*" if p.location is None else place[p.location],
                    "start_date": iso(p.start),
                    "end_date": iso(p.end),
                    "uplift": p.uplift,
                }
                for p in planted.promotions
                if within(p.start, p.end)
            ),
            stock_outs=tuple(
                {
                    "item_code": item[s.item],
                    "location_code": place[s.location],
                    "start_date": iso(s.start),
                    "end_date": iso(s.end),
                    "lost_quantity": int(lost) / 1000,
                }
                for s, lost in zip(planted.stock_outs, self.lost, strict=True)
                if within(s.start, s.end)
            ),
            transitions=tuple(
                {
                    "item_code": item[t.item],
                    "successor_item_code": item[t.successor],
                    "effective_date": iso(t.effective),
                }
                for t in planted.transitions
            ),
            region_moves=(
                {
                    "customer_code": move.customer,
                    "location_codes": [code for code, who in zip(place, customer, strict=True) if who == move.customer],
                    "from_region": move.from_region,
                    "to_region": move.to_region,
                    "effective_date": iso(move.effective),
                },
            ),
            factor_changes=(
                {
                    "item_code": item[unit.item],
                    "uom_code": "CASE",
                    "from_factor": unit.from_factor // 1_000_000,
                    "to_factor": unit.to_factor // 1_000_000,
                    "effective_date": iso(unit.effective),
                },
            ),
            items_outside_master=(item[planted.outside_master],),
            unknown_units=tuple(self.unknown_units),
            fates=dict(self.fates),
            market=market_truth(company, planted),
            late_dates=tuple(iso(d) for d in planted.late_days if orders and d >= company.first_day),
            missing_dates=tuple(iso(d) for d in planted.missing_days if orders and d >= company.first_day),
            broken_rows=tuple(self.broken),
            broken_files=tuple(
                BrokenFile(file.object_name, file.reason)
                for file, _ in broken_files(company.last_day, ORDER_HEADER)
                if orders
            ),
        )
