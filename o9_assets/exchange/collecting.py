"""Files that o9 drops into its SFTP folder, brought into the landing zone under the same names.

What was brought is remembered as the host told of it, size and time, and brought again when either is another: the
host's clock is never compared with ours. A file that is there already with the same content stays the same version.
"""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from o9_assets.exchange.datasets import OUTBOUND_FILES
from o9_assets.resources.lake import Lake, equal
from o9_assets.resources.landing_zone import LandingZone
from o9_assets.resources.o9 import O9Client, RemoteFile
from o9_assets.resources.spills import spill_folder

__all__ = ["collect"]


def collect(*, client: O9Client, zone: LandingZone, lake: Lake, now: datetime) -> list[RemoteFile]:
    """Bring what is new; returns it. Raises BadName for a name that leads out of the landing zone."""
    columns = ["object_name", "size_bytes", "modified_at"]
    known = {(row["object_name"], row["size_bytes"], row["modified_at"]) for row in _rows(lake, columns)}
    brought = []
    with spill_folder() as folder:
        for found, path in client.collect(folder, lambda found: _seen(found) not in known):
            zone.put(found.name, path)
            path.unlink()
            row = dict(zip(columns, _seen(found), strict=True)) | {"brought_at": now}
            table = pa.Table.from_pylist([row], schema=OUTBOUND_FILES.arrow_schema)
            lake.overwrite(OUTBOUND_FILES, table, equal("object_name", found.name))
            brought.append(found)
    return brought


def _rows(lake: Lake, columns: list[str]) -> list[dict[str, object]]:
    return list(lake.read(OUTBOUND_FILES, columns=columns).to_pylist())


def _seen(found: RemoteFile) -> tuple[str, int, datetime]:
    return found.name, found.size_bytes, datetime.fromtimestamp(found.modified_at, UTC).replace(tzinfo=None)
