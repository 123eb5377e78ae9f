"""Who may do what: identity policies, evaluated for moto's operations and ours alike.

Users, groups, roles and their policies are moto's. What is evaluated: inline and attached policies of a user, its
groups or an assumed role, with Action, NotAction, Resource, NotResource and the common conditions. What is not:
signatures, permission boundaries, organisations, policies of buckets and queues.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from o9_assets.sandbox.aws.fake import ServiceError

__all__ = ["Identity", "decide", "identify"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who calls, by ARN, and the statements that hold for them."""

    arn: str
    statements: tuple[Mapping[str, Any], ...]


def identify(account: str, access_key: str, token: str | None) -> Identity | None:
    """The user or assumed role behind an access key; None where there is none."""
    from moto.iam.access_control import CreateAccessKeyFailure, create_access_key

    headers = {"X-Amz-Security-Token": token} if token else {}
    try:
        key = create_access_key(account, "aws", access_key, headers)
    except CreateAccessKeyFailure:
        return None
    return Identity(key.arn, tuple(_statements(key.collect_policies())))


def _statements(policies: list[Any]) -> Iterator[Mapping[str, Any]]:
    for policy in policies:
        if isinstance(policy, str):
            document = policy
        elif isinstance(policy, dict):
            document = policy["policy_document"]
        else:
            document = next(version.document for version in policy.versions if version.is_default)
        found = json.loads(document)["Statement"]
        yield from found if isinstance(found, list) else [found]


def decide(identity: Identity, action: str, resource: str, context: Mapping[str, str]) -> None:
    """Raises ServiceError AccessDenied, naming who, the action and the resource."""
    who = f"User: {identity.arn} is not authorized to perform: {action} on resource: {resource}"
    allowed = False
    for statement in identity.statements:
        if not _concerns(statement, action, resource, context):
            continue
        if statement["Effect"] == "Deny":
            raise ServiceError("AccessDenied", f"{who} with an explicit deny in an identity-based policy", 403)
        allowed = True
    if not allowed:
        raise ServiceError("AccessDenied", f"{who} because no identity-based policy allows the {action} action", 403)


def _concerns(statement: Mapping[str, Any], action: str, resource: str, context: Mapping[str, str]) -> bool:
    if "NotAction" in statement:
        if _any(statement["NotAction"], action, ignore_case=True):
            return False
    elif not _any(statement.get("Action", ()), action, ignore_case=True):
        return False
    if "NotResource" in statement:
        if _any(statement["NotResource"], resource):
            return False
    elif not _any(statement.get("Resource", ()), resource):
        return False
    conditions = statement.get("Condition", {}).items()
    return all(_holds(operator, key, wanted, context) for operator, test in conditions for key, wanted in test.items())


def _holds(operator: str, key: str, wanted: Any, context: Mapping[str, str]) -> bool:
    """Whether a condition holds. Raises ServiceError for an operator that is not emulated."""
    values = [
        str(w).lower() if isinstance(w, bool) else str(w) for w in (wanted if isinstance(wanted, list) else [wanted])
    ]
    given = context.get(key.lower())
    if operator == "Null":
        return (given is None) == (values == ["true"])
    name = operator.removesuffix("IfExists")
    negative = "Not" in name
    if given is None:
        return negative or name != operator
    match name.replace("Not", ""):
        case "StringEquals":
            found = given in values
        case "StringEqualsIgnoreCase":
            found = given.lower() in [v.lower() for v in values]
        case "StringLike" | "ArnEquals" | "ArnLike":
            found = any(_pattern(v).fullmatch(given) for v in values)
        case "Bool":
            found = given.lower() in [v.lower() for v in values]
        case _:
            raise ServiceError("NotEmulated", f"NotEmulated: the condition {operator} is not emulated by the sandbox")
    return found != negative


def _any(patterns: Any, text: str, *, ignore_case: bool = False) -> bool:
    given = [patterns] if isinstance(patterns, str) else patterns
    return any(_pattern(p, ignore_case).fullmatch(text) for p in given)


@lru_cache(maxsize=4096)
def _pattern(pattern: str, ignore_case: bool = False) -> re.Pattern[str]:
    text = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if ignore_case else 0))
