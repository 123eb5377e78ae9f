"""What devices publish by MQTT comes through IoT rules into Kinesis and S3, and from there into raw/demand_events."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import boto3
import pytest
from amqtt.client import MQTTClient
from botocore.exceptions import ClientError

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually, unique
from o9_assets_tests.streams import Streaming, event

pytestmark = pytest.mark.aws


class Devices:
    """Devices below a topic of their own, and rules on what they say."""

    def __init__(self) -> None:
        self.iot, self.topic = boto3.client("iot"), unique("plant")
        self._rules: list[str] = []

    def rule(self, select: str, *actions: dict[str, Any], where: str = "", **more: Any) -> str:
        name = unique("rule").replace("-", "_")
        condition = f" WHERE {where}" if where else ""
        payload = {"sql": f"SELECT {select} FROM '{self.topic}/+/sales'{condition}", "actions": list(actions), **more}
        self.iot.create_topic_rule(ruleName=name, topicRulePayload=payload)
        self._rules.append(name)
        return name

    def publish(self, *payloads: dict[str, Any] | bytes, client: str = "till-1") -> None:
        """As a device does: connected by MQTT, each message acknowledged (QoS 1)."""
        host = self.iot.describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]

        async def send() -> None:
            device = MQTTClient(client_id=client, config={"auto_reconnect": False})
            await device.connect(f"mqtt://{host}/")
            for payload in payloads:
                data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
                await device.publish(f"{self.topic}/{client}/sales", data, qos=1)
            await device.disconnect()

        asyncio.run(send())

    def forget(self) -> None:
        for name in self._rules:
            self.iot.delete_topic_rule(ruleName=name)


@pytest.fixture
def devices(twin: Twin) -> Any:
    made = Devices()
    yield made
    made.forget()


def to_stream(name: str, key: str = "${topic(2)}") -> dict[str, Any]:
    return {"kinesis": {"roleArn": "arn:aws:iam::123456789012:role/iot", "streamName": name, "partitionKey": key}}


def to_bucket(name: str, key: str) -> dict[str, Any]:
    return {"s3": {"roleArn": "arn:aws:iam::123456789012:role/iot", "bucketName": name, "key": key}}


def records(stream: str) -> list[dict[str, Any]]:
    kinesis = boto3.client("kinesis")
    shard = {"StreamName": stream, "ShardId": "shardId-000000000000", "ShardIteratorType": "TRIM_HORIZON"}
    answer = kinesis.get_records(ShardIterator=kinesis.get_shard_iterator(**shard)["ShardIterator"])
    return list(answer["Records"])


def as_many(stream: str, count: int) -> list[dict[str, Any]]:
    """The stream's records, when there are so many."""
    return eventually(lambda: found if len(found := records(stream)) == count else [])


def test_messages_of_devices_become_demand_events_in_order(events: Streaming, devices: Devices) -> None:
    events.create()
    devices.rule("*", to_stream(events.name))
    devices.publish(event(1), event(2, qty="many"), b"no json", event(3))
    assert {record["PartitionKey"] for record in as_many(events.name, 4)} == {"till-1"}
    report = events.take_in()
    assert (report.landed_rows, report.accepted_rows, report.quarantined_rows) == (4, 2, 2)
    assert events.ids() == ["E1", "E3"]
    assert [(row["line"], row["reason"]) for row in events.quarantine()] == [(2, "not_a_number"), (3, "not_json")]
    assert events.account().balanced


def test_a_rule_chooses_and_shapes(events: Streaming, devices: Devices) -> None:
    events.create()
    devices.rule("id, qty, topic(2) AS till", to_stream(events.name), where="qty > 1 AND type = 'order'")
    devices.publish(event(1), event(2), event(3, type="scan"))
    [found] = eventually(lambda: records(events.name))
    assert json.loads(found["Data"]) == {"id": "E2", "qty": 2, "till": "till-1"}


def test_a_message_is_an_object_in_s3_and_http_publishes_too(twin: Twin, devices: Devices) -> None:
    s3, bucket = boto3.client("s3"), unique("messages")
    s3.create_bucket(Bucket=bucket)
    devices.rule("*", to_bucket(bucket, "iot/${topic(2)}/${id}.json"))
    devices.publish(event(1))
    boto3.client("iot-data").publish(topic=f"{devices.topic}/desk/sales", qos=1, payload=json.dumps(event(2)).encode())
    listed = eventually(
        lambda: found if len(found := s3.list_objects_v2(Bucket=bucket).get("Contents", [])) == 2 else 0
    )
    assert [one["Key"] for one in listed] == ["iot/desk/E2.json", "iot/till-1/E1.json"]
    body = s3.get_object(Bucket=bucket, Key="iot/till-1/E1.json")["Body"].read()
    assert json.loads(body)["id"] == "E1"


@pytest.mark.faults
def test_what_an_action_cannot_do_goes_to_the_error_action(events: Streaming, devices: Devices) -> None:
    events.create()
    gone = unique("gone")
    devices.rule("id", to_stream(gone), errorAction=to_stream(events.name, "errors"))
    devices.publish(event(1), b"no json")
    first, second = (json.loads(record["Data"])["failures"][0] for record in as_many(events.name, 2))
    assert (first["failedAction"], first["failedResource"]) == ("KinesisAction", gone)
    assert "ResourceNotFoundException" in first["errorMessage"]
    assert second["failedAction"] == "Sql"


@pytest.mark.faults
def test_what_is_not_emulated_is_refused_when_the_rule_is_made(devices: Devices) -> None:
    with pytest.raises(ClientError, match="NotEmulated: the action lambda"):
        devices.rule("*", {"lambda": {"functionArn": "arn:aws:lambda:us-east-1:123456789012:function:f"}})
    with pytest.raises(ClientError, match=r"NotEmulated: .*AWS_LAMBDA"):
        devices.rule("aws_lambda('x', 1) AS y", to_stream("s"))
    with pytest.raises(ClientError, match="NotEmulated: the endpoint iot:Jobs"):
        devices.iot.describe_endpoint(endpointType="iot:Jobs")


def test_a_rule_that_is_switched_off_does_nothing(events: Streaming, devices: Devices) -> None:
    events.create()
    off, _ = devices.rule("*", to_stream(events.name, "off")), devices.rule("*", to_stream(events.name, "on"))
    devices.iot.disable_topic_rule(ruleName=off)
    devices.publish(event(1))
    eventually(lambda: records(events.name))
    devices.iot.enable_topic_rule(ruleName=off)
    devices.publish(event(2))
    assert sorted(record["PartitionKey"] for record in as_many(events.name, 3)) == ["off", "on", "on"]
