"""How a feed becomes a raw asset: ingest what is new, report the account of rows, check that it balances."""

from collections import Counter
from typing import Any

import dagster as dg

from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.pictures import new_figure, picture
from o9_assets.dataset import Dataset
from o9_assets.planning.settings import Settings, bind
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, ZoneResource

__all__ = ["build_feed"]


def build_feed(settings: Settings, dataset: Dataset, *, page: str, deps: tuple[tuple[str, str], ...] = ()) -> list[Any]:
    """The asset of the feed that `dataset` takes, and its check. `page` is the dataset module's docstring.

    Raises SettingsError where the feed's mapping does not fit the dataset.
    """
    feed = bind(settings, dataset)
    feed_name = dataset.asset_key[-1]

    @dataset_asset(
        dataset,
        kinds={"iceberg", feed.format.type},
        deps=[list(dep) for dep in deps],
        pool=f"landing_{feed_name}",
        description=f"{page.strip()}\n\n{dataset.description}\n\nLands as `{feed.path}`.",
    )
    def raw(
        context: dg.AssetExecutionContext,
        zone: ZoneResource,
        lake: LakeResource,
        engine: EngineResource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        from o9_assets.landing.ingest import ingest

        room = lake.open()
        report = ingest(
            feed_name,
            feed,
            dataset,
            timezone=settings.timezone,
            zone=zone.open(),
            lake=room,
            engine=engine.open(),
            now=clock.now(),
            progress=context.log.info,
        )
        for name, reason in report.set_aside.items():
            context.log.warning(f"set aside {name}: {reason}")
        for name in report.left_for_later:
            context.log.warning(f"{name} changed while it was read; it is taken next time")
        metadata: dict[str, Any] = {
            "dagster/row_count": room.row_count(dataset),
            "objects": report.objects,
            "landed rows": report.landed_rows,
            "accepted rows": report.accepted_rows,
            "quarantined rows": report.quarantined_rows,
            "objects set aside": len(report.set_aside),
            "bytes": report.size_bytes,
        }
        if report.reasons:
            metadata["value at risk"] = float(report.value_at_risk)
            metadata["quarantine by reason"] = _reasons(report.reasons)
            metadata["quarantine"] = _bars(report.reasons)
        if report.set_aside:
            lines = [f"- `{name}`: {reason}" for name, reason in sorted(report.set_aside.items())[:50]]
            metadata["set aside"] = dg.MetadataValue.md("\n".join(lines))
        return dg.MaterializeResult(metadata=metadata)

    @dg.asset_check(
        asset=raw,
        name="every_row_accounted_for",
        blocking=True,
        description="landed = accepted + quarantined for every object, and each of these rows is there once.",
    )
    def every_row_accounted_for(lake: LakeResource, engine: EngineResource) -> dg.AssetCheckResult:
        from o9_assets.landing.accounts import account_of

        account = account_of(feed_name, dataset, lake=lake.open(), engine=engine.open())
        return dg.AssetCheckResult(
            passed=account.balanced,
            description="; ".join(account.breaks)
            or f"{account.landed:,} landed = {account.accepted:,} accepted + {account.quarantined:,} quarantined "
            f"+ {account.superseded:,} superseded",
            metadata={
                "landed": account.landed,
                "accepted": account.accepted,
                "quarantined": account.quarantined,
                "superseded": account.superseded,
                "mended": account.mended,
                "objects set aside": account.set_aside_objects,
            },
        )

    return [raw, every_row_accounted_for]


def _reasons(reasons: Counter[str]) -> dg.MetadataValue:
    records = [dg.TableRecord({"reason": reason, "rows": rows}) for reason, rows in reasons.most_common()]
    return dg.MetadataValue.table(
        records,
        schema=dg.TableSchema([dg.TableColumn("reason", "string"), dg.TableColumn("rows", "int")]),
    )


def _bars(reasons: Counter[str]) -> dg.MetadataValue:
    figure = new_figure(7, 0.6 + 0.3 * len(reasons))
    axes = figure.subplots()
    ordered = reasons.most_common()[::-1]
    axes.barh([reason for reason, _ in ordered], [rows for _, rows in ordered], color="#c0504d")
    axes.set_xlabel("rows in quarantine")
    axes.spines[["top", "right"]].set_visible(False)
    return picture(figure, "Rows in quarantine by reason")
