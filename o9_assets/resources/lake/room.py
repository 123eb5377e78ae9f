"""The lake: Iceberg tables by dataset; slices replaced in one commit, marks beside the data, the past readable.

One implementation for a folder (SQLite catalog) and for S3 (Glue); only what stands behind it differs.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from o9_assets.dataset import Dataset
from o9_assets.failures import Permanent
from o9_assets.resources.lake import contract, files, reading
from o9_assets.resources.lake.errors import CommitConflict, SnapshotGone
from o9_assets.resources.lake.races import ATTEMPTS, lost_race, pause
from o9_assets.resources.lake.slices import everything, nothing, to_sql

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa
    from pyiceberg.catalog import Catalog
    from pyiceberg.expressions import BooleanExpression
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

    from o9_assets.resources.aws import Buckets
    from o9_assets.resources.lake.files import Rows

__all__ = ["ANY", "Commit", "Lake"]

ANY = -1
"""`based_on` of a write that does not depend on what the table held."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a write did: the snapshot it made (None where nothing changed), rows added and rows that went."""

    snapshot_id: int | None
    rows_added: int
    rows_removed: int


class Lake:
    """Tables of a catalog. Safe to use from many processes at once; a reader sees the old or the new, never a half."""

    def __init__(self, connect: Callable[[], Catalog], *, prefix: str = "", location: str = "") -> None:
        self._connect = connect
        self._catalog: Catalog | None = None
        self._prefix = prefix
        self._location = location
        self._ensured: set[Dataset] = set()

    @classmethod
    def local(cls, root: Path) -> Lake:
        """A lake in a folder: files under warehouse/, the catalog in catalog.db."""
        root = root.resolve()

        def connect() -> Catalog:
            from o9_assets.resources.lake import folder

            return folder.connect(root)

        return cls(connect, location=files.location_of(root / "warehouse"))

    @classmethod
    def glue(cls, warehouse: str, *, database_prefix: str = "", buckets: Buckets | None = None) -> Lake:
        """A lake on S3 (`warehouse` is s3://bucket/prefix) with the Glue Data Catalog."""

        def connect() -> Catalog:
            from o9_assets.resources.aws import Buckets
            from o9_assets.resources.lake import s3

            return s3.connect(warehouse, buckets or Buckets())

        return cls(connect, prefix=database_prefix, location=warehouse.rstrip("/"))

    # Tables

    @property
    def catalog(self) -> Catalog:
        """The catalog, opened at first use."""
        if self._catalog is None:
            self._catalog = self._connect()
        return self._catalog

    def _name(self, dataset: Dataset) -> tuple[str, str]:
        namespace, table = dataset.name.split(".")
        return f"{self._prefix}{namespace}", table

    def exists(self, dataset: Dataset) -> bool:
        return self._load(dataset) is not None

    def _load(self, dataset: Dataset) -> Table | None:
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        try:
            return self.catalog.load_table(self._name(dataset))
        except (NoSuchTableError, NoSuchNamespaceError):
            return None

    def ensure(self, dataset: Dataset) -> Table:
        """The dataset's table, made or evolved as declared. Raises ContractBroken where columns would be lost."""
        from pyiceberg.exceptions import CommitFailedException, NamespaceAlreadyExistsError, TableAlreadyExistsError

        for attempt in range(ATTEMPTS):
            table = self._load(dataset)
            if table is not None:
                if dataset in self._ensured:
                    return table
                try:
                    if contract.evolve(table, dataset):
                        table = table.refresh()
                except CommitFailedException:
                    pause(attempt)
                    continue
                self._ensured.add(dataset)
                return table
            namespace, name = self._name(dataset)
            schema = contract.new_schema(dataset)
            try:
                with _quiet():
                    self.catalog.create_namespace_if_not_exists(namespace)
                    return self.catalog.create_table(
                        (namespace, name),
                        schema,
                        location=f"{self._location}/{namespace}/{name}",
                        partition_spec=contract.new_spec(dataset, schema),
                        properties={
                            "format-version": "2",
                            # Conflicts are looked at here, with the whole slice in view, not blindly retried.
                            "commit.retry.num-retries": "0",
                            "write.metadata.delete-after-commit.enabled": "true",
                            # As many as other writers may put between a commit and the answer that it is in.
                            "write.metadata.previous-versions-max": "20",
                            "comment": dataset.description,
                        },
                    )
            except (TableAlreadyExistsError, NamespaceAlreadyExistsError):
                pause(attempt)
            except Exception as error:
                if not lost_race(error):
                    raise
                pause(attempt)
        raise CommitConflict(f"{dataset.name} could not be created in {ATTEMPTS} attempts.", remedy="Run it again.")

    # Writing

    def append(self, dataset: Dataset, rows: Rows, *, marks: Mapping[str, str | None] | None = None) -> Commit:
        """Add rows. A repeated append adds them twice: what is ingested uses `overwrite` instead."""
        return self._commit(dataset, rows, None, marks or {}, ANY)

    def overwrite(
        self,
        dataset: Dataset,
        rows: Rows,
        where: BooleanExpression,
        *,
        marks: Mapping[str, str | None] | None = None,
        based_on: int | None = ANY,
    ) -> Commit:
        """Replace the rows that meet `where` by `rows`, in one commit together with the marks.

        With `based_on`, the snapshot that the new rows were made from, the write is refused with CommitConflict when
        another one came between, be it one of marks alone; without it the last writer's slice stays. A mark of None is
        taken away.
        """
        return self._commit(dataset, rows, where, marks or {}, based_on)

    def _commit(
        self,
        dataset: Dataset,
        rows: Rows,
        where: BooleanExpression | None,
        marks: Mapping[str, str | None],
        based_on: int | None,
    ) -> Commit:
        from o9_assets.resources.lake import maintenance
        from o9_assets.resources.lake.metadata import OneTransaction
        from o9_assets.resources.lake.producer import MergingOverwrite

        table = self.ensure(dataset)
        if based_on != ANY:
            _check_base(dataset, table, based_on)
        new = files.write(table, dataset, rows)
        kept: dict[str, list[DataFile]] = {}
        for attempt in range(ATTEMPTS):
            if based_on != ANY:
                _check_base(dataset, table, based_on)
            gone = [] if where is None or where == nothing() else self._plan(table, dataset, where, kept)
            leftovers = [file for old in gone for file in kept.get(old.file_path, [])]
            added = [*new, *leftovers]
            files_before = maintenance.file_count(table)
            # Marks made from a snapshot make one, too: who read the same must see that it comes second.
            makes_one = bool(added or gone or (marks and based_on != ANY))
            try:
                with _quiet(), OneTransaction(table) as transaction:
                    if makes_one:
                        with MergingOverwrite(transaction) as snapshot:
                            for file in gone:
                                snapshot.delete_data_file(file)
                            for file in added:
                                snapshot.append_data_file(file)
                    # Iceberg's properties are text; an empty one stands for none.
                    set_ = {key: value for key, value in marks.items() if value is not None}
                    unset = [key for key, value in marks.items() if value is None and key in table.properties]
                    if set_:
                        transaction.set_properties(set_)
                    if unset:
                        transaction.remove_properties(*unset)
            except Exception as error:
                if not lost_race(error):
                    raise
                pause(attempt)
                table = self.ensure(dataset).refresh()
                continue
            kept_rows = sum(file.record_count for file in leftovers)
            removed = sum(file.record_count for file in gone) - kept_rows
            current = table.refresh().current_snapshot()
            maintenance.after_commit(self, dataset, table, files_before)
            return Commit(
                current.snapshot_id if current and makes_one else None,
                sum(file.record_count for file in new),
                removed,
            )
        raise CommitConflict(
            f"{dataset.name} was written by others {ATTEMPTS} times in a row.",
            remedy="Run it again, or run fewer at once.",
        )

    def replace_files(
        self, dataset: Dataset, gone: Sequence[DataFile], new: Sequence[DataFile], *, based_on: int | None
    ) -> None:
        """Swap files that hold the same rows (compaction). Raises CommitConflict where another write came between."""
        from o9_assets.resources.lake.metadata import OneTransaction
        from o9_assets.resources.lake.producer import MergingOverwrite

        table = self.ensure(dataset).refresh()
        _check_base(dataset, table, based_on)
        try:
            with OneTransaction(table) as transaction, MergingOverwrite(transaction) as snapshot:
                for file in gone:
                    snapshot.delete_data_file(file)
                for file in new:
                    snapshot.append_data_file(file)
        except Exception as error:
            if not lost_race(error):
                raise
            raise CommitConflict(
                f"{dataset.name} was written meanwhile.", remedy="It is compacted next time."
            ) from error

    def _plan(
        self, table: Table, dataset: Dataset, where: BooleanExpression, kept: dict[str, list[DataFile]]
    ) -> list[DataFile]:
        """The files that hold a row of the slice. Of one that holds others too, those are written anew, into `kept`."""
        import duckdb
        from pyiceberg.expressions.visitors import _StrictMetricsEvaluator

        wholly = _StrictMetricsEvaluator(table.schema(), where)
        gone = []
        for task in table.scan(row_filter=where).plan_files():
            file = task.file
            if task.delete_files:
                raise Permanent(
                    f"{dataset.name} holds delete files of another engine.", remedy="Compact it there, then run again."
                )
            if wholly.eval(file):
                gone.append(file)
                continue
            if file.file_path not in kept:
                with duckdb.connect(":memory:") as con:
                    reading.files_view(con, "file", table, dataset, [file])
                    condition = to_sql(where)
                    [(matching,)] = con.execute(f"SELECT count(*) FROM file WHERE {condition}").fetchall()
                    if matching == 0:
                        continue
                    rest = con.sql(f"SELECT * FROM file WHERE ({condition}) IS NOT TRUE")
                    kept[file.file_path] = files.write(table, dataset, rest)
            gone.append(file)
        return gone

    # Reading

    def marks(self, dataset: Dataset) -> dict[str, str]:
        """The marks that writers left beside the data; empty for a table that is not there."""
        table = self._load(dataset)
        return dict(table.properties) if table else {}

    def view(
        self,
        con: duckdb.DuckDBPyConnection,
        name: str,
        dataset: Dataset,
        *,
        columns: Sequence[str] | None = None,
        where: BooleanExpression | None = None,
        as_of: datetime | None = None,
        tag: str | None = None,
        snapshot_id: int | None = None,
    ) -> int | None:
        """Register a DuckDB view of the dataset; returns the snapshot it shows, None for an empty or absent table.

        Raises SnapshotGone where a tag, a snapshot or what held at `as_of` (UTC) is not there.
        """
        wanted = tuple(columns or dataset.column_names)
        table = self._load(dataset)
        if table is None:
            if tag is not None or snapshot_id is not None:
                raise SnapshotGone(f"{dataset.name} is not there yet.", remedy="Materialize it first.")
            reading.empty_view(con, name, dataset, wanted)
            return None
        shown = reading.snapshot_for(table, dataset.name, as_of=as_of, tag=tag, snapshot_id=snapshot_id)
        if shown is None or where == nothing():
            reading.empty_view(con, name, dataset, wanted)
            return shown
        reading.view(
            con,
            name,
            table,
            dataset,
            columns=wanted,
            where=where if where is not None else everything(),
            snapshot_id=shown,
        )
        return shown

    def read(
        self,
        dataset: Dataset,
        *,
        columns: Sequence[str] | None = None,
        where: BooleanExpression | None = None,
        as_of: datetime | None = None,
        tag: str | None = None,
    ) -> pa.Table:
        """Rows as an Arrow table, for what is small; `view` is for the rest."""
        import duckdb

        with duckdb.connect(":memory:") as con:
            self.view(con, "it", dataset, columns=columns, where=where, as_of=as_of, tag=tag)
            return con.sql("SELECT * FROM it").to_arrow_table()

    def fingerprints(self, dataset: Dataset) -> tuple[int | None, dict[str, str]]:
        """The current snapshot, and for each value of the (first) partition column a hash of its files' names.

        Equal hash, equal rows; compaction changes the hash and not the rows. From metadata alone.
        """
        import hashlib

        table = self._load(dataset)
        current = table.current_snapshot() if table else None
        if table is None or current is None:
            return None, {}
        is_date = dataset.column(dataset.partition_by[0]).type == "date"
        names: dict[str, list[str]] = {}
        for task in table.scan(snapshot_id=current.snapshot_id).plan_files():
            value = task.file.partition[0]
            key = (date(1970, 1, 1) + timedelta(days=value)).isoformat() if is_date else str(value)
            names.setdefault(key, []).append(task.file.file_path)
        found = {k: hashlib.sha256("\n".join(sorted(v)).encode()).hexdigest()[:12] for k, v in names.items()}
        return current.snapshot_id, found

    def row_count(self, dataset: Dataset, *, tag: str | None = None) -> int:
        """Rows of the current snapshot, or of a tag's, from metadata alone; 0 where there is none."""
        table = self._load(dataset)
        shown = table.snapshot_by_name(tag or "main") if table else None
        if shown is None or shown.summary is None:
            return 0
        return int(shown.summary.additional_properties.get("total-records", 0))

    def snapshot_id(self, dataset: Dataset) -> int | None:
        table = self._load(dataset)
        current = table.current_snapshot() if table else None
        return current.snapshot_id if current else None

    # Tags

    def tag(self, dataset: Dataset, name: str) -> int | None:
        """Give the current snapshot a name, which keeps it readable for ever; a tag that is there moves to it."""
        for attempt in range(ATTEMPTS):
            table = self._load(dataset)
            current = table.current_snapshot() if table else None
            if table is None or current is None:
                return None
            held = table.refs().get(name)
            if held is not None and held.snapshot_id == current.snapshot_id:
                return current.snapshot_id
            try:
                with table.manage_snapshots() as manage:
                    if held is not None:
                        manage.remove_tag(name)
                    manage.create_tag(current.snapshot_id, name)
                return current.snapshot_id
            except Exception as error:
                if not lost_race(error):
                    raise
                pause(attempt)
        raise CommitConflict(f"{dataset.name} could not be tagged.", remedy="Run it again.")

    def tags(self, dataset: Dataset) -> dict[str, int]:
        """Tags and the snapshots they hold."""
        table = self._load(dataset)
        return {name: ref.snapshot_id for name, ref in table.refs().items() if name != "main"} if table else {}

    def maintain(self, dataset: Dataset, *, now: datetime, keep_for: timedelta, orphan_age: timedelta) -> Any:
        """Compact, expire and clean up: see maintenance.py."""
        from o9_assets.resources.lake.maintenance import maintain

        return maintain(self, dataset, now=now.replace(tzinfo=UTC), keep_for=keep_for, orphan_age=orphan_age)


def _check_base(dataset: Dataset, table: Table, based_on: int | None) -> None:
    current = table.current_snapshot()
    if (current.snapshot_id if current else None) != based_on:
        raise CommitConflict(
            f"{dataset.name} was written by another run since it was read.", remedy="It is read anew and tried again."
        )


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Delete operation did not match any records")
        yield
