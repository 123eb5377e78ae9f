"""A landing zone below a prefix of an S3 bucket.

An object's version is its ETag, which a listing tells. Up to 5 GB it is put in one piece, so that the same content has
the same ETag (not with a KMS key, where every put has a new one: it is then read again, with the same rows).
What is read is the listed version or nothing: by If-Match, and where the bucket keeps versions by the version's id.
"""

from __future__ import annotations

import hashlib
import io
import random
import time
import uuid
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from o9_assets.failures import Passing, Permanent
from o9_assets.resources.landing_zone.objects import (
    BLOCK,
    LandedObject,
    ObjectChanged,
    Spooled,
    being_written,
    checked,
    hashed,
)

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Zone"]

ATTEMPTS = 5
AHEAD_OBJECTS, AHEAD_BYTES, READERS = 64, 256 << 20, 16
ONE_PIECE_BYTES = 5 << 30
GONE = ("PreconditionFailed", "412", "NoSuchKey", "NoSuchVersion", "404")


class S3Zone:
    """Objects of a bucket below a prefix. The client's retries and errors are those of resources/aws.py."""

    def __init__(self, bucket: str, prefix: str, client: S3Client, *, settle_seconds: float = 0) -> None:
        self._bucket = bucket
        self._prefix = prefix.strip("/") + "/" if prefix.strip("/") else ""
        self._client = client
        self._settle = timedelta(seconds=settle_seconds)

    def list(self, prefix: str = "", *, start_after: str | None = None) -> Iterator[LandedObject]:
        settled = datetime.now(UTC) - self._settle
        query: dict[str, Any] = {"Bucket": self._bucket, "Prefix": self._prefix + prefix}
        if start_after is not None:
            query["StartAfter"] = self._prefix + start_after
        for page in self._pages(query):
            for entry in page.get("Contents", []):
                name = self._name(entry["Key"])
                if name is not None and entry["LastModified"] <= settled:
                    yield LandedObject(name, entry["ETag"].strip('"'), entry["Size"], entry["LastModified"])

    def _pages(self, query: dict[str, Any]) -> Iterator[Any]:
        from botocore.exceptions import ClientError

        try:
            yield from self._client.get_paginator("list_objects_v2").paginate(**query)
        except ClientError as error:
            raise self._no_bucket(error) from error

    def _no_bucket(self, error: ClientError) -> Exception:
        if error.response.get("Error", {}).get("Code") == "NoSuchBucket":
            return Permanent(
                f"There is no bucket {self._bucket}.", remedy="Make it, or name another in O9_LANDING_ZONE."
            )
        return error

    def told(self, bucket: str, key: str, etag: str) -> LandedObject | None:
        """The object that an event tells of, without size and time; None for another bucket and for what `list` leaves
        out."""
        name = self._name(key) if bucket == self._bucket else None
        if name is None:
            return None
        return LandedObject(name, etag, 0, datetime.min.replace(tzinfo=UTC))

    def was_replaced(self, found: LandedObject) -> bool:
        """Whether another version is there by now."""
        there = self._head(self._prefix + checked(found.name))
        return there is not None and there["ETag"].strip('"') != found.version

    def _name(self, key: str) -> str | None:
        """The name of the object with this key; None for a key that stands for a folder, that is outside the zone, or
        whose object is still being written."""
        if not key.startswith(self._prefix):
            return None
        name = key.removeprefix(self._prefix)
        # Tools that think in folders leave keys with a slash at the end, of no bytes.
        if not name or name.endswith("/") or being_written(name) or ".." in name.split("/"):
            return None
        return name

    # Reading

    def spool(self, found: LandedObject, folder: Path) -> Spooled:
        from botocore.exceptions import FlexibleChecksumError, HTTPClientError, IncompleteReadError

        target, digest, size, version_id = folder / uuid.uuid4().hex, hashlib.sha256(), 0, None
        with target.open("wb") as sink:
            for attempt in range(ATTEMPTS):
                if attempt:
                    time.sleep(random.uniform(0.5, 1.5) * 0.1 * 2**attempt)  # noqa: S311 - jitter, not a secret
                answer = self._get(found, size, version_id)
                # What is cut short goes on where it ended, with the very version that it began with.
                version_id = version_id or answer.get("VersionId")
                try:
                    while block := answer["Body"].read(BLOCK):
                        digest.update(block)
                        sink.write(block)
                        size += len(block)
                except FlexibleChecksumError:
                    sink.seek(0)
                    sink.truncate()
                    digest, size = hashlib.sha256(), 0
                    continue
                except (HTTPClientError, IncompleteReadError):
                    continue
                if size == found.size_bytes:
                    return Spooled(target, digest.hexdigest(), size)
                if size > found.size_bytes:
                    break
        target.unlink()
        raise Passing(
            f"{found.name} came with {size:,} of {found.size_bytes:,} bytes, {ATTEMPTS} times.",
            remedy="It is tried again.",
        )

    def _get(self, found: LandedObject, start: int, version_id: str | None) -> Any:
        from botocore.exceptions import ClientError

        # A key leads nowhere else, whatever signs it has.
        query: dict[str, Any] = {"Bucket": self._bucket, "Key": self._prefix + found.name}
        if start:
            query["Range"] = f"bytes={start}-"
        # Always: the version `null`, of a bucket that no longer keeps versions, can be overwritten.
        query["IfMatch"] = f'"{found.version}"'
        if version_id is not None:
            query["VersionId"] = version_id
        try:
            return self._client.get_object(**query)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("PreconditionFailed", "412") and (older := self._older(found)):
                return self._get(found, start, older)
            if code in GONE:
                raise ObjectChanged(
                    f"{found.name} changed while it was read.", remedy="It is taken at the next tick."
                ) from error
            if code == "InvalidObjectState":
                raise Permanent(
                    f"{found.name} is in an archive class of S3.", remedy="Restore it, or move it out of the zone."
                ) from error
            raise self._no_bucket(error) from error

    def _older(self, found: LandedObject) -> str | None:
        """The id of the listed version where the bucket keeps versions and another has replaced it."""
        key = self._prefix + found.name
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self._bucket, Prefix=key):
            for entry in page.get("Versions", []):
                if entry["Key"] == key and entry["ETag"].strip('"') == found.version and entry["VersionId"] != "null":
                    return entry["VersionId"]
                if entry["Key"] > key:
                    return None
        return None

    def spool_all(
        self, wanted: Iterable[LandedObject], folder: Path
    ) -> Generator[tuple[LandedObject, Spooled | ObjectChanged], None, None]:
        """Several at once, for most of a small object's time is waiting: bounded in number and in bytes."""
        waiting: deque[tuple[LandedObject, Future[Spooled]]] = deque()
        todo, ahead = iter(wanted), 0
        following = next(todo, None)
        with ThreadPoolExecutor(READERS, thread_name_prefix="landing") as pool:
            try:
                while following is not None or waiting:
                    while following is not None and (
                        not waiting or (len(waiting) < AHEAD_OBJECTS and ahead + following.size_bytes <= AHEAD_BYTES)
                    ):
                        waiting.append((following, pool.submit(self.spool, following, folder)))
                        ahead += following.size_bytes
                        following = next(todo, None)
                    found, future = waiting.popleft()
                    ahead -= found.size_bytes
                    try:
                        yield found, future.result()
                    except ObjectChanged as changed:
                        yield found, changed
            finally:
                pool.shutdown(cancel_futures=True)

    # Writing

    def put(self, name: str, content: bytes | Path) -> None:
        from botocore.exceptions import ClientError

        key = self._prefix + checked(name)
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        with _opened(content) as source:
            sha256 = hashed(source)
            if size > ONE_PIECE_BYTES:
                source.seek(0)
                self._client.upload_fileobj(source, self._bucket, key, ExtraArgs={"Metadata": {"sha256": sha256}})
                return
            for _ in range(ATTEMPTS):
                there = self._head(key)
                if there is not None and there["ContentLength"] == size and there["Metadata"].get("sha256") == sha256:
                    return  # as in a folder, the same content is the same version
                # Only over what was seen: a write in between is looked at before it is overwritten.
                condition = {"IfMatch": there["ETag"]} if there else {"IfNoneMatch": "*"}
                source.seek(0)
                try:
                    self._client.put_object(
                        Bucket=self._bucket, Key=key, Body=source, Metadata={"sha256": sha256}, **condition
                    )
                except ClientError as error:
                    if error.response["Error"]["Code"] in (*GONE, "ConditionalRequestConflict"):
                        continue
                    raise self._no_bucket(error) from error
                return
        raise ObjectChanged(f"{name} is written by others at the same time.", remedy="Try again.")

    def _head(self, key: str) -> Any:
        from botocore.exceptions import ClientError

        try:
            return self._client.head_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return None
            raise


def _opened(content: bytes | Path) -> io.BufferedReader | io.BytesIO:
    return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")
