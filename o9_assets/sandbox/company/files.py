"""The files that the company's systems drop: order changes a delivery day, stock and shipments a week."""

import gzip
import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from o9_assets.sandbox.company.columns import as_cents, as_decimal, as_quantity, codes, day_text, moment_text
from o9_assets.sandbox.company.days import Array, as_date
from o9_assets.sandbox.company.orders import Lines
from o9_assets.sandbox.company.planted import Planted
from o9_assets.sandbox.company.shape import CHANNELS, UNITS, Company

__all__ = ["ORDER_HEADER", "UNIT_COLUMNS", "order_file", "put", "shipment_file", "stock_file", "stock_rows"]

ORDER_COLUMNS = (
    *("ORDER_NO", "ORDER_LINE", "MATERIAL", "SHIP_TO", "CHANNEL", "CUSTOMER", "ORDER_DATE", "REQUESTED_DATE"),
    *("QTY", "UOM", "PRICE", "CANCELS_ORDER", "CANCELS_LINE", "OP", "CHANGED_AT", "SEQ"),
)
ORDER_HEADER = ";".join(ORDER_COLUMNS)
UNIT_COLUMNS = ("item", "location", "channel", "unit", "order_number", "line_number")  # of a shipment, from its order
PREFIXES = ("45", "C45", "R45")  # orders, cancellations, returns


def put(root: Path, name: str, content: bytes) -> None:
    """Write an object as a whole or not at all, and leave it alone where it holds this content already."""
    path = root / name
    if path.exists() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.replace(path)


def order_number(prefix: Array, number: Array) -> pa.Array:
    digits = pc.utf8_lpad(pa.array(number).cast(pa.string()), 9, "0")
    return pc.binary_join_element_wise(codes(PREFIXES, prefix), digits, "")


def order_file(company: Company, day: int, events: Lines, broken: str | None) -> tuple[bytes, int]:
    """The order file of a day and the line of its broken row (0 without one). Rows are in no order of theirs: a
    reader that trusts positions is wrong."""
    draw = np.random.default_rng([company.seed, 5, day])
    order = draw.permutation(len(events["item"]))
    rows = {name: column[order] for name, column in events.items()}
    tidy = codes(company.item_codes, rows["item"])
    untidy = codes([f" {code.lower()} " for code in company.item_codes], rows["item"])
    cancels = pa.array(rows["cancels"])
    line_number = pa.array(rows["line_number"]).cast(pa.string())
    original = order_number(np.zeros(len(order), dtype=np.int64), rows["order_number"])
    table = pa.table(
        [
            order_number(rows["prefix"], rows["order_number"]),
            line_number,
            pc.if_else(pa.array(rows["untidy"]), untidy, tidy),
            codes(company.location_codes, rows["location"]),
            codes(CHANNELS, rows["channel"]),
            codes(company.location_customers, rows["location"]),
            day_text(rows["order_day"]),
            day_text(rows["demand_day"], known=rows["has_requested"]),
            as_quantity(rows["quantity"], ","),
            codes(UNITS, rows["unit"]),
            as_cents(rows["price"], ","),
            pc.if_else(cancels, original, ""),
            pc.if_else(cancels, line_number, ""),
            codes(("I", "U", "D"), rows["op"]),
            moment_text(rows["changed"]),
            pa.array(rows["sequence"]).cast(pa.string()),
        ],
        names=list(ORDER_COLUMNS),
    )
    out = io.BytesIO()
    out.write(f"{ORDER_HEADER}\n".encode())
    options = pa.csv.WriteOptions(include_header=False, delimiter=";", quoting_style="none")
    pa.csv.write_csv(table, out, options)
    if broken is None:
        return out.getvalue(), 0
    lines = out.getvalue().splitlines(keepends=True)
    at = min(6, len(lines))
    lines.insert(at, f"{broken}\n".encode())
    return b"".join(lines), at + 1


def shipment_file(company: Company, lines: Lines) -> bytes:
    """The week's shipments, zipped."""
    rank = np.lexsort((lines["line_number"], lines["order_number"], lines["ship_day"]))
    rows = {name: column[rank] for name, column in lines.items()}
    number = order_number(np.zeros(len(rank), dtype=np.int64), rows["order_number"])
    line_number = pa.array(rows["line_number"]).cast(pa.string())
    table = pa.table(
        {
            "shipment": pc.binary_join_element_wise("S", number, ""),
            "shipment_line": line_number,
            "order": number,
            "order_line": line_number,
            "material": codes(company.item_codes, rows["item"]),
            "ship_to": codes(company.location_codes, rows["location"]),
            "channel": codes(CHANNELS, rows["channel"]),
            "ship_date": day_text(rows["ship_day"], "%Y-%m-%d"),
            "quantity": as_quantity(rows["shipped"], "."),
            "uom": codes(UNITS, rows["unit"]),
        }
    )
    out = io.BytesIO()
    out.write(f"{','.join(table.column_names)}\n".encode())
    pa.csv.write_csv(table, out, pa.csv.WriteOptions(include_header=False, quoting_style="none"))
    return gzip.compress(out.getvalue(), compresslevel=6, mtime=0)


def stock_rows(company: Company, planted: Planted, days: Iterable[int]) -> pa.Table:
    """Stock on hand of what each location sells, a row per item, location and day; 0 within a stock-out."""
    tables = []
    for day in days:
        draw = np.random.default_rng([company.seed, 6, day])
        listed = (company.listed_from <= day) & (day < company.delisted_from)
        cover = draw.uniform(4, 30, company.assortment.shape)
        daily = (company.line_chance * company.line_quantity)[:, None] * company.location_size
        stock = (np.rint(daily * cover).astype(np.int64) + 1) * 1000
        stock[planted.out_of_stock(company, day)] = 0
        item, location = np.nonzero(company.assortment & listed[:, None])
        tables.append(
            pa.table(
                {
                    "material": codes(company.item_codes, item),
                    "ship_to": codes(company.location_codes, location),
                    "day": pa.array([as_date(day)], pa.date32()).take(pa.array(np.zeros(len(item), dtype=np.int64))),
                    "on_hand": as_decimal(stock[item, location], 18, 3),
                    "uom": codes(UNITS, company.base_unit(item)),
                }
            )
        )
    return pa.concat_tables(tables)


def stock_file(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()
