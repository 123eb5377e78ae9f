"""Files that o9 drops into its SFTP folder, brought into the landing zone under the same names.

A file that is there already, with the same size and not older, is not brought again.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from o9_assets.resources.landing_zone import LandedObject, LandingZone
from o9_assets.resources.o9 import O9Client, RemoteFile

__all__ = ["collect"]


def collect(*, client: O9Client, zone: LandingZone) -> list[RemoteFile]:
    """Bring what is new; returns it. Raises BadName for a name that leads out of the landing zone."""
    brought = []

    def wanted(found: RemoteFile) -> bool:
        there = _landed(zone, found.name)
        return not (
            there and there.size_bytes == found.size_bytes and there.modified_at.timestamp() >= found.modified_at
        )

    with tempfile.TemporaryDirectory(prefix="o9-outbound-") as folder:
        for found, path in client.collect(Path(folder), wanted):
            zone.put(found.name, path)
            path.unlink()
            brought.append(found)
    return brought


def _landed(zone: LandingZone, name: str) -> LandedObject | None:
    return next((found for found in zone.list(name) if found.name == name), None)
