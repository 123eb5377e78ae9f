"""What the handlers take from the environment: settings, zones in S3, o9. Secrets are looked up when needed."""

from __future__ import annotations

import os
from pathlib import Path

from o9_assets.failures import Permanent
from o9_assets.planning import settings as planning
from o9_assets.planning.settings import Settings
from o9_assets.resources import aws
from o9_assets.resources.engine import Engine
from o9_assets.resources.landing_zone import S3Zone
from o9_assets.resources.o9 import O9Client, address, load_profile

__all__ = ["engine", "need", "o9", "settings", "zone"]


def need(name: str) -> str:
    """A variable of the environment, secrets among them. Raises Permanent without it."""
    value = os.environ.get(name, "")
    if not value:
        raise Permanent(f"The environment variable {name} is not set.", remedy="Set it in the function's settings.")
    return value


def settings() -> Settings:
    """The settings file that O9_PLANNING names."""
    return planning.load(Path(need("O9_PLANNING")))


def zone(name: str) -> S3Zone:
    """The place in S3 that a variable names: s3://bucket/prefix."""
    bucket, _, prefix = need(name).removeprefix("s3://").partition("/")
    return S3Zone(bucket, prefix, aws.s3(buckets()))


def buckets() -> aws.Buckets:
    """The buckets' owner and key, where the environment names them."""
    return aws.Buckets(os.environ.get("O9_BUCKET_OWNER"), os.environ.get("O9_KMS_KEY"))


def o9(given: Settings) -> O9Client:
    """o9 as the settings' profile says, at O9_BASE_URL where that is set."""
    profile = load_profile(given.o9.profile)
    return O9Client(profile, address(profile, os.environ.get("O9_BASE_URL", "")), need, model=given.o9.model)


def engine() -> Engine:
    """DuckDB within the function's memory."""
    megabytes = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "1024"))
    return Engine(memory_limit=f"{megabytes // 2}MB", temp_dir=Path("/tmp"))  # noqa: S108 - where a function may write
