"""The lake on S3 with the Glue Data Catalog: what pyiceberg's own classes leave out.

Everything is read and written through the platform's one S3 client: with its retries and credentials, the bucket's
expected owner and the encryption on every call, and never over a file that is there. Arrow decodes what it is handed.
Its own S3 client knows nothing of owners, and gives a small read up at the first error of S3.
"""

from __future__ import annotations

import io
import random
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from o9_assets.failures import Permanent
from o9_assets.resources import aws
from o9_assets.resources.aws import Buckets
from o9_assets.resources.lake.metadata import KnownTables

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyiceberg.table import Table

__all__ = ["S3FileIO", "connect"]

OWNER, KMS_KEY = "o9.bucket-owner", "o9.kms-key"
SPOOL_BYTES = 8 << 20
SMALL_BYTES = 4 << 20


def connect(warehouse: str, buckets: Buckets) -> GlueCatalog:
    """The catalog in Glue, for a warehouse such as s3://bucket/prefix. Raises Permanent where that is none."""
    place = urlparse(warehouse)
    if place.scheme != "s3" or not place.netloc:
        raise Permanent(f"{warehouse!r} is no place for a lake.", remedy="Set O9_LAKE to s3://bucket/prefix.")
    properties = {"warehouse": warehouse, "py-io-impl": f"{S3FileIO.__module__}.{S3FileIO.__qualname__}"}
    if buckets.owner:
        properties[OWNER] = buckets.owner
    if buckets.kms_key:
        properties[KMS_KEY] = buckets.kms_key
    return _Catalog("lake", aws.client("glue"), **properties)


class _Catalog(GlueCatalog):
    """Glue's catalog, which knows its own commit again when the answer to it was lost.

    A lost answer makes the client ask again, and Glue then refuses the commit as one of a stale table although it is
    in. pyiceberg would delete the manifests of what it takes for a failed commit, and with them the table's rows.
    """

    def __init__(self, name: str, client: Any, **properties: str) -> None:
        super().__init__(name, client, **properties)
        self._known = KnownTables()

    def _convert_glue_to_iceberg(self, glue_table: Any) -> Table:
        name = f"{glue_table.get('DatabaseName')}.{glue_table.get('Name')}"
        location = glue_table.get("Parameters", {}).get("metadata_location", "")
        load = super()._convert_glue_to_iceberg
        return self._known.get(name, location, lambda: load(glue_table))

    def _update_glue_table(self, database_name: str, table_name: str, table_input: Any, version_id: str) -> None:
        try:
            super()._update_glue_table(database_name, table_name, table_input, version_id)
        except CommitFailedException:
            ours = table_input["Parameters"]["metadata_location"]
            table = self.load_table((database_name, table_name))
            if ours not in (table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)):
                raise


class S3FileIO(FileIO):
    """Files of the lake in S3. `location` is s3://bucket/key throughout."""

    def __init__(self, properties: dict[str, Any]) -> None:
        super().__init__(properties)
        self._buckets = Buckets(properties.get(OWNER), properties.get(KMS_KEY))

    @property
    def client(self) -> S3Client:
        return _client(self._buckets, aws.session())

    def new_input(self, location: str) -> InputFile:
        return _Input(self.client, location)

    def new_output(self, location: str) -> OutputFile:
        return _Output(self.client, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        bucket, key = _address(location if isinstance(location, str) else location.location)
        self.client.delete_object(Bucket=bucket, Key=key)

    def put_file(self, path: Path, location: str) -> None:
        """Write a file of this machine to a location where none is. Raises FileExistsError."""
        with path.open("rb") as source:
            _put(self.client, location, source, overwrite=False)

    def opened(self, location: str, size_bytes: int) -> Reader:
        """A file of known size, read by ranges as they are asked for."""
        return Reader(self.client, location, size_bytes)

    def listed(self, location: str) -> Iterator[tuple[str, int, datetime]]:
        """Every file below a location: location, bytes, and when it was written."""
        bucket, prefix = _address(location)
        for page in self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
            for entry in page.get("Contents", []):
                if not entry["Key"].endswith("/"):
                    yield f"s3://{bucket}/{entry['Key']}", entry["Size"], entry["LastModified"]


class Reader(io.RawIOBase):
    """A file in S3 as Arrow reads it: a small one whole, a large one by ranges."""

    def __init__(self, client: S3Client, location: str, size_bytes: int) -> None:
        super().__init__()
        self._client, self._location, self._size = client, location, size_bytes
        self._place, self._whole = 0, b""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._size}[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        found = self.read(len(buffer))
        buffer[: len(found)] = found
        return len(found)

    def read(self, size: int = -1) -> bytes:
        end = self._size if size is None or size < 0 else min(self._place + size, self._size)
        if self._place >= end:
            return b""
        if self._size <= SMALL_BYTES:
            self._whole = self._whole or _get(self._client, self._location, 0, self._size)
            found = self._whole[self._place : end]
        else:
            found = _get(self._client, self._location, self._place, end)
        self._place = end
        return found


@lru_cache(maxsize=8)
def _client(buckets: Buckets, session: object) -> S3Client:
    return aws.s3(buckets)


def _address(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def _get(client: S3Client, location: str, start: int, end: int | None) -> bytes:
    """The bytes from `start` to before `end`, or all. Raises FileNotFoundError, Unavailable where they come cut."""
    from botocore.exceptions import ClientError, FlexibleChecksumError, HTTPClientError, IncompleteReadError

    bucket, key = _address(location)
    which: dict[str, Any] = {} if end is None else {"Range": f"bytes={start}-{end - 1}"}
    for attempt in range(1, aws.ATTEMPTS + 1):
        try:
            found = client.get_object(Bucket=bucket, Key=key, **which)["Body"].read()
        except (HTTPClientError, IncompleteReadError, FlexibleChecksumError) as error:
            cut: Exception = error
        except ClientError as error:
            if error.response["Error"]["Code"] == "NoSuchKey":
                raise FileNotFoundError(f"{location} is not there") from error
            raise
        else:
            if end is None or len(found) == end - start:
                return found
            cut = IncompleteReadError(actual_bytes=len(found), expected_bytes=end - start)
        time.sleep(random.uniform(0.5, 1.5) * 0.05 * 2**attempt)  # noqa: S311 - jitter, not a secret
    raise aws.Unavailable(f"{location} came cut short {aws.ATTEMPTS} times.", remedy="It is tried again.") from cut


def _put(client: S3Client, location: str, source: Any, *, overwrite: bool) -> None:
    from botocore.exceptions import ClientError

    bucket, key = _address(location)
    condition: dict[str, Any] = {} if overwrite else {"IfNoneMatch": "*"}
    size = source.seek(0, io.SEEK_END)
    source.seek(0)
    try:
        client.put_object(Bucket=bucket, Key=key, Body=source, **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("PreconditionFailed", "412"):
            raise
        # Names are made for one writer alone, so what is there after a retry is what the lost first try wrote.
        answered = error.response["ResponseMetadata"].get("RetryAttempts", 0)
        if not answered or client.head_object(Bucket=bucket, Key=key)["ContentLength"] != size:
            raise FileExistsError(f"{location} is there already") from error


class _Input(InputFile):
    def __init__(self, client: S3Client, location: str) -> None:
        super().__init__(location)
        self._client = client

    def __len__(self) -> int:
        bucket, key = _address(self.location)
        return self._client.head_object(Bucket=bucket, Key=key)["ContentLength"]

    def exists(self) -> bool:
        from botocore.exceptions import ClientError

        try:
            len(self)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("404", "NoSuchKey"):
                return False
            raise
        return True

    def open(self, seekable: bool = True) -> InputStream:
        # Metadata and manifests are small and read whole.
        if "/metadata/" in self.location:
            return io.BytesIO(_get(self._client, self.location, 0, None))
        return Reader(self._client, self.location, len(self))


class _Output(OutputFile):
    def __init__(self, client: S3Client, location: str) -> None:
        super().__init__(location)
        self._client = client

    def __len__(self) -> int:
        return len(self.to_input_file())

    def exists(self) -> bool:
        return self.to_input_file().exists()

    def to_input_file(self) -> _Input:
        return _Input(self._client, self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        return _Sink(self._client, self.location, overwrite)


class _Sink(tempfile.SpooledTemporaryFile[bytes]):
    """Gathers what is written, and puts it as one object when it is closed: a reader sees all of it or none."""

    def __init__(self, client: S3Client, location: str, overwrite: bool) -> None:
        super().__init__(SPOOL_BYTES)
        self._client, self._location, self._overwrite = client, location, overwrite

    def close(self) -> None:
        if not self.closed:
            try:
                _put(self._client, self._location, self, overwrite=self._overwrite)
            finally:
                super().close()

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None:
            self.close()
        else:
            super().close()  # what broke off is not written
