"""The lake on S3 with the Glue Data Catalog: what pyiceberg's own classes leave out.

Metadata, manifests and whole data files are read and written through the platform's S3 client: with its retries, the
bucket's expected owner and the encryption on every call, and never over a file that is there. The columns of data
files are read by Arrow's own S3 client, with the same credentials.
"""

from __future__ import annotations

import io
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io import InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.io.pyarrow import PyArrowFileIO

from o9_assets.failures import Permanent
from o9_assets.resources import aws
from o9_assets.resources.aws import Buckets

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from pyarrow.fs import FileSystem

__all__ = ["S3FileIO", "connect"]

OWNER, KMS_KEY = "o9.bucket-owner", "o9.kms-key"
SPOOL_BYTES = 8 << 20


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

    def _update_glue_table(self, database_name: str, table_name: str, table_input: Any, version_id: str) -> None:
        try:
            super()._update_glue_table(database_name, table_name, table_input, version_id)
        except CommitFailedException:
            ours = table_input["Parameters"]["metadata_location"]
            table = self.load_table((database_name, table_name))
            if ours not in (table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)):
                raise


class S3FileIO(PyArrowFileIO):
    """Files of the lake in S3. `location` is s3://bucket/key throughout."""

    def __init__(self, properties: dict[str, Any]) -> None:
        super().__init__(properties)
        self._buckets = Buckets(properties.get(OWNER), properties.get(KMS_KEY))

    @property
    def client(self) -> S3Client:
        return _client(self._buckets, aws.session())

    def _initialize_s3_fs(self, netloc: str | None) -> FileSystem:
        from pyarrow.fs import AwsStandardS3RetryStrategy, S3FileSystem

        session = aws.session()
        held = session.get_credentials()
        if held is None:
            raise aws.NoCredentials("There are no AWS credentials.", remedy="Give the run a role, or set AWS_PROFILE.")
        now = held.get_frozen_credentials()
        return S3FileSystem(
            access_key=now.access_key,
            secret_key=now.secret_key,
            session_token=now.token,
            region=session.region_name,
            endpoint_override=aws.endpoint("s3"),
            connect_timeout=aws.CONNECT_SECONDS,
            request_timeout=aws.READ_SECONDS,
            retry_strategy=AwsStandardS3RetryStrategy(max_attempts=aws.ATTEMPTS),
        )

    def new_input(self, location: str) -> Any:
        # Only what is read whole and is small; a data file is read by its columns.
        return _Input(self.client, location) if "/metadata/" in location else super().new_input(location)

    def new_output(self, location: str) -> Any:
        return _Output(self.client, location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        bucket, key = _address(location if isinstance(location, str) else location.location)
        self.client.delete_object(Bucket=bucket, Key=key)

    def put_file(self, path: Path, location: str) -> None:
        """Write a file of this machine to a location where none is. Raises FileExistsError."""
        with path.open("rb") as source:
            _put(self.client, location, source, overwrite=False)


@lru_cache(maxsize=8)
def _client(buckets: Buckets, session: object) -> S3Client:
    return aws.s3(buckets)


def _address(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


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
        from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

        bucket, key = _address(self.location)
        for attempt in range(1, aws.ATTEMPTS + 1):
            try:
                return io.BytesIO(self._client.get_object(Bucket=bucket, Key=key)["Body"].read())
            except (HTTPClientError, IncompleteReadError) as error:  # cut short on the way
                if attempt == aws.ATTEMPTS:
                    raise aws.Unavailable(
                        f"{self.location} came cut short {attempt} times.", remedy="It is tried again."
                    ) from error
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    raise FileNotFoundError(f"Cannot open file, does not exist: {self.location}") from error
                raise
        raise AssertionError("unreachable")


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
