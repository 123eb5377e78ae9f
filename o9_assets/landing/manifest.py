"""Entering objects in the manifest: only what it lists is read downstream."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pyarrow as pa

from o9_assets.landing.datasets import MANIFEST
from o9_assets.resources.lake import CommitConflict, Lake, all_of, equal, isin

__all__ = ["LISTED", "enter_in_manifest", "renew"]

LISTED = ["feed", "object_name", "object_version", "ingest_seq", "read_until"]


def enter_in_manifest(
    lake: Lake,
    feed_name: str,
    rows: list[dict[str, object]],
    *,
    check: Callable[[pa.Table], None] = lambda listed: None,
) -> None:
    """Commit manifest rows under the feed's next number; whoever comes second counts on from the first.

    `check` sees what the manifest lists of the feed in the moment of the commit, and may raise.
    """
    for _ in range(20):
        base = lake.snapshot_id(MANIFEST)
        listed = lake.read(MANIFEST, columns=LISTED, where=equal("feed", feed_name))
        check(listed)
        following = max(listed["ingest_seq"].to_pylist(), default=0) + 1
        table = pa.Table.from_pylist([{**row, "ingest_seq": following} for row in rows], schema=MANIFEST.arrow_schema)
        try:
            lake.overwrite(
                MANIFEST,
                table,
                all_of(equal("feed", feed_name), isin("object_id", [row["object_id"] for row in rows])),
                based_on=base,
            )
        except CommitConflict:
            continue
        return
    raise CommitConflict(f"The manifest of {feed_name} is written by too many at once.", remedy="Run it again.")


def renew(lake: Lake, feed_name: str, object_ids: Iterable[str]) -> None:
    """Give the objects that the manifest lists the feed's next number, by which their rows are looked at again."""
    listed = lake.read(MANIFEST, where=all_of(equal("feed", feed_name), isin("object_id", object_ids))).to_pylist()
    if listed:
        enter_in_manifest(lake, feed_name, [{k: v for k, v in row.items() if k != "ingest_seq"} for row in listed])
