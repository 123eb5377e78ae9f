"""`python -m o9_assets.sandbox`: AWS and o9, ready soon, with the environment that the aws deployment needs."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import boto3
import httpx
import pytest

from o9_assets.deployment import from_environment

pytestmark = pytest.mark.aws

READY_WITHIN_SECONDS = 10


@dataclass
class Started:
    process: subprocess.Popen[str]
    environment: dict[str, str]
    seconds: float
    state: Path


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    folder = tmp_path_factory.mktemp("sandbox")
    state, faults = folder / "state", folder / "faults.json"
    faults.write_text('{"poison": "poisoned"}')
    began = time.monotonic()
    command = [sys.executable, "-m", "o9_assets.sandbox", "--state", str(state), "--aws-port", "0", "--o9-port", "0"]
    command += ["--o9-faults", str(faults)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first.startswith("# Ready."), first
        seconds = time.monotonic() - began
        words = shlex.split((state / "environment").read_text())
        environment = dict(word.split("=", 1) for word in words if word != "export")
        yield Started(process, environment, seconds, state)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 0
        process.stdout.close()


@pytest.fixture(autouse=True)
def environment(sandbox: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sandbox.environment.items():
        monkeypatch.setenv(name, value)


def test_it_is_ready_soon(sandbox: Started) -> None:
    assert sandbox.seconds < READY_WITHIN_SECONDS


def test_its_environment_is_all_that_the_deployment_needs(sandbox: Started) -> None:
    deployment = from_environment()
    assert deployment.name == "aws"
    zone = deployment.resources["zone"].open()
    zone.put("erp/orders/one.csv", b"order_id\n1\n")
    assert [(found.name, found.size_bytes) for found in zone.list()] == [("erp/orders/one.csv", 11)]


def test_its_buckets_are_versioned_encrypted_and_closed() -> None:
    s3 = boto3.client("s3")
    names = [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert names == ["sandbox-lake", "sandbox-landing"] or names == ["sandbox-landing", "sandbox-lake"]
    for name in names:
        assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
        [rule] = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        closed = s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"]
        assert set(closed.values()) == {True}


def test_o9_answers_to_its_key(sandbox: Started) -> None:
    url = f"{sandbox.environment['O9_BASE_URL']}/api/v2/master/model"
    key = sandbox.environment["O9_API_KEY"]
    assert httpx.get(url, headers={"Authorization": f"ApiKey {key}"}).status_code == 200
    assert httpx.get(url, headers={"Authorization": "ApiKey wrong"}).status_code == 401


def test_faults_of_o9_are_switched_on_by_a_file(sandbox: Started) -> None:
    url = f"{sandbox.environment['O9_BASE_URL']}/api/v2/master/model/Item"
    header = {"Authorization": f"ApiKey {sandbox.environment['O9_API_KEY']}"}
    answers = [httpx.post(url, headers=header, json={"Data": [{"Name": name}]}) for name in ("poisoned", "good")]
    assert [answer.status_code for answer in answers] == [422, 200]


def test_a_folder_that_is_not_its_own_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    command = [sys.executable, "-m", "o9_assets.sandbox", "--state", str(tmp_path), "--aws-port", "0", "--o9-port", "0"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "holds what no sandbox made" in done.stderr
    assert (tmp_path / "mine.txt").read_text() == "mine"
