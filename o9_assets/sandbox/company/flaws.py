"""What is wrong with single rows and whole files of orders: each with the reason that quarantine should give."""

import gzip
from dataclasses import dataclass

from o9_assets.sandbox.company.days import as_date

__all__ = ["BrokenFile", "BrokenRow", "broken_files", "broken_row"]


@dataclass(frozen=True)
class BrokenRow:
    """A row that cannot be taken in: its object, its line there (the header is 1), the column and the reason."""

    object_name: str
    line: int
    column: str | None
    reason: str
    text: str


@dataclass(frozen=True)
class BrokenFile:
    """An object that is unusable as a whole."""

    object_name: str
    reason: str


#  days before the last, column at fault, reason, the row
_ROWS = (
    (8, "quantity", "not_a_number", "{o};10;FG-1001;ST-100;RETAIL;CU-10;{d};{d};zwölf;EA;1,29;;;I;{d} 09:00:00;1"),
    (
        11,
        "order_date",
        "not_a_date",
        "{o};10;FG-1002;ST-101;WHOLESALE;CU-10;31.02.2026;{d};4;EA;1,29;;;I;{d} 09:00:00;1",
    ),
    (16, "item_code", "missing_value", "{o};10;;ST-102;RETAIL;CU-11;{d};{d};5;EA;2,00;;;I;{d} 09:00:00;1"),
    (
        22,
        None,
        "quantity_out_of_range",
        "{o};10;FG-1003;ST-100;RETAIL;CU-10;{d};{d};5000000;EA;1,99;;;I;{d} 09:00:00;1",
    ),
    (25, None, "date_out_of_range", "{o};10;FG-1004;ST-101;WHOLESALE;CU-10;01.01.1900;;7;EA;0,99;;;I;{d} 09:00:00;1"),
    (39, None, "too_few_fields", "{o};10;FG-1005;ST-102;RETAIL"),
    (43, "op", "unknown_value", "{o};10;FG-1006;ST-100;RETAIL;CU-10;{d};{d};3;EA;1,49;;;X;{d} 09:00:00;1"),
    (51, "changed_at", "not_a_time", "{o};10;FG-1007;ST-103;RETAIL;CU-11;{d};{d};3;EA;1,49;;;I;yesterday;1"),
    (67, "order_date", "not_a_date", "{o};10;FG-1008;ST-100;RETAIL;CU-10;2026-04-22;{d};6;EA;1,10;;;I;{d} 09:00:00;1"),
    (74, "quantity", "missing_value", "{o};10;FG-1009;ST-100;RETAIL;CU-10;{d};{d};;EA;1,10;;;I;{d} 09:00:00;1"),
)


def broken_row(day: int, last_day: int) -> tuple[str | None, str, str] | None:
    """Column, reason and text of the broken row that the file of a day holds, if it holds one."""
    for back, column, reason, text in _ROWS:
        if day == last_day - back:
            return column, reason, text.format(o=f"B{day}", d=f"{as_date(day):%d.%m.%Y}")
    return None


def broken_files(last_day: int, header: str) -> list[tuple[BrokenFile, bytes]]:
    """Unusable order files, dated on Sundays: no delivery is expected then, so no day is incomplete for them."""
    row = "9999999;10;FG-1001;ST-100;RETAIL;CU-10;01.05.2026;;1;EA;1,29;;;I;01.05.2026 09:00:00;1\n"
    whole = gzip.compress(f"{header}\n{row * 500}".encode(), mtime=0)
    contents = (
        (56, ".csv.gz", "broken_gzip", whole[: len(whole) // 2]),
        (49, ".csv", "wrong_header", f"{header.replace('MATERIAL', 'ARTICLE')}\n{row}".encode()),
        (42, ".csv", "wrong_encoding", f"{header}\n{row.replace('RETAIL', 'MÜNCHEN')}".encode("latin-1")),
    )
    return [
        (BrokenFile(f"erp/orders/{as_date(last_day - back):%Y-%m-%d}{end}", reason), content)
        for back, end, reason, content in contents
    ]
