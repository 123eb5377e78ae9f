"""SQL that turns a source's texts into a dataset's typed columns, and says which cell cannot be.

Nothing is coerced in silence: a text that is not exactly a value of its column's type gives the row a fault, which is
`reason, column, detail` and sends the row to quarantine.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import sqlglot
from sqlglot import exp

from o9_assets.dataset import Column, Dataset
from o9_assets.planning.feeds import ColumnMapping, Feed
from o9_assets.planning.formats import NAMED_TIMES, signs

__all__ = ["fault_expression", "form_of", "quoted", "typed_select", "value_at_risk"]

PLATFORM = ("op", "changed_at", "change_seq", "known_at", "object_id", "object_name", "line")


def quoted(text: str) -> str:
    """An SQL string."""
    return "'" + text.replace("'", "''") + "'"


def name(text: str) -> str:
    """An SQL identifier."""
    return '"' + text.replace('"', '""') + '"'


def text_expression(mapping: ColumnMapping, feed: Feed, available: Mapping[str, str]) -> str:
    """The column's text after the declared transformations; null where the source has no value.

    `available` maps source columns to SQL; one that an object lacks is null. The relation has
    object_no and source_line.
    """
    if mapping.value is not None:
        return quoted(mapping.value)
    if mapping.position_within is not None:
        within = available[mapping.position_within]
        return f"CAST(row_number() OVER (PARTITION BY object_no, {within} ORDER BY source_line) AS VARCHAR)"
    source = available.get(mapping.source or "")
    if source is None:
        return "CAST(NULL AS VARCHAR)" if mapping.default is None else quoted(mapping.default)
    found = source
    for null in feed.format.nulls:
        found = f"nullif({found}, {quoted(null)})"
    if mapping.strip_suffix:
        suffix = quoted(mapping.strip_suffix)
        length = len(mapping.strip_suffix)
        found = (
            f"CASE WHEN ends_with({found}, {suffix}) THEN left({found}, length({found}) - {length}) ELSE {found} END"
        )
    for step in mapping.apply:
        found = {
            "trim": f"nullif(trim({found}), '')",
            "upper": f"upper({found})",
            "lower": f"lower({found})",
            "digits": f"nullif(regexp_replace({found}, '[^0-9]', '', 'g'), '')",
            "strip_zeros": f"coalesce(nullif(ltrim({found}, '0'), ''), CASE WHEN {found} IS NOT NULL THEN '0' END)",
        }[step]
    if mapping.values is not None:
        cases = " ".join(f"WHEN {quoted(key)} THEN {quoted(value)}" for key, value in mapping.values.items())
        # An unknown value stays itself and is found by the fault below.
        found = f"CASE {found} {cases} ELSE {found} END"
    if mapping.default is not None:
        found = f"coalesce({found}, {quoted(mapping.default)})"
    return found


def typed_expression(column: Column, text: str, mapping: ColumnMapping, feed: Feed, zone: str, *, native: str) -> str:
    """The column's value of its declared type, or null where the text is none.

    `native` is the Parquet type of the source column, '' for text formats.
    """
    if column.type == "string":
        return text
    if column.type in ("date", "timestamp"):
        return _moment(column, text, mapping, feed, zone, native)
    if column.type == "boolean":
        return f"TRY_CAST({text} AS BOOLEAN)"
    return f"TRY_CAST({_number(text, feed, native)} AS {column.duckdb_type})"


def _number(text: str, feed: Feed, native: str) -> str:
    """The text of a number as SQL writes it, or null where its signs are not the feed's."""
    if native:
        return text
    thousands, decimal = feed.format.thousands, feed.format.decimal
    number = text
    if thousands:
        # A sign that does not part thousands is no such sign: 1.5 would be 15.
        grouped = rf"\s*[+-]?(?:\d*|\d{{1,3}}(?:[{thousands}]\d{{3}})+)(?:[{decimal}]\d*)?\s*"
        number = (
            f"CASE WHEN NOT contains({text}, {quoted(thousands)}) THEN {text} "
            f"WHEN regexp_full_match({text}, {quoted(grouped)}) THEN replace({text}, {quoted(thousands)}, '') END"
        )
    if decimal == ",":
        # A point where a comma is due is no decimal sign: it must not be read as one.
        number = f"CASE WHEN NOT contains({number}, '.') THEN replace({number}, ',', '.') END"
    return number


def _moment(column: Column, text: str, mapping: ColumnMapping, feed: Feed, zone: str, native: str) -> str:
    zone = mapping.timezone or zone
    if native == "DATE":
        return f"TRY_CAST({text} AS DATE)" if column.type == "date" else f"TRY_CAST({text} AS TIMESTAMP)"
    if native.startswith("TIMESTAMP"):
        # DuckDB's clocks stop with an error at moments far outside the years of four digits.
        local = f"CASE WHEN {text} LIKE '____-%' THEN TRY_CAST({text} AS TIMESTAMP) END"
        # TIMESTAMP WITH TIME ZONE and TIMESTAMPTZ_NS, which is what pandas writes: these are UTC.
        zoned = "TIME ZONE" in native or "TIMESTAMPTZ" in native
        if column.type == "date":
            return _day(local, zone) if zoned else f"CAST({local} AS DATE)"
        return local if zoned else _utc(local, zone)
    form = form_of(column, mapping, feed)
    if form in NAMED_TIMES:
        moment = _iso8601(text, zone) if form == "iso8601" else _epoch_ms(text)
        return _day(moment, zone) if column.type == "date" else moment
    if column.type == "date" and form == "%Y-%m-%d":
        # Quicker than strptime; the cast alone would take 2025/01/06 too.
        return f"CASE WHEN {text} LIKE '____-__-__' THEN TRY_CAST({text} AS DATE) END"
    parsed = f"TRY_STRPTIME({text}, {quoted(form)})"
    if column.type == "date":
        # The day in the company's zone; a zone in the text says which moment is meant.
        if "z" in signs(form):
            parsed = f"timezone({quoted(zone)}, {parsed})"
        return f"CAST({parsed} AS DATE)"
    return f"timezone('UTC', {parsed})" if "z" in signs(form) else _utc(parsed, zone)


_LOCAL = r"^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,9})?)?$"
_ZONED = _LOCAL.removesuffix("$") + r"(Z|[+-](0\d|1[0-4])(:[0-5]\d)?)$"


_INTEGER = r"\s*[+-]?\d+(\.0*)?\s*"


def _no_number(column: Column, text: str, typed: str) -> str:
    """Whether `typed`, which was cast from the text, is none all the same: SQL's numbers have 1_000, 0x10 and NaN, and
    an integer is rounded. Most texts need a quick look only."""
    if column.type.startswith("int"):
        return f"CAST({typed} AS VARCHAR) <> {text} AND NOT regexp_full_match({text}, {quoted(_INTEGER)})"
    grouped = f"length({text}) > 2 AND contains({text}, '_')"
    return grouped if column.type.startswith("decimal") else f"NOT isfinite({typed}) OR {grouped}"


def _too_many_digits(column: Column, text: str, typed: str, feed: Feed, native: str) -> str:
    """Whether a decimal has more digits than the column keeps. A cast rounds them away in silence."""
    width, digits = (int(part) for part in column.type.removeprefix("decimal(").rstrip(")").split(","))
    sign = "','" if feed.format.decimal == "," and not native else "'.'"
    found = f"strpos({text}, {sign})"
    # The lengths at first are no more than a quick look, which lets most texts pass.
    written = (
        f"length({text}) > {digits + 1} AND length({text}) - {found} > {digits} AND {found} > 0 "
        f"AND length(rtrim({text}, '0')) - {found} > {digits} AND upper({text}) = lower({text})"
    )
    # A number with a letter has an exponent. It is cast again, with all the digits that there can be.
    number = _number(text, feed, native)
    exact = f"TRY_CAST({number} AS DECIMAL(38,{38 - width + digits}))"
    lost = f"{typed} <> {exact} OR {typed} = 0 AND TRY_CAST({number} AS DOUBLE) <> 0"
    return f"{written} OR length({text}) > 3 AND upper({text}) <> lower({text}) AND ({lost})"


def form_of(column: Column, mapping: ColumnMapping, feed: Feed) -> str:
    """The format of a column's days or moments."""
    return mapping.format or (feed.format.date if column.type == "date" else feed.format.timestamp)


def _no_moment(column: Column, text: str, typed: str, mapping: ColumnMapping, feed: Feed, native: str) -> str:
    """Whether `typed`, which was read from the text, is none all the same."""
    # The years 1 to 9999 are all that Python and o9 can hold.
    last = "DATE '9999-12-31'" if column.type == "date" else "TIMESTAMP '9999-12-31 23:59:59.999999'"
    wrong = f"{typed} NOT BETWEEN DATE '0001-01-01' AND {last}"
    form = form_of(column, mapping, feed)
    if not native and form not in NAMED_TIMES:
        # strptime takes 25 for the year 25, which has to be written 0025.
        again = f"strftime(TRY_STRPTIME({text}, {quoted(form)}), {quoted(form)})"
        wrong += f" OR {typed} < DATE '1001-01-01' AND {text} IS DISTINCT FROM {again}"
        if "z" in signs(form):
            wrong += f" OR NOT regexp_full_match({text}, {quoted(_with_offset(form))})"
    return wrong


_OFFSET = r"[+-](0\d|1[0-4])(:?[0-5]\d)?"


def _with_offset(form: str) -> str:
    """What texts of a strptime format look like where %z is an offset that a zone can have."""
    signs = {"%z": _OFFSET, "%%": "%"}
    parts = re.split(r"(%-?.|\s+)", form)
    return (
        "".join(signs.get(p, ".+" if p[:1] == "%" else r"\s*" if p.isspace() else re.escape(p)) for p in parts) + r"\s*"
    )


def _iso8601(text: str, zone: str) -> str:
    """A moment as ISO 8601 has it; without a zone it is local. Digits beyond microseconds are cut."""
    plain = f"replace({text}, ',', '.')"
    zoned = f"CASE WHEN regexp_matches({text}, {quoted(_ZONED)}) THEN {plain} END"
    local = f"CASE WHEN regexp_matches({text}, {quoted(_LOCAL)}) THEN {plain} END"
    moment = f"timezone('UTC', TRY_CAST({zoned} AS TIMESTAMPTZ))"
    return f"coalesce({moment}, {_utc(f'TRY_CAST({local} AS TIMESTAMP)', zone)})"


def _epoch_ms(text: str) -> str:
    """A moment as milliseconds since 1970, from 1970 to 2199."""
    number = f"TRY_CAST(CASE WHEN regexp_full_match({text}, {quoted(_INTEGER)}) THEN {text} END AS BIGINT)"
    return f"CASE WHEN {number} BETWEEN 0 AND 7258118399999 THEN make_timestamp({number} * 1000) END"


def _day(moment: str, zone: str) -> str:
    """The day in the company's zone."""
    return f"CAST(timezone({quoted(zone)}, timezone('UTC', {moment})) AS DATE)"


def _utc(local: str, zone: str) -> str:
    return local if zone == "UTC" else f"timezone('UTC', timezone({quoted(zone)}, {local}))"


def typed_select(
    dataset: Dataset, feed: Feed, zone: str, available: Mapping[str, str], natives: Mapping[str, str]
) -> tuple[str, str]:
    """Two select lists over a source with `source_line` and its columns: the mapped texts (as text_<column>), and over
    those the typed columns of the dataset that the feed maps."""
    texts, typed = [], []
    for column in dataset.columns:
        mapping = feed.columns.get(column.name)
        if mapping is None:
            if column.name not in PLATFORM:
                typed.append(f"CAST(NULL AS {column.duckdb_type}) AS {name(column.name)}")
            continue
        native = natives.get(mapping.source or "", "")
        texts.append(f"{text_expression(mapping, feed, available)} AS {name('text_' + column.name)}")
        value = typed_expression(column, name("text_" + column.name), mapping, feed, zone, native=native)
        typed.append(f"{value} AS {name(column.name)}")
    return ", ".join(texts), ", ".join(typed)


def fault_expression(
    dataset: Dataset, feed: Feed, natives: Mapping[str, str], *, nul_columns: tuple[str, ...] = ()
) -> str:
    """SQL over text_<column> and the typed columns: null for a sound row, else [reason, column, detail]."""
    faults = []
    for column in dataset.columns:
        mapping = feed.columns.get(column.name)
        if mapping is None:
            continue
        text, typed = name("text_" + column.name), name(column.name)
        if column.name in nul_columns:
            faults.append(
                f"WHEN contains({text}, chr(0)) THEN ['nul_byte', {quoted(column.name)}, 'the text holds a NUL byte']"
            )
        if column.required and column.name not in ("op", "changed_at", "change_seq"):
            faults.append(f"WHEN {text} IS NULL THEN ['missing_value', {quoted(column.name)}, 'a value is required']")
        if mapping.values is not None:
            allowed = ", ".join(quoted(value) for value in dict.fromkeys(mapping.values.values()))
            faults.append(
                f"WHEN {text} IS NOT NULL AND {text} NOT IN ({allowed}) THEN ['unknown_value', {quoted(column.name)}, "
                f"'found ' || left({text}, 100)]"
            )
        if column.name == "op":
            faults.append(
                f"WHEN {text} NOT IN ('I', 'U', 'D') THEN ['unknown_value', 'op', 'found ' || left({text}, 100)]"
            )
        if column.type == "string":
            if feed.format.type == "jsonl" and mapping.source is not None:
                # A field that holds an object or a list comes as its JSON text.
                faults.append(
                    f"WHEN list_contains(nested, {quoted(mapping.source)}) "
                    f"THEN ['not_a_text', {quoted(column.name)}, 'found ' || left({text}, 100)]"
                )
            continue
        reason = {"date": "not_a_date", "timestamp": "not_a_time"}.get(column.type, "not_a_number")
        native = natives.get(mapping.source or "", "")
        wrong = f"{text} IS NOT NULL AND {typed} IS NULL OR "
        if column.type in ("date", "timestamp"):
            wrong += _no_moment(column, text, typed, mapping, feed, native)
        else:
            wrong += _no_number(column, text, typed)
        faults.append(f"WHEN {wrong} THEN ['{reason}', {quoted(column.name)}, 'found ' || left({text}, 100)]")
        if column.type.startswith("decimal"):
            faults.append(
                f"WHEN {_too_many_digits(column, text, typed, feed, native)} "
                f"THEN ['too_many_digits', {quoted(column.name)}, 'found ' || left({text}, 100)]"
            )
    for rule in feed.rules:
        faults.append(
            f"WHEN NOT ({_condition(rule.must)}) THEN [{quoted(rule.name)}, NULL, {quoted('must: ' + rule.must)}]"
        )
    return f"CASE {' '.join(faults)} END" if faults else "CAST(NULL AS VARCHAR[])"


def _condition(text: str) -> str:
    """A rule as DuckDB SQL with every column quoted."""
    tree = sqlglot.parse_one(text, dialect="duckdb")
    for column in tree.find_all(exp.Column):
        column.replace(exp.column(exp.to_identifier(column.name, quoted=True)))
    return tree.sql(dialect="duckdb")


def value_at_risk(feed: Feed) -> str:
    """Quantity × price of a row where both can be read and their product has no more than 14 digits, else null."""
    if "quantity" in feed.columns and "unit_price" in feed.columns:
        # Of two DECIMAL(18,4) DuckDB makes one that an article number in the wrong column overflows.
        return 'TRY_CAST(CAST("quantity" AS DECIMAL(19,4)) * "unit_price" AS DECIMAL(18,4))'
    return "CAST(NULL AS DECIMAL(18,4))"
