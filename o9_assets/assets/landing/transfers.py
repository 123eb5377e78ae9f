"""What AWS's movers bring into the landing zone: an asset for each transfer that the settings declare.

It starts the service (or follows what an earlier run started), and succeeds when all that the service says it wrote is
there. `docs/transfers.md` tells what each kind needs.
"""

import time
from typing import Any

import dagster as dg

from o9_assets.failures import for_dagster
from o9_assets.planning.binding import transfer_problems
from o9_assets.planning.settings import Settings
from o9_assets.planning.transfers import Transfer
from o9_assets.resources.configured import ClockResource, LakeResource, MoversResource, ZoneResource

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
        things.append(_asset(name, transfer) if movers else _shown(name, transfer))
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


def _asset(name: str, transfer: Transfer) -> dg.AssetsDefinition:
    key = dg.AssetKey(["landing", name])

    def transferred(
        context: dg.AssetExecutionContext,
        movers: MoversResource,
        zone: ZoneResource,
        lake: LakeResource,
        clock: ClockResource,
    ) -> dg.MaterializeResult:
        with for_dagster(context.retry_number):
            return _carry_out(context, name, transfer, movers, zone, lake, clock)

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
    name: str,
    transfer: Transfer,
    movers: MoversResource,
    zone: ZoneResource,
    lake: LakeResource,
    clock: ClockResource,
) -> dg.MaterializeResult:
    from o9_assets.landing.transferred import account_of_transfer
    from o9_assets.landing.transfers import carry_out

    mover = movers.open(transfer)
    outcome = carry_out(
        name,
        mover,
        transfer.lands,
        lake=lake.open(),
        now=clock.now,
        sleep=time.sleep,
        clock=time.monotonic,
        patience_seconds=transfer.patience_minutes * 60,
        progress=context.log.info,
    )
    account = account_of_transfer(outcome.progress, outcome.names, mover.layout(), zone=zone.open())
    for line in account.breaks:
        context.log.error(line)
    listed = "\n".join(f"- `{one}`" for one in outcome.names[:50])
    metadata: dict[str, Any] = {
        "service status": outcome.progress.status,
        "execution": outcome.execution,
        "followed from an earlier run": outcome.resumed,
        "objects": account.objects,
        "bytes": account.size_bytes,
        "seconds": (outcome.ended_at - outcome.started_at).total_seconds(),
        "counters": dg.MetadataValue.json(dict(outcome.progress.counters)),
    }
    if account.rows is not None:
        metadata["dagster/row_count"] = account.rows
    if listed:
        metadata["landed"] = dg.MetadataValue.md(listed)
    return dg.MaterializeResult(
        metadata=metadata,
        check_results=[
            dg.AssetCheckResult(
                check_name=CHECK,
                passed=not account.breaks,
                description="; ".join(account.breaks)
                or f"{account.objects:,} objects, {account.size_bytes:,} bytes"
                + ("" if account.rows is None else f", {account.rows:,} records"),
            )
        ],
    )
