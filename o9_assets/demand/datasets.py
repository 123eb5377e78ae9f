"""The demand room's own tables: what curated datasets were made from, so that a run can tell what changed."""

from o9_assets.dataset import Column, Dataset

DELETED_LINES = Dataset(
    "curated.deleted_order_lines",
    "One row per order line whose latest version is a deletion. It keeps an older version that arrives later from "
    "bringing the line back.",
    (
        Column("key_hash", "int64", "Hash of order_id and order_line", True),
        Column("order_id", "string", "Order or invoice number", True),
        Column("order_line", "string", "Line within the order", True),
        Column("changed_at", "timestamp", "When the source deleted it (UTC)", True),
        Column("change_seq", "int64", "Sequence among equal change times", True),
        Column("known_at", "timestamp", "When the deletion became known (UTC)", True),
        Column("object_id", "string", "Landed object that said so", True),
        Column("object_name", "string", "Name of that object", True),
        Column("line", "int64", "Record in that object", True),
    ),
    key=("order_id", "order_line"),
)

UNIT_FACTORS = Dataset(
    "curated.unit_factors",
    "One row per item, unit and period: base units in one unit, as a dataset uses them. The dataset's mark `factors` "
    "names the set that its rows were made with; another one is of a run that died, or of the run before.",
    (
        Column("used_by", "string", "Dataset that used it", True),
        Column("factors_hash", "string", "Hash of the set of factors that it is one of"),
        Column("item_code", "string", "Item", True),
        Column("uom_code", "string", "Unit", True),
        Column("valid_from_date", "date", "First day on which the factor holds", True),
        Column("valid_to_date", "date", "First day on which it no longer does", True),
        Column("factor", "decimal(18,6)", "Base units in one unit; null before the first day that a factor is known"),
        Column("is_set_aside", "boolean", "The settings set lines of the item aside: no master knows it", True),
    ),
    key=("used_by", "factors_hash", "item_code", "uom_code", "valid_from_date"),
)

SETTINGS_LOG = Dataset(
    "curated.settings_log",
    "One row each time that a run used other settings than the one before: the past is read with those of then.",
    (
        Column("known_at", "timestamp", "When a run first used them (UTC)", True),
        Column("settings_hash", "string", "Hash of the settings", True),
        Column("text", "string", "The settings file as it was", True),
    ),
    key=("known_at",),
)
