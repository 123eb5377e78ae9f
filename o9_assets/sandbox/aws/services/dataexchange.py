"""AWS Data Exchange as a subscriber meets it: entitled data sets, their revisions, and exports to the twin's S3.

What a provider does has no place in a subscriber's API, so it is done by methods of this class (`entitle`, `publish`,
`revoke`, `expire`, `renew`), or with the same names as commands over HTTP:

    POST /_sandbox/dataexchange  {"do": "publish", "data_set": "...", "assets": {"sell_out.csv": "text"}}
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from o9_assets.sandbox.aws import exchange_shapes as shapes
from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.twin import Twin

__all__ = ["DataExchange"]

DEFAULT_PATTERN = "${Asset.Name}"
COMMANDS = ("entitle", "publish", "revoke", "expire", "renew")


class DataExchange(Fake):
    """Data sets, revisions, assets and jobs; an export really copies every asset."""

    service = "dataexchange"

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self.failing_exports = 0
        """So many of the exports that start next end as ERROR, after the first asset was written."""

    # What the provider does

    def command(self, given: dict[str, Any]) -> dict[str, Any]:
        """One of the provider's acts, as JSON."""
        act = given.pop("do", None)
        if act not in COMMANDS:
            raise ValueError(f"do is one of {', '.join(COMMANDS)}; found {act!r}")
        return {"id": getattr(self, act)(**given)}

    def entitle(self, name: str) -> str:
        """Entitle the account to a new data set; returns its id."""
        number, now = uuid.uuid4().hex, datetime.now(UTC)
        self.state.put("data_set", number, {"Id": number, "Name": name, "CreatedAt": now, "expired": False})
        return number

    def expire(self, data_set: str) -> str:
        """End the entitlement: the data set is no longer listed, and calls for it are denied."""
        self.state.change("data_set", data_set, lambda d: {**(d or {}), "expired": True})
        return data_set

    def renew(self, data_set: str) -> str:
        self.state.change("data_set", data_set, lambda d: {**(d or {}), "expired": False})
        return data_set

    def publish(
        self,
        data_set: str,
        assets: Mapping[str, str | bytes],
        *,
        created_at: datetime | str | None = None,
        comment: str = "",
        finalized: bool = True,
        tell: bool = True,
    ) -> str:
        """Publish a revision with these assets and, where `tell`, say so on EventBridge; returns its id."""
        number = uuid.uuid4().hex
        at = datetime.fromisoformat(created_at) if isinstance(created_at, str) else created_at or datetime.now(UTC)
        at = at.replace(microsecond=at.microsecond // 1000 * 1000)
        kept = []
        for name, content in assets.items():
            asset, body = uuid.uuid4().hex, content.encode() if isinstance(content, str) else bytes(content)
            path = self._path(asset)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
            kept.append({"Id": asset, "Name": name, "Size": len(body)})
        revision = {"Id": number, "DataSetId": data_set, "CreatedAt": at, "UpdatedAt": at, "Comment": comment}
        self.state.put("revision", number, {**revision, "Finalized": finalized, "Revoked": False, "assets": kept})
        if tell and finalized:
            self.tell(data_set, number)
        return number

    def revoke(self, revision: str, comment: str = "Published in error.") -> str:
        """Revoke a revision: it stays listed as such, and its assets can no longer be had."""
        now = datetime.now(UTC)
        news = {"Revoked": True, "RevokedAt": now, "RevocationComment": comment, "UpdatedAt": now}
        self.state.change("revision", revision, lambda r: {**(r or {}), **news})
        return revision

    def tell(self, data_set: str, *revisions: str) -> None:
        """The event that a revision was published."""
        detail = {"RevisionIds": list(revisions)}
        entry = {"Source": "aws.dataexchange", "DetailType": "Revision Published To Data Set"}
        self.twin.client("events").put_events(
            Entries=[{**entry, "Resources": [data_set], "Detail": json.dumps(detail)}]
        )

    # Data sets and revisions

    def list_data_sets(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        entitled = request.get("Origin", "OWNED") == "ENTITLED"
        found = [shapes.data_set(d, call) for d in self.state.all("data_set").values() if entitled and not d["expired"]]
        return shapes.page("DataSets", found, request)

    def get_data_set(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return shapes.data_set(self._data_set(request["DataSetId"], call), call)

    def list_data_set_revisions(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._data_set(request["DataSetId"], call)
        found = [r for r in self.state.all("revision").values() if r["DataSetId"] == request["DataSetId"]]
        newest_first = sorted(found, key=lambda r: (r["CreatedAt"], r["Id"]), reverse=True)
        return shapes.page("Revisions", [shapes.revision(r, call) for r in newest_first], request)

    def get_revision(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._data_set(request["DataSetId"], call)
        return shapes.revision(self._revision(request["RevisionId"]), call)

    def list_revision_assets(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._data_set(request["DataSetId"], call)
        revision = self._revision(request["RevisionId"])
        if revision["Revoked"]:
            raise ServiceError("AccessDeniedException", f"The revision {revision['Id']} is revoked", 403)
        return shapes.page("Assets", [shapes.asset(a, revision, call) for a in revision["assets"]], request)

    # Jobs

    def create_job(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        details = request["Details"].get("ExportRevisionsToS3")
        if request["Type"] != "EXPORT_REVISIONS_TO_S3" or details is None:
            raise ServiceError("ValidationException", f"The sandbox has no job {request['Type']}")
        self._data_set(details["DataSetId"], call)
        if len(details["RevisionDestinations"]) != 1:
            raise ServiceError("ValidationException", "A job exports one revision")
        for destination in details["RevisionDestinations"]:
            self._revision(destination["RevisionId"])
            pattern = destination.setdefault("KeyPattern", DEFAULT_PATTERN)
            if "${Asset.Name}" not in pattern and "${Asset.Id}" not in pattern:
                raise ServiceError("ValidationException", "KeyPattern needs ${Asset.Name} or ${Asset.Id}")
        number, now = uuid.uuid4().hex, datetime.now(UTC)
        job = {"Id": number, "Type": request["Type"], "State": "WAITING", "Details": request["Details"]}
        self.state.put("job", number, {**job, "CreatedAt": now, "UpdatedAt": now})
        return shapes.job(self._job(number), call)

    def start_job(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self.state.exclusive():
            job = self._job(request["JobId"])
            if job["State"] != "WAITING":
                raise ServiceError(
                    "ConflictException", f"The job is {job['State']}", 409, ResourceId=job["Id"], ResourceType="JOB"
                )
            self._note(job["Id"], State="IN_PROGRESS")
        self.twin.background(f"dataexchange-{job['Id']}", lambda: self._export(job))
        return {}

    def get_job(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return shapes.job(self._job(request["JobId"]), call)

    def list_jobs(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        def meant(job: dict[str, Any]) -> bool:
            details = job["Details"]["ExportRevisionsToS3"]
            revisions = [d["RevisionId"] for d in details["RevisionDestinations"]]
            return request.get("DataSetId", details["DataSetId"]) == details["DataSetId"] and (
                "RevisionId" not in request or request["RevisionId"] in revisions
            )

        jobs = sorted(self.state.all("job").values(), key=lambda j: j["CreatedAt"], reverse=True)
        return shapes.page("Jobs", [shapes.job(job, call) for job in jobs if meant(job)], request)

    def cancel_job(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        with self.state.exclusive():
            job = self._job(request["JobId"])
            if job["State"] != "WAITING":
                raise ServiceError("ConflictException", f"The job is {job['State']}", 409)
            self._note(job["Id"], State="CANCELLED")
        return {}

    def _export(self, job: dict[str, Any]) -> None:
        """Copy each asset under the name that the pattern gives it; what has that name already is written over."""
        details = job["Details"]["ExportRevisionsToS3"]
        [destination] = details["RevisionDestinations"]
        revision = self._revision(destination["RevisionId"])
        with self.state.exclusive():
            breaks, self.failing_exports = self.failing_exports > 0, max(0, self.failing_exports - 1)
        try:
            if revision["Revoked"]:
                raise _JobFailed("ACCESS_DENIED_EXCEPTION", f"The revision {revision['Id']} is revoked.")
            names = [shapes.key(destination["KeyPattern"], asset, revision) for asset in revision["assets"]]
            if len(set(names)) != len(names):
                raise _JobFailed("VALIDATION_EXCEPTION", "Two assets would have the same name.")
            for count, (name, asset) in enumerate(zip(names, revision["assets"], strict=True), start=1):
                body = self._path(asset["Id"]).read_bytes()
                self.twin.client("s3").put_object(Bucket=destination["Bucket"], Key=name, Body=body)
                if breaks and count == 1:
                    raise _JobFailed("INTERNAL_SERVER_EXCEPTION", "The export was interrupted.")
        except _JobFailed as failed:
            self._note(job["Id"], State="ERROR", Errors=[{"Code": failed.code, "Message": str(failed)}])
            return
        except self.twin.client("s3").exceptions.ClientError as error:
            said = {"Code": "ACCESS_DENIED_EXCEPTION", "Message": str(error)}
            self._note(job["Id"], State="ERROR", Errors=[said])
            return
        self._note(job["Id"], State="COMPLETED")

    def _note(self, number: str, **news: Any) -> None:
        self.state.change("job", number, lambda j: {**(j or {}), **news, "UpdatedAt": datetime.now(UTC)})

    def _path(self, asset: str) -> Path:
        return self.twin.state / "dataexchange" / asset

    def _data_set(self, number: str, call: Call) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state.get("data_set", number)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"There is no data set {number}", 404)
        if found["expired"]:
            raise ServiceError("AccessDeniedException", f"{call.principal} is not entitled to {number}", 403)
        return found

    def _revision(self, number: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state.get("revision", number)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"There is no revision {number}", 404)
        return found

    def _job(self, number: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state.get("job", number)
        if found is None:
            raise ServiceError("ResourceNotFoundException", f"There is no job {number}", 404)
        return found


class _JobFailed(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
