"""What a mover says it wrote, against what lies in the landing zone: objects, bytes, and records where it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from o9_assets.landing.plain import Hopeless, make_plain
from o9_assets.landing.records import count_lines, records
from o9_assets.planning.formats import Format
from o9_assets.resources.landing_zone import LandedObject, LandingZone, ObjectChanged
from o9_assets.resources.spills import spill_folder
from o9_assets.resources.transfers.mover import Layout, Progress

__all__ = ["Account", "account_of_transfer"]


@dataclass(frozen=True, slots=True)
class Account:
    """What lies in the landing zone of the objects that were written; `rows` is None where nobody counts them.

    `breaks` says what is another than the service told.
    """

    objects: int
    size_bytes: int
    rows: int | None
    breaks: tuple[str, ...]


def account_of_transfer(
    progress: Progress, names: Sequence[str], layout: Layout | None, *, zone: LandingZone, temp_dir: Path | None = None
) -> Account:
    """Look at every object that was written, and compare with `files`, `bytes` and `rows` as far as they were told."""
    wanted, told = set(names), progress.counters
    there: dict[str, LandedObject] = {}
    for folder in sorted({name.rpartition("/")[0] for name in wanted}):
        there |= {found.name: found for found in zone.list(f"{folder}/" if folder else "") if found.name in wanted}
    breaks = [f"{name} is not there" for name in sorted(wanted - set(there))]
    size = sum(found.size_bytes for found in there.values())
    rows: int | None = None
    if layout is not None and "rows" in told:
        rows = 0
        for found in there.values():
            try:
                rows += _records(found, layout, zone, temp_dir)
            except (Hopeless, ObjectChanged) as error:
                breaks.append(f"{found.name} cannot be counted: {error}")
    for counter, seen, what in (("files", len(there), "objects"), ("bytes", size, "bytes"), ("rows", rows, "records")):
        if seen is not None and counter in told and told[counter] != seen:
            breaks.append(f"{told[counter]:,} {counter} told, {seen:,} {what} there")
    return Account(len(there), size, rows, tuple(breaks[:20]))


def _records(found: LandedObject, layout: Layout, zone: LandingZone, temp_dir: Path | None) -> int:
    """Records of an object, without its header."""
    with spill_folder(temp_dir) as spool:
        path = zone.spool(found, spool).path
        if layout.type == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            try:
                return int(pq.read_metadata(path).num_rows)
            except (pa.ArrowInvalid, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise  # the disk's; a footer that is none is an OSError without a number
                raise Hopeless("broken_parquet", str(error)[:500]) from error
        try:
            plain = make_plain(path, Format(type="csv", quote=layout.quote, delimiter=layout.delimiter), spool)
        except Hopeless as hopeless:
            if hopeless.reason == "empty_object":
                return 0
            raise
        if plain.lines_are_records:
            return max(count_lines(plain.path) - int(layout.header), 0)
        quote = layout.quote if layout.type == "csv" else ""
        number = 0
        for number, _, _ in records(plain.path, quote, layout.delimiter):  # noqa: B007 - the last one is wanted
            pass
        return max(number - int(layout.header), 0)
