"""A company of two items on the real deployment, whose laws are put to the test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from o9_assets.definitions import build_defs
from o9_assets.deployment import Deployment, local
from o9_assets.planning.settings import Settings, parse
from o9_assets.resources.configured import ClockResource
from o9_assets.sandbox.o9 import Store
from o9_assets_tests.company import ORDERS, SETTINGS

FILES = {
    "2025-01-06": ["O1;1;a;S1;2025-01-06;5;2.50", "O1;2;b;S1;2025-01-06;2.125;4", "O2;1;a;S1;2025-01-06;many;2.50"],
    "2025-01-07": ["O3;1;a;S2;2025-01-07;-1;2.50", "O4;1;b;S2;2025-01-31;7;"],
    "2025-02-02": ["O5;1;a;S1;2025-01-13;1;2.50"],  # up to here every day is known, so every week is sent
}


@dataclass
class Company:
    """A small company on a deployment of its own below `home`, and an instance that keeps what Dagster records."""

    home: Path
    settings: Settings
    deployment: Deployment
    instance: dg.DagsterInstance

    @property
    def landing(self) -> Path:
        return Path(self.deployment.resources["zone"].location)

    @property
    def lake(self) -> Any:
        return self.deployment.resources["lake"].open()

    @property
    def o9(self) -> Store:
        return Store(self.home / "state" / self.settings.slug / "o9.db")

    def land(self, day: str, rows: list[str]) -> None:
        path = self.landing / "orders" / f"{day}.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([ORDERS, *rows]) + "\n", encoding="utf-8")

    def refresh(self, *only: str) -> dg.ExecuteInProcessResult:
        """Run the job `refresh`, or only the assets named, with their checks."""
        job = build_defs(self.deployment).resolve_job_def("refresh")
        selection = [dg.AssetKey(name.split("/")) for name in only] or None
        return job.execute_in_process(instance=self.instance, raise_on_error=False, asset_selection=selection)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """The company after its files were taken in, up to o9. The tests of a module go on from each other's state."""
    home = tmp_path_factory.mktemp("company")
    (home / "dagster").mkdir()
    settings = parse(SETTINGS)
    clock = ClockResource(fixed_at="2025-02-03T08:00:00")
    deployment = local(settings, home / "state", settle_seconds=0, clock=clock, memory_limit="1GB")
    with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
        made = Company(home, settings, deployment, instance)
        for day, rows in FILES.items():
            made.land(day, rows)
        assert made.refresh().success
        yield made
