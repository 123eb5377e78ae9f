"""Numbers agree from the file that landed to what o9 holds and gives back; where they do not, the rows are shown."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from o9_assets.assets.curated import demand_history, items, locations, order_lines
from o9_assets.assets.o9 import reconciliation
from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.exchange.fetching import fetch_forecasts
from o9_assets.exchange.outbound import ask_for_plan
from o9_assets.exchange.reconciliation.run import Reconciled, reconcile
from o9_assets.exchange.reconciliation.tables import BREAKS, RECONCILIATION
from o9_assets.planning.settings import parse
from o9_assets.resources.configured import ClockResource, EngineResource, LakeResource, O9Resource
from o9_assets.resources.lake import Lake, equal, everything, isin
from o9_assets_tests.company import SETTINGS, Company
from o9_assets_tests.exchange import Exchange

FORECASTS = """  o9_forecasts:
    path: "o9/forecasts/{covers_date:%Y-%m-%d}.jsonl"
    format: {type: jsonl}
    columns: {plan_cycle: "Plan Cycle", version_name: "Version.[Version Name]", item_code: "Item.[Item]",
              location_code: "Location.[Location]", channel_code: {value: ALL}, bucket_label: "Time.[Partial Week]",
              measure_name: Measure, quantity: Value}
"""


def text(reconciliation: str = "{}", more: str = "") -> str:
    """The company's settings; `more` are keys of o9."""
    feeds = SETTINGS.replace("o9:\n", FORECASTS + "o9:\n", 1)
    return feeds.replace("forecast:", f"{more}reconciliation: {reconciliation}\nforecast:", 1)


class World:
    """A company and its o9, with a lake between them."""

    def __init__(self, home: Path, settings: str = text(), **profile_keys: Any) -> None:
        self.company = Company(home, settings)
        self.o9 = Exchange(home, settings=self.company.settings, profile_keys=profile_keys)
        self.now = datetime(2025, 3, 1, 6)

    def land(self, *files: tuple[str, *tuple[str, ...]]) -> None:
        """Files of orders, each a day and its records, through raw to demand history."""
        for day, *rows in files:
            self.company.orders(*rows, day=day)
        self.company.ingest(now=self.now)
        room = (self.company.settings, self.company.lake, self.company.engine, self.now)
        for made in (items, locations, order_lines, demand_history):
            made.make(*room)

    def reconcile(self, **given: Any) -> Reconciled:
        with self.o9.client() as client:
            return reconcile(
                self.company.settings,
                reconciliation.inputs(self.company.settings),
                lake=self.company.lake,
                engine=self.company.engine,
                client=client,
                now=given.pop("now", self.now),
                **given,
            )

    def totals(self, measure: str) -> dict[str, tuple[int, Decimal]]:
        """Rows and quantity by stage, over all periods."""
        found: dict[str, tuple[int, Decimal]] = {}
        for row in self.company.lake.read(RECONCILIATION, where=equal("measure_name", measure)).to_pylist():
            if row["level"] == "all":
                rows, quantity = found.get(row["stage"], (0, Decimal(0)))
                found[row["stage"]] = (rows + row["row_count"], quantity + row["quantity"])
        return found

    def breaks(self, *columns: str) -> list[tuple[Any, ...]]:
        names = columns or ("step", "measure_name", "item_code", "quantity_before", "quantity_after", "class")
        rows = self.company.lake.read(BREAKS).to_pylist()
        return sorted((tuple(row[name] for name in names) for row in rows), key=str)

    def slices(self) -> set[str]:
        return set(self.company.lake.read(RECONCILIATION, columns=["slice"])["slice"].to_pylist())

    def check(self, name: str) -> dg.AssetCheckEvaluation:
        """A check of the asset, materialized."""
        result = dg.materialize(
            reconciliation.build(self.company.settings),
            resources={
                "clock": ClockResource(fixed_at=self.now.isoformat()),
                "engine": EngineResource(memory_limit="1GB"),
                "lake": LakeResource(location=str(self.company.home / "lake")),
                "o9": O9Resource(location=str(self.company.home / "o9.db"), outbound="", profile="platform"),
            },
            raise_on_error=False,
        )
        [found] = [e for e in result.get_asset_check_evaluations() if e.check_name == name]
        return found


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Orders of January and February are in o9."""
    made = World(tmp_path)
    fill(made)
    made.o9.deliver()
    return made


def fill(made: World) -> None:
    made.land(
        ("2025-01-06", "1;1;A;L1;2025-01-06;5;2", "1;2;B;L2;2025-01-06;7;2", "1;3;A;L1;2025-01-06;oops;2"),
        ("2025-02-09", "2;1;A;L1;2025-02-03;3;2", "2;2;A;L1;2025-02-04;-1;2"),
    )


def test_every_stage_is_summed_and_all_agree(world: World) -> None:
    assert world.reconcile() == Reconciled(6, True, ())
    assert world.breaks() == []
    # A record that was set aside is accounted for, in quarantine.
    assert world.totals("rows of erp_orders") == {"source": (2, Decimal(5)), "raw": (2, Decimal(5))}
    assert world.totals("ordered_quantity") == {"raw": (4, Decimal(14)), "lines": (4, Decimal(14))}
    found = world.totals("orders_quantity")
    assert {stage: quantity for stage, (_, quantity) in found.items()} == dict.fromkeys(
        ("lines", "history", "sent", "held"), Decimal(15)
    )
    assert found["history"] == found["sent"] == found["held"]
    assert world.totals("returns_quantity")["held"][1] == -1
    rows = world.company.lake.read(RECONCILIATION, where=equal("level", "location")).to_pylist()
    of_l2 = {
        row["stage"]: row["quantity"]
        for row in rows
        if row["member"] == "L2" and row["measure_name"] == "orders_quantity" and row["quantity"]
    }
    assert of_l2 == dict.fromkeys(("lines", "history", "sent", "held"), Decimal(7))


def test_equal_stages_have_equal_hashes(world: World) -> None:
    world.reconcile()
    hashes: dict[tuple[Any, ...], set[str]] = {}
    for row in world.company.lake.read(RECONCILIATION).to_pylist():
        if row["stage"] in ("history", "sent", "held") and row["measure_name"] != "orders_value":
            key = (row["slice"], row["period_start"], row["measure_name"], row["level"], row["member"])
            hashes.setdefault(key, set()).add(row["content_hash"])
    assert len(hashes) > 10 and all(len(found) == 1 for found in hashes.values())


def test_a_run_compares_what_was_touched_and_reads_no_more_back(world: World) -> None:
    world.reconcile()
    asked = world.o9.faults.requests
    assert world.reconcile() == Reconciled(0, False, ())
    assert world.o9.faults.requests == asked, "o9 is not even asked"
    world.land(("2025-02-16", "3;1;B;L2;2025-02-10;4;2"))
    world.o9.deliver()
    snapshot = world.slices()
    assert world.reconcile() == Reconciled(3, False, ())
    assert snapshot == world.slices()
    assert world.totals("orders_quantity")["held"][1] == 19
    assert world.breaks() == []


def test_everything_is_compared_again_when_that_is_due_or_asked_for(world: World) -> None:
    world.reconcile()
    with world.o9.store._con as con:
        con.execute("UPDATE facts SET row = replace(row, '\"Orders\":7', '\"Orders\":71')")
    assert world.reconcile().slices == 0, "nobody told us"
    assert world.reconcile(now=world.now + timedelta(days=7)).full
    assert world.breaks() == [("sent → held", "orders_quantity", "B", Decimal(7), Decimal(71), "break")]
    assert world.reconcile(full=True).full


@pytest.mark.parametrize("line_numbers", ["true", "false"])
def test_records_and_objects_that_were_set_aside_are_accounted_for(tmp_path: Path, line_numbers: str) -> None:
    world = World(tmp_path, text().replace("    optional:", f"    line_numbers: {line_numbers}\n    optional:"))
    fill(world)
    world.company.put("orders/2025-01-07.csv", "no;such;header\n1;2;3\n")
    world.company.ingest(now=world.now)
    world.reconcile(full=True)
    assert [found for found in world.breaks() if found[0] == "source → raw"] == []


@pytest.mark.faults
def test_a_row_that_is_lost_on_the_way_is_shown_with_its_file(world: World) -> None:
    lake = world.company.lake
    rows = lake.read(ERP_ORDERS)
    kept = rows.filter([row["order_line"] != "2" or row["order_id"] != "1" for row in rows.to_pylist()])
    lake.overwrite(ERP_ORDERS, kept, everything())
    world.reconcile(full=True)
    assert world.breaks("step", "item_code", "quantity_before", "quantity_after", "origin", "class") == [
        ("raw → lines", "B", None, Decimal(7), "orders/2025-01-06.csv, record 3", "break"),
        ("source → raw", "", Decimal(3), Decimal(2), "orders/2025-01-06.csv", "break"),
    ]


@pytest.mark.faults
def test_a_cell_of_history_that_is_not_what_the_lines_say_is_shown(world: World) -> None:
    lake = world.company.lake
    rows = lake.read(demand_history.DEMAND_HISTORY).to_pylist()
    for row in rows:
        if row["orders_quantity"] == 7:
            row["orders_quantity"] = Decimal(8)
    lake.overwrite(
        demand_history.DEMAND_HISTORY,
        pa.Table.from_pylist(rows, schema=demand_history.DEMAND_HISTORY.arrow_schema),
        everything(),
    )
    world.reconcile()
    assert world.breaks() == [
        ("history → sent", "orders_quantity", "B", Decimal(8), Decimal(7), "break"),
        ("lines → history", "orders_quantity", "B", Decimal(7), Decimal(8), "break"),
    ]


def test_members_that_o9_lacks_are_named_with_the_volume_they_drop(tmp_path: Path) -> None:
    world = World(tmp_path, create_members=("item", "time"))
    world.o9.store.add_members("Location", [{"Name": "L1"}])
    fill(world)
    assert world.o9.deliver().rejected > 0
    check = world.check("members_are_in_o9")
    assert not check.passed and check.severity == dg.AssetCheckSeverity.WARN
    assert "o9 lacks Location L2: 6 cells, 7 orders_quantity" in str(check.description)
    assert {row[-1] for row in world.breaks("class")} == {"explained"}
    world.o9.store.add_members("Location", [{"Name": "L2"}])
    world.o9.deliver()
    world.reconcile()
    assert world.breaks() == []


def test_a_correction_that_waits_explains_its_difference(tmp_path: Path) -> None:
    world = World(tmp_path, text(more="  corrections: hold\n"))
    fill(world)
    world.o9.deliver()
    world.land(("2025-01-07", "1;1;A;L1;2025-01-06;9;2"))
    assert world.o9.deliver().held == 1
    world.reconcile()
    assert world.breaks("step", "quantity_before", "quantity_after", "class", "cause") == [
        ("history → sent", Decimal(9), Decimal(5), "explained", "a correction that waits for approval")
    ]


def test_settings_say_what_is_rounding_and_what_is_tolerated(world: World) -> None:
    with world.o9.store._con as con:
        con.execute("UPDATE facts SET row = replace(row, '\"Orders\":7', '\"Orders\":7.3')")
    for given, kind in (
        ("{}", "break"),
        ("{rounding_quantity: 0.5}", "rounding"),
        ("{tolerated_share: 0.05}", "tolerated"),
        ("{tolerated_share: 0.001}", "break"),
    ):
        world.company.settings = parse(text(given))
        assert world.reconcile().full, "with other settings every difference is judged anew"
        assert world.breaks("step", "difference", "class") == [("sent → held", Decimal("0.3"), kind)]


@pytest.mark.faults
@pytest.mark.parametrize("severity", ["error", "warn"])
def test_a_break_blocks_or_warns_as_the_settings_say(tmp_path: Path, severity: str) -> None:
    world = World(tmp_path, text(f"{{severity: {severity}}}"))
    fill(world)
    world.o9.deliver()
    world.o9.store.add_members("Item", [{"Name": "X"}])
    row = {"Version.[Version Name]": "CurrentWorkingView", "Item.[Item]": "X", "Location.[Location]": "L1"}
    world.o9.store.write("DemandHistory", "other", [{**row, "Time.[Partial Week]": "2025-W02", "Orders": Decimal(3)}])
    check = world.check("numbers_agree")
    assert not check.passed and check.severity.value.lower() == severity
    assert check.description == "1 rows differ: sent → held orders_quantity 2025-W02: X · L1 · ALL None → 3.0"
    [spec] = reconciliation.build(world.company.settings)[1].check_specs
    assert spec.blocking


@pytest.mark.faults
def test_a_half_written_file_of_o9s_forecasts_is_a_break(world: World) -> None:
    cycle, zone = date(2025, 2, 10), world.company.zone
    with world.o9.client() as client:
        ask_for_plan(world.company.settings, cycle, client=client, zone=zone, sleep=world.o9.time.sleep)
        found = fetch_forecasts(world.company.settings, cycle, client=client, zone=zone)
    world.company.ingest("o9_forecasts", now=world.now)
    world.reconcile()
    totals = world.totals("Consensus Fcst")
    assert totals["held"] == totals["returned"] and totals["held"][0] > 5
    assert world.breaks() == []
    whole = (world.company.landing / found.name).read_bytes().splitlines(keepends=True)
    world.company.put(found.name, b"".join(whole[: len(whole) // 2]))
    world.company.ingest("o9_forecasts", now=world.now + timedelta(hours=1))
    assert world.reconcile().slices == 2
    assert len(world.breaks()) == len(whole) - len(whole) // 2
    assert {row[0] for row in world.breaks("step")} == {"held → returned"}


@pytest.mark.faults
def test_rows_of_a_plan_whose_cycle_is_no_day_are_left_out_and_told(world: World) -> None:
    cycle, zone = date(2025, 2, 10), world.company.zone
    with world.o9.client() as client:
        ask_for_plan(world.company.settings, cycle, client=client, zone=zone, sleep=world.o9.time.sleep)
        found = fetch_forecasts(world.company.settings, cycle, client=client, zone=zone)
    path = world.company.landing / found.name
    first, rest = path.read_text().split("\n", 1)
    assert "2025-02-10" in first
    world.company.put(found.name, "\n".join([first, first.replace("2025-02-10", "Total"), rest]))
    world.company.ingest("o9_forecasts", now=world.now)
    told = "o9_forecasts has 1 rows of the cycle 'Total', which is no ISO day; they are left out"
    assert world.reconcile().notes == (told,)
    assert world.totals("Consensus Fcst")["returned"][0] > 5
    assert world.breaks() == []


@pytest.mark.parametrize("page", [1, 2, 3])
def test_no_forecast_is_lost_between_the_pages_that_are_compared(
    world: World, monkeypatch: pytest.MonkeyPatch, page: int
) -> None:
    monkeypatch.setattr("o9_assets.exchange.reconciliation.plans.PAGE", page)
    cycle, zone = date(2025, 2, 10), world.company.zone
    with world.o9.client() as client:
        ask_for_plan(world.company.settings, cycle, client=client, zone=zone, sleep=world.o9.time.sleep)
        fetch_forecasts(world.company.settings, cycle, client=client, zone=zone)
    world.company.ingest("o9_forecasts", now=world.now)
    world.reconcile()
    assert world.totals("Consensus Fcst")["held"] == world.totals("Consensus Fcst")["returned"]
    assert world.breaks() == []


@pytest.mark.faults
def test_an_o9_that_cannot_be_read_leaves_what_was_compared_before(world: World) -> None:
    from o9_assets.resources.o9 import ContractBroken

    world.reconcile()
    before = world.company.lake.snapshot_id(RECONCILIATION), world.company.lake.snapshot_id(BREAKS)
    world.o9.faults.repeat_cursor = True
    with pytest.raises(ContractBroken):
        world.reconcile(full=True)
    assert before == (world.company.lake.snapshot_id(RECONCILIATION), world.company.lake.snapshot_id(BREAKS))


@pytest.mark.faults
def test_a_month_of_orders_that_holds_nothing_any_more_has_no_breaks(world: World) -> None:
    lake = world.company.lake
    rows = lake.read(order_lines.ORDER_LINES).to_pylist()
    for row in rows:
        row["quantity"] += row["item_code"] == "B"
    schema = order_lines.ORDER_LINES.arrow_schema
    lake.overwrite(order_lines.ORDER_LINES, pa.Table.from_pylist(rows, schema=schema), everything())
    world.reconcile()
    assert world.breaks("slice", "step") == [("lines 2025-01", "raw → lines")]
    # The file comes again, and its orders are of February.
    world.land(("2025-01-06", "1;1;A;L1;2025-02-06;5;2", "1;2;B;L2;2025-02-06;7;2"))
    world.o9.deliver()
    world.reconcile()
    assert world.breaks() == []


@pytest.mark.faults
def test_lines_that_a_full_comparison_could_not_reach_keep_their_breaks_and_are_compared_later(world: World) -> None:
    lake = world.company.lake
    rows = lake.read(ERP_ORDERS)
    kept = rows.filter([row["order_line"] != "2" or row["order_id"] != "1" for row in rows.to_pylist()])
    lake.overwrite(ERP_ORDERS, kept, everything())

    def lost() -> list[tuple[Any, ...]]:
        return [row for row in world.breaks("step", "item_code") if row[0] == "raw → lines"]

    world.reconcile(full=True)
    assert lost() == [("raw → lines", "B")]
    # Raw is ahead of order lines when everything is due again.
    world.company.orders("3;1;B;L2;2025-02-10;4;2", day="2025-02-16")
    world.company.ingest(now=world.now)
    later = world.now + timedelta(days=8)
    found = world.reconcile(now=later)
    assert found.full and found.notes
    assert lost() == [("raw → lines", "B")]
    order_lines.make(world.company.settings, lake, world.company.engine, world.now)
    assert not world.reconcile(now=later).full
    assert lost() == [("raw → lines", "B")]
    assert {"lines 2025-01", "lines 2025-02"} <= world.slices()


@pytest.mark.faults
def test_a_run_that_was_cut_off_between_its_commits_leaves_no_break_for_ever(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.reconcile()
    lake, history, march = world.company.lake, demand_history.DEMAND_HISTORY, date(2025, 3, 1)
    row = {
        **lake.read(history).to_pylist()[0],
        "bucket_start": date(2025, 3, 3),
        "week_start": date(2025, 3, 3),
        "month_start": march,
        "state": "sold",
        "is_complete": True,
        "orders_quantity": Decimal(3),
    }
    there = isin("month_start", [march])
    lake.overwrite(history, pa.Table.from_pylist([row], schema=history.arrow_schema), there)
    overwrite = Lake.overwrite

    def dies(self: Lake, dataset: Any, *given: Any, **more: Any) -> Any:
        if dataset is RECONCILIATION:
            raise KeyboardInterrupt
        return overwrite(self, dataset, *given, **more)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Lake, "overwrite", dies)
        world.reconcile()
    assert world.breaks() != []
    # By the next run the month is gone: nothing that is remembered tells that it was ever there.
    lake.overwrite(history, history.arrow_schema.empty_table(), there)
    world.reconcile()
    assert world.breaks() == []
    assert world.reconcile() == Reconciled(0, False, ())
