"""Comparing stages: rows of every stage go into one table, and totals and differences follow from it alike.

The table `stage_rows` holds what is compared at present; `totals` and `differing` gather the results.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from o9_assets.exchange.reconciliation.tables import BREAKS, RECONCILIATION
from o9_assets.planning.settings import Reconciliation

if TYPE_CHECKING:
    import duckdb

__all__ = ["Step", "add", "classify", "compare", "prepare"]

IDENTITY = "slice, period_start, period_label, measure_name, item_code, location_code, channel_code, detail"
LEVELS = {"item": "item_code", "location": "location_code", "channel": "channel_code"}


@dataclass(frozen=True, slots=True)
class Step:
    """Two stages to compare, and the measures for which that makes sense (None for all).

    `zero_is_nothing`: a zero in one stage is the same as no row in the other.
    """

    before: str
    after: str
    measures: frozenset[str] | None = None
    zero_is_nothing: bool = False

    def __str__(self) -> str:
        return f"{self.before} → {self.after}"


def prepare(con: duckdb.DuckDBPyConnection) -> None:
    """Make the tables, empty."""
    for name, dataset in (("totals", RECONCILIATION), ("differing", BREAKS)):
        columns = ", ".join(f'"{c.name}" {c.duckdb_type}' for c in dataset.columns)
        con.execute(f"CREATE OR REPLACE TEMP TABLE {name} ({columns})").fetchall()
    _empty(con)


def _empty(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        """
        CREATE OR REPLACE TEMP TABLE stage_rows (
            stage VARCHAR, slice VARCHAR, period_start DATE, period_label VARCHAR, measure_name VARCHAR,
            item_code VARCHAR, location_code VARCHAR, channel_code VARCHAR, detail VARCHAR, origin VARCHAR,
            quantity DECIMAL(28, 4)
        )
        """
    ).fetchall()


def add(con: duckdb.DuckDBPyConnection, stage: str, query: str, measures: Iterable[str]) -> None:
    """Add a stage's rows: a query with the identity's columns, `origin` and a column for each measure. A null is no
    row."""
    listed = ", ".join(f'"{measure}"' for measure in measures)
    con.execute(
        f"""
        INSERT INTO stage_rows BY NAME
        SELECT '{stage}' AS stage, * FROM (
            UNPIVOT (FROM ({query})) ON {listed} INTO NAME measure_name VALUE quantity
        )
        """
    ).fetchall()


def compare(con: duckdb.DuckDBPyConnection, steps: Sequence[Step], levels: Sequence[str] = ()) -> None:
    """Add `stage_rows` to the totals, and their differences between stages; then begin anew."""
    for level in (None, *levels):
        member = "'ALL'" if level is None else LEVELS[level]
        con.execute(
            f"""
            INSERT INTO totals
            SELECT slice, period_start, period_label, measure_name, '{level or "all"}', {member} AS member, stage,
                count(*), sum(quantity),
                printf('%016x', bit_xor(hash(item_code, location_code, channel_code, detail, quantity)))
            FROM stage_rows GROUP BY ALL
            """
        ).fetchall()
    for step in steps:
        among = "true"
        if step.measures is not None:
            among = f"list_contains([{', '.join(_quoted(m) for m in sorted(step.measures))}], measure_name)"
        before, after = "b.quantity", "a.quantity"
        if step.zero_is_nothing:
            before, after = f"coalesce({before}, 0)", f"coalesce({after}, 0)"
        con.execute(
            f"""
            INSERT INTO differing BY NAME
            SELECT {IDENTITY}, '{step}' AS step, coalesce(a.origin, b.origin) AS origin,
                b.quantity AS quantity_before, a.quantity AS quantity_after,
                coalesce(a.quantity, 0) - coalesce(b.quantity, 0) AS difference, 'break' AS class
            FROM (SELECT * FROM stage_rows WHERE stage = '{step.before}' AND {among}) AS b
            FULL OUTER JOIN (SELECT * FROM stage_rows WHERE stage = '{step.after}' AND {among}) AS a USING ({IDENTITY})
            WHERE {before} IS DISTINCT FROM {after}
            """
        ).fetchall()
    _empty(con)


def classify(con: duckdb.DuckDBPyConnection, given: Reconciliation) -> None:
    """Give every difference its class: what has a cause is explained; then rounding, then what the settings tolerate
    of a period's volume in the earlier stage."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE classified AS
        SELECT d.* REPLACE (
            CASE
                WHEN cause IS NOT NULL THEN 'explained'
                WHEN quantity_before IS NOT NULL AND quantity_after IS NOT NULL
                    AND abs(difference) <= {given.rounding_quantity} THEN 'rounding'
                WHEN {given.tolerated_share} > 0
                    AND sum(CASE WHEN cause IS NULL THEN abs(difference) END)
                        OVER (PARTITION BY d.slice, step, d.measure_name, d.period_start, d.period_label)
                    <= {given.tolerated_share} * coalesce(abs(t.quantity), 0) THEN 'tolerated'
                ELSE 'break'
            END AS class
        )
        FROM differing AS d
        LEFT JOIN totals AS t
            ON t.slice = d.slice AND t.measure_name = d.measure_name AND t.period_start = d.period_start
            AND t.period_label = d.period_label AND t.level = 'all' AND t.stage = split_part(d.step, ' → ', 1)
        """
    ).fetchall()


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
