"""Functions run for real: their payloads, errors, time-outs and deaths are what a caller sees."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import pytest

from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.aws.services.lambda_ import Lambda
from o9_assets_tests.aws import eventually, unique

pytestmark = pytest.mark.aws

CODE = """
import json, os, time
from pathlib import Path
calls = 0

def handler(event, context):
    global calls
    calls += 1
    print("got", json.dumps(event))
    if event.get("fail"):
        raise ValueError(event["fail"])
    if event.get("sleep"):
        Path(event["mark"]).write_text(str(os.getpid()))
        time.sleep(event["sleep"])
    if event.get("exit"):
        os._exit(event["exit"])
    return {"event": event, "calls": calls, "name": context.function_name, "color": os.environ.get("COLOR"),
            "left": context.get_remaining_time_in_millis() > 0}
"""


def zipped(**files: str) -> bytes:
    """A zip file of texts by module name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.py", text)
    return content.getvalue()


Make = Callable[..., str]


@pytest.fixture
def make(twin: Twin) -> Make:
    """Makes a function of code; returns its name."""

    def made(code: str = CODE, **settings: Any) -> str:
        name = unique("function")
        given = {"Runtime": "python3.11", "Role": "arn:aws:iam::123456789012:role/any", "Timeout": 20, **settings}
        boto3.client("lambda").create_function(
            FunctionName=name, Handler="main.handler", Code={"ZipFile": zipped(main=code)}, **given
        )
        return name

    return made


def invoke(name: str, event: Any, **how: Any) -> tuple[Any, dict[str, Any]]:
    answer = boto3.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event).encode(), **how)
    text = answer["Payload"].read()
    return json.loads(text) if text else None, answer


def test_a_function_gets_its_event_and_its_environment(make: Make) -> None:
    name = make(Environment={"Variables": {"COLOR": "blue"}})
    payload, answer = invoke(name, {"order": "ü1"}, LogType="Tail")
    assert payload == {"event": {"order": "ü1"}, "calls": 1, "name": name, "color": "blue", "left": True}
    assert (answer["StatusCode"], "FunctionError" in answer) == (200, False)
    assert base64.b64decode(answer["LogResult"]).decode() == 'got {"order": "\\u00fc1"}\n'
    assert invoke(name, {})[0]["calls"] == 2, "a process is used again, as on AWS"
    logs = boto3.client("logs")
    [first, _] = logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]
    assert first["logStreamName"]


def test_new_code_and_new_settings_take_hold(make: Make) -> None:
    name = make()
    client = boto3.client("lambda")
    client.update_function_code(FunctionName=name, ZipFile=zipped(main="def handler(e, c): return 'new'"))
    assert invoke(name, {})[0] == "new"
    client.update_function_configuration(FunctionName=name, Handler="main.nothing")
    payload, answer = invoke(name, {})
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Runtime.HandlerNotFound"


def test_a_failure_is_told_with_type_message_and_lines(make: Make) -> None:
    payload, answer = invoke(make(), {"fail": "no such item"})
    assert answer["FunctionError"] == "Unhandled"
    assert (payload["errorType"], payload["errorMessage"]) == ("ValueError", "no such item")
    assert 'raise ValueError(event["fail"])' in payload["stackTrace"][-1]


@pytest.mark.faults
def test_a_function_that_takes_too_long_is_ended(make: Make, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    payload, answer = invoke(make(Timeout=1), {"sleep": 60, "mark": str(mark)})
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorMessage"].endswith("Task timed out after 1.00 seconds")
    with pytest.raises(ProcessLookupError):
        os.kill(int(mark.read_text()), 0)


@pytest.mark.faults
def test_a_function_that_is_killed_half_way_is_a_failure(make: Make, tmp_path: Path) -> None:
    name, mark, found = make(), tmp_path / "pid", []
    caller = threading.Thread(target=lambda: found.append(invoke(name, {"sleep": 60, "mark": str(mark)})))
    caller.start()
    eventually(lambda: mark.exists() and mark.read_text() != "")
    os.kill(int(mark.read_text()), signal.SIGKILL)
    caller.join(timeout=20)
    [(payload, answer)] = found
    assert answer["FunctionError"] == "Unhandled"
    assert payload["errorType"] == "Runtime.ExitError"
    assert payload["errorMessage"].endswith("Runtime exited with error: signal: killed")
    assert invoke(name, {"exit": 3})[0]["errorMessage"].endswith("exit status 3")
    assert invoke(name, {})[0]["calls"] == 1, "the next call gets a new process"


def test_an_event_is_tried_three_times_and_then_goes_to_the_dead_letters(twin: Twin, make: Make) -> None:
    sqs = boto3.client("sqs")
    queue = sqs.create_queue(QueueName=unique("dead"))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    fake = twin.fakes["lambda"]
    assert isinstance(fake, Lambda)
    fake.retry_seconds = 0.01
    name = make(DeadLetterConfig={"TargetArn": arn})
    assert invoke(name, {"fail": "always"}, InvocationType="Event")[1]["StatusCode"] == 202

    def dead() -> list[Any]:
        return sqs.receive_message(QueueUrl=queue, MessageAttributeNames=["All"]).get("Messages", [])

    [message] = eventually(dead)
    assert json.loads(message["Body"]) == {"fail": "always"}
    assert message["MessageAttributes"]["ErrorMessage"]["StringValue"] == "always"
    logs = boto3.client("logs")
    assert len(logs.describe_log_streams(logGroupName=f"/aws/lambda/{name}")["logStreams"]) == 3


def test_code_from_s3_and_from_this_machine(twin: Twin, make: Make, tmp_path: Path) -> None:
    client, bucket, role = boto3.client("lambda"), unique("code"), "arn:aws:iam::123456789012:role/any"
    twin.client("s3").create_bucket(Bucket=bucket)
    twin.client("s3").put_object(Bucket=bucket, Key="f.zip", Body=zipped(main="def handler(e, c): return 's3'"))
    (tmp_path / "main.py").write_text("import o9_assets.dataset\ndef handler(e, c): return 'local'")
    where = {
        "s3": {"S3Bucket": bucket, "S3Key": "f.zip"},
        "local": {"S3Bucket": "sandbox-local", "S3Key": str(tmp_path)},
    }
    for expected, code in where.items():
        name = unique("function")
        client.create_function(FunctionName=name, Runtime="python3.11", Role=role, Handler="main.handler", Code=code)
        assert invoke(name, {})[0] == expected
        assert name in [f["FunctionName"] for f in client.list_functions()["Functions"]]
        client.delete_function(FunctionName=name)
        with pytest.raises(client.exceptions.ResourceNotFoundException):
            client.invoke(FunctionName=name)


@pytest.mark.faults
@pytest.mark.parametrize(
    ("code", "told"),
    [
        ({"ZipFile": b"no zip"}, "Could not unzip"),
        ({"S3Bucket": "nothing-here", "S3Key": "f.zip"}, "NoSuchBucket"),
        ({}, "Code needs"),
    ],
)
def test_bad_code_is_refused(twin: Twin, code: dict[str, Any], told: str) -> None:
    client = boto3.client("lambda")
    with pytest.raises(client.exceptions.InvalidParameterValueException, match=told):
        client.create_function(
            FunctionName=unique("f"), Runtime="python3.11", Role="arn:aws:iam::1:role/r", Handler="m.h", Code=code
        )


@pytest.mark.faults
def test_a_package_that_leads_out_of_its_folder_is_refused(twin: Twin) -> None:
    content, client = io.BytesIO(), boto3.client("lambda")
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("../../outside.py", "")
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="leads out"):
        client.create_function(
            FunctionName=unique("f"),
            Runtime="python3.11",
            Role="arn:aws:iam::1:role/r",
            Handler="m.h",
            Code={"ZipFile": content.getvalue()},
        )
    assert not list(twin.state.rglob("outside.py"))
