"""The YAML examples of the docs are taken where a reader would put them: settings, an o9 profile, a run's config."""

import json
import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from o9_assets.assets.catalog import FEEDS
from o9_assets.definitions import build_defs
from o9_assets.deployment import local
from o9_assets.planning.settings import bind, parse
from o9_assets.planning.source import read
from o9_assets.resources.o9.profile import load_profile
from o9_assets_tests.company import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
KNOWN, _ = read((ROOT / "planning.yaml").read_text(encoding="utf-8"), "planning.yaml")
FEED_KEYS = {"delivery", "kinds", "rules", "operation", "order_of_changes", "columns", "format"}


def blocks() -> list[Any]:
    """Each YAML example with its page."""
    return [
        pytest.param(page.name, text, id=f"{page.stem}-{number}")
        for page in sorted((ROOT / "docs").glob("*.md"))
        for number, text in enumerate(re.findall(r"(?s)```yaml\n(.*?)```", page.read_text(encoding="utf-8")))
    ]


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    text = (ROOT / "planning.yaml").read_text(encoding="utf-8")
    return build_defs(local(parse(text), tmp_path_factory.mktemp("state")))


@pytest.mark.parametrize(("page", "text"), blocks())
def test_an_example_is_taken(page: str, text: str, defs: dg.Definitions, tmp_path: Path) -> None:
    shown, _ = read(_dedented(text), f"docs/{page}")
    if "ops" in shown:
        keys = [dg.AssetKey(name.split("__")) for name in shown["ops"]]
        everything = defs.get_repository_def().get_implicit_global_asset_job_def()
        job = everything.get_subset(asset_selection=set(keys))
        assert dg.validate_run_config(job, shown)["ops"].keys() >= shown["ops"].keys()
    elif "based_on" in shown:
        (tmp_path / "profile.yaml").write_text(text, encoding="utf-8")
        assert load_profile(str(tmp_path / "profile.yaml")).name == shown["name"]
    elif set(shown) <= FEED_KEYS:
        feeds = {**KNOWN["feeds"], "erp_orders": {**KNOWN["feeds"]["erp_orders"], **shown}}
        parse(json.dumps({**KNOWN, "feeds": feeds}))
    elif set(shown) <= set(FEEDS) | {"feeds"}:  # a feed, or some, with the rest of the settings at its defaults
        known, _ = read(SETTINGS, "settings")
        feeds = shown.get("feeds", shown)
        parsed = parse(json.dumps({**known, "feeds": {**known["feeds"], **feeds}}))
        for name in feeds:
            bind(parsed, getattr(FEEDS[name], name.upper()))
    else:
        parse(json.dumps({**KNOWN, **shown}))


def _dedented(text: str) -> str:
    """An example that stands in a list or shows the inside of a feed, moved to the left."""
    indent = min(len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip())
    return "\n".join(line[indent:] for line in text.splitlines())
