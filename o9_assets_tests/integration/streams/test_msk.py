"""An MSK cluster's brokers are found by its ARN, and its topic is read like any other."""

from __future__ import annotations

import json
from pathlib import Path

import boto3
import pytest
from confluent_kafka import Producer

from o9_assets.failures import Permanent
from o9_assets.resources.streams import Reader, open_reader
from o9_assets.resources.streams.msk import brokers_of
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique
from o9_assets_tests.streams import EVENTS, Streaming, event

pytestmark = pytest.mark.aws


@pytest.fixture
def cluster(twin: Twin) -> str:
    """The ARN of a cluster of two brokers."""
    made = boto3.client("kafka").create_cluster(
        ClusterName=unique("events"),
        KafkaVersion="3.6.0",
        NumberOfBrokerNodes=2,
        BrokerNodeGroupInfo={"InstanceType": "kafka.m7g.large", "ClientSubnets": ["subnet-1", "subnet-2"]},
    )
    return str(made["ClusterArn"])


class Topic(Streaming):
    def reader(self) -> Reader:
        return open_reader(self.stream)


def test_a_topic_of_a_cluster_becomes_demand_events(cluster: str, tmp_path: Path) -> None:
    text = EVENTS.replace("kind: kinesis", f'kind: kafka\n    cluster_arn: "{cluster}"\n    auth: none')
    topic = Topic(tmp_path, text=text, name=unique("topic"))
    brokers = boto3.client("kafka").get_bootstrap_brokers(ClusterArn=cluster)["BootstrapBrokerString"]
    assert len(brokers.split(",")) == 2
    assert all(broker.startswith("127.0.0.1:") for broker in brokers.split(","))
    producer = Producer({"bootstrap.servers": brokers, "log_level": 0})
    for number in range(1, 4):
        producer.produce(topic.name, json.dumps(event(number)).encode(), partition=0)
    assert producer.flush(10) == 0
    assert topic.take_in().accepted_rows == 3
    assert topic.ids() == ["E1", "E2", "E3"]
    assert topic.take_in().ranges == 0


@pytest.mark.faults
def test_brokers_of_a_kind_that_the_cluster_lacks_are_told(cluster: str) -> None:
    with pytest.raises(Permanent, match="has no brokers for auth: iam"):
        brokers_of(cluster, "iam")
    with pytest.raises(Permanent, match="does not exist"):
        brokers_of(cluster.replace("cluster/", "cluster/no-"), "none")


@pytest.mark.faults
def test_a_cluster_that_is_gone_has_no_brokers(cluster: str) -> None:
    assert brokers_of(cluster, "none")
    boto3.client("kafka").delete_cluster(ClusterArn=cluster)
    with pytest.raises(Permanent, match="does not exist"):
        brokers_of(cluster, "none")
