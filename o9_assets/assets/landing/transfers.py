"""What AWS's movers bring into the landing zone: an asset for each transfer that the settings declare.

It starts the service (or follows what an earlier run started), and succeeds when all that the service says it wrote is
there. `docs/transfers.md` tells what each kind needs.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from o9_assets.failures import for_dagster
from o9_assets.planning.binding import transfer_problems
from o9_assets.planning.settings import Settings
from o9_assets.planning.transfers import DataExchangeTransfer, Transfer
from o9_assets.resources.configured import ClockResource, LakeResource, MoversResource, ZoneResource

if TYPE_CHECKING:
    from o9_assets.landing.transferred import Account

__all__ = ["build"]

CHECK = "landed_as_told"


def build(settings: Settings, *, movers: bool) -> list[Any]:
    """The transfers and the external systems that they read.

    Without `movers` (the local deployment, where no AWS service is) the transfers are shown and cannot be started:
    their files are put into the landing zone's folder by hand. Raises SettingsError for a transfer whose feeds are not
    declared or lie elsewhere.
    """
    for key, message in transfer_problems(settings):
        raise settings.error(".".join(map(str, key)), message)
    sources: dict[str, list[str]] = {}
    things: list[Any] = []
    for name, transfer in settings.transfers.items():
        sources.setdefault(transfer.source, []).append(name)
        things.append(_asset(settings, name, transfer) if movers else _shown(name, transfer))
    for source, names in sources.items():
        things.append(
            dg.AssetSpec(
                ["source", source],
                description=f"An external system that the transfers {', '.join(names)} read.",
                group_name="source",
            )
        )
    return things


def _description(transfer: Transfer) -> str:
    return (
        f"Files that {transfer.kind} brings from {transfer.source} into `{transfer.lands}` of the landing zone, for "
        f"{', '.join(f'`raw/{feed}`' for feed in transfer.feeds)}."
    )


def _attributes(name: str, transfer: Transfer) -> dict[str, Any]:
    return {
        "description": _description(transfer),
        "group_name": "landing",
        "kinds": {"aws", transfer.kind, "s3"},
        "owners": [transfer.owner],
        "deps": [dg.AssetKey(["source", transfer.source])],
        "metadata": {"lands": transfer.lands, "feeds": ", ".join(transfer.feeds)},
    }


def _shown(name: str, transfer: Transfer) -> dg.AssetSpec:
    return dg.AssetSpec(["landing", name], **_attributes(name, transfer))


def _asset(settings: Settings, name: str, transfer: Transfer) -> dg.AssetsDefinition:
    key = dg.AssetKey(["landing", name])

    def transferred(
        context: dg.AssetExecutionContext,
        movers: MoversResource,
        zone: ZoneResource,
        lake: LakeResource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        with for_dagster(context.retry_number):
            if isinstance(transfer, DataExchangeTransfer):
                return _bring_revisions_in(context, settings, name, transfer, movers, zone, lake, clock)
            return _carry_out(context, settings, name, transfer, movers, zone, lake, clock)

    made: dg.AssetsDefinition = dg.asset(
        key=key,
        pool=f"transfer_{name}",
        check_specs=[
            dg.AssetCheckSpec(
                CHECK,
                asset=key,
                blocking=True,
                description="The objects, bytes and records that the service says it wrote lie in the landing zone.",
            )
        ],
        **_attributes(name, transfer),
    )(transferred)
    return made


def _carry_out(
    context: dg.AssetExecutionContext,
    settings: Settings,
    name: str,
    transfer: Transfer,
    movers: MoversResource,
    zone: ZoneResource,
    lake: LakeResource,
    clock: ClockResource,
) -> dg.MaterializeResult:
    from o9_assets.landing.leftovers import set_leftovers_aside
    from o9_assets.landing.transferred import account_of_transfer
    from o9_assets.landing.transfers import carry_out

    mover, room, opened = movers.open(transfer), lake.open(), zone.open()
    feeds = {feed: settings.feeds[feed] for feed in transfer.feeds}
    set_leftovers_aside(name, mover, transfer.lands, feeds, zone=opened, lake=room, now=clock.now())
    accounts: list[Account] = []
    outcome = carry_out(
        name,
        mover,
        transfer.lands,
        lake=room,
        now=clock.now,
        sleep=time.sleep,
        clock=time.monotonic,
        patience_seconds=transfer.patience_minutes * 60,
        progress=context.log.info,
        account=lambda seen, names: accounts.append(account_of_transfer(seen, names, mover.layout(), zone=opened)),
    )
    metadata: dict[str, Any] = {
        "service status": outcome.progress.status,
        "execution": outcome.execution,
        "followed from an earlier run": outcome.resumed,
        "seconds": (outcome.ended_at - outcome.started_at).total_seconds(),
        "counters": dg.MetadataValue.json(dict(outcome.progress.counters)),
    }
    return _told(context, metadata, outcome.names, accounts)


def _bring_revisions_in(
    context: dg.AssetExecutionContext,
    settings: Settings,
    name: str,
    transfer: DataExchangeTransfer,
    movers: MoversResource,
    zone: ZoneResource,
    lake: LakeResource,
    clock: ClockResource,
) -> dg.MaterializeResult:
    from o9_assets.landing.revisions import bring_in
    from o9_assets.landing.transferred import account_of_transfer

    opened = zone.open()
    accounts: list[Account] = []
    done = bring_in(
        name,
        movers.open_exchange(transfer),
        {feed: settings.feeds[feed] for feed in transfer.feeds},
        lake=lake.open(),
        zone=opened,
        now=clock.now,
        sleep=time.sleep,
        clock=time.monotonic,
        patience_seconds=transfer.patience_minutes * 60,
        progress=context.log.info,
        account=lambda seen, names: accounts.append(account_of_transfer(seen, names, None, zone=opened)),
    )
    metadata: dict[str, Any] = {
        "revisions": done.revisions,
        "revisions exported": len(done.outcomes),
        "revisions revoked": done.revoked,
        "objects withdrawn": sum(done.withdrawn.values()),
    }
    return _told(context, metadata, [n for o in done.outcomes.values() for n in o.names], accounts)


def _told(
    context: dg.AssetExecutionContext, metadata: dict[str, Any], names: Sequence[str], accounts: "Sequence[Account]"
) -> dg.MaterializeResult:
    """What landed, and whether it is what the service told."""
    breaks = [line for account in accounts for line in account.breaks]
    for line in breaks:
        context.log.error(line)
    objects, size = sum(a.objects for a in accounts), sum(a.size_bytes for a in accounts)
    counted = [a.rows for a in accounts if a.rows is not None]
    metadata |= {"objects": objects, "bytes": size}
    if counted:
        metadata["dagster/row_count"] = sum(counted)
    if names:
        metadata["landed"] = dg.MetadataValue.md("\n".join(f"- `{one}`" for one in names[:50]))
    return dg.MaterializeResult(
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not breaks,
                description="; ".join(breaks)
                or f"{objects:,} objects, {size:,} bytes" + (f", {sum(counted):,} records" if counted else ""),
            )
        ],
    )
