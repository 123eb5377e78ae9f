"""Tables for Dagster's pages. Each says its columns' types, so that one without a row is a table too."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

__all__ = ["table"]


def table(columns: Mapping[str, str], rows: Iterable[Sequence[Any]]) -> dg.TableMetadataValue:
    """A table by column names and types (string, int or float); a row is its values in that order."""
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(n, t) for n, t in columns.items()]))
