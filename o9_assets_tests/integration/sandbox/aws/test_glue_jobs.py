"""Glue jobs run their script with its arguments; what they write is there, and how they end is told."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import boto3
import pytest

from o9_assets.sandbox.aws import Twin
from o9_assets.sandbox.aws.services.glue import Glue
from o9_assets_tests.aws import eventually, unique

pytestmark = pytest.mark.aws

COPY = """
import sys, boto3, o9_assets.dataset
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
print("job", given["--JOB_NAME"])
s3 = boto3.client("s3")
body = s3.get_object(Bucket=given["--bucket"], Key=given["--from"])["Body"].read()
s3.put_object(Bucket=given["--bucket"], Key=given["--to"], Body=body.upper())
"""
SLEEP = "import time, sys; print('begun', flush=True); time.sleep(120)"
DONE = ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED")

Make = Callable[..., str]


@pytest.fixture
def bucket(twin: Twin) -> str:
    name = unique("jobs")
    twin.client("s3").create_bucket(Bucket=name)
    return name


@pytest.fixture
def make(twin: Twin, bucket: str) -> Make:
    """Makes a job of a script; returns its name."""

    def made(script: str, **settings: Any) -> str:
        name = unique("job")
        twin.client("s3").put_object(Bucket=bucket, Key=f"scripts/{name}.py", Body=script.encode())
        command = {"Name": "pythonshell", "ScriptLocation": f"s3://{bucket}/scripts/{name}.py", "PythonVersion": "3.9"}
        boto3.client("glue").create_job(
            Name=name, Role="arn:aws:iam::123456789012:role/any", Command=command, **settings
        )
        return name

    return made


def state(name: str, run: str, *wanted: str) -> dict[str, Any]:
    """The run once it is in one of the states."""
    glue = boto3.client("glue")

    def look() -> dict[str, Any] | None:
        found = glue.get_job_run(JobName=name, RunId=run)["JobRun"]
        return found if found["JobRunState"] in wanted else None

    return eventually(look)


def run_to_end(name: str, **how: Any) -> dict[str, Any]:
    return state(name, boto3.client("glue").start_job_run(JobName=name, **how)["JobRunId"], *DONE)


def test_a_script_gets_its_arguments_and_what_it_writes_is_there(twin: Twin, make: Make, bucket: str) -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key="in", Body=b"orders")
    name = make(COPY, DefaultArguments={"--bucket": bucket, "--from": "nothing", "--to": "out"})
    found = run_to_end(name, Arguments={"--from": "in"})
    assert (found["JobRunState"], found.get("ErrorMessage")) == ("SUCCEEDED", None)
    assert found["Arguments"] == {"--bucket": bucket, "--from": "in", "--to": "out"}
    assert s3.get_object(Bucket=bucket, Key="out")["Body"].read() == b"ORDERS"
    printed = boto3.client("logs").get_log_events(
        logGroupName="/aws-glue/python-jobs/output", logStreamName=found["Id"]
    )["events"]
    assert [event["message"] for event in printed] == [f"job {name}"]


def test_extra_files_are_importable(twin: Twin, make: Make, bucket: str) -> None:
    s3 = boto3.client("s3")
    s3.put_object(Bucket=bucket, Key="lib/helper_of_job.py", Body=b"VALUE = 7")
    name = make("import helper_of_job; raise SystemExit(helper_of_job.VALUE)")
    found = run_to_end(name, Arguments={"--extra-py-files": f"s3://{bucket}/lib/helper_of_job.py"})
    assert (found["JobRunState"], found["ErrorMessage"]) == ("FAILED", "Command failed with exit code 7")


@pytest.mark.faults
def test_a_failure_tells_the_scripts_own_reason_and_is_tried_again_as_the_job_says(make: Make) -> None:
    name = make("raise ValueError('no such feed: sap')", MaxRetries=1)
    found = run_to_end(name)
    assert (found["JobRunState"], found["ErrorMessage"]) == ("FAILED", "ValueError: no such feed: sap")
    again = state(name, f"{found['Id']}_attempt_1", *DONE)
    assert (again["Attempt"], again["PreviousRunId"], again["JobRunState"]) == (1, found["Id"], "FAILED")
    runs = boto3.client("glue").get_job_runs(JobName=name)["JobRuns"]
    assert [run["Id"] for run in runs] == [again["Id"], found["Id"]]


@pytest.mark.faults
def test_a_script_that_is_not_there_fails_the_run(make: Make, bucket: str) -> None:
    name = make("")
    boto3.client("s3").delete_object(Bucket=bucket, Key=f"scripts/{name}.py")
    found = run_to_end(name)
    assert found["JobRunState"] == "FAILED"
    assert "NoSuchKey" in found["ErrorMessage"]


@pytest.mark.faults
def test_runs_at_once_are_bounded_and_a_run_can_be_stopped(twin: Twin, make: Make) -> None:
    glue, fake, name = boto3.client("glue"), twin.fakes["glue"], make(SLEEP)
    assert isinstance(fake, Glue)
    run = glue.start_job_run(JobName=name)["JobRunId"]
    state(name, run, "RUNNING")
    [process] = fake.processes(run)
    with pytest.raises(glue.exceptions.ConcurrentRunsExceededException):
        glue.start_job_run(JobName=name)
    answer = glue.batch_stop_job_run(JobName=name, JobRunIds=[run, "jr_nothing"])
    assert [done["JobRunId"] for done in answer["SuccessfulSubmissions"]] == [run]
    assert [wrong["ErrorDetail"]["ErrorCode"] for wrong in answer["Errors"]] == ["EntityNotFoundException"]
    state(name, run, "STOPPED")
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.faults
def test_a_run_that_takes_too_long_and_one_that_is_killed(
    twin: Twin, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    glue, fake, name = boto3.client("glue"), twin.fakes["glue"], make(SLEEP, Timeout=1)
    assert isinstance(fake, Glue)
    run = glue.start_job_run(JobName=name)["JobRunId"]
    state(name, run, "RUNNING")
    os.kill(fake.processes(run)[0], signal.SIGKILL)
    assert state(name, run, *DONE)["ErrorMessage"] == "Command failed with signal SIGKILL"
    monkeypatch.setattr(fake, "seconds_a_minute", 0.2)
    found = run_to_end(name)
    assert (found["JobRunState"], found["ErrorMessage"]) == ("TIMEOUT", "Job run exceeded its timeout of 1 minutes")


@pytest.mark.faults
def test_what_a_job_cannot_be_is_refused(twin: Twin) -> None:
    glue = boto3.client("glue")
    role = "arn:aws:iam::123456789012:role/any"
    with pytest.raises(glue.exceptions.InvalidInputException, match="NotEmulated: jobs of the kind glueray"):
        glue.create_job(Name=unique("job"), Role=role, Command={"Name": "glueray", "ScriptLocation": "s3://b/k"})
    with pytest.raises(glue.exceptions.InvalidInputException, match="ScriptLocation"):
        glue.create_job(Name=unique("job"), Role=role, Command={"Name": "pythonshell"})
    with pytest.raises(glue.exceptions.EntityNotFoundException):
        glue.start_job_run(JobName="nothing")
