"""Objects that are being read again, noted beside their raw rows: where that dies half way, the next ingest ends it."""

from __future__ import annotations

import json
from collections.abc import Set

from o9_assets.dataset import Dataset
from o9_assets.resources.lake import Lake

__all__ = ["being_read_again", "is_read_again", "reads_again"]

NOTE = "being_read_again"


def being_read_again(lake: Lake, dataset: Dataset) -> set[str]:
    """Ids of the objects."""
    return set(json.loads(lake.marks(dataset).get(NOTE, "[]")))


def reads_again(lake: Lake, dataset: Dataset, object_ids: Set[str]) -> None:
    """Note that these are about to be read again."""
    _write(lake, dataset, being_read_again(lake, dataset) | object_ids)


def is_read_again(lake: Lake, dataset: Dataset, object_ids: Set[str]) -> None:
    """Note that these are read."""
    if object_ids:
        _write(lake, dataset, being_read_again(lake, dataset) - object_ids)


def _write(lake: Lake, dataset: Dataset, ids: Set[str]) -> None:
    note = json.dumps(sorted(ids)) if ids else None
    lake.append(dataset, dataset.arrow_schema.empty_table(), marks={NOTE: note})
