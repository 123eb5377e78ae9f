"""A contract profile: how a tenant's o9 is spoken to. o9 publishes no contract, so all of it is configuration.

The built-in profiles are observed, unconfirmed. A file of one's own is named in the settings by its path.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from o9_assets.planning.errors import Problem, SettingsError
from o9_assets.planning.feeds import Model
from o9_assets.planning.source import read, read_file

__all__ = ["Profile", "load_profile"]

BUILT_IN = Path(__file__).with_name("profiles")


class Paths(Model):
    """Paths below the base URL; {model}, {dimension}, {measure_group} and {tenant} are filled in."""

    members: str = "/api/v2/master/{model}/{dimension}"
    facts: str = "/api/v2/fact/{model}/{measure_group}"
    pipeline: str = "/{tenant}/api/v3/integration/{tenant}/ui/airflow/execute?IsolatedExecution=false"


class Retry(Model):
    """How long to go on when o9 is busy or away."""

    attempts: int = Field(6, ge=1, le=20)
    first_pause_seconds: float = Field(0.5, gt=0)
    longest_pause_seconds: float = Field(60, gt=0)
    open_after_failures: int = Field(20, ge=1, description="Failures in a row after which o9 is left alone")


class Profile(Model):
    """A tenant's contract."""

    name: str
    status: str = Field("observed, unconfirmed", description="How sure one can be of it")
    auth: Literal["api_key"] = Field("api_key", description="api_key sends `Authorization: ApiKey <key>`")
    tenant: str = Field("tenant", description="Tenant's id in paths")
    paths: Paths = Paths()
    page_size: int = Field(20_000, ge=1)
    batch_size: int = Field(5_000, ge=1, description="Rows of a request")
    concurrent_requests: int = Field(4, ge=1, le=64)
    timeout_seconds: float = Field(60, gt=0)
    create_members: bool = Field(True, description="Whether members that o9 lacks are created before facts are sent")
    plan_pipeline: str = Field("plan", description="Pipeline that computes the plan and drops it as a file")
    retry: Retry = Retry()


def load_profile(name: str) -> Profile:
    """A built-in profile by name, or one's own by path. Raises SettingsError with the key and what is wrong."""
    built_in = BUILT_IN / f"{name}.yaml"
    path = built_in if built_in.is_file() else Path(name)
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in BUILT_IN.glob("*.yaml")))
        raise SettingsError(name, [Problem("o9.profile", None, f"no such profile; built in: {known}, or name a file")])
    values, lines = read(read_file(path), str(path))
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        problems = [
            Problem(".".join(map(str, found["loc"])), lines.of(tuple(found["loc"])), found["msg"])
            for found in error.errors()
        ]
        raise SettingsError(str(path), problems) from error
