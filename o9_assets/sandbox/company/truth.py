"""The truth about a generated company: what was planted, and what every total must come to.

Written beside the landing zone, never into it: `truth.json` and `truth/*.parquet`.
"""

import json
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from o9_assets.sandbox.company.flaws import BrokenFile, BrokenRow

__all__ = ["Truth"]


@dataclass(frozen=True)
class Truth:
    """What a generated company holds. Item, location and customer are codes; days are ISO dates.

    promotions    {promotion_id, item_code, location_code (`*` is all), start_date, end_date, uplift}
    stock_outs    {item_code, location_code, start_date, end_date, lost_quantity in base units}
    transitions   {item_code, successor_item_code, effective_date}
    region_moves  {customer_code, location_codes, from_region, to_region, effective_date}
    factor_changes {item_code, uom_code, from_factor, to_factor, effective_date}
    unknown_units {order_id, order_line, uom_code, is_corrected}
    fates         order lines by what happens to them: updated, out_of_order, tied, deleted, cancelled, ...
    market        sell-out rows and packs in all, base units that map, and the planted product and region that do not
    feeds         per feed: objects, landed_rows, accepted_rows of the landing zone; and late_rows of `late`
    """

    home: Path
    seed: int
    scale: float
    first_date: str
    last_date: str
    object_count: int
    feeds: dict[str, dict[str, int]]
    promotions: tuple[dict[str, Any], ...]
    stock_outs: tuple[dict[str, Any], ...]
    transitions: tuple[dict[str, Any], ...]
    region_moves: tuple[dict[str, Any], ...]
    factor_changes: tuple[dict[str, Any], ...]
    items_outside_master: tuple[str, ...]
    unknown_units: tuple[dict[str, Any], ...]
    fates: dict[str, int]
    market: dict[str, Any]
    late_dates: tuple[str, ...]
    missing_dates: tuple[str, ...]
    broken_rows: tuple[BrokenRow, ...]
    broken_files: tuple[BrokenFile, ...]

    @property
    def landing(self) -> Path:
        """The landing zone: what has arrived."""
        return self.home / "landing"

    @property
    def late(self) -> Path:
        """Objects that arrive later, laid out as in the landing zone; copying them there is their arrival."""
        return self.home / "late"

    def demand(self, *, with_late: bool = True) -> pa.Table:
        """Exact demand per item_code, location_code, channel_code and demand_date: orders_quantity,
        returns_quantity (negative), orders_value, order_line_count; sorted. Cells without a line have no row.
        Without `with_late`: as it stands before the late files arrive."""
        return pq.read_table(self.home / "truth" / ("demand.parquet" if with_late else "demand_before_late.parquet"))

    def shipments(self) -> pa.Table:
        """Exact shipments_quantity per item_code, location_code, channel_code and ship_date."""
        return pq.read_table(self.home / "truth" / "shipments.parquet")

    @property
    def last_day(self) -> date:
        return date.fromisoformat(self.last_date)

    def write(self) -> None:
        record = asdict(self)
        del record["home"]
        text = json.dumps(record, indent=1, ensure_ascii=False)
        (self.home / "truth.json").write_text(text + "\n", encoding="utf-8")

    @classmethod
    def read(cls, home: Path) -> "Truth":
        """The truth of a company that was generated into `home`."""
        record = json.loads((home / "truth.json").read_text(encoding="utf-8"))
        for name, value in record.items():
            if isinstance(value, list):
                record[name] = tuple(value)
        record["broken_rows"] = tuple(BrokenRow(**row) for row in record["broken_rows"])
        record["broken_files"] = tuple(BrokenFile(**file) for file in record["broken_files"])
        return cls(home=home, **record)
