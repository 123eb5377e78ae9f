"""How every table of the warehouse is filled: one transaction, then a comparison with the lake on the same connection.

The comparison is the blocking check `agrees_with_the_lake`: numbers agree end to end, or whoever reads the warehouse
next does not start. Tables of facts are also checked for members that their dimensions lack, for a join would drop
their rows without a word.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.dataset import Dataset

if TYPE_CHECKING:
    import duckdb

    from o9_assets.resources.warehouse import Loaded, Warehouse

__all__ = ["AGREES", "MEMBERS", "checks", "fill", "lacking"]

AGREES = "agrees_with_the_lake"
MEMBERS = "members_are_in_the_dimensions"


def checks(dataset: Dataset, *names: str) -> list[dg.AssetCheckSpec]:
    """The blocking checks that `fill` evaluates for a dataset."""
    described = {
        AGREES: "Counts and sums are those of the lake, exactly; doubles to nine digits.",
        MEMBERS: "Every item, location and week of a fact has its row in the dimension.",
    }
    key = dg.AssetKey(dataset.asset_key)
    return [dg.AssetCheckSpec(name, asset=key, description=described[name], blocking=True) for name in names]


def fill(
    con: "duckdb.DuckDBPyConnection",
    warehouse: "Warehouse",
    dataset: Dataset,
    source: str,
    *,
    lake_totals: str,
    warehouse_totals: str,
    where: str = "true",
    by: str | None = None,
    lacking: Mapping[str, str] | None = None,
) -> dg.MaterializeResult:
    """Make the slice `where` of the dataset's table hold the rows of `source`, and compare it with the lake.

    The warehouse is attached to `con`. `lake_totals` and `warehouse_totals` are queries of one row with the same
    columns; `lacking` are the queries that `lacking()` makes. Raises WarehouseContract.
    """
    loaded = warehouse.load(con, dataset, source, where=where, by=by)
    results = [_agreement(_row(con, lake_totals), _row(con, warehouse_totals))]
    if lacking is not None:
        results.append(
            _membership({name: [str(m) for (m,) in con.execute(query).fetchall()] for name, query in lacking.items()})
        )
    return dg.MaterializeResult(metadata=_metadata(loaded), check_results=results)


def lacking(table: str, where: str = "true") -> dict[str, str]:
    """By dimension, the query for members of a fact's slice that it lacks. ALL stands for no member."""
    dimensions = {"items": "item_code", "locations": "location_code", "weeks": "week_start"}
    return {
        name: f"SELECT DISTINCT {key} FROM {table} WHERE ({where}) AND CAST({key} AS VARCHAR) <> 'ALL' "
        f"AND {key} NOT IN (SELECT {key} FROM warehouse.{name}) ORDER BY 1"
        for name, key in dimensions.items()
    }


def _metadata(loaded: "Loaded") -> dict[str, Any]:
    return {
        "dagster/row_count": loaded.row_count,
        "rows deleted": loaded.rows_deleted,
        "rows inserted": loaded.rows_inserted,
        "groups that differed": loaded.groups_changed,
    }


def _row(con: "duckdb.DuckDBPyConnection", query: str) -> dict[str, Any]:
    relation = con.sql(query)
    return dict(zip(relation.columns, relation.fetchall()[0], strict=True))


def _agreement(lake: Mapping[str, Any], held: Mapping[str, Any]) -> dg.AssetCheckResult:
    breaks = [name for name in lake if not _equal(lake[name], held.get(name))]
    lines = [f"| {name} | {lake[name]} | {held.get(name)} | {'✗' if name in breaks else ''} |" for name in lake]
    return dg.AssetCheckResult(
        check_name=AGREES,
        passed=not breaks,
        description=f"The warehouse and the lake differ in {', '.join(breaks)}." if breaks else "Equal.",
        metadata={
            "comparison": dg.MetadataValue.md("\n".join(["| | lake | warehouse | |", "|---|---|---|---|", *lines]))
        },
    )


def _equal(one: Any, other: Any) -> bool:
    """Counts and decimals exactly; doubles are summed in another order on each side."""
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= 1e-9 * max(abs(one), abs(other))
    if isinstance(one, Decimal | int) and isinstance(other, Decimal | int):
        return Decimal(one) == Decimal(other)
    return bool(one == other)


def _membership(found: Mapping[str, list[str]]) -> dg.AssetCheckResult:
    named = {name: members for name, members in found.items() if members}
    told = "; ".join(f"{name}: {', '.join(members[:10])}" for name, members in named.items())
    return dg.AssetCheckResult(
        check_name=MEMBERS,
        passed=not named,
        description=f"Without a row in the dimension – {told}." if named else "All there.",
        metadata={name: len(members) for name, members in found.items()},
    )
