"""Exact totals per item, location, channel and day, written as days become final, so that memory stays flat."""

from collections import defaultdict
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from o9_assets.sandbox.company.columns import as_decimal, codes
from o9_assets.sandbox.company.days import Array, as_date
from o9_assets.sandbox.company.shape import CHANNELS, Company

__all__ = ["Totals"]

BATCH_ROWS = 100_000


class Totals:
    """Sums measures by cell and day. A measure is a name and the scale of its integers: 4 is ten-thousandths; 0 is
    a count. A day is written when `finish(before)` passes it; nothing may be added to it afterwards."""

    def __init__(self, path: Path, company: Company, date_column: str, measures: dict[str, int]) -> None:
        self._company = company
        self._measures = measures
        self._date_column = date_column
        kinds = {m: pa.decimal128(18, 4) if scale else pa.int64() for m, scale in measures.items()}
        keys = {"item_code": pa.string(), "location_code": pa.string(), "channel_code": pa.string()}
        self._schema = pa.schema(list((keys | {date_column: pa.date32()} | kinds).items()))
        self._parts: dict[int, list[tuple[Array, dict[str, Array]]]] = defaultdict(list)
        self._waiting: list[pa.Table] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")

    def __enter__(self) -> "Totals":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.finish(1 << 40)
            self._write()
        self._writer.close()

    def add(self, item: Array, location: Array, channel: Array, day: Array, **values: Array) -> None:
        """Add rows; a measure that is not given is 0."""
        cell = (item * self._company.location_count + location) * len(CHANNELS) + channel
        for one in np.unique(day):
            at = day == one
            self._parts[int(one)].append((cell[at], {name: value[at] for name, value in values.items()}))

    def finish(self, before: int) -> None:
        """Write every day before `before`."""
        for day in sorted(d for d in self._parts if d < before):
            self._waiting.append(self._sum(day, self._parts.pop(day)))
        if sum(t.num_rows for t in self._waiting) >= BATCH_ROWS:
            self._write()

    def _sum(self, day: int, parts: list[tuple[Array, dict[str, Array]]]) -> pa.Table:
        cell = np.concatenate([c for c, _ in parts])
        order = np.argsort(cell, kind="stable")
        found, starts = np.unique(cell[order], return_index=True)
        columns = {}
        for name, scale in self._measures.items():
            values = np.concatenate([v.get(name, np.zeros(len(c), dtype=np.int64)) for c, v in parts])
            sums = np.add.reduceat(values[order], starts)
            columns[name] = as_decimal(sums, 18, 4) if scale else pa.array(sums)
        places = self._company.location_count
        keys = {
            "item_code": codes(self._company.item_codes, found // (places * len(CHANNELS))),
            "location_code": codes(self._company.location_codes, found // len(CHANNELS) % places),
            "channel_code": codes(CHANNELS, found % len(CHANNELS)),
            self._date_column: pa.array([as_date(day)] * len(found), pa.date32()),
        }
        return pa.table(keys | columns, schema=self._schema)

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting))
            self._waiting = []
