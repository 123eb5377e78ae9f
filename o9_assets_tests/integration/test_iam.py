"""The policies of deploy/iam are enough for what they are for, and no more; what is missing is named."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from o9_assets.assets.declare import dataset_asset
from o9_assets.dataset import Column, Dataset
from o9_assets.resources import aws
from o9_assets.resources.notifier import SnsNotifier
from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.aws.iam import Identity, decide
from o9_assets.sensors import landing
from o9_assets_tests.aws import unique
from o9_assets_tests.company_on_aws import CompanyOnAws

pytestmark = [pytest.mark.aws, pytest.mark.faults]

POLICIES = Path(__file__).resolve().parents[2] / "deploy" / "iam"
GOOD = "O1;1;a1;S1;2025-01-06;5;2.50"


@pytest.fixture
def company(twin: Twin, tmp_path: Path) -> CompanyOnAws:
    """Made by the account's owner; its files are there."""
    made = CompanyOnAws(tmp_path)
    made.orders(GOOD, "O1;2;a1;S1;2025-01-06;bad;1")
    return made


@pytest.fixture
def queue(twin: Twin) -> str:
    return unique("landing")


class Platform:
    """The platform's user, whose keys the environment holds from now on."""

    def __init__(self, twin: Twin, company: CompanyOnAws, queue: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self._iam, self._name = twin.client("iam"), unique("platform")
        self.asked: set[str] = set()
        """The actions that the twin was asked for, by anyone whose rights it looks at."""
        self._names = {
            "Account": twin.account,
            "Region": twin.region,
            "LandingBucket": company.bucket,
            "LandingPrefix": "landing",
            "LakeBucket": company.bucket,
            "LakePrefix": "lake",
            "DatabasePrefix": company.prefix,
            "LandingQueue": queue,
            "AlertTopic": queue,
        }
        self._iam.create_user(UserName=self._name)
        key = self._iam.create_access_key(UserName=self._name)["AccessKey"]
        monkeypatch.setattr("o9_assets.sandbox.aws.iam.decide", self._decide)
        monkeypatch.setattr(twin, "iam", True)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    def _decide(self, identity: Identity, action: str, resource: str, context: Mapping[str, str]) -> None:
        self.asked.add(action)
        decide(identity, action, resource, context)

    def may(self, policy: str, *, without: str | None = None) -> None:
        """Give the policy of deploy/iam, or all of it but one action."""
        text = (POLICIES / f"{policy}.json").read_text(encoding="utf-8")
        document = json.loads(re.sub(r"\$\{(\w+)\}", lambda found: self._names[found[1]], text))
        for statement in document["Statement"]:
            statement["Action"] = [action for action in statement["Action"] if action != without]
        document["Statement"] = [statement for statement in document["Statement"] if statement["Action"]]
        self._iam.put_user_policy(UserName=self._name, PolicyName=policy, PolicyDocument=json.dumps(document))


@pytest.fixture
def platform(twin: Twin, company: CompanyOnAws, queue: str, monkeypatch: pytest.MonkeyPatch) -> Platform:
    return Platform(twin, company, queue, monkeypatch)


def tell(twin: Twin, bucket: str, url: str) -> None:
    """Have the bucket tell the queue of new objects."""
    queue = twin.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]
    told = [{"QueueArn": queue["QueueArn"], "Events": ["s3:ObjectCreated:*"]}]
    twin.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": told}
    )


def actions(*policies: str) -> set[str]:
    """All that these policies allow."""
    documents = [json.loads((POLICIES / f"{policy}.json").read_text(encoding="utf-8")) for policy in policies]
    return {action for document in documents for statement in document["Statement"] for action in statement["Action"]}


def test_landing_lake_and_alerts_are_enough_and_every_action_is_used(
    company: CompanyOnAws, platform: Platform, queue: str, twin: Twin, tmp_path: Path
) -> None:
    twin.client("s3").put_bucket_versioning(Bucket=company.bucket, VersioningConfiguration={"Status": "Enabled"})
    url = str(twin.client("sqs").create_queue(QueueName=queue)["QueueUrl"])
    for policy in ("landing", "lake", "alerts"):
        platform.may(policy)
    report = company.ingest()
    assert (report.accepted_rows, report.quarantined_rows) == (1, 1)
    company.orders(GOOD, GOOD)
    tell(twin, company.bucket, url)
    with dg.build_sensor_context(resources=company.resources(url)) as context:
        result = landing.build(company.settings, running=True)(context)
    assert isinstance(result, dg.SensorResult)
    assert result.run_requests
    with dg.build_sensor_context(resources=company.resources(url), cursor=result.cursor) as context:
        landing.build(company.settings, running=True)(context)
    assert company.ingest().accepted_rows == 2
    lake, orders = company.lake, company.dataset("erp_orders")
    lake.tag(orders, "cycle-1")
    assert lake.read(orders, tag="cycle-1").num_rows == 3
    now = datetime.now() + timedelta(hours=1)
    assert lake.maintain(orders, now=now, keep_for=timedelta(0), orphan_age=timedelta(0)).files_removed > 0
    assert len(company.raw()) == 3
    listed = next(iter(company.zone.list("orders/")))
    company.orders(GOOD)
    assert b";bad" not in company.zone.spool(listed, tmp_path).path.read_bytes()  # the version that was listed
    SnsNotifier(topic_arn=twin.client("sns").create_topic(Name=queue)["TopicArn"]).tell("refresh failed", "why")
    assert platform.asked == actions("landing", "lake", "alerts")


@pytest.mark.parametrize(
    ("policy", "action", "resource"),
    [
        ("landing", "s3:GetObject", "arn:aws:s3:::{bucket}/landing/orders/2025-01-06.csv"),
        ("landing", "s3:ListBucket", "arn:aws:s3:::{bucket}"),
        ("lake", "s3:PutObject", "arn:aws:s3:::{bucket}/lake/"),
        ("lake", "glue:CreateTable", "arn:aws:glue:us-east-1:123456789012:catalog"),
        ("lake", "glue:UpdateTable", "arn:aws:glue:us-east-1:123456789012:catalog"),
    ],
)
def test_one_action_that_is_missing_is_named_with_its_resource(
    company: CompanyOnAws, platform: Platform, policy: str, action: str, resource: str
) -> None:
    for name in ("landing", "lake"):
        platform.may(name, without=action if name == policy else None)
    with pytest.raises(aws.Denied) as denied:
        company.ingest()
    assert denied.value.action == action
    assert denied.value.resource.startswith(resource.format(bucket=company.bucket))
    assert action in denied.value.message


def test_a_run_that_is_denied_stops_at_once_and_shows_both(company: CompanyOnAws, platform: Platform) -> None:
    platform.may("landing")
    dataset = Dataset("raw.things", "One row per thing.", (Column("name", "string", "Name"),))

    @dataset_asset(dataset, kinds={"iceberg"})
    def things(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={"rows": company.lake.read(dataset).num_rows})

    with dg.DagsterInstance.ephemeral() as instance, pytest.raises(dg.Failure) as failed:
        dg.materialize([things], instance=instance)
    assert failed.value.allow_retries is False
    assert "glue:GetTable" in str(failed.value.metadata["what happened"].value)


@pytest.mark.parametrize("path", sorted(POLICIES.glob("*.json")), ids=lambda path: path.stem)
def test_no_policy_allows_everything(path: Path) -> None:
    for statement in json.loads(path.read_text(encoding="utf-8"))["Statement"]:
        assert statement["Effect"] == "Allow"
        assert all("*" not in action for action in statement["Action"])
        # Some of AWS's questions cannot be limited to a resource; what changes something always can.
        assert "*" not in statement["Resource"] or all(
            re.search(":(Describe|List)", action) for action in statement["Action"]
        )
