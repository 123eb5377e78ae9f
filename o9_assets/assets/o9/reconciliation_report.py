"""What the UI shows of a reconciliation: totals by stage, breaks with their rows, members that o9 lacks, a picture."""

from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.assets.pictures import new_figure, picture
from o9_assets.exchange.reconciliation.tables import BREAKS, RECONCILIATION

if TYPE_CHECKING:
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = ["agreement", "members", "metadata"]

STAGES = ("source", "raw", "lines", "history", "sent", "held", "returned")
CLASSES = ("break", "tolerated", "rounding", "explained")
COLOURS = {"break": "#c0504d", "tolerated": "#e0a030", "rounding": "#bbbbbb", "explained": "#1f6fb4"}
SHOWN = 50


def metadata(lake: "Lake", engine: "Engine") -> dict[str, Any]:
    """Tables and picture."""
    with engine.connect() as con:
        lake.view(con, "totals", RECONCILIATION)
        lake.view(con, "breaks", BREAKS)
        stages = con.execute(
            """
            SELECT measure_name, stage, row_count, quantity FROM (
                SELECT measure_name, stage, sum(row_count) AS row_count, CAST(sum(quantity) AS DOUBLE) AS quantity,
                    min(list_position($1, split_part(slice, ' ', 1))) AS place
                FROM totals WHERE level = 'all' GROUP BY ALL
            ) ORDER BY place, measure_name, list_position($2, stage)
            """,
            [["files", "lines", "cells", "plan"], list(STAGES)],
        ).fetchall()
        steps = con.execute(
            """
            SELECT step, class, measure_name, cause, row_count, difference FROM (
                SELECT step, class, measure_name, coalesce(cause, '') AS cause, count(*) AS row_count,
                    CAST(sum(difference) AS DOUBLE) AS difference
                FROM breaks GROUP BY ALL
            ) ORDER BY list_position($1, class), row_count DESC, step, measure_name, cause LIMIT 200
            """,
            [list(CLASSES)],
        ).fetchall()
        rows = con.execute(
            f"SELECT {ROW} FROM breaks ORDER BY list_position($1, class), abs(difference) DESC, step, period_start, "
            f"item_code, detail LIMIT {SHOWN}",
            [list(CLASSES)],
        ).fetchall()
        months = con.execute(
            "SELECT strftime(period_start, '%Y-%m'), class, count(*) FROM breaks GROUP BY ALL ORDER BY 1, 2"
        ).fetchall()
    names = ("step", "class", "measure", "cause", "rows", "difference")
    shown: dict[str, Any] = {
        "breaks": sum(row[4] for row in steps if row[1] == "break"),
        "totals by stage": _table(("measure", "stage", "rows", "quantity"), stages),
        "differences by step": _table(names, steps),
        "picture of the stages": _picture(stages, months),
    }
    if rows:
        shown["rows that differ"] = _table(ROW_NAMES, rows)
    return shown


ROW = (
    "step, class, measure_name, period_label, item_code, location_code, channel_code, detail, "
    "CAST(quantity_before AS DOUBLE), CAST(quantity_after AS DOUBLE), coalesce(cause, ''), coalesce(origin, '')"
)
ROW_NAMES = (
    *("step", "class", "measure", "period", "item", "location", "channel", "detail"),
    *("before", "after", "cause", "origin"),
)


def agreement(lake: "Lake", engine: "Engine", severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
    """Whether there is no break, and the first rows of those there are."""
    with engine.connect() as con:
        lake.view(con, "breaks", BREAKS)
        counts = dict(con.execute("SELECT class, count(*) FROM breaks GROUP BY 1").fetchall())
        rows = con.execute(
            f"SELECT {ROW} FROM breaks WHERE class = 'break' ORDER BY abs(difference) DESC, step, period_start, "
            f"item_code, detail LIMIT {SHOWN}"
        ).fetchall()
    told = [f"{row[0]} {row[2]} {row[3]}: {' · '.join(filter(None, row[4:8]))} {row[8]} → {row[9]}" for row in rows]
    count = counts.get("break", 0)
    return dg.AssetCheckResult(
        passed=not count,
        severity=severity,
        description=f"{count:,} rows differ: " + "; ".join(told[:20]) if count else "all stages agree",
        metadata={
            **{name: counts.get(name, 0) for name in CLASSES},
            **({"rows": _table(ROW_NAMES, rows)} if rows else {}),
        },
    )


def members(lake: "Lake", engine: "Engine") -> dg.AssetCheckResult:
    """Members that o9 lacks, with the volume of every measure that does not reach it."""
    with engine.connect() as con:
        lake.view(con, "breaks", BREAKS)
        rows = con.execute(
            "SELECT cause, measure_name, count(*), CAST(sum(-difference) AS DOUBLE) FROM breaks "
            "WHERE starts_with(cause, 'o9 lacks ') GROUP BY ALL ORDER BY 4 DESC, 1, 2"
        ).fetchall()
    told = [f"{cause}: {cells:,} cells, {volume:,.10g} {measure}" for cause, measure, cells, volume in rows]
    return dg.AssetCheckResult(
        passed=not rows,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(told[:20]) or None,
        metadata={"members": _table(("member", "measure", "cells", "volume"), rows[:500])} if rows else {},
    )


def _table(names: "tuple[str, ...]", rows: "list[tuple[Any, ...]]") -> dg.TableMetadataValue:
    def typed(value: Any) -> "str | int | float":
        return value if isinstance(value, int | float) else "" if value is None else str(value)

    kinds = [
        "float" if any(isinstance(row[n], float) for row in rows)
        else "int" if any(isinstance(row[n], int) for row in rows)
        else "string"
        for n in range(len(names))
    ]  # fmt: skip
    return dg.MetadataValue.table(
        [dg.TableRecord({name: typed(value) for name, value in zip(names, row, strict=True)}) for row in rows],
        schema=dg.TableSchema([dg.TableColumn(name, kind) for name, kind in zip(names, kinds, strict=True)]),
    )


def _picture(stages: "list[tuple[Any, ...]]", months: "list[tuple[str, str, int]]") -> dg.MarkdownMetadataValue:
    """Quantity of each measure by stage, as a share of the first; and rows that differ by month and class."""
    figure = new_figure(10, 4)
    left, right = figure.subplots(1, 2)
    by_measure: dict[str, list[tuple[str, float]]] = {}
    for measure, stage, _, quantity in stages:
        if quantity and not measure.startswith("rows of "):
            by_measure.setdefault(measure, []).append((stage, quantity))
    order = [stage for stage in STAGES if any(stage == s for found in by_measure.values() for s, _ in found)]
    for measure, found in sorted(by_measure.items()):
        first = found[0][1]
        places = [order.index(stage) for stage, _ in found]
        left.plot(places, [100 * quantity / first for _, quantity in found], marker="o", alpha=0.7, label=measure)
    left.set_xticks(range(len(order)), order)
    left.set_ylabel("% of the measure's first stage")
    left.set_title("Quantity by stage", fontsize=10)
    if by_measure:
        left.legend(fontsize=7, frameon=False)
    names = sorted({month for month, _, _ in months})
    bottoms = [0] * len(names)
    for kind in CLASSES:
        counts = [sum(n for month, k, n in months if month == name and k == kind) for name in names]
        if any(counts):
            right.bar(range(len(names)), counts, bottom=bottoms, color=COLOURS[kind], label=kind)
            bottoms = [a + b for a, b in zip(bottoms, counts, strict=True)]
    step = len(names) // 8 + 1
    right.set_xticks(range(0, len(names), step), names[::step])
    right.set_title("Rows that differ, by month", fontsize=10)
    if names:
        right.legend(fontsize=7, frameon=False)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, "Quantity by stage, and rows that differ by month")
