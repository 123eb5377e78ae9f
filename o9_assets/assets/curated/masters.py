"""Small tables that are written only when they say something else than before: how items and locations are kept."""

from typing import TYPE_CHECKING

from o9_assets.dataset import Dataset

if TYPE_CHECKING:
    import duckdb

    from o9_assets.resources.lake import Lake

__all__ = ["replace_if_changed"]


def replace_if_changed(con: "duckdb.DuckDBPyConnection", lake: "Lake", dataset: Dataset, relation: str) -> int:
    """Make the table hold what `relation` does; returns how many rows are other ones. No change, no commit."""
    from o9_assets.resources.lake import everything

    columns = dataset.select_list()
    con.execute(f"CREATE OR REPLACE TEMP TABLE made AS SELECT {columns} FROM {relation} ORDER BY ALL")
    base = lake.view(con, "stored", dataset)
    [(other,)] = con.execute(
        """
        SELECT count(*) FROM (
            (SELECT * FROM made EXCEPT ALL SELECT * FROM stored)
            UNION ALL
            (SELECT * FROM stored EXCEPT ALL SELECT * FROM made)
        )
        """
    ).fetchall()
    if other or base is None:
        lake.overwrite(dataset, con.table("made"), everything(), based_on=base)
    return int(other)
