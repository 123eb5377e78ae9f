"""How a dataset becomes an asset: one decorator, so that every asset looks alike in Dagster's UI.

It takes key, group, description, schema and table name from the `Dataset`, and turns the platform's errors into
Dagster's (see failures.py). What an asset does belongs in its own file.
"""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import dagster as dg

from o9_assets.dataset import Dataset
from o9_assets.failures import for_dagster
from o9_assets.resources import aws

__all__ = ["OWNERS", "column_schema", "dataset_asset"]

OWNERS = {
    "raw": ["team:data-platform"],
    "curated": ["team:demand-planning", "team:data-platform"],
    "forecast": ["team:demand-planning"],
    "o9": ["team:demand-planning"],
    "warehouse": ["team:analytics"],
    "lake": ["team:data-platform"],
}


def column_schema(dataset: Dataset) -> dg.TableSchema:
    """The dataset's columns as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                c.name,
                c.type,
                description=c.description,
                constraints=dg.TableColumnConstraints(nullable=not c.required),
            )
            for c in dataset.columns
        ]
    )


def dataset_asset(
    dataset: Dataset,
    *,
    kinds: set[str],
    deps: Iterable[Sequence[str] | dg.AssetDep] = (),
    owners: Sequence[str] | None = None,
    automation: dg.AutomationCondition[Any] | None = None,
    pool: str | None = None,
    tags: dict[str, str] | None = None,
    partitions_def: dg.PartitionsDefinition[str] | None = None,
    description: str | None = None,
    check_specs: Sequence[dg.AssetCheckSpec] | None = None,
    freshness: dg.FreshnessPolicy | None = None,
    group: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare the decorated function as the asset that makes `dataset`.

    The description is the docstring of the module that holds the function, then what one row is.
    `deps` are asset keys as lists of parts; `group` is the layer, the first part of the name, by default. The function
    returns a MaterializeResult; a generator's errors would escape the translation, so it is refused.
    """
    layer = dataset.asset_key[0]

    def decorate(body: Callable[..., Any]) -> dg.AssetsDefinition:
        if inspect.isgeneratorfunction(body):
            raise TypeError(f"{dataset.name}: return a MaterializeResult instead of yielding one")

        @functools.wraps(body)
        def run(context: dg.AssetExecutionContext, **resources: Any) -> Any:
            with for_dagster(context.retry_number), aws.told():
                return body(context, **resources)

        module = inspect.getmodule(body)
        page = inspect.cleandoc((module.__doc__ if module else "") or "")
        return dg.asset(
            key=dataset.asset_key,
            description=description or f"{page}\n\n{dataset.description}",
            group_name=group or layer,
            kinds=kinds,
            owners=list(owners or OWNERS[layer]),
            deps=[dep if isinstance(dep, dg.AssetDep) else dg.AssetKey(list(dep)) for dep in deps],
            metadata={
                "dagster/column_schema": column_schema(dataset),
                "dagster/table_name": dataset.name,
            },
            automation_condition=automation,
            pool=pool,
            tags=tags,
            partitions_def=partitions_def,
            check_specs=check_specs,
            freshness_policy=freshness,
        )(run)

    return decorate
