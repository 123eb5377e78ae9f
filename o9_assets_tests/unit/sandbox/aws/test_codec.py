"""The codec is botocore's mirror: what botocore sends is read, and what is answered botocore reads.

Every operation of every service that the platform or its twin uses goes there and back once, with every member that its
model has, each with a value that is drawn (the same ones each time).
"""

from __future__ import annotations

import io
import random
import string
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from botocore import xform_name
from botocore.awsrequest import HeadersDict
from botocore.model import OperationModel
from botocore.parsers import create_parser
from botocore.serialize import create_serializer

from o9_assets.sandbox.aws import codec
from o9_assets.sandbox.aws.routing import Request, Router, model
from o9_assets.sandbox.aws.services import default

SERVICES = [
    "appflow",
    "dataexchange",
    "datasync",
    "dms",
    "events",
    "firehose",
    "glue",
    "iam",
    "iot",
    "iot-data",
    "kafka",
    "kinesis",
    "lambda",
    "logs",
    "s3",
    "secretsmanager",
    "sns",
    "sqs",
    "sts",
]
PROTOCOLS = {"datasync": ["json", "smithy-rpc-v2-cbor"]}

# What does not come back as it went, each with the reason.
NO_STREAMS = "event streams are not emulated"
BY_HOST = "told apart by the host's name alone"
SAME = "an old name of a call that has a newer one"
HEADERS = "its output has every header of the answer"
GAPS = {
    ("dataexchange", "SendApiAsset"): HEADERS,
    ("kinesis", "SubscribeToShard"): NO_STREAMS,
    ("lambda", "InvokeWithResponseStream"): NO_STREAMS,
    ("logs", "StartLiveTail"): NO_STREAMS,
    ("logs", "GetLogObject"): NO_STREAMS,
    ("s3", "GetBucketLifecycle"): SAME,
    ("s3", "GetBucketNotification"): SAME,
    ("s3", "ListDirectoryBuckets"): BY_HOST,
    ("s3", "PutBucketLifecycle"): SAME,
    ("s3", "PutBucketNotification"): SAME,
    ("s3", "SelectObjectContent"): NO_STREAMS,
}


def operations(service: str) -> Iterator[OperationModel]:
    for name in model(service).operation_names:
        if (service, name) not in GAPS:
            yield model(service).operation_model(name)


class Draw:
    """Values for shapes."""

    def __init__(self, seed: str, protocol: str) -> None:
        self._random = random.Random(seed)
        self._protocol = protocol

    def structure(self, shape: Any, depth: int = 0) -> dict[str, Any]:
        names = list(shape.members)
        if shape.is_tagged_union:
            # One that leads no deeper, once it is deep.
            flat = [n for n in names if shape.members[n].type_name not in ("structure", "list", "map")]
            names = [self._random.choice(flat if depth > 2 and flat else names)]
        elif depth > 2:
            names = list(shape.required_members) or names[:1]
        found = {}
        for name in names:
            member = shape.members[name]
            if getattr(member, "is_document_type", False) or member.serialization.get("eventstream"):
                continue
            assert depth < 20, f"{shape.name} requires itself"
            found[name] = self.value(member, depth + 1)
        return found

    def value(self, shape: Any, depth: int) -> Any:
        match shape.type_name:
            case "structure":
                return self.structure(shape, depth)
            case "list":
                # Where the protocol cannot tell an empty list from none, there is one element at least.
                least = int(shape.metadata.get("min", 0))
                if depth > 4 and not least and "json" in self._protocol:
                    return []
                return [self.value(shape.member, depth + 1) for _ in range(max(least, self._random.choice([1, 1, 2])))]
            case "map":
                return {self.text(shape.key): self.value(shape.value, depth + 1) for _ in range(0 if depth > 4 else 2)}
            case "integer" | "long":
                low = int(shape.metadata.get("min", 0))
                return self._random.randint(low, min(int(shape.metadata.get("max", low + 1000)), low + 1000))
            case "float" | "double":
                return float(shape.metadata.get("min", 0)) + self._random.randint(1, 3) / 4
            case "boolean":
                return self._random.random() < 0.5
            case "timestamp":
                return datetime.fromtimestamp(self._random.randint(10**9, 2 * 10**9), UTC)
            case "blob":
                return self._random.randbytes(9)
        return self.text(shape)

    def text(self, shape: Any) -> str:
        if shape.enum:
            return str(self._random.choice(shape.enum))
        if shape.serialization.get("location") in ("header", "headers") or shape.serialization.get("jsonvalue"):
            return self._word(8)
        least = int(shape.metadata.get("min", 0))
        return self._word(max(3, least)) + (
            "" if least > 20 else self._random.choice(["", " ü&<>\"'/%+=?#", "\n"]) + "z"
        )

    def _word(self, size: int) -> str:
        return "".join(self._random.choice(string.ascii_lowercase) for _ in range(size))


def plain(value: Any) -> Any:
    """With streams read."""
    return {k: v.read() if hasattr(v, "read") else v for k, v in value.items() if k != "ResponseMetadata"}


def sent(operation: OperationModel, given: dict[str, Any], protocol: str) -> Request:
    """The request that botocore sends."""
    made = create_serializer(protocol).serialize_to_request(given, operation)
    path, _, query = made["url_path"].partition("?")
    more = made["query_string"]
    query = "&".join(part for part in (query, urlencode(more, doseq=True, quote_via=quote) if more else "") if part)
    body = made["body"]
    body = urlencode(body).encode() if isinstance(body, dict) else body
    body = body.read() if hasattr(body, "read") else body
    return Request(made["method"], path, query, HeadersDict(made["headers"]), body)


CASES = [
    pytest.param(service, protocol, id=f"{service}-{protocol}")
    for service in SERVICES
    for protocol in PROTOCOLS.get(service, [model(service).protocol])
]


@pytest.mark.parametrize(("service", "protocol"), CASES)
def test_what_botocore_sends_is_read_as_it_was_given(service: str, protocol: str) -> None:
    router, wrong = Router(model(service)), []
    for operation in operations(service):
        shape = operation.input_shape
        given = Draw(f"{service}.{operation.name}", protocol).structure(shape) if shape else {}
        request = sent(operation, given, protocol)
        found = router.operation(request)
        if found is None or found[0].name != operation.name:
            wrong.append(f"{operation.name}: taken for {found[0].name if found else None}")
            continue
        assert codec.protocol_of(model(service), request) == protocol
        read = codec.parse(operation, request, found[1], protocol)
        if read != given:
            wrong.append(f"{operation.name}: {_first_difference(given, read)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("service", "protocol"), CASES)
def test_what_is_answered_botocore_reads(service: str, protocol: str) -> None:
    wrong = []
    for operation in operations(service):
        shape = operation.output_shape
        given = Draw(f"{operation.name}.{service}", protocol).structure(shape) if shape else {}
        _status(shape, given)
        answer = codec.serialise(operation, given, protocol)
        streams = operation.has_streaming_output
        body: Any = io.BytesIO(answer.body) if streams else answer.body
        response = {"status_code": answer.status, "headers": HeadersDict(answer.headers), "body": body, "context": {}}
        read = plain(create_parser(protocol).parse(response, shape))
        if read != given:
            wrong.append(f"{operation.name}: {_first_difference(given, read)}")
    assert not wrong, "\n".join(wrong)


def _status(shape: Any, given: dict[str, Any]) -> None:
    for name, member in shape.members.items() if shape else ():
        if member.serialization.get("location") == "statusCode":
            given[name] = 200 + given[name] % 100


def _first_difference(one: Any, other: Any, at: str = "") -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        for name in {**one, **other}:
            if one.get(name) != other.get(name):
                return _first_difference(one.get(name), other.get(name), f"{at}.{name}")
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (a, b) in enumerate(zip(one, other, strict=True)):
            if a != b:
                return _first_difference(a, b, f"{at}[{place}]")
    return f"{at}: {one!r} became {other!r}"


def test_the_gaps_are_operations_that_exist_and_none_of_them_has_a_fake() -> None:
    fakes = default()
    for service, name in GAPS:
        assert name in model(service).operation_names
        assert service not in fakes or not hasattr(fakes[service], xform_name(name))
