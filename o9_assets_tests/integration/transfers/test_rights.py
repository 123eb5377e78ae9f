"""The rights that docs/transfers.md names are enough, and each of them is needed: a denial names it."""

import json
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from o9_assets.resources import aws
from o9_assets.resources.transfers.mover import Mover
from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.saas import Saas
from o9_assets_tests.aws import unique
from o9_assets_tests.integration.transfers.test_appflow import Crm, promotion
from o9_assets_tests.subscriber import Subscriber
from o9_assets_tests.transfers import Dms, Share, followed

pytestmark = [pytest.mark.aws, pytest.mark.faults]

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "transfers.md").read_text(encoding="utf-8")
ACTION = re.compile(r"`((?:dms|datasync|appflow|dataexchange|s3):[A-Z]\w+)`")


def documented(service: str) -> list[str]:
    """The actions that the page's paragraph on this service's rights names."""
    paragraph = next(p for p in PAGE.split("\n\n") if p.startswith("**IAM**") and f"`{service}:" in p)
    return ACTION.findall(paragraph)


@pytest.fixture
def allow(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> Callable[[list[str]], None]:
    """Become a user who may do these actions, and nothing else."""
    iam, name = twin.client("iam"), unique("mover")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]

    def become(actions: list[str]) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=name, PolicyName="given", PolicyDocument=document)
        monkeypatch.setattr(twin, "iam", True)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])

    return become


def carry_out(mover: Mover) -> int:
    """Start, follow, start again as a run that was restarted does, and count what landed."""
    execution = mover.start("x")
    followed(mover, execution)
    assert mover.start("x") == execution
    mover.layout()
    return len(mover.landed(execution))


@pytest.fixture
def dms(twin: Twin, tmp_path: Path) -> Dms:
    path = tmp_path / "erp.db"
    with sqlite3.connect(path) as con:
        con.execute("CREATE TABLE lines (id INTEGER PRIMARY KEY)")
        con.execute("INSERT INTO lines VALUES (1)")
    con.close()
    return Dms(twin, {"EngineName": "sqlite", "DatabaseName": str(path)}, kind="full-load")


@pytest.fixture
def share(twin: Twin, tmp_path: Path) -> Share:
    made = Share(twin, tmp_path, report=True)
    made.put("a", b"1")
    return made


def test_the_policy_allows_what_the_page_names() -> None:
    policy = json.loads((ROOT / "deploy" / "iam" / "transfers.json").read_text(encoding="utf-8"))
    allowed = {action for statement in policy["Statement"] for action in statement["Action"]}
    named = re.findall(r"`((?:dms|datasync|appflow|dataexchange):[A-Z]\w+)`", PAGE)
    assert allowed == set(named)


def test_dms_needs_what_the_page_names(dms: Dms, allow: Callable[[list[str]], None]) -> None:
    allow(documented("dms"))
    assert carry_out(dms.mover()) == 1


@pytest.mark.parametrize("without", documented("dms"))
def test_dms_without_one_of_them(dms: Dms, allow: Callable[[list[str]], None], without: str) -> None:
    allow([action for action in documented("dms") if action != without])
    with pytest.raises(aws.Denied, match=without):
        carry_out(dms.mover())


def test_datasync_needs_what_the_page_names(share: Share, allow: Callable[[list[str]], None]) -> None:
    allow(documented("datasync"))
    assert carry_out(share.mover()) == 1


@pytest.mark.parametrize("without", documented("datasync"))
def test_datasync_without_one_of_them(share: Share, allow: Callable[[list[str]], None], without: str) -> None:
    allow([action for action in documented("datasync") if action != without])
    with pytest.raises(aws.Denied, match=without):
        carry_out(share.mover())


def test_appflow_with_all_of_them_and_without_each(
    twin: Twin, tmp_path: Path, allow: Callable[[list[str]], None]
) -> None:
    needed = documented("appflow")
    with Saas({"Promotions": [promotion(1)]}) as saas:
        company = Crm(tmp_path, twin, saas)
        for without in needed:
            allow([action for action in needed if action != without])
            with pytest.raises(aws.Denied, match=without) as denied:
                carry_out(company.mover())
            assert (company.bucket if without == "s3:ListBucket" else company.flow) in denied.value.resource
        allow(needed)
        assert carry_out(company.mover()) == 1


@pytest.mark.parametrize("without", ["", *(a for a in documented("dataexchange") if a.startswith("dataexchange:"))])
def test_data_exchange_with_all_of_them_and_without_each(
    twin: Twin, tmp_path: Path, allow: Callable[[list[str]], None], without: str
) -> None:
    company = Subscriber(tmp_path, twin)
    company.publish(7, "A,North,2026-06-07,5")
    allow([action for action in documented("dataexchange") if action != without])

    def export() -> int:
        exchange = company.exchange()
        return sum(carry_out(exchange.mover(revision)) for revision in exchange.revisions())

    if without:
        with pytest.raises(aws.Denied, match=without):
            export()
    else:
        assert export() == 1
