"""Policies are enforced for moto's operations and ours by one evaluator, and a denial names who, what and on what."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from o9_assets.sandbox.aws import Twin
from o9_assets_tests.aws import unique

pytestmark = [pytest.mark.aws, pytest.mark.faults]

Session = Callable[[str], Any]
As = Callable[..., Session]


@pytest.fixture
def user(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> tuple[str, As]:
    """A user's name, and what gives them statements; its clients are theirs. Policies are enforced from now on."""
    monkeypatch.setattr(twin, "iam", True)
    iam, name = twin.client("iam"), unique("planner")
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = boto3.session.Session(key["AccessKeyId"], key["SecretAccessKey"])

    def with_statements(*statements: dict[str, Any]) -> Session:
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        iam.put_user_policy(UserName=name, PolicyName="given", PolicyDocument=document)
        return lambda service: session.client(service)  # type: ignore[call-overload]

    return name, with_statements


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture
def bucket(twin: Twin) -> str:
    name = unique("bucket")
    twin.client("s3").create_bucket(Bucket=name)
    twin.client("s3").put_object(Bucket=name, Key="landing/a", Body=b"1")
    twin.client("s3").put_object(Bucket=name, Key="lake/a", Body=b"1")
    return name


def denied(call: Callable[[], Any]) -> tuple[str, str]:
    """Code and message of the refusal."""
    with pytest.raises(ClientError) as failed:
        call()
    return failed.value.response["Error"]["Code"], failed.value.response["Error"]["Message"]


def test_a_denial_names_who_the_action_and_the_resource(user: tuple[str, As], bucket: str) -> None:
    name, with_statements = user
    s3 = with_statements(allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/landing/*"))("s3")
    assert s3.get_object(Bucket=bucket, Key="landing/a")["Body"].read() == b"1"
    code, message = denied(lambda: s3.get_object(Bucket=bucket, Key="lake/a"))
    assert code == "AccessDenied"
    assert message == (
        f"User: arn:aws:iam::123456789012:user/{name} is not authorized to perform: s3:GetObject on resource: "
        f"arn:aws:s3:::{bucket}/lake/a because no identity-based policy allows the s3:GetObject action"
    )
    assert "s3:ListBucket" in denied(lambda: s3.list_objects_v2(Bucket=bucket))[1]
    copy = {"Bucket": bucket, "Key": "landing/b", "CopySource": {"Bucket": bucket, "Key": "lake/a"}}
    assert f"s3:GetObject on resource: arn:aws:s3:::{bucket}/lake/a" in denied(lambda: s3.copy_object(**copy))[1]


def test_an_explicit_deny_wins(user: tuple[str, As], bucket: str) -> None:
    deny = {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"}
    s3 = user[1](allow("s3:*"), deny)("s3")
    s3.put_object(Bucket=bucket, Key="landing/b", Body=b"2")
    for call in (
        lambda: s3.delete_object(Bucket=bucket, Key="landing/a"),
        lambda: s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "landing/a"}]}),
    ):
        code, message = denied(call)
        assert (code, "explicit deny" in message) == ("AccessDenied", True)
    assert s3.list_objects_v2(Bucket=bucket, Prefix="landing/")["KeyCount"] == 2


def test_our_fakes_ask_the_same_evaluator(twin: Twin, user: tuple[str, As]) -> None:
    stream = unique("events")
    twin.client("kinesis").create_stream(StreamName=stream, ShardCount=1)
    arn = f"arn:aws:kinesis:us-east-1:123456789012:stream/{stream}"
    kinesis = user[1](allow(["kinesis:PutRecord", "kinesis:ListShards"], arn))("kinesis")
    kinesis.put_record(StreamName=stream, Data=b"1", PartitionKey="1")
    code, message = denied(
        lambda: kinesis.get_shard_iterator(
            StreamName=stream, ShardId="shardId-000000000000", ShardIteratorType="LATEST"
        )
    )
    assert code == "AccessDeniedException"
    assert f"kinesis:GetShardIterator on resource: {arn}" in message


def test_a_table_of_the_catalog_needs_its_database_and_the_catalog(twin: Twin, user: tuple[str, As]) -> None:
    database, base = unique("raw").replace("-", "_"), "arn:aws:glue:us-east-1:123456789012:"
    twin.client("glue").create_database(DatabaseInput={"Name": database})
    twin.client("glue").create_table(DatabaseName=database, TableInput={"Name": "orders"})
    both = [f"{base}catalog", f"{base}table/{database}/orders"]
    glue = user[1](allow("glue:GetTable", both))("glue")
    message = denied(lambda: glue.get_table(DatabaseName=database, Name="orders"))[1]
    assert f"glue:GetTable on resource: {base}database/{database} " in message
    glue = user[1](allow("glue:GetTable", [*both, f"{base}database/{database}"]))("glue")
    assert glue.get_table(DatabaseName=database, Name="orders")["Table"]["Name"] == "orders"


def test_conditions_hold_or_do_not(user: tuple[str, As], bucket: str) -> None:
    prefix = {"StringLike": {"s3:prefix": ["landing/*"]}}
    encrypted = {"StringEquals": {"s3:x-amz-server-side-encryption": "aws:kms"}}
    s3 = user[1](
        allow("s3:ListBucket", Condition=prefix),
        allow("s3:PutObject"),
        {
            "Effect": "Deny",
            "Action": "s3:PutObject",
            "Resource": "*",
            "Condition": {"StringNotEquals": encrypted["StringEquals"]},
        },
    )("s3")
    assert s3.list_objects_v2(Bucket=bucket, Prefix="landing/")["KeyCount"] == 1
    assert denied(lambda: s3.list_objects_v2(Bucket=bucket, Prefix="lake/"))[0] == "AccessDenied"
    assert "explicit deny" in denied(lambda: s3.put_object(Bucket=bucket, Key="b", Body=b""))[1]
    s3.put_object(Bucket=bucket, Key="b", Body=b"", ServerSideEncryption="aws:kms")


def test_an_unknown_key_is_refused(twin: Twin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin, "iam", True)
    stranger = boto3.session.Session("AKIASANDBOXSTRANGER0", "x")
    assert denied(lambda: stranger.client("s3").list_buckets())[0] == "InvalidAccessKeyId"
    assert denied(lambda: stranger.client("glue").get_databases())[0] == "UnrecognizedClientException"


def test_a_function_has_the_rights_of_its_role(
    twin: Twin, monkeypatch: pytest.MonkeyPatch, bucket: str, tmp_path: Path
) -> None:
    monkeypatch.setattr(twin, "iam", True)
    iam, role = twin.client("iam"), unique("role")
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    document = {"Version": "2012-10-17", "Statement": allow("s3:GetObject", f"arn:aws:s3:::{bucket}/landing/*")}
    iam.put_role_policy(RoleName=role, PolicyName="p", PolicyDocument=json.dumps(document))
    code = "import boto3\ndef handler(event, context):\n    found = boto3.client('s3').get_object(**event)\n"
    (tmp_path / "main.py").write_text(code + "    return found['Body'].read().decode()\n")
    name = unique("function")
    twin.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.11",
        Role=arn,
        Handler="main.handler",
        Timeout=30,
        Code={"S3Bucket": "sandbox-local", "S3Key": str(tmp_path)},
    )

    def invoke(key: str) -> Any:
        event = json.dumps({"Bucket": bucket, "Key": key}).encode()
        return json.loads(twin.client("lambda").invoke(FunctionName=name, Payload=event)["Payload"].read())

    assert invoke("landing/a") == "1"
    assert f"assumed-role/{role}/sandbox is not authorized to perform: s3:GetObject" in invoke("lake/a")["errorMessage"]


def test_the_account_itself_may_do_everything_and_the_journal_tells_who_did(twin: Twin, user: tuple[str, As]) -> None:
    name, with_statements = user
    boto3.client("s3").list_buckets()
    with_statements(allow("s3:ListAllMyBuckets"))("s3").list_buckets()
    assert [call.principal.rpartition(":")[2] for call in twin.journal.calls()] == ["root", f"user/{name}"]
