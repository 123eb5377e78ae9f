"""Amazon MSK: a cluster's brokers are librdkafka's mock cluster in the twin's process, which any Kafka client can use.

Clusters are moto's. The brokers speak the plain protocol on this machine, without TLS and IAM, so that `auth: none` is
what reads them. A topic is made when it is first asked for, with four partitions; what it holds is gone with the twin.
"""

from __future__ import annotations

import threading
from typing import Any

from botocore.exceptions import ClientError

from o9_assets.sandbox.aws.codec import Answer
from o9_assets.sandbox.aws.fake import Call, Fake, ServiceError
from o9_assets.sandbox.aws.routing import Request
from o9_assets.sandbox.aws.twin import Twin

__all__ = ["Kafka"]


class Kafka(Fake):
    """Brokers of clusters, each started when it is first asked for."""

    service = "kafka"
    falls_through = True

    def __init__(self, twin: Twin) -> None:
        super().__init__(twin)
        self._owners: dict[str, Any] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        # The brokers end with the client that owns them.
        self._owners.clear()

    def get_bootstrap_brokers(self, request: dict[str, Any], call: Call) -> dict[str, Any]:
        arn = request["ClusterArn"]
        kafka = self.twin.client("kafka", region_name=call.region)
        try:
            cluster = kafka.describe_cluster(ClusterArn=arn)["ClusterInfo"]
        except ClientError as error:
            raise ServiceError("NotFoundException", f"The cluster {arn} does not exist.", 404) from error
        return {"BootstrapBrokerString": self._brokers(arn, int(cluster.get("NumberOfBrokerNodes") or 1))}

    def _brokers(self, arn: str, count: int) -> str:
        from confluent_kafka import Producer

        with self._lock:
            if arn not in self._owners:
                given = {"test.mock.num.brokers": count, "bootstrap.servers": "none", "log_level": 0}
                self._owners[arn] = Producer(given)
            found = self._owners[arn].list_topics(timeout=10).brokers.values()
        return ",".join(sorted(f"{broker.host}:{broker.port}" for broker in found))

    def after_moto(self, request: Request, call: Call, labels: dict[str, str], answer: Answer) -> None:
        if call.operation == "DeleteCluster":
            with self._lock:
                self._owners.pop(labels.get("ClusterArn", ""), None)
