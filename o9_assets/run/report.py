"""The report at the end of `make run`: what came in, what was set aside, what went to o9, and the forecasts."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from o9_assets.deployment import ROOT, Deployment

if TYPE_CHECKING:
    import duckdb

    from o9_assets.resources.lake import Lake

__all__ = ["command", "landed", "report"]

SHOWN = 8
"""Reasons that are named one by one."""
WIDTH = 110
"""So much of a record is shown."""


def report(deployment: Deployment, cycle: str, seconds: float) -> str:
    """A page of text for a terminal."""
    from o9_assets.assets.curated.demand_history import DEMAND_HISTORY
    from o9_assets.assets.forecast.backtest import BACKTEST
    from o9_assets.assets.forecast.predictions import PREDICTIONS
    from o9_assets.exchange.datasets import DEMAND_EXPORT
    from o9_assets.resources.lake import equal

    lake = deployment.resources["lake"].open()
    with deployment.resources["engine"].open().connect() as con:
        for name, dataset in (
            ("history", DEMAND_HISTORY),
            ("books", DEMAND_EXPORT),
        ):
            lake.view(con, name, dataset)
        lake.view(con, "backtest", BACKTEST, where=equal("cycle", cycle))
        lake.view(con, "predictions", PREDICTIONS, where=equal("cycle", cycle))

        def rows(sql: str) -> list[Any]:
            return list(con.execute(sql).fetchall())

        lines = ["", f"{deployment.settings.company}, cycle {cycle}, in {seconds:.0f} s"]
        lines += landed_lines(con, lake, deployment.settings.currency)
        lines += order_lines(con, lake)
        lines += ["", "Demand history (item × location × partial week)"]
        for state, cells, units in rows(
            "SELECT state, count(*), sum(orders_quantity) FROM history GROUP BY 1 ORDER BY 2 DESC"
        ):
            lines.append(f"  {state!s:<18}{cells:>10,} cells" + (f"{units:>18,.0f} units ordered" if units else ""))
        [(held, units)] = rows("SELECT count(*), sum(orders_quantity) FROM books")
        lines += ["", "o9", f"  holds {held:,} cells, {units or 0:,.0f} units ordered; read back and equal"]
        lines += corrections_held(con, lake, deployment)
        lines += plan_kept(con, lake, cycle)
        lines += reconciled(con, lake)
        [(series, weeks, total)] = rows(
            "SELECT count(DISTINCT (item_code, location_code, channel_code)), count(DISTINCT week_start), "
            "sum(mean_quantity) FROM predictions"
        )
        lines += ["", "Forecast", f"  {series:,} series × {weeks} weeks, {total or 0:,.0f} units in all"]
        measured = rows(
            "SELECT sum(abs(forecast_quantity - actual_quantity)) FILTER (WHERE is_champion) "
            "/ nullif(sum(actual_quantity) FILTER (WHERE is_champion), 0), "
            "sum(abs(forecast_quantity - actual_quantity)) FILTER (WHERE is_reference) "
            "/ nullif(sum(actual_quantity) FILTER (WHERE is_reference), 0) FROM backtest "
            "WHERE actual_quantity IS NOT NULL"
        )
        if measured and measured[0][0] is not None:
            champion, reference = measured[0]
            lines.append(f"  WAPE of champions {champion:.1%}, of their references {reference:.1%}, on the same rows")
    folder, own = deployment.resources["zone"].location, own_settings(deployment)
    dev = f"make dev SETTINGS={own}" if own else "make dev"
    lines += [
        "",
        "Where to look next",
        f"  {dev}   Dagster's UI: the graph, pictures, checks, and runs like this one",
        f"  {folder}   the landing zone: put files there and run again",
        "  docs/landing.md   how to mend what was set aside",
    ]
    return "\n".join(lines)


def own_settings(deployment: Deployment) -> str:
    """The settings file, quoted for a shell; empty where it is the one that is read unless another is named."""
    own = deployment.settings.file
    return "" if own == str(ROOT / "planning.yaml") else shlex.quote(own)


def command(deployment: Deployment, rest: str) -> str:
    """A command of .venv/bin that a person can paste, for this company."""
    own = own_settings(deployment)
    return (f"O9_PLANNING={own} " if own else "") + f".venv/bin/{rest}"


def landed(deployment: Deployment) -> str:
    """Of the report, what came in and what was set aside; empty where nothing did: for a run that cannot go on."""
    with deployment.resources["engine"].open().connect() as con:
        return "\n".join(landed_lines(con, deployment.resources["lake"].open(), deployment.settings.currency))


def landed_lines(con: duckdb.DuckDBPyConnection, lake: Lake, currency: str) -> list[str]:
    """What came in by feed, and what is set aside by feed and reason, with an example of each."""
    from o9_assets.landing.accepted import standing_view, waiting_view

    standing_view(con, lake, "standing")
    waiting_view(con, lake, "waiting")
    lines = [f"  {feed:<24}{told}" for feed, told in came_in(con)]
    if lines:
        lines = ["", "What came in", *lines]
    if aside := list(set_aside(con, currency)):
        lines += ["", "What was set aside, and why", *aside]
    return lines


def set_aside(con: duckdb.DuckDBPyConnection, currency: str) -> Iterator[str]:
    """What waits (the table `waiting`) by feed and reason: how much, and the first of it."""
    for feed, reason, count, value, (name, line, column, detail, text) in con.execute(
        """
        SELECT feed, reason, count(*), sum(value_at_risk),
            first((object_name, line, column_name, detail, original_text) ORDER BY object_name, line)
        FROM waiting GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2
        """
    ).fetchall():
        worth = f", {value:,.2f} {currency} at risk" if value else ""
        yield f"  {feed:<24}{reason:<24}{count:>8,}{worth}"
        place = ", ".join([name, *([f"line {line}"] if line else []), *([column] if column else [])])
        yield f"    {place}: {detail}"
        if text:
            yield f"    {' '.join(text.split())[:WIDTH]}"


def came_in(con: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Each feed, and what of its files holds (the table `standing`); what was replaced or mended is told beside it."""
    for feed, files, landed, accepted, aside, whole, mended, versions, replaced in con.execute(
        """
        SELECT feed, count(*) FILTER (holds AND status <> 'withdrawn'),
            coalesce(sum(landed_rows) FILTER (holds), 0), coalesce(sum(accepted_rows) FILTER (holds), 0),
            coalesce(sum(quarantined_rows) FILTER (holds), 0), count(*) FILTER (holds AND status = 'set_aside'),
            coalesce(sum(mended_rows) FILTER (holds), 0),
            count(*) FILTER (NOT holds), coalesce(sum(landed_rows) FILTER (NOT holds), 0)
        FROM standing GROUP BY 1 ORDER BY 3 DESC, 1
        """
    ).fetchall():
        told = f"{files:>7,} files{landed:>12,} rows{accepted:>12,} accepted"
        told += f" ({mended:,} mended)" if mended else ""
        told += f", {aside:,} rows and {whole:,} files set aside" if aside or whole else ""
        told += f"; {versions:,} older versions of {replaced:,} rows are replaced" if versions else ""
        yield feed, told


def order_lines(con: duckdb.DuckDBPyConnection, lake: Lake) -> list[str]:
    """Order lines by kind, and those that do not count although their kind would: why, and what is unknown of them."""
    from o9_assets.assets.curated.order_lines import ORDER_LINES

    columns = ["kind", "counts_as", "issue", "item_code", "uom_code", "base_quantity"]
    lake.view(con, "lines", ORDER_LINES, columns=columns)
    lines = ["", "Order lines (the latest version of each)"]
    for kind, count, orders, units in con.execute(
        "SELECT kind, count(*), count(*) FILTER (WHERE counts_as <> 'none'), "
        "sum(base_quantity) FILTER (WHERE counts_as <> 'none') FROM lines GROUP BY 1 ORDER BY 2 DESC, 1"
    ).fetchall():
        counting = f"{orders:>12,} count{units:>18,.0f} units" if orders else f"{'none':>12} counts"
        lines.append(f"  {kind:<18}{count:>10,} lines{counting}")
    issues = con.execute(
        "SELECT issue, CASE WHEN issue = 'unknown_item' THEN item_code ELSE coalesce(uom_code, 'no unit') END, "
        "count(*) FROM lines WHERE issue IS NOT NULL GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2"
    ).fetchall()
    if issues:
        lines += ["", "Order lines that do not count, and why"]
        lines += [f"  {issue:<20}{which:<18}{count:>10,} lines" for issue, which, count in issues[:SHOWN]]
        if len(issues) > SHOWN:
            lines.append(f"  … {len(issues) - SHOWN:,} more: the page of curated/order_lines names them")
    return lines


def corrections_held(con: duckdb.DuckDBPyConnection, lake: Lake, deployment: Deployment) -> list[str]:
    """The corrections that wait for a person, and the command that approves them."""
    from o9_assets.exchange.datasets import HELD

    lake.view(con, "held", HELD, columns=["difference_id", "held_at"])
    lines = []
    for found, cells, since in con.execute(
        "SELECT difference_id, count(*), min(held_at) FROM held GROUP BY 1"
    ).fetchall():
        config = json.dumps({"ops": {"o9__demand_export": {"config": {"approve_corrections": found}}}})
        send = command(deployment, "dagster asset materialize -m o9_assets.definitions --select o9/demand_export")
        lines += [
            f"  {cells:,} corrections wait for approval since {since:%Y-%m-%d %H:%M} UTC (o9.held_corrections), by",
            f"    {send} --config-json {shlex.quote(config)}",
        ]
    return lines


def plan_kept(con: duckdb.DuckDBPyConnection, lake: Lake, cycle: str) -> list[str]:
    """Where what o9 planned in the cycle was kept again: which revision it is by now."""
    from o9_assets.exchange.snapshots import PLAN_SNAPSHOTS
    from o9_assets.resources.lake import equal

    lake.view(con, "snapshots", PLAN_SNAPSHOTS, where=equal("cycle", cycle), columns=["revision", "kept_at"])
    [(revision, kept_at)] = con.execute("SELECT max(revision), max(kept_at) FROM snapshots").fetchall()
    if not revision or revision == 1:
        return []
    return [f"  plans otherwise than before: kept as the cycle's revision {revision} on {kept_at:%Y-%m-%d %H:%M} UTC"]


def reconciled(con: duckdb.DuckDBPyConnection, lake: Lake) -> list[str]:
    """Whether all stages agree, by class of difference, and the members that o9 lacks."""
    from o9_assets.exchange.reconciliation.tables import BREAKS, RECONCILIATION

    lake.view(con, "stages", RECONCILIATION)
    lake.view(con, "breaks", BREAKS)
    [(stages, values)] = con.execute(
        "SELECT count(DISTINCT stage), count(*) FROM stages WHERE level = 'all'"
    ).fetchall()
    classes = con.execute(
        "SELECT class, count(*), mode(cause) FROM breaks GROUP BY 1 ORDER BY class <> 'break', 2 DESC"
    ).fetchall()
    lines = ["", f"Reconciliation ({stages} stages, {values:,} totals)"]
    for kind, count, cause in classes:
        lines.append(f"  {kind:<12}{count:>9,} rows differ" + (f", mostly: {cause}" if cause else ""))
    if not any(kind == "break" for kind, _, _ in classes):
        lines.append("  no break: " + ("nothing else differs" if classes else "source, platform and o9 agree"))
    return lines
