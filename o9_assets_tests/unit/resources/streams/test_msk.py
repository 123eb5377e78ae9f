"""How MSK is reached: an IAM token that is signed here, brokers of the kind that is asked for, TLS always verified."""

import base64
import time
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlparse

import pytest
from confluent_kafka import Consumer

from o9_assets.failures import Permanent
from o9_assets.resources.streams.msk import iam_token, security


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")


def test_the_token_is_a_signed_url_of_the_region_that_ends_in_a_quarter_of_an_hour(credentials: None) -> None:
    token, ends = iam_token("")
    url = urlparse(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    query = parse_qs(url.query)
    assert url.hostname == "kafka.eu-central-1.amazonaws.com"
    assert query["Action"] == ["kafka-cluster:Connect"]
    day = datetime.now(UTC).strftime("%Y%m%d")
    assert query["X-Amz-Credential"] == [f"AKIAEXAMPLE/{day}/eu-central-1/kafka-cluster/aws4_request"]
    assert query["X-Amz-Security-Token"] == ["session"]
    assert len(query["X-Amz-Signature"][0]) == 64
    assert 800 < ends - time.time() <= 901
    assert "secret" not in base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()


def test_without_a_region_it_says_so(credentials: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    with pytest.raises(Permanent, match="Set AWS_REGION"):
        iam_token("")


@pytest.mark.parametrize("auth", ["iam", "tls"])
def test_tls_is_verified_and_librdkafka_takes_the_options(credentials: None, auth: str) -> None:
    options = security(auth)  # type: ignore[arg-type]
    assert options["ssl.endpoint.identification.algorithm"] == "https"
    assert options["enable.ssl.certificate.verification"] is True
    assert options["security.protocol"] == {"iam": "sasl_ssl", "tls": "ssl"}[auth]
    consumer = Consumer({**options, "group.id": "g", "bootstrap.servers": "127.0.0.1:1", "log_level": 0})
    consumer.close()
