"""A failed run is told to somebody: in the log, or by SNS within SNS's limits."""

import json
import logging

import boto3
import pytest

from o9_assets.resources.notifier import LogNotifier, SnsNotifier


def test_the_log_gets_subject_and_text(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        LogNotifier().tell("refresh failed", "raw/erp_orders: disk full")
    assert caplog.messages == ["refresh failed\nraw/erp_orders: disk full"]


@pytest.mark.aws
def test_sns_delivers_and_the_subject_is_made_to_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    from moto import mock_aws

    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        topic = boto3.client("sns").create_topic(Name="alerts")["TopicArn"]
        queue = boto3.client("sqs").create_queue(QueueName="alerts")["QueueUrl"]
        boto3.client("sns").subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:eu-central-1:123456789012:alerts"
        )
        SnsNotifier(topic_arn=topic).tell("é" * 120 + "\n", "why")
        [message] = boto3.client("sqs").receive_message(QueueUrl=queue)["Messages"]
    body = json.loads(message["Body"])
    assert (body["Subject"], body["Message"]) == ("?" * 100, "why")
