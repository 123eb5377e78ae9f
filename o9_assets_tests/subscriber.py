"""A company that is entitled to a data set of AWS Data Exchange, whose provider is the twin."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique
from o9_assets_tests.transferred import Transferring

__all__ = ["COLUMNS", "FEED", "Subscriber", "sold"]

SETTINGS = """
company: Test
timezone: UTC
currency: EUR
feeds:
  erp_orders:
    path: "orders/*.csv"
    format: {{type: csv}}
    columns: {{order_id: o, order_line: l, item_code: i, location_code: s, order_date: d, quantity: q}}
  data_exchange_sell_out:
    path: "market/{{covers_date:%Y-%m-%d}}T*/*.csv"
    format: {{type: csv}}
    columns: {{retailer_code: RETAILER, retailer_item_code: ITEM, region_name: REGION, week_end_date: WEEK,
              quantity: UNITS}}
units: {{missing_uom: EA}}
transfers:
  sell_out:
    kind: data_exchange
    data_set: {data_set}
    lands: market/
    feeds: [data_exchange_sell_out]
    source: market_data
o9: {{columns: {{item: "Item.[Item]", location: "Location.[Location]", time: "Time.[Partial Week]",
     version: "Version.[Version Name]"}}, measures: {{orders_quantity: Orders}}}}
"""
HEADER = "RETAILER,ITEM,REGION,WEEK,UNITS"
FEED = "data_exchange_sell_out"
COLUMNS = ("retailer_item_code", "CAST(week_end_date AS VARCHAR)", "CAST(quantity AS INTEGER)")


def sold(*rows: str) -> str:
    return "\n".join([HEADER, *(f"R,{row}" for row in rows)]) + "\n"


class Subscriber(Transferring):
    """A company that is entitled to a data set of sell-out."""

    def __init__(self, home: Path, twin: Twin) -> None:
        self.provider: Any = twin.fakes["dataexchange"]
        self.data_set = self.provider.entitle(unique("sell-out"))
        super().__init__(home, twin, SETTINGS.format(data_set=self.data_set))
        self.client = twin.client("dataexchange")

    def publish(self, day: int, *rows: str, name: str = "sell_out.csv", **options: Any) -> str:
        at = datetime(2026, 6, day, 18, 0, 0, 123000, UTC)
        return str(self.provider.publish(self.data_set, {name: sold(*rows)}, created_at=at, **options))

    def jobs(self, revision: str) -> list[dict[str, Any]]:
        return list(self.client.list_jobs(DataSetId=self.data_set, RevisionId=revision)["Jobs"])

    def exchange(self) -> Any:
        return self.movers.open_exchange(self.settings.transfers["sell_out"])
