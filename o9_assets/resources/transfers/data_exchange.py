"""A data set of AWS Data Exchange: its revisions, and the export of each as a mover.

A revision is exported with the key pattern `${Revision.CreatedAt}/${Asset.Name}` into a folder of its own. The default
of the service, `${Asset.Name}`, would let one revision overwrite another. Jobs tell which revision they are for, so an
export that is there already is found, whoever started it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from o9_assets.failures import Permanent
from o9_assets.resources.aws import Denied
from o9_assets.resources.transfers.landed import ZoneBucket
from o9_assets.resources.transfers.mover import Layout, PartialTransfer, Progress, State, UnknownTransfer

if TYPE_CHECKING:
    from mypy_boto3_dataexchange import DataExchangeClient

__all__ = ["DataExchange", "EntitlementExpired", "Revision", "RevisionMover"]

KEY_PATTERN = "${Revision.CreatedAt}/${Asset.Name}"
STATES = {
    "WAITING": State.RUNNING,
    "IN_PROGRESS": State.RUNNING,
    "COMPLETED": State.SUCCEEDED,
    "ERROR": State.FAILED,
    "TIMED_OUT": State.FAILED,
    "CANCELLED": State.CANCELLED,
}


class EntitlementExpired(Permanent):
    """The account is not, or no longer, entitled to the data set."""

    def __init__(self, data_set: str, said: str = "") -> None:
        super().__init__(
            f"This account is not entitled to the data set {data_set} of AWS Data Exchange"
            + (f" ({said})." if said else ": it is not among the entitled ones."),
            remedy="Renew the subscription (or the data grant) and run again: missed revisions are then exported. To "
            "go on without, take the transfer out of the settings; what has landed stays and is used.",
        )
        self.data_set = data_set


@dataclass(frozen=True, slots=True)
class Revision:
    """A finalized revision. `created_at` is UTC with a zone; `revoked_at` is None while it holds."""

    id: str
    created_at: datetime
    comment: str = ""
    revoked_at: datetime | None = None
    revocation: str = ""

    @property
    def folder(self) -> str:
        """Its folder as the key pattern makes it: `2021-10-08T16:33:19.787Z/`."""
        at = self.created_at.astimezone(UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z/"


class DataExchange:
    """One data set that this account is entitled to, and where its revisions are exported to."""

    kind = "data_exchange"

    def __init__(
        self, client: DataExchangeClient, zone: ZoneBucket, data_set: str, lands: str, *, kms_key: str | None = None
    ) -> None:
        self._client, self._zone, self._kms_key = client, zone, kms_key
        self.data_set, self.lands = data_set, lands

    def revisions(self) -> list[Revision]:
        """Finalized revisions, the oldest first, revoked ones among them. Raises EntitlementExpired."""
        if not _entitled(self._client, self.data_set):
            raise EntitlementExpired(self.data_set)
        try:
            with _while_entitled(self._client, self.data_set):
                pages = self._client.get_paginator("list_data_set_revisions").paginate(
                    DataSetId=self.data_set, PaginationConfig={"PageSize": 200}
                )
                found = [_revision(entry) for page in pages for entry in page["Revisions"] if entry.get("Finalized")]
        except self._client.exceptions.ResourceNotFoundException as error:
            raise EntitlementExpired(self.data_set, _said(error)) from error
        return sorted(found, key=lambda revision: (revision.created_at, revision.id))

    def mover(self, revision: Revision) -> RevisionMover:
        """The export of a revision."""
        return RevisionMover(self._client, self._zone, self.data_set, self.lands, revision, kms_key=self._kms_key)

    def resource(self, revision: Revision) -> str:
        """The revision's name in the ledger of transfers."""
        return f"{self.data_set}/{revision.id}"


class RevisionMover:
    """The export of one revision to the landing zone."""

    kind = "data_exchange"

    def __init__(
        self,
        client: DataExchangeClient,
        zone: ZoneBucket,
        data_set: str,
        lands: str,
        revision: Revision,
        *,
        kms_key: str | None = None,
    ) -> None:
        self._client, self._zone, self._data_set, self._lands = client, zone, data_set, lands
        self._revision, self._kms_key = revision, kms_key
        self.name = f"{data_set}/{revision.id}"

    def start(self, token: str) -> str:
        """Start the export, or find the one that was started for this revision and this place and did not fail.

        The token is not needed: a revision never changes, so there is one export of it, unless what it wrote is gone.
        """
        jobs = list(self._jobs())
        if any(job["State"] == "COMPLETED" for job in jobs) and self._missing():
            jobs = [job for job in jobs if job["State"] != "COMPLETED"]
        # A call to create a job whose answer was lost leaves one that waits: what has run goes before it.
        for state in ("COMPLETED", "IN_PROGRESS", "WAITING"):
            for job in jobs:
                if job["State"] == state:
                    if state == "WAITING":
                        self._begin(job["Id"])
                    return str(job["Id"])
        made = self._client.create_job(
            Type="EXPORT_REVISIONS_TO_S3",
            Details={
                "ExportRevisionsToS3": {
                    "DataSetId": self._data_set,
                    "RevisionDestinations": [self._destination()],  # type: ignore[list-item]
                    "Encryption": {"Type": "aws:kms", "KmsKeyArn": self._kms_key}
                    if self._kms_key
                    else {"Type": "AES256"},
                }
            },
        )
        self._begin(made["Id"])
        return made["Id"]

    def _begin(self, job: str) -> None:
        try:
            self._client.start_job(JobId=job)
        except self._client.exceptions.ConflictException:
            return  # another process started it between our look and our call

    def look(self, execution: str) -> Progress:
        """How the job stands; `files` and `bytes` are those of the revision's assets."""
        try:
            job = self._client.get_job(JobId=execution)
        except self._client.exceptions.ResourceNotFoundException as error:
            raise UnknownTransfer(
                f"Data Exchange does not know the job {execution}; jobs are forgotten after 90 days.",
                remedy="Start the transfer again.",
            ) from error
        state, status = STATES[job["State"]], job["State"]
        reason = "; ".join(f"{e['Code']}: {e['Message']}" for e in job.get("Errors", []))
        if state is not State.SUCCEEDED:
            return Progress(state, status, {}, reason)
        assets = self._assets()
        size = sum(int(a.get("AssetDetails", {}).get("S3SnapshotAsset", {}).get("Size", 0)) for a in assets)
        return Progress(state, status, {"files": len(assets), "bytes": size})

    def landed(self, execution: str) -> tuple[str, ...]:
        """The names that the key pattern gives the revision's assets. Raises PartialTransfer where one is not there."""
        seen = self.look(execution)
        if seen.state is not State.SUCCEEDED:
            raise PartialTransfer(
                f"The export {execution} of the revision {self._revision.id} is {seen.status}.",
                remedy="Start the transfer again.",
            )
        if missing := self._missing():
            others = f", nor are {len(missing) - 1:,} others" if len(missing) > 1 else ""
            raise PartialTransfer(
                f"The export {execution} of the revision {self._revision.id} is completed, "
                f"and {missing[0]} is not there{others}.",
                remedy="Find what removes objects from the landing zone, and run again: the revision is exported anew.",
            )
        return self._names()

    def _names(self) -> tuple[str, ...]:
        return tuple(sorted(f"{self._lands}{self._revision.folder}{asset['Name']}" for asset in self._assets()))

    def _missing(self) -> list[str]:
        """Names of assets that the landing zone does not hold."""
        ever = datetime.min.replace(tzinfo=UTC)
        there = set(self._zone.written(f"{self._lands}{self._revision.folder}", ever, None))
        return [name for name in self._names() if name not in there]

    def layout(self) -> Layout | None:
        """None: Data Exchange counts assets and bytes, not records."""
        return None

    def _destination(self) -> dict[str, str]:
        pattern = f"{self._zone.prefix}{self._lands}{KEY_PATTERN}"
        return {"RevisionId": self._revision.id, "Bucket": self._zone.bucket, "KeyPattern": pattern}

    def _jobs(self) -> Iterator[Any]:
        """Exports of this revision to this place, as far as Data Exchange remembers them."""
        wanted = self._destination()
        pages = self._client.get_paginator("list_jobs").paginate(DataSetId=self._data_set, RevisionId=self._revision.id)
        for page in pages:
            for job in page["Jobs"]:
                details = job.get("Details", {}).get("ExportRevisionsToS3")
                if job["Type"] == "EXPORT_REVISIONS_TO_S3" and details and wanted in details["RevisionDestinations"]:
                    yield job

    def _assets(self) -> Sequence[Mapping[str, Any]]:
        with _while_entitled(self._client, self._data_set):
            pages = self._client.get_paginator("list_revision_assets").paginate(
                DataSetId=self._data_set, RevisionId=self._revision.id
            )
            return [asset for page in pages for asset in page["Assets"]]


def _entitled(client: DataExchangeClient, data_set: str) -> bool:
    """Whether the data set is among those that the account is entitled to."""
    pages = client.get_paginator("list_data_sets").paginate(Origin="ENTITLED")
    return any(entry["Id"] == data_set for page in pages for entry in page["DataSets"])


@contextmanager
def _while_entitled(client: DataExchangeClient, data_set: str) -> Iterator[None]:
    """A denial within means EntitlementExpired only where the entitlement is over; a policy's denial stays Denied."""
    try:
        yield
    except Denied as error:
        if _entitled(client, data_set):
            raise
        raise EntitlementExpired(data_set, error.message) from error


def _revision(entry: Mapping[str, Any]) -> Revision:
    revoked = entry.get("RevokedAt", entry["UpdatedAt"]) if entry.get("Revoked") else None
    return Revision(
        entry["Id"], entry["CreatedAt"], entry.get("Comment", ""), revoked, entry.get("RevocationComment", "")
    )


def _said(error: Any) -> str:
    return str(error.response["Error"]["Message"])
