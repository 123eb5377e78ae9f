"""What Dagster loads: every asset of two companies, in a table that a reviewer reads; quick, quiet and valid.

The tables lie beside this file. After a change that is meant: `python o9_assets_tests/unit/test_definitions.py`.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from o9_assets.definitions import build_defs
from o9_assets.deployment import local
from o9_assets.planning import settings as planning

ROOT = Path(__file__).resolve().parents[2]
TABLES = Path(__file__).with_name("definitions")
COMPANIES = {"sample_company": ROOT / "planning.yaml", "online_retail": ROOT / "examples" / "online_retail.yaml"}
# Not sqlglot and DuckDB: they judge the settings' conditions, which takes a fifth of a second.
HEAVY = {
    *("boto3", "botocore", "dagster_aws", "httpx", "asyncssh", "starlette", "confluent_kafka", "moto"),
    *("pandas", "numpy", "pyarrow", "pyiceberg", "matplotlib", "pyspark"),
    *("statsforecast", "mlforecast", "hierarchicalforecast", "lightgbm", "sklearn"),
}


def definitions(company: str) -> dg.Definitions:
    return build_defs(local(planning.load(COMPANIES[company])))


def table(defs: dg.Definitions) -> str:
    """Every asset in a block of its own: group, owners, kinds, partitions, pool; what it is made from; its checks.

    A check with an exclamation mark blocks what is downstream.
    """
    graph = defs.resolve_asset_graph()
    blocks = []
    for key in sorted(graph.get_all_asset_keys(), key=lambda key: key.path):
        node = graph.get(key)
        pools = ", ".join(sorted(node.pools))
        told = {
            "group": node.group_name,
            "owners": ", ".join(owner.removeprefix("team:") for owner in sorted(node.owners)),
            "kinds": ", ".join(sorted(node.kinds)),
            "partitions": str(node.partitions_def) if node.partitions_def else "",
            "pool": pools,
            "made from": " ".join(sorted(parent.to_user_string() for parent in node.parent_keys)),
            "checks": " ".join(
                sorted(check.name + ("!" if graph.get(check).blocking else "") for check in node.check_keys)
            ),
        }
        lines = [f"    {name}: {value}" for name, value in told.items() if value]
        blocks.append("\n".join([key.to_user_string(), *lines]))
    return "\n".join(blocks) + "\n"


@pytest.mark.parametrize("company", COMPANIES)
def test_every_asset_is_the_one_that_the_table_tells(company: str) -> None:
    assert table(definitions(company)) == (TABLES / f"{company}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("company", COMPANIES)
def test_every_asset_is_described_owned_and_says_how_old_it_may_be(company: str) -> None:
    for spec in definitions(company).resolve_all_asset_specs():
        name = spec.key.to_user_string()
        assert spec.description and len(spec.description.split()) > 8, name
        assert spec.owners and spec.kinds and spec.group_name, name
        assert spec.freshness_policy is not None, name
        schema = spec.metadata["dagster/column_schema"]
        assert all(column.description for column in schema.columns), name


@pytest.mark.parametrize("company", COMPANIES)
def test_every_check_says_what_it_holds(company: str) -> None:
    graph = definitions(company).resolve_asset_graph()
    for check in graph.asset_check_keys:
        assert graph.get(check).description, check


@pytest.mark.parametrize("company", COMPANIES)
def test_no_description_loses_words_to_markdown(company: str) -> None:
    """The UI renders descriptions: `<date>` outside of backticks is taken for HTML and vanishes."""
    for spec in definitions(company).resolve_all_asset_specs():
        texts = [spec.description or "", *(c.description for c in spec.metadata["dagster/column_schema"].columns)]
        for text in texts:
            prose = "".join(text.split("`")[::2])
            assert "<" not in prose and text.count("`") % 2 == 0, f"{spec.key.to_user_string()}: {text}"


def test_groups_only_flow_forward() -> None:
    """Drawn as boxes, groups would form a circle if a dataset stood in an earlier group than what it is made from."""
    order = ["raw", "curated", "o9", "forecast", "warehouse", "lake"]
    graph = definitions("sample_company").resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        for parent in node.parent_keys:
            assert order.index(graph.get(parent).group_name) <= order.index(node.group_name), (parent, key)


def clean_environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("DAGSTER", "O9_", "AWS_"))}
    return {**kept, **more}


def test_loading_imports_nothing_heavy_and_touches_no_file(tmp_path: Path) -> None:
    code = """
import json, sys
opened = []
sys.addaudithook(lambda event, args: opened.append((str(args[0]), args[1])) if event == "open" else None)
import o9_assets.definitions as d
d.defs.resolve_asset_graph()
written = [name for name, mode in opened if mode and set(mode) & set("wax+") and not name.endswith(".pyc")
           and "__pycache__" not in name]
print(json.dumps([sorted(set(m.split(".")[0] for m in sys.modules)), written, "o9_assets.sandbox" in sys.modules]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    modules, written, sandbox = json.loads(done.stdout)
    assert sorted(HEAVY & set(modules)) == []
    assert not sandbox
    assert written == []
    assert list(tmp_path.iterdir()) == []


def test_definitions_validate_works_from_the_checkout_with_no_dagster_home(tmp_path: Path) -> None:
    for name in ("dagster.yaml", "workspace.yaml"):
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"))
    done = subprocess.run(
        [Path(sys.executable).parent / "dagster", "definitions", "validate"],
        cwd=tmp_path,
        env=clean_environment(PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "All code locations passed validation" in done.stderr + done.stdout


def test_sections_that_contradict_each_other_are_told_together_before_anything_runs() -> None:
    text = COMPANIES["online_retail"].read_text(encoding="utf-8")
    wrong = text.replace("measures: {", "measures: {shipments_quantity: Shipments, ", 1)
    wrong = wrong.replace("\ngrain:\n", "\ngrain:\n  channel: channel_code\n", 1)
    with pytest.raises(planning.SettingsError) as told:
        build_defs(local(planning.parse(wrong)))
    said = str(told.value)
    assert "grain.channel: feeds.erp_orders maps no column 'channel_code'" in said
    assert "there is no feed erp_shipments that would fill it" in said


if __name__ == "__main__":
    TABLES.mkdir(exist_ok=True)
    for named in COMPANIES:
        (TABLES / f"{named}.txt").write_text(table(definitions(named)), encoding="utf-8")
