"""A company of one's own, run from the command line in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pytest

from o9_assets.deployment import local
from o9_assets.planning.settings import parse
from o9_assets.resources.lake import Lake
from o9_assets.run.command import main

__all__ = ["OWN", "ByHand", "section"]

OWN = """
company: Own
timezone: Europe/Berlin
currency: EUR
units: {missing_uom: EA}
feeds:
  erp_orders:
    path: "orders/*.csv"
    format: {type: csv, date: "%d.%m.%Y"}
    columns:
      {order_id: order, order_line: line, item_code: item, location_code: place, order_date: date, quantity: qty}
  o9_plan:
    path: "o9/outbound/{covers_date:%Y-%m-%d}*.csv"
    format: {type: csv}
    columns:
      plan_cycle: "Plan Cycle"
      version_name: "Version.[Version Name]"
      item_code: "Item.[Item]"
      location_code: "Location.[Location]"
      channel_code: {value: ALL}
      bucket_label: "Time.[Partial Week]"
      measure_name: {value: "Stat Fcst"}
      quantity: "Stat Fcst"
forecast: {horizon_weeks: 2}
o9:
  columns: {item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
            version: "Version.[Version Name]"}
  measures: {orders_quantity: Orders}
  plan_measures: ["Stat Fcst"]
"""
HEADER = "order,line,item,place,date,qty"


@dataclass
class ByHand:
    """Commands in `home`, where my.yaml, the files of one's own and all state lie."""

    home: Path
    capture: pytest.CaptureFixture[str]
    patch: pytest.MonkeyPatch
    text: str = OWN

    def __post_init__(self) -> None:
        (self.home / "my.yaml").write_text(self.text, encoding="utf-8")
        self.patch.chdir(self.home)
        for name, value in {
            "O9_PLANNING": self.home / "my.yaml",
            "O9_STATE": self.home / "state",
            "DAGSTER_HOME": "",
            "O9_DEPLOYMENT": "local",
        }.items():
            self.patch.setenv(name, str(value))

    @property
    def lake(self) -> Lake:
        lake: Lake = local(parse(self.text), self.home / "state").resources["lake"].open()
        return lake

    def file(self, name: str, *rows: str) -> None:
        """An order file of one's own of these records."""
        path = self.home / "files" / "orders" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")

    def days(self, name: str, count: int = 59, *more: str, form: str = "%d.%m.%Y") -> None:
        """An order file of so many days from 1 January 2025 on, 10 of item A each, and `more` records."""
        days = [date(2025, 1, 1) + timedelta(days=n) for n in range(count)]
        self.file(name, *(f"O{n},1,A,P,{day:{form}},10" for n, day in enumerate(days)), *more)

    def ran(self, *arguments: str) -> tuple[int, str, str]:
        """A command's exit code, what it printed and what it told on stderr."""
        self.capture.readouterr()
        code = main(arguments)
        printed = self.capture.readouterr()
        return code, printed.out, printed.err

    def report(self, *arguments: str) -> str:
        """What a run that came to its end printed."""
        code, out, err = self.ran("run", "--files", "files", *arguments)
        assert code == 0, out + err
        return out


def section(report: str, title: str) -> list[str]:
    """The lines below a title, without their indent."""
    return [" ".join(line.split()) for line in report.split(f"\n{title}\n")[1].split("\n\n")[0].splitlines()]
