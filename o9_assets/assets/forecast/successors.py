"""Which item takes over the demand of which, as a cycle sees it.

A transition counts from the cycle on in whose first week its effective date lies. Until then the predecessor keeps its
own forecast, and in a chain only the links that count are followed.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from o9_assets.planning.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from o9_assets.resources.lake import Lake

__all__ = ["register_successors"]


def register_successors(con: duckdb.DuckDBPyConnection, lake: Lake, settings: Settings, cycles: Iterable[str]) -> None:
    """Register `successors`: cycle, item_code, successor_item_code. Raises TransitionCycle."""
    import pyarrow as pa

    from o9_assets.assets.curated.inputs import feed_view
    from o9_assets.demand.queries import query
    from o9_assets.demand.transitions import follow

    feed_view(con, lake, settings, "item_transitions", "transition_versions")
    standing = con.execute(query("transitions")).fetchall()
    rows = []
    for cycle in cycles:
        next_week = date.fromisoformat(cycle) + timedelta(weeks=1)
        found = follow(transition for transition in standing if transition[-1] < next_week)
        rows += [(cycle, item, successor.item_code) for item, successor in found.items()]
    names = ("cycle", "item_code", "successor_item_code")
    con.register(
        "successors", pa.table({name: pa.array([row[n] for row in rows], pa.string()) for n, name in enumerate(names)})
    )
