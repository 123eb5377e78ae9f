"""The first law on curated data: every accepted row is a line that stands, a version that a later one took the place
of, or a line that was deleted; and what lines count is what demand history holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from o9_assets.demand.parameters import key_hash
from o9_assets.demand.steps import count

if TYPE_CHECKING:
    import duckdb

__all__ = ["LineAccount", "account_of_lines", "differences_of_sums"]


@dataclass(frozen=True, slots=True)
class LineAccount:
    """Accepted rows by what became of them; `breaks` says what does not add up."""

    accepted: int
    counting: int
    with_issue: int
    deleted: int
    keys: int
    twice: int

    @property
    def superseded(self) -> int:
        """Versions that a later one took the place of: those beyond one a line."""
        return self.accepted - self.keys

    @property
    def breaks(self) -> list[str]:
        found = []
        stand = self.counting + self.with_issue
        if self.keys != stand + self.deleted:
            found.append(
                f"{self.keys:,} lines were accepted, but {stand:,} stand and {self.deleted:,} are deleted: "
                f"{self.keys - stand - self.deleted:,} are not accounted for"
            )
        if self.twice:
            found.append(f"{self.twice:,} lines are there more than once")
        return found

    @property
    def balanced(self) -> bool:
        return not self.breaks


def account_of_lines(con: duckdb.DuckDBPyConnection) -> LineAccount:
    """Count `accepted_orders` without `later_orders` against `lines` and `deleted_lines`.

    Lines are counted by the hash of their key: two of billions may share one, and the account would say so.
    """
    hashed = key_hash("order_id", "order_line")
    later = "object_id NOT IN (SELECT DISTINCT object_id FROM later_orders)"
    [(accepted, keys)] = con.execute(
        f"SELECT count(*), count(DISTINCT {hashed}) FROM accepted_orders WHERE {later}"
    ).fetchall()
    [(counting, with_issue, distinct)] = con.execute(
        "SELECT count(*) FILTER (WHERE issue IS NULL), count(*) FILTER (WHERE issue IS NOT NULL), "
        "count(DISTINCT key_hash) FROM lines"
    ).fetchall()
    deleted = count(con, "(SELECT DISTINCT order_id, order_line FROM deleted_lines)")
    return LineAccount(accepted, counting, with_issue, deleted, keys, counting + with_issue - distinct)


def differences_of_sums(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Items whose counted `lines` do not sum to the cells of `history`, each with what is wrong."""
    rows = con.execute(
        """
        SELECT item_code, l.orders, h.orders, l.returns, h.returns, l.lines, h.lines
        FROM (
            SELECT
                item_code,
                coalesce(sum(CASE WHEN counts_as = 'orders' THEN base_quantity END), 0) AS orders,
                coalesce(sum(CASE WHEN counts_as = 'returns' THEN base_quantity END), 0) AS returns,
                count(*) AS lines
            FROM lines WHERE counts_as <> 'none' GROUP BY item_code
        ) AS l
        FULL JOIN (
            SELECT
                item_code,
                coalesce(sum(orders_quantity), 0) AS orders,
                coalesce(sum(returns_quantity), 0) AS returns,
                sum(order_line_count) AS lines
            FROM history GROUP BY item_code
        ) AS h USING (item_code)
        WHERE coalesce(l.orders, 0) <> coalesce(h.orders, 0)
        OR coalesce(l.returns, 0) <> coalesce(h.returns, 0)
        OR coalesce(l.lines, 0) <> coalesce(h.lines, 0)
        ORDER BY item_code
        """
    ).fetchall()
    return [
        (item, f"orders {a or 0} in lines, {b or 0} in history; returns {c or 0}, {d or 0}; lines {e or 0}, {f or 0}")
        for item, a, b, c, d, e, f in rows
    ]
