"""How old a dataset may become before the UI says so: twice as old as the clock that makes it allows.

A policy is about runs: a dataset is fresh when it was made lately, whatever came in. Whether the newest data is in is
another question, and has checks of its own, since a policy knows neither partitions nor delivery calendars:
`latest_delivery_is_in` of curated/demand_history and `latest_cycle_is_in` of forecast/predictions.
"""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import dagster as dg
from dagster._utils.schedules import cron_string_iterator

from o9_assets.planning.settings import Settings
from o9_assets.schedules import MAINTENANCE_CRON

__all__ = ["fresh", "longest_wait"]

GRACE = timedelta(hours=2)
"""What a run may take, and the hour by which clocks change."""
START = datetime(2024, 1, 1, tzinfo=UTC)


def longest_wait(cron: str, timezone: str) -> timedelta:
    """The longest time between two ticks: three days for `0 5 * * mon-fri`."""
    ticks = list(islice(cron_string_iterator(START.timestamp(), cron, timezone), 60))
    return max(after - before for before, after in pairwise(tick.astimezone(UTC) for tick in ticks))


def fresh(
    settings: Settings, assets: list[dg.AssetsDefinition | dg.AssetSpec]
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """The assets, each with a policy by the schedule that makes it, but for those that brought their own
    and those that are only shown (sources).

    It warns when a run is late (the wait and a grace are over) and fails when one was missed (twice the wait).
    """

    def policy(cron: str) -> dg.FreshnessPolicy:
        wait = longest_wait(cron, settings.timezone)
        return dg.FreshnessPolicy.time_window(fail_window=2 * wait + GRACE, warn_window=wait + GRACE)

    daily, cycle, nightly = map(policy, (settings.schedules.daily, settings.schedules.cycle, MAINTENANCE_CRON))
    weekly = {
        dg.AssetKey(["o9", "outbound_plan"]),
        dg.AssetKey(["raw", "o9_plan"]),
        dg.AssetKey(["lake", "cycle_close"]),
    }

    def with_policy(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.freshness_policy is not None:
            return spec
        if spec.key == dg.AssetKey(["lake", "maintenance"]):
            return spec.replace_attributes(freshness_policy=nightly)
        is_weekly = spec.group_name in ("forecast", "warehouse") or spec.key in weekly
        return spec.replace_attributes(freshness_policy=cycle if is_weekly else daily)

    return [a if isinstance(a, dg.AssetSpec) else a.map_asset_specs(with_policy) for a in assets]
