"""Amazon MSK: a cluster's brokers by its ARN, and how a connection is secured (IAM token, TLS)."""

from __future__ import annotations

import os
from typing import Any, Literal, TypeAlias

from o9_assets.failures import Permanent

__all__ = ["brokers_of", "iam_token", "security"]

Auth: TypeAlias = Literal["iam", "tls", "none"]
NAMES: dict[Auth, tuple[str, ...]] = {
    "iam": ("BootstrapBrokerStringSaslIam", "BootstrapBrokerStringPublicSaslIam"),
    "tls": ("BootstrapBrokerStringTls", "BootstrapBrokerStringPublicTls"),
    "none": ("BootstrapBrokerString",),
}


def brokers_of(cluster_arn: str, auth: Auth) -> str:
    """host:port, ... of a cluster. Raises Permanent where the cluster offers none of the kind, and where they are to be
    read without TLS and are not on this machine."""
    from botocore.exceptions import ClientError

    from o9_assets.planning.streams import on_this_machine
    from o9_assets.resources import aws

    try:
        answer = aws.client("kafka").get_bootstrap_brokers(ClusterArn=cluster_arn)
    except ClientError as error:
        raise Permanent(f"The brokers of {cluster_arn}: {error}", remedy="Look at cluster_arn.") from error
    found = next((str(answer[name]) for name in NAMES[auth] if answer.get(name)), None)
    if found is None:
        raise Permanent(f"{cluster_arn} has no brokers for auth: {auth}.", remedy="Switch it on, or set auth.")
    if auth == "none" and not on_this_machine(found):
        raise Permanent(
            f"The brokers of {cluster_arn} are not on this machine.", remedy="Set auth to iam or tls; none is local."
        )
    return found


def security(auth: Auth) -> dict[str, Any]:
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
