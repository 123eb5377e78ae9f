"""What the sandbox's Data Exchange keeps, as its API tells it; and the names that a key pattern gives."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from o9_assets.sandbox.aws.fake import Call

__all__ = ["asset", "data_set", "job", "key", "page", "revision"]


def key(pattern: str, asset: dict[str, Any], revision: dict[str, Any]) -> str:
    at: datetime = revision["CreatedAt"].astimezone(UTC)
    named = {
        "Asset.Id": asset["Id"],
        "Asset.Name": asset["Name"],
        "DataSet.Id": revision["DataSetId"],
        "Revision.Id": revision["Id"],
        "Revision.CreatedAt": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z",
        "Revision.CreatedAt.Year": f"{at:%Y}",
        "Revision.CreatedAt.Month": f"{at:%m}",
        "Revision.CreatedAt.Day": f"{at:%d}",
    }
    for name, value in named.items():
        pattern = pattern.replace(f"${{{name}}}", value)
    return pattern


def page(name: str, found: list[dict[str, Any]], request: dict[str, Any]) -> dict[str, Any]:
    begin, most = int(request.get("NextToken") or 0), request.get("MaxResults", 25)
    more = {"NextToken": str(begin + most)} if begin + most < len(found) else {}
    return {name: found[begin : begin + most], **more}


def _arn(call: Call, what: str) -> str:
    return f"arn:aws:dataexchange:{call.region}:{call.account}:{what}"


def data_set(found: dict[str, Any], call: Call) -> dict[str, Any]:
    return {
        "Arn": _arn(call, f"data-sets/{found['Id']}"),
        "AssetType": "S3_SNAPSHOT",
        "Description": found["Name"],
        "Origin": "ENTITLED",
        "OriginDetails": {"ProductId": f"prod-{found['Id'][:12]}"},
        "UpdatedAt": found["CreatedAt"],
        **{k: found[k] for k in ("Id", "Name", "CreatedAt")},
    }


def revision(found: dict[str, Any], call: Call) -> dict[str, Any]:
    arn = _arn(call, f"data-sets/{found['DataSetId']}/revisions/{found['Id']}")
    return {"Arn": arn, **{k: v for k, v in found.items() if k != "assets"}}


def asset(found: dict[str, Any], of: dict[str, Any], call: Call) -> dict[str, Any]:
    place = f"data-sets/{of['DataSetId']}/revisions/{of['Id']}/assets/{found['Id']}"
    return {
        "Arn": _arn(call, place),
        "AssetType": "S3_SNAPSHOT",
        "AssetDetails": {"S3SnapshotAsset": {"Size": float(found["Size"])}},
        "CreatedAt": of["CreatedAt"],
        "UpdatedAt": of["CreatedAt"],
        "DataSetId": of["DataSetId"],
        "RevisionId": of["Id"],
        "Id": found["Id"],
        "Name": found["Name"],
    }


def job(found: dict[str, Any], call: Call) -> dict[str, Any]:
    return {"Arn": _arn(call, f"jobs/{found['Id']}"), **found}
