"""A company's own extract by the command line, as a person runs it: the report tells what came of every line."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path

SETTINGS = """
company: Meine Firma
timezone: Europe/Berlin
currency: EUR
units: {base_uom: ST, missing_uom: ST}
feeds:
  erp_orders:
    path: "orders/*.csv"
    format: {type: csv, delimiter: ";", encoding: latin-1, decimal: ",", date: "%d.%m.%Y"}
    columns:
      order_id: Beleg
      order_line: Pos
      item_code: {from: Material, apply: [trim, upper]}
      location_code: Werk
      order_date: Datum
      quantity: Menge
      uom_code: ME
      unit_price: Preis
forecast: {horizon_weeks: 2}
o9:
  columns: {item: "Item.[Planning Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
            version: "Version.[Version Name]"}
  measures: {orders_quantity: Orders}
"""
HEADER = "Beleg;Pos;Material;Bezeichnung;Werk;Datum;Menge;ME;Preis\n"


def ran(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("O9_", "DAGSTER_"))}
    return subprocess.run(
        [sys.executable, "-m", "o9_assets", "run", "--settings", str(home / "my.yaml"), *arguments],
        cwd=home,
        env={**environment, "O9_STATE": str(home / "state")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def section(report: str, title: str) -> list[str]:
    """The lines below a title, without their indent."""
    return [" ".join(line.split()) for line in report.split(f"\n{title}\n")[1].split("\n\n")[0].splitlines()]


def test_the_report_tells_what_came_of_every_line(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(SETTINGS, encoding="utf-8")
    empty = ran(tmp_path)
    assert empty.returncode == 1
    assert "✗ Nothing has landed in " in empty.stderr
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(59)]
    rows = [f'B{n};1;ä-1 ;"Käse; weich";W1;{day:%d.%m.%Y};10,0;ST;2,00' for n, day in enumerate(days)]
    rows += [f"C{n};1;B-2;;W1;{day:%d.%m.%Y};1;KAR;2,00" for n, day in enumerate(days[:7])]
    rows += ["D1;1;B-2;;W1;05.01.2025;-3;;1,00", "D2;1;B-2;;W1;31.02.2025;5;ST;1,00", "D3;1;;;W1;01.02.2025;5;ST;1,00"]
    extract = tmp_path / "files" / "orders" / "extract.csv"
    extract.parent.mkdir(parents=True)
    extract.write_bytes((HEADER + "\n".join(rows) + "\n").encode("latin-1"))
    done = ran(tmp_path, "--files", str(tmp_path / "files"))
    assert done.returncode == 0, done.stderr
    assert section(done.stdout, "What came in") == [
        "erp_orders 1 files 69 rows 67 accepted, 2 rows and 0 files set aside"
    ]
    assert section(done.stdout, "What was set aside, and why") == [
        "erp_orders missing_value 1, 5.00 EUR at risk",
        "orders/extract.csv, line 70, item_code: a value is required",
        "D3;1;;;W1;01.02.2025;5;ST;1,00",
        "erp_orders not_a_date 1, 5.00 EUR at risk",
        "orders/extract.csv, line 69, order_date: found 31.02.2025",
        "D2;1;B-2;;W1;31.02.2025;5;ST;1,00",
    ]
    assert section(done.stdout, "Order lines (the latest version of each)") == [
        "sale 66 lines 59 count 590 units",
        "return 1 lines 1 count -3 units",
    ]
    assert section(done.stdout, "Order lines that do not count, and why") == ["unknown_uom KAR 7 lines"]
    assert section(done.stdout, "o9")[0].endswith("590 units ordered; read back and equal")
    assert f"make dev SETTINGS={tmp_path / 'my.yaml'} Dagster's UI" in section(done.stdout, "Where to look next")[0]
    again = ran(tmp_path)
    assert again.returncode == 0, again.stderr
    assert section(again.stdout, "What came in") == section(done.stdout, "What came in")
