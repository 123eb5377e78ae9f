"""Data Exchange on the twin: revisions exported once, revoked ones no longer read, an entitlement that ends."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from o9_assets.landing import transferred
from o9_assets.planning.settings import parse
from o9_assets.resources import aws
from o9_assets.resources.transfers.data_exchange import EntitlementExpired, Revision, RevisionMover
from o9_assets.resources.transfers.mover import State
from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import eventually
from o9_assets_tests.subscriber import COLUMNS, FEED, Subscriber, sold
from o9_assets_tests.transferred import failure, told

pytestmark = pytest.mark.aws


@pytest.fixture
def subscriber(tmp_path: Path, twin: Twin) -> Subscriber:
    return Subscriber(tmp_path, twin)


def test_revisions_are_exported_once_each_into_a_folder_of_its_own(subscriber: Subscriber) -> None:
    first = subscriber.publish(7, "A,North,2026-06-07,5", "B,North,2026-06-07,6")
    second = subscriber.publish(14, "A,North,2026-06-14,7")
    subscriber.publish(21, "A,North,2026-06-21,99", finalized=False)
    result = subscriber.run("sell_out")
    assert result.success
    metadata = told(result)
    assert (metadata["revisions"], metadata["revisions exported"], metadata["objects"]) == (2, 2, 2)
    # The default pattern, ${Asset.Name}, would have let the second file take the place of the first.
    assert subscriber.objects() == [
        "market/2026-06-07T18:00:00.123Z/sell_out.csv",
        "market/2026-06-14T18:00:00.123Z/sell_out.csv",
    ]
    subscriber.ingest(FEED)
    rows = [("A", "2026-06-07", 5), ("A", "2026-06-14", 7), ("B", "2026-06-07", 6)]
    assert subscriber.rows(FEED, COLUMNS) == rows
    again = subscriber.run("sell_out")
    assert told(again)["revisions exported"] == 0
    assert [len(subscriber.jobs(one)) for one in (first, second)] == [1, 1]
    assert [row["resource"] for row in subscriber.ledger("sell_out")] == [
        f"{subscriber.data_set}/{first}",
        f"{subscriber.data_set}/{second}",
    ]


def test_the_default_key_pattern_lets_one_revision_overwrite_another(subscriber: Subscriber) -> None:
    """Why the platform never uses it."""
    for day, row in ((7, "A,North,2026-06-07,5"), (14, "A,North,2026-06-14,7")):
        revision = subscriber.publish(day, row)
        details = {
            "DataSetId": subscriber.data_set,
            "RevisionDestinations": [{"RevisionId": revision, "Bucket": subscriber.bucket}],
        }
        job = subscriber.client.create_job(Type="EXPORT_REVISIONS_TO_S3", Details={"ExportRevisionsToS3": details})[
            "Id"
        ]
        subscriber.client.start_job(JobId=job)
        eventually(lambda job=job: subscriber.client.get_job(JobId=job)["State"] == "COMPLETED")
    assert subscriber.objects() == ["sell_out.csv"]


def test_a_revoked_revision_is_taken_out_of_what_is_read_and_every_row_stays_accounted_for(
    subscriber: Subscriber,
) -> None:
    wrong = subscriber.publish(7, "A,North,2026-06-07,5000")
    subscriber.publish(14, "A,North,2026-06-14,7")
    subscriber.run("sell_out")
    subscriber.ingest(FEED)
    subscriber.provider.revoke(wrong, "Units were multiplied by a thousand.")
    result = subscriber.run("sell_out")
    assert result.success
    assert (told(result)["revisions revoked"], told(result)["objects withdrawn"]) == (1, 1)
    assert subscriber.rows(FEED, COLUMNS) == [("A", "2026-06-14", 7)]
    account = subscriber.account(FEED)
    assert (account.landed, account.accepted, account.superseded, account.breaks) == (2, 1, 1, ())
    [row] = [row for row in subscriber.manifest() if row["status"] == "withdrawn"]
    assert row["object_name"] == "market/2026-06-07T18:00:00.123Z/sell_out.csv"
    assert row["reason"] == f"revision {wrong} was revoked: Units were multiplied by a thousand."
    # Said again, nothing changes; and the object, which is still there, is not read again.
    assert told(subscriber.run("sell_out"))["objects withdrawn"] == 0
    assert subscriber.ingest(FEED).objects == 0
    assert subscriber.rows(FEED, COLUMNS) == [("A", "2026-06-14", 7)]


def test_what_was_known_before_the_revocation_stays_known_for_a_look_at_the_past(subscriber: Subscriber) -> None:
    from o9_assets.assets.raw.data_exchange_sell_out import DATA_EXCHANGE_SELL_OUT
    from o9_assets.landing.accepted import accepted_view

    wrong = subscriber.publish(7, "A,North,2026-06-07,5000")
    subscriber.run("sell_out")
    subscriber.ingest(FEED)
    subscriber.provider.revoke(wrong)
    subscriber.run("sell_out")

    def count(as_of: datetime | None) -> int:
        with subscriber.engine.connect() as con:
            accepted_view(con, subscriber.lake, DATA_EXCHANGE_SELL_OUT, FEED, "rows", as_of=as_of)
            [(rows,)] = con.execute("SELECT count(*) FROM rows").fetchall()
            return int(rows)

    [ingested, withdrawn] = subscriber.manifest()
    assert withdrawn["known_at"] > ingested["known_at"]
    assert (count(ingested["known_at"]), count(None)) == (1, 0)


def test_a_revision_revoked_before_it_was_read_is_never_read(subscriber: Subscriber) -> None:
    wrong = subscriber.publish(7, "A,North,2026-06-07,5000")
    subscriber.run("sell_out")
    subscriber.provider.revoke(wrong)
    assert told(subscriber.run("sell_out"))["objects withdrawn"] == 1
    assert subscriber.ingest(FEED).objects == 0
    assert subscriber.rows(FEED, COLUMNS) == []
    assert subscriber.account(FEED).balanced


@pytest.mark.parametrize(
    ("name", "was", "is_now"),
    [("retailers", "  sell_out:\n", "  retailers:\n"), ("sell_out", "market/", "retailers/")],
)
def test_a_revision_revoked_after_its_transfer_was_changed_is_taken_out(
    subscriber: Subscriber, name: str, was: str, is_now: str
) -> None:
    wrong = subscriber.publish(7, "A,North,2026-06-07,5000")
    subscriber.run("sell_out")
    subscriber.ingest(FEED)
    subscriber.provider.revoke(wrong)
    subscriber.settings = parse(subscriber.text.replace(was, is_now))
    assert told(subscriber.run(name))["objects withdrawn"] == 1
    assert subscriber.rows(FEED, COLUMNS) == []


def test_a_revision_revoked_before_its_export_is_not_exported(subscriber: Subscriber) -> None:
    wrong = subscriber.publish(7, "A,North,2026-06-07,5000")
    subscriber.provider.revoke(wrong)
    assert told(subscriber.run("sell_out"))["revisions exported"] == 0
    assert subscriber.objects() == []


@pytest.mark.faults
def test_an_export_that_breaks_off_is_held_back_and_repeated(subscriber: Subscriber, twin: Twin) -> None:
    subscriber.provider.failing_exports = 1
    at = datetime(2026, 6, 7, 18, tzinfo=UTC)
    assets = {"a.csv": sold("A,North,2026-06-07,5"), "b.csv": sold("B,North,2026-06-07,6")}
    revision = subscriber.provider.publish(subscriber.data_set, assets, created_at=at)
    said = failure(subscriber.run("sell_out"))
    assert "ended as ERROR: INTERNAL_SERVER_EXCEPTION: The export was interrupted." in said
    assert subscriber.objects() == ["market/2026-06-07T18:00:00.000Z/a.csv"]
    assert subscriber.ingest(FEED).objects == 0
    assert subscriber.run("sell_out").success
    subscriber.ingest(FEED)
    assert subscriber.rows(FEED, COLUMNS) == [("A", "2026-06-07", 5), ("B", "2026-06-07", 6)]
    assert sorted(job["State"] for job in subscriber.jobs(revision)) == ["COMPLETED", "ERROR"]


@pytest.mark.faults
def test_a_run_that_died_after_the_export_exports_nothing_again(subscriber: Subscriber) -> None:
    """The export is found by its revision, whoever started it and whatever the ledger knows of it."""
    revision = subscriber.publish(7, "A,North,2026-06-07,5")
    exchange = subscriber.exchange()
    mover = exchange.mover(exchange.revisions()[0])
    job = mover.start("token-of-a-dead-run")
    eventually(lambda: mover.look(job).state is State.SUCCEEDED)
    result = subscriber.run("sell_out")
    assert result.success
    assert [job["Id"] for job in subscriber.jobs(revision)] == [job]
    assert [row["execution"] for row in subscriber.ledger("sell_out")] == [job]


def test_an_entitlement_that_ended_says_what_to_do_and_what_landed_stays(subscriber: Subscriber) -> None:
    subscriber.publish(7, "A,North,2026-06-07,5")
    subscriber.run("sell_out")
    subscriber.ingest(FEED)
    subscriber.provider.expire(subscriber.data_set)
    said = failure(subscriber.run("sell_out"))
    assert said.startswith(f"This account is not entitled to the data set {subscriber.data_set}")
    assert "Renew the subscription" in said
    assert subscriber.rows(FEED, COLUMNS) == [("A", "2026-06-07", 5)]
    subscriber.publish(14, "A,North,2026-06-14,7", tell=False)
    subscriber.provider.renew(subscriber.data_set)
    assert told(subscriber.run("sell_out"))["revisions exported"] == 1


@pytest.mark.faults
def test_an_entitlement_that_ends_between_two_calls_is_told_as_such(subscriber: Subscriber) -> None:
    subscriber.publish(7, "A,North,2026-06-07,5")
    exchange = subscriber.exchange()
    [revision] = exchange.revisions()
    mover = exchange.mover(revision)
    job = mover.start("t")
    eventually(lambda: subscriber.client.get_job(JobId=job)["State"] == "COMPLETED")
    subscriber.provider.expire(subscriber.data_set)
    with pytest.raises(EntitlementExpired, match="Renew the subscription"):
        mover.landed(job)


@pytest.mark.faults
def test_a_policy_s_denial_is_no_end_of_the_entitlement(subscriber: Subscriber, twin: Twin) -> None:
    twin.faults.add("error", "dataexchange", "ListDataSetRevisions", code="AccessDeniedException", status=403)
    with pytest.raises(aws.Denied, match=f"dataexchange:ListDataSetRevisions on .*{subscriber.data_set}"):
        subscriber.exchange().revisions()


@pytest.mark.faults
def test_a_revision_of_which_an_object_is_missing_is_not_read_and_is_exported_anew(
    subscriber: Subscriber, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = datetime(2026, 6, 7, 18, tzinfo=UTC)
    assets = {"a.csv": sold("A,North,2026-06-07,5"), "b.csv": sold("B,North,2026-06-07,6")}
    revision = subscriber.provider.publish(subscriber.data_set, assets, created_at=at)
    exchange = subscriber.exchange()
    mover = exchange.mover(exchange.revisions()[0])
    job = mover.start("t")
    eventually(lambda: mover.look(job).state is State.SUCCEEDED)
    s3, [_, lost] = twin.client("s3"), subscriber.objects()

    def removes(*given: Any) -> tuple[str, ...]:
        """Somebody tidies the bucket up before the run has looked at what the export wrote."""
        s3.delete_object(Bucket=subscriber.bucket, Key=f"zone/{lost}")
        return landed(*given)

    landed = RevisionMover.landed
    with monkeypatch.context() as patch:
        patch.setattr(RevisionMover, "landed", removes)
        said = failure(subscriber.run("sell_out"))
    assert f"{job} of the revision {revision} is completed, and {lost} is not there" in said
    assert subscriber.ingest(FEED).objects == 0
    assert subscriber.run("sell_out").success
    subscriber.ingest(FEED)
    assert subscriber.rows(FEED, COLUMNS) == [("A", "2026-06-07", 5), ("B", "2026-06-07", 6)]
    assert [row["state"] for row in subscriber.ledger("sell_out")] == ["failed", "succeeded"]
    assert len(subscriber.jobs(revision)) == 2


@pytest.mark.faults
def test_what_a_run_that_died_did_not_account_for_is_read_when_the_next_one_did(
    subscriber: Subscriber, twin: Twin, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        """The process ends here."""

    def dies(*args: Any, **more: Any) -> Any:
        raise Killed

    at = datetime(2026, 6, 7, 18, tzinfo=UTC)
    assets = {"a.csv": sold("A,North,2026-06-07,5"), "b.csv": sold("B,North,2026-06-07,6")}
    subscriber.provider.publish(subscriber.data_set, assets, created_at=at)
    with monkeypatch.context() as patch:
        patch.setattr(transferred, "account_of_transfer", dies)
        assert not subscriber.run("sell_out").success
    cut = subscriber.objects()[1]
    twin.client("s3").put_object(Bucket=subscriber.bucket, Key=f"zone/{cut}", Body=b"half")
    assert subscriber.ingest(FEED).objects == 0
    [check] = subscriber.run("sell_out").get_asset_check_evaluations()
    assert not check.passed
    assert check.description == "110 bytes told, 59 bytes there"
    assert [row["state"] for row in subscriber.ledger("sell_out")] == ["succeeded"]


def test_the_provider_s_acts_can_be_asked_for_over_http(subscriber: Subscriber, twin: Twin) -> None:
    def ask(**command: Any) -> str:
        answer = httpx.post(f"{twin.url}/_sandbox/dataexchange", json=command).raise_for_status()
        return str(answer.json()["id"])

    data_set = ask(do="entitle", name="weather")
    revision = ask(do="publish", data_set=data_set, assets={"w.csv": "x\n"}, created_at="2026-06-07T18:00:00+00:00")
    [listed] = subscriber.client.list_data_set_revisions(DataSetId=data_set)["Revisions"]
    assert (listed["Id"], listed["Revoked"]) == (revision, False)
    ask(do="revoke", revision=revision)
    assert subscriber.client.get_revision(DataSetId=data_set, RevisionId=revision)["Revoked"] is True


def test_a_revision_s_folder_is_what_the_key_pattern_makes_of_it() -> None:
    assert Revision("r", datetime(2021, 10, 8, 16, 33, 19, 787000, UTC)).folder == "2021-10-08T16:33:19.787Z/"


@pytest.mark.faults
def test_an_export_that_fails_holds_no_earlier_revision_back(subscriber: Subscriber) -> None:
    subscriber.publish(7, "A,North,2026-06-07,5")
    assert subscriber.run("sell_out").success
    subscriber.provider.failing_exports = 1
    assets = {name: sold(f"{name[0]},North,2026-06-14,6") for name in ("b.csv", "c.csv")}
    subscriber.provider.publish(subscriber.data_set, assets, created_at=datetime(2026, 6, 14, 18, tzinfo=UTC))
    assert not subscriber.run("sell_out").success
    assert len(subscriber.objects()) == 2
    subscriber.ingest(FEED)
    assert subscriber.rows(FEED, COLUMNS) == [("A", "2026-06-07", 5)]
