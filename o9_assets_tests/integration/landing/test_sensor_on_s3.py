"""The sensor on S3: few calls however many objects lie there, and the bucket's events where a queue has them."""

import json
import time
from pathlib import Path

import dagster as dg
import pytest

from o9_assets.landing import looking, ticks
from o9_assets.resources.landing_queue import LandingQueue
from o9_assets.sandbox.aws import Twin
from o9_assets.sensors import landing
from o9_assets_tests.aws import unique
from o9_assets_tests.company_on_aws import CompanyOnAws

pytestmark = pytest.mark.aws

GOOD = "O1;1;a1;S1;2025-01-06;5;2.50"


class Ticks:
    """The sensor, ticking on a company's bucket, with its queue where it has one."""

    def __init__(self, company: CompanyOnAws, queue_url: str | None = None) -> None:
        self.company, self.queue_url = company, queue_url
        self.cursor: str | None = None

    def tick(self, *, kept: bool = True) -> list[tuple[str, str]]:
        """Feed and number of objects of each request; without `kept`, Dagster lost the tick's cursor."""
        context = dg.build_sensor_context(cursor=self.cursor, resources=self.company.resources(self.queue_url))
        with context:
            result = landing.build(self.company.settings, running=True)(context)
        assert isinstance(result, dg.SensorResult)
        if kept:
            self.cursor = result.cursor
        return [(r.tags["o9_assets/feed"], r.tags["o9_assets/new_objects"]) for r in result.run_requests or []]


@pytest.fixture
def company(twin: Twin, tmp_path: Path) -> CompanyOnAws:
    return CompanyOnAws(tmp_path)


def test_a_new_object_an_overwritten_one_and_a_sibling_are_seen(company: CompanyOnAws) -> None:
    ticks_ = Ticks(company)
    assert ticks_.tick() == []
    company.orders(GOOD, day="2025-01-07")
    assert ticks_.tick() == [("erp_orders", "1")]
    assert ticks_.tick() == []
    company.ingest()
    company.orders(GOOD, GOOD, day="2025-01-07")
    company.orders(GOOD, day="2025-01-06")
    assert ticks_.tick() == [("erp_orders", "2")]
    company.ingest()
    assert ticks_.tick() == []


def test_what_is_put_back_is_taken_in_again(company: CompanyOnAws) -> None:
    ticks_ = Ticks(company)
    for quantity in (5, 7, 5):  # the third has the ETag of the first
        company.orders(f"O1;1;a1;S1;2025-01-06;{quantity};2.50")
        assert ticks_.tick() == [("erp_orders", "1")]
        company.ingest()
        assert ticks_.tick() == []
    assert [row["object_version"] for row in company.manifest()][2].endswith("@2")
    assert [int(row["quantity"]) for row in company.raw()] == [5, 7, 5]


def test_a_tick_lists_a_part_of_what_is_in_and_all_of_the_latest_days(
    company: CompanyOnAws, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    from moto.s3.models import s3_backends

    for n in range(2_000):
        name = f"landing/orders/2024-{n // 200 + 1:02d}-{n // 8 % 25 + 1:02d}-{n}.csv"
        s3_backends[twin.account]["aws"].put_object(company.bucket, name, b"")
    ticks_ = Ticks(company)
    assert ticks_.tick() == [("erp_orders", "2000")]
    company.ingest()  # each is set aside as empty, and so is in
    monkeypatch.setattr(ticks, "SWEEP_SECONDS", 0.0)
    monkeypatch.setattr(looking, "LOOK_AT_CLOCK", 500)
    company.orders(GOOD, day="2024-10-25")
    company.orders(GOOD, day="2024-04-01-late")
    twin.journal.clear()
    assert ticks_.tick() == [("erp_orders", "1")]  # the latest days
    assert sum(call["operation"] == "ListObjectsV2" for call in twin.journal.told()) <= 3
    monkeypatch.setattr(ticks, "FIRST_WAIT_SECONDS", 0)
    assert ticks_.tick() == [("erp_orders", "1")]  # the second part of the sweep has the late one


@pytest.fixture
def queue_url(company: CompanyOnAws, twin: Twin) -> str:
    """A queue that the bucket tells of new objects."""
    made = twin.client("sqs").create_queue(QueueName=unique("landing"), Attributes={"VisibilityTimeout": "0"})
    url = str(made["QueueUrl"])
    arn = twin.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    twin.client("s3").put_bucket_notification_configuration(
        Bucket=company.bucket,
        NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
    )
    return url


def waiting(twin: Twin, url: str) -> int:
    """Messages that are in the queue, received or not."""
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    told = twin.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
    return sum(int(told[name]) for name in names)


@pytest.fixture
def by_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sweeps see nothing, so that what is asked for was told by an event; a message comes again at once."""
    monkeypatch.setattr("o9_assets.resources.landing_queue.HIDDEN_SECONDS", 0)
    monkeypatch.setattr("o9_assets.landing.looking._new", lambda *_: None)
    monkeypatch.setattr("o9_assets.resources.landing_queue.MOST_MESSAGES", 10)


@pytest.mark.usefixtures("by_events")
def test_an_event_is_asked_for_once_and_deleted_when_the_cursor_is_kept(
    company: CompanyOnAws, twin: Twin, queue_url: str
) -> None:
    ticks_ = Ticks(company, queue_url)
    company.orders(GOOD, day="2025-01-06 b+ü")
    assert ticks_.tick(kept=False) == [("erp_orders", "1")]
    assert ticks_.tick() == [("erp_orders", "1")]  # the first cursor was lost, and nothing with it
    assert waiting(twin, queue_url) == 1
    assert ticks_.tick() == []
    assert waiting(twin, queue_url) == 0


@pytest.mark.usefixtures("by_events")
def test_events_that_come_twice_or_tell_of_nothing_to_read_ask_for_nothing(
    company: CompanyOnAws, twin: Twin, queue_url: str
) -> None:
    company.orders(GOOD)
    message = LandingQueue(queue_url, twin.client("sqs")).receive(1)[0]
    ticks_ = Ticks(company, queue_url)
    assert ticks_.tick() == [("erp_orders", "1")]
    ticks_.tick()
    company.put("elsewhere/a.csv", b"x")
    for body in (message.body, json.dumps({"Event": "s3:TestEvent"})):
        twin.client("sqs").send_message(QueueUrl=queue_url, MessageBody=body)
    ticks_.cursor = ticks_.cursor and ticks_.cursor.replace(
        '"at": 1', '"at": 2'
    )  # as if asked for after they were sent
    assert ticks_.tick() == []
    assert waiting(twin, queue_url) == 0


@pytest.mark.usefixtures("by_events")
def test_an_event_of_what_is_put_back_asks_for_it(company: CompanyOnAws, queue_url: str) -> None:
    ticks_ = Ticks(company, queue_url)
    for quantity in (5, 7, 5):
        time.sleep(1.1)  # an event sent in the second of the last request is done with
        company.orders(f"O1;1;a1;S1;2025-01-06;{quantity};2.50")
        assert ticks_.tick() == [("erp_orders", "1")]
        company.ingest()
        assert ticks_.tick() == []


@pytest.mark.faults
@pytest.mark.usefixtures("by_events")
def test_a_message_that_is_no_event_stays_and_harms_nothing(company: CompanyOnAws, twin: Twin, queue_url: str) -> None:
    twin.client("sqs").send_message(QueueUrl=queue_url, MessageBody="nonsense")
    company.orders(GOOD)
    ticks_ = Ticks(company, queue_url)
    assert ticks_.tick() == [("erp_orders", "1")]
    assert ticks_.tick() == []
    assert waiting(twin, queue_url) == 1


def test_what_no_event_told_of_is_found_by_the_sweep(company: CompanyOnAws, twin: Twin) -> None:
    url = str(twin.client("sqs").create_queue(QueueName=unique("silent"))["QueueUrl"])
    company.orders(GOOD)
    assert Ticks(company, url).tick() == [("erp_orders", "1")]
