"""What was set aside on the way in: every record and object that could not be taken, with its reason and its value.

Fix the source and send the object again under its name, or mend the setting that judged it; `docs/landing.md` tells
how. Nothing is ever deleted from here without being accounted for.
"""

from typing import Any

import dagster as dg

from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.pictures import new_figure, picture
from o9_assets.dataset import Dataset
from o9_assets.landing.datasets import QUARANTINE as ROWS
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import EngineResource, LakeResource

__all__ = ["build"]

QUARANTINE = Dataset("lake.quarantine", ROWS.description, ROWS.columns, ROWS.key)


def build(settings: Settings) -> list[Any]:
    """The report on the quarantine."""

    @dataset_asset(QUARANTINE, kinds={"iceberg"}, deps=[["raw", name] for name in settings.feeds if name != "o9_plan"])
    def quarantine(
        context: dg.AssetExecutionContext, lake: LakeResource, engine: EngineResource
    ) -> dg.MaterializeResult:
        with engine.open().connect() as con:
            lake.open().view(con, "quarantine", ROWS)
            open_rows = "FROM quarantine WHERE mended_at IS NULL"
            by_reason = con.execute(
                f"SELECT feed, reason, count(*), sum(value_at_risk) {open_rows} GROUP BY ALL ORDER BY 3 DESC, 1, 2"
            ).fetchall()
            newest = con.execute(
                "SELECT feed, object_name, line, reason, detail, left(original_text, 200) "
                f"{open_rows} ORDER BY known_at DESC, object_name, line LIMIT 50"
            ).fetchall()
            [(mended,)] = con.execute("SELECT count(mended_at) FROM quarantine").fetchall()
        metadata: dict[str, Any] = {
            "dagster/row_count": sum(row[2] for row in by_reason),
            "mended rows": mended,
            "by reason": _table(["feed", "reason", "rows", "value at risk"], by_reason),
            "newest": _table(["feed", "object", "line", "reason", "detail", "original text"], newest),
        }
        if by_reason:
            figure = new_figure(8, 0.8 + 0.28 * len(by_reason))
            axes = figure.subplots()
            shown = by_reason[::-1]
            axes.barh([f"{row[0]}: {row[1]}" for row in shown], [row[2] for row in shown], color="#c0504d")
            axes.set_xlabel("rows")
            axes.spines[["top", "right"]].set_visible(False)
            metadata["picture"] = picture(figure, "Quarantine by feed and reason")
        return dg.MaterializeResult(metadata=metadata)

    return [quarantine]


def _table(columns: list[str], rows: list[tuple[Any, ...]]) -> dg.MetadataValue:
    records = [
        dg.TableRecord({c: "" if v is None else str(v) for c, v in zip(columns, row, strict=True)}) for row in rows
    ]
    return dg.MetadataValue.table(records, schema=dg.TableSchema([dg.TableColumn(c, "string") for c in columns]))
