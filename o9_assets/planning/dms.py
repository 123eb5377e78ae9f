"""Files as AWS DMS writes them, by their names: full loads, changes, and transactions.

Source: "Using Amazon S3 as a target" in the user guide of AWS DMS. `LOAD00000001.csv` counts in hexadecimal,
`SEGMENT1_LOAD…` where a table is loaded in parallel; files of changes are named by the time (UTC) at which they are
written; `CDC_TXN-…` hold the transactions of all tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from pydantic import Field

from o9_assets.planning.model import Flag, Model

__all__ = ["OPERATION", "DmsFile", "DmsFiles", "dms_file"]

OPERATION = "Op"
"""What DMS calls its first column, where it writes column names."""

_END = r"(?:\.csv|\.parquet)?(?:\.gz)?"
_LOAD = re.compile(r"(?:SEGMENT\d+_)?LOAD[0-9A-F]{5,}" + _END, re.ASCII)
_CHANGE = re.compile(r"(\d{8})-(\d{6})(\d{0,6})" + _END, re.ASCII)
_TRANSACTIONS = re.compile(r"CDC_TXN-(\d{8})-?(\d{6})(\d{0,6})" + _END, re.ASCII)


class DmsFiles(Model):
    """What a feed has to know of the task and the endpoint that write its files."""

    table: str = Field(pattern=r"^[^.]+\.[^.]+$", description="Table in the source database, as schema.table")
    op_in_full_load: Flag = Field(False, description="Whether full loads have the operation (IncludeOpForFullLoad)")
    op_in_changes: Flag = Field(
        True, description="false for an endpoint with CdcInsertsOnly and without IncludeOpForFullLoad"
    )


@dataclass(frozen=True, slots=True)
class DmsFile:
    """A file by its name; `written_at` (UTC, no zone) is None for a full load, whose name tells no time."""

    kind: Literal["load", "changes", "transactions"]
    written_at: datetime | None


def dms_file(name: str) -> DmsFile | None:
    """What an object of this name is, or None where DMS does not name so."""
    last = name.rpartition("/")[2]
    if _LOAD.fullmatch(last):
        return DmsFile("load", None)
    kinds: tuple[tuple[Literal["changes", "transactions"], re.Pattern[str]], ...]
    kinds = (("changes", _CHANGE), ("transactions", _TRANSACTIONS))
    for kind, pattern in kinds:
        if found := pattern.fullmatch(last):
            try:
                second = datetime.strptime(found[1] + found[2], "%Y%m%d%H%M%S")
            except ValueError:
                return None  # such as the 31st of February
            fraction = int(found[3].ljust(6, "0"))
            return DmsFile(kind, second + timedelta(microseconds=fraction))
    return None
