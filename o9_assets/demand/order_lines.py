"""Current versions of order lines: made from every version, or merged from what changed.

The functions work on a DuckDB connection with these views or tables:

    accepted_orders       accepted rows of raw.erp_orders (for `merge`: of the ingests since the last run)
    conversion_versions   accepted rows of raw.uom_conversions
    items                 curated.items

and, for `merge`, what the last run left and what became void since:

    stored_lines          curated.order_lines
    stored_deletions      curated.deleted_order_lines
    stored_factors        curated.unit_factors of order_lines
    new_objects           object_id: objects that came, were read again, or came and were replaced, since the last run
    reread_objects        object_id: those of them that stored_lines may hold lines of; none where none was read again
    replaced_orders       rows of raw.erp_orders whose object has a newer version since the last run, or holds again
    all_orders            accepted rows of raw.erp_orders; only where a row became void, `merge` has it registered

Both give a query for each month to write, and leave `deleted_lines` and `unit_factors` behind for the caller to keep.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from o9_assets.demand.factors import compare_factors, factors
from o9_assets.demand.parameters import key_hash
from o9_assets.demand.queries import query
from o9_assets.demand.steps import FEW, among, any_row, count, days_in, few_rows, table, view

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
SEVERAL_VERSIONS = "SELECT key_hash FROM order_versions GROUP BY key_hash HAVING count(*) > 1"
CANCELLED = """
    SELECT s.*, false FROM stored_lines AS s SEMI JOIN cancel_targets USING (key_hash, order_id, order_line)
    ANTI JOIN old_lines USING (key_hash, order_id, order_line)
"""
COUNTED = "item_code, location_code, channel_code, demand_date, counts_as, base_quantity, value"


@dataclass(frozen=True, slots=True)
class Merge:
    """What a merge changes: the months of `order_date` that hold a changed line, each with the query of its lines; days
    whose demand is another; whether lines are deleted now that were not (`newly_deleted`), and whether others no longer
    are, or by another version, so that `deleted_lines` holds less than before; how many lines went or came."""

    months: dict[date, str] = field(default_factory=dict)
    demand_days: list[date] = field(default_factory=list)
    deleted: bool = False
    undeleted: bool = False
    lines_changed: int = 0


def build(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> dict[date, str]:
    """Make order lines from every version there is: a query for each month of `order_date`.

    Nothing is computed before such a query runs, and it reads the raw rows of its month only: memory stays flat.
    """
    view(con, "order_versions", query("order_versions", given))
    factors(con, given, "SELECT DISTINCT item_code FROM order_versions")
    table(con, "repeated_keys", query("repeated_keys", given))
    repeated = "SELECT v.* FROM order_versions AS v SEMI JOIN repeated_keys AS r ON r.key_hash = v.key_hash"
    table(con, "outdated_versions", f"WITH repeated_versions AS ({repeated}) {query('outdated_versions', given)}")
    con.execute("DROP TABLE repeated_keys").fetchall()
    latest = f"WITH latest_versions AS ({query('latest_versions', given)})"
    table(con, "cancellations", f"{latest} {query('cancellations', given)}")
    view(con, "deleted_lines", f"{latest} {query('deletions', given)}")
    months = days_in(con, "SELECT DISTINCT order_month FROM order_versions WHERE op <> 'D'")
    return {month: _of_month(month, given) for month in months}


def _of_month(month: date, given: Mapping[str, str]) -> str:
    """Order lines of a month, as one query."""
    last = month.replace(day=monthrange(month.year, month.month)[1])
    accepted = f"(SELECT * FROM accepted_orders WHERE order_date BETWEEN DATE '{month}' AND DATE '{last}')"
    return f"""
        WITH order_versions AS ({_versions_of(accepted, given)}),
        outdated_versions AS (SELECT * FROM temp.outdated_versions WHERE order_month = DATE '{month}'),
        latest_versions AS ({query("latest_versions", given)}),
        standing_lines AS (SELECT * FROM latest_versions WHERE op <> 'D')
        SELECT * FROM ({query("order_lines", given)})
    """


def merge(
    con: duckdb.DuckDBPyConnection, given: Mapping[str, str], new_rows: int, register_all: Callable[[], None]
) -> Merge:
    """Merge new versions into the stored lines; the result is what `build` would make of everything.

    `new_rows` says how many rows `accepted_orders` has; `register_all` registers `all_orders`.
    """
    keep = few_rows if new_rows <= FEW else table
    keep(con, "new_versions", query("order_versions", given))
    changed = "SELECT key_hash, order_id, order_line FROM new_versions"
    table(con, "void_keys", _void_keys(con, given))
    # What a void version hid may stand again: only the raw rows still know it.
    from_raw = any_row(con, "void_keys")
    if from_raw:
        register_all()
    view(con, "changed_keys", f"{changed} UNION ALL SELECT key_hash, order_id, order_line FROM void_keys")
    factors(
        con,
        given,
        "SELECT DISTINCT item_code FROM new_versions UNION SELECT DISTINCT item_code FROM stored_factors",
    )
    compare_factors(con)
    table(con, "old_deletions", _old_deletions())
    converts_otherwise = any_row(con, "changed_items")
    keep = few_rows if count(con, "changed_keys") <= FEW and not converts_otherwise else table
    keep(con, "old_lines", _old_lines(con, converts_otherwise=converts_otherwise))
    # Wide rows are kept once, as recomputed lines; until then each step reads the columns it needs.
    view(con, "order_versions", _versions_of_changed_keys(con, given, from_raw=from_raw))
    repeated = f"SELECT v.* FROM order_versions AS v SEMI JOIN ({SEVERAL_VERSIONS}) AS r ON r.key_hash = v.key_hash"
    outdated = query("outdated_versions", given)
    table(con, "outdated_versions", f"WITH repeated_versions AS ({repeated}) {outdated}")
    view(con, "latest_versions", query("latest_versions", given))
    if _any_cancelled(con):
        keep(con, "old_lines", f"SELECT * FROM old_lines UNION ALL {CANCELLED}")
    view(
        con,
        "standing_lines",
        f"""
        SELECT {VERSION} FROM latest_versions WHERE op <> 'D'
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
        SELECT cancels_order_id, cancels_order_line FROM latest_versions WHERE op <> 'D' AND kind_rule = -2
        """,
    )
    keep(con, "recomputed_lines", query("order_lines", given))
    return _difference(con)


def _versions_of(relation: str, given: Mapping[str, str]) -> str:
    """The query of order_versions.sql over other rows than `accepted_orders`."""
    return f"WITH accepted_orders AS (SELECT * FROM {relation}) {query('order_versions', given)}"


def _void_keys(con: duckdb.DuckDBPyConnection, given: Mapping[str, str]) -> str:
    """Lines of which a version became void: its object was replaced, or read again and now holds none or an older one,
    so that what it hid may stand."""
    keys = "key_hash, order_id, order_line"
    version = "changed_at, change_seq, known_at, line"
    table(
        con,
        "seen_again",
        f"""
        SELECT {keys}, object_id, {version} FROM stored_lines SEMI JOIN reread_objects USING (object_id)
        UNION ALL
        SELECT {keys}, object_id, {version} FROM stored_deletions SEMI JOIN new_objects USING (object_id)
        """,
    )
    replaced = f"SELECT {keys} FROM ({_versions_of('replaced_orders', given)})"
    if not any_row(con, "seen_again"):
        return replaced
    return f"""
        {replaced}
        UNION
        SELECT {keys} FROM seen_again AS s
        ANTI JOIN new_versions AS n
            ON n.key_hash = s.key_hash AND n.order_id = s.order_id AND n.order_line = s.order_line
            AND n.object_id = s.object_id AND (n.{version.replace(", ", ", n.")}) >= (s.{version.replace(", ", ", s.")})
    """


def _old_lines(con: duckdb.DuckDBPyConnection, *, converts_otherwise: bool) -> str:
    """Stored lines that have a new version, or whose item converts otherwise now."""
    # Two columns tell the months; the other two dozen are read of these months only.
    months = days_in(
        con, "SELECT DISTINCT order_month FROM stored_lines WHERE key_hash IN (SELECT key_hash FROM changed_keys)"
    )
    changed = f"""
        SELECT s.*, true AS is_changed FROM (SELECT * FROM stored_lines WHERE {among("order_month", months)}) AS s
        SEMI JOIN changed_keys USING (key_hash, order_id, order_line)
    """
    if not converts_otherwise:
        return changed
    return f"""
        {changed}
        UNION ALL
        SELECT s.*, false FROM (SELECT * FROM stored_lines SEMI JOIN changed_items USING (item_code)) AS s
        ANTI JOIN changed_keys USING (key_hash, order_id, order_line)
    """


def _old_deletions() -> str:
    """Stored deletions of lines that have a new version. The hash alone leaves few of them to compare by their key."""
    return f"""
        SELECT {DELETION}
        FROM (SELECT * FROM stored_deletions WHERE key_hash IN (SELECT key_hash FROM changed_keys))
        SEMI JOIN changed_keys USING (key_hash, order_id, order_line)
    """


def _versions_of_changed_keys(con: duckdb.DuckDBPyConnection, given: Mapping[str, str], *, from_raw: bool) -> str:
    """Every version of the changed lines that can be the latest. Of an object that was read again, only what it gives
    now counts."""
    if from_raw:
        every = _versions_of("all_orders", given)
        keys = "key_hash, order_id, order_line"
        table(con, "raw_versions", f"SELECT v.* FROM ({every}) AS v SEMI JOIN changed_keys USING ({keys})")
        return f"SELECT {VERSION} FROM raw_versions"
    return f"""
        SELECT {VERSION} FROM new_versions
        UNION ALL
        SELECT {STORED_VERSION} FROM old_lines ANTI JOIN new_objects USING (object_id) WHERE is_changed
        UNION ALL BY NAME
        SELECT {DELETION}, 'D' AS op FROM old_deletions ANTI JOIN new_objects USING (object_id)
    """


def _any_cancelled(con: duckdb.DuckDBPyConnection) -> bool:
    """Leave `cancel_targets`, the lines that a changed line cancels by name, or did before; whether there is one."""
    table(
        con,
        "cancel_targets",
        f"""
        SELECT DISTINCT {key_hash("order_id", "order_line")} AS key_hash, order_id, order_line
        FROM (
            SELECT cancels_order_id AS order_id, cancels_order_line AS order_line FROM old_lines
            WHERE kind_rule = -2 AND is_changed
            UNION
            SELECT cancels_order_id, cancels_order_line FROM latest_versions WHERE kind_rule = -2
        )
        ANTI JOIN changed_keys USING (order_id, order_line)
        """,
    )
    return any_row(con, "cancel_targets")


def _difference(con: duckdb.DuckDBPyConnection) -> Merge:
    """What is another line than before, and the lines of the months that hold one."""
    compared = LINE.split(", ")
    other = " OR ".join(f"o.{name} IS DISTINCT FROM n.{name}" for name in compared)
    counts_otherwise = " OR ".join(f"o.{name} IS DISTINCT FROM n.{name}" for name in COUNTED.split(", "))
    table(
        con,
        "changed_lines",
        f"""
        SELECT
            o.order_month AS old_month,
            n.order_month AS new_month,
            CASE WHEN o.counts_as <> 'none' AND ({counts_otherwise}) THEN o.demand_date END AS old_day,
            CASE WHEN n.counts_as <> 'none' AND ({counts_otherwise}) THEN n.demand_date END AS new_day
        FROM recomputed_lines AS n
        FULL JOIN old_lines AS o
            ON n.key_hash = o.key_hash AND n.order_id = o.order_id AND n.order_line = o.order_line
        WHERE {other}
        """,
    )
    months = days_in(con, "SELECT old_month FROM changed_lines UNION SELECT new_month FROM changed_lines")
    demand_days = days_in(con, "SELECT old_day FROM changed_lines UNION SELECT new_day FROM changed_lines")
    table(con, "deleted_now", f"SELECT {DELETION} FROM latest_versions WHERE op = 'D'")
    view(
        con,
        "deleted_lines",
        f"""
        SELECT {DELETION} FROM stored_deletions ANTI JOIN changed_keys USING (key_hash, order_id, order_line)
        UNION ALL
        SELECT * FROM deleted_now
        """,
    )
    view(con, "newly_deleted", "SELECT * FROM deleted_now EXCEPT SELECT * FROM old_deletions")
    return Merge(
        {month: _merged_month(month) for month in months},
        demand_days,
        any_row(con, "newly_deleted"),
        any_row(con, "(SELECT * FROM old_deletions EXCEPT SELECT * FROM deleted_now)"),
        count(con, "changed_lines"),
    )


def _merged_month(month: date) -> str:
    """Order lines of a month, of which some changed: the stored ones but for those that were looked at, and these."""
    of_month = f"WHERE order_month = DATE '{month}'"
    return f"""
        SELECT s.{LINE.replace(", ", ", s.")} FROM (SELECT * FROM stored_lines {of_month}) AS s
        ANTI JOIN (SELECT * FROM old_lines {of_month}) AS o USING (key_hash, order_id, order_line)
        UNION ALL
        SELECT {LINE} FROM recomputed_lines {of_month}
    """
