"""The planner's settings as SQL expressions for the queries of this room."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlglot
from sqlglot import exp

from o9_assets.demand.queries import Dialect

if TYPE_CHECKING:
    from o9_assets.planning.feeds import Kind
    from o9_assets.planning.settings import Settings

__all__ = ["key_hash", "parameters"]

CANCELLATION, RETURN, SALE = -2, -1, 0


def parameters(settings: Settings, dialect: Dialect = "duckdb") -> dict[str, str]:
    """Every `$name` of the .sql files, in DuckDB's dialect (but `key_hash`, which is each engine's own)."""
    grain, orders = settings.grain, settings.feeds["erp_orders"]
    planned, segments = settings.forecast.grain, settings.demand.segments
    missing = settings.units.missing_uom
    customer = "p.customer_code"
    place = customer if grain.location == "customer_code" else "s.location_code"
    channels = {"channel_code": "s.channel_code", "customer_code": customer, "location_code": "s.location_code"}
    return {
        "key_hash": key_hash("o.order_id", "o.order_line", dialect),
        "kind_rule": _rule(orders.kinds),
        "kind": _by_rule([k.kind for k in orders.kinds], {CANCELLATION: "cancellation", RETURN: "return"}, "sale"),
        "counts_as": _by_rule([k.counts_as for k in orders.kinds], {CANCELLATION: "none", RETURN: "returns"}, "orders"),
        "item": f"o.{grain.item}",
        "location": f"o.{grain.location}",
        "channel": f"o.{grain.channel}" if grain.channel else "NULL",
        "demand_date": f"o.{grain.demand_date}",
        "missing_uom": _text(missing) if missing is not None else "NULL",
        "base_uom": _text(settings.units.base_uom),
        "sets_aside": _flag(settings.demand.unknown_item == "set_aside" and "erp_items" in settings.feeds),
        "ship_location": place,
        "ship_channel": channels.get(grain.channel, "NULL") if grain.channel else "NULL",
        "stock_location": place,
        "promotion_location": place,
        "has_shipments": _flag("erp_shipments" in settings.feeds),
        "has_inventory": _flag("inventory" in settings.feeds),
        "has_promotions": _flag("promotions" in settings.feeds),
        "has_prices": _flag("unit_price" in orders.columns),
        "week_item": "h.item_code" if "item" in planned else "'ALL'",
        "week_location": "h.location_code" if "location" in planned else "'ALL'",
        "week_channel": "h.channel_code" if "channel" in planned else "'ALL'",
        "window": f"INTERVAL '{segments.window_weeks * 7}' DAY",
        "min_weeks": str(segments.min_weeks),
        "abc_a": str(segments.abc[0]),
        "abc_b": str(segments.abc[1]),
        "xyz_x": str(segments.xyz[0]),
        "xyz_y": str(segments.xyz[1]),
    }


def key_hash(order_id: str, order_line: str, dialect: Dialect = "duckdb") -> str:
    """The hash that finds a line's partition and its versions; it never decides whether two lines are the same.

    Each engine has its own. DuckDB's may change with its version, so a dataset's fingerprint holds that version.
    """
    if dialect == "spark":
        return f"XXHASH64({order_id}, {order_line})"
    return f"CAST(HASH({order_id}, {order_line}) >> 1 AS BIGINT)"


def _rule(kinds: tuple[Kind, ...]) -> str:
    """The number of the first rule that a line meets; null where it meets none."""
    if not kinds:
        return "CAST(NULL AS INTEGER)"
    return "CASE " + " ".join(f"WHEN {_of_line(k.when)} THEN {n}" for n, k in enumerate(kinds, 1)) + " END"


def _of_line(condition: str) -> str:
    """The condition with its columns named as the raw line's: an alias of the same name is something else."""
    tree = sqlglot.parse_one(condition, dialect="duckdb")
    for column in list(tree.find_all(exp.Column)):
        column.set("table", exp.to_identifier("o"))
    return f"({tree.sql('duckdb')})"


def _by_rule(of_rules: list[str], of_others: dict[int, str], otherwise: str) -> str:
    numbered = {**of_others, **dict(enumerate(of_rules, 1))}
    cases = " ".join(f"WHEN {number} THEN {_text(value)}" for number, value in numbered.items())
    return f"CASE l.kind_rule {cases} ELSE {_text(otherwise)} END"


def _text(value: str) -> str:
    return exp.Literal.string(value).sql("duckdb")


def _flag(value: bool) -> str:
    return "TRUE" if value else "FALSE"
