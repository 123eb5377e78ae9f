"""What a table's metadata says, read and reckoned once; pyiceberg does both at every look.

A metadata file never changes under its name, so only its name is asked of the catalog anew. What is used of pyiceberg
is not all public; the pinned version and the tests of test_metadata.py watch over it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyiceberg.table import Table, Transaction

if TYPE_CHECKING:
    from pyiceberg.table.metadata import TableMetadata

__all__ = ["KnownTables", "OneTransaction"]


class KnownTables:
    """Each table as it was when it was loaded last."""

    def __init__(self) -> None:
        self._tables: dict[str, Table] = {}

    def get(self, name: str, location: str, load: Callable[[], Table]) -> Table:
        """The table, loaded where its metadata is no longer at the `location` that is known: an object of its own, for
        a commit changes it."""
        known = self._tables.get(name)
        if known is None or known.metadata_location != location:
            known = self._tables[name] = load()
        return Table(known.name(), known.metadata, known.metadata_location, known.io, known.catalog)


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
