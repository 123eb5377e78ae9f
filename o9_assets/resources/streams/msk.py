"""Amazon MSK: a cluster's brokers by its ARN, and how a connection is secured (IAM token, TLS)."""

from __future__ import annotations

import os
from typing import Any, Literal

from o9_assets.failures import Permanent

__all__ = ["brokers_of", "iam_token", "security"]

NAMES = {
    True: ("BootstrapBrokerStringSaslIam", "BootstrapBrokerStringPublicSaslIam"),
    False: ("BootstrapBrokerStringTls", "BootstrapBrokerStringPublicTls", "BootstrapBrokerString"),
}


def brokers_of(cluster_arn: str, *, iam: bool) -> str:
    """host:port, ... of a cluster, for IAM or for TLS. Raises Permanent where the cluster offers none of the kind."""
    from botocore.exceptions import ClientError

    from o9_assets.resources import aws

    try:
        answer = aws.client("kafka").get_bootstrap_brokers(ClusterArn=cluster_arn)
    except ClientError as error:
        raise Permanent(f"The brokers of {cluster_arn}: {error}", remedy="Look at cluster_arn.") from error
    for name in NAMES[iam]:
        if found := answer.get(name):
            return str(found)
    kind = "iam" if iam else "tls"
    raise Permanent(f"{cluster_arn} has no brokers for auth: {kind}.", remedy="Switch it on, or set auth.")


def security(auth: Literal["iam", "tls", "none"]) -> dict[str, Any]:
    """librdkafka's options. Certificates and host names are verified wherever TLS is spoken."""
    if auth == "none":
        return {"security.protocol": "plaintext"}
    tls = {"ssl.endpoint.identification.algorithm": "https", "enable.ssl.certificate.verification": True}
    if auth == "tls":
        return {"security.protocol": "ssl", **tls}
    return {"security.protocol": "sasl_ssl", "sasl.mechanisms": "OAUTHBEARER", "oauth_cb": iam_token, **tls}


def iam_token(_: str) -> tuple[str, float]:
    """A token for librdkafka, signed with the run's credentials, and when it ends (seconds since 1970)."""
    from aws_msk_iam_sasl_signer import MSKAuthTokenProvider

    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if not region:
        raise Permanent("No region to sign the broker's token for.", remedy="Set AWS_REGION.")
    token, expires_ms = MSKAuthTokenProvider.generate_auth_token(region)
    return token, expires_ms / 1000
