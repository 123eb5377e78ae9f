"""DuckDB as the platform uses it: in memory, bounded, in UTC, spilling to a folder of its own, without a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from o9_assets.resources.spills import spill_folder

__all__ = ["Engine"]


@dataclass(frozen=True)
class Engine:
    """Makes DuckDB connections. Beyond `memory_limit` DuckDB spills; `threads` None is every core."""

    memory_limit: str = "2GB"
    threads: int | None = None
    temp_dir: Path | None = None

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A fresh in-memory database; it and its spills are gone afterwards."""
        with spill_folder(self.temp_dir) as spills:
            config: dict[str, str | bool | int | float | list[str]] = {
                "memory_limit": self.memory_limit,
                "temp_directory": str(spills),
                # Nothing is fetched behind our back: what the package lacks is an error that says so.
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
            }
            if self.threads is not None:
                config["threads"] = self.threads
            con = duckdb.connect(":memory:", config=config)
            try:
                con.execute("SET TimeZone = 'UTC'")
                yield con
            finally:
                con.close()
