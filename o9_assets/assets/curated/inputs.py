"""What curated datasets are made from, registered on a DuckDB connection: feeds, manifests, settings.

No dataset of its own belongs here; every asset of this folder reads through it, and so does the past (as_of.py).
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from o9_assets.assets.raw.erp_items import ERP_ITEMS
from o9_assets.assets.raw.erp_locations import ERP_LOCATIONS
from o9_assets.assets.raw.erp_orders import ERP_ORDERS
from o9_assets.assets.raw.erp_shipments import ERP_SHIPMENTS
from o9_assets.assets.raw.inventory import INVENTORY
from o9_assets.assets.raw.item_transitions import ITEM_TRANSITIONS
from o9_assets.assets.raw.promotions import PROMOTIONS
from o9_assets.assets.raw.uom_conversions import UOM_CONVERSIONS
from o9_assets.dataset import Dataset
from o9_assets.demand.datasets import SETTINGS_LOG
from o9_assets.planning.settings import Settings

if TYPE_CHECKING:
    import duckdb

    from o9_assets.demand.delivery import Known
    from o9_assets.landing.accepted import Changes
    from o9_assets.resources.engine import Engine
    from o9_assets.resources.lake import Lake

__all__ = [
    "FEEDS",
    "changed_rows",
    "feed_view",
    "fingerprint",
    "keep_factors",
    "known_of",
    "log_settings",
    "raw_deps",
    "session",
    "settings_at",
    "stored_factors",
]

NO_FACTORS = "none"
"""The mark `factors` of a dataset that was made with none."""

FEEDS: dict[str, Dataset] = {
    "erp_orders": ERP_ORDERS,
    "erp_items": ERP_ITEMS,
    "erp_locations": ERP_LOCATIONS,
    "erp_shipments": ERP_SHIPMENTS,
    "inventory": INVENTORY,
    "promotions": PROMOTIONS,
    "uom_conversions": UOM_CONVERSIONS,
    "item_transitions": ITEM_TRANSITIONS,
}


def raw_deps(settings: Settings, *feeds: str) -> list[list[str]]:
    """Asset keys of the feeds that the company has."""
    return [FEEDS[feed].asset_key for feed in feeds if feed in settings.feeds]


@contextmanager
def session(engine: "Engine") -> "Iterator[duckdb.DuckDBPyConnection]":
    """A connection on which rows keep no order, which lets DuckDB write in parallel and in less memory; on which joins
    are made as they are written, the small side on the right: the planner takes lake tables for empty and would keep
    the large side in memory; and on which the footers of files, which the lake never changes, are read once.
    """
    with engine.connect() as con:
        con.execute("SET preserve_insertion_order = false").fetchall()
        con.execute("SET disabled_optimizers = 'join_order,build_side_probe_side'").fetchall()
        con.execute("SET parquet_metadata_cache = true").fetchall()
        yield con


def feed_view(
    con: "duckdb.DuckDBPyConnection",
    lake: "Lake",
    settings: Settings,
    feed: str,
    name: str,
    *,
    as_of: datetime | None = None,
    after_seq: int | None = None,
    manifest: str | None = None,
) -> None:
    """Register the accepted rows of a feed as `name`: typed and empty where the company lacks it. `manifest` as
    `accepted_view` takes it."""
    from o9_assets.landing.accepted import accepted_view
    from o9_assets.resources.lake import isin

    if feed in settings.feeds:
        if as_of is not None and manifest is None:
            manifest = _manifest_at(con, lake, settings, feed, as_of)
        accepted_view(con, lake, FEEDS[feed], feed, name, as_of=as_of, after_seq=after_seq, manifest=manifest)
    else:
        lake.view(con, name, FEEDS[feed], where=isin("object_id", []))


def _manifest_at(
    con: "duckdb.DuckDBPyConnection", lake: "Lake", settings: Settings, feed: str, as_of: datetime | None
) -> str:
    """Register the feed's manifest of a moment; returns its name. Where rows are known from their own change time on,
    it is no matter when their object came."""
    from o9_assets.landing.accepted import manifest_view

    moment = None if settings.feeds[feed].known_at == "changed_at" else as_of
    manifest_view(con, lake, f"{feed}__known", feed, as_of=moment)
    return f"{feed}__known"


def changed_rows(
    con: "duckdb.DuckDBPyConnection", lake: "Lake", settings: Settings, feed: str, name: str, marks: Mapping[str, str]
) -> "Changes":
    """Register the rows of a feed that came, or became void with their object, since the watermark in `marks`."""
    from o9_assets.landing.accepted import FEW, Changes, changes_since
    from o9_assets.resources.lake import isin

    if feed not in settings.feeds:
        feed_view(con, lake, settings, feed, name)
        return Changes(0)
    changes = changes_since(con, lake, feed, int(marks.get(f"{feed}.seq", "0")))
    objects = [*changes.new_objects, *changes.replaced_objects]
    lake.view(con, f"{name}__raw", FEEDS[feed], where=isin("object_id", objects) if len(objects) <= FEW else None)
    con.execute(f"CREATE OR REPLACE TEMP TABLE {name}__objects AS SELECT unnest($1::VARCHAR[]) AS object_id", [objects])
    con.execute(
        f"CREATE OR REPLACE TEMP VIEW {name} AS "
        f"SELECT r.* FROM {name}__raw AS r SEMI JOIN {name}__objects USING (object_id)"
    )
    return changes


def known_of(
    con: "duckdb.DuckDBPyConnection",
    lake: "Lake",
    settings: Settings,
    feed: str,
    as_of: datetime | None = None,
    manifest: str | None = None,
) -> "Known":
    """The days that the feed's objects tell about: by their names, or by their rows' dates where names tell none; a day
    before the calendar, or of what was in before that day came, tells nothing. `manifest` as `accepted_view`
    takes it."""
    from o9_assets.demand.delivery import known_days

    if feed not in settings.feeds:
        return known_days([], None)
    if manifest is None:
        manifest = _manifest_at(con, lake, settings, feed, as_of)
    # A day more is for zones and early deliveries: moments are UTC.
    come = "covers_date <= CAST(ingested_at AS DATE) + 1"
    if as_of is not None:
        come += f" AND covers_date <= DATE '{as_of.date()}' + 1"
    days = con.execute(
        f"SELECT DISTINCT covers_date FROM {manifest} WHERE status = 'ingested' "
        f"AND covers_date >= DATE '{settings.calendar.first_day}' AND {come}"
    ).fetchall()
    if not days:
        column = "order_date" if feed == "erp_orders" else "ship_date"
        feed_view(con, lake, settings, feed, "accepted", as_of=as_of, manifest=manifest)
        come = f"WHERE {column} <= CAST(known_at AS DATE) + 1"
        ends = con.execute(f"SELECT min({column}), max({column}) FROM accepted {come}").fetchall()[0]
        days = [(day,) for day in ends if day]
    return known_days([day for (day,) in days], settings.feeds[feed].delivery)


def fingerprint(settings: Settings) -> str:
    """Changes with everything but data that demand history depends on: settings, queries, DuckDB (its hash)."""
    import duckdb

    from o9_assets.demand.queries import NAMES, source

    feeds: dict[str, Any] = {
        name: {
            "kinds": [(k.kind, k.when, k.counts_as) for k in feed.kinds],
            "delivery": (d.every, d.weekdays, sorted(d.exceptions)) if (d := feed.delivery) else None,
            "prices": "unit_price" in feed.columns,
        }
        for name, feed in settings.feeds.items()
        if name in FEEDS
    }
    of_settings = [settings.grain, settings.calendar, settings.units, settings.demand.unknown_item]
    parts = [*map(repr, of_settings), repr(sorted(feeds.items())), *map(source, NAMES), duckdb.__version__]
    return sha256("\0".join(parts).encode()).hexdigest()[:16]


def log_settings(lake: "Lake", settings: Settings, now: datetime) -> None:
    """Note that a run uses these settings, where the one before used others."""
    import pyarrow as pa

    from o9_assets.resources.lake import CommitConflict, isin

    text_hash = sha256(settings.text.encode()).hexdigest()
    base = lake.snapshot_id(SETTINGS_LOG)
    if lake.marks(SETTINGS_LOG).get("text_hash") == text_hash:
        return
    row = {"known_at": now, "settings_hash": settings.hash, "text": settings.text}
    rows = pa.Table.from_pylist([row], schema=SETTINGS_LOG.arrow_schema)
    try:
        lake.overwrite(SETTINGS_LOG, rows, isin("settings_hash", []), marks={"text_hash": text_hash}, based_on=base)
    except CommitConflict:
        # Another run noted its settings at this moment; these come after them.
        log_settings(lake, settings, now)


def settings_at(lake: "Lake", moment: datetime) -> Settings | None:
    """The settings that runs used at a moment (UTC): the last ones noted by then, else the first ones ever."""
    from o9_assets.planning.settings import parse

    noted = sorted(lake.read(SETTINGS_LOG).to_pylist(), key=lambda row: row["known_at"])
    if not noted:
        return None
    then = [row for row in noted if row["known_at"] <= moment] or noted[:1]
    return parse(then[-1]["text"], f"settings of {then[-1]['known_at']}")


def stored_factors(con: "duckdb.DuckDBPyConnection", lake: "Lake", used_by: str, marks: Mapping[str, str]) -> bool:
    """Register `stored_factors`: the unit factors that a dataset's rows were made with, as its marks say; whether they
    are there. They are not in a lake of an earlier version, and where two runs kept theirs at once."""
    from o9_assets.demand.datasets import UNIT_FACTORS
    from o9_assets.resources.lake import all_of, equal, isin

    made_with = marks.get("factors")
    if made_with in (None, NO_FACTORS):
        lake.view(con, "stored_factors", UNIT_FACTORS, where=isin("factors_hash", []))
        return made_with is not None
    where = all_of(equal("used_by", used_by), equal("factors_hash", made_with))
    lake.view(con, "stored_factors", UNIT_FACTORS, where=where)
    return bool(con.execute("SELECT 1 FROM stored_factors LIMIT 1").fetchall())


def keep_factors(con: "duckdb.DuckDBPyConnection", lake: "Lake", used_by: str, marks: Mapping[str, str]) -> str:
    """Keep `unit_factors` beside `stored_factors`, where they are others; returns their hash, for the mark `factors` of
    the dataset that is made with them.

    It comes before the dataset, whose commit says that they hold: wherever a run dies, the next one compares with the
    factors that the rows were made with.
    """
    from o9_assets.demand.datasets import UNIT_FACTORS
    from o9_assets.demand.factors import FACTOR
    from o9_assets.resources.lake import equal

    [(found,)] = con.execute(
        "SELECT coalesce(md5(string_agg(CAST(f AS VARCHAR), chr(10) ORDER BY f)), $1) FROM unit_factors AS f",
        [NO_FACTORS],
    ).fetchall()
    if found not in (marks.get("factors"), NO_FACTORS):
        rows = con.sql(
            f"""
            SELECT '{used_by}' AS used_by, '{found}' AS factors_hash, {FACTOR} FROM unit_factors
            UNION ALL
            SELECT used_by, factors_hash, {FACTOR} FROM stored_factors
            """
        )
        lake.overwrite(UNIT_FACTORS, rows, equal("used_by", used_by))
    return str(found)
