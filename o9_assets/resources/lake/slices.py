"""Conditions that name a slice of a table, for readers and writers alike; no other room needs to know pyiceberg."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyiceberg.expressions import BooleanExpression

# The pydantic plugin of mypy does not see pyiceberg's own constructors; `_made` calls them.

__all__ = ["all_of", "at_least", "at_most", "columns_of", "equal", "everything", "isin", "nothing", "to_sql"]


def everything() -> BooleanExpression:
    """Every row."""
    from pyiceberg.expressions import AlwaysTrue

    return AlwaysTrue()


def nothing() -> BooleanExpression:
    """No row."""
    from pyiceberg.expressions import AlwaysFalse

    return AlwaysFalse()


def equal(column: str, value: Any) -> BooleanExpression:
    from pyiceberg.expressions import EqualTo

    return _made(EqualTo, column, _plain(value))


def isin(column: str, values: Iterable[Any]) -> BooleanExpression:
    """Rows whose column is one of `values`; no value means no row."""
    from pyiceberg.expressions import In

    plain = {_plain(value) for value in values}
    return _made(In, column, plain) if plain else nothing()


def at_least(column: str, value: Any) -> BooleanExpression:
    from pyiceberg.expressions import GreaterThanOrEqual

    return _made(GreaterThanOrEqual, column, _plain(value))


def at_most(column: str, value: Any) -> BooleanExpression:
    from pyiceberg.expressions import LessThanOrEqual

    return _made(LessThanOrEqual, column, _plain(value))


def all_of(*conditions: BooleanExpression) -> BooleanExpression:
    from pyiceberg.expressions import AlwaysTrue, And

    found: BooleanExpression = AlwaysTrue()
    for condition in conditions:
        found = And(found, condition)
    return found


def _made(kind: Any, column: str, value: Any) -> BooleanExpression:
    made: BooleanExpression = kind(column, value)
    return made


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value


def _name(term: Any) -> str:
    return str(term.name)


def columns_of(condition: Any) -> set[str]:
    """The columns that a condition speaks of."""
    from pyiceberg import expressions as e

    if isinstance(condition, e.And):
        return columns_of(condition.left) | columns_of(condition.right)
    return set() if isinstance(condition, e.AlwaysTrue | e.AlwaysFalse) else {_name(condition.term)}


def to_sql(condition: Any) -> str:
    """The condition as SQL that DuckDB reads. Raises TypeError for what this module does not make."""
    from pyiceberg import expressions as e

    def quoted(value: Any) -> str:
        if isinstance(value, bool | int | float):
            return str(value)
        return "'" + str(value).replace("'", "''") + "'"

    match condition:
        case e.AlwaysTrue():
            return "true"
        case e.AlwaysFalse():
            return "false"
        case e.And(left=left, right=right):
            return f"({to_sql(left)} AND {to_sql(right)})"
        case e.In(term=term, literals=literals):
            return f'"{_name(term)}" IN ({", ".join(sorted(quoted(v.value) for v in literals))})'
        case e.EqualTo(term=term, literal=literal):
            return f'"{_name(term)}" = {quoted(literal.value)}'
        case e.GreaterThanOrEqual(term=term, literal=literal):
            return f'"{_name(term)}" >= {quoted(literal.value)}'
        case e.LessThanOrEqual(term=term, literal=literal):
            return f'"{_name(term)}" <= {quoted(literal.value)}'
    raise TypeError(f"{condition!r} is no slice that this room makes")
