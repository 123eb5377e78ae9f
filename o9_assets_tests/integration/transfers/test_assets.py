"""A declared transfer is an asset before the raw datasets of its feeds; what does not add up stops there."""

import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.definitions import build_defs
from o9_assets.deployment import Deployment, aws, local
from o9_assets.planning.settings import Settings, SettingsError, parse
from o9_assets.resources.configured import EngineResource, LakeResource
from o9_assets.resources.lake import Lake
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually
from o9_assets_tests.company import SETTINGS
from o9_assets_tests.postgres import Database
from o9_assets_tests.transfers import Dms

TRANSFER = """
transfers:
  erp: {kind: dms, task: TASK, lands: erp/, feeds: [erp_orders], source: erp_database, owner: "team:erp"}
"""
FEED = SETTINGS.replace('path: "orders/{covers_date:%Y-%m-%d}*"', 'path: "erp/public/lines/**"').replace(
    'format: {type: csv, delimiter: ";"}',
    "dms: {table: public.lines}\n"
    "    format: {type: csv, header: [order, line, item, ship_to, date, qty, price], nulls: ['NULL', '']}",
)
LANDING, RAW = dg.AssetKey(["landing", "erp"]), dg.AssetKey(["raw", "erp_orders"])


def settings(task: str = "orders") -> Settings:
    return parse(FEED + TRANSFER.replace("TASK", task))


def on_aws(home: Path, dms: Dms) -> Deployment:
    """The deployment aws with its lake in a folder, for quickness."""
    environment = {
        "O9_LAKE": "s3://unused/lake",
        "O9_LANDING_ZONE": dms.zone,
        "O9_BASE_URL": "http://127.0.0.1:9",
        "O9_WAREHOUSE": str(home / "warehouse.duckdb"),
    }
    made = aws(settings(dms.name), environment)
    lake = {"lake": LakeResource(kind="folder", location=str(home / "lake")), "engine": EngineResource()}
    return Deployment("aws", made.settings, {**made.resources, **lake}, movers=True)


@pytest.fixture
def erp(database: Database) -> Iterator[Database]:
    database.run(
        "CREATE TABLE lines (o text, l int, i text, s text, d date, q numeric(18,4), p numeric(18,4), "
        "PRIMARY KEY (o, l))",
        "INSERT INTO lines SELECT 'O' || n, 1, 'a', 'S1', '2026-01-06', n, 1 FROM generate_series(1, 5) n",
    )
    yield database


def test_what_dagster_shows_of_a_transfer(tmp_path: Path) -> None:
    defs = build_defs(local(settings(), tmp_path))
    graph = defs.resolve_asset_graph()
    shown = graph.get(LANDING)
    assert (shown.is_executable, shown.group_name, shown.owners) == (False, "landing", ["team:erp"])
    assert shown.kinds == {"aws", "dms", "s3"}
    assert shown.parent_keys == {dg.AssetKey(["source", "erp_database"])}
    assert shown.child_keys == {RAW}
    assert "transfers" not in [job.name for job in defs.resolve_all_job_defs()]


def test_a_transfer_for_a_feed_that_there_is_not(tmp_path: Path) -> None:
    wrong = parse(FEED + TRANSFER.replace("feeds: [erp_orders]", "feeds: [erp_items]"))
    with pytest.raises(SettingsError, match=r"line 3\d: transfers.erp.feeds.0: there is no feed 'erp_items'"):
        build_defs(local(wrong, tmp_path))


@pytest.mark.aws
def test_a_refresh_begins_with_the_transfers(twin: Twin, erp: Database, tmp_path: Path) -> None:
    defs = build_defs(on_aws(tmp_path, Dms(twin, erp.endpoint)))
    assert {key for key in defs.resolve_job_def("refresh").asset_layer.selected_asset_keys if key == LANDING}
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_job_def("transfers").execute_in_process(instance=instance)
        metadata = result.asset_materializations_for_node("landing__erp")[0].metadata
        assert {name: metadata[name].value for name in ("service status", "objects", "dagster/row_count")} == {
            "service status": "stopped (STOPPED_AT_SERVER_TIME)",
            "objects": 1,
            "dagster/row_count": 5,
        }
        [check] = result.get_asset_check_evaluations()
        assert (check.check_name, check.passed, check.blocking) == ("landed_as_told", True, True)
        assert "5 records" in (check.description or "")


@pytest.mark.aws
@pytest.mark.faults
def test_what_does_not_add_up_does_not_become_raw(twin: Twin, erp: Database, tmp_path: Path) -> None:
    dms = Dms(twin, erp.endpoint, task_settings={"FullLoadSettings": {"TargetTablePrepMode": "DO_NOTHING"}})
    defs = build_defs(on_aws(tmp_path, dms))
    erp.run("BEGIN", "LOCK TABLE lines IN ACCESS EXCLUSIVE MODE")

    def add_a_file() -> None:
        """Somebody else writes where the task does, while it runs."""
        eventually(lambda: dms.task()["Status"] == "running")
        key = "zone/erp/public/lines/LOAD0000000F.csv"
        dms.s3.put_object(Bucket=dms.bucket, Key=key, Body=b"O9,1,a,S1,2026-01-06,1,1\n")
        erp.run("ROLLBACK")

    other = threading.Thread(target=add_a_file)
    other.start()
    job = dg.define_asset_job("both", selection=dg.AssetSelection.assets(LANDING, RAW))
    with dg.DagsterInstance.ephemeral() as instance:
        made = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("both")
        result = made.execute_in_process(instance=instance, raise_on_error=False)
    other.join()
    [check] = result.get_asset_check_evaluations()
    assert (check.passed, check.description) == (False, "5 rows told, 6 records there")
    assert not Lake.local(tmp_path / "lake").exists(ERP_ORDERS)
    assert not result.success
