"""What a dataset is: its name, what one row means, and its columns with their types.

Every table in the lake is declared by one `Dataset`. The declaration is the contract that the lake
room enforces, the schema that DuckDB and Arrow see, and the text that a reader finds in Dagster's UI.
No I/O and no heavy import belongs here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Column", "Dataset"]

_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
_DUCKDB = {
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "int32": "INTEGER",
    "int64": "BIGINT",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
}


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `type` is one of string, date, timestamp (UTC, microseconds, no zone), int32, int64,
    double, boolean or decimal(p,s). A required column is never null. A day `on_calendar` makes partial weeks, so
    that one which nobody can mean is a fault."""

    name: str
    type: str
    description: str
    required: bool = False
    on_calendar: bool = False

    @property
    def duckdb_type(self) -> str:
        if match := _DECIMAL.fullmatch(self.type):
            return f"DECIMAL({match[1]},{match[2]})"
        return _DUCKDB[self.type]

    @property
    def arrow_type(self) -> pa.DataType:
        import pyarrow as pa

        if match := _DECIMAL.fullmatch(self.type):
            return pa.decimal128(int(match[1]), int(match[2]))
        return {
            "string": pa.string(),
            "date": pa.date32(),
            "timestamp": pa.timestamp("us"),
            "int32": pa.int32(),
            "int64": pa.int64(),
            "double": pa.float64(),
            "boolean": pa.bool_(),
        }[self.type]


@dataclass(frozen=True, slots=True)
class Dataset:
    """A table of the lake: `name` is `layer.table`, `description` says what one row is.

    `key` names the columns that identify a row. `partition_by` names identity-partition columns;
    they hold something that never changes for a row, so that a writer can replace whole partitions.
    """

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...] = ()
    partition_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = self.column_names
        for name in (*self.key, *self.partition_by):
            if name not in names:
                raise ValueError(f"{self.name}: {name!r} is no column of it")
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: a column is declared twice")

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def asset_key(self) -> list[str]:
        """`curated.order_lines` is the asset `curated/order_lines`."""
        return self.name.split(".")

    @property
    def arrow_schema(self) -> pa.Schema:
        import pyarrow as pa

        return pa.schema([pa.field(c.name, c.arrow_type, nullable=not c.required) for c in self.columns])

    def column(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name!r}")

    def select_list(self) -> str:
        """DuckDB select list that casts every column of a relation to its declared type, in order."""
        return ", ".join(f'CAST("{c.name}" AS {c.duckdb_type}) AS "{c.name}"' for c in self.columns)
