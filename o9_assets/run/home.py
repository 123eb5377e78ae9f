"""Where Dagster keeps a company's runs. Those of the settings beside the code lie in .dagster, where `dagster dev` by
itself looks; those of another settings file in a folder of their own, so that no page shows the figures of one company
as another's, and no sensor takes the runs of one for news of another."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef

from o9_assets.deployment import ROOT
from o9_assets.planning.settings import Settings

__all__ = ["home_of", "instance"]

PLACES = ("storage", "local_artifact_storage", "compute_logs")
"""What dagster.yaml says of where state lies; without it, it lies in DAGSTER_HOME."""


@contextmanager
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    """The Dagster instance that `make dev` shows for the company, so that a run here is seen there."""
    if os.environ.get("DAGSTER_HOME"):
        with dg.DagsterInstance.get() as home:
            yield home
        return
    own = home_of(settings)
    folder, config = (own, own) if own is not None else (Path.cwd() / ".dagster", _config().parent)
    folder.mkdir(exist_ok=True)
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), config_dir=str(config))) as home:
        yield home


def home_of(settings: Settings) -> Path | None:
    """DAGSTER_HOME of a company whose settings are not those beside the code, made where it is not there; None for
    those."""
    if Path(settings.file).resolve() == (ROOT / "planning.yaml").resolve():
        return None
    home = Path.cwd() / ".dagster" / "companies" / settings.slug
    home.mkdir(parents=True, exist_ok=True)
    config = yaml.safe_load(_config().read_text(encoding="utf-8"))
    told = yaml.safe_dump({key: value for key, value in config.items() if key not in PLACES}, sort_keys=False)
    (home / "dagster.yaml").write_text(told, encoding="utf-8")
    return home


def _config() -> Path:
    here = Path.cwd() / "dagster.yaml"
    return here if here.exists() else ROOT / "dagster.yaml"
