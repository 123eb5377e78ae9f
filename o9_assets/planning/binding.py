"""Whether what the settings say holds together: each feed with the dataset that takes it, and section with section."""

from __future__ import annotations

from collections.abc import Iterator

from o9_assets.dataset import Column, Dataset
from o9_assets.landing.typing_sql import fault_expression, form_of, typed_select
from o9_assets.planning.conditions import columns_of, type_problem
from o9_assets.planning.feeds import ColumnMapping, Feed
from o9_assets.planning.model import suggest
from o9_assets.planning.sections import Root

__all__ = ["Found", "contradictions", "feed_problems", "transfer_problems"]

Found = Iterator[tuple[tuple[str | int, ...], str]]
"""Pairs of key and message."""

PLATFORM = ("known_at", "object_id", "object_name", "line")
FILLED = ("op", "changed_at", "change_seq")
OPERATIONS = ("I", "U", "D")


def feed_problems(feed: Feed, dataset: Dataset) -> Found:
    """What is wrong with a feed for the dataset that takes it; keys begin below the feed."""
    known = dataset.column_names
    for name, mapping in feed.columns.items():
        if name not in known:
            free = [column for column in known if column not in feed.columns and column not in PLATFORM]
            yield ("columns", name), f"{dataset.name} has no column {name!r}{suggest(name, free or known)}"
        elif name in PLATFORM:
            yield ("columns", name), "is the platform's own and cannot be mapped"
        else:
            yield from _mapping_problems(dataset.column(name), mapping, feed)
    for column in dataset.columns:
        if column.required and column.name not in (*feed.columns, *PLATFORM, *FILLED):
            yield ("columns",), f"{dataset.name} needs the column {column.name!r} ({column.description})"
    if feed.kinds and "order_line" not in dataset.key:
        yield ("kinds",), f"are for order lines; {dataset.name} has none"
    for group, key in (("rules", "must"), ("kinds", "when")):
        for index, entry in enumerate(getattr(feed, group)):
            for problem in _condition_problems(getattr(entry, key), feed, dataset):
                yield (group, index, key), problem


def _mapping_problems(column: Column, mapping: ColumnMapping, feed: Feed) -> Found:
    at = ("columns", column.name)
    if mapping.format is not None and column.type not in ("date", "timestamp"):
        yield (*at, "format"), f"is for days and moments; {column.name} is {column.type}"
    if mapping.timezone is not None and column.type != "timestamp":
        yield (*at, "timezone"), f"is for moments; {column.name} is {column.type}"
    if mapping.position_within is not None and column.type not in ("string", "int64", "int32"):
        yield (*at, "position_within"), f"gives a number; {column.name} is {column.type}"
    if column.required and column.name not in FILLED and mapping.source in feed.optional and mapping.default is None:
        yield (*at,), f"is required, so {mapping.source!r} cannot be optional unless there is a default"
    constants: dict[tuple[str, ...], str]
    constants = {(key,): text for key in ("value", "default") if (text := getattr(mapping, key)) is not None}
    constants |= {("values", source): text for source, text in (mapping.values or {}).items()}
    for key, text in constants.items():
        if not _is_value(text, column, mapping, feed):
            allowed = _allowed(column, mapping, feed)
            yield (*at, *key), f"{text!r} is no value of {column.name}, which is {allowed}"


def _is_value(text: str, column: Column, mapping: ColumnMapping, feed: Feed) -> bool:
    """Whether landing would take the text for a value of the column."""
    if column.name == "op":
        return text in OPERATIONS
    import duckdb

    constant = ColumnMapping(value=text).model_copy(update={"format": mapping.format, "timezone": mapping.timezone})
    alone = Dataset("settings.constant", "A constant", (column,))
    only = feed.model_copy(update={"columns": {column.name: constant}, "rules": ()})
    texts, typed = typed_select(alone, only, "UTC", {}, {})
    with duckdb.connect(":memory:") as con:
        rows = f"SELECT *, {typed} FROM (SELECT {texts})"
        return con.execute(f"SELECT {fault_expression(alone, only, {})} FROM ({rows})").fetchall() == [(None,)]


def _allowed(column: Column, mapping: ColumnMapping, feed: Feed) -> str:
    if column.name == "op":
        return ", ".join(OPERATIONS)
    if column.type in ("date", "timestamp"):
        return f"{column.type}, as {form_of(column, mapping, feed)}"
    return f"{column.type} with the decimal sign ','" if feed.format.decimal == "," else column.type


def _condition_problems(condition: str, feed: Feed, dataset: Dataset) -> Iterator[str]:
    mapped = [name for name in dataset.column_names if name in feed.columns]
    wrong = False
    for used in sorted(columns_of(condition) - set(mapped)):
        wrong = True
        if used in PLATFORM or used not in dataset.column_names:
            yield f"{dataset.name} has no column {used!r} that a row brings{suggest(used, mapped)}"
        else:
            yield f"{used!r} is mapped from nothing, so that it is always empty"
    if not wrong and (problem := type_problem(condition, {n: dataset.column(n).duckdb_type for n in mapped})):
        yield problem


def contradictions(settings: Root) -> Found:
    """Where one section of the settings says what another makes impossible."""
    orders, grain, o9 = settings.feeds["erp_orders"].columns, settings.grain, settings.o9
    for key in ("location", "channel", "demand_date"):
        column = getattr(grain, key)
        if column is not None and column not in orders:
            yield ("grain", key), f"feeds.erp_orders maps no column {column!r}"
    if settings.units.missing_uom is None and "uom_code" not in orders:
        yield ("units", "missing_uom"), "is needed, for feeds.erp_orders maps no uom_code: no line would count"
    if grain.channel is not None and "channel" not in o9.columns:
        yield ("o9", "columns"), "needs channel, for demand history has it: two channels would be one cell in o9"
    if grain.channel is None and "channel" in settings.forecast.grain:
        index = settings.forecast.grain.index("channel")
        yield ("forecast", "grain", index), "grain.channel is left out, so that there is one channel, ALL"
    if "shipments_quantity" in o9.measures and "erp_shipments" not in settings.feeds:
        yield ("o9", "measures", "shipments_quantity"), "there is no feed erp_shipments that would fill it"
    if "orders_value" in o9.measures and "unit_price" not in orders:
        yield ("o9", "measures", "orders_value"), "feeds.erp_orders maps no unit_price that would give it"
    yield from transfer_problems(settings)
    if o9.streaming is not None and "demand_events" not in settings.streams:
        yield ("o9", "streaming"), "there is no stream demand_events to forward"


def transfer_problems(settings: Root) -> Found:
    """Transfers whose feeds are not declared, or read elsewhere than the transfer lands."""
    for name, transfer in settings.transfers.items():
        for index, feed in enumerate(transfer.feeds):
            if feed not in settings.feeds:
                message = f"there is no feed {feed!r}{suggest(feed, settings.feeds)}"
                yield ("transfers", name, "feeds", index), message
            elif not settings.feeds[feed].prefix.startswith(transfer.lands):
                message = f"the path of {feed}, {settings.feeds[feed].path!r}, is not below {transfer.lands!r}"
                yield ("transfers", name, "feeds", index), message
