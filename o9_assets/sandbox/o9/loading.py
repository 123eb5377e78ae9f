"""Files into the sandbox o9: CSV with o9's columns, loaded once; what it refuses is written down beside them.

The delimiter is what follows the header's first name, which is quoted.
"""

from __future__ import annotations

import csv
import io
import json
import re
from decimal import Decimal, InvalidOperation
from pathlib import Path, PurePosixPath
from typing import Any

from o9_assets.sandbox.o9.store import Store

__all__ = ["inside", "load_file"]


def inside(root: Path, name: str) -> Path:
    """The path of a name below a folder. Raises ValueError for one that leads out, or is none."""
    path = PurePosixPath(name)
    if not path.name or path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name:
        raise ValueError(f"{name!r} is no name of a file")
    return root / path


def load_file(store: Store, measure_group: str, name: str) -> int:
    """Load a file; returns how many rows o9 refused (see rejects/). Raises ValueError where it cannot be read."""
    path = inside(store.files, name)
    if not path.is_file():
        raise ValueError("there is no such file")
    content = path.read_bytes().decode()
    after_name = re.match(r'"(?:[^"]|"")*"(.)', content)
    delimiter = after_name[1] if after_name else ","
    reader = csv.DictReader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    try:
        rows = [_row(row) for row in reader]
    except InvalidOperation as error:
        raise ValueError(f"line {reader.line_num}: a measure is no number") from error
    except csv.Error as error:
        raise ValueError(f"line {reader.line_num}: {error}") from error
    _, rejected = store.write(measure_group, name, rows)
    if rejected:
        target = store.files / "rejects" / f"{path.name}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(json.dumps(rejected, indent=1), encoding="utf-8")
    return len(rejected)


def _row(texts: dict[str, Any]) -> dict[str, Any]:
    if None in texts or None in texts.values():
        raise csv.Error("another number of fields than the header")
    return {name: text if ".[" in name else Decimal(text) if text else None for name, text in texts.items()}
