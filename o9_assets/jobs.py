"""The platform's jobs: what a person or a schedule starts as one run."""

import dagster as dg

from o9_assets.planning.settings import Settings

__all__ = ["build"]


def build(settings: Settings, *, movers: bool = False) -> list["dg.UnresolvedAssetJobDefinition"]:
    """`refresh` brings demand history up to date and sends what changed to o9; `cycle` does what a planning cycle
    needs on top (forecast, o9's plan, warehouse, close); `maintenance` keeps the lake small. With `movers`, `refresh`
    begins with the transfers, so that what was changed until now is in, and `transfers` is them alone."""
    groups = dg.AssetSelection.groups
    names = ["demand_export", *(["demand_events"] if settings.o9.streaming is not None else [])]
    exports = dg.AssetSelection.assets(*(["o9", name] for name in names))
    back = groups("o9") - exports
    # Both end with it: what was sent and what came back are compared as soon as they are there.
    sent = exports | dg.AssetSelection.assets(["o9", "reconciliation"])
    maintenance = dg.AssetSelection.assets(["lake", "maintenance"])
    close = dg.AssetSelection.assets(["lake", "cycle_close"])
    transfers = groups("landing") if movers and settings.transfers else None
    raw = groups("raw", "curated")
    return [
        dg.define_asset_job(
            "refresh",
            selection=(transfers | raw if transfers else raw) | sent | dg.AssetSelection.assets(["lake", "quarantine"]),
            description="Landed files to raw, curated demand history, and what changed to o9.",
        ),
        dg.define_asset_job(
            "cycle",
            selection=groups("forecast", "warehouse") | back | close,
            description="A planning cycle: backtest and forecast, o9's plans back and kept, the warehouse, the cycle's "
            "tags.",
        ),
        dg.define_asset_job(
            "maintenance",
            selection=maintenance,
            description="Compacts the lake's tables, expires snapshots that no cycle holds, removes dead files.",
        ),
        *(
            [
                dg.define_asset_job(
                    "convergence",
                    selection=dg.AssetSelection.assets(["raw", "demand_events"], ["curated", "event_convergence"]),
                    description="What waits in the stream, and whether it comes to the same as the order feed.",
                )
            ]
            if "demand_events" in settings.streams
            else []
        ),
        *(
            [
                dg.define_asset_job(
                    "transfers",
                    selection=transfers,
                    description="AWS's movers bring in what their sources hold; the landing sensor does the rest.",
                )
            ]
            if transfers
            else []
        ),
    ]
