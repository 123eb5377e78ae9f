"""The reconciliation's tables: totals of every stage, and the rows in which two stages differ."""

from o9_assets.dataset import Column, Dataset

__all__ = ["BREAKS", "RECONCILIATION"]

SLICE = Column(
    "slice", "string", "What is compared together: files, lines or cells of a month, or a cycle's plan", True
)
PERIOD = (
    Column("period_start", "date", "First day of the period: partial week, month of orders or of delivery", True),
    Column("period_label", "string", "The period's name", True),
    Column("measure_name", "string", "Measure: ours for history, o9's for plans, `rows of` a feed for files", True),
)

RECONCILIATION = Dataset(
    "o9.reconciliation",
    "One row per stage, measure, period and member of a level: how many rows carry the measure, their sum and a hash.",
    (
        SLICE,
        *PERIOD,
        Column("level", "string", "all, item, location or channel", True),
        Column("member", "string", "Member of the level; ALL for the level all", True),
        Column("stage", "string", "source, raw, lines, history, sent, held or returned", True),
        Column("row_count", "int64", "Rows that carry the measure: records, order lines or cells", True),
        Column("quantity", "decimal(28,4)", "Their sum: base units (as ordered from raw to lines), value, or rows"),
        Column("content_hash", "string", "Equal rows, equal hash; where both stages have the same rows", True),
    ),
    key=("slice", "period_start", "measure_name", "level", "member", "stage"),
)

BREAKS = Dataset(
    "o9.reconciliation_breaks",
    "One row per object, order line or cell in which a stage differs from the one before it, with its class and cause.",
    (
        SLICE,
        *PERIOD,
        Column("step", "string", "The two stages, such as sent → held", True),
        Column("item_code", "string", "Item; empty for files", True),
        Column("location_code", "string", "Location; empty for files and order lines", True),
        Column("channel_code", "string", "Channel; empty for files and order lines", True),
        Column("detail", "string", "Object, or order and line; empty for cells", True),
        Column("origin", "string", "Where the row came from: the landed file and its record"),
        Column("quantity_before", "decimal(28,4)", "In the earlier stage; null where it has no such row"),
        Column("quantity_after", "decimal(28,4)", "In the later stage; null where it has no such row"),
        Column("difference", "decimal(28,4)", "After less before, null being 0", True),
        Column("class", "string", "explained, rounding, tolerated or break", True),
        Column("cause", "string", "Why, where it is known: a member that o9 lacks, a correction that waits"),
    ),
    key=("slice", "step", "period_start", "measure_name", "item_code", "location_code", "channel_code", "detail"),
)
