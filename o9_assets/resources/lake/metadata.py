"""What a table's metadata says, read and reckoned once; pyiceberg does both at every look.

A metadata file never changes under its name, so only its name is asked of the catalog anew. What is used of pyiceberg
is not all public; the pinned version and the tests of test_metadata.py watch over it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table import Table, Transaction

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

__all__ = ["FolderCatalog", "KnownTables", "OneTransaction"]

KEPT_TABLES = 256


class KnownTables:
    """Tables by the location of their metadata, those seen last."""

    def __init__(self) -> None:
        self._tables: OrderedDict[str, Table] = OrderedDict()

    def get(self, location: str, load: Callable[[], Table]) -> Table:
        """The table whose metadata is at `location`, loaded where that was not seen yet: an object of its own, for a
        commit changes it."""
        known = self._tables.pop(location, None) or load()
        self._tables[location] = known
        while len(self._tables) > KEPT_TABLES:
            self._tables.popitem(last=False)
        return Table(known.name(), known.metadata, location, known.io, known.catalog)


class FolderCatalog(SqlCatalog):
    """The catalog of a lake in a folder."""

    def __init__(self, name: str, **properties: str) -> None:
        super().__init__(name, **properties)
        self._known = KnownTables()

    def _convert_orm_to_iceberg(self, orm_table: Any) -> Table:
        return self._known.get(
            orm_table.metadata_location, lambda: super(FolderCatalog, self)._convert_orm_to_iceberg(orm_table)
        )


class OneTransaction(Transaction):
    """A transaction that applies its updates once, where pyiceberg copies the whole metadata, with every snapshot in
    it, at each of some twenty looks of a commit."""

    _applied: tuple[TableMetadata, Any, TableMetadata] | None = None

    @property
    def table_metadata(self) -> TableMetadata:
        if not self._updates:
            return self._table.metadata
        known = self._applied
        if known is None or known[0] is not self._table.metadata or known[1] is not self._updates:
            known = self._applied = (self._table.metadata, self._updates, super().table_metadata)
        return known[2]
