"""No company's runs are shown, or taken for news, as another's."""

from pathlib import Path

import dagster as dg
import pytest
import yaml

from o9_assets.deployment import ROOT
from o9_assets.planning.settings import load
from o9_assets.run.home import home_of, instance

OWN, OTHER = ROOT / "planning.yaml", ROOT / "examples/online_retail.yaml"
ORDERS = dg.AssetKey(["raw", "erp_orders"])


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_each_settings_file_has_its_own_runs_and_events() -> None:
    with instance(load(OTHER)) as home:
        home.report_runless_asset_event(dg.AssetMaterialization(ORDERS))
    with instance(load(OWN)) as home:
        assert home.get_latest_materialization_event(ORDERS) is None
    with instance(load(OTHER)) as home:
        assert home.get_latest_materialization_event(ORDERS) is not None


def test_the_settings_beside_the_code_are_those_that_dagster_dev_shows_by_itself(tmp_path: Path) -> None:
    with instance(load(OWN)) as home:
        home.report_runless_asset_event(dg.AssetMaterialization(ORDERS))
    assert home_of(load(OWN)) is None
    assert (tmp_path / ".dagster/storage").is_dir()


def test_another_company_s_folder_is_a_dagster_home_with_the_same_settings(tmp_path: Path) -> None:
    home = home_of(load(OTHER))
    assert home == tmp_path / ".dagster/companies/online_retail"
    told = yaml.safe_load((home / "dagster.yaml").read_text())
    own = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert told == {key: value for key, value in own.items() if key in told}
    assert own.keys() - told.keys() == {"storage", "local_artifact_storage", "compute_logs"}


def test_a_dagster_home_that_is_named_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with instance(load(OTHER)) as home:
        assert Path(home.root_directory) == tmp_path
