"""Every asset looks alike in the UI: key, group, description, schema and owners come from its dataset."""

import dagster as dg
import pytest

from o9_assets.assets.declare import dataset_asset
from o9_assets.dataset import Column, Dataset

STOCK = Dataset(
    "raw.stock",
    "One row per item and day.",
    (Column("item_code", "string", "The item", True), Column("on_hand", "decimal(18,4)", "Pieces")),
)


@dataset_asset(STOCK, kinds={"iceberg"}, deps=[["raw", "other"]])
def stock(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
    return dg.MaterializeResult(metadata={"dagster/row_count": 3})


SPEC = stock.get_asset_spec()


def test_key_group_kinds_and_dependencies() -> None:
    assert SPEC.key == dg.AssetKey(["raw", "stock"])
    assert SPEC.group_name == "raw"
    assert SPEC.kinds == {"iceberg"}
    assert [dep.asset_key for dep in SPEC.deps] == [dg.AssetKey(["raw", "other"])]
    assert SPEC.owners == ["team:data-platform"]


def test_the_description_is_the_module_s_page_and_what_one_row_is() -> None:
    assert SPEC.description == f"{__doc__}\n\nOne row per item and day."


def test_the_ui_gets_every_column_with_type_and_meaning() -> None:
    schema = SPEC.metadata["dagster/column_schema"]
    assert [(c.name, c.type, c.description, c.constraints.nullable) for c in schema.columns] == [
        ("item_code", "string", "The item", False),
        ("on_hand", "decimal(18,4)", "Pieces", True),
    ]


def test_a_generator_is_refused_for_its_errors_would_escape() -> None:
    with pytest.raises(TypeError, match=r"raw\.stock: return a MaterializeResult"):

        @dataset_asset(STOCK, kinds={"iceberg"})
        def yields(context: dg.AssetExecutionContext):  # type: ignore[no-untyped-def]
            yield dg.MaterializeResult()
