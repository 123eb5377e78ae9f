"""The sensor of new revisions: told by events, and finding by itself what events missed; one request for one thing."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from o9_assets.landing import withdrawn
from o9_assets.landing.accepted import manifest_view
from o9_assets.resources.transfers.revision_events import published
from o9_assets.sandbox.aws import Twin
from o9_assets.sensors import data_exchange
from o9_assets_tests.aws import eventually, unique
from o9_assets_tests.subscriber import FEED, Subscriber
from o9_assets_tests.transferred import told

pytestmark = pytest.mark.aws


class Told(Subscriber):
    """A subscriber with a queue that EventBridge sends events of new revisions to."""

    def __init__(self, home: Path, twin: Twin, *, poll_minutes: float = 30) -> None:
        self.sqs = twin.client("sqs")
        name = unique("revisions")
        self.queue = self.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "1"})["QueueUrl"]
        arn = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        super().__init__(home, twin)
        pattern = {
            "source": ["aws.dataexchange"],
            "detail-type": ["Revision Published To Data Set"],
            "resources": [self.data_set],
        }
        events = twin.client("events")
        events.put_rule(Name=name, EventPattern=json.dumps(pattern))
        events.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
        transfer = self.settings.transfers["sell_out"].model_copy(
            update={"queue": self.queue, "poll_minutes": poll_minutes}
        )
        self.settings = self.settings.model_copy(update={"transfers": {"sell_out": transfer}})
        [self.sensor] = data_exchange.build(self.settings, running=True)
        self.cursor: str | None = None

    def tick(self) -> list[dg.RunRequest]:
        resources = {"movers": self.movers, "lake": self.resources()["lake"]}
        context = dg.build_sensor_context(cursor=self.cursor, resources=resources)
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return list(result.run_requests or [])

    def beside(self, **other: Any) -> None:
        """Give the company another transfer, which the sensor comes to first."""
        first = self.settings.transfers["sell_out"]
        transfers = {"another": first.model_copy(update=other), "sell_out": first}
        self.settings = self.settings.model_copy(update={"transfers": transfers})
        [self.sensor] = data_exchange.build(self.settings, running=True)

    def waiting(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(map(int, found.values()))

    def polled_just_now(self) -> None:
        """Forget that nothing was looked at yet, so that only events make the sensor look."""
        assert self.tick() == []


@pytest.fixture
def subscriber(tmp_path: Path, twin: Twin) -> Told:
    return Told(tmp_path, twin)


def test_an_event_asks_for_the_export(subscriber: Told) -> None:
    subscriber.polled_just_now()
    revision = subscriber.publish(7, "A,North,2026-06-07,5")
    eventually(lambda: subscriber.waiting() == 1)
    [request] = subscriber.tick()
    assert request.asset_selection == [dg.AssetKey(["landing", "sell_out"])]
    assert request.run_key is not None
    assert request.run_key.startswith("sell_out:")
    assert subscriber.waiting() == 0
    subscriber.run("sell_out")
    assert subscriber.tick() == []
    assert len(subscriber.jobs(revision)) == 1


def test_an_event_that_comes_twice_asks_once(subscriber: Told) -> None:
    subscriber.polled_just_now()
    revision = subscriber.publish(7, "A,North,2026-06-07,5")
    subscriber.provider.tell(subscriber.data_set, revision)
    eventually(lambda: subscriber.waiting() == 2)
    assert len(subscriber.tick()) == 1
    subscriber.run("sell_out")
    subscriber.provider.tell(subscriber.data_set, revision)
    eventually(lambda: subscriber.waiting() == 1)
    assert subscriber.tick() == []
    assert told(subscriber.run("sell_out"))["revisions exported"] == 0
    assert len(subscriber.jobs(revision)) == 1


def test_what_is_asked_for_is_not_asked_for_again_at_the_next_tick(subscriber: Told) -> None:
    subscriber.publish(7, "A,North,2026-06-07,5")
    assert len(subscriber.tick()) == 1
    assert subscriber.tick() == []
    subscriber.publish(14, "A,North,2026-06-14,6", tell=False)
    assert len(subscriber.tick()) == 1


def test_polling_finds_a_revision_whose_event_was_missed(tmp_path: Path, twin: Twin) -> None:
    silent = Told(tmp_path, twin, poll_minutes=1)
    silent.polled_just_now()
    silent.publish(7, "A,North,2026-06-07,5", tell=False)
    assert silent.tick() == []
    # A minute later.
    held = json.loads(silent.cursor or "{}")
    held["looked"]["sell_out"] -= 61
    silent.cursor = json.dumps(held)
    assert len(silent.tick()) == 1


def test_a_revocation_is_found_by_polling_until_its_rows_are_no_longer_read(subscriber: Told) -> None:
    revision = subscriber.publish(7, "A,North,2026-06-07,5")
    subscriber.run("sell_out")
    subscriber.ingest(FEED)
    assert subscriber.tick() == []
    subscriber.provider.revoke(revision)
    subscriber.cursor = None
    assert len(subscriber.tick()) == 1
    subscriber.run("sell_out")
    assert subscriber.tick() == []


def test_however_many_were_revoked_the_manifest_is_read_once(subscriber: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    revisions = [subscriber.publish(day, f"A,North,2026-06-{day:02d},5") for day in (7, 14, 21)]
    subscriber.run("sell_out")
    subscriber.ingest(FEED)
    for revision in revisions:
        subscriber.provider.revoke(revision)
    read = []
    monkeypatch.setattr(withdrawn, "manifest_view", lambda *given: read.append(given) or manifest_view(*given))
    subscriber.cursor = None
    [request] = subscriber.tick()
    assert request.tags["o9_assets/revisions"] == "3"
    assert len(read) == 1
    assert told(subscriber.run("sell_out"))["objects withdrawn"] == 3
    assert len(read) == 2
    assert subscriber.account(FEED).balanced


@pytest.mark.faults
def test_an_entitlement_that_ended_keeps_the_sensor_going(subscriber: Told) -> None:
    subscriber.publish(7, "A,North,2026-06-07,5", tell=False)
    subscriber.provider.expire(subscriber.data_set)
    assert subscriber.tick() == []
    subscriber.provider.renew(subscriber.data_set)
    subscriber.cursor = None
    assert len(subscriber.tick()) == 1


@pytest.mark.faults
def test_messages_that_are_no_event_are_removed_and_do_no_harm(subscriber: Told) -> None:
    subscriber.polled_just_now()
    for body in ("no json", '{"source": "aws.s3"}', '{"source": "aws.dataexchange", "detail-type": "Other"}'):
        subscriber.sqs.send_message(QueueUrl=subscriber.queue, MessageBody=body)
    assert subscriber.tick() == []
    assert subscriber.waiting() == 0


@pytest.mark.faults
def test_an_event_stays_in_the_queue_while_data_exchange_cannot_be_asked(subscriber: Told, twin: Twin) -> None:
    subscriber.polled_just_now()
    subscriber.publish(7, "A,North,2026-06-07,5")
    eventually(lambda: subscriber.waiting() == 1)
    subscriber.provider.expire(subscriber.data_set)
    assert subscriber.tick() == []
    assert subscriber.waiting() == 1
    subscriber.provider.renew(subscriber.data_set)
    assert len(eventually(subscriber.tick)) == 1
    assert subscriber.waiting() == 0


def test_a_queue_that_two_transfers_share_tells_both(subscriber: Told) -> None:
    subscriber.beside(data_set="another's")
    subscriber.polled_just_now()
    subscriber.publish(7, "A,North,2026-06-07,5")
    eventually(lambda: subscriber.waiting() == 1)
    [request] = subscriber.tick()
    assert request.tags["o9_assets/transfer"] == "sell_out"
    assert subscriber.waiting() == 0


@pytest.mark.faults
def test_a_queue_that_is_gone_or_busy_keeps_no_transfer_from_being_looked_at(subscriber: Told, twin: Twin) -> None:
    subscriber.beside(data_set="another's", queue=f"{subscriber.queue}-gone")
    subscriber.publish(7, "A,North,2026-06-07,5")
    eventually(lambda: subscriber.waiting() == 1)
    [request] = subscriber.tick()
    assert request.tags["o9_assets/transfer"] == "sell_out"
    twin.faults.add("throttle", "sqs", "ReceiveMessage")
    subscriber.cursor = None
    assert len(subscriber.tick()) == 1


def test_a_company_without_such_transfers_has_no_sensor(subscriber: Told) -> None:
    assert data_exchange.build(subscriber.settings.model_copy(update={"transfers": {}}), running=True) == []


EVENT: dict[str, Any] = {
    "version": "0",
    "source": "aws.dataexchange",
    "detail-type": "Revision Published To Data Set",
    "resources": ["ds-1"],
    "detail": {"RevisionIds": ["r-1", "r-2"]},
}


def test_an_event_names_its_data_set_and_a_list_of_revisions() -> None:
    assert published(json.dumps(EVENT)) == ("ds-1", ("r-1", "r-2"))
    for wrong in (
        EVENT | {"source": "aws.s3"},
        EVENT | {"resources": []},
        EVENT | {"detail": {"RevisionIds": "r-1"}},
        EVENT | {"detail": {}},
        [],
    ):
        assert published(json.dumps(wrong)) is None
    assert published("[" * 100_000) is None
