"""AWS clients, made in one place: retries, time-outs, a bucket's owner and encryption, errors that say what to do.

    Denied          Permanent   a policy or a bucket's owner says no; names the action and the resource
    NoCredentials   Permanent   there are none, or they have run out and cannot be renewed
    Throttled       Passing     still refused for its rate after all retries
    Unavailable     Passing     no answer, or a server error, after all retries

Credentials, region and AWS_ENDPOINT_URL are found as boto3 finds them; credentials that can be renewed are renewed
while a run goes on. Any other answer of AWS stays botocore's ClientError, for its caller to judge.
"""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from o9_assets.failures import Failed, Passing, Permanent

if TYPE_CHECKING:
    from boto3 import Session
    from mypy_boto3_s3 import S3Client

__all__ = [
    "Buckets",
    "Denied",
    "NoCredentials",
    "Throttled",
    "Unavailable",
    "client",
    "endpoint",
    "s3",
    "session",
    "told",
    "translated",
]

ATTEMPTS = 6
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
CONNECTIONS = 32


class Denied(Permanent):
    """Not allowed: `action` as IAM names it, on `resource`."""

    def __init__(self, action: str, resource: str, said: str = "") -> None:
        super().__init__(
            f"AWS denies {action} on {resource}" + (f" ({said})." if said else "."),
            remedy="Allow it in the role's policy (deploy/iam) and the resource's own; "
            "a bucket must also belong to the account in O9_BUCKET_OWNER.",
        )
        self.action, self.resource = action, resource


class NoCredentials(Permanent):
    """There are no AWS credentials, or they have run out and are of a kind that is not renewed."""


class Throttled(Passing):
    """AWS asks for fewer calls, and went on to after all retries."""


class Unavailable(Passing):
    """AWS gave no answer, or said that the fault is its own, after all retries."""


@dataclass(frozen=True, slots=True)
class Buckets:
    """What every call to S3 says: the account that a bucket must belong to, and the key that writes are encrypted with
    (S3's own where None)."""

    owner: str | None = None
    kms_key: str | None = None


def session() -> Session:
    """boto3's session of this process, made anew where the environment's AWS settings changed."""
    relevant = "\n".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("AWS_"))
    return _session(hashlib.sha256(relevant.encode()).hexdigest())


@lru_cache(maxsize=4)
def _session(fingerprint: str) -> Session:
    import boto3
    import botocore.session

    made = botocore.session.get_session()
    # Most of the time that botocore spends on a page of a listing goes into reading its times.
    made.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return boto3.Session(botocore_session=made)


_ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def _moment(value: Any) -> datetime:
    if isinstance(value, str) and _ISO.fullmatch(value):
        return datetime.fromisoformat(value)
    from botocore.utils import parse_timestamp

    moment: datetime = parse_timestamp(value)
    return moment


def endpoint(service: str) -> str | None:
    """Where the service is when it is not AWS's own, such as the sandbox."""
    return os.environ.get(f"AWS_ENDPOINT_URL_{service.upper()}") or os.environ.get("AWS_ENDPOINT_URL") or None


_making = threading.Lock()


def client(service: str, *, buckets: Buckets | None = None, **options: Any) -> Any:
    """A client whose errors are those of this module. `options` go to botocore's Config.

    Raises NoCredentials, and Permanent where no region is set.
    """
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    config: dict[str, Any] = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "max_pool_connections": CONNECTIONS,
        # Back-off with jitter for throttling, server errors and broken connections, with a budget that spares AWS.
        "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
        **options,
    }
    attempts = int(config["retries"].get("total_max_attempts", ATTEMPTS))
    if service == "s3":
        # The sandbox has no DNS names for buckets.
        config.setdefault("s3", {"addressing_style": "path" if endpoint("s3") else "auto"})
    try:
        with _making:  # a session is not safe to make clients of in several threads at once
            maker: Any = session()  # its stubs know only the services that they were made for
            made = maker.client(service, config=Config(**config))
    except BotoCoreError as error:
        raise (translated(error) or Permanent(f"{service}: {error}")) from error
    events = made.meta.events
    events.register("provide-client-params.*.*", lambda **call: _prepare(buckets or Buckets(), **call))
    events.register("needs-retry.*.*", lambda **call: _once_more(attempts, **call))
    events.register("after-call.*.*", _judge)
    events.register("after-call-error.*.*", _judge_error)
    return made


def s3(buckets: Buckets | None = None, **options: Any) -> S3Client:
    """An S3 client that says the expected owner and the encryption with every call that takes them."""
    made: S3Client = client("s3", buckets=buckets, **options)
    return made


def _prepare(buckets: Buckets, *, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> Any:
    members = model.input_shape.members if model.input_shape else {}
    given = dict(params)
    if buckets.owner and "ExpectedBucketOwner" in members:
        given.setdefault("ExpectedBucketOwner", buckets.owner)
        if "ExpectedSourceBucketOwner" in members:
            given.setdefault("ExpectedSourceBucketOwner", buckets.owner)
    if model.service_model.service_name == "s3" and model.name in ("PutObject", "CreateMultipartUpload", "CopyObject"):
        if buckets.kms_key:
            given.setdefault("ServerSideEncryption", "aws:kms")
            given.setdefault("SSEKMSKeyId", buckets.kms_key)
            given.setdefault("BucketKeyEnabled", True)
        else:
            given.setdefault("ServerSideEncryption", "AES256")
    context["o9_params"] = given
    return given


_DENIED = {
    *(
        "AccessDenied",
        "AccessDeniedException",
        "AllAccessDisabled",
        "AuthorizationError",
        "AuthorizationErrorException",
    ),
    *(
        "Forbidden",
        "403",
        "UnauthorizedOperation",
        "KMSAccessDeniedException",
        "NotAuthorized",
        "UnauthorizedException",
    ),
}
_CREDENTIALS = {
    *("ExpiredToken", "ExpiredTokenException", "RequestExpired", "InvalidAccessKeyId", "InvalidClientTokenId"),
    *("SignatureDoesNotMatch", "UnrecognizedClientException", "InvalidToken", "AuthFailure", "TokenRefreshRequired"),
}
_THROTTLED = {
    *("Throttling", "ThrottlingException", "ThrottledException", "RequestThrottled", "RequestThrottledException"),
    *("TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded"),
    *("SlowDown", "PriorRequestNotComplete", "EC2ThrottledException", "TransactionInProgressException"),
    *("ProvisionedThroughputExceededException", "KMSThrottlingException"),
}
# Where IAM's name for what an operation needs is not the operation's own.
_ACTIONS = {
    ("s3", "HeadObject"): "GetObject",
    ("s3", "HeadBucket"): "ListBucket",
    ("s3", "ListObjects"): "ListBucket",
    ("s3", "ListObjectsV2"): "ListBucket",
    ("s3", "ListObjectVersions"): "ListBucketVersions",
    ("s3", "DeleteObjects"): "DeleteObject",
    ("s3", "CreateMultipartUpload"): "PutObject",
    ("s3", "UploadPart"): "PutObject",
    ("s3", "CompleteMultipartUpload"): "PutObject",
    ("sqs", "DeleteMessageBatch"): "DeleteMessage",
    ("sqs", "SendMessageBatch"): "SendMessage",
}


def _action(model: Any) -> str:
    service = model.service_model.signing_name
    return f"{service}:{_ACTIONS.get((service, model.name), model.name)}"


def _resource(params: Mapping[str, Any]) -> str:
    if bucket := params.get("Bucket"):
        key = params.get("Key") or params.get("Prefix") or ""
        return f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
    if database := params.get("DatabaseName"):
        name = params.get("Name") or params.get("TableName") or params.get("TableInput", {}).get("Name")
        return f"database {database}" + (f", table {name}" if name else "")
    named = (
        f"{key} {value}"
        for key, value in params.items()
        if isinstance(value, str) and re.search(r"(Name|Arn|ARN|Url|Id|Identifier)$", key, re.IGNORECASE)
    )
    return next(named, "the account")


def _is_cut(answer: Any, model: Any) -> bool:
    """Whether the body is shorter than its header says. botocore takes the rest of a JSON text for an answer without
    any of its members; bodies that stream are their readers' to judge."""
    if model.has_streaming_output or model.has_event_stream_output or model.http.get("method") == "HEAD":
        return False
    length = answer.headers.get("Content-Length")
    return length is not None and len(answer.content) < int(length)


def _once_more(limit: int, *, response: Any, operation: Any, attempts: int, **_: Any) -> float | None:
    """Seconds until a call whose answer was cut short is tried again; None where it is not."""
    if response is None or attempts >= limit or not _is_cut(response[0], operation):
        return None
    return min(0.1 * 2.0**attempts, 5.0)


def _judge(*, http_response: Any, parsed: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
    """Raise the platform's own error for an answer that no caller has to judge."""
    if _is_cut(http_response, model):
        raise Unavailable(f"The answer to {_action(model)} was cut short.", remedy="It is tried again.")
    error = parsed.get("Error")
    status = parsed.get("ResponseMetadata", {}).get("HTTPStatusCode", 200)
    if not error or status < 300:
        return
    code, message = str(error.get("Code", "")), str(error.get("Message", "")).strip()
    action = _action(model)
    if code in _DENIED:
        # IAM's own words are more exact where they come: the operation may need another action than its own.
        named = re.search(r"perform:? ([\w-]+:\w+)(?: on resource:? \"?([^\s\"]+))?", message)
        resource = (named[2] if named and named[2] else None) or _resource(context.get("o9_params", {}))
        raise Denied(named[1] if named else action, resource, message)
    if code in _CREDENTIALS:
        raise _spent(f"AWS refuses the credentials for {action}: {code}, {message}")
    if code in _THROTTLED:
        raise Throttled(f"AWS throttles {action}: {code}, {message}", remedy="It is tried again.")
    if status >= 500:
        raise Unavailable(f"AWS failed at {action}: {status} {code}, {message}", remedy="It is tried again.")


def _spent(message: str) -> NoCredentials:
    from botocore.credentials import RefreshableCredentials

    if isinstance(session().get_credentials(), RefreshableCredentials):
        remedy = "They are of a kind that is renewed, so what renews them (a role, a process) has to be mended."
    else:
        remedy = "They cannot be renewed here: give the run a role, or set fresh ones and start it again."
    return NoCredentials(message, remedy=remedy)


def _judge_error(*, exception: Exception, **_: Any) -> None:
    known = translated(exception)
    if known is not None and known is not exception:
        raise known from exception


_ARROW = re.compile(
    r"(?:key '(?P<key>[^']*)' in )?bucket '(?P<bucket>[^']*)'.*?AWS Error (?P<code>\w+) during (?P<op>\w+)"
)


def translated(error: BaseException) -> Failed | None:
    """The platform's error for one of botocore's, or of Arrow's S3 client; None for any other."""
    if isinstance(error, Failed):
        return error
    if "AWS Error" in str(error):
        return _from_arrow(str(error))
    if type(error).__module__.partition(".")[0] not in ("botocore", "boto3", "s3transfer"):
        return None
    from botocore import exceptions as e

    if isinstance(
        error,
        e.NoCredentialsError
        | e.PartialCredentialsError
        | e.CredentialRetrievalError
        | e.SSOError
        | e.TokenRetrievalError
        | e.RefreshWithMFAUnsupportedError
        | e.ProfileNotFound,
    ):
        return NoCredentials(f"No usable AWS credentials: {error}", remedy="Give the run a role, or set AWS_PROFILE.")
    if isinstance(error, e.NoRegionError):
        return Permanent("No AWS region is set.", remedy="Set AWS_REGION, or region in the profile.")
    if isinstance(error, e.HTTPClientError | e.ConnectionError | e.IncompleteReadError):
        return Unavailable(f"AWS gave no answer: {error}", remedy="It is tried again.")
    return None


def _from_arrow(text: str) -> Failed:
    found = _ARROW.search(text)
    said = text.splitlines()[0][:500]
    if "ACCESS_DENIED" in text:
        operation = found["op"] if found else "GetObject"
        where = (
            f"arn:aws:s3:::{found['bucket']}" + (f"/{found['key']}" if found["key"] else "") if found else "the lake"
        )
        return Denied(f"s3:{_ACTIONS.get(('s3', operation), operation)}", where)
    if re.search("EXPIRED|INVALID_ACCESS_KEY|UNRECOGNIZED_CLIENT|SIGNATURE|TOKEN", text):
        return _spent(f"AWS refuses the credentials: {said}")
    return Unavailable(f"S3 failed at a read: {said}", remedy="It is tried again.")


@contextmanager
def told() -> Iterator[None]:
    """Raise the platform's error where one of AWS's comes out of other libraries (DuckDB, Arrow, pyiceberg)."""
    try:
        yield
    except Exception as error:
        seen: BaseException | None = error
        while seen is not None:
            known = translated(seen)
            if known is not None:
                if known is error:
                    raise
                raise known from error
            seen = seen.__cause__ or seen.__context__
        raise
