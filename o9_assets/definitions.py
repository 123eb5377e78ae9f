"""The whole platform on one page: what Dagster loads.

`build_defs` puts together the assets, jobs, schedules and sensors of a deployment; tests call it with their own.
"""

import dagster as dg

from o9_assets import jobs, schedules
from o9_assets.assets import catalog
from o9_assets.automation import automation_sensor
from o9_assets.deployment import Deployment, from_environment
from o9_assets.freshness import fresh
from o9_assets.sensors import data_exchange, landing, run_failure, streams

__all__ = ["build_defs", "defs"]


def build_defs(deployment: Deployment) -> dg.Definitions:
    """Everything that Dagster shows and runs for `deployment`."""
    things = catalog.build(deployment.settings, movers=deployment.movers)
    return dg.Definitions(
        assets=fresh(deployment.settings, [t for t in things if not isinstance(t, dg.AssetChecksDefinition)]),
        asset_checks=[t for t in things if isinstance(t, dg.AssetChecksDefinition)],
        jobs=jobs.build(deployment.settings, movers=deployment.movers),
        schedules=schedules.build(deployment.settings, running=deployment.schedules_running),
        sensors=[
            landing.build(deployment.settings, running=deployment.sensors_running),
            *streams.build(deployment.settings, running=deployment.sensors_running),
            *data_exchange.build(deployment.settings, running=deployment.sensors_running, movers=deployment.movers),
            automation_sensor(running=deployment.sensors_running),
            run_failure.build(running=deployment.sensors_running),
        ],
        resources=dict(deployment.resources),
        # A process per step costs seconds each, and DuckDB and the forecasters use all cores as it is.
        executor=dg.in_process_executor,
    )


defs = build_defs(from_environment())
