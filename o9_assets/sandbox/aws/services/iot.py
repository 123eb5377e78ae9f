"""AWS IoT Core: rules on what devices publish by MQTT, which put it into Kinesis and S3.

The broker listens on 127.0.0.1 in plain MQTT, at the address that DescribeEndpoint gives; no certificate is asked for.
A rule's SQL is what `iot/sql.py` knows, its actions are `kinesis` and `s3`, as error action too; others are refused.
Things, certificates and policies are moto's, and guard nothing.
"""

from __future__ import annotations

import base64
import json
import logging
import queue
import threading
import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.iot import sql
from o9_assets.sandbox.aws.twin import Twin

__all__ = ["Iot", "IotData"]

log = logging.getLogger(__name__)
ACTIONS = ("kinesis", "s3")


class Iot(Fake):
    """Topic rules, and the broker, which runs from the first question for its address on."""

    service = "iot"
    falls_through = True

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self._messages: queue.SimpleQueue[sql.Message | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._broker: Any = None
        self._working = False

    def close(self) -> None:
        self._messages.put(None)
        if self._broker is not None:
            self._broker.stop()

    # Rules

    def create_topic_rule(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        rule = self._rule(request, call)
        if not self.state.add("rule", request["ruleName"], rule):
            raise ServiceError(
                "ResourceAlreadyExistsException", f"Rule {request['ruleName']} exists", 409, resourceArn=rule["ruleArn"]
            )
        return {}

    def replace_topic_rule(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self._get(request["ruleName"])
        self.state.put("rule", request["ruleName"], self._rule(request, call))
        return {}

    def get_topic_rule(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        rule = self._get(request["ruleName"])
        return {"ruleArn": rule["ruleArn"], "rule": {k: v for k, v in rule.items() if k != "ruleArn"}}

    def list_topic_rules(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return {
            "rules": [
                {
                    "ruleArn": rule["ruleArn"],
                    "ruleName": name,
                    "topicPattern": sql.statement(rule["sql"]).topic_filter,
                    "createdAt": rule["createdAt"],
                    "ruleDisabled": rule["ruleDisabled"],
                }
                for name, rule in self.state.all("rule").items()
            ]
        }

    def delete_topic_rule(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        self.state.delete("rule", request["ruleName"])
        return {}

    def enable_topic_rule(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return self._switch(request["ruleName"], disabled=False)

    def disable_topic_rule(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        return self._switch(request["ruleName"], disabled=True)

    def _switch(self, name: str, *, disabled: bool) -> dict[str, Any]:
        self._get(name)
        self.state.change("rule", name, lambda rule: {**(rule or {}), "ruleDisabled": disabled})
        return {}

    def _get(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] | None = self.state.get("rule", name)
        if found is None:
            raise ServiceError("UnauthorizedException", f"Access to topic rule '{name}' was denied", 401)
        return found

    def _rule(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        payload, name = request["topicRulePayload"], request["ruleName"]
        try:
            sql.statement(payload["sql"])
        except sql.Unknown as error:
            raise ServiceError("SqlParseException", f"NotEmulated: {error}") from error
        for action in [*payload["actions"], *([payload["errorAction"]] if "errorAction" in payload else [])]:
            [kind] = action
            if kind not in ACTIONS:
                raise ServiceError("InvalidRequestException", f"NotEmulated: the action {kind} of a rule")
        return {
            "ruleName": name,
            "ruleArn": f"arn:aws:iot:{call.region}:{call.account}:rule/{name}",
            "createdAt": datetime.now(UTC),
            "ruleDisabled": False,
            "awsIotSqlVersion": "2016-03-23",
            **payload,
        }

    # Messages

    def describe_endpoint(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        kind = request.get("endpointType", "iot:Data")
        if kind not in ("iot:Data", "iot:Data-ATS"):
            raise ServiceError("InvalidRequestException", f"NotEmulated: the endpoint {kind}")
        return {"endpointAddress": f"127.0.0.1:{self.port()}"}

    def port(self) -> int:
        """The broker's; it is started where it does not run yet."""
        from o9_assets.sandbox.aws.iot.broker import MqttBroker

        with self._lock:
            if self._broker is None:
                broker = MqttBroker(self.take)
                broker.start()
                self._broker = broker
        return int(self._broker.port)

    def take(self, message: sql.Message) -> None:
        """Let the rules have a message, after those before it."""
        with self._lock:
            if not self._working:
                self._working = True
                self.twin.background("iot-rules", self._work)
        self._messages.put(message)

    def _work(self) -> None:
        while (message := self._messages.get()) is not None:
            for name, rule in self.state.all("rule").items():
                if not rule["ruleDisabled"]:
                    self._apply(name, rule, message)

    def _apply(self, name: str, rule: dict[str, Any], message: sql.Message) -> None:
        statement = sql.statement(rule["sql"])
        if not statement.applies(message):
            return
        failures = []
        try:
            body = statement.select(message)
        except ValueError as error:
            failures.append({"failedAction": "Sql", "failedResource": name, "errorMessage": str(error)})
            body = None
        if body is not None:
            for action in rule["actions"]:
                if (failure := self._act(action, body, message)) is not None:
                    failures.append(failure)
        if not failures:
            return
        log.warning("IoT rule %s: %s", name, failures)
        if "errorAction" in rule:
            told = {
                "ruleName": name,
                "topic": message.topic,
                "cloudwatchTraceId": str(uuid.uuid4()),
                "clientId": message.client_id,
                "base64OriginalPayload": base64.b64encode(message.payload).decode(),
                "failures": failures,
            }
            self._act(rule["errorAction"], json.dumps(told).encode(), message)

    def _act(self, action: dict[str, Any], body: bytes, message: sql.Message) -> dict[str, str] | None:
        """Carry an action out as its role; returns what went wrong."""
        [(kind, given)] = action.items()
        target = given.get("streamName") or given.get("bucketName")
        try:
            client = self._client(kind, given["roleArn"])
            if kind == "kinesis":
                key = sql.fill(given.get("partitionKey") or "${newuuid()}", message)
                client.put_record(StreamName=target, PartitionKey=key, Data=body)
            else:
                client.put_object(Bucket=target, Key=sql.fill(given["key"], message), Body=body)
        except (ClientError, BotoCoreError, ServiceError, ValueError) as error:
            name = {"kinesis": "KinesisAction", "s3": "S3Action"}[kind]
            return {"failedAction": name, "failedResource": str(target), "errorMessage": str(error)}
        return None

    def _client(self, service: str, role: str) -> Any:
        if not self.twin.iam:
            return self.twin.client(service)
        found = self.twin.environment(role)
        session: Any = boto3.session.Session(
            found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"], found.get("AWS_SESSION_TOKEN"), self.twin.region
        )
        return session.client(service, endpoint_url=self.twin.url)


class IotData(Fake):
    """Publishing over HTTP; shadows and retained messages are moto's."""

    service = "iot-data"
    falls_through = True

    def publish(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        iot = self.twin.fakes["iot"]
        if not isinstance(iot, Iot):
            raise ServiceError("InternalFailureException", "NotEmulated: iot-data without iot", 500)
        payload = request.get("payload", b"")
        iot.take(sql.Message(request["topic"], payload if isinstance(payload, bytes) else payload.encode(), "N/A"))
        return {}
