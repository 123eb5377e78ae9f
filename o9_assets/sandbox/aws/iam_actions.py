"""What an operation is called in a policy, and which resources it is about."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from botocore.model import OperationModel

from o9_assets.sandbox.aws import codec
from o9_assets.sandbox.aws.routing import Request

__all__ = ["context_of", "needed"]

# Where the prefix in policies is not the signing name.
_PREFIXES = {"iot-data": "iot", "s3control": "s3", "cloudwatch": "cloudwatch", "stepfunctions": "states"}

# Where the action is not the operation's name.
_ACTIONS = {
    "s3": {
        "ListBuckets": "ListAllMyBuckets",
        "HeadBucket": "ListBucket",
        "ListObjects": "ListBucket",
        "ListObjectsV2": "ListBucket",
        "ListObjectVersions": "ListBucketVersions",
        "ListMultipartUploads": "ListBucketMultipartUploads",
        "ListParts": "ListMultipartUploadParts",
        "HeadObject": "GetObject",
        "CopyObject": "PutObject",
        "CreateMultipartUpload": "PutObject",
        "UploadPart": "PutObject",
        "UploadPartCopy": "PutObject",
        "CompleteMultipartUpload": "PutObject",
        "DeleteObjects": "DeleteObject",
        "GetBucketEncryption": "GetEncryptionConfiguration",
        "PutBucketEncryption": "PutEncryptionConfiguration",
        "GetBucketNotificationConfiguration": "GetBucketNotification",
        "PutBucketNotificationConfiguration": "PutBucketNotification",
        "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
        "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
        "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
        "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    },
    "lambda": {"Invoke": "InvokeFunction"},
    "sqs": {
        "SendMessageBatch": "SendMessage",
        "DeleteMessageBatch": "DeleteMessage",
        "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    },
    "sns": {"PublishBatch": "Publish"},
}
_READ_VERSIONS = {
    "GetObject": "GetObjectVersion",
    "HeadObject": "GetObjectVersion",
    "DeleteObject": "DeleteObjectVersion",
}

# The members that name a resource, and the end of its ARN.
_NAMES = {
    "kinesis": (("StreamName", "stream/{}"),),
    "lambda": (("FunctionName", "function:{}"),),
    "firehose": (("DeliveryStreamName", "deliverystream/{}"),),
    "logs": (("logGroupName", "log-group:{}"),),
    "sqs": (("QueueUrl", "{}"), ("QueueName", "{}")),
    "sns": (("Name", "{}"),),
    "events": (("Rule", "rule/{}"), ("EventBusName", "event-bus/{}"), ("Name", "rule/{}")),
    "secretsmanager": (("SecretId", "secret:{}"), ("Name", "secret:{}")),
    "appflow": (("flowName", "flow/{}"),),
    "dataexchange": (("DataSetId", "data-sets/{}"),),
    "iot": (("ruleName", "rule/{}"), ("thingName", "thing/{}")),
    "iot-data": (("topic", "topic/{}"), ("thingName", "thing/{}")),
    "iam": (("RoleName", "role/{}"), ("UserName", "user/{}")),
}


def needed(
    operation: OperationModel, request: Request, labels: Mapping[str, str], account: str, region: str
) -> Iterator[tuple[str, str]]:
    """The actions that a call needs, each with its resource's ARN; `*` where none is known."""
    service = operation.service_model.service_name
    if service == "s3":
        yield from _s3(operation, request, labels)
        return
    prefix = _PREFIXES.get(service, str(operation.service_model.signing_name))
    action = f"{prefix}:{_ACTIONS.get(service, {}).get(operation.name, operation.name)}"
    protocol = codec.protocol_of(operation.service_model, request)
    given = codec.parse(operation, request, labels, protocol)
    base = f"arn:aws:{prefix}:{'' if service == 'iam' else region}:{account}:"
    if service == "glue":
        yield from ((action, base + end) for end in _glue(operation.name, given))
        return
    arn = next((v for k, v in given.items() if k.lower().endswith("arn") and isinstance(v, str)), None)
    if arn is None:
        for member, end in _NAMES.get(service, ()):
            if isinstance(value := given.get(member), str):
                name = value.rpartition("/")[2] if member == "QueueUrl" else value
                arn = value if value.startswith("arn:") else base + end.format(name)
                break
    yield action, arn or "*"


def _s3(operation: OperationModel, request: Request, labels: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    name, bucket = operation.name, labels.get("Bucket")
    action = _ACTIONS["s3"].get(name, name)
    if "versionId" in request.arguments:
        action = _READ_VERSIONS.get(name, action)
    if bucket is None:
        yield f"s3:{action}", "*"
        return
    resource = f"arn:aws:s3:::{bucket}"
    if name == "DeleteObjects":
        given = codec.parse(operation, request, labels, "rest-xml")
        for entry in given["Delete"]["Objects"]:
            action = "DeleteObjectVersion" if "VersionId" in entry else "DeleteObject"
            yield f"s3:{action}", f"{resource}/{entry['Key']}"
        return
    yield f"s3:{action}", f"{resource}/{labels['Key']}" if "Key" in labels else resource
    if source := request.headers.get("x-amz-copy-source"):
        path = unquote(str(source)).lstrip("/").partition("?")[0]
        yield "s3:GetObject", f"arn:aws:s3:::{path}"


def _glue(operation: str, given: Mapping[str, Any]) -> list[str]:
    """A table needs its database and the catalog, too."""
    if "Crawler" in operation or "Job" in operation:
        kind, name = ("crawler", given.get("Name")) if "Crawler" in operation else ("job", given.get("JobName"))
        name = name or given.get("Name")
        return [f"{kind}/{name}" if name else "*"]
    of_databases = "Database" in operation
    database = given.get("DatabaseName") or (given.get("Name") if of_databases else None)
    database = database or given.get("DatabaseInput", {}).get("Name")
    table = given.get("TableName") or given.get("TableInput", {}).get("Name")
    table = table or (given.get("Name") if not of_databases else None)
    ends = ["catalog"]
    if database:
        ends.append(f"database/{database}")
        if table or "Table" in operation:
            ends.append(f"table/{database}/{table or '*'}")
    return ends


def context_of(operation: OperationModel, request: Request, principal: str, region: str) -> dict[str, str]:
    """What conditions can ask about a call, by lower-case key."""
    found = {
        "aws:principalarn": principal,
        "aws:requestedregion": region,
        "aws:securetransport": "false",
        "aws:sourceip": "127.0.0.1",
    }
    if operation.service_model.service_name == "s3":
        for argument in ("prefix", "delimiter", "max-keys", "versionid"):
            if value := request.arguments.get(argument):
                found[f"s3:{argument}"] = value[0]
        for header in ("x-amz-server-side-encryption", "x-amz-server-side-encryption-aws-kms-key-id", "x-amz-acl"):
            if header in request.headers:
                found[f"s3:{header}"] = str(request.headers[header])
    return found
