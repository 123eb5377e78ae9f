"""Item master as the ERP sends it: every version of every item."""

from o9_assets.dataset import Column, Dataset
from o9_assets.landing.datasets import LINEAGE

ERP_ITEMS = Dataset(
    "raw.erp_items",
    "One row per version of an item, as landed and typed.",
    (
        Column("item_code", "string", "Item", True),
        Column("item_name", "string", "Text"),
        Column("brand_name", "string", "Brand"),
        Column("category_name", "string", "Category"),
        Column("base_uom_code", "string", "Unit that planning counts in"),
        Column("list_price", "decimal(18,4)", "List price per base unit, company currency"),
        Column("listed_from_date", "date", "First day on which it can be ordered"),
        Column("delisted_from_date", "date", "First day on which it can no longer be ordered"),
        *LINEAGE,
    ),
    key=("item_code",),
)
