"""What stands behind each resource name: `local` (no server, no account) or `aws`.

The one place that reads the environment, once, when the code location loads:

    O9_DEPLOYMENT    local (default) or aws
    O9_PLANNING      the settings file; planning.yaml beside this package's root by default
    O9_STATE         folder of local state; .o9 by default
    O9_MEMORY_LIMIT  DuckDB's memory limit; 2GB by default

and for aws:

    O9_LAKE          s3://bucket/prefix of the lake; databases are in Glue
    O9_LANDING_ZONE  s3://bucket/prefix where source files arrive
    O9_BASE_URL      o9's address, where the contract profile does not say it
    O9_ALERT_TOPIC   SNS topic that is told about failed runs; the log without it
    O9_WAREHOUSE     DuckDB file of the warehouse, on a disk that outlives a run
    O9_LANDING_QUEUE  URL of the SQS queue that the landing zone's bucket tells of new objects
    O9_BUCKET_OWNER  account that the buckets must belong to: every call to S3 says so
    O9_KMS_KEY       KMS key that objects are encrypted with; S3's own without it
    O9_DATABASE_PREFIX  put before every Glue database's name, where one account holds several lakes

O9_API_KEY is looked up when a run needs it and kept nowhere.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from o9_assets.failures import Permanent
from o9_assets.planning import settings as planning
from o9_assets.planning.settings import Settings
from o9_assets.resources.configured import (
    ClockResource,
    EngineResource,
    LakeResource,
    MoversResource,
    O9Resource,
    StreamsResource,
    WarehouseResource,
    ZoneResource,
)
from o9_assets.resources.notifier import LogNotifier, SnsNotifier

if TYPE_CHECKING:
    import httpx

__all__ = ["Deployment", "aws", "from_environment", "in_process_o9", "local"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Deployment:
    """A deployment's settings and resources, and what starts by itself in it."""

    name: Literal["local", "aws"]
    settings: Settings
    resources: Mapping[str, Any]
    sensors_running: bool = True
    schedules_running: bool = False
    movers: bool = False


def local(
    settings: Settings,
    state: Path = Path(".o9"),
    *,
    settle_seconds: float = 2,
    memory_limit: str = "2GB",
    clock: ClockResource | None = None,
) -> Deployment:
    """Everything on this machine's disk, below `state`/<company>: it survives restarts and needs no server."""
    home = state.resolve() / settings.slug
    return Deployment(
        "local",
        settings,
        {
            "clock": clock or ClockResource(),
            "engine": EngineResource(memory_limit=memory_limit, temp_dir=str(home / "tmp")),
            "lake": LakeResource(kind="folder", location=str(home / "lake")),
            "zone": ZoneResource(kind="folder", location=str(home / "landing"), settle_seconds=settle_seconds),
            "o9": O9Resource(
                kind="in_process",
                location=str(home / "o9.db"),
                outbound=str(home / "landing"),
                profile=settings.o9.profile,
            ),
            "streams": StreamsResource(),
            "warehouse": WarehouseResource(path=str(home / "warehouse.duckdb")),
            "notifier": LogNotifier(),
        },
    )


def aws(settings: Settings, environment: Mapping[str, str]) -> Deployment:
    """The lake and the landing zone on S3, o9 over HTTPS. AWS_ENDPOINT_URL points all of it elsewhere."""

    def need(name: str) -> str:
        if not environment.get(name):
            raise Permanent(f"The deployment aws needs the environment variable {name}.", remedy="See deployment.py.")
        return environment[name]

    topic = environment.get("O9_ALERT_TOPIC")
    buckets = {"bucket_owner": environment.get("O9_BUCKET_OWNER"), "kms_key": environment.get("O9_KMS_KEY")}
    return Deployment(
        "aws",
        settings,
        {
            "clock": ClockResource(),
            "engine": EngineResource(memory_limit=environment.get("O9_MEMORY_LIMIT", "2GB")),
            "lake": LakeResource(
                kind="glue",
                location=need("O9_LAKE"),
                database_prefix=environment.get("O9_DATABASE_PREFIX", ""),
                **buckets,
            ),
            "zone": ZoneResource(
                kind="s3",
                location=need("O9_LANDING_ZONE"),
                settle_seconds=0,
                queue_url=environment.get("O9_LANDING_QUEUE"),
                **buckets,
            ),
            "o9": O9Resource(kind="http", location=environment.get("O9_BASE_URL", ""), profile=settings.o9.profile),
            "streams": StreamsResource(),
            "warehouse": WarehouseResource(path=need("O9_WAREHOUSE")),
            "movers": MoversResource(location=need("O9_LANDING_ZONE"), **buckets),
            "notifier": SnsNotifier(topic_arn=topic) if topic else LogNotifier(),
        },
        schedules_running=True,
        movers=True,
    )


def from_environment(environment: Mapping[str, str] = os.environ) -> Deployment:
    """The deployment that the environment asks for.

    Raises SettingsError where the settings are wrong, Permanent where a variable is missing or unknown.
    """
    named = environment.get("O9_PLANNING")
    settings = planning.load(Path(named) if named else ROOT / "planning.yaml")
    match environment.get("O9_DEPLOYMENT", "local"):
        case "local":
            return local(
                settings,
                Path(environment.get("O9_STATE") or ".o9"),
                memory_limit=environment.get("O9_MEMORY_LIMIT", "2GB"),
            )
        case "aws":
            return aws(settings, environment)
        case other:
            raise Permanent(f"O9_DEPLOYMENT is {other!r}.", remedy="It is local or aws.")


def in_process_o9(state: Path, outbound: Path) -> "tuple[httpx.AsyncBaseTransport, Callable[[str], str]]":
    """The sandbox o9 as a transport, and its secrets: called without a network, its state in a file, its files dropped
    into a folder."""
    import httpx

    from o9_assets.sandbox.o9 import Store, build_app, folder_drop, secret

    return httpx.ASGITransport(build_app(Store(state), folder_drop(outbound))), secret
