"""Items as planning sees them: one current row each, with what replaces what."""

from o9_assets.dataset import Column, Dataset

ITEMS = Dataset(
    "curated.items",
    "One row per item that a master or an order names.",
    (
        Column("item_code", "string", "Item", True),
        Column("item_name", "string", "Text"),
        Column("brand_name", "string", "Brand"),
        Column("category_name", "string", "Category"),
        Column("base_uom_code", "string", "Unit that planning counts in"),
        Column("list_price", "decimal(18,4)", "List price per base unit, company currency"),
        Column("listed_from_date", "date", "First day on which it can be ordered"),
        Column("delisted_from_date", "date", "First day on which it can no longer be ordered"),
        Column("successor_item_code", "string", "Item that replaces it, followed to the end of the chain"),
        Column("succeeded_from_date", "date", "First day on which the direct successor is ordered"),
        Column("in_master", "boolean", "False where only orders name the item", True),
        Column("known_at", "timestamp", "When this version became known (UTC)", True),
    ),
    key=("item_code",),
)
