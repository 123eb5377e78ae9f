"""The account of what a mover wrote: an object that cannot be counted is a break with its name, and ends no run."""

import struct
from pathlib import Path

import pytest

from o9_assets.landing.transferred import account_of_transfer
from o9_assets.resources.landing_zone import FolderZone
from o9_assets.resources.transfers.mover import Layout, Progress, State

pytestmark = pytest.mark.faults

FOOTER = b"no footer of Parquet"
BROKEN = {
    "a footer that is none": b"PAR1" + FOOTER + struct.pack("<I", len(FOOTER)) + b"PAR1",
    "cut off": b"PAR1" + FOOTER,
    "no byte": b"",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_parquet_that_cannot_be_counted(tmp_path: Path, content: bytes) -> None:
    zone = FolderZone(tmp_path / "zone", settle_seconds=0)
    (tmp_path / "zone").mkdir()
    (tmp_path / "zone/a.parquet").write_bytes(content)
    told = Progress(State.SUCCEEDED, "Successful", {"files": 1, "rows": 3})
    account = account_of_transfer(told, ["a.parquet"], Layout("parquet"), zone=zone, temp_dir=tmp_path)
    first, second = account.breaks
    assert first.startswith("a.parquet cannot be counted: broken_parquet: ")
    assert second == "3 rows told, 0 records there"
