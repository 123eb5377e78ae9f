"""How a feed becomes a raw asset: ingest what is new, report the account of rows, check that it balances."""

from typing import Any

import dagster as dg

from o9_assets.assets.declare import dataset_asset
from o9_assets.assets.raw.feed_report import told
from o9_assets.dataset import Dataset
from o9_assets.planning.settings import Settings, bind
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, ZoneResource

__all__ = ["build_feed"]


def build_feed(
    settings: Settings, dataset: Dataset, *, page: str, deps: tuple[tuple[str, str], ...] = (), group: str | None = None
) -> list[Any]:
    """The asset of the feed that `dataset` takes, and its check. `page` is the dataset module's docstring; `group` is
    the box that the UI draws it in, its layer's by default.

    Raises SettingsError where the feed's mapping does not fit the dataset.
    """
    feed = bind(settings, dataset)
    feed_name = dataset.asset_key[-1]

    @dataset_asset(
        dataset,
        kinds={"iceberg", feed.format.type},
        deps=[*([*dep] for dep in deps), *(["landing", name] for name in _transfers(settings, feed_name))],
        group=group,
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

        room, opened = lake.open(), engine.open()
        report = ingest(
            feed_name,
            feed,
            dataset,
            timezone=settings.timezone,
            zone=zone.open(),
            lake=room,
            engine=opened,
            now=clock.now(),
            progress=context.log.info,
        )
        for name, reason in report.set_aside.items():
            context.log.warning(f"set aside {name}: {reason}")
        for name in report.left_for_later:
            context.log.warning(f"{name} changed while it was read; it is taken next time")
        return dg.MaterializeResult(metadata=told(feed_name, dataset, report, room, opened))

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


def _transfers(settings: Settings, feed_name: str) -> list[str]:
    """Transfers that bring the feed's files."""
    return [name for name, transfer in settings.transfers.items() if feed_name in transfer.feeds]
