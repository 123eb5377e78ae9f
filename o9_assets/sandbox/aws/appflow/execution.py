"""One execution of a flow: pages pulled over HTTP, fields mapped, an object written for each page or one for all."""

from __future__ import annotations

import csv
import io
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["Ended", "run", "schema"]

DATE_PARTS = {"YEAR": "%Y", "MONTH": "%m", "DAY": "%d", "HOUR": "%H", "MINUTE": "%M"}
Record = dict[str, Any]
Put = Callable[[str, str, bytes], bool]


@dataclass
class Ended:
    """How an execution ended, and what it counted."""

    status: str = "InProgress"
    message: str = ""
    records: int = 0
    failures: int = 0
    read: int = 0
    written: int = 0

    def result(self) -> dict[str, Any]:
        """As executionResult of an execution record."""
        counted = {"recordsProcessed": self.records, "bytesProcessed": self.read, "bytesWritten": self.written}
        if not self.message and not self.failures:
            return counted
        return {**counted, "errorInfo": {"putFailuresCount": self.failures, "executionMessage": self.message}}


def schema(flow: Mapping[str, Any]) -> Any:
    """What makes a flow's schema: the mapping of fields, and whether they keep their types."""
    properties = flow["destinationFlowConfigList"][0]["destinationConnectorProperties"]["S3"]
    typed = properties.get("s3OutputFormatConfig", {}).get("preserveSourceDataTyping", False)
    return [(t["taskType"], t["sourceFields"], t.get("destinationField")) for t in flow["tasks"]], typed


def run(flow: Mapping[str, Any], profile: Mapping[str, Any], number: str, *, put: Put, stop: threading.Event) -> Ended:
    """Run the flow to its end. An error of the source ends it as Error, with what was written until then left there;
    objects that could not be put are counted."""
    ended = Ended()
    properties = flow["destinationFlowConfigList"][0]["destinationConnectorProperties"]["S3"]
    form = properties.get("s3OutputFormatConfig", {})
    whole = form.get("aggregationConfig", {}).get("aggregationType") == "SingleFile"
    begun, part, kept = datetime.now(UTC), 0, list[Record]()

    def write(records: list[Record]) -> None:
        nonlocal part
        content = _content(records, flow["tasks"], form)
        key = _key(flow, properties, number, begun, part)
        part += 1
        if put(properties["bucketName"], key, content):
            ended.written += len(content)
        else:
            ended.failures += len(records)
            ended.message = f"Records could not be written to {properties['bucketName']}."

    try:
        for page, size in _pages(flow, profile):
            if stop.is_set():
                ended.status, ended.message = "Canceled", "The flow was stopped."
                return ended
            ended.read += size
            ended.records += len(page)
            if whole:
                kept += page
            elif page:
                write(page)
        if stop.is_set():
            ended.status, ended.message = "Canceled", "The flow was stopped."
            return ended
        if kept:
            write(kept)
    except _SourceFailed as failed:
        ended.status, ended.message = "Error", str(failed)
        return ended
    ended.status = "Successful"
    return ended


class _SourceFailed(Exception):
    """What the source answered instead of records."""


def _pages(flow: Mapping[str, Any], profile: Mapping[str, Any]) -> Iterator[tuple[list[Record], int]]:
    """Records of each page, and its bytes."""
    import httpx

    place = profile["connectorProfileConfig"]["connectorProfileProperties"]["SAPOData"]
    path = flow["sourceFlowConfig"]["sourceConnectorProperties"]["SAPOData"]["objectPath"]
    base = (
        f"{place['applicationHostUrl'].rstrip('/')}:{place['portNumber']}/{place['applicationServicePath'].strip('/')}"
    )
    url: str | None = f"{base}/{path.strip('/')}"
    fields = [f for task in flow["tasks"] if task["taskType"] == "Filter" for f in task["sourceFields"]]
    asked = {"$select": ",".join(fields)} if fields else {}
    with httpx.Client(timeout=30) as client:
        while url:
            try:
                answer = client.get(url, params=asked or None)
            except httpx.HTTPError as error:
                raise _SourceFailed(f"The source could not be reached: {error}") from error
            if answer.status_code != 200:
                raise _SourceFailed(f"The source answered {answer.status_code}: {answer.text[:300]}")
            told, asked = answer.json(), {}
            yield told["value"], len(answer.content)
            url = told.get("@odata.nextLink")


def _mapped(record: Record, tasks: Sequence[Mapping[str, Any]]) -> Record:
    """The record's fields under the names that the tasks give them."""
    made: Record = {}
    for task in tasks:
        if task["taskType"] == "Map_all":
            made |= record
        elif task["taskType"] == "Map":
            made[task.get("destinationField") or task["sourceFields"][0]] = record.get(task["sourceFields"][0])
    return made


def _content(records: list[Record], tasks: Sequence[Mapping[str, Any]], form: Mapping[str, Any]) -> bytes:
    rows = [_mapped(record, tasks) for record in records]
    names = list(dict.fromkeys(name for row in rows for name in row))
    match form.get("fileType", "JSON"):
        case "CSV":
            out = io.StringIO()
            writer = csv.writer(out, lineterminator="\n")
            writer.writerow(names)
            writer.writerows([_text(row.get(name)) or "" for name in names] for row in rows)
            return out.getvalue().encode()
        case "PARQUET":
            return _parquet(rows, names, typed=bool(form.get("preserveSourceDataTyping")))
        case _:
            return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _parquet(rows: list[Record], names: list[str], *, typed: bool) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {
        name: pa.array([row.get(name) for row in rows])
        if typed
        else pa.array([_text(row.get(name)) for row in rows], pa.string())
        for name in names
    }
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def _key(flow: Mapping[str, Any], properties: Mapping[str, Any], number: str, begun: datetime, part: int) -> str:
    """`[bucketPrefix/]flow/[schema version/][execution/][date/][date-]execution-moment-part`."""
    prefix = properties.get("s3OutputFormatConfig", {}).get("prefixConfig", {})
    named = {"SCHEMA_VERSION": f"schemaVersion_{flow['schemaVersion']}", "EXECUTION_ID": number}
    folders = [properties.get("bucketPrefix", "").strip("/"), flow["flowName"]]
    folders += [named[one] for one in prefix.get("pathPrefixHierarchy", [])]
    dated = list(DATE_PARTS)[: list(DATE_PARTS).index(prefix["prefixFormat"]) + 1] if prefix.get("prefixFormat") else []
    kind = prefix.get("prefixType", "PATH")
    if dated and kind in ("PATH", "PATH_AND_FILENAME"):
        folders += [begun.strftime(DATE_PARTS[one]) for one in dated]
    name = f"{number}-{begun:%Y-%m-%dT%H:%M:%S}-{part}"
    if dated and kind in ("FILENAME", "PATH_AND_FILENAME"):
        name = "-".join([*(begun.strftime(DATE_PARTS[one]) for one in dated), name])
    return "/".join([folder for folder in folders if folder] + [name])
