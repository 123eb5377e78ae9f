"""What can be set is described, in the model and for a planner."""

import json
import re
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.planning.settings import Settings, check, parse
from o9_assets.planning.source import read

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "planning.md").read_text(encoding="utf-8")


def models(model: Any, key: str = "") -> dict[str, type[BaseModel]]:
    """Every model of the settings by the dotted key where it stands; names that a planner gives are left out."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        found = {key: model}
        for name, field in model.model_fields.items():
            found |= models(field.annotation, f"{key}.{field.alias or name}".lstrip("."))
        return found
    return {k: m for arg in get_args(model) for k, m in models(arg, key).items()}


MODELS = models(Settings)


def test_every_section_is_walked() -> None:
    assert {"", "calendar.labels", "feeds", "feeds.columns", "feeds.delivery", "demand.segments"} <= set(MODELS)


@pytest.mark.parametrize("key", MODELS)
def test_every_key_is_described(key: str) -> None:
    bare = [name for name, field in MODELS[key].model_fields.items() if not field.description]
    assert not bare


@pytest.mark.parametrize("key", MODELS)
def test_every_key_stands_on_the_planner_s_page(key: str) -> None:
    names = [field.alias or name for name, field in MODELS[key].model_fields.items()]
    assert [name for name in names if not re.search(rf"`{name}`|\b{name}:|## {name}\b|\.{name}`", PAGE)] == []


def test_the_shortest_settings_on_the_page_work() -> None:
    block = next(part for part in PAGE.split("```") if "company: My Company" in part)
    text = "\n".join(line.removeprefix("   ") for line in block.removeprefix("yaml").splitlines())
    check(parse(text), {"erp_orders": ERP_ORDERS})


@pytest.mark.parametrize("section", ["grain", "calendar", "units", "demand", "o9", "reconciliation", "schedules"])
def test_every_section_shown_on_the_page_is_taken(section: str) -> None:
    known, _ = read((ROOT / "planning.yaml").read_text(encoding="utf-8"), "planning.yaml")
    block = next(part for part in PAGE.split("```") if part.startswith(f"yaml\n{section}:"))
    shown, _ = read(block.removeprefix("yaml"), "docs/planning.md")
    parse(json.dumps({**known, **shown}))
