"""IoT's SQL on one message: what a rule selects, its condition, and templates such as `${topic(2)}`.

Known are fields and paths (`device.id`), `*`, literals, arithmetic, comparisons, AND, OR, NOT, and the functions topic,
timestamp, clientid and newuuid; anything else is refused when the rule is made. A field that is not there is undefined:
it is left out of what is selected, and no comparison with it is true.
"""

from __future__ import annotations

import json
import operator
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp

__all__ = ["Message", "Statement", "Unknown", "fill", "matches", "statement"]

_STATEMENT = re.compile(
    r"\s*SELECT\s+(?P<select>.+?)\s+FROM\s+'(?P<topic>[^']+)'(?:\s+WHERE\s+(?P<where>.+?))?\s*;?\s*$",
    re.IGNORECASE | re.DOTALL,
)
_TEMPLATE = re.compile(r"\$\{([^}]*)\}")
_UNDEFINED = object()
_COMPARED: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
}
_COMPUTED: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
}
_FUNCTIONS = {"TOPIC": (0, 1), "TIMESTAMP": (0, 0), "CLIENTID": (0, 0), "NEWUUID": (0, 0)}


class Unknown(ValueError):
    """A statement or template that is no SQL of IoT's, or more of it than is known here."""


@dataclass(frozen=True, slots=True)
class Message:
    """What a device published."""

    topic: str
    payload: bytes
    client_id: str

    def parsed(self) -> Any:
        """The payload as JSON. Raises ValueError where it is none."""
        return json.loads(self.payload.decode("utf-8"))


@dataclass(frozen=True, slots=True)
class Statement:
    """A rule's SQL, taken apart and found to hold only what is known."""

    topic_filter: str
    selected: tuple[exp.Expression, ...]
    where: exp.Expression | None

    def applies(self, message: Message) -> bool:
        return matches(self.topic_filter, message.topic)

    def select(self, message: Message) -> bytes | None:
        """What the actions get; None where the condition does not hold. Raises ValueError for a payload that is no JSON
        and has to be one: all but `SELECT *` without a condition looks into it."""
        if self.where is None and len(self.selected) == 1 and isinstance(self.selected[0], exp.Star):
            return message.payload
        payload = message.parsed()
        if self.where is not None and _value(self.where, message, payload) is not True:
            return None
        found: dict[str, Any] = {}
        for one in self.selected:
            if isinstance(one, exp.Star):
                found |= payload if isinstance(payload, dict) else {}
                continue
            value = _value(one.this if isinstance(one, exp.Alias) else one, message, payload)
            if value is not _UNDEFINED:
                found[_name(one)] = value
        return json.dumps(found, separators=(",", ":"), ensure_ascii=False).encode()


@lru_cache(maxsize=256)
def statement(text: str) -> Statement:
    """Take a rule's SQL apart. Raises Unknown."""
    found = _STATEMENT.match(text)
    if found is None:
        raise Unknown("it is not SELECT … FROM 'topic filter' [WHERE …]")
    where = found["where"]
    return Statement(
        found["topic"], tuple(_parsed(found["select"], many=True)), None if where is None else _parsed(where)[0]
    )


def matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT filter, with + for one level and # for the rest, takes a topic."""
    wanted, given = topic_filter.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(given) or level not in ("+", given[place]):
            return False
    return len(wanted) == len(given)


def fill(template: str, message: Message) -> str:
    """A template with what its expressions come to. Raises Unknown, and ValueError where one is undefined."""

    def value(found: re.Match[str]) -> str:
        expression = _parsed(found[1])[0]
        needs = any(isinstance(node, exp.Column) for node in expression.walk())
        result = _value(expression, message, message.parsed() if needs else None)
        if result is _UNDEFINED:
            raise ValueError(f"{found[0]} is undefined")
        return result if isinstance(result, str) else json.dumps(result)

    return _TEMPLATE.sub(value, template)


def _parsed(text: str, *, many: bool = False) -> list[exp.Expression]:
    try:
        found = sqlglot.parse_one(f"SELECT {text}", dialect="duckdb").expressions
    except sqlglot.errors.ParseError as error:
        raise Unknown(f"{text!r} cannot be read") from error
    if not many and len(found) != 1:
        raise Unknown(f"{text!r} is no single expression")
    for one in found:
        if not isinstance(one, exp.Star):
            _check(one.this if isinstance(one, exp.Alias) else one)
    return list(found)


def _check(node: exp.Expression) -> None:
    """Raises Unknown for what `_value` cannot do."""
    if isinstance(node, exp.Column | exp.Literal | exp.Boolean | exp.Null):
        return None
    if isinstance(node, exp.Dot):
        return _check(node.this)
    if isinstance(node, exp.Paren | exp.Not | exp.Neg):
        return _check(node.this)
    if type(node) in _COMPARED or type(node) in _COMPUTED or isinstance(node, exp.And | exp.Or):
        _check(node.this)
        return _check(node.expression)
    name, given = _function(node)
    if name in _FUNCTIONS and _FUNCTIONS[name][0] <= len(given) <= _FUNCTIONS[name][1]:
        for argument in given:
            _check(argument)
        return None
    raise Unknown(f"{node.sql(dialect='duckdb')!r} is not emulated by the sandbox")


def _function(node: exp.Expression) -> tuple[str, list[exp.Expression]]:
    if isinstance(node, exp.Anonymous):
        return str(node.this).upper(), list(node.expressions)
    if isinstance(node, exp.Func):
        given = [part for part in node.args.values() if isinstance(part, exp.Expression)]
        return node.sql_name().upper(), given
    return "", []


def _name(node: exp.Expression) -> str:
    """The field that a selected expression becomes: its alias, or the last part of its path, or the function's name."""
    if isinstance(node, exp.Alias):
        return str(node.alias)
    return str(node.name) or _function(node)[0].lower()


def _value(node: exp.Expression, message: Message, payload: Any) -> Any:
    if isinstance(node, exp.Literal):
        return str(node.this) if node.is_string else json.loads(str(node.this))
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if isinstance(node, exp.Null):
        return None
    if isinstance(node, exp.Column | exp.Dot):
        found = payload
        for part in node.parts:
            if not isinstance(found, dict) or part.name not in found:
                return _UNDEFINED
            found = found[part.name]
        return found
    if isinstance(node, exp.Paren):
        return _value(node.this, message, payload)
    if isinstance(node, exp.Not):
        return _value(node.this, message, payload) is False
    if isinstance(node, exp.And | exp.Or):
        both = (_value(side, message, payload) is True for side in (node.this, node.expression))
        return all(both) if isinstance(node, exp.And) else any(both)
    if isinstance(node, exp.Neg):
        return _computed(operator.sub, 0, _value(node.this, message, payload))
    if (compare := _COMPARED.get(type(node)) or _COMPUTED.get(type(node))) is not None:
        sides = (_value(node.this, message, payload), _value(node.expression, message, payload))
        result = _computed(compare, *sides)
        return result is not _UNDEFINED and result if type(node) in _COMPARED else result
    name, given = _function(node)
    match name:
        case "TOPIC" if given:
            levels, place = message.topic.split("/"), int(_value(given[0], message, payload))
            return levels[place - 1] if 1 <= place <= len(levels) else _UNDEFINED
        case "TOPIC":
            return message.topic
        case "TIMESTAMP":
            return time.time_ns() // 1_000_000
        case "CLIENTID":
            return message.client_id
    return str(uuid.uuid4())


def _computed(function: Callable[[Any, Any], Any], left: Any, right: Any) -> Any:
    """Undefined where a side is, or the two do not go together."""
    if left is _UNDEFINED or right is _UNDEFINED:
        return _UNDEFINED
    try:
        return function(left, right)
    except (TypeError, ZeroDivisionError):
        return _UNDEFINED
