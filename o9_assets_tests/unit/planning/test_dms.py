"""What DMS's names of files say."""

from datetime import datetime

import pytest

from o9_assets.planning.dms import DmsFile, dms_file


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("erp/s/t/LOAD00000001.csv", DmsFile("load", None)),
        ("LOAD0000000A.parquet", DmsFile("load", None)),
        ("LOAD00001.csv.gz", DmsFile("load", None)),
        ("SEGMENT12_LOAD000000FF.csv", DmsFile("load", None)),
        ("2026/11/25/20261125-101500123.csv", DmsFile("changes", datetime(2026, 11, 25, 10, 15, 0, 123000))),
        ("20141029-1134010000.csv", DmsFile("changes", datetime(2014, 10, 29, 11, 34, 1))),
        ("20261125-101500.parquet", DmsFile("changes", datetime(2026, 11, 25, 10, 15))),
        ("CDC_TXN-20261125101500123.csv", DmsFile("transactions", datetime(2026, 11, 25, 10, 15, 0, 123000))),
        ("LOAD0000000G.csv", None),
        ("load00000001.csv", None),
        ("20261325-101500123.csv", None),
        ("20261125-101500123.txt", None),
        ("notes.csv", None),
    ],
)
def test_names(name: str, found: DmsFile | None) -> None:
    assert dms_file(name) == found
