"""A dataset's declaration is one contract for Arrow, DuckDB and the lake."""

import pyarrow as pa
import pytest

from o9_assets.dataset import Column, Dataset

PRICES = Dataset(
    "curated.prices",
    "One row per item.",
    (
        Column("item_code", "string", "Item", True),
        Column("price", "decimal(18,4)", "Price"),
        Column("valid_from_date", "date", "First day", True),
    ),
    key=("item_code",),
    partition_by=("valid_from_date",),
)


def test_the_table_name_is_the_asset_key() -> None:
    assert PRICES.asset_key == ["curated", "prices"]


def test_columns_keep_order_type_and_nullability_in_arrow() -> None:
    assert PRICES.arrow_schema == pa.schema(
        [
            pa.field("item_code", pa.string(), nullable=False),
            pa.field("price", pa.decimal128(18, 4)),
            pa.field("valid_from_date", pa.date32(), nullable=False),
        ]
    )


def test_duckdb_sees_the_same_types() -> None:
    assert PRICES.select_list() == (
        'CAST("item_code" AS VARCHAR) AS "item_code", CAST("price" AS DECIMAL(18,4)) AS "price", '
        'CAST("valid_from_date" AS DATE) AS "valid_from_date"'
    )


@pytest.mark.parametrize(
    ("key", "columns", "said"),
    [
        (("item",), (Column("item_code", "string", ""),), "'item' is no column"),
        ((), (Column("a", "string", ""), Column("a", "date", "")), "declared twice"),
    ],
)
def test_a_wrong_declaration_says_what_is_wrong(key: tuple[str, ...], columns: tuple[Column, ...], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Dataset("raw.x", "", columns, key=key)


def test_asking_for_a_column_that_is_not_there_names_the_dataset() -> None:
    with pytest.raises(KeyError, match=r"curated\.prices has no column 'cost'"):
        PRICES.column("cost")
