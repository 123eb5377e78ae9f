"""The landing room's own tables: what came in (manifest) and what was set aside (quarantine), and the
lineage columns that every raw table carries. What a feed's rows mean is declared in assets/raw."""

from o9_assets.dataset import Column, Dataset

LINEAGE = (
    Column("op", "string", "I (insert), U (update) or D (delete), as the source said; I where it says nothing", True),
    Column("changed_at", "timestamp", "When the source changed the row (UTC); known_at where it does not say", True),
    Column("change_seq", "int64", "The source's sequence among equal change times; 0 where it has none", True),
    Column("known_at", "timestamp", "When the platform came to know the row (UTC): one value per ingest", True),
    Column("object_id", "string", "Hash of the landed object's name and version", True),
    Column("object_name", "string", "Landed object's name, below the landing zone's root", True),
    Column("line", "int64", "The record's number in its object, a header being 1; else its row's place", True),
)

MANIFEST = Dataset(
    "raw.manifest",
    "One row per landed object and feed that was read to its end. Written last: only what it lists is in.",
    (
        Column("feed", "string", "The feed that read the object", True),
        Column("object_id", "string", "Hash of the object's name and version", True),
        Column("object_name", "string", "The object's name below the landing zone's root", True),
        Column(
            "object_version",
            "string",
            "ETag on S3; time, size and inode in a folder; an @ and a number where it came back",
            True,
        ),
        Column("ingest_seq", "int64", "Rises by one with every ingest of the feed; watermarks refer to it", True),
        Column("known_at", "timestamp", "When its rows became known (UTC)", True),
        Column("ingested_at", "timestamp", "When it was read (UTC)", True),
        Column("covers_date", "date", "The delivery day the object stands for, from its name; null where undeclared"),
        Column("status", "string", "ingested, set_aside (unusable as a whole) or withdrawn (not to be read)", True),
        Column("reason", "string", "Why it was set aside or withdrawn"),
        Column("replaces", "boolean", "Whether its rows replace those of older versions of the object", True),
        Column("size_bytes", "int64", "Size of the object as landed", True),
        Column("content_hash", "string", "SHA-256 of its bytes", True),
        Column("landed_rows", "int64", "Records found in it, without the header", True),
        Column("accepted_rows", "int64", "Of these, in the raw table", True),
        Column("quarantined_rows", "int64", "Of these, in quarantine", True),
        Column("settings_hash", "string", "Hash of the feed's settings that it was read with", True),
        Column("read_until", "timestamp", "A stream's range: what arrived in its partition until then is read (UTC)"),
        Column("other_rows", "int64", "Records of a transactional file that are another table's; null elsewhere"),
    ),
    key=("feed", "object_id"),
)

QUARANTINE = Dataset(
    "raw.quarantine",
    "One row per landed record, or whole object, that could not be taken in, with the reason and what is at stake.",
    (
        Column("feed", "string", "The feed that read it", True),
        Column("object_id", "string", "Hash of the object's name and version", True),
        Column("object_name", "string", "The object's name below the landing zone's root", True),
        Column("line", "int64", "The record's number in its object, a header being 1; null for a whole object"),
        Column("column_name", "string", "The column at fault, where one is"),
        Column("reason", "string", "Short stable reason, by which rows are counted", True),
        Column("detail", "string", "What was found and what would be right", True),
        Column("original_text", "string", "The record as it stood in the object (cut at 10,000 characters)"),
        Column("value_at_risk", "decimal(18,4)", "Quantity × price of the record where they can be read"),
        Column("known_at", "timestamp", "When its object became known (UTC)", True),
        Column("mended_at", "timestamp", "When a mended version was replayed into the raw table (UTC)"),
    ),
    key=("feed", "object_id", "line"),
)

TRANSFERS = Dataset(
    "landing.transfers",
    "One row per execution of a transfer (see docs/transfers.md): who started it, how it stands, what it wrote.",
    (
        Column("transfer", "string", "The transfer's name in the settings", True),
        Column("number", "int64", "Rises by one with every execution of the transfer", True),
        Column("token", "string", "What the service was started with; the same token finds the same execution", True),
        Column("kind", "string", "dms, datasync, appflow or data_exchange", True),
        Column("resource", "string", "The service's task, flow or data set", True),
        Column("lands", "string", "Folder below the landing zone's root that it writes to", True),
        Column("execution", "string", "The service's id of the execution; null until it is known"),
        Column("state", "string", "running, succeeded, failed or cancelled", True),
        Column("status", "string", "The service's own word for its state"),
        Column("reason", "string", "The service's own text on why it failed"),
        Column("counters", "string", "The service's counters as a JSON object"),
        Column("objects", "int64", "Objects that it wrote"),
        Column("started_at", "timestamp", "When it was asked for (UTC)", True),
        Column("ended_at", "timestamp", "When it was seen to have ended (UTC)"),
    ),
    key=("transfer", "number"),
)
