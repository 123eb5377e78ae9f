"""Current versions of order lines: made from every version, or merged from what changed.

The functions work on a DuckDB connection with these views or tables:

    accepted_orders       accepted rows of raw.erp_orders (for `merge`: of the ingests since the last run)
    conversion_versions   accepted rows of raw.uom_conversions
    items                 curated.items

and, for `merge`, what the last run left and what became void since:

    stored_lines          curated.order_lines
    stored_deletions      curated.deleted_order_lines
    stored_factors        curated.unit_factors of order_lines
    replaced_orders       rows of raw.erp_orders whose object has a newer version since the last run
    all_orders            accepted rows of raw.erp_orders, read only where something was replaced

Both leave the tables or views `order_lines`, `deleted_lines` and `unit_factors` behind for the caller to write.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from o9_assets.demand.factors import changed_items, factors
from o9_assets.demand.parameters import key_hash
from o9_assets.demand.queries import query
from o9_assets.demand.steps import among, any_row, count, days_in, table, view

if TYPE_CHECKING:
    import duckdb

__all__ = ["Merge", "build", "merge"]

VERSION = (
    "order_month, key_hash, order_id, order_line, kind_rule, item_code, location_code, channel_code, customer_code, "
    "order_date, demand_date, quantity, uom_code, value, cancels_order_id, cancels_order_line, op, changed_at, "
    "change_seq, known_at, object_id, object_name, line"
)
LINE = (
    "order_month, key_hash, order_id, order_line, kind_rule, kind, counts_as, item_code, location_code, channel_code, "
    "customer_code, order_date, demand_date, quantity, uom_code, base_quantity, value, issue, cancels_order_id, "
    "cancels_order_line, changed_at, change_seq, known_at, object_id, object_name, line"
)
DELETION = "key_hash, order_id, order_line, changed_at, change_seq, known_at, object_id, object_name, line"
STORED_VERSION = VERSION.replace(" op,", " 'U' AS op,")
COUNTED = "item_code, location_code, channel_code, demand_date, counts_as, base_quantity, value"


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merge changes: months of `order_date` to rewrite with `order_lines`, days whose demand is another, whether
    the deleted lines are others, and how many lines were looked at."""

    months: list[date] = field(default_factory=list)
    demand_days: list[date] = field(default_factory=list)
    deletions_changed: bool = False
    lines_changed: int = 0


def build(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> None:
    """Make order lines from every version there is. `order_lines` is left as a view: nothing is computed before it is
    written, and what does not fit into memory is spilled."""
    view(con, "order_versions", query("order_versions", given))
    factors(con, given, "SELECT DISTINCT item_code FROM order_versions")
    table(con, "cancellations", query("cancellations", given))
    table(con, "deleted_lines", query("deletions", given))
    table(con, "repeated_keys", query("repeated_keys", given))
    view(con, "latest_versions", query("latest_versions", given))
    view(con, "standing_lines", "SELECT * FROM latest_versions WHERE op <> 'D'")
    view(con, "order_lines", query("order_lines", given))


def merge(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> Merge:
    """Merge new versions into the stored lines; the result is what `build` would make of everything."""
    table(con, "new_versions", query("order_versions", given))
    changed = "SELECT key_hash, order_id, order_line FROM new_versions"
    replaced = any_row(con, "replaced_orders")
    if replaced:
        # What a void version hid may stand again: only the raw rows still know it.
        changed += f" UNION ALL SELECT key_hash, order_id, order_line FROM ({_versions_of('replaced_orders', given)})"
    table(con, "changed_keys", f"SELECT DISTINCT key_hash, order_id, order_line FROM ({changed})")
    factors(
        con,
        given,
        "SELECT DISTINCT item_code FROM new_versions UNION SELECT DISTINCT item_code FROM stored_factors",
    )
    table(con, "changed_items", changed_items())
    _old_lines(con)
    table(con, "order_versions", _versions_of_changed_keys(given, from_raw=replaced))
    table(con, "repeated_keys", query("repeated_keys", given))
    table(con, "latest", query("latest_versions", given))
    _add_cancelled(con)
    table(
        con,
        "standing_lines",
        f"""
        SELECT {VERSION} FROM latest WHERE op <> 'D'
        UNION ALL
        SELECT {STORED_VERSION} FROM old_lines WHERE NOT is_changed
        """,
    )
    table(
        con,
        "cancellations",
        """
        SELECT cancels_order_id AS order_id, cancels_order_line AS order_line
        FROM (SELECT * FROM stored_lines WHERE kind_rule = -2)
        ANTI JOIN changed_keys USING (key_hash, order_id, order_line)
        UNION
        SELECT cancels_order_id, cancels_order_line FROM latest WHERE op <> 'D' AND kind_rule = -2
        """,
    )
    table(con, "recomputed_lines", query("order_lines", given))
    return _difference(con)


def _versions_of(relation: str, given: Mapping[str, str]) -> str:
    """The query of order_versions.sql over other rows than `accepted_orders`."""
    return f"WITH accepted_orders AS (SELECT * FROM {relation}) {query('order_versions', given)}"


def _old_lines(con: duckdb.DuckDBPyConnection) -> None:
    """`old_lines`: stored lines that have a new version, or whose item converts otherwise now."""
    # Two columns tell the months; the other two dozen are read of these months only.
    months = days_in(
        con, "SELECT DISTINCT order_month FROM stored_lines WHERE key_hash IN (SELECT key_hash FROM changed_keys)"
    )
    if any_row(con, "changed_items"):
        months += days_in(
            con,
            "SELECT DISTINCT order_month FROM stored_lines WHERE item_code IN (SELECT item_code FROM changed_items)",
        )
    table(
        con,
        "old_lines",
        f"""
        SELECT s.*, c.key_hash IS NOT NULL AS is_changed
        FROM (SELECT * FROM stored_lines WHERE {among("order_month", months)}) AS s
        LEFT JOIN changed_keys AS c USING (key_hash, order_id, order_line)
        WHERE c.key_hash IS NOT NULL OR s.item_code IN (SELECT item_code FROM changed_items)
        """,
    )


def _versions_of_changed_keys(given: Mapping[str, str], *, from_raw: bool) -> str:
    """Every version of the changed lines that can be the latest."""
    if from_raw:
        every = _versions_of("all_orders", given)
        return f"SELECT v.* FROM ({every}) AS v SEMI JOIN changed_keys USING (key_hash, order_id, order_line)"
    return f"""
        SELECT {VERSION} FROM new_versions
        UNION ALL
        SELECT {STORED_VERSION} FROM old_lines WHERE is_changed
        UNION ALL BY NAME
        SELECT {DELETION}, 'D' AS op FROM stored_deletions SEMI JOIN changed_keys USING (key_hash, order_id, order_line)
    """


def _add_cancelled(con: duckdb.DuckDBPyConnection) -> None:
    """Add to `old_lines` the stored lines that a changed line cancels by name, or did before."""
    table(
        con,
        "cancel_targets",
        f"""
        SELECT DISTINCT {key_hash("order_id", "order_line")} AS key_hash, order_id, order_line
        FROM (
            SELECT cancels_order_id AS order_id, cancels_order_line AS order_line FROM old_lines
            WHERE kind_rule = -2 AND is_changed
            UNION
            SELECT cancels_order_id, cancels_order_line FROM latest WHERE kind_rule = -2
        )
        ANTI JOIN changed_keys USING (order_id, order_line)
        """,
    )
    if any_row(con, "cancel_targets"):
        con.execute(
            """
            INSERT INTO old_lines
            SELECT s.*, false FROM stored_lines AS s SEMI JOIN cancel_targets USING (key_hash, order_id, order_line)
            ANTI JOIN old_lines USING (key_hash, order_id, order_line)
            """
        )


def _difference(con: duckdb.DuckDBPyConnection) -> Merge:
    """What is another line than before, and `order_lines` of the months that hold one."""
    table(
        con,
        "changed_lines",
        f"""
        (SELECT {LINE} FROM old_lines EXCEPT ALL SELECT {LINE} FROM recomputed_lines)
        UNION ALL
        (SELECT {LINE} FROM recomputed_lines EXCEPT ALL SELECT {LINE} FROM old_lines)
        """,
    )
    months = days_in(con, "SELECT DISTINCT order_month FROM changed_lines")
    old, new = (
        f"SELECT {COUNTED} FROM {which} WHERE counts_as <> 'none'" for which in ("old_lines", "recomputed_lines")
    )
    demand_days = days_in(
        con, f"SELECT DISTINCT demand_date FROM (({old} EXCEPT ALL {new}) UNION ALL ({new} EXCEPT ALL {old}))"
    )
    view(
        con,
        "order_lines",
        f"""
        SELECT s.* FROM (SELECT * FROM stored_lines WHERE {among("order_month", months)}) AS s
        ANTI JOIN old_lines AS o USING (key_hash, order_id, order_line)
        UNION ALL BY NAME
        SELECT * FROM recomputed_lines WHERE {among("order_month", months)}
        """,
    )
    keys = "(key_hash, order_id, order_line)"
    table(con, "deleted_before", f"SELECT {DELETION} FROM stored_deletions SEMI JOIN changed_keys USING {keys}")
    table(con, "deleted_now", f"SELECT {DELETION} FROM latest WHERE op = 'D'")
    view(
        con,
        "deleted_lines",
        f"""
        SELECT {DELETION} FROM stored_deletions ANTI JOIN changed_keys USING {keys}
        UNION ALL
        SELECT * FROM deleted_now
        """,
    )
    deletions_changed = any_row(con, "(SELECT * FROM deleted_before EXCEPT SELECT * FROM deleted_now)") or any_row(
        con, "(SELECT * FROM deleted_now EXCEPT SELECT * FROM deleted_before)"
    )
    return Merge(months, demand_days, deletions_changed, count(con, "changed_lines"))
