"""The lake's tables that a company has, as its assets declare them."""

from itertools import chain

from o9_assets.dataset import Dataset
from o9_assets.planning.settings import Settings

__all__ = ["LAYERS", "lake_tables"]

LAYERS = ("landing", "raw", "curated", "forecast", "o9", "lake")


def lake_tables(settings: Settings, *layers: str) -> list[Dataset]:
    """Every dataset of the named layers (all of the lake's without): those that assets' modules declare and those of
    the rooms' own tables. Feeds that the settings do not declare are left out."""
    from o9_assets.assets import catalog  # it imports the modules of this folder
    from o9_assets.demand import datasets as demand
    from o9_assets.exchange import datasets as exchange
    from o9_assets.landing import datasets as landing

    feeds = [module for name, module in catalog.FEEDS.items() if name in settings.feeds]
    absent = {f"raw.{name}" for name in catalog.FEEDS if name not in settings.feeds}
    declared = chain.from_iterable(
        vars(module).values() for module in (landing, *feeds, demand, exchange, *catalog.DATASETS)
    )
    found = {thing.name: thing for thing in declared if isinstance(thing, Dataset)}
    wanted = layers or LAYERS
    return [d for name, d in found.items() if name not in absent and d.asset_key[0] in wanted]
