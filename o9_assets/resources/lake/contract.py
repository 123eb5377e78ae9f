"""A dataset's declaration as an Iceberg schema, and the contract between the two: columns may be added, no more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from o9_assets.dataset import Column, Dataset
from o9_assets.resources.lake.errors import ContractBroken

if TYPE_CHECKING:
    from pyiceberg.partitioning import PartitionSpec
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.types import IcebergType

__all__ = ["differences", "evolve", "iceberg_type", "new_schema", "new_spec"]


def iceberg_type(column: Column) -> IcebergType:
    """The Iceberg type of a declared column."""
    from pyiceberg import types as t

    if match := re.fullmatch(r"decimal\((\d+),\s*(\d+)\)", column.type):
        return t.DecimalType(int(match[1]), int(match[2]))
    simple: dict[str, IcebergType] = {
        "string": t.StringType(),
        "date": t.DateType(),
        "timestamp": t.TimestampType(),
        "int32": t.IntegerType(),
        "int64": t.LongType(),
        "double": t.DoubleType(),
        "boolean": t.BooleanType(),
    }
    return simple[column.type]


def new_schema(dataset: Dataset) -> Schema:
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    return Schema(
        *(
            NestedField(number, column.name, iceberg_type(column), required=column.required, doc=column.description)
            for number, column in enumerate(dataset.columns, start=1)
        )
    )


def new_spec(dataset: Dataset, schema: Schema) -> PartitionSpec:
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.transforms import IdentityTransform

    return PartitionSpec(
        *(
            PartitionField(schema.find_field(name).field_id, 1000 + number, IdentityTransform(), name)
            for number, name in enumerate(dataset.partition_by)
        )
    )


def differences(dataset: Dataset, schema: Schema) -> tuple[list[str], list[Column]]:
    """What breaks the contract, as sentences, and the columns that are new."""
    broken, new = [], []
    there = {field.name: field for field in schema.fields}
    for column in dataset.columns:
        field = there.pop(column.name, None)
        if field is None:
            if column.required:
                broken.append(
                    f"column {column.name} is new and required, but rows that are in lack it; make it optional"
                )
            else:
                new.append(column)
            continue
        wanted = iceberg_type(column)
        if field.field_type != wanted:
            broken.append(f"column {column.name} is {field.field_type} in the lake and {wanted} in the declaration")
        if column.required and not field.required:
            broken.append(f"column {column.name} is optional in the lake and required in the declaration")
    broken += [f"column {name} is in the lake and no longer declared (dropped or renamed)" for name in there]
    return broken, new


def evolve(table: Table, dataset: Dataset) -> bool:
    """Add what is new to the table; returns whether anything was. Raises ContractBroken for any other difference."""
    broken, new = differences(dataset, table.schema())
    identity = [field.name for field in table.spec().fields]
    if identity != list(dataset.partition_by):
        broken.append(f"the partitions are {identity} in the lake and {list(dataset.partition_by)} in the declaration")
    if broken:
        raise ContractBroken(
            f"{dataset.name} breaks its contract: " + "; ".join(broken) + ".",
            remedy="Declare the column as it was, or make a new dataset and rebuild it.",
        )
    if not new:
        return False
    with table.update_schema() as update:
        for column in new:
            update.add_column(column.name, iceberg_type(column), doc=column.description)
    return True
