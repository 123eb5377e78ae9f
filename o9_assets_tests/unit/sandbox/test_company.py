"""The sample company is the same every time, and its files say what its truth says.

The truth is worked out while generating; here it is worked out again from nothing but the files, line by line.
"""

import csv
import gzip
import hashlib
import io
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from o9_assets.sandbox.company import LAST_DAY, Truth, generate

DAYS = 26 * 7
Cell = tuple[str, str, str, date]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Truth:
    return generate(7, 1, tmp_path_factory.mktemp("company"), days=DAYS)


def contents(home: Path) -> dict[str, str]:
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(home.rglob("*"))
        if path.is_file()
    }


def german(text: str) -> date:
    return datetime.strptime(text, "%d.%m.%Y").date()


def number(text: str) -> Decimal:
    return Decimal(text.replace(",", "."))


def order_rows(truth: Truth, *folders: Path) -> Iterator[dict[str, str]]:
    """Rows of the usable order files, without the rows that are broken."""
    unusable = {file.object_name for file in truth.broken_files}
    broken = {(row.object_name, row.line) for row in truth.broken_rows}
    for folder in folders:
        for path in sorted((folder / "erp/orders").iterdir()):
            name = f"erp/orders/{path.name}"
            if name in unusable:
                continue
            raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            for line, row in enumerate(csv.DictReader(io.StringIO(raw.decode()), delimiter=";"), start=2):
                if (name, line) not in broken:
                    yield row


def factors(truth: Truth) -> dict[str, list[tuple[date, Decimal]]]:
    """Per item the days from which a case holds so many units."""
    found: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    for path in sorted((truth.landing / "erp/units").iterdir()):
        for row in csv.DictReader(io.StringIO(path.read_text(encoding="utf-8")), delimiter=";"):
            found[row["MATERIAL"]].append((german(row["VALID_FROM"]), number(row["FACTOR"])))
    return {item: sorted(dates) for item, dates in found.items()}


def demand_of(truth: Truth, *folders: Path) -> dict[Cell, tuple[Decimal, Decimal, Decimal, int]]:
    newest: dict[tuple[str, str], dict[str, str]] = {}
    cancelled = set()
    for row in order_rows(truth, *folders):
        key = row["ORDER_NO"], row["ORDER_LINE"]
        version = datetime.strptime(row["CHANGED_AT"], "%d.%m.%Y %H:%M:%S"), int(row["SEQ"])
        there = newest.get(key)
        if there is None or version > (datetime.strptime(there["CHANGED_AT"], "%d.%m.%Y %H:%M:%S"), int(there["SEQ"])):
            newest[key] = row
        if row["CANCELS_ORDER"]:
            cancelled.add((row["CANCELS_ORDER"], row["CANCELS_LINE"]))
    cases = factors(truth)
    cells: dict[Cell, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0), Decimal(0), Decimal(0)])
    for key, row in newest.items():
        if row["OP"] == "D" or key in cancelled or row["CANCELS_ORDER"] or row["UOM"] == "KAR":
            continue
        item, day = row["MATERIAL"].strip().upper(), german(row["REQUESTED_DATE"] or row["ORDER_DATE"])
        quantity = number(row["QTY"])
        base = quantity
        if row["UOM"] == "CASE":
            base = quantity * next(factor for since, factor in reversed(cases[item]) if since <= day)
        cell = cells[item, row["SHIP_TO"], row["CHANNEL"], day]
        cell[1 if quantity < 0 else 0] += base
        cell[2] += quantity * number(row["PRICE"]) if quantity > 0 else 0
        cell[3] += 1
    return {cell: (orders, returns, value, int(lines)) for cell, (orders, returns, value, lines) in cells.items()}


def planted_demand(truth: Truth, *, with_late: bool) -> dict[Cell, tuple[Decimal, Decimal, Decimal, int]]:
    names = ("orders_quantity", "returns_quantity", "orders_value", "order_line_count")
    return {
        (row["item_code"], row["location_code"], row["channel_code"], row["demand_date"]): tuple(row[n] for n in names)
        for row in truth.demand(with_late=with_late).to_pylist()
    }


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_company(tmp_path: Path) -> None:
    for name, seed in (("one", 3), ("two", 3), ("three", 4)):
        generate(seed, 0.3, tmp_path / name, days=35)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert contents(tmp_path / "one") != contents(tmp_path / "three")


def test_generating_again_touches_no_file(tmp_path: Path) -> None:
    truth = generate(3, 0.3, tmp_path, days=21)
    before = {path: path.stat().st_mtime_ns for path in truth.landing.rglob("*") if path.is_file()}
    generate(3, 0.3, tmp_path, days=21)
    assert {path: path.stat().st_mtime_ns for path in truth.landing.rglob("*") if path.is_file()} == before


def test_the_files_come_to_the_truth_exactly_without_and_with_the_late_week(company: Truth) -> None:
    before = planted_demand(company, with_late=False)
    assert demand_of(company, company.landing) == before
    after = planted_demand(company, with_late=True)
    assert demand_of(company, company.landing, company.late) == after
    assert len(company.late_dates) == 6
    # A late file changes days up to the longest lead after it, and no day before it but for changes of older lines.
    assert sum(v[3] for v in after.values()) > sum(v[3] for v in before.values())


def test_shipments_come_to_the_truth_exactly(company: Truth) -> None:
    cases = factors(company)
    shipped: dict[Cell, Decimal] = defaultdict(Decimal)
    for path in (company.landing / "wms/shipments").iterdir():
        for row in csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())):
            day = date.fromisoformat(row["ship_date"])
            quantity = Decimal(row["quantity"])
            if row["uom"] == "CASE":
                quantity *= next(f for since, f in reversed(cases[row["material"]]) if since <= day)
            shipped[row["material"], row["ship_to"], row["channel"], day] += quantity
    assert shipped == {
        (r["item_code"], r["location_code"], r["channel_code"], r["ship_date"]): r["shipments_quantity"]
        for r in company.shipments().to_pylist()
    }


def test_every_fate_of_a_line_occurs(company: Truth) -> None:
    assert {fate for fate, count in company.fates.items() if count == 0} == set()


def test_out_of_order_changes_would_give_other_totals_by_sequence_alone(company: Truth) -> None:
    versions = defaultdict(set)
    for row in order_rows(company, company.landing, company.late):
        moment = datetime.strptime(row["CHANGED_AT"], "%d.%m.%Y %H:%M:%S")
        versions[row["ORDER_NO"], row["ORDER_LINE"]].add((moment, int(row["SEQ"]), row["QTY"]))
    by_moment = {key: max(found)[2] for key, found in versions.items()}
    by_sequence = {key: max((seq, qty) for _, seq, qty in found)[1] for key, found in versions.items()}
    differing = sum(by_moment[key] != by_sequence[key] for key in versions)
    assert differing > company.fates["out_of_order"] / 2


def test_two_changes_of_one_moment_differ_in_their_sequence(company: Truth) -> None:
    moments = defaultdict(set)
    for row in order_rows(company, company.landing, company.late):
        moments[row["ORDER_NO"], row["ORDER_LINE"], row["CHANGED_AT"]].add(row["SEQ"])
    tied = sum(len(sequences) == 2 for sequences in moments.values())
    assert company.fates["tied"] * 0.8 < tied <= company.fates["tied"]


def test_broken_rows_stand_where_the_truth_says(company: Truth) -> None:
    assert len({row.reason for row in company.broken_rows}) >= 7
    for row in company.broken_rows:
        folder = company.landing if (company.landing / row.object_name).exists() else company.late
        lines = (folder / row.object_name).read_text(encoding="utf-8").splitlines()
        assert lines[row.line - 1] == row.text


def test_broken_files_are_broken(company: Truth) -> None:
    truncated, header, encoding = (company.landing / file.object_name for file in company.broken_files)
    with pytest.raises(EOFError):
        gzip.decompress(truncated.read_bytes())
    assert "MATERIAL" not in header.read_text(encoding="utf-8").splitlines()[0]
    with pytest.raises(UnicodeDecodeError):
        encoding.read_text(encoding="utf-8")
    # They are dated on days without a delivery, so that no day counts as incomplete for their sake.
    assert {date.fromisoformat(f.object_name[11:21]).weekday() for f in company.broken_files} == {6}


def test_the_missing_day_has_no_file_anywhere(company: Truth) -> None:
    (missing,) = company.missing_dates
    assert [p for p in company.home.rglob("*") if missing in p.name] == []
    names = {path.name[:10] for folder in (company.landing, company.late) for path in (folder / "erp/orders").iterdir()}
    first = date.fromisoformat(company.first_date)
    workdays = {first + timedelta(days=n) for n in range(DAYS) if (first + timedelta(days=n)).weekday() < 6}
    assert {d.isoformat() for d in workdays} - names == {missing}


def test_stock_is_zero_and_nothing_is_ordered_in_a_stock_out(company: Truth) -> None:
    demand = planted_demand(company, with_late=True)
    stock = {}
    for path in (company.landing / "wms/inventory").iterdir():
        for row in pq.read_table(path).to_pylist():
            stock[row["material"], row["ship_to"], row["day"]] = row["on_hand"]
    empty = {cell for cell, on_hand in stock.items() if on_hand <= 0}
    expected = set()
    first = date.fromisoformat(company.first_date)
    for gap in company.stock_outs:
        assert gap["lost_quantity"] > 0
        day, end = date.fromisoformat(gap["start_date"]), date.fromisoformat(gap["end_date"])
        while day <= end:
            if day >= first:
                expected.add((gap["item_code"], gap["location_code"], day))
            day += timedelta(days=1)
    assert empty == expected
    ordered = {(item, location, day) for (item, location, _, day), v in demand.items() if v[0]}
    assert ordered & empty == set()


def test_a_successor_takes_over_on_its_day(company: Truth) -> None:
    demand = planted_demand(company, with_late=True)
    recent = [t for t in company.transitions if t["effective_date"] > company.first_date]
    assert recent
    for step in recent:
        effective = date.fromisoformat(step["effective_date"])
        old = [day for (item, _, _, day), v in demand.items() if item == step["item_code"] and v[0]]
        new = [day for (item, _, _, day), v in demand.items() if item == step["successor_item_code"] and v[0]]
        assert max(old) < effective <= min(new)


def test_the_moved_customer_changes_region_in_the_location_feed(company: Truth) -> None:
    (move,) = company.region_moves
    versions = [
        json.loads(line)
        for path in sorted((company.landing / "crm/locations").iterdir())
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert {v["ship_to"] for v in versions if v["account"] == move["customer_code"]} == set(move["location_codes"])
    for code in move["location_codes"]:
        assert [(v["region"], v["changed_at"][:10]) for v in versions if v["ship_to"] == code] == [
            (move["from_region"], company.first_date),
            (move["to_region"], move["effective_date"]),
        ]


def test_promotions_multiply_what_is_ordered(tmp_path: Path) -> None:
    """The planted uplifts are recovered from quantities per order line, in and around each promotion."""
    truth = generate(7, 1, tmp_path, days=560, feeds=["promotions"])
    ordered: dict[tuple[str, date], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for (item, _, _, day), (orders, _, _, lines) in planted_demand(truth, with_late=True).items():
        ordered[item, day][0] += float(orders)
        ordered[item, day][1] += lines

    def per_line(item: str, *spans: tuple[date, int]) -> float:
        days = [ordered[item, start + timedelta(days=n)] for start, length in spans for n in range(length)]
        return sum(quantity for quantity, _ in days) / sum(lines for _, lines in days)

    around, inside = timedelta(days=28), timedelta(days=14)
    planted, found = [], []
    for promotion in truth.promotions:
        item, start = promotion["item_code"], date.fromisoformat(promotion["start_date"])
        covered = date.fromisoformat(truth.first_date) <= start - around and start + inside + around <= LAST_DAY
        if promotion["location_code"] == "*" and covered:
            usual = per_line(item, (start - around, 28), (start + inside, 28))
            planted.append(promotion["uplift"])
            found.append(per_line(item, (start, 14)) / usual)
    assert len(planted) >= 20
    assert sum(found) / len(found) == pytest.approx(sum(planted) / len(planted), rel=0.08)


def test_the_truth_can_be_read_again(company: Truth) -> None:
    assert Truth.read(company.home) == company


@pytest.mark.parametrize(("scale", "days"), [(0, None), (-1, None), (1, 6), (1, 2000)])
def test_a_scale_or_history_out_of_range_is_refused(tmp_path: Path, scale: float, days: int | None) -> None:
    with pytest.raises(ValueError, match="it must be"):
        generate(7, scale, tmp_path, days=days)


def test_a_day_is_the_same_however_long_the_history(tmp_path: Path) -> None:
    short = planted_demand(generate(7, 0.3, tmp_path / "short", days=21, feeds=[]), with_late=True)
    long = planted_demand(generate(7, 0.3, tmp_path / "long", days=63, feeds=[]), with_late=True)
    settled = LAST_DAY - timedelta(days=3)
    day = {cell: v[0] for cell, v in short.items() if cell[3] == settled and v[0]}
    assert day
    assert day == {cell: v[0] for cell, v in long.items() if cell[3] == settled and v[0]}
