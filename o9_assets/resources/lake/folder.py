"""The lake in a folder: files under warehouse/, the catalog in catalog.db."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table
from pyiceberg.typedef import EMPTY_DICT, Properties
from sqlalchemy.engine import URL

from o9_assets.resources.lake.errors import CommitConflict
from o9_assets.resources.lake.files import local_path, location_of
from o9_assets.resources.lake.metadata import KnownTables
from o9_assets.resources.lake.races import ATTEMPTS, lost_race, pause

__all__ = ["connect"]


def connect(root: Path) -> SqlCatalog:
    """The catalog in a folder, which is made where it is not there. Raises CommitConflict where others keep at it."""
    root.mkdir(parents=True, exist_ok=True)
    # Writers of other processes are waited for rather than failed upon.
    address = URL.create("sqlite", database=str(root / "catalog.db"), query={"timeout": "60"})
    for attempt in range(ATTEMPTS):
        try:
            return _Catalog(
                "lake",
                uri=address.render_as_string(),
                warehouse=location_of(root / "warehouse"),
                **{"py-io-impl": f"{__name__}.{FolderIO.__name__}"},
            )
        except Exception as error:  # another process made the catalog's own tables at the same moment
            if not lost_race(error):
                raise
            pause(attempt)
    raise CommitConflict(f"{root} is being made by others.", remedy="Run it again.")


class FolderIO(PyArrowFileIO):
    """Files of the folder by their file:// locations, in which a space or an é of its path is escaped: pyiceberg takes
    the escape for the name and would write beside the lake."""

    @staticmethod
    def parse_location(location: str, properties: Properties = EMPTY_DICT) -> tuple[str, str, str]:
        scheme, netloc, path = PyArrowFileIO.parse_location(location, properties)
        return scheme, netloc, str(local_path(location)) if urlparse(location).scheme == "file" else path


class _Catalog(SqlCatalog):
    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **properties)
        self._known = KnownTables()

    def _convert_orm_to_iceberg(self, orm_table: Any) -> Table:
        name = f"{orm_table.table_namespace}.{orm_table.table_name}"
        load = super()._convert_orm_to_iceberg
        return self._known.get(name, orm_table.metadata_location, lambda: load(orm_table))
