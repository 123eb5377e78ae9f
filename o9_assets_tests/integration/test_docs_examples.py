"""The Python examples of the docs run as they stand, on a small company in the folder that they name."""

import contextlib
import io
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from o9_assets.assets.curated import demand_history, items, locations, order_lines
from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.deployment import from_environment
from o9_assets.landing.ingest import ingest
from o9_assets.planning.settings import bind
from o9_assets_tests.company import ORDERS, SETTINGS

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with settings; two days of orders are in, the second of three missing."""
    home = tmp_path_factory.mktemp("work")
    text = SETTINGS.replace("company: Test", "company: Sample Foods")
    (home / "my.yaml").write_text(text.replace("    optional:", "    delivery: {every: day}\n    optional:"))
    with pytest.MonkeyPatch.context() as patch:
        enter(patch, home)
        deployment = from_environment()
        settings, now = deployment.settings, datetime(2025, 2, 1)
        lake, engine = deployment.resources["lake"].open(), deployment.resources["engine"].open()
        zone = deployment.resources["zone"].model_copy(update={"settle_seconds": 0}).open()
        for day in ("2025-01-06", "2025-01-20"):
            zone.put(f"orders/{day}.csv", f"{ORDERS}\nO-{day};1;a1;S1;{day};5;2.50\n".encode())
        feed = bind(settings, ERP_ORDERS)
        rooms = {"timezone": settings.timezone, "zone": zone, "lake": lake, "engine": engine, "now": now}
        ingest("erp_orders", feed, ERP_ORDERS, **rooms)
        for made in (items, locations, order_lines, demand_history):
            made.make(settings, lake, engine, now)
    return home


def enter(patch: pytest.MonkeyPatch, home: Path) -> None:
    patch.chdir(home)
    patch.setenv("O9_PLANNING", str(home / "my.yaml"))
    patch.setenv("O9_STATE", str(home / ".o9"))


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Runs an example; gives what it prints."""
    enter(monkeypatch, folder)

    def run(code: str) -> str:
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "example", "exec"), {})  # noqa: S102 - the docs' own text
        return printed.getvalue()

    return run


def examples(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), re.DOTALL)


def test_the_lake_is_read_now(run: Callable[[str], str]) -> None:
    by_week, missing, landed = map(run, examples("lake.md"))
    assert "2025-01-20" in by_week
    assert missing == "1\n"  # the week of 13 January, of which no file came
    assert "2025-02-01 00:00:00" in landed


def test_demand_history_is_read_as_of_a_moment(run: Callable[[str], str]) -> None:
    [example] = examples("demand_history.md")
    assert run(example).startswith("3 ['month_start', 'bucket_start'")
