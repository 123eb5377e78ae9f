"""Who is told when a run fails: the log locally, an SNS topic on AWS. A notifier takes a subject and a text."""

import logging
from typing import Protocol

import dagster as dg

__all__ = ["LogNotifier", "Notifier", "SnsNotifier"]

_log = logging.getLogger("o9_assets.notifications")


class Notifier(Protocol):
    """Tells somebody. `subject` is one line of at most 100 characters."""

    def tell(self, subject: str, text: str) -> None: ...


class LogNotifier(dg.ConfigurableResource[None]):
    """Writes to the process's log."""

    def tell(self, subject: str, text: str) -> None:
        _log.error("%s\n%s", subject, text)


class SnsNotifier(dg.ConfigurableResource[None]):
    """Publishes to an SNS topic; credentials and region come from the environment as boto3 finds them."""

    topic_arn: str

    def tell(self, subject: str, text: str) -> None:
        from o9_assets.resources import aws

        # SNS takes at most 100 printable ASCII characters as a subject, and 256 KiB as a message.
        plain = subject.encode("ascii", "replace").decode().replace("\n", " ")[:100]
        aws.client("sns").publish(TopicArn=self.topic_arn, Subject=plain, Message=text[:200_000])
